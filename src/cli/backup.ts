/** `codex-lb backup` and `codex-lb restore`: copies of the database. The key that opens the logins in it is never among them. */
import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { createBackups } from "../store/backups.ts";
import { restoreDatabase } from "../store/restore.ts";
import { usageError } from "./args.ts";
import { countText, print, printJson, table } from "./format.ts";
import type { AdminApi } from "./service.ts";

/** Resolves with the exit code. `operands[0]`: the file to write; without it the copy goes to `backups` in the data directory. */
export async function backupCommand(
  api: AdminApi,
  config: Config,
  { operands, json }: { operands: readonly string[]; json: boolean },
): Promise<number> {
  if (operands.length > 1) throw usageError('"backup" takes one file.');
  const wanted = operands[0] === undefined ? null : resolve(operands[0]);
  if (wanted !== null && existsSync(wanted)) {
    throw new CodedError("backup_exists", `There is already a file at ${wanted}. Choose another name.`);
  }
  const made = await api.read<{ path: string; bytes: number; createdAt: string }>("POST", "/api/backup");
  const path = wanted === null ? made.path : moveFile(made.path, wanted);
  if (json) printJson({ ...made, path, keyFile: config.encryptionKeyFile });
  else print(`copied    ${countText(made.bytes)} bytes to ${path}`);
  process.stderr.write(
    `The logins in it open only with the key in ${config.encryptionKeyFile}, which is not part of the copy. ` +
      `Keep that file as well, in another place.\n`,
  );
  return 0;
}

function moveFile(from: string, to: string): string {
  if (!existsSync(from)) {
    throw new CodedError(
      "backup_elsewhere",
      `The copy is ${from} on the machine where codex-lb runs. Fetch it from there.`,
    );
  }
  mkdirSync(dirname(to), { recursive: true });
  try {
    renameSync(from, to);
  } catch {
    // Another file system.
    copyFileSync(from, to);
    rmSync(from);
  }
  return to;
}

/** `codex-lb backup --list`. */
export function listBackups(config: Config, { json }: { json: boolean }): number {
  const backups = createBackups({ dataDir: config.dataDir, backup: () => Promise.resolve() }).list();
  const rows = backups.map(({ path, kind, bytes, createdAtMs }) => ({
    path,
    kind,
    bytes,
    createdAt: new Date(createdAtMs).toISOString(),
  }));
  if (json) printJson(rows);
  else if (rows.length === 0) print(`There is no copy in ${join(config.dataDir, "backups")} yet.`);
  else
    print(
      table(
        rows.map(({ createdAt, kind, bytes, path }) => [createdAt, kind, `${countText(bytes)} bytes`, path]),
      ),
    );
  return 0;
}

/** Resolves with the exit code; throws what `restoreDatabase` throws. */
export function restoreCommand(
  config: Config,
  { operands, json, nowMs }: { operands: readonly string[]; json: boolean; nowMs: number },
): number {
  const [file, ...rest] = operands;
  if (file === undefined || rest.length > 0) throw usageError('"restore" takes one file.');
  const { dataDir, encryptionKeyFile: keyFile } = config;
  const { newestRequestAtMs, ...result } = restoreDatabase({ from: resolve(file), dataDir, keyFile, nowMs });
  const newestRequestAt = newestRequestAtMs === null ? null : new Date(newestRequestAtMs).toISOString();
  if (json) {
    printJson({ ...result, newestRequestAt });
    return 0;
  }
  const { accounts, apiKeys, requests, keptAs } = result;
  const until = newestRequestAt === null ? "" : `, the last of ${newestRequestAt}`;
  print(`restored  ${accounts} accounts, ${apiKeys} keys, ${requests} requests${until}`);
  if (keptAs !== null) print(`kept      the database that was there before, as ${keptAs}`);
  process.stderr.write(
    "Logins that were refreshed after the copy was made are older in it than at OpenAI: those accounts will ask for a new login.\n",
  );
  return 0;
}
