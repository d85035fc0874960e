/**
 * `npm run bench:compare -- --gateway NAME[@VERSION] --command "…" [--gateway … --command … …] [--quick] [--publish]`: other
 * gateways beside codex-lb, nginx and the upstream itself, in one run. Writes bench/results/compare.{json,md}.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkExecutable, EXECUTABLE } from "./codex-lb.ts";
import { CHAT_PATH, type Dialect, type Gateway, GATEWAYS, startGateway } from "./gateways.ts";
import {
  connectClient,
  median,
  type Payload,
  quantile,
  REPLY,
  responsesPayload,
  sorted,
  throughput,
} from "./load.ts";
import { settledBytes, watchMemory } from "./memory.ts";
import { startNginx } from "./nginx.ts";
import { LOAD_CORE, requireTools, start, type Started } from "./processes.ts";
import { publish } from "./publish.ts";
import { describeRun, type Run, writeRun } from "./results.ts";
import type { Figure } from "./scenario.ts";
import { CHAT_PAYLOAD } from "./scenarios/chat.ts";
import { type Bench, startBench } from "./targets.ts";

const CONNECTIONS = 32;
/** Fewer than in `throughput`: a gateway that keeps a connection per conversation shall have warm ones. */
const SESSIONS = 64;
const BATCH = 50;
/** Long enough for a gateway whose requests take seconds when 32 wait. */
const ROUNDS = {
  full: { latency: 8, throughput: 3, seconds: 10 },
  quick: { latency: 1, throughput: 2, seconds: 4 },
};
const PAYLOADS: Record<Dialect, Payload> = { responses: responsesPayload(14_000), chat: CHAT_PAYLOAD };
const TITLES: Record<Dialect, string> = {
  responses: "Responses: 14 KB up, 80 events (20 KB) down",
  chat: "Chat completions, streaming: 13 KB up, about 80 chunks down",
};

interface Contender {
  name: string;
  origin: string;
  headers: Record<string, string>;
  /** Null: the upstream itself. */
  process: Started | null;
  paths: Partial<Record<Dialect, string>>;
}

interface Row {
  name: string;
  requestsPerSecond: number;
  addedP50Ms: number;
  addedP99Ms: number;
  idleMegabytes: number;
  highestMegabytes: number;
  failures: number;
}

async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      gateway: { type: "string", multiple: true },
      command: { type: "string", multiple: true },
      quick: { type: "boolean" },
      publish: { type: "boolean" },
    },
  });
  const wanted = chosenGateways(values.gateway ?? [], values.command ?? []);
  requireTools(["taskset", "wrk", "nginx"]);
  const stale = checkExecutable();
  if (stale !== null) console.error(stale);
  Bun.spawnSync(["taskset", "-a", "-cp", String(LOAD_CORE), String(process.pid)]);
  const quick = values.quick === true;
  const version = Bun.spawnSync([EXECUTABLE, "--version"]).stdout.toString().trim();
  const run = describeRun({ command: "npm run bench:compare", quick, whole: true }, [`codex-lb ${version}`]);

  const bench = await startBench(["direct", "nginx", "codex-lb"], {});
  const started: Started[] = [];
  try {
    await bench.canned(REPLY);
    const contenders = await startContenders(bench, wanted, started);
    const idle = new Map<string, number>();
    for (const { name, process } of contenders)
      if (process !== null) idle.set(name, await settledBytes(process, quick ? 1_000 : 5_000));
    const notes = wanted.map(({ gateway, label }) => `- ${label}: ${gateway.setup}.`);
    const sections: string[] = [];
    for (const dialect of ["responses", "chat"] as const) {
      const rows = await measure(dialect, contenders, ROUNDS[quick ? "quick" : "full"], idle);
      console.log(`\n${TITLES[dialect]}\n${table(rows)}`);
      sections.push(`**${TITLES[dialect]}**`, table(rows));
      const ours = rows.find(({ name }) => name === "codex-lb")!;
      run.results.push({
        scenario: dialect,
        what: TITLES[dialect],
        seconds: 0,
        failures: ours.failures,
        figures: rows.flatMap(figuresOf),
      });
    }
    writeRun("compare", run, [header(run), ...sections, notes.join("\n")].join("\n\n"));
  } finally {
    for (const process of started.toReversed()) await process.stop();
    await bench.stop();
  }
  if (values.publish === true) publish("compare");
  return run.results.some(({ failures }) => failures > 0) ? 1 : 0;
}

interface Chosen {
  gateway: Gateway;
  /** Its name, and its version when the user said it. */
  label: string;
  command: string[];
}

/** Throws when a name is unknown or has no command. */
function chosenGateways(names: readonly string[], commands: readonly string[]): Chosen[] {
  const known = GATEWAYS.map(({ name }) => name).join(", ");
  if (names.length === 0 || names.length !== commands.length)
    throw new Error(
      `Say --gateway NAME[@VERSION] --command "…", once or more, in pairs. Gateways: ${known}.`,
    );
  return names.map((label, index) => {
    const gateway = GATEWAYS.find(({ name }) => name === label.split("@")[0]);
    if (!gateway) throw new Error(`There is no gateway ${label}. There are: ${known}.`);
    return {
      gateway,
      label: label.replace("@", " "),
      command: commands[index]!.split(/\s+/).filter(Boolean),
    };
  });
}

/** Everyone who is asked, in the order of asking. What is started here is added to `started`. */
async function startContenders(
  bench: Bench,
  wanted: readonly Chosen[],
  started: Started[],
): Promise<Contender[]> {
  const keep = <T extends { process: Started }>(one: T): T => {
    started.push(one.process);
    return one;
  };
  const mock = await start([process.execPath, resolve(import.meta.dir, "openai-mock.ts")], {
    core: LOAD_CORE,
    ready: /http:/,
  });
  started.push(mock);
  const openai = { origin: mock.line.trim(), headers: { authorization: "Bearer mock" } };
  const chatNginx = keep(await startNginx(openai.origin, join(bench.directory, "nginx-chat")));
  const both = { responses: PAYLOADS.responses.path, chat: CHAT_PATH };
  const contenders: Contender[] = [
    { ...bench.target("direct"), paths: { responses: both.responses } },
    { name: "direct", ...openai, process: null, paths: { chat: CHAT_PATH } },
    { ...bench.target("nginx"), paths: { responses: both.responses } },
    { name: "nginx", ...chatNginx, headers: openai.headers, paths: { chat: CHAT_PATH } },
    { ...bench.target("codex-lb"), paths: both },
  ];
  for (const { gateway, label, command } of wanted) {
    console.log(`starting ${label}: ${command.join(" ")}`);
    const running = keep(
      await startGateway(gateway, {
        command,
        directory: join(bench.directory, gateway.name),
        codexUpstream: bench.target("direct").origin,
        openaiUpstream: openai.origin,
        authFiles: bench.authFiles,
      }),
    );
    contenders.push({ name: label, ...running, paths: gateway.paths });
  }
  return contenders;
}

/** Interleaved: each contender has its turn in every round, first one request at a time, then 32 connections. */
async function measure(
  dialect: Dialect,
  all: readonly Contender[],
  rounds: (typeof ROUNDS)["full"],
  idle: ReadonlyMap<string, number>,
): Promise<Row[]> {
  const asked = all.flatMap((contender) => {
    const path = contender.paths[dialect];
    if (path === undefined) return [];
    return [
      {
        contender,
        payload: { ...PAYLOADS[dialect], path },
        endMs: [] as number[],
        rates: [] as number[],
        failures: 0,
        highest: 0,
      },
    ];
  });
  for (let round = -1; round < rounds.latency; round++) {
    for (const one of asked) {
      const client = await connectClient(one.contender, { payload: one.payload, sessions: BATCH });
      for (let request = 0; request < BATCH; request++) {
        const { endMs, ok } = await client.request();
        if (!ok) one.failures++;
        if (round >= 0) one.endMs.push(endMs);
      }
      client.close();
    }
  }
  for (let round = -1; round < rounds.throughput; round++) {
    for (const one of asked) {
      const watch = one.contender.process && watchMemory(one.contender.process);
      const load = {
        connections: CONNECTIONS,
        seconds: rounds.seconds,
        payload: one.payload,
        sessions: SESSIONS,
      };
      const { requestsPerSecond, failures } = await throughput(one.contender, load);
      one.highest = Math.max(one.highest, watch?.end().highest ?? 0);
      one.failures += failures;
      if (round >= 0) one.rates.push(requestsPerSecond);
    }
  }
  const direct = sorted(asked[0]!.endMs);
  const added = (endMs: number[], part: number) => quantile(sorted(endMs), part) - quantile(direct, part);
  return asked.map(({ contender, endMs, rates, failures, highest }) => ({
    name: contender.name,
    requestsPerSecond: median(rates),
    addedP50Ms: added(endMs, 0.5),
    addedP99Ms: added(endMs, 0.99),
    idleMegabytes: (idle.get(contender.name) ?? 0) / 2 ** 20,
    highestMegabytes: highest / 2 ** 20,
    failures,
  }));
}

function figuresOf(row: Row): Figure[] {
  const { name } = row;
  return [
    { name: `${name}: throughput`, value: row.requestsPerSecond, unit: "requests/s" },
    { name: `${name}: added to the end, p50`, value: row.addedP50Ms, unit: "ms" },
    { name: `${name}: added to the end, p99`, value: row.addedP99Ms, unit: "ms" },
    { name: `${name}: idle memory`, value: row.idleMegabytes, unit: "MB" },
    { name: `${name}: memory under load, highest`, value: row.highestMegabytes, unit: "MB" },
    { name: `${name}: failed requests`, value: row.failures, unit: "" },
  ];
}

function table(rows: readonly Row[]): string {
  const ours = rows.find(({ name }) => name === "codex-lb")!.requestsPerSecond;
  const head =
    "| | requests/s | codex-lb: times that | adds, p50 | adds, p99 | memory idle | under load | failed |";
  const lines = rows.map((row) => {
    const isUpstream = row.name === "direct";
    const times = row.name === "codex-lb" ? "" : `${(ours / row.requestsPerSecond).toFixed(2)} ×`;
    const memory = isUpstream
      ? ["", ""]
      : [row.idleMegabytes, row.highestMegabytes].map((megabytes) => `${Math.round(megabytes)} MB`);
    const latency = isUpstream
      ? ["", ""]
      : [row.addedP50Ms, row.addedP99Ms].map((ms) => `${ms.toFixed(ms < 10 ? 2 : 0)} ms`);
    const rate =
      row.requestsPerSecond >= 100
        ? Math.round(row.requestsPerSecond).toLocaleString("en-US")
        : row.requestsPerSecond.toFixed(1);
    return `| ${[row.name, rate, times, ...latency, ...memory, row.failures].join(" | ")} |`;
  });
  return [head, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |", ...lines].join("\n");
}

function header({ at, machine, versions, quick }: Run): string {
  return `Measured on ${at.slice(0, 10)} on ${machine}; ${versions}; ${CONNECTIONS} connections, one core for each gateway.${quick ? " A quick run: rough figures." : ""}`;
}

process.chdir(resolve(import.meta.dir, ".."));
const exitCode = await main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
process.exit(exitCode);
