/** The settings: one table with names, parser, default and documentation, and its reader over environment and `.env` files. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseEnv } from "node:util";
import { type Cidr, parseCidr } from "./core/cidr.ts";
import { CodedError } from "./core/errors.ts";
import { nearestWord } from "./core/nearest.ts";
import { Secret } from "./core/secret.ts";
import type { LogLevel } from "./ports.ts";

/** Where relative paths and defaults start from. */
interface Place {
  cwd: string;
  homeDir: string;
}

/** How a text becomes a value; `undefined` means that the text is not one of what is accepted. */
interface Parser<T> {
  /** Completes the sentence "expected …". */
  accepts: string;
  parse(text: string, place: Place): T | undefined;
}

interface Setting<T> {
  /** Environment names; the first one set wins. */
  names: readonly [string, ...string[]];
  /** The command-line flag (without dashes) that wins over the environment, where there is one. */
  flag?: string;
  parser: Parser<T>;
  /** Value when the name is not set or empty; parsed like any other text. null: there is none. */
  default: string | null;
  /** One line for `.env.example` and the settings page. */
  doc: string;
  example: string;
}

const host: Parser<string> = {
  accepts: "an IP address or a host name",
  parse: (text) => (/^[A-Za-z0-9.:_-]+$/.test(text) ? text : undefined),
};

const port: Parser<number> = {
  accepts: "a port number from 0 to 65535 (0: any free port)",
  parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : undefined),
};

const path: Parser<string> = {
  accepts: "a path (`~/` is the home directory)",
  parse: (text, { cwd, homeDir }) => resolve(cwd, text.replace(/^~(?=$|[/\\])/, homeDir)),
};

/** Header-safe, because a token with a blank or a line break could never be sent. */
const secret: Parser<Secret> = {
  accepts: "printable ASCII characters without blanks",
  parse: (text) => (/^[\x21-\x7e]+$/.test(text) ? new Secret(text) : undefined),
};

const baseUrl: Parser<string> = {
  accepts: "an http or https URL without user name, query or fragment",
  parse(text) {
    if (!URL.canParse(text)) return undefined;
    const url = new URL(text);
    const isPlain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
    const isHttp = url.protocol === "http:" || url.protocol === "https:";
    return isPlain && isHttp ? url.href.replace(/\/+$/, "") : undefined;
  },
};

const networks: Parser<Cidr[]> = {
  accepts: "IP addresses or networks like `10.0.0.0/8`, separated by commas",
  parse(text) {
    const ranges = text.split(",").map(parseCidr);
    return ranges.includes(null) ? undefined : ranges.filter((range) => range !== null);
  },
};

const headerName: Parser<string> = {
  accepts: "the name of a header",
  parse: (text) => (/^[A-Za-z0-9-]+$/.test(text) ? text.toLowerCase() : undefined),
};

const BOOLEANS: Record<string, boolean> = {
  true: true,
  yes: true,
  on: true,
  "1": true,
  false: false,
  no: false,
  off: false,
  "0": false,
};

const boolean: Parser<boolean> = {
  accepts: "`true` or `false`",
  parse: (text) => BOOLEANS[text.toLowerCase()],
};

/** Seconds in the environment, milliseconds in the program. */
function seconds({ from, to }: { from: number; to: number }): Parser<number> {
  return {
    accepts: `a number of seconds from ${from} to ${to}`,
    parse(text) {
      const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
      return value >= from && value <= to ? Math.round(value * 1000) : undefined;
    },
  };
}

function oneOf<const T extends string>(values: readonly T[]): Parser<T> {
  return {
    accepts: values.map((value) => `\`${value}\``).join(", "),
    parse: (text) => values.find((value) => value === text.toLowerCase()),
  };
}

function setting<T>(definition: Setting<T> & { default: string }): Setting<T> & { default: string };
function setting<T>(definition: Setting<T> & { default: null }): Setting<T> & { default: null };
function setting<T>(definition: Setting<T>): Setting<T> {
  return definition;
}

/** Longer than a day is a mistake in the unit. */
const ONE_DAY = 86_400;

export const SETTINGS = {
  host: setting({
    names: ["CODEX_LB_HOST"],
    flag: "host",
    parser: host,
    default: "127.0.0.1",
    doc: "Address to listen on. Anything but loopback lets other machines reach the service.",
    example: "0.0.0.0",
  }),
  port: setting({
    names: ["CODEX_LB_PORT", "PORT"],
    flag: "port",
    parser: port,
    default: "2455",
    doc: "Port to listen on.",
    example: "8080",
  }),
  dataDir: setting({
    names: ["CODEX_LB_DATA_DIR"],
    flag: "data-dir",
    parser: path,
    default: "~/.codex-lb",
    doc: "Directory of the database `codex-lb.db`, `encryption.key` and backups; created for its owner alone.",
    example: "/var/lib/codex-lb",
  }),
  encryptionKeyFile: setting({
    names: ["CODEX_LB_ENCRYPTION_KEY_FILE"],
    parser: path,
    default: null,
    doc: "File of the key that encrypts tokens; created when missing. Unset: `encryption.key` in the data directory.",
    example: "/run/secrets/codex-lb.key",
  }),
  adminApiToken: setting({
    names: ["CODEX_LB_ADMIN_API_TOKEN"],
    parser: secret,
    default: null,
    doc: "Bearer token for `/api/*`; when set, nothing anonymous passes there.",
    example: "a-long-random-text",
  }),
  dashboardBootstrapToken: setting({
    names: ["CODEX_LB_DASHBOARD_BOOTSTRAP_TOKEN"],
    parser: secret,
    default: null,
    doc: "Asked for when the first dashboard password is set from another machine. Unset: generated and printed once.",
    example: "another-long-random-text",
  }),
  upstreamBaseUrl: setting({
    names: ["CODEX_LB_UPSTREAM_BASE_URL"],
    parser: baseUrl,
    default: "https://chatgpt.com/backend-api",
    doc: "ChatGPT's backend.",
    example: "https://chatgpt.com/backend-api",
  }),
  authBaseUrl: setting({
    names: ["CODEX_LB_AUTH_BASE_URL"],
    parser: baseUrl,
    default: "https://auth.openai.com",
    doc: "Issuer for token refresh, login and device code.",
    example: "https://auth.openai.com",
  }),
  proxyUnauthenticatedClientCidrs: setting({
    names: ["CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS"],
    parser: networks,
    default: null,
    doc: "Who may use the proxy without a key, besides this machine, while key authentication is off.",
    example: "192.168.1.0/24",
  }),
  firewallTrustProxyHeaders: setting({
    names: ["CODEX_LB_FIREWALL_TRUST_PROXY_HEADERS"],
    parser: boolean,
    default: "false",
    doc: "Believe `X-Forwarded-*` headers, from the peers of the next setting only.",
    example: "true",
  }),
  firewallTrustedProxyCidrs: setting({
    names: ["CODEX_LB_FIREWALL_TRUSTED_PROXY_CIDRS"],
    parser: networks,
    default: null,
    doc: "The reverse proxies whose `X-Forwarded-*` headers are believed.",
    example: "127.0.0.1,10.0.0.0/8",
  }),
  dashboardUserHeader: setting({
    names: ["CODEX_LB_DASHBOARD_USER_HEADER"],
    parser: headerName,
    default: null,
    doc: "Header in which a trusted reverse proxy names who signed in there; with it, the dashboard asks for no password.",
    example: "x-forwarded-user",
  }),
  tlsCertFile: setting({
    names: ["CODEX_LB_TLS_CERT_FILE"],
    parser: path,
    default: null,
    doc: "Certificate chain (PEM) to serve over TLS; needs the key file as well.",
    example: "/etc/codex-lb/cert.pem",
  }),
  tlsKeyFile: setting({
    names: ["CODEX_LB_TLS_KEY_FILE"],
    parser: path,
    default: null,
    doc: "Private key (PEM) of the certificate.",
    example: "/etc/codex-lb/key.pem",
  }),
  usageRefreshIntervalMs: setting({
    names: ["CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS"],
    parser: seconds({ from: 1, to: ONE_DAY }),
    default: "60",
    doc: "How often each account's usage is asked for; the accounts are spread over the interval.",
    example: "300",
  }),
  upstreamConnectTimeoutMs: setting({
    names: ["CODEX_LB_UPSTREAM_CONNECT_TIMEOUT_SECONDS"],
    parser: seconds({ from: 0.05, to: ONE_DAY }),
    default: "8",
    doc: "Past this time to connect, the attempt is a network fault and the next account is tried.",
    example: "15",
  }),
  upstreamFirstEventTimeoutMs: setting({
    names: ["CODEX_LB_UPSTREAM_FIRST_EVENT_TIMEOUT_SECONDS"],
    parser: seconds({ from: 0.05, to: ONE_DAY }),
    default: "45",
    doc: "Past this time to the first event, the next account is tried. It never cuts a stream that has begun.",
    example: "90",
  }),
  shutdownDrainTimeoutMs: setting({
    names: ["CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS"],
    parser: seconds({ from: 0, to: ONE_DAY }),
    default: "30",
    doc: "How long open streams may go on after a stop signal; then they are ended properly.",
    example: "120",
  }),
  logLevel: setting({
    names: ["CODEX_LB_LOG_LEVEL"],
    parser: oneOf<LogLevel>(["debug", "info", "warn", "error"]),
    default: "info",
    doc: "The least important log lines to write.",
    example: "debug",
  }),
  logFormat: setting({
    names: ["CODEX_LB_LOG_FORMAT"],
    parser: oneOf(["text", "json"]),
    default: "text",
    doc: "`text` for people, `json` for log collectors.",
    example: "json",
  }),
  openAiApiKey: setting({
    names: ["CODEX_LB_OPENAI_API_KEY"],
    parser: secret,
    default: null,
    doc: "An API key of yours at OpenAI: it serves, and is billed, while no account of the pool can. See `lanes` in the settings.",
    example: "sk-your-key",
  }),
  openAiBaseUrl: setting({
    names: ["CODEX_LB_OPENAI_BASE_URL"],
    parser: baseUrl,
    default: null,
    doc: "Where that API key is used. Unset: `https://api.openai.com/v1`.",
    example: "https://api.openai.com/v1",
  }),
};

type Settings = typeof SETTINGS;
type Parsed<S> = S extends { parser: Parser<infer T>; default: infer D }
  ? D extends null
    ? T | null
    : T
  : never;

/** Every setting by its name in the program; `null` where nothing is set and nothing is the default. */
export type Config = { -readonly [Name in keyof Settings]: Parsed<Settings[Name]> } & {
  encryptionKeyFile: string;
  proxyUnauthenticatedClientCidrs: Cidr[];
  firewallTrustedProxyCidrs: Cidr[];
};

export interface ConfigSources extends Place {
  /** The process environment. */
  env: Record<string, string | undefined>;
  /** Values of command-line flags, by flag name without dashes. They win over everything. */
  args?: Record<string, string>;
}

/** Values by environment name, and what to call the place they come from. */
interface Source {
  label: string;
  values: Record<string, string | undefined>;
}

/** Codex CLI reads its own key from this name (the documented client configuration), often in the same shell. */
const NAMES_OF_CLIENTS = ["CODEX_LB_API_KEY"];

/**
 * Reads the settings: flags, then the process environment, then `.env.local`, then `.env` of the working directory.
 * An empty value counts as not set, and hides the files' value.
 * Throws CodedError `invalid_setting` (the name, and what is accepted; never the value, which may be a secret) and
 * `unreadable_env_file`. `warnings` are sentences for people, one for each unknown `CODEX_LB_*` name.
 */
export function readConfig(from: ConfigSources): { config: Config; warnings: string[] } {
  const sources: Source[] = [
    { label: "", values: from.env },
    ...[".env.local", ".env"].map((file) => ({
      label: ` (in ${file})`,
      values: readEnvFile(join(from.cwd, file)),
    })),
  ];
  const values = Object.fromEntries(
    Object.entries<Setting<unknown>>(SETTINGS).map(([name, entry]) => [
      name,
      readSetting(entry, from, sources),
    ]),
  ) as { [Name in keyof Settings]: Parsed<Settings[Name]> };
  const config: Config = {
    ...values,
    encryptionKeyFile: values.encryptionKeyFile ?? join(values.dataDir, "encryption.key"),
    proxyUnauthenticatedClientCidrs: values.proxyUnauthenticatedClientCidrs ?? [],
    firewallTrustedProxyCidrs: values.firewallTrustedProxyCidrs ?? [],
  };
  return { config, warnings: sources.flatMap(unknownNames) };
}

function readSetting<T>(entry: Setting<T>, from: ConfigSources, sources: Source[]): T | null {
  const given = findGiven(entry, from.args ?? {}, sources);
  const text = given?.text.trim() || entry.default;
  if (text === null) return null;
  const value = entry.parser.parse(text, from);
  if (value === undefined) {
    throw new CodedError(
      "invalid_setting",
      `${given?.origin} is not valid: expected ${entry.parser.accepts}.`,
      {
        param: entry.names[0],
      },
    );
  }
  return value;
}

function findGiven<T>(entry: Setting<T>, args: Record<string, string>, sources: Source[]) {
  const argument = entry.flag === undefined ? undefined : args[entry.flag];
  if (argument !== undefined) return { text: argument, origin: `--${entry.flag}` };
  for (const { label, values } of sources) {
    for (const name of entry.names) {
      const text = values[name];
      if (text !== undefined) return { text, origin: `${name}${label}` };
    }
  }
  return undefined;
}

function readEnvFile(file: string): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync(file, "utf8"));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
    // A directory called `.env` is a Python virtual environment, not ours.
    if (code === "ENOENT" || code === "EISDIR") return {};
    throw new CodedError(
      "unreadable_env_file",
      `${file} cannot be read (${code}). Make it readable, or start codex-lb in another directory.`,
    );
  }
}

const PREFIX = "CODEX_LB_";

function unknownNames({ label, values }: Source): string[] {
  const known = Object.values<Setting<unknown>>(SETTINGS)
    .flatMap((entry) => entry.names)
    .filter((name) => name.startsWith(PREFIX));
  const tails = known.map((name) => name.slice(PREFIX.length));
  return Object.keys(values)
    .filter((name) => name.startsWith(PREFIX) && !known.includes(name) && !NAMES_OF_CLIENTS.includes(name))
    .map((name) => {
      const nearest = nearestWord(name.slice(PREFIX.length), tails);
      const hint = nearest === null ? "." : `; did you mean ${PREFIX}${nearest}?`;
      return `${name}${label} is not a setting of codex-lb${hint}`;
    });
}
