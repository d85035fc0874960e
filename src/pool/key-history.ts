/** What the log knows of each key at boot: its totals, and what its limits had counted when the program stopped, however it did. */
import type { LimitBook } from "../core/limit-book.ts";
import { type Counted, type KeyLimit, rebuildSpans } from "../core/limits.ts";

export interface KeyTotals {
  requests: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costMicros: number;
}

/** Reads of the log and its hourly sums. */
export interface KeyHistory {
  totals(): Map<string, KeyTotals>;
  /** Hourly sums of every key from the hour that begins at `sinceMs` on; without `byModel` their model is null. */
  hours(sinceMs: number, byModel: boolean): Map<string, Counted[]>;
  /** What a key's requests asked in `[fromMs, untilMs)` used, by model. */
  rows(keyId: string, fromMs: number, untilMs: number): Counted[];
}

export interface KeyBudget {
  id: string;
  limits: readonly KeyLimit[];
  balanceMicros: number | null;
}

/** Two passes over the hourly sums, whatever the number of keys, and one read of single rows per limit. */
export function rebuildBudgets(
  book: LimitBook,
  history: KeyHistory,
  at: { nowMs: number; keys: readonly KeyBudget[] },
): void {
  const { nowMs, keys } = at;
  const all = keys.flatMap(({ limits }) => limits);
  const plain = hoursOf(all.filter(({ modelFilter }) => modelFilter === null));
  const filtered = hoursOf(all.filter(({ modelFilter }) => modelFilter !== null));
  const plainHours = plain === null ? NONE : history.hours(plain, false);
  const filteredHours = filtered === null ? NONE : history.hours(filtered, true);

  for (const { id, limits, balanceMicros } of keys) {
    const known: KeyLimit[] = [];
    for (const limit of limits) {
      const { rowsFromMs, hoursFromMs } = rebuildSpans(limit, nowMs);
      const hours = (limit.modelFilter === null ? plainHours : filteredHours).get(id) ?? [];
      const counted = [
        ...(rowsFromMs < hoursFromMs ? history.rows(id, rowsFromMs, hoursFromMs) : []),
        ...hours.filter(({ atMs }) => atMs >= hoursFromMs),
      ];
      // One after the other, because an hour that is rows to one limit is a sum to another.
      known.push(limit);
      book.setLimits(id, known, { nowMs, counted });
    }
    book.setBalance(id, balanceMicros);
  }

  function hoursOf(limits: readonly KeyLimit[]): number | null {
    if (limits.length === 0) return null;
    return Math.min(...limits.map((limit) => rebuildSpans(limit, nowMs).hoursFromMs));
  }
}

const NONE: ReadonlyMap<string, Counted[]> = new Map();
