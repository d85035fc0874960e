/** The copies of the database under `backups/` in the data directory: made, listed, and the scheduled ones rotated. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "./open.ts";

/** `scheduled` ones are rotated; what a person asked for stays until a person deletes it. */
export type BackupKind = "scheduled" | "manual";

export interface BackupFile {
  path: string;
  kind: BackupKind;
  createdAtMs: number;
  bytes: number;
}

export interface Backups {
  /** Throws as `Store.backup` does. */
  write(kind: BackupKind, nowMs: number): Promise<BackupFile>;
  /** The newest first. */
  list(): BackupFile[];
  /** Deletes scheduled copies beyond the newest `keep`; how many it were. */
  rotate(keep: number): number;
}

const NAME_STARTS: Record<BackupKind, string> = { scheduled: "codex-lb-auto-", manual: "codex-lb-" };

export function createBackups({ dataDir, backup }: Pick<Store, "dataDir" | "backup">): Backups {
  const directory = join(dataDir, "backups");

  function list(): BackupFile[] {
    const names = statSync(directory, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(directory) : [];
    return names
      .flatMap((name) => fileOf(directory, name) ?? [])
      .toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  }

  return {
    list,
    async write(kind, nowMs) {
      const stamp = new Date(nowMs).toISOString().replaceAll(/[:.]/g, "-");
      const path = join(directory, `${NAME_STARTS[kind]}${stamp}.db`);
      await backup(path);
      return { path, kind, createdAtMs: nowMs, bytes: statSync(path).size };
    },
    rotate(keep) {
      const surplus = list()
        .filter(({ kind }) => kind === "scheduled")
        .slice(keep);
      for (const { path } of surplus) rmSync(path, { force: true });
      return surplus.length;
    },
  };
}

/** null: not a copy that this program made. Its age is in its name, which survives copying to another disk. */
function fileOf(directory: string, name: string): BackupFile | null {
  const match = /^codex-lb-(auto-)?(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.db$/.exec(name);
  if (match === null) return null;
  const [, auto, day, hours, minutes, seconds, ms] = match;
  const createdAtMs = Date.parse(`${day}T${hours}:${minutes}:${seconds}.${ms}Z`);
  if (Number.isNaN(createdAtMs)) return null;
  const path = join(directory, name);
  const bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return { path, kind: auto === undefined ? "manual" : "scheduled", createdAtMs, bytes };
}
