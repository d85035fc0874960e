/** `POST /backend-api/codex/responses`: a Codex request from its bytes to the recorded end of its stream. */
import type { PriceTable } from "../core/pricing.ts";
import { CodedError } from "../core/errors.ts";
import type { RequestRecord, RequestStatus } from "../core/record.ts";
import type { Refusal } from "../core/refusal.ts";
import { readRateLimitHeaders, readRateLimitsEvent } from "../core/windows-read.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import { errorResponse, refusalResponse, type ReplyHeaders, upstreamResponse } from "./answers.ts";
import { plainBody, readBody, type RequestFacts, requestFacts } from "./client-request.ts";
import type { ClientPresence, Engine, Routed, Trace } from "./engine.ts";
import type { CommittedReply, HttpAttempt } from "./http-attempt.ts";
import { type RequestEnd, type RequestOrigin, requestRecord } from "./record.ts";
import { type RelayEnd, relayReply, type RelayTimes } from "./relay.ts";

/** Who sent a request, as the door established it. */
export interface Caller {
  origin: RequestOrigin;
  allowedAccountIds: ReadonlySet<string> | null;
}

export interface ResponsesPorts {
  engine: Engine;
  attempt: HttpAttempt;
  pool: Pool;
  clock: Clock;
  prices(): PriceTable;
  onRecord(record: RequestRecord): void;
  onDrainOver(callback: () => void): () => void;
}

/** Upstream's path below its base, and the query that the client sent. */
export interface UpstreamTarget {
  path: string;
  /** Look at the reply as a Responses event stream. */
  observe: boolean;
}

export type RelayRequest = (request: Request, target: UpstreamTarget, caller: Caller) => Promise<Response>;

export function createResponsesRelay(ports: ResponsesPorts): RelayRequest {
  const { engine, attempt, pool, clock } = ports;

  return async (request, target, { origin, allowedAccountIds }) => {
    const surface = target.observe ? "codex_stream" : "codex";
    const headers: ReplyHeaders = { "x-request-id": origin.requestId };
    let facts: RequestFacts | null = null;

    function finish(trace: Trace | null, account: PooledAccount | null, reply: CommittedReply | null, end: RequestEnd) {
      const summary = reply?.observer?.summary() ?? null;
      ports.onRecord(requestRecord({ origin, facts, trace, account, summary, end, prices: ports.prices() }));
    }
    function ended(fields: Partial<RequestEnd> & Pick<RequestEnd, "status">): RequestEnd {
      return { ...NO_END, endedAt: clock.monotonic(), ...fields };
    }

    let body: Uint8Array;
    try {
      body = await readBody(request);
      facts = requestFacts(plainBody(body, request.headers.get("content-encoding")), (name) => request.headers.get(name));
    } catch (error) {
      if (request.signal.aborted) {
        finish(null, null, null, ended({ status: "cancelled", errorCode: "client_left" }));
        return new Response(null, { status: 499 });
      }
      if (!(error instanceof CodedError)) throw error;
      finish(null, null, null, ended({ status: "error", errorCode: error.code, errorMessage: error.message }));
      return errorResponse(error, surface, headers);
    }

    const client = presenceOf(request.signal);
    const routed = await engine.route(
      {
        requestId: origin.requestId,
        receivedAtMs: origin.receivedAtMs,
        receivedAt: origin.receivedAt,
        model: facts.model,
        keys: facts.keys,
        keyId: origin.apiKeyId,
        allowedAccountIds,
        client,
      },
      (context) =>
        attempt(
          {
            method: request.method,
            path: target.path,
            headers: request.headers,
            body,
            client,
            observe: target.observe,
          },
          context,
        ),
    );
    const { trace } = routed;
    headers["server-timing"] = serverTiming(trace, clock.monotonic() - origin.receivedAt);
    switch (routed.kind) {
      case "left":
        finish(trace, routed.account, null, ended({ status: "cancelled", errorCode: "client_left" }));
        return new Response(null, { status: 499 });
      case "refused":
        finish(trace, routed.account, null, ended(refusedEnd(routed.refusal)));
        return refusalResponse(routed.refusal, surface, headers);
      case "answer": {
        const { answer, failure } = routed;
        finish(
          trace,
          routed.account,
          null,
          ended({
            status: "error",
            errorCode: failure?.code ?? `http_${answer.status}`,
            errorMessage: "OpenAI refused the request itself.",
            upstreamStatusCode: answer.status,
            upstreamTransport: "http",
          }),
        );
        return upstreamResponse(answer, headers);
      }
      case "committed":
        return commit(routed);
    }

    function commit({ value: reply, lease }: Extract<Routed<CommittedReply>, { kind: "committed" }>): Response {
      const { account } = lease;
      noteReplyHeaders(reply, account);
      const stream = relayReply(reply, {
        client,
        clock,
        onDrainOver: ports.onDrainOver,
        onEnd(how, times) {
          lease.release();
          noteReplyEnd(reply, account);
          finish(trace, account, reply, relayEnd(how, times, reply));
        },
      });
      const replyHeaders = new Headers(reply.headers);
      for (const [name, value] of Object.entries(headers)) replyHeaders.set(name, value);
      return new Response(stream, { status: reply.status, headers: replyHeaders });
    }
  };

  function noteReplyHeaders(reply: CommittedReply, account: PooledAccount): void {
    const now = clock.now();
    const reading = readRateLimitHeaders(reply.headers, now);
    if (reading) pool.read(account.id, reading);
    const turnState = reply.header("x-codex-turn-state");
    if (turnState) pool.affinity.set({ kind: "turn_state", key: turnState }, account.id, now);
  }

  function noteReplyEnd(reply: CommittedReply, account: PooledAccount): void {
    const { observer } = reply;
    if (!observer) return;
    const now = clock.now();
    const event = observer.rateLimits();
    const reading = event === null ? null : readRateLimitsEvent(event, now);
    if (reading) pool.read(account.id, reading);
    const { responseId } = observer.summary();
    if (responseId) pool.affinity.set({ kind: "response", key: responseId }, account.id, now);
  }
}

const NO_END: RequestEnd = {
  status: "error",
  errorCode: null,
  errorMessage: null,
  upstreamStatusCode: null,
  endedAt: 0,
  firstTokenAt: null,
  upstreamTransport: null,
  lane: "pool",
};

function refusedEnd(refusal: Refusal): Pick<RequestEnd, "status" | "errorCode" | "errorMessage"> {
  let status: RequestStatus = "error";
  if (refusal.code === "usage_limit_reached") status = "quota";
  else if (refusal.status === 429) status = "rate_limit";
  return { status, errorCode: refusal.code, errorMessage: refusal.message };
}

function relayEnd(how: RelayEnd, times: RelayTimes, reply: CommittedReply): RequestEnd {
  const base: RequestEnd = {
    ...NO_END,
    endedAt: times.endedAt,
    firstTokenAt: times.firstTokenAt,
    upstreamStatusCode: reply.status,
    upstreamTransport: "http",
  };
  const summary = reply.observer?.summary();
  if (summary?.terminal === "failed") {
    return { ...base, errorCode: summary.errorCode, errorMessage: "OpenAI ended the response with a failure." };
  }
  if (summary?.terminal) return { ...base, status: "ok", errorCode: summary.errorCode };
  switch (how) {
    case "completed":
      return { ...base, status: "ok" };
    case "client_left":
      return { ...base, status: "cancelled", errorCode: "client_left" };
    case "cut":
      return { ...base, errorCode: "upstream_cut", errorMessage: "The connection to OpenAI broke before the end." };
    case "drained":
      return { ...base, errorCode: "server_shutdown", errorMessage: "codex-lb was stopped before the end." };
  }
}

/** The client's side of a request, from the signal that Bun aborts when the connection closes. */
export function presenceOf(signal: AbortSignal): ClientPresence {
  return {
    left: () => signal.aborted,
    onLeave(callback) {
      if (signal.aborted) {
        callback();
        return () => {};
      }
      signal.addEventListener("abort", callback, { once: true });
      return () => signal.removeEventListener("abort", callback);
    },
  };
}

/** Milliseconds per stage up to the moment the reply's head is sent (W3C Server-Timing). */
function serverTiming(trace: Trace, firstByteMs: number): string {
  const attemptsMs = trace.attempts.reduce((sum, attempt) => sum + attempt.ms, 0);
  const oursMs = Math.max(0, firstByteMs - attemptsMs - trace.queueMs);
  const part = (name: string, ms: number) => `${name};dur=${ms.toFixed(2)}`;
  return [
    part("queue", trace.queueMs),
    part("select", trace.selectMs),
    part("refresh", trace.refreshMs),
    part("connect", trace.connectMs ?? 0),
    part("first-byte", firstByteMs),
    part("ours", oursMs),
  ].join(", ");
}
