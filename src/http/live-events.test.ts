/** Claims about the pace of the live feed's events. */
import { expect, test } from "bun:test";
import { createAffinityMap } from "../core/affinity.ts";
import { DEFAULT_SETTINGS } from "../core/settings.ts";
import { createPool } from "../pool/pool.ts";
import type { Engine, RoutedRequest } from "../proxy/engine.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { testAccount, testCredentials, testRecord } from "../testing/temporary-store.ts";
import { createLiveEvents } from "./live-events.ts";
import type { LiveFeed } from "./live.ts";

function start(clients = 1) {
  const clock = createFakeClock();
  const hour = 3_600_000;
  const ttlMs = {
    turn_state: hour,
    response: hour,
    file: hour,
    session: hour,
    prompt_cache_key: hour,
    thread: hour,
  };
  const pool = createPool({
    clock,
    random: createSeededRandom(1),
    affinity: createAffinityMap({ capacity: 10, ttlMs }),
    settings: () => DEFAULT_SETTINGS,
  });
  const told: string[] = [];
  const feed: Pick<LiveFeed, "publish" | "clients"> = {
    clients: () => clients,
    publish(event, data) {
      const { requestId, accountId, status } = data() as Record<string, string>;
      told.push(`${event} ${requestId ?? `${accountId} ${status}`}`);
    },
  };
  const live = createLiveEvents({ feed: feed as LiveFeed, pool, nowMs: clock.now, keyName: () => null });
  const inner = { route: () => Promise.resolve({ kind: "left" }) } as unknown as Engine;
  const engine = live.watched(inner);
  const ask = (requestId: string) =>
    engine.route({ requestId, receivedAtMs: 0, model: null, keyId: null } as RoutedRequest, () => {
      throw new Error("not tried");
    });
  const end = (requestId: string) => live.requestFinished(testRecord({ requestId }));
  return { pool, live, told, ask, end };
}

test("what was shown as started is always shown as ended; what was not may be left out", async () => {
  const { live, told, ask, end } = start();
  const ids = Array.from({ length: 60 }, (_, index) => `r${index}`);
  for (const id of ids) await ask(id);
  for (const id of ids) end(id);
  expect(told.filter((line) => line.startsWith("request_started"))).toHaveLength(40);
  expect(told.filter((line) => line.startsWith("request_finished"))).toHaveLength(40);
  live.tick();
  await ask("later");
  expect(told.at(-1)).toBe("request_started later");
});

test("an account that changed often is told of once per tick, as it is then", () => {
  const { pool, live, told } = start();
  pool.put({
    account: testAccount("a"),
    credentials: testCredentials("a"),
    windows: [],
    credits: null,
    models: null,
  });
  pool.apply("acc_a", { kind: "paused" });
  pool.apply("acc_a", { kind: "reactivated" });
  expect(told).toEqual([]);
  live.tick();
  live.tick();
  expect(told).toEqual(["account_changed acc_a active"]);
});

test("nothing is kept for nobody", async () => {
  const { pool, live, told, ask } = start(0);
  pool.put({
    account: testAccount("a"),
    credentials: testCredentials("a"),
    windows: [],
    credits: null,
    models: null,
  });
  await ask("r");
  live.tick();
  expect(told).toEqual([]);
});
