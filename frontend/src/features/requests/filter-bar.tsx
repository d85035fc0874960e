/** Above the log: what to look for, and which columns to show. */
import { useQuery } from "@tanstack/solid-query";
import Columns3 from "lucide-solid/icons/columns-3";
import X from "lucide-solid/icons/x";
import { For, Show } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import type { AccountSummary } from "../../lib/api-types.ts";
import { dataOf, requestOptionsQuery } from "../../lib/queries.ts";
import { requests as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Check, SelectField, Switch, TextField } from "../../ui/field.tsx";
import { Popover } from "../../ui/popover.tsx";
import { COLUMN_NAMES, chosen, setChosen } from "./columns.tsx";
import { type createFilters, STATUSES } from "./filters.ts";

/** Typing settles before the log is asked. */
const TYPING_MS = 250;

export function FilterBar(props: { filters: ReturnType<typeof createFilters>; accounts: AccountSummary[] }) {
  const f = words.filters;
  const options = useQuery(() => requestOptionsQuery);
  const values = () => props.filters.values();
  const models = () =>
    [...new Set((dataOf(options)?.modelOptions ?? []).map((option) => option.model))].toSorted();
  let typing: ReturnType<typeof setTimeout>;
  const type = (text: string) => {
    clearTimeout(typing);
    typing = setTimeout(() => props.filters.set({ q: text.trim() }), TYPING_MS);
  };
  return (
    <search
      class="mb-3 flex flex-wrap items-center gap-2 max-sm:grid max-sm:grid-cols-2 max-sm:[&_select]:w-full max-sm:[&_select]:max-w-none max-sm:[&>:first-child]:col-span-2"
      aria-label={f.label}
    >
      <TextField
        label={f.search}
        hideLabel
        type="search"
        placeholder={f.search}
        class="w-64 max-sm:w-full"
        value={values().q ?? ""}
        onInput={(event) => type(event.currentTarget.value)}
      />
      <SelectField
        label={f.status}
        hideLabel
        value={values().status ?? ""}
        choices={[
          { value: "", label: f.allStatuses },
          ...STATUSES.map((value) => ({ value, label: words.status[value] })),
        ]}
        onChange={(status) => props.filters.set({ status })}
      />
      <SelectField
        label={f.account}
        hideLabel
        selectClass="max-w-52"
        value={values().accountId ?? ""}
        choices={[
          { value: "", label: f.allAccounts },
          ...props.accounts.map((account) => ({ value: account.accountId, label: nameOf(account) })),
        ]}
        onChange={(accountId) => props.filters.set({ accountId })}
      />
      <SelectField
        label={f.key}
        hideLabel
        selectClass="max-w-44"
        value={values().apiKeyId ?? ""}
        choices={[
          { value: "", label: f.allKeys },
          ...(dataOf(options)?.apiKeys ?? []).map((key) => ({ value: key.id, label: key.name })),
        ]}
        onChange={(apiKeyId) => props.filters.set({ apiKeyId })}
      />
      <SelectField
        label={f.model}
        hideLabel
        selectClass="max-w-44"
        value={values().model ?? ""}
        choices={[{ value: "", label: f.allModels }, ...models().map((value) => ({ value, label: value }))]}
        onChange={(model) => props.filters.set({ model })}
      />
      <SelectField
        label={f.period}
        hideLabel
        value={values().period ?? ""}
        choices={[
          { value: "", label: f.anyTime },
          { value: "1h", label: f.hour },
          { value: "24h", label: f.day },
          { value: "7d", label: f.week },
          { value: "30d", label: f.month },
        ]}
        onChange={(period) => props.filters.set({ period })}
      />
      <Show when={props.filters.any()}>
        <Button look="quiet" icon={X} onClick={props.filters.clear}>
          {f.clear}
        </Button>
      </Show>
    </search>
  );
}

export function TailSwitch(props: { on: boolean; set(on: boolean): void }) {
  return (
    <span class="flex h-8 items-center gap-2 text-sm text-ink-2">
      <Switch label={words.tail} checked={props.on} onChange={props.set} />
      <span aria-hidden="true">{words.tail}</span>
    </span>
  );
}

export function ColumnChoice() {
  const toggle = (name: (typeof COLUMN_NAMES)[number], on: boolean) =>
    setChosen(COLUMN_NAMES.filter((one) => (one === name ? on : chosen().includes(one))));
  return (
    <Popover
      label={words.chooseColumns}
      buttonClass="inline-flex h-8 items-center gap-1.5 rounded-md border border-line-strong bg-raised px-3 text-sm font-[550] hover:bg-hover max-lg:hidden"
      panelClass="p-3"
      button={
        <>
          <Columns3 size={15} />
          {words.chooseColumns}
        </>
      }
    >
      {() => (
        <div class="flex flex-col gap-2">
          <For each={COLUMN_NAMES}>
            {(name) => (
              <Check
                label={words.columns[name]}
                checked={chosen().includes(name)}
                onChange={(on) => toggle(name, on)}
              />
            )}
          </For>
        </div>
      )}
    </Popover>
  );
}
