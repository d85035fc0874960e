/** The API-key lane, with the whole service between a simulated backend and a simulated endpoint of OpenAI's API. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { openSocketClient, TERMINAL } from "../testing/socket-client.ts";

const API_KEY = "sk-operators-own-key";

interface Asked {
  path: string;
  headers: Headers;
  body: Record<string, unknown>;
}

interface Row {
  lane: string;
  accountId: string | null;
  planType: string | null;
  status: string;
  tokens: number;
  costUsd: number;
  attempts: { accountId: string | null; outcome: string }[];
  selection: { reason: string };
}

let service: RunningService;
const asked: Asked[] = [];
let answer: () => Response = completed;

/** OpenAI's API as far as a turn needs it; it takes one key. */
const openAi = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  async fetch(request) {
    const body = (await request.json()) as Record<string, unknown>;
    asked.push({ path: new URL(request.url).pathname, headers: request.headers, body });
    if (request.headers.get("authorization") !== `Bearer ${API_KEY}`)
      return Response.json({ error: { message: "no", code: "invalid_api_key" } }, { status: 401 });
    return answer();
  },
});

function completed(): Response {
  const response = { id: "resp_lane", object: "response", model: "gpt-5.5", status: "in_progress" };
  const item = { type: "message", role: "assistant", content: [{ type: "output_text", text: "paid" }] };
  const usage = { input_tokens: 1_000, output_tokens: 100, total_tokens: 1_100 };
  const events = [
    { type: "response.created", response },
    { type: "response.output_text.delta", output_index: 0, content_index: 0, delta: "paid" },
    { type: "response.output_item.done", output_index: 0, item },
    { type: "response.completed", response: { ...response, status: "completed", output: [item], usage } },
  ];
  return new Response(
    events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(""),
    {
      headers: {
        "content-type": "text/event-stream",
        "openai-organization": "operator-org",
        "x-ratelimit-remaining-tokens": "12",
      },
    },
  );
}

beforeAll(async () => {
  service = await startService({
    accounts: [{}],
    env: {
      CODEX_LB_OPENAI_API_KEY: API_KEY,
      CODEX_LB_OPENAI_BASE_URL: `${openAi.url.origin}/v1`,
    },
  });
});
afterAll(async () => {
  await service.stop();
  await openAi.stop(true);
});
beforeEach(async () => {
  asked.length = 0;
  answer = completed;
  service.simulator.clearFaults();
  await service.admin(`/api/accounts/${service.accountIds[0]}/reactivate`, { method: "POST" });
});

/** Every window of the pool's only account is spent from now on. */
function spendPool(): void {
  const act = { kind: "error", name: "usage_limit_reached", resetsInSeconds: 3600 } as const;
  service.simulator.addFault({ act, times: null });
}

async function pausePool(): Promise<void> {
  await service.admin(`/api/accounts/${service.accountIds[0]}/pause`, { method: "POST" });
}

async function createKey(fields: object = {}): Promise<{ id: string; bearer: Record<string, string> }> {
  const { id, key } = await service.adminJson<{ id: string; key: string }>("/api/api-keys/", {
    json: { name: "test", ...fields },
  });
  return { id, bearer: { authorization: `Bearer ${key}` } };
}

/** The row of the key's only request, once it is written. */
async function rowOf(apiKeyId: string): Promise<Row> {
  for (;;) {
    const { requests } = await service.adminJson<{ requests: Row[] }>(
      `/api/request-logs?apiKeyId=${apiKeyId}`,
    );
    if (requests[0]) return requests[0];
    await Bun.sleep(5);
  }
}

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  service.fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });

const CALLS: [path: string, body: object][] = [
  ["/backend-api/codex/responses", TURN_BODY],
  ["/v1/responses", { model: "gpt-5.5", input: "hi" }],
  ["/v1/chat/completions", { model: "gpt-5.5", messages: [{ role: "user", content: "hi" }] }],
  ["/v1/messages", { model: "gpt-5.5", max_tokens: 9, messages: [{ role: "user", content: "hi" }] }],
];

describe("while an account can serve", () => {
  test("nothing goes to the operator's key", async () => {
    expect((await service.turn()).text).toContain("Simulated answer");
    expect(asked).toEqual([]);
  });

  test("an answer of the backend to a faulty request is not asked for again", async () => {
    service.simulator.addFault({ act: { kind: "error", name: "bad_request" } });
    expect((await service.turn()).status).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe("when the pool is spent", () => {
  test.each(CALLS)("%s is served by the operator's key, priced, and the log says so", async (path, body) => {
    const { id, bearer } = await createKey({ limits: [COST_LIMIT] });
    spendPool();
    const reply = await post(path, body, bearer);
    expect(reply.status).toBe(200);
    expect([...reply.headers.keys()].filter((name) => /^(openai-|x-ratelimit)/.test(name))).toEqual([]);
    expect(await reply.text()).toContain("paid");
    expect(asked.map((call) => call.path)).toEqual(["/v1/responses"]);
    expect(asked[0]!.headers.get("authorization")).toBe(`Bearer ${API_KEY}`);
    expect(asked[0]!.headers.get("chatgpt-account-id")).toBeNull();
    const row = await rowOf(id);
    expect(row).toMatchObject({
      lane: "api_key",
      accountId: null,
      planType: null,
      status: "ok",
      tokens: 1_100,
    });
    expect(row.costUsd).toBeCloseTo(0.008, 6);
    expect(row.attempts.at(-1)).toMatchObject({ accountId: null, outcome: "relay" });
    expect(row.selection.reason).toEndWith("The API-key lane took it.");
    const keys =
      await service.adminJson<{ id: string; limits: { currentValue: number }[] }[]>("/api/api-keys");
    expect(keys.find((key) => key.id === id)!.limits[0]!.currentValue).toBe(8_000);
  });

  test("a conversation goes back to the pool when that can serve again", async () => {
    const session = { "session-id": "there-and-back" };
    await pausePool();
    expect((await service.turn({ headers: session })).text).toContain("paid");
    await service.admin(`/api/accounts/${service.accountIds[0]}/reactivate`, { method: "POST" });
    expect((await service.turn({ headers: session })).text).toContain("Simulated answer");
    expect(asked).toHaveLength(1);
  });

  test("what Codex packed goes out plain, without turn state or the client's choice of organisation", async () => {
    await pausePool();
    const reply = await service.fetch("/backend-api/codex/responses", {
      method: "POST",
      headers: {
        "content-type": "application/json",
        "content-encoding": "zstd",
        "x-codex-turn-state": "of-an-account",
        "openai-organization": "another",
      },
      body: zstdCompressSync(JSON.stringify(TURN_BODY)),
    });
    expect(await reply.text()).toContain("paid");
    expect(asked[0]!.body).toEqual(TURN_BODY);
    for (const name of ["content-encoding", "x-codex-turn-state", "openai-organization"])
      expect(asked[0]!.headers.get(name)).toBeNull();
  });

  test("what only an account could read is taken out", async () => {
    await pausePool();
    answer = () => {
      answer = completed;
      const error = {
        message: "The encrypted content could not be verified.",
        code: "invalid_encrypted_content",
      };
      return Response.json({ error }, { status: 400 });
    };
    const sealed = { type: "reasoning", summary: [], encrypted_content: "sealed" };
    const reply = await service.turn({ body: { input: [sealed, ...TURN_BODY.input] } });
    expect(reply.text).toContain("paid");
    expect(asked.map((call) => (call.body.input as unknown[]).length)).toEqual([2, 1]);
  });

  test("over an open WebSocket too", async () => {
    const client = await openSocketClient(service.url);
    await pausePool();
    client.create(TURN_BODY);
    expect((await client.nextTexts(...TERMINAL)).join("")).toContain("paid");
    client.close();
  });

  test("a new WebSocket is declined, so that the client comes over HTTP", async () => {
    await pausePool();
    expect(openSocketClient(service.url)).rejects.toThrow("the handshake was refused");
  });
});

describe("the client is told that the pool is spent", () => {
  const spent = async (headers: Record<string, string> = {}) => {
    spendPool();
    const reply = await post("/v1/responses", { model: "gpt-5.5", input: "hi" }, headers);
    return [reply.status, ((await reply.json()) as { error: { code: string } }).error.code];
  };

  test("when the setting is off", async () => {
    await service.adminJson("/api/settings", { method: "PUT", json: { lanes: { apiKey: false } } });
    expect(await spent()).toEqual([429, "usage_limit_reached"]);
    await service.adminJson("/api/settings", { method: "PUT", json: { lanes: { apiKey: true } } });
    expect(asked).toEqual([]);
  });

  test("when its key may not use the lane", async () => {
    const { bearer } = await createKey({ apiKeyLaneAllowed: false });
    expect(await spent(bearer)).toEqual([429, "usage_limit_reached"]);
    expect(asked).toEqual([]);
  });

  test.each([
    ["refuses the key", 401, { code: "invalid_api_key", message: `Incorrect API key provided: ${API_KEY}.` }],
    ["has no credit left", 429, { code: "insufficient_quota", message: "You exceeded your current quota" }],
    ["does not have the model", 404, { code: "model_not_found", message: "no such model" }],
  ])("when OpenAI %s, and nothing of its words", async (_, status, error) => {
    answer = () => Response.json({ error }, { status });
    spendPool();
    const reply = await post("/v1/responses", { model: "gpt-5.5", input: "hi" });
    const text = await reply.text();
    expect([reply.status, JSON.parse(text).error.code]).toEqual([429, "usage_limit_reached"]);
    expect(text).not.toContain(error.message);
    expect(asked).toHaveLength(1);
  });

  test("on images, which the lane does not make", async () => {
    await pausePool();
    const reply = await post("/v1/images/generations", { prompt: "a cat" });
    expect(reply.status).toBe(503);
    expect(asked).toEqual([]);
  });
});

test("the settings say whether a key is configured, and never which", async () => {
  const text = await (await service.admin("/api/settings")).text();
  expect(JSON.parse(text)).toMatchObject({ lanes: { apiKey: true }, apiKeyLaneConfigured: true });
  expect(text).not.toContain(API_KEY);
  for (const lanes of [{}, { apiKey: 1 }, { apiKey: true, other: true }, null]) {
    const refused = await service.admin("/api/settings", { method: "PUT", json: { lanes } });
    expect(refused.status).toBe(422);
  }
});

const COST_LIMIT = { limitType: "cost_usd", limitWindow: "weekly", maxValue: 1_000_000_000 };
