/** Which account serves a request: who is eligible and why the others are not, then the best by the strategy in force. */
import type {
  Candidate,
  Rejection,
  RejectionReason,
  SelectionRequest,
  Strategy,
  Verdict,
} from "./selection/types.ts";
import { modelColumn, refreshRow, windowColumns, type WindowColumns } from "./selection/columns.ts";
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
  const scope = request.scope ?? SCOPE_ALL;
  const { nowMs, strategy, model } = request;
  const columns = windowColumns(candidates, scope, nowMs);
  const { windows, spentUntilMs, maxUsed } = columns;
  const goodModels = model === null ? null : modelColumn(candidates, model);
  const unfiltered =
    request.allowedAccountIds === null && request.excludedIds.size === 0 && strategy !== "single_account";
  const scoreOf = SCORES[strategy];
  const draws = strategy === "capacity_weighted";
  const latestFirst = strategy === "fill_first";
  const lots = createLots(columns);
  const best = createBest();
  const rejected = createRejections();
  let eligibleCount = 0;
  // The figures of the last that is kept, in locals: comparing with them is what most candidates cost.
  let lastGroup = Infinity;
  let lastScore = Infinity;
  let lastTie = Infinity;
  for (let row = 0; row < candidates.length; row++) {
    const candidate = candidates[row]!;
    if (windows[row] !== candidate.windows) refreshRow(columns, row, candidate.windows, scope, nowMs);
    // Nearly all pass this at once: nothing stands against them. Whoever does not is examined.
    const clear =
      unfiltered &&
      (goodModels === null || goodModels[row] === candidate.models) &&
      candidate.state === "active" &&
      spentUntilMs[row] === 0 &&
      candidate.coolingUntilMs <= nowMs &&
      candidate.inFlight < candidate.maxInFlight &&
      (candidate.unavailableModels === undefined || candidate.unavailableModels.size === 0) &&
      (candidate.reserveAtPercent === null || maxUsed[row]! < candidate.reserveAtPercent);
    if (!clear) {
      const reason = examine(candidate, row, columns, request);
      if (reason === null && goodModels !== null) goodModels[row] = candidate.models;
      if (reason !== null) {
        rejected.add(reason, candidate.id, readyAtMs(reason, candidate, row, columns, request));
        continue;
      }
    }
    eligibleCount++;
    const group = groupOf(candidate, row, columns, request);
    const score = scoreOf(candidate, row, columns);
    const tie = latestFirst ? -candidate.lastPickedSeq : candidate.lastPickedSeq;
    if (draws) lots.put(row, group, -score);
    if (group > lastGroup) continue;
    if (group === lastGroup && (score > lastScore || (score === lastScore && tie >= lastTie))) continue;
    best.insert(row, group, score, tie);
    if (best.rows.length < KEPT) continue;
    lastGroup = best.groups[KEPT - 1]!;
    lastScore = best.scores[KEPT - 1]!;
    lastTie = best.ties[KEPT - 1]!;
  }
  if (draws && eligibleCount > 1) {
    const lot = lots.draw(request.random());
    best.promote(lot.row, -lot.weight);
  }
  return verdictOf(candidates, request, scope, { eligibleCount, best, rejected });
}

/** Why a candidate is not eligible, or null when it is. The first reason that applies, the lasting ones first. */
function examine(
  candidate: Candidate,
  row: number,
  columns: WindowColumns,
  request: SelectionRequest,
): RejectionReason | null {
  const { nowMs, model, allowedAccountIds } = request;
  const { id, state, stateUntilMs, reserveAtPercent } = candidate;
  if (allowedAccountIds !== null && !allowedAccountIds.has(id)) return "not_allowed_for_key";
  if (request.strategy === "single_account" && id !== request.singleAccountId)
    return "not_the_single_account";
  if (state === "paused" || state === "reauth_required" || state === "deactivated") return state;
  // A spent account whose time has passed serves at once, before anything has noted that it healed.
  if (state !== "active" && (stateUntilMs === null || stateUntilMs > nowMs)) return "spent";
  if (columns.spentUntilMs[row]! > 0 && candidate.hasCredits !== true) return "spent";
  if (model !== null) {
    if (candidate.models !== null && !candidate.models.has(model)) return "model_unavailable";
    if ((candidate.unavailableModels?.get(model) ?? 0) > nowMs) return "model_unavailable";
  }
  if (candidate.coolingUntilMs > nowMs) return "cooling";
  if (reserveAtPercent !== null && columns.maxUsed[row]! >= reserveAtPercent) return "reserve";
  if (request.excludedIds.has(id)) return "excluded_after_failure";
  return candidate.inFlight >= candidate.maxInFlight ? "at_capacity" : null;
}

/** When what keeps a candidate out has passed; 0 when time alone does not help or nobody knows when. */
function readyAtMs(
  reason: RejectionReason,
  candidate: Candidate,
  row: number,
  columns: WindowColumns,
  request: SelectionRequest,
): number {
  if (reason === "spent") {
    const untilMs = Math.max(candidate.stateUntilMs ?? 0, columns.spentUntilMs[row]!);
    return untilMs > 0 ? Math.max(untilMs, candidate.coolingUntilMs) : 0;
  }
  if (reason === "cooling") return candidate.coolingUntilMs;
  if (reason === "reserve") return reserveEndMs(candidate, request);
  if (reason === "model_unavailable") return candidate.unavailableModels?.get(request.model ?? "") ?? 0;
  return 0;
}

function reserveEndMs(candidate: Candidate, request: SelectionRequest): number {
  let endMs = 0;
  for (const window of candidate.windows) {
    const counts = window.scope === SCOPE_ALL || window.scope === request.scope;
    if (counts && window.usedPercent >= candidate.reserveAtPercent!)
      endMs = Math.max(endMs, window.resetAtMs);
  }
  return endMs;
}

/** Candidates of a lower group come before all of a higher one, whatever their scores. */
function groupOf(
  candidate: Candidate,
  row: number,
  columns: WindowColumns,
  request: SelectionRequest,
): number {
  if (candidate.id === request.keepAccountId) return KEEP_GROUP;
  const policy = candidate.routingPolicy;
  const step = policy === "normal" ? POLICY_STEP : policy === "burn_first" ? 0 : 2 * POLICY_STEP;
  return request.preferEarlierReset ? step + columns.resetDay[row]! : step;
}

/** The strategies: lower is better. */
const SCORES: Readonly<
  Record<Strategy, (candidate: Candidate, row: number, columns: WindowColumns) => number>
> = {
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

/** The lots of a weighted draw, kept in the scratch columns: those of the best group that was met. */
function createLots({ lotRow, lotWeight }: WindowColumns) {
  let group = Infinity;
  let count = 0;
  let total = 0;
  return {
    put(row: number, itsGroup: number, weight: number) {
      if (itsGroup > group) return;
      if (itsGroup < group) {
        group = itsGroup;
        count = 0;
        total = 0;
      }
      lotRow[count] = row;
      lotWeight[count++] = weight;
      total += weight;
    },
    /** `point` in [0, 1): each lot's chance is its share of the total. */
    draw(point: number) {
      let left = point * total;
      let lot = 0;
      while (lot < count - 1 && left >= lotWeight[lot]!) left -= lotWeight[lot++]!;
      return { row: lotRow[lot]!, weight: lotWeight[lot]! };
    },
  };
}

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

function createRejections() {
  const byReason: Partial<Record<RejectionReason, Rejection>> = {};
  return {
    list: () => Object.values(byReason).toSorted((a, b) => b.count - a.count),
    add(reason: RejectionReason, id: string, readyMs: number) {
      const entry = byReason[reason];
      const untilMs = readyMs === 0 ? null : readyMs;
      if (entry === undefined) {
        byReason[reason] = { reason, count: 1, ids: [id], untilMs };
        return;
      }
      entry.count++;
      if (entry.ids.length < KEPT) entry.ids.push(id);
      if (untilMs !== null && (entry.untilMs === null || untilMs < entry.untilMs)) entry.untilMs = untilMs;
    },
    earliestReadyAtMs() {
      let earliest: number | null = null;
      for (const { reason, untilMs } of Object.values(byReason)) {
        if (untilMs === null || !ENDS_BY_TIME.has(reason)) continue;
        if (earliest === null || untilMs < earliest) earliest = untilMs;
      }
      return earliest;
    },
  };
}

function verdictOf(
  candidates: readonly Candidate[],
  request: SelectionRequest,
  scope: string,
  found: {
    eligibleCount: number;
    best: ReturnType<typeof createBest>;
    rejected: ReturnType<typeof createRejections>;
  },
): Verdict {
  const { eligibleCount, best, rejected } = found;
  const figures = best.rows.map((row, rank): RankedFigures => {
    const { id, inFlight, windows, routingPolicy } = candidates[row]!;
    return { id, score: best.scores[rank]!, inFlight, windows, routingPolicy };
  });
  const first = figures[0];
  return {
    pick: first === undefined ? null : candidates[best.rows[0]!]!,
    strategy: request.strategy,
    eligibleCount,
    earliestReadyAtMs: rejected.earliestReadyAtMs(),
    get reason() {
      return first === undefined
        ? nobodyText(rejected.list(), request)
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
    get rejections() {
      return rejected.list();
    },
  };
}
