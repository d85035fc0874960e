/** From the command to the first served request, idle memory, and the size of the executable. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { median } from "../load.ts";
import { PROXY_CORE, start } from "../processes.ts";
import type { Scenario } from "../scenario.ts";

const executable = resolve(import.meta.dir, "../../dist/codex-lb");
/** Garbage of the start is collected by then. */
const IDLE_MS = 5_000;

export const startScenario: Scenario = {
  name: "start",
  what: "cold start on an existing database to the first answer, idle memory, size",
  targets: ["direct"],
  async run({ quick }) {
    const directory = mkdtempSync(join(tmpdir(), "codex-lb-start-"));
    const command = [executable, "--port", "0", "--data-dir", join(directory, "data")];
    const times: number[] = [];
    const memory: number[] = [];
    try {
      for (let round = 0; round < (quick ? 4 : 12); round++) {
        const started = performance.now();
        const service = await start(command, { core: PROXY_CORE, ready: /ready on/, cwd: directory });
        const reply = await fetch(`${/http:\S+/.exec(service.line)![0]}/health`);
        await reply.text();
        // The first start makes the database.
        if (round > 0) times.push(performance.now() - started);
        if (round % 3 === 1) {
          await Bun.sleep(IDLE_MS);
          memory.push(service.rssBytes() / 2 ** 20);
        }
        await service.stop();
      }
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
    return {
      failures: 0,
      figures: [
        { name: "start to the first answer", value: median(times), unit: "ms", goal: { atMost: 200 } },
        { name: "idle memory", value: median(memory), unit: "MB", goal: { atMost: 90 } },
        { name: "size", value: statSync(executable).size / 2 ** 20, unit: "MB", goal: { atMost: 120 } },
      ],
    };
  },
};
