/** How the bodies of requests come in: each bounded in size and in time, and all that are held at once bounded together. */
import { CodedError } from "../core/errors.ts";
import type { Clock } from "../ports.ts";

/** Upstream closes a WebSocket at 16 MiB and takes more over HTTP; nobody's conversation is larger than this. */
export const MAX_BODY_BYTES = 128 * 1024 * 1024;

/**
 * Of all requests that have not been answered yet. A body is some 100 KB, and held until its reply begins: this is room for
 * thousands at a time, and what a few clients with the largest bodies can take up of the memory.
 */
export const MAX_HELD_BODY_BYTES = 512 * 1024 * 1024;

/** A body has this long, and longer the more of it has come: a slow line takes its time, a stalled one is let go. */
export const BODY_GRACE_MS = 30_000;
/** 16 KiB per second on the average, less than the slowest mobile networks send. */
export const MIN_BODY_BYTES_PER_MS = 16.384;

/** So much later it may be noticed. */
export const WATCH_EVERY_MS = 1_000;

/** Up to here a body is read in one go, which is faster but shows no progress: its time is measured by its announced length. */
const IN_ONE_GO_BYTES = 1024 * 1024;

/** A request in flight gets its answer within seconds as a rule. */
const BUSY_RETRY_SECONDS = 5;

export interface RequestBodies {
  /**
   * The whole body, which counts as held until `release`: its announced length from now on, without one what has come so far.
   * Throws CodedError 413 `payload_too_large`, 503 `server_busy` or 408 `request_timeout`.
   */
  read(request: Request): Promise<Uint8Array>;
  /** So much more is held for the request than was sent: it was packed. Throws CodedError 503 `server_busy`. */
  hold(request: Request, bytes: number): void;
  /** The request has its answer, or came to nothing: its body is held no longer. */
  release(request: Request): void;
  heldBytes(): number;
}

export function createRequestBodies(clock: Clock): RequestBodies {
  const heldBy = new Map<Request, number>();
  let heldBytes = 0;

  function hold(request: Request, bytes: number): void {
    if (heldBytes + bytes > MAX_HELD_BODY_BYTES) throw busy();
    heldBytes += bytes;
    heldBy.set(request, (heldBy.get(request) ?? 0) + bytes);
  }

  /** Bodies on their way in, each with the time by which it is late. One timer looks after all: there are many, and few are late. */
  const coming = new Set<Coming>();
  let watching = false;

  function expect(onLate: () => void): Coming {
    const body = { lateAt: clock.monotonic() + BODY_GRACE_MS, onLate };
    coming.add(body);
    if (!watching) watch();
    return body;
  }

  function watch(): void {
    watching = true;
    clock.schedule(WATCH_EVERY_MS, () => {
      const now = clock.monotonic();
      for (const body of coming) {
        if (body.lateAt <= now && coming.delete(body)) body.onLate();
      }
      if (coming.size > 0) watch();
      else watching = false;
    });
  }

  function inOneGo(request: Request, announced: number): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const body = expect(() => reject(tooSlow()));
      came(body, announced);
      const ended = () => coming.delete(body);
      request.bytes().then(resolve, reject).finally(ended);
    });
  }

  /** Calls `take` with each piece as it comes. */
  async function inPieces(request: Request, take: (piece: Uint8Array) => void): Promise<void> {
    const reader = request.body?.getReader();
    if (!reader) return;
    let late = false;
    const body = expect(() => {
      late = true;
      reader.cancel().catch(() => {});
    });
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (late) throw tooSlow();
        if (done) return;
        came(body, value.byteLength);
        take(value);
      }
    } catch (error) {
      // The rest may still come; nobody is to keep it.
      reader.cancel().catch(() => {});
      throw error;
    } finally {
      coming.delete(body);
    }
  }

  return {
    async read(request) {
      const announced = announcedBytes(request);
      if (announced === null) {
        const pieces: Uint8Array[] = [];
        let total = 0;
        await inPieces(request, (piece) => {
          total += piece.byteLength;
          if (total > MAX_BODY_BYTES) throw tooLarge();
          hold(request, piece.byteLength);
          pieces.push(piece);
        });
        return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, total);
      }
      if (announced > MAX_BODY_BYTES) throw tooLarge();
      hold(request, announced);
      if (announced <= IN_ONE_GO_BYTES) return inOneGo(request, announced);
      const whole = new Uint8Array(announced);
      let total = 0;
      await inPieces(request, (piece) => {
        whole.set(piece, total);
        total += piece.byteLength;
      });
      return whole.subarray(0, total);
    },
    hold,
    release(request) {
      const bytes = heldBy.get(request);
      if (bytes === undefined) return;
      heldBy.delete(request);
      heldBytes -= bytes;
    },
    heldBytes: () => heldBytes,
  };
}

/** null: only its end will tell. */
function announcedBytes(request: Request): number | null {
  const announced = Number(request.headers.get("content-length") ?? 0);
  return announced > 0 && !request.headers.has("transfer-encoding") ? announced : null;
}

interface Coming {
  /** On the monotonic clock. */
  lateAt: number;
  onLate(): void;
}

/** So much more has come, or is announced to. */
function came(body: Coming, bytes: number): void {
  body.lateAt += bytes / MIN_BODY_BYTES_PER_MS;
}

export function tooLarge(): CodedError {
  return new CodedError(
    "payload_too_large",
    `codex-lb: the request is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB. Start a new conversation, or compact this one.`,
    { status: 413 },
  );
}

function busy(): CodedError {
  return new CodedError(
    "server_busy",
    `codex-lb: the requests that wait for their answers hold ${MAX_HELD_BODY_BYTES / 1024 / 1024} MiB, all there is room for. Try again in ${BUSY_RETRY_SECONDS} s.`,
    { status: 503, retryAfterSeconds: BUSY_RETRY_SECONDS },
  );
}

function tooSlow(): CodedError {
  return new CodedError(
    "request_timeout",
    `codex-lb: the request's body came too slowly: after ${BODY_GRACE_MS / 1000} s it must have come with 16 KiB per second. Check the connection, and send it again.`,
    { status: 408 },
  );
}
