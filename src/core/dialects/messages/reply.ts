/** A turn of the model as an Anthropic message: its server-sent events in their order, or one object. */
import { formatEvent } from "../../sse.ts";
import type { CollectReducer, ErrorExtras, HttpReply, ReplyContext, StreamReducer } from "../dialect.ts";
import { isObject, type JsonObject } from "../parse.ts";
import { collectTurn, streamTurn, type TurnEnd, type TurnEvent, type TurnUsage } from "../turn.ts";
import { encodeSignature } from "./signature.ts";

/** Anthropic's `input_tokens` leaves out what came from the cache or went into it; upstream's total includes both. */
function messageUsage(usage: TurnUsage | null): JsonObject {
  const cached = usage?.cachedInputTokens ?? 0;
  const written = usage?.cacheWriteTokens ?? 0;
  return {
    input_tokens: Math.max(0, (usage?.inputTokens ?? 0) - cached - written),
    cache_creation_input_tokens: written,
    cache_read_input_tokens: cached,
    output_tokens: usage?.outputTokens ?? 0,
  };
}

function stopReason(end: TurnEnd, used: { tools: boolean; refusal: boolean }): string {
  switch (end) {
    case "length":
      return "max_tokens";
    case "content_filter":
      return "refusal";
    case "completed":
      return used.refusal ? "refusal" : used.tools ? "tool_use" : "end_turn";
  }
}

/** `type` by status, as Anthropic lists them. Its 529 is what OpenAI and this program answer with 503. */
function errorType(status: number): string {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 529:
      return "overloaded_error";
    default:
      return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

/** `{"type":"error","error":{"type","message"}}`; Anthropic has no codes, so the message must say everything. */
export function messagesError(
  status: number,
  _code: string,
  message: string,
  extras: ErrorExtras = {},
): HttpReply {
  const sent = status === 503 ? 529 : status;
  const body: JsonObject = { type: "error", error: { type: errorType(sent), message } };
  if (extras.requestId) body.request_id = extras.requestId;
  return { status: sent, body: JSON.stringify(body) };
}

/** A step of Anthropic's own stream protocol, before it is bytes or an object. */
type MessageEvent = { type: string } & JsonObject;

type ItemEvent = Extract<TurnEvent, { item: number }>;

/**
 * Turn events → Anthropic's events. Its content blocks come strictly one after another, while upstream may open several
 * items at once: what belongs to a later item waits until the one before it has ended.
 */
function createBlocks(ctx: ReplyContext) {
  let index = -1;
  let open: "text" | "tool_use" | "thinking" | null = null;
  let current: number | null = null;
  let waiting: ItemEvent[] = [];
  const used = { tools: false, refusal: false };

  function openBlock(type: "text" | "tool_use" | "thinking", block: JsonObject, out: MessageEvent[]): void {
    closeBlock(out);
    open = type;
    index++;
    out.push({ type: "content_block_start", index, content_block: { type, ...block } });
  }

  function closeBlock(out: MessageEvent[]): void {
    if (open) out.push({ type: "content_block_stop", index });
    open = null;
  }

  function delta(delta: JsonObject, out: MessageEvent[]): void {
    out.push({ type: "content_block_delta", index, delta });
  }

  function write(event: ItemEvent, out: MessageEvent[]): void {
    switch (event.kind) {
      case "item_start":
        return;
      case "text":
      case "refusal":
        if (event.kind === "refusal") used.refusal = true;
        if (open !== "text") openBlock("text", { text: "" }, out);
        return delta({ type: "text_delta", text: event.text }, out);
      case "call":
        used.tools = true;
        return openBlock(
          "tool_use",
          { id: event.callId, name: ctx.reply.toolNames.get(event.name) ?? event.name, input: {} },
          out,
        );
      case "call_input":
        return delta({ type: "input_json_delta", partial_json: event.text }, out);
      case "reasoning":
        if (!ctx.reply.thinking) return;
        if (open !== "thinking") openBlock("thinking", { thinking: "", signature: "" }, out);
        return delta({ type: "thinking_delta", thinking: event.text }, out);
      case "reasoning_end":
        return writeReasoningEnd(event, out);
      case "item_end":
        return closeBlock(out);
    }
  }

  /** The signature of what was shown; reasoning without a summary is a redacted block that carries the same. */
  function writeReasoningEnd(event: TurnEvent & { kind: "reasoning_end" }, out: MessageEvent[]): void {
    if (!ctx.reply.thinking || event.encrypted === null) return;
    const signature = encodeSignature(event.id, event.encrypted);
    if (open === "thinking") return delta({ type: "signature_delta", signature }, out);
    closeBlock(out);
    index++;
    out.push({
      type: "content_block_start",
      index,
      content_block: { type: "redacted_thinking", data: signature },
    });
    out.push({ type: "content_block_stop", index });
  }

  function take(event: ItemEvent, out: MessageEvent[]): void {
    current ??= event.item;
    if (event.item !== current) {
      waiting.push(event);
      return;
    }
    write(event, out);
    if (event.kind !== "item_end") return;
    current = null;
    const queued = waiting;
    waiting = [];
    for (const later of queued) take(later, out);
  }

  function eventsOf(event: TurnEvent): MessageEvent[] {
    const out: MessageEvent[] = [];
    switch (event.kind) {
      case "start":
        out.push({ type: "message_start", message: emptyMessage(ctx, event.id) });
        return out;
      case "end": {
        closeBlock(out);
        const stop = { stop_reason: stopReason(event.end, used), stop_sequence: null };
        out.push({ type: "message_delta", delta: stop, usage: messageUsage(event.usage) });
        out.push({ type: "message_stop" });
        return out;
      }
      case "failed": {
        const { status, code, message } = event.failure;
        out.push(JSON.parse(messagesError(status, code, message).body));
        return out;
      }
      default:
        take(event, out);
        return out;
    }
  }
  return eventsOf;
}

function emptyMessage(ctx: ReplyContext, responseId: string | null): JsonObject {
  return {
    id: `msg_${(responseId ?? ctx.id).replace(/^resp_/, "")}`,
    type: "message",
    role: "assistant",
    // As asked for: clients look up limits and prices by the name that they know.
    model: ctx.reply.requestedModel,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: messageUsage(null),
  };
}

export function createMessagesStream(ctx: ReplyContext): StreamReducer {
  const eventsOf = createBlocks(ctx);
  return streamTurn((turnEvent) =>
    eventsOf(turnEvent)
      .map((event) => formatEvent(event.type, event))
      .join(""),
  );
}

/** Adds up the very events that the stream would send, as a client does. */
export function createMessagesCollector(ctx: ReplyContext): CollectReducer {
  const eventsOf = createBlocks(ctx);
  let message: JsonObject = {};
  const blocks: JsonObject[] = [];
  let partialJson = "";

  function take(event: MessageEvent): void {
    const block = blocks.at(-1);
    switch (event.type) {
      case "message_start":
        message = event.message as JsonObject;
        return;
      case "content_block_start":
        blocks.push({ ...(event.content_block as JsonObject) });
        partialJson = "";
        return;
      case "content_block_delta": {
        const { type: _, partial_json: json, ...texts } = event.delta as Record<string, string>;
        partialJson += json ?? "";
        if (block) for (const key of Object.keys(texts)) block[key] = `${block[key] as string}${texts[key]}`;
        return;
      }
      case "content_block_stop":
        if (block?.type === "tool_use") block.input = parseInput(partialJson);
        return;
      case "message_delta":
        message = { ...message, content: blocks, ...(event.delta as JsonObject), usage: event.usage };
    }
  }

  return collectTurn((turnEvent) => {
    eventsOf(turnEvent).forEach(take);
    if (turnEvent.kind === "end") return { status: 200, body: JSON.stringify(message) };
    if (turnEvent.kind !== "failed") return null;
    return messagesError(turnEvent.failure.status, turnEvent.failure.code, turnEvent.failure.message);
  });
}

/** Tool input must be an object there; a turn cut short leaves JSON that ends in the middle. */
function parseInput(json: string): JsonObject {
  try {
    const input: unknown = JSON.parse(json);
    return isObject(input) ? input : {};
  } catch {
    return {};
  }
}
