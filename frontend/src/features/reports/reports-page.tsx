/** What was used and what it would have cost: by day, model, account and key. */
import { useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import Download from "lucide-solid/icons/download";
import { createMemo, For, Show } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import { api, type Query, saveFile, withQuery } from "../../lib/api.ts";
import type { Report, ReportSums } from "../../lib/api-types.ts";
import { attempt } from "../../lib/changes.ts";
import { compact, count, isoDay, percent, usd } from "../../lib/format.ts";
import { accountsQuery, dataOf, reportQuery, requestOptionsQuery } from "../../lib/queries.ts";
import { reports as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Segmented, SelectField } from "../../ui/field.tsx";
import { LineChart } from "../../ui/line-chart.tsx";
import { PageHead, Section } from "../../ui/page.tsx";
import { Empty, Loaded, Skeleton } from "../../ui/states.tsx";
import { Breakdown, type Measure, valueOf } from "./breakdown.tsx";
import { PlanWorth } from "./plan-worth.tsx";

type Period = keyof typeof words.periods;
const PERIODS: readonly Period[] = ["7", "30", "90", "month", "last"];
const MEASURES: readonly Measure[] = ["costUsd", "tokens", "requests"];

const shortUsd = (value: number) => (value >= 10 || value === 0 ? `$${Math.round(value)}` : usd(value));

function datesOf(period: Period): { start_date: string; end_date: string } {
  const today = new Date();
  const start = new Date(today);
  const end = new Date(today);
  if (period === "month") start.setDate(1);
  else if (period === "last") {
    start.setMonth(start.getMonth() - 1, 1);
    end.setDate(0);
  } else start.setDate(start.getDate() - Number(period) + 1);
  return { start_date: isoDay(start), end_date: isoDay(end) };
}

export default function ReportsPage() {
  const [params, setParams] = useSearchParams<{
    period?: string;
    account?: string;
    key?: string;
    model?: string;
    show?: string;
  }>();
  const period = () => PERIODS.find((one) => one === params.period) ?? "30";
  const measure = () => MEASURES.find((one) => one === params.show) ?? "costUsd";
  const set = (change: Record<string, string | undefined>) =>
    setParams(change, { replace: true, scroll: false });
  const filters = createMemo<Query>(() => ({
    ...datesOf(period()),
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    account_id: params.account,
    api_key_id: params.key,
    model: params.model,
  }));
  const report = useQuery(() => reportQuery(filters()));
  const accounts = useQuery(() => accountsQuery);
  const options = useQuery(() => requestOptionsQuery);
  const names = createMemo(
    () => new Map((dataOf(accounts) ?? []).map((account) => [account.accountId, account])),
  );
  const accountName = (id: string | null) => {
    const account = id === null ? undefined : names().get(id);
    return account ? nameOf(account) : (id ?? words.noAccount);
  };
  const models = () =>
    [...new Set((dataOf(options)?.modelOptions ?? []).map((option) => option.model))].toSorted();
  const download = () =>
    attempt(async () => {
      const { start_date, end_date } = datesOf(period());
      const file = await api.file("GET", withQuery("/api/reports", { ...filters(), format: "csv" }));
      saveFile(file, `codex-lb-${start_date}-to-${end_date}.csv`);
    });
  return (
    <>
      <PageHead title={words.title}>
        <Button icon={Download} onClick={() => void download()}>
          {words.csv}
        </Button>
      </PageHead>
      <div class="mb-5 flex flex-wrap items-center gap-2 max-sm:grid max-sm:grid-cols-2 max-sm:[&_select]:w-full max-sm:[&_select]:max-w-none">
        <SelectField
          label={words.period}
          hideLabel
          value={period()}
          choices={PERIODS.map((value) => ({ value, label: words.periods[value] }))}
          onChange={(value) => set({ period: value })}
        />
        <SelectField
          label={words.account}
          hideLabel
          selectClass="max-w-52"
          value={params.account ?? ""}
          choices={[
            { value: "", label: words.allAccounts },
            ...(dataOf(accounts) ?? []).map((account) => ({
              value: account.accountId,
              label: nameOf(account),
            })),
          ]}
          onChange={(account) => set({ account })}
        />
        <SelectField
          label={words.key}
          hideLabel
          selectClass="max-w-44"
          value={params.key ?? ""}
          choices={[
            { value: "", label: words.allKeys },
            ...(dataOf(options)?.apiKeys ?? []).map((key) => ({ value: key.id, label: key.name })),
          ]}
          onChange={(key) => set({ key })}
        />
        <SelectField
          label={words.model}
          hideLabel
          selectClass="max-w-44"
          value={params.model ?? ""}
          choices={[
            { value: "", label: words.allModels },
            ...models().map((value) => ({ value, label: value })),
          ]}
          onChange={(model) => set({ model })}
        />
      </div>
      <Loaded query={report} skeleton={<Skeleton class="h-96 w-full rounded-lg" />}>
        {(data) => (
          <Show
            when={data().summary.requests > 0}
            fallback={
              <div class="panel">
                <Empty title={words.empty} />
              </div>
            }
          >
            <div class="flex flex-col gap-6">
              <Sums report={data()} />
              <Section
                title={words.byDay}
                aside={
                  <Segmented
                    label={words.measure}
                    value={measure()}
                    choices={MEASURES.map((value) => ({ value, label: words.measures[value] }))}
                    onChange={(show) => set({ show })}
                  />
                }
              >
                <div class="panel px-3 py-4">
                  <LineChart
                    label={`${words.byDay}: ${words.measures[measure()]}`}
                    height={220}
                    times={data().daily.map((row) => new Date(`${row.date}T00:00`).getTime())}
                    series={[
                      {
                        label: words.measures[measure()],
                        values: data().daily.map((row) => valueOf(row, measure())),
                        color: "accent",
                        bars: true,
                      },
                    ]}
                    format={measure() === "costUsd" ? shortUsd : compact}
                  />
                </div>
              </Section>
              <div class="grid gap-6 xl:grid-cols-3">
                <Breakdown
                  title={words.byModel}
                  measure={measure()}
                  rows={data().byModel.map((row) => ({
                    ...row,
                    name: row.model ?? words.noModel,
                    href: row.model ? `/requests?model=${encodeURIComponent(row.model)}` : null,
                  }))}
                />
                <Breakdown
                  title={words.byAccount}
                  measure={measure()}
                  private
                  rows={data().byAccount.map((row) => ({
                    ...row,
                    name: accountName(row.accountId),
                    href: row.accountId ? `/accounts/${row.accountId}` : null,
                  }))}
                />
                <Breakdown
                  title={words.byKey}
                  measure={measure()}
                  rows={data().byKey.map((row) => ({
                    ...row,
                    name: row.name ?? (row.apiKeyId === null ? words.noKey : words.deleted),
                    href: row.apiKeyId ? `/keys/${row.apiKeyId}` : null,
                  }))}
                />
              </div>
              <PlanWorth report={data()} accounts={dataOf(accounts) ?? []} />
            </div>
          </Show>
        )}
      </Loaded>
    </>
  );
}

function Sums(props: { report: Report }) {
  const s = words.sums;
  const sums = (): ReportSums => props.report.summary;
  const items = (): [string, string, string][] => [
    [s.cost, usd(sums().costUsd), ""],
    [s.tokens, compact(sums().inputTokens + sums().outputTokens), ""],
    [
      s.cached,
      compact(sums().cachedInputTokens),
      sums().inputTokens === 0 ? "" : percent((sums().cachedInputTokens / sums().inputTokens) * 100),
    ],
    [s.output, compact(sums().outputTokens), ""],
    [s.requests, count(sums().requests), ""],
    [
      s.errors,
      count(sums().errors ?? 0),
      percent(((sums().errors ?? 0) / Math.max(1, sums().requests)) * 100),
    ],
  ];
  return (
    <dl class="panel grid grid-cols-2 overflow-hidden sm:grid-cols-3 xl:grid-cols-6">
      <For each={items()}>
        {([name, value, note]) => (
          <div class="-mb-px -ml-px border-b border-l border-line px-4 py-3">
            <dt class="eyebrow">{name}</dt>
            <dd class="mt-0.5 flex items-baseline gap-2">
              <span class="text-xl font-semibold tracking-[-0.012em]">{value}</span>
              <span class="text-xs text-ink-3">{note}</span>
            </dd>
          </div>
        )}
      </For>
    </dl>
  );
}
