/** Claims about logins under way, against the simulated issuer: how they go, how they end, and what they never do. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { accountIdOf, type ChatGptLogin } from "../core/credentials.ts";
import { newAccount } from "../core/new-account.ts";
import type { Account } from "../core/account.ts";
import { createLog, systemRandom } from "../ports.ts";
import { createSimulator, type Simulator } from "../simulator/simulator.ts";
import { createFakeClock, type FakeClock } from "../testing/fake-clock.ts";
import { createOauth, type Oauth } from "../upstream/oauth.ts";
import { createLoginFlows, type LoginFlow, type LoginFlows, revokeLogin } from "./login-flows.ts";

let simulator: Simulator;
let clock: FakeClock;
let logins: LoginFlows;
let imported: ChatGptLogin[];
let known: Map<string, Account>;
let ends: string[];
let oauth: Oauth;
let listener: { openings: number; isOpen: boolean; portIsFree: boolean };

beforeEach(async () => {
  clock = createFakeClock(Date.now());
  simulator = createSimulator({ accounts: [{}, { planType: "team" }] });
  const { authBaseUrl } = await simulator.start();
  imported = [];
  ends = [];
  known = new Map();
  listener = { openings: 0, isOpen: false, portIsFree: true };
  oauth = createOauth({
    issuerUrl: authBaseUrl,
    names: { originator: "codex_cli_rs", userAgent: "codex-lb" },
    ports: { fetch, clock, random: systemRandom },
  });
  logins = createLoginFlows({
    oauth,
    importer: {
      importLogin(login) {
        imported.push(login);
        return newAccount(login, clock.now());
      },
    },
    pool: { get: (id) => known.get(id) ?? null },
    listener: {
      open() {
        listener.openings++;
        listener.isOpen = listener.portIsFree;
        return listener.portIsFree;
      },
      close() {
        listener.isOpen = false;
        return Promise.resolve();
      },
    },
    ended: (flow, end) => void ends.push(`${flow.method} ${end.status}`),
    clock,
    random: systemRandom,
    log: createLog({ level: "error", format: "text", write: () => {} }),
  });
});
afterEach(async () => {
  await logins.stop();
  expect(clock.pendingTimers()).toBe(0);
  await simulator.stop();
});

/** The simulated person's browser: where the issuer sends it. */
async function browse(authorizationUrl: string): Promise<string> {
  return (await fetch(authorizationUrl, { redirect: "manual" })).headers.get("location")!;
}

/** Lets answers on their way arrive, until `done`. */
async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}

const device = (accountId: string | null = null) => logins.start({ method: "device", accountId });
const browser = (accountId: string | null = null) => logins.start({ method: "browser", accountId });
const pollCount = () => simulator.requests.filter(({ target }) => target.endsWith("deviceauth/token")).length;

test("a device login polls at the issuer's pace, and succeeds when the person has entered the code", async () => {
  const flow = await device();
  expect(flow).toMatchObject({ method: "device", intervalSeconds: 5, end: null, authorizationUrl: null });
  expect(flow.verificationUrl).toEndWith("/codex/device");
  for (let polls = 1; polls <= 3; polls++) {
    clock.advance(5000);
    await until(() => pollCount() === polls && clock.pendingTimers() === 2);
  }
  simulator.approveDevice(flow.userCode!);
  clock.advance(5000);
  await until(() => flow.end !== null);
  expect(flow.end).toEqual({ status: "success", accountId: accountIdOf(imported[0]!.identity) });
  expect(ends).toEqual(["device success"]);
});

test("asking at once needs no waiting, and several at once redeem the code once", async () => {
  const flow = await device();
  simulator.approveDevice(flow.userCode!);
  await Promise.all([logins.poll(flow.id), logins.poll(flow.id), logins.poll(flow.id)]);
  expect(flow.end).toMatchObject({ status: "success" });
  expect(imported).toHaveLength(1);
});

test("a device login that nobody finishes ends at the issuer's deadline", async () => {
  const flow = await device();
  clock.advance(15 * 60_000 + 5_000);
  expect(flow.end).toMatchObject({ status: "error", code: "login_expired" });
});

test("an issuer that fails for a while does not end the login", async () => {
  const flow = await device();
  simulator.addFault({ route: "device", act: { kind: "status", status: 503, body: {} } });
  await logins.poll(flow.id);
  expect(flow.end).toBeNull();
  simulator.clearFaults();
  simulator.approveDevice(flow.userCode!);
  await logins.poll(flow.id);
  expect(flow.end).toMatchObject({ status: "success" });
});

test("a browser login ends at the listener, which is open for just as long", async () => {
  const flow = await browser();
  expect(flow).toMatchObject({ method: "browser", listening: true, userCode: null });
  expect(listener.isOpen).toBe(true);
  await logins.callback(await browse(flow.authorizationUrl!), null);
  expect(flow.end).toMatchObject({ status: "success" });
  expect(listener.isOpen).toBe(false);
});

test("with the port taken the address is pasted, whole or only its query, from any host", async () => {
  listener.portIsFree = false;
  const flow = await browser();
  expect(flow.listening).toBe(false);
  const { search } = new URL(await browse(flow.authorizationUrl!));
  await logins.callback(` http://localhost:1455/auth/callback${search}#_=_ `, flow.id);
  expect(flow.end).toMatchObject({ status: "success" });
});

test("an address of another login, without a code, or that is none, changes nothing", async () => {
  const flow = await browser();
  const other = await browser();
  const address = await browse(other.authorizationUrl!);
  const refusals: [string, string][] = [
    [address, "login_state_mismatch"],
    ["http://127.0.0.1:1455/auth/callback?code=abc&state=forged", "login_state_mismatch"],
    ["http://127.0.0.1:1455/auth/callback?state=abc", "invalid_callback_url"],
    ["https://example.com/", "invalid_callback_url"],
    ["", "invalid_callback_url"],
  ];
  for (const [url, code] of refusals) {
    await expect(logins.callback(url, flow.id)).rejects.toMatchObject({ code });
  }
  expect([flow.end, other.end]).toEqual([null, null]);
  expect(imported).toHaveLength(0);
});

test("a refusal on OpenAI's page ends the login, and its words do not reach ours", async () => {
  const flow = await browser();
  const { state } = Object.fromEntries(new URL(flow.authorizationUrl!).searchParams);
  await logins.callback(`?error=access_denied&error_description=<b>click+here</b>&state=${state}`, null);
  expect(flow.end).toEqual({
    status: "error",
    code: "login_refused",
    message: "OpenAI did not log you in (access_denied).",
  });
});

test("a code that the issuer does not take ends the login, and is not tried twice", async () => {
  const flow = await browser();
  const { state } = Object.fromEntries(new URL(flow.authorizationUrl!).searchParams);
  await logins.callback(`?code=forged&state=${state}`, flow.id);
  expect(flow.end).toMatchObject({ status: "error", code: "invalid_grant" });
  const right = await browse(flow.authorizationUrl!);
  expect((await logins.callback(right, flow.id)).end).toMatchObject({ status: "error" });
});

test("logging in again as somebody else names both and changes nothing", async () => {
  simulator.setLoginAccount(0);
  const first = await browser();
  await logins.callback(await browse(first.authorizationUrl!), first.id);
  const account = newAccount(imported[0]!, clock.now());
  known.set(account.id, account);

  simulator.setLoginAccount(1);
  const wrong = await browser(account.id);
  expect(wrong.authorizationUrl).toContain(`allowed_workspace_id=${account.chatgptAccountId}`);
  await logins.callback(await browse(wrong.authorizationUrl!), wrong.id);
  const emails = simulator.accounts().map(({ email }) => email);
  expect(wrong.end).toMatchObject({ status: "error", code: "login_wrong_account" });
  for (const email of emails) expect((wrong.end as { message: string }).message).toContain(email);
  expect(imported).toHaveLength(1);

  simulator.setLoginAccount(0);
  const right = await browser(account.id);
  await logins.callback(await browse(right.authorizationUrl!), right.id);
  expect(right.end).toEqual({ status: "success", accountId: account.id });
});

test("an account that is not there cannot log in again", async () => {
  await expect(device("acc_none")).rejects.toMatchObject({ code: "account_not_found", status: 404 });
});

test("where device codes are refused the browser takes over, unless the device was asked for", async () => {
  const refuse = () =>
    simulator.addFault({
      route: "device",
      act: { kind: "status", status: 404, body: { error: { code: "no" } } },
    });
  refuse();
  expect((await logins.start({ method: null, accountId: null })).method).toBe("browser");
  simulator.clearFaults();
  refuse();
  await expect(device()).rejects.toMatchObject({ code: "device_login_refused" });
});

test("a cancelled login takes no code any more, and how it ended stays known", async () => {
  const flow = await browser();
  const address = await browse(flow.authorizationUrl!);
  expect(logins.cancel(flow.id).end).toMatchObject({ code: "login_cancelled" });
  await logins.callback(address, flow.id);
  expect(logins.get(flow.id).end).toMatchObject({ code: "login_cancelled" });
  expect(imported).toHaveLength(0);
  expect(listener.isOpen).toBe(false);
});

test("logging out needs the issuer's word for it", async () => {
  const flow = await device();
  simulator.approveDevice(flow.userCode!);
  await logins.poll(flow.id);
  const { credentials } = imported[0]!;
  const revoke = () => revokeLogin(oauth, credentials);
  simulator.addFault({ route: "revoke", act: { kind: "status", status: 503, body: {} } });
  await expect(revoke()).rejects.toMatchObject({ code: "login_not_revoked", status: 502 });
  await revoke();
  expect(await oauth.refresh(credentials, "forced")).toMatchObject({ outcome: "permanent" });
  const token = { kind: "personal_access_token" as const, accessToken: credentials.accessToken };
  await expect(revokeLogin(oauth, token)).rejects.toMatchObject({ code: "login_not_revoked", status: 409 });
});

test("only so many run at once, and ended ones are forgotten in time", async () => {
  const flows: LoginFlow[] = [];
  for (let n = 0; n < 16; n++) flows.push(await browser());
  await expect(browser()).rejects.toMatchObject({ code: "too_many_logins", status: 429 });
  logins.cancel(flows[0]!.id);
  await browser();
  clock.advance(31 * 60_000);
  const latest = await browser();
  expect(() => logins.get(flows[0]!.id)).toThrow(expect.objectContaining({ code: "login_flow_not_found" }));
  expect(logins.get(null)).toBe(latest);
});
