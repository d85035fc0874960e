/** Puts a copy of the database in the place of the present one, after proving that it is whole, not too new, and readable with the key. */
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { count, max } from "drizzle-orm";
import { CodedError } from "../core/errors.ts";
import { type Connection, openConnection, unwritable } from "./connection.ts";
import { lockDataDir } from "./lock.ts";
import { openSecretBox } from "./open.ts";
import { accounts, apiKeys, requests } from "./schema.ts";
import { loadSqlite } from "./sqlite-native.ts";

export interface RestoreResult {
  /** Where the database that was there before is now; null: there was none. */
  keptAs: string | null;
  accounts: number;
  apiKeys: number;
  requests: number;
  /** ms since the epoch; null: no request is in it. */
  newestRequestAtMs: number | null;
}

/** What SQLite keeps beside a database. */
const COMPANIONS = ["-wal", "-shm"];

/**
 * Throws `data_dir_in_use` while a service runs on the directory, `no_such_file`, `database_corrupt`, `database_newer`,
 * `encryption_key_missing` or `encryption_key_mismatch`; nothing is changed then.
 */
export function restoreDatabase({
  from,
  dataDir,
  keyFile,
  nowMs,
}: {
  from: string;
  dataDir: string;
  keyFile: string;
  nowMs: number;
}): RestoreResult {
  if (!existsSync(from)) throw new CodedError("no_such_file", `There is no file ${from}.`);
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const Sqlite = loadSqlite();
  const lock = lockDataDir(Sqlite, dataDir, nowMs);
  const database = join(dataDir, "codex-lb.db");
  const candidate = `${database}.restoring`;
  try {
    removeDatabase(candidate);
    copyInto(from, candidate);
    // On the copy: bringing it up to date, and SQLite's companion files, leave the backup itself untouched.
    const facts = examine(openConnection(Sqlite, { path: candidate }), from, keyFile);
    const keptAs = existsSync(database) ? `${database}.before-restore-${stampOf(nowMs)}` : null;
    if (keptAs !== null) moveDatabase(database, keptAs);
    moveDatabase(candidate, database);
    return { ...facts, keptAs };
  } finally {
    removeDatabase(candidate);
    lock.release();
  }
}

function copyInto(from: string, to: string): void {
  try {
    copyFileSync(from, to);
    // The copy has the backup's own permissions, which may have been opened to carry it about.
    chmodSync(to, 0o600);
  } catch (error) {
    if ((error as { path?: string }).path === from) {
      throw new CodedError("unreadable_file", `${from} cannot be read. Check its permissions.`);
    }
    throw unwritable(to);
  }
}

function examine(connection: Connection, from: string, keyFile: string): Omit<RestoreResult, "keptAs"> {
  const { client, orm } = connection;
  try {
    const problem = integrityProblem(client);
    if (problem !== null) {
      throw new CodedError("database_corrupt", `${from} is damaged (${problem}). Take an earlier copy.`);
    }
    openSecretBox(connection, keyFile);
    const facts = {
      accounts: orm.select({ n: count() }).from(accounts).get()!.n,
      apiKeys: orm.select({ n: count() }).from(apiKeys).get()!.n,
      requests: orm.select({ n: count() }).from(requests).get()!.n,
      newestRequestAtMs: orm
        .select({ at: max(requests.requestedAtMs) })
        .from(requests)
        .get()!.at,
    };
    client.pragma("wal_checkpoint(TRUNCATE)");
    return facts;
  } finally {
    client.close();
  }
}

/** What SQLite finds wrong with the file; null: nothing. Reads all of it. */
function integrityProblem(client: Connection["client"]): string | null {
  const rows = client.pragma("integrity_check(1)") as { integrity_check: string }[];
  const first = rows[0]?.integrity_check ?? "no answer";
  return first === "ok" ? null : first;
}

/** The same for the database file of a directory in which a service may be running. Throws SQLite's own error. */
export function databaseProblem(path: string): string | null {
  const client = new (loadSqlite())(path, { readonly: true });
  try {
    return integrityProblem(client);
  } finally {
    client.close();
  }
}

function moveDatabase(from: string, to: string): void {
  renameSync(from, to);
  for (const companion of COMPANIONS)
    if (existsSync(from + companion)) renameSync(from + companion, to + companion);
}

function removeDatabase(path: string): void {
  for (const end of ["", ...COMPANIONS]) rmSync(path + end, { force: true });
}

function stampOf(nowMs: number): string {
  return new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
}
