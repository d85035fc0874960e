/**
 * Responses that clients of `/v1/responses` may refer to: the backend stores none, while SDKs name earlier items and responses by
 * id unless told otherwise. They are kept in memory only, for a while, so that such clients work without a setting.
 */
import { isObject, type JsonObject } from "../core/dialects/parse.ts";
import { CodedError } from "../core/errors.ts";
import type { Clock } from "../ports.ts";

/** All of them together, counted in characters of JSON. */
const MAX_TOTAL_CHARS = 64 * 1024 * 1024;
/** One that is longer would push out everybody else's; its client gets the error on which it sends the whole conversation. */
const MAX_RESPONSE_CHARS = 8 * 1024 * 1024;
/** People come back to a conversation within the hour; what they said is not to lie in memory for longer. */
const KEPT_MS = 60 * 60_000;

/** Who made a response: the id of an API key, "" without one. Nobody finds what somebody else's key made. */
export type Owner = string;

interface Kept {
  owner: Owner;
  /** JSON of what was said before it, and of what it said. */
  input: string;
  output: string;
  itemIds: string[];
  usedAtMs: number;
}

export interface KeptResponses {
  /**
   * The body with `previous_response_id` and item references replaced by the items themselves. References that nobody knows stay;
   * throws `previous_response_not_found` (400).
   */
  resolve(body: JsonObject, owner: Owner): JsonObject;
  /** Watches the events of one reply, and keeps it once it is complete. `input` is what was sent upstream. */
  keeping(owner: Owner, input: unknown): (event: unknown) => void;
  /** Forgets what is past its time, also when nobody asks for anything any more. */
  prune(): void;
  /** Characters of JSON held. */
  size(): number;
}

export function createKeptResponses(clock: Clock): KeptResponses {
  /** In order of their last use. */
  const byId = new Map<string, Kept>();
  const idOfItem = new Map<string, string>();
  let totalChars = 0;

  function forget(id: string): void {
    const kept = byId.get(id);
    if (!kept) return;
    byId.delete(id);
    totalChars -= kept.input.length + kept.output.length;
    for (const itemId of kept.itemIds) if (idOfItem.get(itemId) === id) idOfItem.delete(itemId);
  }

  function prune(): void {
    const oldest = clock.now() - KEPT_MS;
    for (const [id, kept] of byId) {
      if (totalChars <= MAX_TOTAL_CHARS && kept.usedAtMs > oldest) return;
      forget(id);
    }
  }

  function find(id: string, owner: Owner): Kept | null {
    prune();
    const kept = byId.get(id);
    if (!kept || kept.owner !== owner) return null;
    kept.usedAtMs = clock.now();
    byId.delete(id);
    byId.set(id, kept);
    return kept;
  }

  function keep(id: string, owner: Owner, input: unknown, output: JsonObject[]): void {
    const kept: Kept = {
      owner,
      input: JSON.stringify(input),
      output: JSON.stringify(output),
      itemIds: output.flatMap((item) => (typeof item.id === "string" ? [item.id] : [])),
      usedAtMs: clock.now(),
    };
    const chars = kept.input.length + kept.output.length;
    if (chars > MAX_RESPONSE_CHARS) return;
    forget(id);
    byId.set(id, kept);
    totalChars += chars;
    for (const itemId of kept.itemIds) idOfItem.set(itemId, id);
    prune();
  }

  function itemOf(reference: unknown, owner: Owner): unknown {
    if (!isObject(reference) || reference.type !== "item_reference" || typeof reference.id !== "string") {
      return reference;
    }
    const kept = find(idOfItem.get(reference.id) ?? "", owner);
    const items: JsonObject[] = kept ? JSON.parse(kept.output) : [];
    return items.find((item) => item.id === reference.id) ?? reference;
  }

  return {
    prune,
    size: () => totalChars,
    resolve(body, owner) {
      const { previous_response_id: previousId, ...rest } = body;
      const input = Array.isArray(body.input) ? body.input.map((item) => itemOf(item, owner)) : body.input;
      if (previousId === undefined || previousId === null) return { ...body, input };
      const previous = typeof previousId === "string" ? find(previousId, owner) : null;
      if (!previous) throw previousNotFound();
      const added = typeof input === "string" ? [{ role: "user", content: input }] : input;
      if (!Array.isArray(added)) return { ...rest, input };
      return { ...rest, input: [...JSON.parse(previous.input), ...JSON.parse(previous.output), ...added] };
    },
    keeping(owner, input) {
      const output: JsonObject[] = [];
      return (event) => {
        if (!isObject(event)) return;
        if (event.type === "response.output_item.done" && isObject(event.item)) output.push(event.item);
        if (event.type !== "response.completed" || !isObject(event.response)) return;
        if (typeof event.response.id === "string") keep(event.response.id, owner, input, output);
      };
    },
  };
}

/** The error on which clients send the whole conversation instead. */
function previousNotFound(): CodedError {
  return new CodedError(
    "previous_response_not_found",
    "codex-lb: this previous response is not (or no longer) known here; the Codex backend stores none. Send the whole conversation as input.",
    { status: 400, param: "previous_response_id" },
  );
}
