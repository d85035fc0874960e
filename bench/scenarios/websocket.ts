/** Turns over WebSocket against a bare Bun relay of frames, and what an idle socket costs. */
import { median, requestBody } from "../load.ts";
import type { Scenario } from "../scenario.ts";
import { RESPONSES_PATH, type Target } from "../targets.ts";

const SOCKETS = 20;

/** A frame as the Codex client sends it. */
const FRAME = JSON.stringify({ type: "response.create", ...JSON.parse(requestBody(14_000)) });

function connect(target: Target): Promise<WebSocket> {
  const socket = new WebSocket(`${target.origin.replace("http", "ws")}${RESPONSES_PATH}`, {
    headers: { ...target.headers, "openai-beta": "responses_websockets=2026-02-06" },
  } as unknown as string);
  return new Promise((resolve, reject) => {
    socket.addEventListener("open", () => resolve(socket));
    socket.addEventListener("error", () => reject(new Error(`${target.name}: the handshake failed`)));
  });
}

/** Turns per second over all sockets, and turns that did not complete. */
async function turns(target: Target, perSocket: number): Promise<{ rate: number; failures: number }> {
  const sockets = await Promise.all(Array.from({ length: SOCKETS }, () => connect(target)));
  let failures = 0;
  const started = performance.now();
  await Promise.all(
    sockets.map(
      (socket) =>
        new Promise<void>((resolve) => {
          let left = perSocket;
          const next = () => {
            if (left-- > 0) socket.send(FRAME);
            else resolve();
          };
          socket.addEventListener("message", ({ data }) => {
            const head = String(data).slice(0, 60);
            if (head.includes('"response.completed"')) next();
            else if (head.includes('"error"') || head.includes('"response.failed"')) {
              failures++;
              next();
            }
          });
          socket.addEventListener("close", () => {
            failures += Math.max(0, left + 1);
            resolve();
          });
          next();
        }),
    ),
  );
  const seconds = (performance.now() - started) / 1000;
  const result = { rate: (SOCKETS * perSocket) / seconds, failures };
  for (const socket of sockets) socket.close();
  return result;
}

export const websocketScenario: Scenario = {
  name: "websocket",
  what: `${SOCKETS} sockets, turns of 81 frames; and thousands of idle sockets`,
  targets: ["direct", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 81, totalBytes: 20_480 });
    const rounds = quick ? 3 : 5;
    const perSocket = quick ? 50 : 300;
    const rates: Record<string, number[]> = { direct: [], bare: [], "codex-lb": [] };
    let failures = 0;
    for (let round = -1; round < rounds; round++) {
      for (const target of bench.targets) {
        const result = await turns(target, round < 0 ? 20 : perSocket);
        if (round < 0) continue;
        rates[target.name]!.push(result.rate);
        if (target.name === "codex-lb") failures += result.failures;
      }
    }
    const idle = quick ? 1_000 : 5_000;
    const target = bench.target("codex-lb");
    await Bun.sleep(2_000);
    const before = target.process!.rssBytes();
    const sockets: WebSocket[] = [];
    for (let index = 0; index < idle; index += 100) {
      sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => connect(target)))));
    }
    await Bun.sleep(2_000);
    const each = (target.process!.rssBytes() - before) / idle / 1024;
    for (const socket of sockets) socket.close();
    return {
      failures,
      figures: [
        { name: "direct", value: median(rates.direct!), unit: "turns/s" },
        { name: "bare Bun relay", value: median(rates.bare!), unit: "turns/s" },
        { name: "codex-lb", value: median(rates["codex-lb"]!), unit: "turns/s" },
        {
          name: "codex-lb / bare Bun relay",
          value: median(rates["codex-lb"]!.map((rate, round) => rate / rates.bare![round]!)),
          unit: "",
          goal: { atLeast: 0.8 },
        },
        { name: `memory per idle socket of ${idle}`, value: each, unit: "KB", goal: { atMost: 16 } },
      ],
    };
  },
};
