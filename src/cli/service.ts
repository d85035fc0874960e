/** Where a command does its work: in the service that runs on the data directory or, when none runs, in the database itself. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import type { Fetch, Ports } from "../ports.ts";
import { type LockHolder, readHolder } from "../store/lock.ts";
import { openStore, type Store } from "../store/open.ts";

/** The admin API of the running service, with the rights of whoever owns its data directory. */
export interface ServiceClient {
  url: string;
  /** `body`: a form as it is, anything else as JSON. Throws the service's own error, or `service_unreachable`. */
  call(method: string, path: string, body?: unknown): Promise<JsonRecord>;
}

export type Workplace = { kind: "service"; service: ServiceClient } | { kind: "store"; store: Store };

/** The longest of the calls asks OpenAI something. */
const CALL_TIMEOUT_MS = 30_000;

/** Close the store when done. Throws `data_dir_in_use` when a process holds the directory and does not (yet) serve. */
export function openWorkplace(config: Config, { clock, log, fetch }: Ports): Workplace {
  try {
    const { dataDir, encryptionKeyFile } = config;
    return { kind: "store", store: openStore({ dataDir, keyFile: encryptionKeyFile, clock, log }) };
  } catch (error) {
    const inUse = error instanceof CodedError && error.code === "data_dir_in_use";
    const holder = inUse ? readHolder(config.dataDir) : null;
    if (holder === null || holder.url === null) throw error;
    return { kind: "service", service: createServiceClient(holder.url, holder, config, fetch) };
  }
}

/** Listening on every interface is no address to connect to. */
export function reachableUrl(listensOn: string): string {
  return listensOn.replace("//0.0.0.0", "//127.0.0.1").replace("//[::]", "//[::1]");
}

function createServiceClient(
  listensOn: string,
  holder: LockHolder,
  config: Config,
  fetch: Fetch,
): ServiceClient {
  const url = reachableUrl(listensOn);
  const token = holder.cliToken ?? config.adminApiToken?.reveal() ?? null;
  return {
    url,
    async call(method, path, body) {
      const headers = new Headers();
      if (token !== null) headers.set("authorization", `Bearer ${token}`);
      if (body !== undefined && !(body instanceof FormData)) headers.set("content-type", "application/json");
      const payload = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
      let response: Response;
      try {
        response = await fetch(`${url}${path}`, {
          method,
          headers,
          ...(payload !== undefined && { body: payload }),
          signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
          // The certificate names the service's public host, not this one; the lock says that it is ours.
          tls: { rejectUnauthorized: false },
        } as RequestInit);
      } catch {
        throw new CodedError(
          "service_unreachable",
          `codex-lb on ${url} did not answer. Is it stopping? Try again.`,
        );
      }
      return readReply(response.status, asRecord(await response.json().catch(() => null)) ?? {});
    },
  };
}

function readReply(status: number, reply: JsonRecord): JsonRecord {
  if (status < 300) return reply;
  if (status === 401) {
    throw new CodedError(
      "authentication_required",
      "The running service asks for its admin token. Set CODEX_LB_ADMIN_API_TOKEN as it is set there, or stop the service first.",
    );
  }
  const error = asRecord(reply.error) ?? {};
  const message = asText(error.message) ?? `The service answered with status ${status}.`;
  throw new CodedError(asText(error.code) ?? "service_error", message);
}
