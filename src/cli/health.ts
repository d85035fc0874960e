/** `codex-lb health`: whether the service on the data directory takes requests; for container health checks and monitors. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import type { Fetch } from "../ports.ts";
import { readHolder } from "../store/lock.ts";
import { reachableUrl } from "./service.ts";

/** Health checks of containers give up after 30 s by default; a service that takes this long is not well. */
const ANSWER_LIMIT_MS = 5_000;

/** Resolves with exit code 0 when it answers that it is ready. Throws `not_running`, or `not_ready` while it stops. */
export async function healthCommand({ dataDir }: Pick<Config, "dataDir">, fetch: Fetch): Promise<number> {
  // By the process's own word, not by the configured port: another service may have that one.
  const listensOn = readHolder(dataDir)?.url ?? null;
  if (listensOn === null) {
    throw new CodedError("not_running", `No codex-lb runs on ${dataDir}. Start it with \`codex-lb serve\`.`);
  }
  const url = reachableUrl(listensOn);
  let response: Response;
  try {
    response = await fetch(`${url}/health/ready`, {
      signal: AbortSignal.timeout(ANSWER_LIMIT_MS),
      // The certificate names the service's public host, not this one.
      tls: { rejectUnauthorized: false },
    } as RequestInit);
  } catch {
    throw new CodedError("not_running", `Nothing answers on ${url}. Start it with \`codex-lb serve\`.`);
  }
  if (!response.ok) {
    throw new CodedError("not_ready", `codex-lb on ${url} is stopping: it takes no new requests.`);
  }
  process.stdout.write(`codex-lb on ${url} is ready\n`);
  return 0;
}
