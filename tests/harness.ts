/** Runs the compiled executable beside the simulator: start, import, read its log and its database, stop by signal. */
import { Database } from "bun:sqlite";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSimulator, type Simulator, type SimulatorOptions } from "../src/simulator/simulator.ts";
import { EXECUTABLE, type Ended, runToEnd } from "./executable.ts";
import { waitFor } from "./wait.ts";

/** A machine under load may take this long to start a process of 110 MB; the claim about speed is elsewhere. */
const READY_LIMIT_MS = 15_000;
const EXIT_LIMIT_MS = 20_000;

export interface ServiceOptions {
  /** Where OpenAI is; without it nothing listens there. */
  simulator?: Simulator;
  /** Default: a new directory, removed by `dispose`. */
  dataDir?: string;
  env?: Record<string, string>;
}

export interface Service {
  url: string;
  port: number;
  pid: number;
  dataDir: string;
  /** From spawning the process to its line "is ready". */
  readyMs: number;
  /** All it wrote so far, both streams. */
  output(): string;
  /** Runs `codex-lb import` on these files or directories against the same data directory. */
  import(...sources: string[]): Promise<Ended>;
  /** Rows of the request log, oldest first, as the database has them. */
  rows(): LogRow[];
  signal(name: "SIGTERM" | "SIGINT" | "SIGKILL"): void;
  exited(): Promise<number | null>;
  /** SIGTERM and the exit code. */
  stop(): Promise<number | null>;
  /** Ends it however it is, and removes what the harness made. */
  dispose(): Promise<void>;
}

/** One row of the table `requests`, by its column names. */
export type LogRow = Record<string, string | number | null>;

export function temporaryDirectory(name: string): string {
  return mkdtempSync(join(tmpdir(), `codex-lb-${name}-`));
}

export function serviceEnvironment({ simulator, dataDir, env }: ServiceOptions): Record<string, string> {
  return {
    CODEX_LB_PORT: "0",
    ...(dataDir === undefined ? {} : { CODEX_LB_DATA_DIR: dataDir }),
    CODEX_LB_UPSTREAM_BASE_URL: simulator?.urls.backendBaseUrl ?? "http://127.0.0.1:9/backend-api",
    CODEX_LB_AUTH_BASE_URL: simulator?.urls.authBaseUrl ?? "http://127.0.0.1:9",
    ...env,
  };
}

/** Starts the executable alone in an empty directory and waits until it says that it is ready. */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const cwd = temporaryDirectory("cwd");
  const made = [cwd];
  let { dataDir } = options;
  if (dataDir === undefined) made.push((dataDir = temporaryDirectory("data")));
  const directory = dataDir;
  const environment = { PATH: process.env.PATH!, HOME: cwd, ...serviceEnvironment({ ...options, dataDir }) };
  const startedAt = performance.now();
  const child = Bun.spawn([EXECUTABLE], {
    cwd,
    env: environment,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  const keep = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const bytes of stream) output += decoder.decode(bytes, { stream: true });
  };
  const read = Promise.all([keep(child.stdout), keep(child.stderr)]);
  const exited = async () => {
    const timer = setTimeout(() => child.kill("SIGKILL"), EXIT_LIMIT_MS);
    const exitCode = await child.exited;
    clearTimeout(timer);
    await read;
    return exitCode;
  };
  async function dispose(): Promise<void> {
    child.kill("SIGKILL");
    await exited();
    for (const path of made) rmSync(path, { recursive: true, force: true });
  }

  let url: string;
  let readyMs = 0;
  try {
    url = await waitFor(
      "the executable is ready",
      () => {
        readyMs = performance.now() - startedAt;
        if (child.exitCode !== null) throw new Error(`the executable ended: ${output}`);
        return / is ready on (http:\S+)/.exec(output)?.[1];
      },
      READY_LIMIT_MS,
    );
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid,
    dataDir: directory,
    readyMs,
    output: () => output,
    import: (...sources) => runToEnd([EXECUTABLE, "import", ...sources], { cwd, env: environment }),
    rows: () => logRows(directory),
    signal: (name) => child.kill(name),
    exited,
    stop() {
      child.kill("SIGTERM");
      return exited();
    },
    dispose,
  };
}

/** A running simulator with its accounts imported into a running service. */
export async function startPool(
  options: {
    accounts?: number;
    simulator?: Partial<SimulatorOptions>;
    dataDir?: string;
    env?: Record<string, string>;
  } = {},
): Promise<{ simulator: Simulator; service: Service; dispose(): Promise<void> }> {
  const count = options.accounts ?? 2;
  const simulator = createSimulator({
    accounts: Array.from({ length: count }, () => ({})),
    ...options.simulator,
  });
  await simulator.start();
  const service = await startService({ simulator, dataDir: options.dataDir, env: options.env });
  const logins = writeLogins(simulator, count);
  const { exitCode, stdout, stderr } = await service.import(logins);
  rmSync(logins, { recursive: true });
  if (exitCode !== 0) throw new Error(`import failed: ${stdout}${stderr}`);
  return {
    simulator,
    service,
    async dispose() {
      await service.dispose();
      await simulator.stop();
    },
  };
}

/** A directory with a fresh auth.json of each account. */
export function writeLogins(simulator: Simulator, count: number): string {
  const directory = temporaryDirectory("logins");
  for (let index = 0; index < count; index++) {
    writeFileSync(join(directory, `auth-${index}.json`), JSON.stringify(simulator.issueAuthJson(index)));
  }
  return directory;
}

function logRows(dataDir: string): LogRow[] {
  const database = new Database(join(dataDir, "codex-lb.db"), { readonly: true });
  // The service may be writing its log back into the file at this very moment.
  database.run("PRAGMA busy_timeout = 5000");
  try {
    return database.query("SELECT * FROM requests ORDER BY id").all() as LogRow[];
  } finally {
    database.close();
  }
}

/** The log's rows once there are `count` of them: they are written a moment after their requests. */
export function rowsOnceWritten(service: Service, count: number): Promise<LogRow[]> {
  return waitFor(`${count} rows in the log`, () => {
    const rows = service.rows();
    return rows.length >= count && rows;
  });
}

/** Every file below `directory` with its bytes. */
export function filesBelow(directory: string): { path: string; bytes: Buffer }[] {
  return readdirSync(directory, { recursive: true })
    .map((name) => join(directory, String(name)))
    .filter((path) => statSync(path).isFile())
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

export const RESPONSES_PATH = "/backend-api/codex/responses";

/** The smallest request that Codex's backend takes. */
export function turnBody(text: string, extra: Record<string, unknown> = {}): Record<string, unknown> {
  const content = [{ type: "input_text", text }];
  return {
    model: "gpt-5.5",
    stream: true,
    store: false,
    input: [{ type: "message", role: "user", content }],
    ...extra,
  };
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024;
}

/** Requests that the service counts as being served now, over all accounts. */
export async function requestsInFlight(service: Service): Promise<number> {
  const response = await fetch(`${service.url}/api/accounts`);
  const { accounts } = (await response.json()) as { accounts: { inFlight: number }[] };
  return accounts.reduce((sum, { inFlight }) => sum + inFlight, 0);
}

/** Sends a turn and reads its reply to the end. */
export async function askTurn(
  service: Service,
  text: string,
  extra: Record<string, unknown> = {},
): Promise<{ status: number; headers: Headers; bytes: Uint8Array }> {
  const response = await fetch(service.url + RESPONSES_PATH, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(turnBody(text, extra)),
  });
  return { status: response.status, headers: response.headers, bytes: await response.bytes() };
}
