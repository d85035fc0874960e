/** Starts and stops the processes of a benchmark, each pinned to a core, and reads their memory. */
import { readFileSync } from "node:fs";

/** The proxy under test has core 0 to itself; load and upstream share core 1. */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

export interface Started {
  pid: number;
  /** The first line of standard output that matched. */
  line: string;
  /** Resident memory now, bytes. */
  rssBytes(): number;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 15_000;

/** Starts `command` pinned to `core` and waits for a line that matches `ready`. */
export async function start(
  command: string[],
  options: { core: number; ready: RegExp; env?: Record<string, string>; cwd?: string },
): Promise<Started> {
  const child = Bun.spawn(["taskset", "-c", String(options.core), ...command], {
    env: { ...process.env, ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const errors = collect(child.stderr);
  const line = await Promise.race([
    firstLine(child.stdout, options.ready),
    Bun.sleep(READY_TIMEOUT_MS).then(() => null),
    child.exited.then(() => null),
  ]);
  if (line === null) {
    child.kill("SIGKILL");
    throw new Error(`${command.join(" ")} did not become ready.\n${errors.text()}`);
  }
  return {
    pid: child.pid,
    line,
    rssBytes: () => rssOf(child.pid),
    async stop() {
      child.kill("SIGTERM");
      const ended = await Promise.race([child.exited.then(() => true), Bun.sleep(5_000).then(() => false)]);
      if (!ended) child.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** Runs `command` to its end; its standard output. Throws when it fails. */
export async function run(command: string[], core: number): Promise<string> {
  const child = Bun.spawn(["taskset", "-c", String(core), ...command], {
    stdout: "pipe",
    stderr: "pipe",
    stdin: "ignore",
  });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new Error(`${command.join(" ")} ended with ${code}.\n${errors}`);
  return output;
}

export function rssOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Processor time used so far, in milliseconds (clock ticks are 10 ms on Linux). */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

async function firstLine(stream: ReadableStream<Uint8Array>, pattern: RegExp): Promise<string | null> {
  let text = "";
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return null;
    text += decoder.decode(value, { stream: true });
    const line = text.split("\n").find((candidate) => pattern.test(candidate));
    if (line === undefined) continue;
    void drain(reader);
    return line;
  }
}

async function drain(reader: { read(): Promise<{ done: boolean }> }): Promise<void> {
  while (!(await reader.read()).done);
}

function collect(stream: ReadableStream<Uint8Array>): { text(): string } {
  let text = "";
  void (async () => {
    for await (const piece of stream) text = (text + new TextDecoder().decode(piece)).slice(-4_000);
  })();
  return { text: () => text };
}
