/** Connecting a client: choose, copy, and see the first request arrive. */
import { useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import Printer from "lucide-solid/icons/printer";
import Plus from "lucide-solid/icons/plus";
import { createMemo, createSignal, For, Show } from "solid-js";
import { date } from "../../lib/format.ts";
import { remembered } from "../../lib/preferences.ts";
import { dataOf, keysQuery, modelsQuery } from "../../lib/queries.ts";
import { connect as words } from "../../lib/strings.ts";
import { Button, ButtonLink } from "../../ui/button.tsx";
import { CodeBlock } from "../../ui/code.tsx";
import { Segmented, SelectField, TextField } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page.tsx";
import { freshSecret } from "../keys/fresh-secret.ts";
import { ArrivalTick } from "./arrival-tick.tsx";
import { type Client, CLIENTS, recipe, type System, type Variant } from "./recipes.ts";

/** What Codex itself falls back to; the pool's own list replaces it when it is known. */
const USUAL_MODEL = "gpt-5.5";
const SYSTEMS = Object.keys(words.systems) as System[];
const VARIANTS = Object.keys(words.variants) as Variant[];

function systemHere(): System {
  const platform = navigator.userAgent;
  return platform.includes("Windows") ? "windows" : platform.includes("Mac") ? "macos" : "linux";
}

const isLocal = (address: string) => /^https?:\/\/(localhost|127\.|\[::1\])/.test(address);

export default function ConnectPage() {
  const [params, setParams] = useSearchParams<{ key?: string; client?: string }>();
  const keys = useQuery(() => keysQuery);
  const models = useQuery(() => modelsQuery);
  const [system, setSystem] = remembered<System>("system", systemHere());
  const [variant, setVariant] = createSignal<Variant>("everyday");
  const [typedSecret, setTypedSecret] = createSignal("");
  const [chosenModel, setChosenModel] = createSignal<string | null>(null);
  const [address, setAddress] = createSignal(location.origin);

  const key = createMemo(() => dataOf(keys)?.find((one) => one.id === params.key));
  const client = (): Client => CLIENTS.find((one) => one === params.client) ?? "codex";
  const setClient = (next: Client) => setParams({ client: next }, { replace: true, scroll: false });
  const fresh = () => (freshSecret()?.keyId === key()?.id ? freshSecret()?.secret : undefined);
  const secret = () => fresh() ?? (typedSecret().trim() || (key() ? words.placeholderKey : words.anyKey));
  const modelIds = createMemo(() => (dataOf(models) ?? []).map((model) => model.id));
  const model = () =>
    chosenModel() ?? (modelIds().includes(USUAL_MODEL) ? USUAL_MODEL : (modelIds()[0] ?? USUAL_MODEL));
  const steps = createMemo(() =>
    recipe(client(), {
      address: address().trim().replace(/\/+$/, ""),
      secret: secret(),
      model: model(),
      system: system(),
      variant: variant(),
    }),
  );

  return (
    <>
      <PageHead title={words.title} summary={words.summary}>
        <Button icon={Printer} onClick={() => print()}>
          {words.print}
        </Button>
      </PageHead>
      <p class="mb-4 hidden text-sm print:block">
        {words.sheet(key()?.name ?? words.noKey)} · {date(Date.now())}
      </p>
      <div class="grid grid-cols-1 items-start gap-6 lg:grid-cols-[17.5rem_minmax(0,1fr)] lg:grid-rows-[auto_1fr] lg:gap-y-4 print:block">
        <div class="panel flex flex-col gap-4 p-4 print:hidden">
          <div class="flex items-end gap-2">
            <SelectField
              label={words.key}
              class="flex-1"
              value={key()?.id ?? ""}
              choices={[
                { value: "", label: words.noKey },
                ...(dataOf(keys) ?? []).map((one) => ({ value: one.id, label: one.name })),
              ]}
              onChange={(id) => setParams({ key: id }, { replace: true, scroll: false })}
            />
            <ButtonLink href="/keys?new=1" icon={Plus} label={words.newKey} />
          </div>
          <Show when={key()}>
            <Show when={!fresh()} fallback={<p class="text-xs text-ink-2">{words.secretFresh}</p>}>
              <TextField
                label={words.secret}
                hint={words.secretHint}
                placeholder={`${key()?.keyPrefix ?? ""}…`}
                inputClass="font-mono text-xs"
                value={typedSecret()}
                onInput={(event) => setTypedSecret(event.currentTarget.value)}
              />
            </Show>
          </Show>
          <Show
            when={modelIds().length > 0}
            fallback={
              <TextField
                label={words.model}
                value={model()}
                onInput={(event) => setChosenModel(event.currentTarget.value)}
              />
            }
          >
            <SelectField
              label={words.model}
              value={model()}
              choices={modelIds().map((value) => ({ value, label: value }))}
              onChange={setChosenModel}
            />
          </Show>
          <TextField
            label={words.address}
            hint={isLocal(address()) ? words.addressLocal : words.addressHint}
            inputClass="font-mono text-xs"
            value={address()}
            onInput={(event) => setAddress(event.currentTarget.value)}
          />
        </div>
        <div class="min-w-0 lg:col-start-2 lg:row-span-2 lg:row-start-1">
          <SelectField
            label={words.client}
            class="mb-4 sm:hidden print:hidden"
            value={client()}
            choices={CLIENTS.map((value) => ({ value, label: words.clients[value] }))}
            onChange={setClient}
          />
          <fieldset class="mb-4 flex flex-wrap gap-x-1 border-b border-line max-sm:hidden print:hidden">
            <legend class="sr-only">{words.client}</legend>
            <For each={CLIENTS}>
              {(one) => (
                <label class="relative -mb-px cursor-pointer">
                  <input
                    type="radio"
                    name="client"
                    class="peer absolute inset-0 m-0 cursor-pointer appearance-none"
                    checked={client() === one}
                    onChange={() => setClient(one)}
                  />
                  <span class="pointer-events-none block border-b-2 border-transparent px-2.5 py-2 text-sm font-[550] whitespace-nowrap text-ink-2 peer-checked:border-accent peer-checked:text-ink peer-hover:text-ink">
                    {words.clients[one]}
                  </span>
                </label>
              )}
            </For>
          </fieldset>
          <h2 class="sr-only text-base font-semibold print:not-sr-only">{words.clients[client()]}</h2>
          <div class="mb-4 flex flex-wrap gap-3 print:hidden">
            <Segmented
              label={words.system}
              value={system()}
              choices={SYSTEMS.map((value) => ({ value, label: words.systems[value] }))}
              onChange={setSystem}
            />
            <Show when={client() === "codex"}>
              <Segmented
                label={words.variant}
                value={variant()}
                choices={VARIANTS.map((value) => ({ value, label: words.variants[value] }))}
                onChange={setVariant}
              />
            </Show>
          </div>
          <Show when={client() === "codex" && variant() === "isolated"}>
            <p class="mb-4 max-w-prose text-sm text-ink-2">{words.variantHint}</p>
          </Show>
          <ol class="flex flex-col gap-5">
            <For each={steps()}>
              {(step, index) => (
                <li class="break-inside-avoid">
                  <h3 class="mb-1.5 text-sm font-semibold">
                    <span class="mr-2 text-ink-3">{index() + 1}</span>
                    {step.title}
                  </h3>
                  <CodeBlock title={step.where} code={step.code} label={step.title} />
                  <Show when={step.note}>
                    <p class="mt-1.5 max-w-prose text-xs text-ink-3">{step.note}</p>
                  </Show>
                </li>
              )}
            </For>
          </ol>
        </div>
        <ArrivalTick apiKey={key()} />
      </div>
    </>
  );
}
