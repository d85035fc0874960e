/** Which account serves a request: who is eligible and why the others are not, then the best by the strategy in force. */
import type {
  Candidate,
  Rejection,
  RejectionReason,
  SelectionRequest,
  Strategy,
  Verdict,
} from "./selection/types.ts";
import {
  modelColumn,
  refreshRow,
  windowColumns,
  type ModelColumn,
  type WindowColumns,
} from "./selection/columns.ts";
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
  const models = model === null ? null : modelColumn(candidates, model);
  const unfiltered =
    request.allowedAccountIds === null && request.excludedIds.size === 0 && strategy !== "single_account";
  const draws = strategy === "capacity_weighted";
  const latestFirst = strategy === "fill_first";
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
    const hasModel = models === null || listsModel(models, row, candidate.models, model!);
    // Nearly all pass this at once: nothing stands against them. Whoever does not is examined.
    const clear =
      unfiltered &&
      hasModel &&
      candidate.state === "active" &&
      spentUntilMs[row] === 0 &&
      candidate.coolingUntilMs <= nowMs &&
      candidate.inFlight < candidate.maxInFlight &&
      candidate.unavailableModels === undefined &&
      (candidate.reserveAtPercent === null || maxUsed[row]! < candidate.reserveAtPercent);
    if (!clear) {
      const reason = examine(candidate, row, columns, hasModel, request);
      if (reason !== null) {
        if (draws) columns.weight[row] = 0;
        rejected.add(reason, candidate.id, readyAtMs(reason, candidate, row, columns, request));
        continue;
      }
    }
    eligibleCount++;
    const group = groupOf(candidate, row, columns, request);
    const score = scoreOf(candidate, row, columns, strategy);
    const tie = latestFirst ? -candidate.lastPickedSeq : candidate.lastPickedSeq;
    if (draws) {
      columns.weight[row] = -score;
      columns.group[row] = group;
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
    const row = drawRow(columns, candidates.length, best.groups[0]!, request);
    best.promote(row, -columns.weight[row]!);
  }
  return verdictOf(candidates, request, scope, { eligibleCount, best, rejected });
}

function listsModel(
  column: ModelColumn,
  row: number,
  models: ReadonlySet<string> | null,
  model: string,
): boolean {
  if (column.sets[row] !== models) {
    column.sets[row] = models;
    column.has[row] = models === null || models.has(model) ? 1 : 0;
  }
  return column.has[row] === 1;
}

/** Why a candidate is not eligible, or null when it is. The first reason that applies, the lasting ones first. */
function examine(
  candidate: Candidate,
  row: number,
  columns: WindowColumns,
  hasModel: boolean,
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
  if (!hasModel) return "model_unavailable";
  if (model !== null && (candidate.unavailableModels?.get(model) ?? 0) > nowMs) return "model_unavailable";
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
  switch (reason) {
    case "spent": {
      const untilMs = Math.max(candidate.stateUntilMs ?? 0, columns.spentUntilMs[row]!);
      return untilMs > 0 ? Math.max(untilMs, candidate.coolingUntilMs) : 0;
    }
    case "cooling":
      return candidate.coolingUntilMs;
    case "model_unavailable":
      return candidate.unavailableModels?.get(request.model ?? "") ?? 0;
    case "reserve":
      return reserveEndMs(candidate, request);
    case "not_allowed_for_key":
    case "not_the_single_account":
    case "paused":
    case "reauth_required":
    case "deactivated":
    case "excluded_after_failure":
    case "at_capacity":
      break;
  }
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

/** The strategy: lower is better. */
function scoreOf(candidate: Candidate, row: number, columns: WindowColumns, strategy: Strategy): number {
  switch (strategy) {
    case "usage_weighted":
      return columns.usedKey[row]! + candidate.inFlight * IN_FLIGHT_PERCENT;
    case "round_robin":
    case "single_account":
      return 0;
    case "capacity_weighted": {
      // What is left of the tightest window; never 0, so that everyone eligible can be drawn.
      const room = Math.max(100 - columns.maxUsed[row]!, 1);
      return (-room * Math.max(candidate.capacityWeight, 0.001)) / (1 + candidate.inFlight);
    }
    case "reset_first":
      // Among those that reset in the same minute the least used.
      return columns.resetMinute[row]! + Math.min(columns.usedKey[row]!, 999) / 1_000;
    case "fill_first":
      return -columns.usedKey[row]!;
  }
  return strategy satisfies never;
}

/** One draw among the rows of the best group, each with the chance of its weight. */
function drawRow(columns: WindowColumns, length: number, group: number, request: SelectionRequest): number {
  let total = 0;
  for (let row = 0; row < length; row++) if (columns.group[row] === group) total += columns.weight[row]!;
  let left = request.random() * total;
  let last = -1;
  for (let row = 0; row < length; row++) {
    if (columns.group[row] !== group || columns.weight[row] === 0) continue;
    last = row;
    left -= columns.weight[row]!;
    if (left < 0) break;
  }
  return last;
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
  const byReason = new Map<RejectionReason, Rejection>();
  return {
    list: () => [...byReason.values()].toSorted((a, b) => b.count - a.count),
    add(reason: RejectionReason, id: string, readyMs: number) {
      const entry = byReason.get(reason);
      const untilMs = readyMs === 0 ? null : readyMs;
      if (entry === undefined) {
        byReason.set(reason, { reason, count: 1, ids: [id], untilMs });
        return;
      }
      entry.count++;
      if (entry.ids.length < KEPT) entry.ids.push(id);
      if (untilMs !== null && (entry.untilMs === null || untilMs < entry.untilMs)) entry.untilMs = untilMs;
    },
    earliestReadyAtMs() {
      let earliest: number | null = null;
      for (const { reason, untilMs } of byReason.values()) {
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
        note: noteOf(one, request, scope),
      }));
    },
    get rejections() {
      return rejected.list();
    },
  };
}
