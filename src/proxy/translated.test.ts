import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { systemClock } from "../ports.ts";
import { type RunningService, startService } from "../testing/running-service.ts";
import { KEEP_ALIVE_INTERVAL_MS } from "./relay.ts";

/** JSON whose form the tests state by what they expect of it. */
type Json = ReturnType<typeof JSON.parse>;

/** What a stream or a JSON reply of each dialect says, read as its clients do. */
interface Spoken {
  path: string;
  body(text: string): Record<string, unknown>;
  /** The text of a whole reply. */
  text(reply: Json): string;
  /** The text that a stream's events add up to. */
  streamed(events: Json[]): string;
  /** The last thing of a complete stream. */
  isEnd(event: Json): boolean;
  /** The error in a stream that broke off. */
  brokenOff(event: Json): unknown;
  errorCode(reply: Json): string;
  keepAlive: string;
}

const chatLike = {
  isEnd: (event: Json) => event === "[DONE]",
  brokenOff: (event: Json) => event.error?.code,
  errorCode: (reply: Json) => reply.error.code,
  keepAlive: ": keep-alive",
};

const DIALECTS: Record<string, Spoken> = {
  responses: {
    ...chatLike,
    path: "/v1/responses",
    body: (text) => ({ model: "gpt-5.5", input: text }),
    text: (reply) => reply.output.findLast((item: Json) => item.type === "message").content[0].text,
    streamed: (events) =>
      events.map((e) => (e.type === "response.output_text.delta" ? e.delta : "")).join(""),
    isEnd: (event) => event.type === "response.completed" && event.response.output.length > 0,
    brokenOff: (event) => event.response?.error?.code,
    keepAlive: '{"type":"keepalive"}',
  },
  chat: {
    ...chatLike,
    path: "/v1/chat/completions",
    body: (text) => ({ model: "gpt-5.5", messages: [{ role: "user", content: text }] }),
    text: (reply) => reply.choices[0].message.content,
    streamed: (events) => events.map((e) => e.choices?.[0]?.delta.content ?? "").join(""),
  },
  completions: {
    ...chatLike,
    path: "/v1/completions",
    body: (text) => ({ model: "gpt-5.5", prompt: text }),
    text: (reply) => reply.choices[0].text,
    streamed: (events) => events.map((e) => e.choices?.[0]?.text ?? "").join(""),
  },
  messages: {
    path: "/v1/messages",
    body: (text) => ({ model: "claude-opus-4", max_tokens: 99, messages: [{ role: "user", content: text }] }),
    text: (reply) => reply.content.map((block: Json) => block.text).join(""),
    streamed: (events) => events.map((e) => e.delta?.text ?? "").join(""),
    isEnd: (event) => event.type === "message_stop",
    brokenOff: (event) => event.error?.type,
    errorCode: (reply) => reply.error.type,
    keepAlive: '{"type":"ping"}',
  },
};

const EACH = Object.entries(DIALECTS);

let service: RunningService;
const shortened = {
  ...systemClock,
  // Nobody waits a quarter of a minute in a test; every other time stays as it is.
  schedule: (delayMs: number, task: () => void) =>
    systemClock.schedule(delayMs === KEEP_ALIVE_INTERVAL_MS ? 25 : delayMs, task),
};

beforeAll(async () => {
  service = await startService({
    // Some tests spend one for a moment; the next ones must find another.
    accounts: Array.from({ length: 8 }, () => ({})),
    simulator: { keepBodies: true, encryptedContent: "any" },
    ports: { clock: shortened },
  });
});
afterAll(() => service.stop());
beforeEach(async () => {
  while (service.simulator.counters.openRequests > 0) await Bun.sleep(2);
  service.simulator.clearFaults();
  service.simulator.clearScripts();
  service.simulator.clearRequests();
});

function post(
  path: string,
  body: unknown,
  init: Omit<RequestInit, "headers"> & { headers?: Record<string, string> } = {},
): Promise<Response> {
  return service.fetch(path, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

function eventsOf(text: string): Json[] {
  return text
    .split("\n\n")
    .map((event) => /^data: (.*)$/m.exec(event)?.[1])
    .filter((data) => data !== undefined)
    .map((data) => (data === "[DONE]" ? data : JSON.parse(data)));
}

/** What upstream was asked, newest last. */
function asked(): Json[] {
  return service.simulator.requests.filter(({ route }) => route === "responses").map(({ json }) => json);
}

describe.each(EACH)("%s", (_name, dialect) => {
  test("a whole reply has the text, our request id and what was ignored", async () => {
    const reply = await post(dialect.path, { ...dialect.body("say hello"), temperature: 0.3 });
    expect(reply.status).toBe(200);
    expect(reply.headers.get("content-type")).toBe("application/json");
    expect(reply.headers.get("x-request-id")).toStartWith("req_");
    expect(reply.headers.get("server-timing")).toContain("ours;dur=");
    expect(reply.headers.get("x-codex-lb-ignored")).toContain("temperature");
    expect(dialect.text(await reply.json())).toBe("Simulated answer to: say hello");
  });

  test.each([1, 7, 1000])("a stream in pieces of %d bytes adds up to the same text", async (pieceBytes) => {
    service.simulator.addScript({ turn: { kind: "text", text: "Grüße, 世界 👋" }, delivery: { pieceBytes } });
    const reply = await post(dialect.path, { ...dialect.body("greet"), stream: true });
    expect(reply.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events = eventsOf(await reply.text());
    expect(dialect.streamed(events)).toBe("Grüße, 世界 👋");
    expect(dialect.isEnd(events.at(-1))).toBe(true);
  });

  test("what fails before anything was shown is served by another account", async () => {
    service.simulator.addFault({ act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 1 } });
    service.simulator.addFault({ moment: "after_created", act: { kind: "reset" } });
    const reply = await post(dialect.path, { ...dialect.body("go on"), stream: true });
    const events = eventsOf(await reply.text());
    expect(dialect.isEnd(events.at(-1))).toBe(true);
  });

  test("a stream that breaks after its first text ends with the dialect's error", async () => {
    service.simulator.addFault({ moment: "after_text", act: { kind: "cut" } });
    const reply = await post(dialect.path, { ...dialect.body("break"), stream: true });
    const events = eventsOf(await reply.text());
    expect(dialect.streamed(events).length).toBeGreaterThan(0);
    expect(dialect.brokenOff(events.at(-1))).toMatch(/^(upstream_cut|api_error)$/);
  });

  test("a whole reply whose stream breaks in the middle is asked for again", async () => {
    service.simulator.addFault({ moment: "after_text", act: { kind: "cut" } });
    service.simulator.addFault({ moment: "after_text", act: { kind: "failed", code: "server_error" } });
    const reply = await post(dialect.path, dialect.body("break twice"));
    expect(dialect.text(await reply.json())).toBe("Simulated answer to: break twice");
    expect(asked().length).toBe(3);
  });

  test("a request that upstream finds at fault is refused in the dialect's words, before any stream", async () => {
    const code = "context_length_exceeded";
    for (const stream of [false, true]) {
      service.simulator.addFault({
        moment: "first_event",
        act: { kind: "failed", code, message: "Too long." },
      });
      const reply = await post(dialect.path, { ...dialect.body("long"), stream });
      expect(reply.status).toBe(400);
      const body: Json = await reply.json();
      expect(body.error.message).toBe("Too long.");
      expect(["invalid_request_error", code]).toContain(dialect.errorCode(body));
    }
  });

  test.each([
    ["no JSON", (): string => "{", null],
    ["a list", (): string => "[]", "body"],
    ["a number for the model", (): string => JSON.stringify({ ...dialect.body("a"), model: 3 }), "model"],
  ] as const)("%s is a 400 that says what is wrong", async (_what, body, param) => {
    const reply = await post(dialect.path, body());
    expect(reply.status).toBe(400);
    expect(reply.headers.get("x-request-id")).toStartWith("req_");
    const { error } = (await reply.json()) as Json;
    expect(error.type).toBe("invalid_request_error");
    if (param !== null) expect(error.param ?? error.message).toContain(param);
  });

  test("in a long silence the stream is kept alive, but not before its first event", async () => {
    service.simulator.addFault({ moment: "before_headers", act: { kind: "delay", delayMs: 120 } });
    service.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
    const reply = await post(dialect.path, { ...dialect.body("think"), stream: true });
    const reader = reply.body!.getReader();
    let text = "";
    while (!text.includes(dialect.keepAlive))
      text += Buffer.from((await reader.read()).value ?? []).toString();
    expect(text.indexOf("data: ")).toBeLessThan(text.indexOf(dialect.keepAlive));
    expect(text).toStartWith(text.startsWith("event: ") ? "event: " : "data: ");
    expect(text.startsWith(dialect.keepAlive)).toBe(false);
    await reader.cancel();
  });

  test("a client that leaves stops upstream at once and blames no account", async () => {
    const before = service.simulator.counters.aborted;
    for (const stream of [true, false]) {
      service.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
      const abort = new AbortController();
      const pending = post(dialect.path, { ...dialect.body("leave"), stream }, { signal: abort.signal });
      if (stream) await (await pending).body!.getReader().read();
      while (service.simulator.counters.openRequests === 0) await Bun.sleep(2);
      abort.abort();
      await pending.catch(() => {});
      while (service.simulator.counters.openRequests > 0) await Bun.sleep(2);
    }
    expect(service.simulator.counters.aborted).toBe(before + 2);
    const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
    expect(accounts.map(({ status }) => status)).not.toContain("deactivated");
  });
});

test.each(EACH)(
  "%s: when every account is spent the client is told once, with the reset",
  async (_name, dialect) => {
    const spent = await startService({
      accounts: [{ windows: [{ minutes: 300, usedPercent: 100, resetInMs: 7_200_000 }] }],
    });
    try {
      const reply = await spent.fetch(dialect.path, {
        method: "POST",
        body: JSON.stringify({ ...dialect.body("more"), stream: true }),
      });
      expect(reply.status).toBe(429);
      expect(Number(reply.headers.get("retry-after"))).toBeGreaterThan(7_000);
      expect(reply.headers.get("x-should-retry")).toBe("false");
      const body: Json = await reply.json();
      expect(["usage_limit_reached", "rate_limit_error"]).toContain(dialect.errorCode(body));
      expect(body.error.message).toContain("codex-lb: The pooled account is at its limit");
    } finally {
      await spent.stop();
    }
  },
);

test.each(EACH)("%s: what a key imposes holds here too, and its use is counted", async (_name, dialect) => {
  const { key, id } = await service.adminJson<{ key: string; id: string }>("/api/api-keys/", {
    json: { name: "a team", enforcedModel: "gpt-5.5-mini", enforcedReasoningEffort: "low" },
  });
  const header: Record<string, string> =
    dialect.path === "/v1/messages" ? { "x-api-key": key } : { authorization: `Bearer ${key}` };
  const reply = await post(dialect.path, { ...dialect.body("mine"), stream: true }, { headers: header });
  expect(dialect.streamed(eventsOf(await reply.text()))).toBe("Simulated answer to: mine");
  expect(asked()).toMatchObject([{ model: "gpt-5.5-mini", reasoning: { effort: "low" } }]);
  const keys = await service.adminJson<Json[]>("/api/api-keys/");
  expect(keys.find((entry) => entry.id === id).usage.totalTokens).toBeGreaterThan(0);
  const dead = await post(dialect.path, dialect.body("mine"), {
    headers: { authorization: "Bearer sk-clb-none" },
  });
  expect(dead.status).toBe(401);
  expect(["invalid_api_key", "authentication_error"]).toContain(dialect.errorCode(await dead.json()));
});

test("a stop that will not wait any longer tells a request that was shown nothing to try again", async () => {
  const stopping = await startService({
    accounts: [{}],
    env: { CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "0.2" },
  });
  stopping.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
  const pending = stopping.fetch("/v1/chat/completions", {
    method: "POST",
    body: JSON.stringify(DIALECTS.chat!.body("never")),
  });
  while (stopping.simulator.counters.openRequests === 0) await Bun.sleep(2);
  await stopping.stop();
  const reply = await pending;
  expect([reply.status, ((await reply.json()) as Json).error.code]).toEqual([503, "server_shutdown"]);
});

test("compact works where upstream has the old path no more", async () => {
  const newer = await startService({ accounts: [{}], simulator: { compactEndpoint: "gone" } });
  try {
    const reply = await newer.fetch("/v1/responses/compact", {
      method: "POST",
      body: JSON.stringify({ model: "gpt-5.5", input: "long talk", temperature: 1 }),
    });
    expect(reply.headers.get("x-codex-lb-ignored")).toBe("temperature");
    const compacted = (await reply.json()) as Json;
    expect(compacted.output.map(({ type }: Json) => type)).toEqual(["message", "compaction"]);
  } finally {
    await newer.stop();
  }
});

describe("tools", () => {
  const parameters = { type: "object", properties: { command: { type: "array" } } };

  test("chat: a call, its result, and the answer", async () => {
    const tools = [{ type: "function", function: { name: "shell", parameters } }];
    const messages: Json[] = [{ role: "user", content: "please run: echo one" }];
    const first: Json = await (
      await post("/v1/chat/completions", { model: "gpt-5.5", messages, tools })
    ).json();
    const [choice] = first.choices;
    expect(choice.finish_reason).toBe("tool_calls");
    const [call] = choice.message.tool_calls;
    expect(JSON.parse(call.function.arguments).command.at(-1)).toBe("echo one");
    messages.push(choice.message, { role: "tool", tool_call_id: call.id, content: "one" });
    const second: Json = await (
      await post("/v1/chat/completions", { model: "gpt-5.5", messages, tools })
    ).json();
    expect(second.choices[0].message.content).toBe("The command printed:\none");
  });

  test("messages: tool_use, tool_result, and the answer, with the thinking sent back", async () => {
    const tools = [{ name: "shell", input_schema: parameters }];
    const base = {
      model: "claude-sonnet-4",
      max_tokens: 99,
      tools,
      thinking: { type: "enabled", budget_tokens: 5000 },
    };
    const messages: Json[] = [{ role: "user", content: "please run: echo two" }];
    const first: Json = await (await post("/v1/messages", { ...base, messages })).json();
    expect(first.stop_reason).toBe("tool_use");
    const use = first.content.find((block: Json) => block.type === "tool_use");
    messages.push(
      { role: "assistant", content: first.content },
      { role: "user", content: [{ type: "tool_result", tool_use_id: use.id, content: "two" }] },
    );
    const second: Json = await (await post("/v1/messages", { ...base, messages })).json();
    expect(second.content.at(-1).text).toBe("The command printed:\ntwo");
    expect(
      asked()
        .at(-1)
        .input.map((item: Json) => item.type),
    ).toEqual(["message", "reasoning", "function_call", "function_call_output"]);
  });
});

describe("what upstream sees", () => {
  const body = (text: string, more: object[] = []) => ({
    model: "gpt-5.5",
    messages: [{ role: "system", content: "Be brief." }, { role: "user", content: text }, ...more],
  });
  const headersOfLast = () =>
    new Map(service.simulator.requests.at(-1)!.headers.map(([k, v]) => [k.toLowerCase(), v]));

  test("our own name, and nothing of what an SDK says of itself", async () => {
    const sdk = {
      "x-stainless-lang": "js",
      "openai-organization": "org",
      "user-agent": "OpenAI/JS 7",
      cookie: "session=of-the-client",
    };
    await post("/v1/chat/completions", body("hi"), { headers: sdk });
    const headers = headersOfLast();
    expect(headers.get("user-agent")).toStartWith("codex-lb/");
    expect(headers.get("accept")).toBe("text/event-stream");
    for (const name of ["x-stainless-lang", "openai-organization"]) expect(headers.has(name)).toBe(false);
    // The account's own from the edge may go, the client's never.
    expect(headers.get("cookie") ?? "").not.toContain("of-the-client");
  });

  test("the name of a client that has one", async () => {
    const named = { originator: "opencode", "user-agent": "opencode/1.18", "session-id": "s-1" };
    await post("/v1/chat/completions", body("hi"), { headers: named });
    expect(headersOfLast()).toMatchObject(new Map(Object.entries(named)));
  });

  test("turns of one conversation stay on one account with one cache key, without the client naming it", async () => {
    const turns = [
      body("first"),
      body("first", [
        { role: "assistant", content: "a" },
        { role: "user", content: "b" },
      ]),
      body("other"),
    ];
    for (const turn of turns) await post("/v1/chat/completions", turn);
    const [one, two, other] = asked();
    expect(one.prompt_cache_key).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(two.prompt_cache_key).toBe(one.prompt_cache_key);
    expect(other.prompt_cache_key).not.toBe(one.prompt_cache_key);
    const accounts = service.simulator.requests.map(({ account }) => account);
    expect(accounts[1]).toBe(accounts[0] ?? null);
  });

  test.each([
    "a\r\nx-planted: 1",
    "a\u010d\u010ax-planted: 1",
    "a\r\n\r\nGET /smuggled HTTP/1.1\r\nx-rest: 1",
    "k".repeat(99_000),
  ])("one that is no header's value plants none: %p", async (key) => {
    const reply = await post("/v1/responses", { model: "gpt-5.5", input: "hi", prompt_cache_key: key });
    expect(reply.status).toBe(200);
    expect(asked().at(-1).prompt_cache_key).toBe(key);
    const { headers } = service.simulator.requests.at(-1)!;
    expect(headers.map(([name]) => name)).not.toContain("x-planted");
    expect(headers.find(([name]) => name === "session-id")?.[1]).toMatch(/^[0-9a-f-]{36}$/);
    expect(service.simulator.requests.map(({ target }) => target)).not.toContain("/smuggled");
  });

  test("names of fields that are no header's value break no answer", async () => {
    const reply = await post("/v1/responses", {
      model: "gpt-5.5",
      input: "hi",
      "a\r\nset-cookie: b": 1,
      č: 2,
    });
    expect([200, 400]).toContain(reply.status);
    expect(reply.headers.get("set-cookie")).toBeNull();
  });

  test("a prompt_cache_key of the client goes on untouched", async () => {
    await post("/v1/responses", { model: "gpt-5.5", input: "hi", prompt_cache_key: "mine" });
    expect(asked().at(-1).prompt_cache_key).toBe("mine");
  });

  test("images, schemas and effort suffixes in the backend's own form", async () => {
    const url = "data:image/png;base64,iVBORw0KGgo=";
    const schema = {
      type: "object",
      properties: { city: { type: "string" } },
      required: ["city"],
      additionalProperties: false,
    };
    const reply = await post("/v1/chat/completions", {
      model: "gpt-5.5-high-fast",
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "where?" },
            { type: "image_url", image_url: { url } },
          ],
        },
      ],
      response_format: { type: "json_schema", json_schema: { name: "place", schema, strict: true } },
    });
    const { choices } = (await reply.json()) as Json;
    expect(Object.keys(JSON.parse(choices[0].message.content))).toEqual(["city"]);
    const sent = asked().at(-1);
    expect(sent).toMatchObject({
      model: "gpt-5.5",
      service_tier: "priority",
      reasoning: { effort: "high" },
      store: false,
      stream: true,
    });
    expect(sent.input[0].content[1]).toMatchObject({ type: "input_image", image_url: url });
    expect(sent.text.format).toMatchObject({ type: "json_schema", name: "place", strict: true });
  });

  test("a zstd body is read", async () => {
    const packed = Bun.zstdCompressSync(JSON.stringify(body("packed")));
    const reply = await service.fetch("/v1/chat/completions", {
      method: "POST",
      headers: { "content-encoding": "zstd" },
      body: packed,
    });
    expect(reply.status).toBe(200);
  });
});

describe("the rest of /v1", () => {
  test("a previous response and items by reference are sent in full, as long as we remember them", async () => {
    const first: Json = await (await post("/v1/responses", { model: "gpt-5.5", input: "one" })).json();
    const message = first.output.at(-1);
    await post("/v1/responses", { model: "gpt-5.5", input: "two", previous_response_id: first.id });
    await post("/v1/responses", {
      model: "gpt-5.5",
      input: [
        { role: "user", content: "one" },
        { type: "item_reference", id: message.id },
        { role: "user", content: "two" },
      ],
    });
    const texts = asked()
      .slice(1)
      .map(({ input }: Json) => input.flatMap((item: Json) => item.content?.[0].text ?? []));
    expect(texts).toEqual([
      ["one", "Simulated answer to: one", "two"],
      ["one", "Simulated answer to: one", "two"],
    ]);
    expect(asked().some((body) => "previous_response_id" in body)).toBe(false);
  });

  test("a response that was not to be stored is forgotten", async () => {
    const first: Json = await (
      await post("/v1/responses", { model: "gpt-5.5", input: "one", store: false })
    ).json();
    const reply = await post("/v1/responses", {
      model: "gpt-5.5",
      input: "two",
      previous_response_id: first.id,
    });
    expect(((await reply.json()) as Json).error.code).toBe("previous_response_not_found");
  });

  test("an unknown previous_response_id is answered with the error on which clients send everything", async () => {
    const reply = await post("/v1/responses", {
      model: "gpt-5.5",
      input: "hi",
      previous_response_id: "resp_1",
    });
    expect(reply.status).toBe(400);
    expect(((await reply.json()) as Json).error).toMatchObject({
      code: "previous_response_not_found",
      param: "previous_response_id",
    });
    expect(asked()).toEqual([]);
  });

  test("models: OpenAI's list, one of it, and Codex's own form", async () => {
    const list: Json = await (await service.fetch("/v1/models")).json();
    expect(list.data.map(({ id }: Json) => id)).toContain("gpt-5.5");
    const one: Json = await (await service.fetch("/v1/models/gpt-5.5")).json();
    expect(one).toMatchObject({ id: "gpt-5.5", object: "model", owned_by: "openai" });
    const none = await service.fetch("/v1/models/gpt-0");
    expect([none.status, ((await none.json()) as Json).error.code]).toEqual([404, "model_not_found"]);
    const codex: Json = await (await service.fetch("/v1/models?client_version=0.169.0")).json();
    expect(codex.models[0]).toHaveProperty("base_instructions");
    expect((await service.fetch("/v1/models", { method: "HEAD" })).status).toBe(200);
  });

  test("count_tokens estimates without asking upstream", async () => {
    const text = "word ".repeat(1000);
    const reply = await post("/v1/messages/count_tokens", DIALECTS.messages!.body(text));
    const { input_tokens } = (await reply.json()) as Json;
    expect(input_tokens).toBeWithin(900, 1600);
    expect(asked()).toEqual([]);
  });

  test("compact gives the conversation in short", async () => {
    const reply = await post("/v1/responses/compact", { model: "gpt-5.5", input: "long talk", stream: true });
    expect(reply.status).toBe(200);
    expect(await reply.json()).toMatchObject({ object: "response.compaction" });
  });

  test("images are generated and edited", async () => {
    const made: Json = await (
      await post("/v1/images/generations", { prompt: "a cat", model: "dall-e-3" })
    ).json();
    expect(made.data[0].b64_json).toBeString();
    const form = new FormData();
    form.set("prompt", "a dog");
    form.set("n", "1");
    form.append("image[]", new File([Buffer.from("png")], "a.png", { type: "image/png" }));
    const edited = await service.fetch("/v1/images/edits", { method: "POST", body: form });
    expect(edited.status).toBe(200);
    const [first, second] = service.simulator.requests.map(({ json }) => json as Json);
    expect(first).toEqual({
      prompt: "a cat",
      background: "auto",
      quality: "auto",
      size: "auto",
      model: "gpt-image-2",
    });
    expect(second).toMatchObject({
      prompt: "a dog",
      n: 1,
      images: [{ image_url: "data:image/png;base64,cG5n" }],
    });
  });

  test.each([
    ["/v1/images/generations", { prompt: "a", response_format: "url" }, "response_format"],
    ["/v1/images/generations", { prompt: "a", stream: true }, "stream"],
    ["/v1/images/generations", {}, "prompt"],
    ["/v1/images/edits", { prompt: "a", images: [{}] }, "images[0].image_url"],
  ])("%s refuses %j by name", async (path, body, param) => {
    const reply = await post(path, body);
    expect([reply.status, ((await reply.json()) as Json).error.param]).toEqual([400, param]);
  });

  test("a recording is transcribed, as JSON and as text", async () => {
    const recording = (fields: Record<string, string>) => {
      const form = new FormData();
      form.set("file", new File([Buffer.from("RIFF")], "a.wav", { type: "audio/wav" }));
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      return service.fetch("/v1/audio/transcriptions", { method: "POST", body: form });
    };
    const json = await recording({ model: "whisper-1" });
    expect(json.headers.get("x-codex-lb-ignored")).toBe("model");
    expect(await json.json()).toEqual({ text: "Simulated transcription." });
    const text = await recording({ model: "whisper-1", response_format: "text" });
    expect(text.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await text.text()).toBe("Simulated transcription.");
    expect((await recording({ response_format: "srt" })).status).toBe(400);
    const nothing = await service.fetch("/v1/audio/transcriptions", { method: "POST", body: "x" });
    expect(nothing.status).toBe(400);
  });

  test.each([
    ["POST", "/v1/embeddings", 404, "API-key lane"],
    ["POST", "/v1/audio/speech", 404, "API-key lane"],
    ["GET", "/v1/nothing", 404, "Served are /v1/responses"],
    ["PUT", "/v1/chat/completions", 405, "does not take PUT"],
  ])("%s %s is a %d that says what could help", async (method, path, status, words) => {
    const reply = await service.fetch(path, { method });
    expect(reply.status).toBe(status);
    expect(((await reply.json()) as Json).error.message).toContain(words);
  });

  test("OPTIONS names the methods and opens nothing to other origins", async () => {
    const reply = await service.fetch("/v1/messages", {
      method: "OPTIONS",
      headers: { origin: "https://example.com" },
    });
    expect([reply.status, reply.headers.get("allow")]).toEqual([204, "POST, OPTIONS"]);
    expect(reply.headers.get("access-control-allow-origin")).toBeNull();
  });
});
