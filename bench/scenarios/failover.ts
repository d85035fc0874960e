/** Half the accounts fail in every way there is: no client may notice, and moving on may cost next to nothing of ours. */
import { connectClient, quantile, responsesPayload, sorted } from "../load.ts";
import type { Scenario } from "../scenario.ts";

/** Longer than anything the upstream does here, so that only a silent one runs into it. */
const FIRST_EVENT_TIMEOUT_SECONDS = 1;
const FAILING = 10;
const FAULTS = [
  { act: { kind: "error", name: "rate_limit_exceeded" } },
  { act: { kind: "error", name: "server_error" } },
  { act: { kind: "reset" } },
  { act: { kind: "hang" } },
  { act: { kind: "error", name: "token_revoked" } },
];
/** New conversations all the time: an old one stays where it was served. */
const SESSIONS = 1_000;
/** The log is written behind the requests. */
const LOG_WRITTEN_MS = 1_500;

interface LogRow {
  status: string;
  latencyMs: number;
  attempts: { ms: number; outcome: string }[];
}

export const failoverScenario: Scenario = {
  name: "failover",
  what: "half of 20 accounts answer 429, 500, reset, hang or have a revoked login; new conversations",
  targets: ["direct", "codex-lb"],
  env: { CODEX_LB_UPSTREAM_FIRST_EVENT_TIMEOUT_SECONDS: String(FIRST_EVENT_TIMEOUT_SECONDS) },
  async run({ bench, quick }) {
    await bench.canned(null);
    for (let account = 0; account < FAILING; account++) {
      await bench.control("faults", { ...FAULTS[account % FAULTS.length], when: { account }, times: null });
    }
    const payload = responsesPayload(2_000);
    const client = await connectClient(bench.target("codex-lb"), { payload, sessions: SESSIONS });
    let seen = 0;
    for (let request = 0; request < (quick ? 300 : 3_000); request++)
      if (!(await client.request()).ok) seen++;
    client.close();
    await Bun.sleep(LOG_WRITTEN_MS);
    const rows = await wholeLog(bench.service().adminJson);
    const failedAttempts = ({ attempts }: LogRow) => attempts.length - 1;
    const ours = (row: LogRow) => row.latencyMs - row.attempts.reduce((sum, { ms }) => sum + ms, 0);
    const plain = quantile(sorted(rows.filter((row) => failedAttempts(row) === 0).map(ours)), 0.5);
    const moved = rows.filter((row) => failedAttempts(row) > 0);
    const each = quantile(sorted(moved.map((row) => (ours(row) - plain) / failedAttempts(row))), 0.5);
    const outcomes = new Set(
      moved.flatMap(({ attempts }) => attempts.slice(0, -1).map(({ outcome }) => outcome)),
    );
    return {
      failures: seen,
      figures: [
        { name: "requests", value: rows.length, unit: "" },
        { name: "of them moved to another account", value: moved.length, unit: "" },
        { name: "kinds of failure met", value: outcomes.size, unit: "" },
        { name: "errors that the client saw", value: seen, unit: "", goal: { atMost: 0 } },
        { name: "ours per failed attempt, p50", value: each, unit: "ms", goal: { atMost: 1 } },
      ],
    };
  },
};

async function wholeLog(adminJson: (path: string) => Promise<Record<string, unknown>>): Promise<LogRow[]> {
  const rows: LogRow[] = [];
  let cursor = "";
  for (;;) {
    const page = await adminJson(`/api/request-logs?limit=1000${cursor}`);
    rows.push(...(page.requests as LogRow[]));
    if (!page.nextCursor) return rows;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor as string)}`;
  }
}
