/** Times relative to now, exact on hover. */
import { createMemo, Show } from "solid-js";
import { now } from "../lib/clock.ts";
import { ago, exact, ms, span } from "../lib/format.ts";
import { common } from "../lib/strings.ts";

/** "3 min ago". */
export function Ago(props: { at: string | null | undefined; none?: string }) {
  const at = createMemo(() => ms(props.at));
  const text = createMemo(() => ago(now() - (at() ?? 0)));
  return (
    <Show when={at()} fallback={<span class="text-ink-3">{props.none ?? common.never}</span>}>
      {(value) => (
        <time datetime={props.at ?? ""} title={exact(value())} class="whitespace-nowrap">
          {text()}
        </time>
      )}
    </Show>
  );
}

/** "2 h 14 min", counting down; `past` once it is over. */
export function Countdown(props: { at: string | null | undefined; past?: string }) {
  const at = createMemo(() => ms(props.at));
  const text = createMemo(() => {
    const left = (at() ?? 0) - now();
    return left <= 0 ? (props.past ?? common.now) : span(left);
  });
  return (
    <Show when={at()} fallback={<span class="text-ink-3">–</span>}>
      {(value) => (
        <time datetime={props.at ?? ""} title={exact(value())} class="whitespace-nowrap">
          {text()}
        </time>
      )}
    </Show>
  );
}
