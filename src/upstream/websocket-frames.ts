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

interface Head {
  fin: boolean;
  opcode: number;
  length: number;
}

/** Frames out of bytes that arrive in arbitrary pieces. A class, as there are thousands of them: methods are shared. */
export class FrameReader {
  readonly #maxMessageBytes: number;
  #bytes: Buffer = EMPTY;
  #at = 0;
  /** A frame head that is cut by the end of the bytes. */
  #headPart: Buffer | null = null;
  #head: Head | null = null;
  /** The payload of the head when it does not lie whole in the bytes. */
  #payload: Buffer | null = null;
  #filled = 0;
  #fragments: Buffer[] | null = null;
  #fragmentBytes = 0;

  constructor(maxMessageBytes = MAX_MESSAGE_BYTES) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** The next bytes. The earlier ones must have been read to their end by `next`. */
  push(piece: Uint8Array): void {
    this.#bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    this.#at = 0;
  }

  /** The next complete frame; null: more bytes are needed. */
  next(): Frame | null {
    for (;;) {
      if (this.#at >= this.#bytes.length && (this.#head === null || this.#head.length > 0)) {
        // An idle socket keeps nothing.
        this.#bytes = EMPTY;
        this.#at = 0;
        return null;
      }
      if (this.#head === null) {
        const read = this.#readHead();
        if (read === null) continue;
        if ("kind" in read) return read;
        this.#head = read;
      }
      const body = this.#readPayload(this.#head);
      if (body === null) continue;
      const frame = this.#complete(this.#head, body);
      this.#head = null;
      if (frame) return frame;
    }
  }

  /** Reads a head; null when it is not whole, or the reason why it cannot be. */
  #readHead(): Head | Frame | null {
    const here = this.#bytes.subarray(this.#at, this.#at + MAX_HEAD_BYTES);
    const start = this.#headPart ? Buffer.concat([this.#headPart, here]) : here;
    const size = headSize(start);
    if (start.length < size) {
      this.#headPart = Buffer.from(start);
      this.#at = this.#bytes.length;
      return null;
    }
    this.#at += size - (this.#headPart?.length ?? 0);
    this.#headPart = null;
    return this.#checkedHead(start);
  }

  #checkedHead(start: Buffer): Head | Frame {
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
    if (!isControl && (opcode === OPCODE.continuation) !== (this.#fragments !== null))
      return broken("fragmentation");
    if (!isControl && this.#fragmentBytes + length > this.#maxMessageBytes)
      return { kind: "broken", code: 1009, reason: "too_large" };
    return { fin, opcode, length };
  }

  /** The payload of `head`; null when more bytes are needed. */
  #readPayload(head: Head): Buffer | null {
    const { length } = head;
    if (this.#payload === null) {
      if (this.#bytes.length - this.#at >= length) {
        const whole = this.#bytes.subarray(this.#at, this.#at + length);
        this.#at += length;
        return whole;
      }
      this.#payload = Buffer.allocUnsafeSlow(length);
      this.#filled = 0;
    }
    const end = Math.min(this.#bytes.length, this.#at + length - this.#filled);
    const taken = this.#bytes.copy(this.#payload, this.#filled, this.#at, end);
    this.#at += taken;
    this.#filled += taken;
    if (this.#filled < length) return null;
    const whole = this.#payload;
    this.#payload = null;
    return whole;
  }

  /** What a complete frame means; null for a fragment that is not the last. */
  #complete({ fin, opcode }: Head, body: Buffer): Frame | null {
    switch (opcode) {
      case OPCODE.ping:
        return { kind: "ping", payload: body };
      case OPCODE.pong:
        return { kind: "pong" };
      case OPCODE.close:
        return readClose(body);
    }
    if (fin && !this.#fragments) return { kind: "message", payload: body };
    // A view would keep its whole chunk alive, however small the fragment is.
    const fragments = (this.#fragments ??= []);
    fragments.push(fin ? body : Buffer.from(body));
    this.#fragmentBytes += body.length;
    if (!fin) return null;
    const whole = Buffer.concat(fragments, this.#fragmentBytes);
    this.#fragments = null;
    this.#fragmentBytes = 0;
    return { kind: "message", payload: whole };
  }
}

/** Without a mask, with the longest form of the length. */
const MAX_HEAD_BYTES = 10;
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
