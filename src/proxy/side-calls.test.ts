/** Codex's calls besides its turns, through the whole service. */
import { connect } from "node:net";
import { afterEach, describe, expect, test } from "bun:test";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";

const services: RunningService[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});

async function start(options: Parameters<typeof startService>[0] = {}): Promise<RunningService> {
  const service = await startService(options);
  services.push(service);
  return service;
}

const CALL = {
  authorization: "Bearer the-users-own-login",
  "chatgpt-account-id": "acct-of-the-user",
  "user-agent": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) xterm (codex_exec; 0.169.0)",
};

async function get(service: RunningService, path: string, headers: Record<string, string> = CALL) {
  const reply = await service.fetch(path, { headers });
  const text = await reply.text();
  return {
    status: reply.status,
    headers: reply.headers,
    text,
    json: () => JSON.parse(text) as Record<string, unknown>,
  };
}

/** Of a request whose path no client library tidies up. */
async function rawStatus(service: RunningService, path: string, method = "GET"): Promise<number> {
  const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
  socket.write(`${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n`);
  let text = "";
  for await (const bytes of socket) text += String(bytes);
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]);
}

/** Rows of the log, which are written a moment after their requests. */
async function rowsOf(service: RunningService, count: number): Promise<Record<string, unknown>[]> {
  for (;;) {
    const { requests } = await service.adminJson<{ requests: Record<string, unknown>[] }>(
      "/api/request-logs",
      {
        method: "GET",
      },
    );
    if (requests.length >= count) return requests;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function probeAll(service: RunningService): Promise<void> {
  for (const id of service.accountIds)
    await service.adminJson(`/api/accounts/${id}/probe`, { method: "POST" });
}

/** What upstream was asked, besides what this program asks by itself. */
function heardBy(service: RunningService) {
  const own = ["models", "usage", "accounts_check"];
  return service.simulator.requests.filter(
    ({ route, target }) => !own.includes(route) || target.includes("models/"),
  );
}

/** Nothing of any account of the pool. */
function expectNothingOfAccounts(service: RunningService, text: string): void {
  for (const { chatgptAccountId, chatgptUserId, email } of service.simulator.accounts())
    for (const own of [chatgptAccountId, chatgptUserId, email]) expect(text).not.toContain(own);
}

describe("the quota that clients read is the pool's", () => {
  const accounts = [
    {
      windows: [
        { minutes: 300, usedPercent: 40.4 },
        { minutes: 10_080, usedPercent: 20 },
      ],
    },
    {
      windows: [
        { minutes: 300, usedPercent: 100 },
        { minutes: 10_080, usedPercent: 60 },
      ],
    },
  ];

  for (const path of ["/backend-api/wham/usage", "/api/codex/usage", "/pooled/backend-api/wham/usage"]) {
    test(`${path}: upstream's shape, whole percents, no account named`, async () => {
      const service = await start({ accounts });
      await probeAll(service);
      const { status, text, json } = await get(service, path);
      expect(status).toBe(200);
      expect(json()).toMatchObject({
        account_id: "acct-of-the-user",
        plan_type: "plus",
        rate_limit: {
          allowed: true,
          limit_reached: false,
          primary_window: {
            used_percent: 70,
            limit_window_seconds: 18_000,
            reset_after_seconds: expect.any(Number),
          },
          secondary_window: { used_percent: 40, limit_window_seconds: 604_800 },
        },
      });
      for (const percent of text.matchAll(/"used_percent":([^,}]+)/g)) expect(percent[1]).toMatch(/^\d+$/);
      expectNothingOfAccounts(service, text);
    });
  }

  test("reply headers tell it, and nothing of the account that served", async () => {
    const service = await start({ accounts });
    await probeAll(service);
    const reply = await service.fetch("/backend-api/codex/responses", {
      method: "POST",
      headers: { "content-type": "application/json", ...CALL },
      body: JSON.stringify(TURN_BODY),
    });
    await reply.text();
    expect(reply.headers.get("x-codex-primary-used-percent")).toBe("70");
    expect(reply.headers.get("x-codex-secondary-used-percent")).toBe("40");
    expect(reply.headers.get("x-codex-primary-window-minutes")).toBe("300");
  });
});

describe("calls about the user's own account are answered here", () => {
  const cases: [method: string, path: string, status: number, body: Record<string, unknown>][] = [
    [
      "GET",
      "/backend-api/wham/accounts/check",
      200,
      {
        accounts: [
          {
            id: "acct-of-the-user",
            workspace_backend_origin: "NO_CONSTRAINT",
            account_routing_override: "NO_CONSTRAINT",
          },
        ],
      },
    ],
    [
      "GET",
      "/pooled/backend-api/wham/accounts/check",
      200,
      { accounts: [{ id: "acct-of-the-user", workspace_backend_origin: "https://chatgpt.com" }] },
    ],
    ["GET", "/backend-api/wham/rate-limit-reset-credits", 200, { credits: [], available_count: 0 }],
    [
      "POST",
      "/backend-api/wham/rate-limit-reset-credits/consume",
      200,
      { code: "no_credit", windows_reset: 0 },
    ],
    ["POST", "/backend-api/codex/analytics-events/events", 200, {}],
    ["GET", "/backend-api/wham/settings/user", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/wham/profiles/me", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/wham/config/bundle", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/ps/plugins/installed?limit=200", 404, { detail: "Not Found" }],
    ["POST", "/backend-api/ps/mcp", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/me", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/codex/alpha/notes/v2/list", 404, { detail: "Not Found" }],
    ["GET", "/backend-api/files", 404, { detail: "Not Found" }],
  ];
  test("upstream hears of none of them", async () => {
    const service = await start();
    await probeAll(service);
    service.simulator.clearRequests();
    for (const [method, path, status, body] of cases) {
      const reply = await service.fetch(path, {
        method,
        headers: CALL,
        ...(method === "POST" ? { body: '{"events":[{"event_type":"x"}]}' } : {}),
      });
      expect({ path, status: reply.status, body: await reply.json() }).toMatchObject({ path, status, body });
    }
    expect(heardBy(service)).toEqual([]);
  });
});

describe("other calls are relayed", () => {
  const cases: [method: string, path: string, route: string][] = [
    ["POST", "/backend-api/codex/images/generations", "images"],
    ["POST", "/backend-api/codex/images/edits", "images"],
    ["POST", "/backend-api/transcribe", "transcribe"],
  ];
  for (const [method, path, route] of cases) {
    test(`${method} ${path} to the session's account, with its credentials`, async () => {
      const service = await start();
      await service.turn({ headers: { "session-id": "s9" } });
      const { account } = service.simulator.requests.findLast(({ route }) => route === "responses")!;
      const body = JSON.stringify({ prompt: "a cat", model: "gpt-image-2" });
      const reply = await service.fetch(path, { method, headers: { ...CALL, "session-id": "s9" }, body });
      expect(reply.status).toBe(200);
      const sent = service.simulator.requests.findLast((entry) => entry.route === route)!;
      expect(sent).toMatchObject({ account, bodyBytes: body.length });
      expect(JSON.stringify(sent.headers)).not.toContain("the-users-own-login");
    });
  }

  test("a file stays with the account that took it, and so does the turn that names it", async () => {
    const service = await start({ accounts: [{}, {}, {}] });
    const made = await service.fetch("/backend-api/files", {
      method: "POST",
      headers: CALL,
      body: JSON.stringify({ file_name: "a.png" }),
    });
    const { file_id } = (await made.json()) as { file_id: string };
    const owner = service.simulator.requests.findLast(({ route }) => route === "files")!.account;
    for (let again = 0; again < 3; again++) {
      expect(
        (
          await service.fetch(`/backend-api/files/${file_id}/uploaded`, {
            method: "POST",
            headers: CALL,
            body: "{}",
          })
        ).status,
      ).toBe(200);
      const input = [{ type: "message", role: "user", content: [{ type: "input_image", file_id }] }];
      await service.turn({ body: { input } });
      expect(service.simulator.requests.at(-1)!.account).toBe(owner);
    }
  });

  test("paths that upstream might read otherwise than we do go nowhere", async () => {
    const service = await start();
    await probeAll(service);
    service.simulator.clearRequests();
    for (const path of [
      "/backend-api/codex/..%2fwham/usage",
      "/backend-api/codex/%252e%252e/wham/usage",
      "/backend-api/codex/..;/wham/usage",
      "/backend-api/codex/;x/tasks",
      "/backend-api/codex//x",
      "/backend-api/codex/%74asks",
      "/backend-api/codex/Tasks/list",
      "/backend-api/codex/tasks/",
      "/backend-api/codex/environments/?x=1",
      "/backend-api/codex/alpha/note%73/v2/list",
      "/backend-api/files/",
      "/backend-api/files/?limit=100",
      "/backend-api/files/%3flimit=100",
      "/backend-api/files/..%5cwham/usage",
    ])
      expect([path, await rawStatus(service, path)]).toEqual([path, 404]);
    expect(heardBy(service)).toEqual([]);
  });

  test.each(["/responses/", "/%72esponses", "/responses%2f", "/Responses", "/responses/x", "/models/"])(
    "%s is no way round the limits of a key",
    async (spelling) => {
      const service = await start();
      await probeAll(service);
      const { key } = await service.adminJson<{ key: string }>("/api/api-keys/", {
        json: { name: "narrow", allowedModels: ["gpt-5.4-mini"] },
      });
      service.simulator.clearRequests();
      const reply = await service.fetch(`/backend-api/codex${spelling}`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
        body: JSON.stringify(TURN_BODY),
      });
      expect(reply.status).toBe(404);
      expect(heardBy(service)).toEqual([]);
    },
  );

  test.each(["TRACE", "CONNECT", "HEAD", "OPTIONS"])("not by %s", async (method) => {
    const service = await start();
    await probeAll(service);
    service.simulator.clearRequests();
    expect(await rawStatus(service, "/backend-api/codex/anything", method)).toBe(404);
    expect(heardBy(service)).toEqual([]);
  });

  test("a slash behind the path and an odd query change nothing", async () => {
    const service = await start();
    await probeAll(service);
    service.simulator.clearRequests();
    await rawStatus(service, "/backend-api/codex/alpha/search/?q=a//b/../c%2f");
    expect(service.simulator.requests.map(({ target }) => target)).toContain(
      "/backend-api/codex/alpha/search?q=a//b/../c%2f",
    );
  });
});

describe("compaction of clients before 0.15x", () => {
  const body = {
    model: "gpt-5.5",
    instructions: "You are a coding agent.",
    input: [
      { type: "message", role: "user", content: [{ type: "input_text", text: "long ago" }] },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "yes" }] },
    ],
    tools: [],
    parallel_tool_calls: false,
  };
  const cases = (["/backend-api/codex/responses/compact", "/v1/responses/compact"] as const).flatMap((path) =>
    (["served", "gone"] as const).map((compactEndpoint) => [path, compactEndpoint] as const),
  );
  for (const [path, compactEndpoint] of cases) {
    test(`${path}: answered in the old shape, and counted, where upstream's own path is ${compactEndpoint}`, async () => {
      const service = await start({ simulator: { compactEndpoint } });
      const reply = await service.fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...CALL },
        body: JSON.stringify(body),
      });
      expect(reply.status).toBe(200);
      const { output, usage } = (await reply.json()) as {
        output: { type: string; role?: string }[];
        usage: Record<string, number>;
      };
      expect(output.map(({ type, role }) => role ?? type)).toEqual(["user", "compaction"]);
      const requests = await rowsOf(service, 1);
      expect(requests.map(({ status, requestKind }) => [status, requestKind])).toEqual([
        ["ok", "compaction"],
      ]);
      expect(usage.input_tokens).toBeGreaterThan(0);
      expect(requests[0]).toMatchObject({
        model: "gpt-5.5",
        inputTokens: usage.input_tokens,
        outputTokens: usage.output_tokens,
        costEstimated: false,
      });
      expect(requests[0]!.costUsd).toBeGreaterThan(0);
    });
  }
});

describe("models", () => {
  test("entries verbatim, one tag for list and replies, 304 while it holds", async () => {
    const service = await start();
    await probeAll(service);
    const list = await get(service, "/backend-api/codex/models?client_version=0.169.0");
    const models = list.json().models as { slug: string }[];
    expect(models.length).toBeGreaterThan(3);
    const upstream = await fetch(
      `${service.simulator.urls.backendBaseUrl}/codex/models?client_version=0.169.0`,
      {
        headers: { authorization: `Bearer ${service.simulator.issueAuthJson(0).tokens!.access_token}` },
      },
    );
    const own = ((await upstream.json()) as { models: { slug: string }[] }).models;
    for (const entry of models) expect(entry).toEqual(own.find(({ slug }) => slug === entry.slug)!);
    const etag = list.headers.get("etag")!;
    const again = await get(service, "/backend-api/codex/models?client_version=0.169.0", {
      ...CALL,
      "if-none-match": etag,
    });
    expect([again.status, again.text]).toEqual([304, ""]);
    const reply = await service.fetch("/backend-api/codex/responses", {
      method: "POST",
      headers: { "content-type": "application/json", ...CALL },
      body: JSON.stringify(TURN_BODY),
    });
    await reply.text();
    expect(reply.headers.get("x-models-etag")).toBe(etag);
  });

  test("a version not seen before is asked for once, with the client's own number", async () => {
    const service = await start();
    await probeAll(service);
    for (let again = 0; again < 3; again++)
      expect((await get(service, "/backend-api/codex/models?client_version=0.140.0")).status).toBe(200);
    const asked = service.simulator.requests.filter(({ target }) =>
      target.includes("client_version=0.140.0"),
    );
    // Accounts of one plan say the same: one of them is asked.
    expect(asked).toHaveLength(1);
  });

  test("while upstream does not answer an unknown version gets the newest known list", async () => {
    const service = await start();
    await probeAll(service);
    service.simulator.addFault({
      route: "models",
      act: { kind: "error", name: "server_error" },
      times: null,
    });
    const list = await get(service, "/backend-api/codex/models?client_version=0.141.0");
    expect((list.json().models as unknown[]).length).toBeGreaterThan(3);
  });

  test("an empty pool answers an empty list, with which clients keep their own", async () => {
    const service = await start({ imported: 0 });
    expect((await get(service, "/backend-api/codex/models?client_version=0.169.0")).json()).toEqual({
      models: [],
    });
  });

  test("lists survive a restart", async () => {
    const service = await start();
    await probeAll(service);
    const before = await get(service, "/backend-api/codex/models?client_version=0.169.0");
    service.simulator.addFault({
      route: "models",
      act: { kind: "error", name: "server_error" },
      times: null,
    });
    await service.restart();
    const after = await get(service, "/backend-api/codex/models?client_version=0.169.0");
    expect(after.headers.get("etag")).toBe(before.headers.get("etag"));
    expect(after.text).toBe(before.text);
  });
});
