/** The platforms that a release is for, and how its steps run commands. */
import { type Libc, ROOT } from "./compile.ts";

export interface Target {
  /** In file names, and in the names of the npm packages. */
  name: string;
  os: "linux" | "darwin" | "win32";
  cpu: "x64" | "arm64";
  libc: Libc;
  /** Bun's name for it, and the end of the name of the package that holds its Bun. */
  bunTarget: string;
  bunPackage: string;
}

export const TARGETS: readonly Target[] = [
  target("linux-x64", "glibc", "linux-x64"),
  target("linux-arm64", "glibc", "linux-aarch64"),
  target("linux-x64-musl", "musl", "linux-x64-musl"),
  target("linux-arm64-musl", "musl", "linux-aarch64-musl"),
  target("darwin-x64", "glibc", "darwin-x64"),
  target("darwin-arm64", "glibc", "darwin-aarch64"),
  target("win32-x64", "glibc", "windows-x64"),
];

function target(name: string, libc: Libc, bunPackage: string): Target {
  const [os, cpu] = name.split("-") as [Target["os"], Target["cpu"]];
  return {
    name,
    os,
    cpu,
    libc,
    bunTarget: `bun-${name.replace("win32", "windows")}`,
    bunPackage: `@oven/bun-${bunPackage}`,
  };
}

/** Runs a command to its end; throws what it wrote when it fails. */
export function run(command: string[], cwd = ROOT): { stdout: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(command, { cwd });
  if (exitCode !== 0) throw new Error(`${command.join(" ")} failed:\n${stderr.toString()}`);
  return { stdout: stdout.toString() };
}
