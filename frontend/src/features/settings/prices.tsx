/** The price table: list prices, and the operator's own in their place. */
import { useQuery } from "@tanstack/solid-query";
import Pencil from "lucide-solid/icons/pencil";
import Plus from "lucide-solid/icons/plus";
import RotateCcw from "lucide-solid/icons/rotate-ccw";
import { createSignal, For, Show } from "solid-js";
import { api, messageOf } from "../../lib/api.ts";
import type { ModelPrice, PriceOverride, Prices as PriceTable } from "../../lib/api-types.ts";
import { dataOf, pricesQuery, queryClient } from "../../lib/queries.ts";
import { common, settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { Loaded, SkeletonRows } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";

/** At least cents, and every digit that the table has. */
function dollars(value: number | null): string {
  if (value === null) return "–";
  const text = String(value);
  return `$${(text.split(".")[1] ?? "").length > 2 ? text : value.toFixed(2)}`;
}

async function replaceOverrides(overrides: Record<string, PriceOverride>): Promise<void> {
  await api.put("/api/prices", { overrides });
  await queryClient.invalidateQueries({ queryKey: pricesQuery.queryKey });
  toast.done(words.saved);
}

export function Prices() {
  const w = words.prices;
  const prices = useQuery(() => pricesQuery);
  const [editing, setEditing] = createSignal<Partial<ModelPrice> | null>(null);
  const sourceOf = (price: ModelPrice) =>
    price.overridden ? w.own : price.estimated ? w.estimated : w.shipped;
  const revert = (model: string) => {
    const { [model]: _, ...rest } = dataOf(prices)?.overrides ?? {};
    replaceOverrides(rest).catch((error: unknown) => toast.error(messageOf(error)));
  };
  return (
    <>
      <div class="mb-3 flex flex-wrap items-center justify-between gap-3 px-1">
        <p class="min-w-0 flex-1 basis-60 text-sm text-ink-2">{w.intro}</p>
        <Button small icon={Plus} onClick={() => setEditing({})}>
          {w.add}
        </Button>
      </div>
      <div class="panel overflow-hidden">
        <Loaded query={prices} skeleton={<SkeletonRows rows={8} />}>
          {(data) => (
            <table class="data-table">
              <thead>
                <tr>
                  <th>{w.columns.model}</th>
                  <th class="num">{w.columns.input}</th>
                  <th class="num max-sm:hidden">{w.columns.cached}</th>
                  <th class="num">{w.columns.output}</th>
                  <th class="max-sm:hidden">{w.columns.source}</th>
                  <th>
                    <span class="sr-only">{w.edit}</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                <For each={data().prices}>
                  {(price) => (
                    <tr>
                      <td class="break-words">
                        <span class="font-[550]">{price.model}</span>
                        <span class="block text-xs text-ink-3 sm:hidden">
                          {sourceOf(price)}, {w.cachedAt(dollars(price.cachedInputUsd))}
                        </span>
                      </td>
                      <td class="num">{dollars(price.inputUsd)}</td>
                      <td class="num max-sm:hidden">{dollars(price.cachedInputUsd)}</td>
                      <td class="num">{dollars(price.outputUsd)}</td>
                      <td
                        class={`max-sm:hidden ${price.overridden ? "font-[550] text-accent" : "text-ink-3"}`}
                      >
                        {sourceOf(price)}
                      </td>
                      <td class="text-right whitespace-nowrap">
                        <Show when={price.overridden}>
                          <Button
                            small
                            look="quiet"
                            icon={RotateCcw}
                            label={`${w.revert}: ${price.model}`}
                            onClick={() => revert(price.model)}
                          />
                        </Show>
                        <Button
                          small
                          look="quiet"
                          icon={Pencil}
                          label={`${w.edit}: ${price.model}`}
                          onClick={() => setEditing(price)}
                        />
                      </td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          )}
        </Loaded>
      </div>
      <Show when={editing()} keyed>
        {(price) => <PriceDialog price={price} table={dataOf(prices)} onClose={() => setEditing(null)} />}
      </Show>
    </>
  );
}

/** Empty text is null; undefined is no price at all. */
function readPrice(text: string): number | null | undefined {
  if (text.trim() === "") return null;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}

function PriceDialog(props: { price: Partial<ModelPrice>; table: PriceTable | undefined; onClose(): void }) {
  const w = words.prices;
  const start = (value: number | null | undefined) =>
    value === null || value === undefined ? "" : String(value);
  const [model, setModel] = createSignal(props.price.model ?? "");
  const [input, setInput] = createSignal(start(props.price.inputUsd));
  const [cached, setCached] = createSignal(start(props.price.cachedInputUsd));
  const [output, setOutput] = createSignal(start(props.price.outputUsd));
  const [error, setError] = createSignal<string | null>(null);
  const save = async () => {
    const [inputUsd, cachedUsd, outputUsd] = [readPrice(input()), readPrice(cached()), readPrice(output())];
    if (typeof inputUsd !== "number" || typeof outputUsd !== "number" || cachedUsd === undefined) {
      setError(w.wrong);
      return;
    }
    const name = model().trim();
    const before = props.table?.overrides ?? {};
    try {
      await replaceOverrides({
        ...before,
        [name]: { ...before[name], input: inputUsd, cachedInput: cachedUsd, output: outputUsd },
      });
      props.onClose();
    } catch (failure) {
      setError(messageOf(failure));
    }
  };
  return (
    <Dialog
      open
      onClose={props.onClose}
      title={w.title}
      description={w.intro}
      footer={
        <>
          <Button look="quiet" onClick={props.onClose}>
            {common.cancel}
          </Button>
          <Button look="primary" disabled={model().trim() === ""} onClick={() => void save()}>
            {common.save}
          </Button>
        </>
      }
    >
      <div class="flex flex-col gap-3">
        <TextField
          label={w.model}
          disabled={props.price.model !== undefined}
          inputClass="font-mono !text-xs"
          value={model()}
          onInput={(event) => setModel(event.currentTarget.value)}
        />
        <div class="grid grid-cols-3 gap-3">
          <TextField
            label={w.columns.input}
            inputmode="decimal"
            value={input()}
            onInput={(event) => setInput(event.currentTarget.value)}
          />
          <TextField
            label={w.columns.cached}
            hint={w.cachedHint}
            inputmode="decimal"
            value={cached()}
            onInput={(event) => setCached(event.currentTarget.value)}
          />
          <TextField
            label={w.columns.output}
            inputmode="decimal"
            value={output()}
            onInput={(event) => setOutput(event.currentTarget.value)}
          />
        </div>
        <Show when={error()}>
          <p role="alert" class="text-sm text-bad">
            {error()}
          </p>
        </Show>
      </div>
    </Dialog>
  );
}
