/** Quota windows and credits as last seen, and the windows' history for trends. Filled by the write-behind queue. */
import { and, asc, eq, getTableColumns, gte, sql } from "drizzle-orm";
import { SCOPE_ALL, type Window } from "../core/windows.ts";
import type { Connection } from "./connection.ts";
import { accountCredits, accounts, windowHistory, windowSnapshots } from "./schema.ts";

/** One point of history per window and quarter of an hour: enough for a 28-day curve, 96 rows a day. */
export const HISTORY_STEP_MS = 15 * 60_000;

export type WindowSnapshotRow = typeof windowSnapshots.$inferSelect;
export type WindowHistoryRow = typeof windowHistory.$inferSelect;
export type CreditsRow = typeof accountCredits.$inferSelect;

export interface WindowsReading {
  accountId: string;
  seenAtMs: number;
  windows: readonly Window[];
}

export type WindowStore = ReturnType<typeof createWindowStore>;

export function createWindowStore({ client, orm, transaction }: Connection) {
  const snapshot = client.prepare(`
    INSERT INTO window_snapshots (account_id, scope, minutes, used_percent, reset_at_ms, seen_at_ms)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, scope, minutes) DO UPDATE SET
      used_percent = excluded.used_percent, reset_at_ms = excluded.reset_at_ms, seen_at_ms = excluded.seen_at_ms`);
  const history = client.prepare(`
    INSERT INTO window_history (account_id, scope, minutes, at_ms, used_percent, reset_at_ms)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, scope, minutes, at_ms) DO UPDATE SET
      used_percent = excluded.used_percent, reset_at_ms = excluded.reset_at_ms`);

  function save({ accountId, seenAtMs, windows }: WindowsReading): void {
    const atMs = seenAtMs - (seenAtMs % HISTORY_STEP_MS);
    for (const { scope, minutes, usedPercent, resetAtMs } of windows) {
      snapshot.run(accountId, scope, minutes, usedPercent, resetAtMs, seenAtMs);
      history.run(accountId, scope, minutes, atMs, usedPercent, resetAtMs);
    }
  }

  return {
    save,

    /** All windows that the account has now; those that upstream names no more are dropped. History stays. */
    replace(reading: WindowsReading): void {
      transaction(() => {
        orm.delete(windowSnapshots).where(eq(windowSnapshots.accountId, reading.accountId)).run();
        save(reading);
      });
    },

    /** The latest reading of every window of every account. */
    loadAll(): WindowSnapshotRow[] {
      return orm
        .select(getTableColumns(windowSnapshots))
        .from(windowSnapshots)
        .innerJoin(accounts, eq(accounts.id, windowSnapshots.accountId))
        .all();
    },

    saveCredits(row: CreditsRow): void {
      orm
        .insert(accountCredits)
        .values(row)
        .onConflictDoUpdate({ target: accountCredits.accountId, set: row })
        .run();
    },

    loadCredits(): CreditsRow[] {
      return orm
        .select(getTableColumns(accountCredits))
        .from(accountCredits)
        .innerJoin(accounts, eq(accounts.id, accountCredits.accountId))
        .all();
    },

    /** History of one account, oldest first. */
    history(accountId: string, sinceMs: number): WindowHistoryRow[] {
      return orm
        .select()
        .from(windowHistory)
        .where(and(eq(windowHistory.accountId, accountId), gte(windowHistory.atMs, sinceMs)))
        .orderBy(asc(windowHistory.atMs))
        .all();
    },

    /** History of the whole pool, oldest first. */
    poolHistory(sinceMs: number): WindowHistoryRow[] {
      return orm
        .select()
        .from(windowHistory)
        .where(gte(windowHistory.atMs, sinceMs))
        .orderBy(asc(windowHistory.atMs))
        .all();
    },

    /** Mean used percent per account since then, of the plan's own windows of one length. */
    averages(minutes: number, sinceMs: number): { accountId: string; usedPercent: number }[] {
      return orm
        .select({
          accountId: windowHistory.accountId,
          usedPercent: sql<number>`avg(${windowHistory.usedPercent})`,
        })
        .from(windowHistory)
        .where(
          and(
            gte(windowHistory.atMs, sinceMs),
            eq(windowHistory.scope, SCOPE_ALL),
            eq(windowHistory.minutes, minutes),
          ),
        )
        .groupBy(windowHistory.accountId)
        .all();
    },

    /** Deletes at most `limit` points older than `beforeMs`; how many it were. */
    prune(beforeMs: number, limit: number): number {
      const old = client
        .prepare(
          `DELETE FROM window_history WHERE rowid IN
             (SELECT rowid FROM window_history WHERE at_ms < ? ORDER BY at_ms LIMIT ?)`,
        )
        .run(beforeMs, limit);
      return old.changes;
    },
  };
}
