/**
 * Builds the executable `dist/codex-lb`: the program, Bun, one SQLite addon and the embedded files in one.
 * `--if-changed` does nothing when the sources are those of the executable that is there.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { buildDashboard, compile, hostLibc, ROOT } from "./compile.ts";

const OUTPUT = join(ROOT, "dist", process.platform === "win32" ? "codex-lb.exe" : "codex-lb");
const STAMP = join(ROOT, "dist", ".built-from");

/** What goes into the executable; the lock file stands for the packages. */
const INPUTS = [
  "package.json",
  "package-lock.json",
  "tsconfig.json",
  "scripts/build.ts",
  "scripts/compile.ts",
  "packaging/**/*",
  "src/**/*",
  "drizzle/**/*",
  "frontend/**/*",
];

function hashOfInputs(): string {
  const hash = new Bun.CryptoHasher("sha256");
  const files = INPUTS.flatMap((pattern) => [...new Glob(pattern).scanSync({ cwd: ROOT })]);
  for (const file of files.filter((name) => !/\.test\.tsx?$|^frontend\/dist\//.test(name)).toSorted()) {
    hash.update(`${file}\0`).update(readFileSync(join(ROOT, file)));
  }
  return hash.digest("hex");
}

const wanted = hashOfInputs();
const isCurrent = existsSync(OUTPUT) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === wanted;
if (!isCurrent || !process.argv.includes("--if-changed")) {
  rmSync(STAMP, { force: true });
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  buildDashboard();
  compile(OUTPUT, hostLibc());
  writeFileSync(STAMP, wanted);
}
