/** Claims about strangers at the door, over real sockets: no path, host, header, size or pace gets anybody further. docs/security.md lists them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createHttpServer, pathOf } from "./server.ts";
import { createLocate } from "./locality.ts";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { BEHIND_PROXY, createVisitor, NO_ADMIN_TOKEN, type Visitor } from "../testing/visitor.ts";

const PASSWORD = "correct horse battery";
const GUEST_PASSWORD = "look but do not touch";

/** `open`: the first run, on this machine without any credential. `closed`: with a password, guests, an admin token and key auth. */
let open: RunningService;
let closed: RunningService;
let owner: Visitor;
let guest: Visitor;

beforeAll(async () => {
  open = await startService({ env: NO_ADMIN_TOKEN });
  closed = await startService({ env: BEHIND_PROXY });
  const put = (path: string, json: unknown) => closed.adminJson(path, { method: "PUT", json });
  await closed.adminJson("/api/dashboard-auth/password/setup", { json: { password: PASSWORD } });
  await put("/api/settings", { guestAccessEnabled: true, apiKeyAuthEnabled: true });
  await put("/api/dashboard-auth/guest-password", { password: GUEST_PASSWORD });
  const signIn = async (password: string) => {
    const visitor = createVisitor(closed);
    await visitor.ask("POST", "/api/dashboard-auth/password/login", { password });
    return visitor;
  };
  owner = await signIn(PASSWORD);
  guest = await signIn(GUEST_PASSWORD);
});
afterAll(async () => {
  await open.stop();
  await closed.stop();
});

/** Sends bytes as they are; resolves with all that came back when the other side closes, or after its first complete-looking answer. */
function raw(
  service: RunningService,
  bytes: string,
  options: { untilClosed?: boolean } = {},
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let received = "";
  const socket = connect(Number(new URL(service.url).port), "127.0.0.1", () => void socket.write(bytes));
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    if (!options.untilClosed && received.includes("\r\n\r\n")) socket.end();
  });
  socket.on("error", () => resolve(received));
  socket.on("close", () => resolve(received));
  return promise;
}

const get = (service: RunningService, target: string, headers = `Host: ${new URL(service.url).host}`) =>
  raw(service, `GET ${target} HTTP/1.1\r\n${headers}\r\nConnection: close\r\n\r\n`, { untilClosed: true });

const statusOf = (reply: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(reply)?.[1] ?? 0);

describe("every route of the admin API", () => {
  /** Each one, with ids that are none: who may not ask learns nothing of what is there. */
  async function routes(): Promise<{ method: string; path: string }[]> {
    const { paths } = await closed.adminJson<{ paths: Record<string, Record<string, unknown>> }>(
      "/api/openapi.json",
    );
    return Object.entries(paths).flatMap(([template, methods]) =>
      Object.keys(methods).map((method) => ({
        method: method.toUpperCase(),
        path: template.replaceAll(/\{\w+\}/g, "none"),
      })),
    );
  }
  const OPEN_TO_ALL = ["session", "password/setup", "password/login", "totp/verify", "logout"].map(
    (name) => `/api/dashboard-auth/${name}`,
  );

  test("refuses nobody at the door, all but the way in", async () => {
    const all = await routes();
    expect(all.length).toBeGreaterThan(50);
    for (const { method, path } of all) {
      const { status, code } = await createVisitor(closed, { from: "203.0.113.50" }).ask(method, path);
      const isOpen = OPEN_TO_ALL.includes(path);
      expect(`${method} ${path} ${isOpen ? "open" : status}`).toBe(
        `${method} ${path} ${isOpen ? "open" : 401}`,
      );
      if (!isOpen) expect(code).toBe("authentication_required");
    }
  });

  test("lets a guest change nothing", async () => {
    for (const { method, path } of await routes()) {
      if (method === "GET" || OPEN_TO_ALL.includes(path)) continue;
      const { status, code } = await guest.ask(method, path, {});
      expect(`${method} ${path} ${status} ${code}`).toBe(`${method} ${path} 403 read_only_access`);
    }
  });

  test("lets no page of another site change anything, although the browser sends the owner's cookie", async () => {
    const foreign = [
      { origin: "https://evil.example.com", "sec-fetch-site": "cross-site" },
      { origin: "https://evil.example.com", "sec-fetch-site": "" },
      { origin: "null", "sec-fetch-site": "" },
      { origin: "", "sec-fetch-site": "same-site" },
      { origin: "http://127.0.0.1:1", "sec-fetch-site": "" },
    ];
    const changing = (await routes()).filter(({ method }) => method !== "GET");
    for (const headers of foreign) {
      for (const { method, path } of changing) {
        const { status, code } = await owner.ask(method, path, {}, headers);
        expect(`${method} ${path} ${status} ${code}`).toBe(`${method} ${path} 403 cross_origin_refused`);
      }
    }
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(200);
    expect((await owner.ask("GET", "/api/accounts", undefined, foreign[0])).status).toBe(401);
  });

  test("answers with strict headers, and nothing of it is kept anywhere", async () => {
    for (const path of ["/api/accounts", "/api/none", "/health", "/", "/api-docs"]) {
      const { headers } = await owner.ask("GET", path);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
      expect(headers.get("content-security-policy")).not.toMatch(/script-src[^;]*unsafe/);
      expect(headers.get("access-control-allow-origin")).toBeNull();
      if (path.startsWith("/api/")) expect(headers.get("cache-control")).toBe("no-store");
    }
  });
});

describe("a path", () => {
  test.each([
    "//api/accounts",
    "/api//accounts",
    "///api///accounts",
    "/API/accounts",
    "/Api/Accounts",
    "/%61pi/accounts",
    "/api%2faccounts",
    "/api/%61ccounts",
    "/./api/accounts",
    "/x/../api/accounts",
    "/%2e/api/accounts",
    "/assets/%2e%2e/api/accounts",
    "/assets/..%2fapi/accounts",
    "\\api\\accounts",
    "/\\api/accounts",
    "/api/accounts/",
    "/api/accounts/.",
    "/api/accounts%00",
    "/api/accounts;x=1",
    "/api/accounts?x=/health",
    "/health/../api/accounts",
    "/api/dashboard-auth/session/../../accounts",
    "/api/dashboard-auth/session%2f..%2f..%2faccounts",
    "http://127.0.0.1/api/accounts",
    "http://evil.example.com//api/accounts",
  ])("%s lets nobody read the accounts", async (target) => {
    const { accounts } = await closed.adminJson<{ accounts: { accountId: string }[] }>("/api/accounts");
    const reply = await get(closed, target);
    expect([400, 401, 404]).toContain(statusOf(reply));
    expect(reply).not.toContain(accounts[0]!.accountId);
  });

  /** The router looks for the path from the twelfth character of the URL on, wherever the host ends. */
  test.each(["a", "ab", "abc", "abcd", "a.", "1", "[::]", "a:80", "a?", "a#", "a/b"])(
    "behind the short host %s is guarded as it is routed",
    async (host) => {
      const { accounts } = await closed.adminJson<{ accounts: { accountId: string }[] }>("/api/accounts");
      for (const before of ["", "/", "/z", "/zz", "/zzz", "/zzzz", "/zz/zz", "/health", "/v1", "/assets"]) {
        for (const path of ["/api/accounts", "/api/settings", "/metrics", "/metrics/"]) {
          const reply = await get(closed, before + path, `Host: ${host}\r\nX-Forwarded-For: 203.0.113.9`);
          expect(reply).not.toContain(accounts[0]!.accountId);
          expect(reply).not.toMatch(/routingStrategy|codex_lb_/);
        }
      }
    },
  );

  test("behind a short host leads where it does behind a long one", async () => {
    for (const host of ["a", "nas", "codex-lb.example.com"]) {
      const reply = await get(closed, "/health", `Host: ${host}`);
      expect(statusOf(reply)).toBe(200);
      expect(reply).toContain('"status":"ok"');
      const body = JSON.stringify({ password: "not the password" });
      const login = await raw(
        closed,
        `POST /api/dashboard-auth/password/login HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nX-Forwarded-For: 203.0.113.8\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        { untilClosed: true },
      );
      expect(login).toContain("invalid_password");
    }
  });

  test.each(["/metrics", "/metrics/", "//metrics", "/%6detrics/", "/Metrics", "/x/../metrics/"])(
    "%s shows nobody the figures",
    async (target) => {
      const reply = await get(closed, target, "Host: evil.example.com");
      expect([401, 404]).toContain(statusOf(reply));
      expect(reply).not.toContain("codex_lb_");
    },
  );

  test.each([
    "//v1/models",
    "/V1/models",
    "/v1//models",
    "/%761/models",
    "/v1/../v1/models",
    "/backend-api//codex/models",
  ])("%s gets nobody past the keys", async (target) => {
    const reply = await get(closed, target);
    expect([400, 401, 404]).toContain(statusOf(reply));
    expect(reply).not.toContain("gpt-5");
  });

  test.each([
    "/assets/../../package.json",
    "/assets/%2e%2e/%2e%2e/package.json",
    "/assets/..%2f..%2fpackage.json",
    "/assets/..%5c..%5cpackage.json",
    "/assets/....//....//package.json",
    "/assets//etc/passwd",
    "/..%2f..%2f..%2f..%2fetc/passwd",
    "/../package.json",
    "/package.json",
    "/.env",
    "/encryption.key",
    "/codex-lb.db",
    "/index.html%00.js",
    "/src/main.ts",
  ])("%s leads to no file outside the dashboard", async (target) => {
    const reply = await get(open, target);
    expect(statusOf(reply)).toBe(404);
    expect(reply).not.toMatch(/"private"|root:|CODEX_LB|SQLite/);
  });
});

describe("a host or a forwarding header", () => {
  const { host } = new URL("http://127.0.0.1:1");
  test.each<[string, string]>([
    ["another name", "Host: evil.example.com"],
    ["two names", "Host: 127.0.0.1, evil.example.com"],
    ["two hosts", `Host: evil.example.com\r\nHost: ${host}`],
    ["a loopback name with more behind", "Host: 127.0.0.1.evil.example.com"],
    ["user and host", "Host: 127.0.0.1@evil.example.com"],
    ["no host that could be one", "Host: a b/c?d"],
    ["the address of every interface", "Host: 0.0.0.0"],
    ["a forwarded address", `Host: ${host}\r\nX-Forwarded-For: 127.0.0.1`],
    ["a forwarded host", `Host: evil.example.com\r\nX-Forwarded-Host: 127.0.0.1`],
    ["a real address", `Host: ${host}\r\nX-Real-IP: 127.0.0.1`],
    ["the standard's own header", `Host: ${host}\r\nForwarded: for=127.0.0.1`],
  ])("%s makes nobody local", async (_, headers) => {
    expect([400, 401]).toContain(statusOf(await get(open, "/api/accounts", headers)));
    expect([400, 403]).toContain(statusOf(await get(open, "/v1/models", headers)));
  });

  test("the control: a loopback name from this machine is local", async () => {
    expect(statusOf(await get(open, "/api/accounts"))).toBe(200);
    expect(statusOf(await get(open, "/v1/models"))).toBe(200);
  });
});

describe("a body", () => {
  const head = (path: string, headers: string) =>
    `POST ${path} HTTP/1.1\r\nHost: ${new URL(closed.url).host}\r\nContent-Type: application/json\r\n${headers}\r\n\r\n`;

  test.each<[string, string, number]>([
    ["/api/dashboard-auth/password/login", "Content-Length: 20000", 413],
    ["/api/dashboard-auth/password/login", "Transfer-Encoding: chunked", 411],
    ["/api/accounts/import", "Content-Length: 99999999999", 413],
    ["/v1/responses", "Content-Length: 999999999", 401],
    ["/backend-api/codex/responses", "Transfer-Encoding: chunked", 401],
  ])("%s with %s is refused before any of it is read", async (path, headers, status) => {
    expect(statusOf(await raw(closed, head(path, headers)))).toBe(status);
  });

  test.each(["/backend-api", "/pooled/backend-api"])(
    "of a stranger's analytics below %s is not waited for",
    async (base) => {
      const path = `${base}/codex/analytics-events/events`;
      expect(statusOf(await raw(closed, head(path, "Content-Length: 100000000")))).toBe(200);
    },
  );

  test("that is nothing but nesting is refused, and the service lives", async () => {
    const json = "[".repeat(8_000) + "]".repeat(8_000);
    const deep = await closed.fetch("/api/dashboard-auth/password/login", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: json,
    });
    expect(deep.status).toBe(422);
    expect((await closed.fetch("/health")).status).toBe(200);
  });

  test("a head that is too large is refused", async () => {
    const reply = await get(open, "/health", `Host: 127.0.0.1\r\nX-Long: ${"x".repeat(200_000)}`);
    expect(statusOf(reply)).toBe(431);
  });
});

test("a hundred heads that never end hold nobody else up, and are cut off", async () => {
  const startedAt = performance.now();
  const slow = Array.from({ length: 100 }, () =>
    raw(open, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ", { untilClosed: true }),
  );
  expect((await open.fetch("/health")).status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(2_000);
  await Promise.all(slow);
  expect(performance.now() - startedAt).toBeLessThan(18_000);
}, 20_000);

test("a body that stops coming is not waited for", async () => {
  const server = createHttpServer({
    hostname: "127.0.0.1",
    port: 0,
    tls: null,
    locate: createLocate({ trustedProxies: [], tls: false }),
    proxyRoutes: [],
    socketRoutes: [],
    bodyTimeoutS: 1,
    application: async (request) => new Response(await request.text()),
    onError: () => new Response("", { status: 500 }),
  });
  const { url } = server.start();
  const reply = await raw(
    { url } as RunningService,
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    {
      untilClosed: true,
    },
  );
  expect(reply).not.toContain("200 OK");
  await server.stop();
});

test("a connection on which nothing more is asked is let go, one that was let in stays", async () => {
  const server = createHttpServer({
    hostname: "127.0.0.1",
    port: 0,
    tls: null,
    locate: createLocate({ trustedProxies: [], tls: false }),
    proxyRoutes: [
      {
        method: "GET",
        path: "/let-in",
        handle(_, client) {
          client.mayBeSilent!();
          return new Response("in");
        },
      },
    ],
    socketRoutes: [],
    idleTimeoutS: 2,
    application: (request) => (pathOf(request.url) === "/events" ? events() : new Response("out")),
    onError: () => new Response("", { status: 500 }),
  });
  const events = () =>
    new Response(new ReadableStream({ start: (controller) => controller.enqueue("data: 1\n\n") }), {
      headers: { "content-type": "text/event-stream" },
    });
  const { url } = server.start();
  const ask = (head: string) => raw({ url } as RunningService, head, { untilClosed: true });
  let staying = 2;
  const stays = ["/let-in", "/events"].map(async (path) => {
    const reply = await ask(`GET ${path} HTTP/1.1\r\nHost: long.example.com\r\n\r\n`);
    staying--;
    return reply;
  });
  const silent = (next: string) => ask(`GET / HTTP/1.1\r\nHost: long.example.com\r\n\r\n${next}`);
  expect(await silent("")).toEndWith("out");
  expect(await silent("GET /again HTTP/1.1\r\nX-Never")).toEndWith("out");
  expect(staying).toBe(2);
  await server.stop();
  const [letIn, listening] = await Promise.all(stays);
  expect(letIn).toEndWith("in");
  expect(listening).toContain("data: 1");
}, 20_000);

test("each line of the threat table names tests that exist", () => {
  const root = join(import.meta.dir, "..", "..");
  const rows = readFileSync(join(root, "docs/security.md"), "utf8")
    .match(/^\|.*\|$/gm)!
    .slice(2);
  const threats = rows.filter((row) => row.split("|").length === 5);
  const claims = threats.map((row) => row.split("|")[3]!).filter((cell) => /\.test\.ts|the same/.test(cell));
  expect(claims.length).toBeGreaterThan(20);
  for (const cell of claims) {
    let text = "";
    for (const [, file, quoted] of cell.matchAll(/`([\w/.-]+\.test\.ts)`|"([^"]+)"/g)) {
      if (file !== undefined) text = readFileSync(join(root, file), "utf8");
      else expect(text).toContain(quoted!);
    }
  }
});

describe("upstream's headers", () => {
  test("cannot set cookies here, open anything to other pages, or carry control characters", async () => {
    open.simulator.addFault({
      act: {
        kind: "status",
        status: 400,
        headers: {
          "set-cookie": "codex_lb_dashboard_session=planted",
          "access-control-allow-origin": "*",
          "access-control-allow-credentials": "true",
          "x-odd": "a\u0001b\u001b[31m",
          "x-split": "a\r\nset-cookie: codex_lb_dashboard_session=planted2",
        },
        body: { error: { message: "no", type: "invalid_request_error", code: "bad" } },
      },
    });
    const reply = await open.fetch("/backend-api/codex/responses", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(TURN_BODY),
    });
    expect(reply.status).toBe(400);
    expect(reply.headers.getSetCookie()).toEqual([]);
    for (const [name, value] of reply.headers) {
      expect(name).not.toStartWith("access-control-");
      expect(value).not.toMatch(/\p{Cc}/u);
    }
  });
});

test("a wrong token and the end of a login are in the audit log", async () => {
  await closed.fetch("/api/accounts", { headers: { authorization: "Bearer guessed-token" } });
  const { flowId } = await closed.adminJson<{ flowId: string }>("/api/oauth/start", { json: {} });
  await closed.adminJson("/api/oauth/cancel", { json: { flowId } });
  const { logs } = await closed.adminJson<{ logs: Record<string, unknown>[] }>("/api/audit-logs?limit=500");
  const details = expect.objectContaining({ flowId });
  expect(logs).toContainEqual(expect.objectContaining({ action: "token.refused", actor: "anonymous" }));
  expect(logs).toContainEqual(
    expect.objectContaining({ action: "login.start", actor: "admin_token", details }),
  );
  expect(logs).toContainEqual(expect.objectContaining({ action: "login.failure", actor: "system", details }));
  expect(JSON.stringify(logs)).not.toContain("guessed-token");
});

test("what a client sends cannot forge a line of the log", async () => {
  const forged = "x\n2026-01-01T00:00:00.000Z info  forged line\u001b[2J";
  await open.turn({ body: { model: forged }, headers: { "user-agent": "agent\u009b2J" } });
  await createVisitor(open).ask("POST", "/api/dashboard-auth/password/login", { password: forged });
  const all = open.lines.join("");
  expect(all).not.toMatch(/^2026-01-01T00:00:00.000Z info {2}forged/m);
  expect(all.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});

test("no secret is compared in a time that tells how much of it was right", () => {
  const folders = ["http", "pool"].map((name) => join(import.meta.dir, "..", name));
  const files = folders.flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)));
  // Both sides of this one are ours: the token in memory and the one on disk.
  const exempt = join("pool", "tokens.ts");
  const sources = files.filter((file) => !file.includes(".test.") && !file.endsWith(exempt));
  const offenders = sources.filter((file) =>
    /reveal\(\)\s*[!=]==|[!=]==\s*[\w.?]*reveal\(\)/.test(readFileSync(file, "utf8")),
  );
  expect(sources.length).toBeGreaterThan(40);
  expect(offenders).toEqual([]);
});
