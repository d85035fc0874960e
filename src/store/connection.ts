/** One connection to codex-lb.db: pragmas, transactions, migrations, and SQLite's failures as coded errors. */
import { closeSync, existsSync, openSync } from "node:fs";
import { join } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import { type BetterSQLite3Database, drizzle } from "drizzle-orm/better-sqlite3/driver";
import { migrate } from "drizzle-orm/better-sqlite3/migrator";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { CodedError } from "../core/errors.ts";

/**
 * Only a tool such as a shell on the file can hold its lock: other processes of ours are kept away. Waiting stops the whole
 * program, so it is short; what failed is tried again by whoever wrote.
 */
const BUSY_TIMEOUT_MS = 1_000;
/** The page cache. SQLite empties it whenever another connection has written, so that a larger one would only hold memory. */
const CACHE_KIB = 8 * 1024;

export interface Connection {
  client: BetterSqlite3.Database;
  orm: BetterSQLite3Database;
  /** Runs `work` in one transaction (a savepoint inside another). Synchronous: never await in it. */
  transaction<T>(work: () => T): T;
  /** The same, but on disk before it returns, power failure included. Not inside another transaction. */
  durably<T>(work: () => T): T;
}

/** Opens the file and brings it up to date. Throws `database_corrupt`, `database_newer` or `data_dir_unwritable`. */
export function openConnection(
  Sqlite: typeof BetterSqlite3,
  options: { path: string; migrationsFolder?: string; busyTimeoutMs?: number; cacheKib?: number },
): Connection {
  const {
    path,
    migrationsFolder = findMigrations(),
    busyTimeoutMs = BUSY_TIMEOUT_MS,
    cacheKib = CACHE_KIB,
  } = options;
  let client: BetterSqlite3.Database | undefined;
  try {
    // Created here so that the file, and with it the WAL, belongs to its owner alone whatever the umask is.
    if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
    client = new Sqlite(path, { timeout: busyTimeoutMs });
    client.pragma("journal_mode = WAL");
    client.pragma("synchronous = NORMAL");
    // Savepoints and sorts keep their scratch in memory: files of a few kilobytes would be made and deleted all the time.
    client.pragma("temp_store = MEMORY");
    client.pragma(`cache_size = -${cacheKib}`);
    const orm = drizzle({ client });
    applyMigrations(client, orm, { path, migrationsFolder });
    return asConnection(client, orm);
  } catch (error) {
    client?.close();
    throw codedOpenError(error, path);
  }
}

/** Embedded beside the program in the executable (`--asset=drizzle`), two folders up in the source tree. */
function findMigrations(): string {
  const embedded = join(import.meta.dir, "drizzle");
  return existsSync(join(embedded, "meta", "_journal.json"))
    ? embedded
    : join(import.meta.dir, "../../drizzle");
}

function applyMigrations(
  client: BetterSqlite3.Database,
  orm: BetterSQLite3Database,
  where: { path: string; migrationsFolder: string },
) {
  const known = readMigrationFiles({ migrationsFolder: where.migrationsFolder });
  const newestKnown = known.at(-1)?.folderMillis ?? 0;
  const applied = newestApplied(client);
  if (applied > newestKnown)
    throw new CodedError(
      "database_newer",
      `The database ${where.path} was written by a newer version of codex-lb. ` +
        `Run that version, or restore a backup made before the upgrade.`,
      { status: 500 },
    );
  // A migration that rebuilds a table must not cascade into its children; inside a transaction this pragma has no effect.
  client.pragma("foreign_keys = OFF");
  if (applied < newestKnown) migrate(orm, { migrationsFolder: where.migrationsFolder });
  client.pragma("foreign_keys = ON");
}

/** When the newest applied migration was written (its `when` in the journal); 0 for an empty database. */
function newestApplied(client: BetterSqlite3.Database): number {
  const table = client.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get();
  if (!table) return 0;
  const row = client.prepare("SELECT max(created_at) AS newest FROM __drizzle_migrations").get();
  return (row as { newest: number | null }).newest ?? 0;
}

function asConnection(client: BetterSqlite3.Database, orm: BetterSQLite3Database): Connection {
  const transaction = <T>(work: () => T): T => client.transaction(work).immediate();
  return {
    client,
    orm,
    transaction,
    durably(work) {
      if (client.inTransaction) throw new Error("durably() must not run inside another transaction");
      client.pragma("synchronous = FULL");
      try {
        return transaction(work);
      } finally {
        client.pragma("synchronous = NORMAL");
      }
    },
  };
}

function codedOpenError(error: unknown, path: string): unknown {
  if (error instanceof CodedError) return error;
  const code =
    (error as { code?: string; cause?: { code?: string } }).code ??
    (error as Error & { cause?: { code?: string } }).cause?.code ??
    "";
  if (code.startsWith("SQLITE_NOTADB") || code.startsWith("SQLITE_CORRUPT"))
    return new CodedError(
      "database_corrupt",
      `The database ${path} is damaged or is no SQLite file. Move it away and restore a backup in its place.`,
      { status: 500 },
    );
  if (/^(SQLITE_(CANTOPEN|READONLY|PERM|IOERR)|EACCES|EPERM|EROFS|EISDIR|ENOTDIR)/.test(code))
    return unwritable(path);
  return error;
}

export function unwritable(path: string): CodedError {
  return new CodedError(
    "data_dir_unwritable",
    `Cannot write to ${path}. Give the user that runs codex-lb write access to it, or choose another directory with CODEX_LB_DATA_DIR.`,
    { status: 500 },
  );
}
