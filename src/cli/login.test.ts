/** Claims about `codex-lb login` and `codex-lb admin`: both work with the service running and without, against the simulated issuer. */
import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";
import { rmSync } from "node:fs";
import { PassThrough } from "node:stream";
import { type Config, readConfig } from "../config.ts";
import type { Clock, Ports } from "../ports.ts";
import { createLog, systemClock, systemRandom } from "../ports.ts";
import { type RunningService, startService } from "../testing/running-service.ts";
import { createVisitor, NO_ADMIN_TOKEN } from "../testing/visitor.ts";
import { openStore } from "../store/open.ts";
import { adminCommand } from "./admin.ts";
import { loginCommand } from "./login.ts";

/** The issuer wants to be asked every five seconds; here a second takes 20 ms. */
const fastClock: Clock = { ...systemClock, schedule: (ms, task) => systemClock.schedule(ms / 50, task) };
const log = createLog({ level: "error", format: "text", write: () => {} });
const ports: Ports = { clock: fastClock, random: systemRandom, log, fetch };

let service: RunningService;
let output = "";

beforeEach(async () => {
  output = "";
  for (const stream of [process.stdout, process.stderr])
    spyOn(stream, "write").mockImplementation((text) => Boolean((output += String(text))));
  service = await startService({ imported: 0, env: NO_ADMIN_TOKEN, ports: { clock: fastClock } });
});
afterEach(async () => {
  await service.stop();
  for (const stream of [process.stdout, process.stderr]) spyOn(stream, "write").mockRestore();
});

function config(dataDir = service.dataDir): Config {
  const { backendBaseUrl, authBaseUrl } = service.simulator.urls;
  return readConfig({
    env: {
      CODEX_LB_DATA_DIR: dataDir,
      CODEX_LB_UPSTREAM_BASE_URL: backendBaseUrl,
      CODEX_LB_AUTH_BASE_URL: authBaseUrl,
    },
    cwd: dataDir,
    homeDir: dataDir,
  }).config;
}

async function shown(pattern: RegExp): Promise<string> {
  for (;;) {
    const found = pattern.exec(output);
    if (found) return found[1]!;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** As the person does: reads the code, and enters it at the issuer. */
async function enterCode(): Promise<void> {
  const code = await shown(/enter the code\s+(\S+)/);
  expect(service.simulator.approveDevice(code)).toBe(true);
}

/** A data directory on which nothing runs. */
async function withoutService<T>(work: (config: Config) => Promise<T>): Promise<T> {
  const dataDir = `${service.dataDir}-alone`;
  try {
    return await work(config(dataDir));
  } finally {
    rmSync(dataDir, { recursive: true, force: true });
  }
}

describe("login", () => {
  test("with a device code, through the running service, even when that has a password", async () => {
    const owner = createVisitor(service);
    await owner.ask("POST", "/api/dashboard-auth/password/setup", { password: "correct horse battery" });
    const [exitCode] = await Promise.all([loginCommand("device", config(), ports, null), enterCode()]);
    expect(exitCode).toBe(0);
    const { accounts } = (await owner.ask("GET", "/api/accounts")).body as { accounts: { email: string }[] };
    expect(output).toContain(`Added ${accounts[0]!.email} (plus)`);
  });

  test("with a device code, into the database when no service runs", () =>
    withoutService(async (alone) => {
      const [exitCode] = await Promise.all([loginCommand(null, alone, ports, null), enterCode()]);
      expect(exitCode).toBe(0);
      const store = openStore({ dataDir: alone.dataDir, clock: systemClock, log });
      expect(store.accounts.loadAll()).toHaveLength(1);
      store.close();
    }));

  test("with a browser whose address is pasted; a wrong address is said to be one, and can be tried again", async () => {
    const input = new PassThrough();
    const person = (async () => {
      const url = await shown(/log in:\s+(\S+)/);
      input.write("https://example.com/elsewhere\n");
      await shown(/(not the address)/);
      const { headers } = await fetch(url, { redirect: "manual" });
      input.write(`${headers.get("location")}\n`);
    })();
    const [exitCode] = await Promise.all([loginCommand("browser", config(), ports, input), person]);
    expect(exitCode).toBe(0);
    expect(output).toMatch(/Added \S+@\S+ \(plus\)/);
  });

  test("that fails says why and ends with an error", async () => {
    service.simulator.addFault({ route: "device", act: { kind: "status", status: 503, body: {} } });
    await expect(loginCommand("device", config(), ports, null)).rejects.toMatchObject({
      code: "upstream_unavailable",
    });
  });
});

describe("admin reset-password", () => {
  const newPassword = () => /^([\da-f]{6}(?:-[\da-f]{6}){4})$/m.exec(output)![1]!;

  test("lets the owner back in while the service runs: the old password, code and sessions are dead", async () => {
    const owner = createVisitor(service);
    await owner.ask("POST", "/api/dashboard-auth/password/setup", { password: "correct horse battery" });
    expect(await adminCommand(["reset-password"], config(), ports)).toBe(0);
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(401);
    const login = (password: string) => owner.ask("POST", "/api/dashboard-auth/password/login", { password });
    expect((await login("correct horse battery")).status).toBe(401);
    expect((await login(newPassword())).body).toMatchObject({ authenticated: true });
    expect((await owner.ask("GET", "/api/audit-logs")).text).toContain('"password.reset"');
  });

  test("works on the database when no service runs", () =>
    withoutService(async (alone) => {
      expect(await adminCommand(["reset-password"], alone, ports)).toBe(0);
      const store = openStore({ dataDir: alone.dataDir, clock: systemClock, log });
      const { passwordHash } = store.dashboardAuth.credentials();
      expect(await Bun.password.verify(newPassword(), passwordHash!)).toBe(true);
      expect(store.audit.list({ limit: 1 })).toMatchObject([{ actor: "cli", action: "password.reset" }]);
      store.close();
    }));

  test("is not a call that anybody else can make, not even who is signed in", async () => {
    const owner = createVisitor(service);
    await owner.ask("POST", "/api/dashboard-auth/password/setup", { password: "correct horse battery" });
    expect((await owner.ask("POST", "/api/dashboard-auth/password/reset")).status).toBe(403);
  });

  test.each([[["other"]], [["reset-password", "more"]]])("%p is a mistake in the call", async (operands) => {
    await expect(adminCommand(operands, config(), ports)).rejects.toMatchObject({ code: "usage" });
  });
});
