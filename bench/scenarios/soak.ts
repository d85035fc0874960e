/** Many minutes of everything that wears a proxy out: churn, clients that leave or stall, failing accounts, WebSockets. Memory must be flat. */
import { readdirSync, readlinkSync } from "node:fs";
import { quantile, sorted } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { type Actor, HUGE, leaver, reader, SLOW, socketUser, staller, type Tally } from "../soak-clients.ts";
import type { Bench } from "../targets.ts";

const MINUTES = { full: 30, quick: 1 };
const CLIENTS: [actor: Actor, count: number][] = [
  [reader, 12],
  [leaver, 8],
  [staller, 6],
  [socketUser, 6],
];
const SAMPLE_MS = 1_000;
/** What remembers conversations and answers is full after some 20,000 turns, and grows until then. */
const WARM_UP_PART = 1 / 3;
/** The lowest of a window counts: garbage comes and goes. */
const WINDOW_SAMPLES = 10;
/** Half of the accounts fail now and then, in every way that a client must not notice. */
const STORM = {
  probability: 0.3,
  accounts: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  faults: [
    ...["rate_limit_exceeded", "server_error", "server_is_overloaded", "bad_gateway", "challenge_page"].map(
      (name) => ({ moment: "before_headers", act: { kind: "error", name } }),
    ),
    { moment: "before_headers", act: { kind: "reset" } },
    { moment: "before_headers", act: { kind: "cut" } },
    { moment: "before_headers", act: { kind: "delay", delayMs: 200 } },
    { moment: "first_event", act: { kind: "failed", code: "server_error" } },
    { moment: "first_event", act: { kind: "cut" } },
  ],
};
const STORM_MS = { blows: 20_000, rests: 10_000 };
const PAGES = ["/api/dashboard/overview?timeframe=7d", "/api/request-logs?limit=50", "/api/accounts"];
/** Idle connections to the upstream are closed after 20 s. */
const SETTLE_MS = 25_000;
const END_LIMIT_MS = 60_000;

export const soakScenario: Scenario = {
  name: "soak",
  what: "30 minutes of churn, clients that leave and stall, failing accounts, WebSockets and dashboard pages",
  targets: ["direct", "codex-lb"],
  alone: true,
  async run({ bench, quick, minutes }) {
    const length = minutes ?? MINUTES[quick ? "quick" : "full"];
    await prepareUpstream(bench);
    const process = bench.target("codex-lb").process!;
    const socketsBefore = socketsOf(process.pid);
    const tally: Tally = { turns: 0, left: 0, stalled: 0, socketTurns: 0, failures: 0 };
    const startedAt = performance.now();
    const endsAt = startedAt + length * 60_000;
    const isOver = () => performance.now() >= endsAt;
    const actors = CLIENTS.flatMap(([actor, count]) =>
      Array.from({ length: count }, () => actor(bench.target("codex-lb"), tally, isOver)),
    );
    const weather = blow(bench, isOver);
    const lagsMs: number[] = [];
    const memory: { minute: number; megabytes: number }[] = [];
    for (let second = 0; !isOver(); second++) {
      memory.push({
        minute: (performance.now() - startedAt) / 60_000,
        megabytes: process.rssBytes() / 2 ** 20,
      });
      if (second % 5 === 0) lagsMs.push(await lagMs(bench));
      if (second % 10 === 0) await bench.service().adminJson(PAGES[(second / 10) % PAGES.length]!);
      await Bun.sleep(SAMPLE_MS);
    }
    await Promise.all([...actors, weather]);
    const left = await whatIsLeft(bench);
    await Bun.sleep(SETTLE_MS);
    const warm = lowestOfWindows(memory.slice(Math.floor(memory.length * WARM_UP_PART)));
    const settledMegabytes = process.rssBytes() / 2 ** 20;
    const slope = slopeOf(warm);
    const megabytesAt = (index: number) => warm.at(index)?.megabytes ?? Number.NaN;
    const figures: Figure[] = [
      { name: "minutes", value: length, unit: "" },
      { name: "turns read to their end", value: tally.turns, unit: "" },
      { name: "turns over WebSockets", value: tally.socketTurns, unit: "" },
      { name: "clients that left early", value: tally.left, unit: "" },
      { name: "clients that stalled", value: tally.stalled, unit: "" },
      { name: "tries left for another account", value: await failovers(bench), unit: "" },
      { name: "answers that a client missed", value: tally.failures, unit: "", goal: { atMost: 0 } },
      { name: "memory after the warm-up (a third of it)", value: megabytesAt(0), unit: "MB" },
      { name: "memory at the end of the load", value: megabytesAt(-1), unit: "MB" },
      { name: "memory 25 s after it", value: settledMegabytes, unit: "MB" },
      // In a short run the warm-up is longer than what is measured.
      {
        name: "memory grows by",
        value: slope,
        unit: "MB/min",
        ...(length >= MINUTES.full ? { goal: { atMost: 0.5 } } : {}),
      },
      { name: "requests in flight at the end", value: left.inFlight, unit: "", goal: { atMost: 0 } },
      { name: "open at the upstream at the end", value: left.upstream, unit: "", goal: { atMost: 0 } },
      {
        // Some connections to the upstream wait for their next use, and this program keeps its own.
        name: "sockets more than before",
        value: socketsOf(process.pid) - socketsBefore,
        unit: "",
        goal: { atMost: 10 },
      },
      {
        name: "event-loop lag, median of the worst per 5 s",
        value: quantile(sorted(lagsMs), 0.5),
        unit: "ms",
      },
      { name: "event-loop lag, worst", value: Math.max(...lagsMs), unit: "ms" },
      { name: "log rows given up", value: left.drops, unit: "", goal: { atMost: 0 } },
    ];
    return { failures: tally.failures, figures };
  },
};

/** Turns of their own for the slow and the huge replies, and accounts whose windows do not fill in half an hour. */
async function prepareUpstream(bench: Bench): Promise<void> {
  await bench.canned(null);
  const script = (word: string, turn: object, delivery: object) =>
    bench.control("scripts", { when: { bodyIncludes: word }, turn, delivery, times: null });
  await script(SLOW, { kind: "filled", events: 15, bytesPerEvent: 200 }, { gapMs: 100 });
  await script(HUGE, { kind: "filled", events: 256, bytesPerEvent: 65_536 }, {});
  const windows = [300, 10_080].map((length) => ({ minutes: length, percentPer1kTokens: 0 }));
  for (const account of bench.authFiles.keys()) {
    await bench.control(`accounts/${account}`, { windows }, "PATCH");
  }
}

async function blow(bench: Bench, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    await bench.control("storm", STORM);
    await sleepUnless(isOver, STORM_MS.blows);
    await bench.control("storm", null);
    await sleepUnless(isOver, STORM_MS.rests);
  }
}

async function sleepUnless(isOver: () => boolean, ms: number): Promise<void> {
  const until = performance.now() + ms;
  while (!isOver() && performance.now() < until) await Bun.sleep(100);
}

async function lagMs(bench: Bench): Promise<number> {
  return ((await bench.service().metrics()).get("codex_lb_event_loop_lag_seconds") ?? Number.NaN) * 1000;
}

async function failovers(bench: Bench): Promise<number> {
  const lines = [...(await bench.service().metrics())];
  const ours = lines.filter(([line]) => line.startsWith("codex_lb_failovers_total"));
  return ours.reduce((sum, [, count]) => sum + count, 0);
}

interface Left {
  inFlight: number;
  upstream: number;
  drops: number;
}

/** What is still open once every client has gone; waits for zero as long as that may take. */
async function whatIsLeft(bench: Bench): Promise<Left> {
  const deadline = performance.now() + END_LIMIT_MS;
  for (;;) {
    const metrics = await bench.service().metrics();
    const sum = (name: RegExp) =>
      [...metrics].filter(([line]) => name.test(line)).reduce((total, [, value]) => total + value, 0);
    const { counters } = (await bench.control("state")) as {
      counters: { openRequests: number; openWebSockets: number };
    };
    const left = {
      inFlight: sum(/^codex_lb_(requests_in_flight|requests_queued|account_in_flight)/),
      upstream: counters.openRequests + counters.openWebSockets,
      drops: sum(/^codex_lb_write_behind_drops_total/),
    };
    if ((left.inFlight === 0 && left.upstream === 0) || performance.now() > deadline) return left;
    await Bun.sleep(500);
  }
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false; // Closed meanwhile.
    }
  }).length;
}

function lowestOfWindows<T extends { megabytes: number }>(samples: readonly T[]): T[] {
  const lowest: T[] = [];
  for (let at = 0; at < samples.length; at += WINDOW_SAMPLES) {
    const window = samples.slice(at, at + WINDOW_SAMPLES);
    lowest.push(window.reduce((best, sample) => (sample.megabytes < best.megabytes ? sample : best)));
  }
  return lowest;
}

/** Least squares, MB per minute. */
function slopeOf(samples: readonly { minute: number; megabytes: number }[]): number {
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const minute = mean(samples.map((sample) => sample.minute));
  const megabytes = mean(samples.map((sample) => sample.megabytes));
  const both = samples.map((sample) => (sample.minute - minute) * (sample.megabytes - megabytes));
  const spread = samples.map((sample) => (sample.minute - minute) ** 2);
  return mean(both) / mean(spread);
}
