/** Reads a few top-level fields of a JSON request body without building the rest of it: `input` may be megabytes. */

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const COLON = 58;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** Deepest nesting that is followed; JSON.parse of other programs gives up near here as well. */
const MAX_DEPTH = 1_000;
/** A wanted field longer than this is left alone: identifiers and small objects are never this long. */
const MAX_FIELD_BYTES = 64 * 1024;

export type ScanResult =
  | { ok: true; fields: ReadonlyMap<string, unknown> }
  | { ok: false; /** What is wrong, for people. */ problem: string };

/**
 * Reads the named top-level fields. Checks that the body is one complete JSON object by its brackets and strings;
 * it does not check what lies inside fields that nobody asked for.
 */
export function scanTopLevel(body: Uint8Array, wanted: ReadonlySet<string>): ScanResult {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const fields = new Map<string, unknown>();
  let at = skipSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  if (bytes[at] !== OPEN_BRACE) return { ok: false, problem: "the body is not a JSON object" };
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_BRACE) return finish(bytes, at + 1, fields);
  for (;;) {
    if (bytes[at] !== QUOTE) return truncatedOr(bytes, at, "a field name was expected");
    const nameEnd = stringEnd(bytes, at);
    if (nameEnd < 0) return TRUNCATED;
    const name = bytes.toString("latin1", at + 1, nameEnd - 1);
    at = skipSpace(bytes, nameEnd);
    if (bytes[at] !== COLON) return truncatedOr(bytes, at, 'a ":" was expected');
    at = skipSpace(bytes, at + 1);
    const valueEnd = skipValue(bytes, at);
    if (valueEnd === -2) return { ok: false, problem: `the body is nested deeper than ${MAX_DEPTH} levels` };
    if (valueEnd < 0) return TRUNCATED;
    if (valueEnd === at) return truncatedOr(bytes, at, "a value was expected");
    if (wanted.has(name) && valueEnd - at <= MAX_FIELD_BYTES) {
      try {
        fields.set(name, JSON.parse(bytes.toString("utf8", at, valueEnd)));
      } catch {
        return { ok: false, problem: `the field "${name}" is not valid JSON` };
      }
    }
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === COMMA) {
      at = skipSpace(bytes, at + 1);
      continue;
    }
    if (bytes[at] === CLOSE_BRACE) return finish(bytes, at + 1, fields);
    return truncatedOr(bytes, at, 'a "," or "}" was expected');
  }
}

const TRUNCATED: ScanResult = { ok: false, problem: "the body is cut off: it ends inside the JSON" };

function truncatedOr(bytes: Buffer, at: number, problem: string): ScanResult {
  return at >= bytes.length ? TRUNCATED : { ok: false, problem: `${problem} at byte ${at}` };
}

function finish(bytes: Buffer, at: number, fields: Map<string, unknown>): ScanResult {
  const end = skipSpace(bytes, at);
  if (end < bytes.length) return { ok: false, problem: `something follows the JSON object at byte ${end}` };
  return { ok: true, fields };
}

function skipSpace(bytes: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 32 && byte !== 10 && byte !== 13 && byte !== 9) return at;
    at++;
  }
}

/** Index after the closing quote of the string that opens at `at`, or -1. */
function stringEnd(bytes: Buffer, at: number): number {
  let from = at + 1;
  for (;;) {
    const quote = bytes.indexOf(QUOTE, from);
    if (quote < 0) return -1;
    let backslashes = 0;
    while (bytes[quote - 1 - backslashes] === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** Index after the value at `at`; -1 when it is cut off, -2 when it is nested too deep. */
function skipValue(bytes: Buffer, from: number): number {
  let at = from;
  let depth = 0;
  for (;;) {
    if (at >= bytes.length) return depth === 0 && at > from ? at : -1;
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = stringEnd(bytes, at);
      if (at < 0) return -1;
      if (depth === 0) return at;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (++depth > MAX_DEPTH) return -2;
      at++;
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      if (depth === 0) return at;
      at++;
      if (--depth === 0) return at;
    } else if (depth === 0 && (byte === COMMA || byte <= 32)) {
      return at;
    } else {
      at++;
    }
  }
}
