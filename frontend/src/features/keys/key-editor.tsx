/** Creating and editing a key. */
import { useQuery } from "@tanstack/solid-query";
import { createSignal, For, Show } from "solid-js";
import { createStore } from "solid-js/store";
import { nameOf } from "../../lib/account-view.ts";
import { api, messageOf } from "../../lib/api.ts";
import type { ApiKey, ApiKeyInput, ApiKeyWithSecret } from "../../lib/api-types.ts";
import { isoDay, ms } from "../../lib/format.ts";
import { accountsQuery, dataOf, keysQuery, modelsQuery, queryClient } from "../../lib/queries.ts";
import { common, keys as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Check, SelectField, SwitchRow, TextField } from "../../ui/field.tsx";
import { toast } from "../../ui/toast.tsx";
import { draftOf, type LimitDraft, LimitsEditor, limitsOf } from "./limits-editor.tsx";

interface KeyEditorProps {
  /** undefined: a new one. */
  apiKey: ApiKey | undefined;
  onClose(): void;
  onCreated(key: ApiKeyWithSecret): void;
}

interface Draft {
  name: string;
  limits: LimitDraft[];
  models: string[] | null;
  accounts: string[] | null;
  /** `YYYY-MM-DD` or empty. */
  expires: string;
  model: string;
  effort: string;
  tier: string;
  balance: boolean;
}

const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max", "ultra"];
const TIERS = ["auto", "default", "flex", "priority"];

function draftFrom(key: ApiKey | undefined): Draft {
  const expires = ms(key?.expiresAt);
  return {
    name: key?.name ?? "",
    limits: (key?.limits ?? []).map(draftOf),
    models: key?.allowedModels?.length ? key.allowedModels : null,
    accounts: key?.assignedAccountIds?.length ? key.assignedAccountIds : null,
    expires: expires === null ? "" : isoDay(new Date(expires)),
    model: key?.enforcedModel ?? "",
    effort: key?.enforcedReasoningEffort ?? "",
    tier: key?.enforcedServiceTier ?? "",
    balance: key?.balanceEnabled ?? false,
  };
}

function inputOf(draft: Draft): ApiKeyInput | null {
  const limits = limitsOf(draft.limits);
  if (limits === null) return null;
  return {
    name: draft.name.trim(),
    limits,
    allowedModels: draft.models?.length ? draft.models : null,
    assignedAccountIds: draft.accounts?.length ? draft.accounts : null,
    expiresAt: draft.expires === "" ? null : new Date(`${draft.expires}T23:59:59`).toISOString(),
    enforcedModel: draft.model || null,
    enforcedReasoningEffort: draft.effort || null,
    enforcedServiceTier: draft.tier || null,
    balanceEnabled: draft.balance,
  };
}

export function KeyEditor(props: KeyEditorProps) {
  const e = words.editor;
  const [draft, setDraft] = createStore<Draft>(draftFrom(props.apiKey));
  const [error, setError] = createSignal<string | null>(null);
  const [busy, setBusy] = createSignal(false);
  const models = useQuery(() => modelsQuery);
  const modelIds = () => (dataOf(models) ?? []).map((model) => model.id);

  const save = async () => {
    const input = inputOf(draft);
    if (input === null) return;
    setBusy(true);
    setError(null);
    try {
      if (props.apiKey) {
        await api.patch(`/api/api-keys/${props.apiKey.id}`, input);
        toast.done(words.done.saved(draft.name));
      } else props.onCreated(await api.post<ApiKeyWithSecret>("/api/api-keys/", input));
      await queryClient.invalidateQueries({ queryKey: keysQuery.queryKey });
      props.onClose();
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };

  return (
    <Dialog
      open
      width="wide"
      onClose={props.onClose}
      title={props.apiKey ? e.edit(props.apiKey.name) : e.create}
      footer={
        <>
          <Show when={error()}>
            <p role="alert" class="mr-auto text-sm text-bad">
              {error()}
            </p>
          </Show>
          <Button look="quiet" onClick={props.onClose}>
            {common.cancel}
          </Button>
          <Button
            look="primary"
            busy={busy()}
            disabled={draft.name.trim() === "" || limitsOf(draft.limits) === null}
            onClick={() => void save()}
          >
            {props.apiKey ? e.save : e.submit}
          </Button>
        </>
      }
    >
      <div class="flex flex-col gap-5">
        <TextField
          label={e.name}
          hint={e.nameHint}
          required
          maxLength={128}
          value={draft.name}
          onInput={(event) => setDraft("name", event.currentTarget.value)}
        />
        <LimitsEditor
          name={draft.name}
          limits={draft.limits}
          models={modelIds()}
          onChange={(limits) => setDraft("limits", limits)}
        />
        <SwitchRow
          label={e.balance}
          hint={e.balanceHint}
          checked={draft.balance}
          onChange={(on) => setDraft("balance", on)}
        />
        <Restrictions draft={draft} set={(patch) => setDraft(patch)} models={modelIds()} />
      </div>
    </Dialog>
  );
}

function Restrictions(props: { draft: Draft; set(patch: Partial<Draft>): void; models: string[] }) {
  const e = words.editor;
  const accounts = useQuery(() => accountsQuery);
  const choices = (values: readonly string[], current: string) => [
    { value: "", label: e.asAsked },
    ...[...new Set([...values, ...(current ? [current] : [])])].map((value) => ({ value, label: value })),
  ];
  // Read once: whether the part is open at the start must not follow what is typed in it.
  const startsOpen = () =>
    Boolean(
      props.draft.models ??
      props.draft.accounts ??
      (props.draft.expires || props.draft.model || props.draft.effort || props.draft.tier),
    );
  return (
    <details open={startsOpen()} class="group">
      <summary class="eyebrow w-fit rounded-sm py-1 hover:text-ink">{e.more}</summary>
      <div class="mt-2 grid gap-4 sm:grid-cols-2">
        <Only
          title={e.models}
          all={e.allModels}
          some={e.someModels}
          options={props.models.map((id) => ({ id, label: id }))}
          chosen={props.draft.models}
          set={(models) => props.set({ models })}
        />
        <Only
          title={e.accounts}
          all={e.allAccounts}
          some={e.someAccounts}
          private
          options={(dataOf(accounts) ?? []).map((account) => ({
            id: account.accountId,
            label: nameOf(account),
          }))}
          chosen={props.draft.accounts}
          set={(chosen) => props.set({ accounts: chosen })}
        />
        <TextField
          label={e.expires}
          hint={e.expiresHint}
          type="date"
          value={props.draft.expires}
          onInput={(event) => props.set({ expires: event.currentTarget.value })}
        />
        <SelectField
          label={e.enforcedModel}
          value={props.draft.model}
          choices={choices(props.models, props.draft.model)}
          onChange={(model) => props.set({ model })}
        />
        <SelectField
          label={e.enforcedEffort}
          value={props.draft.effort}
          choices={choices(EFFORTS, props.draft.effort)}
          onChange={(effort) => props.set({ effort })}
        />
        <SelectField
          label={e.enforcedTier}
          value={props.draft.tier}
          choices={choices(TIERS, props.draft.tier)}
          onChange={(tier) => props.set({ tier })}
        />
      </div>
    </details>
  );
}

interface OnlyProps {
  title: string;
  all: string;
  some: string;
  private?: boolean;
  options: { id: string; label: string }[];
  /** null: all. */
  chosen: string[] | null;
  set(chosen: string[] | null): void;
}

/** All of something, or a chosen few. */
function Only(props: OnlyProps) {
  const toggle = (id: string, on: boolean) => {
    const rest = (props.chosen ?? []).filter((one) => one !== id);
    props.set(on ? [...rest, id] : rest);
  };
  return (
    <div class="flex flex-col gap-1.5">
      <SelectField
        label={props.title}
        value={props.chosen === null ? "all" : "some"}
        choices={[
          { value: "all", label: props.all },
          { value: "some", label: props.some },
        ]}
        onChange={(value) => props.set(value === "all" ? null : [])}
      />
      <Show when={props.chosen}>
        {(chosen) => (
          <div class="flex max-h-40 flex-col gap-1.5 overflow-y-auto rounded-md border border-line px-2.5 py-2">
            <For each={props.options} fallback={<span class="text-xs text-ink-3">{common.none}</span>}>
              {(option) => (
                <Check
                  label={<span class={`truncate ${props.private ? "private" : ""}`}>{option.label}</span>}
                  checked={chosen().includes(option.id)}
                  onChange={(on) => toggle(option.id, on)}
                />
              )}
            </For>
          </div>
        )}
      </Show>
    </div>
  );
}
