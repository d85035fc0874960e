/** The doctor's look at the clients of this machine. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { accountIdOf, readAuthJson } from "../../core/credentials.ts";
import { CodedError } from "../../core/errors.ts";
import { asRecord, asText } from "../../core/json-read.ts";
import { FILE_CLIENTS, type Machine, parseToml } from "../connect/clients.ts";
import { readConfigFile } from "../connect/config-file.ts";
import { codexFindings } from "./codex-config.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";

export interface ClientSurroundings {
  machine: Machine;
  serviceUrls: readonly string[];
  keyNeeded: boolean;
  /** Ids of the accounts in the pool. */
  accountIds: ReadonlySet<string>;
  nowMs: number;
}

export function clientFindings(around: ClientSurroundings): Finding[] {
  return [...codex(around), ...sharedLogin(around), ...openCode(around)];
}

function codex({ machine, serviceUrls, keyNeeded }: ClientSurroundings): Finding[] {
  const file = FILE_CLIENTS.codex.file(machine);
  if (!existsSync(file))
    return [note("codex_config", `Codex has no config (${file}).`, "codex-lb connect codex --write")];
  try {
    return codexFindings(parseToml(readConfigFile(file)), {
      serviceUrls,
      keyNeeded,
      env: machine.env,
      hasLogin: existsSync(join(dirname(file), "auth.json")),
    });
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return [
      problem(
        "codex_config",
        `${file} cannot be read as TOML; Codex will not read it either.`,
        "Mend its syntax.",
      ),
    ];
  }
}

/** One login in two programs ends for both as soon as both refresh it. */
function sharedLogin({ machine, accountIds, nowMs }: ClientSurroundings): Finding[] {
  const file = join(dirname(FILE_CLIENTS.codex.file(machine)), "auth.json");
  if (!existsSync(file)) return [];
  try {
    const login = readAuthJson(readFileSync(file), nowMs);
    if (login.kind !== "chatgpt") return [];
    if (!accountIds.has(accountIdOf(login.identity))) {
      return [
        note("codex_login", `${file} holds a login that is not in the pool.`, `codex-lb import ${file}`),
      ];
    }
    return [
      warning(
        "codex_login",
        `The account of ${file} is in the pool too. If it is the same login, both programs refresh it and it ends for both.`,
        "Give the pool a login of its own (codex-lb login), or sign Codex out (codex logout): it needs no login for codex-lb.",
      ),
    ];
  } catch {
    return [];
  }
}

function openCode({ machine, serviceUrls }: ClientSurroundings): Finding[] {
  const file = FILE_CLIENTS.opencode.file(machine);
  if (!existsSync(file)) return [];
  let config: unknown;
  try {
    config = JSON.parse(readConfigFile(file));
  } catch {
    return [note("opencode_config", `${file} is not plain JSON; it was not looked at.`)];
  }
  const options = asRecord(asRecord(asRecord(asRecord(config)?.provider)?.["codex-lb"])?.options);
  const baseUrl = asText(options?.baseURL);
  if (baseUrl === null) return [];
  if (!serviceUrls.some((url) => baseUrl.startsWith(`${url}/`))) {
    return [
      warning(
        "opencode_config",
        `OpenCode goes to ${baseUrl}; codex-lb is ${serviceUrls[0]}.`,
        "codex-lb connect opencode --write",
      ),
    ];
  }
  const variable = /^\{env:(\w+)\}$/.exec(asText(options?.apiKey) ?? "")?.[1];
  if (variable !== undefined && !machine.env[variable]) {
    return [
      warning(
        "opencode_config",
        `OpenCode reads its key from ${variable}, which is not set here.`,
        `export ${variable}=<key of codex-lb>`,
      ),
    ];
  }
  return [ok("opencode_config", "OpenCode is pointed at codex-lb.")];
}
