import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import usageFixture from "../core/fixtures/wham-usage-accepted.json" with { type: "json" };
import { Secret } from "../core/secret.ts";
import { systemClock } from "../ports.ts";
import { userAgentOf } from "./json-call.ts";
import { accountHeaders, createWham, type WhamTarget, withOrigin } from "./wham.ts";

let seen: { line: string; headers: Headers; body: string }[] = [];
let answer: () => Response = () => new Response("unset");
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    seen.push({
      line: `${request.method} ${pathname}${search}`,
      headers: request.headers,
      body: await request.text(),
    });
    return answer();
  },
});
afterAll(() => server.stop(true));
beforeEach(() => {
  seen = [];
});

const NOW = 1_795_141_000_000;
const names = { originator: "codex_lb", userAgent: userAgentOf("1.2.3") };
const wham = createWham({
  baseUrl: `${server.url.origin}/backend-api`,
  names,
  ports: { fetch: (url, init) => fetch(url, init), clock: { ...systemClock, now: () => NOW } },
});
const target: WhamTarget = {
  identity: { chatgptAccountId: "acct-1" },
  credentials: { kind: "personal_access_token", accessToken: new Secret("at-1") },
};

test("usage is asked with the account's credentials under our name, and read", async () => {
  answer = () => Response.json(usageFixture);
  const result = await wham.fetchUsage(target);
  expect(result).toMatchObject({ outcome: "ok", value: { planType: "pro", resetCreditsAvailable: 2 } });
  expect(seen[0]!.line).toBe("GET /backend-api/wham/usage");
  expect(seen[0]!.headers.toJSON()).toMatchObject({
    authorization: "Bearer at-1",
    "chatgpt-account-id": "acct-1",
    originator: "codex_lb",
    "user-agent": "codex-lb/1.2.3",
  });
});

describe("a call that fails", () => {
  const nothing = { upstreamCode: null, retryAfterMs: null };
  const cases: [string, () => Response, object][] = [
    [
      "401 with a code",
      () => Response.json({ error: { code: "token_invalidated" } }, { status: 401 }),
      { outcome: "unauthorized", upstreamCode: "token_invalidated" },
    ],
    [
      "402",
      () => Response.json({ detail: { code: "deactivated_workspace" } }, { status: 402 }),
      {
        outcome: "failed",
        code: "rejected",
        status: 402,
        upstreamCode: "deactivated_workspace",
        retryAfterMs: null,
      },
    ],
    [
      "a challenge",
      () => new Response("<html>", { status: 403, headers: { "content-type": "text/html" } }),
      { outcome: "failed", code: "challenge", status: 403, ...nothing },
    ],
    [
      "429",
      () => new Response("{}", { status: 429, headers: { "retry-after": "3" } }),
      { outcome: "failed", code: "rate_limited", status: 429, upstreamCode: null, retryAfterMs: 3000 },
    ],
    [
      "502",
      () => new Response("bad", { status: 502 }),
      { outcome: "failed", code: "server_error", status: 502, ...nothing },
    ],
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { location: "https://example.com/" } }),
      { outcome: "failed", code: "unexpected_reply", status: 302, ...nothing },
    ],
    [
      "text",
      () => new Response("hello"),
      { outcome: "failed", code: "unexpected_reply", status: 200, ...nothing },
    ],
  ];
  for (const [name, reply, expected] of cases) {
    test(`with ${name} says so in one of its codes`, async () => {
      answer = reply;
      expect(await wham.fetchUsage(target)).toEqual(expected as never);
    });
  }
});

test("models are asked for the client's version and only when they changed", async () => {
  const models = [{ slug: "gpt-5.5", unknown: { kept: true } }];
  answer = () => Response.json({ models }, { headers: { etag: 'W/"1"' } });
  const first = await wham.fetchModels(target, { clientVersion: "0.169.0", etag: null });
  expect(first).toEqual({ outcome: "ok", value: { unchanged: false, models, etag: 'W/"1"' } });
  answer = () => new Response(null, { status: 304 });
  const second = await wham.fetchModels(target, { clientVersion: "0.1&x", etag: 'W/"1"' });
  expect(second).toEqual({ outcome: "ok", value: { unchanged: true } });
  expect(seen.map(({ line }) => line)).toEqual([
    "GET /backend-api/codex/models?client_version=0.169.0",
    "GET /backend-api/codex/models?client_version=0.1%26x",
  ]);
  expect(seen.map(({ headers }) => headers.get("if-none-match"))).toEqual([null, 'W/"1"']);
});

describe("accounts/check", () => {
  const entry = {
    id: "acct-1",
    workspace_backend_origin: "NO_CONSTRAINT",
    account_routing_override: "NO_CONSTRAINT",
  };
  const none = { origin: null, routingOverride: null };
  const cases: [string, object, object][] = [
    ["no constraint", entry, none],
    [
      "an https origin and an override",
      { ...entry, workspace_backend_origin: "https://us.chatgpt.com/x", account_routing_override: "us" },
      { origin: "https://us.chatgpt.com", routingOverride: "us" },
    ],
    [
      "an https origin at the configured host itself",
      { ...entry, workspace_backend_origin: "https://127.0.0.1:8443" },
      { origin: "https://127.0.0.1:8443", routingOverride: null },
    ],
    ...[
      "https://us.example.com",
      "https://chatgpt.com.example.com",
      "https://evilchatgpt.com",
      "https://chatgpt.com@example.com",
      "https://example.com/chatgpt.com",
      "https://example.com#.openai.com",
      "https://169.254.169.254",
      "https://localhost",
    ].map((elsewhere): [string, object, object] => [
      `an origin of somebody else, never followed: ${elsewhere}`,
      { ...entry, workspace_backend_origin: elsewhere },
      none,
    ]),
    [
      "a clear-text origin, never followed",
      { ...entry, workspace_backend_origin: "http://chatgpt.com" },
      none,
    ],
    ["nonsense", { id: "acct-1", workspace_backend_origin: 7, account_routing_override: "mars" }, none],
  ];
  for (const [name, own, routing] of cases) {
    test(`tells ${name}`, async () => {
      answer = () =>
        Response.json({ accounts: [{ id: "acct-0" }, { plan_type: "Team", name: "Ann's", ...own }] });
      expect(await wham.accountsCheck(target)).toEqual({
        outcome: "ok",
        value: { routing, planType: "team", name: "Ann's" },
      } as never);
    });
  }
  test("that does not list the account says so", async () => {
    answer = () => Response.json({ accounts: [{ id: "acct-0" }] });
    expect(await wham.accountsCheck(target)).toMatchObject({
      outcome: "failed",
      upstreamCode: "workspace_missing",
    });
  });
});

test("reset credits are counted and one is redeemed under the caller's id", async () => {
  answer = () => Response.json({ credits: [], available_count: 2, total_earned_count: 3 });
  expect(await wham.resetCredits(target)).toEqual({
    outcome: "ok",
    value: { availableCount: 2, totalEarnedCount: 3 },
  });
  answer = () => Response.json({ code: "reset", windows_reset: 2 });
  expect(await wham.consumeResetCredit(target, "idem-1")).toEqual({
    outcome: "ok",
    value: { code: "reset", windowsReset: 2 },
  });
  expect(seen[1]!.line).toBe("POST /backend-api/wham/rate-limit-reset-credits/consume");
  expect(seen[1]!.body).toBe('{"redeem_request_id":"idem-1"}');
});

test("routing and government accounts change headers and origin", () => {
  const claims = { "https://api.openai.com/auth": { chatgpt_account_is_fedramp: true } };
  const token = `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.`;
  const headers = accountHeaders(
    {
      identity: { chatgptAccountId: "acct-1" },
      credentials: { kind: "personal_access_token", accessToken: new Secret(token) },
      routing: { origin: null, routingOverride: "us_cr" },
    },
    names,
  );
  expect(headers).toMatchObject({ "x-openai-fedramp": "true", "x-openai-account-routing-override": "us_cr" });
  expect(withOrigin("https://chatgpt.com/backend-api", "https://us.example.com")).toBe(
    "https://us.example.com/backend-api",
  );
  expect(withOrigin("https://chatgpt.com/backend-api", null)).toBe("https://chatgpt.com/backend-api");
});
