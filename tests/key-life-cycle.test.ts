/** The documented life cycle of a key, with curl and jq, against the executable; and its budgets through ten crashes. */
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSimulator } from "../src/simulator/simulator.ts";
import { crashRounds } from "../src/testing/crash-rounds.ts";
import { TEST_ADMIN_TOKEN } from "../src/testing/running-service.ts";
import { runToEnd } from "./executable.ts";
import { startService, temporaryDirectory } from "./harness.ts";

const env = { CODEX_LB_ADMIN_API_TOKEN: TEST_ADMIN_TOKEN };
const KILLS = 10;
const KILLS_LIMIT_MS = 120_000;

test("every step of the life cycle works as documented", async () => {
  const simulator = createSimulator({ accounts: [{}] });
  await simulator.start();
  const service = await startService({ simulator, env });
  const cwd = temporaryDirectory("life-cycle");
  try {
    const login = join(cwd, "auth.json");
    writeFileSync(login, JSON.stringify(simulator.issueAuthJson(0)));
    const { exitCode, stdout, stderr } = await runToEnd(["sh", join(import.meta.dir, "key-life-cycle.sh")], {
      cwd,
      env: { BASE_URL: service.url, ADMIN_TOKEN: TEST_ADMIN_TOKEN, AUTH_JSON: login },
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.match(/^ok {3}\d+ /gm)).toHaveLength(12);
  } finally {
    await service.dispose();
    await simulator.stop();
    rmSync(cwd, { recursive: true });
  }
});

test(
  "killed ten times under load, the counters and the balance of a key are what its recorded requests add up to",
  async () => {
    const simulator = createSimulator({ accounts: [{}] });
    await simulator.start();
    const dataDir = temporaryDirectory("crash");
    const running = new Set<{ dispose(): Promise<void> }>();
    try {
      const rounds = await crashRounds({
        simulator,
        rounds: KILLS,
        async start() {
          const service = await startService({ simulator, dataDir, env });
          running.add(service);
          return {
            url: service.url,
            dataDir,
            async kill9() {
              await service.dispose();
              running.delete(service);
            },
          };
        },
      });
      expect(rounds).toHaveLength(KILLS);
      for (const { counted, recorded } of rounds) expect(counted).toEqual(recorded);
      const recorded = rounds.map((round) => round.recorded.requests);
      expect(recorded).toEqual(recorded.toSorted((a, b) => a - b));
    } finally {
      for (const service of running) await service.dispose();
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
  KILLS_LIMIT_MS,
);
