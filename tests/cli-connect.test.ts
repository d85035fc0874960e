/** Claims about `codex-lb connect`: the written config works with the real Codex, and undo gives back the bytes that were there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";
import { rowsOnceWritten, type Service, startPool, temporaryDirectory } from "./harness.ts";

const CODEX = join(ROOT, "node_modules/@openai/codex/bin/codex.js");

/** Of somebody who has used Codex for a while. */
const EXISTING = `# my settings
model_reasoning_effort = "low"   # enough

[features]
# experiments
web_search_request = true

[mcp_servers.notes]
command = "npx"
args = [
  "-y",
  "notes-server", # [a comment]
]

[model_providers.other]
name = "Other"
base_url = "https://models.example.com/v1"
`;

let pool: Awaited<ReturnType<typeof startPool>>;
let service: Service;
let home: string;
let codexHome: string;

beforeAll(async () => {
  pool = await startPool({ accounts: 2 });
  ({ service } = pool);
  home = temporaryDirectory("client");
  codexHome = join(home, ".codex");
  mkdirSync(codexHome);
});

afterAll(async () => {
  await pool.dispose();
  rmSync(home, { recursive: true, force: true });
});

function connect(...args: string[]) {
  const env = { CODEX_LB_DATA_DIR: service.dataDir, CODEX_LB_API_KEY: "local", HOME: home };
  return runToEnd([EXECUTABLE, "connect", ...args], { cwd: home, env });
}

describe("codex", () => {
  const file = () => join(codexHome, "config.toml");

  test("--write keeps what is there, tries it, and names the account that answered", async () => {
    writeFileSync(file(), EXISTING);
    const { exitCode, stdout, stderr } = await connect("codex", "--write");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toMatch(/✓ A test request was answered in \d+ ms by pool-[12]@example\.com \(plus\)/);
    const written = readFileSync(file(), "utf8");
    for (const line of EXISTING.split("\n")) expect(written.split("\n")).toContain(line);
    const before = Bun.TOML.parse(EXISTING) as Record<string, Record<string, unknown>>;
    expect(Bun.TOML.parse(written)).toMatchObject({
      ...before,
      model_provider: "codex-lb",
      model_providers: {
        ...before.model_providers,
        "codex-lb": { base_url: `${service.url}/backend-api/codex` },
      },
      features: { ...before.features, plugins: false, apps: false },
    });
  });

  test("the real Codex is answered through the pool with it", async () => {
    const earlier = (await rowsOnceWritten(service, 1)).length;
    const { exitCode, stdout, stderr } = await runToEnd(
      [CODEX, "exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "Say hello"],
      { cwd: home, env: { HOME: home, CODEX_HOME: codexHome, CODEX_LB_API_KEY: "local" } },
    );
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringContaining("Simulated answer"),
    });
    expect(stderr).not.toContain("ERROR");
    expect((await rowsOnceWritten(service, earlier + 1)).at(-1)).toMatchObject({ status: "ok" });
  });

  test("--write again changes nothing, and --undo gives back the very bytes", async () => {
    const written = readFileSync(file());
    expect((await connect("codex", "--write")).stdout).toContain("unchanged");
    expect(readFileSync(file())).toEqual(written);
    const { exitCode, stdout } = await connect("codex", "--undo");
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining("restored") });
    expect(readFileSync(file(), "utf8")).toBe(EXISTING);
    expect(await connect("codex", "--undo")).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("was not changed"),
    });
  });

  test("a config that cannot be edited safely is left alone", async () => {
    const inline = "features = { web_search_request = true }\n";
    writeFileSync(file(), inline);
    const { exitCode, stderr } = await connect("codex", "--write");
    expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("left alone") });
    expect(readFileSync(file(), "utf8")).toBe(inline);
    rmSync(file());
  });

  test("where there was no config, undo leaves none", async () => {
    expect((await connect("codex", "--write")).exitCode).toBe(0);
    expect(existsSync(file())).toBe(true);
    expect((await connect("codex", "--undo")).exitCode).toBe(0);
    expect(existsSync(file())).toBe(false);
  });
});

test.each([
  ["opencode", ".config/opencode/opencode.json", { theme: "mine", provider: { other: { name: "Other" } } }],
  [
    "openclaw",
    ".openclaw/openclaw.json",
    { channels: { mine: true }, agents: { defaults: { timeoutSeconds: 5 } } },
  ],
])("%s: --write merges into its JSON, --undo restores it", async (client, path, existing) => {
  const file = join(home, path);
  const text = JSON.stringify(existing, null, "\t");
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
  const { exitCode, stdout } = await connect(client, "--write");
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining("✓") });
  const written = readFileSync(file, "utf8");
  expect(JSON.parse(written)).toMatchObject(existing);
  expect(written).toContain(`${service.url}/v1`);
  expect(written).toContain("\n\t");
  expect((await connect(client, "--undo")).exitCode).toBe(0);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test.each(["claude", "openai-sdk", "curl"])("%s: what to use is printed and tried", async (client) => {
  const { exitCode, stdout } = await connect(client);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: expect.stringContaining(service.url) });
  expect(stdout).toContain("✓ A test request was answered");
  expect((await connect(client, "--write")).exitCode).toBe(2);
});

test("the printed curl command works as it is", async () => {
  const { stdout } = await connect("curl", "--json");
  const { block } = JSON.parse(stdout) as { block: string };
  const env = { CODEX_LB_API_KEY: "local" };
  const answer = await runToEnd(["bash", "-c", block], { cwd: home, env });
  expect(JSON.parse(answer.stdout)).toMatchObject({ object: "response", status: "completed" });
});

test("a failed test request says why and fails the command", async () => {
  await runToEnd([EXECUTABLE, "config", "set", "apiKeyAuthEnabled", "true"], {
    cwd: home,
    env: { CODEX_LB_DATA_DIR: service.dataDir },
  });
  const { exitCode, stdout } = await connect("codex", "--key", "sk-clb-wrong");
  expect({ exitCode, stdout }).toEqual({
    exitCode: 1,
    stdout: expect.stringContaining("✗ The test request failed (401 invalid_api_key)"),
  });
});
