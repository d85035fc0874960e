/** A chart over time with direct labels; uPlot is fetched when the first one is shown. */
import { createEffect, createSignal, For, on, onCleanup, onMount, Show } from "solid-js";
import type uPlot from "uplot";
import { clockTime, day, weekday } from "../lib/format.ts";
import { theme } from "../lib/preferences.ts";

export interface Series {
  label: string;
  /** One per time; null leaves a gap. */
  values: readonly (number | null)[];
  /** A token of app.css: "accent", "warn-fill", ... */
  color: string;
  dashed?: boolean;
  bars?: boolean;
}

interface LineChartProps {
  /** Milliseconds since the epoch, ascending. */
  times: readonly number[];
  series: readonly Series[];
  height?: number;
  /** The figures at the left. */
  format(value: number): string;
  /** Fixed scale, for example percent. */
  range?: [number, number];
  label: string;
}

const DAY_SECONDS = 86_400;

/** Days where the marks are days apart, else clock times, with the day at each midnight. */
function timeLabel(splits: readonly number[], at: number, index: number): string {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  if (step >= DAY_SECONDS) return day(at);
  const isNewDay =
    index === 0 || new Date(at).getDate() !== new Date((splits[index - 1] ?? 0) * 1_000).getDate();
  return isNewDay ? day(at) : clockTime(at);
}

const NEARLY_A_DAY_MS = 22 * 3_600_000;

/** Room for the outer halves of the first and the last bar. */
function padded(self: uPlot, min: number, max: number): [number, number] {
  const half = (max - min) / Math.max(1, (self.data[0].length - 1) * 2);
  return [min - half, max + half];
}

const colour = (name: string) => {
  // Canvas needs the resolved colour: the browser computes `light-dark()` only for real properties.
  const probe = document.createElement("span");
  probe.style.color = `var(--color-${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
};

export function LineChart(props: LineChartProps) {
  let host: HTMLDivElement | undefined;
  let chart: uPlot | undefined;
  let gone = false;
  const data = () =>
    [
      props.times.map((time) => time / 1_000),
      ...props.series.map((series) => [...series.values]),
    ] as uPlot.AlignedData;

  const [pointed, setPointed] = createSignal<number | null>(null);
  const hasBars = () => props.series.some((series) => series.bars);
  /** Days where the points are about a day apart, else with the clock. */
  const timeText = (at: number) =>
    (props.times[1] ?? 0) - (props.times[0] ?? 0) >= NEARLY_A_DAY_MS
      ? `${weekday(at)} ${day(at)}`
      : `${day(at)} ${clockTime(at)}`;

  async function draw(): Promise<void> {
    const { default: Plot } = await import("uplot");
    if (gone || !host) return;
    chart?.destroy();
    const axis = {
      stroke: colour("ink-3"),
      grid: { stroke: colour("line"), width: 1 },
      ticks: { show: false },
      font: "11px Hanken Grotesk",
    };
    chart = new Plot(
      {
        width: host.clientWidth,
        height: props.height ?? 180,
        legend: { show: false },
        cursor: { points: { size: 6 }, drag: { x: false, y: false } },
        hooks: { setCursor: [(self) => setPointed(self.cursor.idx ?? null)] },
        scales: {
          x: { time: true, ...(hasBars() ? { range: padded } : {}) },
          y: { range: props.range ?? ((_, _low, high) => [0, high > 0 ? high * 1.08 : 1]) },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 26,
            values: (_, splits) => splits.map((value, index) => timeLabel(splits, value * 1_000, index)),
          },
          { ...axis, size: 54, values: (_, splits) => splits.map((value) => props.format(value)) },
        ],
        series: [
          {},
          ...props.series.map((series) => ({
            label: series.label,
            stroke: colour(series.color),
            width: 1.75,
            points: { show: false },
            ...(series.dashed ? { dash: [5, 4] } : {}),
            ...(series.bars && Plot.paths.bars
              ? { paths: Plot.paths.bars({ size: [0.7, 48] }), fill: colour(series.color), width: 0 }
              : {}),
          })),
        ],
      },
      data(),
      host,
    );
  }

  onMount(() => {
    void draw();
    const resize = new ResizeObserver(
      () => host && chart?.setSize({ width: host.clientWidth, height: props.height ?? 180 }),
    );
    if (host) resize.observe(host);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => void draw();
    dark.addEventListener("change", redraw);
    onCleanup(() => {
      gone = true;
      resize.disconnect();
      dark.removeEventListener("change", redraw);
      chart?.destroy();
    });
  });
  createEffect(
    on(
      () => [props.times, props.series, theme()],
      () => void draw(),
      { defer: true },
    ),
  );

  return (
    <div class="relative min-w-0">
      <Show when={pointed() !== null && props.times[pointed() as number]}>
        {(at) => (
          <p
            class="pointer-events-none absolute -top-1 right-0 z-10 rounded-sm bg-panel px-1.5 text-xs whitespace-nowrap"
            aria-hidden="true"
          >
            <span class="text-ink-3">{timeText(at())}</span>
            <For each={props.series}>
              {(series) => {
                const value = () => series.values[pointed() ?? 0];
                return (
                  <span class="ml-2 font-semibold">
                    {typeof value() === "number" ? props.format(value() as number) : "–"}
                  </span>
                );
              }}
            </For>
          </p>
        )}
      </Show>
      <div
        ref={(element) => {
          host = element;
        }}
        role="img"
        aria-label={props.label}
        class="w-full min-w-0 overflow-hidden"
        style={{ height: `${props.height ?? 180}px` }}
      />
    </div>
  );
}
