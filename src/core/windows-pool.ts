/** The pool's quota as one account's: windows combined over accounts, and written in the three shapes that Codex reads. */
import { capacityWeight } from "./plans.ts";
import {
  type CreditsReading,
  earliestResetMs,
  min,
  SCOPE_ALL,
  SCOPE_CODE_REVIEW,
  spentUntilMs,
  tidyWindows,
  usedPercentAt,
  type Window,
  windowKey,
  windowsOf,
} from "./windows.ts";

/** An account as far as the pool's quota is concerned. */
export interface PoolMember {
  planType: string;
  windows: readonly Window[];
  credits: CreditsReading | null;
}

/** A window of the whole pool. */
export interface PooledWindow extends Window {
  /** How many members have a window of this scope and length. */
  members: number;
}

/** The pool's quota at one moment. */
export interface PooledUsage {
  /** The plan of the largest member; "unknown" for an empty pool. */
  planType: string;
  /** Some member can serve now: none of its plan's own windows is spent. */
  allowed: boolean;
  /** When the first spent member can serve again, ms; null while `allowed`, and for an empty pool. */
  freesAtMs: number | null;
  windows: PooledWindow[];
  credits: CreditsReading;
}

const WEEK_MINUTES = 10_080;

/**
 * Combines `members`: the accounts in rotation, spent ones included, paused and broken ones not. Per scope and length: the mean of the used
 * percents (each at most 100) weighted by the plan's capacity, over the members that have such a window; the reset is the next one at
 * which something frees. While some member can serve, no window of the plan shows more than 99, so that no client stops.
 */
export function poolUsage(members: readonly PoolMember[], nowMs: number): PooledUsage {
  const spentUntil = members.map((member) => spentUntilMs(member.windows, nowMs));
  const allowed = spentUntil.includes(null);
  return {
    planType: largestPlan(members),
    allowed,
    freesAtMs: allowed ? null : min(spentUntil.filter((untilMs) => untilMs !== null)),
    windows: poolWindows(members, { nowMs, allowed }),
    credits: poolCredits(members),
  };
}

function poolWindows(
  members: readonly PoolMember[],
  pool: { nowMs: number; allowed: boolean },
): PooledWindow[] {
  const groups = new Map<string, { window: Window; weight: number }[]>();
  for (const member of members) {
    for (const window of member.windows) {
      const group = groups.get(windowKey(window)) ?? [];
      group.push({ window, weight: capacityWeight(member.planType, window.minutes) });
      groups.set(windowKey(window), group);
    }
  }
  const pooled = [...groups.values()].map((group) => combine(group, pool));
  const sizes = new Map(pooled.map((window) => [windowKey(window), window.members]));
  return tidyWindows(pooled).map((window) => ({ ...window, members: sizes.get(windowKey(window)) ?? 0 }));
}

function combine(
  group: readonly { window: Window; weight: number }[],
  pool: { nowMs: number; allowed: boolean },
): PooledWindow {
  const { minutes, scope } = group[0]!.window;
  const used = group.map(({ window }) => Math.min(100, usedPercentAt(window, pool.nowMs)));
  const totalWeight = group.reduce((sum, { weight }) => sum + weight, 0);
  const mean = group.reduce((sum, { weight }, index) => sum + weight * used[index]!, 0) / totalWeight;
  const everySpent = used.every((percent) => percent >= 100);
  const roomLeft = !everySpent || (scope === SCOPE_ALL && pool.allowed);
  const windows = group.map(({ window }) => window);
  const inUse = windows.filter((_, index) => used[index]! > 0);
  const resetAtMs =
    earliestResetMs(inUse, pool.nowMs, scope) ??
    earliestResetMs(windows, pool.nowMs, scope) ??
    pool.nowMs + minutes * 60_000;
  return {
    scope,
    minutes,
    usedPercent: roomLeft ? Math.min(99, mean) : 100,
    resetAtMs,
    members: group.length,
  };
}

function poolCredits(members: readonly PoolMember[]): CreditsReading {
  const known = members.flatMap((member) => member.credits ?? []);
  const balances = known.map((credits) => Number(credits.balance ?? 0)).filter(Number.isFinite);
  return {
    has: known.some((credits) => credits.has),
    unlimited: known.some((credits) => credits.unlimited),
    balance: known.length === 0 ? null : String(balances.reduce((sum, balance) => sum + balance, 0)),
  };
}

function largestPlan(members: readonly PoolMember[]): string {
  let best = "unknown";
  let most = -1;
  for (const { planType } of members) {
    const weight = capacityWeight(planType, WEEK_MINUTES);
    if (weight > most && planType !== "unknown") [best, most] = [planType, weight];
  }
  return best;
}

/** Codex has two places per limit; a pool of different plans may have more lengths. */
export interface Slots {
  primary: PooledWindow | null;
  secondary: PooledWindow | null;
}

/** The two lengths that most members have, shorter ones first among equals, in order of length. */
export function slotsOf(pool: PooledUsage, scope: string): Slots {
  const byMembers = windowsOf(pool.windows, scope) as PooledWindow[];
  const kept = byMembers.toSorted((a, b) => b.members - a.members).slice(0, 2);
  const [primary = null, secondary = null] = kept.toSorted((a, b) => a.minutes - b.minutes);
  return { primary, secondary };
}

/** Names of the pool as one upstream account; made up by the caller, never an account's own. */
export interface PoolIdentity {
  userId: string;
  accountId: string;
  email: string;
}

/** Body of `GET wham/usage` (UPSTREAM G): every percent an integer, because a float makes Codex refuse the whole reply. */
export function usageBody(pool: PooledUsage, identity: PoolIdentity, nowMs: number): Record<string, unknown> {
  return {
    user_id: identity.userId,
    account_id: identity.accountId,
    email: identity.email,
    plan_type: pool.planType,
    rate_limit: rateLimitBody(pool, SCOPE_ALL, nowMs),
    code_review_rate_limit: scopesOf(pool).includes(SCOPE_CODE_REVIEW)
      ? rateLimitBody(pool, SCOPE_CODE_REVIEW, nowMs)
      : null,
    additional_rate_limits: meteredScopes(pool).map((scope) => ({
      limit_name: scope,
      metered_feature: scope,
      rate_limit: rateLimitBody(pool, scope, nowMs),
    })),
    credits: creditsBody(pool),
    spend_control: { reached: false, individual_limit: null },
    rate_limit_reached_type: pool.allowed ? null : { type: "rate_limit_reached" },
    promo: null,
    // Redeeming is a matter of one account; the dashboard does that.
    rate_limit_reset_credits: { available_count: 0 },
  };
}

function rateLimitBody(pool: PooledUsage, scope: string, nowMs: number): Record<string, unknown> {
  const { primary, secondary } = slotsOf(pool, scope);
  const allowed = scopeAllowed(pool, scope);
  return {
    allowed,
    limit_reached: !allowed,
    primary_window: windowBody(primary, nowMs),
    secondary_window: windowBody(secondary, nowMs),
  };
}

function scopeAllowed(pool: PooledUsage, scope: string): boolean {
  if (scope === SCOPE_ALL) return pool.allowed;
  return windowsOf(pool.windows, scope).every((window) => window.usedPercent < 100);
}

function windowBody(window: PooledWindow | null, nowMs: number): Record<string, number> | null {
  if (window === null) return null;
  return {
    used_percent: shownPercent(window),
    limit_window_seconds: window.minutes * 60,
    reset_after_seconds: Math.max(0, Math.ceil((window.resetAtMs - nowMs) / 1000)),
    reset_at: Math.ceil(window.resetAtMs / 1000),
  };
}

/** Rounded, but never up to 100: that would say spent. */
function shownPercent(window: PooledWindow): number {
  return window.usedPercent >= 100 ? 100 : Math.min(99, Math.round(window.usedPercent));
}

function creditsBody(pool: PooledUsage): Record<string, unknown> {
  const { has, unlimited, balance } = pool.credits;
  return { has_credits: has, unlimited, balance };
}

function scopesOf(pool: PooledUsage): string[] {
  return [...new Set(pool.windows.map((window) => window.scope))];
}

function meteredScopes(pool: PooledUsage): string[] {
  return scopesOf(pool).filter((scope) => scope !== SCOPE_ALL && scope !== SCOPE_CODE_REVIEW);
}

/** A `codex.rate_limits` event (UPSTREAM D), which Codex heeds over WebSocket. */
export function usageEvent(pool: PooledUsage): Record<string, unknown> {
  const { primary, secondary } = slotsOf(pool, SCOPE_ALL);
  return {
    type: "codex.rate_limits",
    plan_type: pool.planType,
    rate_limits: {
      allowed: pool.allowed,
      limit_reached: !pool.allowed,
      primary: windowEvent(primary),
      secondary: windowEvent(secondary),
    },
    credits: creditsBody(pool),
    promo: null,
  };
}

function windowEvent(window: PooledWindow | null): Record<string, number> | null {
  if (window === null) return null;
  return {
    used_percent: shownPercent(window),
    window_minutes: window.minutes,
    reset_at: Math.ceil(window.resetAtMs / 1000),
  };
}

/** Limit ids that have a header family: `codex_bengalfox` is `x-codex-bengalfox-…` (UPSTREAM C). */
const FAMILY_SCOPE = /^codex_([a-z0-9_]+)$/;

/** The `x-codex-*` reply headers of the pool, lower case. The plan's own come last: for Codex the last family seen wins. */
export function usageHeaders(pool: PooledUsage): [name: string, value: string][] {
  const headers: [string, string][] = [];
  for (const scope of meteredScopes(pool)) {
    const id = FAMILY_SCOPE.exec(scope)?.[1]?.replaceAll("_", "-");
    if (id === undefined) continue;
    pushSlots(headers, `x-codex-${id}`, slotsOf(pool, scope));
    headers.push([`x-codex-${id}-limit-name`, scope]);
  }
  pushSlots(headers, "x-codex", slotsOf(pool, SCOPE_ALL));
  const { has, unlimited, balance } = pool.credits;
  headers.push(["x-codex-credits-has-credits", has ? "True" : "False"]);
  headers.push(["x-codex-credits-unlimited", unlimited ? "True" : "False"]);
  if (balance !== null) headers.push(["x-codex-credits-balance", balance]);
  return headers;
}

function pushSlots(headers: [string, string][], prefix: string, slots: Slots): void {
  for (const slot of ["primary", "secondary"] as const) {
    const window = slots[slot];
    if (window === null) continue;
    headers.push([`${prefix}-${slot}-used-percent`, String(shownPercent(window))]);
    headers.push([`${prefix}-${slot}-window-minutes`, String(window.minutes)]);
    headers.push([`${prefix}-${slot}-reset-at`, String(Math.ceil(window.resetAtMs / 1000))]);
  }
}

const QUOTA_HEADER =
  /^x-codex-(?:(?:.+-)?(?:primary|secondary|tertiary)-.+|credits-.+|.+-limit-name|active-limit|rate-limit-reached-type|promo-message)$/;

/** Whether a reply header tells one account's quota: the relay drops those and puts the pool's in their place. */
export function isQuotaHeader(lowerCaseName: string): boolean {
  return QUOTA_HEADER.test(lowerCaseName);
}
