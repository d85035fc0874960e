/** A reply that came over HTTP, told to a WebSocket client as the frames it would have been. */
import { createSseScanner, eventData } from "../core/sse.ts";
import { MAX_MESSAGE_BYTES } from "../upstream/websocket-frames.ts";
import type { CommittedReply } from "./http-attempt.ts";
import { brokenOff, followReply, type RelayOptions } from "./relay.ts";
import { failedFrame } from "./socket-frames.ts";

/** `show` answers with a promise when the client is behind. Resolves when the reply has ended, which `options.onEnd` was told. */
export async function showHttpReply(
  reply: CommittedReply,
  options: RelayOptions,
  show: (text: string) => Promise<void> | undefined,
): Promise<void> {
  const events: string[] = [];
  const scanner = createSseScanner(
    { wants: () => true, onEvent: (_type, bytes) => void events.push(eventData(bytes)) },
    MAX_MESSAGE_BYTES,
  );
  const following = followReply(reply, options);
  const turnState = reply.header("x-codex-turn-state");
  if (turnState !== null) {
    // Over WebSocket the client reads it from an event only (UPSTREAM B.4).
    const headers = { "x-codex-turn-state": turnState };
    await show(JSON.stringify({ type: "response.metadata", headers, metadata: {} }));
  }
  const how = await following.run(
    async (bytes, observed) => {
      if (!observed) reply.scanner?.push(bytes);
      scanner.push(bytes);
      for (const text of events.splice(0)) if (text.startsWith("{")) await show(text);
    },
    () => {},
  );
  if (following.ended()) return;
  if (how !== "completed") {
    const { code, message } = brokenOff(how);
    void show(failedFrame(code, message, reply.observer?.summary().responseId));
  }
  following.end(how);
}
