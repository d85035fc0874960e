/** A panel beside its button, by the browser's own popover: in the top layer, closed by Escape or a click elsewhere. */
import { createUniqueId, type JSX, onCleanup } from "solid-js";

const GAP_PX = 4;
/** Nothing touches the edge of the window. */
const EDGE_PX = 8;

/** Below the button and flush with its right edge; above it where there is no room. */
function place(panel: HTMLElement, button: HTMLElement): void {
  const { width, height } = panel.getBoundingClientRect();
  const at = button.getBoundingClientRect();
  const below = at.bottom + GAP_PX;
  const top = below + height > innerHeight - EDGE_PX ? Math.max(EDGE_PX, at.top - GAP_PX - height) : below;
  const left = Math.min(Math.max(EDGE_PX, at.right - width), innerWidth - EDGE_PX - width);
  panel.style.top = `${top}px`;
  panel.style.left = `${left}px`;
}

interface PopoverProps {
  /** The name of button and panel. */
  label: string;
  role?: "menu";
  buttonClass: string;
  panelClass: string;
  button: JSX.Element;
  onOpen?(panel: HTMLElement): void;
  onKeyDown?(event: KeyboardEvent, panel: HTMLElement): void;
  children: (close: () => void) => JSX.Element;
}

export function Popover(props: PopoverProps) {
  const id = createUniqueId();
  let button: HTMLButtonElement | undefined;
  let panel: HTMLDivElement | undefined;
  const close = () => panel?.hidePopover();
  // It would stay where it was while its button moves away.
  const onScroll = () => close();
  const onToggle = (event: ToggleEvent) => {
    const isOpen = event.newState === "open";
    button?.setAttribute("aria-expanded", String(isOpen));
    removeEventListener("scroll", onScroll);
    if (!isOpen || !panel || !button) return;
    place(panel, button);
    addEventListener("scroll", onScroll, { passive: true });
    props.onOpen?.(panel);
  };
  onCleanup(() => removeEventListener("scroll", onScroll));
  return (
    <>
      <button
        ref={(element) => {
          button = element;
        }}
        type="button"
        popovertarget={id}
        aria-label={props.label}
        aria-haspopup={props.role ?? "dialog"}
        aria-expanded="false"
        title={props.label}
        class={props.buttonClass}
      >
        {props.button}
      </button>
      <div
        ref={(element) => {
          panel = element;
          element.addEventListener("toggle", onToggle);
        }}
        id={id}
        popover="auto"
        role={props.role ?? "group"}
        aria-label={props.label}
        tabindex="-1"
        class={`fixed inset-auto m-0 rounded-lg border border-line bg-raised text-ink shadow-float outline-none ${props.panelClass}`}
        onKeyDown={(event) => props.onKeyDown?.(event, event.currentTarget)}
      >
        {props.children(close)}
      </div>
    </>
  );
}
