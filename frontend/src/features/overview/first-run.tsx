/** The way from nothing to the first request, as steps that tick themselves off. */
import CheckIcon from "lucide-solid/icons/check";
import { For, Show } from "solid-js";
import { finished } from "../../lib/live.ts";
import { overview as words } from "../../lib/strings.ts";
import { ButtonLink } from "../../ui/button.tsx";

interface Step {
  title: string;
  hint: string;
  /** The ways to do it, the usual one first. */
  ways: readonly (readonly [label: string, href: string])[];
  done: boolean;
}

export function FirstRun(props: { accounts: number; keys: number }) {
  const w = words.firstRun;
  const steps = (): Step[] => [
    {
      title: w.account,
      hint: w.accountHint,
      ways: [
        [w.accountByCode, "/accounts?add=device"],
        [w.accountByFile, "/accounts?add=files"],
      ],
      done: props.accounts > 0,
    },
    { title: w.key, hint: w.keyHint, ways: [[w.key, "/keys?new"]], done: props.keys > 0 },
    { title: w.connect, hint: w.connectHint, ways: [[w.connectShow, "/connect"]], done: finished.length > 0 },
    { title: w.seen, hint: w.seenHint, ways: [], done: finished.length > 0 },
  ];
  const next = () => steps().findIndex((step) => !step.done);
  return (
    <section class="panel px-5 py-5 sm:px-8 sm:py-7" aria-label={w.title}>
      <h2 class="text-xl font-semibold tracking-[-0.012em]">{w.title}</h2>
      <p class="text-base text-ink-2">{w.body}</p>
      <ol class="mt-6">
        <For each={steps()}>
          {(step, index) => (
            <li
              class="relative grid grid-cols-[1.75rem_minmax(0,1fr)] gap-x-4 pb-6 last:pb-0"
              aria-current={index() === next() ? "step" : undefined}
            >
              <Show when={index() < steps().length - 1}>
                <span
                  class="absolute top-9 bottom-2 left-[0.84375rem] w-px bg-line-strong"
                  aria-hidden="true"
                />
              </Show>
              <StepSign number={index() + 1} done={step.done} next={index() === next()} />
              <div class="flex flex-wrap items-center justify-between gap-x-8 gap-y-2.5 pt-0.5">
                <div class="min-w-0 flex-1 basis-64">
                  <h3 class={`text-base font-semibold ${step.done ? "text-ink-3" : ""}`}>{step.title}</h3>
                  <p class="text-sm text-pretty text-ink-2">{step.hint}</p>
                </div>
                <Show when={!step.done && step.ways.length > 0}>
                  <div class="flex flex-wrap gap-2">
                    <For each={step.ways}>
                      {([label, href], way) => (
                        <ButtonLink
                          href={href}
                          look={index() === next() && way() === 0 ? "primary" : "plain"}
                        >
                          {label}
                        </ButtonLink>
                      )}
                    </For>
                  </div>
                </Show>
              </div>
            </li>
          )}
        </For>
      </ol>
      <p class="mt-6 border-t border-line pt-4 text-sm text-ink-3">{w.demo}</p>
    </section>
  );
}

function StepSign(props: { number: number; done: boolean; next: boolean }) {
  const look = () =>
    props.done
      ? "bg-accent text-on-accent"
      : props.next
        ? "border-2 border-accent text-accent-strong"
        : "border border-line-strong text-ink-3";
  return (
    <span
      class={`inline-flex size-7 items-center justify-center rounded-full text-sm font-semibold ${look()}`}
    >
      <Show when={props.done} fallback={props.number}>
        <CheckIcon size={16} />
        <span class="sr-only">{words.firstRun.done}</span>
      </Show>
    </span>
  );
}
