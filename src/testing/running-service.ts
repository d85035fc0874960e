/** The whole service on a free port with a temporary data directory, in front of a simulated upstream in the same process. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../config.ts";
import { createLog, type Ports, systemClock, systemRandom } from "../ports.ts";
import { createRuntime } from "../runtime.ts";
import { createSimulator, type Simulator, type SimulatorOptions } from "../simulator/simulator.ts";

export interface RunningServiceOptions {
  /** Accounts of the simulator, all of them imported before this resolves. Default: two with the simulator's defaults. */
  accounts?: SimulatorOptions["accounts"];
  /** How many of them are imported, the first ones. Default: all. */
  imported?: number;
  simulator?: Partial<SimulatorOptions>;
  /** More settings by environment name; `CODEX_LB_ADMIN_API_TOKEN: ""` leaves the admin token unset. */
  env?: Record<string, string>;
  /** Other clock, random or fetch. */
  ports?: Partial<Ports>;
}

export interface RunningService {
  readonly url: string;
  readonly simulator: Simulator;
  readonly dataDir: string;
  /** Every line logged so far, of all starts. */
  readonly lines: string[];
  /** Our ids of the imported accounts, in the simulator's order. */
  readonly accountIds: string[];
  /** A request as nobody in particular; `path` starts with "/". */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The same with the admin token; `json` makes it a JSON body (and POST unless `method` says otherwise). */
  admin(path: string, init?: RequestInit & { json?: unknown }): Promise<Response>;
  /** `admin` whose reply must be a 2xx; its parsed body. */
  adminJson<T = Record<string, unknown>>(path: string, init?: RequestInit & { json?: unknown }): Promise<T>;
  /** Imports a fresh login of the simulator's account; our id of it. */
  importAccount(index: number): Promise<string>;
  /** One finished turn through `POST /backend-api/codex/responses`; resolves when its whole reply is read. */
  turn(options?: {
    headers?: Record<string, string>;
    body?: Record<string, unknown>;
  }): Promise<{ status: number; text: string }>;
  /** Stops the service and starts it again on the same data; `url` is another one afterwards. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export const TEST_ADMIN_TOKEN = "admin-token-of-the-tests";

export async function startService(options: RunningServiceOptions = {}): Promise<RunningService> {
  const specs = options.accounts ?? [{}, {}];
  const simulator = createSimulator({ ...options.simulator, accounts: specs });
  const upstream = await simulator.start();
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-service-"));
  chmodSync(dataDir, 0o700);
  const lines: string[] = [];
  const { config } = readConfig({
    env: {
      CODEX_LB_HOST: "127.0.0.1",
      CODEX_LB_PORT: "0",
      CODEX_LB_DATA_DIR: dataDir,
      CODEX_LB_UPSTREAM_BASE_URL: upstream.backendBaseUrl,
      CODEX_LB_AUTH_BASE_URL: upstream.authBaseUrl,
      CODEX_LB_ADMIN_API_TOKEN: TEST_ADMIN_TOKEN,
      CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "1",
      ...options.env,
    },
    cwd: dataDir,
    homeDir: dataDir,
  });
  const ports: Ports = {
    clock: systemClock,
    random: systemRandom,
    fetch,
    log: createLog({ level: "debug", format: "text", write: (line) => void lines.push(line) }),
    ...options.ports,
  };
  let runtime = await createRuntime(config, ports);
  let { url } = await runtime.start();

  const service: RunningService = {
    get url() {
      return url;
    },
    simulator,
    dataDir,
    lines,
    accountIds: [],
    fetch: (path, init) => fetch(`${url}${path}`, init),
    admin(path, { json, ...init } = {}) {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${TEST_ADMIN_TOKEN}`);
      if (json === undefined) return fetch(`${url}${path}`, { ...init, headers });
      headers.set("content-type", "application/json");
      return fetch(`${url}${path}`, { method: "POST", ...init, headers, body: JSON.stringify(json) });
    },
    async adminJson<T>(path: string, init?: RequestInit & { json?: unknown }) {
      const reply = await service.admin(path, init);
      const text = await reply.text();
      if (!reply.ok) throw new Error(`${init?.method ?? "GET"} ${path}: ${reply.status} ${text}`);
      return JSON.parse(text) as T;
    },
    async importAccount(index) {
      const form = new FormData();
      form.set("auth_json", new File([JSON.stringify(simulator.issueAuthJson(index))], "auth.json"));
      const { accountId } = await service.adminJson<{ accountId: string }>("/api/accounts/import", {
        method: "POST",
        body: form,
      });
      return accountId;
    },
    async turn({ headers, body } = {}) {
      const reply = await fetch(`${url}/backend-api/codex/responses`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify({ ...TURN_BODY, ...body }),
      });
      return { status: reply.status, text: await reply.text() };
    },
    async restart() {
      await runtime.stop();
      runtime = await createRuntime(config, ports);
      ({ url } = await runtime.start());
    },
    async stop() {
      await runtime.stop();
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
  for (let index = 0; index < (options.imported ?? specs.length); index++) {
    service.accountIds.push(await service.importAccount(index));
  }
  return service;
}

/** What the simulator, strict as the real backend, takes for a turn. */
export const TURN_BODY = {
  model: "gpt-5.5",
  instructions: "You are a coding agent.",
  input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Say hello." }] }],
  tools: [],
  tool_choice: "auto",
  parallel_tool_calls: false,
  store: false,
  stream: true,
  include: [],
};
