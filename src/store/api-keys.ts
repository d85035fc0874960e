/** Our API keys and their limits: only the SHA-256 of a key is kept. Counters are not here: they are rebuilt from the log. */
import { asc, eq, sql } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { apiKeys, keyLimits } from "./schema.ts";

export type ApiKeyRow = typeof apiKeys.$inferSelect;
export type KeyLimitRow = typeof keyLimits.$inferSelect;
export type NewKeyLimit = Omit<KeyLimitRow, "apiKeyId">;
export type ApiKeyPatch = Partial<Omit<ApiKeyRow, "id" | "createdAtMs" | "lastUsedAtMs">>;

export interface StoredApiKey {
  key: ApiKeyRow;
  limits: KeyLimitRow[];
}

/** Limits in the order in which they were given. */
const asOrdered = sql`rowid`;

export type ApiKeyStore = ReturnType<typeof createApiKeyStore>;

export function createApiKeyStore({ orm, durably }: Connection) {
  const limitsOf = (id: string) =>
    orm.select().from(keyLimits).where(eq(keyLimits.apiKeyId, id)).orderBy(asOrdered).all();

  function find(id: string): StoredApiKey | null {
    const key = orm.select().from(apiKeys).where(eq(apiKeys.id, id)).get();
    return key ? { key, limits: limitsOf(id) } : null;
  }

  function insertLimits(apiKeyId: string, limits: NewKeyLimit[]) {
    if (limits.length > 0)
      orm
        .insert(keyLimits)
        .values(limits.map((limit) => ({ ...limit, apiKeyId })))
        .run();
  }

  return {
    find,

    /** Every key, oldest first. */
    loadAll(): StoredApiKey[] {
      const limits = Map.groupBy(
        orm.select().from(keyLimits).orderBy(asOrdered).all(),
        (limit) => limit.apiKeyId,
      );
      const keys = orm.select().from(apiKeys).orderBy(asc(apiKeys.createdAtMs), asc(apiKeys.id)).all();
      return keys.map((key) => ({ key, limits: limits.get(key.id) ?? [] }));
    },

    insert(key: ApiKeyRow, limits: NewKeyLimit[]): void {
      durably(() => {
        orm.insert(apiKeys).values(key).run();
        insertLimits(key.id, limits);
      });
    },

    /** Changes the key and, when `limits` is given, replaces all its limits. The key afterwards; null when there is none. */
    update(id: string, patch: ApiKeyPatch, limits?: NewKeyLimit[]): StoredApiKey | null {
      return durably(() => {
        const changes = Object.values(patch).some((value) => value !== undefined);
        if (changes) orm.update(apiKeys).set(patch).where(eq(apiKeys.id, id)).run();
        const found = find(id);
        if (!found || !limits) return found;
        orm.delete(keyLimits).where(eq(keyLimits.apiKeyId, id)).run();
        insertLimits(id, limits);
        return find(id);
      });
    },

    /** Part of the write-behind flush. */
    markUsed(id: string, atMs: number): void {
      orm.update(apiKeys).set({ lastUsedAtMs: atMs }).where(eq(apiKeys.id, id)).run();
    },

    /** False when there was none. Its limits and ledger go with it; its requests stay in the log. */
    delete(id: string): boolean {
      return durably(() => orm.delete(apiKeys).where(eq(apiKeys.id, id)).run().changes === 1);
    },
  };
}
