/** One attempt over HTTP: sends the request as one account, and looks at the reply until it is known to be none of a failure. */
import { keepCookies } from "../core/cookies.ts";
import { clientHeaders, upstreamHead } from "../core/headers.ts";
import { createReplyObserver, type ReplyObserver } from "../core/reply-observer.ts";
import type { Seen } from "../core/retry.ts";
import { createSseScanner, type SseScanner } from "../core/sse.ts";
import type { PooledAccount } from "../pool/pool.ts";
import type { Clock, Timer } from "../ports.ts";
import type { Origin, WireReply } from "../upstream/connection.ts";
import { type Exchange, type Http1Client, parseOrigin } from "../upstream/http1.ts";
import { TransportError } from "../upstream/transport-error.ts";
import { laneOf } from "./api-key-lane.ts";
import { plainBody } from "./client-request.ts";
import type { AttemptContext, Attempted, ClientPresence, UpstreamAnswer } from "./engine.ts";

/** An error body is read up to here; more of it says nothing new. */
const MAX_ERROR_BODY_BYTES = 64 * 1024;
/** A preamble (its `response.created` may repeat every tool) longer than this is let through. */
export const MAX_HELD_BYTES = 4 * 1024 * 1024;
/**
 * How long events that show nothing are held back after the first of them, in the hope that what fails now fails before
 * anything was shown: overloads come right behind `response.created`.
 */
export const HOLD_PREAMBLE_MS = 3_000;

export interface HttpAttemptRequest {
  method: string;
  /** Below the backend's base, with query, for example `/codex/responses`. */
  path: string;
  headers: Iterable<[string, string]>;
  body: Uint8Array | null;
  client: ClientPresence;
  /** Look at the reply as a Responses event stream. */
  observe: boolean;
  /** Set: the client gets nothing before the end of the reply, so that a failure in its middle can still be mended. */
  whole?: HeldSoFar | null;
}

/** What has come of a reply that is held to its end. */
export interface HeldSoFar {
  streamedBytes: number;
  /** On the monotonic clock; null before. */
  firstTokenAt: number | null;
}

/** A reply that is to be relayed: its head, what was already read of it, and the rest. */
export interface CommittedReply {
  transport: "http";
  status: number;
  headers: [string, string][];
  held: Uint8Array[];
  read(): Uint8Array | null | Promise<Uint8Array | null>;
  /** Takes nothing more from upstream until a `read` finds nothing waiting. */
  pause(): void;
  cancel(): void;
  /** It was cancelled because the key it was made with is dead. */
  revoked: boolean;
  /** null when the reply is not an event stream. */
  observer: ReplyObserver | null;
  scanner: SseScanner | null;
  header(name: string): string | null;
}

export interface HttpAttemptPorts {
  /** The account's cookies as they are after a reply. */
  keepCookie(accountId: string, cookie: string | null): void;
  http: Http1Client;
  clock: Clock;
  upstreamBaseUrl: string;
  /** Of the API-key lane. */
  openAiBaseUrl: string;
  connectTimeoutMs: number;
  firstEventTimeoutMs: number;
}

export type HttpAttempt = (
  request: HttpAttemptRequest,
  context: AttemptContext,
) => Promise<Attempted<CommittedReply>>;

export function createHttpAttempt(ports: HttpAttemptPorts): HttpAttempt {
  const { http, clock, connectTimeoutMs, firstEventTimeoutMs, keepCookie } = ports;
  const base = parseOrigin(ports.upstreamBaseUrl);
  const openAi = parseOrigin(ports.openAiBaseUrl);

  function destination(account: PooledAccount, path: string): { origin: Origin; target: string } {
    if (laneOf(account) === "api_key") {
      return { origin: openAi.origin, target: openAi.path + path.replace(CODEX_PATH, "/") };
    }
    const origin = account.routing?.origin ?? null;
    return {
      origin: origin === null ? base.origin : parseOrigin(origin).origin,
      target: base.path + path,
    };
  }

  return async (asked, context) => {
    const { account } = context;
    const byApiKey = laneOf(account) === "api_key";
    const request = byApiKey ? forOpenAi(asked) : asked;
    const { origin, target } = destination(account, request.path);
    const head = upstreamHead({
      method: request.method,
      target,
      host: origin.host,
      headers: request.headers,
      identity: {
        bearer: account.credentials.accessToken.reveal(),
        chatgptAccountId: account.chatgptAccountId,
        routingOverride: account.routing?.routingOverride ?? null,
        cookie: account.cookie,
        drop: context.dropTurnState ? TURN_STATE : null,
      },
      bodyBytes: request.body?.byteLength ?? (request.method === "GET" ? null : 0),
    });
    const exchange = http.send({ origin, head, body: request.body, connectTimeoutMs });
    const unregister = request.client.onLeave(() => exchange.cancel());
    const timeout = createTimeout(clock, firstEventTimeoutMs, () => exchange.cancel());
    try {
      const reply = await exchange.reply;
      const cookie = keepCookies(account.cookie, reply.headers);
      if (cookie !== account.cookie) keepCookie(account.id, cookie);
      const attempted = await judge(request, reply, exchange, timeout);
      if (attempted.kind === "failed") exchange.cancel();
      return byApiKey ? withoutOwner(attempted) : attempted;
    } catch (error) {
      exchange.cancel();
      if (!(error instanceof TransportError)) throw error;
      const code = timeout.expired() ? "timeout" : error.code;
      return failed({ ...NOTHING_SEEN, transport: { phase: error.phase, code } }, null, exchange);
    } finally {
      timeout.cancel();
      unregister();
    }
  };

  async function judge(
    request: HttpAttemptRequest,
    reply: WireReply,
    exchange: Exchange,
    timeout: Timeout,
  ): Promise<Attempted<CommittedReply>> {
    const isStream = reply.headers.get("content-type")?.includes("text/event-stream") ?? false;
    if (reply.status >= 300 || (request.observe && !isStream && reply.status !== 200)) {
      const { seen, answer } = await readAnswer(reply);
      return failed(seen, answer, exchange);
    }
    const committed: CommittedReply = {
      transport: "http",
      status: reply.status,
      headers: clientHeaders(reply.headers),
      held: [],
      read: reply.read,
      pause: reply.pause,
      cancel: exchange.cancel,
      revoked: false,
      observer: null,
      scanner: null,
      header: headerOf(reply),
    };
    if (request.observe) {
      // Upstream has sent event streams without a content type; the client goes by the bytes (UPSTREAM C).
      const observer = createReplyObserver();
      committed.observer = observer;
      committed.scanner = createSseScanner({
        wants: observer.wants,
        isNoise: observer.isNoise,
        onEvent: observer.event,
      });
      const failure = await hold(committed, observer, { timeout, whole: request.whole ?? null });
      if (failure) return failed({ ...failure, header: committed.header }, heldAnswer(committed), exchange);
    }
    return { kind: "committed", value: committed, connectMs: exchange.connectMs() };
  }

  /**
   * Reads until content begins (for a whole reply, until it has ended), the preamble has been held long enough, or the reply turns
   * out to be a failure.
   */
  async function hold(
    reply: CommittedReply,
    observer: ReplyObserver,
    { timeout, whole }: { timeout: Timeout; whole: HeldSoFar | null },
  ): Promise<Seen | null> {
    let heldBytes = 0;
    let begun = false;
    let patience: Timeout | null = null;
    let waiting: Promise<Uint8Array | null> | null = null;
    const isHeld = () => observer.phase() === "preamble" || (whole && observer.phase() === "content");
    try {
      while (isHeld() && heldBytes < MAX_HELD_BYTES) {
        let bytes = waiting ?? reply.read();
        waiting = null;
        if (bytes instanceof Promise) {
          if (patience) {
            const first = await Promise.race([bytes, patience.promise]);
            if (first === EXPIRED) {
              waiting = bytes;
              break;
            }
            bytes = first;
          } else bytes = await bytes;
        }
        if (bytes === null)
          return { ...NOTHING_SEEN, transport: { phase: "first_event", code: "ended_early" } };
        reply.held.push(bytes);
        heldBytes += bytes.byteLength;
        reply.scanner!.push(bytes);
        if (whole) {
          whole.streamedBytes = heldBytes;
          if (observer.phase() !== "preamble") whole.firstTokenAt ??= clock.monotonic();
        }
        if (!begun && heldBytes > 0 && !reply.scanner!.midEvent()) {
          begun = true;
          timeout.cancel();
          if (!whole) patience = createTimeout(clock, HOLD_PREAMBLE_MS);
        }
      }
    } finally {
      patience?.cancel();
    }
    if (waiting) resumeWith(reply, waiting);
    const event = observer.earlyFailure() ?? (whole ? observer.lateFailure() : null);
    return event === null ? null : { ...NOTHING_SEEN, event };
  }
}

/** Of the Codex backend's paths, what OpenAI's API does not have. */
const CODEX_PATH = /^\/codex\//;
/** What names the organisation behind the API key: a client may neither choose nor learn it. */
const OWNER = /^openai-(organization|project)$|^x-ratelimit-/;

/** OpenAI's API takes plain bodies; Codex packs its own when it signs in with ChatGPT (UPSTREAM B.3). */
function forOpenAi(request: HttpAttemptRequest): HttpAttemptRequest {
  let encoding: string | null = null;
  const headers: [string, string][] = [];
  for (const [name, value] of request.headers) {
    if (name.toLowerCase() === "content-encoding") encoding = value;
    else if (!OWNER.test(name.toLowerCase())) headers.push([name, value]);
  }
  return { ...request, headers, body: request.body && plainBody(request.body, encoding) };
}

function withoutOwner(attempted: Attempted<CommittedReply>): Attempted<CommittedReply> {
  const from = attempted.kind === "committed" ? attempted.value : attempted.answer;
  if (from) from.headers = from.headers.filter(([name]) => !OWNER.test(name));
  return attempted;
}

const TURN_STATE: ReadonlySet<string> = new Set(["x-codex-turn-state"]);

export const NOTHING_SEEN: Seen = {
  status: null,
  header: () => null,
  body: "",
  event: null,
  transport: null,
};

/** Made here and not where the request is in reach: what lives as long as a reply must not hold the request's body. */
function headerOf({ headers }: WireReply): (name: string) => string | null {
  return (name) => headers.get(name);
}

function failed(seen: Seen, answer: UpstreamAnswer | null, exchange: Exchange): Attempted<CommittedReply> {
  return { kind: "failed", seen, answer, connectMs: exchange.connectMs() };
}

/** The next read of `reply` gives what `waiting` brings: it was asked for before the reply was committed. */
function resumeWith(reply: CommittedReply, waiting: Promise<Uint8Array | null>): void {
  const { read } = reply;
  let first: Promise<Uint8Array | null> | null = waiting;
  waiting.catch(() => {});
  reply.read = () => {
    if (!first) return read();
    const bytes = first;
    first = null;
    return bytes;
  };
}

/** An answer that is no success: its body is read, bounded, and kept to be passed on. */
export async function readAnswer(reply: WireReply): Promise<{ seen: Seen; answer: UpstreamAnswer }> {
  const pieces: Uint8Array[] = [];
  let total = 0;
  while (total < MAX_ERROR_BODY_BYTES) {
    const bytes = await reply.read();
    if (bytes === null) break;
    pieces.push(bytes);
    total += bytes.byteLength;
  }
  const body = Buffer.concat(pieces).subarray(0, MAX_ERROR_BODY_BYTES);
  const seen: Seen = {
    status: reply.status,
    header: headerOf(reply),
    body: body.toString("utf8"),
    event: null,
    transport: null,
  };
  return { seen, answer: { status: reply.status, headers: clientHeaders(reply.headers), body } };
}

function heldAnswer(reply: CommittedReply): UpstreamAnswer {
  return { status: reply.status, headers: reply.headers, body: Buffer.concat(reply.held) };
}

const EXPIRED = Symbol("expired");

interface Timeout {
  expired(): boolean;
  cancel(): void;
  promise: Promise<typeof EXPIRED>;
}

function createTimeout(clock: Clock, delayMs: number, onExpiry?: () => void): Timeout {
  let expired = false;
  const { promise, resolve } = Promise.withResolvers<typeof EXPIRED>();
  const timer: Timer = clock.schedule(delayMs, () => {
    expired = true;
    onExpiry?.();
    resolve(EXPIRED);
  });
  return { expired: () => expired, cancel: () => timer.cancel(), promise };
}
