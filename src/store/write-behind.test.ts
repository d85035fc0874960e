import { afterEach, describe, expect, test } from "bun:test";
import type { RequestRecord } from "../core/record.ts";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
  testRecord,
} from "../testing/temporary-store.ts";
import { createWriteBehind, type WriteBehindOptions } from "./write-behind.ts";
import { createDirectWriter } from "./writer.ts";

let home: TemporaryStore;
afterEach(() => home.remove());

function start(options: Partial<WriteBehindOptions> = {}) {
  home = createTemporaryStore({ busyTimeoutMs: 0 });
  const { store, clock, log } = home;
  return createWriteBehind({ writer: createDirectWriter(store), clock, log, ...options });
}

const logged = () => home.store.requestLog.page({}, { limit: 1000 }).rows.length;
const record = (name: string): RequestRecord => testRecord({ requestId: name });

/** Another connection holds the write lock, as a stuck tool would, so that every flush fails until it lets go. */
function lockOutside() {
  const other = home.connect();
  other.exec("BEGIN IMMEDIATE");
  return () => {
    other.exec("ROLLBACK");
    other.close();
  };
}

describe("write-behind", () => {
  test("rows are written after the flush interval and not before", () => {
    const queue = start();
    queue.requestFinished(record("a"));
    queue.requestFinished(record("b"));
    home.clock.advance(249);
    expect([logged(), queue.depth()]).toEqual([0, 2]);
    home.clock.advance(1);
    expect([logged(), queue.depth()]).toEqual([2, 0]);
    expect(home.clock.pendingTimers()).toBe(0);
  });

  test("a full batch does not wait, and is not written inside the caller's turn", () => {
    const queue = start({ maxBatch: 3, eagerAt: 3 });
    for (const name of ["a", "b", "c", "d"]) queue.requestFinished(record(name));
    expect(logged()).toBe(0);
    home.clock.advance(0);
    expect([logged(), queue.depth()]).toEqual([3, 1]);
    home.clock.advance(250);
    expect(logged()).toBe(4);
  });

  test("where only the last value matters, only the last is written", () => {
    const queue = start();
    home.store.accounts.put(testAccount("a"), testCredentials("a"));
    const window = { scope: "all", minutes: 300, resetAtMs: 9e12 };
    for (const usedPercent of [10, 20, 30])
      queue.windowsSeen({
        accountId: "acc_a",
        seenAtMs: home.clock.now(),
        windows: [{ ...window, usedPercent }],
      });
    const binding = { conversationKey: "session:k", accountId: "acc_a", expiresAtMs: 9e12 };
    queue.affinitySeen({ ...binding, expiresAtMs: 8e12 });
    queue.affinitySeen(binding);
    queue.planSeen("acc_a", "go");
    queue.planSeen("acc_a", "pro");
    queue.accountState("acc_a", { state: "rate_limited", stateReason: "burst", stateUntilMs: 5 });
    queue.accountState("acc_a", { state: "active", stateReason: null, stateUntilMs: null });
    expect(queue.depth()).toBe(4);
    expect(queue.flush()).toBe(true);
    expect(home.store.windows.loadAll()).toMatchObject([{ minutes: 300, usedPercent: 30 }]);
    expect(home.store.affinity.load({ nowMs: 0, limit: 10 })).toEqual([binding]);
    expect(home.store.accounts.get("acc_a")).toMatchObject({ state: "active", planType: "pro" });
  });

  test("a complete reading forgets windows that are gone, whatever was queued before it, and yields to what comes after", () => {
    const queue = start();
    home.store.accounts.put(testAccount("a"), testCredentials("a"));
    const reading = (minutes: number, usedPercent: number) => ({
      accountId: "acc_a",
      seenAtMs: home.clock.now(),
      windows: [{ scope: "all", minutes, usedPercent, resetAtMs: 9e12 }],
    });
    queue.windowsReplaced(reading(300, 1));
    queue.windowsSeen(reading(300, 2));
    queue.windowsSeen(reading(10080, 3));
    queue.windowsReplaced(reading(300, 4));
    queue.flush();
    expect(home.store.windows.loadAll()).toMatchObject([{ minutes: 300, usedPercent: 4 }]);
    queue.windowsReplaced(reading(300, 5));
    queue.windowsSeen(reading(300, 6));
    queue.flush();
    expect(home.store.windows.loadAll()).toMatchObject([{ minutes: 300, usedPercent: 6 }]);
  });

  test("a full queue drops what comes and counts it", () => {
    const queue = start({ capacity: 2 });
    for (const name of ["a", "b", "c"]) queue.requestFinished(record(name));
    expect([queue.depth(), queue.drops()]).toEqual([2, 1]);
    queue.flush();
    expect(logged()).toBe(2);
  });

  test("a database that refuses is asked again, logged once, and loses nothing", () => {
    const queue = start();
    const release = lockOutside();
    queue.requestFinished(record("a"));
    home.clock.advance(250);
    home.clock.advance(3_000);
    expect([queue.depth(), queue.drops()]).toEqual([1, 0]);
    expect(home.lines.filter((line) => line.includes("flush failed"))).toHaveLength(1);
    release();
    home.clock.advance(1_000);
    expect([logged(), queue.depth()]).toEqual([1, 0]);
    expect(home.lines.filter((line) => line.includes("works again"))).toHaveLength(1);
  });

  test("a row that cannot be stored does not hold up the others", () => {
    const queue = start();
    queue.requestFinished({ ...record("bad"), route: null as unknown as string });
    queue.requestFinished(record("good"));
    expect(queue.flush()).toBe(true);
    expect([logged(), queue.drops()]).toEqual([1, 1]);
    expect(home.store.rollups.sums({ sinceMs: 0 })[0]?.requests).toBe(1);
  });

  test("stopping writes what waits, leaves no timer, and takes no more", () => {
    const queue = start();
    queue.requestFinished(record("a"));
    void queue.stop();
    queue.requestFinished(record("late"));
    expect([logged(), queue.drops(), home.clock.pendingTimers()]).toEqual([1, 1, 0]);
  });
});
