/** Who may use the proxy: this machine, the networks that settings name, and holders of a key. */
import { CodedError } from "../core/errors.ts";
import { type Cidr, isIpIn } from "../core/cidr.ts";
import type { Client } from "./locality.ts";

export interface ProxyAccess {
  /** Throws CodedError when a client without a key may not pass. */
  admitWithoutKey(client: Client): void;
}

export function createProxyAccess(networks: readonly Cidr[]): ProxyAccess {
  return {
    admitWithoutKey(client) {
      if (client.isLocal || isIpIn(client.ip, networks)) return;
      throw new CodedError(
        "ip_forbidden",
        "codex-lb: this address may not use the proxy without a key. Use an API key, or add the network to CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS.",
        { status: 403 },
      );
    },
  };
}
