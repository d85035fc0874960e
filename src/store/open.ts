/** Opens the data directory: the lock, the database, the encryption key, and on them one repository per subject. */
import { accessSync, constants, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { eq, isNotNull } from "drizzle-orm";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { Clock, Log } from "../ports.ts";
import { type AccountStore, createAccountFields, createAccountStore } from "./accounts.ts";
import { type AffinityStore, createAffinityStore } from "./affinity.ts";
import { type ApiKeyStore, createApiKeyStore } from "./api-keys.ts";
import { type AuditStore, createAuditStore } from "./audit.ts";
import { backUp } from "./backup.ts";
import { createClosedHours } from "./closed-hours.ts";
import { type Connection, openConnection, unwritable } from "./connection.ts";
import { createDashboardAuthStore, type DashboardAuthStore } from "./dashboard-auth.ts";
import { createLedgerStore, type LedgerStore } from "./ledger.ts";
import { type DataDirLock, lockDataDir } from "./lock.ts";
import { createModelStore, type ModelStore } from "./models.ts";
import { createPriceOverrideStore, type PriceOverrideStore } from "./price-overrides.ts";
import { createRequestLog, type RequestLog } from "./request-log.ts";
import { createRequestStore, type RequestStore } from "./requests.ts";
import { createRollupStore, type RollupStore } from "./rollups.ts";
import { credentials, dashboardCredentials, storeMeta } from "./schema.ts";
import { createKeyFile, createSecretBox, readKeyFile, type SecretBox } from "./secrets.ts";
import { createSettingsStore, type SettingsStore } from "./settings.ts";
import { loadSqlite } from "./sqlite-native.ts";
import { createWindowStore, type WindowStore } from "./windows.ts";
import type { WriteTarget } from "./writes.ts";

export interface StoreOptions {
  /** Created with mode 0700 when missing. Holds codex-lb.db, its WAL, the lock and, by default, encryption.key. */
  dataDir: string;
  /** Default: `encryption.key` in the data directory. Created with mode 0600 when nothing is encrypted yet. */
  keyFile?: string;
  clock: Clock;
  log: Log;
  /** How long a write waits for another program that holds the file, for example a shell. Default 1 s. */
  busyTimeoutMs?: number;
}

export interface Store {
  accounts: AccountStore;
  windows: WindowStore;
  models: ModelStore;
  affinity: AffinityStore;
  /** Writes finished requests; `requestLog` and `rollups` read them. */
  requests: RequestStore;
  requestLog: RequestLog;
  rollups: RollupStore;
  apiKeys: ApiKeyStore;
  ledger: LedgerStore;
  settings: SettingsStore;
  priceOverrides: PriceOverrideStore;
  audit: AuditStore;
  dashboardAuth: DashboardAuthStore;
  /** The directory and the database file in it. */
  dataDir: string;
  databasePath: string;
  /** Several writes as one, synchronously. */
  transaction<T>(work: () => T): T;
  /** Tells a second process that tries to start here where this one serves, and the command line how to get in. */
  announce(url: string, cliToken: Secret): void;
  /** A consistent copy of the database at `path`, made while requests run. Throws `backup_exists` rather than overwrite. */
  backup(path: string): Promise<void>;
  /** Folds the WAL into the file and releases the directory. Idempotent. */
  close(): void;
}

/** Room for the hot index pages of a log of a million rows. */
const WRITER_CACHE_KIB = 32 * 1024;
const FINGERPRINT = "encryption_key_fingerprint";

/**
 * Throws a CodedError, one sentence and what to do, with code `data_dir_unwritable`, `data_dir_in_use`, `database_corrupt`,
 * `database_newer`, `encryption_key_missing`, `encryption_key_mismatch` or `encryption_key_invalid`.
 */
export function openStore({ dataDir, keyFile, clock, log, busyTimeoutMs }: StoreOptions): Store {
  prepareDirectory(dataDir, log);
  const Sqlite = loadSqlite();
  const lock = lockDataDir(Sqlite, dataDir, clock.now());
  const databasePath = join(dataDir, "codex-lb.db");
  let connection: Connection | undefined;
  try {
    connection = openConnection(Sqlite, { path: databasePath, busyTimeoutMs });
    const box = openSecretBox(connection, keyFile ?? join(dataDir, "encryption.key"));
    return assembleStore({ connection, box, lock, dataDir, databasePath, clock });
  } catch (error) {
    connection?.client.close();
    lock.release();
    throw error;
  }
}

function prepareDirectory(dataDir: string, log: Log) {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    throw unwritable(dataDir);
  }
  // An existing directory may be a mount whose mode is not ours to change; the files in it are 0600 anyway.
  const mode = statSync(dataDir).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0)
    log.warn("data directory is open to other users", { dataDir, mode: mode.toString(8) });
}

/** Never a new key over tokens that only the old one opens: refuses, and the file can still be put back. */
export function openSecretBox({ orm, durably }: Connection, keyFile: string): SecretBox {
  const stored = orm.select().from(storeMeta).where(eq(storeMeta.name, FINGERPRINT)).get()?.value;
  const key = readKeyFile(keyFile);
  if (!key && stored && holdsSecrets(orm))
    throw new CodedError(
      "encryption_key_missing",
      `The encryption key file ${keyFile} is missing, but the database holds tokens that only it can open. ` +
        `Put the file back, or point CODEX_LB_ENCRYPTION_KEY_FILE to it.`,
      { status: 500 },
    );
  const box = createSecretBox(key ?? createKeyFile(keyFile));
  if (box.fingerprint === stored) return box;
  if (stored && holdsSecrets(orm))
    throw new CodedError(
      "encryption_key_mismatch",
      `The encryption key file ${keyFile} is not the one that this database was encrypted with. ` +
        `Put the right file back, or point CODEX_LB_ENCRYPTION_KEY_FILE to it.`,
      { status: 500 },
    );
  const row = { name: FINGERPRINT, value: box.fingerprint };
  durably(() =>
    orm.insert(storeMeta).values(row).onConflictDoUpdate({ target: storeMeta.name, set: row }).run(),
  );
  return box;
}

function holdsSecrets(orm: Connection["orm"]): boolean {
  const login = orm.select().from(credentials).limit(1).get();
  const totp = orm
    .select()
    .from(dashboardCredentials)
    .where(isNotNull(dashboardCredentials.totpSecret))
    .get();
  return login !== undefined || totp !== undefined;
}

/** A second connection for the thread that writes the log. The directory's lock and its migrations are the first one's business. */
export function openWriteTarget(databasePath: string): WriteTarget & { close(): void } {
  const connection = openConnection(loadSqlite(), { path: databasePath, cacheKib: WRITER_CACHE_KIB });
  return {
    transaction: connection.transaction,
    requests: createRequestStore(connection, {
      ledger: createLedgerStore(connection),
      // Nothing is read here; who sent the rows tells who reads.
      closedHours: { changed() {} },
    }),
    windows: createWindowStore(connection),
    affinity: createAffinityStore(connection),
    apiKeys: createApiKeyStore(connection),
    accounts: createAccountFields(connection),
    close: () => connection.client.close(),
  };
}

function assembleStore(parts: {
  connection: Connection;
  box: SecretBox;
  lock: DataDirLock;
  dataDir: string;
  databasePath: string;
  clock: Clock;
}): Store {
  const { connection, box, lock, dataDir, databasePath, clock } = parts;
  const { client, transaction } = connection;
  const ledger = createLedgerStore(connection);
  const closedHours = createClosedHours({ clock });
  return {
    accounts: createAccountStore(connection, box),
    windows: createWindowStore(connection),
    models: createModelStore(connection),
    affinity: createAffinityStore(connection),
    requests: createRequestStore(connection, { ledger, closedHours }),
    requestLog: createRequestLog(connection),
    rollups: createRollupStore(connection, closedHours),
    apiKeys: createApiKeyStore(connection),
    ledger,
    settings: createSettingsStore(connection),
    priceOverrides: createPriceOverrideStore(connection),
    audit: createAuditStore(connection),
    dashboardAuth: createDashboardAuthStore(connection, box),
    dataDir,
    databasePath,
    transaction,
    announce: lock.announce,
    backup: (path) => backUp(client, path),
    close() {
      if (!client.open) return;
      client.pragma("optimize");
      client.close();
      lock.release();
    },
  };
}
