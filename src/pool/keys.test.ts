import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type ApiKeySettings, hashKey } from "../core/api-key.ts";
import type { LimitSpec } from "../core/limits.ts";
import type { RequestRecord } from "../core/record.ts";
import { createKeyHistory } from "../store/key-history.ts";
import { createWriteBehind, type WriteBehind } from "../store/write-behind.ts";
import { createDirectWriter } from "../store/writer.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createTemporaryStore, type TemporaryStore, testRecord } from "../testing/temporary-store.ts";
import { createKeyPool, type KeyPool, type PooledKey } from "./keys.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let home: TemporaryStore;
let writes: WriteBehind;
let keys: KeyPool;
let random: ReturnType<typeof createSeededRandom>;

function open(): KeyPool {
  const { store, clock, log } = home;
  writes = createWriteBehind({ writer: createDirectWriter(store), clock, log });
  return createKeyPool({
    clock,
    random,
    storage: store.apiKeys,
    ledger: store.ledger,
    history: createKeyHistory(store.rollups),
    markUsed: writes.keyUsed,
    flush: () => void writes.flush(),
  });
}

beforeEach(() => {
  home = createTemporaryStore();
  random = createSeededRandom(7);
  keys = open();
});
afterEach(() => {
  keys.stop();
  void writes.stop();
  home.remove();
});

/** Everything in memory is gone; what was flushed is not. */
function restart(): void {
  keys.stop();
  writes.flush();
  home.reopen();
  keys = open();
}

const SETTINGS: ApiKeySettings = {
  name: "laptop",
  isActive: true,
  allowedModels: null,
  enforcedModel: null,
  enforcedReasoningEffort: null,
  enforcedServiceTier: null,
  assignedAccountIds: null,
  balanceEnabled: false,
  apiKeyLaneAllowed: true,
  expiresAtMs: null,
};

function create(settings: Partial<ApiKeySettings> = {}, limits: LimitSpec[] = []) {
  const { key, secret } = keys.create({ settings: { ...SETTINGS, ...settings }, limits });
  return { key, hash: hashKey(secret.reveal()) };
}

const patched = (key: PooledKey, settings: Partial<ApiKeySettings>) =>
  keys.patch(key.id, { settings, limits: undefined, resetUsage: false })!;

/** As the relay does it: reserved, served, settled and recorded. */
function serve(key: PooledKey, changes: Partial<RequestRecord> = {}): string {
  const model = changes.model ?? "gpt-5.5";
  const nowMs = home.clock.now();
  const estimate = { inputTokens: 100, outputTokens: 20, costMicros: 1050 };
  const admission = keys.book.reserve(key.id, { model, estimate, nowMs });
  if (admission.kind !== "admitted") return admission.kind;
  const record = testRecord({ apiKeyId: key.id, model, requestedAtMs: nowMs, ...changes });
  admission.reservation.settle({ ...record, atMs: nowMs, costMicros: record.totalCostMicros });
  writes.requestFinished(record);
  keys.requestFinished(record);
  return "served";
}

describe("a secret", () => {
  test("finds its key by hash, after a restart too, and its plain text is nowhere on disk", () => {
    const { key, hash } = create();
    restart();
    expect(keys.find(hash)?.id).toBe(key.id);
    expect(keys.find(hash)?.refuse(null)).toBeNull();
    expect(keys.find(hashKey("sk-clb-other"))).toBeNull();
    const columns = Object.keys(home.store.apiKeys.loadAll()[0]!.key);
    expect(columns).toContain("keyHash");
    expect(columns).not.toContain("key");
  });

  const deaths: [how: string, kill: (key: PooledKey) => void, forEver: boolean][] = [
    ["a new secret", (key) => keys.regenerate(key.id), true],
    ["deletion", (key) => keys.remove(key.id), true],
    ["being switched off", (key) => patched(key, { isActive: false }), false],
    ["an expiry set to now", (key) => patched(key, { expiresAtMs: home.clock.now() }), false],
    ["the passing of its expiry", () => home.clock.advance(40 * DAY_MS), false],
  ];
  test.each(deaths)("is dead at once after %s, and who watches it is told once", (_, kill, forEver) => {
    const { key, hash } = create({ expiresAtMs: home.clock.now() + 40 * DAY_MS });
    let told = 0;
    let toldOthers = 0;
    key.onRevoked(() => told++);
    key.onRevoked(() => toldOthers++)();
    kill(key);
    expect(key.refuse(null)).toMatchObject({ code: "invalid_api_key", status: 401 });
    expect(keys.find(hash)?.refuse(null) === null).toBe(false);
    kill(key);
    expect([told, toldOthers]).toEqual([1, 0]);
    let late = 0;
    key.onRevoked(() => late++);
    expect(late).toBe(1);
    if (!forEver) patched(key, { isActive: true, expiresAtMs: null });
    expect(key.refuse(null) === null).toBe(!forEver);
  });

  test("that is new works while the old one does not, and keeps the counters", () => {
    const { key, hash } = create({}, [weekly(1000)]);
    serve(key);
    const fresh = keys.regenerate(key.id)!;
    expect(keys.find(hash)).toBeNull();
    expect(keys.find(hashKey(fresh.secret.reveal()))).toBe(fresh.key);
    expect(fresh.key.id).toBe(key.id);
    expect(keys.counters(key.id)[0]?.currentValue).toBe(120);
    restart();
    expect(keys.find(hash)).toBeNull();
    expect(keys.find(hashKey(fresh.secret.reveal()))?.keyPrefix).toBe(fresh.secret.reveal().slice(0, 15));
  });

  test("is last used when it was used, to the second", () => {
    const { key } = create();
    key.used();
    home.clock.advance(500);
    key.used();
    expect(key.lastUsedAtMs).toBe(home.clock.now() - 500);
    home.clock.advance(500);
    key.used();
    restart();
    expect(keys.get(key.id)?.lastUsedAtMs).toBe(home.clock.now());
  });
});

function weekly(maxValue: number, modelFilter: string | null = null): LimitSpec {
  return { limitType: "total_tokens", limitWindow: "weekly", maxValue, modelFilter };
}

describe("counters", () => {
  test("after a restart are what they were, to the token, wherever in the hour their windows began", () => {
    home.clock.advance(17 * 60_000);
    const { key } = create({}, [weekly(1e6), { ...weekly(1e6), limitWindow: "5h" }]);
    const other = create({ name: "other" }, [weekly(1e6)]).key;
    for (let round = 0; round < 40; round++) {
      serve(key, { inputTokens: 1 + round, model: round % 3 ? "gpt-5.5" : "gpt-5.4-2026-01-01" });
      serve(other);
      home.clock.advance(11 * 60_000);
      if (round === 20) {
        const limits = [
          ...key.limits,
          weekly(1e6, "gpt-5.4"),
          { ...weekly(1e9), limitType: "cost_usd" as const },
        ];
        keys.patch(key.id, { settings: {}, limits, resetUsage: false });
      }
    }
    const before = keys.counters(key.id);
    expect(before.map(({ currentValue }) => currentValue).every((value) => value > 0)).toBe(true);
    expect(new Set(before.map(({ currentValue }) => currentValue)).size).toBe(4);
    const totals = { ...keys.get(key.id)!.totals };
    restart();
    expect(keys.counters(key.id)).toMatchObject(before);
    expect(keys.get(key.id)!.totals).toMatchObject(totals);
    expect(keys.counters(other.id)[0]?.currentValue).toBe(40 * 120);
  });

  test("begin again when the usage is reset, and stay at that after a restart", () => {
    const { key } = create({}, [weekly(300)]);
    expect([serve(key), serve(key), serve(key), serve(key)]).toEqual([
      "served",
      "served",
      "served",
      "refused",
    ]);
    home.clock.advance(1);
    keys.patch(key.id, { settings: {}, limits: undefined, resetUsage: true });
    expect(keys.counters(key.id)[0]?.currentValue).toBe(0);
    serve(key);
    restart();
    expect(keys.counters(key.id)[0]?.currentValue).toBe(120);
  });

  test("survive a change of the limit's maximum", () => {
    const { key } = create({}, [weekly(300)]);
    serve(key);
    keys.patch(key.id, { settings: {}, limits: [weekly(100)], resetUsage: false });
    expect(keys.counters(key.id)).toMatchObject([{ currentValue: 120, maxValue: 100 }]);
    expect(serve(key)).toBe("refused");
  });
});

describe("a balance", () => {
  test("is what was paid in minus what requests cost, after a restart too", () => {
    const { key } = create({ balanceEnabled: true });
    expect(serve(key)).toBe("refused");
    expect(keys.enter(key.id, { kind: "credit", amountMicros: 2000, note: "first" })).toBe(2000);
    expect([serve(key), serve(key), serve(key)]).toEqual(["served", "served", "refused"]);
    expect(keys.book.balanceMicros(key.id)).toBe(-100);
    restart();
    expect(keys.book.balanceMicros(key.id)).toBe(-100);
    expect(keys.enter(key.id, { kind: "credit", amountMicros: 500, note: "more" })).toBe(400);
  });

  test("counts only what ended while it was switched on", () => {
    const { key } = create();
    serve(key);
    expect(keys.enter(key.id, { kind: "credit", amountMicros: 5000, note: "in advance" })).toBe(5000);
    patched(key, { balanceEnabled: true });
    serve(key);
    patched(key, { balanceEnabled: false });
    serve(key);
    patched(key, { balanceEnabled: true });
    expect(keys.book.balanceMicros(key.id)).toBe(5000 - 1050);
    restart();
    expect(keys.book.balanceMicros(key.id)).toBe(5000 - 1050);
  });
});

test("nothing is left waiting on the clock after a stop", () => {
  const before = home.clock.pendingTimers();
  create({ expiresAtMs: home.clock.now() + DAY_MS });
  expect(home.clock.pendingTimers()).toBeGreaterThan(before);
  keys.stop();
  expect(home.clock.pendingTimers()).toBe(before);
});
