/** Where a reply's body begins and ends in the bytes of a connection (RFC 9112, section 6), decoded without copies that can be saved. */
import type { HeaderList } from "../core/header-list.ts";

export interface BodyDecoder {
  /**
   * The body's bytes in what arrived, empty when there are none. Chunks of one arrival come out as one piece: they are moved
   * together inside `bytes`, which is ours to change.
   */
  decode(bytes: Uint8Array): Uint8Array;
  /** reading: more is to come; done: the body is complete; excess: and bytes follow that belong to no reply; broken: not HTTP. */
  state(): "reading" | "done" | "excess" | "broken";
  /** The end of the connection is the end of the body. */
  readonly untilClose: boolean;
}

/** A chunk extension or a trailer line is never longer in honest use. */
const MAX_LINE_BYTES = 4 * 1024;
/** 13 hexadecimal digits are 4 PB. */
const MAX_SIZE_DIGITS = 13;

export function createBodyDecoder(status: number, headers: HeaderList): BodyDecoder {
  const transferEncoding = headers.get("transfer-encoding")?.toLowerCase() ?? "identity";
  if (status === 204 || status === 304) return lengthDecoder(0);
  if (transferEncoding !== "identity") return chunkedDecoder();
  const length = headers.get("content-length");
  if (length !== null && /^\d{1,15}$/.test(length)) return lengthDecoder(Number(length));
  return { decode: (bytes) => bytes, state: () => "reading", untilClose: true };
}

function lengthDecoder(length: number): BodyDecoder {
  let left = length;
  let excess = false;
  return {
    decode(bytes) {
      const take = Math.min(left, bytes.byteLength);
      left -= take;
      excess ||= take < bytes.byteLength;
      return take === bytes.byteLength ? bytes : bytes.subarray(0, take);
    },
    state: () => (left > 0 ? "reading" : excess ? "excess" : "done"),
    untilClose: false,
  };
}

const CR = 13;
const LF = 10;
const SEMICOLON = 59;

type Step = "size" | "extension" | "data" | "data_end" | "trailer" | "done" | "excess" | "broken";

function chunkedDecoder(): BodyDecoder {
  let step: Step = "size";
  /** Of the size line: its value so far; then the bytes of the chunk still to come. */
  let left = 0;
  let digits = 0;
  let lineBytes = 0;

  /** One byte outside of a chunk's data. */
  function take(byte: number): void {
    switch (step) {
      case "size": {
        const digit = hexDigit(byte);
        if (digit >= 0) {
          left = left * 16 + digit;
          if (++digits > MAX_SIZE_DIGITS) step = "broken";
        } else if (byte === LF) endOfSize();
        else if (digits > 0 && (byte === SEMICOLON || byte === 32 || byte === 9)) step = "extension";
        else if (byte !== CR) step = "broken";
        return;
      }
      case "extension":
        if (byte === LF) endOfSize();
        else if (++lineBytes > MAX_LINE_BYTES) step = "broken";
        return;
      case "data_end":
        if (byte === LF) {
          step = "size";
          left = 0;
          digits = 0;
        } else if (byte !== CR) step = "broken";
        return;
      case "trailer":
        if (byte === LF) {
          if (lineBytes === 0) step = "done";
          lineBytes = 0;
        } else if (byte !== CR && ++lineBytes > MAX_LINE_BYTES) step = "broken";
        return;
      case "done":
        step = "excess";
        return;
      case "data":
      case "excess":
      case "broken":
    }
  }

  function endOfSize(): void {
    lineBytes = 0;
    if (digits === 0) step = "broken";
    else step = left === 0 ? "trailer" : "data";
  }

  return {
    decode(bytes) {
      let start = 0;
      let end = 0;
      let at = 0;
      while (at < bytes.byteLength) {
        if (step === "broken" || step === "excess") break;
        if (step !== "data") {
          take(bytes[at++]!);
          continue;
        }
        const size = Math.min(left, bytes.byteLength - at);
        if (end === 0) {
          start = at;
          end = at;
        }
        if (end !== at) bytes.copyWithin(end, at, at + size);
        end += size;
        at += size;
        left -= size;
        if (left === 0) step = "data_end";
      }
      return bytes.subarray(start, end);
    },
    state() {
      if (step === "done" || step === "excess" || step === "broken") return step;
      return "reading";
    },
    untilClose: false,
  };
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
