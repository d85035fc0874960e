/** Reads a stream of Responses events as one turn of the model: text, reasoning and calls, each once, then the end. */
import type { CollectReducer, HttpReply, ReplyFailure, StreamReducer } from "./dialect.ts";
import { isObject, type JsonObject } from "./parse.ts";

export interface TurnUsage {
  /** Includes the cached ones. */
  inputTokens: number;
  cachedInputTokens: number;
  /** Written to the prompt cache; part of the input, 0 where upstream does not say. */
  cacheWriteTokens: number;
  /** Includes the reasoning ones. */
  outputTokens: number;
  reasoningTokens: number;
}

/** Why a turn ended well enough to be shown. */
export type TurnEnd = "completed" | "length" | "content_filter";

/** `item` numbers the output items from 0 in the order in which they appeared. */
export type TurnEvent =
  | { kind: "start"; id: string | null; model: string | null; createdAt: number | null }
  /** An item of any kind began; those that a dialect does not show say no more until `item_end`. */
  | { kind: "item_start"; item: number }
  | { kind: "text"; item: number; text: string }
  | { kind: "refusal"; item: number; text: string }
  | { kind: "reasoning"; item: number; id: string | null; text: string }
  | { kind: "reasoning_end"; item: number; id: string | null; encrypted: string | null }
  | { kind: "call"; item: number; custom: boolean; callId: string; name: string }
  | { kind: "call_input"; item: number; text: string }
  /** Nothing more comes for this item. */
  | { kind: "item_end"; item: number }
  | { kind: "end"; end: TurnEnd; usage: TurnUsage | null }
  | { kind: "failed"; failure: ReplyFailure };

export interface TurnReader {
  /** The turn events that this upstream event means; often none. Unknown events mean nothing. */
  read(event: unknown): TurnEvent[];
  /** What upstream's end means: nothing after a terminal event, otherwise a failure. */
  end(): TurnEvent[];
  /** What a failure from elsewhere means: nothing after a terminal event. */
  fail(failure: ReplyFailure): TurnEvent[];
}

/** Stands for the part of an item that has but one. */
const WHOLE = -1;

/** How summary parts of one reasoning item are set apart in a single text. */
const PART_SEPARATOR = "\n\n";

interface Item {
  index: number;
  id: string | null;
  /** Text handed on so far per content part; reasoning and call input are one part, `WHOLE`. */
  sent: Map<number, string>;
  announced: boolean;
  closed: boolean;
  /** Summary part that the last reasoning delta belonged to. */
  summaryPart: number;
}

/**
 * Deltas are shown as they come; `output_item.done` is the truth (UPSTREAM C), so whatever of it no delta brought is
 * handed on then. The result is therefore the same with all, some or none of the deltas.
 */
export function createTurnReader(): TurnReader {
  /** By their place in the output, or by id where upstream leaves that out. */
  const items = new Map<number | string, Item>();
  let started = false;
  let finished = false;

  function itemOf(event: JsonObject, out: TurnEvent[]): Item {
    const inner = isObject(event.item) ? event.item : {};
    const id = textOf(event.item_id) ?? textOf(inner.id);
    const key = typeof event.output_index === "number" ? event.output_index : (id ?? "");
    let item = items.get(key);
    if (!item) {
      item = { index: items.size, id, sent: new Map(), announced: false, closed: false, summaryPart: 0 };
      items.set(key, item);
      out.push({ kind: "item_start", item: item.index });
    }
    item.id ??= id;
    return item;
  }

  function start(response: JsonObject, out: TurnEvent[]): void {
    if (started) return;
    started = true;
    const createdAt = typeof response.created_at === "number" ? Math.floor(response.created_at) : null;
    out.push({ kind: "start", id: textOf(response.id), model: textOf(response.model), createdAt });
  }

  function finish(event: TurnEvent, out: TurnEvent[]): void {
    finished = true;
    if (event.kind === "end") for (const item of items.values()) close(item, out);
    out.push(event);
  }

  function read(event: unknown): TurnEvent[] {
    const out: TurnEvent[] = [];
    if (finished || !isObject(event) || typeof event.type !== "string") return out;
    const response = isObject(event.response) ? event.response : {};
    switch (event.type) {
      case "response.created":
      case "response.in_progress":
        start(response, out);
        return out;
      case "response.completed":
      case "response.incomplete":
      case "response.done":
        start(response, out);
        if (items.size === 0) readWholeOutput(response.output, out);
        finish({ kind: "end", end: endOf(event.type, response), usage: usageOf(response) }, out);
        return out;
      case "response.failed":
        finish({ kind: "failed", failure: failureOf(response.error) }, out);
        return out;
      case "error":
        finish({ kind: "failed", failure: failureOf(isObject(event.error) ? event.error : event) }, out);
        return out;
      default:
        readItemEvent(event.type, event, out);
        return out;
    }
  }

  function readItemEvent(type: string, event: JsonObject, out: TurnEvent[]): void {
    const handler = ITEM_EVENTS.get(type);
    if (!handler) return;
    start({}, out);
    const item = itemOf(event, out);
    if (!item.closed) handler(item, event, out);
  }

  function readWholeOutput(output: unknown, out: TurnEvent[]): void {
    if (!Array.isArray(output)) return;
    output.forEach((item, index) =>
      readItemEvent("response.output_item.done", { output_index: index, item }, out),
    );
  }

  function fail(failure: ReplyFailure): TurnEvent[] {
    const out: TurnEvent[] = [];
    if (!finished) finish({ kind: "failed", failure }, out);
    return out;
  }

  return { read, fail, end: () => fail(BROKE_OFF) };
}

/** A stream reducer from a function that writes each turn event in a dialect. */
export function streamTurn(write: (event: TurnEvent) => string): StreamReducer {
  const reader = createTurnReader();
  function writeAll(events: TurnEvent[]): string {
    let text = "";
    for (const event of events) text += write(event);
    return text;
  }
  return {
    push: (event) => writeAll(reader.read(event)),
    end: () => writeAll(reader.end()),
    failed: (failure) => writeAll(reader.fail(failure)),
  };
}

/** A collector from a function that takes each turn event and answers the last one (`end` or `failed`) with the reply. */
export function collectTurn(take: (event: TurnEvent) => HttpReply | null): CollectReducer {
  const reader = createTurnReader();
  let reply: HttpReply | null = null;
  function takeAll(events: TurnEvent[]): void {
    for (const event of events) reply = take(event) ?? reply;
  }
  function settle(events: TurnEvent[]): HttpReply {
    takeAll(events);
    if (!reply) throw new Error("a turn ended without a reply");
    return reply;
  }
  return {
    push: (event) => takeAll(reader.read(event)),
    end: () => settle(reader.end()),
    failed: (failure) => settle(reader.fail(failure)),
  };
}

/** What a client is told when upstream stops without a terminal event. */
export const BROKE_OFF: ReplyFailure = {
  status: 502,
  code: "upstream_stream_ended",
  message: "The upstream stream ended before the response was complete. Send the request again.",
};

type ItemHandler = (item: Item, event: JsonObject, out: TurnEvent[]) => void;

const ITEM_EVENTS: ReadonlyMap<string, ItemHandler> = new Map<string, ItemHandler>([
  ["response.output_item.added", (item, event, out) => announceCall(item, event.item, out)],
  ["response.output_item.done", readDone],
  ["response.output_text.delta", (item, event, out) => send(item, "text", partKey(event), event.delta, out)],
  ["response.refusal.delta", (item, event, out) => send(item, "refusal", partKey(event), event.delta, out)],
  ["response.reasoning_summary_text.delta", readSummaryDelta],
  ["response.reasoning_text.delta", (item, event, out) => send(item, "reasoning", WHOLE, event.delta, out)],
  ["response.function_call_arguments.delta", readCallDelta],
  ["response.custom_tool_call_input.delta", readCallDelta],
]);

function partKey(event: JsonObject): number {
  return typeof event.content_index === "number" ? event.content_index : 0;
}

function send(
  item: Item,
  kind: "text" | "refusal" | "reasoning" | "call_input",
  part: number,
  text: unknown,
  out: TurnEvent[],
): void {
  if (typeof text !== "string" || text === "") return;
  item.sent.set(part, (item.sent.get(part) ?? "") + text);
  if (kind === "reasoning") out.push({ kind, item: item.index, id: item.id, text });
  else out.push({ kind, item: item.index, text });
}

/** Hands on what the deltas left out of the whole text. Where the two disagree, what was shown stands. */
function sendRest(
  item: Item,
  kind: "text" | "refusal" | "reasoning" | "call_input",
  part: number,
  whole: unknown,
  out: TurnEvent[],
): void {
  if (typeof whole !== "string") return;
  const sent = item.sent.get(part) ?? "";
  if (whole.startsWith(sent)) send(item, kind, part, whole.slice(sent.length), out);
}

function readSummaryDelta(item: Item, event: JsonObject, out: TurnEvent[]): void {
  const part = typeof event.summary_index === "number" ? event.summary_index : 0;
  const separator = part > item.summaryPart && item.sent.has(WHOLE) ? PART_SEPARATOR : "";
  item.summaryPart = part;
  if (typeof event.delta === "string") send(item, "reasoning", WHOLE, separator + event.delta, out);
}

function readCallDelta(item: Item, event: JsonObject, out: TurnEvent[]): void {
  // Without its name a call cannot be shown yet; `output_item.done` will bring all of it.
  if (item.announced) send(item, "call_input", WHOLE, event.delta, out);
}

function announceCall(item: Item, value: unknown, out: TurnEvent[]): void {
  if (item.announced || !isObject(value)) return;
  const custom = value.type === "custom_tool_call";
  if ((value.type !== "function_call" && !custom) || typeof value.name !== "string") return;
  const callId = textOf(value.call_id) ?? textOf(value.id) ?? `call_${item.index}`;
  item.announced = true;
  out.push({ kind: "call", item: item.index, custom, callId, name: value.name });
}

function readDone(item: Item, event: JsonObject, out: TurnEvent[]): void {
  const value = isObject(event.item) ? event.item : {};
  switch (value.type) {
    case "message":
      for (const [index, part] of arrayOf(value.content).entries()) {
        if (!isObject(part)) continue;
        if (part.type === "output_text") sendRest(item, "text", index, part.text, out);
        if (part.type === "refusal") sendRest(item, "refusal", index, part.refusal, out);
      }
      break;
    case "reasoning": {
      sendRest(item, "reasoning", WHOLE, joinParts(value.summary) || joinParts(value.content), out);
      out.push({
        kind: "reasoning_end",
        item: item.index,
        id: item.id,
        encrypted: textOf(value.encrypted_content),
      });
      break;
    }
    case "function_call":
    case "custom_tool_call":
      announceCall(item, value, out);
      if (item.announced) {
        sendRest(
          item,
          "call_input",
          WHOLE,
          value.type === "function_call" ? value.arguments : value.input,
          out,
        );
      }
      break;
  }
  close(item, out);
}

function close(item: Item, out: TurnEvent[]): void {
  if (item.closed) return;
  item.closed = true;
  out.push({ kind: "item_end", item: item.index });
}

function joinParts(parts: unknown): string {
  return arrayOf(parts)
    .map((part) => (isObject(part) ? (textOf(part.text) ?? "") : ""))
    .filter((text) => text !== "")
    .join(PART_SEPARATOR);
}

function endOf(type: string, response: JsonObject): TurnEnd {
  if (type !== "response.incomplete" && response.status !== "incomplete") return "completed";
  const details = isObject(response.incomplete_details) ? response.incomplete_details : {};
  return details.reason === "content_filter" ? "content_filter" : "length";
}

function usageOf(response: JsonObject): TurnUsage | null {
  if (!isObject(response.usage)) return null;
  const { usage } = response;
  const input = isObject(usage.input_tokens_details) ? usage.input_tokens_details : {};
  const output = isObject(usage.output_tokens_details) ? usage.output_tokens_details : {};
  return {
    inputTokens: countOf(usage.input_tokens),
    cachedInputTokens: countOf(input.cached_tokens),
    cacheWriteTokens: countOf(input.cache_write_tokens),
    outputTokens: countOf(usage.output_tokens),
    reasoningTokens: countOf(output.reasoning_tokens),
  };
}

/** The error of `response.failed` or of an `error` event, with the HTTP status that it would have had. */
export function failureOf(error: unknown): ReplyFailure {
  const fields = isObject(error) ? error : {};
  const code = textOf(fields.code) ?? textOf(fields.type) ?? "upstream_error";
  const message = textOf(fields.message) ?? "The upstream ended the response with an error.";
  return { status: statusOfCode(code), code: code === "error" ? "upstream_error" : code, message };
}

/** In-stream codes of UPSTREAM E. */
function statusOfCode(code: string): number {
  switch (code) {
    case "invalid_prompt":
    case "context_length_exceeded":
    case "cyber_policy":
    case "invalid_request_error":
    case "previous_response_not_found":
    case "invalid_encrypted_content":
      return 400;
    case "usage_limit_reached":
    case "usage_not_included":
    case "insufficient_quota":
    case "rate_limit_exceeded":
    case "slow_down":
      return 429;
    case "server_is_overloaded":
      return 503;
    default:
      return 502;
  }
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function countOf(value: unknown): number {
  return typeof value === "number" && value > 0 ? value : 0;
}
