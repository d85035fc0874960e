/** Where a command does its work: in the service that runs on the data directory or, when none runs, in the database itself. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import type { Fetch, Ports } from "../ports.ts";
import { type LockHolder, readHolder } from "../store/lock.ts";
import { openStore, type Store } from "../store/open.ts";

/** The admin API, with the rights of whoever owns the data directory. */
export interface AdminApi {
  /** Where the service runs; null: none runs, and the API answers in this process. */
  url: string | null;
  /** `body`: a form as it is, anything else as JSON. Throws the service's own error, or `service_unreachable`. */
  call(method: string, path: string, body?: unknown): Promise<JsonRecord>;
  /** The same for answers that are lists or text. */
  read<T>(method: string, path: string, body?: unknown): Promise<T>;
  /** Of the running service: unanswered for as long as `init.signal` allows; the response whatever its status. */
  open(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

export type ServiceClient = AdminApi & { url: string };

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

/**
 * The running service or, when none runs, the same API in this process on the data directory. `url` names a service elsewhere,
 * for which CODEX_LB_ADMIN_API_TOKEN is the key.
 */
export async function openAdminApi(
  config: Config,
  ports: Ports,
  { url = null }: { url?: string | null } = {},
): Promise<AdminApi> {
  if (url !== null) return createServiceClient(url, null, config, ports.fetch);
  const { createRuntime } = await import("../runtime.ts");
  // What a service would tell its log is no news for whoever typed a command.
  const log = { ...ports.log, debug() {}, info() {} };
  try {
    const runtime = await createRuntime(config, { ...ports, log });
    return createApiClient(null, { send: runtime.administer, close: runtime.stop });
  } catch (error) {
    const inUse = error instanceof CodedError && error.code === "data_dir_in_use";
    const holder = inUse ? readHolder(config.dataDir) : null;
    if (holder === null || holder.url === null) throw error;
    return createServiceClient(holder.url, holder, config, ports.fetch);
  }
}

/** Long enough for a machine under load, short enough for somebody who waits. */
const FIND_TIMEOUT_MS = 2_000;

/** The service at `url`, or the one that runs on the data directory; null: it does not answer. */
export async function findService(
  config: Config,
  fetch: Fetch,
  url: string | null = null,
): Promise<ServiceClient | null> {
  const holder = url === null ? readHolder(config.dataDir) : null;
  const listensOn = url ?? holder?.url ?? null;
  if (listensOn === null) return null;
  const service = createServiceClient(listensOn, holder, config, fetch);
  const answer = await service
    .open("/health", { signal: AbortSignal.timeout(FIND_TIMEOUT_MS) })
    .catch(() => null);
  return answer?.ok === true ? service : null;
}

export function createServiceClient(
  listensOn: string,
  holder: LockHolder | null,
  config: Config,
  fetch: Fetch,
): ServiceClient {
  const url = reachableUrl(listensOn).replace(/\/+$/, "");
  const token = holder?.cliToken ?? config.adminApiToken?.reveal() ?? null;
  async function send(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (token !== null && !headers.has("authorization")) headers.set("authorization", `Bearer ${token}`);
    try {
      return await fetch(`${url}${path}`, {
        ...init,
        headers,
        // The certificate names the service's public host, not this one; the lock says that it is ours.
        ...(holder !== null && { tls: { rejectUnauthorized: false } }),
      });
    } catch {
      throw new CodedError(
        "service_unreachable",
        `codex-lb on ${url} did not answer. Does it run, or is it stopping?`,
      );
    }
  }
  return { ...createApiClient(url, { send, close: async () => {} }), url };
}

function createApiClient(
  url: string | null,
  { send, close }: Pick<AdminApi, "close"> & { send: AdminApi["open"] },
): AdminApi {
  async function read<T>(method: string, path: string, body?: unknown): Promise<T> {
    const headers = new Headers();
    if (body !== undefined && !(body instanceof FormData)) headers.set("content-type", "application/json");
    const payload = body === undefined || body instanceof FormData ? body : JSON.stringify(body);
    const response = await send(path, {
      method,
      headers,
      ...(payload !== undefined && { body: payload }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
    const reply: unknown = isJson ? await response.json().catch(() => null) : await response.text();
    if (response.status >= 300) throw refusalOf(response.status, asRecord(reply) ?? {});
    return reply as T;
  }
  return {
    url,
    read,
    call: async (method, path, body) => asRecord(await read(method, path, body)) ?? {},
    open: (path, init) => send(path, init),
    close,
  };
}

function refusalOf(status: number, reply: JsonRecord): CodedError {
  if (status === 401) {
    return new CodedError(
      "authentication_required",
      "The running service asks for its admin token. Set CODEX_LB_ADMIN_API_TOKEN as it is set there, or stop the service first.",
    );
  }
  const error = asRecord(reply.error) ?? {};
  const message = asText(error.message) ?? `The service answered with status ${status}.`;
  return new CodedError(asText(error.code) ?? "service_error", message);
}
