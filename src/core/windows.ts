/** Quota windows: an account has a list of them, keyed by scope and minutes. Nothing assumes that "primary" is five hours. */

/** One quota window as last seen. */
export interface Window {
  /** Length of the window in minutes: 300 is five hours, 10080 a week, 43200 thirty days. */
  minutes: number;
  /** 0 to 100 (upstream may send fractions, and more than 100). */
  usedPercent: number;
  /** When it starts afresh, ms since the epoch. */
  resetAtMs: number;
  /** "all" for the plan's own windows, otherwise the metered feature that it limits (for example "codex_bengalfox"). */
  scope: string;
}

export const SCOPE_ALL = "all";
/** The scope of upstream's `code_review_rate_limit`. */
export const SCOPE_CODE_REVIEW = "code_review";

/** Upstream names a handful; more than this is a fault of somebody's and is cut off. */
export const MAX_WINDOWS = 64;

/** Where a reading came from. "usage" (the usage call) is full; the others name only some windows. */
export type ReadingSource = "usage" | "headers" | "event";

/** Credits bought on top of the plan. `balance` is upstream's decimal text, null when it does not say. */
export interface CreditsReading {
  has: boolean;
  unlimited: boolean;
  balance: string | null;
}

/** What one usage reply, one reply's headers or one event said; null where it said nothing. */
export interface UsageReading {
  source: ReadingSource;
  planType: string | null;
  windows: Window[];
  credits: CreditsReading | null;
  spendControlReached: boolean | null;
  limitReached: boolean | null;
  allowed: boolean | null;
  /** rate_limit_reached, workspace_{owner,member}_{credits_depleted,usage_limit_reached}, or newer. */
  reachedType: string | null;
  /** How many "reset now" credits the account may redeem. */
  resetCreditsAvailable: number | null;
}

/** What tells windows of one account apart. */
export function windowKey(window: Pick<Window, "scope" | "minutes">): string {
  return `${window.scope}:${window.minutes}`;
}

/** What the window counts for now: nothing once its reset has passed. */
export function usedPercentAt(window: Window, nowMs: number): number {
  return window.resetAtMs <= nowMs ? 0 : window.usedPercent;
}

/** Used up and not reset yet. */
export function isSpent(window: Window, nowMs: number): boolean {
  return usedPercentAt(window, nowMs) >= 100;
}

/** The windows of one scope, shortest first. */
export function windowsOf(windows: readonly Window[], scope = SCOPE_ALL): Window[] {
  return windows.filter((window) => window.scope === scope).toSorted((a, b) => a.minutes - b.minutes);
}

export function shortestWindow(windows: readonly Window[], scope = SCOPE_ALL): Window | undefined {
  return windowsOf(windows, scope)[0];
}

export function longestWindow(windows: readonly Window[], scope = SCOPE_ALL): Window | undefined {
  return windowsOf(windows, scope).at(-1);
}

/** The next reset still to come among the scope's windows, ms; null when there is none. */
export function earliestResetMs(windows: readonly Window[], nowMs: number, scope = SCOPE_ALL): number | null {
  const resets = windowsOf(windows, scope).map((window) => window.resetAtMs);
  return min(resets.filter((resetAtMs) => resetAtMs > nowMs));
}

/** When the last of the scope's spent windows resets, ms: until then the account cannot serve. null: no window is spent. */
export function spentUntilMs(windows: readonly Window[], nowMs: number, scope = SCOPE_ALL): number | null {
  const spent = windowsOf(windows, scope).filter((window) => isSpent(window, nowMs));
  return spent.length === 0 ? null : Math.max(...spent.map((window) => window.resetAtMs));
}

/** Rolling windows report resets that jitter by seconds; closer than this is the same period. */
const SAME_PERIOD_MS = 90_000;

/**
 * The account's windows after a reading. A full one ("usage") replaces the list: only there may a window disappear. The others
 * update only what they name. Replies of concurrent requests arrive out of order, so within one period a partial reading never lowers
 * the percentage, and one whose reset has passed already is from the period before and is dropped.
 */
export function mergeWindows(
  old: readonly Window[],
  fresh: readonly Window[],
  reading: { nowMs: number; source: ReadingSource },
): Window[] {
  if (reading.source === "usage") return tidyWindows(fresh);
  const merged = new Map(old.map((window) => [windowKey(window), window]));
  for (const window of fresh) {
    if (window.resetAtMs <= reading.nowMs) continue;
    const known = merged.get(windowKey(window));
    const samePeriod = known !== undefined && Math.abs(known.resetAtMs - window.resetAtMs) < SAME_PERIOD_MS;
    const usedPercent = samePeriod ? Math.max(known.usedPercent, window.usedPercent) : window.usedPercent;
    merged.set(windowKey(window), { ...window, usedPercent });
  }
  return tidyWindows([...merged.values()]);
}

/** One window per key (of two the fuller one), the plan's own first, then by scope, shortest first; bounded. */
export function tidyWindows(windows: readonly Window[]): Window[] {
  const byKey = new Map<string, Window>();
  for (const window of windows) {
    const known = byKey.get(windowKey(window));
    if (known === undefined || known.usedPercent < window.usedPercent) byKey.set(windowKey(window), window);
  }
  return [...byKey.values()].toSorted(compareWindows).slice(0, MAX_WINDOWS);
}

function compareWindows(a: Window, b: Window): number {
  if (a.scope !== b.scope) {
    if (a.scope === SCOPE_ALL) return -1;
    if (b.scope === SCOPE_ALL) return 1;
    return a.scope < b.scope ? -1 : 1;
  }
  return a.minutes - b.minutes;
}

/** The least of `values`; null when there is none. */
export function min(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.min(...values);
}
