/** What each kind of failure is taken for, what it does to the account, and what happens next. */
import { describe, expect, test } from "bun:test";
import { decide, type AttemptHistory, type Cause, type Failure, type Outcome } from "./retry.ts";
import { nowS, read, type SeenPart } from "./retry/testing.ts";

const failed = (error: unknown) => ({
  status: 200,
  event: { type: "response.failed", response: { id: "resp_1", error } },
});
const coded = (status: number, code: string) => ({ status, body: { error: { code } } });
const challenge = "<!DOCTYPE html><html><title>Just a moment...</title></html>";

type Effect = Failure["effect"]["kind"];
// One row, one case: as a table it can be read against UPSTREAM E.
// prettier-ignore
const CAUSES: [name: string, part: SeenPart, cause: Cause, code: string, effect: Effect][] = [
  ["401 without a body", { status: 401 }, "unauthorized", "http_401", "none"],
  ["401 token_expired", { status: 401, body: { error: { message: "expired", type: null, code: "token_expired", param: null }, status: 401 } }, "unauthorized", "token_expired", "none"],
  ["401 token_invalidated", coded(401, "token_invalidated"), "account_invalid", "token_invalidated", "reauth"],
  ["401 token_revoked", coded(401, "token_revoked"), "account_invalid", "token_revoked", "reauth"],
  ["refresh_token_reused", coded(400, "refresh_token_reused"), "account_invalid", "refresh_token_reused", "reauth"],
  ["401 account_deactivated", coded(401, "account_deactivated"), "account_deactivated", "account_deactivated", "deactivated"],
  ["401 account_deactivated in x-openai-authorization-error", { status: 401, headers: { "x-openai-authorization-error": "account_deactivated" }, body: { error: { code: "token_expired" } } }, "account_deactivated", "account_deactivated", "deactivated"],
  ["401 token_revoked in x-error-json", { status: 401, headers: { "x-error-json": btoa('{"error":{"code":"token_revoked"}}') } }, "account_invalid", "token_revoked", "reauth"],
  ["402 deactivated_workspace", { status: 402, body: { detail: { code: "deactivated_workspace" } } }, "account_deactivated", "deactivated_workspace", "deactivated"],
  ["402 without a code", { status: 402, body: {} }, "account_spent", "http_402", "spent"],
  ["429 usage_limit_reached in type", { status: 429, body: { error: { type: "usage_limit_reached", resets_at: nowS + 60 } } }, "account_spent", "usage_limit_reached", "spent"],
  ["429 usage_not_included", { status: 429, body: { error: { type: "usage_not_included" } } }, "account_spent", "usage_not_included", "spent"],
  ["429 insufficient_quota", { status: 429, body: { error: { code: "insufficient_quota", type: "insufficient_quota" } } }, "account_spent", "insufficient_quota", "spent"],
  ["429 monthly spend limit", coded(429, "project_spend_limit_exceeded"), "account_spent", "project_spend_limit_exceeded", "spent"],
  ["429 workspace credits", coded(429, "workspace_owner_credits_depleted"), "account_spent", "workspace_owner_credits_depleted", "spent"],
  ["429 without a body", { status: 429 }, "burst_limit", "http_429", "cooling"],
  ["429 rate_limit_exceeded", { status: 429, body: { error: { code: "rate_limit_exceeded", type: "tokens" } } }, "burst_limit", "rate_limit_exceeded", "cooling"],
  ["429 page", { status: 429, body: challenge }, "network", "challenge_page", "none"],
  ["403 challenge", { status: 403, body: challenge, headers: { "cf-ray": "8f" } }, "network", "challenge_page", "none"],
  ["403 page by its content type", { status: 403, body: "nope", headers: { "content-type": "text/html" } }, "network", "challenge_page", "none"],
  ["403 of another kind", coded(403, "unsupported_country_region_territory"), "unknown_upstream", "unsupported_country_region_territory", "none"],
  ["400 model not supported", { status: 400, body: { detail: "The 'gpt-5.5' model is not supported when using Codex with a ChatGPT account." } }, "model_not_available", "model_not_supported", "model_unavailable"],
  ["404 model_not_found", coded(404, "model_not_found"), "model_not_available", "model_not_found", "model_unavailable"],
  ["404 without a code that names a model", { status: 404, body: { error: { message: "The model `gpt-9` does not exist or you do not have access." } } }, "model_not_available", "model_not_supported", "model_unavailable"],
  ["400 a parameter the model does not support", { status: 400, body: { detail: "Unsupported parameter: 'top_p' is not supported with this model." } }, "request_fault", "http_400", "none"],
  ["400 invalid_encrypted_content", coded(400, "invalid_encrypted_content"), "unreadable_content", "invalid_encrypted_content", "none"],
  ["400 that message with a null code", { status: 400, body: { error: { code: null, type: "invalid_request_error", message: "The encrypted content gAAA could not be verified." } } }, "unreadable_content", "invalid_encrypted_content", "none"],
  ["400 context_length_exceeded", coded(400, "context_length_exceeded"), "request_fault", "context_length_exceeded", "none"],
  ["400 cyber_policy", coded(400, "cyber_policy"), "request_fault", "cyber_policy", "none"],
  ["400 previous_response_not_found", coded(400, "previous_response_not_found"), "request_fault", "previous_response_not_found", "none"],
  ["400 of the API", { status: 400, body: { error: { type: "invalid_request_error", message: "bad" } } }, "request_fault", "invalid_request_error", "none"],
  ["404 {detail}", { status: 404, body: { detail: "Not Found" } }, "request_fault", "http_404", "none"],
  ["413", { status: 413, body: "too large" }, "request_fault", "http_413", "none"],
  ["422 list of details", { status: 422, body: { detail: [{ msg: "field required" }] } }, "request_fault", "http_422", "none"],
  ["408", { status: 408 }, "network", "http_408", "none"],
  ["a redirect", { status: 302 }, "network", "http_302", "none"],
  ["500", { status: 500, body: "oops" }, "overload", "http_500", "none"],
  ["503 server_is_overloaded", coded(503, "server_is_overloaded"), "overload", "server_is_overloaded", "none"],
  ["529", { status: 529 }, "overload", "http_529", "none"],
  ["522 of Cloudflare", { status: 522, body: "error code: 522" }, "network", "http_522", "none"],
  ["503 challenge", { status: 503, body: challenge, headers: { "cf-ray": "8f" } }, "network", "challenge_page", "none"],
  ["response.failed server_error", failed({ code: "server_error" }), "overload", "server_error", "none"],
  ["response.failed with a null code", failed({ code: null }), "overload", "response_failed", "none"],
  ["response.failed without an error", failed(undefined), "overload", "response_failed", "none"],
  ["response.failed rate_limit_exceeded", failed({ code: "rate_limit_exceeded" }), "burst_limit", "rate_limit_exceeded", "cooling"],
  ["response.failed slow_down", failed({ code: "slow_down" }), "burst_limit", "slow_down", "cooling"],
  ["response.failed usage_limit_reached", failed({ code: "usage_limit_reached" }), "account_spent", "usage_limit_reached", "spent"],
  ["response.failed insufficient_quota", failed({ code: "insufficient_quota" }), "account_spent", "insufficient_quota", "spent"],
  ["response.failed invalid_prompt", failed({ code: "invalid_prompt" }), "request_fault", "invalid_prompt", "none"],
  ["response.failed cyber_policy", failed({ code: "cyber_policy" }), "request_fault", "cyber_policy", "none"],
  ["response.failed over an image", failed({ code: "image_parse_error" }), "request_fault", "image_parse_error", "none"],
  ["an error event in SSE", { status: 200, event: { type: "error", code: "server_error", message: "x" } }, "overload", "server_error", "none"],
  ["a WebSocket frame, 429", { status: 101, event: { type: "error", status: 429, error: { type: "usage_limit_reached", resets_at: nowS + 60 } } }, "account_spent", "usage_limit_reached", "spent"],
  ["a WebSocket frame, status_code 401", { status: 101, event: { type: "error", status_code: 401, error: { message: "no" } } }, "unauthorized", "http_401", "none"],
  ["a WebSocket frame, its hour is over", { status: 101, event: { type: "error", error: { code: "websocket_connection_limit_reached" } } }, "network", "websocket_connection_limit_reached", "none"],
  ["a connection refused", { transport: { phase: "connect", code: "ECONNREFUSED" } }, "network", "econnrefused", "none"],
  ["a reset before the first event", { status: 200, transport: { phase: "first_event", code: "ECONNRESET" } }, "network", "econnreset", "none"],
];

test.each(CAUSES)("%s", (_name, part, cause, code, effect) => {
  const failure = read(part);
  expect({ cause: failure?.cause, code: failure?.code, effect: failure?.effect.kind }).toEqual({
    cause,
    code,
    effect,
  });
});

test.each([
  ["a reply", { status: 200 }],
  ["a handshake", { status: 101 }],
  ["response.created", { status: 200, event: { type: "response.created" } }],
  ["response.incomplete", { status: 200, event: { type: "response.incomplete" } }],
  ["a rate limit event", { status: 101, event: { type: "codex.rate_limits" } }],
  ["an event that is no object", { status: 200, event: "error" }],
])("%s is no failure", (_name, part) => {
  expect(read(part)).toBeNull();
});

test("a 401 with a fresh token is told as a refusal, not yet as the login's end", () => {
  const failure = read({ status: 401 }, { refreshedOnAccount: true });
  expect(failure?.cause).toBe("unauthorized");
  expect(failure?.effect).toEqual({
    kind: "refused",
    reason: "Upstream refuses its login even with a fresh token (http_401); log in again.",
  });
});

test("what is kept of upstream's words is bounded and never a page", () => {
  expect(read({ status: 400, body: "x".repeat(5_000) })?.message).toHaveLength(600);
  expect(read({ status: 403, body: challenge })?.message).toBe("");
  expect(read({ status: 400, body: { error: { code: 'Bad "code"\n'.repeat(30) } } })?.code).toMatch(
    /^[a-z0-9_.-]{1,64}$/,
  );
});

describe("what happens next", () => {
  const limits = { maxAttempts: 5, maxElapsedMs: 60_000 };
  const first: AttemptHistory = {
    attempts: 1,
    attemptsOnAccount: 1,
    refreshedOnAccount: false,
    stripped: false,
    shown: false,
    elapsedMs: 100,
  };
  const of = (cause: Cause, code = "x"): Failure => ({
    cause,
    code,
    message: "",
    untilMs: null,
    effect: { kind: "none" },
  });
  const next: Outcome = { kind: "next_account" };
  const give = (answer: "upstream" | "ours"): Outcome => ({ kind: "give_up", answer });
  const rows: [Cause, first: Outcome, again: Outcome, last: Outcome][] = [
    ["unauthorized", { kind: "refresh_token" }, next, give("ours")],
    ["account_invalid", next, next, give("ours")],
    ["account_deactivated", next, next, give("ours")],
    ["account_spent", next, next, give("ours")],
    ["burst_limit", next, next, give("ours")],
    ["model_not_available", next, next, give("upstream")],
    ["overload", { kind: "same_account", afterMs: 300 }, next, give("ours")],
    ["network", { kind: "same_account", afterMs: 100 }, next, give("ours")],
    ["unreadable_content", { kind: "strip_and_retry" }, give("upstream"), give("upstream")],
    ["request_fault", give("upstream"), give("upstream"), give("upstream")],
    ["unknown_upstream", next, next, give("upstream")],
  ];
  test.each(rows)(
    "%s: at first, then again on the account, then past the limits",
    (cause, once, again, last) => {
      expect(decide(of(cause), first, limits)).toEqual(once);
      const second = {
        ...first,
        attempts: 2,
        attemptsOnAccount: 2,
        refreshedOnAccount: true,
        stripped: true,
      };
      expect(decide(of(cause), second, limits)).toEqual(again);
      expect(decide(of(cause), { ...first, attempts: 5 }, limits)).toEqual(last);
      expect(decide(of(cause), { ...first, elapsedMs: 60_000 }, limits)).toEqual(last);
      expect(decide(of(cause), { ...first, shown: true }, limits)).toEqual(last);
    },
  );
  test("a time-out is not waited out twice on the same account", () => {
    expect(decide(of("network", "first_event_timeout"), first, limits)).toEqual(next);
  });
});
