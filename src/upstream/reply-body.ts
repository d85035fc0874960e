/** The bytes of one reply between the socket and its reader. It outlives the exchange when the reader is behind. */
import type { TransportError } from "./transport-error.ts";

export interface ReplyBody {
  push(bytes: Uint8Array): void;
  /** No more bytes come; an error is told once those that wait are read. */
  end(error: TransportError | null): void;
  /** The next bytes, at once while some wait; null at the end. Throws, or rejects with, the error that ended it. */
  read(): Uint8Array | null | Promise<Uint8Array | null>;
  queuedBytes(): number;
}

/** `starved` is called when the reader waits and nothing is queued. */
export function createReplyBody(starved: () => void): ReplyBody {
  const queue: Uint8Array[] = [];
  let queuedBytes = 0;
  let ended = false;
  let failure: TransportError | null = null;
  let pending: { resolve(bytes: Uint8Array | null): void; reject(error: TransportError): void } | null = null;

  return {
    push(bytes) {
      const waiting = pending;
      if (waiting) {
        pending = null;
        waiting.resolve(bytes);
        return;
      }
      queue.push(bytes);
      queuedBytes += bytes.byteLength;
    },
    end(error) {
      if (ended) return;
      ended = true;
      failure = error;
      const waiting = pending;
      pending = null;
      if (error) waiting?.reject(error);
      else waiting?.resolve(null);
    },
    read() {
      const bytes = queue.shift();
      if (bytes) {
        queuedBytes -= bytes.byteLength;
        return bytes;
      }
      if (ended) {
        if (failure) throw failure;
        return null;
      }
      const next = new Promise<Uint8Array | null>((resolve, reject) => {
        pending = { resolve, reject };
      });
      starved();
      return next;
    },
    queuedBytes: () => queuedBytes,
  };
}
