/** Half the accounts fail in every way there is: no client may notice, and moving on may cost next to nothing of ours. */
import { connectClient, quantile, responsesPayload, sorted } from "../load.ts";
import type { Scenario } from "../scenario.ts";

/** Longer than anything the upstream does here, so that only a silent one runs into it. */
const FIRST_EVENT_TIMEOUT_SECONDS = 1;
/** Every other account: all equally unused, they are met in this order, and a request gives up after twelve attempts. */
const FAILING = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18];
const FAULTS = [
  { act: { kind: "error", name: "rate_limit_exceeded" } },
  { act: { kind: "error", name: "server_error" } },
  { act: { kind: "reset" } },
  { act: { kind: "hang" } },
  { act: { kind: "error", name: "token_revoked" } },
];
/** Some, so that one which waits for a silent account does not stop the others. */
const CLIENTS = 8;
/** New conversations all the time: an old one stays where it was served. */
const SESSIONS = 1_000;
/** The log is written behind the requests. */
const LOG_WRITTEN_MS = 1_500;

interface LogRow {
  status: string;
  latencyMs: number;
  attempts: { accountId: string; ms: number; outcome: string }[];
}
const accountOf = ({ accountId }: LogRow["attempts"][number]) => accountId;

export const failoverScenario: Scenario = {
  name: "failover",
  what: "half of 20 accounts answer 429, 500, reset, hang or have a revoked login; new conversations",
  targets: ["direct", "codex-lb"],
  env: { CODEX_LB_UPSTREAM_FIRST_EVENT_TIMEOUT_SECONDS: String(FIRST_EVENT_TIMEOUT_SECONDS) },
  async run({ bench, quick }) {
    await bench.canned(null);
    for (const [index, account] of FAILING.entries())
      await bench.control("faults", { ...FAULTS[index % FAULTS.length], when: { account }, times: null });
    const payload = responsesPayload(2_000);
    // By time, not by number: accounts that failed are asked again when they have cooled down.
    const until = performance.now() + (quick ? 8_000 : 60_000);
    let seen = 0;
    async function ask(): Promise<void> {
      const client = await connectClient(bench.target("codex-lb"), { payload, sessions: SESSIONS });
      while (performance.now() < until) if (!(await client.request()).ok) seen++;
      client.close();
    }
    await Promise.all(Array.from({ length: CLIENTS }, ask));
    await Bun.sleep(LOG_WRITTEN_MS);
    const rows = await wholeLog(bench.service().adminJson);
    const failedAttempts = ({ attempts }: LogRow) => attempts.length - 1;
    const ours = (row: LogRow) => row.latencyMs - row.attempts.reduce((sum, { ms }) => sum + ms, 0);
    const plain = quantile(sorted(rows.filter((row) => failedAttempts(row) === 0).map(ours)), 0.5);
    const moved = rows.filter((row) => failedAttempts(row) > 0);
    // Before the same account is asked once more there is a pause that is meant; moving on has none.
    const atOnce = moved.filter(({ attempts }) => attempts.length === new Set(attempts.map(accountOf)).size);
    const each = quantile(sorted(atOnce.map((row) => (ours(row) - plain) / failedAttempts(row))), 0.5);
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
        { name: "ours per account left behind, p50", value: each, unit: "ms", goal: { atMost: 1 } },
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
