/** Follows a committed reply to its end, forwards it to the client, and always ends it in a way that the client understands. */
import { formatEvent } from "../core/sse.ts";
import type { Clock, Timer } from "../ports.ts";
import { TransportError } from "../upstream/transport-error.ts";
import type { Drain } from "./drain.ts";
import type { ClientPresence } from "./engine.ts";
import type { CommittedReply } from "./http-attempt.ts";

/** completed: upstream ended it; cut: upstream's connection broke; client_left; drained: we are shutting down; revoked: the key is dead. */
export type RelayEnd = "completed" | "cut" | "client_left" | "drained" | "revoked";

export interface RelayTimes {
  /** On the monotonic clock; null when nothing of the kind happened. */
  firstByteAt: number | null;
  firstTokenAt: number | null;
  endedAt: number;
  /** How much of the reply's body came before its end. Default 0. */
  streamedBytes?: number;
}

export interface RelayOptions {
  client: ClientPresence;
  clock: Clock;
  drain: Drain;
  onEnd(end: RelayEnd, times: RelayTimes): void;
}

/** One reply on its way: who ended it is told once, whoever comes first. */
export interface Following {
  /**
   * Hands each piece of the body to `take`, in order, waiting where it answers with a promise; `idle` is called, and
   * waited for likewise, when nothing more is there yet. `observed`: the attempt has shown the piece to the reply's observer; of the others `take` must.
   * Resolves to how upstream's side ended; never rejects.
   */
  run(take: (bytes: Uint8Array, observed: boolean) => unknown, idle: () => unknown): Promise<RelayEnd>;
  ended(): boolean;
  end(how: RelayEnd): void;
}

export function followReply(reply: CommittedReply, options: RelayOptions): Following {
  const { client, clock } = options;
  const times: Required<RelayTimes> = {
    firstByteAt: null,
    firstTokenAt: null,
    endedAt: 0,
    streamedBytes: 0,
  };
  let drained = false;
  let ended = false;

  const closeDrain = options.drain.open(() => {
    drained = true;
    reply.cancel();
  });
  // A client that left before this calls back while we register.
  let unregisterLeave = () => {};
  unregisterLeave = client.onLeave(() => {
    reply.cancel();
    end("client_left");
  });

  function end(how: RelayEnd): void {
    if (ended) return;
    ended = true;
    unregisterLeave();
    closeDrain();
    times.endedAt = clock.monotonic();
    options.onEnd(how, times);
  }

  function noteTimes(): void {
    times.firstByteAt ??= clock.monotonic();
    if (times.firstTokenAt === null && reply.observer && reply.observer.phase() !== "preamble")
      times.firstTokenAt = clock.monotonic();
  }

  async function pump(
    take: (bytes: Uint8Array, observed: boolean) => unknown,
    idle: () => unknown,
  ): Promise<void> {
    for (const bytes of reply.held.splice(0)) {
      times.streamedBytes += bytes.byteLength;
      noteTimes();
      const taken = take(bytes, true);
      if (taken instanceof Promise) await taken;
    }
    for (;;) {
      let bytes = reply.read();
      if (bytes instanceof Promise) {
        const gone = idle();
        if (gone instanceof Promise) {
          // Awaited in its turn; until then nobody would hear of its failure.
          bytes.catch(() => {});
          await caughtUp(gone);
        }
        bytes = await bytes;
      }
      if (bytes === null || ended) return;
      times.streamedBytes += bytes.byteLength;
      const taken = take(bytes, false);
      noteTimes();
      if (taken instanceof Promise) await caughtUp(taken);
    }
  }

  /** The client is behind: what upstream sends meanwhile stays in the kernel, not with us. */
  async function caughtUp(written: Promise<unknown>): Promise<void> {
    reply.pause();
    await written;
  }

  return {
    async run(take, idle) {
      try {
        await pump(take, idle);
      } catch (error) {
        if (!(error instanceof TransportError)) reply.cancel();
        if (reply.revoked) return "revoked";
        return drained ? "drained" : "cut";
      }
      // An event stream without its terminal event is not whole, however orderly the connection was closed.
      return reply.observer?.summary().terminal === null ? "cut" : "completed";
    },
    ended: () => ended,
    end,
  };
}

/** What becomes of a reply's bytes on their way to the client. */
export interface ReplyWriter {
  /** What to write for these bytes of upstream's body, now; empty for nothing. */
  write(bytes: Uint8Array, observed: boolean): Uint8Array | string;
  /** What to write when upstream's side has ended; null when the only honest end is to break the connection off. */
  end(how: RelayEnd): string | null;
  /** Written in a long silence once something was; null: nothing. */
  keepAlive: string | null;
}

/** What Bun hands to the `pull` of a direct stream. `write` answers with a promise when the client is behind. */
interface DirectController {
  write(bytes: Uint8Array | string): number | Promise<number>;
  flush(): number | Promise<number>;
  close(): void;
}

/** Texts are written together up to this: a write costs as much as translating several events. */
const MAX_PENDING_CHARS = 16 * 1024;

/** Well below the minute after which proxies and load balancers close a silent connection. */
export const KEEP_ALIVE_INTERVAL_MS = 15_000;

export function streamReply(
  reply: CommittedReply,
  options: RelayOptions,
  writer: ReplyWriter,
): ReadableStream<Uint8Array> {
  const following = followReply(reply, options);

  async function pull(controller: DirectController): Promise<void> {
    const alive = writer.keepAlive === null ? null : keepAlive(controller, writer.keepAlive, options.clock);
    let pending = "";

    function send(out: Uint8Array | string): number | Promise<number> {
      const written = controller.write(out);
      alive?.wrote(written);
      return written;
    }
    function sendPending(): number | Promise<number> {
      if (pending === "") return 0;
      const out = pending;
      pending = "";
      return send(out);
    }
    const how = await following.run(
      (bytes, observed) => {
        const out = writer.write(bytes, observed);
        if (typeof out !== "string") return send(out);
        pending += out;
        return pending.length < MAX_PENDING_CHARS ? undefined : sendPending();
      },
      // Nothing more is there: what was written so far goes out now.
      () => {
        const written = sendPending();
        void controller.flush();
        return written;
      },
    );
    alive?.stop();
    if (following.ended()) return;
    const last = writer.end(how);
    if (pending + (last ?? "") !== "") void controller.write(pending + (last ?? ""));
    following.end(how);
    // Bun prints whatever a stream fails with; failing with nothing, it breaks the connection off without a word.
    if (last === null) await Promise.reject();
    controller.close();
  }

  return new ReadableStream({
    type: "direct",
    pull,
    cancel() {
      reply.cancel();
      following.end("client_left");
    },
  } as unknown as ConstructorParameters<typeof ReadableStream>[0]);
}

/**
 * Writes `text` when an interval passed in silence, never before the first real bytes and never to a client that is behind.
 * One timer per stream, not per write: the silence it notices is one to two intervals long.
 */
function keepAlive(controller: DirectController, text: string, clock: Clock) {
  let state: "nothing_written" | "busy" | "silent" = "nothing_written";
  let behind = false;
  let timer: Timer = clock.schedule(KEEP_ALIVE_INTERVAL_MS, beat);

  function beat(): void {
    timer = clock.schedule(KEEP_ALIVE_INTERVAL_MS, beat);
    if (state === "silent" && !behind) {
      void controller.write(text);
      void controller.flush();
    }
    if (state === "busy") state = "silent";
  }
  return {
    wrote(written: number | Promise<number>): void {
      state = "busy";
      if (!(written instanceof Promise)) return;
      behind = true;
      const caughtUp = () => void (behind = false);
      written.then(caughtUp, caughtUp);
    },
    stop: () => timer.cancel(),
  };
}

/** Forwards a reply byte for byte while a copy is observed. */
export function relayReply(reply: CommittedReply, options: RelayOptions): ReadableStream<Uint8Array> {
  return streamReply(reply, options, {
    write(bytes, observed) {
      if (!observed) reply.scanner?.push(bytes);
      return bytes;
    },
    end(how) {
      if (how === "completed") return "";
      // Without events there is no way to say that the reply is not whole.
      if (!reply.observer) return null;
      return reply.observer.summary().terminal === null ? lastWords(reply, how) : "";
    },
    keepAlive: null,
  });
}

/** Our words on a reply that upstream left unfinished. */
export function brokenOff(how: RelayEnd): { status: number; code: string; message: string } {
  if (how === "drained") {
    return { status: 503, code: "server_shutdown", message: "codex-lb is shutting down; please retry." };
  }
  if (how === "revoked") {
    return { status: 401, code: "invalid_api_key", message: "codex-lb: this API key was revoked." };
  }
  return {
    status: 502,
    code: "upstream_cut",
    message: "codex-lb: the connection to OpenAI broke before the response was complete; please retry.",
  };
}

/** The terminal event of a stream that upstream left unfinished: the client retries the turn by itself (UPSTREAM E). */
function lastWords(reply: CommittedReply, how: RelayEnd): string {
  const { code, message } = brokenOff(how);
  const event = formatEvent("response.failed", {
    type: "response.failed",
    response: {
      id: reply.observer?.summary().responseId ?? "resp_unfinished",
      object: "response",
      status: "failed",
      error: { code, message },
    },
  });
  // An event that was cut in the middle is closed first, so that ours is not read as its rest.
  return reply.scanner?.midEvent() ? `\n\n${event}` : event;
}
