/** The chat-completions translation, streaming, against the raw relay of the same process in the same run. */
import { median, throughput } from "../load.ts";
import type { Scenario } from "../scenario.ts";

const CONNECTIONS = 32;

export const chatScenario: Scenario = {
  name: "chat",
  what: "streaming chat completions against the raw relay, 32 connections, one core",
  targets: ["direct", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 80, totalBytes: 20_480 });
    const target = bench.target("codex-lb");
    const text = "the quick brown fox jumps over the lazy dog ".repeat(300);
    const body = JSON.stringify({
      model: "gpt-5.5",
      stream: true,
      messages: [{ role: "user", content: text }],
    });
    const path = "/v1/chat/completions";
    const load = { connections: CONNECTIONS, seconds: quick ? 2 : 4, bodyBytes: 14_000 };
    const raw: number[] = [];
    const chat: number[] = [];
    let failures = 0;
    await throughput(target, load);
    await throughput(target, { ...load, path, body });
    for (let round = 0; round < (quick ? 3 : 7); round++) {
      const first = await throughput(target, load);
      const second = await throughput(target, { ...load, path, body });
      raw.push(first.requestsPerSecond);
      chat.push(second.requestsPerSecond);
      failures += first.failures + second.failures;
    }
    return {
      failures,
      figures: [
        { name: "raw relay", value: median(raw), unit: "requests/s" },
        { name: "chat completions", value: median(chat), unit: "requests/s" },
        {
          name: "chat / raw",
          value: median(chat.map((rate, round) => rate / raw[round]!)),
          unit: "",
          goal: { atLeast: 0.5 },
        },
      ],
    };
  },
};
