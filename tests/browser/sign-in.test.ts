/** In a real browser: logging an account in, what a hostile page cannot do, and that our own pages obey their own policy. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { type RunningService, startService, TURN_BODY } from "../../src/testing/running-service.ts";
import { createVisitor, NO_ADMIN_TOKEN } from "../../src/testing/visitor.ts";
import { launchChromium } from "./chromium.ts";

const REBOUND = "rebound.example.com";
let browser: Browser;
let page: Page;
let service: RunningService;

beforeAll(async () => {
  browser = await launchChromium({ hosts: [REBOUND] });
});
afterAll(() => browser.close());
beforeEach(async () => {
  service = await startService({ imported: 0, env: NO_ADMIN_TOKEN, simulator: { authorize: "page" } });
  page = await browser.newPage();
});
afterEach(async () => {
  await page.close();
  await service.stop();
});

const HOSTILE_SCRIPT = await Bun.file(new URL("hostile.js", import.meta.url)).text();

/** Opens a page of somebody else, on this machine's other name; its script is hostile.js. */
async function openHostilePage(): Promise<{ origin: string } & AsyncDisposable> {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response("<!doctype html><title>Prizes</title>", { headers: { "content-type": "text/html" } }),
  });
  const origin = `http://localhost:${server.port}`;
  await page.goto(origin);
  await page.evaluate(HOSTILE_SCRIPT);
  return { origin, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** Calls one of the functions of hostile.js in the page. */
const call = (name: string, argument: unknown = null): Promise<unknown> =>
  page.evaluate(`${name}(${JSON.stringify(argument)})`);

const callbackPort = async () => {
  try {
    await fetch("http://127.0.0.1:1455/", { signal: AbortSignal.timeout(2000) });
    return "open";
  } catch {
    return "closed";
  }
};

test("a browser login ends on our own page, and the port for it is open for just as long", async () => {
  expect(await callbackPort()).toBe("closed");
  const { flowId, authorizationUrl, callbackListening } = await service.adminJson<Record<string, string>>(
    "/api/oauth/start",
    { json: { forceMethod: "browser" } },
  );
  expect(callbackListening as unknown).toBe(true);
  await page.goto(authorizationUrl!);
  await page.click("#continue");
  await page.waitForURL("http://127.0.0.1:1455/auth/callback*");
  expect(await page.textContent("h1")).toBe("Logged in");
  const status = await service.adminJson(`/api/oauth/status?flowId=${flowId}`);
  expect(status).toMatchObject({ status: "success" });
  const { accounts } = await service.adminJson<{ accounts: { accountId: string }[] }>("/api/accounts");
  expect(accounts.map(({ accountId }) => accountId)).toEqual([status.accountId as string]);
  expect(await callbackPort()).toBe("closed");
});

test("two logins at once arrive each at its own end, and a forged return at none", async () => {
  const start = () =>
    service.adminJson<{ flowId: string; authorizationUrl: string }>("/api/oauth/start", {
      json: { forceMethod: "browser" },
    });
  const [one, two] = [await start(), await start()];
  await page.goto("http://127.0.0.1:1455/auth/callback?code=forged&state=forged");
  expect(await page.textContent("h1")).toBe("Not logged in");
  await page.goto(two.authorizationUrl);
  await page.click("#continue");
  await page.waitForURL("http://127.0.0.1:1455/**");
  const statusOf = async ({ flowId }: { flowId: string }) =>
    (await service.adminJson(`/api/oauth/status?flowId=${flowId}`)).status;
  expect([await statusOf(one), await statusOf(two)]).toEqual(["pending", "success"]);
  await service.adminJson("/api/oauth/cancel", { json: { flowId: one.flowId } });
});

test("a hostile page in the owner's browser changes nothing, reads nothing and spends nothing", async () => {
  await service.importAccount(0);
  await using _ = await openHostilePage();
  // The blind turn leaves the browser and is answered with a refusal that the page cannot read.
  const { blindTurn, ...others } = (await call("attack", service.url)) as Record<string, string>;
  expect(blindTurn).toBe("reached: [object Response]");
  expect(Object.keys(others)).toHaveLength(8);
  expect(new Set(Object.values(others))).toEqual(new Set(["failed"]));
  expect((await createVisitor(service).ask("GET", "/api/dashboard-auth/session")).body).toMatchObject({
    role: "admin",
    passwordRequired: false,
  });
  const { logs } = await service.adminJson<{ logs: { action: string }[] }>("/api/audit-logs");
  expect(logs.map(({ action }) => action)).toEqual(["account.import"]);
  const turns = service.simulator.requests.filter(
    ({ route }) => route === "responses" || route === "websocket",
  );
  expect(turns).toEqual([]);
});

const JSON_CALL = { method: "POST", headers: { "content-type": "application/json", "x-anything": "1" } };
const TURN = { ...JSON_CALL, body: JSON.stringify(TURN_BODY) };
const CHANGE = { ...JSON_CALL, method: "PUT", body: "{}" };

test("a page that settings name may call the proxy, with a preflight, and still not the admin API", async () => {
  await service.importAccount(0);
  await using hostile = await openHostilePage();
  const calls = [
    { url: `${service.url}/v1/models` },
    { url: `${service.url}/v1/responses`, ...TURN },
    { url: `${service.url}/api/accounts` },
    { url: `${service.url}/api/settings`, ...CHANGE },
  ];
  expect(await call("ask", calls)).toEqual(["failed", "failed", "failed", "failed"]);
  await service.adminJson("/api/firewall", {
    method: "PUT",
    json: { proxyAllowedOrigins: [hostile.origin] },
  });
  expect(await call("ask", calls)).toEqual([200, 200, "failed", "failed"]);
});

test("a page that rebinds its own name to this machine is a stranger", async () => {
  await service.importAccount(0);
  await page.goto(`http://${REBOUND}:${new URL(service.url).port}/`);
  await page.evaluate(HOSTILE_SCRIPT);
  const calls = [
    { url: "/api/accounts" },
    { url: "/api/settings", ...CHANGE },
    { url: "/v1/models" },
    { url: "/v1/responses", ...TURN },
  ];
  expect(await call("ask", calls)).toEqual([401, 401, 403, 403]);
});

test("our own page loads under its policy, and nothing planted in it would run", async () => {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${service.url}/accounts`);
  await page.waitForSelector("#root > *");
  expect(complaints).toEqual([]);
  await page.evaluate(HOSTILE_SCRIPT);
  expect(await call("plant")).toBe(false);
});

test("no other page can put ours into a frame", async () => {
  await using _ = await openHostilePage();
  await call("frame", service.url);
  const [, framed] = page.frames();
  expect(framed!.url()).toStartWith("chrome-error://");
});
