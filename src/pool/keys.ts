/** The API keys in memory: who a secret belongs to, what it may do now, and what its budgets have left. */
import { type ApiKeySettings, KEY_RANDOM_BYTES, makeKey, mayUse } from "../core/api-key.ts";
import type { KeyPatchInput, NewKeyInput } from "../core/api-key-input.ts";
import type { LedgerEntryInput } from "../core/balance.ts";
import { refusalForKey } from "../core/key-refusal.ts";
import { createLimitBook, type LimitBook, type LimitCounter } from "../core/limit-book.ts";
import { countedRequest, editLimits, type KeyLimit, resetLimits } from "../core/limits.ts";
import type { RequestRecord } from "../core/record.ts";
import type { Refusal } from "../core/refusal.ts";
import type { Secret } from "../core/secret.ts";
import type { Clock, Random, Timer } from "../ports.ts";
import { type KeyHistory, type KeyTotals, rebuildBudgets } from "./key-history.ts";

/**
 * One secret of a key. A new secret is a new object under the same id; the old one is dead for ever. `settings` and what
 * follows from them are always those in force.
 */
export interface PooledKey {
  readonly id: string;
  readonly keyPrefix: string;
  readonly createdAtMs: number;
  readonly lastUsedAtMs: number | null;
  readonly settings: Readonly<ApiKeySettings>;
  readonly limits: readonly KeyLimit[];
  /** null: every account. */
  readonly allowedAccountIds: ReadonlySet<string> | null;
  /** Everything recorded under this key. */
  readonly totals: Readonly<KeyTotals>;
  /** Why the holder may not do this now; null: they may. `model` is the one asked for; null for calls without one. */
  refuse(model: string | null): Refusal | null;
  /** Calls back once when the secret stops working, at once when it has already. Returns how to unregister. */
  onRevoked(callback: () => void): () => void;
  /** Takes note that it is in use. */
  used(): void;
}

export interface StoredKey extends ApiKeySettings {
  id: string;
  keyHash: string;
  keyPrefix: string;
  createdAtMs: number;
  lastUsedAtMs: number | null;
}

/** Durable when each call returns. */
export interface KeyStorage {
  loadAll(): { key: StoredKey; limits: KeyLimit[] }[];
  insert(key: StoredKey, limits: KeyLimit[]): void;
  update(
    id: string,
    patch: Partial<Omit<StoredKey, "id" | "createdAtMs" | "lastUsedAtMs">>,
    limits?: KeyLimit[],
  ): unknown;
  delete(id: string): boolean;
}

export interface LedgerStorage {
  add(row: LedgerEntryInput & { id: string; apiKeyId: string; atMs: number }): void;
  /** Micro-dollars per key that has any row; what is still in the write-behind queue is not in it. */
  balances(): Map<string, number>;
}

export interface KeyPoolPorts {
  clock: Clock;
  random: Random;
  storage: KeyStorage;
  ledger: LedgerStorage;
  history: KeyHistory;
  /** May lose the last second. */
  markUsed(keyId: string, atMs: number): void;
  /** Writes the recorded requests that wait, with their charges. */
  flush(): void;
}

export interface KeyPool {
  readonly book: LimitBook;
  /** The key of this SHA-256, alive or not; null: there is none. */
  find(keyHash: string): PooledKey | null;
  get(id: string): PooledKey | null;
  /** Oldest first. */
  list(): PooledKey[];
  /** The secret is given out here and never again. */
  create(input: NewKeyInput): { key: PooledKey; secret: Secret };
  patch(id: string, input: KeyPatchInput): PooledKey | null;
  /** The old secret is dead when this returns. */
  regenerate(id: string): { key: PooledKey; secret: Secret } | null;
  remove(id: string): boolean;
  /** Writes a credit or correction; the balance afterwards in micro-dollars. The key must exist. */
  enter(id: string, entry: LedgerEntryInput): number;
  /** The sum of the key's ledger in micro-dollars, charges not yet written included. */
  ledgerMicros(id: string): number;
  counters(id: string): LimitCounter[];
  /** Adds to the totals. Limits and balance are settled by who reserved them. */
  requestFinished(record: RequestRecord): void;
  stop(): void;
}

/** `lastUsedAt` is for people; a busy key need not write it with every request. */
const LAST_USED_GRAIN_MS = 1_000;
/** Longer timers overflow setTimeout and fire at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What changes over a key's life, shared by its secrets. */
interface KeyState {
  keyPrefix: string;
  lastUsedAtMs: number | null;
  settings: ApiKeySettings;
  limits: KeyLimit[];
  allowedAccountIds: ReadonlySet<string> | null;
  totals: KeyTotals;
}

interface KeySecret {
  key: PooledKey;
  /** It stops working now, for ever or until the key is made active again. */
  revoke(forEver: boolean): void;
}

export function createKeyPool(ports: KeyPoolPorts): KeyPool {
  const { clock, random, storage, ledger } = ports;
  const book = createLimitBook();
  /** The hash is what makes the look-up tell nothing by its time: who varies a secret cannot vary its hash at will. */
  const byHash = new Map<string, KeySecret>();
  const byId = new Map<string, { state: KeyState; secret: KeySecret; keyHash: string }>();
  let expiry: Timer | null = null;

  function put(stored: StoredKey, limits: KeyLimit[], totals: KeyTotals): PooledKey {
    const { id, keyHash, keyPrefix, createdAtMs, lastUsedAtMs, ...settings } = stored;
    const state: KeyState = {
      keyPrefix,
      lastUsedAtMs,
      settings,
      limits,
      allowedAccountIds: idSet(settings.assignedAccountIds),
      totals,
    };
    const secret = createSecret(id, createdAtMs, state);
    byHash.set(keyHash, secret);
    byId.set(id, { state, secret, keyHash });
    return secret.key;
  }

  function createSecret(id: string, createdAtMs: number, state: KeyState): KeySecret {
    let dead = false;
    let watchers = new Set<() => void>();
    function refuse(model: string | null): Refusal | null {
      if (dead) return REVOKED;
      const verdict = mayUse(state.settings, { model, nowMs: clock.now() });
      return verdict.kind === "allowed" ? null : refusalForKey(verdict);
    }
    const key: PooledKey = {
      id,
      createdAtMs,
      get keyPrefix() {
        return state.keyPrefix;
      },
      get lastUsedAtMs() {
        return state.lastUsedAtMs;
      },
      get settings() {
        return state.settings;
      },
      get limits() {
        return state.limits;
      },
      get allowedAccountIds() {
        return state.allowedAccountIds;
      },
      get totals() {
        return state.totals;
      },
      refuse,
      onRevoked(callback) {
        if (refuse(null)) {
          callback();
          return () => {};
        }
        // A callback of its own each time: the same function may watch twice.
        const watcher = () => callback();
        watchers.add(watcher);
        return () => void watchers.delete(watcher);
      },
      used() {
        const now = clock.now();
        if (state.lastUsedAtMs !== null && now - state.lastUsedAtMs < LAST_USED_GRAIN_MS) return;
        state.lastUsedAtMs = now;
        ports.markUsed(id, now);
      },
    };
    return {
      key,
      revoke(forEver) {
        dead ||= forEver;
        const told = watchers;
        watchers = new Set();
        for (const watcher of told) watcher();
      },
    };
  }

  function hydrate(): void {
    const stored = storage.loadAll();
    const totals = ports.history.totals();
    for (const { key, limits } of stored) put(key, limits, totals.get(key.id) ?? noTotals());
    const balances = ledger.balances();
    rebuildBudgets(book, ports.history, {
      nowMs: clock.now(),
      keys: stored.map(({ key, limits }) => ({
        id: key.id,
        limits,
        balanceMicros: key.balanceEnabled ? (balances.get(key.id) ?? 0) : null,
      })),
    });
    watchExpiry();
  }

  /** Streams of a key end at the moment it expires, so somebody must look at the clock. */
  function watchExpiry(): void {
    expiry?.cancel();
    expiry = null;
    const now = clock.now();
    let next = Infinity;
    for (const { state } of byId.values()) {
      const { expiresAtMs } = state.settings;
      if (expiresAtMs !== null && expiresAtMs > now) next = Math.min(next, expiresAtMs);
    }
    if (next < Infinity) expiry = clock.schedule(Math.min(next - now, MAX_TIMER_MS), onExpiry);
  }

  function onExpiry(): void {
    for (const { secret } of byId.values()) if (secret.key.refuse(null)) secret.revoke(false);
    watchExpiry();
  }

  function ledgerMicros(id: string): number {
    const live = book.balanceMicros(id);
    if (live !== null) return live;
    ports.flush();
    return ledger.balances().get(id) ?? 0;
  }

  hydrate();
  return {
    book,
    find: (keyHash) => byHash.get(keyHash)?.key ?? null,
    get: (id) => byId.get(id)?.secret.key ?? null,
    list: () => [...byId.values()].map(({ secret }) => secret.key),
    create({ settings, limits: specs }) {
      const nowMs = clock.now();
      const { key: secret, keyHash, keyPrefix } = makeKey(random.bytes(KEY_RANDOM_BYTES));
      const id = newId("key");
      const limits = editLimits([], specs, { nowMs, newId: newLimitId });
      const stored: StoredKey = {
        ...settings,
        id,
        keyHash,
        keyPrefix,
        createdAtMs: nowMs,
        lastUsedAtMs: null,
      };
      storage.insert(stored, limits);
      const key = put(stored, limits, noTotals());
      book.setLimits(id, limits, { nowMs, counted: [] });
      book.setBalance(id, settings.balanceEnabled ? 0 : null);
      watchExpiry();
      return { key, secret };
    },
    patch(id, { settings, limits: specs, resetUsage }) {
      const entry = byId.get(id);
      if (!entry) return null;
      const { state, secret } = entry;
      const nowMs = clock.now();
      let limits = specs && editLimits(state.limits, specs, { nowMs, newId: newLimitId });
      if (resetUsage) limits = resetLimits(limits ?? state.limits, nowMs);
      const { balanceEnabled } = settings;
      const balanceChanges = balanceEnabled !== undefined && balanceEnabled !== state.settings.balanceEnabled;
      // Requests recorded so far are charged, or not, as the key was set when they ended.
      if (balanceChanges) ports.flush();
      storage.update(id, settings, limits);
      state.settings = { ...state.settings, ...settings };
      state.allowedAccountIds = idSet(state.settings.assignedAccountIds);
      if (limits) {
        state.limits = limits;
        book.setLimits(id, limits, { nowMs, counted: [] });
      }
      if (balanceChanges) book.setBalance(id, balanceEnabled ? (ledger.balances().get(id) ?? 0) : null);
      if (secret.key.refuse(null)) secret.revoke(false);
      watchExpiry();
      return secret.key;
    },
    regenerate(id) {
      const entry = byId.get(id);
      if (!entry) return null;
      const { state } = entry;
      const { key: secret, keyHash, keyPrefix } = makeKey(random.bytes(KEY_RANDOM_BYTES));
      storage.update(id, { keyHash, keyPrefix });
      byHash.delete(entry.keyHash);
      const old = entry.secret;
      entry.secret = createSecret(id, old.key.createdAtMs, state);
      entry.keyHash = keyHash;
      state.keyPrefix = keyPrefix;
      byHash.set(keyHash, entry.secret);
      old.revoke(true);
      return { key: entry.secret.key, secret };
    },
    remove(id) {
      const entry = byId.get(id);
      if (!entry) return false;
      storage.delete(id);
      byId.delete(id);
      byHash.delete(entry.keyHash);
      entry.secret.revoke(true);
      book.removeKey(id);
      watchExpiry();
      return true;
    },
    enter(id, entry) {
      ledger.add({ ...entry, id: newId("led"), apiKeyId: id, atMs: clock.now() });
      book.addCredit(id, entry.amountMicros);
      return ledgerMicros(id);
    },
    ledgerMicros,
    counters: (id) => book.counters(id, clock.now()),
    requestFinished(record) {
      const totals = record.apiKeyId === null ? undefined : byId.get(record.apiKeyId)?.state.totals;
      if (!totals) return;
      const used = countedRequest(record);
      totals.requests += 1;
      totals.inputTokens += used.inputTokens;
      totals.cachedInputTokens += record.cachedInputTokens;
      totals.outputTokens += used.outputTokens;
      totals.costMicros += used.costMicros;
    },
    stop() {
      expiry?.cancel();
      expiry = null;
    },
  };

  function newLimitId(): string {
    return newId("lim");
  }
  function newId(kind: string): string {
    return `${kind}_${Buffer.from(random.bytes(12)).toString("hex")}`;
  }
}

/** What the holder of a secret is told that was replaced, or whose key was deleted, while they were using it. */
const REVOKED: Refusal = refusalForKey({
  kind: "inactive",
  message: "codex-lb: this API key was deleted or given a new secret. Ask whoever gave it to you.",
});

function idSet(ids: readonly string[] | null): ReadonlySet<string> | null {
  return ids === null ? null : new Set(ids);
}

function noTotals(): KeyTotals {
  return { requests: 0, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, costMicros: 0 };
}
