/** `/v1/responses` over WebSocket through the whole service: what SDK clients send, what upstream gets, what they are told. */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import OpenAI from "openai";
import { ResponsesWS } from "openai/resources/responses/ws";
import { systemClock } from "../ports.ts";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { openSocketClient, type SocketClient, TERMINAL, until } from "../testing/socket-client.ts";
import type { Caller } from "./serve.ts";
import { createV1SocketDialect } from "./socket-dialect.ts";

const services: RunningService[] = [];
const clients: SocketClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const service of services.splice(0)) await service.stop();
});

async function start(options: Parameters<typeof startService>[0] = {}): Promise<RunningService> {
  const service = await startService({ simulator: { keepBodies: true }, ...options });
  services.push(service);
  return service;
}

async function open(service: RunningService, headers: Record<string, string> = {}): Promise<SocketClient> {
  const client = await openSocketClient(service.url, headers, "/v1/responses");
  clients.push(client);
  return client;
}

async function ask(client: SocketClient, body: Record<string, unknown>) {
  client.create({ model: "gpt-5.5", ...body });
  const frames = await client.next(...TERMINAL);
  return { frames, last: frames.at(-1)! };
}

type Output = { id: string; output: { content: { text: string }[] }[] };
const responseOf = (frame: Record<string, unknown>) => frame.response as Output;

/** The last frame that upstream got, and the headers of its handshake. */
function lastFrame(service: RunningService) {
  const entry = service.simulator.requests.findLast(({ method }) => method === "FRAME")!;
  const headers = new Map(entry.headers.map(([name, value]) => [name.toLowerCase(), value]));
  return { entry, headers, body: entry.json as Record<string, unknown> };
}

async function requestRows(service: RunningService, count: number) {
  for (;;) {
    const { requests } = await service.adminJson<{ requests: Record<string, unknown>[] }>(
      "/api/request-logs",
      { method: "GET" },
    );
    if (requests.length >= count) return requests.toReversed();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a turn", () => {
  test("what an SDK sends is brought to what the backend takes, and its output is in the last event", async () => {
    const service = await start();
    const { last } = await ask(await open(service), {
      model: "gpt-5.5-high",
      input: [
        { role: "system", content: "Be brief." },
        { role: "user", content: "hello" },
      ],
      temperature: 0.2,
      max_output_tokens: 50,
      metadata: { a: "b" },
      store: true,
      service_tier: "fast",
    });
    expect(last.type).toBe("response.completed");
    expect(responseOf(last).output.at(-1)!.content[0]!.text).toBe("Simulated answer to: hello");
    const { body, headers } = lastFrame(service);
    expect(body).toMatchObject({
      type: "response.create",
      model: "gpt-5.5",
      reasoning: { effort: "high" },
      service_tier: "priority",
      store: false,
      stream: true,
      prompt_cache_key: headers.get("session-id"),
    });
    expect((body.input as { role: string }[]).map(({ role }) => role)).toEqual(["developer", "user"]);
    for (const name of ["temperature", "max_output_tokens", "metadata"])
      expect(body).not.toHaveProperty(name);
    const [row] = await requestRows(service, 1);
    expect(row).toMatchObject({
      status: "ok",
      transport: "websocket",
      model: "gpt-5.5",
      requestKind: "turn",
    });
  });

  test("upstream sees who we are, or whom the client names, and nothing of its SDK", async () => {
    const service = await start({ accounts: [{}] });
    const sdk = { "user-agent": "OpenAI/JS 7.1", "x-stainless-lang": "js", cookie: "a=b" };
    await ask(await open(service, sdk), { input: "hi" });
    const ours = lastFrame(service).headers;
    expect(ours.get("user-agent")).toStartWith("codex-lb/");
    expect(ours.get("originator")).toBeDefined();
    expect(ours.get("openai-beta")).toBe("responses_websockets=2026-02-06");
    for (const name of ["x-stainless-lang", "cookie"]) expect(ours.has(name)).toBeFalse();
    await ask(
      await open(service, { originator: "opencode", "user-agent": "opencode/1", "session-id": "s1" }),
      {
        input: "hi",
      },
    );
    const theirs = lastFrame(service).headers;
    expect([theirs.get("originator"), theirs.get("user-agent"), theirs.get("session-id")]).toEqual([
      "opencode",
      "opencode/1",
      "s1",
    ]);
  });

  test("a frame that is right as it is keeps its bytes", async () => {
    const service = await start();
    const client = await open(service);
    const text = JSON.stringify(
      {
        ...TURN_BODY,
        type: "response.create",
        include: ["reasoning.encrypted_content"],
        prompt_cache_key: "mine",
        client_metadata: { a: "b" },
      },
      null,
      1,
    );
    client.send(text);
    await client.next(...TERMINAL);
    expect(lastFrame(service).entry.bodySha256).toBe(createHash("sha256").update(text).digest("hex"));
  });
});

test("an output that upstream leaves out of its last event is put there, one that is there stays as it came", () => {
  const { dialect } = createV1SocketDialect(
    {
      clock: systemClock,
      names: { originator: "o", userAgent: "u" },
      requestContext: () => ({ knownModels: new Set(), modelRules: [] }),
    },
    new Headers(),
  );
  const caller = { origin: { requestId: "req_1" } } as Caller;
  const item = { type: "message", role: "assistant", content: [{ type: "output_text", text: "hi" }] };
  const done = JSON.stringify({ type: "response.output_item.done", output_index: 0, item });
  const end = (output: unknown) =>
    JSON.stringify({ type: "response.completed", sequence_number: 9, response: { id: "resp_9", output } });

  const left = dialect.completing("gpt-5.5", caller);
  expect(left("response.output_item.done", done)).toBe(done);
  expect(JSON.parse(left("response.completed", end([])))).toMatchObject({
    sequence_number: 9,
    response: { id: "resp_9", object: "response", model: "gpt-5.5", status: "completed", output: [item] },
  });
  const given = dialect.completing("gpt-5.5", caller);
  given("response.output_item.done", done);
  expect(given("response.completed", end([item]))).toBe(end([item]));
});

describe("a chain", () => {
  test("warm-up, turn and follow-up run on one socket of one account under one name", async () => {
    const service = await start();
    const client = await open(service);
    const warm = await ask(client, { input: [], generate: false, instructions: "Be brief." });
    expect(lastFrame(service).body.generate).toBe(false);
    const first = await ask(client, { input: "one", previous_response_id: responseOf(warm.last).id });
    const name = lastFrame(service).body.prompt_cache_key;
    const second = await ask(client, { input: "two", previous_response_id: responseOf(first.last).id });
    expect(second.last.type).toBe("response.completed");
    expect(lastFrame(service).body).toMatchObject({
      previous_response_id: responseOf(first.last).id,
      prompt_cache_key: name,
    });
    expect(service.simulator.counters.byRoute.websocket).toBe(1);
  });

  test("conversations that begin alike on two sockets keep one name and one account", async () => {
    const service = await start();
    await ask(await open(service), { input: "the same question" });
    const before = lastFrame(service);
    await ask(await open(service), { input: "the same question" });
    const after = lastFrame(service);
    expect(after.body.prompt_cache_key).toBe(before.body.prompt_cache_key);
    expect(after.entry.account).toBe(before.entry.account);
  });

  test("one that this connection does not know is named as OpenAI names it", async () => {
    const service = await start();
    const first = await ask(await open(service), { input: "one" });
    const { frames } = await ask(await open(service), {
      input: "two",
      previous_response_id: responseOf(first.last).id,
    });
    expect(frames).toEqual([
      {
        type: "error",
        status: 400,
        error: {
          type: "invalid_request_error",
          code: "previous_response_not_found",
          message: expect.stringContaining("Send the whole conversation"),
          param: "previous_response_id",
        },
      },
    ] as never);
  });
});

describe("errors are frames in OpenAI's shape, and the socket goes on", () => {
  const cases: [name: string, text: string, code: string, param: string | null][] = [
    ["no JSON", "hello", "invalid_json", "type"],
    ["no type", "{}", "invalid_json", "type"],
    ["cut off", '{"type":"response.create","model":"gpt-5.5"', "invalid_json", null],
    ["malformed inside", '{"type":"response.create","model":"gpt-5.5","input":[tru]}', "invalid_json", null],
    [
      "endless nesting",
      `{"type":"response.create","model":"gpt-5.5","input":${"[".repeat(5000)}${"]".repeat(5000)}}`,
      "invalid_json",
      null,
    ],
    ["no model", '{"type":"response.create","input":"hi"}', "invalid_request_error", "model"],
    [
      "impossible",
      '{"type":"response.create","model":"gpt-5.5","input":"hi","background":true}',
      "unsupported_parameter",
      "background",
    ],
    [
      "malformed item",
      '{"type":"response.create","model":"gpt-5.5","input":[5]}',
      "invalid_request_error",
      "input[0]",
    ],
  ];
  test.each(cases)("%s", async (_name, text, code, param) => {
    const service = await start({ accounts: [{}] });
    const client = await open(service);
    client.send(text);
    const [frame] = await client.next("error");
    expect(frame).toMatchObject({
      type: "error",
      status: 400,
      error: { type: "invalid_request_error", code, param },
    });
    expect((await ask(client, { input: "hi" })).last.type).toBe("response.completed");
  });

  test("the whole pool spent: a 429 with the reset time", async () => {
    const service = await start();
    service.simulator.addFault({
      act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 },
      times: null,
    });
    const { frames } = await ask(await open(service), { input: "hi" });
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({
      type: "error",
      status: 429,
      error: { type: "usage_limit_reached", code: "usage_limit_reached", resets_at: expect.any(Number) },
    });
  });

  test("one spent account: nothing is seen of it", async () => {
    const service = await start();
    service.simulator.addFault({ act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 } });
    expect((await ask(await open(service), { input: "hi" })).last.type).toBe("response.completed");
  });

  test("no account: a 503, with what to do", async () => {
    const { frames } = await ask(await open(await start({ imported: 0 })), { input: "hi" });
    expect(frames[0]).toMatchObject({ type: "error", status: 503, error: { code: "no_accounts" } });
  });

  test("upstream's refusal of the request", async () => {
    const service = await start();
    service.simulator.addFault({ act: { kind: "error", name: "context_length_exceeded" } });
    const { last } = await ask(await open(service), { input: "hi" });
    expect(last).toMatchObject({ type: "error", status: 400, error: { code: "context_length_exceeded" } });
  });
});

describe("a key", () => {
  const createKey = (service: RunningService, fields: object = {}) =>
    service.adminJson<{ id: string; key: string }>("/api/api-keys/", { json: { name: "k", ...fields } });

  test("none where one is needed: the handshake gets a 401 in OpenAI's shape", async () => {
    const service = await start();
    await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
    const upgrade = { upgrade: "websocket", connection: "Upgrade" };
    for (const headers of [upgrade, { ...upgrade, authorization: "Bearer sk-clb-wrong" }]) {
      const reply = await service.fetch("/v1/responses", { headers });
      expect(reply.status).toBe(401);
      expect(await reply.json()).toMatchObject({ error: { code: "invalid_api_key" } });
    }
  });

  test("its models: the name that is sent counts, not the one that was written", async () => {
    const service = await start();
    const { key } = await createKey(service, { allowedModels: ["gpt-5.5"] });
    const client = await open(service, { authorization: `Bearer ${key}` });
    expect((await ask(client, { model: "gpt-5.5-low", input: "hi" })).last.type).toBe("response.completed");
    expect((await ask(client, { model: "gpt-5.4", input: "hi" })).last).toMatchObject({
      type: "error",
      status: 403,
      error: { code: "model_not_allowed" },
    });
  });

  test("its rules are imposed, its budget ends it with a 429", async () => {
    const service = await start();
    const { key } = await createKey(service, {
      enforcedReasoningEffort: "low",
      limits: [{ limitType: "total_tokens", limitWindow: "weekly", maxValue: 1 }],
    });
    const client = await open(service, { authorization: `Bearer ${key}` });
    expect((await ask(client, { input: "hi", reasoning: { effort: "high" } })).last.type).toBe(
      "response.completed",
    );
    expect(lastFrame(service).body.reasoning).toEqual({ effort: "low" });
    expect((await ask(client, { input: "hi" })).last).toMatchObject({
      type: "error",
      status: 429,
      error: { code: "rate_limit_exceeded" },
    });
  });

  test("revoked: an idle socket is closed", async () => {
    const service = await start();
    const { id, key } = await createKey(service);
    const client = await open(service, { authorization: `Bearer ${key}` });
    await ask(client, { input: "hi" });
    await service.admin(`/api/api-keys/${id}`, { method: "DELETE" });
    expect(await client.closed()).toBe(1008);
  });
});

test("a page of another origin is refused, and WebSockets can be switched off", async () => {
  const service = await start();
  const upgrade = { upgrade: "websocket", connection: "Upgrade" };
  const page = await service.fetch("/v1/responses", {
    headers: { ...upgrade, origin: "https://evil.example.com", "sec-fetch-site": "cross-site" },
  });
  expect(page.status).toBe(403);
  await service.adminJson("/api/settings", { method: "PUT", json: { websocketEnabled: false } });
  expect((await service.fetch("/v1/responses", { headers: upgrade })).status).toBe(426);
});

test("an interrupt reaches upstream while the response streams", async () => {
  const service = await start();
  service.simulator.addScript({
    turn: { kind: "filled", events: 100, bytesPerEvent: 5 },
    delivery: { gapMs: 60_000 },
  });
  const client = await open(service);
  client.create({ model: "gpt-5.5", input: "hi" });
  await client.next("codex.rate_limits");
  client.send(
    JSON.stringify({ type: "response.interrupt", response_id: "r", mode: "discard_partial_items" }),
  );
  expect((await client.next(...TERMINAL)).at(-1)!.type).toBe("response.completed");
});

test("where upstream speaks no WebSocket the frames come from its HTTP reply, output included", async () => {
  const service = await start({ accounts: [{}] });
  service.simulator.addFault({
    route: "websocket",
    act: { kind: "error", name: "upgrade_required" },
    times: null,
  });
  const { last } = await ask(await open(service), { input: "hi" });
  expect(responseOf(last).output.at(-1)!.content[0]!.text).toBe("Simulated answer to: hi");
});

test("OpenAI's SDK for JavaScript: a turn, a chained one, and an error", async () => {
  const service = await start();
  const { key } = await service.adminJson<{ key: string }>("/api/api-keys/", { json: { name: "sdk" } });
  const socket = new ResponsesWS(new OpenAI({ baseURL: `${service.url}/v1`, apiKey: key }));
  const ends: OpenAI.Responses.Response[] = [];
  const errors: unknown[] = [];
  socket.on("response.completed", ({ response }) => void ends.push(response));
  socket.on("error", (error) => void errors.push(error.error));
  socket.send({ type: "response.create", model: "gpt-5.5", input: "one" });
  await until("the first response", () => ends.length === 1);
  socket.send({
    type: "response.create",
    model: "gpt-5.5",
    input: "two",
    previous_response_id: ends[0]!.id,
  });
  await until("the second response", () => ends.length === 2);
  expect(ends[1]!.output.at(-1)).toMatchObject({ content: [{ text: "Simulated answer to: two" }] });
  expect(service.simulator.counters.byRoute.websocket).toBe(1);
  socket.send({ type: "response.create", model: "gpt-5.5", input: "three", background: true } as never);
  await until("the error", () => errors.length === 1);
  expect(JSON.stringify(errors[0])).toContain("background");
  socket.close();
});
