/** `/api/usage`: what is left of the pool's quota, and what the last days cost. */
import { Elysia, t } from "elysia";
import { pooledQuota, quotaLeft, type QuotaLeft, type WindowSlot } from "../core/pool-quota.ts";
import { usdFromMicros } from "../core/pricing.ts";
import { SCOPE_ALL } from "../core/windows.ts";
import type { RollupStore, RollupSum } from "../store/rollups.ts";
import type { WindowStore } from "../store/windows.ts";
import type { AccountViews } from "./account-views.ts";
import { type Admin, isoTime } from "./admin.ts";

export interface UsageRoutesPorts {
  admin: Admin;
  views: AccountViews;
  rollups: RollupStore;
  windows: Pick<WindowStore, "averages">;
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;
const DEFAULT_HISTORY_HOURS = 24;
/** As long as the account pages look back. */
const MAX_HISTORY_HOURS = 28 * 24;

export function usageRoutes({ admin, views, rollups, windows }: UsageRoutesPorts) {
  return new Elysia({ prefix: "/api/usage", detail: { tags: ["Usage"] } })
    .get(
      "/summary",
      () => {
        const nowMs = admin.clock.now();
        const { primaryMinutes, secondaryMinutes } = views.main();
        const quota = poolQuota(views, nowMs);
        const week = rollups.sums({ sinceMs: nowMs - WEEK_MS })[0]!;
        const sinceMs = nowMs - (secondaryMinutes ?? primaryMinutes ?? 0) * 60_000;
        const window = rollups.sums({ sinceMs })[0]!;
        return {
          primaryWindow: quota.primary && quotaView(quota.primary),
          secondaryWindow: quota.secondary && quotaView(quota.secondary),
          cost: { currency: "USD", totalUsd7d: usdFromMicros(week.costMicros) },
          metrics: {
            requests7d: week.requests,
            tokensSecondaryWindow: tokensOf(window),
            cachedTokensSecondaryWindow: window.cachedInputTokens,
            errorRate7d: errorRateOf(week),
            topError: rollups.topErrors({ sinceMs: nowMs - WEEK_MS }, 1)[0]?.errorCode ?? null,
          },
        };
      },
      { detail: { summary: "The pool's two main windows, and the last seven days" } },
    )
    .get(
      "/history",
      ({ query }) => {
        const windowHours = query.hours ?? DEFAULT_HISTORY_HOURS;
        const nowMs = admin.clock.now();
        const { primaryMinutes } = views.main();
        const averages = new Map(
          windows
            .averages(primaryMinutes ?? 0, nowMs - windowHours * HOUR_MS)
            .map(({ accountId, usedPercent }) => [accountId, 100 - Math.min(100, usedPercent)]),
        );
        const accounts = slotLeft(views, "primary", nowMs).map(({ accountId, left }) => {
          const { remainingPercent, capacityCredits } = left;
          const remainingPercentAvg = averages.get(accountId) ?? remainingPercent;
          const remainingCredits = (capacityCredits * remainingPercentAvg) / 100;
          return { accountId, remainingPercentAvg, capacityCredits, remainingCredits };
        });
        return { windowHours, accounts };
      },
      {
        query: t.Object({
          hours: t.Optional(
            t.Integer({ minimum: 1, maximum: MAX_HISTORY_HOURS, description: "Default 24." }),
          ),
        }),
        detail: { summary: "What each account had left of its primary window, on average" },
      },
    )
    .get("/window", ({ query }) => windowView(views, query.window ?? "primary", admin.clock.now()), {
      query: t.Object({
        window: t.Optional(
          t.Union([t.Literal("primary"), t.Literal("secondary")], { description: "Default primary." }),
        ),
      }),
      detail: { summary: "What each account has left of one window" },
    });
}

export function poolQuota(views: AccountViews, nowMs: number) {
  const { primaryMinutes, secondaryMinutes } = views.main();
  const members = views.inRotation();
  return {
    primary: pooledQuota(members, primaryMinutes, nowMs),
    secondary: pooledQuota(members, secondaryMinutes, nowMs),
  };
}

export function quotaView({ resetAtMs, ...quota }: QuotaLeft) {
  return { ...quota, resetAt: isoTime(resetAtMs) };
}

/** One window, account by account. */
export function windowView(views: AccountViews, windowKey: WindowSlot, nowMs: number) {
  const main = views.main();
  return {
    windowKey,
    windowMinutes: windowKey === "primary" ? main.primaryMinutes : main.secondaryMinutes,
    accounts: slotLeft(views, windowKey, nowMs).map(({ accountId, left }) => ({
      accountId,
      remainingPercentAvg: left.remainingPercent,
      ...quotaView(left),
    })),
  };
}

/** Accounts that have no such window are left out. */
function slotLeft(views: AccountViews, slot: WindowSlot, nowMs: number) {
  const { primaryMinutes, secondaryMinutes } = views.main();
  const minutes = slot === "primary" ? primaryMinutes : secondaryMinutes;
  return views.inRotation().flatMap(({ id, planType, windows }) => {
    const window = windows.find((one) => one.scope === SCOPE_ALL && one.minutes === minutes);
    return window ? [{ accountId: id, left: quotaLeft(planType, window, nowMs) }] : [];
  });
}

export function tokensOf(sum: Pick<RollupSum, "inputTokens" | "outputTokens">): number {
  return sum.inputTokens + sum.outputTokens;
}

/** From 0 to 1. */
export function errorRateOf({ errors, requests }: Pick<RollupSum, "errors" | "requests">): number {
  return requests === 0 ? 0 : errors / requests;
}
