/** Reasoning in the `signature` of a thinking block, so that the client's next request brings it back. */
import { compact, type JsonObject } from "../parse.ts";

/** Marks signatures of ours; those of real Anthropic models mean nothing to the backend. */
const PREFIX = "clb1:";

/** `clb1:<item id>:<encrypted content>`. Item ids hold no colon. */
export function encodeSignature(id: string | null, encrypted: string): string {
  return `${PREFIX}${id?.replaceAll(":", "") ?? ""}:${encrypted}`;
}

/** The reasoning item that a signature carries, or null for a signature that is not ours. */
export function decodeSignature(signature: string): JsonObject | null {
  if (!signature.startsWith(PREFIX)) return null;
  const end = signature.indexOf(":", PREFIX.length);
  const encrypted = signature.slice(end + 1);
  if (end < 0 || encrypted === "") return null;
  const id = signature.slice(PREFIX.length, end) || undefined;
  return compact({ type: "reasoning", id, summary: [], encrypted_content: encrypted });
}
