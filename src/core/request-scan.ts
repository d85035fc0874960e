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
 * it does not check what lies inside fields that nobody asked for. A wanted field that occurs twice is a problem:
 * which of them upstream takes is not ours to guess, and a key's rights would hang on it.
 */
export function scanTopLevel(body: Uint8Array, wanted: ReadonlySet<string>): ScanResult {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const fields = new Map<string, unknown>();
  const seen = new Set<string>();
  const problem = walkTopLevel(bytes, (name, span) => {
    if (!wanted.has(name)) return null;
    if (seen.has(name)) return `the field "${name}" occurs twice`;
    seen.add(name);
    if (span.end - span.valueAt > MAX_FIELD_BYTES) return null;
    try {
      fields.set(name, JSON.parse(bytes.toString("utf8", span.valueAt, span.end)));
    } catch {
      return `the field "${name}" is not valid JSON`;
    }
    return null;
  });
  return problem === null ? { ok: true, fields } : { ok: false, problem };
}

/** Where a field lies in the bytes: its name, its value, and the index after both. */
export interface FieldSpan {
  at: number;
  valueAt: number;
  end: number;
}

/**
 * Visits the top-level fields of a JSON object in their order, until a visit answers with a problem. Answers that, or what
 * is wrong with the object, or null.
 */
export function walkTopLevel(
  bytes: Buffer,
  visit: (name: string, span: FieldSpan) => string | null,
): string | null {
  let at = skipSpace(bytes, bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0);
  if (bytes[at] !== OPEN_BRACE) return "the body is not a JSON object";
  at = skipSpace(bytes, at + 1);
  if (bytes[at] === CLOSE_BRACE) return finish(bytes, at + 1);
  for (;;) {
    if (bytes[at] !== QUOTE) return truncatedOr(bytes, at, "a field name was expected");
    const nameAt = at;
    const nameEnd = stringEnd(bytes, at);
    if (nameEnd < 0) return TRUNCATED;
    const name = fieldName(bytes, nameAt, nameEnd);
    if (name === null) return `the field name at byte ${nameAt} is not valid JSON`;
    at = skipSpace(bytes, nameEnd);
    if (bytes[at] !== COLON) return truncatedOr(bytes, at, 'a ":" was expected');
    at = skipSpace(bytes, at + 1);
    const valueEnd = skipValue(bytes, at);
    if (valueEnd === -2) return `the body is nested deeper than ${MAX_DEPTH} levels`;
    if (valueEnd < 0) return TRUNCATED;
    if (valueEnd === at) return truncatedOr(bytes, at, "a value was expected");
    const problem = visit(name, { at: nameAt, valueAt: at, end: valueEnd });
    if (problem !== null) return problem;
    at = skipSpace(bytes, valueEnd);
    if (bytes[at] === COMMA) {
      at = skipSpace(bytes, at + 1);
      continue;
    }
    if (bytes[at] === CLOSE_BRACE) return finish(bytes, at + 1);
    return truncatedOr(bytes, at, 'a "," or "}" was expected');
  }
}

/** Visits the items of a JSON array that `walkTopLevel` found whole; `at` is its bracket. */
export function walkItems(bytes: Buffer, arrayAt: number, visit: (at: number, end: number) => void): void {
  let at = skipSpace(bytes, arrayAt + 1);
  while (bytes[at] !== CLOSE_BRACKET) {
    const end = skipValue(bytes, at);
    if (end <= at) return;
    visit(at, end);
    at = skipSpace(bytes, end);
    if (bytes[at] !== COMMA) return;
    at = skipSpace(bytes, at + 1);
  }
}

/** A name may be written with escapes (`"mod\u0065l"`), which upstream would read as the field itself. */
function fieldName(bytes: Buffer, at: number, end: number): string | null {
  const plain = bytes.toString("latin1", at + 1, end - 1);
  if (!plain.includes("\\")) return plain;
  try {
    return String(JSON.parse(bytes.toString("utf8", at, end)));
  } catch {
    return null;
  }
}

const TRUNCATED = "the body is cut off: it ends inside the JSON";

function truncatedOr(bytes: Buffer, at: number, problem: string): string {
  return at >= bytes.length ? TRUNCATED : `${problem} at byte ${at}`;
}

function finish(bytes: Buffer, at: number): string | null {
  const end = skipSpace(bytes, at);
  return end < bytes.length ? `something follows the JSON object at byte ${end}` : null;
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
