/** What the dialect tests share: contexts, and upstream turns as events. */
import { createSseScanner, eventData, formatEvent } from "../sse.ts";
import type { ReplyContext, ReplyShape, RequestContext } from "./dialect.ts";
import type { JsonObject } from "./parse.ts";

export const REQUEST_CONTEXT: RequestContext = {
  knownModels: new Set(["gpt-5.5", "gpt-5.4-mini", "gpt-5.1-codex-max"]),
  modelRules: [{ pattern: "claude-*", model: "gpt-5.5" }],
};

export function replyContext(shape: Partial<ReplyShape> = {}): ReplyContext {
  const reply: ReplyShape = {
    requestedModel: "gpt-5.5",
    model: "gpt-5.5",
    includeUsage: true,
    legacyFunctions: false,
    thinking: true,
    toolNames: new Map(),
    ...shape,
  };
  return { reply, id: "req_1", createdAt: 1_700_000_000 };
}

export const USAGE = {
  input_tokens: 100,
  input_tokens_details: { cached_tokens: 40 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 3 },
  total_tokens: 107,
};

export const textItem = (text: string, id = "msg_1"): JsonObject => ({
  type: "message",
  id,
  role: "assistant",
  content: [{ type: "output_text", text, annotations: [] }],
});
export const callItem = (name: string, args: string, callId = "call_1"): JsonObject => ({
  type: "function_call",
  id: `fc_${callId}`,
  call_id: callId,
  name,
  arguments: args,
});
export const reasoningItem = (texts: string[], encrypted: string | null = "gAAA"): JsonObject => ({
  type: "reasoning",
  id: "rs_1",
  summary: texts.map((text) => ({ type: "summary_text", text })),
  encrypted_content: encrypted,
});

export const created = {
  type: "response.created",
  response: { id: "resp_1", model: "gpt-5.5", created_at: 1_760_000_000 },
};
export const completed = {
  type: "response.completed",
  response: { id: "resp_1", status: "completed", output: [], usage: USAGE },
};

/** A turn as upstream tells it, without any delta. */
export function turnWithoutDeltas(items: JsonObject[], last: JsonObject = completed): JsonObject[] {
  const done = items.map((item, output_index) => ({ type: "response.output_item.done", output_index, item }));
  return [created, ...done, last];
}

/** The events of one item: announced, in deltas cut at `cuts`, done. */
export function itemEvents(item: JsonObject, output_index: number, cuts: number[]): JsonObject[] {
  const item_id = item.id;
  const deltas = deltaSources(item).flatMap(({ text, ...rest }) =>
    pieces(text, cuts).map((delta) => ({ ...rest, item_id, output_index, delta })),
  );
  const emptied = { ...item, content: [], summary: [], arguments: "", input: "" };
  return [
    { type: "response.output_item.added", output_index, item: emptied },
    ...deltas,
    { type: "response.output_item.done", output_index, item },
  ];
}

function deltaSources(
  item: JsonObject,
): { type: string; text: string; content_index?: number; summary_index?: number }[] {
  const parts = (item.content ?? item.summary ?? []) as { type: string; text?: string; refusal?: string }[];
  switch (item.type) {
    case "message":
      return parts.map((part, content_index) => ({
        type: part.type === "refusal" ? "response.refusal.delta" : "response.output_text.delta",
        text: part.text ?? part.refusal ?? "",
        content_index,
      }));
    case "reasoning":
      return parts.map((part, summary_index) => ({
        type: "response.reasoning_summary_text.delta",
        text: part.text ?? "",
        summary_index,
      }));
    case "custom_tool_call":
      return [{ type: "response.custom_tool_call_input.delta", text: String(item.input) }];
    default:
      return [{ type: "response.function_call_arguments.delta", text: String(item.arguments) }];
  }
}

function pieces(text: string, cuts: number[]): string[] {
  const ends = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].toSorted((a, b) => a - b);
  return [...ends, text.length]
    .map((end, i) => text.slice(i === 0 ? 0 : ends[i - 1], end))
    .filter((piece) => piece !== "");
}

/** The events that come out when upstream's bytes arrive cut at `cuts`. */
export function throughBytes(events: JsonObject[], cuts: number[]): unknown[] {
  const bytes = new TextEncoder().encode(
    events.map((event) => formatEvent(String(event.type), event)).join(""),
  );
  const read: unknown[] = [];
  const scanner = createSseScanner({
    wants: () => true,
    onEvent: (_, event) => read.push(JSON.parse(eventData(event))),
  });
  const ends = cuts.map((cut) => cut % bytes.length).toSorted((a, b) => a - b);
  [...ends, bytes.length].forEach((end, i) => scanner.push(bytes.slice(i === 0 ? 0 : ends[i - 1], end)));
  return read;
}

/** The parsed `data:` lines of a dialect's stream, `[DONE]` as a string. */
export function dataOf(sse: string): (JsonObject | string)[] {
  return sse
    .split("\n\n")
    .flatMap((block) => block.split("\n").filter((line) => line.startsWith("data: ")))
    .map((line) => (line === "data: [DONE]" ? "[DONE]" : JSON.parse(line.slice(6))));
}
