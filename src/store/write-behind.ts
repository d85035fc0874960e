/** The queue of writes that may lose the last second: the request path hands them over and never waits for the disk. */
import type { AccountStateChange } from "./accounts.ts";
import type { AffinityRow } from "./affinity.ts";
import type { RequestRecord } from "../core/record.ts";
import type { Clock, Log, Timer } from "../ports.ts";
import type { CreditsRow, WindowsReading } from "./windows.ts";
import type { Writer } from "./writer.ts";
import type { Batch, BatchResult, Write } from "./writes.ts";

/** How much a crash may lose. */
const FLUSH_EVERY_MS = 250;
/** One transaction of this many writes keeps a login that has to be saved waiting for a few milliseconds. */
const MAX_BATCH = 256;
/** As many are worth a transaction. Under load more gather while one is written, and the batches grow by themselves. */
const EAGER_AT = 32;
/** About 20 MB of records: minutes of a busy pool whose disk is full. */
const CAPACITY = 10_000;
/** A full disk or a foreign lock does not pass within milliseconds. */
const RETRY_AFTER_MS = 1_000;

export interface WriteBehindOptions {
  writer: Writer;
  clock: Clock;
  log: Log;
  flushEveryMs?: number;
  maxBatch?: number;
  eagerAt?: number;
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
  /** Blocks until everything that waits is written. False when the database did not take it; it then stays queued. */
  flush(): boolean;
  /** Writes what waits, and takes no more. */
  stop(): Promise<void>;
}

/** Nothing here throws into the caller. */
export function createWriteBehind(options: WriteBehindOptions): WriteBehind {
  const {
    writer,
    clock,
    log,
    flushEveryMs = FLUSH_EVERY_MS,
    maxBatch = MAX_BATCH,
    eagerAt = EAGER_AT,
    capacity = CAPACITY,
  } = options;
  /** By what is written, in order of the last change: where only the last value matters, a new one takes the old one's place. */
  let pending = new Map<string, Write>();
  /** Finished requests; written together, because many share their sums. */
  const finished: RequestRecord[] = [];
  let underWay: { records: RequestRecord[]; entries: [what: string, write: Write][] } | null = null;
  let timer: { handle: Timer; urgent: boolean } | null = null;
  let dropped = 0;
  let failing = false;
  let stopped = false;

  const waiting = () => pending.size + finished.length;
  const depth = () => waiting() + (underWay ? underWay.records.length + underWay.entries.length : 0);

  function enqueue(what: string, write: Write): void {
    if (stopped || (!pending.delete(what) && depth() >= capacity)) {
      dropped++;
      return;
    }
    pending.set(what, write);
    wakeForMore();
  }

  function enqueueRequest(record: RequestRecord): void {
    if (stopped || depth() >= capacity) {
      dropped++;
      return;
    }
    finished.push(record);
    wakeForMore();
  }

  function wakeForMore(): void {
    if (failing) wake(RETRY_AFTER_MS, true);
    else if (waiting() >= eagerAt) wake(0, true);
    else if (waiting() > 0) wake(flushEveryMs, false);
  }

  /** At most one timer; an urgent one replaces a patient one. None while a batch is under way: its end asks again. */
  function wake(delayMs: number, urgent: boolean): void {
    if (underWay || (timer && (timer.urgent || !urgent))) return;
    timer?.handle.cancel();
    timer = { handle: clock.schedule(delayMs, writeBatch), urgent };
  }

  function writeBatch(): void {
    timer?.handle.cancel();
    timer = null;
    if (underWay || waiting() === 0) return;
    const records = finished.splice(0, maxBatch);
    const entries = [...pending.entries().take(maxBatch - records.length)];
    for (const [what] of entries) pending.delete(what);
    underWay = { records, entries };
    const batch: Batch = { records, writes: entries.map(([, write]) => write) };
    writer.write(batch, written);
  }

  function written(result: BatchResult): void {
    const { records, entries } = underWay!;
    underWay = null;
    if (result.ok) {
      dropped += result.refused.length;
      for (const { what, code } of result.refused) log.error("write-behind row refused", { what, code });
      if (failing) log.info("write-behind flush works again", { depth: depth() });
    } else {
      // Back in front, where nothing newer has taken its place.
      finished.unshift(...records);
      pending = new Map([...entries, ...pending]);
      if (!failing) log.error("write-behind flush failed", { code: result.code, depth: depth() });
    }
    failing = !result.ok;
    if (!stopped) wakeForMore();
  }

  function flush(): boolean {
    failing = false;
    while (depth() > 0) {
      if (!underWay) writeBatch();
      writer.finish();
      if (failing) return false;
    }
    return true;
  }

  return {
    requestFinished: enqueueRequest,
    windowsSeen(reading) {
      for (const window of reading.windows) {
        enqueue(`window ${reading.accountId} ${window.scope} ${window.minutes}`, {
          kind: "windows_seen",
          reading: { ...reading, windows: [window] },
        });
      }
    },
    windowsReplaced: (reading) =>
      enqueue(`windows ${reading.accountId}`, { kind: "windows_replaced", reading }),
    creditsSeen: (row) => enqueue(`credits ${row.accountId}`, { kind: "credits_seen", row }),
    affinitySeen: (row) => enqueue(`affinity ${row.conversationKey}`, { kind: "affinity_seen", row }),
    keyUsed: (apiKeyId, atMs) => enqueue(`key ${apiKeyId}`, { kind: "key_used", apiKeyId, atMs }),
    accountState: (accountId, change) =>
      enqueue(`state ${accountId}`, { kind: "account_state", accountId, change }),
    planSeen: (accountId, planType) =>
      enqueue(`plan ${accountId}`, { kind: "plan_seen", accountId, planType }),
    depth,
    drops: () => dropped,
    flush,
    async stop() {
      stopped = true;
      timer?.handle.cancel();
      timer = null;
      if (!flush()) log.error("write-behind stopped with unwritten rows", { lost: depth() });
      await writer.stop();
    },
  };
}
