/** Claims about the commands for scripts: the same with a running service as without one, and a backup that can be restored. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXECUTABLE, type Ended, runToEnd } from "./executable.ts";
import {
  askTurn,
  rowsOnceWritten,
  startPool,
  startService,
  temporaryDirectory,
  writeLogins,
} from "./harness.ts";

type Run = (...args: string[]) => Promise<Ended>;
type Place = { run: Run; dispose(): Promise<void> };

async function withService(): Promise<Place> {
  const { service, dispose } = await startPool({ accounts: 2 });
  const env = { CODEX_LB_DATA_DIR: service.dataDir };
  return { run: (...args) => runToEnd([EXECUTABLE, ...args], { cwd: service.dataDir, env }), dispose };
}

async function withoutService(): Promise<Place> {
  const pool = await startPool({ accounts: 2 });
  const dataDir = temporaryDirectory("alone");
  const logins = writeLogins(pool.simulator, 2);
  const env = {
    CODEX_LB_DATA_DIR: dataDir,
    CODEX_LB_UPSTREAM_BASE_URL: pool.simulator.urls.backendBaseUrl,
    CODEX_LB_AUTH_BASE_URL: pool.simulator.urls.authBaseUrl,
  };
  const run: Run = (...args) => runToEnd([EXECUTABLE, ...args], { cwd: dataDir, env });
  expect((await run("import", logins)).exitCode).toBe(0);
  return {
    run,
    async dispose() {
      await pool.dispose();
      for (const path of [dataDir, logins]) rmSync(path, { recursive: true, force: true });
    },
  };
}

describe.each([
  ["with a running service", withService],
  ["on the data directory alone", withoutService],
])("%s", (_title, open) => {
  let place: Place;
  beforeAll(async () => void (place = await open()));
  afterAll(() => place.dispose());
  const json = async <T>(...args: string[]): Promise<T> => {
    const { exitCode, stdout, stderr } = await place.run(...args, "--json");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return JSON.parse(stdout) as T;
  };

  test("accounts are listed, paused, renamed, resumed and removed", async () => {
    const listed = await json<{ email: string; accountId: string }[]>("accounts");
    expect(listed.map(({ email }) => email).toSorted()).toEqual(["pool-1@example.com", "pool-2@example.com"]);
    expect(await json<{ status: string }>("accounts", "pause", "pool-1@example.com")).toMatchObject({
      status: "paused",
    });
    await json("accounts", "alias", "pool-1@example.com", "First");
    expect(await json<unknown>("accounts", "show", "first")).toMatchObject({
      status: "paused",
      alias: "First",
    });
    expect((await place.run("accounts", "resume", "first")).stdout).toBe("resumed   First\n");
    expect((await place.run("accounts")).stdout).toMatch(/^First +plus +active/m);
    await json("accounts", "remove", "pool-2@example.com");
    expect(await json<unknown[]>("accounts")).toHaveLength(1);
    expect(await place.run("accounts", "pause", "nobody")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('No account is called "nobody"'),
    });
    expect((await place.run("accounts", "explode")).exitCode).toBe(2);
  });

  test("keys are created with limits, given credit, switched off and removed", async () => {
    const made = await json<{ key: string; limits: unknown[] }>(
      ...[
        "keys",
        "create",
        "ci",
        "--limit",
        "cost_usd/weekly/25,total_tokens/5h/2000000",
        "--models",
        "gpt-5.5",
      ],
    );
    expect(made.key).toMatch(/^sk-clb-[\w-]{43}$/);
    expect(made).toMatchObject({
      allowedModels: ["gpt-5.5"],
      limits: [
        { limitType: "cost_usd", limitWindow: "weekly", maxValue: 25_000_000 },
        { limitType: "total_tokens", limitWindow: "5h", maxValue: 2_000_000 },
      ],
    });
    expect(await json<unknown>("keys", "credit", "ci", "12.50")).toMatchObject({
      balance: { balanceUsd: 12.5 },
    });
    expect(await json<unknown>("keys", "disable", "ci")).toMatchObject({ isActive: false });
    const { key } = await json<{ key: string }>("keys", "regenerate", "ci");
    expect(key).not.toBe(made.key);
    expect((await place.run("keys")).stdout).not.toContain(key);
    await json("keys", "remove", "ci");
    expect(await json<unknown[]>("keys")).toEqual([]);
  });

  test("settings are read and set by name, and refused by name", async () => {
    expect(await json<unknown>("config", "set", "requestLogRetentionDays", "30")).toEqual({
      requestLogRetentionDays: 30,
    });
    expect((await place.run("config", "get", "requestLogRetentionDays")).stdout).toBe("30\n");
    expect(await place.run("config", "set", "backupKep", "1")).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("did you mean backupKeep?"),
    });
    expect(await place.run("config", "set", "backupKeep", "0")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("backupKeep"),
    });
    expect(await json<unknown>("config", "env")).toMatchObject({
      CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: 30,
    });
  });

  test("an account's login is exported privately, and imports again", async () => {
    const file = join(temporaryDirectory("export"), "auth.json");
    expect((await place.run("export", "first", file)).exitCode).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await place.run("import", file)).stdout).toContain("imported  pool-1@example.com");
    rmSync(join(file, ".."), { recursive: true });
  });

  test("a copy is made and listed, and the key is said to be apart", async () => {
    const { stderr } = await place.run("backup");
    expect(stderr).toContain("encryption.key, which is not part of the copy");
    const copies = await json<{ path: string; bytes: number; kind: string }[]>("backup", "--list");
    expect(copies[0]).toMatchObject({ kind: "manual" });
    expect(readFileSync(copies[0]!.path).length).toBe(copies[0]!.bytes);
  });
});

describe("restore", () => {
  test("brings back accounts, keys and requests; what was there is kept; the service runs on it", async () => {
    const { service, simulator, dispose } = await startPool({ accounts: 2 });
    const { dataDir } = service;
    const away = temporaryDirectory("backup");
    const copy = join(away, "copy.db");
    const run: Run = (...args) =>
      runToEnd([EXECUTABLE, ...args], { cwd: away, env: { CODEX_LB_DATA_DIR: dataDir } });
    await askTurn(service, "before the copy");
    await rowsOnceWritten(service, 1);
    expect((await run("backup", copy)).exitCode).toBe(0);
    expect(await run("restore", copy)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("is in use by process"),
    });
    await run("accounts", "remove", "pool-1@example.com");
    await askTurn(service, "after the copy");
    await service.stop();

    const { exitCode, stdout } = await run("restore", copy);
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^restored {2}2 accounts, 0 keys, 1 requests, the last of .+\nkept /),
    });
    expect(readdirSync(dataDir).some((name) => name.startsWith("codex-lb.db.before-restore-"))).toBe(true);
    const again = await startService({ simulator, dataDir });
    expect((await askTurn(again, "after the restore")).status).toBe(200);
    expect(await rowsOnceWritten(again, 2)).toHaveLength(2);
    await again.dispose();
    await dispose();
    rmSync(away, { recursive: true });
  });

  test("refuses a damaged copy and a copy of another key, and changes nothing", async () => {
    const place = await withoutService();
    const other = await withoutService();
    const away = temporaryDirectory("backup");
    const [good, damaged, foreign] = ["good.db", "damaged.db", "foreign.db"].map((name) =>
      join(away, name),
    ) as [string, string, string];
    await place.run("backup", good);
    await other.run("backup", foreign);
    const bytes = readFileSync(good);
    bytes.fill(0xff, bytes.length - 40_000, bytes.length - 8_000);
    writeFileSync(damaged, bytes);
    const before = (await place.run("accounts", "--json")).stdout;
    expect(await place.run("restore", damaged)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("damaged"),
    });
    expect(await place.run("restore", foreign)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("not the one that this database was encrypted with"),
    });
    expect(await place.run("restore", join(away, "none.db"))).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("There is no file"),
    });
    expect((await place.run("accounts", "--json")).stdout).toBe(before);
    const { stdout } = await place.run("config", "env", "--json");
    const { CODEX_LB_DATA_DIR: dataDir } = JSON.parse(stdout) as { CODEX_LB_DATA_DIR: string };
    expect(readdirSync(dataDir).filter((name) => /restor/.test(name))).toEqual([]);
    await place.dispose();
    await other.dispose();
    rmSync(away, { recursive: true });
  });
});
