/** Upstream's many error shapes (JSON bodies, stream events, WebSocket frames, headers) read into one. */

/** Longest message kept from upstream: enough for its own sentences, too short to carry a page or a prompt. */
const MAX_MESSAGE_CHARS = 600;

/** What the reply said of itself, before anything is made of it. */
export interface UpstreamError {
  /** The status that the failure has or stands for; null when neither reply nor failing event says. */
  status: number | null;
  /** Codes from the most to the least specific place; the first one known decides. */
  codes: string[];
  /** Upstream's own words, bounded; "" when there are none or the body is a page. */
  message: string;
  /** Error fields that hold the reset, as they came. */
  resetsAt: unknown;
  resetsInSeconds: unknown;
  isPage: boolean;
  /** Headers of the frame (WebSocket error frames carry their own), then those of the reply. */
  header(name: string): string | null;
}

interface Source {
  status: number | null;
  header(name: string): string | null;
  body: string;
  event: unknown;
}

type Fields = Readonly<Record<string, unknown>>;

/** The error in a reply or its first event; null when there is none and the reply is to be relayed. */
export function readUpstreamError(seen: Source): UpstreamError | null {
  const frame = asFields(seen.event);
  const failing = frame?.type === "response.failed" || frame?.type === "error" ? frame : null;
  const refused = seen.status !== null && seen.status >= 300;
  if (failing === null && !refused) return null;

  const header = headerOf(asFields(failing?.headers), (name) => seen.header(name));
  const isPage = failing === null && looksLikePage(seen);
  const root = failing ?? (isPage ? null : parseJson(seen.body));
  const error = errorFields(root);
  const hidden = errorFields(decodeErrorHeader(header("x-error-json")));
  const codes = [
    header("x-openai-authorization-error"),
    hidden?.code,
    error?.code,
    error?.type === "error" ? null : error?.type,
  ]
    .filter((code) => typeof code === "string")
    .map(safeCode)
    .filter((code) => code !== "");
  const text = messageOf(error) || messageOf(hidden) || (root === null && !isPage ? seen.body.trim() : "");
  return {
    status: failing === null ? seen.status : (numberOf(failing.status) ?? numberOf(failing.status_code)),
    codes,
    message: text.slice(0, MAX_MESSAGE_CHARS),
    resetsAt: error?.resets_at ?? hidden?.resets_at,
    resetsInSeconds: error?.resets_in_seconds ?? hidden?.resets_in_seconds,
    isPage,
    header,
  };
}

/** A code cut down to what may stand in a log line. */
export function safeCode(code: string): string {
  return code
    .toLowerCase()
    .replace(/[^a-z0-9_.-]+/g, "_")
    .slice(0, 64);
}

/**
 * Where the error fields are: `{error:{…}}`, `{error:"…"}`, `{detail:"…"|{…}|[{msg}]}`, `{response:{error:{…}}}` of a
 * `response.failed`, or the object itself (`{type:"error",code,message}`, `{code,message}`).
 */
function errorFields(root: Fields | null): Fields | null {
  if (root === null) return null;
  const response = asFields(root.response);
  const found = response === null ? (root.error ?? root.detail) : response.error;
  if (typeof found === "string") {
    // OAuth's shape has a code under `error`; FastAPI's has a sentence under `detail`.
    return root.error === found
      ? { code: found, message: root.error_description ?? root.message }
      : { message: found };
  }
  if (Array.isArray(found)) return { message: asFields(found[0])?.msg };
  return asFields(found) ?? (response === null ? root : {});
}

function messageOf(error: Fields | null): string {
  return typeof error?.message === "string" ? error.message : "";
}

function headerOf(own: Fields | null, outer: Source["header"]): Source["header"] {
  if (own === null) return outer;
  const lower = new Map(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]));
  return (name) => {
    const value = lower.get(name);
    return typeof value === "string" || typeof value === "number" ? String(value) : outer(name);
  };
}

function looksLikePage(seen: Source): boolean {
  return /\bhtml\b/i.test(seen.header("content-type") ?? "") || /^\s*<(!doctype|html|head)/i.test(seen.body);
}

/** `x-error-json` is base64 of the error's JSON (UPSTREAM C). */
function decodeErrorHeader(value: string | null): Fields | null {
  if (value === null) return null;
  return parseJson(Buffer.from(value, "base64").toString("utf8"));
}

function parseJson(text: string): Fields | null {
  try {
    return asFields(JSON.parse(text));
  } catch {
    return null;
  }
}

function asFields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}
