/** A log of a million rows: how fast the dashboard's pages are while requests run, and what they cost the requests. */
import { median, quantile, REPLY, responsesPayload, sorted, throughput } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";

const PAGES: [name: string, path: string, goalMs: number][] = [
  ["overview of 30 days", "/api/dashboard/overview?timeframe=30d", 30],
  ["first page of the log", "/api/request-logs?limit=50", 20],
  ["deep page of the log", "/api/request-logs?limit=50&offset=100000", 20],
  ["report of 30 days", "/api/reports", 150],
];

/** Between two rounds of all four pages: one dashboard, whose owner opens one page after another and stops to look. */
const PAUSE_MS = 1_000;

export const historyScenario: Scenario = {
  name: "history",
  what: "a log of 1,000,000 rows: overview, log pages and report once a second, while 8 connections send requests",
  targets: ["direct", "codex-lb"],
  rows: { full: 1_000_000, quick: 100_000 },
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const target = bench.target("codex-lb");
    const load = { connections: 8, payload: responsesPayload(14_000) };
    const alone = { ...load, seconds: quick ? 3 : 10 };
    // Long enough for a p99 over all rounds.
    const together = { ...load, seconds: quick ? 10 : 30 };
    const figures: Figure[] = [];
    let failures = 0;
    const times = new Map<string, number[]>(PAGES.map(([name]) => [name, []]));
    async function ask(name: string, path: string): Promise<void> {
      const started = performance.now();
      await bench.service().adminJson(path);
      times.get(name)!.push(performance.now() - started);
    }
    await throughput(target, alone);
    for (const [name, path] of PAGES) await ask(name, path);
    // Just started, with nothing kept and nothing compiled: a figure of its own, and none of the others.
    const first = [...times.values()].map((asked) => asked.pop()!).reduce((sum, ms) => sum + ms);
    const kept: number[] = [];
    for (let round = 0; round < (quick ? 2 : 5); round++) {
      const before = await throughput(target, alone);
      let running = true;
      const meanwhile = throughput(target, together).finally(() => (running = false));
      const isRunning = () => running;
      while (isRunning()) {
        for (const [name, path] of PAGES) await ask(name, path);
        await Bun.sleep(PAUSE_MS);
      }
      const beside = await meanwhile;
      kept.push(beside.requestsPerSecond / before.requestsPerSecond);
      failures += before.failures + beside.failures;
    }
    for (const [name, , goalMs] of PAGES) {
      const all = sorted(times.get(name)!);
      figures.push(
        { name: `${name}, p50`, value: quantile(all, 0.5), unit: "ms" },
        { name: `${name}, p99`, value: quantile(all, 0.99), unit: "ms", goal: { atMost: goalMs } },
      );
    }
    figures.push(
      { name: "all four pages, the first time", value: first, unit: "ms" },
      {
        name: "throughput kept beside the pages",
        value: median(kept),
        unit: "",
        goal: { atLeast: 0.9 },
      },
    );
    return { failures: failures + (await bench.failedRequests()), figures };
  },
};
