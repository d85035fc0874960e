import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Credentials } from "../core/account.ts";
import { Secret } from "../core/secret.ts";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
} from "../testing/temporary-store.ts";

let home: TemporaryStore;
afterEach(() => home?.remove());

const revealed = (secret: Secret | null | undefined) => secret?.reveal();

describe("accounts", () => {
  test("an account and its tokens come back as they were put, after a restart too", () => {
    home = createTemporaryStore();
    home.store.accounts.put(testAccount("a"), testCredentials("a"));
    home.store.accounts.put(testAccount("b"), {
      kind: "personal_access_token",
      accessToken: new Secret("at-b"),
    });
    const store = home.reopen();
    const [a, b] = store.accounts.loadAll();
    expect(a?.account).toEqual(testAccount("a"));
    expect(a?.credentials).toMatchObject({ kind: "chatgpt", accessExpiresAtMs: 1000, lastRefreshAtMs: 500 });
    expect(a?.credentials?.kind === "chatgpt" && revealed(a.credentials.refreshToken)).toBe("refresh-a");
    expect(b?.credentials?.kind).toBe("personal_access_token");
    expect(revealed(b?.credentials?.accessToken)).toBe("at-b");
  });

  test("a second import keeps what people set and the age, and takes the new tokens and facts", () => {
    home = createTemporaryStore();
    const { accounts } = home.store;
    expect(accounts.put(testAccount("a"), testCredentials("a")).created).toBe(true);
    accounts.patch("acc_a", { alias: "mine", routingPolicy: "preserve", reserveAtPercent: 80 });
    accounts.setState("acc_a", {
      state: "reauth_required",
      stateReason: "login expired",
      stateUntilMs: null,
    });
    const { credentials, ...again } = accounts.put(
      { ...testAccount("a"), planType: "pro", createdAtMs: 99 },
      testCredentials("a2"),
    );
    expect(again).toEqual({
      created: false,
      account: {
        ...testAccount("a"),
        alias: "mine",
        routingPolicy: "preserve",
        reserveAtPercent: 80,
        planType: "pro",
      },
    });
    expect(accounts.get("acc_a")).toEqual(again.account);
    expect(revealed(credentials.accessToken)).toBe("access-a2");
    expect(revealed(accounts.readCredentials("acc_a")?.accessToken)).toBe("access-a2");
  });

  test("a second import keeps the pause, the end of the quota, and tokens that were renewed since", () => {
    home = createTemporaryStore();
    const { accounts } = home.store;
    const older = { ...testCredentials("older"), lastRefreshAtMs: 499 } as Credentials;
    for (const state of ["paused", "rate_limited", "quota_exceeded"] as const) {
      accounts.put(testAccount(state), testCredentials("renewed"));
      const change = { state, stateReason: "a reason", stateUntilMs: 2_000 };
      accounts.setState(`acc_${state}`, change);
      expect(accounts.put(testAccount(state), older).account).toMatchObject(change);
      expect(revealed(accounts.readCredentials(`acc_${state}`)?.accessToken)).toBe("access-renewed");
    }
    accounts.put(testAccount("a"), testCredentials("renewed"));
    accounts.setState("acc_a", { state: "reauth_required", stateReason: "ended", stateUntilMs: null });
    expect(accounts.put(testAccount("a"), older).account.state).toBe("active");
    expect(revealed(accounts.readCredentials("acc_a")?.accessToken)).toBe("access-older");
  });

  test("rotated tokens replace the old ones, and are refused for a deleted account", () => {
    home = createTemporaryStore();
    const { accounts } = home.store;
    accounts.put(testAccount("a"), testCredentials("a"));
    expect(accounts.saveRotatedCredentials("acc_a", testCredentials("rotated"))).toBe(true);
    expect(revealed(home.reopen().accounts.readCredentials("acc_a")?.accessToken)).toBe("access-rotated");
    expect(home.store.accounts.delete("acc_a")).toBe(true);
    expect(home.store.accounts.delete("acc_a")).toBe(false);
    expect(home.store.accounts.saveRotatedCredentials("acc_a", testCredentials("late"))).toBe(false);
    expect(home.store.accounts.readCredentials("acc_a")).toBeNull();
    expect(home.store.accounts.loadAll()).toEqual([]);
  });

  test("patching an unknown account answers null and changes nothing", () => {
    home = createTemporaryStore();
    expect(home.store.accounts.patch("acc_x", { alias: "x" })).toBeNull();
    home.store.accounts.put(testAccount("a"), testCredentials("a"));
    expect(home.store.accounts.patch("acc_a", {})).toEqual(testAccount("a"));
  });

  test("no token stands in clear in any file of the data directory", () => {
    home = createTemporaryStore();
    home.store.accounts.put(testAccount("a"), testCredentials("MARKER"));
    home.store.accounts.saveRotatedCredentials("acc_a", testCredentials("MARKER2"));
    const files = readdirSync(home.dataDir);
    expect(files).toContain("codex-lb.db-wal");
    for (const file of files) expect(readFileSync(join(home.dataDir, file)).includes("MARKER")).toBe(false);
  });

  test("tokens copied to another account's row do not open", () => {
    home = createTemporaryStore();
    home.store.accounts.put(testAccount("a"), testCredentials("a"));
    home.store.accounts.put(testAccount("b"), testCredentials("b"));
    home.sql(
      "UPDATE credentials SET access_token = (SELECT access_token FROM credentials WHERE account_id = 'acc_a')",
    );
    expect(home.store.accounts.readCredentials("acc_b")).toBeNull();
    expect(home.store.accounts.loadAll().map(({ credentials }) => credentials !== null)).toEqual([
      true,
      false,
    ]);
  });
});
