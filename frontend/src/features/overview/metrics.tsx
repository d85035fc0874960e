/** The headline figures of the period, each with its course and its change. */
import ArrowDown from "lucide-solid/icons/arrow-down";
import ArrowUp from "lucide-solid/icons/arrow-up";
import { For, Show } from "solid-js";
import type { Overview, Point } from "../../lib/api-types.ts";
import { compact, count, percent, usd } from "../../lib/format.ts";
import { overview as words } from "../../lib/strings.ts";
import { Sparkline } from "../../ui/charts.tsx";

interface Metric {
  name: string;
  value: string;
  note: string;
  course: Point[];
  /** This period and the one before; null where there is nothing to compare with. */
  change: { now: number; before: number; show(value: number): string; inPoints: boolean } | null;
}

const MINUTES_PER_DAY = 1_440;
/** Changes below this are called "as before". */
const NOTABLE_CHANGE = 0.5;

const share = (part: number, whole: number): number => (whole === 0 ? 0 : (part / whole) * 100);

function metricsOf(overview: Overview): Metric[] {
  const { metrics, cost, comparison } = overview.summary;
  const { trends, timeframe } = overview;
  const previous = comparison.canCompare ? comparison.previous : null;
  const m = words.metrics;
  const input = metrics.inputTokens ?? metrics.tokens;
  const cacheRate = share(metrics.cachedInputTokens, input);
  const days = timeframe.windowMinutes / MINUTES_PER_DAY;
  const against = (
    now: number,
    before: number | undefined,
    show: (value: number) => string,
    inPoints = false,
  ) => (before === undefined ? null : { now, before, show, inPoints });
  const previousCache =
    previous?.inputTokens !== undefined && previous.cachedInputTokens !== undefined
      ? share(previous.cachedInputTokens, previous.inputTokens)
      : undefined;
  return [
    {
      name: m.requests,
      value: metrics.requests < 100_000 ? count(metrics.requests) : compact(metrics.requests),
      note: m.perDay(compact(metrics.requests / days)),
      course: trends.requests,
      change: against(metrics.requests, previous?.requests, compact),
    },
    {
      name: m.tokens,
      value: compact(metrics.tokens),
      note: m.cached(percent(share(metrics.cachedInputTokens, metrics.tokens))),
      course: trends.tokens,
      change: against(metrics.tokens, previous?.tokens, compact),
    },
    {
      name: m.cost,
      value: usd(cost.totalUsd),
      note: m.perDay(usd(cost.totalUsd / days)),
      course: trends.cost,
      change: against(cost.totalUsd, previous?.costUsd, usd),
    },
    {
      name: m.errors,
      value: percent(metrics.errorRate * 100),
      note: metrics.topError ? m.top(metrics.topError) : m.noErrors,
      course: trends.errorRate,
      change: against(
        metrics.errorRate * 100,
        previous?.errorRate === undefined ? undefined : previous.errorRate * 100,
        percent,
        true,
      ),
    },
    {
      name: m.cache,
      value: percent(cacheRate),
      note: m.cachedTokens(compact(metrics.cachedInputTokens)),
      course: trends.cacheHitRate ?? [],
      change: against(cacheRate, previousCache, percent, true),
    },
  ];
}

export function Metrics(props: { overview: Overview }) {
  return (
    <dl class="panel grid grid-cols-2 overflow-hidden lg:grid-cols-5">
      <For each={metricsOf(props.overview)}>
        {(metric, index) => (
          <div
            class={`-mb-px -ml-px flex min-w-0 flex-col border-b border-l border-line px-4 pt-3 pb-3.5 ${index() === 4 ? "max-lg:col-span-2" : ""}`}
          >
            <dt class="eyebrow">{metric.name}</dt>
            <dd class="mt-0.5 flex flex-wrap items-baseline gap-x-2">
              <span class="text-2xl font-semibold tracking-[-0.018em] lg:max-xl:text-xl">{metric.value}</span>
              <Show when={metric.change}>{(change) => <Change {...change()} />}</Show>
            </dd>
            <dd class="truncate text-xs text-ink-3" title={metric.note}>
              {metric.note}
            </dd>
            <dd class="mt-auto pt-2.5">
              <Show when={metric.course.length > 1} fallback={<div class="h-7" />}>
                <Sparkline
                  values={metric.course.map((point) => point.v)}
                  label={words.metrics.trend(metric.name)}
                  class="h-7"
                />
              </Show>
            </dd>
          </div>
        )}
      </For>
    </dl>
  );
}

/** No colour: more requests are neither good nor bad, and the arrow says the direction. */
function Change(props: { now: number; before: number; show(value: number): string; inPoints: boolean }) {
  const difference = () =>
    props.inPoints ? props.now - props.before : props.before === 0 ? 0 : (props.now / props.before - 1) * 100;
  const size = () => Math.abs(difference());
  return (
    <span
      class="inline-flex items-center gap-0.5 text-xs text-ink-2"
      title={words.metrics.against(props.show(props.before))}
    >
      <Show when={size() >= NOTABLE_CHANGE} fallback={words.metrics.same}>
        {difference() > 0 ? <ArrowUp size={12} /> : <ArrowDown size={12} />}
        {props.inPoints ? words.metrics.points(size().toFixed(1)) : percent(size())}
      </Show>
    </span>
  );
}
