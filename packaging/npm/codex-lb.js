#!/usr/bin/env node
/** Runs the executable that npm installed for this platform, in place of this process. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

/** On Linux by the C library that this process has loaded. */
function platformName() {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform !== "linux") return name;
  return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-") ? `${name}-musl` : name;
}

function executable() {
  const file = process.platform === "win32" ? "codex-lb.exe" : "codex-lb";
  try {
    const path = require.resolve(`@codex-lb/${platformName()}/${file}`);
    if (existsSync(path)) return path;
  } catch {
    // Said below.
  }
  console.error(
    `codex-lb: npm did not install @codex-lb/${platformName()}. Either there is no build for this platform, or optional ` +
      "packages are switched off (--omit=optional): install again with them.",
  );
  process.exit(1);
}

const child = spawn(executable(), process.argv.slice(2), { stdio: "inherit" });
child.on("error", (error) => {
  console.error(`codex-lb could not be started: ${error.message}`);
  process.exit(1);
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // The terminal sends Ctrl-C to the child itself; passing it on would make it two, and the second means "at once".
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(signal === null ? code : 1));
