/** Short messages at the bottom; an error stays until it is read. Of our own, because the page's policy forbids injected styles. */
import CircleAlert from "lucide-solid/icons/circle-alert";
import CircleCheck from "lucide-solid/icons/circle-check";
import X from "lucide-solid/icons/x";
import { createSignal, For, Show } from "solid-js";
import { common } from "../lib/strings.ts";

interface ToastAction {
  label: string;
  run(): void;
}

interface Message {
  id: number;
  text: string;
  kind: "done" | "error";
  action: ToastAction | undefined;
}

/** Long enough to read it and reach for "Undo". */
const SHOWN_MS = 7_000;
const MAX_SHOWN = 4;

const [messages, setMessages] = createSignal<Message[]>([]);
let lastId = 0;

function dismiss(id: number): void {
  setMessages((list) => list.filter((message) => message.id !== id));
}

function show(kind: Message["kind"], text: string, action?: ToastAction): void {
  const message = { id: ++lastId, text, kind, action };
  setMessages((list) => [...list.filter((one) => one.text !== text), message].slice(-MAX_SHOWN));
  if (kind === "done") setTimeout(() => dismiss(message.id), SHOWN_MS);
}

export const toast = {
  done: (text: string, action?: ToastAction) => show("done", text, action),
  error: (text: string) => show("error", text),
};

export function Toasts() {
  return (
    <div
      role="region"
      aria-label={common.messages}
      aria-live="polite"
      class="pointer-events-none fixed inset-x-3 bottom-16 z-[60] flex flex-col items-center gap-2 md:bottom-4 print:hidden"
    >
      <For each={messages()}>
        {(message) => (
          <div
            class="enter pointer-events-auto flex max-w-[34rem] items-center gap-2.5 rounded-lg border border-line bg-raised py-2 pr-2 pl-3 text-sm shadow-float"
            role={message.kind === "error" ? "alert" : "status"}
          >
            <Show
              when={message.kind === "error"}
              fallback={<CircleCheck size={16} class="shrink-0 text-good" />}
            >
              <CircleAlert size={16} class="shrink-0 text-bad" />
            </Show>
            <span class="min-w-0">{message.text}</span>
            <Show when={message.action}>
              {(action) => (
                <button
                  type="button"
                  class="rounded-sm px-1.5 font-[550] text-accent hover:underline"
                  onClick={() => {
                    dismiss(message.id);
                    action().run();
                  }}
                >
                  {action().label}
                </button>
              )}
            </Show>
            <button
              type="button"
              aria-label={common.dismiss}
              class="inline-flex size-6 shrink-0 items-center justify-center rounded-sm text-ink-3 hover:bg-hover hover:text-ink"
              onClick={() => dismiss(message.id)}
            >
              <X size={14} />
            </button>
          </div>
        )}
      </For>
    </div>
  );
}
