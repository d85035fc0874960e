/** The server's side of RFC 6455 on an upgraded connection: text frames, fragments, ping, pong, close. No deflate. */
import { createHash } from "node:crypto";
import type { WireReply } from "./wire.ts";
import { encodeHead, type HeaderList, type WireRequest } from "./http-message.ts";

/** The largest message upstream reads; a larger one closes the socket with 1009 (PRODUCT: image-heavy threads). */
export const MAX_MESSAGE_BYTES = 16_777_216;
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface SimSocket {
  readonly open: boolean;
  /** False: wait for `drained`. */
  send(text: string): boolean;
  /** Frames already encoded by `encodeFrame`. */
  sendEncoded(frames: Uint8Array): boolean;
  drained(): Promise<void>;
  sleep(ms: number): Promise<void>;
  /** Ends a running `sleep`. */
  wake(): void;
  ping(): void;
  close(code: number, reason?: string): void;
  cut(): void;
  reset(): void;
}

export interface SimSocketEvents {
  onText(text: string, bytes: Uint8Array): void;
  /** Once, however the socket ends. `clean`: a close frame was exchanged. */
  onClose(clean: boolean): void;
}

/** Answers the handshake with 101 and `headers`, and takes the connection over. */
export function acceptWebSocket(
  request: WireRequest,
  reply: WireReply,
  headers: HeaderList,
  events: SimSocketEvents,
): SimSocket {
  const key = request.header("sec-websocket-key") ?? "";
  const accept = createHash("sha1")
    .update(key + ACCEPT_GUID)
    .digest("base64");
  const upgradeHeaders: HeaderList = [
    ["upgrade", "websocket"],
    ["connection", "Upgrade"],
    ["sec-websocket-accept", accept],
    ...headers,
  ];
  reply.raw(encodeHead(101, upgradeHeaders, "close", false));

  let ended = false;
  let closing = false;
  function finish(clean: boolean): void {
    if (ended) return;
    ended = true;
    socket.wake();
    events.onClose(clean);
  }
  function close(code: number, reason = ""): void {
    if (ended || closing) return;
    closing = true;
    reply.raw(encodeFrame(OPCODE.close, closePayload(code, reason)));
    reply.cut();
    finish(true);
  }
  const reader = createFrameReader({
    onMessage: (bytes) => events.onText(Buffer.from(bytes).toString("utf8"), bytes),
    onPing: (payload) => reply.raw(encodeFrame(OPCODE.pong, payload)),
    onClose: (code) => close(code),
    onTooLarge: () => close(1009, "message too big"),
    onProtocolError: () => close(1002, "protocol error"),
  });
  reply.upgrade({
    onBytes: (bytes) => {
      if (!ended) reader.push(bytes);
    },
    onGone: () => finish(closing),
  });
  const socket: SimSocket = {
    get open() {
      return !ended;
    },
    send: (text) => ended || reply.raw(encodeFrame(OPCODE.text, Buffer.from(text))),
    sendEncoded: (frames) => ended || reply.raw(frames),
    drained: () => reply.drained(),
    sleep: (ms) => (ended ? Promise.resolve() : reply.sleep(ms)),
    wake: () => reply.wake(),
    ping: () => void reply.raw(encodeFrame(OPCODE.ping, new Uint8Array(0))),
    close,
    cut() {
      reply.cut();
      finish(false);
    },
    reset() {
      reply.reset();
      finish(false);
    },
  };
  return socket;
}

function closePayload(code: number, reason: string): Uint8Array {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

/** One unmasked frame with FIN set. */
export function encodeFrame(opcode: number, payload: Uint8Array): Buffer {
  const length = payload.length;
  const headBytes = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headBytes + length);
  frame[0] = 0x80 | opcode;
  if (headBytes === 2) frame[1] = length;
  else if (headBytes === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, headBytes);
  return frame;
}

export function encodeTextFrame(text: string): Buffer {
  return encodeFrame(OPCODE.text, Buffer.from(text));
}

interface FrameEvents {
  onMessage(bytes: Uint8Array): void;
  onPing(payload: Uint8Array): void;
  onClose(code: number): void;
  onTooLarge(): void;
  onProtocolError(): void;
}

/** Parses masked client frames from bytes that arrive in any pieces, and joins fragments. */
function createFrameReader(events: FrameEvents) {
  let pieces: Uint8Array[] = [];
  let buffered = 0;
  let needed = 2;
  let fragments: Uint8Array[] = [];
  let fragmentBytes = 0;
  let stopped = false;

  /** All buffered bytes as one view; joined only when a whole frame may be there. */
  function joined(): Buffer {
    const all = pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces);
    pieces = [all];
    return all;
  }
  function stop(report: () => void): void {
    stopped = true;
    pieces = [];
    fragments = [];
    report();
  }
  function push(bytes: Uint8Array): void {
    pieces.push(bytes);
    buffered += bytes.length;
    while (!stopped && buffered >= needed && buffered >= 2) {
      const all = joined();
      const frame = readFrameHead(all);
      if (frame === null) {
        needed = all.length + 1;
        return;
      }
      if (frame.length + fragmentBytes > MAX_MESSAGE_BYTES) return stop(events.onTooLarge);
      if (!frame.masked) return stop(events.onProtocolError);
      const end = frame.start + frame.length;
      if (all.length < end) {
        needed = end;
        return;
      }
      const payload = unmask(all, frame.start, frame.length);
      pieces = [all.subarray(end)];
      buffered = all.length - end;
      needed = 2;
      handle(frame.opcode, frame.fin, payload);
    }
  }
  function handle(opcode: number, fin: boolean, payload: Uint8Array): void {
    switch (opcode) {
      case OPCODE.continuation:
      case OPCODE.text:
      case OPCODE.binary:
        fragments.push(payload);
        fragmentBytes += payload.length;
        if (!fin) return;
        const message = fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments);
        fragments = [];
        fragmentBytes = 0;
        return events.onMessage(message);
      case OPCODE.ping:
        return events.onPing(payload);
      case OPCODE.pong:
        return;
      case OPCODE.close:
        return stop(() => events.onClose(payload.length >= 2 ? (payload[0]! << 8) | payload[1]! : 1000));
      default:
        return stop(events.onProtocolError);
    }
  }
  return { push };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** null: the head is not complete. `start` is where the payload begins, after the mask. */
function readFrameHead(bytes: Buffer) {
  const short = bytes[1]! & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const masked = (bytes[1]! & 0x80) !== 0;
  const start = 2 + lengthBytes + (masked ? 4 : 0);
  if (bytes.length < start) return null;
  const length =
    lengthBytes === 0 ? short : lengthBytes === 2 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return { fin: (bytes[0]! & 0x80) !== 0, opcode: bytes[0]! & 0x0f, masked, start, length };
}

function unmask(bytes: Buffer, start: number, length: number): Uint8Array {
  const payload = Buffer.allocUnsafe(length);
  const mask = start - 4;
  for (let at = 0; at < length; at++) payload[at] = bytes[start + at]! ^ bytes[mask + (at & 3)]!;
  return payload;
}
