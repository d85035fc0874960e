/** `/api/dashboard/overview`: one period of the pool in buckets, the period before, and how long the quota will last. */
import { Elysia, t } from "elysia";
import type { UsagePoint } from "../core/forecast.ts";
import { bucketsOf, type Buckets, TIMEFRAMES } from "../core/periods.ts";
import { forecastPool, type PoolForecast } from "../core/pool-quota.ts";
import { usdFromMicros } from "../core/pricing.ts";
import { SCOPE_ALL } from "../core/windows.ts";
import type { RollupStore, RollupSum } from "../store/rollups.ts";
import type { WindowStore } from "../store/windows.ts";
import type { AccountViews } from "./account-views.ts";
import { type Admin, isoTime, isoTimeOrNull } from "./admin.ts";
import { errorRateOf, poolQuota, quotaView, tokensOf, windowView } from "./usage.ts";

export interface OverviewRoutesPorts {
  admin: Admin;
  views: AccountViews;
  rollups: RollupStore;
  windows: Pick<WindowStore, "poolHistory">;
}

/** A forecast rests on quarters of an hour; asking the history more often shows nothing new. */
const FORECAST_EVERY_MS = 60_000;
/** The pace counts the last fifth of a window (core/forecast.ts). */
const LOOKBACK_SHARE = 0.2;

export function overviewRoutes({ admin, views, rollups, windows }: OverviewRoutesPorts) {
  let paces: { atMs: number; histories: Map<string, UsagePoint[]> } | null = null;

  /** The recent history of every window of the plans themselves, by account and length. */
  function histories(nowMs: number, longestMinutes: number): Map<string, UsagePoint[]> {
    if (paces && nowMs - paces.atMs < FORECAST_EVERY_MS) return paces.histories;
    const byWindow = new Map<string, UsagePoint[]>();
    for (const { accountId, scope, minutes, atMs, usedPercent } of windows.poolHistory(
      nowMs - longestMinutes * 60_000 * LOOKBACK_SHARE,
    )) {
      if (scope !== SCOPE_ALL) continue;
      const points = byWindow.get(`${accountId}:${minutes}`) ?? [];
      points.push({ atMs, usedPercent });
      byWindow.set(`${accountId}:${minutes}`, points);
    }
    paces = { atMs: nowMs, histories: byWindow };
    return byWindow;
  }

  function depletion(nowMs: number) {
    const members = views.inRotation();
    const lengths = [
      ...new Set(
        members.flatMap((member) =>
          member.windows.filter(({ scope }) => scope === SCOPE_ALL).map(({ minutes }) => minutes),
        ),
      ),
    ];
    const past = histories(nowMs, Math.max(0, ...lengths));
    const forecast = (minutes: number | null) => {
      const withHistory = members.map(({ id, planType, windows: own, credits }) => ({
        planType,
        windows: own,
        credits,
        history: past.get(`${id}:${minutes}`) ?? [],
      }));
      const found = forecastPool(withHistory, minutes, nowMs);
      return found && forecastView(found);
    };
    const { primaryMinutes, secondaryMinutes } = views.main();
    return {
      depletion: { primary: forecast(primaryMinutes), secondary: forecast(secondaryMinutes) },
      depletionByMinutes: Object.fromEntries(lengths.map((minutes) => [minutes, forecast(minutes)])),
    };
  }

  return new Elysia({ prefix: "/api/dashboard", detail: { tags: ["Usage"] } }).get(
    "/overview",
    ({ query }) => {
      const nowMs = admin.clock.now();
      const timeframe = TIMEFRAMES[query.timeframe ?? "1d"];
      const buckets = bucketsOf(timeframe, nowMs);
      const sinceMs = buckets.startsMs[0]!;
      const sums = rollups.sums({ sinceMs }, ["bucket"], timeframe.bucketSeconds * 1000);
      const [now, before] = [
        rollups.sums({ sinceMs })[0]!,
        // As much of the period before as has passed of this one, or every morning would look like a loss.
        rollups.sums({
          sinceMs: buckets.previousStartMs,
          untilMs: buckets.previousStartMs + (nowMs - sinceMs),
        })[0]!,
      ];
      const quota = poolQuota(views, nowMs);
      const accounts = views.all();
      return {
        lastSyncAt: isoTimeOrNull(lastSync(views)),
        timeframe,
        accounts,
        summary: {
          primaryWindow: quota.primary && quotaView(quota.primary),
          secondaryWindow: quota.secondary && quotaView(quota.secondary),
          cost: { currency: "USD", totalUsd: usdFromMicros(now.costMicros) },
          metrics: {
            ...periodView(now),
            errorCount: now.errors,
            cancelled: now.cancelled,
            topError: rollups.topErrors({ sinceMs }, 1)[0]?.errorCode ?? null,
          },
          comparison: {
            canCompare: before.requests > 0,
            previous: { ...periodView(before), costUsd: usdFromMicros(before.costMicros) },
          },
        },
        windows: {
          primary: windowView(views, "primary", nowMs),
          secondary: windowView(views, "secondary", nowMs),
        },
        trends: trendsOf(buckets, sums),
        ...depletion(nowMs),
      };
    },
    {
      query: t.Object({
        timeframe: t.Optional(
          t.Union([t.Literal("1d"), t.Literal("7d"), t.Literal("30d")], { description: "Default 1d." }),
        ),
      }),
      detail: { summary: "Everything the first page shows" },
    },
  );
}

function lastSync(views: AccountViews): number | null {
  const times = views.inRotation().flatMap(({ usageReadAtMs }) => usageReadAtMs ?? []);
  return times.length === 0 ? null : Math.max(...times);
}

function periodView(sum: RollupSum) {
  return {
    requests: sum.requests,
    tokens: tokensOf(sum),
    inputTokens: sum.inputTokens,
    cachedInputTokens: sum.cachedInputTokens,
    outputTokens: sum.outputTokens,
    errorRate: errorRateOf(sum),
  };
}

const NOTHING = {
  requests: 0,
  errors: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  costMicros: 0,
};

/** One point per bucket, zeros where nothing happened; shares from 0 to 1. */
function trendsOf({ startsMs }: Buckets, sums: readonly RollupSum[]) {
  const byStart = new Map(sums.map((sum) => [sum.bucketMs, sum]));
  const points = startsMs.map((ms) => ({ t: isoTime(ms), sum: byStart.get(ms) ?? NOTHING }));
  const series = (value: (sum: typeof NOTHING) => number) =>
    points.map(({ t: at, sum }) => ({ t: at, v: value(sum) }));
  return {
    requests: series((sum) => sum.requests),
    tokens: series(tokensOf),
    cost: series((sum) => usdFromMicros(sum.costMicros)),
    errorRate: series(errorRateOf),
    cacheHitRate: series((sum) => (sum.inputTokens === 0 ? 0 : sum.cachedInputTokens / sum.inputTokens)),
  };
}

/** `burnRate`: 1 lasts exactly until the resets, 2 is spent halfway. */
function forecastView({ riskLevel, burnRatio, burnRate, projectedExhaustionAtMs }: PoolForecast) {
  return {
    riskLevel,
    burnRate: burnRatio,
    percentPerHour: burnRate,
    projectedExhaustionAt: isoTimeOrNull(projectedExhaustionAtMs),
  };
}
