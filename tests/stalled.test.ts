/** Claims about clients that stop reading: what each costs the executable, and that it gets its bytes once it reads on. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { residentBytes, RESPONSES_PATH, startPool, turnBody } from "./harness.ts";
import { beginLongSilence } from "./idle-stream.ts";
import { openRaw, type RawClient } from "./raw-client.ts";
import { waitFor } from "./wait.ts";

const EVENTS = 1024;
const BYTES_PER_EVENT = 65_536;
const REPLY_BYTES = EVENTS * BYTES_PER_EVENT;
/** The promise. Kernel buffers are not in it: they are not the process's memory. */
const BYTES_PER_CLIENT = 64 * 1024;
/** What went through before the kernel's buffers were full is garbage, collected a few quiet seconds later. */
const COLLECTED_MS = 20_000;

let pool: Awaited<ReturnType<typeof startPool>>;

beforeAll(async () => {
  beginLongSilence();
  pool = await startPool({ accounts: 4 });
  const turn = { kind: "filled", events: EVENTS, bytesPerEvent: BYTES_PER_EVENT } as const;
  pool.simulator.addScript({ when: { bodyIncludes: "much" }, turn, times: null });
});

afterAll(() => pool?.dispose());

/** Clients that take the first bytes of 64 MB and then nothing; resolves when all are so far. */
async function stall(count: number): Promise<RawClient[]> {
  const request = {
    port: pool.service.port,
    path: RESPONSES_PATH,
    body: JSON.stringify(turnBody("much")),
    stallAfterBytes: 1,
  };
  const clients = await Promise.all(Array.from({ length: count }, () => openRaw(request)));
  await waitFor("all have begun", () => clients.every((client) => client.received() > 0), 30_000);
  return clients;
}

async function leave(clients: RawClient[]): Promise<void> {
  for (const client of clients) client.leave();
  await waitFor("upstream knows", () => pool.simulator.counters.openRequests === 0);
}

/** The least memory of the while, in bytes: garbage on its way out is no cost. */
async function settledBytes(): Promise<number> {
  const until = performance.now() + COLLECTED_MS;
  let least = Number.POSITIVE_INFINITY;
  await waitFor(
    "memory has settled",
    () => {
      least = Math.min(least, residentBytes(pool.service.pid));
      return performance.now() >= until;
    },
    COLLECTED_MS + 5_000,
  );
  return least;
}

test("clients that stall on a 64 MB reply cost at most 64 KB each", async () => {
  // What the first hundred make the process grow once (compiled code, pools of buffers) is no client's cost.
  const clients = await stall(100);
  const first = await settledBytes();
  const more = 200;
  clients.push(...(await stall(more)));
  const least = await settledBytes();
  const each = Math.round((least - first) / more);
  console.log(`a stalled client costs ${Math.round(each / 1024)} KB`);
  expect(pool.simulator.counters.openRequests).toBe(clients.length);
  expect(each).toBeLessThanOrEqual(BYTES_PER_CLIENT);
  await leave(clients);
}, 120_000);

test("a client that reads on gets the whole reply", async () => {
  const [client] = await stall(1);
  client!.resume();
  await waitFor("the whole reply", () => client!.received() > REPLY_BYTES && client!.ended(), 30_000);
});
