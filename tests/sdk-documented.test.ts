/** Claims about docs/clients.md: each block does what it says, with the port of the service under test. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { documentedBlock, documentedBlocks } from "./clients-page.ts";
import { ROOT, runToEnd } from "./executable.ts";
import { startPool, temporaryDirectory } from "./harness.ts";
import { pythonClient } from "./sdk-clients.ts";

const python = await pythonClient("openai==3.51.0");
const env = { CODEX_LB_API_KEY: "none-is-needed-on-this-machine" };
const cwd = temporaryDirectory("documented");

let pool: Awaited<ReturnType<typeof startPool>>;
beforeAll(async () => {
  pool = await startPool({ accounts: 2 });
  writeFileSync(join(cwd, "recording.wav"), "RIFF");
});
afterAll(async () => {
  await pool?.dispose();
  rmSync(cwd, { recursive: true, force: true });
});

const HELLO = "Simulated answer to: Say hello.";

describe("curl", () => {
  const expected: [section: string, words: string[]][] = [
    ["curl: chat completions", [`"content":"${HELLO}"`, "data: [DONE]"]],
    ["curl: responses", [`"text":"${HELLO}"`]],
    ["curl: messages", [`"text":"${HELLO}"`]],
    ["curl: models", ['"id":"gpt-5.5"', '"b64_json":', '{"text":"Simulated transcription."}']],
  ];
  test.each(expected)("%s", async (section, words) => {
    const blocks = documentedBlocks(section, pool.service.port);
    expect(blocks.length).toBe(words.length);
    for (const [index, block] of blocks.entries()) {
      const { exitCode, stdout } = await runToEnd(["bash", "-c", block.replace("curl ", "curl -sS ")], {
        cwd,
        env,
      });
      expect(exitCode).toBe(0);
      expect(stdout).toContain(words[index]!);
    }
  });
});

test.skipIf(python === null)("OpenAI's SDK for Python", async () => {
  writeFileSync(join(cwd, "documented.py"), documentedBlock("SDK for Python", pool.service.port));
  const { stdout } = await runToEnd([python!, "documented.py"], { cwd, env });
  expect(stdout).toBe(`${HELLO}\n`);
});

test("OpenAI's SDK for JavaScript", async () => {
  writeFileSync(join(cwd, "documented.mjs"), documentedBlock("SDK for JavaScript", pool.service.port));
  mkdirSync(join(cwd, "node_modules"));
  symlinkSync(join(ROOT, "node_modules", "openai"), join(cwd, "node_modules", "openai"));
  const { stdout } = await runToEnd([process.execPath, "documented.mjs"], { cwd, env });
  expect(stdout).toBe(`${HELLO}\n`);
});
