/** The model lists that upstream gave for the accounts, as one catalogue. */
import { type MergedCatalogue, mergeCatalogues, type ModelEntry } from "../core/models-catalogue.ts";

export interface ListedModels {
  set(accountId: string, models: readonly ModelEntry[]): void;
  remove(accountId: string): void;
  merged(): MergedCatalogue;
  /** Every slug of the catalogue, hidden ones too. */
  slugs(): ReadonlySet<string>;
}

export function createListedModels(): ListedModels {
  const byAccount = new Map<string, readonly ModelEntry[]>();
  let current: { merged: MergedCatalogue; slugs: ReadonlySet<string> } | null = null;

  function read() {
    if (!current) {
      const merged = mergeCatalogues([...byAccount].map(([accountId, models]) => ({ accountId, models })));
      current = { merged, slugs: new Set(merged.models.map(({ slug }) => slug)) };
    }
    return current;
  }

  return {
    set(accountId, models) {
      byAccount.set(accountId, models);
      current = null;
    },
    remove(accountId) {
      if (byAccount.delete(accountId)) current = null;
    },
    merged: () => read().merged,
    slugs: () => read().slugs,
  };
}
