/** The attempt engine at its edges: clients that leave, logins renewed meanwhile, ids that one account owns. */
import { afterEach, describe, expect, test } from "bun:test";
import { type AffinityKind, createAffinityMap } from "../core/affinity.ts";
import type { Credentials } from "../core/account.ts";
import { DEFAULT_SETTINGS } from "../core/settings.ts";
import { createPool } from "../pool/pool.ts";
import { createTokenKeeper, type RefreshAnswer } from "../pool/tokens.ts";
import { createWaitingRoom } from "../pool/waiting.ts";
import { createLog } from "../ports.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { testAccount, testCredentials } from "../testing/temporary-store.ts";
import { type AttemptContext, type Attempted, createEngine, type RoutedRequest } from "./engine.ts";
import { NOTHING_SEEN } from "./http-attempt.ts";

const HOUR_MS = 3_600_000;
const TTL_MS = Object.fromEntries(
  ["turn_state", "response", "file", "session", "prompt_cache_key", "thread"].map((kind) => [kind, HOUR_MS]),
) as Record<AffinityKind, number>;

function setUp({ perAccount = 8 } = {}) {
  const clock = createFakeClock();
  const random = createSeededRandom(1);
  const log = createLog({ level: "error", format: "text", write: () => {} });
  const settings = () => ({ ...DEFAULT_SETTINGS, maxConcurrentRequestsPerAccount: perAccount });
  const affinity = createAffinityMap({ capacity: 100, ttlMs: TTL_MS });
  const pool = createPool({ clock, random, affinity, settings });
  const asked: ((answer: RefreshAnswer) => void)[] = [];
  const tokens = createTokenKeeper({
    pool,
    clock,
    log,
    askIssuer: () => new Promise((resolve) => asked.push(resolve)),
    save: () => {},
    reread: (id) => pool.get(id)?.credentials ?? null,
  });
  const waiting = createWaitingRoom(clock);
  pool.onRoom(() => waiting.room());
  const engine = createEngine({ pool, tokens, waiting, clock, random, log, settings, apiKeyLane: null });

  function add(name: string, credentials: Credentials = login(name)) {
    return pool.put({ account: testAccount(name), credentials, windows: [], credits: null, models: null });
  }
  function login(mark: string, accessExpiresAtMs: number | null = clock.now() + HOUR_MS): Credentials {
    return { ...testCredentials(mark), accessExpiresAtMs } as Credentials;
  }
  const inFlight = () => pool.list().reduce((sum, account) => sum + account.inFlight, 0);
  return { clock, pool, engine, add, login, inFlight, asked, waiting };
}

/** A client and how to make it leave. Like Bun's, it calls back at once when it left before. */
function createClient() {
  const listeners = new Set<() => void>();
  let gone = false;
  return {
    left: () => gone,
    onLeave(callback: () => void) {
      if (gone) callback();
      else listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    leave() {
      gone = true;
      for (const listener of listeners) listener();
    },
    listeners,
  };
}

function request(fields: Partial<RoutedRequest> = {}): RoutedRequest {
  return {
    requestId: "req_1",
    receivedAtMs: Date.UTC(2026, 0, 1),
    receivedAt: 0,
    model: "m",
    keys: [],
    keyId: null,
    allowedAccountIds: null,
    mayUseApiKeyLane: false,
    client: createClient(),
    ...fields,
  };
}

const done: Attempted<string> = { kind: "committed", value: "reply", connectMs: 1 };
const serve = async () => done;

function refusedWith(status: number, code: string): Attempted<string> {
  const body = JSON.stringify({ error: { code, message: "" } });
  return { kind: "failed", seen: { ...NOTHING_SEEN, status, body }, answer: null, connectMs: 1 };
}

const file = { kind: "file", key: "file-1" } as const;

describe("a place on an account is given back", () => {
  let left: ReturnType<typeof setUp>;
  afterEach(() => {
    expect(left.inFlight()).toBe(0);
    expect(left.waiting.size()).toBe(0);
    expect(left.clock.pendingTimers()).toBe(0);
  });

  test("at once when the client leaves while the account's token is renewed", async () => {
    left = setUp();
    const { add, login, engine, clock, asked } = left;
    add("a", login("a", clock.now() - 1));
    const client = createClient();
    const routed = engine.route(request({ client }), serve);
    await Bun.sleep(0);
    expect(asked).toHaveLength(1);
    client.leave();
    expect((await routed).kind).toBe("left");
    expect(client.listeners.size).toBe(0);
  });

  test("when the client left before the pause between two attempts", async () => {
    left = setUp();
    const { add, engine } = left;
    add("a");
    const client = createClient();
    const routed = await engine.route(request({ client }), async () => {
      client.leave();
      return refusedWith(503, "server_is_overloaded");
    });
    expect(routed.kind).toBe("left");
  });

  test("when the client leaves while the renewal of a token fails", async () => {
    left = setUp();
    const { add, login, engine, clock, asked } = left;
    add("a", login("a", clock.now() - 1));
    const client = createClient();
    const routed = engine.route(request({ client }), serve);
    await Bun.sleep(0);
    asked[0]!({ kind: "transient", code: "timeout" });
    client.leave();
    expect((await routed).kind).toBe("left");
  });

  test("when an attempt throws", async () => {
    left = setUp();
    const { add, engine } = left;
    add("a");
    const routed = engine.route(request(), () => Promise.reject(new Error("a defect")));
    await expect(routed).rejects.toThrow("a defect");
  });
});

describe("an id that one account owns", () => {
  test("does not lead a key to an account that is not assigned to it", async () => {
    const { add, engine, pool, inFlight } = setUp();
    const owner = add("a");
    const other = add("b");
    pool.affinity.set(file, owner.id, Date.UTC(2026, 0, 1));
    const routed = await engine.route(
      request({ keys: [file], allowedAccountIds: new Set([other.id]) }),
      serve,
    );
    expect(routed).toMatchObject({ kind: "refused", refusal: { code: "file_unavailable" } });
    expect(inFlight()).toBe(0);
  });

  test("is waited for while its account is merely full", async () => {
    const { add, engine, pool } = setUp({ perAccount: 1 });
    const owner = add("a");
    add("b");
    pool.affinity.set(file, owner.id, Date.UTC(2026, 0, 1));
    const first = await engine.route(request({ keys: [file] }), serve);
    const second = engine.route(request({ keys: [file] }), serve);
    await Bun.sleep(0);
    if (first.kind !== "committed") throw new Error(first.kind);
    first.lease.release();
    expect(await second).toMatchObject({ kind: "committed", lease: { account: { id: owner.id } } });
  });

  test("is given up when its account stays full for as long as a request may wait", async () => {
    const { add, engine, pool, clock } = setUp({ perAccount: 1 });
    const owner = add("a");
    pool.affinity.set(file, owner.id, Date.UTC(2026, 0, 1));
    await engine.route(request({ keys: [file] }), serve);
    const second = engine.route(request({ keys: [file] }), serve);
    await Bun.sleep(0);
    clock.advance(DEFAULT_SETTINGS.queueWaitSeconds * 1000);
    expect(await second).toMatchObject({ kind: "refused", refusal: { code: "file_unavailable" } });
  });
});

test("a conversation moves on from a full account at once", async () => {
  const { add, engine, pool } = setUp({ perAccount: 1 });
  add("a");
  add("b");
  const keys = [{ kind: "session", key: "s" }] as const;
  const first = await engine.route(request({ keys }), serve);
  const second = await engine.route(request({ keys }), serve);
  const ids = [first, second].map((routed) => (routed.kind === "committed" ? routed.lease.account.id : ""));
  expect(ids.toSorted()).toEqual(pool.list().map(({ id }) => id));
});

test("a login that was renewed meanwhile does not end because upstream refuses the old token", async () => {
  const { add, login, engine, pool } = setUp();
  const account = add("a");
  const seen: string[] = [];
  const routed = await engine.route(request(), async ({ account: { credentials } }: AttemptContext) => {
    seen.push(credentials.accessToken.reveal());
    if (seen.length > 1) return done;
    pool.setCredentials(account.id, login("new"));
    return refusedWith(401, "token_invalidated");
  });
  expect(routed.kind).toBe("committed");
  expect(seen).toEqual(["access-a", "access-new"]);
  expect(account.state).toBe("active");
});
