/** One attempt for a `response.create` frame: over the session's socket to the account, or over HTTP where a socket cannot carry it. */
import { clientHeaders } from "../core/headers.ts";
import { asRecord, type JsonRecord } from "../core/json-read.ts";
import type { Seen } from "../core/retry.ts";
import { withoutSealedItems } from "../core/strip.ts";
import type { PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import { TransportError } from "../upstream/transport-error.ts";
import { laneOf } from "./api-key-lane.ts";
import type { AttemptContext, Attempted, ClientPresence } from "./engine.ts";
import { type CommittedReply, type HttpAttempt, NOTHING_SEEN, readAnswer } from "./http-attempt.ts";
import type { ObservedReply } from "./serve.ts";
import {
  CHAIN_LOST_CODE,
  CHAIN_LOST_FRAME,
  httpBodyOf,
  httpHeadersOf,
  upstreamFrameType,
  UPSTREAM_MAX_FRAME_BYTES,
  withoutTurnState,
} from "./socket-frames.ts";
import { createHolding, type Holding } from "./socket-holding.ts";
import { createLink, type Dialer, type LinkEvents, type UpstreamLink } from "./socket-upstream.ts";

/** A response that is coming over the session's socket. */
export interface SocketReply extends ObservedReply {
  transport: "websocket";
  holding: Holding;
}

export type FrameReply = SocketReply | CommittedReply;

/** The upstream side of one client's socket. */
export interface Upstream {
  link(): UpstreamLink | null;
  /** Ends the socket to upstream, and with it every chain of responses that it holds. */
  drop(): void;
  attempt(create: CreateFrame, context: AttemptContext): Promise<Attempted<FrameReply>>;
  /** Frames of the last failed attempt: what to show when upstream's own answer is to be passed on; null: it came over HTTP. */
  lastFrames(): readonly string[] | null;
}

export interface CreateFrame {
  bytes: Buffer;
  /** It names a previous response, which only the socket knows that made it. */
  chained: boolean;
  metadata: JsonRecord | null;
  client: ClientPresence;
  /** Attempts begun, this one not yet included. */
  attempts: number;
  /** What its account could not read has been taken out of it. */
  stripped: boolean;
}

export interface UpstreamPorts {
  dial: Dialer;
  httpAttempt: HttpAttempt;
  clock: Clock;
  firstEventTimeoutMs: number;
  handshake: ReadonlyMap<string, string>;
  /** Frames and the end of the socket while no response is held back. */
  events: LinkEvents;
  /** With the headers of the handshake's answer, as a client may see them. */
  onOpen(account: PooledAccount, headers: [string, string][]): void;
}

/** Upstream's answer to a handshake where it speaks no WebSocket (UPSTREAM D). */
const UPGRADE_REQUIRED = 426;

export function createUpstream(ports: UpstreamPorts): Upstream {
  const { clock, handshake, firstEventTimeoutMs } = ports;
  let link: UpstreamLink | null = null;
  let holding: Holding | null = null;
  /** The last response failed: what may still come of it is not the client's any more. */
  let muted = false;
  let lastFrames: readonly string[] | null = null;
  let speaksHttpOnly = false;

  const events: LinkEvents = {
    onFrame(frame) {
      if (holding) return holding.frame(upstreamFrameType(frame), frame.toString("utf8"));
      return muted ? undefined : ports.events.onFrame(frame);
    },
    onEnd(end) {
      link = null;
      if (holding) holding.ended(end);
      ports.events.onEnd(end);
    },
  };

  function drop(): void {
    link?.close();
    link = null;
    holding?.ended({ code: 1000, reason: "" });
  }

  async function attempt(create: CreateFrame, context: AttemptContext): Promise<Attempted<FrameReply>> {
    lastFrames = null;
    const bytes = formOf(create, context);
    // An account that could not read the frame still holds the chain before it.
    const again = create.attempts++ > 0 && context.strip === create.stripped;
    create.stripped = context.strip;
    const byHttp =
      speaksHttpOnly || bytes.byteLength > UPSTREAM_MAX_FRAME_BYTES || laneOf(context.account) === "api_key";
    // What went wrong on a socket may still come out of it: a second attempt gets its own.
    if (link && (again || byHttp || link.account !== context.account || link.ended())) drop();
    if (create.chained && !link) {
      lastFrames = [CHAIN_LOST_FRAME];
      return chainLost();
    }
    if (byHttp) return overHttp(create, bytes, context);
    let connectMs: number | null = 0;
    if (!link) {
      const opened = await open(create.client, context);
      if (opened.kind === "failed") {
        if (opened.seen.status !== UPGRADE_REQUIRED) return opened;
        speaksHttpOnly = true;
        return overHttp(create, bytes, context);
      }
      ({ connectMs } = opened);
    }
    return overSocket(link!, bytes, connectMs);
  }

  async function open(
    client: ClientPresence,
    { account }: AttemptContext,
  ): Promise<{ kind: "open"; connectMs: number | null } | Extract<Attempted<never>, { kind: "failed" }>> {
    const dialling = ports.dial(account, handshake);
    const unregister = client.onLeave(dialling.cancel);
    const timer = clock.schedule(firstEventTimeoutMs, dialling.cancel);
    try {
      const answer = await dialling.answer;
      if (answer.kind === "rejected") {
        const read = await readAnswer(answer.reply);
        dialling.cancel();
        return { kind: "failed", ...read, connectMs: dialling.connectMs() };
      }
      if (client.left()) {
        answer.socket.close(1000);
        return broken("client_left", dialling.connectMs());
      }
      link = createLink(answer.socket, account, events);
      ports.onOpen(account, clientHeaders(answer.socket.headers));
      return { kind: "open", connectMs: dialling.connectMs() };
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      const transport = { phase: error.phase, code: error.code === "cancelled" ? "timeout" : error.code };
      return {
        kind: "failed",
        seen: { ...NOTHING_SEEN, transport },
        answer: null,
        connectMs: dialling.connectMs(),
      };
    } finally {
      timer.cancel();
      unregister();
    }
  }

  async function overSocket(
    used: UpstreamLink,
    bytes: Buffer,
    connectMs: number | null,
  ): Promise<Attempted<FrameReply>> {
    const current = createHolding(clock, firstEventTimeoutMs);
    holding = current;
    used.send(bytes);
    const decision = await current.decision;
    holding = null;
    muted = decision.kind !== "commit";
    switch (decision.kind) {
      case "commit":
        return {
          kind: "committed",
          value: {
            transport: "websocket",
            status: 101,
            headers: [],
            observer: current.observer,
            holding: current,
          },
          connectMs,
        };
      case "failed": {
        lastFrames = current.held;
        current.open();
        const body = Buffer.from(current.held.at(-1) ?? "");
        const answer = { status: statusOf(decision.event), headers: [], body };
        return { kind: "failed", seen: { ...NOTHING_SEEN, event: decision.event }, answer, connectMs };
      }
      case "broken":
        drop();
        current.open();
        return broken(decision.code, connectMs);
    }
  }

  function overHttp(create: CreateFrame, bytes: Buffer, context: AttemptContext) {
    return ports.httpAttempt(
      {
        method: "POST",
        path: "/codex/responses",
        headers: httpHeadersOf(handshake, create.metadata),
        body: httpBodyOf(bytes),
        client: create.client,
        observe: true,
      },
      context,
    );
  }

  return { link: () => link, drop, attempt, lastFrames: () => lastFrames };
}

/** The frame as this attempt may send it. */
function formOf({ bytes }: CreateFrame, { dropTurnState, strip }: AttemptContext): Buffer {
  const own = dropTurnState ? withoutTurnState(bytes) : bytes;
  const stripped = strip ? withoutSealedItems(own) : null;
  return stripped ? Buffer.from(stripped.buffer, stripped.byteOffset, stripped.byteLength) : own;
}

function statusOf(event: unknown): number {
  const status = asRecord(event)?.status ?? asRecord(event)?.status_code;
  return typeof status === "number" ? status : 400;
}

function broken(code: string, connectMs: number | null): Extract<Attempted<never>, { kind: "failed" }> {
  const seen: Seen = { ...NOTHING_SEEN, transport: { phase: "first_event", code } };
  return { kind: "failed", seen, answer: null, connectMs };
}

function chainLost(): Extract<Attempted<never>, { kind: "failed" }> {
  const event = { type: "error", status: 400, error: { code: CHAIN_LOST_CODE } };
  const answer = { status: 400, headers: [], body: Buffer.from(CHAIN_LOST_FRAME) };
  return { kind: "failed", seen: { ...NOTHING_SEEN, event }, answer, connectMs: null };
}
