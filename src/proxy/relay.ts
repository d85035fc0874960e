/** Forwards a committed reply to the client byte for byte while a copy is observed, and always ends it in a way the client understands. */
import { formatEvent } from "../core/sse.ts";
import type { Clock } from "../ports.ts";
import { TransportError } from "../upstream/http1.ts";
import type { Drain } from "./drain.ts";
import type { ClientPresence } from "./engine.ts";
import type { CommittedReply } from "./http-attempt.ts";

/** completed: upstream ended it; cut: upstream's connection broke; client_left; drained: we are shutting down. */
export type RelayEnd = "completed" | "cut" | "client_left" | "drained";

export interface RelayTimes {
  /** On the monotonic clock; null when nothing of the kind happened. */
  firstByteAt: number | null;
  firstTokenAt: number | null;
  endedAt: number;
}

export interface RelayOptions {
  client: ClientPresence;
  clock: Clock;
  drain: Drain;
  onEnd(end: RelayEnd, times: RelayTimes): void;
}

/** What Bun hands to the `pull` of a direct stream. `write` answers with a promise when the client is behind. */
interface DirectController {
  write(bytes: Uint8Array | string): number | Promise<number>;
  flush(): number | Promise<number>;
  close(error?: Error): void;
}

export function relayReply(reply: CommittedReply, options: RelayOptions): ReadableStream<Uint8Array> {
  const { client, clock } = options;
  const times: RelayTimes = { firstByteAt: null, firstTokenAt: null, endedAt: 0 };
  let drained = false;
  let ended = false;

  const unregisterLeave = client.onLeave(() => {
    reply.cancel();
    end("client_left");
  });
  const closeDrain = options.drain.open(() => {
    drained = true;
    reply.cancel();
  });

  function end(how: RelayEnd): void {
    if (ended) return;
    ended = true;
    unregisterLeave();
    closeDrain();
    times.endedAt = clock.monotonic();
    options.onEnd(how, times);
  }

  /** Takes note of bytes that are about to be shown. */
  function observe(bytes: Uint8Array): void {
    times.firstByteAt ??= clock.monotonic();
    if (!reply.observer) return;
    reply.scanner!.push(bytes);
    noteFirstToken();
  }
  function noteFirstToken(): void {
    if (times.firstTokenAt === null && reply.observer?.phase() !== "preamble")
      times.firstTokenAt = clock.monotonic();
  }

  async function pump(controller: DirectController): Promise<void> {
    if (reply.held.length > 0) {
      times.firstByteAt = clock.monotonic();
      noteFirstToken();
      for (const bytes of reply.held.splice(0)) {
        const written = controller.write(bytes);
        if (written instanceof Promise) await written;
      }
    }
    for (;;) {
      let bytes = reply.read();
      if (bytes instanceof Promise) {
        // Nothing more is there: what was written so far goes out now.
        void controller.flush();
        bytes = await bytes;
      }
      if (bytes === null || ended) return;
      observe(bytes);
      const written = controller.write(bytes);
      if (written instanceof Promise) await written;
    }
  }

  async function pull(controller: DirectController): Promise<void> {
    let how: RelayEnd = "completed";
    try {
      await pump(controller);
    } catch (error) {
      if (!(error instanceof TransportError)) reply.cancel();
      how = drained ? "drained" : "cut";
    }
    if (ended) return;
    const { observer } = reply;
    if (observer && observer.summary().terminal === null) {
      if (how === "completed") how = "cut";
      void controller.write(lastWords(reply, how));
    }
    end(how);
    if (observer || how === "completed") controller.close();
    // Without events there is no way to say that the reply is not whole, except to break it off.
    else controller.close(new Error("upstream cut the reply"));
  }

  return new ReadableStream({
    type: "direct",
    pull,
    cancel() {
      reply.cancel();
      end("client_left");
    },
  } as unknown as ConstructorParameters<typeof ReadableStream>[0]);
}

/** The terminal event of a stream that upstream left unfinished: the client retries the turn by itself (UPSTREAM E). */
function lastWords(reply: CommittedReply, how: RelayEnd): string {
  const message =
    how === "drained"
      ? "codex-lb is shutting down; please retry."
      : "codex-lb: the connection to OpenAI broke before the response was complete; please retry.";
  const event = formatEvent("response.failed", {
    type: "response.failed",
    response: {
      id: reply.observer?.summary().responseId ?? "resp_unfinished",
      object: "response",
      status: "failed",
      error: { code: how === "drained" ? "server_shutdown" : "upstream_cut", message },
    },
  });
  // An event that was cut in the middle is closed first, so that ours is not read as its rest.
  return reply.scanner?.midEvent() ? `\n\n${event}` : event;
}
