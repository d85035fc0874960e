/** A log of a million rows: how fast the dashboard's pages are while requests run, and what they cost the requests. */
import { median, quantile, REPLY, responsesPayload, sorted, throughput } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";

const PAGES: [name: string, path: string, goalMs: number][] = [
  ["overview of 30 days", "/api/dashboard/overview?timeframe=30d", 30],
  ["first page of the log", "/api/request-logs?limit=50", 20],
  ["deep page of the log", "/api/request-logs?limit=50&offset=100000", 20],
  ["report of 30 days", "/api/reports", 150],
];

export const historyScenario: Scenario = {
  name: "history",
  what: "a log of 1,000,000 rows: overview, log pages, report, while 8 connections send requests",
  targets: ["direct", "codex-lb"],
  rows: { full: 1_000_000, quick: 100_000 },
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const target = bench.target("codex-lb");
    const load = { connections: 8, seconds: quick ? 3 : 10, payload: responsesPayload(14_000) };
    const figures: Figure[] = [];
    let failures = 0;
    await throughput(target, load);
    const alone: number[] = [];
    const beside: number[] = [];
    const times = new Map<string, number[]>(PAGES.map(([name]) => [name, []]));
    for (let round = 0; round < (quick ? 2 : 4); round++) {
      const first = await throughput(target, load);
      alone.push(first.requestsPerSecond);
      let running = true;
      const second = throughput(target, load).finally(() => (running = false));
      const isRunning = () => running;
      while (isRunning()) {
        for (const [name, path] of PAGES) {
          const started = performance.now();
          await bench.service().adminJson(path);
          times.get(name)!.push(performance.now() - started);
        }
        // People look at pages; they do not hammer them.
        await Bun.sleep(100);
      }
      const result = await second;
      beside.push(result.requestsPerSecond);
      failures += first.failures + result.failures;
    }
    for (const [name, , goalMs] of PAGES) {
      const all = sorted(times.get(name)!);
      figures.push(
        { name: `${name}, p50`, value: quantile(all, 0.5), unit: "ms" },
        { name: `${name}, p99`, value: quantile(all, 0.99), unit: "ms", goal: { atMost: goalMs } },
      );
    }
    const kept = median(beside.map((rate, round) => rate / alone[round]!));
    figures.push({ name: "throughput kept beside the pages", value: kept, unit: "", goal: { atLeast: 0.9 } });
    return { failures: failures + (await bench.failedRequests()), figures };
  },
};
