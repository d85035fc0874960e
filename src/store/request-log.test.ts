import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { RequestStatus } from "../core/record.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
  testRecord,
} from "../testing/temporary-store.ts";
import type { RequestCursor, RequestFilter } from "./request-log.ts";
import type { RequestRow } from "./requests.ts";

const START_MS = Date.UTC(2026, 0, 1);
const ROWS = 1_500;

let home: TemporaryStore;
/** The whole log, newest first, to filter by hand. */
let everything: RequestRow[];

beforeAll(() => {
  home = createTemporaryStore();
  const random = createSeededRandom(1);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)] as T;
  home.store.accounts.put({ ...testAccount("a"), alias: "Team Blue" }, testCredentials("a"));
  const records = Array.from({ length: ROWS }, (_, index) => {
    const status = pick<RequestStatus>(["ok", "ok", "ok", "cancelled", "rate_limit", "error"]);
    return testRecord({
      requestId: `req_${index}`,
      // Many in the same millisecond, so that the id must break ties.
      requestedAtMs: START_MS + Math.floor(random.next() * 300),
      accountId: pick(["acc_a", "acc_b", "acc_c", null]),
      apiKeyId: pick(["key_a", "key_b", null]),
      sessionId: `session-${Math.floor(random.next() * 50)}`,
      model: pick(["gpt-5.5", "gpt-5.4", "gpt-5.6-sol", null]),
      reasoningEffort: pick(["low", "high", null]),
      status,
      errorCode: status === "error" ? pick(["network", "overloaded"]) : null,
    });
  });
  home.store.requests.insertBatch(records);
  everything = records
    .map((record, index) => ({ ...record, id: index + 1 }))
    .toSorted((one, other) => other.requestedAtMs - one.requestedAtMs || other.id - one.id);
});
afterAll(() => home.remove());

const has = <T>(list: T[] | undefined, value: T | null) => !list || (value !== null && list.includes(value));

function byHand(filter: RequestFilter): RequestRow[] {
  const text = filter.search?.toLowerCase();
  return everything.filter(
    (row) =>
      has(filter.accountIds, row.accountId) &&
      has(filter.apiKeyIds, row.apiKeyId) &&
      has(filter.statuses, row.status) &&
      has(filter.models, row.model) &&
      has(filter.reasoningEfforts, row.reasoningEffort) &&
      row.requestedAtMs >= (filter.sinceMs ?? 0) &&
      row.requestedAtMs <= (filter.untilMs ?? Infinity) &&
      (!text ||
        row.requestId === text ||
        row.sessionId === text ||
        !!row.model?.includes(text) ||
        !!row.errorCode?.includes(text) ||
        (row.accountId === "acc_a" && "acc_a a@example.com team blue".includes(text))),
  );
}

const ids = (rows: RequestRow[]) => rows.map(({ id }) => id);

const filters: [string, RequestFilter][] = [
  ["nothing", {}],
  ["one account", { accountIds: ["acc_a"] }],
  ["two accounts", { accountIds: ["acc_a", "acc_c"] }],
  ["an account without requests", { accountIds: ["acc_none"] }],
  ["no account at all", { accountIds: [] }],
  [
    "more accounts than SQLite takes arms",
    { accountIds: Array.from({ length: 600 }, (_, index) => `acc_${index}`).concat("acc_b") },
  ],
  ["a key", { apiKeyIds: ["key_b"] }],
  ["statuses", { statuses: ["error", "rate_limit"] }],
  ["every status", { statuses: ["ok", "cancelled", "rate_limit", "quota", "error"] }],
  ["a model", { models: ["gpt-5.4"] }],
  ["an effort", { reasoningEfforts: ["low"] }],
  ["models and an effort", { models: ["gpt-5.4", "gpt-5.5"], reasoningEfforts: ["high"] }],
  ["a span of time", { sinceMs: START_MS + 100, untilMs: START_MS + 200 }],
  [
    "all of them",
    {
      accountIds: ["acc_a", "acc_b"],
      apiKeyIds: ["key_a"],
      statuses: ["ok"],
      models: ["gpt-5.5"],
      sinceMs: START_MS + 50,
    },
  ],
  ["a request id", { search: "req_77" }],
  ["a session id", { search: "session-7" }],
  ["a part of a model", { search: "5.6-SOL" }],
  ["an error", { search: "overload" }],
  ["an account's alias", { search: "team blue" }],
  ["a text that several things match", { search: "5", statuses: ["error"] }],
  ["a text that nothing matches", { search: "nowhere" }],
];

describe("the request log filtered by", () => {
  test.each(filters)("%s gives the rows newest first, by cursor, by offset, and counted", (_, filter) => {
    const expected = ids(byHand(filter));
    const { requestLog } = home.store;
    const paged: number[] = [];
    let cursor: RequestCursor | undefined;
    do {
      const page = requestLog.page(filter, { limit: 100, cursor });
      paged.push(...ids(page.rows));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    expect(paged).toEqual(expected);
    expect(ids(requestLog.page(filter, { limit: 7, offset: 5 }).rows)).toEqual(expected.slice(5, 12));
    expect(requestLog.countAmong(filter, 10_000)).toEqual({ rows: expected.length, isAll: true });
    expect(requestLog.countAmong(filter, 3).rows).toBeLessThanOrEqual(Math.min(3, expected.length));
  });

  test.each(filters)("%s neither scans nor sorts", (_, filter) => {
    for (const cursor of [undefined, { requestedAtMs: START_MS + 150, id: 9 }])
      for (const step of home.store.requestLog.explainPage(filter, cursor)) {
        expect(step).not.toContain("TEMP B-TREE");
        if (step.includes("requests")) expect(step).toContain("INDEX");
      }
  });
});

test("the options are what occurs in the log", () => {
  const options = home.store.requestLog.options();
  expect(options.accountIds).toEqual(["acc_a", "acc_b", "acc_c"]);
  expect(options.apiKeyIds).toEqual(["key_a", "key_b"]);
  expect(options.modelOptions.map(({ model, reasoningEffort }) => `${model} ${reasoningEffort}`)).toEqual(
    ["gpt-5.4", "gpt-5.5", "gpt-5.6-sol"].flatMap((model) => [
      `${model} null`,
      `${model} high`,
      `${model} low`,
    ]),
  );
});
