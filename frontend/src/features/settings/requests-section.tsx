/** How requests are let in and how long their traces are kept. */
import { createUniqueId, Show } from "solid-js";
import type { Settings } from "../../lib/api-types.ts";
import { settings as words } from "../../lib/strings.ts";
import { SwitchRow } from "../../ui/field.tsx";
import { Rows, saveSettings } from "./save.tsx";

export function RequestsSection(props: { settings: Settings }) {
  const w = words.requests;
  const save = (patch: Partial<Settings>) => void saveSettings(props.settings, patch);
  return (
    <div class="flex flex-col gap-5">
      <Rows>
        <SwitchRow
          label={w.keys}
          hint={w.keysHint}
          checked={props.settings.apiKeyAuthEnabled}
          onChange={(apiKeyAuthEnabled) => save({ apiKeyAuthEnabled })}
        />
        <SwitchRow
          label={w.importing}
          hint={w.importingHint}
          checked={props.settings.importWithoutOverwrite}
          onChange={(importWithoutOverwrite) => save({ importWithoutOverwrite })}
        />
        <Show when={props.settings.maxConcurrentRequestsPerAccount}>
          {(value) => (
            <NumberRow
              label={w.concurrency}
              hint={w.concurrencyHint}
              value={value()}
              from={1}
              to={10_000}
              save={(maxConcurrentRequestsPerAccount) => save({ maxConcurrentRequestsPerAccount })}
            />
          )}
        </Show>
        <Show when={props.settings.queueWaitSeconds !== undefined}>
          <NumberRow
            label={w.queue}
            hint={w.queueHint}
            value={props.settings.queueWaitSeconds ?? 0}
            from={0}
            to={300}
            save={(queueWaitSeconds) => save({ queueWaitSeconds })}
          />
        </Show>
      </Rows>
      <Rows>
        <NumberRow
          label={w.logDays}
          hint={w.retentionHint}
          value={props.settings.requestLogRetentionDays}
          from={1}
          to={3_650}
          save={(requestLogRetentionDays) => save({ requestLogRetentionDays })}
        />
        <NumberRow
          label={w.usageDays}
          value={props.settings.usageHistoryRetentionDays}
          from={1}
          to={3_650}
          save={(usageHistoryRetentionDays) => save({ usageHistoryRetentionDays })}
        />
      </Rows>
    </div>
  );
}

interface NumberRowProps {
  label: string;
  hint?: string;
  value: number;
  from: number;
  to: number;
  save(value: number): void;
}

/** Saved on leaving the field; what is out of range goes back to what it was. */
function NumberRow(props: NumberRowProps) {
  const id = createUniqueId();
  const commit = (input: HTMLInputElement) => {
    const value = Number(input.value);
    const isValid = Number.isInteger(value) && value >= props.from && value <= props.to;
    if (!isValid) input.value = String(props.value);
    else if (value !== props.value) props.save(value);
  };
  return (
    <div class="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
      <div class="min-w-0 flex-1 basis-56">
        <label for={id} class="text-sm font-[550]">
          {props.label}
        </label>
        <p id={`${id}-hint`} class="max-w-prose text-xs text-ink-3">
          {props.hint}
        </p>
      </div>
      <input
        id={id}
        type="number"
        class="control w-24 text-right"
        aria-describedby={`${id}-hint`}
        min={props.from}
        max={props.to}
        value={props.value}
        onChange={(event) => commit(event.currentTarget)}
      />
    </div>
  );
}
