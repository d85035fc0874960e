/**
 * What is left of the pool's quota, one picture per window length: a column per account, as wide as the account is big and
 * filled as high as it has left, so that the filled area is what the pool has left.
 */
import { A } from "@solidjs/router";
import { createMemo, createSignal, For, Show } from "solid-js";
import { leftTone, nameOf, type PoolWindow, poolWindows, type Tone } from "../../lib/account-view.ts";
import type { Depletion, Overview } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { ms, percent, span, when, windowName } from "../../lib/format.ts";
import { accountWords, overview as words } from "../../lib/strings.ts";
import { Section } from "../../ui/page.tsx";
import { Countdown } from "../../ui/time.tsx";
import { depletionOf } from "./depletion.ts";

/** Percentages move slowly: the picture is drawn anew twice a minute, not every second. */
const REDRAW_MS = 30_000;

export function QuotaPictures(props: { overview: Overview }) {
  const at = createMemo(() => Math.floor(now() / REDRAW_MS) * REDRAW_MS);
  const windows = createMemo(() => poolWindows(props.overview.accounts, at()));
  return (
    <Section title={words.quota.title} note={<span class="max-sm:hidden">{words.quota.hint}</span>}>
      <Show
        when={windows().length > 0}
        fallback={<p class="panel px-4 py-6 text-sm text-ink-2">{words.quota.empty}</p>}
      >
        <div
          class={`grid gap-4 ${windows().length === 1 ? "" : windows().length === 2 ? "lg:grid-cols-2" : "lg:grid-cols-3"}`}
        >
          <For each={windows()}>
            {(window) => (
              <QuotaPicture window={window} depletion={depletionOf(props.overview, window.minutes)} />
            )}
          </For>
        </div>
      </Show>
    </Section>
  );
}

const FILLS: Record<Tone, string> = {
  good: "bg-good-fill",
  warn: "bg-warn-fill",
  bad: "bg-bad-fill",
  idle: "bg-idle/35 hatched text-ink",
};

function QuotaPicture(props: { window: PoolWindow; depletion: Depletion | null }) {
  const [pointed, setPointed] = createSignal<string | null>(null);
  const withSome = () => props.window.columns.filter((column) => column.usable && column.left > 0).length;
  const column = () => props.window.columns.find((one) => one.account.accountId === pointed());
  return (
    <div class="panel flex min-w-0 flex-col px-4 pt-3 pb-3.5">
      <div class="flex items-start justify-between gap-4">
        <div>
          <h3 class="eyebrow">{words.quota.heading(windowName(props.window.minutes))}</h3>
          <p class="mt-0.5 flex items-baseline gap-1.5">
            <span class="text-2xl font-semibold tracking-[-0.018em]">
              {percent(props.window.leftPercent)}
            </span>
            <span class="text-sm text-ink-2">{words.quota.left}</span>
          </p>
        </div>
        <Forecast depletion={props.depletion} />
      </div>
      <div
        class="mt-3 flex h-28 items-stretch gap-[2px] border-b border-line-strong"
        onPointerLeave={() => setPointed(null)}
      >
        <For each={props.window.columns}>
          {(one) => {
            const tone = (): Tone => (one.usable ? leftTone(one.left) : "idle");
            return (
              <A
                href={`/accounts/${one.account.accountId}`}
                aria-label={`${accountWords.windowLabel(windowName(props.window.minutes), nameOf(one.account), percent(one.left))}, ${accountWords.status[one.account.status]}`}
                class="group relative flex min-w-[2px] basis-0 flex-col justify-end bg-track/55 hover:bg-track"
                style={{ "flex-grow": one.capacity }}
                onPointerEnter={() => setPointed(one.account.accountId)}
                onFocus={() => setPointed(one.account.accountId)}
                onBlur={() => setPointed(null)}
              >
                <Show
                  when={one.left > 0}
                  fallback={<span class="hatched absolute inset-0 text-bad" aria-hidden="true" />}
                >
                  <span
                    class={`block min-h-[2px] transition-[height] duration-500 group-hover:brightness-110 ${FILLS[tone()]}`}
                    style={{ height: `${one.left}%` }}
                  />
                </Show>
              </A>
            );
          }}
        </For>
      </div>
      <p class="mt-2 flex min-h-[1.0625rem] justify-between gap-3 text-xs text-ink-3">
        <Show
          when={column()}
          fallback={
            <>
              <span class="truncate">{words.quota.of(withSome(), props.window.columns.length)}</span>
              <Show when={props.window.nextResetAt}>
                <span class="shrink-0">
                  {words.quota.nextReset} <Countdown at={props.window.nextResetAt} />
                </span>
              </Show>
            </>
          }
        >
          {(one) => (
            <>
              <span class="truncate font-[550] text-ink">
                <span class={one().account.alias ? "" : "private"}>{nameOf(one().account)}</span>
              </span>
              <span class="shrink-0">
                {accountWords.left(percent(one().left))} · <ResetText at={one().window.resetAt} />
              </span>
            </>
          )}
        </Show>
      </p>
    </div>
  );
}

function ResetText(props: { at: string | null }) {
  const text = () => {
    const at = ms(props.at);
    return at === null || at <= now() ? accountWords.reset : words.quota.resetsIn(span(at - now()));
  };
  return <>{text()}</>;
}

function Forecast(props: { depletion: Depletion | null }) {
  const endsAt = () => ms(props.depletion?.projectedExhaustionAt);
  return (
    <div class="text-right text-xs">
      <Show when={props.depletion} fallback={<span class="text-ink-3">{words.quota.noForecast}</span>}>
        <Show when={endsAt()} fallback={<span class="text-ink-2">{words.quota.safe}</span>}>
          {(at) => (
            <>
              <p class="font-[550] text-warn">
                {words.quota.runsOut} {when(at(), now())}
              </p>
              <p class="text-ink-3">
                {span(at() - now())} {words.quota.atThisPace}
              </p>
            </>
          )}
        </Show>
      </Show>
    </div>
  );
}
