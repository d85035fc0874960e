/** Claims about OpenAI's Python SDK in front of the executable; the claims themselves are in tests/python/openai_sdk.py. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { ROOT, runToEnd } from "./executable.ts";
import { startPool } from "./harness.ts";
import { pythonClient } from "./sdk-clients.ts";

const python = await pythonClient("openai==3.51.0");

let pool: Awaited<ReturnType<typeof startPool>>;
beforeAll(async () => {
  pool = await startPool({ accounts: 2 });
});
afterAll(() => pool?.dispose());

test.skipIf(python === null)(
  "responses and chat, streamed and not, tools, schemas, errors, models",
  async () => {
    const script = join(ROOT, "tests", "python", "openai_sdk.py");
    const { exitCode, stdout, stderr } = await runToEnd([python!, script, `${pool.service.url}/v1`], {
      cwd: ROOT,
    });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.trim().split("\n")).toEqual([
      "responses_whole",
      "responses_streamed",
      "responses_parsed",
      "chat_whole",
      "chat_streamed",
      "chat_tools",
      "chat_parsed",
      "errors_have_classes",
      "models_are_listed",
    ]);
  },
  60_000,
);
