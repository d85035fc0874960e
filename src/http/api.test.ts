/** The admin API as literals: who asks, what comes back, and what must never be in it. One service, one simulated upstream. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type RunningService, startService, TEST_ADMIN_TOKEN } from "../testing/running-service.ts";

let service: RunningService;
/** Texts that no answer but the export may hold. */
let secrets: string[];

beforeAll(async () => {
  service = await startService({
    accounts: [
      {
        email: "one@example.com",
        windows: [
          { minutes: 300, usedPercent: 40 },
          { minutes: 10_080, usedPercent: 10 },
        ],
      },
      { email: "two@example.com", planType: "pro", resetCredits: 1 },
      { email: "three@example.com", windows: [{ minutes: 43_200, usedPercent: 5 }], planType: "free" },
    ],
    imported: 0,
  });
  secrets = [TEST_ADMIN_TOKEN];
  for (const index of [0, 1, 2]) {
    const file = service.simulator.issueAuthJson(index);
    secrets.push(...Object.values(file.tokens!).filter((token) => token.length > 60));
    const form = new FormData();
    form.set("auth_json", new File([JSON.stringify(file)], "auth.json"));
    const { accountId } = await service.adminJson<{ accountId: string }>("/api/accounts/import", {
      method: "POST",
      body: form,
    });
    service.accountIds.push(accountId);
    await service.adminJson(`/api/accounts/${accountId}/probe`, { method: "POST" });
  }
  for (const text of ["first", "second"])
    await service.turn({
      headers: { "session-id": `session-${text}` },
      body: { input: [{ type: "message", role: "user", content: [{ type: "input_text", text: PROMPT }] }] },
    });
  await untilLogged(2);
});
afterAll(() => service.stop());

const PROMPT = "a prompt that must never be kept";

async function untilLogged(count: number): Promise<void> {
  for (;;) {
    const { total } = await service.adminJson<{ total: number }>("/api/request-logs");
    if (total >= count) return;
    await Bun.sleep(10);
  }
}

interface Scenario {
  name: string;
  method?: string;
  /** `{one}`, `{two}` and `{three}` stand for the accounts. */
  path: string;
  json?: unknown;
  status: number;
  has?: (string | RegExp)[];
  hasNot?: (string | RegExp)[];
}

const account = ["accountId", "windows", "additionalQuotas", "requestUsage", "resetAtPrimary", "creditsHas"];
/** In order: later ones see what earlier ones changed. */
const SCENARIOS: Scenario[] = [
  { name: "the list of accounts", path: "/api/accounts", status: 200, has: [...account, "one@example.com"] },
  { name: "with a trailing slash", path: "/api/accounts/", status: 200, has: account },
  {
    name: "one account",
    path: "/api/accounts/{one}",
    status: 200,
    has: [
      '"primaryRemainingPercent":60',
      '"secondaryRemainingPercent":90',
      '"windowMinutesPrimary":300',
      '"refresh":{"state":"stored"}',
      '"access":{"expiresAt":"20',
    ],
  },
  {
    name: "a plan of another shape",
    path: "/api/accounts/{three}",
    status: 200,
    has: ['"windowMinutesPrimary":43200', '"secondaryRemainingPercent":null'],
  },
  { name: "an unknown account", path: "/api/accounts/acc_none", status: 404, has: ["account_not_found"] },
  {
    name: "trends",
    path: "/api/accounts/{one}/trends",
    status: 200,
    has: [/"primary":\[\{"t":"[^"]+Z","v":60\}\]/, /"secondary":\[\{"t":"[^"]+Z","v":90\}\]/],
  },
  {
    name: "trends of an unknown account",
    path: "/api/accounts/acc_none/trends",
    status: 404,
    has: ["account_not_found"],
  },
  {
    name: "pausing",
    method: "POST",
    path: "/api/accounts/{one}/pause",
    status: 200,
    has: ['"status":"paused"'],
  },
  {
    name: "pausing twice",
    method: "POST",
    path: "/api/accounts/{one}/pause",
    status: 409,
    has: ["account_state_transition_invalid"],
  },
  {
    name: "reactivating",
    method: "POST",
    path: "/api/accounts/{one}/reactivate",
    status: 200,
    has: ['"status":"active"'],
  },
  {
    name: "reactivating twice",
    method: "POST",
    path: "/api/accounts/{one}/reactivate",
    status: 409,
    has: ["account_state_transition_invalid"],
  },
  {
    name: "an alias",
    method: "PUT",
    path: "/api/accounts/{one}/alias",
    json: { alias: " Main " },
    status: 200,
    has: ['{"alias":"Main"}'],
  },
  {
    name: "no alias",
    method: "PUT",
    path: "/api/accounts/{one}/alias",
    json: { alias: "" },
    status: 200,
    has: ['{"alias":null}'],
  },
  {
    name: "an alias that is none",
    method: "PUT",
    path: "/api/accounts/{one}/alias",
    json: { alias: 7 },
    status: 422,
    has: ["validation_error", "alias"],
  },
  {
    name: "a body that is no JSON",
    method: "PUT",
    path: "/api/accounts/{one}/alias",
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "a routing policy",
    method: "PUT",
    path: "/api/accounts/{one}/routing-policy",
    json: { routingPolicy: "burn_first" },
    status: 200,
    has: ['"routingPolicy":"burn_first"'],
  },
  {
    name: "a reserve",
    method: "PUT",
    path: "/api/accounts/{one}/routing-policy",
    json: { reserveAtPercent: 80 },
    status: 200,
    has: ['"routingPolicy":"burn_first","reserveAtPercent":80'],
  },
  {
    name: "an unknown routing policy",
    method: "PUT",
    path: "/api/accounts/{one}/routing-policy",
    json: { routingPolicy: "x" },
    status: 422,
    has: ["routingPolicy"],
  },
  {
    name: "a probe",
    method: "POST",
    path: "/api/accounts/{one}/probe",
    status: 200,
    has: ['"ok":true', '"before":', '"after":', '"statusAfter":"active"'],
  },
  {
    name: "reset credits",
    path: "/api/accounts/{two}/reset-credits",
    status: 200,
    has: ['"availableCount":1'],
  },
  {
    name: "spending one",
    method: "POST",
    path: "/api/accounts/{two}/reset-credits/consume",
    status: 200,
    has: ['"windowsReset":', '"redeemRequestId":'],
  },
  { name: "what an account holds", path: "/api/accounts/{two}/sessions", status: 200, has: ['"sessions":['] },
  {
    name: "letting go of it",
    method: "DELETE",
    path: "/api/accounts/{two}/sessions",
    status: 200,
    has: ['"dropped":'],
  },
  {
    name: "the usage summary",
    path: "/api/usage/summary",
    status: 200,
    has: [
      '"primaryWindow":{"windowMinutes":300',
      '"secondaryWindow":{"windowMinutes":10080',
      '"requests7d":2',
      '"totalUsd7d":0.',
    ],
  },
  {
    name: "the usage history",
    path: "/api/usage/history?hours=5",
    status: 200,
    has: ['"windowHours":5', '"remainingPercentAvg":'],
  },
  {
    name: "a history that is too long",
    path: "/api/usage/history?hours=100000",
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "one window",
    path: "/api/usage/window?window=secondary",
    status: 200,
    has: ['"windowKey":"secondary","windowMinutes":10080'],
  },
  {
    name: "an unknown window",
    path: "/api/usage/window?window=tertiary",
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "the overview",
    path: "/api/dashboard/overview?timeframe=7d",
    status: 200,
    has: [
      '"bucketSeconds":21600,"bucketCount":28',
      '"comparison":',
      '"depletion":{"primary":{"riskLevel":',
      '"cacheHitRate":',
      '"requests":2',
    ],
  },
  {
    name: "an unknown timeframe",
    path: "/api/dashboard/overview?timeframe=2d",
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "the models",
    path: "/api/models",
    status: 200,
    has: ['"id":"gpt-5.5"', '"supportedReasoningEfforts":["low"'],
    hasNot: ["codex-auto-review"],
  },
  {
    name: "the log",
    path: "/api/request-logs?limit=1",
    status: 200,
    has: ['"total":2', '"hasMore":true', '"selection":{"strategy":', '"costBreakdown":', '"lane":"pool"'],
    hasNot: [PROMPT, "Simulated answer"],
  },
  {
    name: "the log by offset",
    path: "/api/request-logs?limit=1&offset=1",
    status: 200,
    has: ['"hasMore":false', "session-first"],
    hasNot: ["session-second"],
  },
  {
    name: "the log by account, status and model",
    path: "/api/request-logs?accountId={one}&accountId={two}&accountId={three}&status=ok&status=error&model=gpt-5.5&since=2026-01-01T00:00:00Z",
    status: 200,
    has: ['"total":2'],
  },
  {
    name: "the log without a hit",
    path: "/api/request-logs?model=gpt-9",
    status: 200,
    has: ['"requests":[],"total":0'],
  },
  {
    name: "the log by search",
    path: "/api/request-logs?search=session-first",
    status: 200,
    has: ['"total":1'],
  },
  {
    name: "an unknown status",
    path: "/api/request-logs?status=fine",
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "a limit that is too high",
    path: "/api/request-logs?limit=1001",
    status: 422,
    has: ["validation_error"],
  },
  { name: "a time that is none", path: "/api/request-logs?until=yesterday", status: 422, has: ["until"] },
  { name: "a cursor that is none", path: "/api/request-logs?cursor=x", status: 422, has: ["cursor"] },
  {
    name: "the log's options",
    path: "/api/request-logs/options",
    status: 200,
    has: ['"modelOptions":[{"model":"gpt-5.5"', '"statuses":["ok","cancelled","rate_limit","quota","error"]'],
  },
  {
    name: "a report",
    path: "/api/reports?timezone=Asia/Kolkata",
    status: 200,
    has: [
      '"summary":{"requests":2',
      '"daily":[{"date":"',
      '"byModel":[{"model":"gpt-5.5"',
      '"byKey":[{"apiKeyId":null',
    ],
  },
  { name: "a report as CSV", path: "/api/reports?format=csv", status: 200, has: ["date,requests,errors"] },
  {
    name: "a report of an unknown zone",
    path: "/api/reports?timezone=Mars/Olympus",
    status: 422,
    has: ["timezone"],
  },
  {
    name: "a report of a day that never was",
    path: "/api/reports?start_date=2026-02-30&end_date=2026-03-01",
    status: 422,
    has: ["start_date"],
  },
  {
    name: "the settings",
    path: "/api/settings",
    status: 200,
    has: ['"version":0', '"routingStrategy":"usage_weighted"', '"totpConfigured":false'],
  },
  {
    name: "a part of the settings",
    method: "PUT",
    path: "/api/settings",
    json: { routingStrategy: "fill_first" },
    status: 200,
    has: ['"routingStrategy":"fill_first"', '"version":1'],
  },
  {
    name: "settings that are so already: no change, and no new version",
    method: "PUT",
    path: "/api/settings",
    json: { routingStrategy: "fill_first", version: 1 },
    status: 200,
    has: ['"version":1'],
  },
  {
    name: "a lost update",
    method: "PUT",
    path: "/api/settings",
    json: { routingStrategy: "round_robin", version: 0 },
    status: 409,
    has: ["settings_conflict"],
  },
  {
    name: "an unknown setting",
    method: "PUT",
    path: "/api/settings",
    json: { routingStrategie: "x" },
    status: 422,
    has: ["routingStrategie"],
  },
  {
    name: "a setting out of range",
    method: "PUT",
    path: "/api/settings",
    json: { requestLogRetentionDays: 0 },
    status: 422,
    has: ["requestLogRetentionDays"],
  },
  {
    name: "a list instead of settings",
    method: "PUT",
    path: "/api/settings",
    json: [],
    status: 422,
    has: ["validation_error"],
  },
  {
    name: "the prices",
    path: "/api/prices",
    status: 200,
    has: ['"model":"gpt-5.5"', '"overridden":false'],
    hasNot: ['"overridden":true'],
  },
  {
    name: "a price of one's own",
    method: "PUT",
    path: "/api/prices",
    json: { overrides: { "GPT-5.5": { input: 1, output: 2 } } },
    status: 200,
    has: [/"model":"gpt-5.5","inputUsd":1,"cachedInputUsd":null,"outputUsd":2,[^}]*"overridden":true/],
  },
  {
    name: "a price that is none",
    method: "PUT",
    path: "/api/prices",
    json: { overrides: { x: { input: -1, output: 2 } } },
    status: 422,
    has: ["models.x.input"],
  },
  { name: "a backup", method: "POST", path: "/api/backup", status: 200, has: ['"path":"', ".db"] },
  { name: "the program", path: "/api/about", status: 200, has: ['"version":', '"databaseBytes":'] },
  {
    name: "an export",
    method: "POST",
    path: "/api/accounts/{one}/export/auth",
    status: 200,
    has: ['"refresh_token"', '"auth_mode": "chatgpt"'],
  },
  {
    name: "the audit log",
    path: "/api/audit-logs",
    status: 200,
    has: [
      "account.import",
      "account.pause",
      "account.export",
      "settings.change",
      "prices.change",
      "backup.create",
      '"actor":"admin_token","actorIp":"127.0.0.1"',
    ],
  },
  {
    name: "one action of it, paged",
    path: "/api/audit-logs?action=account.import&limit=2",
    status: 200,
    has: ['"hasMore":true', '"nextCursor":"'],
    hasNot: ["account.pause"],
  },
  {
    name: "an import of something else",
    method: "POST",
    path: "/api/accounts/import",
    json: {},
    status: 422,
    has: ["validation_error"],
  },
  { name: "deleting", method: "DELETE", path: "/api/accounts/{three}", status: 204, has: [] },
  {
    name: "deleting twice",
    method: "DELETE",
    path: "/api/accounts/{three}",
    status: 404,
    has: ["account_not_found"],
  },
  { name: "a path that is none", path: "/api/nothing", status: 404, has: ["not_found"] },
  {
    name: "the description",
    path: "/api/openapi.json",
    status: 200,
    has: ['"/api/accounts/{id}/pause"', '"openapi":"3.1.0"'],
  },
];

describe("an admin by token gets", () => {
  test.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))("%s", async (_, scenario) => {
    const { method = "GET", status, has = [], hasNot = [], json } = scenario;
    const [one, two, three] = service.accountIds;
    const path = scenario.path
      .replaceAll("{one}", one!)
      .replaceAll("{two}", two!)
      .replaceAll("{three}", three!);
    const reply = await service.admin(path, { method, ...(json !== undefined && { json }) });
    const text = await reply.text();
    expect(`${reply.status} ${text}`).toStartWith(String(status));
    for (const part of has) expect(text).toMatch(part);
    for (const part of hasNot) expect(text).not.toMatch(part);
    if (!path.includes("/export/")) for (const secret of secrets) expect(text).not.toInclude(secret);
    expect(reply.headers.get("cache-control")).toBe("no-store");
    expect(reply.headers.get("x-request-id")).toStartWith("req_");
  });

  test("settings that apply at once: a key is needed as soon as they say so", async () => {
    const settings = await service.adminJson("/api/settings");
    await service.adminJson("/api/settings", {
      method: "PUT",
      json: { ...settings, apiKeyAuthEnabled: true },
    });
    expect((await service.turn()).status).toBe(401);
    await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: false } });
    expect((await service.turn()).status).toBe(200);
  });

  test("prices that apply at once, to the micro-dollar", async () => {
    await service.adminJson("/api/prices", {
      method: "PUT",
      json: { overrides: { "gpt-5.5": { input: 1000, output: 0 } } },
    });
    const before = await service.adminJson<{ total: number }>("/api/request-logs");
    await service.turn();
    await untilLogged(before.total + 1);
    const { requests } = await service.adminJson<{ requests: { inputTokens: number; costUsd: number }[] }>(
      "/api/request-logs?limit=1",
    );
    expect(requests[0]!.costUsd).toBeCloseTo(requests[0]!.inputTokens / 1000, 6);
  });

  test("every page of the log by cursor, each request once", async () => {
    const seen: string[] = [];
    let cursor: string | null = "";
    while (cursor !== null) {
      const page: { requests: { requestId: string }[]; nextCursor: string | null } = await service.adminJson(
        `/api/request-logs?limit=1${cursor && `&cursor=${cursor}`}`,
      );
      seen.push(...page.requests.map(({ requestId }) => requestId));
      cursor = page.nextCursor;
    }
    const { requests } = await service.adminJson<{ requests: { requestId: string }[] }>("/api/request-logs");
    expect(seen).toEqual(requests.map(({ requestId }) => requestId));
  });
});

describe("with a dashboard session", () => {
  const PASSWORDS = { admin: "a long enough password", guest: "another long password" };
  const cookies = { admin: "", guest: "" };
  beforeAll(async () => {
    const auth = "/api/dashboard-auth";
    await service.adminJson(`${auth}/password/setup`, {
      method: "POST",
      json: { password: PASSWORDS.admin },
    });
    await service.adminJson("/api/settings", { method: "PUT", json: { guestAccessEnabled: true } });
    await service.adminJson(`${auth}/guest-password`, { method: "PUT", json: { password: PASSWORDS.guest } });
    for (const role of ["admin", "guest"] as const) {
      const reply = await service.fetch(`${auth}/password/login`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ password: PASSWORDS[role] }),
      });
      cookies[role] = reply.headers.get("set-cookie")!.split(";")[0]!;
    }
  });
  const as = (role: keyof typeof cookies, path: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers);
    headers.set("cookie", cookies[role]);
    return service.fetch(path.replaceAll("{one}", service.accountIds[0]!), { ...init, headers });
  };
  const readable = SCENARIOS.filter(
    ({ method = "GET", path, status }) =>
      method === "GET" && status === 200 && !/\{two\}|\{three\}/.test(path),
  );
  const hidden = /^\/api\/(audit-logs|firewall)/;

  test.each(readable.map(({ path }) => path))("an admin reads %s", async (path) => {
    const reply = await as("admin", path);
    expect(reply.status).toBe(200);
    const text = await reply.text();
    for (const secret of [...secrets, ...Object.values(PASSWORDS), cookies.admin])
      expect(text).not.toInclude(secret);
  });
  test.each(readable.map(({ path }) => path))("a guest reads %s without anybody's address", async (path) => {
    const reply = await as("guest", path);
    expect(reply.status).toBe(hidden.test(path) ? 403 : 200);
    const text = await reply.text();
    expect(text).not.toMatch(/(one|two)@example\.com/);
    for (const secret of secrets) expect(text).not.toInclude(secret);
  });
  test("a guest changes nothing, on any route", async () => {
    const { paths } = await service.adminJson<{ paths: Record<string, Record<string, unknown>> }>(
      "/api/openapi.json",
    );
    for (const [path, methods] of Object.entries(paths)) {
      if (path.startsWith("/api/dashboard-auth")) continue;
      for (const method of Object.keys(methods).filter((name) => name !== "get")) {
        const reply = await as("guest", path.replaceAll(/\{\w+\}/g, service.accountIds[0]!), {
          method: method.toUpperCase(),
        });
        expect(`${method} ${path} ${await reply.text()}`).toInclude("read_only_access");
      }
    }
  });
  test("an admin's cookie is worth nothing on another site's page", async () => {
    const path = "/api/accounts/{one}/pause";
    for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }] as Record<
      string,
      string
    >[])
      expect([401, 403]).toContain((await as("admin", path, { method: "POST", headers })).status);
    const here = { origin: service.url, "sec-fetch-site": "same-origin" };
    expect((await as("admin", path, { method: "POST", headers: here })).status).toBe(200);
    expect(
      (await as("admin", "/api/accounts/{one}/reactivate", { method: "POST", headers: here })).status,
    ).toBe(200);
  });
  test("an export needs the password once more", async () => {
    const exported = (body: unknown) =>
      as("admin", "/api/accounts/{one}/export/auth", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
    expect((await exported({})).status).toBe(403);
    expect((await exported({ password: "wrong" })).status).toBe(403);
    const right = await exported({ password: PASSWORDS.admin });
    expect(`${right.status} ${await right.text()}`).toStartWith("200");
  });
});

describe("nobody", () => {
  test("gets into any route that is registered, whatever the method says", async () => {
    const { paths } = await service.adminJson<{ paths: Record<string, Record<string, unknown>> }>(
      "/api/openapi.json",
    );
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => [method.toUpperCase(), path.replaceAll(/\{\w+\}/g, "x")] as const),
    );
    expect(routes.length).toBeGreaterThan(40);
    for (const [method, path] of routes) {
      for (const headers of [{}, { authorization: "Bearer wrong" }] as Record<string, string>[]) {
        const reply = await service.fetch(path, { method, headers });
        const text = await reply.text();
        const where = `${method} ${path} ${reply.status}`;
        if (path.startsWith("/api/dashboard-auth"))
          expect([200, 401, 403, 404, 409, 422, 429], where).toContain(reply.status);
        else expect([401, 429], where).toContain(reply.status);
        expect(text, where).not.toInclude("example.com");
      }
    }
  });

  const tricks = [
    "//api/accounts",
    "/%61pi/accounts",
    "/API/accounts",
    "/api/%2e%2e/api/accounts",
    "/api/./accounts",
    "/api/accounts%2f",
  ];
  test.each(tricks)("gets in by %s", async (path) => {
    const reply = await service.fetch(path);
    expect([401, 404, 429]).toContain(reply.status);
    expect(await reply.text()).not.toInclude("example.com");
  });

  test("learns anything from health and the description page but that it runs", async () => {
    for (const path of ["/health", "/health/live", "/health/ready", "/health/startup", "/api-docs"]) {
      const reply = await service.fetch(path);
      expect(reply.status).toBe(200);
      expect(await reply.text()).not.toInclude("example.com");
    }
  });
});

test("a description page works without scripts and without other servers", async () => {
  const reply = await service.fetch("/api-docs");
  const text = await reply.text();
  expect(reply.headers.get("content-security-policy")).toInclude("default-src 'none'");
  expect(text).toInclude("/api/accounts/{id}/pause");
  expect(text).not.toMatch(/<script|https?:\/\//);
});

test("metrics tell what happened, and no secret", async () => {
  const text = await (await service.fetch("/metrics")).text();
  for (const line of [
    /^codex_lb_requests_total\{status="ok",lane="pool",transport="http"\} \d+$/m,
    /^codex_lb_request_duration_seconds_bucket\{le="\+Inf"\} \d+$/m,
    /^codex_lb_tokens_total\{kind="input",model="gpt-5.5"\} \d+$/m,
    /^codex_lb_cost_usd_total\{model="gpt-5.5"\} [\d.]+$/m,
    /^codex_lb_attempts_total\{outcome="relay"\} \d+$/m,
    /^codex_lb_accounts\{state="active"\} 2$/m,
    /^codex_lb_window_used_percent\{account="acc_\w+",scope="all",minutes="300"\} \d/m,
    /^codex_lb_write_behind_depth \d+$/m,
    /^codex_lb_write_behind_drops_total 0$/m,
    /^codex_lb_event_loop_lag_seconds [\d.e-]+$/m,
    /^codex_lb_requests_in_flight 0$/m,
    /^codex_lb_requests_queued 0$/m,
  ])
    expect(text).toMatch(line);
  for (const secret of [...secrets, "example.com"]) expect(text).not.toInclude(secret);
});
