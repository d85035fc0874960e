/** How results are shown and kept: lines for the terminal, JSON for programs, a Markdown table for the page about speed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { type Figure, meetsGoal, type Outcome } from "./scenario.ts";

export const RESULTS = resolve(import.meta.dir, "results");

export interface Result extends Outcome {
  scenario: string;
  what: string;
  seconds: number;
}

/** One run of a command, with what is needed to judge and to repeat it. */
export interface Run {
  /** ISO 8601. */
  at: string;
  command: string;
  quick: boolean;
  /** Every scenario of its kind was run, not some by name. */
  whole: boolean;
  machine: string;
  versions: string;
  results: Result[];
}

export function describeRun(how: Pick<Run, "command" | "quick" | "whole">, moreVersions: string[] = []): Run {
  const kernel = /^\d+\.\d+/.exec(readFileSync("/proc/sys/kernel/osrelease", "utf8"))?.[0] ?? "unknown";
  const memoryGiB = Math.round(totalmem() / 2 ** 30);
  return {
    ...how,
    at: new Date().toISOString(),
    machine: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, ${memoryGiB} GiB, Linux ${kernel}`,
    versions: [
      `Bun ${Bun.version}`,
      ...versionOf(["nginx", "-v"], /nginx\/\S+/),
      ...versionOf(["wrk", "-v"], /wrk \S+/),
      ...moreVersions,
    ].join(", "),
    results: [],
  };
}

function versionOf(command: string[], pattern: RegExp): string[] {
  if (Bun.which(command[0]!) === null) return [];
  const { stdout, stderr } = Bun.spawnSync(command);
  return pattern.exec(stdout.toString() + stderr.toString())?.slice(0, 1) ?? [];
}

/** Writes bench/results/`name`.json and .md; the text is a table per scenario unless another is given. */
export function writeRun(name: string, run: Run, text: string = markdown(run)): void {
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(join(RESULTS, `${name}.json`), `${JSON.stringify(run, null, 2)}\n`);
  writeFileSync(join(RESULTS, `${name}.md`), `${text.trim()}\n`);
}

export function readRun(name: string): { run: Run; text: string } {
  const run = JSON.parse(readFileSync(join(RESULTS, `${name}.json`), "utf8")) as Run;
  return { run, text: readFileSync(join(RESULTS, `${name}.md`), "utf8") };
}

function markdown({ at, command, quick, machine, versions, results }: Run): string {
  const lines = [
    `Measured on ${at.slice(0, 10)} with \`${command}\` on ${machine}; ${versions}.${quick ? " A quick run: rough figures." : ""}`,
  ];
  for (const { scenario, what, failures, figures } of results) {
    lines.push("", `**${scenario}**: ${what}.${failures > 0 ? ` **${failures} requests failed.**` : ""}`, "");
    lines.push("| Figure | Value | Goal |", "| --- | ---: | --- |");
    for (const figure of figures)
      lines.push(`| ${figure.name} | ${valueText(figure)} | ${verdict(figure)} |`);
  }
  return `${lines.join("\n")}\n`;
}

function verdict(figure: Figure): string {
  const met = meetsGoal(figure);
  return met === null ? "" : `${goalText(figure)}, ${met ? "met" : "**missed**"}`;
}

/** One line for the terminal. */
export function row(figure: Figure): string {
  const missed = meetsGoal(figure) === false ? "  missed" : "";
  const goal = figure.goal ? `goal ${goalText(figure)}` : "";
  return `${figure.name.padEnd(48)} ${valueText(figure).padStart(20)}  ${goal}${missed}`;
}

function valueText({ value, unit }: Figure): string {
  const digits = Math.abs(value) >= 10 ? 1 : Number.isInteger(value) ? 0 : 3;
  const number =
    Math.abs(value) >= 1000 || Number.isInteger(value)
      ? Math.round(value).toLocaleString("en-US")
      : value.toFixed(digits);
  return `${number} ${unit}`.trim();
}

function goalText({ goal }: Figure): string {
  if (!goal) return "";
  return goal.atMost === undefined ? `≥ ${goal.atLeast}` : `≤ ${goal.atMost}`;
}
