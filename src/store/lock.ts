/**
 * One process per data directory. The lock is an exclusive transaction on a SQLite file of its own: the operating system
 * drops it when the process dies, however it dies. Who holds it stands in a small JSON file beside it.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";

export interface LockHolder {
  pid: number;
  sinceMs: number;
  /** Where it serves; null until it listens. */
  url: string | null;
  /** Lets the command line of the same user in there; null until it listens. */
  cliToken: string | null;
}

export interface DataDirLock {
  /** Tells a second process where this one serves. */
  announce(url: string, cliToken: Secret): void;
  release(): void;
}

const HOLDER_FILE = "codex-lb.pid";

/** Throws `data_dir_in_use`, naming the process, when another one has the directory. */
export function lockDataDir(Sqlite: typeof BetterSqlite3, dataDir: string, nowMs: number): DataDirLock {
  const holderFile = join(dataDir, HOLDER_FILE);
  const database = new Sqlite(join(dataDir, "codex-lb.lock"), { timeout: 0 });
  try {
    database.pragma("journal_mode = MEMORY");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if ((error as { code?: string }).code?.startsWith("SQLITE_BUSY"))
      throw inUse(dataDir, readHolder(dataDir));
    throw error;
  }
  const holder: LockHolder = { pid: process.pid, sinceMs: nowMs, url: null, cliToken: null };
  const write = () => writeFileSync(holderFile, JSON.stringify(holder), { mode: 0o600 });
  write();
  return {
    announce(url, cliToken) {
      holder.url = url;
      // The file is for its owner alone, who could read the database and its key as well; the token dies with the process.
      holder.cliToken = cliToken.reveal();
      write();
    },
    release() {
      rmSync(holderFile, { force: true });
      database.close();
    },
  };
}

/** Who holds the directory; null when nobody does, or it is not known. True only while the lock is held. */
export function readHolder(dataDir: string): LockHolder | null {
  try {
    const holder = JSON.parse(readFileSync(join(dataDir, HOLDER_FILE), "utf8"));
    return typeof holder?.pid === "number" ? holder : null;
  } catch {
    return null;
  }
}

function inUse(dataDir: string, holder: LockHolder | null): CodedError {
  const who = holder
    ? `process ${holder.pid}, running since ${new Date(holder.sinceMs).toISOString()}${holder.url ? ` on ${holder.url}` : ""}`
    : "another process";
  return new CodedError(
    "data_dir_in_use",
    `The data directory ${dataDir} is in use by ${who}. ` +
      `Stop that process, or give this one its own directory with CODEX_LB_DATA_DIR.`,
    { status: 409 },
  );
}
