/**
 * Keeps logins alive: one refresh in flight per account, few over the whole pool, and the rotated token on disk before its
 * first use (UPSTREAM F: refresh tokens rotate, and a reused one ends the login).
 */
import type { Credentials } from "../core/account.ts";
import type { ChatGptCredentials } from "../core/credentials.ts";
import type { Clock, Log } from "../ports.ts";
import type { Pool, PooledAccount } from "./pool.ts";

export type RefreshReason = "proactive_expiry" | "unauthorized_recovery" | "scheduled";

/** What the issuer answered to one refresh. */
export type RefreshAnswer =
  | { kind: "refreshed"; credentials: ChatGptCredentials }
  /** The refresh token is of no use any more. */
  | { kind: "permanent"; code: string }
  /** The issuer failed or could not be reached. */
  | { kind: "transient"; code: string };

export type TokenState =
  | { kind: "fresh" }
  /** A person must log in again; `reason` says so. */
  | { kind: "login_lost"; code: string; reason: string }
  | { kind: "failed"; code: string };

export interface TokenKeeper {
  /** null: the access token is good for now. Otherwise what came of refreshing it. */
  ensure(accountId: string): Promise<TokenState> | null;
  /**
   * Refreshes even an unexpired token, joining a refresh that is under way. `used`: the credentials that upstream refused;
   * when the account has others by now, nothing is left to do.
   */
  refresh(accountId: string, reason: RefreshReason, used?: Credentials): Promise<TokenState>;
  /** Starts no refresh any more; resolves when none is in flight, so that every rotated token is on disk. */
  stop(): Promise<void>;
}

/** The real client refreshes when its token ends within five minutes (UPSTREAM F). */
export const REFRESH_BEFORE_EXPIRY_MS = 5 * 60_000;
/** Requests that arrive with many expired tokens at once must not look like a burst of logins. */
const MAX_PARALLEL_REFRESHES = 4;
/** An issuer whose tokens live shorter than the margin above must not be asked before every request. */
const PROACTIVE_PAUSE_MS = 60_000;

const STOPPED: TokenState = { kind: "failed", code: "server_shutdown" };

export interface TokenKeeperPorts {
  pool: Pool;
  clock: Clock;
  log: Log;
  askIssuer(credentials: ChatGptCredentials, reason: RefreshReason): Promise<RefreshAnswer>;
  /** Durable when it returns; throws when it could not write. */
  save(accountId: string, credentials: ChatGptCredentials): void;
  /** What the file holds now: another command may have logged in meanwhile. null: the account is gone. */
  reread(accountId: string): Credentials | null;
}

export function createTokenKeeper({
  pool,
  clock,
  log,
  askIssuer,
  save,
  reread,
}: TokenKeeperPorts): TokenKeeper {
  const inFlight = new Map<string, Promise<TokenState>>();
  const refreshedAtMs = new Map<string, number>();
  const waiting: (() => void)[] = [];
  let running = 0;
  let stopping = false;

  async function turn(): Promise<void> {
    if (running < MAX_PARALLEL_REFRESHES) running++;
    else await new Promise<void>((resolve) => waiting.push(resolve));
  }
  /** The turn goes to whoever waits longest. */
  function done(): void {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }

  /** Another holder of the same login may have rotated it: take what the file has before giving up. */
  function takeNewer(account: PooledAccount, used: ChatGptCredentials): boolean {
    const stored = reread(account.id);
    if (stored?.kind !== "chatgpt" || stored.refreshToken === null || isSameLogin(stored, used)) return false;
    pool.setCredentials(account.id, stored);
    return true;
  }

  async function refreshOnce(account: PooledAccount, reason: RefreshReason): Promise<TokenState> {
    const used = account.credentials;
    if (used.kind !== "chatgpt") {
      return {
        kind: "login_lost",
        code: "token_rejected",
        reason: "Upstream refuses its personal access token.",
      };
    }
    if (used.refreshToken === null) {
      return {
        kind: "login_lost",
        code: "no_refresh_token",
        reason: "Its login has no refresh token; log in again.",
      };
    }
    const answer = await askIssuer(used, reason);
    const current = pool.get(account.id)?.credentials;
    if (!current) return { kind: "failed", code: "account_removed" };
    // Somebody logged in again meanwhile: theirs is the newer login, and what became of this one says nothing of it.
    if (!isSameLogin(current, used)) return { kind: "fresh" };
    switch (answer.kind) {
      case "refreshed":
        save(account.id, answer.credentials);
        pool.setCredentials(account.id, answer.credentials);
        refreshedAtMs.set(account.id, clock.now());
        log.info("token refreshed", { account: account.id, reason });
        return { kind: "fresh" };
      case "permanent":
        if (takeNewer(account, used)) return refreshOnce(account, reason);
        log.warn("login lost", { account: account.id, code: answer.code });
        return {
          kind: "login_lost",
          code: answer.code,
          reason: `OpenAI refused to renew its login (${answer.code}); log in again.`,
        };
      case "transient":
        log.warn("token refresh failed", { account: account.id, code: answer.code });
        return { kind: "failed", code: answer.code };
    }
  }

  function refresh(accountId: string, reason: RefreshReason): Promise<TokenState> {
    const account = pool.get(accountId);
    if (!account) return Promise.resolve({ kind: "failed", code: "account_removed" });
    const running = inFlight.get(accountId);
    if (running) return running;
    if (stopping) return Promise.resolve(STOPPED);
    const run = (async (): Promise<TokenState> => {
      await turn();
      try {
        if (stopping) return STOPPED;
        return await refreshOnce(account, reason);
      } catch (error) {
        log.error("rotated token could not be kept", { account: accountId, error: (error as Error).name });
        return { kind: "failed", code: "token_not_saved" };
      } finally {
        done();
        inFlight.delete(accountId);
      }
    })();
    inFlight.set(accountId, run);
    return run;
  }

  return {
    ensure(accountId) {
      const running = inFlight.get(accountId);
      const credentials = pool.get(accountId)?.credentials;
      if (credentials?.kind !== "chatgpt") return null;
      const { accessExpiresAtMs } = credentials;
      const now = clock.now();
      if (accessExpiresAtMs === null || accessExpiresAtMs >= now + REFRESH_BEFORE_EXPIRY_MS)
        return running ?? null;
      if (running) return running;
      const isExpired = accessExpiresAtMs <= now;
      const pausedUntilMs = (refreshedAtMs.get(accountId) ?? 0) + PROACTIVE_PAUSE_MS;
      if (!isExpired && now < pausedUntilMs) return null;
      const attempt = refresh(accountId, "proactive_expiry");
      // A token that still works is better than a failed refresh.
      if (isExpired) return attempt;
      return attempt.then((state) => (state.kind === "failed" ? { kind: "fresh" } : state));
    },
    refresh(accountId, reason, used) {
      // Two hundred requests that met the same 401 share one refresh, also those that come late.
      const current = pool.get(accountId)?.credentials;
      if (used && current && current !== used) return Promise.resolve({ kind: "fresh" });
      return refresh(accountId, reason);
    },
    async stop() {
      stopping = true;
      await Promise.allSettled(inFlight.values());
    },
  };
}

/** The refresh token is what is used up: the same login may have been imported again meanwhile. */
function isSameLogin(one: Credentials, used: ChatGptCredentials): boolean {
  return one.kind === "chatgpt" && one.refreshToken?.reveal() === used.refreshToken?.reveal();
}
