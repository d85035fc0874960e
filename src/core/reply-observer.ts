/** What a Responses reply has said so far, read from a copy of its events: the facts for retrying, accounting and the log. */
import { eventData } from "./sse.ts";

/**
 * preamble: nothing a user could see yet, so another account may still answer instead;
 * content: output has begun; ended: the terminal event came.
 */
export type ReplyPhase = "preamble" | "content" | "ended";

export interface ReplySummary {
  responseId: string | null;
  /** As upstream confirmed them; null when it did not say. */
  model: string | null;
  serviceTier: string | null;
  /** Upstream's usage object as it came; null until the terminal event. */
  usage: unknown;
  terminal: "completed" | "failed" | "incomplete" | null;
  /** Of a failed or incomplete reply: short, safe to log. */
  errorCode: string | null;
  webSearchCalls: number;
  imageCalls: number;
}

export interface ReplyObserver {
  phase(): ReplyPhase;
  /** The event that says the reply failed before any content came; null while none did. */
  earlyFailure(): unknown;
  /** The event that says the reply failed after content had begun; null while none did. */
  lateFailure(): unknown;
  /** The newest `codex.rate_limits` event, null when none came. */
  rateLimits(): unknown;
  /** The turn state that a `response.metadata` event carried (UPSTREAM: only over WebSocket does the client read it). */
  turnState(): string | null;
  summary(): ReplySummary;
  /** Surely one of the many events that only carry output, seen from its first bytes. */
  isNoise(bytes: Buffer, at: number): boolean;
  /** Whether `event` needs the bytes of an event of this type. Also notes that content began. */
  wants(type: string): boolean;
  /** One event as it came, in SSE form. */
  event(type: string, bytes: Buffer): void;
  /** One event as JSON text (a WebSocket frame). */
  json(type: string, text: string): void;
}

/** Events that carry nothing to show. A failure after only these can be mended by another attempt. */
const PREAMBLE = new Set([
  "",
  "response.created",
  "response.in_progress",
  "response.queued",
  "response.metadata",
  "codex.rate_limits",
  "keepalive",
]);

const READ = new Set([
  "response.created",
  "response.metadata",
  "codex.rate_limits",
  "response.completed",
  "response.failed",
  "response.incomplete",
  "error",
]);

/** Output items that are priced per call show their type within this many leading bytes of the event. */
const ITEM_TYPE_BYTES = 400;

export function createReplyObserver(): ReplyObserver {
  let phase: ReplyPhase = "preamble";
  let earlyFailure: unknown = null;
  let lateFailure: unknown = null;
  let rateLimits: unknown = null;
  let turnState: string | null = null;
  const summary: ReplySummary = {
    responseId: null,
    model: null,
    serviceTier: null,
    usage: null,
    terminal: null,
    errorCode: null,
    webSearchCalls: 0,
    imageCalls: 0,
  };

  function readResponse(value: unknown): void {
    const response = record(value);
    if (!response) return;
    summary.responseId = text(response.id) ?? summary.responseId;
    summary.model = text(response.model) ?? summary.model;
    summary.serviceTier = text(response.service_tier) ?? summary.serviceTier;
    if (record(response.usage)) summary.usage = response.usage;
    const error = record(response.error);
    if (error) summary.errorCode = text(error.code) ?? text(error.type) ?? summary.errorCode;
    const incomplete = record(response.incomplete_details);
    if (incomplete) summary.errorCode = text(incomplete.reason) ?? summary.errorCode;
  }

  function end(terminal: NonNullable<ReplySummary["terminal"]>, event: Record<string, unknown>): void {
    if (terminal === "failed" && phase === "preamble") earlyFailure = event;
    if (terminal === "failed" && phase === "content") lateFailure = event;
    summary.terminal = terminal;
    if (terminal === "failed") {
      const error = record(event.error);
      summary.errorCode ??= text(error?.code) ?? text(error?.type) ?? text(event.code) ?? "unknown";
    }
    phase = "ended";
  }

  function take(type: string, value: unknown): void {
    const event = record(value);
    if (!event) return;
    switch (type) {
      case "response.created":
        readResponse(event.response);
        break;
      case "response.metadata": {
        const headers = record(event.headers);
        turnState = text(headers?.["x-codex-turn-state"]) ?? turnState;
        break;
      }
      case "codex.rate_limits":
        rateLimits = event;
        break;
      case "response.completed":
        readResponse(event.response);
        end("completed", event);
        break;
      case "response.incomplete":
        readResponse(event.response);
        end("incomplete", event);
        break;
      case "response.failed":
        readResponse(event.response);
        end("failed", event);
        break;
      case "error":
        end("failed", event);
        break;
    }
  }

  function countItem(head: string): void {
    if (head.includes('"web_search_call"')) summary.webSearchCalls++;
    else if (head.includes('"image_generation_call"')) summary.imageCalls++;
  }

  return {
    phase: () => phase,
    earlyFailure: () => earlyFailure,
    lateFailure: () => lateFailure,
    rateLimits: () => rateLimits,
    turnState: () => turnState,
    summary: () => summary,
    isNoise: (bytes, at) => phase !== "preamble" && isOutput(bytes, at),
    wants(type) {
      if (phase === "preamble" && !PREAMBLE.has(type) && !READ.has(type)) phase = "content";
      return READ.has(type) || type === "response.output_item.done";
    },
    event(type, bytes) {
      if (type === "response.output_item.done") {
        countItem(bytes.toString("latin1", 0, Math.min(bytes.length, ITEM_TYPE_BYTES)));
      } else take(type, parse(eventData(bytes)));
    },
    json(type, data) {
      if (type === "response.output_item.done") countItem(data.slice(0, ITEM_TYPE_BYTES));
      else take(type, parse(data));
    },
  };
}

/** Where the name after `event: response.` begins. */
const NAME_AT = 16;
const LETTER = {
  a: 97,
  c: 99,
  e: 101,
  i: 105,
  n: 110,
  o: 111,
  f: 102,
  r: 114,
  t: 116,
  u: 117,
  dot: 46,
} as const;

/**
 * True for an event whose line begins with `event: response.` and names output: `output_text.…`, `output_item.added`,
 * `reasoning_…`, `refusal.…`, `function_call_…`, `custom_tool_…`, `content_part.…`. A few bytes tell; most events of a reply
 * are of this kind.
 */
function isOutput(bytes: Buffer, at: number): boolean {
  if (bytes[at] !== LETTER.e || bytes[at + 7] !== LETTER.r || bytes[at + NAME_AT - 1] !== LETTER.dot)
    return false;
  const name = at + NAME_AT;
  const second = bytes[name + 1];
  switch (bytes[name]) {
    case LETTER.o: // output_…
      if (bytes[name + 7] === LETTER.t) return true;
      return bytes[name + 7] === LETTER.i && bytes[name + 12] === LETTER.a;
    case LETTER.r: // reasoning_…, refusal.…
      return true;
    case LETTER.f: // function_call_…, not failed
      return second === LETTER.u;
    case LETTER.c: // custom_tool_…, content_part.…, not created nor completed
      return second === LETTER.u || (second === LETTER.o && bytes[name + 2] === LETTER.n);
    default:
      return false;
  }
}

function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
