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
import { chatDialect as dialect } from "./dialect.ts";

const hi = { role: "user", content: "hi" };
const translate = (body: JsonObject) =>
  dialect.toResponsesRequest({ model: "gpt-5.5", messages: [hi], ...body }, REQUEST_CONTEXT);
const inputOf = (...messages: JsonObject[]) => translate({ messages }).body.input;
const message = (role: string, ...content: JsonObject[]) => ({ type: "message", role, content });
const input_text = (text: string) => ({ type: "input_text", text });
const fn = (name: string, args = "{}") => ({ name, arguments: args });

describe("a chat request", () => {
  test("becomes what the backend accepts", () => {
    const { body, stream, ignored, conversation } = translate({});
    expect(body).toEqual({
      model: "gpt-5.5",
      instructions: "",
      input: [message("user", input_text("hi"))],
      reasoning: { summary: "auto" },
      include: ["reasoning.encrypted_content"],
      store: false,
      stream: true,
    });
    expect({ stream, ignored, conversation }).toEqual({ stream: false, ignored: [], conversation: null });
  });

  const histories: [string, JsonObject[], JsonObject[]][] = [
    ["system", [{ role: "system", content: "S" }], [message("developer", input_text("S"))]],
    [
      "developer parts",
      [{ role: "developer", content: [{ type: "text", text: "D" }] }],
      [message("developer", input_text("D"))],
    ],
    [
      "user parts",
      [
        {
          role: "user",
          content: [
            { type: "text", text: "see" },
            { type: "image_url", image_url: { url: "https://example.com/a.png", detail: "low" } },
            { type: "image_url", image_url: { url: "data:image/png;base64,AA" } },
            { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" } },
          ],
        },
      ],
      [
        message(
          "user",
          input_text("see"),
          { type: "input_image", image_url: "https://example.com/a.png", detail: "low" },
          { type: "input_image", image_url: "data:image/png;base64,AA" },
          { type: "input_file", file_data: "data:application/pdf;base64,AA", filename: "a.pdf" },
        ),
      ],
    ],
    [
      "assistant text and refusal",
      [
        { role: "assistant", content: "A", refusal: null },
        { role: "assistant", content: null, refusal: "No." },
        { role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
      ],
      [
        message("assistant", { type: "output_text", text: "A" }),
        message("assistant", { type: "refusal", refusal: "No." }),
        message("assistant", { type: "refusal", refusal: "No." }),
      ],
    ],
    [
      "calls and results",
      [
        {
          role: "assistant",
          content: "",
          tool_calls: [
            { id: "c1", type: "function", function: fn("f", '{"a":1}') },
            { id: "c2", function: fn("g") },
            { id: "c3", type: "custom", custom: { name: "h", input: "raw" } },
          ],
        },
        { role: "tool", tool_call_id: "c1", content: "one" },
        { role: "tool", tool_call_id: "c2", content: [{ type: "text", text: "two" }] },
        { role: "tool", tool_call_id: "c3", content: "three" },
      ],
      [
        { type: "function_call", call_id: "c1", name: "f", arguments: '{"a":1}' },
        { type: "function_call", call_id: "c2", name: "g", arguments: "{}" },
        { type: "custom_tool_call", call_id: "c3", name: "h", input: "raw" },
        { type: "function_call_output", call_id: "c1", output: "one" },
        { type: "function_call_output", call_id: "c2", output: [input_text("two")] },
        { type: "custom_tool_call_output", call_id: "c3", output: "three" },
      ],
    ],
    [
      "legacy function calls, twice the same",
      [
        { role: "assistant", content: null, function_call: fn("f", "1") },
        { role: "function", name: "f", content: "one" },
        { role: "assistant", content: null, function_call: fn("f", "2") },
        { role: "function", name: "f", content: "two" },
      ],
      [
        { type: "function_call", call_id: "call_message_0", name: "f", arguments: "1" },
        { type: "function_call_output", call_id: "call_message_0", output: "one" },
        { type: "function_call", call_id: "call_message_2", name: "f", arguments: "2" },
        { type: "function_call_output", call_id: "call_message_2", output: "two" },
      ],
    ],
    [
      "reasoning that was given out",
      [
        {
          role: "assistant",
          content: "A",
          reasoning_content: "hm",
          reasoning_details: [
            { type: "reasoning.summary", summary: "hm", format: "openai-responses-v1" },
            { type: "reasoning.encrypted", data: "gAAA", id: "rs_1", format: "openai-responses-v1" },
            { type: "reasoning.encrypted", data: "elsewhere", format: "anthropic-claude-v1" },
          ],
        },
      ],
      [
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAA" },
        message("assistant", { type: "output_text", text: "A" }),
      ],
    ],
  ];
  test.each(histories)("translates %s", (_, messages, input) => {
    expect(inputOf(...messages)).toEqual(input);
  });

  const options: [JsonObject, JsonObject][] = [
    [{ reasoning_effort: "high" }, { reasoning: { effort: "high", summary: "auto" } }],
    [{ reasoning: { effort: "low" } }, { reasoning: { effort: "low", summary: "auto" } }],
    [
      { model: "gpt-5.5-xhigh", reasoning_effort: "low" },
      { reasoning: { effort: "xhigh", summary: "auto" } },
    ],
    [{ model: "gpt-5.5-fast" }, { model: "gpt-5.5", service_tier: "priority" }],
    [{ prompt_cache_key: "k" }, { prompt_cache_key: "k" }],
    [{ parallel_tool_calls: false }, { parallel_tool_calls: false }],
    [{ verbosity: "low" }, { text: { verbosity: "low" } }],
    [{ response_format: { type: "json_object" } }, { text: { format: { type: "json_object" } } }],
    [
      {
        response_format: {
          type: "json_schema",
          json_schema: { name: "n", schema: { type: "object" }, strict: true },
        },
      },
      { text: { format: { type: "json_schema", name: "n", schema: { type: "object" }, strict: true } } },
    ],
    [
      {
        tools: [
          { type: "function", function: { name: "f", description: "d", parameters: { type: "object" } } },
        ],
      },
      {
        tools: [
          { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: false },
        ],
      },
    ],
    [
      { tools: [{ type: "function", function: { name: "f", strict: true } }] },
      {
        tools: [
          { type: "function", name: "f", parameters: { type: "object", properties: {} }, strict: true },
        ],
      },
    ],
    [
      {
        tools: [
          {
            type: "custom",
            custom: { name: "c", format: { type: "grammar", grammar: { syntax: "lark", definition: "x" } } },
          },
        ],
      },
      {
        tools: [{ type: "custom", name: "c", format: { type: "grammar", syntax: "lark", definition: "x" } }],
      },
    ],
    [{ tool_choice: "required" }, { tool_choice: "required" }],
    [
      { tool_choice: { type: "function", function: { name: "f" } } },
      { tool_choice: { type: "function", name: "f" } },
    ],
    [
      { tool_choice: { type: "custom", custom: { name: "c" } } },
      { tool_choice: { type: "custom", name: "c" } },
    ],
    [
      {
        tool_choice: {
          type: "allowed_tools",
          allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] },
        },
      },
      { tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] } },
    ],
    [
      { functions: [{ name: "f", parameters: { type: "object" } }], function_call: { name: "f" } },
      {
        tools: [{ type: "function", name: "f", parameters: { type: "object" }, strict: false }],
        tool_choice: { type: "function", name: "f" },
        parallel_tool_calls: false,
      },
    ],
  ];
  test.each(options)("%j is sent as %j", (fields, sent) => {
    const { body, ignored } = translate(fields);
    expect(body).toMatchObject(sent);
    expect(ignored).toEqual([]);
  });

  test("accepts what has no effect and names it", () => {
    const fields = {
      ...{
        temperature: 0.2,
        top_p: 1,
        presence_penalty: 0,
        frequency_penalty: 0,
        stop: ["x"],
        max_tokens: 5,
      },
      ...{ max_completion_tokens: 5, seed: 1, logit_bias: {}, user: "u", store: true, metadata: {} },
    };
    const { body, ignored } = translate({
      ...fields,
      "bad\r\nheader": 1,
      n: 1,
      logprobs: false,
      modalities: ["text"],
    });
    expect(ignored.toSorted()).toEqual(Object.keys(fields).toSorted());
    for (const name of Object.keys(fields)) if (name !== "store") expect(body).not.toHaveProperty(name);
  });

  const refused: [JsonObject, string][] = [
    [{ n: 2 }, "n"],
    [{ n: "1" }, "n"],
    [{ logprobs: true }, "logprobs"],
    [{ top_logprobs: 3 }, "top_logprobs"],
    [{ audio: { voice: "alloy" } }, "audio"],
    [{ modalities: ["text", "audio"] }, "modalities[1]"],
    [{ web_search_options: {} }, "web_search_options"],
    [{ messages: [] }, "messages"],
    [{ messages: "hi" }, "messages"],
    [{ messages: [{ role: "constructor", content: "x" }] }, "messages[0].role"],
    [{ messages: [{ role: "user" }] }, "messages[0].content"],
    [{ messages: [{ role: "user", content: [{ type: "input_audio" }] }] }, "messages[0].content[0]"],
    [{ messages: [{ role: "user", content: [{ type: "toString" }] }] }, "messages[0].content[0].type"],
    [
      { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "file:///etc" } }] }] },
      "messages[0].content[0].image_url.url",
    ],
    [{ messages: [hi, { role: "tool", content: "x" }] }, "messages[1].tool_call_id"],
    [{ messages: [{ role: "function", name: "f", content: "x" }] }, "messages[0].name"],
    [
      { messages: [{ role: "assistant", tool_calls: [{ id: "c", function: { name: "f" } }] }] },
      "messages[0].tool_calls[0].function.arguments",
    ],
    [{ tools: [{ type: "web_search" }] }, "tools[0].type"],
    [{ tools: [{ type: "function", function: {} }] }, "tools[0].function.name"],
    [{ tool_choice: "always" }, "tool_choice"],
    [{ response_format: { type: "xml" } }, "response_format.type"],
    [
      { response_format: { type: "json_schema", json_schema: { name: "n" } } },
      "response_format.json_schema.schema",
    ],
    [{ reasoning_effort: 3 }, "reasoning_effort"],
    [{ stream_options: { include_usage: "x" } }, "stream_options.include_usage"],
  ];
  test.each(refused)("%j is refused by name: %s", (fields, param) => {
    expect(() => translate(fields)).toThrow(expect.objectContaining({ status: 400, param }));
  });

  test("shortens tool names and call ids that the backend refuses, alike wherever they occur", () => {
    const name = `mcp__server.with/odd names__${"x".repeat(80)}`;
    const id = "call_".padEnd(100, "7");
    const { body, reply } = translate({
      messages: [
        hi,
        { role: "assistant", tool_calls: [{ id, type: "function", function: fn(name) }] },
        { role: "tool", tool_call_id: id, content: "" },
      ],
      tools: [{ type: "function", function: { name } }],
    });
    const [, call, output] = body.input as JsonObject[];
    const [tool] = body.tools as JsonObject[];
    expect(tool?.name).toMatch(/^[a-zA-Z0-9_-]{64}$/);
    expect(call?.name).toBe(tool?.name);
    expect(call?.call_id).toHaveLength(64);
    expect(output?.call_id).toBe(call?.call_id);
    expect(reply.toolNames).toEqual(new Map([[String(tool?.name), name]]));
  });
});

function collect(events: JsonObject[], shape = {}) {
  const collector = dialect.createCollector(replyContext(shape));
  events.forEach(collector.push);
  const { status, body } = collector.end();
  return { status, body: JSON.parse(body) };
}

function stream(events: JsonObject[], shape = {}) {
  const reducer = dialect.createStream(replyContext(shape));
  return dataOf(events.map(reducer.push).join("") + reducer.end()) as JsonObject[];
}

describe("a chat reply", () => {
  test("is one completion with upstream's id, time, model and usage", () => {
    expect(collect(turnWithoutDeltas([textItem("hello")]))).toEqual({
      status: 200,
      body: {
        id: "chatcmpl-1",
        object: "chat.completion",
        created: 1_760_000_000,
        model: "gpt-5.5",
        choices: [
          {
            index: 0,
            message: { role: "assistant", content: "hello", refusal: null },
            logprobs: null,
            finish_reason: "stop",
          },
        ],
        usage: {
          prompt_tokens: 100,
          completion_tokens: 7,
          total_tokens: 107,
          prompt_tokens_details: { cached_tokens: 40 },
          completion_tokens_details: { reasoning_tokens: 3 },
        },
      },
    });
  });

  test("gives reasoning in the fields that clients read, and calls by their own names", () => {
    const items = [reasoningItem(["a", "b"]), callItem("short", '{"x":1}')];
    const { body } = collect(turnWithoutDeltas(items), { toolNames: new Map([["short", "the long name"]]) });
    expect(body.choices[0]).toEqual({
      index: 0,
      logprobs: null,
      finish_reason: "tool_calls",
      message: {
        role: "assistant",
        content: null,
        refusal: null,
        reasoning_content: "a\n\nb",
        reasoning_details: [
          {
            type: "reasoning.summary",
            summary: "a\n\nb",
            id: "rs_1",
            format: "openai-responses-v1",
            index: 0,
          },
          { type: "reasoning.encrypted", data: "gAAA", id: "rs_1", format: "openai-responses-v1", index: 0 },
        ],
        tool_calls: [
          { id: "call_1", type: "function", function: { name: "the long name", arguments: '{"x":1}' } },
        ],
      },
    });
  });

  test("speaks function_call to those who asked with functions", () => {
    const { body } = collect(turnWithoutDeltas([callItem("f", "{}")]), { legacyFunctions: true });
    expect(body.choices[0].message.function_call).toEqual({ name: "f", arguments: "{}" });
    expect(body.choices[0].finish_reason).toBe("function_call");
  });

  const ends: [string, JsonObject, string][] = [
    ["max_output_tokens", { incomplete_details: { reason: "max_output_tokens" } }, "length"],
    ["content_filter", { incomplete_details: { reason: "content_filter" } }, "content_filter"],
  ];
  test.each(ends)("incomplete for %s ends with %j → %s", (_, response, reason) => {
    const events = turnWithoutDeltas([textItem("x")], { type: "response.incomplete", response });
    expect(collect(events).body.choices[0].finish_reason).toBe(reason);
  });

  test("streams a role, the deltas, the reason, the usage and [DONE]", () => {
    const chunks = stream([created, ...itemEvents(textItem("hello"), 0, [2]), completed]);
    const deltas = chunks.map((chunk) => (chunk.choices as JsonObject[] | undefined)?.[0]?.delta);
    expect(deltas).toEqual([
      { role: "assistant", content: "" },
      { content: "he" },
      { content: "llo" },
      {},
      undefined,
      undefined,
    ]);
    expect(chunks.at(-3)).toMatchObject({ choices: [{ finish_reason: "stop" }], usage: null });
    expect(chunks.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 107 } });
    expect(chunks.at(-1)).toBe("[DONE]" as never);
    for (const chunk of chunks.slice(0, -1)) {
      expect(chunk).toMatchObject({
        id: "chatcmpl-1",
        object: "chat.completion.chunk",
        created: 1_760_000_000,
      });
    }
  });

  test("sends no usage to those who did not ask", () => {
    const chunks = stream([created, ...itemEvents(textItem("hello"), 0, []), completed], {
      includeUsage: false,
    });
    expect(chunks.some((chunk) => "usage" in Object(chunk))).toBe(false);
  });

  test("a stream that breaks off ends with an error and without [DONE]", () => {
    const chunks = stream([created, ...itemEvents(textItem("hello"), 0, [])]);
    expect(chunks.at(-1)).toMatchObject({ error: { code: "upstream_stream_ended", type: "server_error" } });
  });

  test("a failure blames by code, and nothing follows it", () => {
    const failed = {
      type: "response.failed",
      response: { error: { code: "context_length_exceeded", message: "m" } },
    };
    const { status, body } = collect([created, failed, completed]);
    expect(status).toBe(400);
    expect(body.error).toMatchObject({ code: "context_length_exceeded", message: "m" });
    expect(stream([created, failed, completed]).at(-1)).toMatchObject({
      error: { code: "context_length_exceeded" },
    });
  });

  test("unknown and broken events are passed by", () => {
    const noise = [
      { type: "keepalive" },
      { type: "codex.rate_limits" },
      { type: "constructor" },
      { type: "response.output_text.delta", output_index: 0, delta: 5 },
      { type: "response.output_item.done", output_index: 9 },
      { type: "response.function_call_arguments.delta", output_index: 8, delta: "{}" },
    ];
    const events = [created, ...noise, ...itemEvents(textItem("hello"), 0, []), completed];
    expect(collect(events)).toEqual(collect(turnWithoutDeltas([textItem("hello")])));
    expect(collect([null, 5, "x", {}, ...events] as JsonObject[]).status).toBe(200);
  });
});
