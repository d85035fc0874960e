/** `bun run bench [scenario …] [--quick]`: runs the scenarios, prints a table, writes bench/results/latest.{json,md}. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join, resolve } from "node:path";
import { LOAD_CORE } from "./processes.ts";
import { type Figure, meetsGoal, type Outcome, type Scenario } from "./scenario.ts";
import { chatScenario } from "./scenarios/chat.ts";
import { failoverScenario } from "./scenarios/failover.ts";
import { frontierScenario } from "./scenarios/frontier.ts";
import { historyScenario } from "./scenarios/history.ts";
import { largeBodyScenario } from "./scenarios/large-body.ts";
import { latencyScenario } from "./scenarios/latency.ts";
import { stalledScenario } from "./scenarios/stalled.ts";
import { startScenario } from "./scenarios/start.ts";
import { streamsScenario } from "./scenarios/streams.ts";
import { throughputScenario } from "./scenarios/throughput.ts";
import { websocketScenario } from "./scenarios/websocket.ts";
import { startBench } from "./targets.ts";

const SCENARIOS: readonly Scenario[] = [
  latencyScenario,
  throughputScenario,
  frontierScenario,
  streamsScenario,
  websocketScenario,
  chatScenario,
  largeBodyScenario,
  stalledScenario,
  failoverScenario,
  historyScenario,
  startScenario,
];

const root = resolve(import.meta.dir, "..");

interface Result extends Outcome {
  scenario: string;
  what: string;
  seconds: number;
}

async function main(argv: string[]): Promise<number> {
  const quick = argv.includes("--quick");
  const names = argv.filter((argument) => !argument.startsWith("--"));
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    console.error(
      `There is no scenario ${unknown.join(", ")}. There are: ${SCENARIOS.map(({ name }) => name).join(", ")}.`,
    );
    return 2;
  }
  // The load shares its core with the upstream, never with what is measured.
  Bun.spawnSync(["taskset", "-a", "-cp", String(LOAD_CORE), String(process.pid)]);
  const results: Result[] = [];
  for (const scenario of SCENARIOS.filter(({ name }) => names.length === 0 || names.includes(name))) {
    console.log(`\n${scenario.name}: ${scenario.what}`);
    const started = performance.now();
    const bench = await startBench(scenario.targets, {
      rows: scenario.rows?.[quick ? "quick" : "full"] ?? 0,
    });
    try {
      const outcome = await scenario.run({ bench, quick });
      results.push({
        scenario: scenario.name,
        what: scenario.what,
        seconds: (performance.now() - started) / 1000,
        ...outcome,
      });
      for (const figure of outcome.figures) console.log(`  ${row(figure)}`);
      if (outcome.failures > 0) console.log(`  FAILED REQUESTS: ${outcome.failures}`);
    } finally {
      await bench.stop();
    }
  }
  write(results, { quick, command: `bun run bench ${argv.join(" ")}`.trim() });
  return results.some(({ failures }) => failures > 0) ? 1 : 0;
}

function row(figure: Figure): string {
  const met = meetsGoal(figure);
  return `${figure.name.padEnd(34)} ${show(figure.value).padStart(10)} ${figure.unit.padEnd(12)} ${goalText(figure)}${met === false ? "  missed" : ""}`;
}

function show(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 3);
}

function goalText({ goal }: Figure): string {
  if (!goal) return "";
  return goal.atMost === undefined ? `goal ≥ ${goal.atLeast}` : `goal ≤ ${goal.atMost}`;
}

function write(results: readonly Result[], how: { quick: boolean; command: string }): void {
  const directory = join(root, "bench/results");
  mkdirSync(directory, { recursive: true });
  const machine = {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    bun: Bun.version,
    kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
  };
  const stamp = { at: new Date().toISOString(), ...how, machine };
  writeFileSync(join(directory, "latest.json"), `${JSON.stringify({ ...stamp, results }, null, 2)}\n`);
  const lines = [
    `Measured ${stamp.at} with \`${how.command}\` on ${machine.processor}, ${machine.cores} cores, ${machine.memoryGiB} GiB, Linux ${machine.kernel}, Bun ${machine.bun}.`,
    "",
    "| Scenario | Figure | Value | Goal |",
    "|---|---|---:|---|",
    ...results.flatMap(({ scenario, figures }) =>
      figures.map((figure) => {
        const met = meetsGoal(figure);
        const verdict =
          met === null ? "" : `${goalText(figure).replace("goal ", "")} ${met ? "met" : "**missed**"}`;
        return `| ${scenario} | ${figure.name} | ${show(figure.value)} ${figure.unit} | ${verdict} |`;
      }),
    ),
  ];
  writeFileSync(join(directory, "latest.md"), `${lines.join("\n")}\n`);
}

process.exit(await main(process.argv.slice(2)));
