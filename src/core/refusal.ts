/** What a client is told when no account can serve: our own words, with a code, the reason, and when to try again. */
import type { Failure } from "./retry.ts";
import type { Rejection } from "./selection.ts";

export interface Refusal {
  code: string;
  /** OpenAI's `error.type`. */
  type: string;
  /** HTTP status for clients that follow OpenAI's API. */
  status: number;
  /** Trying again does not help: on Codex's own paths it becomes a 400, which the client shows once, word by word. */
  permanent: boolean;
  message: string;
  /** Sent as Retry-After; null: none. */
  retryAfterSeconds: number | null;
  /** Unix seconds; set when the pool's quota is spent. */
  resetsAt: number | null;
  /** What Codex shows with the reset time (its `x-codex-promo-message`); null: none. */
  promo: string | null;
}

/** Waits up to this are worth a Retry-After instead of a "usage limit" message. */
const SHORT_WAIT_MS = 60_000;
/** Said when nothing better is known about a transient lack of accounts. */
const DEFAULT_RETRY_SECONDS = 5;

function refusal(fields: Pick<Refusal, "code" | "status" | "message"> & Partial<Refusal>): Refusal {
  return {
    type: fields.permanent ? "invalid_request_error" : "server_error",
    permanent: false,
    retryAfterSeconds: null,
    resetsAt: null,
    promo: null,
    ...fields,
  };
}

export interface NoAccountSeen {
  nowMs: number;
  model: string | null;
  poolSize: number;
  rejections: readonly Rejection[];
  earliestReadyAtMs: number | null;
  /** The last failure of this request's attempts; null when none was made. */
  failure: Failure | null;
}

/** Why nobody can serve, from what selection rejected and what the last attempt met. */
export function refusalForNoAccount(seen: NoAccountSeen): Refusal {
  const { poolSize, failure, nowMs } = seen;
  if (poolSize === 0) {
    return refusal({
      code: "no_accounts",
      status: 503,
      permanent: true,
      message:
        "codex-lb has no account yet. Add one: `codex-lb import ~/.codex/auth.json`, or open the dashboard.",
    });
  }
  const count = countByReason(seen.rejections);
  const waiting = (count.get("spent") ?? 0) + (count.get("reserve") ?? 0);
  if (waiting > 0 && onlyThese(count, ["spent", "reserve", ...NEEDS_PERSON, ...NOT_FOR_THIS])) {
    return poolSpent(seen, waiting);
  }
  if ((count.get("model_unavailable") ?? 0) > 0 && onlyThese(count, [...NEEDS_PERSON, ...NOT_FOR_THIS])) {
    return refusal({
      code: "model_not_found",
      status: 404,
      permanent: true,
      message: `No account of the pool may use the model "${seen.model ?? ""}". See GET /v1/models for those that work.`,
    });
  }
  if (onlyThese(count, [...NEEDS_PERSON, ...NOT_FOR_THIS])) {
    return refusal({
      code: "no_accounts",
      status: 503,
      permanent: true,
      message: `No account can serve: ${sentence(count)}. Mend this on the dashboard's Accounts page.`,
    });
  }
  if ((count.get("excluded_after_failure") ?? 0) > 0 && failure) return refusalForFailure(failure, nowMs);
  const waitMs = (seen.earliestReadyAtMs ?? nowMs + DEFAULT_RETRY_SECONDS * 1000) - nowMs;
  const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
  if (waitMs > SHORT_WAIT_MS) return poolSpent(seen, poolSize);
  const full = (count.get("at_capacity") ?? 0) > 0;
  return refusal({
    code: full ? "pool_at_capacity" : "pool_cooling",
    status: 429,
    message: full
      ? `codex-lb: every account serves as many requests as it may. Try again in ${retryAfterSeconds} s, or raise the limit per account in Settings.`
      : `codex-lb: every account is pausing after OpenAI refused it. Try again in ${retryAfterSeconds} s.`,
    retryAfterSeconds,
  });
}

/** What to say when the attempts themselves came to nothing. */
export function refusalForFailure(failure: Failure, nowMs: number): Refusal {
  switch (failure.cause) {
    case "burst_limit": {
      const waitMs = (failure.untilMs ?? nowMs + DEFAULT_RETRY_SECONDS * 1000) - nowMs;
      const retryAfterSeconds = Math.max(1, Math.ceil(waitMs / 1000));
      return refusal({
        code: "pool_cooling",
        status: 429,
        message: `codex-lb: OpenAI asked every account to slow down. Try again in ${retryAfterSeconds} s.`,
        retryAfterSeconds,
      });
    }
    case "overload":
      return refusal({
        code: "upstream_overloaded",
        status: 503,
        message: `codex-lb: OpenAI's backend failed (${failure.code}) on every account that was tried. Try again shortly.`,
        retryAfterSeconds: DEFAULT_RETRY_SECONDS,
      });
    default:
      return refusal({
        code: "upstream_unavailable",
        status: 502,
        message: `codex-lb: OpenAI could not be reached or did not answer (${failure.code}). Check the network; \`codex-lb doctor\` helps.`,
        retryAfterSeconds: DEFAULT_RETRY_SECONDS,
      });
  }
}

/** The service stops before the request could be served. */
export function refusalForShutdown(): Refusal {
  return refusal({
    code: "server_shutdown",
    status: 503,
    message: "codex-lb is shutting down; please retry.",
    retryAfterSeconds: DEFAULT_RETRY_SECONDS,
  });
}

/** The owner of a response, file or conversation cannot serve: the error on which clients send the whole history again. */
export function refusalForLostOwner(what: "response" | "file"): Refusal {
  if (what === "response") {
    return refusal({
      code: "previous_response_not_found",
      status: 400,
      permanent: true,
      message:
        "codex-lb: the account that holds this previous response cannot serve now. Send the whole conversation without previous_response_id.",
    });
  }
  return refusal({
    code: "file_unavailable",
    status: 400,
    permanent: true,
    message: "codex-lb: the account that holds this file cannot serve now. Upload the file again.",
  });
}

const NEEDS_PERSON = ["paused", "reauth_required", "deactivated"] as const;
const NOT_FOR_THIS = ["model_unavailable", "not_allowed_for_key", "not_the_single_account"] as const;

/** UPSTREAM E: no plan_type, `resets_at` in Unix seconds, the promo message in ASCII without a full stop. */
function poolSpent(seen: NoAccountSeen, count: number): Refusal {
  const { earliestReadyAtMs, nowMs } = seen;
  const resetsAt = earliestReadyAtMs === null ? null : Math.ceil(earliestReadyAtMs / 1000);
  const all =
    count === 1 ? "The pooled account is at its limit" : `All ${count} pooled accounts are at their limit`;
  const until =
    earliestReadyAtMs === null ? "" : `; the first resets at ${new Date(earliestReadyAtMs).toISOString()}`;
  return refusal({
    code: "usage_limit_reached",
    type: "usage_limit_reached",
    status: 429,
    message: `codex-lb: ${all}${until}.`,
    retryAfterSeconds:
      earliestReadyAtMs === null ? null : Math.max(1, Math.ceil((earliestReadyAtMs - nowMs) / 1000)),
    resetsAt,
    promo: all,
  });
}

function countByReason(rejections: readonly Rejection[]): Map<Rejection["reason"], number> {
  return new Map(rejections.map((rejection) => [rejection.reason, rejection.count]));
}

function onlyThese(
  count: ReadonlyMap<Rejection["reason"], number>,
  reasons: readonly Rejection["reason"][],
): boolean {
  return [...count.keys()].every((reason) => reasons.includes(reason));
}

const WORDS: Record<Rejection["reason"], string> = {
  excluded_after_failure: "failed just now",
  not_allowed_for_key: "not assigned to this key",
  not_the_single_account: "not the chosen single account",
  paused: "paused",
  reauth_required: "must log in again",
  deactivated: "deactivated by OpenAI",
  spent: "spent",
  model_unavailable: "without this model",
  cooling: "pausing after a burst limit",
  reserve: "kept in reserve",
  at_capacity: "at their limit of parallel requests",
};

function sentence(count: ReadonlyMap<Rejection["reason"], number>): string {
  return [...count].map(([reason, number]) => `${number} ${WORDS[reason]}`).join(", ");
}
