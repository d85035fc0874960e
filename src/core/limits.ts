/**
 * The budgets of API keys: what counts, in which window, and the book that reserves an estimate before a request is sent
 * and settles it with the true figure.
 *
 * Windows have a fixed length (`5h`, `daily` 24 h, `weekly` 7 days, `monthly` 30 days) and follow one another from the limit's
 * anchor: the moment it was made, or last reset. A request counts in the window in which it was asked (`atMs`), however late it
 * ends; so the counters can be rebuilt from the log to the token.
 */
import { isSameModel } from "./model-name.ts";
import type { RequestRecord } from "./record.ts";

export type LimitType = "total_tokens" | "input_tokens" | "output_tokens" | "cost_usd";
export type LimitWindow = "5h" | "daily" | "weekly" | "monthly";

export interface LimitSpec {
  limitType: LimitType;
  limitWindow: LimitWindow;
  /** Tokens, or micro-dollars for `cost_usd`; whole, at least 1. */
  maxValue: number;
  /** Counts only this model (its snapshots included); null: every model. */
  modelFilter: string | null;
}

/** A limit of a key, as it is stored. */
export interface KeyLimit extends LimitSpec {
  id: string;
  anchorMs: number;
}

/** What a request used, or is expected to use. Cached input counts in full; output includes reasoning. */
export interface Amounts {
  inputTokens: number;
  outputTokens: number;
  costMicros: number;
}

/** What one request, or one hour of a model's requests, used. */
export interface Counted extends Amounts {
  /** When the request was asked; for a roll-up the start of its hour. */
  atMs: number;
  /** As the log names it; null or "" when there was none. */
  model: string | null;
}

/** What the log records of a request, as counters see it. */
export function countedRequest(
  record: Pick<RequestRecord, "requestedAtMs" | "model" | "inputTokens" | "outputTokens" | "totalCostMicros">,
): Counted {
  const { requestedAtMs: atMs, model, inputTokens, outputTokens, totalCostMicros: costMicros } = record;
  return { atMs, model, inputTokens, outputTokens, costMicros };
}

const HOUR_MS = 3_600_000;
const WINDOW_MS: Record<LimitWindow, number> = {
  "5h": 5 * HOUR_MS,
  daily: 24 * HOUR_MS,
  weekly: 7 * 24 * HOUR_MS,
  monthly: 30 * 24 * HOUR_MS,
};

/** The window that holds `nowMs`; its end is when the counter starts afresh. */
export function limitWindowAt(
  limit: Pick<KeyLimit, "anchorMs" | "limitWindow">,
  nowMs: number,
): { startMs: number; resetAtMs: number } {
  const length = WINDOW_MS[limit.limitWindow];
  // A clock that was set back must not invent a window before the first one.
  const passed = Math.max(0, Math.floor((nowMs - limit.anchorMs) / length));
  const startMs = limit.anchorMs + passed * length;
  return { startMs, resetAtMs: startMs + length };
}

/**
 * From where to read the log in order to rebuild a counter: single rows asked in `[rowsFromMs, hoursFromMs)`, because windows
 * do not begin on the hour, and the hourly roll-ups from `hoursFromMs` on.
 */
export function rebuildSpans(limit: KeyLimit, nowMs: number): { rowsFromMs: number; hoursFromMs: number } {
  const { startMs } = limitWindowAt(limit, nowMs);
  return { rowsFromMs: startMs, hoursFromMs: Math.ceil(startMs / HOUR_MS) * HOUR_MS };
}

/** The counter of the window that holds `nowMs`, from what `rebuildSpans` made the caller read. Anything else is passed over. */
export function rebuildCounter(limit: KeyLimit, counted: Iterable<Counted>, nowMs: number): number {
  const { startMs, resetAtMs } = limitWindowAt(limit, nowMs);
  let value = 0;
  for (const entry of counted) {
    if (entry.atMs < startMs || entry.atMs >= resetAtMs || !limitCovers(limit, entry.model)) continue;
    value += amountFor(limit.limitType, entry);
  }
  return value;
}

/** Whether requests of this model count towards the limit. */
export function limitCovers(limit: LimitSpec, model: string | null): boolean {
  return limit.modelFilter === null || (model !== null && isSameModel(limit.modelFilter, model));
}

/** What a limit of this type counts of a request. */
export function amountFor(type: LimitType, amounts: Amounts): number {
  switch (type) {
    case "total_tokens":
      return amounts.inputTokens + amounts.outputTokens;
    case "input_tokens":
      return amounts.inputTokens;
    case "output_tokens":
      return amounts.outputTokens;
    case "cost_usd":
      return amounts.costMicros;
  }
}

/**
 * The limits a key has after an edit: one that keeps its type, window and model keeps its id, anchor and thereby its counter,
 * whatever its new maximum; the others begin now with nothing counted.
 */
export function editLimits(
  current: readonly KeyLimit[],
  wanted: readonly LimitSpec[],
  edit: { nowMs: number; newId: () => string },
): KeyLimit[] {
  return wanted.map((spec) => {
    const same = current.find(
      (limit) =>
        limit.limitType === spec.limitType &&
        limit.limitWindow === spec.limitWindow &&
        limit.modelFilter === spec.modelFilter,
    );
    return { ...spec, id: same?.id ?? edit.newId(), anchorMs: same?.anchorMs ?? edit.nowMs };
  });
}

/** "Reset usage": every window begins again now. Requests in flight were asked before and do not count in it. */
export function resetLimits(current: readonly KeyLimit[], nowMs: number): KeyLimit[] {
  return current.map((limit) => ({ ...limit, anchorMs: nowMs }));
}
