/** Dialogs in the middle and drawers at the side, with focus kept inside and given back (Kobalte). */
import { Dialog as Part } from "@kobalte/core/dialog";
import X from "lucide-solid/icons/x";
import { createSignal, type JSX, Show } from "solid-js";
import { common } from "../lib/strings.ts";
import { Button } from "./button.tsx";

interface DialogProps {
  open: boolean;
  onClose(): void;
  title: JSX.Element;
  description?: JSX.Element;
  /** Buttons at the bottom. */
  footer?: JSX.Element;
  width?: "narrow" | "wide";
  side?: boolean;
  /** Which part gets the focus first, as a selector; default: the first that can have it. */
  firstFocus?: string;
  children?: JSX.Element;
}

export function Dialog(props: DialogProps) {
  let content: HTMLElement | undefined;
  let before: Element | null = null;
  const place = () =>
    props.side
      ? "enter-side inset-y-0 right-0 w-full max-w-[34rem] border-l sm:w-[92vw]"
      : `enter top-[6vh] left-1/2 max-h-[88vh] w-[calc(100vw-1.5rem)] -translate-x-1/2 rounded-lg border ${props.width === "wide" ? "max-w-[46rem]" : "max-w-[30rem]"}`;
  return (
    <Part open={props.open} onOpenChange={(open) => !open && props.onClose()} preventScroll={false}>
      <Part.Portal>
        <Part.Overlay class="fixed inset-0 z-40 bg-scrim" />
        <Part.Content
          ref={(element: HTMLElement) => {
            content = element;
          }}
          onOpenAutoFocus={(event) => {
            before = document.activeElement;
            const first = props.firstFocus && content?.querySelector<HTMLElement>(props.firstFocus);
            if (!first) return;
            event.preventDefault();
            first.focus();
          }}
          onCloseAutoFocus={(event) => {
            // Kobalte gives it to the dialog's own trigger; ours have none, they are opened by whatever state says so.
            event.preventDefault();
            if (before instanceof HTMLElement) before.focus({ preventScroll: true });
          }}
          class={`fixed z-50 flex flex-col border-line bg-panel shadow-float outline-none ${place()}`}
        >
          <header class="border-b border-line py-3.5 pr-14 pl-5">
            <div class="min-w-0">
              <Part.Title class="text-lg leading-6 font-semibold text-balance">{props.title}</Part.Title>
              <Show when={props.description}>
                <Part.Description class="mt-0.5 text-sm text-ink-2">{props.description}</Part.Description>
              </Show>
            </div>
          </header>
          <div class="min-h-0 flex-1 overflow-y-auto px-5 py-4">{props.children}</div>
          <Show when={props.footer}>
            <footer class="flex flex-wrap items-center justify-end gap-2 border-t border-line px-5 py-3">
              {props.footer}
            </footer>
          </Show>
          {/* Last, so that the first field of the dialog gets the focus. */}
          <Part.CloseButton
            aria-label={common.close}
            class="absolute top-3 right-3.5 inline-flex size-8 shrink-0 items-center justify-center rounded-md text-ink-2 hover:bg-hover hover:text-ink"
          >
            <X size={16} />
          </Part.CloseButton>
        </Part.Content>
      </Part.Portal>
    </Part>
  );
}

interface ConfirmProps {
  open: boolean;
  onClose(): void;
  title: string;
  /** What the button does: "Delete account", never "OK". */
  action: string;
  danger?: boolean;
  disabled?: boolean;
  /** Closes when it answers true. */
  run(): Promise<boolean>;
  children?: JSX.Element;
}

export function Confirm(props: ConfirmProps) {
  const [busy, setBusy] = createSignal(false);
  const run = async () => {
    setBusy(true);
    const done = await props.run().finally(() => setBusy(false));
    if (done) props.onClose();
  };
  return (
    <Dialog
      open={props.open}
      onClose={props.onClose}
      title={props.title}
      footer={
        <>
          <Button look="quiet" onClick={props.onClose}>
            {common.cancel}
          </Button>
          <Button
            look={props.danger ? "danger" : "primary"}
            busy={busy()}
            disabled={props.disabled}
            onClick={() => void run()}
          >
            {props.action}
          </Button>
        </>
      }
    >
      <div class="flex flex-col gap-3 text-sm text-ink-2">{props.children}</div>
    </Dialog>
  );
}
