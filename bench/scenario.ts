/** The shape of a benchmark scenario and of what it finds. */
import type { Bench, TargetName } from "./targets.ts";

export interface Figure {
  name: string;
  value: number;
  unit: string;
  /** What we want it to be; missing it is shown, and fails nothing. */
  goal?: { atMost?: number; atLeast?: number };
}

export interface Outcome {
  /** Requests that failed: the only thing that makes a run fail. */
  failures: number;
  figures: Figure[];
}

export interface Scenario {
  name: string;
  /** One line on load and payload. */
  what: string;
  targets: readonly TargetName[];
  /** Rows that codex-lb's log holds before it starts. Default: none. */
  rows?: { full: number; quick: number };
  /** Settings of codex-lb besides those that every scenario has. */
  env?: Record<string, string>;
  /** Run when it is named, not with all the others; its result is kept apart. Default: with all. */
  alone?: true;
  run(context: RunContext): Promise<Outcome>;
}

export interface RunContext {
  bench: Bench;
  /** Shorter rounds: figures for a first look, not to be published. */
  quick: boolean;
  /** What `--minutes` said; null: the scenario's own length. */
  minutes: number | null;
}

export function meetsGoal({ value, goal }: Figure): boolean | null {
  if (!goal) return null;
  return (
    (goal.atMost === undefined || value <= goal.atMost) &&
    (goal.atLeast === undefined || value >= goal.atLeast)
  );
}
