/** The doctor's look at this machine: the data directory, the database, the key, ports, the clock, and the way to OpenAI. */
import { accessSync, constants, existsSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../config.ts";
import { CodedError } from "../../core/errors.ts";
import type { Fetch } from "../../ports.ts";
import { databaseProblem } from "../../store/restore.ts";
import { readKeyFile } from "../../store/secrets.ts";
import { isFree } from "../demo.ts";
import { countText } from "../format.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";

/** Less than this is gone within days of a busy pool. */
const FEW_BYTES = 500 * 1024 * 1024;
/** Where a browser comes back to after a login. */
const CALLBACK_PORT = 1455;

export function directoryFindings({ dataDir }: Config): Finding[] {
  const check = "data_directory";
  if (!existsSync(dataDir)) {
    return [note(check, `${dataDir} does not exist yet; it is made at the first start.`)];
  }
  try {
    accessSync(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return [
      problem(
        check,
        `${dataDir} cannot be written by this user.`,
        "Change its owner, or set CODEX_LB_DATA_DIR to another directory.",
      ),
    ];
  }
  const found: Finding[] = [];
  const mode = statSync(dataDir).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    found.push(warning(check, `${dataDir} is open to other users of this machine.`, `chmod 700 ${dataDir}`));
  }
  const { bavail, bsize } = statfsSync(dataDir);
  if (bavail * bsize < FEW_BYTES) {
    found.push(
      warning(
        check,
        `Only ${countText(bavail * bsize)} bytes are free on its disk.`,
        "Make room, or shorten requestLogRetentionDays.",
      ),
    );
  }
  return found.length > 0 ? found : [ok(check, `${dataDir} is private and can be written.`)];
}

/** Of the file alone; that it fits the database is proved by opening that. */
export function keyFindings({ encryptionKeyFile, dataDir }: Config): Finding[] {
  const check = "encryption_key";
  try {
    if (readKeyFile(encryptionKeyFile) === null) {
      if (!existsSync(join(dataDir, "codex-lb.db"))) return [];
      return [
        problem(
          check,
          `The key file ${encryptionKeyFile} is missing; the logins in the database cannot be read without it.`,
          "Put the file back, or point CODEX_LB_ENCRYPTION_KEY_FILE to it.",
        ),
      ];
    }
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return [problem(check, error.message, "Put the right file back.")];
  }
  const mode = statSync(encryptionKeyFile).mode & 0o777;
  if (process.platform !== "win32" && (mode & 0o077) !== 0) {
    return [
      warning(check, `${encryptionKeyFile} can be read by other users.`, `chmod 600 ${encryptionKeyFile}`),
    ];
  }
  return [ok(check, `${encryptionKeyFile} is there and private. Keep a copy apart from the backups.`)];
}

export function databaseFindings({ dataDir }: Config): Finding[] {
  const check = "database";
  const path = join(dataDir, "codex-lb.db");
  if (!existsSync(path)) return [];
  const mend = "Stop codex-lb, then: codex-lb restore FILE (copies: codex-lb backup --list)";
  try {
    const found = databaseProblem(path);
    if (found !== null) return [problem(check, `${path} is damaged: ${found}`, mend)];
  } catch (error) {
    return [
      problem(check, `${path} cannot be read (${(error as { code?: string }).code ?? "error"}).`, mend),
    ];
  }
  return [ok(check, `${path} (${countText(statSync(path).size)} bytes) is whole.`)];
}

export async function portFindings(config: Config, isRunning: boolean): Promise<Finding[]> {
  const found: Finding[] = [];
  if (!isRunning && config.port !== 0 && !(await isFree(config.port))) {
    found.push(
      problem(
        "port",
        `Port ${config.port} is taken by another program.`,
        `Stop that one, or choose another: CODEX_LB_PORT=${config.port + 1}`,
      ),
    );
  }
  if (!(await isFree(CALLBACK_PORT))) {
    found.push(
      note(
        "callback_port",
        `Port ${CALLBACK_PORT} is taken: a browser login has to be finished by pasting its address.`,
        "Use codex-lb login --device.",
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok("port", isRunning ? "The service has its port." : `Port ${config.port} is free.`)];
}

const REACH_TIMEOUT_MS = 10_000;
/** Tokens expire by the clock, and second factors change every half minute. */
const MAX_CLOCK_SKEW_MS = 30_000;

/** Any answer will do: what is asked is whether there is a way. */
export async function upstreamFindings(
  config: Config,
  fetch: Fetch,
  nowMs: () => number,
): Promise<Finding[]> {
  const urls = [...new Set([config.upstreamBaseUrl, config.authBaseUrl].map((url) => new URL(url).origin))];
  const answers = await Promise.all(urls.map((origin) => reach(origin, fetch)));
  const found = answers.map(({ origin, error }) =>
    error === null
      ? ok("upstream", `${origin} answers.`)
      : problem(
          "upstream",
          `${origin} cannot be reached (${error}).`,
          "Check the network, DNS, firewall, and HTTPS_PROXY.",
        ),
  );
  const dateMs = answers.find((answer) => answer.dateMs !== null)?.dateMs ?? null;
  if (dateMs === null) return found;
  const skewMs = nowMs() - dateMs;
  const seconds = Math.round(Math.abs(skewMs) / 1000);
  if (Math.abs(skewMs) <= MAX_CLOCK_SKEW_MS) return [...found, ok("clock", "This machine's clock is right.")];
  const text = `This machine's clock is ${seconds} s ${skewMs > 0 ? "ahead" : "behind"}: tokens seem to expire at the wrong time.`;
  return [
    ...found,
    warning("clock", text, "Switch time synchronisation on, for example: timedatectl set-ntp true"),
  ];
}

async function reach(origin: string, fetch: Fetch) {
  try {
    const signal = AbortSignal.timeout(REACH_TIMEOUT_MS);
    const { headers } = await fetch(origin, { method: "HEAD", redirect: "manual", signal });
    const dateMs = Date.parse(headers.get("date") ?? "");
    return { origin, error: null, dateMs: Number.isNaN(dateMs) ? null : dateMs };
  } catch (error) {
    const { code, name } = error as { code?: string; name?: string };
    return { origin, error: code ?? name ?? "error", dateMs: null };
  }
}
