/** The terminal UI of every Codex in use, in a terminal, in front of the executable. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  CODEX_VERSIONS,
  codexBinary,
  type CodexVersion,
  createCodexHome,
  keyConfig,
} from "./codex-versions-client.ts";
import { startPool } from "./harness.ts";
import { openTerminal, type Terminal } from "./tui-terminal.ts";

/** Means 30 % and 40 % used. */
const windows = (...usedPercent: [number, number]) => ({
  windows: [300, 10_080].map((minutes, at) => ({
    minutes,
    usedPercent: usedPercent[at]!,
    percentPer1kTokens: 0,
  })),
});
const ACCOUNTS = [windows(40, 20), windows(20, 60)];

let pool: Awaited<ReturnType<typeof startPool>>;
beforeAll(async () => {
  pool = await startPool({ simulator: { accounts: ACCOUNTS }, accounts: ACCOUNTS.length });
});
afterAll(() => pool?.dispose());

/** The block of docs/codex-cli.md that keeps the login and shows the pool's quota. */
function loginConfig(port: number): string {
  return `model = "gpt-5.5"
model_provider = "codex-lb"
chatgpt_base_url = "http://localhost:${port}/pooled/backend-api"

[model_providers.codex-lb]
name = "OpenAI"
base_url = "http://127.0.0.1:${port}/backend-api/codex"
wire_api = "responses"
requires_openai_auth = true
supports_websockets = true

[features]
plugins = false
apps = false

[analytics]
enabled = false
`;
}

/** What Codex shows in place of an empty line to type on. */
const PROMPT_READY = /^[›▌] ?\S/m;

async function withTerminal(
  version: CodexVersion,
  { config, login }: { config: string; login?: unknown },
  use: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const home = createCodexHome({ version, config, login, env: { CODEX_LB_API_KEY: "any" } });
  home.trustWork();
  const terminal = openTerminal([codexBinary(version)], { cwd: home.work, env: home.env() });
  try {
    await use(terminal);
  } finally {
    terminal.close();
    home.dispose();
  }
}

async function say(terminal: Terminal, text: string): Promise<void> {
  await terminal.shows(PROMPT_READY);
  terminal.type(text);
  // Keys that come at once are a paste, in which Enter is a line break.
  await terminal.shows(new RegExp(text));
  await Bun.sleep(300);
  terminal.press("Enter");
}

for (const version of Object.keys(CODEX_VERSIONS) as CodexVersion[]) {
  describe(`codex ${version}`, () => {
    test("with a key: starts without questions and shows the first answer", async () => {
      await withTerminal(version, { config: keyConfig(pool.service.port) }, async (terminal) => {
        await say(terminal, "say hello");
        await terminal.shows(/Simulated answer to: say hello/);
      });
    });

    test("with a login: /status shows the pool's quota", async () => {
      const login = pool.simulator.issueAuthJson(0);
      await withTerminal(version, { config: loginConfig(pool.service.port), login }, async (terminal) => {
        await say(terminal, "say hello");
        await terminal.shows(/Simulated answer to: say hello/);
        await say(terminal, "/status");
        const screen = await terminal.shows(/Weekly limit: .*left/);
        expect(screen).toMatch(/5h limit: .* 70% left/);
        expect(screen).toMatch(/Weekly limit: .* 60% left/);
      });
    });
  });
}
