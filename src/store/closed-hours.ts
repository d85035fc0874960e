/** Keeps the sums of hours that are over: pages ask for a month of them again and again, and only the last hours still change. */
import type { Clock } from "../ports.ts";

export const HOUR_MS = 3_600_000;

export const hourOf = (ms: number) => ms - (ms % HOUR_MS);

/** Whole hours, `untilMs` not included; null: without an end. */
export interface Hours {
  fromMs: number;
  untilMs: number | null;
}

/** This hour and the one before: most requests that end now began in them, and what is kept seldom has to go. */
const OPEN_HOURS = 2;
/** Rows kept in all, about 200 bytes each: the reports of a year, or some dozens of a month. */
const CAPACITY_ROWS = 10_000;
/** Questions kept: a page asks about five. Some have no rows, and all have a name. */
const CAPACITY_QUESTIONS = 100;

export interface ClosedHoursOptions {
  clock: Pick<Clock, "now">;
  capacityRows?: number;
}

/** How one kind of sums is read, and how those of two spans become those of both. */
export interface SumsOf<Row> {
  /** Names the question apart from its hours: the same name, the same groups and filters. */
  name: string;
  read(hours: Hours): readonly Row[];
  merge(one: readonly Row[], other: readonly Row[]): readonly Row[];
}

export type ClosedHours = ReturnType<typeof createClosedHours>;

export function createClosedHours({ clock, capacityRows = CAPACITY_ROWS }: ClosedHoursOptions) {
  interface Kept {
    fromMs: number;
    untilMs: number;
    rows: readonly unknown[];
  }
  /** The longest unused first. */
  const kept = new Map<string, Kept>();
  let rowsKept = 0;

  function forget(key: string): void {
    rowsKept -= kept.get(key)?.rows.length ?? 0;
    kept.delete(key);
  }

  function keep(key: string, entry: Kept): void {
    forget(key);
    if (entry.rows.length > capacityRows) return;
    kept.set(key, entry);
    rowsKept += entry.rows.length;
    for (const oldest of kept.keys()) {
      if (rowsKept <= capacityRows && kept.size <= CAPACITY_QUESTIONS) return;
      forget(oldest);
    }
  }

  /** The sums from `fromMs` to `untilMs`; what was kept of them is continued, not read again. */
  function closed<Row>({ fromMs, untilMs }: { fromMs: number; untilMs: number }, of: SumsOf<Row>) {
    const key = `${fromMs} ${of.name}`;
    const known = kept.get(key);
    let rows: readonly Row[];
    if (!known || known.untilMs > untilMs) rows = of.read({ fromMs, untilMs });
    else {
      // What was kept under a name is what that name's `read` gave.
      rows = known.rows as readonly Row[];
      if (known.untilMs < untilMs) rows = of.merge(rows, of.read({ fromMs: known.untilMs, untilMs }));
    }
    keep(key, { fromMs, untilMs, rows });
    return rows;
  }

  return {
    /** As `of.read` of these hours would answer now. */
    sums<Row>({ fromMs, untilMs }: Hours, of: SumsOf<Row>): readonly Row[] {
      const openMs = hourOf(clock.now()) - (OPEN_HOURS - 1) * HOUR_MS;
      const closedUntilMs = Math.min(openMs, untilMs ?? openMs);
      if (closedUntilMs <= fromMs) return of.read({ fromMs, untilMs });
      const rows = closed({ fromMs, untilMs: closedUntilMs }, of);
      return untilMs === closedUntilMs ? rows : of.merge(rows, of.read({ fromMs: closedUntilMs, untilMs }));
    },

    /** To be called after sums of some hours have changed, whoever changed them. Hours that are open cost nothing. */
    changed(hours: { fromMs: number; untilMs: number }): void {
      for (const [key, { fromMs, untilMs }] of kept)
        if (hours.fromMs < untilMs && fromMs < hours.untilMs) forget(key);
    },
  };
}
