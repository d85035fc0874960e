/** From the command to the first served request, idle memory, and the size of the executable. */
import { statSync } from "node:fs";
import { EXECUTABLE } from "../codex-lb.ts";
import { connectClient, median, REPLY, responsesPayload } from "../load.ts";
import { settledBytes } from "../memory.ts";
import type { Scenario } from "../scenario.ts";

export const startScenario: Scenario = {
  name: "start",
  what: "start on an existing database of 20 accounts to the end of the first served request, idle memory, size",
  targets: ["direct", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const payload = responsesPayload(14_000);
    const times: number[] = [];
    const memory: number[] = [];
    let failures = 0;
    for (let round = 0; round < (quick ? 4 : 15); round++) {
      await bench.target("codex-lb").process!.stop();
      const started = performance.now();
      const service = await bench.restart();
      const client = await connectClient(service, { payload });
      const { ok } = await client.request();
      times.push(performance.now() - started);
      if (!ok) failures++;
      client.close();
      if (round % 5 === 1)
        memory.push((await settledBytes(service.process, quick ? 2_000 : 10_000)) / 2 ** 20);
    }
    return {
      failures,
      figures: [
        {
          name: "start to the first served request",
          value: median(times),
          unit: "ms",
          goal: { atMost: 200 },
        },
        { name: "idle memory", value: median(memory), unit: "MB", goal: { atMost: 90 } },
        { name: "size", value: statSync(EXECUTABLE).size / 2 ** 20, unit: "MB", goal: { atMost: 120 } },
      ],
    };
  },
};
