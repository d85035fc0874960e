/** Replies and readings for the tests of retry. */
import { readFailure, type Failure, type ReadContext, type Seen } from "../retry.ts";
import type { Window } from "../windows.ts";

/** A reply by what matters of it. */
export type SeenPart = Partial<Omit<Seen, "header" | "body">> & {
  headers?: Record<string, string>;
  body?: unknown;
};

export const nowMs = 1_795_000_000_000;
export const nowS = nowMs / 1000;
export const HOUR_MS = 3_600_000;
export const roomy: Window[] = [
  { minutes: 300, usedPercent: 40, resetAtMs: nowMs + HOUR_MS, scope: "all" },
  { minutes: 10_080, usedPercent: 20, resetAtMs: nowMs + 50 * HOUR_MS, scope: "all" },
];
export const spentWindows: Window[] = [{ ...roomy[0]!, usedPercent: 100 }, roomy[1]!];

export function seen(part: SeenPart): Seen {
  const { headers = {}, body = "", ...rest } = part;
  return {
    status: null,
    event: null,
    transport: null,
    ...rest,
    body: typeof body === "string" ? body : JSON.stringify(body),
    header: (name) => headers[name] ?? null,
  };
}

export function read(part: SeenPart, context: Partial<ReadContext> = {}): Failure | null {
  return readFailure(seen(part), { nowMs, windows: roomy, model: "gpt-5.5", jitter: 0, ...context });
}
