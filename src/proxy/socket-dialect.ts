/** What differs between the clients of a WebSocket: how their requests become upstream's, and in which form they are told of errors. */
import { isDeepStrictEqual } from "node:util";
import { errorReply, type HttpReply, type RequestContext } from "../core/dialects/dialect.ts";
import { openAiError } from "../core/dialects/openai-error.ts";
import { createFinalResponse, responsesDialect } from "../core/dialects/responses.ts";
import { CodedError } from "../core/errors.ts";
import { asNumber, asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import type { Refusal } from "../core/refusal.ts";
import { scanTopLevel } from "../core/request-scan.ts";
import type { Clock } from "../ports.ts";
import type { CallerNames } from "../upstream/json-call.ts";
import type { Caller } from "./serve.ts";
import {
  CHAIN_LOST_CODE,
  CHAIN_LOST_FRAME,
  codedErrorFrame,
  errorForClient,
  refusalFrame,
} from "./socket-frames.ts";
import { callerHeaders, nameConversation, namesSession, sessionHeader } from "./translated.ts";
import { refusalReply } from "./translated-answers.ts";

/** How the client of one socket speaks. Frames are JSON text. */
export interface SocketDialect {
  /** A `response.create` frame as upstream takes it; the same bytes when it is so already. Throws CodedError 400. */
  create(frame: Buffer, caller: Caller): Buffer;
  /** For the frames of one response in their order: each as the client is to have it. */
  completing(model: string, caller: Caller): (type: string, text: string) => string;
  refusal(refusal: Refusal): string;
  codedError(error: CodedError): string;
  /** Upstream's own error frame. */
  upstreamError(frame: string): string;
  /** The answer to a frame without a type; null: upstream may judge it. */
  untyped: string | null;
}

/** Codex speaks as upstream does: its bytes go up, upstream's come down. */
export const codexSocketDialect: SocketDialect = {
  create: (frame) => frame,
  completing: () => (_type, text) => text,
  refusal: refusalFrame,
  codedError: codedErrorFrame,
  upstreamError: errorForClient,
  untyped: null,
};

export interface V1SocketPorts {
  clock: Clock;
  names: CallerNames;
  requestContext(): RequestContext;
}

/** Upstream speaks no WebSocket without it (UPSTREAM D). */
const BETA: [string, string] = ["openai-beta", "responses_websockets=2026-02-06"];
const NONE: ReadonlySet<string> = new Set();

/**
 * For clients of `/v1/responses`, with the headers in which upstream is told of one. Their `session-id` follows the conversation
 * that the client is in, unless it names one itself.
 */
export function createV1SocketDialect(
  ports: V1SocketPorts,
  client: Headers,
): { headers: ReadonlyMap<string, string>; dialect: SocketDialect } {
  const headers = new Map([BETA, ...callerHeaders(client, ports.names)]);
  /** What the last request that began a conversation was called. */
  let conversation: string | null = null;

  function name(body: JsonRecord, caller: Caller): void {
    const goesOn = asText(body.previous_response_id) !== null;
    if (goesOn && conversation !== null) body.prompt_cache_key ??= conversation;
    // Before anything is said there is nothing that would tell one conversation from another.
    const unsaid = hasUserText(body.input) ? null : caller.origin.requestId;
    conversation = nameConversation({ body, conversation: unsaid }, caller);
    if (!namesSession(client)) headers.set("session-id", sessionHeader(conversation));
  }

  return {
    headers,
    dialect: {
      create(frame, caller) {
        const asked = parsedFrame(frame);
        const { body } = responsesDialect.toResponsesRequest(asked, ports.requestContext());
        name(body, caller);
        return isDeepStrictEqual(body, asked) ? frame : Buffer.from(JSON.stringify(body));
      },
      completing(model, caller) {
        const id = caller.origin.requestId.replace(/^req_/, "resp_");
        return completing({ id, createdAt: Math.floor(ports.clock.now() / 1000), reply: { model } });
      },
      refusal: (refusal) => frameOf(refusalReply(responsesDialect, refusal)),
      codedError: (error) => frameOf(errorReply(responsesDialect, error)),
      upstreamError: openAiFrame,
      untyped: frameOf(
        openAiError(400, "invalid_json", 'A frame must be a JSON object with a "type".', { param: "type" }),
      ),
    },
  };
}

/** Throws CodedError 400. */
function parsedFrame(frame: Buffer): unknown {
  // First by its brackets: nothing that is nested without end reaches what follows.
  const scan = scanTopLevel(frame, NONE);
  if (!scan.ok) throw invalidJson(scan.problem);
  try {
    return JSON.parse(frame.toString("utf8"));
  } catch {
    throw invalidJson("a value inside it is malformed");
  }
}

function invalidJson(problem: string): CodedError {
  return new CodedError("invalid_json", `The request is not valid JSON: ${problem}.`, { status: 400 });
}

function hasUserText(input: unknown): boolean {
  return Array.isArray(input) && input.some((item) => asRecord(item)?.role === "user");
}

const OF_THE_OUTPUT: ReadonlySet<string> = new Set([
  "response.output_item.done",
  "response.completed",
  "response.incomplete",
]);

/** SDKs read a response's output from its last event, where upstream may leave it out. */
function completing(defaults: Parameters<typeof createFinalResponse>[0]) {
  const final = createFinalResponse(defaults);
  return (type: string, text: string): string => {
    const event = OF_THE_OUTPUT.has(type) ? parse(text) : null;
    if (event === null || !final.read(event)) return text;
    const given = asRecord(event.response)?.output;
    if (Array.isArray(given) && given.length > 0) return text;
    return JSON.stringify({ ...event, response: final.response() });
  };
}

function frameOf({ status, body }: HttpReply): string {
  return JSON.stringify({ type: "error", status, ...JSON.parse(body) });
}

const CHAIN_LOST = frameOf(
  openAiError(
    400,
    CHAIN_LOST_CODE,
    "codex-lb: this previous response is not (or no longer) known on this connection; the Codex backend stores none. Send the whole conversation as input.",
    { param: "previous_response_id" },
  ),
);

function openAiFrame(frame: string): string {
  const parsed = parse(frame) ?? {};
  const error = asRecord(parsed.error) ?? parsed;
  const code = asText(error.code) ?? asText(error.type) ?? "upstream_error";
  if (frame === CHAIN_LOST_FRAME || code === CHAIN_LOST_CODE) return CHAIN_LOST;
  const status = asNumber(parsed.status) ?? asNumber(parsed.status_code) ?? 500;
  const message = asText(error.message) ?? "OpenAI refused the request.";
  return frameOf(openAiError(status, code, message, { param: asText(error.param) }));
}

function parse(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
