import { describe, expect, test } from "bun:test";
import { CodedError } from "../errors.ts";
import { chatDialect } from "./chat/dialect.ts";
import { completionsDialect } from "./completions.ts";
import { type Dialect, errorReply } from "./dialect.ts";
import {
  callItem,
  completed,
  created,
  itemEvents,
  reasoningItem,
  REQUEST_CONTEXT,
  replyContext,
  textItem,
} from "./fixtures.ts";
import { messagesDialect } from "./messages/dialect.ts";
import { countTokens } from "./messages/request.ts";
import type { JsonObject } from "./parse.ts";
import { responsesDialect } from "./responses.ts";

const BODIES_PER_DIALECT = 2_500;
const SEED = 0x5eed;

const image = "data:image/png;base64,AA";

/** Valid bodies that use as much of each dialect as fits. */
const VALID: [Dialect, JsonObject][] = [
  [
    chatDialect,
    {
      model: "gpt-5.5-high",
      messages: [
        { role: "system", content: "s" },
        {
          role: "user",
          name: "n",
          content: [
            { type: "text", text: "t" },
            { type: "image_url", image_url: { url: image, detail: "low" } },
            { type: "file", file: { filename: "f", file_data: "data:application/pdf;base64,AA" } },
          ],
        },
        {
          role: "assistant",
          content: "a",
          refusal: null,
          reasoning_details: [
            { type: "reasoning.encrypted", format: "openai-responses-v1", id: "rs", data: "g" },
          ],
          tool_calls: [
            { id: "c1", type: "function", function: { name: "f", arguments: "{}" } },
            { id: "c2", type: "custom", custom: { name: "g", input: "x" } },
          ],
        },
        { role: "tool", tool_call_id: "c1", content: [{ type: "text", text: "r" }] },
        { role: "tool", tool_call_id: "c2", content: "r" },
        { role: "assistant", function_call: { name: "f", arguments: "{}" } },
        { role: "function", name: "f", content: "r" },
      ],
      tools: [
        {
          type: "function",
          function: { name: "f", description: "d", parameters: { type: "object" }, strict: true },
        },
        {
          type: "custom",
          custom: { name: "g", format: { type: "grammar", grammar: { syntax: "lark", definition: "d" } } },
        },
      ],
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "auto", tools: [{ type: "function", function: { name: "f" } }] },
      },
      response_format: {
        type: "json_schema",
        json_schema: { name: "n", schema: { type: "object" }, strict: true },
      },
      reasoning_effort: "low",
      reasoning: { effort: "low" },
      stream: true,
      stream_options: { include_usage: true },
      service_tier: "fast",
      prompt_cache_key: "k",
      n: 1,
      temperature: 1,
      modalities: ["text"],
      verbosity: "low",
      parallel_tool_calls: true,
    },
  ],
  [
    messagesDialect,
    {
      model: "claude-opus-4",
      max_tokens: 10,
      system: [{ type: "text", text: "s" }],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "t" },
            { type: "image", source: { type: "base64", media_type: "image/png", data: "AA" } },
            {
              type: "document",
              title: "d",
              source: { type: "content", content: [{ type: "text", text: "t" }] },
            },
            { type: "document", source: { type: "text", media_type: "text/plain", data: "AA" } },
            { type: "search_result", title: "t", source: "s", content: [{ type: "text", text: "t" }] },
          ],
        },
        {
          role: "assistant",
          content: [
            { type: "thinking", thinking: "h", signature: "clb1:rs_1:g" },
            { type: "redacted_thinking", data: "clb1::g" },
            { type: "tool_use", id: "t1", name: "f", input: { a: 1 } },
          ],
        },
        {
          role: "user",
          content: [
            {
              type: "tool_result",
              tool_use_id: "t1",
              is_error: true,
              content: [{ type: "text", text: "e" }],
            },
          ],
        },
      ],
      tools: [{ name: "f", description: "d", input_schema: { type: "object" }, strict: false }],
      tool_choice: { type: "tool", name: "f", disable_parallel_tool_use: true },
      thinking: { type: "enabled", budget_tokens: 2_000 },
      output_config: { effort: "high", format: { type: "json_schema", schema: {} } },
      metadata: { user_id: "u" },
      stream: true,
      service_tier: "standard_only",
      mcp_servers: [],
    },
  ],
  [
    responsesDialect,
    {
      model: "gpt-5.5(high)",
      instructions: "i",
      input: [
        { role: "system", content: "s" },
        { type: "message", role: "user", content: [{ type: "input_text", text: "t" }] },
        { type: "reasoning", id: "rs", summary: [], encrypted_content: "g" },
        { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
        { type: "function_call_output", call_id: "c", output: "o" },
      ],
      tools: [{ type: "function", name: "f", parameters: { type: "object" } }],
      tool_choice: { type: "function", name: "f" },
      text: { format: { type: "json_schema", name: "n", schema: {} }, verbosity: "low" },
      reasoning: { effort: "low", summary: "auto" },
      include: ["reasoning.encrypted_content"],
      stream: true,
      store: true,
      background: false,
      service_tier: "auto",
      prompt_cache_key: "k",
      previous_response_id: "resp_0",
      parallel_tool_calls: true,
      n: 1,
      top_logprobs: 0,
    },
  ],
  [
    completionsDialect,
    {
      model: "gpt-5.5",
      prompt: ["p"],
      stream: true,
      stream_options: {},
      max_tokens: 1,
      best_of: 1,
      echo: false,
    },
  ],
];

/** mulberry32: small, seeded, good enough to pick mutations. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const deep = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}1${"]".repeat(levels)}`);
const deepObject = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);

/** JSON text, as it would come from the wire: keys such as `__proto__` are own fields then. */
const POISON = [
  ...[
    "null",
    "true",
    "false",
    "0",
    "-1",
    "1e308",
    "0.5",
    '""',
    '"x"',
    '"constructor"',
    '"__proto__"',
    '"toString"',
  ],
  ...[
    "[]",
    "{}",
    "[null]",
    "[[]]",
    '[{"type":"text"}]',
    '{"type":"constructor"}',
    '{"__proto__":{"type":"text"}}',
  ],
  ...['{"constructor":{"prototype":{"x":1}}}', '{"toString":1}', '{"length":-1}', '{"type":{"type":"text"}}'],
  ...[
    '"\\ud800"',
    '"\\u0000"',
    '"\\r\\nx-header: 1"',
    JSON.stringify("y".repeat(5_000)),
    JSON.stringify("(".repeat(5_000)),
  ],
];

/** One to three random changes: a value replaced, a field or element removed, doubled, renamed, or buried. */
function mutate(valid: JsonObject, random: (below: number) => number): unknown {
  const root: JsonObject = { body: structuredClone(valid) };
  for (let change = random(3); change >= 0; change--) {
    const places: [container: JsonObject | unknown[], key: string][] = [];
    collectPlaces(root, places);
    const place = places[random(places.length)];
    if (place) changePlace(place[0] as JsonObject, place[1], random);
  }
  return root.body;
}

function collectPlaces(value: unknown, places: [JsonObject | unknown[], string][]): void {
  if (typeof value !== "object" || value === null || places.length > 500) return;
  for (const [key, child] of Object.entries(value)) {
    places.push([value as JsonObject, key]);
    collectPlaces(child, places);
  }
}

function changePlace(container: JsonObject, key: string, random: (below: number) => number): void {
  const old = container[key];
  switch (random(8)) {
    case 0:
      if (Array.isArray(container)) container.splice(Number(key), 1);
      else delete container[key];
      return;
    case 1:
      if (Array.isArray(container)) container.push(structuredClone(old));
      else container[`${key}_`] = old;
      return;
    case 2:
      container[key] = [old];
      return;
    case 3:
      container[key] = { [key]: old };
      return;
    case 4:
      if (Array.isArray(container)) return;
      Object.defineProperty(container, ["__proto__", "constructor", "hasOwnProperty"][random(3)] ?? "x", {
        value: old,
        enumerable: true,
        configurable: true,
        writable: true,
      });
      return;
    case 5:
      container[key] = random(2) ? deep(50 + random(3_000)) : deepObject(50 + random(3_000));
      return;
    default:
      container[key] = JSON.parse(POISON[random(POISON.length)] ?? "null");
  }
}

/** Translates; anything but a translation or a 400 that names a field fails the test. */
function judge(dialect: Dialect, body: unknown): "translated" | "refused" {
  try {
    const request = dialect.toResponsesRequest(body, REQUEST_CONTEXT);
    JSON.stringify(request.body);
    expect(request.body).toMatchObject({ stream: true, store: false });
    expect(request.ignored.join(",")).toMatch(/^[\w.,-]*$/);
    return "translated";
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    expect(error.status).toBe(400);
    expect(error.param).toBeTruthy();
    expect(JSON.parse(errorReply(dialect, error).body).error.message).toContain(String(error.param));
    return "refused";
  }
}

describe("malformed bodies", () => {
  test.each(VALID.map(([dialect, body]) => [dialect.name, dialect, body] as const))(
    `${BODIES_PER_DIALECT} seeded mutations for %s are translated or refused by name`,
    (_, dialect, valid) => {
      expect(judge(dialect, valid)).toBe("translated");
      const random = createRandom(SEED);
      const seen = { translated: 0, refused: 0 };
      for (let i = 0; i < BODIES_PER_DIALECT; i++) seen[judge(dialect, mutate(valid, random))]++;
      // Both must happen often, or the mutations test nothing.
      expect(Math.min(seen.translated, seen.refused)).toBeGreaterThan(BODIES_PER_DIALECT / 10);
    },
  );

  test.each(VALID.map(([dialect]) => [dialect.name, dialect] as const))(
    "%s reads any events of upstream without an exception, and always gives a whole reply",
    (_, dialect) => {
      const random = createRandom(SEED);
      const items = [reasoningItem(["hm"]), textItem("hello"), callItem("f", "{}")];
      const turn = [created, ...items.flatMap((item, i) => itemEvents(item, i, [1])), completed];
      for (let i = 0; i < 500; i++) {
        const events = mutate({ turn }, random) as { turn: unknown[] } | null;
        const collector = dialect.createCollector(replyContext());
        const stream = dialect.createStream(replyContext());
        for (const event of Array.isArray(events?.turn) ? events.turn : []) {
          collector.push(event);
          stream.push(event);
        }
        stream.end();
        expect(stream.end()).toBe("");
        expect(JSON.parse(collector.end().body)).toBeObject();
      }
    },
  );

  test("what is not an object is no body for any dialect", () => {
    for (const body of [null, undefined, 5, "x", [], [{}]]) {
      for (const [dialect] of VALID) expect(judge(dialect, body)).toBe("refused");
    }
  });

  test("an inherited field is not a field", () => {
    const body: unknown = JSON.parse('{"__proto__":{"model":"gpt-5.5","input":"hi"}}');
    expect(judge(responsesDialect, body)).toBe("refused");
  });

  test("count_tokens refuses alike", () => {
    expect(() => countTokens({ model: "claude-opus-4" }, REQUEST_CONTEXT)).toThrow(CodedError);
  });
});
