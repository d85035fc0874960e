/** Which account each conversation is on. Filled by the write-behind queue, read once at the start. */
import { desc, eq, getTableColumns, gt } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { accounts, affinity } from "./schema.ts";

export type AffinityRow = typeof affinity.$inferSelect;

export type AffinityStore = ReturnType<typeof createAffinityStore>;

export function createAffinityStore({ client, orm }: Connection) {
  const put = client.prepare(`
    INSERT INTO affinity (conversation_key, account_id, expires_at_ms) VALUES (:conversationKey, :accountId, :expiresAtMs)
    ON CONFLICT (conversation_key) DO UPDATE SET account_id = excluded.account_id, expires_at_ms = excluded.expires_at_ms`);
  const prune = client.prepare(`
    DELETE FROM affinity WHERE conversation_key IN (SELECT conversation_key FROM affinity WHERE expires_at_ms <= ? LIMIT ?)`);

  return {
    /** Bindings that still hold, the longest-lived first, of accounts that exist, at most `limit`. */
    load(at: { nowMs: number; limit: number }): AffinityRow[] {
      return orm
        .select(getTableColumns(affinity))
        .from(affinity)
        .innerJoin(accounts, eq(accounts.id, affinity.accountId))
        .where(gt(affinity.expiresAtMs, at.nowMs))
        .orderBy(desc(affinity.expiresAtMs))
        .limit(at.limit)
        .all();
    },
    put: (row: AffinityRow): void => void put.run(row),
    /** Deletes at most `limit` expired bindings; how many it were. */
    prune: (nowMs: number, limit: number): number => prune.run(nowMs, limit).changes,
  };
}
