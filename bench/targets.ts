/** What is compared: the upstream itself, nginx, a bare Bun relay, and codex-lb with everything on that a user has on. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Service, setUp, startService } from "./codex-lb.ts";
import { fillHistory } from "./history-rows.ts";
import { startNginx } from "./nginx.ts";
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
  /** In the order they are asked in. */
  targets: Target[];
  target(name: TargetName): Target;
  /** Changes what the upstream answers. */
  canned(canned: { events?: number; totalBytes?: number; gapMs?: number } | null): Promise<void>;
  /** Any control of the simulated upstream; POST when there is a body (null: an empty one). */
  control(path: string, body?: unknown, method?: string): Promise<unknown>;
  /** Throws when codex-lb is not part of the run. */
  service(): Service;
  /** Requests that codex-lb answered with an error since its start: its own count. Clients that left are no errors. */
  failedRequests(): Promise<number>;
  /** Stops codex-lb and starts it again on what it stored. */
  restart(): Promise<Service>;
  /** One file per simulated account, as `codex login` writes it. */
  authFiles: string[];
  /** Scratch space, removed at the end. */
  directory: string;
  stop(): Promise<void>;
}

export const RESPONSES_PATH = "/backend-api/codex/responses";
const ACCOUNTS = 20;
const root = resolve(import.meta.dir, "..");

/** Starts the upstream and every target. The compiled executable is measured: build it first. */
export async function startBench(
  wanted: readonly TargetName[],
  { rows = 0, env = {} }: { rows?: number; env?: Record<string, string> },
): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), "codex-lb-bench-"));
  const running = new Set<Started>();
  const keep = (process: Started) => void running.add(process);
  async function stop(): Promise<void> {
    for (const process of [...running].toReversed()) await process.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  try {
    const upstream = await startUpstream(directory);
    keep(upstream.process);
    const { origin, control, anyAccount, authFiles } = upstream;
    const targets: Target[] = [{ name: "direct", origin, process: null, headers: anyAccount }];
    if (wanted.includes("nginx")) {
      const nginx = await startNginx(origin, join(directory, "nginx"));
      keep(nginx.process);
      targets.push({ name: "nginx", ...nginx, headers: anyAccount });
    }
    if (wanted.includes("bare")) {
      const relay = await start([process.execPath, join(root, "bench/bare-relay.ts"), origin], {
        core: PROXY_CORE,
        ready: /http:/,
        env: { BUN_CONFIG_MAX_HTTP_REQUESTS: "20000" },
      });
      keep(relay);
      targets.push({ name: "bare", origin: relay.line.trim(), process: relay, headers: anyAccount });
    }
    const options = { upstream: origin, directory, env };
    let service: Service | null = null;
    if (wanted.includes("codex-lb")) {
      if (rows > 0) fillHistory(join(directory, "data"), rows);
      service = await startService(options, {});
      keep(service.process);
      service.headers = await setUp(service, authFiles);
      targets.push({ name: "codex-lb", ...service });
    }
    const theService = (): Service => {
      if (service === null) throw new Error("codex-lb is not part of this run");
      return service;
    };
    return {
      targets,
      target(name) {
        const target = targets.find((candidate) => candidate.name === name);
        if (!target) throw new Error(`${name} is not part of this run`);
        return target;
      },
      canned: async (canned) => void (await control("canned", canned)),
      control,
      service: theService,
      async failedRequests() {
        const counts = [...(await theService().metrics())].filter(([line]) =>
          /^codex_lb_requests_total\{status="(?!ok|cancelled)/.test(line),
        );
        return counts.reduce((sum, [, count]) => sum + count, 0);
      },
      async restart() {
        const before = theService();
        await before.process.stop();
        running.delete(before.process);
        service = await startService(options, before.headers);
        keep(service.process);
        targets.splice(-1, 1, { name: "codex-lb", ...service });
        return service;
      },
      authFiles,
      directory,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The simulated backend in a process of its own, and the credentials of its accounts. */
async function startUpstream(directory: string) {
  const authDir = join(directory, "auth");
  const simulator = await start(
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
  const { origin } = JSON.parse(simulator.line) as { origin: string };
  const authFiles = Array.from({ length: ACCOUNTS }, (_, index) => join(authDir, `auth-${index + 1}.json`));
  return {
    process: simulator,
    origin,
    authFiles,
    /** codex-lb shows its own token upstream, the others whatever the load sends: one of the simulated accounts. */
    anyAccount: { authorization: `Bearer ${await accessToken(authFiles[0]!)}` },
    async control(path: string, body?: unknown, method?: string): Promise<unknown> {
      const reply = await fetch(`${origin}/__sim/${path}`, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        ...(body === undefined || body === null ? {} : { body: JSON.stringify(body) }),
      });
      if (!reply.ok) throw new Error(`control ${path}: ${reply.status} ${await reply.text()}`);
      return reply.json();
    },
  };
}

/** The access token within an auth.json. */
export async function accessToken(file: string): Promise<string> {
  const login = (await Bun.file(file).json()) as { tokens: { access_token: string } };
  return login.tokens.access_token;
}
