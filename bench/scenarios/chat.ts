/** The chat-completions translation, streaming, against the raw relay of the same process in the same run. */
import { median, type Payload, REPLY, responsesPayload, throughput } from "../load.ts";
import type { Scenario } from "../scenario.ts";

const CONNECTIONS = 32;

/** The same amount of text as the raw relay's request has, as a chat client sends it. */
export const CHAT_PAYLOAD: Payload = {
  path: "/v1/chat/completions",
  body: JSON.stringify({
    model: "gpt-5.5",
    stream: true,
    messages: [{ role: "user", content: "the quick brown fox jumps over the lazy dog ".repeat(300) }],
  }),
  // Chunks of chat completions are shorter than the events they come from.
  minReplyBytes: REPLY.totalBytes * 0.5,
};

export const chatScenario: Scenario = {
  name: "chat",
  what: "streaming chat completions against the raw relay, 32 connections, one core",
  targets: ["direct", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const target = bench.target("codex-lb");
    const load = { connections: CONNECTIONS, seconds: quick ? 1 : 4 };
    const payloads = { raw: responsesPayload(14_000), chat: CHAT_PAYLOAD };
    const rates = { raw: [] as number[], chat: [] as number[] };
    let failures = 0;
    for (let round = -1; round < (quick ? 3 : 7); round++) {
      for (const way of ["raw", "chat"] as const) {
        const result = await throughput(target, { ...load, payload: payloads[way] });
        failures += result.failures;
        if (round >= 0) rates[way].push(result.requestsPerSecond);
      }
    }
    const ratio = median(rates.chat.map((rate, round) => rate / rates.raw[round]!));
    return {
      failures: failures + (await bench.failedRequests()),
      figures: [
        { name: "raw relay", value: median(rates.raw), unit: "requests/s" },
        { name: "chat completions", value: median(rates.chat), unit: "requests/s" },
        { name: "chat / raw", value: ratio, unit: "", goal: { atLeast: 0.5 } },
      ],
    };
  },
};
