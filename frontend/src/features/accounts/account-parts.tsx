/** How an account looks wherever it appears: its name, its state with a sign of its own, its windows. */
import { A } from "@solidjs/router";
import CircleCheck from "lucide-solid/icons/circle-check";
import CirclePause from "lucide-solid/icons/circle-pause";
import CircleX from "lucide-solid/icons/circle-x";
import Hourglass from "lucide-solid/icons/hourglass";
import KeyRound from "lucide-solid/icons/key-round";
import TimerReset from "lucide-solid/icons/timer-reset";
import { createMemo, For, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { leftNow, leftTone, nameOf, planWindows, statusTone, type Tone } from "../../lib/account-view.ts";
import type { AccountStatus, AccountSummary, QuotaWindow } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { percent, planName, windowShort } from "../../lib/format.ts";
import { accountWords } from "../../lib/strings.ts";
import type { Icon } from "../../ui/button.tsx";
import { Bar } from "../../ui/charts.tsx";
import { Countdown } from "../../ui/time.tsx";

const SIGNS: Record<AccountStatus, Icon> = {
  active: CircleCheck,
  rate_limited: TimerReset,
  quota_exceeded: Hourglass,
  paused: CirclePause,
  reauth_required: KeyRound,
  deactivated: CircleX,
};

const TEXT: Record<Tone, string> = {
  good: "text-good",
  warn: "text-warn",
  bad: "text-bad",
  idle: "text-idle",
};

export function StatusSign(props: { status: AccountStatus; reason?: string | null; bare?: boolean }) {
  return (
    <span
      class={`inline-flex items-center gap-1 text-xs font-[550] whitespace-nowrap ${TEXT[statusTone(props.status)]}`}
      title={props.reason ?? undefined}
    >
      <Dynamic component={SIGNS[props.status]} size={14} class="shrink-0" />
      <span class={props.bare ? "sr-only" : undefined}>{accountWords.status[props.status]}</span>
    </span>
  );
}

/** The name links to the account; an e-mail address can be blurred. */
export function AccountName(props: { account: AccountSummary; link?: boolean; class?: string }) {
  const name = () => (
    <span class={`truncate ${props.account.alias ? "" : "private"}`}>{nameOf(props.account)}</span>
  );
  return (
    <Show when={props.link !== false} fallback={name()}>
      <A
        href={`/accounts/${props.account.accountId}`}
        class={`flex min-w-0 hover:underline ${props.class ?? ""}`}
      >
        {name()}
      </A>
    </Show>
  );
}

export function PlanLine(props: { account: AccountSummary }) {
  return (
    <span class="truncate text-xs text-ink-3">
      {planName(props.account.planType)}
      <Show when={props.account.workspaceLabel}>{(label) => <> · {label()}</>}</Show>
      <Show when={props.account.routingPolicy !== "normal"}>
        {" "}
        · {accountWords.policy[props.account.routingPolicy]}
      </Show>
    </span>
  );
}

/** One window: its length, a bar of what is left, the share, and the time to its reset. */
export function WindowLine(props: {
  account: AccountSummary;
  window: QuotaWindow;
  label?: string;
  muted?: boolean;
}) {
  const left = createMemo(() => leftNow(props.window, now()));
  const name = () => props.label ?? windowShort(props.window.minutes);
  const reserve = () => props.account.reserveAtPercent;
  return (
    <div class="grid grid-cols-[2.25rem_minmax(2rem,1fr)_2.5rem_4.75rem] items-center gap-2 text-xs">
      <span class="truncate text-ink-3" title={name()}>
        {name()}
      </span>
      <Bar
        percent={left()}
        tone={props.muted ? "idle" : leftTone(left())}
        markPercent={reserve() ? 100 - (reserve() as number) : null}
        label={accountWords.windowLabel(name(), nameOf(props.account), percent(left()))}
      />
      <span class={`text-right font-[550] ${left() <= 5 ? "text-bad" : ""}`}>{percent(left())}</span>
      <span class="truncate text-right text-ink-3" title={accountWords.resetsIn}>
        <Show when={left() < 100} fallback={<span aria-hidden="true">–</span>}>
          <Countdown at={props.window.resetAt} past={accountWords.reset} />
        </Show>
      </span>
    </div>
  );
}

export function WindowLines(props: { account: AccountSummary }) {
  const muted = () => props.account.status === "paused" || statusTone(props.account.status) === "bad";
  return (
    <div class="flex flex-col gap-1.5">
      <For each={planWindows(props.account)}>
        {(window) => <WindowLine account={props.account} window={window} muted={muted()} />}
      </For>
    </div>
  );
}
