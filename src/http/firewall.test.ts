/** Claims about the firewall, over HTTP: who comes in by address, who is never shut out, and which pages may call the proxy. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { openSocketClient, TERMINAL } from "../testing/socket-client.ts";
import { BEHIND_PROXY, createVisitor } from "../testing/visitor.ts";

let service: RunningService;
let key: string;
beforeAll(async () => {
  service = await startService({ env: BEHIND_PROXY });
  ({ key } = await service.adminJson<{ key: string }>("/api/api-keys/", { json: { name: "any" } }));
});
afterAll(() => service.stop());
afterEach(() => change({ proxyAllowlist: [], dashboardAllowlist: [], proxyAllowedOrigins: [] }));

const change = (json: unknown) => service.admin("/api/firewall", { method: "PUT", json });

async function models(from: string | null, headers: Record<string, string> = {}) {
  const forwarded: Record<string, string> = from === null ? {} : { "x-forwarded-for": from };
  const authorization = `Bearer ${key}`;
  return service.fetch("/v1/models", { headers: { authorization, ...forwarded, ...headers } });
}

describe("the list of the proxy", () => {
  test("lets in whom it names, refuses others even with a key, and never this machine", async () => {
    expect((await models("203.0.113.9")).status).toBe(200);
    await change({ proxyAllowlist: ["198.51.100.0/24", "2001:db8::/32"] });
    const statuses = [];
    for (const from of ["198.51.100.7", "2001:db8::1", "203.0.113.9", "::ffff:203.0.113.9", null])
      statuses.push((await models(from)).status);
    expect(statuses).toEqual([200, 200, 403, 403, 200]);
    const { error } = (await (await models("203.0.113.9")).json()) as {
      error: { code: string; message: string };
    };
    expect(error).toMatchObject({ code: "ip_forbidden", message: expect.stringMatching(/^codex-lb: /) });
  });

  test("holds for what a key shows to its holder as well", async () => {
    await change({ proxyAllowlist: ["198.51.100.0/24"] });
    for (const path of ["/v1/usage", "/api/v1/me"]) {
      const ask = (from: string) =>
        service.fetch(path, { headers: { authorization: `Bearer ${key}`, "x-forwarded-for": from } });
      expect((await ask("198.51.100.7")).status).toBe(200);
      const refused = await ask("203.0.113.9");
      expect(refused.status).toBe(403);
      expect(await refused.text()).toContain("ip_forbidden");
    }
  });

  test("leaves the dashboard alone", async () => {
    await change({ proxyAllowlist: ["198.51.100.0/24"] });
    expect((await createVisitor(service, { from: "203.0.113.9" }).ask("GET", "/api/accounts")).code).toBe(
      "authentication_required",
    );
  });
});

describe("the list of the dashboard", () => {
  test("refuses pages, admin API and token alike, and leaves health and proxy alone", async () => {
    await change({ dashboardAllowlist: ["198.51.100.0/24"] });
    const elsewhere = createVisitor(service, { from: "203.0.113.9" });
    const authorization = "Bearer admin-token-of-the-tests";
    for (const path of ["/", "/api/accounts", "/api/dashboard-auth/session", "/metrics", "/api-docs"])
      expect((await elsewhere.ask("GET", path, undefined, { authorization })).code).toBe("ip_forbidden");
    expect((await elsewhere.ask("GET", "/health")).status).toBe(200);
    expect((await models("203.0.113.9")).status).toBe(200);
    expect((await service.admin("/api/accounts")).status).toBe(200);
  });

  test("does not lock out who sets it", async () => {
    const headers = { "x-forwarded-for": "203.0.113.9" };
    const set = async (dashboardAllowlist: string[]) => {
      const reply = await service.admin("/api/firewall", {
        method: "PUT",
        json: { dashboardAllowlist },
        headers,
      });
      return reply.status;
    };
    expect(await set(["198.51.100.0/24"])).toBe(409);
    expect(await set(["198.51.100.0/24", "203.0.113.0/24"])).toBe(200);
  });
});

test("it shows itself, the caller's address and the trusted proxies, and says what is wrong with an entry", async () => {
  const headers = { "x-forwarded-for": "203.0.113.9" };
  expect(await service.adminJson("/api/firewall", { headers })).toEqual({
    proxyAllowlist: [],
    dashboardAllowlist: [],
    proxyAllowedOrigins: [],
    trustedProxies: ["127.0.0.1/32"],
    clientIp: "203.0.113.9",
  });
  const refusal = await change({ proxyAllowlist: ["10.0.0.0/99"] });
  expect(refusal.status).toBe(422);
  expect(await refusal.json()).toMatchObject({
    error: { code: "validation_error", param: "proxyAllowlist" },
  });
});

describe("web pages", () => {
  const page = { origin: "https://chat.example.com", "sec-fetch-site": "cross-site" };

  test("may not call the proxy, not even with a key, unless settings name them", async () => {
    expect((await models(null, page)).status).toBe(403);
    expect((await models(null, { "sec-fetch-site": "cross-site" })).status).toBe(403);
    await change({ proxyAllowedOrigins: ["https://chat.example.com"] });
    const allowed = await models(null, page);
    expect([allowed.status, allowed.headers.get("access-control-allow-origin")]).toEqual([200, page.origin]);
    expect((await models(null, { ...page, origin: "https://chat.example.com.evil.example" })).status).toBe(
      403,
    );
  });

  test("get a preflight answered only when they are named", async () => {
    const preflight = () =>
      service.fetch("/v1/responses", {
        method: "OPTIONS",
        headers: { ...page, "access-control-request-headers": "authorization" },
      });
    expect((await preflight()).headers.get("access-control-allow-origin")).toBeNull();
    await change({ proxyAllowedOrigins: ["https://chat.example.com"] });
    expect((await preflight()).headers.get("access-control-allow-headers")).toBe("authorization");
  });
});

describe("a WebSocket that is open already", () => {
  const TURN = { ...TURN_BODY, stream: undefined };

  test("takes no more turns from an address that the list leaves out by now", async () => {
    const headers = { authorization: `Bearer ${key}`, "x-forwarded-for": "203.0.113.9" };
    const client = await openSocketClient(service.url, headers);
    client.create(TURN);
    expect((await client.next(...TERMINAL)).at(-1)!.type).toBe("response.completed");
    await change({ proxyAllowlist: ["198.51.100.0/24"] });
    client.create(TURN);
    expect((await client.next(...TERMINAL)).at(-1)).toMatchObject({ error: { code: "ip_forbidden" } });
    client.close();
  });

  test("takes none without a key once keys are needed", async () => {
    const client = await openSocketClient(service.url);
    client.create(TURN);
    expect((await client.next(...TERMINAL)).at(-1)!.type).toBe("response.completed");
    await service.admin("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
    client.create(TURN);
    expect((await client.next(...TERMINAL)).at(-1)).toMatchObject({ error: { code: "invalid_api_key" } });
    await service.admin("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: false } });
    client.close();
  });
});

test("guessing keys is answered with waiting, and a right key never waits", async () => {
  const guess = async (n: number) => {
    const authorization = `Bearer sk-clb-${String(n).padStart(43, "0")}`;
    return (await models("203.0.113.77", { authorization })).status;
  };
  const statuses = new Set<number>();
  for (let n = 0; n < 32; n++) statuses.add(await guess(n));
  expect([...statuses]).toEqual([401, 429]);
  expect((await models("203.0.113.77")).status).toBe(200);
});
