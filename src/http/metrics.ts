/** `/metrics` in Prometheus' text format: counted from the same records as the log, read from memory. */
import type { RequestRecord } from "../core/record.ts";
import { usedPercentAt } from "../core/windows.ts";
import type { Pool } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";

export interface Metrics {
  requestFinished(record: RequestRecord): void;
  /** To be called about every `LAG_EVERY_MS`: how much later than that it was called is the event loop's lag. */
  tick(): void;
  render(): string;
}

export interface MetricsPorts {
  pool: Pool;
  clock: Clock;
  version: string;
  /** Figures that others know at the moment of asking. */
  gauges: {
    inFlight(): number;
    queued(): number;
    writeBehindDepth(): number;
    writeBehindDrops(): number;
    liveClients(): number;
  };
}

export const LAG_EVERY_MS = 500;

/** Seconds. A first token takes seconds, a long turn minutes. */
const BUCKETS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
/** Clients can name any model; beyond this many names they are counted together. */
const MAX_MODELS = 100;

type Labels = Record<string, string>;

/** One metric with all its label sets. */
interface Family {
  type: "counter" | "gauge";
  help: string;
  lines: Map<string, number>;
}

interface Histogram {
  observe(ms: number): void;
  render(): string;
}

interface Counter {
  /** `values` in the order of the labels. */
  add(amount: number, ...values: string[]): void;
  render(): string;
}

/** Counts in place, and writes labels only when asked: this runs for every request. */
function createCounter(name: string, labels: string[], help: string): Counter {
  const sums = new Map<string, number>();
  return {
    add(amount, ...values) {
      if (amount <= 0) return;
      const key = values.length === 1 ? values[0]! : values.join("\n");
      sums.set(key, (sums.get(key) ?? 0) + amount);
    },
    render() {
      let text = headOf(name, "counter", help);
      for (const [key, sum] of sums) {
        const values = key.split("\n");
        const named = Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ""]));
        text += `${name}${labelText(named)} ${sum}\n`;
      }
      return text;
    },
  };
}

/** Counts in place: this runs for every request. */
function createHistogram(name: string, help: string): Histogram {
  const counts = Array.from({ length: BUCKETS.length + 1 }, () => 0);
  let sumSeconds = 0;
  return {
    observe(ms) {
      const seconds = ms / 1000;
      const bucket = BUCKETS.findIndex((limit) => seconds <= limit);
      counts[bucket < 0 ? BUCKETS.length : bucket]!++;
      sumSeconds += seconds;
    },
    render() {
      let text = headOf(name, "histogram", help);
      let total = 0;
      for (const [index, count] of counts.entries()) {
        total += count;
        text += `${name}_bucket{le="${BUCKETS[index] ?? "+Inf"}"} ${total}\n`;
      }
      return `${text}${name}_sum ${sumSeconds}\n${name}_count ${total}\n`;
    },
  };
}

function headOf(name: string, type: Family["type"] | "histogram", help: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

export function createMetrics({ pool, clock, version, gauges }: MetricsPorts): Metrics {
  const models = new Set<string>();
  let worstLagMs = 0;
  let lastTick: number | null = null;

  const counters: Counter[] = [];
  function counter(name: string, labels: string[], help: string): Counter {
    const made = createCounter(name, labels, help);
    counters.push(made);
    return made;
  }

  const requests = counter("codex_lb_requests_total", ["status", "lane", "transport"], "Finished requests.");
  const durations = createHistogram(
    "codex_lb_request_duration_seconds",
    "From arrival to the end of the reply.",
  );
  const firstTokens = createHistogram(
    "codex_lb_first_token_seconds",
    "From arrival to the first output token.",
  );
  const tokens = counter("codex_lb_tokens_total", ["kind", "model"], "Tokens as upstream confirmed them.");
  const cost = counter("codex_lb_cost_usd_total", ["model"], "What it would have cost at list price.");
  const attempts = counter("codex_lb_attempts_total", ["outcome"], "Tries on an account, by outcome.");
  const failovers = counter("codex_lb_failovers_total", ["cause"], "Tries left for another one, by cause.");

  function modelLabel(model: string | null): string {
    if (model === null) return "none";
    if (model.includes("\n")) return "other";
    if (models.size < MAX_MODELS) models.add(model);
    return models.has(model) ? model : "other";
  }

  function now(): Map<string, Family> {
    const read = new Map<string, Family>();
    const gauge = (
      name: string,
      help: string,
      values: [Labels, number][],
      type: Family["type"] = "gauge",
    ) => {
      const lines = values.map(([labels, value]) => [name + labelText(labels), value] as const);
      read.set(name, { type, help, lines: new Map(lines) });
    };
    const accounts = pool.list();
    const states = Map.groupBy(accounts, ({ state }) => state);
    gauge(
      "codex_lb_accounts",
      "Accounts of the pool by state.",
      [...states].map(([state, list]) => [{ state }, list.length]),
    );
    gauge(
      "codex_lb_account_up",
      "1 while the account is active.",
      accounts.map(({ id, state }) => [{ account: id }, state === "active" ? 1 : 0]),
    );
    gauge(
      "codex_lb_account_in_flight",
      "Requests that the account serves now.",
      accounts.map(({ id, inFlight }) => [{ account: id }, inFlight]),
    );
    gauge(
      "codex_lb_window_used_percent",
      "How much of each quota window is used.",
      accounts.flatMap(({ id, windows }) =>
        windows.map((window): [Labels, number] => [
          { account: id, scope: window.scope, minutes: String(window.minutes) },
          usedPercentAt(window, clock.now()),
        ]),
      ),
    );
    gauge("codex_lb_requests_in_flight", "Requests being served now.", [[{}, gauges.inFlight()]]);
    gauge("codex_lb_requests_queued", "Requests that wait for a place.", [[{}, gauges.queued()]]);
    gauge("codex_lb_write_behind_depth", "Writes that wait for the disk.", [[{}, gauges.writeBehindDepth()]]);
    gauge(
      "codex_lb_write_behind_drops_total",
      "Writes given up since the start.",
      [[{}, gauges.writeBehindDrops()]],
      "counter",
    );
    gauge("codex_lb_live_clients", "Pages that listen to the live feed.", [[{}, gauges.liveClients()]]);
    gauge("codex_lb_event_loop_lag_seconds", "The worst lag since the last scrape.", [
      [{}, worstLagMs / 1000],
    ]);
    gauge("process_resident_memory_bytes", "Memory of the process.", [[{}, process.memoryUsage.rss()]]);
    gauge("codex_lb_build_info", "1; the version is the label.", [[{ version }, 1]]);
    worstLagMs = 0;
    return read;
  }

  return {
    requestFinished(record) {
      requests.add(1, record.status, record.lane, record.transport);
      durations.observe(record.latencyMs);
      if (record.latencyFirstTokenMs !== null) firstTokens.observe(record.latencyFirstTokenMs);
      const model = modelLabel(record.model);
      tokens.add(record.inputTokens, "input", model);
      tokens.add(record.cachedInputTokens, "cached_input", model);
      tokens.add(record.outputTokens, "output", model);
      tokens.add(record.reasoningTokens, "reasoning", model);
      cost.add(record.totalCostMicros / 1_000_000, model);
      for (const [index, { outcome }] of record.attempts.entries()) {
        attempts.add(1, outcome);
        if (index < record.attempts.length - 1) failovers.add(1, outcome);
      }
    },
    tick() {
      const at = clock.monotonic();
      if (lastTick !== null) worstLagMs = Math.max(worstLagMs, at - lastTick - LAG_EVERY_MS);
      lastTick = at;
    },
    render() {
      let text = durations.render() + firstTokens.render();
      for (const one of counters) text += one.render();
      for (const [name, { type, help, lines }] of now()) {
        text += headOf(name, type, help);
        for (const [line, value] of lines) text += `${line} ${value}\n`;
      }
      return text;
    },
  };
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels);
  if (pairs.length === 0) return "";
  return `{${pairs.map(([name, value]) => `${name}="${escaped(value)}"`).join()}}`;
}

function escaped(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
