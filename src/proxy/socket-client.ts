/** The client's side of a WebSocket session: frames to it no faster than it takes them, and whether it is still there. */
import type { ClientPresence } from "./engine.ts";

/** As Bun's server offers it. */
export interface ClientSocket {
  /** More than 0: sent; -1: queued, wait for `drained`; 0: lost. */
  sendText(text: string): number;
  getBufferedAmount(): number;
  /** Stops reading from the client. */
  pause(): void;
  resume(): void;
  ping(): unknown;
  close(code: number, reason: string): void;
  terminate(): void;
}

/** So much of a queue towards the client counts as caught up. */
const CAUGHT_UP_BYTES = 64 * 1024;

/** A class, as there are thousands of them: methods are shared. */
export class SocketClient {
  /** A plain object, for those who extend it by copying. */
  readonly presence: ClientPresence = {
    left: () => this.#left,
    onLeave: (callback) => this.#onLeave(callback),
  };

  #socket: ClientSocket | null = null;
  #left = false;
  #behind: PromiseWithResolvers<void> | null = null;
  #leaveListeners: Set<() => void> | null = null;
  readonly #onLeft: () => void;

  /** `onLeft` is called once, before those who registered. */
  constructor(onLeft: () => void) {
    this.#onLeft = onLeft;
  }

  opened(socket: ClientSocket): void {
    this.#socket = socket;
  }

  left(): boolean {
    return this.#left;
  }

  #onLeave(callback: () => void): () => void {
    if (this.#left) {
      callback();
      return () => {};
    }
    const listeners = (this.#leaveListeners ??= new Set());
    listeners.add(callback);
    return () => void listeners.delete(callback);
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#behind?.resolve();
    this.#onLeft();
    for (const listener of this.#leaveListeners ?? []) listener();
    this.#leaveListeners = null;
  }

  /** Sends a frame. A promise: the client is behind, wait before the next one. */
  show(text: string): Promise<void> | undefined {
    if (this.#left || !this.#socket) return undefined;
    const sent = this.#socket.sendText(text);
    if (sent > 0) return undefined;
    if (sent === 0) {
      // A frame is missing from what the client has: nothing after it makes sense.
      this.terminate();
      return undefined;
    }
    return (this.#behind ??= Promise.withResolvers<void>()).promise;
  }

  drained(): void {
    if (!this.#behind || this.#socket!.getBufferedAmount() > CAUGHT_UP_BYTES) return;
    this.#behind.resolve();
    this.#behind = null;
  }

  /** Reads no more of the client's frames until `until` resolves. */
  hold(until: Promise<void>): void {
    this.#socket?.pause();
    void until.then(() => this.#left || this.#socket?.resume());
  }

  ping(): void {
    this.#socket?.ping();
  }

  close(code: number, reason: string): void {
    this.#socket?.close(code, reason);
  }

  terminate(): void {
    this.#socket?.terminate();
    this.leave();
  }
}
