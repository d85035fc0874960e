/**
 * A WebSocket client (RFC 6455) on a connection of our own HTTP client: our exact handshake, reading that stops when the reader
 * stops, and bounded messages. Bun's own client can do none of the three.
 */
import { createHash } from "node:crypto";
import type { HeaderList } from "../core/header-list.ts";
import type { Random } from "../ports.ts";
import { encodeClientFrame, type Frame, FrameReader, OPCODE } from "./websocket-frames.ts";
import type { Origin, WireReply } from "./connection.ts";
import type { Exchange, Http1Client } from "./http1.ts";
import { TransportError } from "./transport-error.ts";

/** RFC 6455 4.2.2: what a server appends to the key to prove that it understood. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export interface DialRequest {
  origin: Origin;
  /** Request line and header lines with the final blank line, without the headers of the upgrade itself. */
  head: string;
  connectTimeoutMs: number;
}

export interface Dialling {
  /** Rejects with TransportError. */
  answer: Promise<DialAnswer>;
  /** Milliseconds that connecting took; null until connected. */
  connectMs(): number | null;
  /** Gives up; harmless once answered. */
  cancel(): void;
}

export type DialAnswer =
  | { kind: "open"; socket: UpstreamSocket }
  /** Not a 101: the reply's body is still to be read. */
  | { kind: "rejected"; reply: WireReply };

/** How a socket ended. 1005: a close frame without a code; 1006: no close frame at all (RFC 6455 7.4.1). */
export interface SocketEnd {
  code: number;
  reason: string;
}

export interface UpstreamSocket {
  /** Of the 101. */
  readonly headers: HeaderList;
  /**
   * The next whole message, null when the socket has ended. Nothing is read from the network while nobody asks. Answers at once
   * while messages wait. One call at a time.
   */
  receive(): Buffer | null | Promise<Buffer | null>;
  /** Sends one text message. False: send more only after `drained`. */
  send(message: Uint8Array): boolean;
  drained(): Promise<void>;
  /** null while it is open. */
  ended(): SocketEnd | null;
  /** Says goodbye and closes. Harmless when repeated. */
  close(code: number): void;
}

export interface WebSocketClient {
  dial(request: DialRequest): Dialling;
}

export function createWebSocketClient({
  http,
  random,
}: {
  http: Http1Client;
  random: Random;
}): WebSocketClient {
  return {
    dial({ origin, head, connectTimeoutMs }) {
      const key = Buffer.from(random.bytes(16)).toString("base64");
      const exchange = http.send({ origin, head: upgradeHead(head, key), body: null, connectTimeoutMs });
      async function run(): Promise<DialAnswer> {
        const reply = await exchange.reply;
        if (reply.status !== 101) return { kind: "rejected", reply };
        if (reply.headers.get("sec-websocket-accept") !== acceptOf(key)) {
          exchange.cancel();
          throw new TransportError("headers", "not_websocket");
        }
        return { kind: "open", socket: new ClientSideSocket(exchange, reply, random) };
      }
      return { answer: run(), connectMs: () => exchange.connectMs(), cancel: () => exchange.cancel() };
    },
  };
}

/** No extension is offered: compressing would cost us a window per socket, and the bytes pass through verbatim. */
function upgradeHead(head: string, key: string): string {
  const upgrade = `connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n`;
  return `${head.slice(0, -2)}${upgrade}\r\n`;
}

function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}${ACCEPT_GUID}`).digest("base64");
}

/** A class, as there are thousands of them: methods are shared. */
class ClientSideSocket implements UpstreamSocket {
  readonly headers: HeaderList;
  readonly #exchange: Exchange;
  readonly #read: WireReply["read"];
  readonly #random: Random;
  readonly #reader = new FrameReader();
  #end: SocketEnd | null = null;

  constructor(exchange: Exchange, reply: WireReply, random: Random) {
    this.headers = reply.headers;
    this.#exchange = exchange;
    this.#read = reply.read;
    this.#random = random;
  }

  receive(): Buffer | null | Promise<Buffer | null> {
    try {
      for (;;) {
        const message = this.#next();
        if (message || this.#end) return message;
        const bytes = this.#read();
        if (bytes instanceof Promise) return this.#wait(bytes);
        this.#push(bytes);
      }
    } catch (error) {
      this.#failed(error);
      return null;
    }
  }

  send(message: Uint8Array): boolean {
    return this.#write(OPCODE.text, message);
  }

  drained(): Promise<void> {
    return this.#exchange.drained();
  }

  ended(): SocketEnd | null {
    return this.#end;
  }

  close(code: number): void {
    this.#goodbye(code, "closed_here");
  }

  async #wait(pending: Promise<Uint8Array | null>): Promise<Buffer | null> {
    try {
      this.#push(await pending);
    } catch (error) {
      this.#failed(error);
    }
    return this.receive();
  }

  #push(bytes: Uint8Array | null): void {
    if (bytes === null) this.#finish({ code: 1006, reason: "closed" });
    else this.#reader.push(bytes);
  }

  #failed(error: unknown): void {
    this.#finish({ code: 1006, reason: error instanceof TransportError ? error.code : "failed" });
  }

  /** The next message among the bytes that are here; null when there is none. */
  #next(): Buffer | null {
    for (;;) {
      const frame = this.#end ? null : this.#reader.next();
      if (frame === null) return null;
      const message = this.#take(frame);
      if (message) return message;
    }
  }

  /** A message to hand out, or null after seeing to a control frame. */
  #take(frame: Frame): Buffer | null {
    switch (frame.kind) {
      case "message":
        return frame.payload;
      case "ping":
        this.#write(OPCODE.pong, frame.payload);
        return null;
      case "pong":
        return null;
      case "close": {
        const { code, reason } = frame;
        this.#write(OPCODE.close, code === 1005 ? new Uint8Array(0) : closePayload(code));
        this.#finish({ code, reason });
        return null;
      }
      case "broken":
        this.#goodbye(frame.code, frame.reason);
        return null;
    }
  }

  #write(opcode: number, payload: Uint8Array): boolean {
    if (this.#end) return true;
    return this.#exchange.write(encodeClientFrame(opcode, payload, this.#random.bytes(4)));
  }

  /** Says goodbye with `code`, which is also how the socket ended. */
  #goodbye(code: number, reason: string): void {
    if (this.#end) return;
    this.#write(OPCODE.close, closePayload(code));
    this.#finish({ code, reason });
  }

  #finish(end: SocketEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#exchange.cancel();
  }
}

function closePayload(code: number): Uint8Array {
  return new Uint8Array([code >> 8, code & 0xff]);
}
