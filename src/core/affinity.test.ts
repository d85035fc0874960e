/** Conversation keys, the bounded map, and keep-or-move. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import {
  affinityVerdict,
  AFFINITY_KINDS,
  conversationKeys,
  createAffinityMap,
  type AffinityFields,
  type AffinityKind,
  type ConversationKey,
  type NotNow,
} from "./affinity.ts";

const keysOf = (headers: Record<string, string>, fields: AffinityFields = {}) =>
  conversationKeys({ header: (name) => headers[name] ?? null, fields }).map(
    ({ kind, key }) => `${kind}:${key}`,
  );

describe("the keys of a request", () => {
  const metadata = JSON.stringify({ session_id: "root", thread_id: "t1", request_kind: "turn" });
  const cases: [string, Record<string, string>, AffinityFields, string[]][] = [
    [
      "come best first",
      {
        "x-codex-turn-state": "ts-1",
        "session-id": "root",
        "thread-id": "t1",
        "x-codex-turn-metadata": metadata,
      },
      { previousResponseId: "resp_1", fileIds: ["file_1", "file_2"], promptCacheKey: "root" },
      [
        "turn_state:ts-1",
        "response:resp_1",
        "file:file_1",
        "file:file_2",
        "session:root",
        "prompt_cache_key:root",
        "thread:t1",
      ],
    ],
    [
      "of old clients have underscores",
      { session_id: "s", conversation_id: "s", thread_id: "t" },
      {},
      ["session:s", "thread:t"],
    ],
    [
      "of a WebSocket frame are in its metadata",
      {},
      { clientMetadata: { session_id: "root", thread_id: "t2", "x-codex-turn-state": "ts-2" } },
      ["turn_state:ts-2", "session:root", "thread:t2"],
    ],
    [
      "of a frame without ids are in its turn metadata",
      {},
      { clientMetadata: { "x-codex-turn-metadata": metadata } },
      ["session:root", "thread:t1"],
    ],
    [
      "of a sub-agent lead to its root",
      { "session-id": "root", "thread-id": "sub", "x-codex-parent-thread-id": "root" },
      {},
      ["session:root", "thread:sub", "thread:root"],
    ],
    [
      "of an old sub-agent lead to its parent's session",
      { session_id: "sub", "x-codex-parent-thread-id": "parent" },
      {},
      ["session:sub", "session:parent", "thread:parent"],
    ],
    [
      "may be none",
      {},
      { promptCacheKey: " ", previousResponseId: null, clientMetadata: { session_id: 7 } },
      [],
    ],
    [
      "survive odd turn metadata",
      { "x-codex-turn-metadata": "{not json", "thread-id": "t" },
      {},
      ["thread:t"],
    ],
  ];
  test.each(cases)("%s", (_name, headers, fields, expected) => {
    expect(keysOf(headers, fields)).toEqual(expected);
  });
  test("are short whatever a client sends, and long ones stay apart", () => {
    const long = "x".repeat(100_000);
    const [one] = keysOf({ "x-codex-turn-state": `${long}1` });
    const [other] = keysOf({ "x-codex-turn-state": `${long}2` });
    expect(one!.length).toBeLessThan(80);
    expect(one).not.toBe(other!);
  });
});

const HOUR_MS = 3_600_000;
const ttlMs = Object.fromEntries(AFFINITY_KINDS.map((kind) => [kind, HOUR_MS])) as Record<
  AffinityKind,
  number
>;
const session = (key: string): ConversationKey => ({ kind: "session", key });
const response = (key: string): ConversationKey => ({ kind: "response", key });

describe("the map", () => {
  test("forgets the least recently used beyond its capacity", () => {
    const map = createAffinityMap({ capacity: 2, ttlMs });
    map.set(session("a"), "A", 0);
    map.set(session("b"), "B", 1);
    expect(map.get(session("a"), 2)).toBe("A");
    map.set(session("c"), "C", 3);
    expect(map.get(session("b"), 4)).toBeNull();
    expect(map.entries(4).map(({ key }) => key)).toEqual(["a", "c"]);
  });
  test("tells of a new binding, of a move, and of use after an eighth of its life", () => {
    const told: string[] = [];
    const map = createAffinityMap({
      capacity: 10,
      ttlMs,
      onBind: ({ key, accountId, lastUsedMs }) => void told.push(`${key} ${accountId} ${lastUsedMs}`),
    });
    const eighth = ttlMs.session / 8;
    for (const [accountId, atMs] of [
      ["A", 0],
      ["A", 1],
      ["B", 2],
      ["B", eighth + 1],
      ["B", eighth + 2],
    ] as const)
      map.set(session("s"), accountId, atMs);
    expect(told).toEqual(["s A 0", "s B 2", `s B ${eighth + 2}`]);
  });
  test("takes back what an earlier run knew, and does not tell of it", () => {
    const first = createAffinityMap({ capacity: 10, ttlMs });
    first.set(session("a"), "A", 1);
    first.set(session("b"), "B", 2);
    const told: unknown[] = [];
    const second = createAffinityMap({ capacity: 10, ttlMs, onBind: (entry) => void told.push(entry) });
    second.restore(first.entries(3));
    expect(second.entries(3)).toEqual(first.entries(3));
    expect(second.countOf("A")).toBe(1);
    expect(told).toEqual([]);
  });
  test("lets a key expire after its last use, each kind by its own time", () => {
    const map = createAffinityMap({ capacity: 10, ttlMs: { ...ttlMs, turn_state: 1_000 } });
    map.set({ kind: "turn_state", key: "t" }, "A", 0);
    map.set(session("s"), "A", 0);
    expect(map.get(session("s"), HOUR_MS - 1)).toBe("A");
    expect(map.get(session("s"), 2 * HOUR_MS - 2)).toBe("A");
    expect(map.get({ kind: "turn_state", key: "t" }, 1_000)).toBeNull();
    expect(map.get(session("s"), 4 * HOUR_MS)).toBeNull();
    expect(map.size()).toBe(0);
  });
  test("drops an account's conversations but remembers what only it knows", () => {
    const map = createAffinityMap({ capacity: 10, ttlMs });
    map.set(session("s"), "A", 0);
    map.set(response("r"), "A", 0);
    map.set(session("other"), "B", 0);
    expect(map.dropAccount("A")).toBe(1);
    expect(map.get(session("s"), 1)).toBeNull();
    expect(map.get(response("r"), 1)).toBe("A");
    expect(map.dropAccount("A", "all")).toBe(1);
    expect(map.entries(1).map(({ key }) => key)).toEqual(["other"]);
  });
  test("is the same again after its entries are set in order", () => {
    const ids = fc.constantFrom("a", "b", "c", "d", "e");
    const step = fc.tuple(fc.constantFrom("get", "set", "delete", "drop"), ids, fc.constantFrom("A", "B"));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const map = createAffinityMap({ capacity: 3, ttlMs });
        const model = new Map<string, string>();
        steps.forEach(([what, id, account], nowMs) => {
          if (what === "get") map.get(session(id), nowMs);
          else if (what === "set") map.set(session(id), account, nowMs);
          else if (what === "delete") map.delete(session(id));
          else map.dropAccount(account);
          if (what === "set") model.set(id, account);
          if (what === "delete") model.delete(id);
          if (what === "drop") for (const [key, value] of model) if (value === account) model.delete(key);
        });
        const entries = map.entries(steps.length);
        expect(map.size()).toBeLessThanOrEqual(3);
        for (const { key, accountId } of entries) expect(accountId).toBe(model.get(key)!);
        const copy = createAffinityMap({ capacity: 3, ttlMs });
        for (const entry of entries) copy.set(entry, entry.accountId, entry.lastUsedMs);
        expect(copy.entries(steps.length)).toEqual(entries);
      }),
    );
  });
});

describe("keep or move", () => {
  const keys: ConversationKey[] = [{ kind: "turn_state", key: "t" }, response("r"), session("s")];
  type Bound = Partial<Record<AffinityKind, string>>;
  const verdict = (bound: Bound, down: Record<string, NotNow> = {}, sticky = true) => {
    const map = createAffinityMap({ capacity: 10, ttlMs });
    for (const key of keys) if (bound[key.kind] !== undefined) map.set(key, bound[key.kind]!, 0);
    return affinityVerdict({ keys, map, nowMs: 1, sticky, whyNot: (id) => down[id] ?? null });
  };
  test("nothing known", () => {
    expect(verdict({})).toEqual({ kind: "none", reason: "Belongs to no account yet." });
  });
  test("the best key keeps", () => {
    expect(verdict({ turn_state: "A", session: "B" })).toEqual({
      kind: "keep",
      accountId: "A",
      by: "turn_state",
      reason: "Stays on the account of its turn.",
    });
  });
  test("a dead account loses the conversation, with the reason", () => {
    expect(verdict({ session: "A" }, { A: "spent" })).toEqual({
      kind: "move",
      fromAccountId: "A",
      by: "session",
      lostOwner: null,
      reason: "Moves: the account of its session is spent.",
    });
  });
  test("a lesser key keeps when the account of a better one cannot serve", () => {
    expect(verdict({ turn_state: "A", session: "B" }, { A: "paused" })).toMatchObject({
      kind: "keep",
      accountId: "B",
    });
  });
  test("a response id whose owner cannot serve is lost, whatever else would keep", () => {
    expect(verdict({ response: "A", session: "B" }, { A: "paused" })).toMatchObject({
      kind: "move",
      fromAccountId: "A",
      by: "response",
      lostOwner: response("r"),
    });
    expect(verdict({ turn_state: "A", response: "A" }, { A: "paused" })).toMatchObject({
      kind: "move",
      lostOwner: response("r"),
    });
  });
  test("an owner that is full is waited for, a session is not", () => {
    expect(verdict({ response: "A" }, { A: "at_capacity" })).toMatchObject({ kind: "keep", accountId: "A" });
    expect(verdict({ session: "A" }, { A: "at_capacity" })).toMatchObject({
      kind: "move",
      reason: "Moves: the account of its session is full.",
    });
  });
  test("without stickiness a session does not hold, an owner does", () => {
    expect(verdict({ session: "A" }, {}, false).kind).toBe("none");
    expect(verdict({ response: "A" }, {}, false)).toMatchObject({ kind: "keep", accountId: "A" });
  });
});
