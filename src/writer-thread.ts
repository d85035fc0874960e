/** The thread that writes the log: its own connection to the database, one batch after another. */
import { constants, setPriority } from "node:os";
import { openWriteTarget } from "./store/open.ts";
import { type FromThread, OUTCOME, STATE, type ToThread } from "./store/writer.ts";
import { applyBatch, type Batch, type BatchResult, codeOf } from "./store/writes.ts";

declare const self: {
  addEventListener(type: "message", listener: (event: MessageEvent<ToThread>) => void): void;
  postMessage(message: FromThread): void;
};

// Requests go first where the cores are few. Elsewhere than on Linux this would slow the whole program.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

let target: ReturnType<typeof openWriteTarget> | null = null;
let databasePath = "";
let state: Int32Array | null = null;

self.addEventListener("message", ({ data }) => {
  switch (data.kind) {
    case "open":
      ({ databasePath } = data);
      state = new Int32Array(data.state);
      break;
    case "write": {
      const result = write(data);
      tell(data.sequence, result);
      break;
    }
    case "close":
      target?.close();
      target = null;
      self.postMessage({ kind: "closed" });
      break;
  }
});

/** Opens the database at the first batch, and again after it could not. */
function write({ batch }: Extract<ToThread, { kind: "write" }>): BatchResult {
  try {
    target ??= openWriteTarget(databasePath);
    return applyBatch(target, JSON.parse(batch) as Batch);
  } catch (error) {
    return { ok: false, code: codeOf(error) };
  }
}

/** By shared memory for who blocks on it, and by message for who does not. */
function tell(sequence: number, result: BatchResult): void {
  if (state) {
    Atomics.store(state, STATE.outcome, result.ok ? OUTCOME.ok : OUTCOME.failed);
    Atomics.store(state, STATE.refused, result.ok ? result.refused.length : 0);
    Atomics.store(state, STATE.answered, sequence);
    Atomics.notify(state, STATE.answered);
  }
  self.postMessage({ kind: "written", sequence, result });
}
