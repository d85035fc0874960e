/** A button that opens a list of actions (Kobalte). */
import { DropdownMenu } from "@kobalte/core/dropdown-menu";
import Ellipsis from "lucide-solid/icons/ellipsis";
import { For, type JSX, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import type { Icon } from "./button.tsx";

export interface MenuAction {
  label: string;
  icon?: Icon;
  danger?: boolean;
  disabled?: boolean;
  /** A line above it. */
  separated?: boolean;
  run(): void;
}

export function ActionMenu(props: { label: string; actions: readonly MenuAction[]; children?: JSX.Element }) {
  return (
    <DropdownMenu placement="bottom-end" gutter={4} preventScroll={false} modal={false}>
      <DropdownMenu.Trigger
        aria-label={props.label}
        title={props.label}
        class="inline-flex h-7 min-w-7 shrink-0 items-center justify-center gap-1 rounded-md px-1.5 text-xs font-[550] text-ink-2 hover:bg-hover hover:text-ink data-expanded:bg-hover"
      >
        {props.children ?? <Ellipsis size={16} />}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content class="enter z-50 min-w-44 rounded-lg border border-line bg-raised p-1 shadow-float outline-none">
          <For each={props.actions}>
            {(action) => (
              <>
                <Show when={action.separated}>
                  <DropdownMenu.Separator class="my-1 border-line" />
                </Show>
                <DropdownMenu.Item
                  disabled={action.disabled ?? false}
                  onSelect={action.run}
                  class={`flex h-8 cursor-pointer items-center gap-2 rounded-md px-2 text-sm outline-none data-disabled:opacity-45 data-highlighted:bg-hover ${action.danger ? "text-bad" : "text-ink"}`}
                >
                  <Show when={action.icon}>
                    {(icon) => <Dynamic component={icon()} size={15} class="opacity-75" />}
                  </Show>
                  {action.label}
                </DropdownMenu.Item>
              </>
            )}
          </For>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu>
  );
}
