import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../core/errors.ts";
import { createLog, systemClock } from "../ports.ts";
import { testAccount, testCredentials, testRecord } from "../testing/temporary-store.ts";
import { openStore, type Store } from "./open.ts";

let base: string;
let opened: Store[];
let lines: string[];
const log = createLog({ level: "debug", format: "text", write: (line) => lines.push(line) });

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "codex-lb-open-"));
  opened = [];
  lines = [];
});
afterEach(() => {
  for (const store of opened) store.close();
  rmSync(base, { recursive: true, force: true });
});

function open(dataDir: string, keyFile?: string): Store {
  const store = openStore({ dataDir, keyFile, clock: systemClock, log });
  opened.push(store);
  return store;
}

/** The coded error of a start that must fail; it must be one line that names what to do. */
function refusal(dataDir: string, keyFile?: string): CodedError {
  try {
    open(dataDir, keyFile);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    expect(error.message).not.toContain("\n");
    return error;
  }
  throw new Error("the store opened");
}

const mode = (path: string) => statSync(path).mode & 0o777;

/** Runs `body` in another process after opening a store on `dataDir` there; it prints "ready" and stays. */
async function otherProcess(dataDir: string, body: string) {
  const script = `
    const { openStore } = await import(${JSON.stringify(join(import.meta.dir, "open.ts"))});
    const { systemClock, createLog } = await import(${JSON.stringify(join(import.meta.dir, "../ports.ts"))});
    const { Secret } = await import(${JSON.stringify(join(import.meta.dir, "../core/secret.ts"))});
    const { testAccount, testCredentials, testRecord } = await import(${JSON.stringify(join(import.meta.dir, "../testing/temporary-store.ts"))});
    const log = createLog({ level: "error", format: "text", write() {} });
    const store = openStore({ dataDir: ${JSON.stringify(dataDir)}, clock: systemClock, log });
    ${body}
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
  const { value } = await child.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("ready\n");
  return {
    pid: child.pid,
    async kill9() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

describe("the data directory", () => {
  test("is made with its files for the owner alone", () => {
    const dataDir = join(base, "new/deep");
    open(dataDir).accounts.put(testAccount("a"), testCredentials("a"));
    expect(mode(dataDir)).toBe(0o700);
    for (const file of ["codex-lb.db", "codex-lb.db-wal", "encryption.key"])
      expect([file, mode(join(dataDir, file))]).toEqual([file, 0o600]);
    expect(lines).toEqual([]);
  });

  test("that others can read is used, with a warning", () => {
    chmodSync(base, 0o755);
    open(base);
    expect(lines.join()).toContain("open to other users");
  });

  test("that cannot be made is refused by name", () => {
    const file = join(base, "file");
    writeFileSync(file, "");
    const error = refusal(join(file, "data"));
    expect([error.code, error.message.includes(join(file, "data"))]).toEqual(["data_dir_unwritable", true]);
  });

  test("serves one process: the second is told which one holds it and where", async () => {
    const other = await otherProcess(base, `store.announce("http://127.0.0.1:2455", new Secret("cli"));`);
    const error = refusal(base);
    expect(error.code).toBe("data_dir_in_use");
    expect(error.message).toContain(`process ${other.pid}`);
    expect(error.message).toContain("http://127.0.0.1:2455");
    await other.kill9();
    open(base);
  });

  test("is free again after a close", () => {
    const first = open(base);
    expect(refusal(base).message).toContain(`process ${process.pid}`);
    first.close();
    first.close();
    expect(existsSync(join(base, "codex-lb.pid"))).toBe(false);
    open(base);
  });

  test("keeps an account that was imported just before kill -9", async () => {
    const other = await otherProcess(
      base,
      `store.accounts.put(testAccount("a"), testCredentials("killed"));`,
    );
    await other.kill9();
    const store = open(base);
    expect(store.accounts.get("acc_a")).toEqual(testAccount("a"));
    expect(store.accounts.readCredentials("acc_a")?.accessToken.reveal()).toBe("access-killed");
  });

  test("killed while it writes, has sums that equal its rows", async () => {
    for (let round = 0; round < 3; round++) {
      const batch =
        "store.requests.insertBatch(Array.from({ length: 20 }, () => testRecord({ apiKeyId: 'key_a' })));";
      const other = await otherProcess(base, `${batch} setTimeout(() => { for (;;) { ${batch} } }, 0);`);
      await other.kill9();
      const store = open(base);
      const rows = store.requestLog.countAmong({}, 1_000_000).rows;
      expect(rows).toBeGreaterThanOrEqual(20 * (round + 1));
      const sinceMs = testRecord().requestedAtMs;
      expect(store.rollups.sums({ sinceMs })[0]?.requests).toBe(rows);
      expect(store.rollups.sums({ sinceMs, apiKeyIds: ["key_a"] })[0]?.inputTokens).toBe(rows * 100);
      store.close();
    }
  });
});

describe("the database", () => {
  test.each([
    ["text", "this is no database, only some text that is long enough to be read as a header ".repeat(20)],
    ["a broken page", null],
  ])("made of %s is refused, and not touched", (_, text) => {
    open(base).close();
    const path = join(base, "codex-lb.db");
    const damaged = text ? Buffer.from(text) : readFileSync(path).fill(0xff, 100, 4096);
    writeFileSync(path, damaged);
    expect(refusal(base).code).toBe("database_corrupt");
    expect(readFileSync(path).equals(damaged)).toBe(true);
  });

  test("copies itself while in use, and never over another file", async () => {
    const store = open(base);
    store.accounts.put(testAccount("a"), testCredentials("a"));
    const copy = join(base, "copies/codex-lb.db");
    await store.backup(copy);
    expect(mode(copy)).toBe(0o600);
    await expect(store.backup(copy)).rejects.toMatchObject({ code: "backup_exists" });
    const restored = open(join(base, "copies"), join(base, "encryption.key"));
    expect(restored.accounts.readCredentials("acc_a")?.accessToken.reveal()).toBe("access-a");
  });
});

describe("the encryption key", () => {
  const keyFile = () => join(base, "encryption.key");
  function closedStoreWithTokens() {
    const store = open(base);
    store.accounts.put(testAccount("a"), testCredentials("a"));
    store.close();
  }

  test("that is missing while tokens need it is not made anew", () => {
    closedStoreWithTokens();
    const key = readFileSync(keyFile());
    rmSync(keyFile());
    expect(refusal(base).code).toBe("encryption_key_missing");
    expect(existsSync(keyFile())).toBe(false);
    writeFileSync(keyFile(), key);
    expect(open(base).accounts.readCredentials("acc_a")).not.toBeNull();
  });

  test("that is another one is refused, and the tokens stay", () => {
    closedStoreWithTokens();
    const right = readFileSync(keyFile());
    writeFileSync(keyFile(), Buffer.alloc(32, 1));
    expect(refusal(base).code).toBe("encryption_key_mismatch");
    writeFileSync(keyFile(), right);
    expect(open(base).accounts.readCredentials("acc_a")).not.toBeNull();
  });

  test("may change while nothing is encrypted", () => {
    open(base).close();
    rmSync(keyFile());
    open(base).accounts.put(testAccount("a"), testCredentials("a"));
    opened.pop()?.close();
    expect(open(base).accounts.readCredentials("acc_a")).not.toBeNull();
  });

  test("may live outside the data directory", () => {
    const elsewhere = join(base, "elsewhere.key");
    open(join(base, "data"), elsewhere);
    expect([existsSync(elsewhere), existsSync(join(base, "data/encryption.key"))]).toEqual([true, false]);
  });
});
