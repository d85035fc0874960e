/** Whether the client of a request is still there, and waits that end with its leaving. */
import type { Refusal } from "../core/refusal.ts";
import type { Clock } from "../ports.ts";

export interface ClientPresence {
  left(): boolean;
  /** Why it is served no longer (its key was revoked, we are stopping), which counts as having left. */
  revoked?(): Refusal | null;
  /** Calls back once when the client leaves, at once when it has left; returns how to unregister. */
  onLeave(callback: () => void): () => void;
}

/** What `pending` comes to, or null as soon as the client leaves; `pending` itself goes on. */
export async function unlessLeft<T>(client: ClientPresence, pending: Promise<T>): Promise<T | null> {
  const { promise, resolve } = Promise.withResolvers<null>();
  const unregister = client.onLeave(() => resolve(null));
  try {
    return await Promise.race([pending, promise]);
  } finally {
    unregister();
  }
}

/** Until `delayMs` have passed or the client leaves. */
export async function pause(clock: Clock, delayMs: number, client: ClientPresence): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.schedule(delayMs, resolve);
  const unregister = client.onLeave(resolve);
  await promise;
  timer.cancel();
  unregister();
}
