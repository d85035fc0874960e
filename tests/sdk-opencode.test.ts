/** Claims about the real OpenCode with the configuration that docs/clients.md gives. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentedBlock } from "./clients-page.ts";
import { runToEnd } from "./executable.ts";
import { rowsOnceWritten, startPool, temporaryDirectory } from "./harness.ts";
import { npmClient } from "./sdk-clients.ts";
import { callTurn } from "./sdk-turns.ts";

/** The program itself; the package `opencode-ai` only chooses among these. The x64 one that asks nothing of the processor. */
const PROGRAM = `opencode-${process.platform}-${process.arch}${process.arch === "x64" ? "-baseline" : ""}`;
const modules = await npmClient(`${PROGRAM}@1.18.33`);

let pool: Awaited<ReturnType<typeof startPool>>;
const home = temporaryDirectory("opencode-home");
const work = temporaryDirectory("opencode-work");

beforeAll(async () => {
  pool = await startPool({ accounts: 2, simulator: { keepBodies: true } });
});
afterAll(async () => {
  await pool?.dispose();
  for (const directory of [home, work]) rmSync(directory, { recursive: true, force: true });
});

test.skipIf(modules === null)(
  "opencode run makes a file with a tool and says what came of it",
  async () => {
    writeFileSync(join(work, "opencode.json"), documentedBlock("opencode.json", pool.service.port));
    pool.simulator.addScript({
      when: { test: ({ bodyText }) => bodyText.includes('"name":"bash"') },
      turn: callTurn("bash", { command: "echo made by a tool > made.txt", description: "Makes a file" }),
    });
    const opencode = join(
      modules!,
      `opencode-${process.platform}-${process.arch}-baseline`,
      "bin",
      "opencode",
    );
    const { exitCode, stdout } = await runToEnd(
      [opencode, "run", "--auto", "--format", "json", "Make a file made.txt."],
      {
        cwd: work,
        env: {
          HOME: home,
          CODEX_LB_API_KEY: "none-is-needed-on-this-machine",
          OPENCODE_DISABLE_AUTOUPDATE: "1",
          OPENCODE_DISABLE_MODELS_FETCH: "1",
          OPENCODE_DISABLE_LSP_DOWNLOAD: "1",
        },
      },
    );
    expect(exitCode).toBe(0);
    expect(readFileSync(join(work, "made.txt"), "utf8")).toBe("made by a tool\n");
    expect(stdout).toContain("The command printed:");
    // The title, the call and the answer; the last two as one conversation.
    const rows = await rowsOnceWritten(pool.service, 3);
    expect(rows.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    const turns = pool.simulator.requests.filter(({ json }) =>
      JSON.stringify(json).includes('"name":"bash"'),
    );
    expect(turns.length).toBe(2);
    expect(new Set(turns.map(({ account }) => account)).size).toBe(1);
    expect(
      new Set(turns.map(({ json }) => (json as { prompt_cache_key: string }).prompt_cache_key)).size,
    ).toBe(1);
  },
  120_000,
);
