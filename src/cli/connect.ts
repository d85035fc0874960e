/** `codex-lb connect`: the block that points a client at the pool, put into its config if wished, and tried at once. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import type { Ports } from "../ports.ts";
import { usageError } from "./args.ts";
import {
  FILE_CLIENTS,
  type FileClient,
  KEY_VARIABLE,
  type Machine,
  PRINTED_CLIENTS,
  type Target,
} from "./connect/clients.ts";
import { readConfigFile, undoConfigFile, type Written, writeConfigFile } from "./connect/config-file.ts";
import { plain, print, printJson } from "./format.ts";
import { findService, type ServiceClient } from "./service.ts";

export interface ConnectInput {
  operands: readonly string[];
  key: string | null;
  model: string | null;
  /** Of a service that is not the one of the data directory. */
  url: string | null;
  write: boolean;
  undo: boolean;
  json: boolean;
}

/** Preferred where the pool has it; else the first of its list. */
const USUAL_MODEL = "gpt-5.5";
/** Accepted while the service asks for no key; clients insist on some text. */
const NO_KEY = "local";

/** Resolves with the exit code: 1 when the test request was not answered. */
export async function connectCommand(
  input: ConnectInput,
  machine: Machine,
  config: Config,
  ports: Ports,
): Promise<number> {
  const [name, ...rest] = input.operands;
  if (name === undefined || rest.length > 0) throw usageError('"connect" takes one client.');
  const client: FileClient | undefined = Object.hasOwn(FILE_CLIENTS, name)
    ? FILE_CLIENTS[name as keyof typeof FILE_CLIENTS]
    : undefined;
  if (client === undefined && !Object.hasOwn(PRINTED_CLIENTS, name)) throw unknownClient(name);
  if (client === undefined && (input.write || input.undo)) {
    throw usageError(
      `"${name}" has no config file that could be written; what to use is printed without --write.`,
    );
  }
  if (input.undo) return undo(client!.file(machine), input.json);

  const service = await findService(config, ports.fetch, input.url);
  const key = input.key ?? machine.env[KEY_VARIABLE] ?? NO_KEY;
  const target = await targetFor(service, { key, config, input });
  const written = input.write ? write(client!, machine, target) : null;
  const block = client === undefined ? PRINTED_CLIENTS[name]!(target) : client.block(target);
  const tried =
    service === null
      ? null
      : await tryIt(service, { route: client?.route ?? "/v1/responses", key, model: target.model });
  if (input.json) {
    printJson({
      client: name,
      url: target.url,
      model: target.model,
      file: client?.file(machine) ?? null,
      block,
      written,
      tried,
    });
  } else {
    if (written === null)
      print(`${client === undefined ? "" : `# ${client.file(machine)}\n`}${block.trimEnd()}`);
    else sayWritten(written);
    sayKey(key, machine);
    if (client !== undefined) print(`Then: ${client.tryIt}`);
    sayTried(tried, target.url);
  }
  return tried === null || tried.ok ? 0 : 1;
}

function unknownClient(name: string): CodedError {
  const known = [...Object.keys(FILE_CLIENTS), ...Object.keys(PRINTED_CLIENTS)].join(", ");
  return usageError(`There is no client "${name}". Known: ${known}.`);
}

function undo(file: string, json: boolean): number {
  const { restored, aside } = undoConfigFile(file);
  if (json) printJson({ file, restored, aside });
  else {
    print(restored === "file" ? `restored  ${file}` : `removed   ${file}: there was none before`);
    if (aside !== null) print(`kept      what was there until now, as ${aside}`);
  }
  return 0;
}

async function targetFor(
  service: ServiceClient | null,
  { key, config, input }: { key: string; config: Config; input: ConnectInput },
): Promise<Target> {
  const url = service?.url ?? (input.url ?? `http://127.0.0.1:${config.port}`).replace(/\/+$/, "");
  if (input.model !== null || service === null) return { url, model: input.model ?? USUAL_MODEL };
  const reply = await service.open("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  const list = asRecord(await reply.json().catch(() => null))?.data;
  const models = Array.isArray(list) ? (list as JsonRecord[]).flatMap(({ id }) => asText(id) ?? []) : [];
  return { url, model: models.includes(USUAL_MODEL) ? USUAL_MODEL : (models[0] ?? USUAL_MODEL) };
}

function write(client: FileClient, machine: Machine, target: Target): Written {
  const file = client.file(machine);
  return writeConfigFile(file, client.merge(readConfigFile(file), target));
}

function sayWritten({ file, backup, changed }: Written): void {
  print(changed ? `written   ${file}` : `unchanged ${file}: it says so already`);
  if (backup !== null) print(`kept      what was there before, as ${backup} (--undo puts it back)`);
}

function sayKey(key: string, { env }: Machine): void {
  if (env[KEY_VARIABLE] !== undefined) return;
  const line = process.platform === "win32" ? `setx ${KEY_VARIABLE} ${key}` : `export ${KEY_VARIABLE}=${key}`;
  print(`\nThe client reads its key from the environment:\n\n  ${line}\n`);
}

/** What became of the test request. */
type Tried =
  | { ok: true; account: string | null; ms: number }
  | { ok: false; status: number; code: string; message: string };

const TRY_TIMEOUT_MS = 60_000;
/** The log is written a moment after the reply. */
const LOG_WAIT_MS = 3_000;
const LOG_POLL_MS = 100;

async function tryIt(
  service: ServiceClient,
  { route, key, model }: { route: string; key: string; model: string },
): Promise<Tried> {
  const startedAt = performance.now();
  const content = [{ type: "input_text", text: "Answer with the single word: hello" }];
  let response: Response;
  let text: string;
  try {
    response = await service.open(route, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${key}` },
      body: JSON.stringify({
        model,
        instructions: "Be brief.",
        input: [{ type: "message", role: "user", content }],
        store: false,
        stream: true,
      }),
      signal: AbortSignal.timeout(TRY_TIMEOUT_MS),
    });
    text = await response.text();
  } catch (error) {
    return { ok: false, status: 0, code: "no_answer", message: (error as Error).message };
  }
  const failed = failureIn(response.status, text);
  if (failed !== null) return failed;
  const ms = Math.round(performance.now() - startedAt);
  const requestId = response.headers.get("x-request-id");
  return { ok: true, ms, account: requestId === null ? null : await accountOf(service, requestId) };
}

function failureIn(status: number, text: string): Tried | null {
  if (status === 200 && text.includes('"response.completed"')) return null;
  const event =
    /^data: (\{.*"(?:error|response\.failed|response\.incomplete)".*\})$/m.exec(text)?.[1] ?? text;
  const body = asRecord(parseJson(event)) ?? {};
  const error = asRecord(body.error) ?? asRecord(asRecord(body.response)?.error) ?? {};
  return {
    ok: false,
    status,
    code: asText(error.code) ?? "error",
    message: asText(error.message) ?? "The reply was not complete.",
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}

/** Its name; null when the log may not be read with what the command line has. */
async function accountOf(service: ServiceClient, requestId: string): Promise<string | null> {
  const until = performance.now() + LOG_WAIT_MS;
  try {
    while (performance.now() < until) {
      const { requests } = await service.read<{ requests: JsonRecord[] }>(
        "GET",
        `/api/request-logs?limit=1&search=${encodeURIComponent(requestId)}`,
      );
      const accountId = asText(requests[0]?.accountId);
      if (accountId !== null) {
        const { displayName, planType } = await service.call("GET", `/api/accounts/${accountId}`);
        return `${asText(displayName) ?? accountId} (${asText(planType) ?? "unknown plan"})`;
      }
      await Bun.sleep(LOG_POLL_MS);
    }
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
  }
  return null;
}

function sayTried(tried: Tried | null, url: string): void {
  if (tried === null) print(`Not tried: nothing answers on ${url}. Start it with: codex-lb`);
  else if (tried.ok) {
    print(
      `✓ A test request was answered in ${tried.ms} ms${tried.account === null ? "" : ` by ${plain(tried.account)}`}.`,
    );
  } else print(`✗ The test request failed (${tried.status} ${tried.code}): ${plain(tried.message)}`);
}
