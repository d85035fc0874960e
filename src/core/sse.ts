/** Finds the events of a server-sent event stream in bytes that arrive in arbitrary pieces, without copying what nobody asked for. */

/**
 * Longest event that is kept to be looked at. `response.completed` repeats the whole output, images included;
 * beyond this the event still passes through, it is only not read.
 */
export const MAX_OBSERVED_EVENT_BYTES = 24 * 1024 * 1024;

/** An event's name is looked for in this many leading bytes; upstream puts `event:` or `"type"` first. */
const TYPE_PREFIX_BYTES = 256;

/** Pieces of one event are joined when there are this many, so that a byte-wise drip stays small in memory. */
const MAX_PIECES = 64;

const LF = 10;
const CR = 13;

export interface SseScanner {
  /** Feeds the next bytes. Calls `onEvent` once per complete event that was wanted, in order. */
  push(chunk: Uint8Array): void;
  /** True while the bytes so far end inside an event. */
  midEvent(): boolean;
}

export interface SseScannerHandlers {
  /**
   * Asked with an event's type ("" when it has none, as for a comment), perhaps twice. True: `onEvent` gets its bytes. Without
   * it `onEvent` gets every event, and no type is read.
   */
  wants?(type: string): boolean;
  /**
   * A cheap look at the event that begins at `at`: true for one that is surely not wanted, so that its type is never read.
   * Events in one piece only.
   */
  isNoise?(bytes: Buffer, at: number): boolean;
  /** The bytes of a wanted event, without the blank line that ends it. */
  onEvent(type: string, event: Buffer): void;
}

export function createSseScanner(
  handlers: SseScannerHandlers,
  maxEventBytes = MAX_OBSERVED_EVENT_BYTES,
): SseScanner {
  /** Pieces of the event that earlier chunks began; empty when the last chunk ended at a boundary. */
  let pieces: Buffer[] = [];
  let pieceBytes = 0;
  /** The event under way is not wanted or too long: only its end is looked for. */
  let skipping = false;

  function finish(event: Buffer): void {
    if (!handlers.wants) return handlers.onEvent("", event);
    const type = eventType(event);
    if (handlers.wants(type)) handlers.onEvent(type, event);
  }

  function keep(piece: Buffer): void {
    if (piece.length === 0) return;
    const first = pieceBytes === 0;
    pieceBytes += piece.length;
    if (first && handlers.wants && piece.length >= TYPE_PREFIX_BYTES) {
      skipping = !handlers.wants(eventType(piece));
    }
    if (pieceBytes > maxEventBytes) skipping = true;
    if (skipping) {
      // Three bytes are enough to see a blank line that the next chunk completes.
      pieces = [Buffer.concat([...pieces.slice(-1), piece].map((part) => part.subarray(-3))).subarray(-3)];
      return;
    }
    pieces.push(piece);
    if (pieces.length >= MAX_PIECES) pieces = [Buffer.concat(pieces)];
  }

  function takePieces(last: Buffer): Buffer | null {
    const whole = skipping ? null : Buffer.concat([...pieces, last]);
    pieces = [];
    pieceBytes = 0;
    skipping = false;
    return whole;
  }

  /** The end of an event whose blank line is split between an earlier chunk and this one, as an index into this chunk, or -1. */
  function splitBoundary(chunk: Buffer): number {
    const tail = Buffer.concat([Buffer.concat(pieces.slice(-2)).subarray(-3), chunk.subarray(0, 3)]);
    const offset = tail.length - Math.min(3, chunk.length);
    const end = boundaryEnd(tail, 0);
    return end > offset ? end - offset : -1;
  }

  return {
    push(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      let start = 0;
      if (pieceBytes > 0) {
        const split = splitBoundary(chunk);
        const end = split >= 0 ? split : boundaryEnd(chunk, 0);
        if (end < 0) {
          keep(chunk);
          return;
        }
        const event = takePieces(chunk.subarray(0, end));
        if (event) finish(trimEnd(event));
        start = end;
      }
      for (;;) {
        const end = boundaryEnd(chunk, start);
        if (end < 0) break;
        if (handlers.isNoise?.(chunk, start) !== true) finish(trimEnd(chunk.subarray(start, end)));
        start = end;
      }
      if (start < chunk.length) keep(chunk.subarray(start));
    },
    midEvent: () => pieceBytes > 0,
  };
}

/** Index just after the next blank line at or after `from` (LF or CRLF line ends), or -1. */
function boundaryEnd(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const lf = bytes.indexOf(LF, at);
    if (lf < 0 || lf + 1 >= bytes.length) return -1;
    if (bytes[lf + 1] === LF) return lf + 2;
    if (bytes[lf + 1] === CR && bytes[lf + 2] === LF) return lf + 3;
    at = lf + 1;
  }
}

function trimEnd(event: Buffer): Buffer {
  let end = event.length;
  while (end > 0 && (event[end - 1] === LF || event[end - 1] === CR)) end--;
  let start = 0;
  while (start < end && (event[start] === LF || event[start] === CR)) start++;
  return event.subarray(start, end);
}

const TYPE_FIELD = '"type":"';

/**
 * The type of an event: its `event:` line when that comes first, otherwise the first `"type":"…"` of its data
 * (the real client goes by the JSON `type`; upstream sends both and they agree).
 */
export function eventType(event: Buffer): string {
  const prefix = event.toString("latin1", 0, Math.min(event.length, TYPE_PREFIX_BYTES));
  if (prefix.startsWith("event:")) {
    const end = prefix.indexOf("\n");
    return prefix.slice(6, end < 0 ? undefined : end).trim();
  }
  return jsonType(prefix);
}

/** The first `"type":"…"` in the leading characters of a JSON object, or "". */
export function jsonType(prefix: string): string {
  let at = prefix.indexOf(TYPE_FIELD);
  let skip = TYPE_FIELD.length;
  if (at < 0) {
    const spaced = /"type"\s*:\s*"/.exec(prefix);
    if (!spaced) return "";
    at = spaced.index;
    skip = spaced[0].length;
  }
  const end = prefix.indexOf('"', at + skip);
  return end < 0 ? "" : prefix.slice(at + skip, end);
}

/**
 * Calls `onData` with the data of every event that has some, in order. Bytes that hold whole events only, as most do, are made
 * into text at once: that costs half of what it costs event by event.
 */
export function createSseReader(onData: (data: string) => void): { push(chunk: Uint8Array): void } {
  function take(event: string): void {
    const data = dataOf(event);
    if (data !== "") onData(data);
  }
  const scanner = createSseScanner({ onEvent: (_type, event) => take(event.toString("utf8")) });
  return {
    push(bytes) {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const isWhole = chunk.at(-1) === LF && chunk.at(-2) === LF && !scanner.midEvent();
      if (!isWhole || chunk.includes(CR)) return scanner.push(chunk);
      for (const event of chunk.toString("utf8").split("\n\n")) take(event);
    },
  };
}

/** The event's data (its `data:` lines joined), or "" when it has none. */
export function eventData(event: Buffer): string {
  return dataOf(event.toString("utf8"));
}

function dataOf(text: string): string {
  const first = text.startsWith("data:") ? 0 : text.indexOf("\ndata:") + 1;
  // The usual form: one line of data, and nothing after it.
  if (text.indexOf("\n", first) < 0 && text.startsWith("data: ", first)) return text.slice(first + 6);
  let data: string | null = null;
  for (const line of text.split("\n")) {
    if (!line.startsWith("data:")) continue;
    const value = line.slice(line[5] === " " ? 6 : 5).replace(/\r$/, "");
    data = data === null ? value : `${data}\n${value}`;
  }
  return data ?? "";
}

/** One event in wire form. */
export function formatEvent(type: string, data: unknown): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
