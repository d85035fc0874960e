/** A stream on which nothing comes for a long time, started early so that its wait costs a suite no time of its own. */
import { askTurn, startPool } from "./harness.ts";

const SHORT_MS = 20_000;
/** As long as the client itself waits (its stream_idle_timeout_ms). */
const LONG_MS = 300_000;

export interface IdleStream {
  silenceMs: number;
  /** The whole reply, and how long it took. */
  reply: Promise<{ text: string; ms: number }>;
}

/** Asks for the whole five minutes. */
const isLong = process.env.CODEX_LB_LONG_TESTS === "1";
export const IDLE_MS = isLong ? LONG_MS : SHORT_MS;
/** What starting and ending may take besides. */
export const AROUND_MS = 60_000;

let running: Promise<IdleStream[]> | null = null;

/** Two streams through a service of their own: one silent before any text, one in the middle of it. The first call starts them. */
export function idleStreams(): Promise<IdleStream[]> {
  running ??= start();
  return running;
}

/** Begins the five minutes while other files are tested; a short wait is left to the file that needs it. */
export function beginLongSilence(): void {
  if (isLong) void idleStreams();
}

async function start(): Promise<IdleStream[]> {
  const { simulator, service, dispose } = await startPool();
  const moments = ["after_created", "after_text"] as const;
  const streams = moments.map((moment) => {
    simulator.addFault({ moment, when: { bodyIncludes: moment }, act: { kind: "delay", delayMs: IDLE_MS } });
    const startedAt = performance.now();
    const reply = askTurn(service, moment).then(({ bytes }) => ({
      text: new TextDecoder().decode(bytes),
      ms: performance.now() - startedAt,
    }));
    return { silenceMs: IDLE_MS, reply };
  });
  void Promise.allSettled(streams.map(({ reply }) => reply)).then(dispose);
  return streams;
}
