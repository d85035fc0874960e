import { describe, expect, test } from "bun:test";
import { completionsDialect as dialect } from "./completions.ts";
import {
  completed,
  created,
  dataOf,
  itemEvents,
  REQUEST_CONTEXT,
  replyContext,
  textItem,
} from "./fixtures.ts";
import type { JsonObject } from "./parse.ts";

const translate = (body: JsonObject) =>
  dialect.toResponsesRequest({ model: "gpt-5.5", ...body }, REQUEST_CONTEXT);

describe("a legacy completion", () => {
  test.each(["say hi", ["say hi"]])("sends the prompt %j as one user message", (prompt) => {
    const { body, ignored } = translate({ prompt, max_tokens: 5 });
    expect(body.input).toEqual([
      { type: "message", role: "user", content: [{ type: "input_text", text: "say hi" }] },
    ]);
    expect(ignored).toEqual(["max_tokens"]);
  });

  const refused: [JsonObject, string][] = [
    [{}, "prompt"],
    [{ prompt: [] }, "prompt"],
    [{ prompt: ["a", "b"] }, "prompt"],
    [{ prompt: [1, 2] }, "prompt"],
    [{ prompt: [[1], [2]] }, "prompt"],
    [{ prompt: "a", echo: true }, "echo"],
    [{ prompt: "a", suffix: "b" }, "suffix"],
    [{ prompt: "a", logprobs: 0 }, "logprobs"],
    [{ prompt: "a", best_of: 2 }, "best_of"],
    [{ prompt: "a", n: 2 }, "n"],
    [{ prompt: "a", tools: [] }, "tools"],
  ];
  test.each(refused)("%j is refused by name: %s", (fields, param) => {
    expect(() => translate(fields)).toThrow(expect.objectContaining({ status: 400, param }));
  });

  const events = [created, ...itemEvents(textItem("hello"), 0, [2]), completed];
  test("comes back whole", () => {
    const collector = dialect.createCollector(replyContext());
    events.forEach(collector.push);
    expect(JSON.parse(collector.end().body)).toMatchObject({
      id: "cmpl-1",
      object: "text_completion",
      choices: [{ text: "hello", index: 0, finish_reason: "stop" }],
      usage: { total_tokens: 107 },
    });
  });

  test("comes back in pieces", () => {
    const stream = dialect.createStream(replyContext());
    const chunks = dataOf(events.map(stream.push).join("") + stream.end()) as {
      choices?: { text: string }[];
    }[];
    const texts = chunks.map((chunk) => chunk.choices?.[0]?.text ?? "");
    expect(texts.join("")).toBe("hello");
    expect(chunks.at(-1)).toBe("[DONE]" as never);
  });
});
