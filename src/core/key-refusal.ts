/** What the holder of an API key is told when the key, not the pool, is the reason for a refusal. */
import type { KeyRefusalReason } from "./api-key.ts";
import { durationInWords, nameLimit } from "./limit-words.ts";
import type { Admission } from "./limit-book.ts";
import type { Refusal } from "./refusal.ts";

/** A request in flight ends within seconds as a rule. */
const BUSY_RETRY_SECONDS = 5;

/** A key that may not do this request: dead keys are 401, a model outside the key's list is 403. */
export function refusalForKey(verdict: { kind: KeyRefusalReason; message: string }): Refusal {
  const isModel = verdict.kind === "model_not_allowed";
  return {
    code: isModel ? "model_not_allowed" : "invalid_api_key",
    type: "invalid_request_error",
    status: isModel ? 403 : 401,
    // Codex repeats any 403; a dead key is the one case in which a 401 is right on its paths too.
    permanent: isModel,
    message: verdict.message,
    retryAfterSeconds: null,
    resetsAt: null,
    promo: null,
  };
}

/**
 * A key whose budget is used up, or held by its requests in flight. The type is the one that makes Codex show a reset time at
 * once instead of "exceeded retry limit"; `promo` is what it puts in that sentence (UPSTREAM E: ASCII, no full stop).
 */
export function refusalForBudget(
  admission: Exclude<Admission, { kind: "admitted" }>,
  nowMs: number,
): Refusal {
  const { message } = admission;
  if (admission.kind === "busy") {
    return {
      ...BUDGET,
      type: "rate_limit_error",
      message: `codex-lb: ${message}`,
      retryAfterSeconds: BUSY_RETRY_SECONDS,
    };
  }
  const { code, limit, resetAtMs } = admission;
  if (limit === null || resetAtMs === null) {
    // It does not pass by itself, so Codex gets a 400, which it shows once and word by word.
    return { ...BUDGET, code, type: "insufficient_quota", message: `codex-lb: ${message}`, permanent: true };
  }
  return {
    ...BUDGET,
    message: `codex-lb: ${message}`,
    retryAfterSeconds: Math.max(1, Math.ceil((resetAtMs - nowMs) / 1000)),
    resetsAt: Math.ceil(resetAtMs / 1000),
    promo: `Your codex-lb API key has used up its ${nameLimit(limit)} (resets in ${durationInWords(resetAtMs - nowMs)})`,
  };
}

const BUDGET = {
  code: "rate_limit_exceeded",
  type: "usage_limit_reached",
  status: 429,
  permanent: false,
  retryAfterSeconds: null,
  resetsAt: null,
  promo: null,
} as const;
