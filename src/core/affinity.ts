/** What keeps a conversation on one account: the keys a request carries, a bounded map from them to accounts, and keep-or-move. */

/** Best first. `response` and `file` are ownership (such an id exists on one account only), the others a preference. */
export type AffinityKind = "turn_state" | "response" | "file" | "session" | "prompt_cache_key" | "thread";

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

/** The keys of a request, best first, without repeats. `header` looks up by lower-case name. */
export declare function conversationKeys(request: {
  header(name: string): string | null;
  fields: AffinityFields;
}): ConversationKey[];

export interface AffinityEntry extends ConversationKey {
  accountId: string;
  lastUsedMs: number;
}

export interface AffinityMap {
  /** The account bound to a key, null when none or expired; a hit counts as use. */
  get(key: ConversationKey, nowMs: number): string | null;
  set(key: ConversationKey, accountId: string, nowMs: number): void;
  delete(key: ConversationKey): void;
  /** Forgets an account's conversations; `"all"` also what it owns (for a deleted account). Returns how many went. */
  dropAccount(accountId: string, what?: "conversations" | "all"): number;
  /** Live entries, least recently used first: the order in which to `set` them again after a restart. */
  entries(nowMs: number): AffinityEntry[];
  size(): number;
}

export declare function createAffinityMap(options: {
  capacity: number;
  ttlMs: Readonly<Record<AffinityKind, number>>;
}): AffinityMap;

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

/** `whyNot` says why an account cannot serve (a short phrase) or null when it can. `sticky` false: ownership alone counts. */
export declare function affinityVerdict(input: {
  keys: readonly ConversationKey[];
  map: AffinityMap;
  nowMs: number;
  sticky: boolean;
  whyNot(accountId: string): string | null;
}): AffinityVerdict;
