/** Claims about the settings: where they come from, what is refused and warned about, and that the documents match. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generatedFiles } from "../scripts/generate-docs.ts";
import { readConfig, SETTINGS } from "./config.ts";
import { CodedError } from "./core/errors.ts";

const homeDir = "/home/example";

function directoryWith(files: Record<string, string>): string {
  const directory = mkdtempSync(join(tmpdir(), "codex-lb-config-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

function read(
  env: Record<string, string>,
  files: Record<string, string> = {},
  args: Record<string, string> = {},
) {
  return readConfig({ env, cwd: directoryWith(files), homeDir, args });
}

function refusal(env: Record<string, string>, files: Record<string, string> = {}): CodedError {
  try {
    read(env, files);
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
  throw new Error("the settings were accepted");
}

test("without any setting the documented defaults hold", () => {
  const { config, warnings } = read({});
  expect(warnings).toEqual([]);
  expect(config).toEqual({
    host: "127.0.0.1",
    port: 2455,
    dataDir: "/home/example/.codex-lb",
    encryptionKeyFile: "/home/example/.codex-lb/encryption.key",
    adminApiToken: null,
    dashboardBootstrapToken: null,
    upstreamBaseUrl: "https://chatgpt.com/backend-api",
    authBaseUrl: "https://auth.openai.com",
    proxyUnauthenticatedClientCidrs: [],
    firewallTrustProxyHeaders: false,
    firewallTrustedProxyCidrs: [],
    dashboardUserHeader: null,
    tlsCertFile: null,
    tlsKeyFile: null,
    usageRefreshIntervalMs: 60_000,
    upstreamConnectTimeoutMs: 8_000,
    upstreamFirstEventTimeoutMs: 45_000,
    shutdownDrainTimeoutMs: 30_000,
    logLevel: "info",
    logFormat: "text",
    openAiApiKey: null,
    openAiBaseUrl: null,
  });
});

test("every documented example is accepted, and there are at most 30 settings", () => {
  const settings = Object.values(SETTINGS);
  const { warnings } = read(Object.fromEntries(settings.map(({ names, example }) => [names[0], example])));
  expect(warnings).toEqual([]);
  expect(settings.length).toBeLessThanOrEqual(30);
});

test("a flag wins over the environment, that over .env.local, that over .env", () => {
  const files = { ".env": "CODEX_LB_PORT=1001\nCODEX_LB_HOST=::1", ".env.local": "CODEX_LB_PORT=1002" };
  expect(read({}, files).config.port).toBe(1002);
  expect(read({}, files).config.host).toBe("::1");
  expect(read({ CODEX_LB_PORT: "1003" }, files).config.port).toBe(1003);
  expect(read({ CODEX_LB_PORT: "1003" }, files, { port: "1004" }).config.port).toBe(1004);
});

test("PORT is read as well, and the program's own name wins over it", () => {
  expect(read({ PORT: "8080" }).config.port).toBe(8080);
  expect(read({ PORT: "8080", CODEX_LB_PORT: "8081" }).config.port).toBe(8081);
});

test("an empty value in the environment means unset, whatever the file says", () => {
  expect(read({ CODEX_LB_PORT: "" }, { ".env": "CODEX_LB_PORT=1001" }).config.port).toBe(2455);
  expect(read({ CODEX_LB_ADMIN_API_TOKEN: " " }).config.adminApiToken).toBeNull();
});

test("env files know comments, quotes and export", () => {
  const text = `# a comment\nexport CODEX_LB_LOG_LEVEL="debug"\nCODEX_LB_LOG_FORMAT='json' # for the collector\n`;
  expect(read({}, { ".env": text }).config).toMatchObject({ logLevel: "debug", logFormat: "json" });
});

test("a directory called .env is no settings file", () => {
  const cwd = directoryWith({});
  mkdirSync(join(cwd, ".env"));
  expect(readConfig({ env: {}, cwd, homeDir }).config.port).toBe(2455);
});

test("paths may be relative or start at the home directory", () => {
  const cwd = directoryWith({});
  const at = (dir: string) => readConfig({ env: { CODEX_LB_DATA_DIR: dir }, cwd, homeDir }).config.dataDir;
  expect(at("data")).toBe(join(cwd, "data"));
  expect(at("~/pool")).toBe("/home/example/pool");
  expect(at("/srv/~pool")).toBe("/srv/~pool");
});

test("the key file follows the data directory unless it is named", () => {
  expect(read({ CODEX_LB_DATA_DIR: "/data" }).config.encryptionKeyFile).toBe("/data/encryption.key");
  expect(read({ CODEX_LB_ENCRYPTION_KEY_FILE: "/run/key" }).config.encryptionKeyFile).toBe("/run/key");
});

test.each([
  ["CODEX_LB_PORT", ["0", "65535"], ["-1", "65536", "http", "24 55", "1e3"]],
  ["CODEX_LB_HOST", ["0.0.0.0", "::", "localhost"], ["http://localhost", "a b"]],
  ["CODEX_LB_ADMIN_API_TOKEN", ["s3cret-with_signs!"], ["two words", "é"]],
  [
    "CODEX_LB_UPSTREAM_BASE_URL",
    ["http://127.0.0.1:1/x/"],
    ["chatgpt.com", "ftp://x.invalid", "https://u:p@x.invalid"],
  ],
  [
    "CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS",
    ["10.0.0.0/8, ::1"],
    ["10.0.0.0/33", "lan", "::/129", "1.2.3.4/8/8", ","],
  ],
  ["CODEX_LB_FIREWALL_TRUST_PROXY_HEADERS", ["TRUE", "1", "no"], ["maybe"]],
  ["CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS", ["1", "86400"], ["0", "0.5", "60s", "-1", "86401"]],
  ["CODEX_LB_UPSTREAM_CONNECT_TIMEOUT_SECONDS", ["0.05", "2.5"], ["0", "0.04", "soon"]],
  ["CODEX_LB_LOG_LEVEL", ["WARN"], ["loud"]],
])("%s accepts %p and refuses %p, naming itself and what it accepts", (name, good, bad) => {
  for (const value of good) expect(() => read({ [name]: value })).not.toThrow();
  for (const value of bad) {
    const error = refusal({ [name]: value });
    expect(error.code).toBe("invalid_setting");
    expect(error.param).toBe(name);
    expect(error.message).toStartWith(`${name} is not valid: expected `);
  }
});

test("a refusal says in which file the value is", () => {
  const error = refusal({}, { ".env.local": "CODEX_LB_PORT=many" });
  expect(error.message).toBe(
    "CODEX_LB_PORT (in .env.local) is not valid: expected a port number from 0 to 65535 (0: any free port).",
  );
});

test("a refusal never repeats the value, which may be a secret", () => {
  const error = refusal({ CODEX_LB_ADMIN_API_TOKEN: "hush hush" });
  expect(`${error.message}${JSON.stringify(error)}`).not.toContain("hush");
});

test("secrets do not print", () => {
  const { config } = read({ CODEX_LB_ADMIN_API_TOKEN: "hush", CODEX_LB_OPENAI_API_KEY: "sk-hush" });
  expect(`${JSON.stringify(config)}${Bun.inspect(config)}`).not.toContain("hush");
  expect(config.adminApiToken?.reveal()).toBe("hush");
});

test("an unknown CODEX_LB_ name is warned about, with the nearest known one", () => {
  const { warnings } = read({ CODEX_LB_PROT: "1", OTHER: "x" }, { ".env": "CODEX_LB_WHATEVER_ELSE=1" });
  expect(warnings).toEqual([
    "CODEX_LB_PROT is not a setting of codex-lb; did you mean CODEX_LB_PORT?",
    "CODEX_LB_WHATEVER_ELSE (in .env) is not a setting of codex-lb.",
  ]);
});

test("the key that Codex CLI reads from its environment is no mistake", () => {
  expect(read({ CODEX_LB_API_KEY: "sk-clb-example" }).warnings).toEqual([]);
});

test.each(Object.entries(generatedFiles()))(
  "%s says what the table says (npm run generate)",
  (path, text) => {
    expect(readFileSync(new URL(`../${path}`, import.meta.url), "utf8")).toBe(text);
  },
);
