/** A home of the real Codex CLI, of any of the versions that the tests know, in which it can be run again and again. */
import { appendFileSync, mkdirSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, ROOT, runToEnd } from "./executable.ts";
import { temporaryDirectory } from "./harness.ts";

/** Version and the package it is installed as. */
export const CODEX_VERSIONS = {
  "0.130.0": "codex-0-130",
  "0.145.0": "codex-0-145",
  "0.169.0": "@openai/codex",
} as const;
export type CodexVersion = keyof typeof CODEX_VERSIONS;

export type ClientTransport = "http" | "websocket";

export interface CodexHome {
  readonly home: string;
  readonly codexHome: string;
  readonly work: string;
  env(): Record<string, string>;
  /** `codex exec PROMPT`, or with `resume` the next turn of the last session. */
  exec(prompt: string, options?: { resume?: boolean; args?: string[] }): Promise<Ended>;
  /** Answers the question whether the working directory is trusted, which the terminal UI would ask. */
  trustWork(): void;
  dispose(): void;
}

export function codexBinary(version: CodexVersion): string {
  return join(ROOT, "node_modules", CODEX_VERSIONS[version], "bin/codex.js");
}

export function createCodexHome(options: {
  version: CodexVersion;
  config: string;
  env?: Record<string, string>;
  /** Content of `auth.json`: the user's own login. */
  login?: unknown;
}): CodexHome {
  const home = temporaryDirectory("codex");
  const work = join(home, "work");
  const codexHome = join(home, ".codex");
  for (const path of [work, codexHome]) mkdirSync(path);
  writeFileSync(join(codexHome, "config.toml"), options.config);
  if (options.login !== undefined) writeFileSync(join(codexHome, "auth.json"), JSON.stringify(options.login));
  const env = () => ({ HOME: home, CODEX_HOME: codexHome, ...options.env });
  return {
    home,
    codexHome,
    work,
    env,
    exec(prompt, { resume = false, args = [] } = {}) {
      const flags = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", ...args];
      const command = [codexBinary(options.version), "exec", ...flags];
      if (resume) command.push("resume", "--last");
      return runToEnd([...command, prompt], { cwd: work, env: env() });
    },
    trustWork() {
      const projects = `\n[projects."${work}"]\ntrust_level = "trusted"\n`;
      appendFileSync(join(codexHome, "config.toml"), projects);
    },
    dispose() {
      endProcessesOf(codexHome);
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** The terminal UI leaves a server of its own behind, installed in its home. */
function endProcessesOf(codexHome: string): void {
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (readlinkSync(`/proc/${name}/exe`).startsWith(`${codexHome}/`))
        process.kill(Number(name), "SIGKILL");
    } catch {
      // Ended meanwhile, or somebody else's.
    }
  }
}

/** The first block of docs/codex-cli.md. */
export function keyConfig(
  port: number,
  { transport = "websocket", more = "" }: { transport?: ClientTransport; more?: string } = {},
): string {
  return `model = "gpt-5.5"
model_provider = "codex-lb"
${more}
[model_providers.codex-lb]
name = "OpenAI"
base_url = "http://127.0.0.1:${port}/backend-api/codex"
model_catalog_url = "http://127.0.0.1:${port}/backend-api/codex/models"
env_key = "CODEX_LB_API_KEY"
wire_api = "responses"
supports_websockets = ${transport === "websocket"}

[features]
plugins = false
apps = false

[analytics]
enabled = false
`;
}
