/** What selection needs of every candidate's windows, worked out once per reading and kept in columns for a fast scan. */
import { SCOPE_ALL, usedPercentAt, type Window } from "../windows.ts";
import type { Candidate } from "./types.ts";

const MINUTE_MS = 60_000;
/** Stands for "never resets": later than any real reset, small enough to add to. */
const NO_RESET_MINUTE = 1e9;
/** Each shorter window weighs this much less than the one before it, so that it only breaks ties. */
const LEVEL = 1e-4;
/** Distinct scopes kept per pool: upstream meters a handful of features; past that the oldest is worked out again. */
const MAX_SCOPES = 8;

/** Row i belongs to candidate i; it holds while the candidate's `windows` is the same array and now is within validity. */
export interface WindowColumns {
  windows: (readonly Window[] | null)[];
  validFromMs: Float64Array;
  validUntilMs: Float64Array;
  /** Used percent of the longest window plus, as fractions, of the shorter ones in order. Whole percents: upstream's own grain. */
  usedKey: Float64Array;
  /** The most used window, in percent. */
  maxUsed: Float64Array;
  /** Next reset of the longest window, in minutes since the epoch. */
  resetMinute: Float64Array;
  /** Last reset among the windows that are spent, 0 when none is. */
  spentUntilMs: Float64Array;
  /** Scratch of the weighted draw: weight and rank group of the current pick; weight 0 for who is not eligible. */
  weight: Float64Array;
  group: Float64Array;
}

const memo = new WeakMap<readonly Candidate[], Map<string, WindowColumns>>();

/** The columns of this array of candidates; rows are stale until `refreshRow`. */
export function columnsOf(candidates: readonly Candidate[], scope: string): WindowColumns {
  let byScope = memo.get(candidates);
  if (byScope === undefined) memo.set(candidates, (byScope = new Map()));
  const known = byScope.get(scope);
  if (known !== undefined && known.windows.length >= candidates.length) return known;
  if (known === undefined && byScope.size >= MAX_SCOPES) byScope.delete(byScope.keys().next().value!);
  const columns = emptyColumns(candidates.length);
  byScope.set(scope, columns);
  return columns;
}

function emptyColumns(length: number): WindowColumns {
  return {
    windows: Array.from<readonly Window[] | null>({ length }).fill(null),
    validFromMs: new Float64Array(length),
    validUntilMs: new Float64Array(length),
    usedKey: new Float64Array(length),
    maxUsed: new Float64Array(length),
    resetMinute: new Float64Array(length),
    spentUntilMs: new Float64Array(length),
    weight: new Float64Array(length),
    group: new Float64Array(length),
  };
}

/** Works row `row` out anew. */
export function refreshRow(
  columns: WindowColumns,
  row: number,
  windows: readonly Window[],
  scope: string,
  nowMs: number,
): void {
  const counted = countedWindows(windows, scope);
  let usedKey = 0;
  let level = 1;
  let maxUsed = 0;
  let spentUntilMs = 0;
  let validUntilMs = Infinity;
  for (const window of counted) {
    const used = usedPercentAt(window, nowMs);
    usedKey += Math.min(Math.floor(used), 999) * level;
    level *= LEVEL;
    maxUsed = Math.max(maxUsed, used);
    if (used >= 100) spentUntilMs = Math.max(spentUntilMs, window.resetAtMs);
    validUntilMs = Math.min(validUntilMs, nextResetMs(window, nowMs));
  }
  columns.windows[row] = windows;
  columns.validFromMs[row] = nowMs;
  columns.validUntilMs[row] = validUntilMs;
  columns.usedKey[row] = usedKey;
  columns.maxUsed[row] = maxUsed;
  columns.spentUntilMs[row] = spentUntilMs;
  const longest = counted[0];
  columns.resetMinute[row] =
    longest === undefined ? NO_RESET_MINUTE : Math.ceil(nextResetMs(longest, nowMs) / MINUTE_MS);
}

/** The windows that limit this request, longest first: the plan's own and those of the metered feature it draws on. */
export function countedWindows(windows: readonly Window[], scope: string): Window[] {
  return windows
    .filter((window) => window.scope === SCOPE_ALL || window.scope === scope)
    .toSorted((a, b) => b.minutes - a.minutes);
}

/** A window that was reset unseen goes on in steps of its length. */
function nextResetMs(window: Window, nowMs: number): number {
  if (window.resetAtMs > nowMs) return window.resetAtMs;
  const lengthMs = Math.max(window.minutes, 1) * MINUTE_MS;
  return window.resetAtMs + (Math.floor((nowMs - window.resetAtMs) / lengthMs) + 1) * lengthMs;
}
