import { describe, expect, test } from "bun:test";
import { createReplyObserver, type ReplyObserver } from "./reply-observer.ts";
import { createSseScanner, formatEvent } from "./sse.ts";

function observe(
  events: [type: string, data: Record<string, unknown>][],
  pieceBytes = Infinity,
): ReplyObserver {
  const observer = createReplyObserver();
  const scanner = createSseScanner({
    wants: observer.wants,
    isNoise: observer.isNoise,
    onEvent: observer.event,
  });
  const bytes = Buffer.from(events.map(([type, data]) => formatEvent(type, { type, ...data })).join(""));
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    scanner.push(new Uint8Array(bytes.subarray(at, Math.min(bytes.length, at + pieceBytes))));
  }
  return observer;
}

const USAGE = { input_tokens: 10, output_tokens: 2, total_tokens: 12 };
const CREATED: [string, Record<string, unknown>] = [
  "response.created",
  { response: { id: "resp_1", model: "m-1" } },
];
const DELTA: [string, Record<string, unknown>] = ["response.output_text.delta", { delta: "hello" }];
const COMPLETED: [string, Record<string, unknown>] = [
  "response.completed",
  { response: { id: "resp_1", model: "m-2", service_tier: "priority", usage: USAGE } },
];

describe("what a reply has said", () => {
  for (const pieceBytes of [1, 7, 100, Infinity]) {
    test(`is read whatever the pieces (${pieceBytes} bytes)`, () => {
      const observer = observe(
        [
          CREATED,
          ["response.in_progress", { response: { id: "resp_1" } }],
          ["response.output_item.added", { item: { type: "message" } }],
          DELTA,
          DELTA,
          ["response.output_item.done", { item: { type: "web_search_call" } }],
          ["response.output_item.done", { item: { type: "image_generation_call" } }],
          ["response.output_item.done", { item: { type: "message" } }],
          COMPLETED,
        ],
        pieceBytes,
      );
      expect(observer.phase()).toBe("ended");
      expect(observer.summary()).toMatchObject({
        responseId: "resp_1",
        model: "m-2",
        serviceTier: "priority",
        usage: USAGE,
        terminal: "completed",
        webSearchCalls: 1,
        imageCalls: 1,
      });
    });
  }

  test("content begins with the first event that shows something", () => {
    expect(observe([CREATED]).phase()).toBe("preamble");
    expect(
      observe([CREATED, ["response.metadata", { headers: {} }], ["codex.rate_limits", {}]]).phase(),
    ).toBe("preamble");
    expect(observe([CREATED, DELTA]).phase()).toBe("content");
    expect(observe([CREATED, ["response.reasoning_summary_text.delta", { delta: "x" }]]).phase()).toBe(
      "content",
    );
  });

  test("a failure before any content is told, one after it is not an early one", () => {
    const failed: [string, Record<string, unknown>] = [
      "response.failed",
      { response: { id: "resp_1", error: { code: "server_is_overloaded" } } },
    ];
    const early = observe([CREATED, failed]);
    expect(early.earlyFailure()).toMatchObject({ type: "response.failed" });
    const late = observe([CREATED, DELTA, failed]);
    expect(late.earlyFailure()).toBeNull();
    expect(late.summary()).toMatchObject({ terminal: "failed", errorCode: "server_is_overloaded" });
  });

  /** Names of events that carry output, and of events that must never be taken for such. */
  const OUTPUT = [
    "response.output_text.delta",
    "response.output_text.annotation.added",
    "response.output_item.added",
    "response.reasoning_text.delta",
    "response.refusal.delta",
    "response.function_call_arguments.delta",
    "response.custom_tool_call_input.delta",
    "response.content_part.done",
  ];
  const READ = [
    "response.created",
    "response.completed",
    "response.failed",
    "response.incomplete",
    "response.in_progress",
    "response.metadata",
    "response.queued",
    "response.output_item.done",
    "codex.rate_limits",
    "error",
  ];
  test("only events that carry output are passed over by their first bytes", () => {
    const observer = observe([CREATED, DELTA]);
    const isNoise = (type: string) => observer.isNoise(Buffer.from(`xx${formatEvent(type, { type })}`), 2);
    expect(OUTPUT.filter((type) => !isNoise(type))).toEqual([]);
    expect(READ.filter(isNoise)).toEqual([]);
  });

  test("nothing is passed over while content has not begun", () => {
    const observer = createReplyObserver();
    expect(observer.isNoise(Buffer.from(formatEvent("response.output_text.delta", {})), 0)).toBe(false);
  });
});
