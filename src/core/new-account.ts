/** A login as an account of the pool: a new one, or one that is brought up to date. */
import type { Account, Credentials } from "./account.ts";
import { accountIdOf, type ChatGptLogin } from "./credentials.ts";

/** Active, with nothing set by people yet. Importing the same identity again gives the same id. */
export function newAccount(login: Omit<ChatGptLogin, "kind" | "credentials">, nowMs: number): Account {
  const { identity, email, planType, workspaceLabel, seatType } = login;
  return {
    ...identity,
    id: accountIdOf(identity),
    email,
    alias: null,
    planType,
    workspaceLabel,
    seatType,
    routingPolicy: "normal",
    reserveAtPercent: null,
    state: "active",
    stateReason: null,
    stateUntilMs: null,
    createdAtMs: nowMs,
  };
}

/**
 * An account whose login came again. What people set on it (alias, routing policy, reserve, pause), its age and the end of its quota
 * stay; facts are taken from `imported`, and a lost login is none any more.
 */
export function broughtUpToDate(existing: Account, imported: Account): Account {
  const { alias, routingPolicy, reserveAtPercent, createdAtMs } = existing;
  const kept = { ...imported, alias, routingPolicy, reserveAtPercent, createdAtMs };
  if (isLost(existing)) return kept;
  const { state, stateReason, stateUntilMs } = existing;
  return { ...kept, state, stateReason, stateUntilMs };
}

/**
 * The tokens to keep of a login that came again: the newer ones, since renewing a login uses up the refresh token of every older
 * copy (UPSTREAM F). Tokens that upstream refused are worth less than any others.
 */
export function newerTokens(existing: { account: Account; credentials: Credentials }, imported: Credentials) {
  const { account, credentials } = existing;
  if (isLost(account) || credentials.kind !== "chatgpt" || imported.kind !== "chatgpt") return imported;
  for (const age of ["accessExpiresAtMs", "lastRefreshAtMs"] as const) {
    const [ours, theirs] = [credentials[age], imported[age]];
    if (ours !== null && theirs !== null && ours !== theirs) return theirs < ours ? credentials : imported;
  }
  return imported;
}

function isLost({ state }: Account): boolean {
  return state === "reauth_required" || state === "deactivated";
}
