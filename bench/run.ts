/** `npm run bench -- [scenario …] [--quick] [--minutes N] [--publish]`: runs scenarios, prints their figures, writes bench/results/. */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkExecutable, EXECUTABLE } from "./codex-lb.ts";
import { LOAD_CORE, requireTools } from "./processes.ts";
import { publish } from "./publish.ts";
import { describeRun, type Result, row, writeRun } from "./results.ts";
import type { RunContext, Scenario } from "./scenario.ts";
import { chatScenario } from "./scenarios/chat.ts";
import { failoverScenario } from "./scenarios/failover.ts";
import { frontierScenario } from "./scenarios/frontier.ts";
import { historyScenario } from "./scenarios/history.ts";
import { largeBodyScenario } from "./scenarios/large-body.ts";
import { latencyScenario } from "./scenarios/latency.ts";
import { selectionScenario } from "./scenarios/selection.ts";
import { soakScenario } from "./scenarios/soak.ts";
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
  selectionScenario,
  historyScenario,
  startScenario,
  soakScenario,
];

/** Exit code 1 when a request failed, 2 when nothing could be measured. A missed goal is shown, and is no failure. */
async function main(argv: string[]): Promise<number> {
  const { values, positionals: names } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: { quick: { type: "boolean" }, publish: { type: "boolean" }, minutes: { type: "string" } },
  });
  const unknown = names.filter((name) => !SCENARIOS.some((scenario) => scenario.name === name));
  if (unknown.length > 0) {
    const known = SCENARIOS.map(({ name }) => name).join(", ");
    throw new Error(`There is no scenario ${unknown.join(", ")}. There are: ${known}.`);
  }
  requireTools(["taskset", "wrk", "nginx"]);
  const stale = checkExecutable();
  if (stale !== null) console.error(stale);
  // The load shares its core with the upstream, never with what is measured.
  Bun.spawnSync(["taskset", "-a", "-cp", String(LOAD_CORE), String(process.pid)]);

  const chosen = SCENARIOS.filter(({ name, alone }) => (names.length === 0 ? !alone : names.includes(name)));
  const quick = values.quick === true;
  const minutes = values.minutes === undefined ? null : Number(values.minutes);
  const everything = SCENARIOS.filter(({ alone }) => !alone);
  const isSoak = chosen.every(({ alone }) => alone);
  const said = argv.filter((argument) => argument !== "--publish");
  const run = describeRun(
    {
      command: ["npm run bench", ...(said.length > 0 ? ["--", ...said] : [])].join(" "),
      quick,
      whole: isSoak ? minutes === null : everything.every((scenario) => chosen.includes(scenario)),
    },
    [`codex-lb ${Bun.spawnSync([EXECUTABLE, "--version"]).stdout.toString().trim()}`],
  );
  for (const scenario of chosen) {
    console.log(`\n${scenario.name}: ${scenario.what}`);
    const result = await runScenario(scenario, { quick, minutes });
    run.results.push(result);
    for (const figure of result.figures) console.log(`  ${row(figure)}`);
    if (result.failures > 0) console.log(`  FAILED REQUESTS: ${result.failures}`);
  }
  const name = isSoak ? "soak" : "latest";
  writeRun(name, run);
  if (values.publish === true) publish(name);
  return run.results.some(({ failures }) => failures > 0) ? 1 : 0;
}

async function runScenario(scenario: Scenario, how: Omit<RunContext, "bench">): Promise<Result> {
  const { name, what, targets, rows, env } = scenario;
  const started = performance.now();
  const bench = await startBench(targets, {
    rows: rows?.[how.quick ? "quick" : "full"] ?? 0,
    ...(env ? { env } : {}),
  });
  try {
    const outcome = await scenario.run({ bench, ...how });
    return { scenario: name, what, seconds: (performance.now() - started) / 1000, ...outcome };
  } finally {
    await bench.stop();
  }
}

process.chdir(resolve(import.meta.dir, ".."));
const exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
process.exit(exitCode);
