/** What is compared: the upstream itself, nginx, a bare Bun relay, and codex-lb with everything on that a user has on. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fillHistory } from "./history-rows.ts";
import { LOAD_CORE, PROXY_CORE, start, type Started } from "./processes.ts";

export type TargetName = "direct" | "nginx" | "bare" | "codex-lb";

export interface Target {
  name: TargetName;
  /** `http://127.0.0.1:port` */
  origin: string;
  /** The process to look at; null for the upstream itself. */
  process: Started | null;
  headers: Record<string, string>;
}

export interface Bench {
  targets: Target[];
  target(name: TargetName): Target;
  /** Changes what the upstream answers. */
  canned(canned: { events?: number; totalBytes?: number; gapMs?: number } | null): Promise<void>;
  /** Any control of the simulated upstream. */
  control(path: string, body?: unknown): Promise<unknown>;
  upstream: Started;
  adminJson(path: string, init?: { method?: string; json?: unknown }): Promise<Record<string, unknown>>;
  databasePath: string;
  stop(): Promise<void>;
}

export const RESPONSES_PATH = "/backend-api/codex/responses";
const ACCOUNTS = 20;
const ADMIN_TOKEN = "benchmark-admin-token";
const root = resolve(import.meta.dir, "..");

/** Starts the upstream and every target. The compiled executable is measured: build it first. */
export async function startBench(wanted: readonly TargetName[], { rows }: { rows: number }): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "codex-lb-bench-"));
  const started: Started[] = [];
  async function launch(...parameters: Parameters<typeof start>): Promise<Started> {
    const process = await start(...parameters);
    started.push(process);
    return process;
  }
  async function stop(): Promise<void> {
    for (const process of started.toReversed()) await process.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  try {
    const authDir = join(directory, "auth");
    const upstream = await launch(
      [
        process.execPath,
        join(root, "bench/upstream.ts"),
        "--accounts",
        String(ACCOUNTS),
        "--auth-dir",
        authDir,
      ],
      { core: LOAD_CORE, ready: /"origin"/ },
    );
    const { origin } = JSON.parse(upstream.line) as { origin: string };
    const control = async (path: string, body?: unknown): Promise<unknown> => {
      const reply = await fetch(`${origin}/__sim/${path}`, {
        method: body === undefined ? "GET" : "POST",
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      if (!reply.ok) throw new Error(`control ${path}: ${reply.status} ${await reply.text()}`);
      return reply.json();
    };
    // codex-lb shows its own token upstream, the others whatever the load sends: one of the simulated accounts.
    const login = (await Bun.file(join(authDir, "auth-1.json")).json()) as {
      tokens: { access_token: string };
    };
    const anyAccount = { authorization: `Bearer ${login.tokens.access_token}` };

    const targets: Target[] = [{ name: "direct", origin, process: null, headers: anyAccount }];
    if (wanted.includes("nginx")) targets.push(await startNginx(origin, directory, launch, anyAccount));
    if (wanted.includes("bare")) {
      const relay = await launch([process.execPath, join(root, "bench/bare-relay.ts"), origin], {
        core: PROXY_CORE,
        ready: /http:/,
        env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "20000" },
      });
      targets.push({ name: "bare", origin: relay.line.trim(), process: relay, headers: anyAccount });
    }

    const dataDir = join(directory, "data");
    let adminJson: Bench["adminJson"] = () => Promise.reject(new Error("codex-lb is not part of this run"));
    if (wanted.includes("codex-lb")) {
      if (rows > 0) fillHistory(dataDir, rows);
      const service = await launch([join(root, "dist/codex-lb"), "--port", "0", "--data-dir", dataDir], {
        core: PROXY_CORE,
        ready: /ready on/,
        cwd: directory,
        env: {
          CODEX_LB_UPSTREAM_BASE_URL: `${origin}/backend-api`,
          CODEX_LB_AUTH_BASE_URL: origin,
          CODEX_LB_ADMIN_API_TOKEN: ADMIN_TOKEN,
          CODEX_LB_LOG_LEVEL: "warn",
        },
      });
      const url = /http:\S+/.exec(service.line)![0];
      adminJson = async (path, { method, json } = {}) => {
        const reply = await fetch(`${url}${path}`, {
          method: method ?? (json === undefined ? "GET" : "POST"),
          headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
          ...(json === undefined ? {} : { body: JSON.stringify(json) }),
        });
        const text = await reply.text();
        if (!reply.ok) throw new Error(`${path}: ${reply.status} ${text}`);
        return JSON.parse(text) as Record<string, unknown>;
      };
      await importAccounts(url, authDir);
      await adminJson("/api/settings", { method: "PUT", json: { apiKeyAuthEnabled: true } });
      const key = await adminJson("/api/api-keys/", {
        json: {
          name: "benchmark",
          limits: [
            { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000_000_000 },
            { limitType: "cost_usd", limitWindow: "daily", maxValue: 1_000_000_000_000 },
          ],
        },
      });
      targets.push({
        name: "codex-lb",
        origin: url,
        process: service,
        headers: { authorization: `Bearer ${String(key.key)}` },
      });
    }
    return {
      targets,
      target(name) {
        const target = targets.find((candidate) => candidate.name === name);
        if (!target) throw new Error(`${name} is not part of this run`);
        return target;
      },
      canned: async (canned) => void (await control("canned", canned)),
      control,
      upstream,
      adminJson,
      databasePath: join(dataDir, "codex-lb.db"),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function importAccounts(url: string, authDir: string): Promise<void> {
  for (let index = 1; index <= ACCOUNTS; index++) {
    const form = new FormData();
    form.append("auth_json", Bun.file(join(authDir, `auth-${index}.json`)), "auth.json");
    const reply = await fetch(`${url}/api/accounts/import`, {
      method: "POST",
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      body: form,
    });
    if (!reply.ok) throw new Error(`import: ${reply.status} ${await reply.text()}`);
  }
}

async function startNginx(
  origin: string,
  directory: string,
  launch: (...parameters: Parameters<typeof start>) => Promise<Started>,
  headers: Record<string, string>,
): Promise<Target> {
  const port = await freePort();
  mkdirSync(join(directory, "nginx"));
  const config = join(directory, "nginx/nginx.conf");
  // The usual set-up for event streams: kept connections, no buffering of replies, no access log.
  writeFileSync(
    config,
    `daemon off; worker_processes 1; pid ${directory}/nginx/pid; error_log ${directory}/nginx/error.log;
user root; worker_rlimit_nofile 65536;
events { worker_connections 20000; }
http { access_log off; client_body_temp_path ${directory}/nginx/body; proxy_temp_path ${directory}/nginx/proxy;
 fastcgi_temp_path ${directory}/nginx/f; uwsgi_temp_path ${directory}/nginx/u; scgi_temp_path ${directory}/nginx/s;
 keepalive_requests 1000000000; client_body_buffer_size 32m; client_max_body_size 64m;
 upstream up { server ${new URL(origin).host}; keepalive 512; keepalive_requests 1000000000; }
 server { listen 127.0.0.1:${port} backlog=8192;
  location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
   proxy_read_timeout 600s; } } }
`,
  );
  const nginx = await launch(
    [
      "sh",
      "-c",
      `nginx -c ${config} & pid=$!; trap 'kill $pid; wait $pid' TERM; sleep 0.3; echo ready; wait $pid`,
    ],
    { core: PROXY_CORE, ready: /ready/ },
  );
  return { name: "nginx", origin: `http://127.0.0.1:${port}`, process: nginx, headers };
}

async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = server.port!;
  await server.stop(true);
  return port;
}
