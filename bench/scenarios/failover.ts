/** Half the accounts fail in every way there is: no client may notice, and moving on may cost next to nothing of ours. */
import { connectClient, quantile } from "../load.ts";
import type { Scenario } from "../scenario.ts";

const FAULTS = [
  { act: { kind: "error", name: "rate_limit_exceeded" } },
  { act: { kind: "error", name: "server_error" } },
  { act: { kind: "reset" } },
  { act: { kind: "error", name: "token_revoked" } },
];

interface LogRow {
  status: string;
  latencyMs: number;
  attempts: { ms: number; outcome: string }[];
}

export const failoverScenario: Scenario = {
  name: "failover",
  what: "half of 20 accounts answer 429, 500, reset or a revoked login",
  targets: ["direct", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(null);
    for (let account = 0; account < 10; account++) {
      await bench.control("faults", { ...FAULTS[account % FAULTS.length], when: { account }, times: null });
    }
    const client = await connectClient(bench.target("codex-lb"), 2_000);
    const requests = quick ? 300 : 2_000;
    for (let request = 0; request < requests; request++) await client.request();
    client.close();
    await Bun.sleep(1_000);
    const rows: LogRow[] = [];
    let cursor = "";
    do {
      const page = await bench.adminJson(`/api/request-logs?limit=1000${cursor}`);
      rows.push(...(page.requests as LogRow[]));
      cursor = page.nextCursor ? `&cursor=${encodeURIComponent(page.nextCursor as string)}` : "";
    } while (cursor !== "");
    const failed = rows.filter(({ status }) => status !== "ok");
    const overhead = (row: LogRow) =>
      row.latencyMs - row.attempts.reduce((sum, attempt) => sum + attempt.ms, 0);
    const sorted = (list: LogRow[]) => list.map(overhead).toSorted((a, b) => a - b);
    const plain = sorted(rows.filter(({ attempts }) => attempts.length === 1));
    const moved = rows.filter(({ attempts }) => attempts.length > 1);
    return {
      failures: failed.length,
      figures: [
        { name: "requests", value: rows.length, unit: "" },
        { name: "of them moved to another account", value: moved.length, unit: "" },
        { name: "errors that a client saw", value: failed.length, unit: "", goal: { atMost: 0 } },
        {
          name: "ours per moved request, beyond the attempts, p50",
          value: quantile(sorted(moved), 0.5) - quantile(plain, 0.5),
          unit: "ms",
          goal: { atMost: 1 },
        },
      ],
    };
  },
};
