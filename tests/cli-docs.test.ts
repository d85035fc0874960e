/** Every shell block of docs/cli.md runs as it stands, against a running service. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";
import { startPool, temporaryDirectory } from "./harness.ts";

const BLOCKS = [...readFileSync(join(ROOT, "docs/cli.md"), "utf8").matchAll(/^```sh\n([^]*?)^```$/gm)].map(
  ([, text]) => text!,
);
/** They run until they are told to end; a terminal is needed for `top`, which otherwise prints once. */
const ENDLESS = /^codex-lb demo$/;
const ENDLESS_SECONDS = 2;
/** What `timeout` answers when it had to end the command, which is what is wanted. */
const TIMED_OUT = 124;

let pool: Awaited<ReturnType<typeof startPool>>;
let home: string;

beforeAll(async () => {
  pool = await startPool({ accounts: 2 });
  home = temporaryDirectory("docs");
});
afterAll(async () => {
  await pool.dispose();
  rmSync(home, { recursive: true, force: true });
});

test("there are blocks", () => expect(BLOCKS.length).toBeGreaterThan(6));

test.each(BLOCKS.flatMap((block) => block.trim().split("\n")))("%s", async (line) => {
  const isEndless = ENDLESS.test(line);
  const command = isEndless ? `timeout -s INT ${ENDLESS_SECONDS} ${line}` : line;
  const { exitCode, stderr } = await runToEnd(["bash", "-c", command], {
    cwd: home,
    env: {
      PATH: `${dirname(EXECUTABLE)}:${process.env.PATH}`,
      HOME: home,
      CODEX_LB_DATA_DIR: pool.service.dataDir,
      CODEX_LB_API_KEY: "local",
    },
  });
  expect({ exitCode, stderr }).toEqual({ exitCode: isEndless ? TIMED_OUT : 0, stderr: expect.any(String) });
});
