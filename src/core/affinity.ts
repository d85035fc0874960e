/** What keeps a conversation on one account: the keys a request carries, a bounded map from them to accounts, and keep-or-move. */
import { createHash } from "node:crypto";
import type { RejectionReason } from "./selection.ts";

/** Best first. `response` and `file` are ownership (such an id exists on one account only), the others a preference. */
export type AffinityKind = "turn_state" | "response" | "file" | "session" | "prompt_cache_key" | "thread";

export const AFFINITY_KINDS: readonly AffinityKind[] = [
  "turn_state",
  "response",
  "file",
  "session",
  "prompt_cache_key",
  "thread",
];

export interface ConversationKey {
  kind: AffinityKind;
  key: string;
}

/** The fields of a request's body that name its conversation. */
export interface AffinityFields {
  previousResponseId?: string | null;
  fileIds?: readonly string[];
  promptCacheKey?: string | null;
  /** `client_metadata` of the body or frame: over WebSocket it carries what HTTP has in headers. */
  clientMetadata?: Readonly<Record<string, unknown>> | null;
}

/** Longer keys (turn states) are kept as a hash: the map's memory is bounded by its entries, not by what clients send. */
const MAX_KEY_CHARS = 128;
/** A request that names more files than this is held by the first ones. */
const MAX_FILE_KEYS = 8;

/**
 * The keys of a request, best first, without repeats (UPSTREAM I). `header` looks up by lower-case name. Old clients write
 * `session_id`, new ones `session-id`; a sub-agent carries its root's session id, or names its parent, and so follows it.
 */
export function conversationKeys(request: {
  header(name: string): string | null;
  fields: AffinityFields;
}): ConversationKey[] {
  const { fields } = request;
  const metadata = fields.clientMetadata ?? {};
  const turn = turnMetadata(request.header("x-codex-turn-metadata") ?? metadata["x-codex-turn-metadata"]);
  const keys: ConversationKey[] = [];
  const add = (kind: AffinityKind, ...values: unknown[]) => {
    for (const value of values) {
      if (typeof value !== "string" || value.trim() === "") continue;
      const key = boundedKey(value.trim());
      if (!keys.some((known) => known.kind === kind && known.key === key)) keys.push({ kind, key });
    }
  };
  const header = (name: string) => request.header(name);
  add("turn_state", header("x-codex-turn-state"), metadata["x-codex-turn-state"]);
  add("response", fields.previousResponseId);
  add("file", ...(fields.fileIds ?? []).slice(0, MAX_FILE_KEYS));
  add("session", header("session-id"), header("session_id"), metadata.session_id, turn.session_id);
  add("session", header("conversation_id"));
  add("prompt_cache_key", fields.promptCacheKey);
  add("thread", header("thread-id"), header("thread_id"), metadata.thread_id, turn.thread_id);
  // Before session ids were shared by sub-agents, a parent's thread id was its session id.
  const parent = header("x-codex-parent-thread-id") ?? metadata["x-codex-parent-thread-id"];
  add("session", parent);
  add("thread", parent);
  return keys;
}

function turnMetadata(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== "string") return {};
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function boundedKey(value: string): string {
  if (value.length <= MAX_KEY_CHARS) return value;
  return `sha256:${createHash("sha256").update(value).digest("base64url")}`;
}

export interface AffinityEntry extends ConversationKey {
  accountId: string;
  lastUsedMs: number;
}

/** Of an entry's life: its use is told to `onBind` no more often than this, so that a busy session is not written every turn. */
const TOLD_AFTER_SHARE = 1 / 8;

/** Bounded: the least recently used key goes first; each expires `ttlMs` of its kind after its last use. */
export interface AffinityMap {
  /** The account bound to a key, null when none or expired; a hit counts as use. */
  get(key: ConversationKey, nowMs: number): string | null;
  set(key: ConversationKey, accountId: string, nowMs: number): void;
  delete(key: ConversationKey): void;
  /** Forgets an account's conversations; `"all"` also what it owns (for a deleted account). Returns how many went. */
  dropAccount(accountId: string, what?: "conversations" | "all"): number;
  /** Live entries, least recently used first: the order in which to `set` them again (with their `lastUsedMs`) after a restart. */
  entries(nowMs: number): AffinityEntry[];
  /** Takes entries of an earlier run, least recently used first, without telling `onBind`. */
  restore(entries: Iterable<AffinityEntry>): void;
  /** The keys bound to an account, expired ones not yet forgotten included. */
  countOf(accountId: string): number;
  size(): number;
}

type BoundEntry = AffinityEntry & {
  /** When `onBind` was last told. */
  toldMs: number;
  /** When it was last put in order. */
  orderedMs: number;
};

export function createAffinityMap(options: {
  /** Entries of each kind. */
  capacity: number;
  ttlMs: Readonly<Record<AffinityKind, number>>;
  /** How exact the order of use is: an entry used again within this time keeps its place. Default 0. */
  orderWithinMs?: number;
  /** Told of a key that was bound to another account than before, or used again after an eighth of its life. */
  onBind?(entry: Readonly<AffinityEntry>): void;
}): AffinityMap {
  const { capacity, ttlMs, orderWithinMs = 0, onBind } = options;
  /** By kind, so that many short-lived turn states push out no session. A Map keeps the order of insertion: of use, with re-insertion. */
  const byKind = new Map<AffinityKind, Map<string, BoundEntry>>(
    AFFINITY_KINDS.map((kind) => [kind, new Map()]),
  );
  const byAccount = new Map<string, Set<BoundEntry>>();
  const entriesOf = (kind: AffinityKind) => byKind.get(kind)!;
  const isLive = (entry: AffinityEntry, nowMs: number) => nowMs - entry.lastUsedMs < ttlMs[entry.kind];

  function remove(entry: BoundEntry | undefined) {
    if (entry === undefined) return;
    entriesOf(entry.kind).delete(entry.key);
    const owned = byAccount.get(entry.accountId)!;
    owned.delete(entry);
    if (owned.size === 0) byAccount.delete(entry.accountId);
  }

  function insert(entry: BoundEntry) {
    const entries = entriesOf(entry.kind);
    remove(entries.get(entry.key));
    entries.set(entry.key, entry);
    const owned = byAccount.get(entry.accountId);
    if (owned === undefined) byAccount.set(entry.accountId, new Set([entry]));
    else owned.add(entry);
    if (entries.size > capacity) remove(entries.values().next().value);
  }

  function use(entry: BoundEntry, nowMs: number) {
    entry.lastUsedMs = nowMs;
    if (nowMs - entry.orderedMs < orderWithinMs) return;
    entry.orderedMs = nowMs;
    const entries = entriesOf(entry.kind);
    entries.delete(entry.key);
    entries.set(entry.key, entry);
  }

  return {
    get({ kind, key }, nowMs) {
      const entry = entriesOf(kind).get(key);
      if (entry === undefined) return null;
      if (!isLive(entry, nowMs)) {
        remove(entry);
        return null;
      }
      use(entry, nowMs);
      return entry.accountId;
    },
    set({ kind, key }, accountId, nowMs) {
      let entry = entriesOf(kind).get(key);
      if (entry?.accountId === accountId) {
        use(entry, nowMs);
        if (nowMs - entry.toldMs < ttlMs[kind] * TOLD_AFTER_SHARE) return;
        entry.toldMs = nowMs;
      } else {
        entry = { kind, key, accountId, lastUsedMs: nowMs, toldMs: nowMs, orderedMs: nowMs };
        insert(entry);
      }
      onBind?.(entry);
    },
    restore(old) {
      for (const { kind, key, accountId, lastUsedMs } of old) {
        insert({ kind, key, accountId, lastUsedMs, toldMs: lastUsedMs, orderedMs: lastUsedMs });
      }
    },
    countOf: (accountId) => byAccount.get(accountId)?.size ?? 0,
    delete: ({ kind, key }) => remove(entriesOf(kind).get(key)),
    dropAccount(accountId, what = "conversations") {
      const dropped = [...(byAccount.get(accountId) ?? [])].filter(
        ({ kind }) => what === "all" || !isOwnership(kind),
      );
      for (const entry of dropped) remove(entry);
      return dropped.length;
    },
    entries: (nowMs) =>
      [...byKind.values()]
        .flatMap((entries) => [...entries.values()])
        .filter((entry) => isLive(entry, nowMs))
        .toSorted((a, b) => a.lastUsedMs - b.lastUsedMs)
        .map(({ kind, key, accountId, lastUsedMs }) => ({ kind, key, accountId, lastUsedMs })),
    size: () => [...byKind.values()].reduce((sum, entries) => sum + entries.size, 0),
  };
}

function isOwnership(kind: AffinityKind): boolean {
  return kind === "response" || kind === "file";
}

export type AffinityVerdict =
  | { kind: "none"; reason: string }
  | { kind: "keep"; accountId: string; by: AffinityKind; reason: string }
  /** The turn state of `fromAccountId` must not travel. `lostOwner`: the id that only that account knows, when one is named. */
  | {
      kind: "move";
      fromAccountId: string;
      by: AffinityKind;
      lostOwner: ConversationKey | null;
      reason: string;
    };

const KIND_TEXT: Readonly<Record<AffinityKind, string>> = {
  turn_state: "turn",
  response: "previous response",
  file: "file",
  session: "session",
  prompt_cache_key: "prompt cache key",
  thread: "thread",
};

/** Why the account of a conversation cannot serve now. */
export type NotNow = RejectionReason | "removed";

const NOT_NOW_TEXT: Readonly<Record<NotNow, string>> = {
  removed: "is no longer in the pool",
  excluded_after_failure: "failed just now",
  not_allowed_for_key: "is not assigned to this key",
  not_the_single_account: "is not the chosen single account",
  paused: "is paused",
  reauth_required: "must log in again",
  deactivated: "is deactivated",
  spent: "is spent",
  model_unavailable: "may not use this model",
  cooling: "pauses after a burst limit",
  reserve: "is kept in reserve",
  at_capacity: "is full",
};

/**
 * Where the conversation stays, by the best key whose account can serve. An id owned by an account that cannot serve is a
 * move even when a lesser key would keep: no other account knows that id.
 * An owner that is merely full is waited for. `whyNot` answers null when an account can serve. `sticky` false: ownership and the turn
 * count alone.
 */
export function affinityVerdict(input: {
  keys: readonly ConversationKey[];
  map: AffinityMap;
  nowMs: number;
  sticky: boolean;
  whyNot(accountId: string): NotNow | null;
}): AffinityVerdict {
  const { keys, map, nowMs, sticky } = input;
  let keep: AffinityVerdict | null = null;
  let move: Extract<AffinityVerdict, { kind: "move" }> | null = null;
  /** Session, cache key and thread of a conversation nearly always name the same account. */
  let askedId = "";
  let whyNot: NotNow | null = null;
  for (const key of keys) {
    const owned = isOwnership(key.kind);
    if (!sticky && !owned && key.kind !== "turn_state") continue;
    const accountId = map.get(key, nowMs);
    if (accountId === null) continue;
    if (accountId !== askedId) {
      askedId = accountId;
      whyNot = input.whyNot(accountId);
    }
    if (whyNot === null || (owned && whyNot === "at_capacity")) {
      const reason = `Stays on the account of its ${KIND_TEXT[key.kind]}.`;
      keep ??= { kind: "keep", accountId, by: key.kind, reason };
    } else if (move === null || (owned && move.lostOwner === null)) {
      const reason = `Moves: the account of its ${KIND_TEXT[key.kind]} ${NOT_NOW_TEXT[whyNot]}.`;
      move = { kind: "move", fromAccountId: accountId, by: key.kind, lostOwner: owned ? key : null, reason };
    }
  }
  if (move !== null && (keep === null || move.lostOwner !== null)) return move;
  return keep ?? { kind: "none", reason: "Belongs to no account yet." };
}
