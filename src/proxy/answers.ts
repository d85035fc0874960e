/** Our own answers on the proxy's paths, in OpenAI's error envelope and in the way each kind of client takes well. */
import { CodedError, openAiErrorBody } from "../core/errors.ts";
import type { Refusal } from "../core/refusal.ts";
import { formatEvent } from "../core/sse.ts";
import type { UpstreamAnswer } from "./engine.ts";

/**
 * codex_stream: a Responses stream of the Codex client, which retries 401, 403 and 5xx up to thirty times (UPSTREAM E);
 * codex: its other calls; openai: everybody who follows OpenAI's API.
 */
export type Surface = "codex_stream" | "codex" | "openai";

export type ReplyHeaders = Record<string, string>;

/** A refusal as the client gets it. */
export function refusalResponse(refusal: Refusal, surface: Surface, headers: ReplyHeaders): Response {
  const all: ReplyHeaders = { ...headers, "content-type": "application/json" };
  if (refusal.retryAfterSeconds !== null && refusal.code !== "usage_limit_reached") {
    all["retry-after"] = String(refusal.retryAfterSeconds);
  }
  if (refusal.promo !== null) all["x-codex-promo-message"] = refusal.promo;
  const body = openAiErrorBody(refusal.code, refusal.message, {
    type: refusal.type,
    ...(refusal.resetsAt === null ? {} : { resets_at: refusal.resetsAt }),
    ...(refusal.resetsAt === null || refusal.retryAfterSeconds === null
      ? {}
      : { resets_in_seconds: refusal.retryAfterSeconds }),
  });
  if (surface === "openai") {
    if (refusal.retryAfterSeconds !== null) all["retry-after"] = String(refusal.retryAfterSeconds);
    return new Response(body, { status: refusal.status, headers: all });
  }
  if (refusal.permanent) return new Response(body, { status: 400, headers: all });
  if (surface === "codex_stream" && refusal.status >= 500) return failedStream(refusal, headers);
  return new Response(body, { status: refusal.status, headers: all });
}

/** As a stream that fails at once: the client retries five times and then shows the message, instead of thirty times and a status. */
function failedStream(refusal: Refusal, headers: ReplyHeaders): Response {
  const event = formatEvent("response.failed", {
    type: "response.failed",
    response: {
      id: "resp_refused",
      object: "response",
      status: "failed",
      error: { code: refusal.code, message: refusal.message },
    },
  });
  return new Response(event, {
    status: 200,
    headers: { ...headers, "content-type": "text/event-stream", "cache-control": "no-cache" },
  });
}

/** What will not pass by itself: the Codex client tries these again and shows a 400 once (UPSTREAM E). */
const SHOWN_ONCE: ReadonlySet<number> = new Set([403, 404, 413, 415]);

/** The rest of the request may still come, or never: nothing more can be had of its connection (RFC 9110 15.5.9). */
export const REQUEST_TIMEOUT = 408;

/** A coded error (bad input, a missing key) as the client gets it. */
export function errorResponse(error: CodedError, surface: Surface, headers: ReplyHeaders): Response {
  const all: ReplyHeaders = { ...headers, "content-type": "application/json" };
  if (error.retryAfterSeconds !== undefined) all["retry-after"] = String(error.retryAfterSeconds);
  if (error.status === REQUEST_TIMEOUT) all.connection = "close";
  const type = error.status >= 500 ? "server_error" : undefined;
  const body = openAiErrorBody(error.code, error.message, { type, param: error.param ?? null });
  const shownOnce = surface !== "openai" && SHOWN_ONCE.has(error.status);
  return new Response(body, { status: shownOnce ? 400 : error.status, headers: all });
}

/** Upstream's own answer to a request that is itself at fault. */
export function upstreamResponse(answer: UpstreamAnswer, headers: ReplyHeaders): Response {
  return new Response(answer.body as Uint8Array<ArrayBuffer>, {
    status: answer.status,
    headers: [...answer.headers.filter(([name]) => !(name in headers)), ...Object.entries(headers)],
  });
}
