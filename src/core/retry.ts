/** One table for every transport: from what was seen of a failed attempt to its cause, what it does to the account, and what to do next. */
import { confirmedSpent, limitScope, retryHint, statedReset, type SpentUntil } from "./retry/reset-time.ts";
import { readUpstreamError, safeCode, type UpstreamError } from "./retry/upstream-error.ts";
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
  /** A token that the issuer has just given is refused without a word on why: an outage looks like that, and so does a lost login. */
  | { kind: "refused"; reason: string }
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

/** How long a model that an account refused is believed to be missing there: plans and lists change seldom, but do. */
const MODEL_UNAVAILABLE_MS = 60 * 60_000;
/** Pacing after a burst limit that names no wait. */
const BURST_PACE_MS = 2_000;
/** A burst limit never parks an account for longer, whatever it says: only a spent window does. */
const BURST_PACE_MAX_MS = 60_000;
/** Accounts limited together come back spread over this long. */
const BURST_JITTER_MS = 3_000;
/** After so many attempts in all, an account gets no second one: the attempts left are for accounts not tried yet. */
const PATIENT_ATTEMPTS = 6;
/** Overload and network faults are tried once more on the same account before the next one. */
const ATTEMPTS_PER_ACCOUNT = 2;
const OVERLOAD_PAUSE_MS = 300;
const NETWORK_PAUSE_MS = 100;

/** Codes that say the cause by themselves, whatever the status (UPSTREAM D, E). */
const CAUSE_BY_CODE: Readonly<Record<string, Cause>> = {
  token_expired: "unauthorized",
  token_invalidated: "account_invalid",
  token_revoked: "account_invalid",
  refresh_token_expired: "account_invalid",
  refresh_token_reused: "account_invalid",
  refresh_token_invalidated: "account_invalid",
  account_deactivated: "account_deactivated",
  deactivated_workspace: "account_deactivated",
  usage_limit_reached: "account_spent",
  usage_not_included: "account_spent",
  insufficient_quota: "account_spent",
  credit_balance_exhausted: "account_spent",
  rate_limit_exceeded: "burst_limit",
  slow_down: "burst_limit",
  server_is_overloaded: "overload",
  server_error: "overload",
  overloaded_error: "overload",
  model_not_found: "model_not_available",
  invalid_encrypted_content: "unreadable_content",
  // Its hour on one upstream socket is over: a new socket to the same account serves.
  websocket_connection_limit_reached: "network",
  context_length_exceeded: "request_fault",
  cyber_policy: "request_fault",
  invalid_prompt: "request_fault",
  previous_response_not_found: "request_fault",
};

/** Families of such codes: spend caps of workspaces; faults of the input that stream events name without a status. */
const CAUSE_BY_PATTERN: readonly [RegExp, Cause][] = [
  [/_spend_limit_exceeded$|^workspace_.*(credits_depleted|usage_limit_reached)$/, "account_spent"],
  [/^(invalid|unsupported|empty)_.*image|^image_|_image_|_image$/, "request_fault"],
];

/** The failure that was seen; null when it is none and the reply is to be relayed. */
export function readFailure(seen: Seen, context: ReadContext): Failure | null {
  if (seen.transport !== null) {
    const { phase, code } = seen.transport;
    return blameless("network", safeCode(code) || "connection_failed", `The connection failed (${phase}).`);
  }
  const error = readUpstreamError(seen);
  if (error === null) return null;
  const known = error.codes
    .map((code) => [causeOfCode(code), code] as const)
    .find(([cause]) => cause !== null);
  const cause = known?.[0] ?? causeOfText(error) ?? causeOfStatus(error);
  const code = known?.[1] ?? ownCode(error, cause);
  return assess(cause, code, error, context);
}

function causeOfCode(code: string): Cause | null {
  if (Object.hasOwn(CAUSE_BY_CODE, code)) return CAUSE_BY_CODE[code]!;
  return CAUSE_BY_PATTERN.find(([pattern]) => pattern.test(code))?.[1] ?? null;
}

/** Refusals that come with `{"detail"}` or a null code and say what they are in words only. */
function causeOfText(error: UpstreamError): Cause | null {
  if (error.status !== 400 && error.status !== 404 && error.status !== null) return null;
  if (/encrypted[ _]content/i.test(error.message)) return "unreadable_content";
  const refusesModel = /^the \S+ model is not supported|\bmodel ['"`]\S+ (does not exist|is not supported)/i;
  return refusesModel.test(error.message) ? "model_not_available" : null;
}

function causeOfStatus(error: UpstreamError): Cause {
  const { status, isPage } = error;
  // An event without a status is the model's own failure unless it blames the request.
  if (status === null) return error.codes.includes("invalid_request_error") ? "request_fault" : "overload";
  // A page where JSON belongs is something on the way (Cloudflare's challenge or its own limit), not the account.
  if (isPage && (status === 403 || status === 429 || error.header("cf-ray") !== null)) return "network";
  if (status < 400 || status === 408 || status === 425 || status === 426) return "network";
  if (status === 401) return "unauthorized";
  if (status === 402) return "account_spent";
  if (status === 403) return "unknown_upstream";
  if (status === 429) return "burst_limit";
  if (status >= 520 && status <= 527) return "network"; // Cloudflare could not reach the origin.
  return status >= 500 ? "overload" : "request_fault";
}

function ownCode(error: UpstreamError, cause: Cause): string {
  if (cause === "unreadable_content") return "invalid_encrypted_content";
  if (cause === "model_not_available") return "model_not_supported";
  if (cause === "network" && error.isPage) return "challenge_page";
  return error.codes[0] ?? (error.status === null ? "response_failed" : `http_${error.status}`);
}

/** What the cause does to the account, and until when. */
function assess(cause: Cause, code: string, error: UpstreamError, context: ReadContext): Failure {
  const { nowMs, windows, model } = context;
  const { message } = error;
  const scope = limitScope(error, windows);
  switch (cause) {
    case "unauthorized":
      if (context.refreshedOnAccount !== true) return blameless(cause, code, message);
      return refused(code, message);
    case "account_invalid":
      return invalidLogin(code, message, `Upstream ended its login (${code})`);
    case "account_deactivated": {
      const reason = `Upstream says that this account or its workspace is deactivated (${code}).`;
      return { cause, code, message, untilMs: null, effect: { kind: "deactivated", reason } };
    }
    case "account_spent":
      return spent(code, message, statedReset(error, windows, scope, nowMs), scope, model);
    case "burst_limit": {
      const confirmed = confirmedSpent(error, windows, scope, nowMs);
      if (confirmed !== null) return spent(code, message, confirmed, scope, model);
      const hintMs = retryHint(error, nowMs);
      const paceMs = hintMs === null ? BURST_PACE_MS : Math.min(hintMs - nowMs, BURST_PACE_MAX_MS);
      const untilMs = Math.round(nowMs + paceMs + context.jitter * BURST_JITTER_MS);
      return { cause, code, message, untilMs, effect: { kind: "cooling", untilMs, cause } };
    }
    case "model_not_available": {
      const untilMs = nowMs + MODEL_UNAVAILABLE_MS;
      return { cause, code, message, untilMs, effect: { kind: "model_unavailable", model, untilMs } };
    }
    case "overload":
    case "network":
    case "unreadable_content":
    case "request_fault":
    case "unknown_upstream":
      break;
  }
  return blameless(cause, code, message);
}

function blameless(cause: Cause, code: string, message: string): Failure {
  return { cause, code, message, untilMs: null, effect: { kind: "none" } };
}

function refused(code: string, message: string): Failure {
  const reason = `Upstream refuses its login even with a fresh token (${code}); log in again.`;
  return { cause: "unauthorized", code, message, untilMs: null, effect: { kind: "refused", reason } };
}

function invalidLogin(code: string, message: string, what: string): Failure {
  const effect: AccountEffect = { kind: "reauth", reason: `${what}; log in again.` };
  return { cause: "account_invalid", code, message, untilMs: null, effect };
}

function spent(code: string, message: string, reset: SpentUntil, scope: string, model: string): Failure {
  const effect: AccountEffect = { kind: "spent", ...reset, scope, model };
  return { cause: "account_spent", code, message, untilMs: reset.untilMs, effect };
}

/**
 * Upstream's words reach the client only where they speak of its request. An account's refusal would make it burn its own
 * login or show one account's limit, and a 5xx sets off its storm of 30 requests (UPSTREAM E).
 */
export const ANSWER: Readonly<Record<Cause, "upstream" | "ours">> = {
  request_fault: "upstream",
  unreadable_content: "upstream",
  model_not_available: "upstream",
  unknown_upstream: "upstream",
  unauthorized: "ours",
  account_invalid: "ours",
  account_deactivated: "ours",
  account_spent: "ours",
  burst_limit: "ours",
  overload: "ours",
  network: "ours",
};

/** What to do after a failure. Once something was shown, and past the limits, it is always to give up. */
export function decide(failure: Failure, history: AttemptHistory, limits: AttemptLimits): Outcome {
  const exhausted = history.attempts >= limits.maxAttempts || history.elapsedMs >= limits.maxElapsedMs;
  const giveUp: Outcome = { kind: "give_up", answer: ANSWER[failure.cause] };
  if (history.shown || exhausted) return giveUp;
  switch (failure.cause) {
    case "request_fault":
      return giveUp;
    case "unauthorized":
      return history.refreshedOnAccount ? { kind: "next_account" } : { kind: "refresh_token" };
    case "unreadable_content":
      return history.stripped ? giveUp : { kind: "strip_and_retry" };
    case "overload":
      return onceMore(history, OVERLOAD_PAUSE_MS);
    case "network":
      // Whoever let one time-out run out has no time for a second one on the same account.
      return failure.code.includes("timeout")
        ? { kind: "next_account" }
        : onceMore(history, NETWORK_PAUSE_MS);
    case "account_invalid":
    case "account_deactivated":
    case "account_spent":
    case "burst_limit":
    case "model_not_available":
    case "unknown_upstream":
      break;
  }
  return { kind: "next_account" };
}

function onceMore(history: AttemptHistory, afterMs: number): Outcome {
  const isPatient = history.attempts < PATIENT_ATTEMPTS;
  if (!isPatient || history.attemptsOnAccount >= ATTEMPTS_PER_ACCOUNT) return { kind: "next_account" };
  return { kind: "same_account", afterMs };
}
