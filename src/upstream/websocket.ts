/**
 * A WebSocket client (RFC 6455) on a connection of our own HTTP client: our exact handshake, reading that stops when the reader
 * stops, and bounded messages. Bun's own client can do none of the three.
 */
import { createHash } from "node:crypto";
import type { HeaderList } from "../core/header-list.ts";
import type { Random } from "../ports.ts";
import { createFrameReader, encodeClientFrame, type Frame, OPCODE } from "./websocket-frames.ts";
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
        return { kind: "open", socket: openSocket(exchange, reply, random) };
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

function openSocket(exchange: Exchange, reply: WireReply, random: Random): UpstreamSocket {
  const reader = createFrameReader();
  let end: SocketEnd | null = null;

  function finish(how: SocketEnd): void {
    if (end) return;
    end = how;
    exchange.cancel();
  }
  function write(opcode: number, payload: Uint8Array): boolean {
    if (end) return true;
    return exchange.write(encodeClientFrame(opcode, payload, random.bytes(4)));
  }
  /** Says goodbye with `code`, which is also how the socket ended. */
  function goodbye(code: number, reason: string): void {
    if (end) return;
    write(OPCODE.close, Buffer.from([code >> 8, code & 0xff]));
    finish({ code, reason });
  }

  /** A message to hand out, or null after seeing to a control frame. */
  function take(frame: Frame): Buffer | null {
    switch (frame.kind) {
      case "message":
        return frame.payload;
      case "ping":
        write(OPCODE.pong, frame.payload);
        return null;
      case "pong":
        return null;
      case "close": {
        const { code, reason } = frame;
        write(OPCODE.close, code === 1005 ? new Uint8Array(0) : Buffer.from([code >> 8, code & 0xff]));
        finish({ code, reason });
        return null;
      }
      case "broken":
        goodbye(frame.code, frame.reason);
        return null;
    }
  }
  /** The next message among the bytes that are here; null when there is none. */
  function next(): Buffer | null {
    for (;;) {
      const frame = end ? null : reader.next();
      if (frame === null) return null;
      const message = take(frame);
      if (message) return message;
    }
  }
  async function wait(pending: Promise<Uint8Array | null>): Promise<Buffer | null> {
    let bytes: Uint8Array | null | Promise<Uint8Array | null> = pending;
    try {
      for (;;) {
        const piece: Uint8Array | null = bytes instanceof Promise ? await bytes : bytes;
        if (piece === null) finish({ code: 1006, reason: "closed" });
        else reader.push(piece);
        const message = next();
        if (message || end) return message;
        bytes = reply.read();
      }
    } catch (error) {
      finish({ code: 1006, reason: error instanceof TransportError ? error.code : "failed" });
      return null;
    }
  }

  return {
    headers: reply.headers,
    receive() {
      const message = next();
      if (message || end) return message;
      try {
        for (;;) {
          const bytes = reply.read();
          if (bytes instanceof Promise || bytes === null) return wait(Promise.resolve(bytes));
          reader.push(bytes);
          const found = next();
          if (found || end) return found;
        }
      } catch (error) {
        return wait(Promise.reject(error));
      }
    },
    send: (message) => write(OPCODE.text, message),
    drained: () => exchange.drained(),
    ended: () => end,
    close: (code) => goodbye(code, "closed_here"),
  };
}
