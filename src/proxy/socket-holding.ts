/** The first frames of a response, held back until it is known to be none of a failure that another account could mend. */
import { createReplyObserver, type ReplyObserver } from "../core/reply-observer.ts";
import type { Clock, Timer } from "../ports.ts";
import type { SocketEnd } from "../upstream/websocket.ts";
import { HOLD_PREAMBLE_MS, MAX_HELD_BYTES } from "./http-attempt.ts";

export type Decision =
  | { kind: "commit" }
  /** The event that says so. */
  | { kind: "failed"; event: unknown }
  /** The socket ended, or no frame came in time. */
  | { kind: "broken"; code: string };

export interface Holding {
  readonly observer: ReplyObserver;
  readonly decision: Promise<Decision>;
  /** One of upstream's frames. A promise holds back the next one: the decision has fallen, and the held ones come first. */
  frame(type: string, text: string): Promise<void> | undefined;
  ended(end: SocketEnd): void;
  /** The frames held so far. */
  readonly held: readonly string[];
  /** Lets further frames come. */
  open(): void;
}

export function createHolding(clock: Clock, firstEventTimeoutMs: number): Holding {
  const observer = createReplyObserver();
  const { promise: decision, resolve } = Promise.withResolvers<Decision>();
  const gate = Promise.withResolvers<void>();
  const held: string[] = [];
  let heldChars = 0;
  let decided = false;
  let timer: Timer = clock.schedule(firstEventTimeoutMs, () => decide({ kind: "broken", code: "timeout" }));

  function decide(what: Decision): void {
    if (decided) return;
    decided = true;
    timer.cancel();
    resolve(what);
  }

  return {
    observer,
    decision,
    held,
    open: () => gate.resolve(),
    frame(type, text) {
      if (observer.wants(type)) observer.json(type, text);
      held.push(text);
      heldChars += text.length;
      if (held.length === 1 && !decided) {
        timer.cancel();
        timer = clock.schedule(HOLD_PREAMBLE_MS, () => decide({ kind: "commit" }));
      }
      if (observer.phase() !== "preamble" || heldChars >= MAX_HELD_BYTES) {
        const event = observer.earlyFailure();
        decide(event === null ? { kind: "commit" } : { kind: "failed", event });
      }
      return decided ? gate.promise : undefined;
    },
    ended: ({ code }) => decide({ kind: "broken", code: `closed_${code}` }),
  };
}
