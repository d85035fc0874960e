/** What selection is asked and what it answers. */
import type { AccountState, RoutingPolicy } from "../account.ts";
import type { Window } from "../windows.ts";

export type Strategy =
  "usage_weighted" | "round_robin" | "capacity_weighted" | "reset_first" | "fill_first" | "single_account";

/** One account as the pool sees it now. The array of them is replaced, never changed: what is remembered of a pool goes with it. */
export interface Candidate {
  id: string;
  /**
   * Replaced by a new object with every change of the account, `inFlight`, `maxInFlight` and `lastPickedSeq` excepted: what is
   * remembered of the account goes with it.
   */
  stamp: object;
  state: AccountState;
  stateUntilMs: number | null;
  /** No picks before this time; 0 when not cooling. */
  coolingUntilMs: number;
  routingPolicy: RoutingPolicy;
  reserveAtPercent: number | null;
  planType: string;
  windows: readonly Window[];
  /** Has paid credits, so that a spent window does not stop it. Default false. */
  hasCredits?: boolean;
  inFlight: number;
  maxInFlight: number;
  /** Number of the pick that chose it last; 0 when never. */
  lastPickedSeq: number;
  /** The models of its own list; null when the list is unknown: assume it can. */
  models: ReadonlySet<string> | null;
  /** Models that it refused of late, and until when to believe that. */
  unavailableModels?: ReadonlyMap<string, number>;
  /** Relative size of its quota (1 = a plain plan). */
  capacityWeight: number;
}

export interface SelectionRequest {
  nowMs: number;
  strategy: Strategy;
  preferEarlierReset: boolean;
  singleAccountId: string | null;
  model: string | null;
  /** The metered feature that the request draws on besides the plan's own windows. Default null. */
  scope?: string | null;
  /** The accounts that the caller's key may use; null: all. */
  allowedAccountIds: ReadonlySet<string> | null;
  /** Accounts that already failed this request. */
  excludedIds: ReadonlySet<string>;
  /** The account that holds the conversation: wins over every score while eligible, never over eligibility. */
  keepAccountId: string | null;
  /** Uniform in [0, 1); drawn once, and only by capacity_weighted. */
  random(): number;
}

export type RejectionReason =
  | "excluded_after_failure"
  | "not_allowed_for_key"
  | "not_the_single_account"
  | "paused"
  | "reauth_required"
  | "deactivated"
  | "spent"
  | "model_unavailable"
  | "cooling"
  | "reserve"
  | "at_capacity";

export interface Ranked {
  id: string;
  /** Lower is better; comparable within one verdict only. */
  score: number;
  note: string;
}

export interface Rejection {
  reason: RejectionReason;
  count: number;
  /** The first five. */
  ids: string[];
  /** The earliest time at which one of them comes back; null when unknown. */
  untilMs: number | null;
}

export interface Verdict {
  readonly pick: Candidate | null;
  readonly strategy: Strategy;
  readonly eligibleCount: number;
  /** When the first account that only waits for time comes back; null when none does or its time is unknown. */
  readonly earliestReadyAtMs: number | null;
  /** One sentence for people. Written when asked for, like the two lists below, from figures taken at the pick. */
  readonly reason: string;
  /** The best five. */
  readonly ranking: Ranked[];
  readonly rejections: Rejection[];
}
