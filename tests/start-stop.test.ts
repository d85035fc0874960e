/** Claims about the executable's life: what keeps it from starting, how it stops, and what a crash leaves. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXECUTABLE, runToEnd } from "./executable.ts";
import {
  askTurn,
  RESPONSES_PATH,
  rowsOnceWritten,
  type Service,
  serviceEnvironment,
  startPool,
  startService,
  temporaryDirectory,
  turnBody,
} from "./harness.ts";
import { beginLongSilence } from "./idle-stream.ts";
import { openRaw } from "./raw-client.ts";
import { waitFor } from "./wait.ts";

beforeAll(beginLongSilence);

async function accountIds(service: Service): Promise<string[]> {
  const { accounts } = (await (await fetch(`${service.url}/api/accounts`)).json()) as {
    accounts: { accountId: string }[];
  };
  return accounts.map(({ accountId }) => accountId).toSorted();
}

describe("what keeps it from starting is one clear line and an exit code", () => {
  let pool: Awaited<ReturnType<typeof startPool>>;
  let scratch: string;
  /** A data directory with accounts in it that nobody serves. */
  let stopped: string;

  beforeAll(async () => {
    pool = await startPool({ accounts: 1 });
    stopped = temporaryDirectory("stopped");
    const other = await startPool({ accounts: 1, dataDir: stopped });
    await other.service.stop();
    await other.dispose();
  });
  beforeEach(() => {
    scratch = temporaryDirectory("scratch");
  });
  afterEach(() => rmSync(scratch, { recursive: true }));
  afterAll(async () => {
    rmSync(stopped, { recursive: true });
    await pool.dispose();
  });

  const file = (name: string, content: string) => {
    const path = join(scratch, name);
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  };
  const dataWith = (database: string) => {
    const directory = join(scratch, "data");
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, "codex-lb.db"), database);
    return directory;
  };
  const newer = () => {
    const directory = join(scratch, "data");
    mkdirSync(directory, { mode: 0o700 });
    const database = new Database(join(directory, "codex-lb.db"));
    database.run("CREATE TABLE __drizzle_migrations (id INTEGER PRIMARY KEY, hash TEXT, created_at NUMERIC)");
    database.run(
      "INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('of-the-future', 99999999999999)",
    );
    database.close();
    return directory;
  };
  const otherKey = () => file("other.key", Buffer.alloc(32, 7).toString("base64"));

  const CASES: [title: string, env: () => Record<string, string>, says: () => string[]][] = [
    [
      "a directory that another process serves, which is named",
      () => ({ CODEX_LB_DATA_DIR: pool.service.dataDir }),
      () => [
        `is in use by process ${pool.service.pid}, running since`,
        `on ${pool.service.url}.`,
        "CODEX_LB_DATA_DIR",
      ],
    ],
    [
      "a port that is taken",
      () => ({ CODEX_LB_DATA_DIR: scratch, CODEX_LB_PORT: String(pool.service.port) }),
      () => [`Port ${pool.service.port} on 127.0.0.1 is taken`, "--port"],
    ],
    [
      "an address that is not this machine's",
      () => ({ CODEX_LB_DATA_DIR: scratch, CODEX_LB_HOST: "192.0.2.1" }),
      () => ["This machine has no address 192.0.2.1", "CODEX_LB_HOST"],
    ],
    [
      "a file in place of the data directory",
      () => ({ CODEX_LB_DATA_DIR: file("data", "") }),
      () => [`Cannot write to ${join(scratch, "data")}`, "CODEX_LB_DATA_DIR"],
    ],
    [
      "a data directory below a file",
      () => ({ CODEX_LB_DATA_DIR: join(file("data", ""), "below") }),
      () => ["Cannot write to", "CODEX_LB_DATA_DIR"],
    ],
    [
      "a file system that takes no directory",
      () => ({ CODEX_LB_DATA_DIR: "/proc/codex-lb" }),
      () => ["Cannot write to /proc/codex-lb", "CODEX_LB_DATA_DIR"],
    ],
    [
      "the key of another database",
      () => ({ CODEX_LB_DATA_DIR: stopped, CODEX_LB_ENCRYPTION_KEY_FILE: otherKey() }),
      () => ["is not the one that this database was encrypted with", "CODEX_LB_ENCRYPTION_KEY_FILE"],
    ],
    [
      "no key beside a database with tokens",
      () => ({ CODEX_LB_DATA_DIR: stopped, CODEX_LB_ENCRYPTION_KEY_FILE: join(scratch, "none.key") }),
      () => ["is missing", "CODEX_LB_ENCRYPTION_KEY_FILE"],
    ],
    [
      "a file that holds no key",
      () => ({ CODEX_LB_DATA_DIR: stopped, CODEX_LB_ENCRYPTION_KEY_FILE: file("bad.key", "hello") }),
      () => ["does not hold a 32-byte key", "CODEX_LB_ENCRYPTION_KEY_FILE"],
    ],
    [
      "a database of a newer version",
      () => ({ CODEX_LB_DATA_DIR: newer() }),
      () => ["was written by a newer version of codex-lb", "backup"],
    ],
    [
      "a file that is no database",
      () => ({
        CODEX_LB_DATA_DIR: dataWith("this is no database, but long enough to look for a header in it"),
      }),
      () => ["is damaged or is no SQLite file", "backup"],
    ],
    [
      "a setting that makes no sense",
      () => ({ CODEX_LB_DATA_DIR: scratch, CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "soon" }),
      () => ["CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS"],
    ],
  ];

  test.each(CASES)("%s", async (_title, env, says) => {
    const { exitCode, stdout, stderr } = await runToEnd([EXECUTABLE], {
      cwd: scratch,
      env: { ...serviceEnvironment({}), ...env() },
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/^codex-lb: [^\n]+\n$/);
    for (const text of says()) expect(stderr).toContain(text);
  });

  test("and what was refused has changed nothing: both directories are served as before", async () => {
    expect(await accountIds(pool.service)).toHaveLength(1);
    const service = await startService({ dataDir: stopped });
    expect(await accountIds(service)).toHaveLength(1);
    await service.dispose();
  });
});

describe("SIGTERM", () => {
  test("lets an open stream finish, refuses new connections meanwhile, and ends with exit code 0", async () => {
    const { simulator, service, dispose } = await startPool({ accounts: 1 });
    const turn = { kind: "text", text: "one two three four five six seven eight nine ten" } as const;
    simulator.addScript({ turn, delivery: { gapMs: 60 } });
    const client = await openRaw({
      port: service.port,
      path: RESPONSES_PATH,
      body: JSON.stringify(turnBody("hello")),
    });
    await waitFor("text has come", () => client.text().includes("output_text.delta"));
    service.signal("SIGTERM");
    await waitFor("it is stopping", () => service.output().includes("stopping"));
    expect(client.ended()).toBe(false);
    await expect(openRaw({ port: service.port, path: "/health", method: "GET" })).rejects.toThrow();
    expect(await service.exited()).toBe(0);
    expect(client.text()).toContain("event: response.completed");
    expect(client.ended()).toBe(true);
    expect(existsSync(join(service.dataDir, "codex-lb.db-wal"))).toBe(false);
    expect(service.rows()).toEqual([expect.objectContaining({ status: "ok", error_code: null })]);
    await dispose();
  });

  test.each(["after_created", "after_text"] as const)(
    "ends a stream that hangs %s with a terminal event at the drain limit",
    async (moment) => {
      const env = { CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "1" };
      const { simulator, service, dispose } = await startPool({ accounts: 1, env });
      simulator.addFault({ moment, act: { kind: "hang" }, times: null });
      const client = await openRaw({
        port: service.port,
        path: RESPONSES_PATH,
        body: JSON.stringify(turnBody("hello")),
      });
      await waitFor("the stream is open", () => client.text().includes("response.created"));
      service.signal("SIGTERM");
      expect(await service.exited()).toBe(0);
      expect(client.text()).toMatch(/event: response\.failed\ndata: \{.*"code":"server_shutdown".*\}\n\n/);
      expect(client.ended()).toBe(true);
      expect(service.rows()).toEqual([
        expect.objectContaining({ status: "error", error_code: "server_shutdown" }),
      ]);
      await dispose();
    },
  );

  test("waits for nothing when nothing is open, also after hundreds of requests and departures", async () => {
    const { simulator, service, dispose } = await startPool({ accounts: 2 });
    simulator.addFault({
      when: { bodyIncludes: "leave" },
      moment: "after_text",
      act: { kind: "hang" },
      times: null,
    });
    const body = JSON.stringify(turnBody("leave"));
    const clients = await Promise.all(
      Array.from({ length: 100 }, () => openRaw({ port: service.port, path: RESPONSES_PATH, body })),
    );
    await Promise.all(Array.from({ length: 100 }, () => askTurn(service, "stay")));
    await waitFor("all are served", () => clients.every((client) => client.received() > 0));
    for (const client of clients) client.leave();
    await rowsOnceWritten(service, 200);
    const startedAt = performance.now();
    expect(await service.stop()).toBe(0);
    // Far below the drain limit of 30 s, which a request counted as open would take.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await dispose();
  });
});

test("kill -9 right after an import: the account is there after a restart", async () => {
  const dataDir = temporaryDirectory("killed");
  const { simulator, service, dispose } = await startPool({ accounts: 3, dataDir });
  service.signal("SIGKILL");
  await service.exited();
  const again = await startService({ simulator, dataDir });
  expect(await accountIds(again)).toHaveLength(3);
  expect((await askTurn(again, "hello")).status).toBe(200);
  await again.dispose();
  await dispose();
  rmSync(dataDir, { recursive: true });
});

test("it is ready soon after it was started on an existing database", async () => {
  const dataDir = temporaryDirectory("ready");
  const { simulator, service, dispose } = await startPool({ accounts: 3, dataDir });
  await service.stop();
  const readyMs: number[] = [];
  for (let run = 0; run < 5; run++) {
    const again = await startService({ simulator, dataDir });
    readyMs.push(Math.round(again.readyMs));
    await again.stop();
    await again.dispose();
  }
  console.log(`ready after ${readyMs.join(", ")} ms`);
  // The promise is 300 ms on a quiet machine; this one may be busy.
  expect(Math.min(...readyMs)).toBeLessThan(2000);
  await dispose();
  rmSync(dataDir, { recursive: true });
});
