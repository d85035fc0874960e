/** One table for every transport: from what was seen of a failed attempt to its cause, what it does to the account, and what to do next. */
import type { Window } from "./windows.ts";

export type Cause =
  | "unauthorized"
  | "account_invalid"
  | "account_deactivated"
  | "account_spent"
  | "burst_limit"
  | "model_not_available"
  | "overload"
  | "network"
  | "unreadable_content"
  | "request_fault"
  | "unknown_upstream";

/** What an attempt showed before anything of it was relayed. */
export interface Seen {
  /** HTTP status of the reply or of the WebSocket handshake; null when there was none. */
  status: number | null;
  /** A reply header by its lower-case name. */
  header(name: string): string | null;
  /** The text of the error body, bounded by the caller; "" when there is none. */
  body: string;
  /** The parsed first event or frame (`response.failed`, `error`, ...); null when none came. */
  event: unknown;
  /** Set when no reply or no event came; `code` as the socket named it, holding "timeout" when ours ran out. */
  transport: { phase: "connect" | "headers" | "first_event" | "body"; code: string } | null;
}

export interface ReadContext {
  nowMs: number;
  /** The account's windows as last read. */
  windows: readonly Window[];
  /** The model that was asked for. */
  model: string;
  /** 0 to 1, spreads the pacing of accounts limited at the same moment. */
  jitter: number;
  /** True once this request refreshed the account's token (or it cannot be refreshed): a 401 is then final. Default false. */
  refreshedOnAccount?: boolean;
}

export interface Failure {
  cause: Cause;
  /** Upstream's code or ours; short, safe to log. */
  code: string;
  /** Upstream's own words, bounded; for the client when the request is at fault. */
  message: string;
  /** When the account can serve (this model) again, ms since the epoch; null when unknown or not the account's fault. */
  untilMs: number | null;
  effect: AccountEffect;
}

/** What a failure does to the account that served it. Also an `AccountEvent` of account-state. */
export type AccountEffect =
  | { kind: "none" }
  /** `scope` other than SCOPE_ALL: only that metered feature is spent; treat it as `model` being unavailable until then. */
  | { kind: "spent"; untilMs: number | null; scope: string; windowMinutes: number | null; model: string }
  | { kind: "cooling"; untilMs: number; cause: Cause }
  | { kind: "reauth"; reason: string }
  | { kind: "deactivated"; reason: string }
  | { kind: "model_unavailable"; model: string; untilMs: number };

export interface AttemptHistory {
  /** Attempts made for this request, this one included. */
  attempts: number;
  /** Attempts in a row on this account, this one included; 1 on the first. */
  attemptsOnAccount: number;
  refreshedOnAccount: boolean;
  /** Unreadable items were already taken out of the request. */
  stripped: boolean;
  /** Something of a reply already reached the client. */
  shown: boolean;
  elapsedMs: number;
}

export interface AttemptLimits {
  maxAttempts: number;
  maxElapsedMs: number;
}

/** `answer`: pass upstream's own reply on, or write one of ours (an account's 401, 402 or 429 is never the client's business). */
export type Outcome =
  | { kind: "next_account" }
  | { kind: "same_account"; afterMs: number }
  | { kind: "refresh_token" }
  | { kind: "strip_and_retry" }
  | { kind: "give_up"; answer: "upstream" | "ours" };

/** The failure that was seen; null when it is none and the reply is to be relayed. */
export declare function readFailure(seen: Seen, context: ReadContext): Failure | null;

/** What to do after a failure. */
export declare function decide(failure: Failure, history: AttemptHistory, limits: AttemptLimits): Outcome;
