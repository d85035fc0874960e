/** The states of an account as one pure table: what happened, and what the account becomes, in words for people. */
import type { Account } from "./account.ts";
import type { AccountEffect } from "./retry.ts";
import type { Window } from "./windows.ts";

/** What happens to an account. Every effect of a failed attempt is one; those that touch no state change nothing. */
export type AccountEvent =
  | AccountEffect
  /** A reading of its quota made after whatever put it into its state. */
  | { kind: "fresh_reading"; windows: readonly Window[]; hasCredits?: boolean }
  /** The clock: heals an account whose `stateUntilMs` has passed. */
  | { kind: "reset_passed" }
  | { kind: "paused" }
  | { kind: "reactivated" }
  /** New tokens from a person: a login or an import. */
  | { kind: "logged_in" };

export type AccountStateFields = Pick<Account, "state" | "stateReason" | "stateUntilMs">;

export interface Transition extends AccountStateFields {
  changed: boolean;
  /** One sentence on what happened, for the log and the live feed. */
  text: string;
}

/** Throws CodedError `account_state_transition_invalid` (409) when a person asks for what the state does not allow. */
export declare function applyEvent(
  current: AccountStateFields,
  event: AccountEvent,
  nowMs: number,
): Transition;
