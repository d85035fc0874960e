/** For tests: a store in a temporary directory, with a fake clock and made-up accounts. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Account, Credentials } from "../core/account.ts";
import { Secret } from "../core/secret.ts";
import { createLog, type Log } from "../ports.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";
import { openStore, type Store } from "../store/open.ts";
import { loadSqlite } from "../store/sqlite-native.ts";

export interface TestStore {
  readonly store: Store;
  dataDir: string;
  clock: FakeClock;
  log: Log;
  /** Every line logged so far. */
  lines: string[];
  /** Closes the store and opens it again, as a restart would. */
  reopen(): Store;
  /** Changes the file behind the store's back. */
  sql(statement: string): void;
  remove(): void;
}

export function createTestStore(): TestStore {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-store-"));
  chmodSync(dataDir, 0o700);
  const clock = createFakeClock();
  const lines: string[] = [];
  const log = createLog({
    level: "debug",
    format: "text",
    write: (line) => lines.push(line),
    now: clock.now,
  });
  let store = openStore({ dataDir, clock, log });
  return {
    get store() {
      return store;
    },
    dataDir,
    clock,
    log,
    lines,
    reopen() {
      store.close();
      store = openStore({ dataDir, clock, log });
      return store;
    },
    sql(statement) {
      const client = new (loadSqlite())(join(dataDir, "codex-lb.db"));
      client.exec(statement);
      client.close();
    },
    remove() {
      store.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** `acc_<name>`, an active Plus account. */
export function testAccount(name: string): Account {
  return {
    id: `acc_${name}`,
    chatgptAccountId: `chatgpt-${name}`,
    chatgptUserId: `user-${name}`,
    workspaceId: null,
    email: `${name}@example.com`,
    alias: null,
    planType: "plus",
    workspaceLabel: null,
    seatType: null,
    routingPolicy: "normal",
    reserveAtPercent: null,
    state: "active",
    stateReason: null,
    stateUntilMs: null,
    createdAtMs: 1,
  };
}

/** Tokens `access-<mark>`, `refresh-<mark>`, `id-<mark>`. */
export function testCredentials(mark: string): Credentials {
  return {
    kind: "chatgpt",
    accessToken: new Secret(`access-${mark}`),
    refreshToken: new Secret(`refresh-${mark}`),
    idToken: new Secret(`id-${mark}`),
    accessExpiresAtMs: 1000,
    lastRefreshAtMs: 500,
  };
}
