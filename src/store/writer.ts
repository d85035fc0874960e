/** Who writes the batches: this thread, or a thread of its own, so that no stream waits while the disk does. */
import type { RequestRecord } from "../core/record.ts";
import { applyBatch, type Batch, type BatchResult, type WriteTarget } from "./writes.ts";

export interface Writer {
  /** Writes one batch; `done` is called once, perhaps before this returns. One batch at a time. */
  write(batch: Batch, done: (result: BatchResult) => void): void;
  /** Blocks until the batch under way is done. */
  finish(): void;
  stop(): Promise<void>;
}

export function createDirectWriter(store: WriteTarget): Writer {
  return {
    write: (batch, done) => done(applyBatch(store, batch)),
    finish() {},
    stop: () => Promise.resolve(),
  };
}

/** Words of the memory that both threads see. */
export const STATE = { answered: 0, outcome: 1, refused: 2, words: 3 } as const;
export const OUTCOME = { ok: 1, failed: 2 } as const;

/** `batch`: a Batch as JSON. To make a text of it costs the thread that serves requests a third of what a clone does. */
export type ToThread =
  | { kind: "open"; databasePath: string; state: SharedArrayBuffer }
  | { kind: "write"; sequence: number; batch: string }
  | { kind: "close" };
export type FromThread = { kind: "written"; sequence: number; result: BatchResult } | { kind: "closed" };

/** A disk that takes longer than this to take a batch is as good as gone. */
const FINISH_LIMIT_MS = 5_000;

export interface ThreadWriterOptions {
  /** The module `writer-thread.ts` where this program can load it from. */
  threadUrl: URL;
  databasePath: string;
  /** After every batch, failed ones too: a thread that died may have written its last one. */
  onWritten(records: readonly RequestRecord[]): void;
}

export function createThreadWriter({ threadUrl, databasePath, onWritten }: ThreadWriterOptions): Writer {
  const shared = new SharedArrayBuffer(STATE.words * Int32Array.BYTES_PER_ELEMENT);
  const state = new Int32Array(shared);
  let thread: Worker | null = null;
  let sequence = 0;
  let underWay: { sequence: number; done: (result: BatchResult) => void } | null = null;
  let onClosed: (() => void) | null = null;

  function answer(answered: number, result: BatchResult): void {
    if (underWay?.sequence !== answered) return;
    const { done } = underWay;
    underWay = null;
    done(result);
  }

  /** The thread died: what it had is written again by the next one. */
  function lost(): void {
    thread = null;
    if (underWay) answer(underWay.sequence, { ok: false, code: "writer_thread_lost" });
    onClosed?.();
  }

  function start(): Worker {
    const worker = new Worker(threadUrl.href);
    // It has work only while there are requests, and must not keep a finished program alive.
    worker.unref();
    worker.addEventListener("message", ({ data }: MessageEvent<FromThread>) => {
      if (data.kind === "closed") onClosed?.();
      else answer(data.sequence, data.result);
    });
    worker.addEventListener("error", lost);
    post(worker, { kind: "open", databasePath, state: shared });
    return worker;
  }

  return {
    write(batch, done) {
      thread ??= start();
      underWay = {
        sequence: ++sequence,
        done(result) {
          onWritten(batch.records);
          done(result);
        },
      };
      post(thread, { kind: "write", sequence, batch: JSON.stringify(batch) });
    },
    finish() {
      if (!underWay) return;
      const { sequence: awaited } = underWay;
      const deadline = performance.now() + FINISH_LIMIT_MS;
      for (;;) {
        const answered = Atomics.load(state, STATE.answered);
        if (answered >= awaited) break;
        const leftMs = deadline - performance.now();
        if (leftMs <= 0) return answer(awaited, { ok: false, code: "writer_thread_slow" });
        Atomics.wait(state, STATE.answered, answered, leftMs);
      }
      // The message with the same answer comes later and finds nothing under way.
      if (Atomics.load(state, STATE.outcome) === OUTCOME.failed) {
        answer(awaited, { ok: false, code: "write_failed" });
      } else {
        const refused = Atomics.load(state, STATE.refused);
        answer(awaited, {
          ok: true,
          refused: Array.from({ length: refused }, () => ({ what: "request", code: "refused" })),
        });
      }
    },
    async stop() {
      const worker = thread;
      if (!worker) return;
      await new Promise<void>((resolve) => {
        onClosed = resolve;
        worker.ref();
        post(worker, { kind: "close" });
      });
      worker.terminate();
      thread = null;
    },
  };
}

function post(worker: Worker, message: ToThread): void {
  worker.postMessage(message);
}
