/** Serves one HTTP request through the attempt engine and records what came of it: the part that every HTTP route shares. */
import { CodedError } from "../core/errors.ts";
import type { PriceTable } from "../core/pricing.ts";
import type { RequestRecord, RequestStatus, Transport } from "../core/record.ts";
import { type Refusal, refusalForShutdown } from "../core/refusal.ts";
import type { ReplyObserver } from "../core/reply-observer.ts";
import { withoutSealedItems } from "../core/strip.ts";
import type { PooledKey } from "../pool/keys.ts";
import type { Lease, Pool, PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import type { ReplyHeaders } from "./answers.ts";
import type { Budget } from "./budget.ts";
import { plainBody, type RequestFacts } from "./client-request.ts";
import type { Drain } from "./drain.ts";
import type { AttemptContext, Attempted, ClientPresence, Engine, Trace, UpstreamAnswer } from "./engine.ts";
import type { CommittedReply, HeldSoFar, HttpAttempt } from "./http-attempt.ts";
import { grant, presentUntil, whileKeyLives } from "./key-grant.ts";
import { createReplyNotes } from "./reply-notes.ts";
import { type RequestEnd, type RequestOrigin, requestRecord } from "./record.ts";
import type { RelayEnd, RelayTimes } from "./relay.ts";
import { type AskedFor, endOf, heldEnd, refusedEnd, relayEnd, serverTiming } from "./request-end.ts";

/** Who sent a request, as the door established it. */
export interface Caller {
  origin: RequestOrigin;
  /** null: none was needed and none was shown. */
  key: PooledKey | null;
  allowedAccountIds: ReadonlySet<string> | null;
  /** Of this one request; null without a key. */
  budget: Budget | null;
}

/** How answers look to this kind of client. */
export interface AnswerShape {
  refusal(refusal: Refusal, headers: ReplyHeaders): Response;
  /** Upstream's own answer to a request that is itself at fault. */
  upstream(answer: UpstreamAnswer, headers: ReplyHeaders): Response;
  /** The reply to relay. Must end with exactly one call of `onEnd`. */
  reply(
    reply: CommittedReply,
    headers: ReplyHeaders,
    onEnd: (end: RelayEnd, times: RelayTimes) => void,
  ): Response | Promise<Response>;
}

export interface ServeRequest {
  caller: Caller;
  facts: RequestFacts;
  client: ClientPresence;
  method: string;
  /** Upstream's path below its base, with query. */
  path: string;
  headers: Iterable<[string, string]>;
  /** As it is to be sent; `contentEncoding` says how it is packed. */
  body: Uint8Array | null;
  contentEncoding: string | null;
  /** Look at the reply as a Responses event stream. */
  observe: boolean;
  /** The client gets nothing before the end of the reply. */
  whole?: boolean;
  shape: AnswerShape;
  /** Instead of the usual one. */
  attempt?: HttpAttempt;
}

/** A request for the engine, whatever carries it. */
export interface Ask {
  caller: Caller;
  facts: RequestFacts;
  client: ClientPresence;
  bodyBytes: number;
  upstreamTransport: Transport;
  /** A turn that every kind of upstream can take, and whose usage will be known. */
  isTurn: boolean;
  /** What had come of a reply that was to be whole when its client left. */
  held?: HeldSoFar | null;
}

/** What must be known of a reply, whatever carries it. */
export interface ObservedReply {
  transport: Transport;
  status: number;
  headers: [string, string][];
  /** null when it is not an event stream. */
  observer: ReplyObserver | null;
}

/** What came of a request. All but `committed` have been recorded. */
export type Served<Reply> =
  | { kind: "left" }
  | { kind: "refused"; refusal: Refusal; headers: ReplyHeaders }
  | { kind: "answer"; answer: UpstreamAnswer; headers: ReplyHeaders }
  | {
      kind: "committed";
      reply: Reply;
      account: PooledAccount;
      headers: ReplyHeaders;
      /** To be called when the reply has ended; only the first call counts. */
      end(how: RelayEnd, times: RelayTimes): void;
    };

export interface ServePorts {
  engine: Engine;
  attempt: HttpAttempt;
  pool: Pool;
  clock: Clock;
  drain: Drain;
  prices(): PriceTable;
  onRecord(record: RequestRecord): void;
}

export interface Serving {
  serve(request: ServeRequest): Promise<Response>;
  /** The same for any transport: budget, engine, record; `attempt` is how to try one account. */
  route<Reply extends ObservedReply>(
    ask: Ask,
    attempt: (context: AttemptContext) => Promise<Attempted<Reply>>,
  ): Promise<Served<Reply>>;
  /** Records a request that never reached the engine: it could not be read, or was not let in. */
  recordRefused(
    caller: Caller,
    facts: RequestFacts | null,
    end: { status: RequestStatus; code: string; message: string | null },
  ): void;
  /** What a reply's head tells about its account: windows, and the turn state that it now owns. */
  noteReplyHead(account: PooledAccount, headers: Iterable<[string, string]>): void;
}

export function createServing(ports: ServePorts): Serving {
  const { engine, attempt, clock, drain } = ports;
  const notes = createReplyNotes(ports);

  function finish(
    caller: Caller,
    facts: RequestFacts | null,
    outcome: {
      trace: Trace | null;
      account: PooledAccount | null;
      reply: ObservedReply | null;
      end: RequestEnd;
    },
  ): void {
    const summary = outcome.reply?.observer?.summary() ?? null;
    const record = requestRecord({
      origin: caller.origin,
      facts,
      ...outcome,
      summary,
      prices: ports.prices(),
    });
    caller.budget?.settle(record);
    ports.onRecord(record);
  }

  return {
    noteReplyHead: notes.head,
    recordRefused(caller, facts, { status, code, message }) {
      const end = endOf({ status, errorCode: code, errorMessage: message, endedAt: clock.monotonic() });
      finish(caller, facts, { trace: null, account: null, reply: null, end });
    },
    route,
    async serve(request) {
      const client = presentUntil(request.client, (end) => drain.open(() => end(SHUTTING_DOWN)));
      try {
        return await serve({ ...request, client });
      } finally {
        client.done();
      }
    },
  };

  async function route<Reply extends ObservedReply>(
    ask: Ask,
    attempt: (context: AttemptContext) => Promise<Attempted<Reply>>,
  ): Promise<Served<Reply>> {
    const { caller, facts, client, upstreamTransport } = ask;
    const { origin } = caller;
    const headers: ReplyHeaders = { "x-request-id": origin.requestId };
    const { model: asked, serviceTier } = facts;
    const refused = await caller.budget?.reserve({
      model: asked,
      serviceTier,
      bodyBytes: ask.bodyBytes,
      client,
    });
    if (refused) return turnedAway(ask, headers, { refusal: refused, trace: null, account: null });
    const model = facts.model === "" ? null : facts.model;
    const asking = engine.route(
      {
        requestId: origin.requestId,
        receivedAtMs: origin.receivedAtMs,
        receivedAt: origin.receivedAt,
        model,
        keys: facts.keys,
        keyId: origin.apiKeyId,
        allowedAccountIds: caller.allowedAccountIds,
        mayUseApiKeyLane: ask.isTurn && (caller.key?.settings.apiKeyLaneAllowed ?? true),
        client,
      },
      attempt,
    );
    const routed = await asking.catch((error: unknown) => {
      const errorMessage = "This is a defect in codex-lb; its log says more.";
      const end = endOf({ errorCode: "internal_error", errorMessage, endedAt: clock.monotonic() });
      finish(caller, facts, { trace: null, account: null, reply: null, end });
      throw error;
    });
    const { trace } = routed;
    headers["server-timing"] = serverTiming(trace, clock.monotonic() - origin.receivedAt);
    switch (routed.kind) {
      case "left":
        return turnedAway(ask, headers, {
          refusal: null,
          trace,
          account: routed.account,
          held: ask.held ? endOfHeld(ask, ask.held, trace) : undefined,
        });
      case "refused":
        return turnedAway(ask, headers, routed);
      case "answer": {
        const { answer, failure, account } = routed;
        const end = endOf({
          errorCode: failure?.code ?? `http_${answer.status}`,
          errorMessage: "OpenAI refused the request itself.",
          upstreamStatusCode: answer.status,
          upstreamTransport,
          endedAt: clock.monotonic(),
        });
        finish(caller, facts, { trace, account, reply: null, end });
        return { kind: "answer", answer, headers };
      }
      case "committed":
        notes.head(routed.lease.account, routed.value.headers);
        return committed(ask, headers, routed);
    }
  }

  // What lives as long as a reply is made outside of the async functions that route its request: everything made inside of one
  // holds its parameters, and with them the request's body.

  function committed<Reply extends ObservedReply>(
    ask: Ask,
    headers: ReplyHeaders,
    { trace, lease, value: reply }: { trace: Trace; lease: Lease; value: Reply },
  ): Served<Reply> {
    const { account } = lease;
    let isOver = false;
    return {
      kind: "committed",
      reply,
      account,
      headers,
      end(how, times) {
        if (isOver) return;
        isOver = true;
        lease.release();
        notes.end(account, reply.observer, ask);
        const asked = askedFor(ask, trace);
        finish(ask.caller, ask.facts, {
          trace,
          account,
          reply,
          end: relayEnd(how, times, { reply, asked }),
        });
      },
    };
  }

  /** `end`, with the reply cancelled at once when the key that it was asked with is revoked. */
  function endWithKey(
    key: PooledKey | null,
    reply: CommittedReply,
    end: (how: RelayEnd, times: RelayTimes) => void,
  ): (how: RelayEnd, times: RelayTimes) => void {
    const forget = key?.onRevoked(() => {
      reply.revoked = true;
      reply.cancel();
    });
    return (how, times) => {
      forget?.();
      end(how, times);
    };
  }

  async function routeOverHttp(request: ServeRequest): Promise<Served<CommittedReply>> {
    const { caller, facts, body, method, path, observe, whole } = request;
    const client = whileKeyLives(request.client, caller.key);
    const form = requestForm(request);
    const ask: Ask = {
      caller,
      facts,
      client,
      bodyBytes: body?.byteLength ?? 0,
      upstreamTransport: "http",
      isTurn: observe,
    };
    try {
      return await route(ask, async (context) => {
        ask.held = whole ? { streamedBytes: 0, firstTokenAt: null } : null;
        const asked = { method, path, client, observe, whole: ask.held, ...form(context) };
        const attempted = await (request.attempt ?? attempt)(asked, context);
        if (!client.left()) ask.held = null;
        return attempted;
      });
    } finally {
      client.done();
    }
  }

  /** Records and answers a request that came to nothing: the client left, the key was revoked meanwhile, or `refusal`. */
  function turnedAway(
    { caller, facts, client }: Pick<Ask, "caller" | "facts" | "client">,
    headers: ReplyHeaders,
    why: {
      refusal: Refusal | null;
      trace: Trace | null;
      account: PooledAccount | null;
      held?: Partial<RequestEnd>;
    },
  ): { kind: "left" } | { kind: "refused"; refusal: Refusal; headers: ReplyHeaders } {
    const { trace, account } = why;
    const refusal = client.revoked?.() ?? (client.left() ? null : why.refusal);
    const fields = refusal
      ? refusedEnd(refusal)
      : ({ status: "cancelled", errorCode: "client_left" } as const);
    const end = endOf({ ...fields, ...why.held, endedAt: clock.monotonic() });
    finish(caller, facts, { trace, account, reply: null, end });
    return refusal ? { kind: "refused", refusal, headers } : { kind: "left" };
  }

  async function serve(asked: ServeRequest): Promise<Response> {
    const { caller, shape } = asked;
    const granted = grantRequest(asked);
    if ("refusal" in granted) {
      const headers = { "x-request-id": caller.origin.requestId };
      turnedAway(asked, headers, { refusal: granted.refusal, trace: null, account: null });
      return shape.refusal(granted.refusal, headers);
    }
    const { request } = granted;
    const served = await routeOverHttp(request);
    switch (served.kind) {
      case "left":
        return new Response(null, { status: CLIENT_CLOSED_REQUEST });
      case "refused":
        return shape.refusal(served.refusal, served.headers);
      case "answer":
        return shape.upstream(served.answer, served.headers);
      case "committed": {
        const { reply } = served;
        // The client takes another model than it asked for as a sign that its account was flagged (UPSTREAM C).
        if (request.facts.model !== asked.facts.model)
          reply.headers = reply.headers.filter(([name]) => name !== "openai-model");
        const end = endWithKey(caller.key, reply, served.end);
        try {
          return await shape.reply(reply, served.headers, end);
        } catch (error) {
          reply.cancel();
          end("cut", { firstByteAt: null, firstTokenAt: null, endedAt: clock.monotonic() });
          throw error;
        }
      }
    }
  }
}

function endOfHeld(ask: Ask, held: HeldSoFar, trace: Trace): Partial<RequestEnd> {
  const told = ask.client.revoked?.() ?? null;
  const how = told === null ? "client_left" : told === SHUTTING_DOWN ? "drained" : "revoked";
  return heldEnd(how, held, { transport: ask.upstreamTransport, asked: askedFor(ask, trace) });
}

function askedFor({ bodyBytes }: Ask, { affinity }: Trace): AskedFor {
  return { bodyBytes, continued: affinity.kind === "keep" };
}

/** The request as the key lets it be made, or why it does not. */
function grantRequest(asked: ServeRequest): { request: ServeRequest } | { refusal: Refusal } {
  const { caller, facts, body, contentEncoding } = asked;
  const isResponses = body !== null && asked.path.startsWith("/codex/responses");
  const granted = grant(caller.key, facts, isResponses ? () => plainBody(body, contentEncoding) : null);
  if (granted.refused) return { refusal: granted.refused };
  if (granted.rewritten === null) return { request: asked };
  const headers = [...asked.headers].filter(([name]) => !OF_THE_OLD_BODY.has(name.toLowerCase()));
  return {
    request: { ...asked, facts: granted.facts, headers, body: granted.rewritten, contentEncoding: null },
  };
}

/** What a rewritten body has no more, and a hint that repeats the model and tier that were asked for (UPSTREAM B.1). */
const OF_THE_OLD_BODY: ReadonlySet<string> = new Set(["content-encoding", "x-codex-routing-hint"]);

/** For a request that has been shown nothing when the time for finishing is over. */
const SHUTTING_DOWN = refusalForShutdown();

/** nginx's code for a client that closed before it was answered; nobody reads it. */
export const CLIENT_CLOSED_REQUEST = 499;

/** Answers and records a request whose body could not be read or understood. Throws what is no CodedError. */
export function refuseUnread(
  serving: Serving,
  { request, caller, error }: { request: Request; caller: Caller; error: unknown },
  respond: (error: CodedError) => Response,
): Response {
  if (request.signal.aborted) {
    serving.recordRefused(caller, null, { status: "cancelled", code: "client_left", message: null });
    return new Response(null, { status: CLIENT_CLOSED_REQUEST });
  }
  if (!(error instanceof CodedError)) throw error;
  serving.recordRefused(caller, null, { status: "error", code: error.code, message: error.message });
  return respond(error);
}

/** The request's headers and body for an attempt; without sealed items once an account could not read them. */
function requestForm(request: ServeRequest): (context: AttemptContext) => {
  headers: Iterable<[string, string]>;
  body: Uint8Array | null;
} {
  let stripped: Uint8Array | null | undefined;
  return ({ strip }) => {
    const { headers, body, contentEncoding } = request;
    if (!strip || body === null) return { headers, body };
    stripped ??= withoutSealedItems(plainBody(body, contentEncoding));
    if (stripped === null) return { headers, body };
    return { headers: [...headers].filter(([name]) => name !== "content-encoding"), body: stripped };
  };
}
