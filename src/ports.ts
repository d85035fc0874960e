/** The outside world as types (time, chance, log) and their system versions. Pure code takes values; the rest takes these. */

/** A started timer. Cancelling twice is harmless. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds on a monotonic scale with sub-millisecond precision; for durations only. */
  monotonic(): number;
  /** Runs `task` once after `delayMs`. Timers never keep the process alive. */
  schedule(delayMs: number, task: () => void): Timer;
}

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  /** `count` random bytes; cryptographic in the system version. */
  bytes(count: number): Uint8Array;
}

export type LogLevel = "debug" | "info" | "warn" | "error";
export type LogFields = Record<string, string | number | boolean | null | undefined>;

/** One line per event. `event` is a stable short phrase; values go into `fields`. Never pass a secret, prompt or output. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** The subset of `fetch` that the small JSON calls use (login, usage, models). The relay does not go through it. */
export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export interface Ports {
  clock: Clock;
  random: Random;
  log: Log;
  fetch: Fetch;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, task) {
    const handle = setTimeout(task, delayMs);
    handle.unref?.();
    return { cancel: () => clearTimeout(handle) };
  },
};

export const systemRandom: Random = {
  next: () => Math.random(),
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
};

const LEVELS: Record<LogLevel, number> = { debug: 10, info: 20, warn: 30, error: 40 };

/** What JSON leaves as it is although a terminal obeys it: DEL, C1 controls, line and direction marks. */
const OBEYED = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

function printable(value: unknown): string {
  return JSON.stringify(value).replace(
    OBEYED,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** A log that writes lines to `write`; values are quoted so that nothing in them can forge a line. */
export function createLog(options: {
  level: LogLevel;
  format: "text" | "json";
  write: (line: string) => void;
  now?: () => number;
}): Log {
  const { level, format, write, now = Date.now } = options;
  const threshold = LEVELS[level];
  function emit(lineLevel: LogLevel, event: string, fields: LogFields = {}) {
    if (LEVELS[lineLevel] < threshold) return;
    const time = new Date(now()).toISOString();
    if (format === "json") {
      write(`${printable({ time, level: lineLevel, event, ...fields })}\n`);
      return;
    }
    let line = `${time} ${lineLevel.padEnd(5)} ${event}`;
    for (const [name, value] of Object.entries(fields)) {
      if (value === undefined) continue;
      const text = typeof value === "string" ? value : String(value);
      line += ` ${name}=${/^[\w.:/@+-]*$/.test(text) && text !== "" ? text : printable(text)}`;
    }
    write(`${line}\n`);
  }
  return {
    debug: (event, fields) => emit("debug", event, fields),
    info: (event, fields) => emit("info", event, fields),
    warn: (event, fields) => emit("warn", event, fields),
    error: (event, fields) => emit("error", event, fields),
  };
}
