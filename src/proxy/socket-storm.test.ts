/** A thousand WebSocket turns while a fifth of all attempts fails somehow: clients that recover as Codex does see every turn whole, and only their own. */
import { expect, test } from "bun:test";
import { startService, TURN_BODY } from "../testing/running-service.ts";
import {
  type AnyFrame,
  openSocketClient,
  type SocketClient,
  TERMINAL,
  until,
} from "../testing/socket-client.ts";
import type { Storm } from "../simulator/simulator.ts";

const SESSIONS = 40;
const TURNS = 25;
/** Codex connects anew so often for one turn (UPSTREAM D). */
const MAX_TRIES = 6;

/** Burst limits make clients wait for seconds; everything else that can go wrong is here. */
const FAULTS: NonNullable<Storm["faults"]> = [
  { moment: "before_headers", act: { kind: "error", name: "server_error" } },
  { moment: "before_headers", act: { kind: "error", name: "server_is_overloaded" } },
  { moment: "before_headers", act: { kind: "error", name: "previous_response_not_found" } },
  { moment: "before_headers", act: { kind: "error", name: "websocket_connection_limit_reached" } },
  { moment: "before_headers", act: { kind: "reset" } },
  { moment: "before_headers", act: { kind: "cut" } },
  { moment: "before_headers", act: { kind: "delay", delayMs: 5 } },
  { moment: "first_event", act: { kind: "failed", code: "server_error" } },
  { moment: "first_event", act: { kind: "cut" } },
  { moment: "after_created", act: { kind: "failed", code: "server_is_overloaded" } },
  { moment: "after_created", act: { kind: "reset" } },
  { moment: "after_text", act: { kind: "cut" } },
  { moment: "after_text", act: { kind: "failed", code: "usage_limit_unknown" } },
  { moment: "after_text", act: { kind: "end", closeCode: 1012 } },
];

test("a thousand turns in a storm lose no frame and cross no session", async () => {
  const service = await startService({
    accounts: [{}, {}, {}, {}],
    simulator: { seed: 7 },
    env: { CODEX_LB_LOG_LEVEL: "error" },
  });
  service.simulator.setStorm({ probability: 0.2, faults: FAULTS });
  const recoveries = { count: 0 };
  const clients: SocketClient[] = [];

  async function session(name: string): Promise<void> {
    let client: SocketClient | null = null;
    let previous: string | null = null;
    const history: unknown[] = [];
    for (let number = 0; number < TURNS; number++) {
      const text = `${name}-turn-${number}`;
      const item = { type: "message", role: "user", content: [{ type: "input_text", text }] };
      history.push(item);
      let frames: AnyFrame[] | null = null;
      for (let tries = 0; frames === null; tries++) {
        expect(tries).toBeLessThan(MAX_TRIES);
        if (!client || client.closeCode() !== null) {
          client = await openSocketClient(service.url, { "session-id": name });
          clients.push(client);
          previous = null;
        }
        const chain: Record<string, unknown> = previous
          ? { previous_response_id: previous, input: [item] }
          : { input: history };
        frames = await attemptTurn(client, { ...TURN_BODY, ...chain });
        if (frames === null) {
          recoveries.count++;
          client.close();
          client = null;
        }
      }
      expect(textOf(frames)).toBe(`Simulated answer to: ${text}`);
      previous = (frames.at(-1)!.response as { id: string }).id;
    }
    client?.close();
  }

  await Promise.all(Array.from({ length: SESSIONS }, (_, at) => session(`session-${at}`)));
  expect(service.simulator.counters.faultsFired).toBeGreaterThan(100);
  expect(recoveries.count).toBeGreaterThan(20);
  await until("every socket to upstream has ended", () => service.simulator.counters.openWebSockets === 0);
  const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
  expect(accounts.map(({ status }) => status)).toEqual(["active", "active", "active", "active"]);
  await service.stop();
}, 60_000);

/** The frames of a whole response; null: one of the ends after which Codex connects anew. */
async function attemptTurn(client: SocketClient, body: Record<string, unknown>): Promise<AnyFrame[] | null> {
  client.create(body);
  const first = client.next(...TERMINAL);
  // A socket that closes may have said why before.
  const frames = await Promise.race([first, client.closed().then(() => null)]);
  first.catch(() => {});
  const last = frames?.at(-1);
  if (!frames || last?.type === "response.failed") return null;
  if (last?.type === "error") {
    expect(last).toMatchObject({ status: 400, error: { code: "websocket_connection_limit_reached" } });
    return null;
  }
  return frames;
}

/** The text that the frames make up, which must be all there: numbered without a gap, and whole in the end. */
function textOf(frames: AnyFrame[]): string {
  const numbers = frames.flatMap(({ sequence_number }) =>
    typeof sequence_number === "number" ? [sequence_number] : [],
  );
  expect(numbers).toEqual(numbers.map((_, at) => at));
  const deltas = frames.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta);
  const done = frames.find(({ type }) => type === "response.output_text.done");
  expect(deltas.join("")).toBe(String(done?.text));
  return deltas.join("");
}
