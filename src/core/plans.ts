/** How much a plan can do in a window compared with other plans; used only to weigh accounts and to fill "credits" fields. */
import plans from "../data/plans.json" with { type: "json" };

/** Plans that the table does not list under the name that upstream uses. */
const ALIASES = new Map([
  ["promax", "pro"],
  ["hc", "enterprise"],
  ["education", "edu"],
]);

/** What an unknown plan is taken for: the commonest paid one. */
const DEFAULT_PLAN = "plus";

const ONE_DAY_MINUTES = 1440;
const TWO_WEEKS_MINUTES = 20_160;

const fiveHour: Record<string, number> = plans.fiveHour;
const weekly: Record<string, number> = plans.weekly;
const monthly: Record<string, number> = plans.monthly;

/**
 * Relative capacity ("credits") of a plan in a window of `minutes`: up to a day the 5-hour figure, up to two weeks the weekly
 * one, beyond that the monthly one, which falls back to the weekly. 0 where the plan has no such window.
 */
export function planCapacity(planType: string, minutes: number): number {
  const name = planType.toLowerCase();
  const plan = ALIASES.get(name) ?? (Object.hasOwn(weekly, name) ? name : DEFAULT_PLAN);
  if (minutes <= ONE_DAY_MINUTES) return fiveHour[plan] ?? 0;
  if (minutes > TWO_WEEKS_MINUTES && monthly[plan] !== undefined) return monthly[plan];
  return weekly[plan] ?? 0;
}

/** The same as a weight for averages: never 0, so that an account whose plan surprises us still counts. */
export function capacityWeight(planType: string, minutes: number): number {
  return Math.max(1, planCapacity(planType, minutes));
}
