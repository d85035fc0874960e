/** A key's say in one request: whether it may be made, as what it is sent, and that it ends when the key is revoked. */
import { type AskedFor, applyKeyRules, withAskedFor } from "../core/key-rules.ts";
import type { Refusal } from "../core/refusal.ts";
import type { PooledKey } from "../pool/keys.ts";
import type { ClientPresence } from "./engine.ts";

export type Granted<Facts extends AskedFor> =
  { refused: Refusal } | { refused: null; facts: Facts; rewritten: Uint8Array | null };

/**
 * Asks the key for a request that names a model. `plain` answers the JSON body of a Responses request, or of a
 * `response.create` frame, and is called only when the key imposes something on it; null for calls of another shape, on which
 * keys impose nothing. `rewritten` is what to send in place of the body; null: the body as it came.
 */
export function grant<Facts extends AskedFor>(
  key: PooledKey | null,
  facts: Facts,
  plain: (() => Uint8Array) | null,
): Granted<Facts> {
  if (key === null) return { refused: null, facts, rewritten: null };
  const refused = key.refuse(facts.model === "" ? null : facts.model);
  if (refused) return { refused };
  const sent = plain === null ? facts : applyKeyRules(facts, key.settings);
  if (plain === null || sent === facts) return { refused: null, facts, rewritten: null };
  return { refused: null, facts: sent, rewritten: withAskedFor(plain(), sent) };
}

export interface BoundedPresence extends ClientPresence {
  /** The request is over. */
  done(): void;
}

/** The client as present only while its key lives. */
export function whileKeyLives(client: ClientPresence, key: PooledKey | null): BoundedPresence {
  if (key === null) return { ...client, done: () => {} };
  return presentUntil(client, (end) => key.onRevoked(() => end(key.refuse(null))));
}

/** The client as present until `watch` calls back with what it is told then; `watch` answers how to stop watching. */
export function presentUntil(
  client: ClientPresence,
  watch: (end: (refusal: Refusal | null) => void) => () => void,
): BoundedPresence {
  const listeners = new Set<() => void>();
  let ended: { refusal: Refusal | null } | null = null;
  const unwatch = watch((refusal) => {
    ended = { refusal };
    for (const listener of listeners) listener();
    listeners.clear();
  });
  return {
    left: () => ended !== null || client.left(),
    onLeave(callback) {
      if (ended) {
        callback();
        return () => {};
      }
      const listener = () => callback();
      listeners.add(listener);
      const forget = client.onLeave(callback);
      return () => {
        listeners.delete(listener);
        forget();
      };
    },
    revoked: () => ended?.refusal ?? client.revoked?.() ?? null,
    done: unwatch,
  };
}
