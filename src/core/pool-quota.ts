/** The pool's quota for people: what is left of its two main windows, in percent and in credits, and how long it will last. */
import { type Forecast, forecastAtPace, forecastWindow, type UsagePoint } from "./forecast.ts";
import { capacityWeight } from "./plans.ts";
import { SCOPE_ALL, shortestWindow, longestWindow, usedPercentAt, type Window } from "./windows.ts";
import { poolUsage, type PoolMember, slotsOf } from "./windows-pool.ts";

/** Lengths of the pool's main windows: the two that most accounts have, the shorter one first. null: there is none. */
export interface MainWindows {
  primaryMinutes: number | null;
  secondaryMinutes: number | null;
}

export type WindowSlot = "primary" | "secondary";

/** What an account, or the whole pool, has left of one window. */
export interface QuotaLeft {
  windowMinutes: number;
  remainingPercent: number;
  /** Relative size of the plan (core/plans.ts), and the part of it that is left. */
  capacityCredits: number;
  remainingCredits: number;
  /** ms; of the pool: the next moment at which something frees. */
  resetAtMs: number;
}

export function mainWindows(members: readonly PoolMember[], nowMs: number): MainWindows {
  const { primary, secondary } = slotsOf(poolUsage(members, nowMs), SCOPE_ALL);
  return { primaryMinutes: primary?.minutes ?? null, secondaryMinutes: secondary?.minutes ?? null };
}

/** The account's window of that length; an account that has neither length shows its own shortest and longest. */
export function windowInSlot(
  windows: readonly Window[],
  slot: WindowSlot,
  main: MainWindows,
): Window | undefined {
  const own = windows.filter(({ scope }) => scope === SCOPE_ALL);
  const ofLength = (minutes: number | null) => own.find((window) => window.minutes === minutes);
  const primary = ofLength(main.primaryMinutes);
  const secondary = ofLength(main.secondaryMinutes);
  if (primary || secondary) return slot === "primary" ? primary : secondary;
  const shortest = shortestWindow(own);
  const longest = longestWindow(own);
  if (slot === "primary") return shortest;
  return longest === shortest ? undefined : longest;
}

export function quotaLeft(planType: string, window: Window, nowMs: number): QuotaLeft {
  const remainingPercent = 100 - Math.min(100, Math.max(0, usedPercentAt(window, nowMs)));
  const capacityCredits = capacityWeight(planType, window.minutes);
  return {
    windowMinutes: window.minutes,
    remainingPercent,
    capacityCredits,
    remainingCredits: (capacityCredits * remainingPercent) / 100,
    resetAtMs: window.resetAtMs,
  };
}

/** The members' quota of one length added up; null when no member has such a window. */
export function pooledQuota(
  members: readonly PoolMember[],
  minutes: number | null,
  nowMs: number,
): QuotaLeft | null {
  const parts = members.flatMap(({ planType, windows }) => {
    const window = windows.find((one) => one.scope === SCOPE_ALL && one.minutes === minutes);
    return window ? [quotaLeft(planType, window, nowMs)] : [];
  });
  if (parts.length === 0 || minutes === null) return null;
  const capacityCredits = parts.reduce((sum, part) => sum + part.capacityCredits, 0);
  const remainingCredits = parts.reduce((sum, part) => sum + part.remainingCredits, 0);
  const inUse = parts.filter((part) => part.remainingPercent < 100 && part.resetAtMs > nowMs);
  const resets = (inUse.length > 0 ? inUse : parts).map((part) => part.resetAtMs);
  return {
    windowMinutes: minutes,
    remainingPercent: (remainingCredits * 100) / capacityCredits,
    capacityCredits,
    remainingCredits,
    resetAtMs: Math.min(...resets),
  };
}

export interface PoolForecast extends Forecast {
  /** How fast the quota is used against how fast it would just last until the resets: 1 lasts exactly. */
  burnRatio: number;
}

/** Beyond this the ratio says nothing more than "at once". */
const MAX_BURN_RATIO = 99;
const HOUR_MS = 3_600_000;

/**
 * When the members' windows of one length will be used up together. Every account's pace counts with its plan's size, and so does
 * its reset: the pool's "reset" is the mean of theirs, because resets come one by one. null when no member has such a window.
 */
export function forecastPool(
  members: readonly (PoolMember & { history: readonly UsagePoint[] })[],
  minutes: number | null,
  nowMs: number,
): PoolForecast | null {
  let weights = 0;
  const sums = { used: 0, pace: 0, untilResetMs: 0 };
  for (const { planType, windows, history } of members) {
    const window = windows.find((one) => one.scope === SCOPE_ALL && one.minutes === minutes);
    if (!window) continue;
    const weight = capacityWeight(planType, window.minutes);
    const lengthMs = window.minutes * 60_000;
    weights += weight;
    sums.used += weight * Math.min(100, usedPercentAt(window, nowMs));
    sums.pace += weight * forecastWindow(window, history, nowMs).burnRate;
    sums.untilResetMs += weight * (window.resetAtMs > nowMs ? window.resetAtMs - nowMs : lengthMs);
  }
  if (weights === 0) return null;
  const usedPercent = sums.used / weights;
  const untilResetMs = sums.untilResetMs / weights;
  const pace = sums.pace / weights;
  const forecast = forecastAtPace({ usedPercent, resetAtMs: nowMs + untilResetMs }, pace, nowMs);
  const sustainable = ((100 - usedPercent) * HOUR_MS) / untilResetMs;
  const burnRatio = forecast.burnRate === 0 ? 0 : Math.min(MAX_BURN_RATIO, forecast.burnRate / sustainable);
  return { ...forecast, burnRatio };
}
