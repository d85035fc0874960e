/** A client's config file changed with a way back: the first state is kept beside it until `--undo` restores it. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { CodedError } from "../../core/errors.ts";

/** Of the file as it was before the first change. */
const BACKUP_END = ".before-codex-lb";
/** Stands for "there was no file". */
const ABSENT_END = ".absent-before-codex-lb";
/** What an undo put aside, in case somebody had gone on editing. */
const ASIDE_END = ".with-codex-lb";
/** Configs may name secrets of other providers. */
const PRIVATE_MODE = 0o600;

export interface Written {
  file: string;
  /** null: there was no file before. */
  backup: string | null;
  changed: boolean;
}

/** "" when there is none. */
export function readConfigFile(file: string): string {
  if (!existsSync(file)) return "";
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new CodedError("unreadable_file", `${file} cannot be read. Check its permissions.`);
  }
}

export function writeConfigFile(file: string, text: string): Written {
  const backup = file + BACKUP_END;
  const existed = existsSync(file);
  const isFirst = !existsSync(backup) && !existsSync(file + ABSENT_END);
  const written = { file, backup: existsSync(backup) || (isFirst && existed) ? backup : null };
  if (existed && readConfigFile(file) === text) return { ...written, backup: null, changed: false };
  try {
    mkdirSync(dirname(file), { recursive: true });
    const mode = existed ? statSync(file).mode & 0o777 : PRIVATE_MODE;
    if (isFirst)
      writeFileSync(existed ? backup : file + ABSENT_END, existed ? readFileSync(file) : "", { mode });
    // In one step: a client that starts meanwhile reads the old text or the new one.
    const fresh = `${file}.new`;
    writeFileSync(fresh, text, { mode });
    chmodSync(fresh, mode);
    renameSync(fresh, file);
  } catch (error) {
    const code = (error as { code?: string }).code ?? "unknown error";
    throw new CodedError("unwritable_file", `${file} cannot be written (${code}). Check its permissions.`);
  }
  return { ...written, changed: true };
}

/** Byte for byte what was there before the first change. Throws `nothing_to_undo`. */
export function undoConfigFile(file: string): { restored: "file" | "absence"; aside: string | null } {
  const backup = file + BACKUP_END;
  const wasAbsent = existsSync(file + ABSENT_END);
  if (!wasAbsent && !existsSync(backup)) {
    throw new CodedError(
      "nothing_to_undo",
      `${file} was not changed by codex-lb connect, or that has been undone.`,
    );
  }
  const aside = existsSync(file) ? file + ASIDE_END : null;
  if (aside !== null) renameSync(file, aside);
  if (wasAbsent) rmSync(file + ABSENT_END);
  else renameSync(backup, file);
  return { restored: wasAbsent ? "absence" : "file", aside };
}
