/** What was received, bounded, and the counters that let a test assert that nothing leaked. */
import { createHash } from "node:crypto";
import type { Counters, JournalEntry, RouteName, SimTransport } from "./types.ts";
import type { HeaderList } from "./http-message.ts";

export function createJournal(options: { limit: number; keepBodies: boolean; now: () => number }) {
  const { limit, keepBodies, now } = options;
  let entries: JournalEntry[] = [];
  let nextId = 1;
  const counters: Omit<Counters, "openSockets"> = {
    requests: 0,
    openRequests: 0,
    openWebSockets: 0,
    aborted: 0,
    finished: 0,
    refreshes: 0,
    reuseDetections: 0,
    faultsFired: 0,
    byRoute: {},
  };

  function record(received: {
    route: RouteName;
    transport: SimTransport;
    method: string;
    target: string;
    headers: HeaderList;
    body: Uint8Array;
    /** The decoded body; parsed only when bodies are kept. */
    decoded: () => string;
    account: number | null;
  }): JournalEntry {
    const { body, decoded, ...rest } = received;
    counters.requests++;
    counters.byRoute[received.route] = (counters.byRoute[received.route] ?? 0) + 1;
    const entry: JournalEntry = {
      id: nextId++,
      atMs: now(),
      ...rest,
      bodyBytes: body.length,
      bodySha256: createHash("sha256").update(body).digest("hex"),
      status: null,
      fault: null,
    };
    if (keepBodies) entry.json = parseOrText(decoded());
    // Cut in halves: shifting a long array at every request would cost more than the request.
    if (entries.length >= limit * 2) entries = entries.slice(-limit);
    entries.push(entry);
    return entry;
  }
  return {
    counters,
    record,
    entries: (): readonly JournalEntry[] => entries.slice(-limit),
    clear: () => void (entries = []),
  };
}

export type Journal = ReturnType<typeof createJournal>;

function parseOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
