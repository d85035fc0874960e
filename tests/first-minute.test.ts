/** A newcomer's path on a clean directory, by the commands of the documentation: executable, login, key, client, answer. */
import { expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createSimulator } from "../src/simulator/simulator.ts";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";
import { rowsOnceWritten, startService, temporaryDirectory, writeLogins } from "./harness.ts";

const CODEX = join(ROOT, "node_modules/@openai/codex/bin/codex.js");
/** Of machine time; people read and type on top of it. */
const WITHIN_MS = 60_000;

test("from the executable to an answer of the real Codex, with a key of one's own, within a minute", async () => {
  const simulator = createSimulator({ accounts: [{}] });
  await simulator.start();
  const logins = writeLogins(simulator, 1);
  const home = temporaryDirectory("newcomer");
  const codexHome = join(home, ".codex");
  mkdirSync(codexHome);

  const startedAt = performance.now();
  const service = await startService({ simulator });
  const env: Record<string, string> = { HOME: home, CODEX_LB_DATA_DIR: service.dataDir };
  async function must(...command: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await runToEnd(command, { cwd: home, env });
    expect({ command, exitCode, stderr }).toEqual({ command, exitCode: 0, stderr: expect.any(String) });
    return stdout;
  }
  await must(EXECUTABLE, "import", join(logins, "auth-0.json"));
  const { key } = JSON.parse(await must(EXECUTABLE, "keys", "create", "laptop", "--json")) as { key: string };
  await must(EXECUTABLE, "config", "set", "apiKeyAuthEnabled", "true");
  env.CODEX_LB_API_KEY = key;
  expect(await must(EXECUTABLE, "connect", "codex", "--write")).toContain("by pool-1@example.com (plus)");
  const answer = await must(CODEX, "exec", "--skip-git-repo-check", "Say hello");
  const tookMs = performance.now() - startedAt;

  console.log(`newcomer: answered by the pool ${Math.round(tookMs)} ms after the start of the executable`);
  expect(answer).toContain("Simulated answer");
  expect(tookMs).toBeLessThan(WITHIN_MS);
  expect((await rowsOnceWritten(service, 2)).every(({ api_key_name }) => api_key_name === "laptop")).toBe(
    true,
  );
  await service.dispose();
  await simulator.stop();
  for (const path of [home, logins]) rmSync(path, { recursive: true, force: true });
});
