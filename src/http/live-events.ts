/** Makes the live feed's events out of what the pool and the engine do, at a pace that a page can follow. */
import type { RequestRecord } from "../core/record.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import { accountIdOf } from "../proxy/api-key-lane.ts";
import type { Engine, RoutedRequest } from "../proxy/engine.ts";
import { statusView, windowViews } from "./account-views.ts";
import { isoTime } from "./admin.ts";
import type { LiveFeed } from "./live.ts";
import { requestEntry } from "./request-logs.ts";

export interface LiveEvents {
  /** The engine, with the start of each request and the account it got told to the feed. */
  watched(engine: Engine): Engine;
  requestFinished(record: RequestRecord): void;
  /** To be called every `LIVE_TICK_MS`: tells what changed about accounts, and lets new requests be shown again. */
  tick(): void;
}

export const LIVE_TICK_MS = 500;
/** People cannot read more per tick, and a page that draws more only stutters. The figures come from the sums anyway. */
const STARTS_PER_TICK = 40;
/** Requests shown as running; the page forgets what it never heard the end of. */
const MAX_SHOWN = 2_000;

export function createLiveEvents(ports: {
  feed: LiveFeed;
  pool: Pool;
  nowMs(): number;
  keyName(apiKeyId: string): string | null;
}): LiveEvents {
  const { feed, pool, nowMs, keyName } = ports;
  const shown = new Set<string>();
  const changed = new Set<PooledAccount>();
  let startsLeft = STARTS_PER_TICK;

  pool.onChange(({ account }) => {
    if (feed.clients() > 0) changed.add(account);
  });

  function tell(request: RoutedRequest, accountId: string | null): void {
    feed.publish("request_started", () => ({
      requestId: request.requestId,
      requestedAt: isoTime(request.receivedAtMs),
      model: request.model,
      accountId,
      apiKeyId: request.keyId,
      apiKeyName: request.keyId && keyName(request.keyId),
    }));
  }
  function maybeShow({ requestId }: RoutedRequest): boolean {
    if (feed.clients() === 0 || startsLeft === 0 || shown.size >= MAX_SHOWN) return false;
    startsLeft--;
    shown.add(requestId);
    return true;
  }

  return {
    watched: (engine) => ({
      async route(request, attempt) {
        if (!maybeShow(request)) return engine.route(request, attempt);
        tell(request, null);
        const routed = await engine.route(request, attempt);
        if (routed.kind === "committed") tell(request, accountIdOf(routed.lease.account));
        return routed;
      },
    }),
    requestFinished(record) {
      const wasShown = shown.delete(record.requestId);
      if (!wasShown && startsLeft === 0) return;
      if (!wasShown) startsLeft--;
      feed.publish("request_finished", () => requestEntry(record));
    },
    tick() {
      startsLeft = STARTS_PER_TICK;
      for (const account of changed) {
        feed.publish("account_changed", () => ({
          accountId: account.id,
          ...statusView(account),
          planType: account.planType,
          windows: windowViews(account, nowMs()),
          inFlight: account.inFlight,
        }));
      }
      changed.clear();
      if (feed.clients() === 0) shown.clear();
    },
  };
}
