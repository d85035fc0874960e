/** Where the time of a request went, as a bar and in figures. */
import { For } from "solid-js";
import type { RequestEntry } from "../../lib/api-types.ts";
import { duration } from "../../lib/format.ts";
import { requests as words } from "../../lib/strings.ts";
import { Parts } from "../../ui/charts.tsx";

interface Phase {
  name: string;
  ms: number;
  class: string;
}

/** Phases that the service did not measure count for nothing; what is left belongs to waiting and to the stream. */
function phasesOf(entry: RequestEntry): Phase[] {
  const p = words.drawer.phases;
  const queue = entry.latencyQueueMs ?? 0;
  const select = entry.latencySelectMs ?? 0;
  const connect = entry.latencyConnectMs ?? 0;
  const first = entry.latencyFirstTokenMs ?? entry.latencyMs;
  return [
    { name: p.queue, ms: queue, class: "bg-warn-fill" },
    { name: p.select, ms: select, class: "bg-ink-3" },
    { name: p.connect, ms: connect, class: "bg-accent/35" },
    { name: p.first, ms: Math.max(0, first - queue - select - connect), class: "bg-accent/65" },
    { name: p.stream, ms: Math.max(0, entry.latencyMs - first), class: "bg-accent" },
  ];
}

export function Timing(props: { entry: RequestEntry }) {
  const phases = () => phasesOf(props.entry);
  return (
    <section>
      <h3 class="eyebrow mb-2 flex justify-between">
        {words.drawer.timing}
        <span class="font-normal text-ink-3">{duration(props.entry.latencyMs)}</span>
      </h3>
      <Parts
        label={phases()
          .map((phase) => `${phase.name} ${duration(phase.ms)}`)
          .join(", ")}
        parts={phases()
          .filter((phase) => phase.ms > 0)
          .map((phase) => ({
            label: `${phase.name} ${duration(phase.ms)}`,
            share: phase.ms,
            class: phase.class,
          }))}
      />
      <dl class="mt-2 grid grid-cols-5 gap-x-2 text-xs">
        <For each={phases()}>
          {(phase) => (
            <div>
              <dt class="flex items-center gap-1.5 text-ink-3">
                <span class={`size-2 shrink-0 rounded-[2px] ${phase.class}`} aria-hidden="true" />
                <span class="truncate">{phase.name}</span>
              </dt>
              <dd class="font-[550]">{duration(phase.ms)}</dd>
            </div>
          )}
        </For>
      </dl>
    </section>
  );
}
