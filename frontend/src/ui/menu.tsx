/** A button that opens a list of actions. */
import Ellipsis from "lucide-solid/icons/ellipsis";
import { For, type JSX, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import type { Icon } from "./button.tsx";
import { Popover } from "./popover.tsx";

export interface MenuAction {
  label: string;
  icon?: Icon;
  danger?: boolean;
  disabled?: boolean;
  /** A line above it. */
  separated?: boolean;
  run(): void;
}

const itemsOf = (panel: HTMLElement) => [...panel.querySelectorAll<HTMLElement>("[role=menuitem]:enabled")];

/** Arrows go round, Home and End to the ends; Tab leaves the menu. */
function moveFocus(event: KeyboardEvent, panel: HTMLElement): void {
  const items = itemsOf(panel);
  const at = items.indexOf(document.activeElement as HTMLElement);
  const next: Record<string, number> = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  };
  const index = next[event.key];
  if (event.key === "Tab") panel.hidePopover();
  if (index === undefined) return;
  event.preventDefault();
  items[index]?.focus();
}

export function ActionMenu(props: { label: string; actions: readonly MenuAction[]; children?: JSX.Element }) {
  return (
    <Popover
      label={props.label}
      role="menu"
      buttonClass="inline-flex h-7 min-w-7 shrink-0 items-center justify-center gap-1 rounded-md px-1.5 text-xs font-[550] text-ink-2 hover:bg-hover hover:text-ink aria-expanded:bg-hover disabled:opacity-45"
      panelClass="min-w-44 p-1"
      button={props.children ?? <Ellipsis size={16} />}
      onOpen={(panel) => itemsOf(panel)[0]?.focus()}
      onKeyDown={moveFocus}
    >
      {(close) => (
        <For each={props.actions}>
          {(action) => (
            <>
              <Show when={action.separated}>
                <hr class="my-1 border-line" />
              </Show>
              <button
                type="button"
                role="menuitem"
                tabindex="-1"
                disabled={action.disabled}
                onClick={() => {
                  close();
                  action.run();
                }}
                class={`flex h-8 w-full items-center gap-2 rounded-md px-2 text-left text-sm outline-none hover:bg-hover focus:bg-hover disabled:opacity-45 ${action.danger ? "text-bad" : "text-ink"}`}
              >
                <Show when={action.icon}>
                  {(icon) => <Dynamic component={icon()} size={15} class="opacity-75" />}
                </Show>
                {action.label}
              </button>
            </>
          )}
        </For>
      )}
    </Popover>
  );
}
