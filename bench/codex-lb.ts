/** The executable under test with everything on that a user has on: key authentication, a key with limits, 20 accounts, the log. */
import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { Glob } from "bun";
import { PROXY_CORE, start, type Started } from "./processes.ts";

const ADMIN_TOKEN = "benchmark-admin-token";
const root = resolve(import.meta.dir, "..");
export const EXECUTABLE = join(root, "dist/codex-lb");
/** Far above what a run can use: they are counted, and never reached. */
export const KEY_LIMITS = [
  { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000_000_000 },
  { limitType: "cost_usd", limitWindow: "daily", maxValue: 1_000_000_000_000 },
];

export interface Service {
  /** `http://127.0.0.1:port` */
  origin: string;
  process: Started;
  /** The `authorization` that its clients send. */
  headers: Record<string, string>;
  adminJson(path: string, init?: { method?: string; json?: unknown }): Promise<Record<string, unknown>>;
  /** `/metrics` as its lines say it: `name{labels}` to value. */
  metrics(): Promise<Map<string, number>>;
}

/** Throws when there is no executable; a sentence to print when it is older than its sources. */
export function checkExecutable(): string | null {
  if (!existsSync(EXECUTABLE)) throw new Error("There is no dist/codex-lb. Build it: npm run build");
  const builtAt = statSync(EXECUTABLE).mtimeMs;
  const newer = [...new Glob("src/**/*.ts").scanSync({ cwd: root })].filter(
    (file) => !file.endsWith(".test.ts") && statSync(join(root, file)).mtimeMs > builtAt,
  );
  return newer.length === 0 ? null : `dist/codex-lb is older than ${newer[0]}: npm run build makes it anew.`;
}

export interface ServiceOptions {
  upstream: string;
  directory: string;
  env: Record<string, string>;
}

/** Starts it on `directory`/data and waits until it serves. */
export async function startService(
  options: ServiceOptions,
  headers: Record<string, string>,
): Promise<Service> {
  const { upstream, directory, env } = options;
  const process = await start([EXECUTABLE, "--port", "0", "--data-dir", join(directory, "data")], {
    core: PROXY_CORE,
    ready: /ready on/,
    cwd: directory,
    env: {
      CODEX_LB_UPSTREAM_BASE_URL: `${upstream}/backend-api`,
      CODEX_LB_AUTH_BASE_URL: upstream,
      CODEX_LB_ADMIN_API_TOKEN: ADMIN_TOKEN,
      CODEX_LB_LOG_LEVEL: "warn",
      ...env,
    },
  });
  const origin = /http:\S+/.exec(process.line)![0];
  const authorization = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return {
    origin,
    process,
    headers,
    async adminJson(path, { method, json } = {}) {
      const reply = await fetch(`${origin}${path}`, {
        method: method ?? (json === undefined ? "GET" : "POST"),
        headers: { ...authorization, "content-type": "application/json" },
        ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`${path}: ${reply.status} ${text}`);
      return JSON.parse(text) as Record<string, unknown>;
    },
    async metrics() {
      const reply = await fetch(`${origin}/metrics`, { headers: authorization });
      if (!reply.ok) throw new Error(`/metrics: ${reply.status}`);
      const lines = (await reply.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
      return new Map(
        lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
      );
    },
  };
}

/** What a user does once: imports the accounts, switches key authentication on, makes a key with limits; the key's headers. */
export async function setUp(service: Service, authFiles: readonly string[]): Promise<Record<string, string>> {
  await importAccounts(service.origin, authFiles, { authorization: `Bearer ${ADMIN_TOKEN}` });
  await service.adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
  const key = await service.adminJson("/api/api-keys/", { json: { name: "benchmark", limits: KEY_LIMITS } });
  return { authorization: `Bearer ${String(key.key)}` };
}

/** `POST /api/accounts/import`, once per file. Throws when one is refused. */
export async function importAccounts(
  origin: string,
  authFiles: readonly string[],
  headers: Record<string, string>,
): Promise<void> {
  for (const file of authFiles) {
    const form = new FormData();
    form.append("auth_json", Bun.file(file), "auth.json");
    const reply = await fetch(`${origin}/api/accounts/import`, { method: "POST", headers, body: form });
    if (!reply.ok) throw new Error(`import: ${reply.status} ${await reply.text()}`);
  }
}
