/** Prices set by the operator, which win over the shipped ones. The shape of a price is the price table's. */
import { asc, eq } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { priceOverrides } from "./schema.ts";

export type PriceOverrideRow = typeof priceOverrides.$inferSelect;

export type PriceOverrideStore = ReturnType<typeof createPriceOverrideStore>;

export function createPriceOverrideStore({ orm, durably }: Connection) {
  return {
    loadAll(): PriceOverrideRow[] {
      return orm.select().from(priceOverrides).orderBy(asc(priceOverrides.model)).all();
    },
    put(row: PriceOverrideRow): void {
      durably(() =>
        orm
          .insert(priceOverrides)
          .values(row)
          .onConflictDoUpdate({ target: priceOverrides.model, set: row })
          .run(),
      );
    },
    /** False when there was none. */
    remove(model: string): boolean {
      return durably(
        () => orm.delete(priceOverrides).where(eq(priceOverrides.model, model)).run().changes === 1,
      );
    },
  };
}
