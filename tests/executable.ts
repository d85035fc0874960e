/** Where the built executable is, and how a test runs it to its end. */
import { join } from "node:path";

export const ROOT = join(import.meta.dir, "..");
export const EXECUTABLE = join(ROOT, "dist", process.platform === "win32" ? "codex-lb.exe" : "codex-lb");

export interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command in `cwd` with `env` and nothing else of this process's environment but PATH. */
export async function runToEnd(
  command: string[],
  { cwd, env = {}, stdin = "" }: { cwd: string; env?: Record<string, string>; stdin?: string },
): Promise<Ended> {
  const child = Bun.spawn(command, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
    stdin: Buffer.from(stdin),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { exitCode: await child.exited, stdout, stderr };
}
