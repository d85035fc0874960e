/** Model catalogues: each account's as upstream sent it, merged into the one that the pool serves, entries verbatim. */
import { createHash } from "node:crypto";
import { asList, asNumber, asRecord, asText, type JsonRecord } from "./json-read.ts";

/** One entry of upstream's `/models` (UPSTREAM H), untouched: Codex refuses the whole list over one entry that it cannot read. */
export type ModelEntry = JsonRecord & { readonly slug: string };

/** What one account may use. */
export interface AccountCatalogue {
  accountId: string;
  models: readonly ModelEntry[];
}

/** What the pool serves. */
export interface MergedCatalogue {
  models: readonly ModelEntry[];
  /** Weak ETag made from the content: the same models give the same tag, whichever account was asked last. */
  etag: string;
  /** Which accounts list a slug. */
  accountsBySlug: ReadonlyMap<string, ReadonlySet<string>>;
}

/** The list of today has 12 entries; more than this is a fault and is cut off. */
const MAX_MODELS = 500;
/** Entries without a priority go last; Codex sorts ascending. */
const LAST_PRIORITY = Number.MAX_SAFE_INTEGER;

/**
 * The entries of a parsed `/models` body, verbatim. null when it is no such body (OpenAI's `{"object":"list"}` is none). Entries
 * without a slug are left out and later doubles too; nothing else is judged: a newer client may know what we do not.
 */
export function readCatalogue(body: unknown): ModelEntry[] | null {
  const models = asRecord(body)?.models;
  if (!Array.isArray(models)) return null;
  const bySlug = new Map<string, ModelEntry>();
  for (const value of models.slice(0, MAX_MODELS)) {
    const entry = asRecord(value);
    const slug = asText(entry?.slug);
    if (entry !== null && slug !== null && slug === entry.slug && !bySlug.has(slug)) {
      bySlug.set(slug, entry as ModelEntry);
    }
  }
  return [...bySlug.values()];
}

/**
 * The union by slug. Where accounts describe a model differently the account with the longest list wins, ties by account id: a
 * stable choice, because an ETag that flips makes every client fetch the list again. Sorted by priority, then slug.
 */
export function mergeCatalogues(catalogues: readonly AccountCatalogue[]): MergedCatalogue {
  const ranked = catalogues.toSorted(
    (a, b) => b.models.length - a.models.length || (a.accountId < b.accountId ? -1 : 1),
  );
  const entries = new Map<string, ModelEntry>();
  const accountsBySlug = new Map<string, Set<string>>();
  for (const { accountId, models } of ranked) {
    for (const entry of models) {
      if (!entries.has(entry.slug)) entries.set(entry.slug, entry);
      const accounts = accountsBySlug.get(entry.slug) ?? new Set();
      accountsBySlug.set(entry.slug, accounts.add(accountId));
    }
  }
  const models = [...entries.values()].toSorted(
    (a, b) => priorityOf(a) - priorityOf(b) || (a.slug < b.slug ? -1 : 1),
  );
  return { models, etag: etagOf(models), accountsBySlug };
}

/** The accounts that list `slug`; null when no account lists it, so that nothing is known and any may try. */
export function accountsForModel(catalogue: MergedCatalogue, slug: string): ReadonlySet<string> | null {
  return catalogue.accountsBySlug.get(slug) ?? null;
}

/** Weak, from the content of `models` in their order. */
export function etagOf(models: readonly ModelEntry[]): string {
  return `W/"${createHash("sha256").update(JSON.stringify(models)).digest("hex").slice(0, 32)}"`;
}

/** OpenAI's `GET /v1/models`; hidden models are left out. `createdSeconds` is Unix seconds, the same for all: upstream tells none. */
export function openAiModelList(models: readonly ModelEntry[], createdSeconds: number): JsonRecord {
  return {
    object: "list",
    data: models.filter(isListed).map(({ slug }) => ({
      id: slug,
      object: "model",
      created: createdSeconds,
      owned_by: "openai",
    })),
  };
}

/** A model as `GET /api/models` shows it. */
export interface ModelSummary {
  id: string;
  name: string;
  supportedReasoningEfforts: string[];
  defaultReasoningEffort: string | null;
}

/** The listed models for the dashboard and its forms. */
export function summariseModels(models: readonly ModelEntry[]): ModelSummary[] {
  return models.filter(isListed).map((entry) => ({
    id: entry.slug,
    name: asText(entry.display_name) ?? entry.slug,
    supportedReasoningEfforts: asList(entry.supported_reasoning_levels).flatMap(
      (level) => asText(asRecord(level)?.effort) ?? asText(level) ?? [],
    ),
    defaultReasoningEffort: asText(entry.default_reasoning_level),
  }));
}

function isListed(entry: ModelEntry): boolean {
  return entry.visibility === undefined || entry.visibility === "list";
}

function priorityOf(entry: ModelEntry): number {
  return asNumber(entry.priority) ?? LAST_PRIORITY;
}
