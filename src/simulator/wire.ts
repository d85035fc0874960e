/** An HTTP/1.1 server on bare TCP, so that every misbehaviour on the wire is in the simulator's hand. */
import type { Socket } from "bun";
import {
  encodeChunk,
  encodeHead,
  parseHead,
  type Framing,
  type HeaderList,
  type WireRequest,
} from "./http-message.ts";

/** A head larger than this is refused; clients here send about 2 KB. */
const MAX_HEAD_BYTES = 256 * 1024;
/** Above the 200 MB bodies of the tests; more than that is a runaway client. */
const MAX_BODY_BYTES = 512 * 1024 * 1024;
/** Bytes waiting for a slow reader before a writer should wait for `drained`. */
const PRESSURE_BYTES = 64 * 1024;

/** What an upgraded connection hands its bytes to. */
export interface RawReader {
  onBytes(bytes: Uint8Array): void;
  onGone(): void;
}

/** The one reply to a request. After `end`, `cut`, `reset` or the client's departure every call is without effect. */
export interface WireReply {
  /** The client has left (or the connection was ended by us). */
  readonly gone: boolean;
  head(status: number, headers: HeaderList, framing: Framing): void;
  /** Body bytes, framed as the head said. False: wait for `drained` before more. */
  write(bytes: Uint8Array): boolean;
  /** Bytes as they are, no framing. */
  raw(bytes: Uint8Array): boolean;
  /** Resolves when little is waiting, or when the client has left. */
  drained(): Promise<void>;
  /** Resolves after `ms`, or as soon as the client leaves or `wake` is called. Infinity: only then. */
  sleep(ms: number): Promise<void>;
  wake(): void;
  end(): void;
  /** A whole reply. */
  send(status: number, headers: HeaderList, body: Uint8Array | string): void;
  /** Closes in order after what was written. */
  cut(): void;
  /** TCP RST now. */
  reset(): void;
  /** From now on the connection's bytes go to `reader`. */
  upgrade(reader: RawReader): void;
  /** Called once when the client leaves before the end. */
  onGone: (() => void) | null;
}

export interface WireServer {
  port: number;
  openSockets(): number;
  dropAll(): void;
  stop(): void;
}

type Handler = (request: WireRequest, reply: WireReply) => void;

type Reading =
  | { state: "head" }
  | { state: "length"; body: Buffer; filled: number; request: WireRequest }
  | { state: "chunked"; parts: Buffer[]; total: number; request: WireRequest }
  | { state: "busy" }
  | { state: "raw"; reader: RawReader };

export function listenHttp(options: { hostname: string; port: number; onRequest: Handler }): WireServer {
  const connections = new Set<Connection>();
  const listener = Bun.listen<Connection>({
    hostname: options.hostname,
    port: options.port,
    socket: {
      open(socket) {
        socket.data = new Connection(socket, options.onRequest);
        socket.setNoDelay(true);
        connections.add(socket.data);
      },
      data: (socket, bytes) => socket.data.onBytes(bytes),
      drain: (socket) => socket.data.flush(),
      close(socket) {
        connections.delete(socket.data);
        socket.data.onClose();
      },
      error: (socket) => socket.data?.terminate(),
    },
  });
  return {
    port: listener.port,
    openSockets: () => connections.size,
    dropAll() {
      for (const connection of connections) connection.terminate();
    },
    stop() {
      listener.stop(true);
      for (const connection of connections) connection.terminate();
    },
  };
}

/** One TCP connection: parses requests one after another and owns the queue of bytes to send. */
class Connection {
  readonly #socket: Socket<Connection>;
  readonly #handler: Handler;
  #reading: Reading = { state: "head" };
  #input: Buffer = Buffer.alloc(0);
  #queue: Uint8Array[] = [];
  queuedBytes = 0;
  closed = false;
  #endAfterFlush = false;
  reply: Reply | null = null;

  constructor(socket: Socket<Connection>, handler: Handler) {
    this.#socket = socket;
    this.#handler = handler;
  }

  onBytes(bytes: Buffer): void {
    if (this.closed) return;
    if (this.#reading.state === "raw") return this.#reading.reader.onBytes(bytes);
    this.#input = this.#input.length === 0 ? bytes : Buffer.concat([this.#input, bytes]);
    this.#parse();
  }

  #parse(): void {
    while (!this.closed) {
      const reading = this.#reading;
      switch (reading.state) {
        case "head":
          if (!this.#parseHead()) return;
          break;
        case "length": {
          const taken = Math.min(reading.body.length - reading.filled, this.#input.length);
          this.#input.copy(reading.body, reading.filled, 0, taken);
          reading.filled += taken;
          this.#input = this.#input.subarray(taken);
          if (reading.filled < reading.body.length) return;
          this.#dispatch(reading.request, reading.body);
          break;
        }
        case "chunked":
          if (!this.#parseChunks(reading)) return;
          break;
        case "busy":
          return;
        case "raw": {
          const rest = this.#input;
          this.#input = Buffer.alloc(0);
          if (rest.length > 0) reading.reader.onBytes(rest);
          return;
        }
      }
    }
  }

  /** False: more bytes are needed. */
  #parseHead(): boolean {
    const end = this.#input.indexOf("\r\n\r\n");
    if (end < 0) {
      if (this.#input.length > MAX_HEAD_BYTES) this.terminate();
      return false;
    }
    const request = parseHead(this.#input.toString("latin1", 0, end));
    this.#input = this.#input.subarray(end + 4);
    if (request === null) {
      this.terminate();
      return false;
    }
    if (request.header("expect")?.toLowerCase() === "100-continue") this.write(CONTINUE);
    if (request.header("transfer-encoding")?.toLowerCase() === "chunked") {
      this.#reading = { state: "chunked", parts: [], total: 0, request };
      return true;
    }
    const length = Number(request.header("content-length") ?? 0);
    if (!(length >= 0 && length <= MAX_BODY_BYTES)) {
      this.terminate();
      return false;
    }
    if (this.#input.length >= length) {
      const body = this.#input.subarray(0, length);
      this.#input = this.#input.subarray(length);
      this.#dispatch(request, body);
      return true;
    }
    this.#reading = { state: "length", body: Buffer.allocUnsafe(length), filled: 0, request };
    return true;
  }

  #parseChunks(reading: Extract<Reading, { state: "chunked" }>): boolean {
    const lineEnd = this.#input.indexOf("\r\n");
    if (lineEnd < 0) return false;
    const size = Number.parseInt(this.#input.toString("latin1", 0, lineEnd), 16);
    if (!(size >= 0) || reading.total + size > MAX_BODY_BYTES) {
      this.terminate();
      return false;
    }
    const start = lineEnd + 2;
    if (size === 0) {
      const trailerEnd = this.#input.indexOf("\r\n\r\n", lineEnd);
      if (trailerEnd < 0) return false;
      this.#input = this.#input.subarray(trailerEnd + 4);
      this.#dispatch(reading.request, Buffer.concat(reading.parts));
      return true;
    }
    if (this.#input.length < start + size + 2) return false;
    reading.parts.push(this.#input.subarray(start, start + size));
    reading.total += size;
    this.#input = this.#input.subarray(start + size + 2);
    return true;
  }

  #dispatch(request: WireRequest, body: Uint8Array): void {
    request.body = body;
    this.#reading = { state: "busy" };
    this.reply = new Reply(this, request.header("connection")?.toLowerCase() === "close");
    this.#handler(request, this.reply);
  }

  /** The reply is complete: read the next request of this connection, or close. */
  finishReply(close: boolean): void {
    this.reply = null;
    if (close) return this.endInOrder();
    this.#reading = { state: "head" };
    // Off the stack of the handler: a client that pipelines must not recurse.
    if (this.#input.length > 0) queueMicrotask(() => this.#parse());
  }

  upgrade(reader: RawReader): void {
    this.#reading = { state: "raw", reader };
    if (this.#input.length > 0) queueMicrotask(() => this.#parse());
  }

  write(bytes: Uint8Array): boolean {
    if (this.closed || this.#endAfterFlush || bytes.length === 0) return true;
    if (this.#queue.length === 0) {
      const written = Math.max(0, this.#socket.write(bytes));
      if (written === bytes.length) return true;
      bytes = bytes.subarray(written);
    }
    this.#queue.push(bytes);
    this.queuedBytes += bytes.length;
    return this.queuedBytes < PRESSURE_BYTES;
  }

  flush(): void {
    while (this.#queue.length > 0 && !this.closed) {
      const first = this.#queue[0]!;
      const written = Math.max(0, this.#socket.write(first));
      this.queuedBytes -= written;
      if (written < first.length) {
        this.#queue[0] = first.subarray(written);
        break;
      }
      this.#queue.shift();
    }
    if (this.#queue.length === 0 && this.#endAfterFlush) this.#socket.end();
    if (this.queuedBytes < PRESSURE_BYTES) this.reply?.onDrained();
  }

  endInOrder(): void {
    this.#endAfterFlush = true;
    if (this.#queue.length === 0) this.#socket.end();
  }

  terminate(): void {
    if (this.closed) return;
    this.#socket.terminate();
    this.onClose();
  }

  onClose(): void {
    if (this.closed) return;
    this.closed = true;
    this.#queue = [];
    this.queuedBytes = 0;
    this.#input = Buffer.alloc(0);
    this.reply?.onConnectionGone();
    if (this.#reading.state === "raw") this.#reading.reader.onGone();
  }
}

const CONTINUE = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n");
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

class Reply implements WireReply {
  readonly #connection: Connection;
  #close: boolean;
  #chunked = false;
  #finished = false;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #resume: (() => void) | null = null;
  #waitsForDrain = false;
  onGone: (() => void) | null = null;

  constructor(connection: Connection, close: boolean) {
    this.#connection = connection;
    this.#close = close;
  }

  get gone(): boolean {
    return this.#finished || this.#connection.closed;
  }

  head(status: number, headers: HeaderList, framing: Framing): void {
    if (this.gone) return;
    this.#chunked = framing === "chunked";
    if (framing === "close") this.#close = true;
    this.#connection.write(encodeHead(status, headers, framing, this.#close));
  }

  write(bytes: Uint8Array): boolean {
    if (this.gone) return true;
    return this.#connection.write(this.#chunked ? encodeChunk(bytes) : bytes);
  }

  raw(bytes: Uint8Array): boolean {
    return this.gone ? true : this.#connection.write(bytes);
  }

  drained(): Promise<void> {
    if (this.gone || this.#connection.queuedBytes === 0) return Promise.resolve();
    this.#waitsForDrain = true;
    return new Promise((resolve) => (this.#resume = resolve));
  }

  sleep(ms: number): Promise<void> {
    if (this.gone) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
      if (Number.isFinite(ms)) this.#timer = setTimeout(() => this.wake(), ms);
    });
  }

  wake(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#waitsForDrain = false;
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  onDrained(): void {
    if (this.#waitsForDrain) this.wake();
  }

  end(): void {
    if (this.gone) return;
    if (this.#chunked) this.#connection.write(LAST_CHUNK);
    this.#finished = true;
    this.#connection.finishReply(this.#close);
  }

  send(status: number, headers: HeaderList, body: Uint8Array | string): void {
    if (this.gone) return;
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    // Status line and body in one write: Codex shows "Unknown error" for a refused handshake otherwise.
    const head = encodeHead(status, headers, { length: bytes.length }, this.#close);
    this.#connection.write(Buffer.concat([head, bytes]));
    this.#finished = true;
    this.#connection.finishReply(this.#close);
  }

  cut(): void {
    if (this.gone) return;
    this.#finished = true;
    this.#connection.reply = null;
    this.#connection.endInOrder();
  }

  reset(): void {
    if (this.gone) return;
    this.#finished = true;
    this.#connection.reply = null;
    this.#connection.terminate();
  }

  upgrade(reader: RawReader): void {
    if (!this.gone) this.#connection.upgrade(reader);
  }

  onConnectionGone(): void {
    this.wake();
    const gone = this.onGone;
    this.onGone = null;
    if (!this.#finished) gone?.();
  }
}
