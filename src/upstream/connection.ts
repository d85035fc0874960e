/** One connection to upstream: opened, checked, and used for one exchange at a time. */
import { isIP } from "node:net";
import type { Socket } from "bun";
import { HeaderList } from "../core/header-list.ts";
import { type BodyDecoder, createBodyDecoder } from "./body-framing.ts";
import { createReplyBody, type ReplyBody } from "./reply-body.ts";
import { TransportError } from "./transport-error.ts";

/** Reading pauses while this much of a reply waits for its reader. */
const PAUSE_ABOVE_BYTES = 8 * 1024;
/** Upstream's header block may carry long cookies and reports, but not more than this. */
const MAX_HEADER_BYTES = 256 * 1024;
/** A request up to this size is sent in one write: its head and its body are joined here first, one request after another. */
const JOINED_WRITE_BYTES = 128 * 1024;
let joinBuffer: Buffer | null = null;

export interface Origin {
  /** `http://127.0.0.1:8080`; connections are shared per origin. */
  key: string;
  hostname: string;
  port: number;
  tls: boolean;
  /** Value of the Host header. */
  host: string;
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

export interface ConnectionOwner {
  release(connection: Connection): void;
  closed(connection: Connection): void;
}

/** One socket, one exchange at a time. */
export class Connection {
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
  #decoder: BodyDecoder | null = null;
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
        ...(this.origin.tls
          ? { tls: { ...serverNameOf(this.origin.hostname), rejectUnauthorized: true } }
          : {}),
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
          close: (_socket, error?: Error) => this.#closed(error ? "reset" : "closed"),
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
      else if (request.head.length + body.byteLength <= JOINED_WRITE_BYTES) {
        joinBuffer ??= Buffer.allocUnsafeSlow(JOINED_WRITE_BYTES);
        const headBytes = joinBuffer.write(request.head, 0, "latin1");
        joinBuffer.set(body, headBytes);
        this.#send(joinBuffer.subarray(0, headBytes + body.byteLength));
        // What the system did not take at once must outlive the next request's use of the buffer.
        if (this.#unsent) this.#unsent = Buffer.from(this.#unsent);
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
    const queued = this.#body?.queuedBytes() ?? 0;
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
    const decoder = createBodyDecoder(status, headers);
    this.#decoder = decoder;
    this.#keepAlive = !decoder.untilClose && headers.get("connection")?.toLowerCase() !== "close";
    const body = createReplyBody(() => {
      if (this.#body === body) this.#resume();
    });
    this.#body = body;
    const waiting = this.#waiting!;
    this.#waiting = null;
    waiting.resolve({
      status,
      headers,
      read: body.read,
      pause: () => {
        if (this.#body === body) this.#pause();
      },
    });
    if (decoder.state() === "reading") return body;
    this.#complete(body);
    return null;
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (!this.#destroyed) this.#socket?.resume();
  }

  #bodyBytes(body: ReplyBody, bytes: Uint8Array): void {
    const decoder = this.#decoder!;
    const piece = decoder.decode(bytes);
    if (piece.byteLength > 0) body.push(piece);
    switch (decoder.state()) {
      case "reading":
        return;
      case "broken":
        return this.#protocolError("bad_chunk");
      case "excess":
        // More bytes than the reply announced: the connection cannot be trusted with another one.
        this.#keepAlive = false;
        break;
      case "done":
    }
    this.#complete(body);
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
    const complete = this.#decoder?.untilClose === true && code === "closed";
    body?.end(complete ? null : new TransportError("body", code));
    this.destroy();
  }
}

/** A name is told to the server and checked against its certificate; an address is only checked (RFC 6066, 3). */
function serverNameOf(hostname: string): { serverName?: string } {
  return isIP(hostname) === 0 ? { serverName: hostname } : {};
}

function connectErrorCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[A-Z_]{3,40}$/.test(code) ? code.toLowerCase() : "connect_failed";
}
