/** Claims about forgetting, on a real database. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { DEFAULT_SETTINGS } from "../core/settings.ts";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
  testRecord,
} from "../testing/temporary-store.ts";
import { createRetentionJob } from "./retention.ts";

const DAY_MS = 86_400_000;
let home: TemporaryStore;
beforeEach(() => {
  home = createTemporaryStore();
});
afterEach(() => home.remove());

function retention(settings: Partial<typeof DEFAULT_SETTINGS> = {}) {
  const { store, clock, log } = home;
  const job = createRetentionJob({
    clock,
    log,
    settings: () => ({ ...DEFAULT_SETTINGS, ...settings }),
    prune: {
      requests: store.requests.prune,
      windowHistory: store.windows.prune,
      affinity: store.affinity.prune,
      audit: store.audit.prune,
      sums: store.requests.pruneRollups,
    },
  });
  /** Runs it to its end, its pauses included. */
  async function run() {
    const running = { done: false };
    void Promise.resolve(job.run()).finally(() => {
      running.done = true;
    });
    while (!running.done) {
      clock.advance(1_000);
      await Promise.resolve();
    }
  }
  return { job, run };
}
const logged = () => home.store.requestLog.countAmong({}, 100_000).rows;

test("requests older than the setting go, younger ones and all sums stay", async () => {
  const now = home.clock.now();
  const ages = [1, 9, 11, 50];
  home.store.requests.insertBatch(ages.map((days) => testRecord({ requestedAtMs: now - days * DAY_MS })));
  await retention({ requestLogRetentionDays: 10 }).run();
  expect(logged()).toBe(2);
  expect(home.store.rollups.sums({ sinceMs: 0 })[0]?.requests).toBe(4);
});

test("many old requests go in several runs, soon after one another", async () => {
  const now = home.clock.now();
  const old = Array.from({ length: 3_000 }, () => testRecord({ requestedAtMs: now - 100 * DAY_MS }));
  home.store.requests.insertBatch(old);
  const { job, run } = retention();
  await run();
  expect(logged()).toBe(500);
  expect(job.everyMs()).toBe(1_000);
  await run();
  expect(logged()).toBe(0);
  expect(job.everyMs()).toBe(600_000);
});

test("history, expired bindings and old entries of the audit log go too", async () => {
  const { store, clock } = home;
  const now = clock.now();
  store.accounts.put(testAccount("a"), testCredentials("a"));
  for (const days of [1, 200])
    store.windows.save({
      accountId: "acc_a",
      seenAtMs: now - days * DAY_MS,
      windows: [{ scope: "all", minutes: 300, usedPercent: 1, resetAtMs: now }],
    });
  for (const [conversationKey, expiresAtMs] of [
    ["session:a", now - 1],
    ["session:b", now + DAY_MS],
  ] as const)
    store.affinity.put({ conversationKey, accountId: "acc_a", expiresAtMs });
  for (const days of [1, 400])
    store.audit.add({
      atMs: now - days * DAY_MS,
      actor: "system",
      actorIp: null,
      action: "x",
      target: null,
      details: null,
    });
  await retention().run();
  expect(store.windows.history("acc_a", 0)).toHaveLength(1);
  expect(store.affinity.load({ nowMs: 0, limit: 10 })).toHaveLength(1);
  expect(store.audit.list({ limit: 10 })).toHaveLength(1);
});
