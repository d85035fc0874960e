import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createTemporaryStore, type TemporaryStore, testRecord } from "../testing/temporary-store.ts";
import { createClosedHours, HOUR_MS, hourOf, type Hours, type SumsOf } from "./closed-hours.ts";
import { openConnection } from "./connection.ts";
import { openWriteTarget } from "./open.ts";
import { createRollupStore, type RollupDimension, type RollupFilter } from "./rollups.ts";
import { loadSqlite } from "./sqlite-native.ts";
import { createThreadWriter } from "./writer.ts";

const START_MS = Date.UTC(2026, 0, 1);
const at = (hour: number) => START_MS + hour * HOUR_MS;

/** Answers with the hours themselves, and notes what it was asked for. */
function hoursRead() {
  const asked: [from: number, until: number | null][] = [];
  const of: SumsOf<number> = {
    name: "hours",
    read({ fromMs, untilMs }) {
      const from = (fromMs - START_MS) / HOUR_MS;
      const until = untilMs === null ? null : (untilMs - START_MS) / HOUR_MS;
      asked.push([from, until]);
      return Array.from({ length: (until ?? 100) - from }, (_, index) => from + index);
    },
    merge: (one, other) => [...one, ...other],
  };
  return { asked, of, ask: () => asked.splice(0) };
}

function start(capacityRows?: number) {
  const clock = createFakeClock(at(48) + 1);
  return {
    clock,
    hours: createClosedHours({ clock, ...(capacityRows && { capacityRows }) }),
    ...hoursRead(),
  };
}

const span = (from: number, until: number | null): Hours => ({
  fromMs: at(from),
  untilMs: until === null ? null : at(until),
});

describe("hours that are over", () => {
  test("are read once, this hour and the one before every time", () => {
    const { hours, of, ask } = start();
    const expected = Array.from({ length: 90 }, (_, index) => 10 + index);
    expect(hours.sums(span(10, null), of)).toEqual(expected);
    expect(ask()).toEqual([
      [10, 47],
      [47, null],
    ]);
    expect(hours.sums(span(10, null), of)).toEqual(expected);
    expect(ask()).toEqual([[47, null]]);
  });

  test("are added to what is kept when more of them are over", () => {
    const { clock, hours, of, ask } = start();
    hours.sums(span(10, null), of);
    ask();
    clock.advance(3 * HOUR_MS);
    expect(hours.sums(span(10, 99), of)).toEqual(Array.from({ length: 89 }, (_, index) => 10 + index));
    expect(ask()).toEqual([
      [47, 50],
      [50, 99],
    ]);
  });

  test("up to an earlier end are not taken from what is kept up to a later one", () => {
    const { hours, of, ask } = start();
    hours.sums(span(10, 40), of);
    expect(hours.sums(span(10, 30), of)).toHaveLength(20);
    expect(hours.sums(span(10, 30), of)).toHaveLength(20);
    expect(ask()).toEqual([
      [10, 40],
      [10, 30],
    ]);
  });

  const changes: [string, number, number, boolean][] = [
    ["within them", 20, 21, true],
    ["at their start", 10, 11, true],
    ["around them", 0, 90, true],
    ["before them", 0, 10, false],
    ["after them", 47, 48, false],
  ];
  test.each(changes)("after a change %s are read again or not", (_, from, until, again) => {
    const { hours, of, ask } = start();
    hours.sums(span(10, 47), of);
    ask();
    hours.changed({ fromMs: at(from), untilMs: at(until) });
    hours.sums(span(10, 47), of);
    expect(ask()).toHaveLength(again ? 1 : 0);
  });

  test("are kept up to a number of rows, the last asked for first", () => {
    const { hours, of, ask } = start(10);
    for (const from of [30, 34]) hours.sums(span(from, from + 4), of);
    hours.sums(span(30, 34), of);
    hours.sums(span(38, 42), of);
    ask();
    for (const from of [30, 38, 34]) hours.sums(span(from, from + 4), of);
    expect(ask()).toEqual([[34, 38]]);
    for (let twice = 0; twice < 2; twice++) hours.sums(span(0, 11), of);
    expect(ask()).toEqual([
      [0, 11],
      [0, 11],
    ]);
  });
});

describe("sums", () => {
  let home: TemporaryStore;
  beforeEach(() => {
    home = createTemporaryStore();
  });
  afterEach(() => home.remove());

  const questions: [RollupFilter, RollupDimension[], number?][] = [
    [{ sinceMs: at(-40) + 7 }, []],
    [{ sinceMs: at(-40) }, ["bucket"], 6 * HOUR_MS],
    [{ sinceMs: at(-40), untilMs: at(-3) + 1 }, ["bucket"]],
    [{ sinceMs: at(-40), untilMs: at(20) }, ["account"]],
    [{ sinceMs: at(-300) }, ["model", "key"]],
    [{ sinceMs: at(-300), apiKeyIds: ["key_a"] }, ["bucket", "model"], 24 * HOUR_MS],
    [{ sinceMs: at(-40), accountIds: ["acc_a", "acc_b"], models: ["gpt-5.5"] }, []],
    [{ sinceMs: at(-40), accountIds: ["acc_a", "acc_b"], models: ["gpt-5.4"] }, []],
    [{ sinceMs: at(-40), accountIds: ["acc_b"], models: ["gpt-5.4"] }, []],
    [{ sinceMs: at(-40), apiKeyIds: ["key_b"], models: ["gpt-5.4"] }, []],
    [{ sinceMs: at(-40), accountIds: [] }, ["key"]],
  ];

  test("are at every moment those of the database, whoever wrote into whatever hour", () => {
    const { store, clock } = home;
    const fresh = openConnection(loadSqlite(), { path: store.databasePath });
    const asked = createRollupStore(fresh, { sums: (hours, { read }) => read(hours), changed() {} });
    const elsewhere = openWriteTarget(store.databasePath);
    const random = createSeededRandom(7);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;
    for (let step = 0; step < 120; step++) {
      const backMs = Math.floor(random.next() * pick([1, 3, 60]) * HOUR_MS);
      const records = [backMs, Math.floor(backMs / 2)].map((agoMs) =>
        testRecord({
          requestedAtMs: clock.now() - agoMs,
          accountId: pick(["acc_a", "acc_b", null]),
          apiKeyId: pick(["key_a", "key_b", null]),
          model: pick(["gpt-5.5", "gpt-5.4", null]),
          ...pick([{}, { status: "error" as const, errorCode: pick(["network", "overloaded"]) }]),
        }),
      );
      if (random.next() < 0.5) store.requests.insertBatch(records);
      else {
        elsewhere.requests.insertBatch(records);
        store.requests.writtenElsewhere(records);
      }
      if (step % 40 === 39) store.requests.pruneRollups(clock.now() - 50 * HOUR_MS);
      for (const [filter, by, bucketMs] of questions) {
        expect(store.rollups.sums(filter, by, bucketMs)).toEqual([...asked.sums(filter, by, bucketMs)]);
        expect(store.rollups.topErrors(filter, 3)).toEqual(asked.topErrors(filter, 3));
      }
      clock.advance(Math.floor(random.next() * HOUR_MS));
    }
    elsewhere.close();
    fresh.client.close();
  });

  test("hold what the writing thread recorded late", async () => {
    const { store, clock } = home;
    const count = () => store.rollups.sums({ sinceMs: at(-40) })[0]!.requests;
    store.requests.insertBatch([testRecord({ requestedAtMs: hourOf(clock.now()) - 30 * HOUR_MS })]);
    expect(count()).toBe(1);
    const writer = createThreadWriter({
      threadUrl: new URL("../writer-thread.ts", import.meta.url),
      databasePath: store.databasePath,
      onWritten: store.requests.writtenElsewhere,
    });
    const late = testRecord({ requestedAtMs: clock.now() - 20 * HOUR_MS });
    const result = await new Promise((resolve) =>
      writer.write({ records: [late], writes: [] }, (answer) => {
        resolve({ answer, count: count() });
      }),
    );
    expect(result).toEqual({ answer: { ok: true, refused: [] }, count: 2 });
    await writer.stop();
  });
});
