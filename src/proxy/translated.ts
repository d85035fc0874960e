/** `/v1` for clients that are no Codex: the request brought to what the backend takes, the reply in the client's own dialect. */
import { createHash } from "node:crypto";
import { conversationKeys } from "../core/affinity.ts";
import type { Dialect, ReplyContext, RequestContext, TranslatedRequest } from "../core/dialects/dialect.ts";
import { responsesDialect } from "../core/dialects/responses.ts";
import { CodedError } from "../core/errors.ts";
import { isObject } from "../core/dialects/parse.ts";
import { fileIdsIn } from "../core/file-ids.ts";
import { asRecord, asText } from "../core/json-read.ts";
import type { Clock } from "../ports.ts";
import type { CallerNames } from "../upstream/json-call.ts";
import type { ReplyHeaders } from "./answers.ts";
import { readJsonBody, type RequestFacts } from "./client-request.ts";
import type { ClientView } from "./client-view.ts";
import type { Drain } from "./drain.ts";
import { compactedReply, createCompactAttempt, observeUsage } from "./compact.ts";
import type { ClientPresence } from "./engine.ts";
import type { HttpAttempt } from "./http-attempt.ts";
import type { KeptResponses } from "./kept-responses.ts";
import { relayReply } from "./relay.ts";
import type { RequestBodies } from "./request-bodies.ts";
import { presenceOf } from "./responses.ts";
import {
  type AnswerShape,
  type Caller,
  CLIENT_CLOSED_REQUEST,
  refuseUnread,
  type ServeRequest,
  type Serving,
} from "./serve.ts";
import {
  answerResponse,
  errorResponse,
  ignoredHeader,
  jsonResponse,
  refusalResponse,
  requestIdHeaders,
  upstreamError,
} from "./translated-answers.ts";
import { collectTranslated, streamTranslated } from "./translated-reply.ts";

export interface TranslatedPorts {
  serving: Serving;
  bodies: RequestBodies;
  clock: Clock;
  drain: Drain;
  /** What upstream is told of clients that do not name themselves. */
  names: CallerNames;
  kept: KeptResponses;
  /** For clients of the Responses API, to whom upstream's headers mean something. */
  view: ClientView;
  attempt: HttpAttempt;
  /** Models of the pool and the names that stand for others, as they are now. */
  requestContext(): RequestContext;
}

/** Answers everything, errors included, in the shape of `dialect`. */
export type TranslatedRelay = (request: Request, dialect: Dialect, caller: Caller) => Promise<Response>;

export function createTranslatedRelay(ports: TranslatedPorts): TranslatedRelay {
  return async (request, dialect, caller) => {
    const client = presenceOf(request.signal);
    let read: Awaited<ReturnType<typeof translate>>;
    try {
      read = await translate(ports, request, { dialect, caller });
    } catch (error) {
      return refuseUnread(ports.serving, { request, caller, error }, (coded) =>
        errorResponse(dialect, coded, caller.origin.requestId),
      );
    }
    const { translated, onEvent } = read;
    const who = { client, caller };
    return ports.serving.serve({
      ...upstreamRequest(ports, request, translated, caller),
      caller,
      client,
      path: "/codex/responses",
      observe: true,
      whole: !translated.stream,
      shape: translatedShape(ports, dialect, translated, who, onEvent),
    });
  };
}

/** `POST /v1/responses/compact`, which clients before about 0.155 call: the same request, answered with one JSON object. */
export function createCompactRelay(
  ports: TranslatedPorts,
): (request: Request, caller: Caller) => Promise<Response> {
  return async (request, caller) => {
    const client = presenceOf(request.signal);
    let translated: TranslatedRequest;
    try {
      ({ translated } = await translate(ports, request, { dialect: responsesDialect, caller }));
    } catch (error) {
      return refuseUnread(ports.serving, { request, caller, error }, (coded) =>
        errorResponse(responsesDialect, coded, caller.origin.requestId),
      );
    }
    // The call takes the conversation, and none of what a turn would need besides.
    for (const name of ["stream", "store", "include", "tool_choice"]) delete translated.body[name];
    const upstream = upstreamRequest(ports, request, translated, caller);
    const plain = plainShape(ports, client, translated.ignored);
    return ports.serving.serve({
      ...upstream,
      facts: { ...upstream.facts, requestKind: "compaction" },
      caller,
      client,
      path: "/codex/responses/compact",
      observe: false,
      attempt: createCompactAttempt(ports.attempt, upstream.body),
      shape: {
        ...plain,
        async reply(reply, headers, onEnd) {
          if (!reply.observer) {
            observeUsage(reply);
            return plain.reply(reply, headers, onEnd);
          }
          const { clock, drain } = ports;
          const { status, body } = await compactedReply(reply, upstream.body, {
            client,
            clock,
            drain,
            onEnd,
          });
          return Response.json(body, {
            status,
            headers: { ...headers, ...ignoredHeader(translated.ignored) },
          });
        },
      },
    });
  };
}

/**
 * Over HTTP the backend refuses `previous_response_id` ("Unsupported parameter"): with `store: false` a response lives on in its
 * WebSocket only. What such ids stand for is therefore put in their place.
 */
async function translate(
  ports: TranslatedPorts,
  request: Request,
  { dialect, caller }: { dialect: Dialect; caller: Caller },
): Promise<{ translated: TranslatedRequest; onEvent: ((event: unknown) => void) | null }> {
  const body = await readJson(request, ports.bodies);
  const context = ports.requestContext();
  if (dialect.name !== "responses" || !isObject(body)) {
    return { translated: dialect.toResponsesRequest(body, context), onEvent: null };
  }
  const owner = caller.origin.apiKeyId ?? "";
  const translated = dialect.toResponsesRequest(ports.kept.resolve(body, owner), context);
  const isKept = body.store !== false;
  return { translated, onEvent: isKept ? ports.kept.keeping(owner, translated.body.input) : null };
}

function upstreamRequest(
  ports: TranslatedPorts,
  request: Request,
  translated: TranslatedRequest,
  caller: Caller,
): Pick<ServeRequest, "facts" | "method" | "headers" | "contentEncoding"> & { body: Uint8Array } {
  const conversation = nameConversation(translated, caller);
  const body = Buffer.from(JSON.stringify(translated.body));
  const header = (name: string) => request.headers.get(name);
  return {
    facts: factsOf(translated, { conversation, fileIds: fileIdsIn(body), header }),
    method: "POST",
    headers: upstreamHeaders(request.headers, ports.names, conversation),
    body,
    contentEncoding: null,
  };
}

/** A JSON reply as it came; errors in OpenAI's shape. */
export function plainShape(
  ports: Pick<TranslatedPorts, "clock" | "drain">,
  client: ClientPresence,
  ignored: readonly string[],
): AnswerShape {
  const ours = (headers: ReplyHeaders) => ({ ...headers, ...ignoredHeader(ignored) });
  return {
    refusal: (refusal, headers) => refusalResponse(responsesDialect, refusal, ours(headers)),
    upstream: (answer, headers) =>
      jsonResponse(upstreamError(responsesDialect, answer, headers["x-request-id"]), ours(headers)),
    reply(reply, headers, onEnd) {
      const stream = relayReply(reply, { client, clock: ports.clock, drain: ports.drain, onEnd });
      return new Response(stream, {
        status: reply.status,
        headers: { ...Object.fromEntries(reply.headers), ...ours(headers) },
      });
    },
  };
}

/** The whole body as JSON. Throws as `readJsonBody` does. */
export async function readJson(request: Request, bodies: RequestBodies): Promise<unknown> {
  const { body, plain } = await readJsonBody(request, bodies);
  bodies.hold(request, plain.byteLength - body.byteLength);
  try {
    return JSON.parse(Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength).toString("utf8"));
  } catch {
    throw new CodedError("invalid_json", "The request body is not valid JSON.", { status: 400 });
  }
}

/**
 * The name under which the conversation keeps its account and its prompt cache: the client's own, or one made from what
 * stays the same over its turns, the instructions and the first message of the user.
 */
export function nameConversation(
  { body, conversation }: Pick<TranslatedRequest, "body" | "conversation">,
  caller: Caller,
): string {
  if (typeof body.prompt_cache_key === "string") return body.prompt_cache_key;
  const hash = createHash("sha256").update(caller.origin.apiKeyId ?? "");
  if (conversation === null) hash.update(JSON.stringify(opening(body)));
  else hash.update(conversation);
  const name = sessionName(hash.digest("hex"));
  body.prompt_cache_key = name;
  return name;
}

/** In the form of Codex's own session ids, which is what the backend sees in this place. */
function sessionName(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** A client's own name may be any text, of any length; a header may not. */
export function sessionHeader(conversation: string): string {
  if (/^[\x21-\x7e]{1,128}$/.test(conversation)) return conversation;
  return sessionName(createHash("sha256").update(conversation).digest("hex"));
}

function opening(body: TranslatedRequest["body"]): unknown[] {
  const input = Array.isArray(body.input) ? body.input : [];
  const firstOfUser = input.findIndex((item) => asRecord(item)?.role === "user");
  return [body.model, body.instructions, input.slice(0, firstOfUser + 1)];
}

function factsOf(
  { body, model }: TranslatedRequest,
  from: { conversation: string; fileIds: string[]; header: (name: string) => string | null },
): RequestFacts {
  const { conversation, fileIds, header } = from;
  return {
    model,
    serviceTier: asText(body.service_tier),
    reasoningEffort: asText(asRecord(body.reasoning)?.effort),
    keys: conversationKeys({ header, fields: { promptCacheKey: conversation, fileIds } }),
    sessionId: (header("session-id") ?? header("session_id") ?? conversation).slice(0, MAX_ID_CHARS),
    threadId: header("thread-id")?.slice(0, MAX_ID_CHARS) ?? null,
    turnId: null,
    requestKind: "turn",
  };
}

/** Identifiers of clients are shown and stored, never longer than this. */
const MAX_ID_CHARS = 128;

/** Headers with a meaning for the backend (UPSTREAM B.1). What SDKs add about themselves stays here. */
const PASSED_ON =
  /^(session[-_]id|thread[-_]id|conversation_id|version|x-client-request-id|x-(codex|openai)-.+)$/;

/** A client that names an originator is passed on as what it says it is; for the others we speak. Never a browser. */
export function callerHeaders(headers: Headers, names: CallerNames): [string, string][] {
  const originator = headers.get("originator");
  const list: [string, string][] = [
    ["originator", originator ?? names.originator],
    ["user-agent", (originator === null ? null : headers.get("user-agent")) ?? names.userAgent],
  ];
  for (const [name, value] of headers) if (PASSED_ON.test(name)) list.push([name, value]);
  return list;
}

/** A stable session header keeps the prompt cache on one shard (UPSTREAM I). */
export function namesSession(headers: Headers): boolean {
  return headers.has("session-id") || headers.has("session_id");
}

function upstreamHeaders(headers: Headers, names: CallerNames, conversation: string): [string, string][] {
  const list: [string, string][] = [
    ["content-type", "application/json"],
    ["accept", "text/event-stream"],
    ...callerHeaders(headers, names),
  ];
  if (!namesSession(headers)) list.push(["session-id", sessionHeader(conversation)]);
  return list;
}

function translatedShape(
  ports: TranslatedPorts,
  dialect: Dialect,
  translated: TranslatedRequest,
  who: { client: ClientPresence; caller: Caller },
  onEvent: ((event: unknown) => void) | null,
): AnswerShape {
  const { requestId } = who.caller.origin;
  const context: ReplyContext = {
    reply: translated.reply,
    id: requestId.replace(/^req_/, "resp_"),
    createdAt: Math.floor(ports.clock.now() / 1000),
  };
  const ours = (headers: ReplyHeaders): ReplyHeaders => ({
    ...headers,
    ...requestIdHeaders(dialect, requestId),
    ...ignoredHeader(translated.ignored),
  });
  return {
    refusal: (refusal, headers) => refusalResponse(dialect, refusal, ours(headers)),
    upstream: (answer, headers) => answerResponse(dialect, answer, context, ours(headers)),
    async reply(reply, headers, onEnd) {
      const options = { client: who.client, clock: ports.clock, drain: ports.drain, onEnd };
      // Codex's own headers mean something to clients of the Responses API only.
      const upstreams = dialect.name === "responses" ? ports.view.headers(reply.headers, who.caller) : [];
      const all = { ...Object.fromEntries(upstreams), ...ours(headers) };
      if (!translated.stream) {
        const whole = await collectTranslated(reply, options, { dialect, context, onEvent });
        return whole === null
          ? new Response(null, { status: CLIENT_CLOSED_REQUEST })
          : jsonResponse(whole, all);
      }
      return new Response(streamTranslated(reply, options, { dialect, context, onEvent }), {
        headers: { ...all, "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
      });
    },
  };
}
