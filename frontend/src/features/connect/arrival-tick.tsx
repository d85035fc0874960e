/** Turns green when a request with the chosen key arrives: the proof that the pasted block works. */
import { A } from "@solidjs/router";
import CircleAlert from "lucide-solid/icons/circle-alert";
import CircleCheck from "lucide-solid/icons/circle-check";
import { createEffect, createSignal, on, Show } from "solid-js";
import type { ApiKey, RequestEntry } from "../../lib/api-types.ts";
import { duration } from "../../lib/format.ts";
import { onRequestFinished } from "../../lib/live.ts";
import { connect as words } from "../../lib/strings.ts";
import { Ago } from "../../ui/time.tsx";

export function ArrivalTick(props: { apiKey: ApiKey | undefined }) {
  const [arrived, setArrived] = createSignal<RequestEntry | null>(null);
  createEffect(
    on(
      () => props.apiKey?.id,
      () => setArrived(null),
      { defer: true },
    ),
  );
  onRequestFinished((entry) => {
    if (entry.apiKeyId === (props.apiKey?.id ?? null)) setArrived(entry);
  });
  return (
    <div
      class="rounded-lg max-lg:sticky max-lg:bottom-4 max-lg:shadow-float max-md:bottom-20 lg:col-start-1 lg:row-start-2 print:hidden"
      role="status"
    >
      <Show
        when={arrived()}
        fallback={
          <p class="panel flex flex-wrap items-center gap-x-3 gap-y-1 px-4 py-3 text-sm text-ink-2">
            <span
              aria-hidden="true"
              class="size-2.5 rounded-full border-2 border-ink-3 motion-safe:animate-pulse"
            />
            {props.apiKey ? words.tick.waitingKey(props.apiKey.name) : words.tick.waiting}
            <Show when={props.apiKey?.lastUsedAt}>
              <span class="ml-auto text-xs text-ink-3">
                {words.tick.before} <Ago at={props.apiKey?.lastUsedAt} />
              </span>
            </Show>
          </p>
        }
      >
        {(entry) => (
          <p
            class={`enter flex flex-wrap items-center gap-x-3 gap-y-1 rounded-lg border px-4 py-3 text-sm font-[550] ${entry().status === "ok" ? "border-accent/40 bg-accent-soft" : "border-bad/40 bg-bad-soft"}`}
          >
            <Show when={entry().status === "ok"} fallback={<CircleAlert size={18} class="text-bad" />}>
              <CircleCheck size={18} class="text-good" />
            </Show>
            {entry().status === "ok"
              ? words.tick.seen(entry().model ?? "")
              : words.tick.failed(entry().errorCode ?? entry().status)}
            <span class="font-normal text-ink-2">{duration(entry().latencyMs)}</span>
            <A
              href={`/requests?open=${encodeURIComponent(entry().requestId)}`}
              class="link ml-auto font-normal"
            >
              {words.tick.details}
            </A>
          </p>
        )}
      </Show>
    </div>
  );
}
