/** Prepaid credit per key: what was paid in, corrected and spent. The balance is the sum of the rows. */
import { and, desc, eq, lt, sql } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { keyLedger } from "./schema.ts";

export type LedgerRow = typeof keyLedger.$inferSelect;

export type LedgerStore = ReturnType<typeof createLedgerStore>;

export function createLedgerStore({ client, orm, durably }: Connection) {
  const charge = client.prepare(`
    INSERT INTO key_ledger (id, api_key_id, at_ms, kind, amount_micros)
    SELECT 'charge:' || id || ':' || :hourMs, id, :hourMs, 'charge', -:micros
    FROM api_keys WHERE id = :apiKeyId AND balance_enabled
    ON CONFLICT (id) DO UPDATE SET amount_micros = amount_micros + excluded.amount_micros`);

  return {
    /** A credit or a correction made by a person. */
    add(row: LedgerRow): void {
      durably(() => orm.insert(keyLedger).values(row).run());
    },

    /** Takes `micros` from the key's balance if it keeps one. Part of the transaction that stores the requests. */
    charge(apiKeyId: string, hourMs: number, micros: number): void {
      charge.run({ apiKeyId, hourMs, micros });
    },

    /** Balance in micro-dollars per key that has any ledger row. */
    balances(): Map<string, number> {
      const rows = orm
        .select({ id: keyLedger.apiKeyId, micros: sql<number>`sum(${keyLedger.amountMicros})` })
        .from(keyLedger)
        .groupBy(keyLedger.apiKeyId)
        .all();
      return new Map(rows.map(({ id, micros }) => [id, micros]));
    },

    /** Newest first; `beforeMs` pages on. */
    list(apiKeyId: string, page: { limit: number; beforeMs?: number }): LedgerRow[] {
      return orm
        .select()
        .from(keyLedger)
        .where(
          and(
            eq(keyLedger.apiKeyId, apiKeyId),
            page.beforeMs === undefined ? undefined : lt(keyLedger.atMs, page.beforeMs),
          ),
        )
        .orderBy(desc(keyLedger.atMs), desc(keyLedger.id))
        .limit(page.limit)
        .all();
    },
  };
}
