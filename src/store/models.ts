/** The model catalogue that upstream gave each account, per client version, kept verbatim. */
import type { Connection } from "./connection.ts";
import { accountModels } from "./schema.ts";

/** `entries` is the JSON text of upstream's `models` array, unchanged. */
export type ModelsRow = typeof accountModels.$inferSelect;

export type ModelStore = ReturnType<typeof createModelStore>;

export function createModelStore({ orm }: Connection) {
  return {
    loadAll(): ModelsRow[] {
      return orm
        .select()
        .from(accountModels)
        .orderBy(accountModels.accountId, accountModels.clientVersion)
        .all();
    },
    /** The account must exist. */
    put(row: ModelsRow): void {
      const target = [accountModels.accountId, accountModels.clientVersion];
      orm.insert(accountModels).values(row).onConflictDoUpdate({ target, set: row }).run();
    },
  };
}
