/** What a client is shown in place of what upstream says of one account: the pool's quota and the tag of the pool's model list. */
import { type Catalogue, clientVersionOf } from "../pool/catalogue.ts";
import type { PooledQuota } from "./pooled-usage.ts";
import type { Caller } from "./serve.ts";

export interface ClientView {
  /** The headers of a reply as this client gets them. */
  headers(reply: readonly [string, string][], caller: Caller): [string, string][];
  /** A `codex.rate_limits` frame. */
  rateLimits(caller: Caller): string;
}

const MODELS_ETAG = "x-models-etag";

export function createClientView({
  quota,
  catalogue,
}: {
  quota: PooledQuota;
  catalogue: Catalogue;
}): ClientView {
  return {
    headers(reply, caller) {
      const shown = quota.inHeaders(reply, caller.allowedAccountIds).filter(([name]) => name !== MODELS_ETAG);
      // Another tag than that of the list which it has makes the client fetch the list again (UPSTREAM C).
      const etag = catalogue.etag(clientVersionOf(caller.origin.userAgent), caller.key);
      if (etag !== null) shown.push([MODELS_ETAG, etag]);
      return shown;
    },
    rateLimits: (caller) => quota.event(caller.allowedAccountIds),
  };
}
