/** Claims about what is said when the service listens beyond this machine, and about serving over TLS. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom, createLog } from "../ports.ts";
import { readConfig } from "../config.ts";
import { createLiveSettings } from "../pool/live-settings.ts";
import { createRuntime } from "../runtime.ts";
import { createTemporaryStore, type TemporaryStore } from "../testing/temporary-store.ts";
import { createEntrance } from "./entrance.ts";

let home: TemporaryStore;
beforeEach(() => {
  home = createTemporaryStore();
});
afterEach(() => home.remove());

/** The warnings at the start with these settings. */
function warnings(env: Record<string, string>, values: Record<string, unknown> = {}): string {
  const { config } = readConfig({ env, cwd: home.dataDir, homeDir: home.dataDir });
  const settings = createLiveSettings({
    stored: { version: 1, values },
    save: (_, expectedVersion) => ({ version: expectedVersion + 1 }),
  });
  const { log, clock } = home;
  const entrance = createEntrance({
    config,
    store: home.store.dashboardAuth,
    audit: home.store.audit,
    settings,
    clock,
    random: systemRandom,
    log,
  });
  entrance.announce(`http://${config.host}:2455`);
  return home.lines.splice(0).join("");
}

test("on this machine alone there is nothing to warn about", () => {
  expect(warnings({})).toBe("");
  expect(warnings({ CODEX_LB_HOST: "::1" })).toBe("");
});

test("beyond it, what is open is said loudly", () => {
  const said = warnings({ CODEX_LB_HOST: "0.0.0.0" });
  expect(said).toContain("API keys are off");
  expect(said).toContain("without TLS");
  expect(said).toMatch(/one-time link link=\S*"?http:\/\/(?!0\.0\.0\.0)[^\s:]+:2455\/#bootstrap=[\w-]{43}/);
});

test("what was taken care of is not complained about", () => {
  home.store.dashboardAuth.saveCredentials({ passwordHash: "argon" });
  const env = {
    CODEX_LB_HOST: "0.0.0.0",
    CODEX_LB_FIREWALL_TRUST_PROXY_HEADERS: "true",
    CODEX_LB_FIREWALL_TRUSTED_PROXY_CIDRS: "10.0.0.1",
  };
  expect(warnings(env, { apiKeyAuthEnabled: true })).toBe("");
});

test("an admin token that can be guessed is complained about, without showing it", () => {
  const said = warnings({ CODEX_LB_ADMIN_API_TOKEN: "secret1" });
  expect(said).toContain("CODEX_LB_ADMIN_API_TOKEN is short");
  expect(said).not.toContain("secret1");
  expect(warnings({ CODEX_LB_ADMIN_API_TOKEN: "x".repeat(20) })).toBe("");
});

function runtimeWith(env: Record<string, string>, dataDir: string) {
  const { config } = readConfig({
    env: {
      CODEX_LB_PORT: "0",
      CODEX_LB_DATA_DIR: dataDir,
      CODEX_LB_AUTH_BASE_URL: "http://127.0.0.1:9",
      ...env,
    },
    cwd: dataDir,
    homeDir: dataDir,
  });
  const log = createLog({ level: "error", format: "text", write: () => {} });
  return createRuntime(config, { clock: systemClock, random: systemRandom, log, fetch });
}

test("with a certificate it serves over TLS, and says so to browsers", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-tls-"));
  const [cert, key] = [join(dataDir, "cert.pem"), join(dataDir, "key.pem")];
  const command = `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=lb.example.com`;
  const made = Bun.spawnSync([...command.split(" "), "-keyout", key, "-out", cert]);
  expect(made.exitCode).toBe(0);
  const runtime = await runtimeWith({ CODEX_LB_TLS_CERT_FILE: cert, CODEX_LB_TLS_KEY_FILE: key }, dataDir);
  const { url } = await runtime.start();
  expect(url).toStartWith("https://");
  const body = JSON.stringify({ password: "correct horse battery" });
  const reply = await fetch(`${url}/api/dashboard-auth/password/setup`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    tls: { rejectUnauthorized: false },
  });
  expect(reply.status).toBe(200);
  expect(reply.headers.get("set-cookie")).toContain("; Secure");
  expect(reply.headers.get("strict-transport-security")).toStartWith("max-age=");
  await runtime.stop();
  rmSync(dataDir, { recursive: true });
});

test.each<[Record<string, string>, RegExp]>([
  [{ CODEX_LB_TLS_CERT_FILE: "/nowhere/cert.pem" }, /belong together/],
  [
    { CODEX_LB_TLS_CERT_FILE: "/nowhere/cert.pem", CODEX_LB_TLS_KEY_FILE: "/nowhere/key.pem" },
    /cannot be read/,
  ],
])("with %p it does not start, and says why", async (env, message) => {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-tls-"));
  const start = async () => {
    const runtime = await runtimeWith(env, dataDir);
    try {
      await runtime.start();
    } finally {
      await runtime.stop();
    }
  };
  await expect(start()).rejects.toMatchObject({
    code: "invalid_setting",
    message: expect.stringMatching(message),
  });
  rmSync(dataDir, { recursive: true });
});
