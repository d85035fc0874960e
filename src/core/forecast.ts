/** When a quota window will be used up if it goes on like this. */

export type RiskLevel = "safe" | "warning" | "danger" | "critical";

export interface Forecast {
  /** Percent of the window per hour; 0 when nothing is being used, or nothing is known. */
  burnRate: number;
  riskLevel: RiskLevel;
  /** ms since the epoch; null: it lasts until its reset. */
  projectedExhaustionAtMs: number | null;
}

export interface UsagePoint {
  atMs: number;
  usedPercent: number;
}

/** The pace is measured over this part of the window, so that a burst an hour ago does not count for ever in a week. */
const LOOKBACK_SHARE = 0.2;
const HOUR_MS = 3_600_000;
/** A pace measured over less than this is noise: upstream counts in whole percents. */
const MIN_SPAN_MS = 10 * 60_000;
/** How much of the time until the reset is covered, below which the level is reached. */
const CRITICAL_BELOW = 0.5;
const DANGER_BELOW = 0.8;

/**
 * Forecasts one window from its history (any order; other windows' readings left out) and its present state. The pace is that
 * of the last fifth of the window, from readings since its last reset; with too few of them, the average since it began.
 */
export function forecastWindow(
  window: { minutes: number; usedPercent: number; resetAtMs: number },
  history: readonly UsagePoint[],
  nowMs: number,
): Forecast {
  return forecastAtPace(window, window.resetAtMs <= nowMs ? 0 : paceOf(window, history, nowMs), nowMs);
}

/** The same for a pace that is known already, in percent of the window per hour. */
export function forecastAtPace(
  window: { usedPercent: number; resetAtMs: number },
  pace: number,
  nowMs: number,
): Forecast {
  if (window.resetAtMs <= nowMs) return { burnRate: 0, riskLevel: "safe", projectedExhaustionAtMs: null };
  const burnRate = Math.max(0, pace);
  if (window.usedPercent >= 100) return { burnRate, riskLevel: "critical", projectedExhaustionAtMs: nowMs };
  if (burnRate === 0) return { burnRate, riskLevel: "safe", projectedExhaustionAtMs: null };
  const lastsMs = ((100 - window.usedPercent) / burnRate) * HOUR_MS;
  const covered = lastsMs / (window.resetAtMs - nowMs);
  if (covered >= 1) return { burnRate, riskLevel: "safe", projectedExhaustionAtMs: null };
  const riskLevel = covered < CRITICAL_BELOW ? "critical" : covered < DANGER_BELOW ? "danger" : "warning";
  return { burnRate, riskLevel, projectedExhaustionAtMs: Math.round(nowMs + lastsMs) };
}

function paceOf(
  window: { minutes: number; usedPercent: number; resetAtMs: number },
  history: readonly UsagePoint[],
  nowMs: number,
): number {
  const lengthMs = window.minutes * 60_000;
  const startMs = window.resetAtMs - lengthMs;
  const fromMs = Math.max(startMs, nowMs - lengthMs * LOOKBACK_SHARE);
  const recent = history
    .filter(({ atMs }) => atMs >= fromMs && atMs < nowMs)
    .toSorted((a, b) => a.atMs - b.atMs);
  // A fall is a reset that came early (a redeemed one, for example): what lies before it says nothing about now.
  const lastFall = recent.findLastIndex(
    (point, index) => point.usedPercent > (recent[index + 1] ?? window).usedPercent,
  );
  const first = recent[lastFall + 1];
  if (first && nowMs - first.atMs >= MIN_SPAN_MS)
    return perHour(window.usedPercent - first.usedPercent, nowMs - first.atMs);
  return perHour(window.usedPercent, Math.max(nowMs - startMs, MIN_SPAN_MS));
}

function perHour(percent: number, ms: number): number {
  return (percent * HOUR_MS) / ms;
}
