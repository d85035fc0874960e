/** The reply to a new file is read before it is passed on: whatever becomes of it meanwhile, no place on the account is kept. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { type RunningService, startService } from "../testing/running-service.ts";

const HALF = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"file_id":';

let upstream: Server;
let service: RunningService;
/** Connections that asked for a file and have half of their reply. */
let asked: Socket[];

beforeEach(async () => {
  asked = [];
  upstream = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (bytes) => {
      if (!String(bytes).startsWith("POST /backend-api/files ")) return void socket.end();
      socket.write(HALF);
      asked.push(socket);
    });
  });
  await new Promise<void>((resolve) => void upstream.listen(0, "127.0.0.1", resolve));
  const { port } = upstream.address() as { port: number };
  service = await startService({
    accounts: [{}],
    env: { CODEX_LB_UPSTREAM_BASE_URL: `http://127.0.0.1:${port}/backend-api` },
  });
});
afterEach(async () => {
  await service.stop();
  upstream.close();
});

const makeFile = (signal: AbortSignal | null = null) =>
  service.fetch("/backend-api/files", { method: "POST", body: "{}", signal });

async function inFlight(): Promise<string[]> {
  const text = await (await service.admin("/metrics")).text();
  return [...text.matchAll(/^codex_lb_(?:account|requests)_in_flight\S* (\d+)$/gm)].map((match) => match[1]!);
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await Bun.sleep(5);
}

test("when upstream cuts it", async () => {
  const made = makeFile().catch(() => null);
  await until(() => asked.length === 1);
  asked[0]!.destroy();
  const reply = await made;
  await reply?.text().catch(() => {});
  await until(async () => (await inFlight()).every((count) => count === "0"));
  expect(service.lines.filter((line) => line.includes("request failed"))).toEqual([]);
});

test("when the client leaves, which ends it upstream too", async () => {
  const leaving = new AbortController();
  const made = makeFile(leaving.signal).catch(() => null);
  await until(() => asked.length === 1);
  const closed = new Promise((resolve) => asked[0]!.once("close", resolve));
  leaving.abort();
  await made;
  await closed;
  await until(async () => (await inFlight()).every((count) => count === "0"));
  expect(service.lines.filter((line) => line.includes("request failed"))).toEqual([]);
});
