/** Compiles the program: the flags that every executable is built with, whoever it is for. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

export const ROOT = join(import.meta.dir, "..");

/** Directories that the program reads at run time, embedded under the last part of their paths. */
const ASSETS = ["drizzle", "frontend/dist"].map((path) => `--asset=${path}`);

/** The program, and the thread that it starts beside itself. */
const ENTRIES = ["src/main.ts", "src/writer-thread.ts"];

const FLAGS = [
  "build",
  "--compile",
  "--minify-syntax",
  "--minify-whitespace",
  // Inside the executable, so that a stack in a report names our lines; costs 0.7 MB.
  "--sourcemap=inline",
  // Parsing at build time halves the time to start (40 to 20 ms) for 3 MB more.
  "--bytecode",
  "--format=esm",
  // Settings come from our own reader, the same way from source; and a stranger's bunfig.toml must not load code.
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  ...ASSETS,
];

export type Libc = "glibc" | "musl";

/** Another platform than this one. */
export interface ForeignPlatform {
  /** Bun's name for it: `bun-linux-arm64`. */
  target: string;
  /** That platform's Bun. */
  executable: string;
}

/** Builds `outfile` (with `.exe` in its name for Windows); throws when Bun cannot. The dashboard has to be built before. */
export function compile(outfile: string, libc: Libc, foreign?: ForeignPlatform): void {
  const platform = foreign
    ? [`--target=${foreign.target}`, `--compile-executable-path=${foreign.executable}`]
    : [];
  bun([...FLAGS, `--define=CODEX_LB_LIBC="${libc}"`, ...platform, ...ENTRIES, `--outfile=${outfile}`]);
  // Second copies: the source maps that stack traces use are inside.
  const folder = dirname(outfile);
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".map"))) rmSync(join(folder, name));
}

export function buildDashboard(): void {
  bun(["x", "--bun", "--no-install", "vite", "build", "--logLevel=warn", "frontend"]);
}

/** The C library that this Bun, and so an executable made of it, runs on: the addon has to match it. */
export function hostLibc(): Libc {
  if (process.platform !== "linux") return "glibc";
  return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-") ? "musl" : "glibc";
}

function bun(args: string[]): void {
  const { exitCode } = Bun.spawnSync([process.execPath, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (exitCode !== 0) throw new Error(`bun ${args[0]} failed; the lines above say why.`);
}
