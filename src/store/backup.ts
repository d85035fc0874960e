/** A consistent copy of the database through SQLite's online backup, page by page while requests run. */
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import { CodedError } from "../core/errors.ts";
import { unwritable } from "./connection.ts";

/** Throws `backup_exists` when `path` is taken and `data_dir_unwritable` when it cannot be written. Leaves no half copy. */
export async function backUp(client: BetterSqlite3.Database, path: string): Promise<void> {
  reserve(path);
  try {
    await client.backup(path);
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  }
}

/** Takes the name exclusively and for the owner's eyes only, before SQLite fills it. */
function reserve(path: string) {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST")
      throw new CodedError("backup_exists", `There is already a file at ${path}. Choose another name.`, {
        status: 409,
      });
    throw unwritable(path);
  }
}
