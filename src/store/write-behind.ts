/** The queue of writes that may lose the last second: the request path hands them over and never waits for the disk. */
import type { AccountStateChange } from "./accounts.ts";
import type { AffinityRow } from "./affinity.ts";
import type { RequestRecord } from "../core/record.ts";
import type { Clock, Log, Timer } from "../ports.ts";
import type { Store } from "./open.ts";
import type { CreditsRow, WindowsReading } from "./windows.ts";

/** How much a crash may lose. */
const FLUSH_EVERY_MS = 250;
/** One transaction of this many writes holds the event loop for about a millisecond. */
const MAX_BATCH = 64;
/** About 20 MB of records: minutes of a busy pool whose disk is full. */
const CAPACITY = 10_000;
/** A full disk or a foreign lock does not pass within milliseconds. */
const RETRY_AFTER_MS = 1_000;

export interface WriteBehindOptions {
  store: Store;
  clock: Clock;
  log: Log;
  flushEveryMs?: number;
  maxBatch?: number;
  capacity?: number;
}

export interface WriteBehind {
  requestFinished(record: RequestRecord): void;
  /** Some windows of an account, as a reply's headers tell. */
  windowsSeen(reading: WindowsReading): void;
  /** All windows of an account, as the usage call tells: others are forgotten. */
  windowsReplaced(reading: WindowsReading): void;
  creditsSeen(row: CreditsRow): void;
  affinitySeen(row: AffinityRow): void;
  keyUsed(apiKeyId: string, atMs: number): void;
  accountState(accountId: string, change: AccountStateChange): void;
  planSeen(accountId: string, planType: string): void;
  /** Writes that wait. */
  depth(): number;
  /** Writes given up since the start: the queue was full, or the database refused the row. */
  drops(): number;
  /** Writes everything that waits, now. False when the database did not take it; it then stays queued. */
  flush(): boolean;
  /** Writes what waits, and takes no more. */
  stop(): void;
}

/** Nothing here throws into the caller. */
export function createWriteBehind(options: WriteBehindOptions): WriteBehind {
  const {
    store,
    clock,
    log,
    flushEveryMs = FLUSH_EVERY_MS,
    maxBatch = MAX_BATCH,
    capacity = CAPACITY,
  } = options;
  /** By what is written, in order of the last change: where only the last value matters, a new one takes the old one's place. */
  const pending = new Map<string, () => void>();
  /** Finished requests; written together, because many share their sums. */
  const finished: RequestRecord[] = [];
  let timer: { handle: Timer; urgent: boolean } | null = null;
  let dropped = 0;
  let failing = false;
  let stopped = false;

  const depth = () => pending.size + finished.length;

  function enqueue(what: string, write: () => void) {
    if (stopped || (!pending.delete(what) && depth() >= capacity)) {
      dropped++;
      return;
    }
    pending.set(what, write);
    wakeForMore();
  }

  function enqueueRequest(record: RequestRecord) {
    if (stopped || depth() >= capacity) {
      dropped++;
      return;
    }
    finished.push(record);
    wakeForMore();
  }

  function wakeForMore() {
    if (depth() >= maxBatch && !failing) wake(0, true);
    else wake(flushEveryMs, false);
  }

  /** At most one timer; an urgent one replaces a patient one. */
  function wake(delayMs: number, urgent: boolean) {
    if (timer && (timer.urgent || !urgent)) return;
    timer?.handle.cancel();
    timer = { handle: clock.schedule(delayMs, onTimer), urgent };
  }

  function onTimer() {
    timer = null;
    const written = writeBatch();
    if (!written) wake(RETRY_AFTER_MS, true);
    else if (depth() >= maxBatch) wake(0, true);
    else if (depth() > 0) wake(flushEveryMs, false);
  }

  /**
   * A transaction of finished requests, and one of everything else: nested in one, each would need a savepoint, which costs as
   * much as its writes. False when the database took nothing.
   */
  function writeBatch(): boolean {
    const records = finished.slice(0, maxBatch);
    const batch = [...pending.entries().take(maxBatch - records.length)];
    try {
      dropped += writeRequests(records);
      finished.splice(0, records.length);
      if (batch.length > 0) dropped += writeOthers(batch);
      for (const [what] of batch) pending.delete(what);
    } catch (error) {
      if (!failing) log.error("write-behind flush failed", { code: codeOf(error), depth: depth() });
      failing = true;
      return false;
    }
    if (failing) log.info("write-behind flush works again", { depth: depth() });
    failing = false;
    return true;
  }

  /** How many the database refused. */
  function writeOthers(batch: readonly [what: string, write: () => void][]): number {
    return store.transaction(() => batch.filter(([what, write]) => !accepted(what, write)).length);
  }

  /** All together; when one of them is at fault, one by one. How many were given up. */
  function writeRequests(records: readonly RequestRecord[]): number {
    if (records.length === 0) return 0;
    try {
      store.requests.insertBatch(records);
      return 0;
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
    }
    return records.filter((record) => !accepted("request", () => store.requests.insertBatch([record])))
      .length;
  }

  /** False when the row itself is at fault: it is given up, or it would hold up all others for ever. */
  function accepted(what: string, write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
      log.error("write-behind row refused", { what, code: codeOf(error) });
      return false;
    }
  }

  function flush(): boolean {
    while (depth() > 0) if (!writeBatch()) return false;
    return true;
  }

  return {
    requestFinished: enqueueRequest,
    windowsSeen(reading) {
      for (const window of reading.windows)
        enqueue(`window ${reading.accountId} ${window.scope} ${window.minutes}`, () =>
          store.windows.save({ ...reading, windows: [window] }),
        );
    },
    windowsReplaced: (reading) =>
      enqueue(`windows ${reading.accountId}`, () => store.windows.replace(reading)),
    creditsSeen: (row) => enqueue(`credits ${row.accountId}`, () => store.windows.saveCredits(row)),
    affinitySeen: (row) => enqueue(`affinity ${row.conversationKey}`, () => store.affinity.put(row)),
    keyUsed: (apiKeyId, atMs) => enqueue(`key ${apiKeyId}`, () => store.apiKeys.markUsed(apiKeyId, atMs)),
    accountState: (accountId, change) =>
      enqueue(`state ${accountId}`, () => void store.accounts.setState(accountId, change)),
    planSeen: (accountId, planType) =>
      enqueue(`plan ${accountId}`, () => void store.accounts.patch(accountId, { planType })),
    depth,
    drops: () => dropped,
    flush,
    stop() {
      stopped = true;
      timer?.handle.cancel();
      timer = null;
      if (!flush()) log.error("write-behind stopped with unwritten rows", { lost: depth() });
    },
  };
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? (error as Error).name;
}

/** A broken constraint or a value that SQLite cannot hold; everything else with an SQLite code is the disk's or a lock's. */
function isFaultOfRow(error: unknown): boolean {
  return !/^SQLITE_(?!CONSTRAINT|MISMATCH|TOOBIG|RANGE)/.test(codeOf(error));
}
