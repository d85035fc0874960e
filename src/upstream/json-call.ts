/** One small JSON call to OpenAI: bounded in time and size, redirects refused, told as a closed union instead of exceptions. */
import { asNumber, asRecord, asText } from "../core/json-read.ts";
import type { Fetch } from "../ports.ts";

/** How this program names itself to OpenAI; never a browser. `originator` is a setting, `userAgent` starts with our own name. */
export interface CallerNames {
  originator: string;
  userAgent: string;
}

/** Under which our own calls go out: the public client that our logins belong to (UPSTREAM F). */
export const ORIGINATOR = "codex_cli_rs";

/** `codex-lb/<version>`, the user agent of our own calls. */
export function userAgentOf(version: string): string {
  return `codex-lb/${version}`;
}

/** What came back: a whole reply of any status, or why there is none. */
export type JsonReply =
  /** `body` is undefined when it was not JSON, such as a challenge page. */
  | { kind: "reply"; status: number; headers: Headers; body: unknown }
  | { kind: "failed"; code: "timeout" | "network" | "too_large" };

/** Logins and usage are a few kB and answer within a second; the client itself waits 5 s for models. */
export const CALL_TIMEOUT_MS = 15_000;
export const MAX_SMALL_BODY_BYTES = 1024 * 1024;

export interface JsonCall {
  url: string;
  method?: "GET" | "POST";
  headers?: Record<string, string>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as application/x-www-form-urlencoded. */
  form?: Record<string, string>;
  maxBytes?: number;
  timeoutMs?: number;
}

/** Never throws; the time-out covers the body too. */
export async function callJson(fetch: Fetch, call: JsonCall): Promise<JsonReply> {
  const signal = AbortSignal.timeout(call.timeoutMs ?? CALL_TIMEOUT_MS);
  const { body, contentType } = requestBody(call);
  try {
    const response = await fetch(call.url, {
      method: call.method ?? "GET",
      headers: { accept: "application/json", ...contentType, ...call.headers },
      body,
      signal,
      // A redirect would carry the credentials to another place.
      redirect: "manual",
    });
    const text = await boundedText(response, call.maxBytes ?? MAX_SMALL_BODY_BYTES);
    if (text === null) return { kind: "failed", code: "too_large" };
    return { kind: "reply", status: response.status, headers: response.headers, body: parseJson(text) };
  } catch {
    return { kind: "failed", code: signal.aborted ? "timeout" : "network" };
  }
}

/** `fetch` whose calls all fail once `end` is aborted, whatever else bounds them. */
export function endedBy(end: AbortSignal, fetch: Fetch): Fetch {
  return (url, init) =>
    fetch(url, { ...init, signal: init?.signal ? AbortSignal.any([init.signal, end]) : end });
}

function requestBody(call: JsonCall): { body?: string; contentType?: Record<string, string> } {
  if (call.json !== undefined) {
    return { body: JSON.stringify(call.json), contentType: { "content-type": "application/json" } };
  }
  if (call.form !== undefined) {
    const contentType = { "content-type": "application/x-www-form-urlencoded" };
    return { body: new URLSearchParams(call.form).toString(), contentType };
  }
  return {};
}

/** null when the body is larger than `maxBytes`; what is left is then not read. */
async function boundedText(response: Response, maxBytes: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const CODE = /^[\w.-]{1,80}$/;

/**
 * The error code in a body of any of OpenAI's shapes: `{error:{code|type}}`, `{error:"invalid_grant"}`, `{detail:{code}}`, `{code}`. Only
 * what looks like a code is taken, so that no upstream text travels on. null when there is none.
 */
export function errorCodeOf(body: unknown): string | null {
  const root = asRecord(body);
  const error = asRecord(root?.error);
  const detail = asRecord(root?.detail);
  const candidates = [error?.code, error?.type, root?.error, detail?.code, root?.code];
  for (const candidate of candidates) {
    const code = asText(candidate);
    if (code !== null && CODE.test(code)) return code;
  }
  return null;
}

/** `retry-after` in ms, when it is given in seconds; else null. */
export function retryAfterMs(headers: Headers): number | null {
  const seconds = asNumber(headers.get("retry-after"));
  return seconds === null || seconds < 0 ? null : seconds * 1000;
}

/** An error page where JSON was due: Cloudflare's challenge, a proxy's page. It says nothing about the account. */
export function isErrorPage(reply: { status: number; headers: Headers; body: unknown }): boolean {
  if (reply.status < 400 || reply.body !== undefined) return false;
  return reply.status === 403 || (reply.headers.get("content-type") ?? "").includes("text/html");
}
