/** Which script and which fault a request meets: rules with counts, then the seeded storm. */
import type { SeededRandom } from "./random.ts";
import type {
  Delivery,
  FaultAct,
  FaultMoment,
  FaultRule,
  Match,
  RouteName,
  Rule,
  ScriptRule,
  SimTransport,
  Storm,
} from "./types.ts";

export interface Fault {
  moment: FaultMoment;
  act: FaultAct;
}

/** What a rule is held against. */
export interface Facts {
  route: RouteName;
  transport: SimTransport;
  account: number | null;
  model: string | null;
  /** Called only when a rule asks; decoding every body would cost the fast path. */
  bodyText: () => string;
}

/** A mix of everything a pool must survive; each ends quickly. */
export const STORM_FAULTS: Fault[] = [
  { moment: "before_headers", act: { kind: "error", name: "rate_limit_exceeded" } },
  { moment: "before_headers", act: { kind: "error", name: "server_error" } },
  { moment: "before_headers", act: { kind: "error", name: "server_is_overloaded" } },
  { moment: "before_headers", act: { kind: "error", name: "bad_gateway" } },
  { moment: "before_headers", act: { kind: "error", name: "challenge_page" } },
  { moment: "before_headers", act: { kind: "reset" } },
  { moment: "before_headers", act: { kind: "cut" } },
  { moment: "before_headers", act: { kind: "partial_status_line" } },
  { moment: "before_headers", act: { kind: "delay", delayMs: 20 } },
  { moment: "first_event", act: { kind: "failed", code: "server_error" } },
  { moment: "first_event", act: { kind: "failed", code: "rate_limit_exceeded" } },
  { moment: "first_event", act: { kind: "cut" } },
  { moment: "after_created", act: { kind: "failed", code: "server_is_overloaded" } },
  { moment: "after_created", act: { kind: "reset" } },
  { moment: "after_text", act: { kind: "cut" } },
  { moment: "after_text", act: { kind: "end" } },
];

export function createRules(random: SeededRandom) {
  let faults: Live<FaultRule>[] = [];
  let scripts: Live<ScriptRule>[] = [];
  let storm: Storm | null = null;

  function takeFault(facts: Facts): Fault | null {
    const rule = take(
      faults,
      (one) => (one.route ?? "responses") === facts.route && matches(one.when, facts),
    );
    if (rule !== null) return { moment: rule.moment ?? "before_headers", act: rule.act };
    if (storm === null || facts.route !== "responses") return null;
    if (facts.account === null || storm.accounts?.includes(facts.account) === false) return null;
    return random.next() < storm.probability ? random.pick(storm.faults ?? STORM_FAULTS) : null;
  }
  function takeScript(facts: Facts): ScriptRule {
    const rule = take(scripts, (one) => matches(one.when, facts)) ?? { turn: { kind: "auto" } };
    return storm?.oddDelivery === true && rule.delivery === undefined
      ? { ...rule, delivery: oddDelivery() }
      : rule;
  }
  function oddDelivery(): Delivery {
    return { pieceBytes: 1 + random.below(900), pieceGapMs: random.below(8) === 0 ? 1 : 0 };
  }
  return {
    takeFault,
    takeScript,
    addFault: (rule: FaultRule) => void faults.unshift(enliven(rule)),
    clearFaults: () => void (faults = []),
    addScript: (rule: ScriptRule) => void scripts.unshift(enliven(rule)),
    clearScripts: () => void (scripts = []),
    setStorm: (next: Storm | null) => void (storm = next),
  };
}

export type Rules = ReturnType<typeof createRules>;

interface Live<R extends Rule> {
  rule: R;
  skip: number;
  left: number;
}

function enliven<R extends Rule>(rule: R): Live<R> {
  const left = rule.times === null ? Number.POSITIVE_INFINITY : (rule.times ?? 1);
  return { rule, skip: rule.skip ?? 0, left };
}

function take<R extends Rule>(rules: Live<R>[], applies: (rule: R) => boolean): R | null {
  for (const live of rules) {
    if (live.left <= 0 || !applies(live.rule)) continue;
    if (live.skip > 0) {
      live.skip--;
      continue;
    }
    live.left--;
    return live.rule;
  }
  return null;
}

function matches(when: Match | undefined, facts: Facts): boolean {
  if (when === undefined) return true;
  if (when.account !== undefined && when.account !== facts.account) return false;
  if (when.model !== undefined && when.model !== facts.model) return false;
  if (when.transport !== undefined && when.transport !== facts.transport) return false;
  if (when.bodyIncludes !== undefined && !facts.bodyText().includes(when.bodyIncludes)) return false;
  if (when.test === undefined) return true;
  return when.test({ route: facts.route, account: facts.account, bodyText: facts.bodyText() });
}
