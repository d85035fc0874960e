/** `codex-lb import`: logins from files into the pool, through the running service or, when none runs, into its database. */
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import type { Config } from "../config.ts";
import { MAX_AUTH_JSON_BYTES, readAuthJson } from "../core/credentials.ts";
import { CodedError } from "../core/errors.ts";
import { asText } from "../core/json-read.ts";
import { newAccount } from "../core/new-account.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/open.ts";
import { openWorkplace, type ServiceClient } from "./service.ts";

/** One login that is in the pool now. */
interface Imported {
  accountId: string;
  email: string | null;
  planType: string;
}

/** One line of the command's result. */
export type ImportResult = { source: string } & (
  ({ ok: true } & Imported) | { ok: false; code: string; message: string }
);

interface Importer {
  /** Throws CodedError when the login is refused. */
  importLogin(content: Uint8Array, fileName: string): Promise<Imported>;
  close(): void;
}

const ADVICE =
  "From now on codex-lb renews these logins. Do not go on using them in another program: refresh tokens rotate, so that " +
  "two programs renewing one login end it for both.";

/** Imports every source; resolves with the exit code, 1 when any failed. */
export async function importCommand(
  { sources, json }: { sources: readonly string[]; json: boolean },
  config: Config,
  ports: Ports,
): Promise<number> {
  const importer = openImporter(config, ports);
  const results: ImportResult[] = [];
  try {
    for (const source of sources.flatMap(filesOf)) results.push(await importSource(source, importer));
  } finally {
    importer.close();
  }
  const print = (text: string) => process.stdout.write(`${text}\n`);
  if (json) print(JSON.stringify(results, null, 2));
  else for (const result of results) print(resultLine(result));
  if (results.some((result) => result.ok)) process.stderr.write(`${ADVICE}\n`);
  return results.length > 0 && results.every((result) => result.ok) ? 0 : 1;
}

/** A directory stands for its `*.json` files; one without any stays, and is then refused by name. */
function filesOf(source: string): string[] {
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory()) return [source];
  const names = readdirSync(source).filter((name) => name.toLowerCase().endsWith(".json"));
  return names.length === 0 ? [source] : names.toSorted().map((name) => join(source, name));
}

async function importSource(source: string, importer: Importer): Promise<ImportResult> {
  const label = source === "-" ? "standard input" : source;
  try {
    const fileName = source === "-" ? "auth.json" : basename(source);
    return { source: label, ok: true, ...(await importer.importLogin(await readSource(source), fileName)) };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { source: label, ok: false, code: error.code, message: error.message };
  }
}

/** At most one byte more than a login may have: enough to be refused as too large. */
async function readSource(source: string): Promise<Uint8Array> {
  try {
    if (source === "-") return await Bun.stdin.bytes();
    return await Bun.file(source)
      .slice(0, MAX_AUTH_JSON_BYTES + 1)
      .bytes();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "EISDIR") throw new CodedError("no_files", "This directory holds no *.json file.");
    if (code === "ENOENT") throw new CodedError("no_such_file", "There is no such file.");
    throw new CodedError(
      "unreadable_file",
      `This file cannot be read${code && ` (${code})`}. Check its permissions.`,
    );
  }
}

function resultLine(result: ImportResult): string {
  if (!result.ok) return `failed    ${result.source}: ${result.message}`;
  return `imported  ${result.email ?? result.accountId} (${result.planType}) from ${result.source}`;
}

function openImporter(config: Config, ports: Ports): Importer {
  const place = openWorkplace(config, ports);
  return place.kind === "store" ? databaseImporter(place.store, ports) : serviceImporter(place.service);
}

function databaseImporter(store: Store, { clock }: Ports): Importer {
  return {
    async importLogin(content) {
      const login = readAuthJson(content, clock.now());
      if (login.kind === "personal_access_token") {
        throw new CodedError(
          "service_needed",
          "A personal access token does not say whose it is; OpenAI has to be asked. Start codex-lb, then import it.",
        );
      }
      const { account } = store.accounts.put(newAccount(login, clock.now()), login.credentials);
      return { accountId: account.id, email: account.email, planType: account.planType };
    },
    close: () => store.close(),
  };
}

function serviceImporter(service: ServiceClient): Importer {
  return {
    async importLogin(content, fileName) {
      const body = new FormData();
      body.append("auth_json", new File([content], fileName, { type: "application/json" }));
      const reply = await service.call("POST", "/api/accounts/import", body);
      return {
        accountId: asText(reply.accountId) ?? "",
        email: asText(reply.email),
        planType: asText(reply.planType) ?? "unknown",
      };
    },
    close() {},
  };
}
