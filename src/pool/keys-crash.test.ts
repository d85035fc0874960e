/** The program in a process of its own, killed under load. The executable is killed more often, in tests/. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSimulator } from "../simulator/simulator.ts";
import { CLIENTS, crashRounds, type KillableService } from "../testing/crash-rounds.ts";
import { TEST_ADMIN_TOKEN } from "../testing/running-service.ts";

const ROUNDS = 3;
const LIMIT_MS = 30_000;

test(
  "killed under load, the counters and the balance of a key are what its recorded requests add up to",
  async () => {
    const simulator = createSimulator({ accounts: [{}] });
    const { backendBaseUrl, authBaseUrl } = await simulator.start();
    const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-crash-"));
    chmodSync(dataDir, 0o700);
    const running = new Set<{ kill(signal: "SIGKILL"): void }>();

    async function start(): Promise<KillableService> {
      const child = Bun.spawn([process.execPath, join(import.meta.dir, "../main.ts")], {
        cwd: dataDir,
        env: {
          PATH: process.env.PATH,
          HOME: dataDir,
          CODEX_LB_PORT: "0",
          CODEX_LB_DATA_DIR: dataDir,
          CODEX_LB_UPSTREAM_BASE_URL: backendBaseUrl,
          CODEX_LB_AUTH_BASE_URL: authBaseUrl,
          CODEX_LB_ADMIN_API_TOKEN: TEST_ADMIN_TOKEN,
        },
        stdout: "pipe",
        stderr: "ignore",
      });
      running.add(child);
      let said = "";
      for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
        said += text;
        const url = / is ready on (http:\S+)/.exec(said)?.[1];
        if (url === undefined) continue;
        return {
          url,
          dataDir,
          async kill9() {
            child.kill("SIGKILL");
            await child.exited;
            running.delete(child);
          },
        };
      }
      throw new Error(`it ended: ${said}`);
    }

    try {
      const rounds = await crashRounds({ start, simulator, rounds: ROUNDS });
      expect(rounds).toHaveLength(ROUNDS);
      for (const { counted, recorded, completed } of rounds) {
        expect(counted).toEqual(recorded);
        expect(recorded.requests).toBeGreaterThan(0);
        // Per kill, a reply of each client may have been recorded and not arrived.
        expect(recorded.requests).toBeLessThanOrEqual(completed + CLIENTS * ROUNDS);
      }
    } finally {
      for (const child of running) child.kill("SIGKILL");
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  },
  LIMIT_MS,
);
