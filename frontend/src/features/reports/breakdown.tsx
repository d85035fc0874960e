/** Who or what took how much: names with bars, the largest first. */
import { A } from "@solidjs/router";
import { createMemo, For, Show } from "solid-js";
import type { ReportSums } from "../../lib/api-types.ts";
import { compact, count, percent, usd } from "../../lib/format.ts";
import { reports as words } from "../../lib/strings.ts";
import { Section } from "../../ui/page.tsx";

export type Measure = keyof typeof words.measures;

/** What is behind that is summed up in one line. */
const SHOWN = 10;

export function valueOf(sums: ReportSums, measure: Measure): number {
  return measure === "tokens" ? sums.inputTokens + sums.outputTokens : sums[measure];
}

const FORMATS: Record<Measure, (value: number) => string> = {
  costUsd: usd,
  tokens: compact,
  requests: count,
};

interface BreakdownProps {
  title: string;
  measure: Measure;
  private?: boolean;
  rows: readonly (ReportSums & { name: string; href: string | null })[];
}

export function Breakdown(props: BreakdownProps) {
  const rows = createMemo(() =>
    props.rows
      .map((row) => ({ name: row.name, href: row.href, value: valueOf(row, props.measure) }))
      .toSorted((a, b) => b.value - a.value),
  );
  const all = createMemo(() => rows().reduce((sum, row) => sum + row.value, 0) || 1);
  const rest = createMemo(() =>
    rows()
      .slice(SHOWN)
      .reduce((sum, row) => sum + row.value, 0),
  );
  const show = (value: number) => FORMATS[props.measure](value);
  return (
    <Section title={props.title}>
      <ul class="panel divide-y divide-line text-sm">
        <For each={rows().slice(0, SHOWN)}>
          {(row) => (
            <li class="relative px-3.5 py-2" title={words.share(percent((row.value / all()) * 100))}>
              <span class="flex justify-between gap-3">
                <Show when={row.href} fallback={<span class="truncate text-ink-2">{row.name}</span>}>
                  {(href) => (
                    <A href={href()} class={`truncate hover:underline ${props.private ? "private" : ""}`}>
                      {row.name}
                    </A>
                  )}
                </Show>
                <span class="shrink-0">{show(row.value)}</span>
              </span>
              <span class="mt-1 block h-1 overflow-hidden rounded-full bg-track" aria-hidden="true">
                <span
                  class="block h-full rounded-full bg-accent/70"
                  style={{ width: `${(row.value / all()) * 100}%` }}
                />
              </span>
            </li>
          )}
        </For>
        <Show when={rows().length > SHOWN}>
          <li class="flex justify-between px-3.5 py-2 text-ink-3">
            <span>{words.other(rows().length - SHOWN)}</span>
            <span>{show(rest())}</span>
          </li>
        </Show>
      </ul>
    </Section>
  );
}
