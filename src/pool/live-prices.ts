/** The prices in force: those shipped, with the operator's own laid over them. */
import { plainModelName } from "../core/model-name.ts";
import { parsePriceTable, type PriceTable, withPriceOverrides } from "../core/pricing.ts";

/** One model's entry in the shape of `data/prices.json`: dollars per 1M tokens. */
export type PriceEntry = Record<string, unknown>;

export interface LivePrices {
  table(): PriceTable;
  /** The shipped entries, and the operator's, by model. */
  shipped(): Readonly<Record<string, PriceEntry>>;
  overrides(): Readonly<Record<string, PriceEntry>>;
  /** Replaces all of the operator's entries. Throws CodedError `validation_error` (422) with the path of the field at fault. */
  replaceOverrides(models: Readonly<Record<string, PriceEntry>>): void;
}

export interface LivePricesPorts {
  /** The shipped table, in the shape of `data/prices.json`. */
  shipped: { models: Readonly<Record<string, PriceEntry>> };
  stored: Readonly<Record<string, PriceEntry>>;
  /** Durable when it returns. */
  save(model: string, entry: PriceEntry): void;
  remove(model: string): void;
}

export function createLivePrices({ shipped, stored, save, remove }: LivePricesPorts): LivePrices {
  const base = parsePriceTable(shipped);
  let overrides = stored;
  let table = withPriceOverrides(base, { models: overrides });

  return {
    table: () => table,
    shipped: () => shipped.models,
    overrides: () => overrides,
    replaceOverrides(models) {
      const next = Object.fromEntries(
        Object.entries(models).map(([name, entry]) => [plainModelName(name), entry]),
      );
      const nextTable = withPriceOverrides(base, { models: next });
      for (const model of Object.keys(overrides)) if (!Object.hasOwn(next, model)) remove(model);
      for (const [model, entry] of Object.entries(next)) save(model, entry);
      overrides = next;
      table = nextTable;
    },
  };
}
