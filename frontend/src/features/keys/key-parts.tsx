/** How a key looks wherever it appears. */
import CircleCheck from "lucide-solid/icons/circle-check";
import CirclePause from "lucide-solid/icons/circle-pause";
import Clock from "lucide-solid/icons/clock";
import { For, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import type { ApiKey, KeyLimit } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { percent, usd } from "../../lib/format.ts";
import { keys as words } from "../../lib/strings.ts";
import type { Icon } from "../../ui/button.tsx";
import { Bar, type Tone } from "../../ui/charts.tsx";
import { amountText, type KeyState, keyState, limitText, usedShare } from "./limit-words.ts";

const SIGNS: Record<KeyState, { icon: Icon; class: string }> = {
  active: { icon: CircleCheck, class: "text-good" },
  disabled: { icon: CirclePause, class: "text-idle" },
  expired: { icon: Clock, class: "text-warn" },
};

export function KeyStateSign(props: { apiKey: ApiKey }) {
  const state = () => keyState(props.apiKey, now());
  return (
    <span class={`inline-flex items-center gap-1 text-xs font-[550] ${SIGNS[state()].class}`}>
      <Dynamic component={SIGNS[state()].icon} size={14} />
      {words.states[state()]}
    </span>
  );
}

export function usedTone(share: number): Tone {
  return share >= 100 ? "bad" : share >= 80 ? "warn" : "good";
}

export function LimitLine(props: { limit: KeyLimit }) {
  const share = () => usedShare(props.limit);
  return (
    <div
      class="grid grid-cols-[minmax(0,1fr)_5rem] items-center gap-x-3 text-xs"
      title={limitText(props.limit)}
    >
      <span class="truncate">
        {words.limit.of(
          amountText(props.limit.limitType, props.limit.currentValue),
          amountText(props.limit.limitType, props.limit.maxValue),
        )}
        <span class="text-ink-3">
          {" "}
          {props.limit.limitType === "cost_usd" ? "" : words.limit.types[props.limit.limitType]} /{" "}
          {words.limit.windowShort[props.limit.limitWindow]}
          {props.limit.modelFilter ? `, ${props.limit.modelFilter}` : ""}
        </span>
        <Show when={share() >= 100}>
          <span class="font-[550] text-bad"> · {words.limit.spent}</span>
        </Show>
      </span>
      <Bar
        percent={share()}
        tone={usedTone(share())}
        label={words.limit.label(limitText(props.limit), percent(share()))}
      />
    </div>
  );
}

export function LimitLines(props: { apiKey: ApiKey }) {
  return (
    <div class="flex flex-col gap-1">
      <For
        each={props.apiKey.limits}
        fallback={
          <Show when={!props.apiKey.balanceEnabled}>
            <span class="text-xs text-ink-3">{words.noLimits}</span>
          </Show>
        }
      >
        {(limit) => <LimitLine limit={limit} />}
      </For>
      <Show when={props.apiKey.balanceEnabled && props.apiKey.balance}>
        {(balance) => (
          <span class={`text-xs ${balance().balanceUsd <= 0 ? "font-[550] text-bad" : "text-ink-2"}`}>
            {words.balance(usd(balance().balanceUsd))}
          </span>
        )}
      </Show>
    </div>
  );
}
