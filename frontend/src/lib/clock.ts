/** The time as a signal, one timer for the whole page, asleep while the page is hidden. */
import { type Accessor, createRoot, createSignal } from "solid-js";

/** Countdowns show seconds in their last minute. */
const TICK_MS = 1_000;

function createClock(): Accessor<number> {
  const [now, setNow] = createSignal(Date.now());
  let timer: ReturnType<typeof setInterval> | undefined;
  const follow = () => {
    clearInterval(timer);
    if (document.hidden) return;
    setNow(Date.now());
    timer = setInterval(() => setNow(Date.now()), TICK_MS);
  };
  document.addEventListener("visibilitychange", follow);
  follow();
  return now;
}

let clock: Accessor<number> | undefined;

/** Milliseconds since the epoch, anew every second. */
export function now(): number {
  clock ??= createRoot(createClock);
  return clock();
}
