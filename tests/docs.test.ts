/**
 * Claims about README.md and docs/: what they tell people to type works. The convention: a block tagged `sh` is run, in the
 * order of its page, beside a service with a login at hand; `sh example` is what cannot be run here (it installs, logs in,
 * runs until stopped), and is read: its syntax, the commands and flags of codex-lb, the scripts of npm. Other languages are
 * parsed; what reverse proxies are told is run by docs-proxies.test.ts.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { Glob } from "bun";
import packageJson from "../package.json" with { type: "json" };
import { parseCommandLine } from "../src/cli/args.ts";
import { SETTINGS } from "../src/config.ts";
import { type Block, blocksOf, forPort, PAGES, readPage } from "./documentation.ts";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";
import { startPool, temporaryDirectory } from "./harness.ts";

/** Pages whose blocks are run by tests of their own, with the clients that they are for. */
const RUN_ELSEWHERE = ["docs/clients.md", "docs/codex-cli.md", "docs/cli.md"];
/** While it is set nothing anonymous passes, so only the page that is about it sets it. */
const ADMIN_TOKEN = "token-of-the-page-about-the-api";

const SHELL = ["bash", "-eu", "-o", "pipefail"];

const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

const pages = PAGES.filter((page) => !RUN_ELSEWHERE.includes(page));
const blocks = pages.flatMap(blocksOf);
const at = ({ page, line }: Block) => `${page}:${line}`;

/** A person's home with the executable in the path, Codex, and the file that `codex login` wrote. */
function homeOf(login: object): { home: string; path: string } {
  const home = temporaryDirectory("home");
  made.push(home);
  mkdirSync(join(home, "bin"));
  mkdirSync(join(home, ".codex"));
  symlinkSync(EXECUTABLE, join(home, "bin", "codex-lb"));
  // Not .bin/codex: the older clients of other tests are packages with a command of that name too.
  symlinkSync(join(ROOT, "node_modules/@openai/codex/bin/codex.js"), join(home, "bin", "codex"));
  writeFileSync(join(home, ".codex", "auth.json"), JSON.stringify(login));
  // Codex works in a project, and asks when it is in none.
  mkdirSync(join(home, "project", ".git", "objects"), { recursive: true });
  mkdirSync(join(home, "project", ".git", "refs"));
  writeFileSync(join(home, "project", ".git", "HEAD"), "ref: refs/heads/main\n");
  return { home, path: `${join(home, "bin")}:${dirname(Bun.which("node") ?? "/")}:${process.env.PATH}` };
}

describe("what is typed works as it stands", () => {
  for (const page of pages) {
    const commands = blocks.filter(
      (block) => block.page === page && block.language === "sh" && !block.isExample,
    );
    if (commands.length === 0) continue;
    test(page, async () => {
      const env: Record<string, string> =
        page === "docs/api.md" ? { CODEX_LB_ADMIN_API_TOKEN: ADMIN_TOKEN } : {};
      const { service, simulator, dispose } = await startPool({ accounts: 2, env });
      try {
        const { home, path } = homeOf(simulator.issueAuthJson(0));
        const script = commands
          .map((block) => `echo "[${at(block)}]"\n${forPort(block.text, service.port)}`)
          .join("\n");
        const ended = await runToEnd([...SHELL, "-c", script], {
          cwd: join(home, "project"),
          env: { ...env, HOME: home, PATH: path, CODEX_LB_DATA_DIR: service.dataDir },
        });
        expect(ended.exitCode, `${ended.stdout}\n${ended.stderr}`).toBe(0);
        if (script.includes("codex exec")) expect(ended.stdout).toContain("Simulated answer to: Say hello");
      } finally {
        rmSync("/tmp/codex-lb-restored", { recursive: true, force: true });
        await dispose();
      }
    });
  }
});

describe("what is only shown can be read", () => {
  const examples = blocks.filter(({ language, isExample }) => language === "sh" && isExample);

  test.each(examples.map((block): [string, Block] => [at(block), block]))("%s", async (_at, { text }) => {
    const { exitCode, stderr } = await runToEnd(["bash", "-n"], { cwd: ROOT, stdin: text });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    for (const line of text.split("\n")) {
      const ours = /(?:^|exec |&& )codex-lb(?: (?!codex-lb)([^|>#&]*))?$/.exec(line);
      if (ours) parseCommandLine((ours[1] ?? "").trim().split(/\s+/).filter(Boolean));
      const script = /^npm (?:run )?([a-z]+)/.exec(line)?.[1];
      if (script !== undefined) expect(Object.keys(packageJson.scripts)).toContain(script);
    }
  });
});

test.each(
  blocks.filter(({ language }) => language !== "sh").map((block): [string, Block] => [at(block), block]),
)("%s is well formed", (_at, { language, text }) => {
  switch (language) {
    case "json":
      return void JSON.parse(text);
    case "toml":
      return void Bun.TOML.parse(text);
    case "ini": {
      const names = Object.values(SETTINGS).flatMap((setting): readonly string[] => setting.names);
      for (const line of text.trim().split("\n")) expect(names).toContain(line.split("=")[0]!);
      return;
    }
    case "nginx":
    case "caddyfile":
      return; // docs-proxies.test.ts
    case "powershell":
      return expect(text).toMatch(/codex-lb\.exe serve/);
    default:
      throw new Error(`no test knows how to check ${language}`);
  }
});

test("the README's block for Codex is the one that the page about Codex has, and that is run there", () => {
  const [block] = blocksOf("README.md").filter(({ language }) => language === "toml");
  expect(block!.text).toBe(blocksOf("docs/codex-cli.md").find(({ language }) => language === "toml")!.text);
});

test("every link within the repository leads somewhere, to a heading too", () => {
  const anchor = (heading: string) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
  for (const page of PAGES) {
    for (const [, target] of readPage(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target!)) continue;
      const [path, hash] = target!.split("#");
      const file = path === "" ? page : join(dirname(page), path!);
      expect(existsSync(join(ROOT, file)), `${page}: ${target}`).toBe(true);
      if (hash === undefined) continue;
      const headings = [...readPage(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchor(heading!));
      expect(headings, `${page}: ${target}`).toContain(hash);
    }
  }
});

describe("the page about messages has every code", () => {
  /** Where the codes are made that clients get, and that the start ends with. */
  const SOURCES = [
    "src/config.ts",
    "src/core/{refusal,key-refusal,limit-book,credentials}.ts",
    "src/core/dialects/**/*.ts",
    "src/http/{access,firewall,v1,server,guard}.ts",
    "src/pool/{imports,login-flows}.ts",
    "src/proxy/*.ts",
    "src/store/{open,lock,secrets,connection,sqlite-native}.ts",
  ];
  /** `no_credit` is OpenAI's answer word; the others are answers of the admin API to its own caller. */
  const NOT_MESSAGES = ["no_credit", "account_not_found", "login_not_revoked"];
  const page = readPage("docs/troubleshooting.md");
  const codes = new Set<string>();
  for (const file of SOURCES.flatMap((pattern) => [...new Glob(pattern).scanSync({ cwd: ROOT })])) {
    if (file.includes(".test.")) continue;
    for (const [, code] of readPage(file).matchAll(/(?:new CodedError\(\s*|\bcode: )"([a-z]+(?:_[a-z]+)+)"/g))
      codes.add(code!);
  }

  test.each([...codes].filter((code) => !NOT_MESSAGES.includes(code)).toSorted())("%s", (code) => {
    expect(page).toContain(`\`${code}\``);
  });
});

test("the README fits on five screens, and its second line shows it alive", () => {
  const lines = readPage("README.md").split("\n");
  expect(lines.length).toBeLessThan(250);
  expect(lines.filter((line) => line !== "")[1]).toContain("npm run demo");
});

test("compose.yaml and the image agree", () => {
  const compose = Bun.YAML.parse(readPage("compose.yaml")) as {
    services: { "codex-lb": { ports: string[]; volumes: string[]; tmpfs: string[] } };
  };
  const { ports, volumes, tmpfs } = compose.services["codex-lb"];
  const image = readPage("Dockerfile");
  for (const port of ports)
    expect(image).toMatch(new RegExp(`^EXPOSE .*\\b${port.split(":").at(-1)}\\b`, "m"));
  expect(image).toContain(`VOLUME ${volumes[0]!.split(":")[1]}`);
  expect(image).toMatch(/^USER 2455:2455$/m);
  expect(tmpfs[0]).toContain("exec");
});
