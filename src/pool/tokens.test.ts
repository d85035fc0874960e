/** Keeping logins alive when things happen at once: a stop, a deletion, a new login. */
import { expect, test } from "bun:test";
import { createAffinityMap } from "../core/affinity.ts";
import type { ChatGptCredentials } from "../core/credentials.ts";
import { DEFAULT_SETTINGS } from "../core/settings.ts";
import { createLog } from "../ports.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { testAccount, testCredentials } from "../testing/temporary-store.ts";
import { createPool } from "./pool.ts";
import { createTokenKeeper, type RefreshAnswer } from "./tokens.ts";

function setUp(names: readonly string[]) {
  const clock = createFakeClock();
  const affinity = createAffinityMap({ capacity: 1, ttlMs: {} as never });
  const pool = createPool({
    clock,
    random: createSeededRandom(1),
    affinity,
    settings: () => DEFAULT_SETTINGS,
  });
  const login = (mark: string) => testCredentials(mark) as ChatGptCredentials;
  const onDisk = new Map<string, ChatGptCredentials>();
  function put(name: string, credentials = login(name)) {
    onDisk.set(`acc_${name}`, credentials);
    pool.put({ account: testAccount(name), credentials, windows: [], credits: null, models: null });
  }
  const asked: { token: string; answer(answer: RefreshAnswer): void }[] = [];
  const tokens = createTokenKeeper({
    pool,
    clock,
    log: createLog({ level: "error", format: "text", write: () => {} }),
    askIssuer: (credentials) =>
      new Promise((answer) => asked.push({ token: credentials.refreshToken!.reveal(), answer })),
    save: (id, credentials) => void onDisk.set(id, credentials),
    reread: (id) => onDisk.get(id) ?? null,
  });
  for (const name of names) put(name);
  return { pool, tokens, asked, put, login, onDisk };
}

const turnOfTheLoop = () => Bun.sleep(0);

test("a stop waits for the refreshes in flight and starts none of those that wait their turn", async () => {
  const names = ["a", "b", "c", "d", "e", "f"];
  const { tokens, asked, login } = setUp(names);
  const states = names.map((name) => tokens.refresh(`acc_${name}`, "scheduled"));
  await turnOfTheLoop();
  expect(asked).toHaveLength(4);
  const stopped = tokens.stop();
  for (const { token, answer } of [...asked]) answer({ kind: "refreshed", credentials: login(`${token}-2`) });
  await stopped;
  expect(asked).toHaveLength(4);
  expect((await Promise.all(states)).map(({ kind }) => kind)).toEqual([
    "fresh",
    "fresh",
    "fresh",
    "fresh",
    "failed",
    "failed",
  ]);
});

test("never more than four at once, also when one ends while others arrive", async () => {
  const names = Array.from({ length: 12 }, (_, index) => `n${index}`);
  const { tokens, asked, login } = setUp(names);
  for (const name of names.slice(0, 8)) void tokens.refresh(`acc_${name}`, "scheduled");
  await turnOfTheLoop();
  let open = 4;
  let most = 0;
  for (let at = 0; at < names.length; at++) {
    asked[at]!.answer({ kind: "refreshed", credentials: login(`new-${at}`) });
    if (at < 4) void tokens.refresh(`acc_${names[8 + at]}`, "scheduled");
    await turnOfTheLoop();
    open = asked.length - (at + 1);
    most = Math.max(most, open);
  }
  expect(most).toBe(4);
});

test("an account deleted and logged in anew while its old login is refused keeps the new one, unasked", async () => {
  const { pool, tokens, asked, put, login } = setUp(["a"]);
  const state = tokens.refresh("acc_a", "scheduled");
  await turnOfTheLoop();
  pool.remove("acc_a");
  put("a", login("anew"));
  asked[0]!.answer({ kind: "permanent", code: "refresh_token_invalidated" });
  for (let round = 0; round < 3; round++) {
    await turnOfTheLoop();
    asked[1]?.answer({ kind: "permanent", code: "refresh_token_invalidated" });
  }
  expect(await state).toEqual({ kind: "fresh" });
  expect(asked.map(({ token }) => token)).toEqual(["refresh-a"]);
});

test("a login that another program renewed in the file is taken over before the account is given up", async () => {
  const { pool, tokens, asked, login, onDisk } = setUp(["a"]);
  const state = tokens.refresh("acc_a", "scheduled");
  await turnOfTheLoop();
  onDisk.set("acc_a", login("theirs"));
  asked[0]!.answer({ kind: "permanent", code: "refresh_token_reused" });
  await turnOfTheLoop();
  expect(asked.map(({ token }) => token)).toEqual(["refresh-a", "refresh-theirs"]);
  asked[1]!.answer({ kind: "refreshed", credentials: login("ours") });
  expect(await state).toEqual({ kind: "fresh" });
  expect(pool.get("acc_a")!.credentials.accessToken.reveal()).toBe("access-ours");
});

test("the same login imported again while it is renewed does not throw away the renewed token", async () => {
  const { pool, tokens, asked, put, login, onDisk } = setUp(["a"]);
  const state = tokens.refresh("acc_a", "scheduled");
  await turnOfTheLoop();
  put("a", login("a"));
  asked[0]!.answer({ kind: "refreshed", credentials: login("renewed") });
  expect(await state).toEqual({ kind: "fresh" });
  expect(pool.get("acc_a")!.credentials.accessToken.reveal()).toBe("access-renewed");
  expect(onDisk.get("acc_a")!.refreshToken!.reveal()).toBe("refresh-renewed");
});
