/** How states, windows and selection reasons of accounts are called everywhere. */
import type { AccountStatus, RoutingPolicy } from "../api-types.ts";

const status: Record<AccountStatus, string> = {
  active: "Ready",
  rate_limited: "Pacing",
  quota_exceeded: "Spent",
  paused: "Paused",
  reauth_required: "Login lost",
  deactivated: "Deactivated",
};

const policy: Record<RoutingPolicy, string> = {
  normal: "Normal",
  burn_first: "Use first",
  preserve: "Keep in reserve",
};

const policyHint: Record<RoutingPolicy, string> = {
  normal: "Takes its turn as the strategy says.",
  burn_first: "Chosen before the others as long as it can serve.",
  preserve: "Chosen only when no other account can serve.",
};

const rejection: Record<string, string> = {
  excluded_after_failure: "had just failed this request",
  not_allowed_for_key: "not among the accounts of this key",
  not_the_single_account: "not the one account in use",
  paused: "paused",
  reauth_required: "must log in again",
  deactivated: "deactivated",
  spent: "quota spent",
  model_unavailable: "does not have this model",
  cooling: "cooling down",
  reserve: "kept in reserve",
  at_capacity: "at its limit of parallel requests",
};

export const accountWords = {
  status,
  policy,
  policyHint,
  rejection,
  left: (share: string) => `${share} left`,
  windowLabel: (window: string, account: string, left: string) =>
    `${account}, ${window} window: ${left} left`,
  reset: "reset",
  resetsIn: "resets in",
  credits: (balance: string) => `${balance} credits`,
  unlimitedCredits: "unlimited credits",
};
