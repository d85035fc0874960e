/**
 * Loads better-sqlite3 through the entry of the platform, the only form that works inside an executable, where there is
 * no node_modules. Bun's bundler knows `process.platform` and `process.arch` of the target and drops the other branches,
 * so that exactly one addon is embedded. It cannot know the C library: the build says so with
 * `--define CODEX_LB_LIBC='"glibc"'` or `'"musl"'`; without it both Linux addons are embedded and one is chosen here.
 */
import { readFileSync } from "node:fs";
import type BetterSqlite3 from "better-sqlite3";
import { CodedError } from "../core/errors.ts";

declare const CODEX_LB_LIBC: "glibc" | "musl" | undefined;

/** Throws CodedError `sqlite_not_loadable` with what to do: inside an executable the addon is unpacked before it is loaded. */
export function loadSqlite(): typeof BetterSqlite3 {
  const Sqlite = platformSqlite();
  try {
    new Sqlite(":memory:").close(); // The addon itself is loaded by the first database.
  } catch (error) {
    throw new CodedError(
      "sqlite_not_loadable",
      `SQLite cannot be loaded (${(error as Error).message}). The temporary directory must be writable and allow execution; ` +
        "set TMPDIR to one that does.",
    );
  }
  return Sqlite;
}

/** Throws when the platform is none for which better-sqlite3 ships an addon. */
function platformSqlite(): typeof BetterSqlite3 {
  // The conditions stay inline: the bundler folds them here, not behind a function or a variable.
  if (process.platform === "linux") {
    if (typeof CODEX_LB_LIBC === "undefined" ? runsOnMusl() : CODEX_LB_LIBC === "musl") {
      if (process.arch === "x64") return require("better-sqlite3/linuxmusl-x64");
      if (process.arch === "arm64") return require("better-sqlite3/linuxmusl-arm64");
    } else {
      if (process.arch === "x64") return require("better-sqlite3/linux-x64");
      if (process.arch === "arm64") return require("better-sqlite3/linux-arm64");
    }
  }
  if (process.platform === "darwin") {
    if (process.arch === "x64") return require("better-sqlite3/darwin-x64");
    if (process.arch === "arm64") return require("better-sqlite3/darwin-arm64");
  }
  if (process.platform === "win32") {
    if (process.arch === "x64") return require("better-sqlite3/win32-x64");
    if (process.arch === "arm64") return require("better-sqlite3/win32-arm64");
  }
  throw new Error(`SQLite is not available for ${process.platform} ${process.arch}`);
}

/** By what this process has loaded: musl's loader may be installed beside glibc. */
function runsOnMusl(): boolean {
  return readFileSync("/proc/self/maps", "latin1").includes("/ld-musl-");
}
