/** One client's WebSocket: its frames one after another through the engine, upstream's frames back to it, both no faster than they are taken. */
import { asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import { CodedError } from "../core/errors.ts";
import { ANSWER } from "../core/retry.ts";
import { scanTopLevel } from "../core/request-scan.ts";
import { jsonType } from "../core/sse.ts";
import { readRateLimitsEvent } from "../core/windows-read.ts";
import { type RequestFacts, requestFacts } from "./client-request.ts";
import type { ClientPresence } from "./engine.ts";
import { grant, whileKeyLives } from "./key-grant.ts";
import { brokenOff, type RelayEnd, type RelayTimes } from "./relay.ts";
import { readLateFailure } from "./reply-notes.ts";
import type { Caller, Served } from "./serve.ts";
import type { SocketDialect } from "./socket-dialect.ts";
import { answerFrame, clientFrameType, failedFrame, upstreamFrameType } from "./socket-frames.ts";
import { type ClientSocket, SocketClient } from "./socket-client.ts";
import { showHttpReply } from "./socket-http.ts";
import type { SocketPorts } from "./socket.ts";
import { createUpstream, type FrameReply, type SocketReply } from "./socket-attempt.ts";
import type { SocketEnd } from "../upstream/websocket.ts";
import { MAX_MESSAGE_BYTES } from "../upstream/websocket-frames.ts";

/** What the server tells about a client's socket. */
export interface SocketSession {
  opened(socket: ClientSocket): void;
  message(data: string | Buffer): void;
  drained(): void;
  ponged(): void;
  closed(): void;
}

export interface Handshake {
  headers: ReadonlyMap<string, string>;
  /** The client as it is now, for one more request. Throws CodedError when it may make none any more. */
  caller(): Caller;
  dialect: SocketDialect;
}

/** What the hub does with a session. */
export interface OpenSession extends SocketSession {
  /** On the monotonic clock; null while it has something to do. */
  idleSince(): number | null;
  /** On the monotonic clock: when the client last gave a sign of life. */
  seenAt(): number;
  ping(): void;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** Frames that wait while a response runs, and their bytes. Codex sends one at a time. */
const MAX_WAITING_FRAMES = 16;
const MAX_WAITING_BYTES = MAX_MESSAGE_BYTES;
/** RFC 6455 7.4.1. */
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;
const CHAIN_FIELDS: ReadonlySet<string> = new Set(["client_metadata", "previous_response_id"]);
/** What a frame's own metadata does not repeat, or repeats with the same value. The rest of the handshake is of an earlier turn. */
const OF_THE_SESSION: ReadonlySet<string> = new Set([
  "session-id",
  "session_id",
  "thread-id",
  "thread_id",
  "conversation_id",
  "x-openai-subagent",
  "x-codex-parent-thread-id",
]);

/** A response on its way to the client. */
interface Relaying {
  served: Extract<Served<FrameReply>, { kind: "committed" }> & { reply: SocketReply };
  facts: RequestFacts;
  times: Required<RelayTimes>;
  /** What its client gets in place of a frame. */
  completed(type: string, text: string): string;
  done(how: RelayEnd): void;
}

export function createSession(handshake: Handshake, ports: SocketPorts, onGone: () => void): OpenSession {
  const { serving, pool, clock, drain } = ports;
  const { headers, dialect } = handshake;
  let seenAt = clock.monotonic();
  let idleSince: number | null = seenAt;
  let relaying: Relaying | null = null;
  let overHttp = false;
  let lastCaller: Caller | null = null;
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  const client = new SocketClient(() => {
    relaying?.done("client_left");
    upstream.drop();
    waiting.length = 0;
    onGone();
  });
  const show = (text: string) => client.show(text);
  const upstream = createUpstream({
    dial: ports.dial,
    httpAttempt: ports.httpAttempt,
    clock,
    firstEventTimeoutMs: ports.firstEventTimeoutMs,
    handshake: headers,
    events: { onFrame, onEnd: onUpstreamEnd },
    onOpen(account, replyHeaders) {
      serving.noteReplyHead(account, replyHeaders);
      ports.noteHandshake(replyHeaders);
    },
  });

  function onFrame(frame: Buffer): Promise<void> | undefined {
    const type = upstreamFrameType(frame);
    const text = frame.toString("utf8");
    if (relaying) return relayFrame(relaying, type, text);
    // Between responses there is no observer that would tell the pool.
    if (type === "codex.rate_limits") noteRateLimits(text);
    return show(pooled(type, text));
  }

  /** One account's quota is not the client's business: the pool's stands in its place. */
  function pooled(type: string, text: string): string {
    return type === "codex.rate_limits" ? ports.view.rateLimits(lastCaller!) : text;
  }

  function relayFrame(current: Relaying, type: string, text: string): Promise<void> | undefined {
    const { observer } = current.served.reply.holding;
    if (observer.wants(type)) observer.json(type, text);
    const wait = show(current.completed(type, inItsForm(current, type, pooled(type, text))));
    noteTimes(current, text);
    if (observer.phase() === "ended") current.done("completed");
    return wait;
  }

  function noteTimes({ served, times }: Relaying, shown: string): void {
    times.streamedBytes += shown.length;
    times.firstByteAt ??= clock.monotonic();
    if (times.firstTokenAt === null && served.reply.holding.observer.phase() !== "preamble")
      times.firstTokenAt = clock.monotonic();
  }

  /** An account's failure in the middle of a response becomes the end after which Codex asks again, and gets another account. */
  function inItsForm({ served, facts }: Relaying, type: string, text: string): string {
    if (type !== "error" && type !== "response.failed") return text;
    const { observer } = served.reply.holding;
    const failure = readLateFailure(observer, served.account, facts.model, clock.now());
    if (failure && ANSWER[failure.cause] === "ours") {
      const message = `codex-lb: the account could not finish this response (${failure.code}); please retry.`;
      return failedFrame("account_failed", message, observer.summary().responseId);
    }
    return type === "error" ? dialect.upstreamError(text) : text;
  }

  function onUpstreamEnd(end: SocketEnd): void {
    if (relaying) {
      const { code, message } = brokenOff("cut");
      void show(failedFrame(code, message, relaying.served.reply.holding.observer.summary().responseId));
      relaying.done("cut");
      return;
    }
    // A close between responses costs nothing: the next turn connects anew and sends its whole input (UPSTREAM D).
    if (idleSince !== null) close(sendableCode(end.code), "upstream closed");
  }

  function noteRateLimits(text: string): void {
    const link = upstream.link();
    const reading = readRateLimitsEvent(parsed(text), clock.now());
    if (link && reading) pool.read(link.account.id, reading);
  }

  async function create(bytes: Buffer): Promise<void> {
    idleSince = null;
    const closeDrain = drain.open(shutDown);
    try {
      await serve(bytes);
    } catch (error) {
      if (!(error instanceof CodedError)) {
        ports.log.error("socket request failed", {
          error: error instanceof Error ? error.message : String(error),
        });
        close(INTERNAL_ERROR, "internal error");
      } else void show(dialect.codedError(error));
    } finally {
      closeDrain();
      idleSince = clock.monotonic();
    }
    const next = waiting.shift();
    waitingBytes -= next?.byteLength ?? 0;
    if (next && !client.left()) void create(next);
    else if (ports.closing()) close(GOING_AWAY, "codex-lb is stopping");
  }

  async function serve(received: Buffer): Promise<void> {
    const caller = handshake.caller();
    lastCaller = caller;
    let bytes: Buffer;
    let facts: RequestFacts;
    try {
      bytes = dialect.create(received, caller);
      facts = requestFacts(bytes, (name) => (OF_THE_SESSION.has(name) ? (headers.get(name) ?? null) : null));
    } catch (error) {
      if (error instanceof CodedError)
        serving.recordRefused(caller, null, { status: "error", code: error.code, message: error.message });
      throw error;
    }
    const granted = grant(caller.key, facts, () => bytes);
    if (granted.refused) {
      const { code, message } = granted.refused;
      serving.recordRefused(caller, facts, { status: "error", code, message });
      void show(dialect.refusal(granted.refused));
      return;
    }
    const sent = granted.rewritten === null ? bytes : Buffer.from(granted.rewritten);
    await serveGranted(caller, granted.facts, sent);
  }

  async function serveGranted(caller: Caller, facts: RequestFacts, bytes: Buffer): Promise<void> {
    const holder = whileKeyLives(client.presence, caller.key);
    const { chained, metadata } = chainOf(bytes);
    const frame = { bytes, chained, metadata, client: holder, attempts: 0, stripped: false };
    const served = await serving.route<FrameReply>(
      {
        caller,
        facts,
        client: holder,
        bodyBytes: bytes.byteLength,
        upstreamTransport: "websocket",
        isTurn: facts.requestKind !== "prewarm",
      },
      (context) => upstream.attempt(frame, context),
    );
    try {
      switch (served.kind) {
        case "left":
          return;
        case "refused":
          if (!holder.revoked?.()) void show(dialect.refusal(served.refusal));
          return;
        case "answer": {
          const frames = upstream.lastFrames() ?? [answerFrame(served.answer)];
          for (const text of frames)
            await show(upstreamTypeOf(text) === "error" ? dialect.upstreamError(text) : text);
          return;
        }
        case "committed":
          await relay(served, facts, { caller, holder });
      }
    } finally {
      const revoked = holder.revoked?.();
      holder.done();
      if (revoked) {
        void show(dialect.refusal(revoked));
        close(POLICY_VIOLATION, "the API key was revoked");
      }
    }
  }

  async function relay(
    served: Extract<Served<FrameReply>, { kind: "committed" }>,
    facts: RequestFacts,
    { caller, holder }: { caller: Caller; holder: ClientPresence },
  ): Promise<void> {
    const { reply } = served;
    const completed = dialect.completing(facts.model, caller);
    if (reply.transport === "http") {
      overHttp = true;
      await showHttpReply(reply, { client: holder, clock, drain, onEnd: served.end }, (text) => {
        const type = upstreamTypeOf(text);
        return show(completed(type, pooled(type, text)));
      });
      overHttp = false;
      return;
    }
    const finished = Promise.withResolvers<void>();
    let ended = false;
    const current: Relaying = {
      served: { ...served, reply },
      facts,
      completed,
      times: { firstByteAt: null, firstTokenAt: null, endedAt: 0, streamedBytes: 0 },
      done(how) {
        if (ended) return;
        ended = true;
        relaying = null;
        current.times.endedAt = clock.monotonic();
        served.end(how, current.times);
        finished.resolve();
      },
    };
    const { holding } = reply;
    relaying = current;
    const unregister = holder.onLeave(() => current.done(holder.revoked?.() ? "revoked" : "client_left"));
    for (const text of holding.held) {
      const type = upstreamTypeOf(text);
      const wait = show(completed(type, pooled(type, text)));
      noteTimes(current, text);
      if (wait) await wait;
    }
    if (holding.observer.phase() === "ended") current.done("completed");
    holding.open();
    await finished.promise;
    unregister();
  }

  /** The wait for running responses is over: say so, in a way after which the client asks again. */
  function shutDown(): void {
    // Whoever follows the HTTP reply is told by itself.
    if (overHttp) return;
    const { code, message } = brokenOff("drained");
    void show(failedFrame(code, message));
    relaying?.done("drained");
    close(GOING_AWAY, "codex-lb is stopping");
    client.leave();
  }

  /** Any other frame of the client: to where its response runs, at once, as it came (an interrupt). */
  function forward(bytes: Buffer): void {
    const link = upstream.link();
    if (!link || link.ended() || link.send(bytes)) return;
    // No more of the client's frames than upstream takes.
    client.hold(link.drained());
  }

  function close(code: number, reason: string): void {
    upstream.drop();
    client.close(code, reason);
  }

  return {
    opened: (socket) => client.opened(socket),
    message(data) {
      seenAt = clock.monotonic();
      const bytes = Buffer.from(data as string);
      const type = clientFrameType(bytes);
      if (type === "" && dialect.untyped !== null) return void show(dialect.untyped);
      if (type !== "response.create") return forward(bytes);
      if (idleSince !== null) return void create(bytes);
      waitingBytes += bytes.byteLength;
      if (waiting.push(bytes) > MAX_WAITING_FRAMES || waitingBytes > MAX_WAITING_BYTES)
        close(POLICY_VIOLATION, "too many requests at once");
    },
    drained: () => client.drained(),
    ponged: () => void (seenAt = clock.monotonic()),
    closed: () => client.leave(),
    idleSince: () => idleSince,
    seenAt: () => seenAt,
    ping: () => client.ping(),
    close,
    terminate: () => client.terminate(),
  };
}

function upstreamTypeOf(text: string): string {
  return jsonType(text.slice(0, 256));
}

function chainOf(bytes: Buffer): { chained: boolean; metadata: JsonRecord | null } {
  const scan = scanTopLevel(bytes, CHAIN_FIELDS);
  const fields = scan.ok ? scan.fields : null;
  return {
    chained: asText(fields?.get("previous_response_id")) !== null,
    metadata: asRecord(fields?.get("client_metadata")),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Codes that stand for the lack of one may not be sent (RFC 6455 7.4.1). */
function sendableCode(code: number): number {
  const mayBeSent =
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || code >= 3000;
  return mayBeSent ? code : GOING_AWAY;
}
