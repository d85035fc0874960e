/** A login as a new account of the pool. */
import type { Account } from "./account.ts";
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
