/** Which account serves a request: who is eligible and why the others are not, then the best by the strategy in force. */
import type {
  Candidate,
  Rejection,
  RejectionReason,
  SelectionRequest,
  Strategy,
  Verdict,
} from "./selection/types.ts";
import { type Columns, columnsOf, REASONS, refreshRow, rowOf, standingOf } from "./selection/columns.ts";
import { nobodyText, noteOf, pickText, type RankedFigures } from "./selection/wording.ts";
import { SCOPE_ALL } from "./windows.ts";

export type {
  Candidate,
  Ranked,
  Rejection,
  RejectionReason,
  SelectionRequest,
  Strategy,
  Verdict,
} from "./selection/types.ts";

export const STRATEGIES: readonly Strategy[] = [
  "usage_weighted",
  "round_robin",
  "capacity_weighted",
  "reset_first",
  "fill_first",
  "single_account",
];

/**
 * What a request under way counts for, in percent of the longest window: readings lag behind by a minute, and this spreads
 * what arrives in between.
 */
export const IN_FLIGHT_PERCENT = 1;
/** How many of the best are kept for the request row, and how many ids per rejection. */
const KEPT = 5;
/** Plans without a known size can still be drawn. */
const MIN_CAPACITY = 0.001;
/** Apart by more than the days since the epoch, so that the policy outranks the day of the reset. */
const POLICY_STEP = 1e7;
/** Before every policy and day. */
const KEEP_GROUP = -1;

/**
 * Picks an account. Eligibility first, then in order: the account that holds the conversation, routing policy, (with
 * preferEarlierReset) the day of the longest window's reset, the strategy's score, least recently picked, order of the array.
 * One scan without allocation per candidate; texts are written only when read.
 */
export function select(candidates: readonly Candidate[], request: SelectionRequest): Verdict {
  const { nowMs, strategy, model } = request;
  const demand = { nowMs, model, scope: request.scope ?? SCOPE_ALL };
  const columns = columnsOf(candidates, demand);
  const { stamps, policy, resetDay, lotRow, lotWeight } = columns;
  const anyone =
    request.allowedAccountIds === null && request.excludedIds.size === 0 && strategy !== "single_account";
  const { preferEarlierReset } = request;
  const keptRow = rowOf(candidates, request.keepAccountId);
  const scoreOf = SCORES[strategy];
  const draws = strategy === "capacity_weighted";
  const latestFirst = strategy === "fill_first";
  const best = createBest();
  const rejected = createRejections(candidates, columns);
  let eligibleCount = 0;
  let lots = 0;
  let lotsWeight = 0;
  let lotsGroup = Infinity;
  // The figures of the last that is kept, in locals: comparing with them is what most candidates cost.
  let lastGroup = Infinity;
  let lastScore = Infinity;
  let lastTie = Infinity;
  for (let row = 0; row < candidates.length; row++) {
    const candidate = candidates[row]!;
    if (stamps[row] !== candidate.stamp) refreshRow(columns, row, candidate, demand);
    let reason = columns.reason[row]!;
    if (!anyone) reason = filtered(candidate, reason, request);
    if (reason === CLEAR && candidate.inFlight >= candidate.maxInFlight) reason = AT_CAPACITY;
    if (reason !== CLEAR) {
      rejected.add(reason, row);
      continue;
    }
    eligibleCount++;
    // Candidates of a lower group come before all of a higher one, whatever their scores.
    let group = policy[row]! * POLICY_STEP;
    if (preferEarlierReset) group += resetDay[row]!;
    if (row === keptRow) group = KEEP_GROUP;
    const score = scoreOf(candidate, row, columns);
    const tie = latestFirst ? -candidate.lastPickedSeq : candidate.lastPickedSeq;
    if (draws && group <= lotsGroup) {
      if (group < lotsGroup) {
        lotsGroup = group;
        lots = 0;
        lotsWeight = 0;
      }
      lotRow[lots] = row;
      lotWeight[lots++] = -score;
      lotsWeight -= score;
    }
    if (group > lastGroup) continue;
    if (group === lastGroup && (score > lastScore || (score === lastScore && tie >= lastTie))) continue;
    best.insert(row, group, score, tie);
    if (best.rows.length < KEPT) continue;
    lastGroup = best.groups[KEPT - 1]!;
    lastScore = best.scores[KEPT - 1]!;
    lastTie = best.ties[KEPT - 1]!;
  }
  if (draws && eligibleCount > 1) {
    // Each lot's chance is its share of the total.
    let left = request.random() * lotsWeight;
    let lot = 0;
    while (lot < lots - 1 && left >= lotWeight[lot]!) left -= lotWeight[lot++]!;
    best.promote(lotRow[lot]!, -lotWeight[lot]!);
  }
  return verdictOf(candidates, request, demand.scope, { eligibleCount, best, rejections: rejected.list() });
}

/** Why this one account cannot serve the model now; null when it can. */
export function whyNot(candidate: Candidate, model: string | null, nowMs: number): RejectionReason | null {
  const { reason } = standingOf(candidate, { nowMs, model, scope: SCOPE_ALL });
  return reason ?? (candidate.inFlight >= candidate.maxInFlight ? "at_capacity" : null);
}

const CLEAR = 0;
const AT_CAPACITY = REASONS.indexOf("at_capacity");
const NOT_ALLOWED = REASONS.indexOf("not_allowed_for_key");
const NOT_THE_ONE = REASONS.indexOf("not_the_single_account");
const EXCLUDED = REASONS.indexOf("excluded_after_failure");

/** The reason with what this request alone rules out: what the key and the settings forbid comes before how the account stands. */
function filtered(candidate: Candidate, reason: number, request: SelectionRequest): number {
  const { allowedAccountIds, excludedIds } = request;
  if (allowedAccountIds !== null && !allowedAccountIds.has(candidate.id)) return NOT_ALLOWED;
  if (request.strategy === "single_account" && candidate.id !== request.singleAccountId) return NOT_THE_ONE;
  return reason === CLEAR && excludedIds.has(candidate.id) ? EXCLUDED : reason;
}

/** The strategies: lower is better. */
const SCORES: Readonly<Record<Strategy, (candidate: Candidate, row: number, columns: Columns) => number>> = {
  usage_weighted: (candidate, row, { usedKey }) => usedKey[row]! + candidate.inFlight * IN_FLIGHT_PERCENT,
  round_robin: () => 0,
  single_account: () => 0,
  /** Drawn with the chance of what is left of the tightest window; never 0, so that everyone eligible can be drawn. */
  capacity_weighted: (candidate, row, { maxUsed }) =>
    (-Math.max(100 - maxUsed[row]!, 1) * (candidate.capacityWeight + MIN_CAPACITY)) /
    (1 + candidate.inFlight),
  /** Among those that reset in the same minute the least used. */
  reset_first: (_, row, { resetMinute, usedKey }) => resetMinute[row]! + usedKey[row]! / 10_000,
  fill_first: (_, row, { usedKey }) => -usedKey[row]!,
};

/** The best few of a scan, kept sorted: by group, score, tie, then order of arrival. */
function createBest() {
  const rows: number[] = [];
  const groups: number[] = [];
  const scores: number[] = [];
  const ties: number[] = [];
  return {
    rows,
    groups,
    scores,
    ties,
    insert(row: number, group: number, score: number, tie: number) {
      let at = rows.length;
      while (at > 0) {
        const above = at - 1;
        const order = group - groups[above]! || score - scores[above]! || tie - ties[above]!;
        if (order >= 0) break;
        at = above;
      }
      if (at >= KEPT) return;
      for (let to = Math.min(rows.length, KEPT - 1); to > at; to--) {
        rows[to] = rows[to - 1]!;
        groups[to] = groups[to - 1]!;
        scores[to] = scores[to - 1]!;
        ties[to] = ties[to - 1]!;
      }
      rows[at] = row;
      groups[at] = group;
      scores[at] = score;
      ties[at] = tie;
    },
    /** Puts a drawn row first. */
    promote(row: number, score: number) {
      const at = rows.indexOf(row);
      rows.splice(at === -1 ? rows.length - 1 : at, 1);
      scores.splice(at === -1 ? scores.length - 1 : at, 1);
      rows.unshift(row);
      scores.unshift(score);
    },
  };
}

/** Reasons whose end makes an account serve again; a refused model's end is only a time to ask again. */
const ENDS_BY_TIME: ReadonlySet<RejectionReason> = new Set(["spent", "cooling", "reserve"]);

/** Counts by reason, in the scratch columns; what is told of them is made once, at the end of the scan. */
function createRejections(candidates: readonly Candidate[], columns: Columns) {
  const { rejected: counts, rejectedUntilMs, readyAtMs } = columns;
  const ids: string[][] = [];
  counts.fill(0);
  return {
    add(reason: number, row: number) {
      const untilMs = columns.reason[row] === reason ? readyAtMs[row]! || Infinity : Infinity;
      if (counts[reason]!++ === 0) {
        ids[reason] = [];
        rejectedUntilMs[reason] = Infinity;
      }
      if (counts[reason]! <= KEPT) ids[reason]!.push(candidates[row]!.id);
      if (untilMs < rejectedUntilMs[reason]!) rejectedUntilMs[reason] = untilMs;
    },
    list(): Rejection[] {
      const list: Rejection[] = [];
      for (const [index, its] of ids.entries()) {
        if (its === undefined) continue;
        const untilMs = rejectedUntilMs[index]!;
        list.push({
          reason: REASONS[index]!,
          count: counts[index]!,
          ids: its,
          untilMs: untilMs === Infinity ? null : untilMs,
        });
      }
      return list.toSorted((a, b) => b.count - a.count);
    },
  };
}

function earliestReadyAtMs(rejections: readonly Rejection[]): number | null {
  let earliest: number | null = null;
  for (const { reason, untilMs } of rejections) {
    if (untilMs === null || !ENDS_BY_TIME.has(reason)) continue;
    if (earliest === null || untilMs < earliest) earliest = untilMs;
  }
  return earliest;
}

function verdictOf(
  candidates: readonly Candidate[],
  request: SelectionRequest,
  scope: string,
  found: {
    eligibleCount: number;
    best: ReturnType<typeof createBest>;
    rejections: Rejection[];
  },
): Verdict {
  const { eligibleCount, best, rejections } = found;
  const figures = best.rows.map((row, rank): RankedFigures => {
    const { id, inFlight, windows, routingPolicy } = candidates[row]!;
    return { id, score: best.scores[rank]!, inFlight, windows, routingPolicy };
  });
  const first = figures[0];
  return {
    pick: first === undefined ? null : candidates[best.rows[0]!]!,
    strategy: request.strategy,
    eligibleCount,
    earliestReadyAtMs: earliestReadyAtMs(rejections),
    get reason() {
      return first === undefined
        ? nobodyText(rejections, request)
        : pickText(first, request, scope, eligibleCount);
    },
    get ranking() {
      return figures.map((one) => ({
        id: one.id,
        score: Math.round(one.score * 1_000) / 1_000,
        get note() {
          return noteOf(one, request, scope);
        },
      }));
    },
    rejections,
  };
}
