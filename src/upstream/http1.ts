/**
 * An HTTP/1.1 client over `Bun.connect`, for the relay only: bytes come out as they arrived, reading stops when the
 * reader stops, and a request can be cut at any moment. Bun's own fetch queues beyond 256 requests, holds megabytes for
 * a stalled reader, and relayed at 0.37 of this client's rate (bench/README).
 */
import type { Socket } from "bun";
import { HeaderList } from "../core/header-list.ts";
import type { Clock, Timer } from "../ports.ts";
import { receiveBufferSetter } from "./socket-options.ts";

/**
 * Kernel receive buffer of an upstream connection (Linux doubles it). It bounds what one read can deliver, and so what a
 * stalled client can make us hold; at 50 ms round trip it still carries about half a megabyte per second per stream.
 */
const RECEIVE_BUFFER_BYTES = 16 * 1024;
/** Reading pauses while this much of a reply waits for its reader. */
const PAUSE_ABOVE_BYTES = 8 * 1024;
/** Upstream's header block may carry long cookies and reports, but not more than this. */
const MAX_HEADER_BYTES = 256 * 1024;
/** A chunk-size or trailer line is never longer in honest use. */
const MAX_CHUNK_LINE_BYTES = 4 * 1024;
/** A body up to this size is sent in one write together with its head. */
const JOINED_WRITE_BYTES = 64 * 1024;
/** Unused connections kept per origin, and for how long; shorter than the keep-alive of the servers we speak to. */
const MAX_IDLE_PER_ORIGIN = 256;
const IDLE_CONNECTION_MS = 20_000;

export interface Origin {
  /** `http://127.0.0.1:8080`; connections are shared per origin. */
  key: string;
  hostname: string;
  port: number;
  tls: boolean;
  /** Value of the Host header. */
  host: string;
}

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

export type TransportPhase = "connect" | "headers" | "body";

/** The connection failed. `code` is short and safe to log; it never holds upstream's words. */
export class TransportError extends Error {
  readonly phase: TransportPhase;
  readonly code: string;
  constructor(phase: TransportPhase, code: string) {
    super(`upstream ${phase}: ${code}`);
    this.name = "TransportError";
    this.phase = phase;
    this.code = code;
  }
}

export interface WireRequest {
  origin: Origin;
  /** Request line and header lines, each ended by CRLF, with the final blank line; latin-1. */
  head: string;
  body: Uint8Array | null;
  connectTimeoutMs: number;
}

export interface WireReply {
  status: number;
  headers: HeaderList;
  /**
   * The next bytes, null at the end. Throws (or rejects with) TransportError when the reply was cut.
   * Answers at once while bytes wait, so that a fast reply costs no promise.
   */
  read(): Uint8Array | null | Promise<Uint8Array | null>;
  /** Takes nothing more from the network until a `read` finds nothing waiting: for a reader who has to wait for its own. */
  pause(): void;
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

  async function connect(request: WireRequest, cancelled: () => boolean): Promise<Connection> {
    const connection = new Connection(request.origin, owner);
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
    if (cancelled()) {
      connection.destroy();
      throw new TransportError("connect", "cancelled");
    }
    return connection;
  }

  return {
    send(request) {
      let connection: Connection | null = null;
      let connectMs: number | null = null;
      let cancelled = false;

      async function run(): Promise<WireReply> {
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
        connection = await connect(request, () => cancelled);
        connectMs = clock.monotonic() - started;
        return connection.exchange(request);
      }

      return {
        reply: run(),
        connectMs: () => connectMs,
        cancel() {
          cancelled = true;
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

interface ConnectionOwner {
  release(connection: Connection): void;
  closed(connection: Connection): void;
}

type BodyFraming = "length" | "chunk_size" | "chunk_data" | "chunk_end" | "trailer" | "until_close";

/** The bytes of one reply between the socket and its reader. It outlives the exchange when the reader is behind. */
class ReplyBody {
  #queue: Uint8Array[] = [];
  #ended = false;
  #error: TransportError | null = null;
  #pending: { resolve(bytes: Uint8Array | null): void; reject(error: TransportError): void } | null = null;
  readonly #starved: () => void;
  queuedBytes = 0;

  /** `starved` is called when the reader waits and nothing is queued. */
  constructor(starved: () => void) {
    this.#starved = starved;
  }

  push(bytes: Uint8Array): void {
    const pending = this.#pending;
    if (pending) {
      this.#pending = null;
      pending.resolve(bytes);
      return;
    }
    this.#queue.push(bytes);
    this.queuedBytes += bytes.byteLength;
  }

  end(error: TransportError | null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    const pending = this.#pending;
    this.#pending = null;
    if (error) pending?.reject(error);
    else pending?.resolve(null);
  }

  read(): Uint8Array | null | Promise<Uint8Array | null> {
    const bytes = this.#queue.shift();
    if (bytes) {
      this.queuedBytes -= bytes.byteLength;
      return bytes;
    }
    if (this.#ended) {
      if (this.#error) throw this.#error;
      return null;
    }
    const next = new Promise<Uint8Array | null>((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
    this.#starved();
    return next;
  }
}

/** One socket, one exchange at a time. */
class Connection {
  readonly origin: Origin;
  idleSince = 0;
  /** The connection ended before any byte of a reply to the current request. */
  diedUnanswered = false;

  readonly #owner: ConnectionOwner;
  #socket: Socket<undefined> | null = null;
  #destroyed = false;
  #openFailed: ((error: TransportError) => void) | null = null;

  /** Set while a request waits for its reply's head. */
  #waiting: { resolve(reply: WireReply): void; reject(error: TransportError): void } | null = null;
  /** Set while a reply's body is arriving. */
  #body: ReplyBody | null = null;
  #unsent: Uint8Array | null = null;
  #onDrained: (() => void)[] = [];
  #head: Buffer | null = null;
  #framing: BodyFraming = "length";
  #left = 0;
  #line = "";
  #keepAlive = true;
  #paused = false;

  constructor(origin: Origin, owner: ConnectionOwner) {
    this.origin = origin;
    this.#owner = owner;
  }

  open(boundReceiveBuffer: (fd: number) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#openFailed = reject;
      const ready = () => {
        this.#openFailed = null;
        resolve();
      };
      Bun.connect({
        hostname: this.origin.hostname,
        port: this.origin.port,
        ...(this.origin.tls ? { tls: { serverName: this.origin.hostname, rejectUnauthorized: true } } : {}),
        socket: {
          binaryType: "uint8array",
          open: (socket) => {
            this.#socket = socket;
            if (this.#destroyed) {
              socket.terminate();
              return;
            }
            socket.setNoDelay(true);
            boundReceiveBuffer((socket as unknown as { fd: number }).fd);
            if (!this.origin.tls) ready();
          },
          handshake: (_socket, success, authorizationError) => {
            if (success && !authorizationError) ready();
            else this.fail("tls");
          },
          data: (_socket, bytes) => this.#received(bytes),
          drain: () => this.#flush(),
          close: () => this.#closed("closed"),
          error: () => this.#closed("reset"),
          connectError: (_socket, error) => this.fail(connectErrorCode(error)),
        },
      }).catch((error: unknown) => this.fail(connectErrorCode(error)));
    });
  }

  /** Ends an opening connection with a reason, or an open one as if it had been cut. */
  fail(code: string): void {
    const failed = this.#openFailed;
    this.#openFailed = null;
    if (failed) failed(new TransportError("connect", code));
    else this.#closed(code);
    this.destroy();
  }

  exchange(request: WireRequest): Promise<WireReply> {
    this.#head = null;
    this.diedUnanswered = false;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      if (this.#destroyed) {
        this.#closed("closed");
        return;
      }
      const body = request.body;
      if (body === null || body.byteLength === 0) this.#send(Buffer.from(request.head, "latin1"));
      else if (body.byteLength <= JOINED_WRITE_BYTES) {
        const joined = Buffer.allocUnsafe(request.head.length + body.byteLength);
        joined.write(request.head, 0, "latin1");
        joined.set(body, request.head.length);
        this.#send(joined);
      } else {
        this.#send(Buffer.from(request.head, "latin1"));
        this.#send(body);
      }
    });
  }

  /** The reader lost interest: close unless the reply is already complete. */
  abandon(): void {
    if (!this.#waiting && !this.#body) return;
    this.#closed("cancelled");
    this.destroy();
  }

  write(bytes: Uint8Array): boolean {
    if (!this.#destroyed) this.#send(bytes);
    return this.#unsent === null;
  }

  drained(): Promise<void> {
    if (this.#unsent === null || this.#destroyed) return Promise.resolve();
    return new Promise((resolve) => this.#onDrained.push(resolve));
  }

  /** Closes at once. Always returns true, so that it can be used in a filter. */
  destroy(): true {
    if (!this.#destroyed) {
      this.#destroyed = true;
      this.#owner.closed(this);
      this.#socket?.terminate();
      this.#unsent = null;
      for (const drained of this.#onDrained.splice(0)) drained();
    }
    return true;
  }

  #send(bytes: Uint8Array): void {
    if (this.#unsent) {
      this.#unsent = Buffer.concat([this.#unsent, bytes]);
      return;
    }
    const written = this.#socket!.write(bytes);
    if (written < 0) this.#closed("closed");
    else if (written < bytes.byteLength) this.#unsent = bytes.subarray(written);
  }

  #flush(): void {
    const unsent = this.#unsent;
    if (!unsent) return;
    this.#unsent = null;
    this.#send(unsent);
    if (this.#unsent === null) for (const drained of this.#onDrained.splice(0)) drained();
  }

  #received(bytes: Uint8Array): void {
    if (this.#body) this.#bodyBytes(this.#body, bytes);
    else if (this.#waiting) this.#headBytes(bytes);
    // Bytes that belong to no request: the server is out of step.
    else this.destroy();
    const queued = this.#body?.queuedBytes ?? 0;
    if (queued > PAUSE_ABOVE_BYTES) this.#pause();
  }

  #pause(): void {
    if (this.#paused || this.#destroyed) return;
    this.#paused = true;
    this.#socket?.pause();
  }

  #headBytes(bytes: Uint8Array): void {
    const so = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const head = this.#head ? Buffer.concat([this.#head, so]) : so;
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) {
      this.#head = head;
      if (head.length > MAX_HEADER_BYTES) this.#protocolError("headers_too_large");
      return;
    }
    this.#head = null;
    const lines = head.toString("latin1", 0, end).split("\r\n");
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(lines[0] ?? "");
    if (!status) return this.#protocolError("not_http");
    const rest = head.subarray(end + 4);
    const code = Number(status[1]);
    if (code >= 100 && code < 200 && code !== 101) {
      if (rest.length > 0) this.#headBytes(rest);
      return;
    }
    lines.shift();
    const body = this.#beginBody(code, HeaderList.parse(lines));
    if (body && rest.length > 0) this.#bodyBytes(body, rest);
  }

  /** Hands the head over. Returns the body to fill, or null when there is none to come. */
  #beginBody(status: number, headers: HeaderList): ReplyBody | null {
    const transferEncoding = headers.get("transfer-encoding");
    const length = headers.get("content-length");
    this.#keepAlive = headers.get("connection")?.toLowerCase() !== "close";
    this.#line = "";
    if (status === 204 || status === 304) {
      this.#framing = "length";
      this.#left = 0;
    } else if (transferEncoding && transferEncoding.toLowerCase() !== "identity") {
      this.#framing = "chunk_size";
    } else if (length !== null && /^\d+$/.test(length)) {
      this.#framing = "length";
      this.#left = Number(length);
    } else {
      this.#framing = "until_close";
      this.#keepAlive = false;
    }
    const body = new ReplyBody(() => {
      if (this.#body === body) this.#resume();
    });
    this.#body = body;
    const waiting = this.#waiting!;
    this.#waiting = null;
    waiting.resolve({
      status,
      headers,
      read: () => body.read(),
      pause: () => {
        if (this.#body === body) this.#pause();
      },
    });
    if (this.#framing !== "length" || this.#left > 0) return body;
    this.#complete(body);
    return null;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#destroyed) this.#socket?.resume();
  }

  #bodyBytes(body: ReplyBody, bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.byteLength) {
      if (this.#body !== body) {
        // More bytes than the reply announced.
        this.destroy();
        return;
      }
      switch (this.#framing) {
        case "until_close":
          body.push(at === 0 ? bytes : bytes.subarray(at));
          return;
        case "length":
        case "chunk_data": {
          const take = Math.min(this.#left, bytes.byteLength - at);
          body.push(at === 0 && take === bytes.byteLength ? bytes : bytes.subarray(at, at + take));
          at += take;
          this.#left -= take;
          if (this.#left > 0) return;
          if (this.#framing === "chunk_data") this.#framing = "chunk_end";
          else this.#complete(body);
          break;
        }
        default: {
          const lf = bytes.indexOf(10, at);
          const end = lf < 0 ? bytes.byteLength : lf;
          for (let i = at; i < end; i++) if (bytes[i] !== 13) this.#line += String.fromCharCode(bytes[i]!);
          at = end + 1;
          if (this.#line.length > MAX_CHUNK_LINE_BYTES) return this.#protocolError("bad_chunk");
          if (lf >= 0 && !this.#chunkLine(body)) return;
        }
      }
    }
  }

  /** Acts on a finished line of the chunked framing; false when the connection was given up. */
  #chunkLine(body: ReplyBody): boolean {
    const line = this.#line;
    this.#line = "";
    if (this.#framing === "chunk_end") this.#framing = "chunk_size";
    else if (this.#framing === "trailer") {
      if (line === "") this.#complete(body);
    } else {
      const size = /^[0-9a-fA-F]{1,13}(?=\s*(;|$))/.exec(line);
      if (!size) {
        this.#protocolError("bad_chunk");
        return false;
      }
      this.#left = Number.parseInt(size[0], 16);
      this.#framing = this.#left === 0 ? "trailer" : "chunk_data";
    }
    return true;
  }

  #complete(body: ReplyBody): void {
    this.#body = null;
    body.end(null);
    this.#resume();
    if (this.#keepAlive && !this.#destroyed && !this.#unsent) this.#owner.release(this);
    else this.destroy();
  }

  #protocolError(code: string): void {
    this.#closed(code);
    this.destroy();
  }

  /** The socket is gone, or treated so: tells whoever waits. */
  #closed(code: string): void {
    const openFailed = this.#openFailed;
    const waiting = this.#waiting;
    const body = this.#body;
    this.#openFailed = null;
    this.#waiting = null;
    this.#body = null;
    if (waiting) this.diedUnanswered = this.#head === null && code !== "cancelled";
    openFailed?.(new TransportError("connect", code));
    waiting?.reject(new TransportError("headers", code));
    const complete = this.#framing === "until_close" && code === "closed";
    body?.end(complete ? null : new TransportError("body", code));
    this.destroy();
  }
}

function connectErrorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[A-Z_]{3,40}$/.test(code) ? code.toLowerCase() : "connect_failed";
}
