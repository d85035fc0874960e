/** `/api/api-keys`, and what holders of keys see, with the whole service running. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { join } from "node:path";
import { type RunningService, startService } from "../testing/running-service.ts";

type Json = Record<string, unknown>;
interface KeyView extends Json {
  id: string;
  key?: string;
  limits: { id: string; currentValue: number; maxValue: number; limitWindow: string }[];
}

let service: RunningService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());
afterEach(async () => {
  for (const { id } of await list()) await service.admin(`/api/api-keys/${id}`, { method: "DELETE" });
});

const list = () => service.adminJson<KeyView[]>("/api/api-keys/");
const create = (fields: Json = {}) =>
  service.adminJson<KeyView & { key: string }>("/api/api-keys/", { json: { name: "laptop", ...fields } });
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
const patch = (id: string, json: Json) => service.admin(`/api/api-keys/${id}`, { method: "PATCH", json });

const LIMITS = [
  { limitType: "total_tokens", limitWindow: "7d", maxValue: 1_000_000 },
  { limitType: "cost_usd", limitWindow: "5h", maxValue: 5_000_000, modelFilter: "gpt-5.5" },
];

describe("a new key", () => {
  test("is answered whole, its plain text once", async () => {
    const accountId = service.accountIds[0]!;
    const created = await create({
      allowedModels: ["gpt-5.5"],
      assignedAccountIds: [accountId],
      expiresAt: "2099-01-01T00:00:00Z",
      limits: LIMITS,
    });
    const { key, ...view } = created;
    expect(key).toMatch(/^sk-clb-[\w-]{43}$/);
    expect(view).toEqual({
      id: expect.stringMatching(/^key_[0-9a-f]{24}$/),
      name: "laptop",
      keyPrefix: key.slice(0, 15),
      isActive: true,
      allowedModels: ["gpt-5.5"],
      enforcedModel: null,
      enforcedReasoningEffort: null,
      enforcedServiceTier: null,
      assignedAccountIds: [accountId],
      expiresAt: "2099-01-01T00:00:00.000Z",
      createdAt: expect.stringMatching(/^20\d\d-.+Z$/),
      lastUsedAt: null,
      limits: [
        {
          id: expect.stringMatching(/^lim_/),
          limitType: "total_tokens",
          limitWindow: "weekly",
          maxValue: 1_000_000,
          modelFilter: null,
          currentValue: 0,
          resetAt: expect.stringMatching(/Z$/),
        },
        expect.objectContaining({ limitWindow: "5h", modelFilter: "gpt-5.5" }),
      ],
      usage: { requestCount: 0, totalTokens: 0, cachedInputTokens: 0, totalCostUsd: 0 },
      balanceEnabled: false,
      apiKeyLaneAllowed: true,
      balance: null,
    });
    expect(await list()).toEqual([view]);
    expect(await service.adminJson(`/api/api-keys/${created.id}`)).toEqual(view);
  });

  test("leaves its plain text and its hash nowhere else", async () => {
    const { id, key } = await create({ limits: LIMITS });
    await service.turn({ headers: bearer(key) });
    const hash = new Bun.CryptoHasher("sha256").update(key).digest("hex");
    const answers = await Promise.all([
      ...["", `/${id}`, `/${id}/trends`, `/${id}/ledger`].map((path) =>
        service.admin(`/api/api-keys${path}`),
      ),
      patch(id, { name: "renamed" }),
      service.admin("/api/audit-logs"),
      service.admin(`/api/request-logs?apiKeyId=${id}`),
      service.admin("/api/request-logs/options"),
      service.fetch("/v1/usage", { headers: bearer(key) }),
      service.fetch("/api/v1/me", { headers: bearer(key) }),
      service.turn({ headers: bearer(`${key}x`) }).then(({ text }) => new Response(text)),
    ]);
    const texts = [...(await Promise.all(answers.map((answer) => answer.text()))), ...service.lines];
    for (const text of texts) {
      expect(text).not.toContain(key);
      expect(text).not.toContain(hash);
    }
    const database = new Database(join(service.dataDir, "codex-lb.db"), { readonly: true });
    expect(JSON.stringify(database.query("SELECT * FROM api_keys").all())).not.toContain(key);
    database.close();
  });
});

describe("what a body may not say", () => {
  const refused: [body: Json, field: string][] = [
    [{}, "name"],
    [{ name: "x", limit: [] }, "limit"],
    [{ name: "x", limits: [{ ...LIMITS[0], maxValue: 0 }] }, "limits[0].maxValue"],
    [{ name: "x", limits: [{ ...LIMITS[0], limitWindow: "2h" }] }, "limits[0].limitWindow"],
    [{ name: "x", enforcedModel: "gpt-5.5", allowedModels: ["gpt-5"] }, "enforcedModel"],
    [{ name: "x", assignedAccountIds: ["acc_nobody"] }, "assignedAccountIds"],
    [{ name: "x", expiresAt: "tomorrow" }, "expiresAt"],
  ];
  test.each(refused)("%j", async (json, field) => {
    const reply = await service.admin("/api/api-keys/", { json });
    expect(reply.status).toBe(422);
    const { error } = (await reply.json()) as { error: Json };
    expect(error.code).toBe("validation_error");
    expect(error.message).toContain(field);
    expect(await list()).toEqual([]);
  });

  test("what is no JSON", async () => {
    const reply = await service.admin("/api/api-keys/", { method: "POST", body: "{" });
    expect(reply.status).toBe(422);
  });
});

test.each(["PATCH ", "DELETE ", "POST /regenerate", "GET /trends", "GET /ledger", "POST /ledger", "GET "])(
  "a key that does not exist: %s",
  async (call) => {
    const [method, path] = call.split(" ");
    const json = method === "GET" || method === "DELETE" ? undefined : {};
    const reply = await service.admin(`/api/api-keys/key_gone${path}`, { method, json });
    expect([reply.status, (await reply.json()) as Json]).toEqual([
      404,
      { error: { code: "api_key_not_found", message: "There is no API key with this id." } },
    ]);
  },
);

describe("a change", () => {
  test("touches only what it names, and its answer may be sent back whole", async () => {
    const { key: _, ...view } = await create({ limits: LIMITS });
    const renamed = (await (await patch(view.id, { name: "desk" })).json()) as KeyView;
    expect(renamed).toEqual({ ...view, name: "desk" });
    expect(await (await patch(view.id, renamed)).json()).toEqual(renamed);
  });

  test("of the limits keeps the counters of those that stay, and resetting starts them all again", async () => {
    const { id, key } = await create({ limits: LIMITS });
    await service.turn({ headers: bearer(key) });
    const [weekly] = (await list())[0]!.limits;
    expect(weekly!.currentValue).toBeGreaterThan(0);
    const limits = [
      { ...LIMITS[0], maxValue: 7 },
      { limitType: "output_tokens", limitWindow: "daily", maxValue: 9 },
    ];
    const changed = (await (await patch(id, { limits })).json()) as KeyView;
    expect(changed.limits).toMatchObject([
      { id: weekly!.id, maxValue: 7, currentValue: weekly!.currentValue },
      { limitType: "output_tokens", currentValue: 0 },
    ]);
    expect((await service.turn({ headers: bearer(key) })).status).toBe(429);
    const reset = (await (await patch(id, { resetUsage: true })).json()) as KeyView;
    expect(reset.limits.map(({ currentValue }) => currentValue)).toEqual([0, 0]);
    expect((await service.turn({ headers: bearer(key) })).status).toBe(200);
  });

  test("is in the audit log, without secrets", async () => {
    const { id, key } = await create();
    await patch(id, { isActive: false });
    const { key: second } = await service.adminJson<{ key: string }>(`/api/api-keys/${id}/regenerate`, {
      method: "POST",
    });
    await service.adminJson(`/api/api-keys/${id}/ledger`, {
      json: { kind: "credit", amountMicros: 5, note: "why not" },
    });
    await service.admin(`/api/api-keys/${id}`, { method: "DELETE" });
    const text = await (await service.admin("/api/audit-logs?limit=50")).text();
    for (const action of ["create", "change", "regenerate", "ledger", "delete"])
      expect(text).toContain(`api_key.${action}`);
    expect(text).toContain("why not");
    for (const secret of [key, second]) expect(text).not.toContain(secret);
  });
});

test("a deleted key is gone with 204, and unknown to the proxy", async () => {
  const { id, key } = await create();
  expect((await service.admin(`/api/api-keys/${id}`, { method: "DELETE" })).status).toBe(204);
  expect(await list()).toEqual([]);
  expect((await service.turn({ headers: bearer(key) })).status).toBe(401);
});

test("trends add up to what the key used", async () => {
  const { id, key } = await create();
  await service.turn({ headers: bearer(key) });
  await service.turn({ headers: bearer(key) });
  const { usage } = (await list())[0]! as unknown as { usage: { totalTokens: number } };
  await service.adminJson(`/api/api-keys/${id}/ledger`);
  const trends = await service.adminJson<Record<"tokens" | "requests" | "cost", { t: string; v: number }[]>>(
    `/api/api-keys/${id}/trends?timeframe=1d`,
  );
  const sum = (points: { v: number }[]) => points.reduce((total, { v }) => total + v, 0);
  expect(trends.tokens).toHaveLength(24);
  expect([sum(trends.requests), sum(trends.tokens)]).toEqual([2, usage.totalTokens]);
  expect(sum(trends.cost)).toBeGreaterThan(0);
  expect((await service.admin(`/api/api-keys/${id}/trends?timeframe=1y`)).status).toBe(422);
});

describe("the ledger", () => {
  test("shows credits, corrections with their notes, and what requests were charged", async () => {
    const { id, key } = await create({ balanceEnabled: true });
    const enter = (json: Json) => service.adminJson<Json>(`/api/api-keys/${id}/ledger`, { json });
    expect(await enter({ kind: "credit", amountMicros: 9_000_000, note: "October" })).toEqual({
      keyId: id,
      balanceEnabled: true,
      balanceMicros: 9_000_000,
      balanceUsd: 9,
    });
    expect(await enter({ kind: "correction", amountMicros: -1_000_000, note: "a slip" })).toMatchObject({
      balanceUsd: 8,
    });
    await service.turn({ headers: bearer(key) });
    const ledger = await service.adminJson<{ balanceMicros: number; entries: Json[] }>(
      `/api/api-keys/${id}/ledger`,
    );
    const [charge] = ledger.entries.filter(({ kind }) => kind === "charge");
    expect(ledger.balanceMicros).toBe(8_000_000 + Number(charge!.amountMicros));
    expect(ledger.entries.filter(({ kind }) => kind !== "charge").map(({ note }) => note)).toContain(
      "a slip",
    );
    const first = await service.adminJson<{ entries: Json[]; nextBefore: string }>(
      `/api/api-keys/${id}/ledger?limit=1`,
    );
    const second = await service.adminJson<{ entries: Json[] }>(
      `/api/api-keys/${id}/ledger?limit=1&before=${first.nextBefore}`,
    );
    expect(second.entries[0]!.id).not.toBe(first.entries[0]!.id);
  });

  test.each<[body: Json, field: string]>([
    [{ kind: "charge", amountMicros: 5, note: "x" }, "kind"],
    [{ kind: "credit", amountMicros: 0.5, note: "x" }, "amountMicros"],
    [{ kind: "correction", amountMicros: -5, note: "x" }, "amountMicros"],
    [{ kind: "credit", amountMicros: 5, note: " " }, "note"],
  ])("refuses %j", async (json, field) => {
    const { id } = await create();
    const reply = await service.admin(`/api/api-keys/${id}/ledger`, { json });
    expect(reply.status).toBe(422);
    expect(await reply.text()).toContain(field);
  });
});

describe("the holder of a key", () => {
  const EXPECTED = {
    name: "mine",
    limits: [{ limitWindow: "weekly", maxValue: 1_000_000 }, { limitWindow: "5h" }],
    balance: { balanceUsd: 1 },
    requestCount: 1,
    recentRequests: [{ model: "gpt-5.5", status: "ok" }],
  };

  test.each(["/v1/usage", "/api/v1/me"])("sees their own key and nothing of others: %s", async (path) => {
    const other = await create({ name: "somebody else" });
    await service.turn({ headers: bearer(other.key) });
    const { id, key } = await create({ name: "mine", limits: LIMITS, balanceEnabled: true });
    await service.adminJson(`/api/api-keys/${id}/ledger`, {
      json: { kind: "credit", amountMicros: 1_000_000, note: "internal remark" },
    });
    await service.turn({ headers: bearer(key) });
    await service.adminJson(`/api/api-keys/${id}/ledger`);
    const reply = await service.fetch(path, { headers: bearer(key) });
    expect(reply.status).toBe(200);
    const text = await reply.text();
    expect(camelCased(text)).toMatchObject({ ...EXPECTED, balance: { balanceUsd: expect.any(Number) } });
    const hidden = [
      other.id,
      "somebody else",
      "internal remark",
      "keyHash",
      "key_hash",
      ...service.accountIds,
    ];
    for (const secret of hidden) expect(text).not.toContain(secret);
  });

  test.each(["/v1/usage", "/api/v1/me"])("is only who shows one, whoever else may pass: %s", async (path) => {
    const { id, key } = await create();
    const ask = async (headers: Record<string, string>) => {
      const reply = await service.fetch(path, { headers });
      return [reply.status, ((await reply.json()) as { error?: { code: string } }).error?.code];
    };
    expect(await ask({})).toEqual([401, "invalid_api_key"]);
    expect(await ask(bearer("sk-clb-unknown"))).toEqual([401, "invalid_api_key"]);
    expect((await service.admin(path)).status).toBe(401);
    expect(await ask(bearer(key))).toEqual([200, undefined]);
    await patch(id, { isActive: false });
    expect(await ask(bearer(key))).toEqual([401, "invalid_api_key"]);
  });

  function camelCased(text: string): Json {
    return JSON.parse(
      text.replace(
        /"(\w+)":/g,
        (_, name: string) => `"${name.replace(/_(\w)/g, (__, c) => c.toUpperCase())}":`,
      ),
    );
  }
});
