/** Small drawings without axes: sparklines and bars. */
import { createMemo, For, Show } from "solid-js";

const WIDTH = 120;

/** A line over the whole width; the last point is marked. */
export function Sparkline(props: {
  values: readonly number[];
  label: string;
  height?: number;
  class?: string;
}) {
  const height = () => props.height ?? 30;
  const path = createMemo(() => {
    const values = props.values;
    if (values.length < 2) return null;
    const top = Math.max(...values, 1e-9);
    const inner = height() - 4;
    const points = values.map((value, index) => [
      (index / (values.length - 1)) * WIDTH,
      2 + inner - (value / top) * inner,
    ]);
    const line = points.map(([x, y]) => `${x?.toFixed(1)},${y?.toFixed(1)}`).join(" L");
    return { line: `M${line}`, area: `M0,${height()} L${line} L${WIDTH},${height()} Z` };
  });
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${height()}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={props.label}
      class={`block w-full overflow-visible text-accent ${props.class ?? "h-8"}`}
    >
      <Show when={path()}>
        {(drawn) => (
          <>
            <path d={drawn().area} fill="currentColor" opacity="0.09" />
            <path
              d={drawn().line}
              fill="none"
              stroke="currentColor"
              stroke-width="1.5"
              stroke-linejoin="round"
              vector-effect="non-scaling-stroke"
            />
          </>
        )}
      </Show>
    </svg>
  );
}

export type Tone = "good" | "warn" | "bad" | "idle";

const FILL: Record<Tone, string> = {
  good: "bg-good-fill",
  warn: "bg-warn-fill",
  bad: "bg-bad-fill",
  idle: "bg-idle",
};

/** A share from 0 to 100, with an optional mark. */
export function Bar(props: {
  percent: number;
  tone: Tone;
  label: string;
  markPercent?: number | null;
  class?: string;
}) {
  const width = () => Math.min(100, Math.max(0, props.percent));
  return (
    <div
      role="meter"
      aria-label={props.label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(width())}
      class={`relative h-1.5 overflow-hidden rounded-full bg-track ${props.class ?? ""}`}
    >
      <div
        class={`h-full rounded-full transition-[width] duration-500 ${FILL[props.tone]} ${width() > 0 ? "min-w-1" : ""}`}
        style={{ width: `${width()}%` }}
      />
      <Show when={props.markPercent}>
        {(at) => (
          <div class="absolute inset-y-0 w-px bg-ink" style={{ left: `${at()}%` }} aria-hidden="true" />
        )}
      </Show>
    </div>
  );
}

/** Parts of a whole side by side, for example the phases of a request. */
export function Parts(props: {
  parts: readonly { label: string; share: number; class: string }[];
  label: string;
}) {
  return (
    <div class="flex h-3 gap-px overflow-hidden rounded-sm" role="img" aria-label={props.label}>
      <For each={props.parts}>
        {(part) => (
          <div
            class={`h-full min-w-[2px] basis-0 ${part.class}`}
            title={part.label}
            style={{ "flex-grow": part.share }}
          />
        )}
      </For>
    </div>
  );
}
