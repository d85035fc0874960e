/** Claims about the executable as a command: copied alone into an empty directory, and the same as the source. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { unsignedJwt } from "../src/simulator/tokens.ts";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";

let alone: string;
let cwd: string;

beforeAll(() => {
  alone = mkdtempSync(join(tmpdir(), "codex-lb-alone-"));
  copyFileSync(EXECUTABLE, join(alone, "codex-lb"));
  cwd = mkdtempSync(join(tmpdir(), "codex-lb-cwd-"));
});

afterAll(() => {
  for (const directory of [alone, cwd]) rmSync(directory, { recursive: true, force: true });
});

const FORMS: [title: string, command: () => string[]][] = [
  ["the executable alone in a directory", () => [join(alone, "codex-lb")]],
  ["the source", () => [process.execPath, "--no-env-file", join(ROOT, "src/main.ts")]],
];

describe.each(FORMS)("%s", (_title, command) => {
  const run = (args: string[], options: { env?: Record<string, string>; stdin?: string } = {}) =>
    runToEnd([...command(), ...args], { cwd, ...options });

  test("--version is package.json's", async () => {
    expect(await run(["--version"])).toEqual({ exitCode: 0, stdout: `${packageJson.version}\n`, stderr: "" });
  });

  test.each([
    [["--help"], "Commands:"],
    [["help"], "Commands:"],
    [["import", "--help"], "--json"],
  ])("%p shows help on stdout", async (args, text) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(text);
  });

  test("an unknown command ends with exit code 2 and the nearest one", async () => {
    const stderr = `codex-lb: There is no command "imprt"; did you mean "import"? See: codex-lb --help\n`;
    expect(await run(["imprt"])).toEqual({ exitCode: 2, stdout: "", stderr });
  });

  test("a result larger than a pipe holds arrives whole", async () => {
    const names = Array.from({ length: 600 }, (_, index) => `${"missing-".repeat(12)}${index}.json`);
    const { exitCode, stdout } = await run(["import", "--json", "--data-dir", join(cwd, "large"), ...names]);
    expect(exitCode).toBe(1);
    expect(stdout.length).toBeGreaterThan(100_000);
    expect(JSON.parse(stdout)).toHaveLength(names.length);
  });

  test("a bad value in .env ends with exit code 1 and one line that names the file", async () => {
    writeFileSync(join(cwd, ".env"), "CODEX_LB_PORT=many\n");
    const { exitCode, stdout, stderr } = await run(["import", "x.json"]);
    rmSync(join(cwd, ".env"));
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toStartWith("codex-lb: CODEX_LB_PORT (in .env) is not valid: expected a port number");
    expect(stderr.split("\n")).toHaveLength(2);
  });

  test("a login from standard input is in the database, private to its owner and not in clear", async () => {
    const claims = {
      chatgpt_account_id: "account-ann",
      chatgpt_user_id: "user-ann",
      chatgpt_plan_type: "plus",
    };
    const token = unsignedJwt({ exp: 4_000_000_000, "https://api.openai.com/auth": claims });
    const stdin = JSON.stringify({ tokens: { access_token: token, refresh_token: "refresh-ann" } });
    const data = mkdtempSync(join(tmpdir(), "codex-lb-data-"));
    rmSync(data, { recursive: true });
    const { exitCode, stdout } = await run(["import", "-", "--data-dir", data], { stdin });
    expect({ exitCode, stdout }).toEqual({
      exitCode: 0,
      stdout: expect.stringMatching(/^imported {2}acc_[0-9a-f]{20} \(plus\) from standard input\n$/),
    });
    expect(statSync(data).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(data)) {
      const content = await Bun.file(join(data, name)).text();
      expect(content).not.toContain("refresh-ann");
      expect(content).not.toContain(token);
    }
    rmSync(data, { recursive: true });
  });
});
