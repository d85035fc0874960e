import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { chatDialect } from "./chat/dialect.ts";
import type { Dialect, ReplyContext } from "./dialect.ts";
import {
  callItem,
  completed,
  created,
  dataOf,
  itemEvents,
  reasoningItem,
  REQUEST_CONTEXT,
  replyContext,
  textItem,
  throughBytes,
  turnWithoutDeltas,
} from "./fixtures.ts";
import { messagesDialect } from "./messages/dialect.ts";
import type { JsonObject } from "./parse.ts";
import { responsesDialect } from "./responses.ts";

/** Fixed, so that a failure can be run again. */
const RUNS = { numRuns: 400, seed: 20_260_101 };

const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 });
const anyName = fc.stringMatching(/^[a-z_]{1,12}$/);
const anyArguments = fc
  .dictionary(anyName, fc.oneof(anyText, fc.integer()), { maxKeys: 3 })
  .map((fields) => JSON.stringify(fields));
const anyCut = fc.nat({ max: 100_000 });

/** Output items as the backend makes them: reasoning, at most one message, then calls. */
const anyOutput: fc.Arbitrary<JsonObject[]> = fc
  .record({
    summary: fc.option(fc.array(anyText, { maxLength: 3 })),
    text: fc.option(anyText),
    calls: fc.array(fc.record({ name: anyName, args: anyArguments, custom: fc.boolean() }), { maxLength: 3 }),
  })
  .map(({ summary, text, calls }) => [
    ...(summary ? [reasoningItem(summary)] : []),
    ...(text === null ? [] : [textItem(text)]),
    ...calls.map(({ name, args, custom }, i) =>
      custom
        ? { type: "custom_tool_call", id: `ctc_${i}`, call_id: `call_${i}`, name, input: args }
        : callItem(name, args, `call_${i}`),
    ),
  ]);

/** A turn with random output, told with or without deltas, one item after another or all at once. */
const anyTurn: fc.Arbitrary<{ output: JsonObject[]; events: JsonObject[] }> = fc
  .record({
    output: anyOutput,
    cuts: fc.array(fc.nat(40), { maxLength: 4 }),
    deltas: fc.boolean(),
    mixed: fc.boolean(),
  })
  .map(({ output, cuts, deltas, mixed }) => {
    if (!deltas) return { output, events: turnWithoutDeltas(output) };
    const lists = output.map((item, index) => itemEvents(item, index, cuts));
    return { output, events: [created, ...(mixed ? interleave(lists) : lists.flat()), completed] };
  });

function interleave(lists: JsonObject[][]): JsonObject[] {
  const longest = Math.max(0, ...lists.map((list) => list.length));
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list.slice(i, i + 1))).flat();
}

function collected(dialect: Dialect, ctx: ReplyContext, events: JsonObject[]): JsonObject {
  const collector = dialect.createCollector(ctx);
  events.forEach(collector.push);
  return JSON.parse(collector.end().body);
}

/** The stream of upstream's bytes cut anywhere, read by a client of the dialect. */
function streamed(
  dialect: Dialect,
  ctx: ReplyContext,
  events: JsonObject[],
  cuts: number[],
): (JsonObject | string)[] {
  const stream = dialect.createStream(ctx);
  return dataOf(throughBytes(events, cuts).map(stream.push).join("") + stream.end());
}

type Chunk = {
  choices: { delta: JsonObject; finish_reason: string | null }[];
  usage?: JsonObject;
} & JsonObject;
type CallDelta = { index: number; id?: string; type?: string; [kind: string]: unknown };

/** A chat client of its own kind: adds up the chunks, knowing nothing of how they were made. */
function readChat(data: (JsonObject | string)[]): JsonObject {
  const texts: Record<string, string | null> = { content: null, refusal: null, reasoning_content: null };
  const calls: Record<string, string>[] = [];
  const encrypted: unknown[] = [];
  let last: JsonObject = {};
  for (const chunk of data.slice(0, -1) as Chunk[]) {
    const { delta = {}, finish_reason } = chunk.choices[0] ?? {};
    if (finish_reason) last = { ...last, finish_reason };
    if (chunk.usage) last = { ...last, usage: chunk.usage };
    for (const field of Object.keys(texts)) {
      if (delta[field]) texts[field] = (texts[field] ?? "") + (delta[field] as string);
    }
    for (const { index, id, type, ...rest } of (delta.tool_calls as CallDelta[]) ?? []) {
      const call = (calls[index] ??= { id: id ?? "", type: type ?? "", name: "", input: "" });
      const part = (rest.function ?? rest.custom) as Record<string, string>;
      call.name += part.name ?? "";
      call.input += part.arguments ?? part.input ?? "";
    }
    for (const detail of (delta.reasoning_details as JsonObject[]) ?? [])
      if (detail.data) encrypted.push(detail.data);
  }
  return { ...texts, calls, encrypted, ...last };
}

/** The same facts out of a whole completion. */
function factsOfCompletion(body: JsonObject): JsonObject {
  const { message, finish_reason } = (body.choices as JsonObject[])[0] as {
    message: JsonObject;
    finish_reason: string;
  };
  const calls = ((message.tool_calls as JsonObject[]) ?? []).map((call) => {
    const part = (call.function ?? call.custom) as Record<string, string>;
    return { id: call.id, type: call.type, name: part.name, input: part.arguments ?? part.input };
  });
  const details = (message.reasoning_details as JsonObject[]) ?? [];
  return {
    content: message.content,
    refusal: message.refusal,
    reasoning_content: message.reasoning_content ?? null,
    calls,
    encrypted: details.flatMap((detail) => (detail.data ? [detail.data] : [])),
    finish_reason,
    usage: body.usage,
  };
}

type StreamedBlock = JsonObject & { text?: string; thinking?: string; signature?: string };

/** An Anthropic client of its own kind. Throws when a block opens inside another. */
function readMessage(data: (JsonObject | string)[]): JsonObject {
  const content: StreamedBlock[] = [];
  let message: JsonObject = {};
  let json: string | null = null;
  let open = false;
  for (const event of data as JsonObject[]) {
    const delta = (event.delta ?? {}) as Record<string, string>;
    const block = content.at(-1);
    switch (event.type) {
      case "message_start":
        message = event.message as JsonObject;
        break;
      case "content_block_start":
        if (open || event.index !== content.length) throw new Error("blocks overlap");
        open = true;
        json = null;
        content.push({ ...(event.content_block as JsonObject) });
        break;
      case "content_block_delta":
        if (!open || !block || event.index !== content.length - 1) throw new Error("delta outside its block");
        if (delta.type === "text_delta") block.text += delta.text ?? "";
        if (delta.type === "thinking_delta") block.thinking += delta.thinking ?? "";
        if (delta.type === "signature_delta") block.signature += delta.signature ?? "";
        if (delta.type === "input_json_delta") json = (json ?? "") + (delta.partial_json ?? "");
        break;
      case "content_block_stop":
        open = false;
        if (block?.type === "tool_use" && json !== null) block.input = JSON.parse(json);
        break;
      case "message_delta":
        message = { ...message, content, ...delta, usage: event.usage };
    }
  }
  return message;
}

describe("a stream cut at any byte and a collected reply say the same", () => {
  test("in chat", () => {
    fc.assert(
      fc.property(anyTurn, fc.array(anyCut, { maxLength: 20 }), ({ events }, cuts) => {
        const data = streamed(chatDialect, replyContext(), events, cuts);
        expect(data.at(-1)).toBe("[DONE]");
        expect(readChat(data)).toEqual(factsOfCompletion(collected(chatDialect, replyContext(), events)));
      }),
      RUNS,
    );
  });

  test("in Anthropic's shape", () => {
    fc.assert(
      fc.property(
        anyTurn,
        fc.boolean(),
        fc.array(anyCut, { maxLength: 20 }),
        ({ events }, thinking, cuts) => {
          const ctx = replyContext({ thinking });
          const data = streamed(messagesDialect, ctx, events, cuts);
          expect((data.at(-1) as JsonObject).type).toBe("message_stop");
          expect(readMessage(data)).toEqual(collected(messagesDialect, ctx, events));
        },
      ),
      RUNS,
    );
  });

  test("in Responses", () => {
    fc.assert(
      fc.property(anyTurn, fc.array(anyCut, { maxLength: 20 }), ({ output, events }, cuts) => {
        const last = streamed(responsesDialect, replyContext(), events, cuts).at(-1) as JsonObject;
        expect((last.response as JsonObject).output).toEqual(output);
        expect(collected(responsesDialect, replyContext(), events).output).toEqual(output);
      }),
      RUNS,
    );
  });

  test("with every cut of one turn", () => {
    const output = [reasoningItem(["thinking"]), textItem("héllo 🌍"), callItem("f", '{"x":"ü"}')];
    const events = [created, ...output.flatMap((item, i) => itemEvents(item, i, [3, 5])), completed];
    const whole = streamed(chatDialect, replyContext(), events, []);
    const length = new TextEncoder().encode(events.map((event) => JSON.stringify(event)).join("")).length;
    for (let cut = 0; cut < length; cut++)
      expect(streamed(chatDialect, replyContext(), events, [cut])).toEqual(whole);
  });
});

/** What a client must bring back of an output item. Ids matter for reasoning alone, and its summary is in its encrypted form. */
function essence(item: JsonObject): JsonObject {
  if (item.type === "reasoning") return { ...item, summary: [] };
  const { id: _id, ...rest } = item;
  const parts = item.content as JsonObject[] | undefined;
  return parts ? { ...rest, content: parts.map(({ type, text }) => ({ type, text })) } : rest;
}

describe("what the model said comes back in the next request", () => {
  test("through chat", () => {
    fc.assert(
      fc.property(anyTurn, ({ output, events }) => {
        const reply = collected(chatDialect, replyContext(), events);
        const { message } = (reply.choices as { message: JsonObject }[])[0] ?? { message: {} };
        const next = { model: "gpt-5.5", messages: [message] };
        expect(chatDialect.toResponsesRequest(next, REQUEST_CONTEXT).body.input).toEqual(output.map(essence));
      }),
      RUNS,
    );
  });

  test("through Anthropic's shape", () => {
    fc.assert(
      fc.property(anyTurn, ({ output, events }) => {
        const { content } = collected(messagesDialect, replyContext(), events);
        const next = { model: "gpt-5.5", messages: [{ role: "assistant", content }] };
        // It knows one kind of call, and its inputs are objects: a free-text call comes back as a function call.
        const expected = output
          .map(essence)
          .map(({ input, ...item }) =>
            item.type === "custom_tool_call" ? { ...item, type: "function_call", arguments: input } : item,
          );
        const input = messagesDialect.toResponsesRequest(next, REQUEST_CONTEXT).body.input as JsonObject[];
        expect(input.map(sameArguments)).toEqual(expected.map(sameArguments));
      }),
      RUNS,
    );
  });
});

/** Arguments as a value: an object's JSON may be spaced and ordered otherwise. */
function sameArguments(item: JsonObject): JsonObject {
  return typeof item.arguments === "string" ? { ...item, arguments: JSON.parse(item.arguments) } : item;
}

/** Conversations in the form in which the way back gives them: parts, and results that follow their calls. */
const anyExchange: fc.Arbitrary<JsonObject[]> = fc
  .record({
    asked: fc.array(anyText, { minLength: 1, maxLength: 3 }),
    image: fc.boolean(),
    answer: fc.option(anyText),
    calls: fc.array(fc.record({ name: anyName, args: anyArguments, result: anyText, custom: fc.boolean() }), {
      maxLength: 3,
    }),
  })
  .map(({ asked, image, answer, calls }) => {
    const content: JsonObject[] = asked.map((text) => ({ type: "text", text }));
    if (image)
      content.push({ type: "image_url", image_url: { url: "data:image/png;base64,AA", detail: "low" } });
    const assistant: JsonObject = { role: "assistant" };
    if (answer !== null) assistant.content = [{ type: "text", text: answer }];
    if (calls.length > 0) {
      assistant.tool_calls = calls.map(({ name, args, custom }, i) =>
        custom
          ? { id: `call_${i}`, type: "custom", custom: { name, input: args } }
          : { id: `call_${i}`, type: "function", function: { name, arguments: args } },
      );
    }
    const results = calls.map(({ result }, i) => ({
      role: "tool",
      tool_call_id: `call_${i}`,
      content: result,
    }));
    const said = answer !== null || calls.length > 0 ? [assistant] : [];
    return [{ role: "user", content }, ...said, ...results];
  });

const anyConversation = fc
  .tuple(anyText, fc.array(anyExchange, { minLength: 1, maxLength: 4 }))
  .map(([system, exchanges]) => [
    { role: "developer", content: [{ type: "text", text: system }] },
    ...exchanges.flatMap((exchange, turn) => exchange.map((message) => withOwnIds(message, turn))),
  ]);

function withOwnIds(message: JsonObject, turn: number): JsonObject {
  const own = (id: unknown) => `${String(id)}_${turn}`;
  if (message.role === "tool") return { ...message, tool_call_id: own(message.tool_call_id) };
  const calls = message.tool_calls as JsonObject[] | undefined;
  return calls ? { ...message, tool_calls: calls.map((call) => ({ ...call, id: own(call.id) })) } : message;
}

/** The way back, as plain as can be: Responses input items as chat messages. */
function toChat(items: JsonObject[]): JsonObject[] {
  const messages: JsonObject[] = [];
  for (const item of items) {
    const last = messages.at(-1);
    if (item.type === "message") {
      messages.push({ role: item.role, content: (item.content as JsonObject[]).map(partToChat) });
    } else if (String(item.type).endsWith("_output")) {
      messages.push({ role: "tool", tool_call_id: item.call_id, content: item.output });
    } else {
      const call =
        item.type === "function_call"
          ? { type: "function", function: { name: item.name, arguments: item.arguments } }
          : { type: "custom", custom: { name: item.name, input: item.input } };
      const owner = last?.role === "assistant" ? last : { role: "assistant" };
      if (owner !== last) messages.push(owner);
      owner.tool_calls = [...((owner.tool_calls as JsonObject[]) ?? []), { id: item.call_id, ...call }];
    }
  }
  return messages;
}

function partToChat(part: JsonObject): JsonObject {
  if (part.type !== "input_image") return { type: "text", text: part.text };
  return { type: "image_url", image_url: { url: part.image_url, detail: part.detail } };
}

test("random conversations with tools survive chat → Responses → chat", () => {
  fc.assert(
    fc.property(anyConversation, (messages) => {
      const { body } = chatDialect.toResponsesRequest({ model: "gpt-5.5", messages }, REQUEST_CONTEXT);
      expect(toChat(body.input as JsonObject[])).toEqual(messages);
    }),
    RUNS,
  );
});
