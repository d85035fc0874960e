/** Takes out of a conversation what only the account that wrote it can read, so that another account can go on with it. */
import { asRecord } from "./json-read.ts";

/** Item types that are nothing but a sealed blob (UPSTREAM I). A compaction item carries history: it is lost, the rest goes on. */
const SEALED_TYPES = new Set(["reasoning", "compaction", "compaction_summary", "context_compaction"]);

/** The body of a Responses request without sealed items, as JSON bytes; null when it is not readable or holds none. */
export function withoutSealedItems(plainBody: Uint8Array): Uint8Array | null {
  let body: Record<string, unknown> | null;
  try {
    body = asRecord(
      JSON.parse(Buffer.from(plainBody.buffer, plainBody.byteOffset, plainBody.byteLength).toString("utf8")),
    );
  } catch {
    return null;
  }
  if (!body || !Array.isArray(body.input)) return null;
  const input = body.input.filter((item) => !isSealed(asRecord(item)));
  if (input.length === body.input.length) return null;
  return new TextEncoder().encode(JSON.stringify({ ...body, input }));
}

function isSealed(item: Record<string, unknown> | null): boolean {
  if (!item) return false;
  return SEALED_TYPES.has(String(item.type)) || typeof item.encrypted_content === "string";
}
