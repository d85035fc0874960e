/** Ids in a request that exist on one account only: whose they are, and what is said when that account cannot serve. */
import type { ConversationKey } from "../core/affinity.ts";
import { type Refusal, refusalForLostOwner } from "../core/refusal.ts";
import type { Pool } from "../pool/pool.ts";

interface Asking {
  keys: readonly ConversationKey[];
  receivedAtMs: number;
}

/** The first named response or file that only one account knows, and that account. */
export function ownedBy(request: Asking, pool: Pool): { key: ConversationKey; accountId: string } | null {
  for (const key of request.keys) {
    if (key.kind !== "response" && key.kind !== "file") continue;
    const accountId = pool.affinity.get(key, request.receivedAtMs);
    if (accountId !== null) return { key, accountId };
  }
  return null;
}

/** The account that minted the request's turn state; "unknown" when nobody here did, null when it carries none. */
export function turnStateOwnerOf(request: Asking, pool: Pool): string | null {
  const key = request.keys.find((candidate) => candidate.kind === "turn_state");
  // A turn state that nobody here minted is of no use to any account of the pool.
  return key ? (pool.affinity.get(key, request.receivedAtMs) ?? "unknown") : null;
}

export function lostOwner(key: ConversationKey): Refusal {
  return refusalForLostOwner(key.kind === "file" ? "file" : "response");
}
