/** Claims about `codex-lb import`: what it reads, where the login goes, and what it says. */
import { afterEach, beforeEach, expect, spyOn, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../config.ts";
import { Secret } from "../core/secret.ts";
import { createLog, type Ports, systemClock, systemRandom } from "../ports.ts";
import { unsignedJwt } from "../simulator/tokens.ts";
import { openStore } from "../store/open.ts";
import { importCommand } from "./import.ts";

let directory: string;
let output: string;
let advice: string;
const log = createLog({ level: "error", format: "text", write: () => {} });
const ports: Ports = { clock: systemClock, random: systemRandom, log, fetch };

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "codex-lb-import-"));
  output = "";
  advice = "";
  spyOn(process.stdout, "write").mockImplementation((text) => Boolean((output += String(text))));
  spyOn(process.stderr, "write").mockImplementation((text) => Boolean((advice += String(text))));
});

afterEach(() => {
  spyOn(process.stdout, "write").mockRestore();
  spyOn(process.stderr, "write").mockRestore();
  rmSync(directory, { recursive: true, force: true });
});

function authJson(name: string): string {
  const token = unsignedJwt({
    exp: Math.floor(Date.now() / 1000) + 3600,
    email: `${name}@example.com`,
    "https://api.openai.com/auth": {
      chatgpt_account_id: `account-${name}`,
      chatgpt_user_id: `user-${name}`,
      chatgpt_plan_type: "plus",
    },
  });
  const tokens = {
    id_token: token,
    access_token: token,
    refresh_token: `refresh-${name}`,
    account_id: `account-${name}`,
  };
  return JSON.stringify({
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens,
    last_refresh: "2026-01-01T00:00:00Z",
  });
}

function write(path: string, text: string): string {
  const file = join(directory, path);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  return file;
}

function settings(env: Record<string, string> = {}) {
  const own = { CODEX_LB_DATA_DIR: join(directory, "data"), ...env };
  return readConfig({ env: own, cwd: directory, homeDir: directory }).config;
}

function run(sources: string[], options: { json?: boolean; env?: Record<string, string> } = {}) {
  return importCommand({ sources, json: options.json ?? false }, settings(options.env), ports);
}

function storedEmails() {
  const store = openStore({ dataDir: join(directory, "data"), clock: systemClock, log });
  const emails = store.accounts.loadAll().map(({ account }) => account.email ?? "");
  store.close();
  return emails.toSorted();
}

test("a file becomes an account, and the person is told who renews it now", async () => {
  const file = write("auth.json", authJson("ann"));
  expect(await run([file])).toBe(0);
  expect(output).toBe(`imported  ann@example.com (plus) from ${file}\n`);
  expect(advice).toContain("refresh tokens rotate");
  expect(storedEmails()).toEqual(["ann@example.com"]);
});

test("importing the same login again updates its account", async () => {
  const file = write("auth.json", authJson("ann"));
  expect(await run([file, file])).toBe(0);
  expect(storedEmails()).toEqual(["ann@example.com"]);
});

test("a directory stands for its *.json files; one bad file fails alone, with exit code 1", async () => {
  write("logins/a.json", authJson("ann"));
  write("logins/b.json", "{");
  write("logins/c.JSON", authJson("cay"));
  write("logins/notes.txt", "no login");
  expect(await run([join(directory, "logins")])).toBe(1);
  expect(output.split("\n")).toEqual([
    expect.stringMatching(/^imported {2}ann@example\.com \(plus\) from .*a\.json$/),
    expect.stringMatching(/^failed {4}.*b\.json: The file is not valid JSON/),
    expect.stringMatching(/^imported {2}cay@example\.com \(plus\) from .*c\.JSON$/),
    "",
  ]);
  expect(storedEmails()).toEqual(["ann@example.com", "cay@example.com"]);
});

test("--json prints the same as one array, without a token", async () => {
  const good = write("good.json", authJson("ann"));
  expect(await run([good, "missing.json"], { json: true })).toBe(1);
  expect(JSON.parse(output)).toEqual([
    {
      source: good,
      ok: true,
      accountId: expect.stringMatching(/^acc_/),
      email: "ann@example.com",
      planType: "plus",
    },
    { source: "missing.json", ok: false, code: "no_such_file", message: "There is no such file." },
  ]);
  expect(output + advice).not.toContain("refresh-ann");
});

test.each([
  [
    "an empty directory",
    () => (mkdirSync(join(directory, "none")), "none"),
    "This directory holds no *.json file.",
  ],
  [
    "a personal access token while no service runs",
    () => (write("none", "at-fabricated"), "none"),
    "Start codex-lb, then import it.",
  ],
  [
    "a file larger than any login",
    () => (write("none", " ".repeat(300 * 1024)), "none"),
    "larger than 256 KiB",
  ],
])("%s fails and says why", async (_title, prepare, message) => {
  expect(await run([join(directory, prepare())])).toBe(1);
  expect(output).toStartWith("failed    ");
  expect(output).toContain(message);
});

test("while a service runs on the data directory, it gets the file, with the token that its owner can read", async () => {
  const received: { path: string; authorization: string | null; text: string }[] = [];
  const service = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const file = (await request.formData()).get("auth_json");
      const text = file instanceof File ? await file.text() : "";
      received.push({
        path: new URL(request.url).pathname,
        authorization: request.headers.get("authorization"),
        text,
      });
      if (text === "{}")
        return Response.json({ error: { code: "invalid_auth_json", message: "No login." } }, { status: 400 });
      return Response.json({
        accountId: "acc_1",
        email: "ann@example.com",
        planType: "pro",
        status: "active",
      });
    },
  });
  const store = openStore({ dataDir: join(directory, "data"), clock: systemClock, log });
  store.announce(`http://127.0.0.1:${service.port}`, new Secret("clb-cli-token"));
  try {
    const text = authJson("ann");
    const good = write("good.json", text);
    const bad = write("bad.json", "{}");
    expect(await run([good, bad])).toBe(1);
    expect(output).toBe(`imported  ann@example.com (pro) from ${good}\nfailed    ${bad}: No login.\n`);
    const seen = { path: "/api/accounts/import", authorization: "Bearer clb-cli-token" };
    expect(received).toEqual([
      { ...seen, text },
      { ...seen, text: "{}" },
    ]);
  } finally {
    store.close();
    await service.stop(true);
  }
});

test("a data directory held by something that does not serve is refused as in use", async () => {
  const store = openStore({ dataDir: join(directory, "data"), clock: systemClock, log });
  try {
    const file = write("auth.json", authJson("ann"));
    await expect(run([file])).rejects.toThrow(`in use by process ${process.pid}`);
  } finally {
    store.close();
  }
});
