/** The blocks of docs/codex-cli.md, each run by the current Codex CLI as it stands there. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createSimulator, type Simulator } from "../src/simulator/simulator.ts";
import { createCodexHome } from "./codex-versions-client.ts";
import { ROOT } from "./executable.ts";
import { startPool } from "./harness.ts";

/** Headings with the toml block below each. */
const BLOCKS = [
  ...readFileSync(join(ROOT, "docs/codex-cli.md"), "utf8").matchAll(
    /^## ([^\n]+)\n(?:(?!^## ).*\n)*?```toml\n([\s\S]*?)```/gm,
  ),
].map(([, heading, block]) => ({ heading: heading!, block: block! }));

let pool: Awaited<ReturnType<typeof startPool>>;
/** The ChatGPT that the user's own login belongs to. */
let chatgpt: Simulator;

beforeAll(async () => {
  pool = await startPool({ accounts: 2 });
  chatgpt = createSimulator({
    seed: 7,
    accounts: [{ chatgptAccountId: "acct-of-the-user", workspaceBackendOrigin: "https://chatgpt.com" }],
  });
  await chatgpt.start();
});
afterAll(async () => {
  await pool?.dispose();
  await chatgpt?.stop();
});

test("there are four blocks", () => {
  expect(BLOCKS.map(({ heading }) => heading)).toEqual([
    "With a key",
    "Without a key, on this machine",
    "Keeping a ChatGPT login",
    "Keeping a ChatGPT login, with the pool's quota in `/status`",
  ]);
});

for (const { heading, block } of BLOCKS) {
  for (const transport of ["websocket", "http"] as const) {
    test(`${heading}: over ${transport}`, async () => {
      const needsLogin = block.includes("requires_openai_auth");
      const login = chatgpt.issueAuthJson(0);
      let config = block.replaceAll(":2455/", `:${pool.service.port}/`);
      if (transport === "http")
        config = config.replace("supports_websockets = true", "supports_websockets = false");
      // What is unset means chatgpt.com, which the tests do not call.
      if (needsLogin && !config.includes("chatgpt_base_url"))
        config = `chatgpt_base_url = "${chatgpt.urls.backendBaseUrl.replace("127.0.0.1", "localhost")}"\n${config}`;
      if (!config.includes("[features]"))
        config += "\n[features]\nplugins = false\napps = false\n\n[analytics]\nenabled = false\n";
      const home = createCodexHome({
        version: "0.169.0",
        config,
        env: { CODEX_LB_API_KEY: "any-while-keys-are-not-needed" },
        ...(needsLogin ? { login } : {}),
      });
      pool.simulator.clearRequests();
      const { exitCode, stdout, stderr } = await home.exec("say hello");
      home.dispose();
      expect({ exitCode, answer: stdout.trim(), stderr }).toEqual({
        exitCode: 0,
        answer: "Simulated answer to: say hello",
        stderr: expect.not.stringMatching(/reconnect|^error/im),
      });
      const turn = pool.simulator.requests.findLast(({ route }) => route === "responses")!;
      expect(turn.transport).toBe(transport);
      // The pool's own account serves; the user's login goes no further than to us.
      expect(turn.account).not.toBeNull();
      const wire = JSON.stringify(pool.simulator.requests);
      expect(wire).not.toContain(login.tokens!.access_token);
      expect(wire).not.toContain("any-while-keys-are-not-needed");
    });
  }
}
