/** The Overview: how the pool is doing, in one look. */
import { useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { createMemo, Show } from "solid-js";
import { needsPerson, poolWindows } from "../../lib/account-view.ts";
import type { Overview, Timeframe } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { ms, when, windowName } from "../../lib/format.ts";
import { dataOf, keysQuery, overviewQuery } from "../../lib/queries.ts";
import { overview as words } from "../../lib/strings.ts";
import { Segmented } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page.tsx";
import { ErrorNote, Skeleton } from "../../ui/states.tsx";
import { AccountCards } from "./account-cards.tsx";
import { depletionOf } from "./depletion.ts";
import { FirstRun } from "./first-run.tsx";
import { LiveList } from "./live-list.tsx";
import { Metrics } from "./metrics.tsx";
import { QuotaPictures } from "./quota-picture.tsx";

const TIMEFRAMES: readonly Timeframe[] = ["1d", "7d", "30d"];
const asTimeframe = (text: unknown): Timeframe => TIMEFRAMES.find((one) => one === text) ?? "7d";

export default function OverviewPage() {
  const [params, setParams] = useSearchParams();
  const timeframe = () => asTimeframe(params["timeframe"]);
  const overview = useQuery(() => overviewQuery(timeframe()));
  const keys = useQuery(() => keysQuery);
  const data = () => dataOf(overview);
  const isFirstRun = () => {
    const known = data();
    return (
      known !== undefined &&
      (known.accounts.length === 0 || known.summary.metrics.requests === 0) &&
      !hasHistory(known)
    );
  };
  return (
    <>
      <PageHead
        title={words.title}
        summary={<Show when={data()}>{(known) => <Sentence overview={known()} />}</Show>}
      >
        <Show when={data()?.accounts.length !== 0}>
          <Segmented
            label={words.timeframe}
            value={timeframe()}
            choices={TIMEFRAMES.map((value) => ({ value, label: words.timeframes[value] }))}
            onChange={(value) => setParams({ timeframe: value }, { replace: true })}
          />
        </Show>
      </PageHead>
      <Show when={overview.isError}>
        <ErrorNote error={overview.error} retry={() => void overview.refetch()} class="mb-4" />
      </Show>
      <Show
        when={data()}
        fallback={
          <Show when={!overview.isError}>
            <OverviewSkeleton />
          </Show>
        }
      >
        {(known) => (
          <div class="flex flex-col gap-6">
            <Show when={isFirstRun()}>
              <FirstRun accounts={known().accounts.length} keys={dataOf(keys)?.length ?? 0} />
            </Show>
            <Show when={known().accounts.length > 0}>
              <Metrics overview={known()} />
              <QuotaPictures overview={known()} />
              <div class="grid gap-6 xl:grid-cols-[minmax(0,1fr)_23.5rem]">
                <AccountCards accounts={known().accounts} />
                <LiveList accounts={known().accounts} />
              </div>
            </Show>
          </div>
        )}
      </Show>
    </>
  );
}

/** A pool that served before is not new, even when the period shown is quiet. */
const hasHistory = (overview: Overview): boolean =>
  overview.accounts.some((account) => (account.requestUsage?.requestCount ?? 0) > 0);

/** The state of the pool in words: who can serve, who needs somebody, how long it lasts. */
function Sentence(props: { overview: Overview }) {
  const text = createMemo(() => {
    const { accounts } = props.overview;
    if (accounts.length === 0) return "";
    const ready = accounts.filter((account) => account.status === "active").length;
    const waiting = accounts.filter(needsPerson).length;
    const parts = [
      ready === 0
        ? words.noneReady(accounts.length)
        : accounts.length === 1
          ? words.oneReady
          : words.ready(ready, accounts.length),
    ];
    if (waiting > 0) parts.push(words.attention(waiting));
    parts.push(outlook(props.overview, Math.floor(now() / 60_000) * 60_000));
    return parts.join(" ");
  });
  return <>{text()}</>;
}

/** A window that fewer accounts than this share have says nothing about the pool. */
const TELLING_SHARE = 1 / 3;

/** The window that runs out first, or the reassurance that none does. */
function outlook(overview: Overview, nowMs: number): string {
  const forecasts = poolWindows(overview.accounts, nowMs)
    .filter(({ columns }) => columns.length >= overview.accounts.length * TELLING_SHARE)
    .map(({ minutes }) => ({ minutes, depletion: depletionOf(overview, minutes) }));
  const ends = forecasts
    .flatMap(({ minutes, depletion }) => {
      const at = ms(depletion?.projectedExhaustionAt);
      return at === null ? [] : [{ minutes, at }];
    })
    .toSorted((a, b) => a.at - b.at)[0];
  if (ends) return words.outlook.endsAt(windowName(ends.minutes).toLowerCase(), when(ends.at, nowMs));
  const longest = forecasts.findLast(({ depletion }) => depletion !== null);
  return longest ? words.outlook.lasts(windowName(longest.minutes).toLowerCase()) : words.outlook.unknown;
}

function OverviewSkeleton() {
  return (
    <div class="flex flex-col gap-6" aria-busy="true">
      <Skeleton class="h-31 w-full rounded-lg" />
      <div class="grid gap-4 lg:grid-cols-2">
        <Skeleton class="h-62 rounded-lg" />
        <Skeleton class="h-62 rounded-lg" />
      </div>
      <div class="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
        <Skeleton class="h-28 rounded-lg" />
        <Skeleton class="h-28 rounded-lg" />
        <Skeleton class="h-28 rounded-lg" />
      </div>
    </div>
  );
}
