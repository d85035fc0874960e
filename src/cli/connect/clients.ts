/** The block that works, per client: what goes into its config, where that is, and what to type into a shell. */
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { asRecord, type JsonRecord } from "../../core/json-read.ts";
import { removeTomlKey, replaceTomlTable, setTomlKeys } from "../../core/toml-edit.ts";

export interface Target {
  /** Of the service, without a slash at the end. */
  url: string;
  model: string;
}

/** The variable from which the configs take the key, so that no config file holds it. */
export const KEY_VARIABLE = "CODEX_LB_API_KEY";

/** Where things are on this machine. */
export interface Machine {
  env: Readonly<Record<string, string | undefined>>;
  homeDir: string;
}

/** A client with a config file of its own. */
export interface FileClient {
  file(machine: Machine): string;
  /** What to paste, for people. */
  block(target: Target): string;
  /** The file's text with the block in it; everything else stays. Throws `config_not_editable`. */
  merge(text: string, target: Target): string;
  /** The path of the request that it sends. */
  route: "/backend-api/codex/responses" | "/v1/responses";
  tryIt: string;
}

export const FILE_CLIENTS = {
  codex: {
    file: ({ env, homeDir }) => join(env.CODEX_HOME || join(homeDir, ".codex"), "config.toml"),
    block: (target) => mergeCodex("", target),
    merge: mergeCodex,
    route: "/backend-api/codex/responses",
    tryIt: 'codex exec "Say hello"',
  },
  opencode: {
    file: ({ env, homeDir }) =>
      env.OPENCODE_CONFIG ||
      join(env.XDG_CONFIG_HOME || join(homeDir, ".config"), "opencode", "opencode.json"),
    block: (target) => jsonText(openCode(target)),
    merge: (text, target) => mergeJson(text, openCode(target)),
    route: "/v1/responses",
    tryIt: 'opencode run "Say hello"',
  },
  openclaw: {
    file: ({ env, homeDir }) => env.OPENCLAW_CONFIG_PATH || join(homeDir, ".openclaw", "openclaw.json"),
    block: (target) => jsonText(openClaw(target)),
    merge: (text, target) => mergeJson(text, openClaw(target)),
    route: "/v1/responses",
    tryIt: 'openclaw agent --message "Say hello"',
  },
} satisfies Record<string, FileClient>;

/** Clients that are told by environment or code. */
export const PRINTED_CLIENTS: Record<string, (target: Target) => string> = {
  claude: ({ url }) =>
    `export ANTHROPIC_BASE_URL="${url}"\nexport ANTHROPIC_AUTH_TOKEN="$${KEY_VARIABLE}"\nclaude -p "Say hello"\n`,
  curl: ({ url, model }) =>
    `curl ${url}/v1/responses \\\n  -H "Authorization: Bearer $${KEY_VARIABLE}" -H "Content-Type: application/json" \\\n` +
    `  -d '${JSON.stringify({ model, input: "Say hello." })}'\n`,
  "openai-sdk": ({ url, model }) => `import os
from openai import OpenAI

client = OpenAI(base_url="${url}/v1", api_key=os.environ["${KEY_VARIABLE}"])
print(client.responses.create(model="${model}", input="Say hello.").output_text)
`,
};

const PROVIDER = "codex-lb";

/**
 * UPSTREAM A.2, run against Codex 0.169 (exec and TUI, HTTP and WebSocket). The name "OpenAI" gives remote compaction. A
 * `chatgpt_base_url` at this address would lead Codex around the pool (A.1), so it goes.
 */
function mergeCodex(text: string, { url, model }: Target): string {
  const before = parseToml(text);
  let edited = text;
  if (isAt(before.chatgpt_base_url, url)) edited = removeTomlKey(edited, "chatgpt_base_url");
  if (before.model === undefined) edited = setTomlKeys(edited, [], { model: JSON.stringify(model) });
  edited = setTomlKeys(edited, [], { model_provider: JSON.stringify(PROVIDER) });
  edited = replaceTomlTable(edited, ["model_providers", PROVIDER], {
    name: '"OpenAI"',
    base_url: JSON.stringify(`${url}/backend-api/codex`),
    model_catalog_url: JSON.stringify(`${url}/backend-api/codex/models`),
    env_key: JSON.stringify(KEY_VARIABLE),
    wire_api: '"responses"',
    supports_websockets: "true",
  });
  edited = setTomlKeys(edited, ["features"], { plugins: "false", apps: "false" });
  edited = setTomlKeys(edited, ["analytics"], { enabled: "false" });
  requireMerged(before, parseToml(edited));
  return edited;
}

/** Whether a setting names the service's own origin. */
export function isAt(value: unknown, url: string): boolean {
  return typeof value === "string" && URL.canParse(value) && new URL(value).origin === new URL(url).origin;
}

/** The editor works on text: what it made must be what was there plus what was asked for, or nothing is written. */
function requireMerged(before: JsonRecord, after: JsonRecord): void {
  const touched = ["chatgpt_base_url", "model", "model_provider", "model_providers", "features", "analytics"];
  const rest = (toml: JsonRecord) =>
    Object.fromEntries(Object.entries(toml).filter(([name]) => !touched.includes(name)));
  const providers = (toml: JsonRecord) => ({ ...asRecord(toml.model_providers), [PROVIDER]: null });
  const isKept =
    Bun.deepEquals(rest(before), rest(after)) && Bun.deepEquals(providers(before), providers(after));
  if (!isKept || after.model_provider !== PROVIDER)
    throw notEditable("it is written in a way that cannot be edited safely");
}

export function parseToml(text: string): JsonRecord {
  try {
    return Bun.TOML.parse(text) as JsonRecord;
  } catch {
    throw notEditable("it is not valid TOML");
  }
}

function notEditable(why: string): CodedError {
  return new CodedError(
    "config_not_editable",
    `The config file was left alone: ${why}. Put the block in by hand.`,
  );
}

function openCode({ url, model }: Target): JsonRecord {
  return {
    $schema: "https://opencode.ai/config.json",
    model: `${PROVIDER}/${model}`,
    provider: {
      [PROVIDER]: {
        npm: "@ai-sdk/openai-compatible",
        name: PROVIDER,
        options: { baseURL: `${url}/v1`, apiKey: `{env:${KEY_VARIABLE}}` },
        models: { [model]: { name: model, reasoning: true, tool_call: true, attachment: true } },
      },
    },
  };
}

function openClaw({ url, model }: Target): JsonRecord {
  return {
    agents: { defaults: { model: { primary: `${PROVIDER}/${model}` } } },
    models: {
      mode: "merge",
      providers: {
        [PROVIDER]: {
          baseUrl: `${url}/v1`,
          apiKey: `\${${KEY_VARIABLE}}`,
          api: "openai-completions",
          models: [
            {
              id: model,
              name: model,
              reasoning: true,
              input: ["text", "image"],
              contextWindow: 272_000,
              maxTokens: 32_000,
            },
          ],
        },
      },
    },
  };
}

const jsonText = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;

/** Objects are merged, everything else is replaced; the file's indentation stays. */
function mergeJson(text: string, block: JsonRecord): string {
  if (text.trim() === "") return jsonText(block);
  let before: unknown;
  try {
    before = JSON.parse(text);
  } catch {
    throw notEditable("it is not plain JSON (comments would be lost)");
  }
  const record = asRecord(before);
  if (record === null) throw notEditable("it does not hold an object");
  const indentation = /\n([ \t]+)"/.exec(text)?.[1] ?? "  ";
  return `${JSON.stringify(merged(record, block), null, indentation)}\n`;
}

function merged(before: JsonRecord, block: JsonRecord): JsonRecord {
  const after = { ...before };
  for (const [name, value] of Object.entries(block)) {
    const inner = asRecord(value);
    const old = asRecord(before[name]);
    // What an earlier run wrote about the provider itself is replaced: an old address must not stay beside the new one.
    after[name] = inner !== null && old !== null && name !== PROVIDER ? merged(old, inner) : value;
  }
  return after;
}
