/** What the same work would have cost on the API, against what the plans cost in the same days. */
import { createMemo, Show } from "solid-js";
import type { AccountSummary, Report } from "../../lib/api-types.ts";
import { planName, usd } from "../../lib/format.ts";
import { remembered } from "../../lib/preferences.ts";
import { reports as words } from "../../lib/strings.ts";
import { TextField } from "../../ui/field.tsx";
import { Section } from "../../ui/page.tsx";

/** Published monthly prices in dollars, as known in 2026: an assumption, named as such, that the reader replaces by what he pays. */
const ASSUMED_MONTHLY_USD: Record<string, number> = {
  free: 0,
  go: 8,
  plus: 20,
  prolite: 100,
  pro: 200,
  promax: 200,
  team: 30,
  business: 30,
  edu: 20,
  enterprise: 60,
};
const DAYS_PER_MONTH = 30.44;

const [ownMonthly, setOwnMonthly] = remembered<number | null>("plans-monthly-usd", null);

export function PlanWorth(props: { report: Report; accounts: readonly AccountSummary[] }) {
  const w = words.worth;
  const plans = createMemo(() => [...Map.groupBy(props.accounts, (account) => account.planType)]);
  const assumed = () =>
    plans().reduce((sum, [plan, { length }]) => sum + (ASSUMED_MONTHLY_USD[plan] ?? 0) * length, 0);
  const assumption = () =>
    plans()
      .map(([plan, { length }]) => w.plan(length, planName(plan), ASSUMED_MONTHLY_USD[plan] ?? 0))
      .join(", ");
  const monthly = () => ownMonthly() ?? assumed();
  // Days before the pool's first request gave the plans no chance to be of use here.
  const days = () => {
    const { daily } = props.report;
    return (
      daily.length -
      Math.max(
        0,
        daily.findIndex((row) => row.requests > 0),
      )
    );
  };
  const cost = () => (monthly() / DAYS_PER_MONTH) * days();
  const difference = () => props.report.summary.costUsd - cost();
  const top = () => Math.max(props.report.summary.costUsd, cost(), 0.01);
  const change = (text: string) => {
    const value = Number(text);
    setOwnMonthly(text.trim() === "" || !Number.isFinite(value) || value < 0 ? null : value);
  };
  return (
    <Section title={w.title}>
      <div class="panel grid gap-x-8 gap-y-4 px-4 py-4 lg:grid-cols-[minmax(0,1fr)_21rem]">
        <div class="flex flex-col gap-3">
          <Compared
            name={w.api}
            value={props.report.summary.costUsd}
            share={(props.report.summary.costUsd / top()) * 100}
            class="bg-accent"
          />
          <Compared
            name={w.plans(days())}
            value={cost()}
            share={(cost() / top()) * 100}
            class="bg-warn-fill"
          />
          <p class="text-sm">
            <span class="font-semibold">
              {difference() >= 0 ? w.saved(usd(difference())) : w.more(usd(-difference()))}
            </span>{" "}
            <Show when={cost() > 0 && difference() > 0}>
              <span class="text-ink-2">{w.times((props.report.summary.costUsd / cost()).toFixed(1))}</span>
            </Show>
          </p>
        </div>
        <TextField
          label={ownMonthly() === null ? w.assumed : w.monthly}
          hint={ownMonthly() === null ? w.assumption(assumption()) : w.hint}
          inputmode="decimal"
          value={String(monthly())}
          onChange={(event) => change(event.currentTarget.value)}
        />
      </div>
    </Section>
  );
}

function Compared(props: { name: string; value: number; share: number; class: string }) {
  return (
    <div>
      <p class="mb-1 flex justify-between gap-3 text-sm">
        <span class="text-ink-2">{props.name}</span>
        <span class="font-semibold">{usd(props.value)}</span>
      </p>
      <div class="h-2.5 overflow-hidden rounded-sm bg-track" aria-hidden="true">
        <div class={`h-full rounded-sm ${props.class}`} style={{ width: `${props.share}%` }} />
      </div>
    </div>
  );
}
