/** The limits of a key as lines that read: At most [20M] [tokens] [a week] [of any model]. */
import Plus from "lucide-solid/icons/plus";
import X from "lucide-solid/icons/x";
import { For, Index, Show } from "solid-js";
import type { LimitInput, LimitType, LimitWindow } from "../../lib/api-types.ts";
import { keys as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { amountInput, limitsSentence, parseAmount } from "./limit-words.ts";

/** A line while it is edited: its amount is still text. */
export interface LimitDraft extends Omit<LimitInput, "maxValue"> {
  amount: string;
}

export const draftOf = (limit: LimitInput): LimitDraft => ({
  limitType: limit.limitType,
  limitWindow: limit.limitWindow,
  modelFilter: limit.modelFilter,
  amount: amountInput(limit.limitType, limit.maxValue),
});

/** null while any amount cannot be read. */
export function limitsOf(drafts: readonly LimitDraft[]): LimitInput[] | null {
  const limits = drafts.map(({ amount, ...rest }) => ({
    ...rest,
    maxValue: parseAmount(amount, rest.limitType),
  }));
  return limits.some((limit) => limit.maxValue === null) ? null : (limits as LimitInput[]);
}

const NEW_LIMIT: LimitDraft = {
  limitType: "total_tokens",
  limitWindow: "weekly",
  modelFilter: null,
  amount: "50M",
};
const TYPES = Object.keys(words.limit.types) as LimitType[];
const WINDOWS = Object.keys(words.limit.windows) as LimitWindow[];

interface LimitsEditorProps {
  name: string;
  limits: LimitDraft[];
  models: readonly string[];
  onChange(limits: LimitDraft[]): void;
}

export function LimitsEditor(props: LimitsEditorProps) {
  const e = words.editor;
  const set = (index: number, patch: Partial<LimitDraft>) =>
    props.onChange(props.limits.map((limit, at) => (at === index ? { ...limit, ...patch } : limit)));
  const readable = () => limitsOf(props.limits);
  return (
    <fieldset>
      <legend class="eyebrow mb-1.5">{e.limits}</legend>
      <div class="flex flex-col gap-2">
        <Index each={props.limits}>
          {(limit, index) => {
            const wrong = () => parseAmount(limit().amount, limit().limitType) === null;
            return (
              <div class="flex flex-wrap items-center gap-1.5 text-sm">
                <span class="text-ink-2">{e.atMost}</span>
                <Show when={limit().limitType === "cost_usd"}>
                  <span aria-hidden="true">$</span>
                </Show>
                <input
                  class="control w-20 text-right"
                  inputmode="text"
                  aria-label={e.amount}
                  aria-invalid={wrong() || undefined}
                  title={wrong() ? e.amountError : undefined}
                  value={limit().amount}
                  onInput={(event) => set(index, { amount: event.currentTarget.value })}
                />
                <Choice
                  label={e.unit}
                  value={limit().limitType}
                  values={TYPES}
                  name={(type) => words.limit.types[type]}
                  set={(limitType) => set(index, { limitType })}
                />
                <Choice
                  label={e.window}
                  value={limit().limitWindow}
                  values={WINDOWS}
                  name={(window) => words.limit.windows[window]}
                  set={(limitWindow) => set(index, { limitWindow })}
                />
                <Choice
                  label={e.ofModel}
                  value={limit().modelFilter ?? ""}
                  values={[
                    "",
                    ...new Set([
                      ...props.models,
                      ...(limit().modelFilter ? [limit().modelFilter as string] : []),
                    ]),
                  ]}
                  name={(model) => (model === "" ? e.anyModel : words.limit.forModel(model))}
                  set={(model) => set(index, { modelFilter: model || null })}
                />
                <Button
                  small
                  look="quiet"
                  icon={X}
                  label={e.removeLimit}
                  onClick={() => props.onChange(props.limits.filter((_, at) => at !== index))}
                />
              </div>
            );
          }}
        </Index>
        <div>
          <Button small icon={Plus} onClick={() => props.onChange([...props.limits, NEW_LIMIT])}>
            {e.addLimit}
          </Button>
        </div>
        <p
          class={`rounded-md bg-sunken px-3 py-2 text-sm text-pretty ${readable() ? "" : "text-bad"}`}
          aria-live="polite"
        >
          {readable() ? limitsSentence(props.name, readable() ?? []) : e.amountError}
        </p>
      </div>
    </fieldset>
  );
}

function Choice<T extends string>(props: {
  label: string;
  value: T;
  values: readonly T[];
  name(value: T): string;
  set(value: T): void;
}) {
  return (
    <select
      class="control max-w-44"
      aria-label={props.label}
      onChange={(event) => props.set(event.currentTarget.value as T)}
    >
      <For each={props.values}>
        {(value) => (
          <option value={value} selected={value === props.value}>
            {props.name(value)}
          </option>
        )}
      </For>
    </select>
  );
}
