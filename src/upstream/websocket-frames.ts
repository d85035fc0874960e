/** The frames of RFC 6455 from the client's side: masked ones out, unmasked ones in, fragments joined. */

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Largest message that is taken, either way: a reply's last event repeats its whole output, images included. */
export const MAX_MESSAGE_BYTES = 128 * 1024 * 1024;
/** RFC 6455 5.5. */
const MAX_CONTROL_BYTES = 125;

export type Frame =
  /** `payload` may be a view of the bytes pushed. */
  | { kind: "message"; payload: Buffer }
  | { kind: "ping"; payload: Buffer }
  | { kind: "pong" }
  | { kind: "close"; code: number; reason: string }
  /** The other side broke the protocol, or a limit of ours; `code` is the close code that says so. */
  | { kind: "broken"; code: 1002 | 1009; reason: string };

export interface FrameReader {
  /** The next bytes. The earlier ones must have been read to their end by `next`. */
  push(bytes: Uint8Array): void;
  /** The next complete frame; null: more bytes are needed. */
  next(): Frame | null;
}

interface Head {
  fin: boolean;
  opcode: number;
  length: number;
}

export function createFrameReader(maxMessageBytes = MAX_MESSAGE_BYTES): FrameReader {
  let bytes: Buffer = EMPTY;
  let at = 0;
  /** A frame head that is cut by the end of the bytes. */
  let headPart: Buffer | null = null;
  let head: Head | null = null;
  /** The payload of `head` when it does not lie whole in the bytes. */
  let payload: Buffer | null = null;
  let filled = 0;
  let fragments: Buffer[] | null = null;
  let fragmentBytes = 0;

  /** Reads a head at `at`; null when it is not whole, or the reason why it cannot be. */
  function readHead(): Head | Frame | null {
    const start: Buffer = headPart
      ? Buffer.concat([headPart, bytes.subarray(at, at + 10)])
      : bytes.subarray(at, at + 10);
    const size = headSize(start);
    if (start.length < size) {
      headPart = Buffer.from(start);
      at = bytes.length;
      return null;
    }
    at += size - (headPart?.length ?? 0);
    headPart = null;
    return checkedHead(start);
  }

  function checkedHead(start: Buffer): Head | Frame {
    const short = start[1]! & 0x7f;
    const length =
      short < 126 ? short : short === 126 ? start.readUInt16BE(2) : Number(start.readBigUInt64BE(2));
    const opcode = start[0]! & 0x0f;
    const fin = (start[0]! & 0x80) !== 0;
    const isControl = opcode >= OPCODE.close;
    if ((start[0]! & 0x70) !== 0) return broken("reserved_bits");
    if ((start[1]! & 0x80) !== 0) return broken("masked");
    if (opcode > OPCODE.pong || (opcode > OPCODE.binary && !isControl)) return broken("unknown_opcode");
    if (isControl && (!fin || length > MAX_CONTROL_BYTES)) return broken("control_frame");
    if (!isControl && (opcode === OPCODE.continuation) !== (fragments !== null))
      return broken("fragmentation");
    if (!isControl && fragmentBytes + length > maxMessageBytes)
      return { kind: "broken", code: 1009, reason: "too_large" };
    return { fin, opcode, length };
  }

  /** The payload of `current`; null when more bytes are needed. */
  function readPayload(current: Head): Buffer | null {
    const here = bytes.length - at;
    if (payload === null) {
      if (here >= current.length) {
        const whole = bytes.subarray(at, at + current.length);
        at += current.length;
        return whole;
      }
      payload = Buffer.allocUnsafeSlow(current.length);
      filled = 0;
    }
    const taken = bytes.copy(payload, filled, at, Math.min(bytes.length, at + current.length - filled));
    at += taken;
    filled += taken;
    if (filled < current.length) return null;
    const whole = payload;
    payload = null;
    return whole;
  }

  /** What a complete frame means; null for a fragment that is not the last. */
  function complete({ fin, opcode }: Head, body: Buffer): Frame | null {
    switch (opcode) {
      case OPCODE.ping:
        return { kind: "ping", payload: body };
      case OPCODE.pong:
        return { kind: "pong" };
      case OPCODE.close:
        return readClose(body);
    }
    if (fin && !fragments) return { kind: "message", payload: body };
    // A view would keep its whole chunk alive, however small the fragment is.
    (fragments ??= []).push(fin ? body : Buffer.from(body));
    fragmentBytes += body.length;
    if (!fin) return null;
    const whole = Buffer.concat(fragments, fragmentBytes);
    fragments = null;
    fragmentBytes = 0;
    return { kind: "message", payload: whole };
  }

  return {
    push(piece) {
      bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      at = 0;
    },
    next() {
      for (;;) {
        if (at >= bytes.length && (head === null || head.length > 0)) {
          // An idle socket keeps nothing.
          bytes = EMPTY;
          at = 0;
          return null;
        }
        if (head === null) {
          const read = readHead();
          if (read === null) continue;
          if ("kind" in read) return read;
          head = read;
        }
        const body = readPayload(head);
        if (body === null) continue;
        const frame = complete(head, body);
        head = null;
        if (frame) return frame;
      }
    },
  };
}

const EMPTY = Buffer.alloc(0);

function broken(reason: string): Frame {
  return { kind: "broken", code: 1002, reason };
}

/** How many bytes the head has that begins with `start`; at least two. */
function headSize(start: Buffer): number {
  if (start.length < 2) return 2;
  const short = start[1]! & 0x7f;
  return short < 126 ? 2 : short === 126 ? 4 : 10;
}

function readClose(body: Buffer): Frame {
  if (body.length === 0) return { kind: "close", code: 1005, reason: "" };
  if (body.length === 1) return broken("close_frame");
  return { kind: "close", code: body.readUInt16BE(0), reason: body.toString("utf8", 2) };
}

/** One masked frame with FIN set. */
export function encodeClientFrame(opcode: number, payload: Uint8Array, mask: Uint8Array): Uint8Array {
  const { length } = payload;
  const headBytes = length < 126 ? 6 : length < 65_536 ? 8 : 14;
  // The payload begins at a multiple of four, so that it can be masked four bytes at a time.
  const start = headBytes === 8 ? 8 : headBytes + 2;
  const frame = Buffer.allocUnsafeSlow(start + Math.ceil(length / 4) * 4);
  const head = start - headBytes;
  frame[head] = 0x80 | opcode;
  if (headBytes === 6) frame[head + 1] = 0x80 | length;
  else if (headBytes === 8) {
    frame[head + 1] = 0x80 | 126;
    frame.writeUInt16BE(length, head + 2);
  } else {
    frame[head + 1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), head + 2);
  }
  frame.set(mask, start - 4);
  frame.set(payload, start);
  const words = new Uint32Array(frame.buffer, frame.byteOffset + start, (frame.length - start) / 4);
  const maskWord = new Uint32Array(
    frame.buffer.slice(frame.byteOffset + start - 4, frame.byteOffset + start),
  )[0]!;
  for (let word = 0; word < words.length; word++) words[word]! ^= maskWord;
  return frame.subarray(head, start + length);
}
