/** Turns over WebSocket against a bare Bun relay of frames, and what an idle socket costs. */
import { bodyOfSession, median, requestBody } from "../load.ts";
import { settledBytes } from "../memory.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { RESPONSES_PATH, type Target } from "../targets.ts";

const SOCKETS = 20;
/** A round of turns takes seconds; one that hangs must not hang the run. */
const ROUND_LIMIT_MS = 120_000;

/** A frame as the Codex client sends it. */
const frameOf = (session: number) =>
  JSON.stringify({ type: "response.create", ...JSON.parse(bodyOfSession(requestBody(14_000), session)) });

function connect(target: Target): Promise<WebSocket> {
  const socket = new WebSocket(`${target.origin.replace("http", "ws")}${RESPONSES_PATH}`, {
    headers: {
      ...target.headers,
      "openai-beta": "responses_websockets=2026-02-06",
      // As large as the real client's.
      "x-codex-turn-metadata": "m".repeat(900),
    },
  } as unknown as string);
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(socket));
    socket.addEventListener("error", () => reject(new Error(`${target.name}: the handshake failed`)));
  });
}

/** Turns per second over all sockets, and turns that did not complete. */
async function turns(target: Target, perSocket: number): Promise<{ rate: number; failures: number }> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connect(target)));
  const started = performance.now();
  const ended = await Promise.race([
    Promise.all(
      sockets.map((socket, session) => turnsOn(socket, { count: perSocket, frame: frameOf(session) })),
    ),
    Bun.sleep(ROUND_LIMIT_MS).then(() => null),
  ]);
  const seconds = (performance.now() - started) / 1000;
  for (const socket of sockets) socket.close();
  const failures = ended === null ? SOCKETS * perSocket : ended.reduce((sum, failed) => sum + failed, 0);
  return { rate: (SOCKETS * perSocket) / seconds, failures };
}

/** One turn after another; how many did not complete. */
function turnsOn(socket: WebSocket, { count, frame }: { count: number; frame: string }): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let left = count;
  let failures = 0;
  function next(): void {
    if (left-- > 0) socket.send(frame);
    else resolve(failures);
  }
  socket.addEventListener("message", ({ data }) => {
    const head = String(data).slice(0, 60);
    if (head.includes('"response.completed"')) next();
    else if (head.includes('"error"') || head.includes('"response.failed"')) {
      failures++;
      next();
    }
  });
  socket.addEventListener("close", () => resolve(failures + Math.max(0, left + 1)));
  next();
  return promise;
}

/** Resident KB per socket that is open and silent. */
async function idleCost(
  target: Target,
  { count, settleMs }: { count: number; settleMs: number },
): Promise<number> {
  async function open(sockets: number): Promise<WebSocket[]> {
    const list: WebSocket[] = [];
    while (list.length < sockets)
      list.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(target)))));
    return list;
  }
  // What the process needs once is not counted per socket.
  for (const socket of await open(200)) socket.close();
  const before = await settledBytes(target.process!, settleMs);
  const sockets = await open(count);
  const during = await settledBytes(target.process!, settleMs);
  for (const socket of sockets) socket.close();
  await Bun.sleep(settleMs);
  return (during - before) / count / 1024;
}

export const websocketScenario: Scenario = {
  name: "websocket",
  what: `${SOCKETS} sockets, turns of 81 frames; and thousands of idle sockets`,
  targets: ["direct", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 81, totalBytes: 20_480 });
    const figures: Figure[] = [];
    // Before the turns: memory that they leave free would hide what the sockets take.
    const idle = { count: quick ? 1_000 : 5_000, settleMs: quick ? 1_000 : 5_000 };
    for (const name of ["bare", "codex-lb"] as const) {
      figures.push({
        name: `${name}: memory per idle socket of ${idle.count}`,
        value: await idleCost(bench.target(name), idle),
        unit: "KB",
        ...(name === "codex-lb" ? { goal: { atMost: 16 } } : {}),
      });
    }
    const rates: Record<string, number[]> = { direct: [], bare: [], "codex-lb": [] };
    let failures = 0;
    for (let round = -1; round < (quick ? 3 : 5); round++) {
      for (const target of bench.targets) {
        const result = await turns(target, round < 0 ? 20 : quick ? 50 : 300);
        if (target.name === "codex-lb") failures += result.failures;
        if (round >= 0) rates[target.name]!.push(result.rate);
      }
    }
    const ratio = median(rates["codex-lb"]!.map((rate, round) => rate / rates.bare![round]!));
    figures.push(
      { name: "direct", value: median(rates.direct!), unit: "turns/s" },
      { name: "bare Bun relay", value: median(rates.bare!), unit: "turns/s" },
      { name: "codex-lb", value: median(rates["codex-lb"]!), unit: "turns/s" },
      { name: "codex-lb / bare Bun relay", value: ratio, unit: "", goal: { atLeast: 0.8 } },
    );
    return { failures, figures };
  },
};
