/** What a reply tells about its account, noted for the requests after it: quota windows, and what the account now owns. */
import type { Transport } from "../core/record.ts";
import type { ReplyObserver } from "../core/reply-observer.ts";
import { type Failure, readFailure } from "../core/retry.ts";
import { readRateLimitHeaders, readRateLimitsEvent } from "../core/windows-read.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import { laneOf } from "./api-key-lane.ts";

export interface ReplyNotes {
  /** Of a reply's head: windows, and the turn state that the account now owns. */
  head(account: PooledAccount, headers: Iterable<[string, string]>): void;
  /** Of all of its events; null: it had none. */
  end(
    account: PooledAccount,
    observer: ReplyObserver | null,
    asked: { facts: { model: string }; upstreamTransport: Transport },
  ): void;
}

export function createReplyNotes({ pool, clock }: { pool: Pool; clock: Clock }): ReplyNotes {
  /** The quota headers of each account's last reply: they change less often than replies come. */
  const quotaSeen = new Map<string, string>();
  pool.onChange(({ kind, account }) => {
    if (kind === "removed") quotaSeen.delete(account.id);
  });

  return {
    head(account, headers) {
      if (laneOf(account) !== "pool") return;
      if (account.refusedSinceMs !== null) pool.accepted(account.id);
      const now = clock.now();
      const quota: [string, string][] = [];
      let seen = "";
      for (const header of headers) {
        const [name, value] = header;
        if (!name.startsWith("x-codex-")) continue;
        if (name === "x-codex-turn-state") {
          pool.affinity.set({ kind: "turn_state", key: value }, account.id, now);
        } else {
          quota.push(header);
          seen += `${name}=${value};`;
        }
      }
      if (quota.length === 0 || quotaSeen.get(account.id) === seen) return;
      quotaSeen.set(account.id, seen);
      const reading = readRateLimitHeaders(quota, now);
      if (reading) pool.read(account.id, reading);
    },
    end(account, observer, { facts, upstreamTransport }) {
      if (!observer || laneOf(account) !== "pool") return;
      const model = facts.model === "" ? null : facts.model;
      const now = clock.now();
      const failure = readLateFailure(observer, account, model, now);
      if (failure) pool.apply(account.id, failure.effect);
      const event = observer.rateLimits();
      const reading = event === null ? null : readRateLimitsEvent(event, now);
      if (reading) pool.read(account.id, reading);
      const turnState = observer.turnState();
      if (turnState) pool.affinity.set({ kind: "turn_state", key: turnState }, account.id, now);
      // Only over WebSocket does upstream know a response again (UPSTREAM D): over HTTP nothing is stored.
      const responseId = upstreamTransport === "websocket" ? observer.summary().responseId : null;
      if (responseId) pool.affinity.set({ kind: "response", key: responseId }, account.id, now);
    },
  };
}

/** The failure that a reply ended with after it had begun to show something; null when there was none. */
export function readLateFailure(
  observer: ReplyObserver,
  account: PooledAccount,
  model: string | null,
  nowMs: number,
): Failure | null {
  const event = observer.lateFailure();
  if (event === null) return null;
  const seen = { status: null, header: () => null, body: "", event, transport: null };
  return readFailure(seen, { nowMs, windows: account.windows, model: model ?? "", jitter: 0 });
}
