/** Claims about Anthropic's SDK in front of the executable: only its base URL is changed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import Anthropic, { APIError, BadRequestError, RateLimitError } from "@anthropic-ai/sdk";
import { startPool } from "./harness.ts";
import { waitFor } from "./wait.ts";

const BASE = { model: "claude-of-any-name", max_tokens: 1024 };
const tools: Anthropic.Tool[] = [
  { name: "shell", input_schema: { type: "object", properties: { command: { type: "array" } } } },
];

/** What a call of the SDK throws. */
const failure = (call: PromiseLike<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => error,
  );

let pool: Awaited<ReturnType<typeof startPool>>;
let client: Anthropic;

beforeAll(async () => {
  pool = await startPool({ accounts: 3, simulator: { keepBodies: true } });
  client = new Anthropic({ baseURL: pool.service.url, apiKey: "none-is-needed-on-this-machine" });
});
afterAll(() => pool?.dispose());

const user = (content: string): Anthropic.MessageParam => ({ role: "user", content });

test("a whole message, with the model's name as it was asked for", async () => {
  const message = await client.messages.create({ ...BASE, system: "Be brief.", messages: [user("hello")] });
  expect(message.content).toMatchObject([{ type: "text", text: "Simulated answer to: hello" }]);
  expect(message.model).toBe(BASE.model);
  expect(message.stop_reason).toBe("end_turn");
  expect(message.usage.input_tokens).toBeGreaterThan(0);
  expect(message).toHaveProperty("_request_id", expect.stringMatching(/^req_/));
});

test("a stream, its texts and its final message", async () => {
  const stream = client.messages.stream({ ...BASE, messages: [user("stream please")] });
  let text = "";
  stream.on("text", (delta) => void (text += delta));
  const message = await stream.finalMessage();
  expect(text).toBe("Simulated answer to: stream please");
  expect(message.content).toMatchObject([{ type: "text", text }]);
});

test("thinking, a tool's use and its result, streamed", async () => {
  const thinking = { type: "enabled" as const, budget_tokens: 4000 };
  const messages = [user("please run: echo one")];
  const first = await client.messages.stream({ ...BASE, messages, tools, thinking }).finalMessage();
  expect(first.stop_reason).toBe("tool_use");
  expect(first.content.map(({ type }) => type)).toEqual(["thinking", "tool_use"]);
  const use = first.content.find((block) => block.type === "tool_use")!;
  expect(use.input).toEqual({ command: ["bash", "-lc", "echo one"] });
  messages.push(
    { role: "assistant", content: first.content },
    { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "one" }] },
  );
  const second = await client.messages.create({ ...BASE, messages, tools, thinking });
  expect(second.content.at(-1)).toMatchObject({ type: "text", text: "The command printed:\none" });
});

test("tokens are counted", async () => {
  const { input_tokens } = await client.messages.countTokens({
    model: BASE.model,
    messages: [user("word ".repeat(400))],
  });
  expect(input_tokens).toBeWithin(300, 700);
});

test("an abort in mid-stream ends upstream's request too", async () => {
  pool.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
  const stream = client.messages.stream({ ...BASE, messages: [user("endless")] });
  stream.on("text", () => stream.abort());
  await stream.done().catch(() => {});
  await waitFor("upstream's side is closed", () => pool.simulator.counters.openRequests === 0);
  expect(pool.simulator.counters.aborted).toBe(1);
});

test("errors have the SDK's own classes: bad input, a broken stream, a spent pool", async () => {
  const bad = client.messages.create({
    ...BASE,
    messages: [user("hi")],
    tools: [{ type: "web_search_20250305", name: "web_search" }],
  });
  expect(await failure(bad)).toBeInstanceOf(BadRequestError);

  pool.simulator.addFault({ moment: "after_text", act: { kind: "cut" } });
  const broken = client.messages.stream({ ...BASE, messages: [user("break")] }).finalMessage();
  expect(await failure(broken)).toBeInstanceOf(APIError);

  pool.simulator.addFault({
    act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 7200 },
    times: null,
  });
  const startedAt = performance.now();
  const spent = await failure(client.messages.create({ ...BASE, messages: [user("more")] }));
  expect(spent).toBeInstanceOf(RateLimitError);
  expect((spent as Error).message).toContain("All 3 pooled accounts are at their limit");
  expect(performance.now() - startedAt).toBeLessThan(2000);
});
