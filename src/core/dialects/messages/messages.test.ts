import { describe, expect, test } from "bun:test";
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
  turnWithoutDeltas,
} from "../fixtures.ts";
import type { JsonObject } from "../parse.ts";
import { messagesDialect as dialect } from "./dialect.ts";
import { countTokens } from "./request.ts";
import { decodeSignature, encodeSignature } from "./signature.ts";

const translate = (body: JsonObject) =>
  dialect.toResponsesRequest(
    { model: "claude-opus-4", max_tokens: 100, messages: [{ role: "user", content: "hi" }], ...body },
    REQUEST_CONTEXT,
  );
const inputOf = (...messages: JsonObject[]) => translate({ messages }).body.input;
const user = (...content: JsonObject[]) => ({ role: "user", content });
const assistant = (...content: JsonObject[]) => ({ role: "assistant", content });
const message = (role: string, ...content: JsonObject[]) => ({ type: "message", role, content });
const input_text = (text: string) => ({ type: "input_text", text });
const output_text = (text: string) => ({ type: "output_text", text });

describe("an Anthropic request", () => {
  test("becomes what the backend accepts, for the model that stands in", () => {
    const { body, model, ignored, reply } = translate({
      system: "S",
      temperature: 1,
      stop_sequences: ["x"],
      top_k: 1,
    });
    expect(body).toEqual({
      model: "gpt-5.5",
      instructions: "",
      input: [message("developer", input_text("S")), message("user", input_text("hi"))],
      include: ["reasoning.encrypted_content"],
      store: false,
      stream: true,
    });
    expect(model).toBe("gpt-5.5");
    expect(reply.requestedModel).toBe("claude-opus-4");
    expect(ignored.toSorted()).toEqual(["max_tokens", "stop_sequences", "temperature", "top_k"]);
  });

  const pixel = { type: "base64", media_type: "image/png", data: "AA" };
  const histories: [string, JsonObject[], JsonObject[]][] = [
    [
      "text, images and documents",
      [
        user(
          { type: "text", text: "see", cache_control: { type: "ephemeral" } },
          { type: "image", source: pixel },
          { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
          { type: "document", title: "a.pdf", source: { ...pixel, media_type: "application/pdf" } },
          { type: "document", source: { type: "text", media_type: "text/plain", data: "plain" } },
          { type: "document", source: { type: "content", content: [{ type: "text", text: "inner" }] } },
          { type: "document", source: { type: "url", url: "https://example.com/a.pdf" } },
        ),
      ],
      [
        message(
          "user",
          input_text("see"),
          { type: "input_image", image_url: "data:image/png;base64,AA" },
          { type: "input_image", image_url: "https://example.com/a.png" },
          { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA" },
          input_text("plain"),
          input_text("inner"),
          { type: "input_file", file_url: "https://example.com/a.pdf" },
        ),
      ],
    ],
    [
      "tool use and results, in order with what surrounds them",
      [
        assistant(
          { type: "text", text: "I look." },
          { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
          { type: "tool_use", id: "t2", name: "g" },
        ),
        user(
          { type: "tool_result", tool_use_id: "t1", content: "one" },
          {
            type: "tool_result",
            tool_use_id: "t2",
            is_error: true,
            content: [{ type: "text", text: "bad" }],
          },
          { type: "text", text: "go on" },
        ),
        user({ type: "tool_result", tool_use_id: "t3", is_error: true, content: "worse" }),
        user({ type: "tool_result", tool_use_id: "t4", content: [{ type: "image", source: pixel }] }),
        user({ type: "tool_result", tool_use_id: "t5" }),
      ],
      [
        message("assistant", output_text("I look.")),
        { type: "function_call", call_id: "t1", name: "f", arguments: '{"a":1}' },
        { type: "function_call", call_id: "t2", name: "g", arguments: "{}" },
        { type: "function_call_output", call_id: "t1", output: "one" },
        { type: "function_call_output", call_id: "t2", output: [input_text("Error:"), input_text("bad")] },
        message("user", input_text("go on")),
        { type: "function_call_output", call_id: "t3", output: "Error: worse" },
        {
          type: "function_call_output",
          call_id: "t4",
          output: [{ type: "input_image", image_url: "data:image/png;base64,AA" }],
        },
        { type: "function_call_output", call_id: "t5", output: "" },
      ],
    ],
    [
      "thinking of ours, and none of others",
      [
        assistant(
          { type: "thinking", thinking: "hm", signature: encodeSignature("rs_1", "gAA:A") },
          { type: "redacted_thinking", data: encodeSignature(null, "gBBB") },
          { type: "thinking", thinking: "hm", signature: "EqQBCgIYAhIM" },
          { type: "text", text: "A" },
        ),
      ],
      [
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAA:A" },
        { type: "reasoning", summary: [], encrypted_content: "gBBB" },
        message("assistant", output_text("A")),
      ],
    ],
    [
      "system text between messages",
      [{ role: "system", content: "S" }],
      [message("developer", input_text("S"))],
    ],
  ];
  test.each(histories)("translates %s", (_, messages, input) => {
    expect(inputOf(...messages)).toEqual(input);
  });

  const options: [JsonObject, JsonObject][] = [
    [
      {
        system: [
          { type: "text", text: "a" },
          { type: "text", text: "b" },
        ],
      },
      {},
    ],
    [{ tool_choice: { type: "auto" } }, { tool_choice: "auto" }],
    [{ tool_choice: { type: "any" } }, { tool_choice: "required" }],
    [{ tool_choice: { type: "none" } }, { tool_choice: "none" }],
    [{ tool_choice: { type: "tool", name: "f" } }, { tool_choice: { type: "function", name: "f" } }],
    [
      { tool_choice: { type: "auto", disable_parallel_tool_use: true } },
      { tool_choice: "auto", parallel_tool_calls: false },
    ],
    [
      { tools: [{ name: "f", description: "d", input_schema: { type: "object" } }] },
      {
        tools: [
          {
            type: "function",
            name: "f",
            description: "d",
            parameters: { type: "object", properties: {} },
            strict: false,
          },
        ],
      },
    ],
    [
      { thinking: { type: "enabled", budget_tokens: 1_024 } },
      { reasoning: { effort: "low", summary: "auto" } },
    ],
    [
      { thinking: { type: "enabled", budget_tokens: 4_000 } },
      { reasoning: { effort: "medium", summary: "auto" } },
    ],
    [
      { thinking: { type: "enabled", budget_tokens: 31_999 } },
      { reasoning: { effort: "high", summary: "auto" } },
    ],
    [{ thinking: { type: "adaptive" } }, { reasoning: { summary: "auto" } }],
    [{ thinking: { type: "disabled" } }, { reasoning: { effort: "low" } }],
    [{ output_config: { effort: "high" } }, { reasoning: { effort: "high" } }],
    [
      { output_format: { type: "json_schema", schema: { type: "object" } } },
      { text: { format: { type: "json_schema", name: "output", schema: { type: "object" }, strict: true } } },
    ],
  ];
  test.each(options)("%j is sent as %j", (fields, sent) => {
    const { body, ignored } = translate(fields);
    expect(body).toMatchObject(sent);
    expect(ignored).toEqual(["max_tokens"]);
  });

  test("names the conversation by the user id that the client sends", () => {
    expect(translate({ metadata: { user_id: "u_session_1" } }).conversation).toBe("u_session_1");
  });

  const refused: [JsonObject, string][] = [
    [{ messages: [] }, "messages"],
    [{ messages: undefined }, "messages"],
    [{ messages: [{ role: "tool", content: "x" }] }, "messages[0].role"],
    [{ messages: [user({ type: "video" })] }, "messages[0].content[0].type"],
    [
      { messages: [user({ type: "image", source: { type: "file", file_id: "f" } })] },
      "messages[0].content[0].source.type",
    ],
    [{ messages: [user({ type: "tool_result", content: "x" })] }, "messages[0].content[0].tool_use_id"],
    [
      { messages: [assistant({ type: "tool_use", id: "t", name: "f", input: "{}" })] },
      "messages[0].content[0].input",
    ],
    [{ messages: [assistant({ type: "image", source: pixel })] }, "messages[0].content[0].type"],
    [{ system: 5 }, "system"],
    [{ tools: [{ type: "web_search_20250305", name: "web_search" }] }, "tools[0].type"],
    [{ tools: [{ name: "f" }] }, "tools[0].input_schema"],
    [{ tool_choice: { type: "sometimes" } }, "tool_choice.type"],
    [{ thinking: { type: "enabled" } }, "thinking.budget_tokens"],
    [{ mcp_servers: [{ url: "https://example.com" }] }, "mcp_servers"],
    [{ container: "c" }, "container"],
  ];
  test.each(refused)("%j is refused by name: %s", (fields, param) => {
    expect(() => translate(fields)).toThrow(expect.objectContaining({ status: 400, param }));
  });
});

describe("a signature", () => {
  test.each(["", "clb1:", "clb1:rs_1", "clb1:rs_1:", "EqQB:x:y"])("%j is not ours", (signature) => {
    expect(decodeSignature(signature)).toBeNull();
  });
});

describe("count_tokens", () => {
  const count = (content: unknown) =>
    countTokens({ model: "claude-opus-4", messages: [{ role: "user", content }] }, REQUEST_CONTEXT)
      .input_tokens;

  test("estimates text by its bytes and images flat", () => {
    const short = count("hi");
    expect(short).toBeLessThan(30);
    expect(Math.abs(count("four".repeat(1_000)) - short - 1_000)).toBeLessThanOrEqual(1);
    const image = [
      { type: "image", source: { type: "base64", media_type: "image/png", data: "A".repeat(100_000) } },
    ];
    expect(count(image)).toBeLessThan(2_000);
  });

  test("refuses what the real request would", () => {
    expect(() => count(5)).toThrow(expect.objectContaining({ status: 400, param: "messages[0].content" }));
  });
});

function collect(events: JsonObject[], shape = {}) {
  const collector = dialect.createCollector(replyContext({ requestedModel: "claude-opus-4", ...shape }));
  events.forEach(collector.push);
  const { status, body } = collector.end();
  return { status, body: JSON.parse(body) };
}

function stream(events: JsonObject[], shape = {}) {
  const reducer = dialect.createStream(replyContext({ requestedModel: "claude-opus-4", ...shape }));
  return dataOf(events.map(reducer.push).join("") + reducer.end()) as JsonObject[];
}

describe("an Anthropic reply", () => {
  const items = [reasoningItem(["hm"]), textItem("hello"), callItem("short", '{"x":1}', "t1")];
  const content = [
    { type: "thinking", thinking: "hm", signature: encodeSignature("rs_1", "gAAA") },
    { type: "text", text: "hello" },
    { type: "tool_use", id: "t1", name: "the long name", input: { x: 1 } },
  ];
  const toolNames = new Map([["short", "the long name"]]);

  test("is one message whose usage leaves the cached input out", () => {
    expect(collect(turnWithoutDeltas(items), { toolNames })).toEqual({
      status: 200,
      body: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-opus-4",
        content,
        stop_reason: "tool_use",
        stop_sequence: null,
        usage: {
          input_tokens: 60,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 40,
          output_tokens: 7,
        },
      },
    });
  });

  test("hides thinking from those who did not ask, and redacts what has no summary", () => {
    const types = (shape: object, output: JsonObject[]) =>
      collect(turnWithoutDeltas(output), shape).body.content.map((block: JsonObject) => block.type);
    expect(types({ thinking: false }, items)).toEqual(["text", "tool_use"]);
    expect(types({}, [reasoningItem([]), textItem("x")])).toEqual(["redacted_thinking", "text"]);
  });

  test("streams its events in Anthropic's order", () => {
    const events = [created, ...items.flatMap((item, i) => itemEvents(item, i, [1])), completed];
    const seen = stream(events, { toolNames });
    expect(seen.map((event) => event.type)).toEqual([
      "message_start",
      ...[
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
      ],
      ...["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
      ...["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"],
      "message_delta",
      "message_stop",
    ]);
    expect(seen[0]).toMatchObject({ message: { id: "msg_1", content: [], stop_reason: null } });
    expect(seen[4]).toMatchObject({ index: 0, delta: { type: "signature_delta" } });
    expect(seen[10]).toMatchObject({ index: 2, content_block: { type: "tool_use", id: "t1", input: {} } });
    expect(seen.at(-2)).toMatchObject({
      delta: { stop_reason: "tool_use" },
      usage: { cache_read_input_tokens: 40 },
    });
  });

  const stops: [string, JsonObject[], JsonObject, string][] = [
    ["text", [textItem("x")], completed, "end_turn"],
    ["a call", [callItem("f", "{}")], completed, "tool_use"],
    [
      "a refusal",
      [{ type: "message", content: [{ type: "refusal", refusal: "No." }] }],
      completed,
      "refusal",
    ],
    [
      "too long",
      [textItem("x")],
      { type: "response.incomplete", response: { incomplete_details: { reason: "max_output_tokens" } } },
      "max_tokens",
    ],
    [
      "filtered",
      [textItem("x")],
      { type: "response.incomplete", response: { incomplete_details: { reason: "content_filter" } } },
      "refusal",
    ],
  ];
  test.each(stops)("%s stops with the right reason", (_, output, last, reason) => {
    expect(collect(turnWithoutDeltas(output, last)).body.stop_reason).toBe(reason);
  });

  const statuses: [number, number, string][] = [
    [400, 400, "invalid_request_error"],
    [401, 401, "authentication_error"],
    [403, 403, "permission_error"],
    [404, 404, "not_found_error"],
    [413, 413, "request_too_large"],
    [429, 429, "rate_limit_error"],
    [502, 502, "api_error"],
    [503, 529, "overloaded_error"],
  ];
  test.each(statuses)("an error of %p is sent as %p %s", (status, sent, type) => {
    const reply = dialect.errorBody(status, "some_code", "What happened.", { requestId: "req_9" });
    expect(reply.status).toBe(sent);
    expect(JSON.parse(reply.body)).toEqual({
      type: "error",
      error: { type, message: "What happened." },
      request_id: "req_9",
    });
  });

  test("a failure in mid-stream is an error event, and the last", () => {
    const failed = {
      type: "response.failed",
      response: { error: { code: "rate_limit_exceeded", message: "m" } },
    };
    expect(stream([created, failed, completed]).at(-1)).toEqual({
      type: "error",
      error: { type: "rate_limit_error", message: "m" },
    });
    expect(collect([created, failed]).status).toBe(429);
  });

  test("tool input cut short is an empty object, never broken JSON", () => {
    expect(collect(turnWithoutDeltas([callItem("f", '{"x":')])).body.content[0].input).toEqual({});
  });
});
