/** The pool's durable copy: read once at the start, and kept up behind the requests from then on. */
import type { AffinityEntry, AffinityKind } from "../core/affinity.ts";
import { AFFINITY_KINDS } from "../core/affinity.ts";
import { readCatalogue } from "../core/models-catalogue.ts";
import type { Clock, Log } from "../ports.ts";
import type { AffinityRow } from "../store/affinity.ts";
import type { Store } from "../store/open.ts";
import type { WriteBehind } from "../store/write-behind.ts";
import type { AccountList, Catalogue } from "./catalogue.ts";
import type { Pool } from "./pool.ts";

/**
 * Turns and response ids are made anew with every request and mean nothing to a later connection: writing them would cost more than
 * losing them at a restart, after which the session's own key still leads to the same account.
 */
const KEPT_KINDS: ReadonlySet<AffinityKind> = new Set(["file", "session", "prompt_cache_key", "thread"]);

export interface PersistencePorts {
  pool: Pool;
  catalogue: Catalogue;
  store: Pick<Store, "accounts" | "windows" | "models" | "affinity">;
  writes: WriteBehind;
  clock: Clock;
  log: Log;
  affinityCapacity: number;
  affinityTtlMs: Readonly<Record<AffinityKind, number>>;
}

/** Puts every stored account into the pool, with its windows, credits, models and conversations. */
export function hydratePool(ports: PersistencePorts): void {
  const { pool, catalogue, store, clock, log, affinityCapacity, affinityTtlMs } = ports;
  const windows = Map.groupBy(store.windows.loadAll(), (row) => row.accountId);
  const credits = new Map(store.windows.loadCredits().map((row) => [row.accountId, row]));
  restoreModels(ports);
  for (const { account, credentials } of store.accounts.loadAll()) {
    if (credentials === null) {
      log.error("tokens of an account cannot be read; log in again", { account: account.id });
      continue;
    }
    const row = credits.get(account.id);
    pool.put({
      account,
      credentials,
      windows: windows.get(account.id) ?? [],
      credits: row ? { has: row.hasCredits, unlimited: row.unlimited, balance: row.balance } : null,
      models: catalogue.slugsOf(account.id),
    });
  }
  const rows = store.affinity.load({ nowMs: clock.now(), limit: affinityCapacity });
  const bindings = rows.flatMap((row) => bindingOf(row, affinityTtlMs) ?? []);
  pool.affinity.restore(bindings.toSorted((a, b) => a.lastUsedMs - b.lastUsedMs));
}

/** From now on what the pool learns goes to the disk. */
export function persistPool({ pool, writes, clock, log }: PersistencePorts): void {
  pool.onChange((change) => {
    const { account } = change;
    switch (change.kind) {
      case "state": {
        const { state, stateReason, stateUntilMs } = change.transition;
        writes.accountState(account.id, { state, stateReason, stateUntilMs });
        log.info("account state", { account: account.id, state, text: change.transition.text });
        break;
      }
      case "windows": {
        const seenAtMs = clock.now();
        const reading = { accountId: account.id, seenAtMs, windows: account.windows };
        if (change.reading.source === "usage") writes.windowsReplaced(reading);
        else writes.windowsSeen(reading);
        if (change.reading.credits) {
          const { has, unlimited, balance } = change.reading.credits;
          writes.creditsSeen({ accountId: account.id, hasCredits: has, unlimited, balance, seenAtMs });
        }
        break;
      }
      case "changed":
        writes.planSeen(account.id, account.planType);
        break;
      case "added":
      case "removed":
        break;
    }
  });
}

/** An account's model list, kept so that after a restart it is asked for nothing that it cannot serve. */
export function persistModels(
  { pool, catalogue, store, clock }: Pick<PersistencePorts, "pool" | "catalogue" | "store" | "clock">,
  { accountId, clientVersion, models, etag }: AccountList,
): void {
  // It may have been removed while upstream was asked.
  if (!pool.get(accountId)) return;
  pool.setModels(accountId, catalogue.slugsOf(accountId));
  const entries = JSON.stringify(models);
  store.models.put({ accountId, clientVersion, entries, etag, fetchedAtMs: clock.now() });
}

/** The stored lists, the one asked for last coming last. */
function restoreModels({ catalogue, store }: Pick<PersistencePorts, "catalogue" | "store">): void {
  const rows = store.models.loadAll().toSorted((a, b) => a.fetchedAtMs - b.fetchedAtMs);
  for (const { accountId, clientVersion, entries, etag } of rows) {
    const models = readCatalogue({ models: JSON.parse(entries) as unknown });
    if (models) catalogue.restore({ accountId, clientVersion, models, etag });
  }
}

/** The row to keep for a binding; null: it is not worth keeping. */
export function affinityRow(
  entry: AffinityEntry,
  ttlMs: PersistencePorts["affinityTtlMs"],
): AffinityRow | null {
  const { kind, key, accountId, lastUsedMs } = entry;
  if (!KEPT_KINDS.has(kind)) return null;
  return { conversationKey: `${kind}:${key}`, accountId, expiresAtMs: lastUsedMs + ttlMs[kind] };
}

/** The binding of a row; null: of a kind that an earlier program knew. */
function bindingOf(row: AffinityRow, ttlMs: PersistencePorts["affinityTtlMs"]): AffinityEntry | null {
  const colon = row.conversationKey.indexOf(":");
  const kind = AFFINITY_KINDS.find((known) => known === row.conversationKey.slice(0, colon));
  if (kind === undefined) return null;
  const key = row.conversationKey.slice(colon + 1);
  return { kind, key, accountId: row.accountId, lastUsedMs: row.expiresAtMs - ttlMs[kind] };
}
