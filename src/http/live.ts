/** `GET /api/live`: what happens now, as server-sent events. A client that does not keep up is let go, nobody waits for it. */
import { Elysia } from "elysia";
import { CodedError } from "../core/errors.ts";

/** `request_started`, `request_finished` (an entry of the log) and `account_changed` (a part of an account's summary). */
export type LiveEvent = "request_started" | "request_finished" | "account_changed";

export interface LiveFeed {
  /** Nothing is made for nobody: `data` is asked for only while somebody listens. */
  publish(event: LiveEvent, data: () => unknown): void;
  /** Keeps proxies from closing silent connections. To be called every 15 s or so. */
  heartbeat(): void;
  clients(): number;
  /** Ends all streams, and takes no new ones. */
  stop(): void;
  open(): Response;
}

/** Dashboards left open in many tabs; each costs a socket and its queue. */
const MAX_CLIENTS = 64;
/** Events that wait for one client: a burst of a busy pool fits, a tab that sleeps does not fill the memory. */
const MAX_QUEUED = 512;
/** The browser asks again after this when the connection breaks. */
const RETRY_MS = 2_000;

interface Client {
  queue: Uint8Array[];
  /** Set while the socket has room and the queue is empty. */
  wake: (() => void) | null;
  end(): void;
}

export function createLiveFeed(): LiveFeed {
  const clients = new Set<Client>();
  const encoder = new TextEncoder();
  let stopped = false;

  function send(text: string): void {
    const bytes = encoder.encode(text);
    for (const client of clients) {
      if (client.queue.length >= MAX_QUEUED) {
        client.end();
        continue;
      }
      client.queue.push(bytes);
      client.wake?.();
    }
  }

  return {
    publish(event, data) {
      if (clients.size > 0) send(`event: ${event}\ndata: ${JSON.stringify(data())}\n\n`);
    },
    heartbeat: () => send(": \n\n"),
    clients: () => clients.size,
    stop() {
      stopped = true;
      for (const client of clients) client.end();
    },
    open() {
      if (stopped || clients.size >= MAX_CLIENTS)
        throw new CodedError("rate_limited", "Too many pages listen already; close some of them.", {
          status: 429,
          retryAfterSeconds: 10,
        });
      const client: Client = { queue: [], wake: null, end: () => {} };
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(encoder.encode(`retry: ${RETRY_MS}\n\n`));
          client.end = () => {
            if (!clients.delete(client)) return;
            controller.close();
            client.wake?.();
          };
        },
        // Called while the socket has room: the queue, and with it the limit, is ours.
        async pull(controller) {
          if (client.queue.length === 0)
            await new Promise<void>((resolve) => {
              client.wake = resolve;
            });
          client.wake = null;
          for (const bytes of client.queue.splice(0)) if (clients.has(client)) controller.enqueue(bytes);
        },
        cancel: () => void clients.delete(client),
      });
      clients.add(client);
      return new Response(body, {
        headers: {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          // Or nginx collects the events before it passes them on.
          "x-accel-buffering": "no",
        },
      });
    },
  };
}

export function liveRoutes({ live }: { live: LiveFeed }) {
  return new Elysia({ prefix: "/api", detail: { tags: ["Operations"] } }).get("/live", () => live.open(), {
    detail: { summary: "Server-sent events: request_started, request_finished, account_changed" },
  });
}
