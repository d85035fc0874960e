/** The token issuer: rotation and reuse, code and device logins, personal tokens; and the backend's small routes. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { decodeJwt } from "./tokens.ts";
import { headersOf, postTurn, startSimulator, turnBody, until, type AnyEvent } from "./test-support.ts";
import type { Simulator } from "./types.ts";

const CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann";

function refresh(simulator: Simulator, token: string): Promise<Response> {
  return fetch(`${simulator.urls.authBaseUrl}/oauth/token`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ client_id: CLIENT_ID, grant_type: "refresh_token", refresh_token: token }),
  });
}

async function postForm(url: string, fields: Record<string, string>): Promise<Response> {
  return fetch(url, { method: "POST", body: new URLSearchParams(fields) });
}

const answer = async (reply: Response) => (await reply.json()) as AnyEvent;

describe("refresh tokens", () => {
  test("rotate; a second use ends the login and is counted", async () => {
    const simulator = await startSimulator();
    const { tokens } = simulator.issueAuthJson(0);
    const rotated = await answer(await refresh(simulator, tokens!.refresh_token));
    expect(rotated["refresh_token"]).not.toBe(tokens!.refresh_token);
    const headers = { authorization: `Bearer ${rotated["access_token"]}` };
    expect((await postTurn(simulator, turnBody("hi"), headers)).status).toBe(200);

    const reused = await refresh(simulator, tokens!.refresh_token);
    expect([reused.status, (await answer(reused)).error.code]).toEqual([401, "refresh_token_reused"]);
    const successor = await refresh(simulator, rotated["refresh_token"]);
    expect((await answer(successor)).error.code).toBe("refresh_token_invalidated");
    expect(simulator.counters).toMatchObject({ refreshes: 3, reuseDetections: 1 });
  });

  test("two at once with a slow reply are a reuse, because rotation happens on arrival", async () => {
    const simulator = await startSimulator();
    const { tokens } = simulator.issueAuthJson(0);
    simulator.addFault({ route: "token", act: { kind: "delay", delayMs: 30 } });
    const replies = await Promise.all([1, 2].map(() => refresh(simulator, tokens!.refresh_token)));
    expect(new Set(replies.map((reply) => reply.status))).toEqual(new Set([200, 401]));
    expect(simulator.counters.reuseDetections).toBe(1);
  });

  test("within the grace time a second use is forgiven", async () => {
    const simulator = await startSimulator({ refreshReuseGraceMs: 60_000 });
    const { tokens } = simulator.issueAuthJson(0);
    expect((await refresh(simulator, tokens!.refresh_token)).status).toBe(200);
    expect((await refresh(simulator, tokens!.refresh_token)).status).toBe(200);
    simulator.advance(60_000);
    expect((await refresh(simulator, tokens!.refresh_token)).status).toBe(401);
  });

  test("are known to a restarted simulator; a failure before the reply does not rotate", async () => {
    const first = await startSimulator();
    const { tokens } = first.issueAuthJson(0);
    const second = await startSimulator();
    second.addFault({ route: "token", act: { kind: "error", name: "server_error" } });
    expect((await refresh(second, tokens!.refresh_token)).status).toBe(500);
    expect((await refresh(second, tokens!.refresh_token)).status).toBe(200);
  });

  test("a revoked one is dead", async () => {
    const simulator = await startSimulator();
    const { tokens } = simulator.issueAuthJson(0);
    const body = JSON.stringify({ token: tokens!.refresh_token, token_type_hint: "refresh_token" });
    const headers = { "content-type": "application/json" };
    await fetch(`${simulator.urls.authBaseUrl}/oauth/revoke`, { method: "POST", headers, body });
    expect((await answer(await refresh(simulator, tokens!.refresh_token))).error.code).toBe(
      "refresh_token_invalidated",
    );
  });
});

test("access tokens carry the claims, expire on the clock, and can be expired early", async () => {
  const simulator = await startSimulator({
    accounts: [{ planType: "team", accessTokenLifetimeMs: 3_600_000 }],
  });
  const headers = headersOf(simulator);
  const claims = decodeJwt(headers["authorization"]!.slice(7))!;
  expect(claims["https://api.openai.com/auth"]).toMatchObject({
    chatgpt_plan_type: "team",
    chatgpt_user_id: "user-000000000001",
  });
  expect((await postTurn(simulator, turnBody("hi"), headers)).status).toBe(200);
  simulator.advance(3_600_000);
  const late = await postTurn(simulator, turnBody("hi"), headers);
  expect([late.status, (await answer(late)).error.code]).toEqual([401, "token_expired"]);
  const fresh = headersOf(simulator);
  simulator.patchAccount(0, { expireAccessTokens: true });
  expect((await postTurn(simulator, turnBody("hi"), fresh)).status).toBe(401);
  expect((await postTurn(simulator, turnBody("hi"))).status).toBe(200);
});

test("the browser login checks PKCE and the redirect", async () => {
  const simulator = await startSimulator({ accounts: [{}, { email: "second@example.com" }] });
  simulator.setLoginAccount(1);
  const verifier = "v".repeat(86);
  const redirect_uri = "http://127.0.0.1:1455/auth/callback";
  const login = async () => {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: CLIENT_ID,
      redirect_uri,
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
      state: "st",
    });
    const reply = await fetch(`${simulator.urls.authBaseUrl}/oauth/authorize?${query.toString()}`, {
      redirect: "manual",
    });
    const target = new URL(reply.headers.get("location")!);
    expect([reply.status, target.searchParams.get("state")]).toEqual([302, "st"]);
    return target.searchParams.get("code")!;
  };
  const exchange = async (code_verifier: string) =>
    postForm(`${simulator.urls.authBaseUrl}/oauth/token`, {
      grant_type: "authorization_code",
      client_id: CLIENT_ID,
      code: await login(),
      redirect_uri,
      code_verifier,
    });
  expect((await exchange("wrong")).status).toBe(400);
  const tokens = await answer(await exchange(verifier));
  expect(decodeJwt(tokens["id_token"])!["email"]).toBe("second@example.com");
});

test("the device login is pending until it is approved, then exchanges like a code", async () => {
  const simulator = await startSimulator();
  const { authBaseUrl } = simulator.urls;
  const postJson = (path: string, body: unknown) =>
    fetch(authBaseUrl + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const { device_auth_id, user_code } = await answer(
    await postJson("/api/accounts/deviceauth/usercode", { client_id: CLIENT_ID }),
  );
  const poll = () => postJson("/api/accounts/deviceauth/token", { device_auth_id, user_code });
  expect((await poll()).status).toBe(403);
  expect((await fetch(`${authBaseUrl}/codex/device?user_code=${user_code}&approve=1`)).status).toBe(200);
  const approved = await answer(await poll());
  const tokens = await postForm(`${authBaseUrl}/oauth/token`, {
    grant_type: "authorization_code",
    client_id: CLIENT_ID,
    code: approved["authorization_code"],
    redirect_uri: `${authBaseUrl}/deviceauth/callback`,
    code_verifier: approved["code_verifier"],
  });
  expect(tokens.status).toBe(200);
});

test("a personal access token is named by whoami and serves turns", async () => {
  const simulator = await startSimulator();
  const authorization = `Bearer ${simulator.issuePatJson(0).personal_access_token}`;
  const who = await fetch(`${simulator.urls.authBaseUrl}/api/accounts/v1/user-auth-credential/whoami`, {
    headers: { authorization },
  });
  expect(await answer(who)).toMatchObject({
    chatgpt_user_id: "user-000000000001",
    chatgpt_plan_type: "plus",
  });
  expect((await postTurn(simulator, turnBody("hi"), { authorization })).status).toBe(200);
});

describe("the backend's other routes", () => {
  test("usage has every field of the capture, with integer percents", async () => {
    const windows = [{ minutes: 300, usedPercent: 33.4 }, { minutes: 10_080 }];
    const featureLimits = [
      {
        limitName: "extra",
        meteredFeature: "codex_bengalfox",
        models: ["gpt-5"],
        windows: [{ minutes: 300 }],
      },
    ];
    const simulator = await startSimulator({ accounts: [{ windows, featureLimits }, { windows: [] }] });
    const get = async (account: number) =>
      answer(
        await fetch(`${simulator.urls.backendBaseUrl}/wham/usage`, {
          headers: headersOf(simulator, account),
        }),
      );
    const captured = (await Bun.file(
      join(import.meta.dir, "fixtures/wham-usage-accepted.json"),
    ).json()) as object;
    const usage = await get(0);
    expect(Object.keys(usage)).toEqual(Object.keys(captured));
    expect(usage["rate_limit"].primary_window.used_percent).toBe(33);
    expect(usage["additional_rate_limits"][0].metered_feature).toBe("codex_bengalfox");
    expect((await get(1))["rate_limit"]).toBeNull();
    const reply = await postTurn(simulator, turnBody("hi"));
    expect(reply.headers.get("x-codex-bengalfox-limit-name")).toBe("extra");
  });

  test("models are filtered by client version and account, and answer 304 to their ETag", async () => {
    const simulator = await startSimulator({ accounts: [{}, { models: ["gpt-5.5"] }] });
    const get = (version: string, account: number, more: Record<string, string> = {}) =>
      fetch(`${simulator.urls.backendBaseUrl}/codex/models?client_version=${version}`, {
        headers: { ...headersOf(simulator, account), ...more },
      });
    const slugs = async (reply: Response) =>
      ((await answer(reply))["models"] as { slug: string }[]).map((model) => model.slug);
    expect(await slugs(await get("0.169.0", 0))).toContain("gpt-6.1-sol");
    expect(await slugs(await get("0.130.0", 0))).not.toContain("gpt-6.1-sol");
    const only = await get("0.169.0", 1);
    expect((await get("0.169.0", 1, { "if-none-match": only.headers.get("etag")! })).status).toBe(304);
    expect(await slugs(only)).toEqual(["gpt-5.5"]);
  });

  test("a reset credit empties the windows once", async () => {
    const simulator = await startSimulator({
      accounts: [{ resetCredits: 1, windows: [{ minutes: 300, usedPercent: 100 }] }],
    });
    const consume = async () =>
      answer(
        await fetch(`${simulator.urls.backendBaseUrl}/wham/rate-limit-reset-credits/consume`, {
          method: "POST",
          headers: headersOf(simulator),
          body: JSON.stringify({ redeem_request_id: "one" }),
        }),
      );
    expect(await consume()).toMatchObject({ code: "reset", windows_reset: 1 });
    expect(simulator.accounts()[0]!.windows[0]!.usedPercent).toBe(0);
    expect(await consume()).toMatchObject({ code: "no_credit" });
  });

  test("the control surface scripts it from outside", async () => {
    const simulator = await startSimulator();
    const control = (method: string, path: string, body?: unknown) =>
      fetch(`${simulator.urls.origin}/__sim/${path}`, {
        method,
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    await control("POST", "faults", { act: { kind: "error", name: "bad_gateway" } });
    const auth = await answer(await control("GET", "accounts/0/auth.json"));
    const headers = { authorization: `Bearer ${auth["tokens"].access_token}` };
    expect((await postTurn(simulator, turnBody("hi"), headers)).status).toBe(502);
    await control("POST", "scripts", { turn: { kind: "text", text: "from outside" } });
    expect(await (await postTurn(simulator, turnBody("hi"), headers)).text()).toContain("from outside");
    const { requests } = await answer(await control("GET", "requests"));
    expect(requests.map((one: AnyEvent) => one["fault"])).toEqual(["before_headers:bad_gateway", null]);
    await control("PATCH", "accounts/0", { login: "token_revoked" });
    expect((await postTurn(simulator, turnBody("hi"), headers)).status).toBe(401);
    const { counters } = await answer(await control("GET", "state"));
    expect(counters).toMatchObject({ faultsFired: 1, openRequests: 0 });
    await until(() => simulator.counters.openRequests === 0);
  });
});
