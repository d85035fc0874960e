/** Claims about the real OpenClaw with the configuration that docs/clients.md gives. 860 MB: only when long tests are asked for. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentedBlock } from "./clients-page.ts";
import { runToEnd } from "./executable.ts";
import { rowsOnceWritten, startPool, temporaryDirectory } from "./harness.ts";
import { npmClient } from "./sdk-clients.ts";
import { callTurn } from "./sdk-turns.ts";

/** It asks for a newer Node than many machines have, so that it brings its own. */
const NODE = `node-${process.platform}-${process.arch}`;
const modules =
  process.env.CODEX_LB_LONG_TESTS === "1" ? await npmClient("openclaw@2026.9.6", `${NODE}@26.10.0`) : null;

let pool: Awaited<ReturnType<typeof startPool>>;
const home = temporaryDirectory("openclaw-home");

beforeAll(async () => {
  pool = await startPool({ accounts: 2, simulator: { keepBodies: true } });
});
afterAll(async () => {
  await pool?.dispose();
  rmSync(home, { recursive: true, force: true });
});

test.skipIf(modules === null)(
  "openclaw agent makes a file with a tool",
  async () => {
    mkdirSync(join(home, ".openclaw"));
    const config = documentedBlock("openclaw.json", pool.service.port);
    writeFileSync(join(home, ".openclaw", "openclaw.json"), config);
    const made = join(home, "made.txt");
    pool.simulator.addScript({
      when: { test: ({ bodyText }) => bodyText.includes('"name":"exec"') },
      turn: callTurn("exec", { command: `echo made by a tool > ${made}` }),
    });
    const bin = join(modules!, NODE, "bin");
    const command = [
      join(bin, "node"),
      join(modules!, "openclaw", "openclaw.mjs"),
      "agent",
      "--local",
      "--json",
    ];
    const { exitCode } = await runToEnd(
      [...command, "--session-id", "one", "--message", "Make a file made.txt."],
      {
        cwd: home,
        env: {
          HOME: home,
          PATH: `${bin}:${process.env.PATH}`,
          CODEX_LB_API_KEY: "none-is-needed-on-this-machine",
        },
      },
    );
    expect(exitCode).toBe(0);
    expect(readFileSync(made, "utf8")).toBe("made by a tool\n");
    const rows = await rowsOnceWritten(pool.service, 2);
    expect(rows.map(({ status, route }) => [status, route])).toEqual([
      ["ok", "/v1/chat/completions"],
      ["ok", "/v1/chat/completions"],
    ]);
  },
  120_000,
);
