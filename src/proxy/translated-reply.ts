/** A Responses event stream turned into the reply that a dialect's client reads: its own stream, or one JSON object. */
import type { CollectReducer, Dialect, HttpReply, ReplyContext } from "../core/dialects/dialect.ts";
import { isObject } from "../core/dialects/parse.ts";
import { createSseReader } from "../core/sse.ts";
import type { CommittedReply } from "./http-attempt.ts";
import { brokenOff, followReply, type RelayOptions, streamReply } from "./relay.ts";

/** Feeds pieces of the body: every event is parsed for `push`, and those not yet observed are shown to the reply's observer. */
function eventFeed(
  reply: CommittedReply | null,
  push: (event: unknown) => void,
): (bytes: Uint8Array, observed: boolean) => void {
  let seen = true;
  const observer = reply?.observer ?? null;
  const reader = createSseReader((data) => {
    const event = parse(data);
    // The "[DONE]" of other services, or nothing that could be read.
    if (!isObject(event)) return;
    const type = typeof event.type === "string" ? event.type : "";
    if (!seen && observer?.wants(type)) observer.json(type, data);
    push(event);
  });
  return (bytes, observed) => {
    seen = observed;
    reader.push(bytes);
  };
}

/** undefined for what is no JSON: clients of a dialect have no use for it. */
function parse(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

export interface Translation {
  dialect: Dialect;
  context: ReplyContext;
  /** Sees each event too; null: nobody does. */
  onEvent: ((event: unknown) => void) | null;
}

export function streamTranslated(
  reply: CommittedReply,
  options: RelayOptions,
  { dialect, context, onEvent }: Translation,
): ReadableStream<Uint8Array> {
  const reducer = dialect.createStream(context);
  let text = "";
  const feed = eventFeed(reply, (event) => {
    onEvent?.(event);
    text += reducer.push(event);
  });
  return streamReply(reply, options, {
    write(bytes, observed) {
      text = "";
      feed(bytes, observed);
      return text;
    },
    end: (how) => (how === "completed" ? reducer.end() : reducer.failed(brokenOff(how))),
    keepAlive: dialect.keepAlive,
  });
}

/** The whole reply once it is complete, or the dialect's error; null when the client left before. */
export async function collectTranslated(
  reply: CommittedReply,
  options: RelayOptions,
  { dialect, context, onEvent }: Translation,
): Promise<HttpReply | null> {
  const collector = dialect.createCollector(context);
  const following = followReply(reply, options);
  const how = await following.run(
    eventFeed(reply, (event) => {
      onEvent?.(event);
      collector.push(event);
    }),
    () => {},
  );
  if (following.ended()) return null;
  following.end(how);
  return how === "completed" ? collector.end() : collector.failed(brokenOff(how));
}

/** What an event stream that failed before it showed anything comes to: the dialect's error. */
export function collectFailed(body: Uint8Array, collector: CollectReducer): HttpReply {
  eventFeed(null, (event) => collector.push(event))(body, true);
  return collector.end();
}
