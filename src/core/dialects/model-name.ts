/** Reads what people write as a model: a mapped name, an effort suffix, a fast suffix. */

/** Efforts of the catalogue (`supported_reasoning_levels`) and of older models. */
const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"];

const SUFFIX = /^(.+?)(?:-([a-z]+)|:([a-z]+)|\s*\(([a-z]+)\))$/i;

export interface ModelRule {
  /** A name, or a name with `*` for any text, for example `claude-*`. Case matters not. */
  pattern: string;
  /** What it stands for; may carry suffixes itself, for example `gpt-5.4-mini-low`. */
  model: string;
}

export interface ModelChoice {
  /** The slug to send upstream. */
  model: string;
  effort: string | undefined;
  /** Asks for the fast (`priority`) service tier. */
  fast: boolean;
}

/** The model of the first rule whose pattern fits, otherwise the name as it came. */
export function mapModelName(requested: string, rules: readonly ModelRule[]): string {
  const name = requested.toLowerCase();
  return rules.find((rule) => fits(name, rule.pattern.toLowerCase()))?.model ?? requested;
}

/** The rules whose model the pool has, so that a name falls to the next rule instead of to nothing; all while nothing is known. */
export function usableRules(
  rules: readonly ModelRule[],
  knownModels: ReadonlySet<string>,
): readonly ModelRule[] {
  if (knownModels.size === 0) return rules;
  return rules.filter(({ model }) => knownModels.has(parseModelName(model, knownModels).model));
}

/** Glob match without a regular expression: patterns come from a setting, and their cost must stay linear. */
function fits(name: string, pattern: string): boolean {
  const parts = pattern.split("*");
  if (parts.length === 1) return name === pattern;
  const first = parts[0] ?? "";
  const last = parts.at(-1) ?? "";
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let at = first.length;
  const end = name.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end;
}

/**
 * `gpt-5.5-high`, `gpt-5.5(high)`, `gpt-5.5:high`, `gpt-5.5-fast`, `gpt-5.5-high-fast`, … → slug, effort, tier.
 * A name that the catalogue knows is never taken apart (`gpt-5.1-codex-max` is a model of its own), and `-max` is
 * an effort only when what stands before it is a known model.
 */
export function parseModelName(name: string, knownModels: ReadonlySet<string>): ModelChoice {
  let model = name;
  let effort: string | undefined;
  let fast = false;
  while (!knownModels.has(model)) {
    const match = SUFFIX.exec(model);
    const rest = match?.[1];
    const word = (match?.[2] ?? match?.[3] ?? match?.[4])?.toLowerCase();
    if (rest === undefined || word === undefined) break;
    if (word === "fast" && !fast) fast = true;
    else if (EFFORTS.includes(word) && effort === undefined && isEffort(match?.[2], rest, knownModels))
      effort = word;
    else break;
    model = rest;
  }
  return { model, effort, fast };
}

function isEffort(dashed: string | undefined, rest: string, knownModels: ReadonlySet<string>): boolean {
  return dashed?.toLowerCase() !== "max" || knownModels.has(rest);
}
