/** What WebSockets cost that wait for their next turn: a team's clients stay connected all day. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { RESPONSES_PATH, residentBytes, startPool } from "./harness.ts";
import { waitFor } from "./wait.ts";

const SOCKETS = 2_000;
const MAX_BYTES_PER_SOCKET = 16 * 1024;

let pool: Awaited<ReturnType<typeof startPool>>;
beforeAll(async () => {
  pool = await startPool({ accounts: 1 });
});
afterAll(() => pool?.dispose());

async function openSockets(): Promise<WebSocket[]> {
  const url = `ws://127.0.0.1:${pool.service.port}${RESPONSES_PATH}`;
  const sockets: WebSocket[] = [];
  for (let at = 0; at < SOCKETS; at++) {
    // As large as the real client's (UPSTREAM D).
    const headers = {
      "session-id": `session-${at}`,
      "thread-id": `thread-${at}`,
      "x-codex-turn-metadata": "m".repeat(900),
    };
    sockets.push(new WebSocket(url, { headers } as unknown as string[]));
    if (at % 100 === 99) await opened(sockets);
  }
  await opened(sockets);
  return sockets;
}

const opened = (sockets: WebSocket[]) =>
  waitFor("the sockets are open", () => sockets.every(({ readyState }) => readyState === WebSocket.OPEN));

async function close(sockets: WebSocket[]): Promise<void> {
  for (const socket of sockets) socket.close();
  await waitFor("the sockets are closed", () =>
    sockets.every(({ readyState }) => readyState === WebSocket.CLOSED),
  );
}

test("2,000 idle sockets take at most 16 KB each", async () => {
  // The first round pays for what is needed once: code that is compiled, pools that grow.
  await close(await openSockets());
  const before = residentBytes(pool.service.pid);
  const sockets = await openSockets();
  const perSocket = (residentBytes(pool.service.pid) - before) / SOCKETS;
  await close(sockets);
  expect(perSocket).toBeLessThanOrEqual(MAX_BYTES_PER_SOCKET);
  expect(pool.simulator.counters.openWebSockets).toBe(0);
});
