/** A turn of the model as a chat completion: chunks, or one object. */
import type { CollectReducer, HttpReply, ReplyContext, ReplyFailure, StreamReducer } from "../dialect.ts";
import { openAiError } from "../openai-error.ts";
import { compact, type JsonObject } from "../parse.ts";
import { collectTurn, streamTurn, type TurnEnd, type TurnEvent, type TurnUsage } from "../turn.ts";
import { REASONING_FORMAT } from "./history.ts";

/** Between the texts of two messages in one turn: chat has room for one. */
const MESSAGE_SEPARATOR = "\n\n";

/** What names a completion; taken from upstream's first event, so that ids are the real ones. */
export interface CompletionHead {
  id: string;
  created: number;
  model: string;
}

export function completionHead(
  ctx: ReplyContext,
  start: (TurnEvent & { kind: "start" }) | null,
  prefix: string,
): CompletionHead {
  return {
    id: prefix + (start?.id ?? ctx.id).replace(/^resp_/, ""),
    created: start?.createdAt ?? ctx.createdAt,
    model: start?.model ?? ctx.reply.model,
  };
}

export function chatUsage(usage: TurnUsage): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}

export function finishReason(end: TurnEnd, hasCalls: boolean, legacyFunctions: boolean): string {
  switch (end) {
    case "length":
      return "length";
    case "content_filter":
      return "content_filter";
    case "completed":
      return !hasCalls ? "stop" : legacyFunctions ? "function_call" : "tool_calls";
  }
}

/** `data: …` with an error object: the form on which the SDKs throw in mid-stream. */
export function streamError(failure: ReplyFailure): string {
  return `data: ${failureReply(failure).body}\n\n`;
}

export function failureReply({ status, code, message }: ReplyFailure): HttpReply {
  return openAiError(status, code, message);
}

/** Each turn event as a chat delta. The stream sends the deltas, the collector adds them up: the two cannot differ. */
function createDeltas(ctx: ReplyContext) {
  const { legacyFunctions, toolNames } = ctx.reply;
  /** Output item → index in `tool_calls`. */
  const calls = new Map<number, number>();
  const customItems = new Set<number>();
  let textItem: number | null = null;

  function callStart(event: TurnEvent & { kind: "call" }): JsonObject {
    const index = calls.size;
    calls.set(event.item, index);
    const name = toolNames.get(event.name) ?? event.name;
    if (legacyFunctions) return { function_call: { name, arguments: "" } };
    const call = event.custom
      ? { type: "custom", custom: { name, input: "" } }
      : { type: "function", function: { name, arguments: "" } };
    if (event.custom) customItems.add(event.item);
    return { tool_calls: [{ index, id: event.callId, ...call }] };
  }

  function callInput(item: number, text: string): JsonObject {
    if (legacyFunctions) return { function_call: { arguments: text } };
    const input = customItems.has(item) ? { custom: { input: text } } : { function: { arguments: text } };
    return { tool_calls: [{ index: calls.get(item) ?? 0, ...input }] };
  }

  function deltaOf(event: TurnEvent): JsonObject | null {
    switch (event.kind) {
      case "text": {
        const isNext = textItem !== null && textItem !== event.item;
        textItem = event.item;
        return { content: isNext ? MESSAGE_SEPARATOR + event.text : event.text };
      }
      case "refusal":
        return { refusal: event.text };
      case "reasoning": {
        const detail = { type: "reasoning.summary", summary: event.text, ...detailTail(event) };
        return { reasoning_content: event.text, reasoning_details: [detail] };
      }
      case "reasoning_end":
        if (event.encrypted === null) return null;
        return {
          reasoning_details: [{ type: "reasoning.encrypted", data: event.encrypted, ...detailTail(event) }],
        };
      case "call":
        return callStart(event);
      case "call_input":
        return callInput(event.item, event.text);
      default:
        return null;
    }
  }
  return { deltaOf, hasCalls: () => calls.size > 0 };
}

function detailTail(event: { id: string | null; item: number }): JsonObject {
  return compact({ id: event.id ?? undefined, format: REASONING_FORMAT, index: event.item });
}

/** The start of every chunk's JSON, written once: there are many chunks. */
function chunkHead(head: CompletionHead): string {
  return `${JSON.stringify({ ...head, object: "chat.completion.chunk" }).slice(0, -1)},"choices":`;
}

export function createChatStream(ctx: ReplyContext): StreamReducer {
  const deltas = createDeltas(ctx);
  let head = chunkHead(completionHead(ctx, null, "chatcmpl-"));

  function chunk(choices: string, usage: JsonObject | null): string {
    const tail = ctx.reply.includeUsage ? `,"usage":${JSON.stringify(usage)}` : "";
    return `data: ${head}[${choices}]${tail}}\n\n`;
  }

  /** Only what differs from chunk to chunk is made into JSON each time. */
  function choice(delta: JsonObject, finishReason: string | null = null): string {
    const reason = finishReason === null ? "null" : `"${finishReason}"`;
    return chunk(`{"index":0,"delta":${JSON.stringify(delta)},"finish_reason":${reason}}`, null);
  }

  return streamTurn((event) => {
    switch (event.kind) {
      case "start":
        head = chunkHead(completionHead(ctx, event, "chatcmpl-"));
        return choice({ role: "assistant", content: "" });
      case "end": {
        let text = choice({}, finishReason(event.end, deltas.hasCalls(), ctx.reply.legacyFunctions));
        if (ctx.reply.includeUsage && event.usage) text += chunk("", chatUsage(event.usage));
        return `${text}data: [DONE]\n\n`;
      }
      case "failed":
        return streamError(event.failure);
      default: {
        const delta = deltas.deltaOf(event);
        return delta ? choice(delta) : "";
      }
    }
  });
}

export function createChatCollector(ctx: ReplyContext): CollectReducer {
  const deltas = createDeltas(ctx);
  const message: JsonObject = { role: "assistant", content: null, refusal: null };
  let head = completionHead(ctx, null, "chatcmpl-");

  return collectTurn((event) => {
    switch (event.kind) {
      case "start":
        head = completionHead(ctx, event, "chatcmpl-");
        return null;
      case "end": {
        const finish_reason = finishReason(event.end, deltas.hasCalls(), ctx.reply.legacyFunctions);
        const choices = [{ index: 0, message, logprobs: null, finish_reason }];
        const body: JsonObject = { ...head, object: "chat.completion", choices };
        if (event.usage) body.usage = chatUsage(event.usage);
        return { status: 200, body: JSON.stringify(body) };
      }
      case "failed":
        return failureReply(event.failure);
      default: {
        const delta = deltas.deltaOf(event);
        if (delta) addDelta(message, delta);
        return null;
      }
    }
  });
}

type PartialCall = { id?: string; type?: string } & Record<
  "function" | "custom",
  Record<string, string> | undefined
>;

/** Adds one delta to the message, as a client that reads the stream would. */
function addDelta(message: JsonObject, delta: JsonObject): void {
  for (const field of ["content", "refusal", "reasoning_content"]) {
    if (typeof delta[field] === "string")
      message[field] = ((message[field] as string | null) ?? "") + delta[field];
  }
  if (delta.function_call) {
    const call = (message.function_call ??= { name: "", arguments: "" }) as Record<string, string>;
    append(call, delta.function_call as Record<string, string>);
  }
  for (const part of (delta.tool_calls as (PartialCall & { index: number })[]) ?? []) {
    const calls = (message.tool_calls ??= []) as PartialCall[];
    const { index, ...call } = part;
    const known = calls[index];
    if (!known) calls[index] = call;
    else for (const kind of ["function", "custom"] as const) append(known[kind] ?? {}, call[kind] ?? {});
  }
  for (const detail of (delta.reasoning_details as JsonObject[]) ?? []) addDetail(message, detail);
}

function append(target: Record<string, string>, source: Record<string, string>): void {
  for (const key of Object.keys(source)) target[key] = (target[key] ?? "") + source[key];
}

function addDetail(message: JsonObject, detail: JsonObject): void {
  const details = (message.reasoning_details ??= []) as JsonObject[];
  const last = details.at(-1);
  if (last?.type === "reasoning.summary" && detail.type === last.type && detail.index === last.index) {
    last.summary = `${last.summary as string}${detail.summary as string}`;
  } else details.push({ ...detail });
}
