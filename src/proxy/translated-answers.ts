/** Everything that a client of `/v1` is told beside its reply: errors of ours and of upstream, in the dialect that it speaks. */
import { type Dialect, errorReply, type HttpReply, type ReplyContext } from "../core/dialects/dialect.ts";
import type { CodedError } from "../core/errors.ts";
import type { Refusal } from "../core/refusal.ts";
import { readUpstreamError } from "../core/retry/upstream-error.ts";
import { type ReplyHeaders, REQUEST_TIMEOUT } from "./answers.ts";
import type { UpstreamAnswer } from "./engine.ts";
import { collectFailed } from "./translated-reply.ts";

/** Names the fields that were accepted without effect. */
const IGNORED_HEADER = "x-codex-lb-ignored";

export function ignoredHeader(ignored: readonly string[]): ReplyHeaders {
  return ignored.length === 0 ? {} : { [IGNORED_HEADER]: ignored.join(", ") };
}

/** Anthropic's SDK reads its own name of the header. */
export function requestIdHeaders(dialect: Dialect, requestId: string): ReplyHeaders {
  return dialect.name === "messages"
    ? { "x-request-id": requestId, "request-id": requestId }
    : { "x-request-id": requestId };
}

export function jsonResponse(reply: HttpReply, headers: ReplyHeaders): Response {
  return new Response(reply.body, {
    status: reply.status,
    headers: { ...headers, "content-type": "application/json" },
  });
}

/** An error of ours: bad input, a missing key. */
export function errorResponse(dialect: Dialect, error: CodedError, requestId: string): Response {
  const headers = requestIdHeaders(dialect, requestId);
  if (error.retryAfterSeconds !== undefined) headers["retry-after"] = String(error.retryAfterSeconds);
  if (error.status === REQUEST_TIMEOUT) headers.connection = "close";
  return jsonResponse(errorReply(dialect, error), headers);
}

export function refusalResponse(dialect: Dialect, refusal: Refusal, headers: ReplyHeaders): Response {
  const reply = refusalReply(dialect, refusal, headers["x-request-id"]);
  return jsonResponse(reply, { ...headers, ...retryHeaders(refusal) });
}

export function refusalReply(dialect: Dialect, refusal: Refusal, requestId?: string): HttpReply {
  const { retryAfterSeconds, resetsAt } = refusal;
  return dialect.errorBody(refusal.status, refusal.code, refusal.message, {
    type: refusal.type,
    ...(resetsAt === null ? {} : { resets_at: resetsAt }),
    ...(resetsAt === null || retryAfterSeconds === null ? {} : { resets_in_seconds: retryAfterSeconds }),
    requestId,
  });
}

/** The SDKs sleep no longer than this for a Retry-After, and otherwise knock again after a moment. */
const LONGEST_SLEEP_SECONDS = 60;

function retryHeaders({ retryAfterSeconds, permanent }: Refusal): ReplyHeaders {
  const headers: ReplyHeaders = {};
  if (retryAfterSeconds !== null) headers["retry-after"] = String(retryAfterSeconds);
  // Both vendors' SDKs obey this: an error that will not pass soon is shown at once instead of after two more tries.
  if (permanent || (retryAfterSeconds ?? 0) > LONGEST_SLEEP_SECONDS) headers["x-should-retry"] = "false";
  return headers;
}

/** Upstream's answer to a request that is itself at fault: a JSON error, or an event stream that failed at once. */
export function answerResponse(
  dialect: Dialect,
  answer: UpstreamAnswer,
  context: ReplyContext,
  headers: ReplyHeaders,
): Response {
  if (answer.status < 300) {
    return jsonResponse(collectFailed(answer.body, dialect.createCollector(context)), headers);
  }
  return jsonResponse(upstreamError(dialect, answer, headers["x-request-id"]), headers);
}

export function upstreamError(dialect: Dialect, answer: UpstreamAnswer, requestId?: string): HttpReply {
  const header = (name: string) => answer.headers.find(([key]) => key === name)?.[1] ?? null;
  const body = Buffer.from(answer.body).toString("utf8");
  const error = readUpstreamError({ status: answer.status, header, body, event: null });
  const message = error?.message || "OpenAI refused the request.";
  const code = error?.codes[0] ?? (answer.status < 500 ? "invalid_request_error" : "upstream_error");
  return dialect.errorBody(answer.status, code, message, { requestId });
}
