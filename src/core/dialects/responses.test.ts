import { describe, expect, test } from "bun:test";
import {
  completed,
  created,
  dataOf,
  REQUEST_CONTEXT,
  replyContext,
  textItem,
  turnWithoutDeltas,
  USAGE,
} from "./fixtures.ts";
import type { JsonObject } from "./parse.ts";
import { responsesDialect as dialect } from "./responses.ts";

const translate = (body: JsonObject) =>
  dialect.toResponsesRequest({ model: "gpt-5.5", input: "hi", ...body }, REQUEST_CONTEXT);
const message = (role: string, type: string, text: string) => ({
  type: "message",
  role,
  content: [{ type, text }],
});

describe("a Responses request", () => {
  test("becomes what the backend accepts", () => {
    const { body, stream, ignored } = translate({ stream: false });
    expect(body).toEqual({
      model: "gpt-5.5",
      instructions: "",
      input: [message("user", "input_text", "hi")],
      include: ["reasoning.encrypted_content"],
      store: false,
      stream: true,
    });
    expect(stream).toBe(false);
    expect(ignored).toEqual([]);
  });

  const kept: JsonObject[] = [
    { instructions: "Be brief." },
    { tools: [{ type: "function", name: "f", parameters: {} }, { type: "web_search" }] },
    { tool_choice: { type: "function", name: "f" } },
    { tool_choice: "required" },
    { text: { verbosity: "low", format: { type: "json_schema", name: "n", schema: {} } } },
    { previous_response_id: "resp_0" },
    { prompt_cache_key: "thread-1" },
    { parallel_tool_calls: false },
    { reasoning: { effort: "low", summary: "auto" } },
    { client_metadata: { session_id: "s" } },
    { a_field_of_tomorrow: [1] },
  ];
  test.each(kept)("keeps %j", (fields) => {
    const { body, ignored } = translate(fields);
    expect(body).toMatchObject(fields);
    expect(ignored).toEqual([]);
  });

  const dropped = {
    temperature: 0,
    top_p: 1,
    max_output_tokens: 5,
    metadata: {},
    user: "u",
    truncation: "auto",
    store: true,
    n: 1,
  };
  test("drops what the backend refuses, and says so", () => {
    const { body, ignored } = translate({ ...dropped, background: false });
    expect(ignored.toSorted()).toEqual(Object.keys(dropped).toSorted());
    for (const name of Object.keys({ ...dropped, background: false })) {
      if (name !== "store") expect(body).not.toHaveProperty(name);
    }
    expect(body.store).toBe(false);
  });

  const refused: [JsonObject, string][] = [
    [{ background: true }, "background"],
    [{ conversation: "conv_1" }, "conversation"],
    [{ prompt: { id: "p" } }, "prompt"],
    [{ top_logprobs: 2 }, "top_logprobs"],
    [{ n: 2 }, "n"],
    [{ include: ["message.output_text.logprobs"] }, "include"],
    [{ input: [{ type: "item_reference", id: "rs_1" }] }, "input[0]"],
    [{ input: undefined }, "input"],
    [{ input: [{ role: "user", content: 5 }] }, "input[0].content"],
    [{ input: [{ role: "user", content: [5] }] }, "input[0].content[0]"],
    [{ input: [{ content: "x" }] }, "input[0].role"],
    [{ tools: [{}] }, "tools[0].type"],
    [{ tools: {} }, "tools"],
    [{ tool_choice: 1 }, "tool_choice"],
    [{ reasoning: { effort: "Very high" } }, "reasoning.effort"],
    [{ model: "" }, "model"],
    [{ model: "x".repeat(300) }, "model"],
    [{ stream: "yes" }, "stream"],
  ];
  test.each(refused)("%j is refused by name: %s", (fields, param) => {
    expect(() => translate(fields)).toThrow(expect.objectContaining({ status: 400, param }));
  });

  test("takes suffixes off the model, and they win over the field", () => {
    const { body, model } = translate({
      model: "gpt-5.5-high-fast",
      reasoning: { effort: "low", summary: "auto" },
    });
    expect(model).toBe("gpt-5.5");
    expect(body).toMatchObject({
      model: "gpt-5.5",
      reasoning: { effort: "high", summary: "auto" },
      service_tier: "priority",
    });
  });

  const tiers: [unknown, string | undefined, string[]][] = [
    ["fast", "priority", []],
    ["priority", "priority", []],
    ["auto", undefined, []],
    ["default", undefined, []],
    ["flex", undefined, ["service_tier"]],
  ];
  test.each(tiers)("tier %p is sent as %p", (tier, sent, ignored) => {
    const request = translate({ service_tier: tier });
    expect(request.body.service_tier).toBe(sent);
    expect(request.ignored).toEqual(ignored);
  });

  test("makes system messages developer messages, and items without a type messages", () => {
    const input = [
      { role: "system", content: "S" },
      { type: "message", role: "assistant", content: "A", id: "msg_1" },
      { role: "user", content: [{ type: "input_image", image_url: "https://example.com/a.png" }] },
      { type: "function_call_output", call_id: "c", output: "o" },
    ];
    expect(translate({ input }).body.input).toEqual([
      message("developer", "input_text", "S"),
      { ...message("assistant", "output_text", "A"), id: "msg_1" },
      {
        type: "message",
        role: "user",
        content: [{ type: "input_image", image_url: "https://example.com/a.png" }],
      },
      input[3],
    ]);
  });

  test("leaves out reasoning that the backend cannot read back", () => {
    const readable = { type: "reasoning", id: "rs_2", summary: [], encrypted_content: "gAAA" };
    const { body, ignored } = translate({
      input: [{ type: "reasoning", id: "rs_1", summary: [] }, readable],
    });
    expect(body.input).toEqual([readable]);
    expect(ignored).toEqual(["input.reasoning"]);
  });
});

describe("a Responses reply", () => {
  const items = [textItem("hello"), textItem("world", "msg_2")];

  test("collects the output that upstream's last event leaves out, in its order", () => {
    const collector = dialect.createCollector(replyContext());
    const [first, one, two, last] = turnWithoutDeltas(items);
    for (const event of [first, two, one, last]) collector.push(event);
    const { status, body } = collector.end();
    expect(status).toBe(200);
    expect(JSON.parse(body)).toMatchObject({
      id: "resp_1",
      object: "response",
      status: "completed",
      output: items,
      usage: USAGE,
      error: null,
      incomplete_details: null,
    });
  });

  test("keeps the output that upstream does send", () => {
    const collector = dialect.createCollector(replyContext());
    collector.push({ ...completed, response: { ...completed.response, output: [items[1]] } });
    expect(JSON.parse(collector.end().body).output).toEqual([items[1]]);
  });

  test("an incomplete response is a reply that says why", () => {
    const collector = dialect.createCollector(replyContext());
    const incomplete_details = { reason: "max_output_tokens" };
    collector.push({ type: "response.incomplete", response: { id: "resp_1", incomplete_details } });
    expect(JSON.parse(collector.end().body)).toMatchObject({ status: "incomplete", incomplete_details });
  });

  const failures: [string, JsonObject | null, number, string][] = [
    [
      "a failed response",
      { type: "response.failed", response: { error: { code: "rate_limit_exceeded", message: "m" } } },
      429,
      "rate_limit_exceeded",
    ],
    ["an error event", { type: "error", code: "invalid_prompt", message: "m" }, 400, "invalid_prompt"],
    [
      "a nested error event",
      { type: "error", error: { code: "server_is_overloaded", message: "m" } },
      503,
      "server_is_overloaded",
    ],
    ["a stream that breaks off", null, 502, "upstream_stream_ended"],
  ];
  test.each(failures)("%s becomes an error, whole and streamed", (_, event, status, code) => {
    const collector = dialect.createCollector(replyContext());
    const stream = dialect.createStream(replyContext());
    collector.push(created);
    stream.push(created);
    if (event) collector.push(event);
    const streamed = event ? stream.push(event) : stream.end();
    const reply = collector.end();
    expect(reply.status).toBe(status);
    expect(JSON.parse(reply.body).error.code).toBe(code);
    expect(streamed).toContain(code);
    expect(stream.end()).toBe("");
  });

  test("streams every event as it came, and completes the last", () => {
    const stream = dialect.createStream(replyContext());
    const events = turnWithoutDeltas(items);
    const sse = events.map((event) => stream.push(event)).join("") + stream.end();
    const read = dataOf(sse);
    expect(read.slice(0, -1)).toEqual(events.slice(0, -1));
    expect(read.at(-1)).toMatchObject({
      type: "response.completed",
      response: { output: items, usage: USAGE },
    });
    expect(stream.failed({ status: 502, code: "x", message: "late" })).toBe("");
  });

  test("errors carry our code in OpenAI's envelope", () => {
    const { status, body } = dialect.errorBody(429, "usage_limit_reached", "Spent.", {
      resets_at: 1_800_000_000,
    });
    expect(status).toBe(429);
    expect(JSON.parse(body)).toEqual({
      error: {
        message: "Spent.",
        type: "usage_limit_reached",
        code: "usage_limit_reached",
        param: null,
        resets_at: 1_800_000_000,
      },
    });
  });
});
