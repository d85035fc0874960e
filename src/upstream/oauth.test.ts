import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import type { ChatGptCredentials } from "../core/credentials.ts";
import { Secret } from "../core/secret.ts";
import { systemClock, systemRandom } from "../ports.ts";
import { callJson, errorCodeOf, userAgentOf } from "./json-call.ts";
import { createOauth, OAUTH_CLIENT_ID } from "./oauth.ts";

interface Seen {
  method: string;
  path: string;
  headers: Headers;
  body: string;
}
let seen: Seen[] = [];
let answer: () => Response | Promise<Response> = () => new Response("unset");

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  async fetch(request) {
    const { pathname, search } = new URL(request.url);
    seen.push({
      method: request.method,
      path: pathname + search,
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

const NOW = Date.parse("2026-08-01T12:00:00Z");
const issuerUrl = server.url.origin;
const oauth = createOauth({
  issuerUrl,
  names: { originator: "codex_lb", userAgent: userAgentOf("1.2.3") },
  ports: {
    fetch: (url, init) => fetch(url, init),
    clock: { ...systemClock, now: () => NOW },
    random: systemRandom,
  },
});

function jwt(payload: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.`;
}
const claims = {
  "https://api.openai.com/auth": {
    chatgpt_account_id: "acct-1",
    chatgpt_user_id: "user-1",
    chatgpt_plan_type: "pro",
  },
};
const newAccess = jwt({ exp: NOW / 1000 + 600, ...claims });
const old: ChatGptCredentials = {
  kind: "chatgpt",
  accessToken: new Secret("old-access"),
  refreshToken: new Secret("rt_mock_1"),
  idToken: new Secret("old-id"),
  accessExpiresAtMs: NOW,
  lastRefreshAtMs: null,
};

describe("a refresh", () => {
  test("sends the real client's body under our own name, and keeps what the reply leaves out", async () => {
    answer = () => Response.json({ access_token: newAccess });
    const result = await oauth.refresh(old, "proactive_expiry");
    expect(JSON.parse(seen[0]!.body)).toEqual({
      client_id: "app_EMoamEEZ73f0CkXaXp7hrann",
      grant_type: "refresh_token",
      refresh_reason: "proactive_expiry",
      refresh_token: "rt_mock_1",
    });
    expect(`${seen[0]!.method} ${seen[0]!.path}`).toBe("POST /oauth/token");
    expect(seen[0]!.headers.get("user-agent")).toBe("codex-lb/1.2.3");
    expect(seen[0]!.headers.get("originator")).toBe("codex_lb");
    if (result.outcome !== "refreshed") throw new Error(result.outcome);
    expect(result.credentials.accessToken.reveal()).toBe(newAccess);
    expect(result.credentials.refreshToken?.reveal()).toBe("rt_mock_1");
    expect(result.credentials.idToken?.reveal()).toBe("old-id");
    expect(result.credentials.accessExpiresAtMs).toBe(NOW + 600_000);
    expect(result.credentials.lastRefreshAtMs).toBe(NOW);
    expect(result.login?.planType).toBe("pro");
  });

  test("takes the rotated token, also when nothing else is new or readable", async () => {
    answer = () => Response.json({ refresh_token: "rt_2", access_token: "opaque", expires_in: 60 });
    const result = await oauth.refresh(old, "unauthorized_recovery");
    if (result.outcome !== "refreshed") throw new Error(result.outcome);
    expect(result.credentials.refreshToken?.reveal()).toBe("rt_2");
    expect(result.credentials.accessExpiresAtMs).toBe(NOW + 60_000);
    expect(result.login).toBeNull();
  });

  const html = { headers: { "content-type": "text/html" } };
  const failures: [string, () => Response, object][] = [
    [
      "expired",
      () => Response.json({ error: { code: "refresh_token_expired" } }, { status: 401 }),
      { outcome: "permanent", code: "refresh_token_expired" },
    ],
    [
      "reused",
      () => Response.json({ error: { code: "refresh_token_reused" } }, { status: 400 }),
      { outcome: "permanent", code: "refresh_token_reused" },
    ],
    [
      "invalidated, told flat",
      () => Response.json({ code: "refresh_token_invalidated" }, { status: 401 }),
      { outcome: "permanent", code: "refresh_token_invalidated" },
    ],
    [
      "an OAuth error",
      () => Response.json({ error: "invalid_grant" }, { status: 400 }),
      { outcome: "permanent", code: "refresh_token_rejected" },
    ],
    [
      "another 4xx, with no body",
      () => new Response(null, { status: 400 }),
      { outcome: "permanent", code: "refresh_token_rejected" },
    ],
    [
      "a code that is a name of Object's",
      () => Response.json({ error: "constructor" }, { status: 400 }),
      { outcome: "permanent", code: "refresh_token_rejected" },
    ],
    [
      "a challenge page",
      () => new Response("<html>", { status: 403, ...html }),
      { outcome: "transient", code: "challenge" },
    ],
    [
      "a proxy's page",
      () => new Response("<html>", { status: 407, ...html }),
      { outcome: "transient", code: "challenge" },
    ],
    [
      "too many requests",
      () => new Response("{}", { status: 429, headers: { "retry-after": "7" } }),
      { outcome: "transient", code: "rate_limited", retryAfterMs: 7000 },
    ],
    [
      "a server error",
      () => new Response("no", { status: 503 }),
      { outcome: "transient", code: "server_error" },
    ],
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }),
      { outcome: "transient", code: "unexpected_reply" },
    ],
    ["success without tokens", () => Response.json({}), { outcome: "transient", code: "unexpected_reply" }],
    ["success that is no JSON", () => new Response("ok"), { outcome: "transient", code: "unexpected_reply" }],
    [
      "an endless body",
      () => new Response("x".repeat(2 * 1024 * 1024)),
      { outcome: "transient", code: "too_large" },
    ],
  ];
  for (const [name, reply, expected] of failures) {
    test(`refused with ${name} is ${JSON.stringify(expected)}`, async () => {
      answer = reply;
      expect(await oauth.refresh(old, "forced")).toMatchObject(expected);
      expect(seen).toHaveLength(1);
    });
  }

  test("without a refresh token asks nobody", async () => {
    expect(await oauth.refresh({ ...old, refreshToken: null }, "scheduled")).toMatchObject({
      code: "refresh_token_missing",
    });
    expect(seen).toHaveLength(0);
  });
});

test("no server, and a server that never answers, are told apart", async () => {
  const closed = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const url = closed.url.href;
  await closed.stop(true);
  expect(await callJson(fetch, { url })).toEqual({ kind: "failed", code: "network" });
  answer = () => new Promise(() => {});
  expect(await callJson(fetch, { url: server.url.href, timeoutMs: 50 })).toEqual({
    kind: "failed",
    code: "timeout",
  });
  answer = () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("{")) }));
  expect(await callJson(fetch, { url: server.url.href, timeoutMs: 50 })).toEqual({
    kind: "failed",
    code: "timeout",
  });
});

test("error codes are found in every shape, and only codes", () => {
  for (const [body, code] of [
    [{ error: { code: "a_b" } }, "a_b"],
    [{ error: { code: null, type: "t" } }, "t"],
    [{ error: "invalid_grant" }, "invalid_grant"],
    [{ detail: { code: "deactivated_workspace" } }, "deactivated_workspace"],
    [{ error: "some text\r\nwith more" }, null],
    [{ detail: "text" }, null],
    [undefined, null],
  ] as const) {
    expect(errorCodeOf(body)).toBe(code);
  }
});

describe("a browser login", () => {
  test("asks with PKCE, under our originator, and a fresh state each time", () => {
    const login = oauth.startBrowserLogin();
    const url = new URL(login.authorizationUrl);
    expect(url.origin + url.pathname).toBe(`${issuerUrl}/oauth/authorize`);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      response_type: "code",
      client_id: OAUTH_CLIENT_ID,
      redirect_uri: "http://127.0.0.1:1455/auth/callback",
      scope: "openid profile email offline_access api.connectors.read api.connectors.invoke",
      code_challenge: createHash("sha256").update(login.codeVerifier.reveal()).digest("base64url"),
      code_challenge_method: "S256",
      id_token_add_organizations: "true",
      codex_cli_simplified_flow: "true",
      state: login.state,
      originator: "codex_lb",
    });
    expect(login.codeVerifier.reveal()).toHaveLength(86);
    expect(oauth.startBrowserLogin().state).not.toBe(login.state);
  });

  const grant = {
    code: new Secret("ac_web"),
    codeVerifier: new Secret("v"),
    redirectUri: "http://127.0.0.1:1455/auth/callback",
  };
  test("exchanges the code as a form for a login", async () => {
    answer = () =>
      Response.json({
        access_token: newAccess,
        refresh_token: "rt",
        id_token: jwt({ email: "ann@example.com" }),
      });
    const result = await oauth.exchangeCode(grant);
    expect(seen[0]!.body).toBe(
      `grant_type=authorization_code&client_id=${OAUTH_CLIENT_ID}&code=ac_web&redirect_uri=http%3A%2F%2F127.0.0.1%3A1455%2Fauth%2Fcallback&code_verifier=v`,
    );
    expect(seen[0]!.headers.get("content-type")).toBe("application/x-www-form-urlencoded");
    expect(result).toMatchObject({
      outcome: "login",
      login: { email: "ann@example.com", identity: { chatgptUserId: "user-1" } },
    });
  });
  test("says why it failed", async () => {
    answer = () => Response.json({ error: "invalid_grant" }, { status: 400 });
    expect(await oauth.exchangeCode(grant)).toMatchObject({ outcome: "rejected", code: "invalid_grant" });
    answer = () => Response.json({ access_token: "names-nobody", refresh_token: "rt" });
    expect(await oauth.exchangeCode(grant)).toMatchObject({
      outcome: "rejected",
      code: "auth_json_no_account",
    });
  });
});

test("a device login goes from code to login", async () => {
  answer = () =>
    Response.json({
      device_auth_id: "dev_auth_1",
      user_code: "ABCD-12345",
      interval: "5",
      expires_at: "2026-08-01T12:15:00Z",
    });
  const started = await oauth.startDeviceLogin();
  expect(started).toMatchObject({
    outcome: "started",
    userCode: "ABCD-12345",
    verificationUrl: `${issuerUrl}/codex/device`,
    intervalSeconds: 5,
    expiresAtMs: NOW + 900_000,
  });
  if (started.outcome !== "started") throw new Error(started.outcome);

  answer = () => Response.json({ error: "pending" }, { status: 403 });
  expect(await oauth.pollDeviceLogin(started)).toEqual({ outcome: "pending" });
  answer = () => Response.json({ authorization_code: "ac_1", code_challenge: "c", code_verifier: "cv_1" });
  const polled = await oauth.pollDeviceLogin(started);
  if (polled.outcome !== "authorized") throw new Error(polled.outcome);
  answer = () => Response.json({ access_token: newAccess, refresh_token: "rt" });
  expect(await oauth.exchangeDeviceCode(polled)).toMatchObject({ outcome: "login" });

  expect(seen.map(({ path }) => path)).toEqual([
    "/api/accounts/deviceauth/usercode",
    "/api/accounts/deviceauth/token",
    "/api/accounts/deviceauth/token",
    "/oauth/token",
  ]);
  expect(JSON.parse(seen[0]!.body)).toEqual({ client_id: OAUTH_CLIENT_ID });
  expect(JSON.parse(seen[1]!.body)).toEqual({ device_auth_id: "dev_auth_1", user_code: "ABCD-12345" });
  expect(seen[3]!.body).toContain(
    `redirect_uri=${encodeURIComponent(`${issuerUrl}/deviceauth/callback`)}&code_verifier=cv_1`,
  );
  expect(seen.every(({ headers }) => headers.get("originator") === null)).toBe(true);
});

test("a device login that is switched off or ended says what to do", async () => {
  answer = () => new Response(null, { status: 404 });
  expect(await oauth.startDeviceLogin()).toMatchObject({ outcome: "rejected", code: "rejected" });
  answer = () => Response.json({ error: "expired_token" }, { status: 400 });
  const started = { deviceAuthId: new Secret("d"), userCode: "u" };
  expect(await oauth.pollDeviceLogin(started)).toMatchObject({ outcome: "rejected", code: "expired_token" });
});

test("a login is revoked by its refresh token", async () => {
  answer = () => new Response(null, { status: 200 });
  expect(await oauth.revoke(new Secret("rt_mock_1"))).toEqual({ outcome: "revoked" });
  expect(JSON.parse(seen[0]!.body)).toEqual({
    token: "rt_mock_1",
    token_type_hint: "refresh_token",
    client_id: OAUTH_CLIENT_ID,
  });
  answer = () => new Response(null, { status: 500 });
  expect(await oauth.revoke(new Secret("rt"))).toEqual({ outcome: "failed", code: "http_500" });
});

test("whoami names the owner of a personal access token", async () => {
  answer = () =>
    Response.json({
      email: "ann@example.com",
      chatgpt_user_id: "user-1",
      chatgpt_account_id: "acct-1",
      chatgpt_plan_type: "Team",
      chatgpt_account_is_fedramp: false,
    });
  expect(await oauth.whoami(new Secret("at-mock"))).toEqual({
    outcome: "known",
    identity: { chatgptAccountId: "acct-1", chatgptUserId: "user-1", workspaceId: null },
    email: "ann@example.com",
    planType: "team",
    isFedramp: false,
  });
  expect(seen[0]!.path).toBe("/api/accounts/v1/user-auth-credential/whoami");
  expect(seen[0]!.headers.get("authorization")).toBe("Bearer at-mock");
  answer = () => new Response(null, { status: 401 });
  expect(await oauth.whoami(new Secret("at-mock"))).toEqual({ outcome: "unauthorized" });
});
