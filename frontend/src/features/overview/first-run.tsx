/** The way from nothing to the first request, as steps that tick themselves off. */
import CheckIcon from "lucide-solid/icons/check";
import { For, Show } from "solid-js";
import { finished } from "../../lib/live.ts";
import { overview as words } from "../../lib/strings.ts";
import { ButtonLink } from "../../ui/button.tsx";

interface Step {
  title: string;
  hint: string;
  href: string | null;
  done: boolean;
}

export function FirstRun(props: { accounts: number; keys: number }) {
  const w = words.firstRun;
  const steps = (): Step[] => [
    { title: w.account, hint: w.accountHint, href: "/accounts?add=device", done: props.accounts > 0 },
    { title: w.key, hint: w.keyHint, href: "/keys?new", done: props.keys > 0 },
    { title: w.connect, hint: w.connectHint, href: "/connect", done: finished.length > 0 },
    { title: w.seen, hint: w.seenHint, href: null, done: finished.length > 0 },
  ];
  const next = () => steps().findIndex((step) => !step.done);
  return (
    <section class="panel px-5 py-5" aria-label={w.title}>
      <h2 class="text-lg font-semibold">{w.title}</h2>
      <p class="text-sm text-ink-2">{w.body}</p>
      <ol class="mt-4 grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        <For each={steps()}>
          {(step, index) => (
            <li
              class={`flex flex-col rounded-lg border px-4 py-3.5 ${index() === next() ? "border-accent bg-accent-soft/45" : "border-line"}`}
              aria-current={index() === next() ? "step" : undefined}
            >
              <span class={`flex items-center gap-2 text-sm font-semibold ${step.done ? "text-ink-3" : ""}`}>
                <span
                  class={`inline-flex size-5 shrink-0 items-center justify-center rounded-full text-xs ${step.done ? "bg-accent text-on-accent" : "border border-line-strong"}`}
                >
                  <Show when={step.done} fallback={index() + 1}>
                    <CheckIcon size={13} aria-label={w.done} />
                  </Show>
                </span>
                {step.title}
              </span>
              <p class="mt-1 mb-3 text-xs text-pretty text-ink-2">{step.hint}</p>
              <Show when={!step.done && step.href}>
                {(href) => (
                  <ButtonLink
                    small
                    href={href()}
                    look={index() === next() ? "primary" : "plain"}
                    class="mt-auto self-start"
                  >
                    {step.title}
                  </ButtonLink>
                )}
              </Show>
            </li>
          )}
        </For>
      </ol>
    </section>
  );
}
