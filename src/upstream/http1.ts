/**
 * An HTTP/1.1 client over `Bun.connect`, for the relay only: bytes come out as they arrived, reading stops when the
 * reader stops, and a request can be cut at any moment. Bun's own fetch queues beyond 256 requests, holds megabytes for
 * a stalled reader, and relayed at 0.37 of this client's rate (bench/README).
 */
import type { Clock, Timer } from "../ports.ts";
import {
  Connection,
  type ConnectionOwner,
  type Origin,
  type WireReply,
  type WireRequest,
} from "./connection.ts";
import { receiveBufferSetter } from "./socket-options.ts";
import { TransportError } from "./transport-error.ts";

/**
 * Kernel receive buffer of an upstream connection (Linux doubles it). It bounds what one read can deliver, and so what a
 * stalled client can make us hold; at 50 ms round trip it still carries close to a megabyte per second per stream. With less, a
 * sender on the same machine that writes pieces of 10 kB waits 200 ms for every third of them (measured with 16 KiB).
 */
const RECEIVE_BUFFER_BYTES = 24 * 1024;
/** Unused connections kept per origin, and for how long; shorter than the keep-alive of the servers we speak to. */
const MAX_IDLE_PER_ORIGIN = 256;
const IDLE_CONNECTION_MS = 20_000;

/** Splits an absolute http(s) URL into its origin and its path without a trailing slash. */
export function parseOrigin(url: string): { origin: Origin; path: string } {
  const parsed = new URL(url);
  const tls = parsed.protocol === "https:";
  const port = parsed.port === "" ? (tls ? 443 : 80) : Number(parsed.port);
  const hostname = parsed.hostname.replace(/^\[|\]$/g, "");
  return {
    origin: { key: parsed.origin, hostname, port, tls, host: parsed.host },
    path: parsed.pathname.replace(/\/+$/, ""),
  };
}

export interface Exchange {
  /** Rejects with TransportError. */
  reply: Promise<WireReply>;
  /** Milliseconds that connecting took; 0 on a reused connection, null until connected. */
  connectMs(): number | null;
  /** Ends it now; the connection is closed unless the reply was complete. Harmless afterwards. */
  cancel(): void;
  /** After a reply 101, when the connection speaks another protocol: sends bytes. False: more only after `drained`. */
  write(bytes: Uint8Array): boolean;
  /** Resolves when all that was written has been handed to the system, or the connection is gone. */
  drained(): Promise<void>;
}

export interface Http1Client {
  send(request: WireRequest): Exchange;
  /** Connections open now, idle ones included. */
  openConnections(): number;
  /** Closes every connection. */
  stop(): void;
}

export function createHttp1Client(clock: Clock): Http1Client {
  const boundReceiveBuffer = receiveBufferSetter(RECEIVE_BUFFER_BYTES);
  const idle = new Map<string, Connection[]>();
  const all = new Set<Connection>();
  let sweep: Timer | null = null;

  function sweepIdle(): void {
    sweep = null;
    const oldest = clock.monotonic() - IDLE_CONNECTION_MS;
    for (const [key, connections] of idle) {
      const kept = connections.filter((connection) => connection.idleSince > oldest || !connection.destroy());
      if (kept.length > 0) idle.set(key, kept);
      else idle.delete(key);
    }
    if (idle.size > 0) sweep = clock.schedule(IDLE_CONNECTION_MS / 4, sweepIdle);
  }

  const owner: ConnectionOwner = {
    release(connection) {
      connection.idleSince = clock.monotonic();
      const waiting = idle.get(connection.origin.key);
      if (!waiting) idle.set(connection.origin.key, [connection]);
      else if (waiting.length >= MAX_IDLE_PER_ORIGIN) connection.destroy();
      else waiting.push(connection);
      sweep ??= clock.schedule(IDLE_CONNECTION_MS / 4, sweepIdle);
    },
    closed(connection) {
      all.delete(connection);
      const waiting = idle.get(connection.origin.key);
      const at = waiting?.indexOf(connection) ?? -1;
      if (at >= 0) waiting!.splice(at, 1);
    },
  };

  function takeIdle(origin: Origin): Connection | null {
    return idle.get(origin.key)?.pop() ?? null;
  }

  async function open(connection: Connection, request: WireRequest): Promise<void> {
    all.add(connection);
    const timeout = clock.schedule(request.connectTimeoutMs, () => connection.fail("timeout"));
    try {
      await connection.open(boundReceiveBuffer);
    } catch (error) {
      connection.destroy();
      throw error;
    } finally {
      timeout.cancel();
    }
  }

  return {
    send(asked) {
      /** Not kept beyond the reply's head: a WebSocket lives for an hour. */
      let unsent: WireRequest | null = asked;
      let connection: Connection | null = null;
      let opening: Connection | null = null;
      let connectMs: number | null = null;
      let cancelled = false;

      async function run(): Promise<WireReply> {
        const request = unsent!;
        unsent = null;
        const reused = takeIdle(request.origin);
        if (reused) {
          connection = reused;
          connectMs = 0;
          try {
            return await reused.exchange(request);
          } catch (error) {
            // A kept connection may have been closed by the server while our request was on its way: that says nothing
            // about the request, which has not been answered by a single byte.
            if (cancelled || !(error instanceof TransportError) || !reused.diedUnanswered) throw error;
          }
        }
        const started = clock.monotonic();
        opening = new Connection(request.origin, owner);
        await open(opening, request);
        connection = opening;
        opening = null;
        connectMs = clock.monotonic() - started;
        return connection.exchange(request);
      }

      return {
        reply: run(),
        connectMs: () => connectMs,
        cancel() {
          cancelled = true;
          opening?.fail("cancelled");
          connection?.abandon();
        },
        write: (bytes) => connection?.write(bytes) ?? true,
        drained: () => connection?.drained() ?? Promise.resolve(),
      };
    },
    openConnections: () => all.size,
    stop() {
      sweep?.cancel();
      for (const connection of all) connection.destroy();
      idle.clear();
    },
  };
}
