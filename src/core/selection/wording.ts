/** A verdict in words: why this account, what each of the best looked like, why nobody. */
import { lengthText } from "../account-state.ts";
import { usedPercentAt, type Window } from "../windows.ts";
import type { Rejection, RejectionReason, SelectionRequest } from "./types.ts";
import { countedWindows } from "./columns.ts";

/** One of the best as it was at the pick: what it says must not change with the pool afterwards. */
export interface RankedFigures {
  id: string;
  score: number;
  inFlight: number;
  windows: readonly Window[];
  routingPolicy: string;
}

/** "7 d 41 %, 5 h 12 %, 2 in flight". */
export function noteOf(figures: RankedFigures, request: SelectionRequest, scope: string): string {
  const parts = countedWindows(figures.windows, scope).map(
    (window) => `${lengthText(window.minutes)} ${Math.floor(usedPercentAt(window, request.nowMs))} %`,
  );
  if (parts.length === 0) parts.push("no windows");
  if (figures.inFlight > 0) parts.push(`${figures.inFlight} in flight`);
  if (figures.routingPolicy !== "normal") parts.push(figures.routingPolicy);
  if (figures.id === request.keepAccountId) parts.push("holds the conversation");
  return parts.join(", ");
}

/** Why the pick was chosen. */
export function pickText(
  best: RankedFigures,
  request: SelectionRequest,
  scope: string,
  eligibleCount: number,
): string {
  const note = noteOf(best, request, scope);
  if (best.id === request.keepAccountId) return `Stays with the account of its conversation (${note}).`;
  const among = eligibleCount === 1 ? "the only eligible account" : `of ${eligibleCount} eligible accounts`;
  const sooner = request.preferEarlierReset ? " among those that reset on the earliest day" : "";
  return `${strategyText(request)}${sooner}, ${among} (${note}).`;
}

function strategyText(request: SelectionRequest): string {
  switch (request.strategy) {
    case "usage_weighted":
      return "Least used";
    case "round_robin":
      return "Least recently picked";
    case "capacity_weighted":
      return "Drawn by remaining capacity";
    case "reset_first":
      return "Resets soonest";
    case "fill_first":
      return "Filled up before the others";
    case "single_account":
      return "The one account in use";
  }
  return request.strategy satisfies never;
}

const REJECTION_TEXT: Readonly<Record<RejectionReason, string>> = {
  not_allowed_for_key: "not allowed for this key",
  not_the_single_account: "not the one account in use",
  paused: "paused",
  reauth_required: "needs a new login",
  deactivated: "deactivated",
  spent: "spent",
  model_unavailable: "without this model",
  cooling: "cooling down",
  reserve: "kept in reserve",
  excluded_after_failure: "failed on this request",
  at_capacity: "at its concurrency limit",
};

/** Why nobody was chosen. */
export function nobodyText(rejections: readonly Rejection[], request: SelectionRequest): string {
  if (request.strategy === "single_account" && request.singleAccountId === null) {
    return "The strategy is single_account but no account is chosen: choose one in the settings.";
  }
  if (rejections.length === 0) return "The pool has no account: import one.";
  const parts = rejections.map(({ reason, count, untilMs }) => {
    const until = untilMs === null ? "" : ` (first back ${new Date(untilMs).toISOString()})`;
    return `${count} ${REJECTION_TEXT[reason]}${until}`;
  });
  return `No account can serve: ${parts.join(", ")}.`;
}
