/** Keys and their limits on the proxy, with the whole service running. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import prices from "../data/prices.json" with { type: "json" };
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { openSocketClient, until } from "../testing/socket-client.ts";

interface KeyView {
  id: string;
  keyPrefix: string;
  lastUsedAt: string | null;
  limits: { currentValue: number; maxValue: number; resetAt: string }[];
  usage: { requestCount: number; totalTokens: number };
  balance: { balanceMicros: number } | null;
}

const RESPONSES = "/backend-api/codex/responses";

let service: RunningService;
beforeAll(async () => {
  service = await startService({ simulator: { keepBodies: true } });
});
afterAll(() => service.stop());
afterEach(() => {
  service.simulator.clearScripts();
  service.simulator.clearFaults();
  service.simulator.clearRequests();
});

async function createKey(
  fields: object = {},
): Promise<{ id: string; key: string; bearer: Record<string, string> }> {
  const { id, key } = await service.adminJson<{ id: string; key: string }>("/api/api-keys/", {
    json: { name: "test", ...fields },
  });
  return { id, key, bearer: { authorization: `Bearer ${key}` } };
}

async function viewOf(id: string): Promise<KeyView> {
  const keys = await service.adminJson<KeyView[]>("/api/api-keys/");
  return keys.find((key) => key.id === id)!;
}

const tokenLimit = (maxValue: number) => ({
  limits: [{ limitType: "total_tokens", limitWindow: "weekly", maxValue }],
});

async function tokensOfOneTurn(): Promise<number> {
  const { id, bearer } = await createKey();
  expect((await service.turn({ headers: bearer })).status).toBe(200);
  const { usage } = await viewOf(id);
  expect(usage.requestCount).toBe(1);
  return usage.totalTokens;
}

describe("limits", () => {
  test("200 requests at once against room for 50 overshoot by at most one", async () => {
    const one = await tokensOfOneTurn();
    const { id, bearer } = await createKey(tokenLimit(50 * one));
    const replies = await Promise.all(Array.from({ length: 200 }, () => service.turn({ headers: bearer })));
    const served = replies.filter(({ status }) => status === 200).length;
    expect([50, 51]).toContain(served);
    expect(replies.filter(({ status }) => status === 429)).toHaveLength(200 - served);
    const { limits, usage } = await viewOf(id);
    expect(limits[0]!.currentValue).toBe(served * one);
    expect(usage).toMatchObject({ requestCount: 200, totalTokens: served * one });
    await service.restart();
    expect((await viewOf(id)).limits).toEqual(limits);
  });

  test("a balance goes below zero by at most one request", async () => {
    const { id, bearer } = await createKey({ balanceEnabled: true });
    const entry = { kind: "credit", amountMicros: 100, note: "a little" };
    await service.adminJson(`/api/api-keys/${id}/ledger`, { json: entry });
    const replies = await Promise.all(Array.from({ length: 20 }, () => service.turn({ headers: bearer })));
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    const refused = replies.find(({ status }) => status !== 200)!;
    // It does not pass by itself: Codex shows a 400 once.
    expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([400, "balance_exhausted"]);
    const { balance } = await viewOf(id);
    const { entries } = await service.adminJson<{ entries: { kind: string; amountMicros: number }[] }>(
      `/api/api-keys/${id}/ledger`,
    );
    const spent = -entries.find(({ kind }) => kind === "charge")!.amountMicros;
    const one = spent / replies.filter(({ status }) => status === 200).length;
    expect(balance!.balanceMicros).toBe(100 - spent);
    expect(balance!.balanceMicros).toBeGreaterThan(-one);
  });

  test("a refusal is in the caller's shape, and says that it is the key's limit, which, and when it resets", async () => {
    const { id, bearer } = await createKey(tokenLimit(1));
    await service.turn({ headers: bearer });
    const { resetAt } = (await viewOf(id)).limits[0]!;
    const resetsAt = Math.ceil(Date.parse(resetAt) / 1000);

    const codex = await service.fetch(RESPONSES, {
      method: "POST",
      headers: bearer,
      body: JSON.stringify(TURN_BODY),
    });
    expect(codex.status).toBe(429);
    expect(codex.headers.get("x-codex-promo-message")).toContain("weekly limit of 1 tokens");
    const { error } = (await codex.json()) as { error: Record<string, unknown> };
    expect(error).toMatchObject({
      type: "usage_limit_reached",
      code: "rate_limit_exceeded",
      resets_at: resetsAt,
    });
    expect(error.plan_type).toBeUndefined();

    const chat = await service.fetch("/v1/chat/completions", {
      method: "POST",
      headers: bearer,
      body: JSON.stringify({ model: "gpt-5.5", messages: [{ role: "user", content: "hi" }] }),
    });
    expect(chat.status).toBe(429);
    expect(Number(chat.headers.get("retry-after"))).toBeGreaterThan(3600);
    const refused = ((await chat.json()) as { error: Record<string, unknown> }).error;
    expect(refused.code).toBe("rate_limit_exceeded");
    for (const message of [error.message, refused.message]) {
      expect(message).toContain("weekly limit of 1 tokens");
      expect(message).toContain(resetAt.slice(0, 16));
      expect(message).toContain("not one of OpenAI's");
    }
    expect(service.simulator.counters.byRoute.responses).toBeGreaterThan(0);
  });

  test("a request that fails, or whose client leaves, gives back what it held", async () => {
    const { id, bearer } = await createKey(tokenLimit(1000));
    service.simulator.addFault({ act: { kind: "error", name: "bad_request" } });
    expect((await service.turn({ headers: bearer })).status).toBe(400);
    service.simulator.addFault({ act: { kind: "hang" } });
    const leaving = new AbortController();
    const hanging = fetch(`${service.url}${RESPONSES}`, {
      method: "POST",
      headers: bearer,
      body: JSON.stringify(TURN_BODY),
      signal: leaving.signal,
    }).catch(() => "left");
    await untilUpstreamIsAsked(2);
    const next = service.turn({ headers: bearer });
    leaving.abort();
    expect(await hanging).toBe("left");
    expect((await next).status).toBe(200);
    const { limits, usage } = await viewOf(id);
    expect(limits[0]!.currentValue).toBe(usage.totalTokens);
  });
});

describe("what upstream confirms no usage of", () => {
  const bodies = {
    "/backend-api/codex/responses": TURN_BODY,
    "/v1/responses": { model: "gpt-5.5", input: "x".repeat(4_000), stream: true },
    "/v1/chat/completions": {
      model: "gpt-5.5",
      messages: [{ role: "user", content: "x".repeat(4_000) }],
      stream: true,
    },
  };
  test.each(Object.entries(bodies))(
    "a client of %s that leaves in mid-stream is charged an estimate, marked as one",
    async (path, body) => {
      const { id, bearer } = await createKey({ balanceEnabled: true, ...tokenLimit(1_000_000) });
      await service.adminJson(`/api/api-keys/${id}/ledger`, {
        json: { kind: "credit", amountMicros: 1_000_000, note: "x" },
      });
      service.simulator.addScript({
        turn: { kind: "filled", events: 10_000, bytesPerEvent: 100 },
        delivery: { gapMs: 1 },
      });
      const leaving = new AbortController();
      const reply = await service.fetch(path, {
        method: "POST",
        headers: { ...bearer, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: leaving.signal,
      });
      const reader = reply.body!.getReader();
      let bytes = 0;
      while (bytes < 20_000) bytes += (await reader.read()).value!.byteLength;
      leaving.abort();
      const entry = await lastEntryOf(id);
      expect(entry).toMatchObject({ status: "cancelled", costEstimated: true, cachedInputTokens: 0 });
      const sent = JSON.stringify(body).length;
      expect(entry.inputTokens).toBeWithin(Math.floor(sent / 4), Math.ceil(sent / 2));
      expect(entry.outputTokens).toBeWithin(100, 2_000);
      const { limits, usage, balance } = await viewOf(id);
      expect(limits[0]!.currentValue).toBe(entry.tokens);
      expect(usage.totalTokens).toBe(entry.tokens);
      expect(balance!.balanceMicros).toBe(1_000_000 - Math.round(entry.costUsd * 1e6));
    },
  );

  const whole: [path: string, body: object][] = [
    ["/v1/responses", { model: "gpt-5.5", input: "x".repeat(4_000) }],
    [
      "/v1/chat/completions",
      { model: "gpt-5.5", messages: [{ role: "user", content: "x".repeat(4_000) }], stream: false },
    ],
  ];

  /** Asks for a whole reply that stops in its middle; resolves when its text has begun. */
  async function askWhole(path: string, body: object, bearer: Record<string, string>) {
    service.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
    const fired = service.simulator.counters.faultsFired;
    const leaving = new AbortController();
    const init = { method: "POST", headers: bearer, body: JSON.stringify(body), signal: leaving.signal };
    const reply = service.fetch(path, init).catch(() => null);
    await until("its text has begun", () => service.simulator.counters.faultsFired > fired);
    // What was written before is read before this is answered.
    await service.adminJson("/api/api-keys/");
    return { leaving, reply };
  }

  test.each(whole)("so is one of %s that leaves before its whole reply has come", async (path, body) => {
    const { id, bearer } = await createKey(tokenLimit(1_000_000));
    const { leaving } = await askWhole(path, body, bearer);
    leaving.abort();
    const entry = await lastEntryOf(id);
    expect(entry).toMatchObject({ status: "cancelled", costEstimated: true, cachedInputTokens: 0 });
    expect(entry.inputTokens).toBeWithin(1_000, 2_000);
    expect(entry.outputTokens).toBeGreaterThan(5);
    expect((await viewOf(id)).limits[0]!.currentValue).toBe(entry.tokens);
  });

  test("and one whose key is deleted meanwhile, but none whose reply has not begun", async () => {
    const revoked = await createKey(tokenLimit(1_000_000));
    const { reply } = await askWhole(...whole[0]!, revoked.bearer);
    await service.admin(`/api/api-keys/${revoked.id}`, { method: "DELETE" });
    expect((await reply)!.status).toBe(401);
    expect((await lastEntryOf(revoked.id)).outputTokens).toBeGreaterThan(5);

    const early = await createKey(tokenLimit(1_000_000));
    service.simulator.addFault({ act: { kind: "hang" } });
    const leaving = new AbortController();
    const asked = askedUpstream().length;
    const [path, body] = whole[0]!;
    const init = { method: "POST", headers: early.bearer, body: JSON.stringify(body) };
    void service.fetch(path, { ...init, signal: leaving.signal }).catch(() => null);
    await untilUpstreamIsAsked(asked + 1);
    leaving.abort();
    expect(await lastEntryOf(early.id)).toMatchObject({ status: "cancelled", tokens: 0 });
  });

  test("so is one that closes its WebSocket in mid-turn", async () => {
    const { id, bearer } = await createKey(tokenLimit(1_000_000));
    service.simulator.addScript({
      turn: { kind: "filled", events: 10_000, bytesPerEvent: 100 },
      delivery: { gapMs: 1 },
    });
    const client = await openSocketClient(service.url, bearer);
    client.create(TURN_BODY);
    await client.next("response.output_text.delta");
    await until("more came", () => client.texts.length > 100);
    client.close();
    const entry = await lastEntryOf(id);
    expect(entry).toMatchObject({ status: "cancelled", costEstimated: true });
    expect(entry.inputTokens).toBeGreaterThan(50);
    expect(entry.outputTokens).toBeGreaterThan(100);
    expect((await viewOf(id)).limits[0]!.currentValue).toBe(entry.tokens);
  });

  test.each([
    ["/v1/images/generations", { prompt: "a cat" }, 1],
    ["/v1/images/generations", { prompt: "a cat", n: 3 }, 3],
    ["/backend-api/codex/images/generations", { prompt: "a cat", model: "gpt-image-2" }, 1],
  ])("%s %j is charged as %d image(s)", async (path, body, images) => {
    const limits = [{ limitType: "cost_usd", limitWindow: "weekly", maxValue: 1_000_000_000 }];
    const { id, bearer } = await createKey({ limits });
    const reply = await service.fetch(path, {
      method: "POST",
      headers: { ...bearer, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(reply.status).toBe(200);
    const entry = await lastEntryOf(id);
    expect(entry).toMatchObject({ status: "ok", requestKind: "image", model: null, costEstimated: true });
    expect(entry.costBreakdown).toMatchObject({ toolCallsUsd: entry.costUsd });
    expect(entry.costUsd).toBeGreaterThan(0);
    expect(entry.costUsd / images).toBeCloseTo(prices.toolCalls.image_generation.perImage, 6);
    expect((await viewOf(id)).limits[0]!.currentValue).toBe(Math.round(entry.costUsd * 1e6));
  });
});

interface Entry {
  status: string;
  tokens: number;
  inputTokens: number;
  outputTokens: number;
  costUsd: number;
  costBreakdown: Record<string, number>;
}

/** The row of the key's only request, once it is written. */
async function lastEntryOf(apiKeyId: string): Promise<Entry> {
  for (;;) {
    const { requests } = await service.adminJson<{ requests: Entry[] }>(
      `/api/request-logs?apiKeyId=${apiKeyId}`,
    );
    if (requests[0]) return requests[0];
    await Bun.sleep(5);
  }
}

describe("a key that is revoked", () => {
  const ways: [how: string, request: (id: string) => Promise<Response>][] = [
    ["regenerate", (id) => service.admin(`/api/api-keys/${id}/regenerate`, { method: "POST" })],
    ["delete", (id) => service.admin(`/api/api-keys/${id}`, { method: "DELETE" })],
    [
      "switch off",
      (id) => service.admin(`/api/api-keys/${id}`, { method: "PATCH", json: { isActive: false } }),
    ],
  ];
  test.each(ways)("ends its open streams and serves nothing more: %s", async (_, revoke) => {
    const { id, bearer } = await createKey();
    service.simulator.addScript({
      turn: { kind: "filled", events: 10_000, bytesPerEvent: 100 },
      delivery: { gapMs: 20 },
    });
    const { aborted } = service.simulator.counters;
    const open = await service.fetch(RESPONSES, {
      method: "POST",
      headers: bearer,
      body: JSON.stringify(TURN_BODY),
    });
    const reader = open.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("response.output_text.delta")) text += (await reader.read()).value ?? "";
    expect((await revoke(id)).ok).toBe(true);
    for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
    expect(text).not.toContain("response.completed");
    const last = text.slice(text.lastIndexOf("data: ") + 6);
    expect(JSON.parse(last)).toMatchObject({
      type: "response.failed",
      response: { status: "failed", error: { code: "invalid_api_key" } },
    });
    // Upstream sees the end of its connection a moment later.
    while (service.simulator.counters.aborted === aborted) await Bun.sleep(5);
    const again = await service.turn({ headers: bearer });
    expect([again.status, JSON.parse(again.text).error.code]).toEqual([401, "invalid_api_key"]);
  });

  test("while upstream has not answered yet, gets a 401 instead", async () => {
    const { id, bearer } = await createKey();
    service.simulator.addFault({ act: { kind: "hang" } });
    const pending = service.turn({ headers: bearer });
    await untilUpstreamIsAsked(1);
    await service.admin(`/api/api-keys/${id}`, { method: "DELETE" });
    const { status, text } = await pending;
    expect([status, JSON.parse(text).error.code]).toEqual([401, "invalid_api_key"]);
  });
});

const askedUpstream = () => service.simulator.requests.filter(({ route }) => route === "responses");

async function untilUpstreamIsAsked(times: number): Promise<void> {
  while (askedUpstream().length < times) await Bun.sleep(5);
}

describe("the door", () => {
  const login = { authorization: "Bearer eyJhbGciOiJub25lIn0.e30.x" };
  const foreignKey = { authorization: "Bearer sk-proj-0123456789" };
  const stranger = { "x-forwarded-for": "203.0.113.9" };
  const dead = { authorization: `Bearer sk-clb-${"x".repeat(43)}` };
  type Case = [
    who: string,
    path: string,
    headers: (key: string) => Record<string, string>,
    off: number | string,
    on: number | string,
  ];
  const DEAD = "401 invalid_api_key";
  // What they get while key authentication is off, and while it is on.
  const cases: Case[] = [
    ["this machine without a key", RESPONSES, () => ({}), 200, "401 invalid_api_key"],
    ["this machine with a login", RESPONSES, () => login, 200, "400 api_key_required"],
    ["an SDK here with a key of OpenAI", "/v1/responses", () => foreignKey, 200, "401 invalid_api_key"],
    ["a key as bearer", RESPONSES, (key) => ({ authorization: `Bearer ${key}` }), 200, 200],
    ["a key beside a login", RESPONSES, (key) => ({ ...login, "x-lb-key": key }), 200, 200],
    ["a key in x-api-key", "/v1/responses", (key) => ({ "x-api-key": key }), 200, 200],
    ["a key in api-key", "/v1/responses", (key) => ({ "api-key": key }), 200, 200],
    ["a key from elsewhere", RESPONSES, (key) => ({ ...stranger, "x-lb-key": key }), 200, 200],
    ["nobody from elsewhere", RESPONSES, () => stranger, "400 ip_forbidden", "401 invalid_api_key"],
    [
      "nobody from elsewhere, SDK",
      "/v1/responses",
      () => stranger,
      "403 ip_forbidden",
      "401 invalid_api_key",
    ],
    ["a dead key, even here", RESPONSES, () => dead, DEAD, DEAD],
    [
      "a dead key beside a login",
      RESPONSES,
      () => ({ ...login, "x-lb-key": dead.authorization.slice(7) }),
      DEAD,
      DEAD,
    ],
  ];

  async function ask(path: string, headers: Record<string, string>): Promise<number | string> {
    const body = JSON.stringify({ ...TURN_BODY, tools: undefined, parallel_tool_calls: undefined });
    const reply = await service.fetch(path, { method: "POST", headers, body });
    const text = await reply.text();
    if (reply.status === 200) return 200;
    return `${reply.status} ${(JSON.parse(text) as { error: { code: string } }).error.code}`;
  }

  test.each(cases)("%s", async (_, path, headers, off, on) => {
    const { id, key } = await createKey();
    expect(await ask(path, headers(key))).toBe(off);
    await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
    try {
      expect(await ask(path, headers(key))).toBe(on);
    } finally {
      await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: false } });
    }
    const { usage, lastUsedAt } = await viewOf(id);
    const itsOwn = Object.values(headers(key)).some((value) => value.includes(key));
    expect(usage.requestCount).toBe(itsOwn ? 2 : 0);
    expect(lastUsedAt !== null).toBe(itsOwn);
  });

  test("what a login is told says what to put into the config", async () => {
    await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
    const { text } = await service.turn({ headers: login });
    await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: false } });
    expect(JSON.parse(text).error.message).toContain('env_key = "CODEX_LB_API_KEY"');
  });
});

describe("what a key imposes", () => {
  const sent = () => askedUpstream().at(-1)!;

  test("nothing: the bytes go out as they came", async () => {
    const { bearer } = await createKey({ allowedModels: ["gpt-5.5"] });
    const body = `  ${JSON.stringify(TURN_BODY, null, 3)}\n`;
    await (await service.fetch(RESPONSES, { method: "POST", headers: bearer, body })).text();
    expect(sent().bodySha256).toBe(new Bun.CryptoHasher("sha256").update(body).digest("hex"));
  });

  test.each(["plain", "zstd"])("model, effort and tier: %s", async (packing) => {
    const { id, bearer } = await createKey({
      enforcedModel: "gpt-5.5-mini",
      enforcedReasoningEffort: "low",
      enforcedServiceTier: "priority",
    });
    const asked = { ...TURN_BODY, reasoning: { effort: "high", summary: "auto" } };
    const plain = Buffer.from(JSON.stringify(asked));
    const reply = await service.fetch(RESPONSES, {
      method: "POST",
      headers: {
        ...bearer,
        "x-codex-routing-hint": "model=gpt-5.5",
        ...(packing === "zstd" ? { "content-encoding": "zstd" } : {}),
      },
      body: packing === "zstd" ? zstdCompressSync(plain) : plain,
    });
    expect(await reply.text()).toContain("response.completed");
    // The client would take another model than it asked for as a warning about its account.
    expect(reply.headers.has("openai-model")).toBe(false);
    const upstream = sent();
    expect(upstream.json).toEqual({
      ...asked,
      model: "gpt-5.5-mini",
      service_tier: "priority",
      reasoning: { effort: "low", summary: "auto" },
    });
    const names = upstream.headers.map(([name]) => name.toLowerCase());
    expect(names).not.toContain("content-encoding");
    expect(names).not.toContain("x-codex-routing-hint");
    const { requests } = await recentOf(id);
    expect(requests[0]).toMatchObject({ model: "gpt-5.5-mini", status: "ok" });
  });

  test("on a translated request too", async () => {
    const { bearer } = await createKey({ enforcedModel: "gpt-5.5-mini" });
    await service.fetch("/v1/chat/completions", {
      method: "POST",
      headers: bearer,
      body: JSON.stringify({ model: "gpt-5.5", messages: [{ role: "user", content: "hi" }] }),
    });
    expect(sent().json).toMatchObject({ model: "gpt-5.5-mini" });
  });

  test.each([
    [RESPONSES, 400],
    ["/v1/responses", 403],
  ])("a model outside its list is refused: %s", async (path, status) => {
    const { bearer } = await createKey({ allowedModels: ["gpt-5.5-mini"] });
    const body = JSON.stringify({ model: "gpt-5.5", input: "hi", stream: true, store: false });
    const reply = await service.fetch(path, { method: "POST", headers: bearer, body });
    expect(reply.status).toBe(status);
    expect(await reply.json()).toMatchObject({ error: { code: "model_not_allowed" } });
    expect(askedUpstream()).toEqual([]);
  });

  test("the models that it is shown", async () => {
    const { bearer } = await createKey({ allowedModels: ["gpt-5.5-mini"] });
    const all = (await (await service.fetch("/v1/models")).json()) as { data: { id: string }[] };
    expect(all.data.length).toBeGreaterThan(1);
    const listed = (await (await service.fetch("/v1/models", { headers: bearer })).json()) as typeof all;
    expect(listed.data.map(({ id }) => id)).toEqual(["gpt-5.5-mini"]);
    const codex = await service.fetch("/backend-api/codex/models?client_version=0.169.0", {
      headers: bearer,
    });
    expect(await codex.json()).toMatchObject({ models: [{ slug: "gpt-5.5-mini" }] });
    const other = await service.fetch("/v1/models/gpt-5.5", { headers: bearer });
    expect(other.status).toBe(404);
  });

  test("accounts: no other serves it, and none when those are gone", async () => {
    const [, second] = service.accountIds;
    const { id, bearer } = await createKey({ assignedAccountIds: [second] });
    for (let round = 0; round < 4; round++)
      expect((await service.turn({ headers: bearer })).status).toBe(200);
    const { requests } = await recentOf(id);
    expect(new Set(requests.map(({ accountId }) => accountId))).toEqual(new Set([second]));
    await service.adminJson(`/api/accounts/${second}/pause`, { method: "POST" });
    expect((await service.turn({ headers: bearer })).status).toBe(400);
    await service.adminJson(`/api/accounts/${second}/reactivate`, { method: "POST" });
  });
});

/** The log's rows of a key, once the requests before were written. */
async function recentOf(id: string) {
  await service.adminJson(`/api/api-keys/${id}/ledger`);
  return service.adminJson<{ requests: Record<string, unknown>[] }>(`/api/request-logs?apiKeyId=${id}`);
}
