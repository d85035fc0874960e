/** Starts and stops the processes of a benchmark, each pinned to a core, and reads their memory. Linux: it reads /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** The proxy under test has core 0 to itself; load and upstream share core 1. */
export const PROXY_CORE = 0;
export const LOAD_CORE = 1;

export interface Started {
  pid: number;
  /** The first line of standard output that matched. */
  line: string;
  /** Resident memory now of the process and its children, bytes. */
  rssBytes(): number;
  stop(): Promise<void>;
}

const READY_TIMEOUT_MS = 15_000;
const POLL_MS = 100;

/** What a benchmark calls that is not part of this repository, and the Debian package that has it. */
const TOOLS = { taskset: "util-linux", wrk: "wrk", nginx: "nginx" } as const;
export type Tool = keyof typeof TOOLS;

/** Throws, with what to install, when one of `tools` is missing or this is no machine with two cores and /proc. */
export function requireTools(tools: readonly Tool[]): void {
  if (process.platform !== "linux")
    throw new Error("The benchmarks read /proc and pin cores: they need Linux.");
  const cores = /^Cpus_allowed_list:\s+(\S+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  if (cores === "0")
    throw new Error("The benchmarks need two cores: one for what is measured, one for the load.");
  const missing = tools.filter((tool) => Bun.which(tool) === null);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((tool) => TOOLS[tool]))].join(" ");
  throw new Error(`Missing: ${missing.join(", ")}. Install with: apt-get install ${packages}`);
}

/**
 * Starts `command` pinned to `core` and waits until it is ready: a line of its standard output that matches, or a URL that
 * answers with a 2xx. The environment is ours plus `env`.
 */
export async function start(
  command: string[],
  options: {
    core: number;
    ready: RegExp | { url: string };
    env?: Record<string, string>;
    cwd?: string;
    readyMs?: number;
  },
): Promise<Started> {
  const child = Bun.spawn(["taskset", "-c", String(options.core), ...command], {
    env: { ...process.env, ...options.env },
    ...(options.cwd ? { cwd: options.cwd } : {}),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const errors = collect(child.stderr);
  const { ready } = options;
  const line = await Promise.race([
    ready instanceof RegExp ? firstLine(child.stdout, ready) : answers(ready.url, child),
    Bun.sleep(options.readyMs ?? READY_TIMEOUT_MS).then(() => null),
    child.exited.then(() => null),
  ]);
  if (line === null) {
    child.kill("SIGKILL");
    await child.exited;
    throw new Error(`${command.join(" ")} did not become ready.\n${errors.text()}`);
  }
  return {
    pid: child.pid,
    line,
    rssBytes: () => treeOf(child.pid).reduce((sum, pid) => sum + rssOf(pid), 0),
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

/** A process and all its descendants: nginx has a worker, and a launcher may have the program as its child. */
function treeOf(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) => childrenOf(pid, task));
  return [pid, ...children.flatMap(treeOf)];
}

function childrenOf(pid: number, task: string): number[] {
  try {
    const list = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8");
    return list.split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // A thread that ended meanwhile.
  }
}

function rssOf(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

/** Resolves once the URL answers with a 2xx; its standard output is thrown away. */
async function answers(
  url: string,
  child: { stdout: ReadableStream<Uint8Array>; exitCode: number | null },
): Promise<string | null> {
  void drain(child.stdout.getReader());
  while (child.exitCode === null) {
    const reply = await fetch(url).catch(() => null);
    await reply?.arrayBuffer();
    if (reply?.ok) return url;
    await Bun.sleep(POLL_MS);
  }
  return null;
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
