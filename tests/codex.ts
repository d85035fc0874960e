/** Runs the real Codex CLI of `@openai/codex` once, with a home of its own, to its end. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, ROOT, runToEnd } from "./executable.ts";
import { temporaryDirectory } from "./harness.ts";

const CODEX = join(ROOT, "node_modules/@openai/codex/bin/codex.js");

export interface CodexRun {
  config: string;
  prompt: string;
  env?: Record<string, string>;
  /** Content of `auth.json`: the user's own login. */
  login?: unknown;
}

/** `codex exec PROMPT` in an empty directory. */
export async function codexExec({ config, prompt, env, login }: CodexRun): Promise<Ended> {
  const home = temporaryDirectory("codex");
  const cwd = join(home, "work");
  const codexHome = join(home, ".codex");
  for (const path of [cwd, codexHome]) mkdirSync(path);
  writeFileSync(join(codexHome, "config.toml"), config);
  if (login !== undefined) writeFileSync(join(codexHome, "auth.json"), JSON.stringify(login));
  const command = [
    CODEX,
    "exec",
    "--skip-git-repo-check",
    "--dangerously-bypass-approvals-and-sandbox",
    prompt,
  ];
  try {
    return await runToEnd(command, { cwd, env: { HOME: home, CODEX_HOME: codexHome, ...env } });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

/** The block that the README gives to users, for a service on `port`. */
export function documentedConfig(port: number): string {
  return `model = "gpt-5.5"
model_provider = "codex-lb"

[model_providers.codex-lb]
name = "OpenAI"
base_url = "http://127.0.0.1:${port}/backend-api/codex"
model_catalog_url = "http://127.0.0.1:${port}/backend-api/codex/models"
env_key = "CODEX_LB_API_KEY"
wire_api = "responses"
supports_websockets = true

[features]
plugins = false
apps = false

[analytics]
enabled = false
`;
}

/**
 * For users who keep their ChatGPT login: what the client asks of ChatGPT itself goes to `chatgptPort`. The host is written
 * as a name so that its origin differs from the service's, else the client would route around the service.
 */
export function chatgptLoginConfig(port: number, chatgptPort: number): string {
  return `model = "gpt-5.5"
model_provider = "codex-lb"
chatgpt_base_url = "http://localhost:${chatgptPort}/backend-api"

[model_providers.codex-lb]
name = "OpenAI"
base_url = "http://127.0.0.1:${port}/backend-api/codex"
wire_api = "responses"
requires_openai_auth = true

[features]
plugins = false
apps = false

[analytics]
enabled = false
`;
}
