/**
 * Makes a fresh clone runnable with Node and npm (or Bun) alone, then runs the pinned Bun:
 *   node scripts/setup.mjs <arguments of bun>     install what is missing, run bun with these arguments
 *   node scripts/setup.mjs --start <arguments>    also build what changed, then run dist/codex-lb with these arguments
 * Plain JavaScript with nothing imported from node_modules, because it runs before anything is installed.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const inRoot = (...parts) => join(root, ...parts);
const pinnedBun = JSON.parse(readFileSync(inRoot("package.json"), "utf8")).devDependencies.bun;
/** Inside node_modules, so that removing that directory removes the claim that it is complete. */
const stampFile = inRoot("node_modules", ".setup-stamp");

function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

/** What is installed is a function of the lock file and the platform. */
function wantedStamp() {
  const lock = readFileSync(inRoot("package-lock.json"));
  return `${process.platform}-${process.arch} ${createHash("sha256").update(lock).digest("hex")}`;
}

function installPackages() {
  const wanted = wantedStamp();
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === wanted) return;
  console.error("setup: installing packages");
  const windows = process.platform === "win32";
  const options = { cwd: root, stdio: ["ignore", 2, "inherit"], shell: windows };
  // --no-save: follow the lock file, never rewrite it. --include=dev: Bun itself is one, whatever NODE_ENV says.
  let result = spawnSync(
    "npm",
    ["install", "--no-save", "--no-audit", "--no-fund", "--include=dev"],
    options,
  );
  if ((result.error || result.status === 127) && process.versions.bun) {
    result = spawnSync(process.execPath, ["install", "--no-save"], { ...options, shell: false });
  }
  if (result.error)
    fail(`npm could not be started (${result.error.code}). Install Node.js with npm, or Bun.`);
  if (result.status !== 0) fail("installing packages failed; the lines above say why.");
  writeFileSync(stampFile, wanted);
}

function runs(bun) {
  const result = spawnSync(bun, ["--version"], { encoding: "utf8" });
  return result.status === 0 && result.stdout.trim() === pinnedBun;
}

/**
 * The pinned Bun. Its package comes with a placeholder that a postinstall script replaces, and newer npm versions do not
 * run such scripts: then the script is run here, or the platform's own package is used as it is.
 */
function findBun() {
  const linked = inRoot("node_modules", "bun", "bin", "bun.exe");
  if (runs(linked)) return linked;
  spawnSync(process.execPath, ["install.js"], { cwd: inRoot("node_modules", "bun"), stdio: "ignore" });
  if (runs(linked)) return linked;
  const vendor = inRoot("node_modules", "@oven");
  const packages = existsSync(vendor) ? readdirSync(vendor) : [];
  const candidates = packages.flatMap((name) =>
    ["bun", "bun.exe"].map((file) => join(vendor, name, "bin", file)),
  );
  return (
    candidates.find((file) => existsSync(file) && runs(file)) ??
    fail(`Bun ${pinnedBun} does not run on this machine.`)
  );
}

/** Runs a command in place of this process: signals go to it, its exit code becomes ours. */
function become(command, args) {
  const child = spawn(command, args, { stdio: "inherit" });
  child.on("error", (error) => fail(`${command} could not be started (${error.code}).`));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => {
      // The terminal sends Ctrl-C to the child itself; passing it on would make it two, and the second means "at once".
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
  if (process.env.npm_lifecycle_event !== undefined) stopWithParent(child);
  child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
}

/** npm passes SIGTERM to the shell between it and this process, and that shell dies without passing it on. */
function stopWithParent(child) {
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill("SIGTERM");
  }, 200);
}

installPackages();
const bun = findBun();
const args = process.argv.slice(2);
// The packages' commands, for scripts that call them by name.
process.env.PATH = [inRoot("node_modules", ".bin"), process.env.PATH].join(
  process.platform === "win32" ? ";" : ":",
);
if (args[0] === "--start") {
  const build = spawnSync(bun, ["scripts/build.ts", "--if-changed"], {
    cwd: root,
    stdio: ["ignore", 2, "inherit"],
  });
  if (build.status !== 0) fail("the build failed; the lines above say why.");
  become(inRoot("dist", process.platform === "win32" ? "codex-lb.exe" : "codex-lb"), args.slice(1));
} else {
  become(bun, args);
}
