/** Which account serves the next request. */
import { useQuery } from "@tanstack/solid-query";
import Plus from "lucide-solid/icons/plus";
import X from "lucide-solid/icons/x";
import { createEffect, createSignal, createUniqueId, For, Index, on, Show } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import type { Settings, Strategy } from "../../lib/api-types.ts";
import { accountsQuery, dataOf } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField, SwitchRow } from "../../ui/field.tsx";
import { Rows, saveSettings } from "./save.tsx";

const STRATEGIES = Object.keys(words.routing.strategies) as Strategy[];

export function Routing(props: { settings: Settings }) {
  const w = words.routing;
  const save = (patch: Partial<Settings>) => void saveSettings(props.settings, patch);
  return (
    <div class="flex flex-col gap-5">
      <Rows>
        <StrategyChoice settings={props.settings} />
        <SwitchRow
          label={w.sticky}
          hint={w.stickyHint}
          checked={props.settings.stickyThreadsEnabled}
          onChange={(stickyThreadsEnabled) => save({ stickyThreadsEnabled })}
        />
        <SwitchRow
          label={w.earlier}
          hint={w.earlierHint}
          checked={props.settings.preferEarlierResetAccounts}
          onChange={(preferEarlierResetAccounts) => save({ preferEarlierResetAccounts })}
        />
      </Rows>
      <Show when={props.settings.modelRules}>
        {(rules) => <ModelRules settings={props.settings} rules={rules()} />}
      </Show>
    </div>
  );
}

function StrategyChoice(props: { settings: Settings }) {
  const w = words.routing;
  const name = createUniqueId();
  const accounts = useQuery(() => accountsQuery);
  const [choosingOne, setChoosingOne] = createSignal(false);
  const chosen = (): Strategy => (choosingOne() ? "single_account" : props.settings.routingStrategy);
  const choose = (routingStrategy: Strategy) => {
    // One account needs to be named before it can be the only one.
    const needsAccount = routingStrategy === "single_account" && props.settings.singleAccountId === null;
    setChoosingOne(needsAccount);
    if (!needsAccount) void saveSettings(props.settings, { routingStrategy });
  };
  const chooseAccount = (singleAccountId: string) => {
    if (singleAccountId === "") return;
    setChoosingOne(false);
    void saveSettings(props.settings, { routingStrategy: "single_account", singleAccountId });
  };
  return (
    <div role="radiogroup" aria-labelledby={`${name}-title`}>
      <h2 id={`${name}-title`} class="text-sm font-[550]">
        {w.strategy}
      </h2>
      <p class="mb-3 text-xs text-ink-3">{w.strategyHint}</p>
      <div class="flex flex-col gap-1">
        <For each={STRATEGIES}>
          {(strategy) => (
            <label
              class={`flex cursor-pointer items-start gap-3 rounded-md px-3 py-2 ${chosen() === strategy ? "bg-accent-soft" : "hover:bg-hover"}`}
            >
              <input
                type="radio"
                name={name}
                class="mt-0.5 size-4 shrink-0 accent-accent"
                checked={chosen() === strategy}
                onChange={() => choose(strategy)}
              />
              <span class="text-sm">
                <span class="font-[550]">{w.strategies[strategy].name}</span>
                <span class="block text-xs text-pretty text-ink-2">{w.strategies[strategy].sentence}</span>
              </span>
            </label>
          )}
        </For>
      </div>
      <Show when={chosen() === "single_account"}>
        <SelectField
          class="mt-2 ml-10 max-w-80"
          label={w.single}
          value={props.settings.singleAccountId ?? ""}
          choices={[
            { value: "", label: w.singleNone, disabled: true },
            ...(dataOf(accounts) ?? []).map((account) => ({
              value: account.accountId,
              label: nameOf(account),
            })),
          ]}
          onChange={chooseAccount}
        />
      </Show>
    </div>
  );
}

type Rule = NonNullable<Settings["modelRules"]>[number];

function ModelRules(props: { settings: Settings; rules: Rule[] }) {
  const w = words.routing;
  const title = createUniqueId();
  const copy = () => props.rules.map((rule) => ({ ...rule }));
  const [draft, setDraft] = createSignal<Rule[]>(copy());
  createEffect(
    on(
      () => JSON.stringify(props.rules),
      () => setDraft(copy()),
      { defer: true },
    ),
  );
  const set = (index: number, patch: Partial<Rule>) =>
    setDraft((rules) => rules.map((rule, at) => (at === index ? { ...rule, ...patch } : rule)));
  const isChanged = () => JSON.stringify(draft()) !== JSON.stringify(props.rules);
  const isWhole = () => draft().every((rule) => rule.pattern.trim() !== "" && rule.model.trim() !== "");
  return (
    <Rows>
      <div role="group" aria-labelledby={title}>
        <h2 id={title} class="text-sm font-[550]">
          {w.rules}
        </h2>
        <p class="mb-3 max-w-prose text-xs text-ink-3">{w.rulesHint}</p>
        <div class="flex flex-col gap-2">
          <Index each={draft()}>
            {(rule, index) => (
              <div class="flex items-center gap-2 text-sm max-sm:grid max-sm:grid-cols-[auto_minmax(0,1fr)_auto]">
                <span class="text-ink-2">{w.pattern}</span>
                <input
                  class="control font-mono !text-xs sm:w-44"
                  aria-label={w.pattern}
                  value={rule().pattern}
                  onInput={(event) => set(index, { pattern: event.currentTarget.value })}
                />
                <span class="text-ink-2">{w.model}</span>
                <input
                  class="control font-mono !text-xs sm:w-40"
                  aria-label={w.model}
                  value={rule().model}
                  onInput={(event) => set(index, { model: event.currentTarget.value })}
                />
                <Button
                  small
                  look="quiet"
                  icon={X}
                  label={w.removeRule}
                  class="max-sm:col-start-3 max-sm:row-start-1"
                  onClick={() => setDraft(draft().filter((_, at) => at !== index))}
                />
              </div>
            )}
          </Index>
          <div class="flex gap-2">
            <Button small icon={Plus} onClick={() => setDraft([...draft(), { pattern: "", model: "" }])}>
              {w.addRule}
            </Button>
            <Show when={isChanged()}>
              <Button
                small
                look="primary"
                disabled={!isWhole()}
                onClick={() => void saveSettings(props.settings, { modelRules: draft() })}
              >
                {w.saveRules}
              </Button>
            </Show>
          </div>
        </div>
      </div>
    </Rows>
  );
}
