/** The WebSocket frames that are ours: refusals and ends in the forms from which Codex recovers, and client frames slightly changed. */
import type { CodedError } from "../core/errors.ts";
import { asNumber, asRecord, type JsonRecord } from "../core/json-read.ts";
import type { Refusal } from "../core/refusal.ts";
import { scanTopLevel } from "../core/request-scan.ts";
import { jsonType } from "../core/sse.ts";
import type { UpstreamAnswer } from "./engine.ts";

/** Upstream closes its WebSocket with 1009 above this (PRODUCT 11); the same request over HTTP is taken. */
export const UPSTREAM_MAX_FRAME_BYTES = 16_777_216;

/** A wait that Codex may as well sit out; a longer one is shown at once. */
const SHORT_WAIT_SECONDS = 60;
const TYPE_ONLY: ReadonlySet<string> = new Set(["type"]);
/** As Codex writes it: the tag comes first. */
const CREATE_PREFIX = '{"type":"response.create",';

/** The type of a client's frame; "" when it has none or is no JSON object. */
export function clientFrameType(frame: Buffer): string {
  if (frame.toString("latin1", 0, CREATE_PREFIX.length) === CREATE_PREFIX) return "response.create";
  const scan = scanTopLevel(frame, TYPE_ONLY);
  const type = scan.ok ? scan.fields.get("type") : null;
  return typeof type === "string" ? type : "";
}

/** By which upstream, and the engine, say that a chain of responses cannot go on. */
export const CHAIN_LOST_CODE = "previous_response_not_found";

/** The leading bytes among which upstream's frames have their type. */
const TYPE_PREFIX_BYTES = 256;

export function upstreamFrameType(frame: Buffer): string {
  return jsonType(frame.toString("latin1", 0, Math.min(frame.length, TYPE_PREFIX_BYTES)));
}

/** Codex ignores an error frame without a status and waits until its idle time-out (UPSTREAM D). */
export function errorFrame(error: JsonRecord, status: number, headers: Record<string, string> = {}): string {
  return JSON.stringify({ type: "error", status, error, headers });
}

/** The end of a response from which Codex recovers by itself: it reconnects and sends everything again. */
export function failedFrame(code: string, message: string, responseId: string | null = null): string {
  return JSON.stringify({
    type: "response.failed",
    response: {
      id: responseId ?? "resp_unfinished",
      object: "response",
      status: "failed",
      error: { code, message },
    },
  });
}

/**
 * A refusal as a frame. What passes within seconds is a failed response, which Codex repeats five times; a spent pool or key is the
 * 429 whose reset time it shows; anything else a 400, shown once and word by word (UPSTREAM E).
 */
export function refusalFrame(refusal: Refusal): string {
  const { code, message, type, retryAfterSeconds, resetsAt, promo } = refusal;
  if (code === CHAIN_LOST_CODE) return CHAIN_LOST_FRAME;
  if (type === "usage_limit_reached") {
    const error: JsonRecord = { type, code, message };
    if (resetsAt !== null) error.resets_at = resetsAt;
    return errorFrame(error, 429, promo === null ? {} : { "x-codex-promo-message": promo });
  }
  if (refusal.permanent || refusal.status === 401) {
    return errorFrame({ type, code, message, param: null }, refusal.permanent ? 400 : refusal.status);
  }
  if (refusal.status === 429 && retryAfterSeconds !== null && retryAfterSeconds <= SHORT_WAIT_SECONDS) {
    // The code and the sentence by which Codex waits as long as it says.
    return failedFrame("rate_limit_exceeded", `${message} Please try again in ${retryAfterSeconds}s.`);
  }
  if (refusal.status >= 500) return failedFrame(code, message);
  return errorFrame({ type, code, message, param: null }, 400);
}

/** A request of the client that could not be read or may not be made. */
export function codedErrorFrame(error: CodedError): string {
  const fields = { type: "invalid_request_error", code: error.code, message: error.message };
  return errorFrame({ ...fields, param: error.param ?? null }, error.status === 401 ? 401 : 400);
}

/** Upstream's own answer to a request at fault, when it came as an HTTP reply. */
export function answerFrame(answer: UpstreamAnswer): string {
  const text = Buffer.from(answer.body).toString("utf8");
  const parsed = parse(text);
  const error = asRecord(parsed?.error) ?? {
    type: "invalid_request_error",
    code: null,
    message: typeof parsed?.detail === "string" ? parsed.detail : text,
  };
  return errorFrame(error, answer.status);
}

/** Upstream's error frame in the form that every client understands: with a status, and a lost chain as above. */
export function errorForClient(frame: string): string {
  const parsed = parse(frame);
  const code = asRecord(parsed?.error)?.code ?? parsed?.code;
  if (code === CHAIN_LOST_CODE) return CHAIN_LOST_FRAME;
  if (parsed === null || asNumber(parsed.status) !== null || asNumber(parsed.status_code) !== null)
    return frame;
  return JSON.stringify({ ...parsed, status: 500 });
}

/**
 * The answer on which every Codex opens a new socket and sends its whole input, with nothing shown: upstream's own when a socket's
 * hour is over. `previous_response_not_found` would say it better, but clients before about 0.15x end the turn on it (tried with
 * 0.130 and 0.145).
 */
export const CHAIN_LOST_FRAME = errorFrame(
  {
    type: "invalid_request_error",
    code: "websocket_connection_limit_reached",
    message:
      "codex-lb: the connection that held this previous response has ended; create a new connection and send the whole conversation.",
    param: null,
  },
  400,
);

/** A `response.create` frame without the turn state of another account. */
export function withoutTurnState(frame: Buffer): Buffer {
  const parsed = parse(frame.toString("utf8"));
  const metadata = asRecord(parsed?.client_metadata);
  if (parsed === null || metadata === null || !("x-codex-turn-state" in metadata)) return frame;
  const { "x-codex-turn-state": _, ...rest } = metadata;
  return Buffer.from(JSON.stringify({ ...parsed, client_metadata: rest }));
}

/** What a `response.create` frame is over HTTP: the same object without its type. */
export function httpBodyOf(frame: Buffer): Buffer {
  if (frame.toString("latin1", 0, CREATE_PREFIX.length) === CREATE_PREFIX) {
    // Not parsed: it has megabytes. The brace takes the place of the comma before it.
    const body = Buffer.from(frame.subarray(CREATE_PREFIX.length - 1));
    body[0] = 0x7b;
    return body;
  }
  const { type: _, ...rest } = parse(frame.toString("utf8")) ?? {};
  return Buffer.from(JSON.stringify({ ...rest, stream: true }));
}

/** Headers that belong to the handshake alone. */
const HANDSHAKE_ONLY = /^sec-websocket-|^openai-beta$|^content-/;
const LITE = "ws_request_header_x_openai_internal_codex_responses_lite";

/** The headers with which a frame goes over HTTP: those of the handshake, and what frames carry in their metadata (UPSTREAM D). */
export function httpHeadersOf(
  handshake: ReadonlyMap<string, string>,
  metadata: JsonRecord | null,
): [string, string][] {
  const headers = [...handshake].filter(
    ([name]) => !HANDSHAKE_ONLY.test(name) && name !== "x-codex-turn-metadata",
  );
  headers.push(["accept", "text/event-stream"], ["content-type", "application/json"]);
  for (const name of ["x-codex-turn-state", "x-codex-turn-metadata", "x-codex-window-id"]) {
    const value = metadata?.[name];
    if (typeof value === "string") headers.push([name, value]);
  }
  if (metadata?.[LITE] === "true") headers.push(["x-openai-internal-codex-responses-lite", "true"]);
  return headers;
}

function parse(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
