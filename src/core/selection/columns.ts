/** What selection needs of every candidate's windows and models, worked out once per reading and kept in columns for a fast scan. */
import { SCOPE_ALL, usedPercentAt, type Window } from "../windows.ts";
import type { Candidate } from "./types.ts";

const MINUTE_MS = 60_000;
/** Stands for "never resets": later than any real reset, small enough to add to. */
const NO_RESET_MINUTE = 1e9;
/** Each shorter window weighs this much less than the one before it, so that it only breaks ties. */
const LEVEL = 1e-4;
/** Distinct scopes, and models, kept per pool: upstream has a handful; past that the oldest is worked out again. */
const MAX_COLUMNS = 16;
const MINUTES_PER_DAY = 24 * 60;

/** Row i belongs to candidate i; it holds while the candidate's `windows` is the same array and now is within its validity. */
export interface WindowColumns {
  windows: (readonly Window[] | null)[];
  validFromMs: Float64Array;
  validUntilMs: Float64Array;
  /** Between these two every row is within its validity: the scan need not look. */
  allValidFromMs: number;
  allValidUntilMs: number;
  /** Used percent of the longest window plus, as fractions, of the shorter ones in order. Whole percents: upstream's own grain. */
  usedKey: Float64Array;
  /** The most used window, in percent. */
  maxUsed: Float64Array;
  /** Next reset of the longest window, in minutes since the epoch. */
  resetMinute: Float64Array;
  /** The same in whole days (UTC). */
  resetDay: Float64Array;
  /** Last reset among the windows that are spent, 0 when none is. */
  spentUntilMs: Float64Array;
  /** Scratch of the weighted draw: the rows that take part and their weights, from index 0 on. */
  lotRow: Int32Array;
  lotWeight: Float64Array;
}

/** Row i: the set of models of candidate i (null: unknown) once that was found to hold the model; undefined before. */
export type ModelColumn = (ReadonlySet<string> | null | undefined)[];

const windowMemo = new WeakMap<readonly Candidate[], Map<string, WindowColumns>>();
const modelMemo = new WeakMap<readonly Candidate[], Map<string, ModelColumn>>();

/** The columns of this array of candidates for requests of a scope. */
export function windowColumns(candidates: readonly Candidate[], scope: string, nowMs: number): WindowColumns {
  const byScope = remembered(windowMemo, candidates, () => new Map<string, WindowColumns>());
  let columns = byScope.get(scope);
  if (columns === undefined || columns.windows.length < candidates.length) {
    columns = emptyColumns(candidates.length);
    keep(byScope, scope, columns);
  }
  if (nowMs < columns.allValidFromMs || nowMs >= columns.allValidUntilMs) dropStaleRows(columns, nowMs);
  return columns;
}

/** The column of this array of candidates for requests of a model; the scan fills it. */
export function modelColumn(candidates: readonly Candidate[], model: string): ModelColumn {
  const byModel = remembered(modelMemo, candidates, () => new Map<string, ModelColumn>());
  let column = byModel.get(model);
  if (column === undefined) {
    column = Array.from<undefined>({ length: candidates.length }); // It grows with the pool by itself.
    keep(byModel, model, column);
  }
  return column;
}

function remembered<K extends object, V>(memo: WeakMap<K, V>, key: K, create: () => V): V {
  const known = memo.get(key);
  if (known !== undefined) return known;
  const created = create();
  memo.set(key, created);
  return created;
}

function keep<V>(byName: Map<string, V>, name: string, value: V): void {
  if (!byName.has(name) && byName.size >= MAX_COLUMNS) byName.delete(byName.keys().next().value!);
  byName.set(name, value);
}

/** Some window was reset since its row was worked out (or the clock went back): those rows are done anew by the scan. */
function dropStaleRows(columns: WindowColumns, nowMs: number): void {
  columns.allValidFromMs = -Infinity;
  columns.allValidUntilMs = Infinity;
  for (let row = 0; row < columns.windows.length; row++) {
    const holds = nowMs >= columns.validFromMs[row]! && nowMs < columns.validUntilMs[row]!;
    if (!holds) columns.windows[row] = null;
    else narrowValidity(columns, row);
  }
}

function narrowValidity(columns: WindowColumns, row: number): void {
  columns.allValidFromMs = Math.max(columns.allValidFromMs, columns.validFromMs[row]!);
  columns.allValidUntilMs = Math.min(columns.allValidUntilMs, columns.validUntilMs[row]!);
}

function emptyColumns(length: number): WindowColumns {
  return {
    windows: Array.from<readonly Window[] | null>({ length }).fill(null),
    validFromMs: new Float64Array(length),
    validUntilMs: new Float64Array(length),
    allValidFromMs: -Infinity,
    allValidUntilMs: Infinity,
    usedKey: new Float64Array(length),
    maxUsed: new Float64Array(length),
    resetMinute: new Float64Array(length),
    resetDay: new Float64Array(length),
    spentUntilMs: new Float64Array(length),
    lotRow: new Int32Array(length),
    lotWeight: new Float64Array(length),
  };
}

/** Works a row out anew. */
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
  columns.resetDay[row] = Math.floor(columns.resetMinute[row] / MINUTES_PER_DAY);
  narrowValidity(columns, row);
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
