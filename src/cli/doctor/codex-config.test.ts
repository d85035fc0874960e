/** Claims about Codex configs: those that were seen to work pass, each trap is named with its mend. */
import { describe, expect, test } from "bun:test";
import type { JsonRecord } from "../../core/json-read.ts";
import { type CodexSurroundings, codexFindings } from "./codex-config.ts";

const URL = "http://127.0.0.1:2455";
const AROUND: CodexSurroundings = {
  serviceUrls: [URL],
  keyNeeded: false,
  env: { LB_KEY: "x" },
  hasLogin: false,
};

const provider = (lines: string, top = "") =>
  `${top}\nmodel_provider = "lb"\n[model_providers.lb]\nbase_url = "${URL}/backend-api/codex"\nname = "OpenAI"\nsupports_websockets = true\n${lines}`;
const SAME_ORIGIN = `chatgpt_base_url = "${URL}/backend-api"`;
const LOGIN = "requires_openai_auth = true";

function severities(toml: string, around: Partial<CodexSurroundings> = {}): string[] {
  return codexFindings(Bun.TOML.parse(toml) as JsonRecord, { ...AROUND, ...around })
    .filter(({ severity }) => severity !== "note")
    .map(({ severity, text }) => `${severity}: ${text}`);
}

const WORKING: [what: string, toml: string, around?: Partial<CodexSurroundings>][] = [
  ["the recommended block", provider('env_key = "LB_KEY"')],
  ["the host by its other name", provider('env_key = "LB_KEY"').replace("127.0.0.1", "localhost")],
  ["a ChatGPT login with chatgpt_base_url unset", provider(LOGIN)],
  [
    "a ChatGPT login that brings the key along",
    provider(`${LOGIN}\nenv_http_headers = { "x-lb-key" = "LB_KEY" }`),
    { keyNeeded: true },
  ],
  [
    "chatgpt_base_url under another name",
    provider(LOGIN, 'chatgpt_base_url = "http://localhost:2455/backend-api"'),
  ],
  ["a bearer token", provider('experimental_bearer_token = "t"'), { keyNeeded: true }],
  ["a command for the token", provider('[model_providers.lb.auth]\ncommand = "echo"'), { keyNeeded: true }],
  ["the /v1 path", provider('env_key = "LB_KEY"').replace("/backend-api/codex", "/v1")],
  [
    "https on one origin",
    provider(LOGIN, 'chatgpt_base_url = "https://lb.example.com/backend-api"').replace(
      URL,
      "https://lb.example.com",
    ),
    { serviceUrls: ["https://lb.example.com"] },
  ],
];

const TRAPS: [what: string, toml: string, found: RegExp, around?: Partial<CodexSurroundings>][] = [
  ["same origin over http with a login", provider(LOGIN, SAME_ORIGIN), /^problem: .*around the pool/],
  [
    "the same under another provider's name",
    provider(LOGIN, SAME_ORIGIN).replace('"OpenAI"', '"codex-lb"'),
    /^problem: .*closes at the start/,
  ],
  [
    "the built-in provider on one http origin",
    `openai_base_url = "${URL}/backend-api/codex"\n${SAME_ORIGIN}`,
    /^problem: .*around the pool/,
  ],
  [
    "same origin beside a key and a login",
    provider('env_key = "LB_KEY"', SAME_ORIGIN),
    /^warning: .*side calls/,
    { hasLogin: true },
  ],
  ["a variable that is not set", provider('env_key = "NOT_SET"'), /^problem: .*NOT_SET.*not set/],
  ["a login where a key is asked for", provider(LOGIN), /^problem: .*asks for a key/, { keyNeeded: true }],
  ["nothing where a key is asked for", provider(""), /^problem: .*sends none/, { keyNeeded: true }],
  [
    "the reserved name",
    `${provider('env_key = "LB_KEY"')}\n[model_providers.openai]\nname = "x"`,
    /^problem: .*reserved/,
  ],
  ["wire_api = chat", provider('env_key = "LB_KEY"\nwire_api = "chat"'), /^problem: wire_api/],
  [
    "a path without models",
    provider('env_key = "LB_KEY"').replace("/backend-api/codex", ""),
    /^problem: .*base_url/,
  ],
  [
    "another port of this machine",
    provider('env_key = "LB_KEY"').replace("2455", "2456"),
    /^warning: .*does not listen/,
  ],
  [
    "a profile with another provider",
    `profile = "work"\n${provider('env_key = "LB_KEY"')}\n[profiles.work]\nmodel_provider = "openai"`,
    /^problem: The profile "work"/,
  ],
];

describe("a config that works is left alone", () => {
  test.each(WORKING.map(([what, toml, around = {}]) => [what, toml, around] as const))(
    "%s",
    (_what, toml, around) => {
      expect(severities(toml, around)).toEqual(["ok: Codex is pointed at codex-lb."]);
    },
  );
});

describe("a trap is named", () => {
  test.each(TRAPS.map(([what, toml, found, around = {}]) => [what, toml, found, around] as const))(
    "%s",
    (_what, toml, found, around) => {
      const all = severities(toml, around);
      expect(all).toHaveLength(1);
      expect(all[0]).toMatch(found);
    },
  );
});

test("a config that goes elsewhere is no fault", () => {
  expect(codexFindings({}, AROUND)).toMatchObject([
    { severity: "note", mend: "codex-lb connect codex --write" },
  ]);
});
