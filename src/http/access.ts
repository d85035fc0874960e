/** The door of the proxy: who may come in (holders of a key, this machine, the networks that settings name), and as whom. */
import { presentedKey } from "../core/api-key.ts";
import { type Cidr, isIpIn } from "../core/cidr.ts";
import { CodedError } from "../core/errors.ts";
import type { Refusal } from "../core/refusal.ts";
import type { DashboardSettings } from "../core/settings.ts";
import type { KeyPool, PooledKey } from "../pool/keys.ts";
import type { Clock } from "../ports.ts";
import type { Budget } from "../proxy/budget.ts";
import type { Caller } from "../proxy/serve.ts";
import type { Transport } from "../core/record.ts";
import type { Throttle } from "../pool/throttle.ts";
import type { Firewall } from "./firewall.ts";
import type { Client } from "./locality.ts";
import { pathOf } from "./server.ts";

/** Whoever knocks gets a caller, for the answer's request id; `refused` says why they may not come in. */
export interface Entered {
  caller: Caller;
  refused: CodedError | null;
  /** The caller of the next request on the same connection, with the rights of then. Throws CodedError when there are none. */
  again(): Caller;
}

export type Door = (request: Request, client: Client, transport?: Transport) => Entered;

export interface DoorPorts {
  keys: KeyPool;
  firewall: Firewall;
  /** Against guessing keys; whoever has a right one never meets it. */
  throttle: Throttle;
  /** Who needs no key while key authentication is off, besides this machine. */
  networks: readonly Cidr[];
  clock: Clock;
  settings(): DashboardSettings;
  budgetOf(key: PooledKey): Budget;
  newRequestId(): string;
}

export function createDoor(ports: DoorPorts): Door {
  const { keys, networks, clock, firewall, throttle } = ports;

  function shutOut(request: Request, client: Client): CodedError | null {
    return caught(() => {
      firewall.admitToProxy(client);
      firewall.admitPage(request);
    });
  }

  function unknownKey(client: Client): CodedError {
    const tooMany = caught(() => throttle.check(client));
    throttle.failed(client);
    return tooMany ?? UNKNOWN_KEY;
  }

  /** The key of the request, null where none is needed, or why there is no coming in. */
  function identify(request: Request, client: Client): { key: PooledKey | null; refused: CodedError | null } {
    const shut = shutOut(request, client);
    if (shut !== null) return { key: null, refused: shut };
    const presented = presentedKey((name) => request.headers.get(name));
    if (presented.kind === "key") {
      const key = keys.find(presented.keyHash);
      const refused = key === null ? unknownKey(client) : asError(key.refuse(null));
      return { key: refused === null ? key : null, refused };
    }
    const isLogin = presented.kind === "foreign" && isCodexPath(pathOf(request.url));
    return { key: null, refused: withoutKey(client, isLogin ? LOGIN_IS_NO_KEY : KEY_MISSING) };
  }

  /** Whether this client needs a key; `missing` says so. */
  function withoutKey(client: Client, missing: CodedError): CodedError | null {
    if (ports.settings().apiKeyAuthEnabled) return missing;
    return client.isLocal || isIpIn(client.ip, networks) ? null : ADDRESS_FORBIDDEN;
  }

  return (request, client, transport = "http") => {
    const { key, refused } = identify(request, client);
    if (refused === null) client.mayBeSilent?.();
    const route = pathOf(request.url);
    const userAgent = request.headers.get("user-agent");
    const caller = (): Caller => ({
      origin: {
        requestId: ports.newRequestId(),
        receivedAtMs: clock.now(),
        receivedAt: clock.monotonic(),
        route,
        transport,
        apiKeyId: key?.id ?? null,
        apiKeyName: key?.settings.name ?? null,
        userAgent,
        clientIp: client.ip,
      },
      key,
      allowedAccountIds: key?.allowedAccountIds ?? null,
      budget: key && ports.budgetOf(key),
    });
    key?.used();
    return {
      caller: caller(),
      refused,
      again() {
        firewall.admitToProxy(client);
        const missing = key === null ? withoutKey(client, KEY_MISSING) : null;
        if (missing) throw missing;
        key?.used();
        return caller();
      },
    };
  };
}

/**
 * Where the Codex client asks. With a ChatGPT login a 401 there makes it burn its own refresh tokens (UPSTREAM F), and it would
 * ask again and again; a 400 it shows once.
 */
const CODEX_PATHS = ["/backend-api/", "/api/codex/", "/pooled/"];

function isCodexPath(path: string): boolean {
  return CODEX_PATHS.some((prefix) => path.startsWith(prefix));
}

const UNKNOWN_KEY = new CodedError(
  "invalid_api_key",
  "codex-lb: this API key does not exist (any more). Ask whoever runs this codex-lb for a new one.",
  { status: 401 },
);
const KEY_MISSING = new CodedError(
  "invalid_api_key",
  "codex-lb: an API key of this codex-lb is needed. Send it as `Authorization: Bearer sk-clb-…`, or in the header x-lb-key.",
  { status: 401 },
);
const LOGIN_IS_NO_KEY = new CodedError(
  "api_key_required",
  "codex-lb: a login of OpenAI is no key here. In ~/.codex/config.toml, in the section of this provider, set " +
    'env_key = "CODEX_LB_API_KEY" and put your sk-clb- key into that variable; or keep the login and add ' +
    'env_http_headers = { "x-lb-key" = "CODEX_LB_API_KEY" }.',
  { status: 400 },
);
const ADDRESS_FORBIDDEN = new CodedError(
  "ip_forbidden",
  "codex-lb: this address may not use the proxy without a key. Send an API key of this codex-lb, or let its operator add the network to CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS.",
  { status: 403 },
);

function caught(check: () => void): CodedError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof CodedError) return error;
    throw error;
  }
}

function asError(refusal: Refusal | null): CodedError | null {
  return refusal && new CodedError(refusal.code, refusal.message, { status: refusal.status });
}
