/** What selection needs of every candidate, worked out once per change of it and kept in columns for a fast scan. */
import { SCOPE_ALL, usedPercentAt, type Window } from "../windows.ts";
import type { Candidate, RejectionReason } from "./types.ts";

const MINUTE_MS = 60_000;
/** Stands for "never resets": later than any real reset, small enough to add to. */
const NO_RESET_MINUTE = 1e9;
/** Each shorter window weighs this much less than the one before it, so that it only breaks ties. */
const LEVEL = 1e-4;
/** Pairs of scope and model kept per pool: upstream has a few dozen models; past that the oldest is worked out again. */
const MAX_COLUMNS = 32;
const MINUTES_PER_DAY = 24 * 60;

/** What a request draws on, besides the windows of the plan itself. */
export interface Demand {
  nowMs: number;
  scope: string;
  model: string | null;
}

/** How one candidate stands for a demand, requests under way left out. It holds from the demand's time until `validUntilMs`. */
export interface Standing {
  /** Why it cannot serve; null: it can. */
  reason: RejectionReason | null;
  /** When that has passed; 0 when time alone does not help or nobody knows when. */
  readyAtMs: number;
  validUntilMs: number;
  /** Used percent of the longest window plus, as fractions, of the shorter ones in order. Whole percents: upstream's own grain. */
  usedKey: number;
  /** The most used window, in percent. */
  maxUsed: number;
  /** Next reset of the longest window, in minutes since the epoch. */
  resetMinute: number;
}

/** Row i belongs to candidate i; it holds while the candidate's `stamp` is the same and now is within its validity. */
export interface Columns {
  stamps: (object | null)[];
  validFromMs: Float64Array;
  validUntilMs: Float64Array;
  /** Between these two every row is within its validity: the scan need not look. */
  allValidFromMs: number;
  allValidUntilMs: number;
  /** Index in `REASONS`, 0 for a candidate that can serve. */
  reason: Uint8Array;
  readyAtMs: Float64Array;
  usedKey: Float64Array;
  maxUsed: Float64Array;
  resetMinute: Float64Array;
  /** The same in whole days (UTC). */
  resetDay: Float64Array;
  /** 0 burn_first, 1 normal, 2 preserve. */
  policy: Uint8Array;
  /** Scratch of the weighted draw: the rows that take part and their weights, from index 0 on. */
  lotRow: Int32Array;
  lotWeight: Float64Array;
  /** Scratch of a scan: what was counted per reason, by its index in `REASONS`. */
  rejected: Int32Array;
  rejectedUntilMs: Float64Array;
}

/** Null first: the place of "nothing stands against it". */
export const REASONS: readonly (RejectionReason | null)[] = [
  null,
  "not_allowed_for_key",
  "not_the_single_account",
  "paused",
  "reauth_required",
  "deactivated",
  "spent",
  "model_unavailable",
  "cooling",
  "reserve",
  "excluded_after_failure",
  "at_capacity",
];

const columnsMemo = new WeakMap<readonly Candidate[], Map<string, Columns>>();
const rowsMemo = new WeakMap<readonly Candidate[], Map<string, number>>();

/** The columns of this array of candidates for a demand. */
export function columnsOf(candidates: readonly Candidate[], demand: Demand): Columns {
  const byDemand = remembered(columnsMemo, candidates, () => new Map<string, Columns>());
  const name = `${demand.scope} ${demand.model ?? ""}`;
  let columns = byDemand.get(name);
  if (columns === undefined) {
    columns = emptyColumns(candidates.length);
    if (byDemand.size >= MAX_COLUMNS) byDemand.delete(byDemand.keys().next().value!);
    byDemand.set(name, columns);
  }
  const { nowMs } = demand;
  if (nowMs < columns.allValidFromMs || nowMs >= columns.allValidUntilMs) dropStaleRows(columns, nowMs);
  return columns;
}

/** Where this account is in the array; -1: nowhere. */
export function rowOf(candidates: readonly Candidate[], id: string | null): number {
  if (id === null) return -1;
  const rows = remembered(rowsMemo, candidates, () => new Map(candidates.map((one, row) => [one.id, row])));
  return rows.get(id) ?? -1;
}

function remembered<K extends object, V>(memo: WeakMap<K, V>, key: K, create: () => V): V {
  const known = memo.get(key);
  if (known !== undefined) return known;
  const created = create();
  memo.set(key, created);
  return created;
}

/** Something ended with time since its row was worked out (or the clock went back): those rows are done anew by the scan. */
function dropStaleRows(columns: Columns, nowMs: number): void {
  columns.allValidFromMs = -Infinity;
  columns.allValidUntilMs = Infinity;
  for (let row = 0; row < columns.stamps.length; row++) {
    const holds = nowMs >= columns.validFromMs[row]! && nowMs < columns.validUntilMs[row]!;
    if (!holds) columns.stamps[row] = null;
    else narrowValidity(columns, row);
  }
}

function narrowValidity(columns: Columns, row: number): void {
  columns.allValidFromMs = Math.max(columns.allValidFromMs, columns.validFromMs[row]!);
  columns.allValidUntilMs = Math.min(columns.allValidUntilMs, columns.validUntilMs[row]!);
}

function emptyColumns(length: number): Columns {
  return {
    stamps: Array.from<object | null>({ length }).fill(null),
    validFromMs: new Float64Array(length),
    validUntilMs: new Float64Array(length),
    allValidFromMs: -Infinity,
    allValidUntilMs: Infinity,
    reason: new Uint8Array(length),
    readyAtMs: new Float64Array(length),
    usedKey: new Float64Array(length),
    maxUsed: new Float64Array(length),
    resetMinute: new Float64Array(length),
    resetDay: new Float64Array(length),
    policy: new Uint8Array(length),
    lotRow: new Int32Array(length),
    lotWeight: new Float64Array(length),
    rejected: new Int32Array(REASONS.length),
    rejectedUntilMs: new Float64Array(REASONS.length),
  };
}

/** Works a row out anew. */
export function refreshRow(columns: Columns, row: number, candidate: Candidate, demand: Demand): void {
  const standing = standingOf(candidate, demand);
  const policy = candidate.routingPolicy;
  columns.stamps[row] = candidate.stamp;
  columns.validFromMs[row] = demand.nowMs;
  columns.validUntilMs[row] = standing.validUntilMs;
  columns.reason[row] = REASONS.indexOf(standing.reason);
  columns.readyAtMs[row] = standing.readyAtMs;
  columns.usedKey[row] = standing.usedKey;
  columns.maxUsed[row] = standing.maxUsed;
  columns.resetMinute[row] = standing.resetMinute;
  columns.resetDay[row] = Math.floor(standing.resetMinute / MINUTES_PER_DAY);
  columns.policy[row] = policy === "normal" ? 1 : policy === "burn_first" ? 0 : 2;
  narrowValidity(columns, row);
}

export function standingOf(candidate: Candidate, demand: Demand): Standing {
  const { nowMs, model } = demand;
  const { stateUntilMs, coolingUntilMs } = candidate;
  const refusedUntilMs = model === null ? 0 : (candidate.unavailableModels?.get(model) ?? 0);
  const counted = countedWindows(candidate.windows, demand.scope);
  let usedKey = 0;
  let level = 1;
  let maxUsed = 0;
  let spentUntilMs = 0;
  let validUntilMs = Infinity;
  for (const untilMs of [coolingUntilMs, stateUntilMs ?? 0, refusedUntilMs]) {
    if (untilMs > nowMs) validUntilMs = Math.min(validUntilMs, untilMs);
  }
  for (const window of counted) {
    const used = usedPercentAt(window, nowMs);
    usedKey += Math.min(Math.floor(used), 999) * level;
    level *= LEVEL;
    maxUsed = Math.max(maxUsed, used);
    if (used >= 100) spentUntilMs = Math.max(spentUntilMs, window.resetAtMs);
    validUntilMs = Math.min(validUntilMs, nextResetMs(window, nowMs));
  }
  const longest = counted[0];
  const resetMinute =
    longest === undefined ? NO_RESET_MINUTE : Math.ceil(nextResetMs(longest, nowMs) / MINUTE_MS);
  const why = (reason: RejectionReason | null, readyAtMs = 0): Standing => {
    return { reason, readyAtMs, validUntilMs, usedKey, maxUsed, resetMinute };
  };
  const spent = () => {
    const untilMs = Math.max(stateUntilMs ?? 0, spentUntilMs);
    return why("spent", untilMs > 0 ? Math.max(untilMs, coolingUntilMs) : 0);
  };

  // The first reason that applies, the lasting ones first.
  const { state, reserveAtPercent, models } = candidate;
  if (state === "paused" || state === "reauth_required" || state === "deactivated") return why(state);
  // A spent account whose time has passed serves at once, before anything has noted that it healed.
  if (state !== "active" && (stateUntilMs === null || stateUntilMs > nowMs)) return spent();
  if (spentUntilMs > 0 && candidate.hasCredits !== true) return spent();
  if (model !== null && models !== null && !models.has(model)) return why("model_unavailable");
  if (refusedUntilMs > nowMs) return why("model_unavailable", refusedUntilMs);
  if (coolingUntilMs > nowMs) return why("cooling", coolingUntilMs);
  if (reserveAtPercent !== null && maxUsed >= reserveAtPercent) {
    const above = counted.filter((window) => window.usedPercent >= reserveAtPercent);
    return why("reserve", Math.max(...above.map((window) => window.resetAtMs)));
  }
  return why(null);
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
