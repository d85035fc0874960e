/** One account: its windows and their course, its use, its login, its routing, the conversations it holds. */
import { A } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import ArrowLeft from "lucide-solid/icons/arrow-left";
import Pause from "lucide-solid/icons/pause";
import Play from "lucide-solid/icons/play";
import Radar from "lucide-solid/icons/radar";
import { createMemo, createSignal, For, Show } from "solid-js";
import {
  featureWindows,
  leftNow,
  leftTone,
  nameOf,
  needsPerson,
  planWindows,
} from "../../lib/account-view.ts";
import type { AccountSummary, AccountTrends, QuotaWindow, TokenState } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { compact, count, date, ms, percent, planName, usd, windowName } from "../../lib/format.ts";
import { accountTrendsQuery } from "../../lib/queries.ts";
import { accountWords, accounts as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Bar } from "../../ui/charts.tsx";
import { Copyable } from "../../ui/code.tsx";
import { LineChart } from "../../ui/line-chart.tsx";
import { Block, Fact, Facts } from "../../ui/page.tsx";
import { Empty, Loaded, Skeleton } from "../../ui/states.tsx";
import { Ago, Countdown } from "../../ui/time.tsx";
import { setPaused } from "./account-actions.ts";
import { AccountMenu, probe } from "./account-menu.tsx";
import { PlanLine, StatusSign } from "./account-parts.tsx";
import { RoutingForm } from "./account-routing.tsx";
import { HeldSessions } from "./account-sessions.tsx";
import { MendAction } from "./mend-action.tsx";
import { Writes } from "../shell/writes.tsx";

export function AccountDetail(props: { account: AccountSummary | undefined }) {
  return (
    <div class="min-w-0">
      <A href="/accounts" class="link mb-3 inline-flex items-center gap-1.5 text-sm lg:hidden">
        <ArrowLeft size={15} />
        {words.detail.back}
      </A>
      <Show when={props.account} fallback={<Empty title={words.detail.notFound} />}>
        {(account) => <Detail account={account()} />}
      </Show>
    </div>
  );
}

function Detail(props: { account: AccountSummary }) {
  const d = words.detail;
  return (
    <article class="panel divide-y divide-line overflow-hidden" aria-label={nameOf(props.account)}>
      <Head account={props.account} />
      <Block title={d.windows}>
        <div class="grid gap-x-8 gap-y-4 sm:grid-cols-2">
          <For each={planWindows(props.account)}>
            {(window) => <BigWindow account={props.account} window={window} />}
          </For>
          <For each={featureWindows(props.account)}>
            {(window) => <BigWindow account={props.account} window={window} feature={window.scope} />}
          </For>
        </div>
      </Block>
      <Block title={d.trend}>
        <Trend account={props.account} />
      </Block>
      <div class="grid grid-cols-1 divide-line max-xl:divide-y xl:grid-cols-2 xl:divide-x">
        <Use account={props.account} />
        <Login account={props.account} />
      </div>
      <div class="grid grid-cols-1 divide-line max-xl:divide-y xl:grid-cols-2 xl:divide-x">
        <Block title={d.routing}>
          <Writes>
            <RoutingForm account={props.account} />
          </Writes>
        </Block>
        <HeldSessions account={props.account} />
      </div>
    </article>
  );
}

function Head(props: { account: AccountSummary }) {
  const [probing, setProbing] = createSignal(false);
  const paused = () => props.account.status === "paused";
  const ask = async () => {
    setProbing(true);
    await probe(props.account).finally(() => setProbing(false));
  };
  return (
    <header class="px-5 py-4">
      <div class="flex flex-wrap items-start justify-between gap-x-4 gap-y-3">
        <div class="min-w-0">
          <div class="flex flex-wrap items-center gap-x-3 gap-y-1">
            <h2 class={`text-lg font-semibold break-all ${props.account.alias ? "" : "private"}`}>
              {nameOf(props.account)}
            </h2>
            <StatusSign status={props.account.status} />
          </div>
          <p class="flex flex-wrap gap-x-2 text-sm text-ink-3">
            <Show when={props.account.alias && props.account.email}>
              <span class="private">{props.account.email}</span>
            </Show>
            <PlanLine account={props.account} />
          </p>
        </div>
        <div class="flex items-center gap-2">
          <Writes>
            <Button icon={Radar} busy={probing()} onClick={() => void ask()}>
              {words.probe}
            </Button>
            <Button icon={paused() ? Play : Pause} onClick={() => void setPaused(props.account, !paused())}>
              {paused() ? words.resume : words.pause}
            </Button>
          </Writes>
          <AccountMenu account={props.account} />
        </div>
      </div>
      <Show when={props.account.status !== "active"}>
        <div class="mt-3">
          <MendAction account={props.account} />
        </div>
      </Show>
    </header>
  );
}

function BigWindow(props: { account: AccountSummary; window: QuotaWindow; feature?: string }) {
  const left = createMemo(() => leftNow(props.window, now()));
  const name = () => words.detail.windowFull(windowName(props.window.minutes));
  return (
    <div>
      <div class="mb-1.5 flex items-baseline justify-between gap-3 text-sm">
        <span class="min-w-0 truncate">
          {name()}
          <Show when={props.feature}>
            <span class="text-ink-3"> · {props.feature}</span>
          </Show>
        </span>
        <span class="font-semibold">{accountWords.left(percent(left()))}</span>
      </div>
      <Bar
        percent={left()}
        tone={props.account.status === "paused" || needsPerson(props.account) ? "idle" : leftTone(left())}
        class="!h-2"
        markPercent={props.account.reserveAtPercent ? 100 - props.account.reserveAtPercent : null}
        label={accountWords.windowLabel(name(), nameOf(props.account), percent(left()))}
      />
      <p class="mt-1 text-xs text-ink-3">
        {words.detail.resetsIn} <Countdown at={props.window.resetAt} past={accountWords.reset} />
      </p>
    </div>
  );
}

/** A course shows so many lengths of its window, or the five hours of a month would be a scribble. */
const SHOWN_WINDOWS = 15;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const LONGEST_MS = 28 * DAY_MS;

interface Course {
  name: string;
  days: number;
  times: number[];
  values: number[];
}

/** What was left of each window over its last rounds. */
function coursesOf(account: AccountSummary, trends: AccountTrends): Course[] {
  const [first, second] = planWindows(account);
  const known = trends.windows ?? [
    { minutes: first?.minutes ?? 0, points: trends.primary },
    { minutes: second?.minutes ?? 0, points: trends.secondary },
  ];
  return known.flatMap(({ minutes, points }) => {
    const last = points.at(-1);
    if (!last || minutes === 0) return [];
    const length = Math.min(LONGEST_MS, minutes * SHOWN_WINDOWS * MINUTE_MS);
    const shown = points.filter((point) => Date.parse(point.t) >= Date.parse(last.t) - length);
    if (shown.length < 2) return [];
    return {
      name: windowName(minutes),
      days: Math.round(length / DAY_MS),
      times: shown.map((point) => Date.parse(point.t)),
      values: shown.map((point) => point.v),
    };
  });
}

function Trend(props: { account: AccountSummary }) {
  const trends = useQuery(() => accountTrendsQuery(props.account.accountId));
  return (
    <Loaded query={trends} skeleton={<Skeleton class="h-40 w-full" />}>
      {(data) => {
        const courses = createMemo(() => coursesOf(props.account, data()));
        return (
          <div class="grid gap-x-6 gap-y-4 xl:grid-cols-2">
            <For each={courses()} fallback={<p class="text-sm text-ink-3">{words.detail.noTrend}</p>}>
              {(course) => (
                <div class="min-w-0">
                  <p class="mb-1 text-xs text-ink-2">{words.detail.course(course.name, course.days)}</p>
                  <LineChart
                    times={course.times}
                    series={[{ label: course.name, values: course.values, color: "accent" }]}
                    range={[0, 100]}
                    height={140}
                    format={(value) => `${value}%`}
                    label={words.detail.course(course.name, course.days)}
                  />
                </div>
              )}
            </For>
          </div>
        );
      }}
    </Loaded>
  );
}

function Use(props: { account: AccountSummary }) {
  const use = () => props.account.requestUsage;
  const d = words.detail;
  return (
    <Block
      title={d.use}
      aside={
        <A href={`/requests?accountId=${props.account.accountId}`} class="link text-xs">
          {d.requestsLink}
        </A>
      }
    >
      <Facts>
        <Fact name={d.requests}>{count(use()?.requestCount ?? 0)}</Fact>
        <Fact name={d.tokens}>{compact(use()?.totalTokens ?? 0)}</Fact>
        <Fact name={d.cached}>{compact(use()?.cachedInputTokens ?? 0)}</Fact>
        <Fact name={d.cost}>{usd(use()?.totalCostUsd ?? 0)}</Fact>
        <Show when={props.account.creditsHas}>
          <Fact name={d.credits}>
            {props.account.creditsUnlimited
              ? accountWords.unlimitedCredits
              : accountWords.credits(props.account.creditsBalance ?? "0")}
          </Fact>
        </Show>
        <Fact name={d.checked}>
          <Ago at={props.account.usageReadAt ?? props.account.lastRefreshAt} />
        </Fact>
      </Facts>
    </Block>
  );
}

function Login(props: { account: AccountSummary }) {
  const d = words.detail;
  const auth = () => props.account.auth;
  const added = () => ms(props.account.createdAt);
  return (
    <Block title={d.login}>
      <Facts>
        <Fact name={d.access}>
          <Token token={auth()?.access} />
        </Fact>
        <Fact name={d.refresh}>
          <Token token={auth()?.refresh} />
        </Fact>
        <Fact name={d.idToken}>
          <Token token={auth()?.idToken} />
        </Fact>
        <Fact name={d.accountId}>
          <Copyable text={props.account.chatgptAccountId ?? ""} />
        </Fact>
        <Show when={props.account.workspaceLabel ?? props.account.workspaceId}>
          {(workspace) => <Fact name={d.workspace}>{workspace()}</Fact>}
        </Show>
        <Show when={props.account.seatType}>{(seat) => <Fact name={d.seat}>{planName(seat())}</Fact>}</Show>
        <Fact name={d.ourId}>
          <Copyable text={props.account.accountId} />
        </Fact>
        <Show when={added()}>{(at) => <Fact name={d.added}>{date(at())}</Fact>}</Show>
      </Facts>
    </Block>
  );
}

function Token(props: { token: TokenState | undefined }) {
  const state = () => props.token?.state ?? "missing";
  const bad = () => state() === "expired" || state() === "missing";
  return (
    <span class={bad() ? "text-bad" : ""}>
      {words.detail.tokenStates[state()] ?? state()}
      <Show when={!bad() && props.token?.expiresAt}>
        <span class="text-ink-3">
          , {words.detail.expiresIn} <Countdown at={props.token?.expiresAt} past={words.detail.expired} />
        </span>
      </Show>
    </span>
  );
}
