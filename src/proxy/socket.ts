/** All WebSockets of clients: they are opened here, kept alive, and ended when idle for long, when their key dies, and on a stop. */
import type { Clock, Log, Timer } from "../ports.ts";
import type { Pool } from "../pool/pool.ts";
import type { ClientView } from "./client-view.ts";
import type { Drain } from "./drain.ts";
import type { HttpAttempt } from "./http-attempt.ts";
import type { Caller, Serving } from "./serve.ts";
import type { SocketDialect } from "./socket-dialect.ts";
import { createSession, type OpenSession, type SocketSession } from "./socket-session.ts";
import type { Dialer } from "./socket-upstream.ts";

/** Often enough for the routers between (many forget a silent connection after a minute or more). */
const PING_INTERVAL_MS = 30_000;
/** A socket on which nothing was asked for so long gives its memory, and upstream's, back; the next turn connects anew. */
const IDLE_LIMIT_MS = 15 * 60_000;
/** A client that answers no ping for so long while a response runs has vanished without a word. */
const SILENT_LIMIT_MS = 5 * 60_000;
const NORMAL_CLOSURE = 1000;
const GOING_AWAY = 1001;
const POLICY_VIOLATION = 1008;

export interface SocketRelayPorts {
  serving: Serving;
  dial: Dialer;
  httpAttempt: HttpAttempt;
  pool: Pool;
  clock: Clock;
  drain: Drain;
  log: Log;
  firstEventTimeoutMs: number;
  view: ClientView;
}

/** What sessions need besides. */
export interface SocketPorts extends SocketRelayPorts {
  /** Headers with which upstream accepted a socket. */
  noteHandshake(headers: readonly [string, string][]): void;
  /** No further request is to begin. */
  closing(): boolean;
}

export interface SocketRelay {
  /** A client's socket that is about to be opened. `caller` is asked for every request on it, and throws when there may be none. */
  accept(asked: {
    headers: ReadonlyMap<string, string>;
    caller(): Caller;
    first: Caller;
    dialect: SocketDialect;
  }): SocketSession;
  /** Headers for the client's handshake, as far as upstream's are known. */
  handshakeHeaders(caller: Caller): [string, string][];
  /** Open sockets. */
  size(): number;
  /** Ends the idle ones, and the others with the end of what they are doing. */
  drain(): void;
  stop(): void;
}

/** Upstream says the same to everybody; Codex counts reasoning tokens differently without it (UPSTREAM D). */
const REMEMBERED = "x-reasoning-included";

export function createSocketRelay(ports: SocketRelayPorts): SocketRelay {
  const { clock } = ports;
  const sessions = new Set<OpenSession>();
  let remembered: string | null = null;
  let closing = false;
  let timer: Timer | null = null;

  const sessionPorts: SocketPorts = {
    ...ports,
    closing: () => closing,
    noteHandshake(headers) {
      remembered = headers.find(([name]) => name === REMEMBERED)?.[1] ?? remembered;
    },
  };

  function tick(): void {
    timer = sessions.size > 0 ? clock.schedule(PING_INTERVAL_MS, tick) : null;
    const now = clock.monotonic();
    for (const session of [...sessions]) {
      const idleSince = session.idleSince();
      if (idleSince !== null && now - idleSince >= IDLE_LIMIT_MS) session.close(NORMAL_CLOSURE, "idle");
      else if (idleSince === null && now - session.seenAt() >= SILENT_LIMIT_MS) session.terminate();
      else session.ping();
    }
  }

  return {
    accept({ first, ...handshake }) {
      const session = createSession(handshake, sessionPorts, () => {
        sessions.delete(session);
        forgetKey?.();
      });
      sessions.add(session);
      timer ??= clock.schedule(PING_INTERVAL_MS, tick);
      const forgetKey = first.key?.onRevoked(() => {
        // One that is busy says it itself, when it has recorded what it was doing.
        if (session.idleSince() !== null) session.close(POLICY_VIOLATION, "the API key was revoked");
      });
      return session;
    },
    handshakeHeaders: (caller) =>
      ports.view.headers(remembered === null ? [] : [[REMEMBERED, remembered]], caller),
    size: () => sessions.size,
    drain() {
      closing = true;
      for (const session of [...sessions]) {
        if (session.idleSince() !== null) session.close(GOING_AWAY, "codex-lb is stopping");
      }
    },
    stop() {
      timer?.cancel();
      for (const session of [...sessions]) session.terminate();
    },
  };
}
