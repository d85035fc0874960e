/** Text to paste elsewhere, with a copy button that says that it worked. */
import CheckIcon from "lucide-solid/icons/check";
import Copy from "lucide-solid/icons/copy";
import { createSignal, onCleanup, Show } from "solid-js";
import { common } from "../lib/strings.ts";
import { Button } from "./button.tsx";
import { toast } from "./toast.tsx";

/** How long the tick stays. */
const COPIED_MS = 1_600;

/** `navigator.clipboard` exists on https and localhost only; elsewhere a selected text area still works. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "sr-only";
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}

export function CopyButton(props: { text: string; label?: string; look?: "plain" | "quiet" | "primary" }) {
  const [copied, setCopied] = createSignal(false);
  let timer: ReturnType<typeof setTimeout>;
  onCleanup(() => clearTimeout(timer));
  const copy = async () => {
    if (!(await copyText(props.text))) return toast.error(common.copyFailed);
    setCopied(true);
    clearTimeout(timer);
    timer = setTimeout(() => setCopied(false), COPIED_MS);
  };
  return (
    <Button small look={props.look ?? "quiet"} icon={copied() ? CheckIcon : Copy} onClick={() => void copy()}>
      <span aria-live="polite">{copied() ? common.copied : (props.label ?? common.copy)}</span>
    </Button>
  );
}

export function CodeBlock(props: { code: string; title?: string; label?: string }) {
  return (
    <figure class="overflow-hidden rounded-md border border-line bg-sunken">
      <figcaption class="flex items-center justify-between gap-2 border-b border-line py-1 pr-1 pl-3 text-xs text-ink-2">
        <span class="truncate font-mono">{props.title}</span>
        <span class="print:hidden">
          <CopyButton text={props.code} />
        </span>
      </figcaption>
      <pre
        class="overflow-x-auto px-3 py-2.5 font-mono text-xs leading-[1.15rem]"
        tabindex="0"
        aria-label={props.label ?? props.title ?? common.code}
      >
        <code>{props.code}</code>
      </pre>
    </figure>
  );
}

/** A short value with a copy button behind it. */
export function Copyable(props: { text: string; shown?: string }) {
  return (
    <Show when={props.text}>
      <span class="inline-flex max-w-full items-center gap-1">
        <code class="truncate font-mono text-xs">{props.shown ?? props.text}</code>
        <CopyButton text={props.text} />
      </span>
    </Show>
  );
}
