/** One key in full: its use, its limits, its balance. */
import { A } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { createSignal, For, Show } from "solid-js";
import { api } from "../../lib/api.ts";
import type { ApiKey } from "../../lib/api-types.ts";
import { attempt } from "../../lib/changes.ts";
import { compact, count, date, MICROS_PER_USD, ms, percent, usd } from "../../lib/format.ts";
import { dataOf, keyLedgerQuery, keysQuery, keyTrendsQuery, queryClient } from "../../lib/queries.ts";
import { keys as words } from "../../lib/strings.ts";
import { Button, ButtonLink } from "../../ui/button.tsx";
import { Bar } from "../../ui/charts.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { LineChart } from "../../ui/line-chart.tsx";
import { Fact, Facts } from "../../ui/page.tsx";
import { Empty } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";
import { Ago, Countdown } from "../../ui/time.tsx";
import { KeyStateSign, usedTone } from "./key-parts.tsx";
import { amountText, limitText, usedShare } from "./limit-words.ts";
import { Writes } from "../shell/writes.tsx";

export function KeyDrawer(props: {
  open: boolean;
  apiKey: ApiKey | undefined;
  onClose(): void;
  onEdit(): void;
}) {
  return (
    <Dialog
      side
      open={props.open}
      onClose={props.onClose}
      title={
        <span class="flex flex-wrap items-center gap-x-3">
          {props.apiKey?.name ?? words.title}
          <Show when={props.apiKey}>{(key) => <KeyStateSign apiKey={key()} />}</Show>
        </span>
      }
      description={<span class="font-mono text-xs">{props.apiKey ? `${props.apiKey.keyPrefix}…` : ""}</span>}
      footer={
        <Show when={props.apiKey}>
          {(key) => (
            <>
              <ButtonLink href={`/requests?apiKeyId=${key().id}`}>{words.actions.requests}</ButtonLink>
              <ButtonLink href={`/connect?key=${key().id}`}>{words.actions.connect}</ButtonLink>
              <Writes>
                <Button look="primary" onClick={props.onEdit}>
                  {words.actions.edit}
                </Button>
              </Writes>
            </>
          )}
        </Show>
      }
    >
      <Show when={props.apiKey} fallback={<Empty title={words.detail.notFound} />}>
        {(key) => (
          <div class="flex flex-col gap-6">
            <Limits apiKey={key()} />
            <Use apiKey={key()} />
            <Show when={key().balanceEnabled}>
              <Balance apiKey={key()} />
            </Show>
            <Rules apiKey={key()} />
          </div>
        )}
      </Show>
    </Dialog>
  );
}

function Limits(props: { apiKey: ApiKey }) {
  return (
    <section>
      <h3 class="eyebrow mb-2">{words.detail.limits}</h3>
      <ul class="flex flex-col gap-3">
        <For each={props.apiKey.limits} fallback={<li class="text-sm text-ink-3">{words.noLimits}</li>}>
          {(limit) => (
            <li>
              <p class="mb-1 flex justify-between gap-3 text-sm">
                <span>{limitText(limit)}</span>
                <span class="font-[550]">{percent(usedShare(limit))}</span>
              </p>
              <Bar
                percent={usedShare(limit)}
                tone={usedTone(usedShare(limit))}
                label={words.limit.label(limitText(limit), percent(usedShare(limit)))}
              />
              <p class="mt-1 flex justify-between text-xs text-ink-3">
                <span>
                  {words.limit.of(
                    amountText(limit.limitType, limit.currentValue),
                    amountText(limit.limitType, limit.maxValue),
                  )}
                </span>
                <span>
                  {words.detail.resetsIn} <Countdown at={limit.resetAt} />
                </span>
              </p>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}

function Use(props: { apiKey: ApiKey }) {
  const trends = useQuery(() => keyTrendsQuery(props.apiKey.id));
  const cost = () => dataOf(trends)?.cost ?? [];
  const use = () => props.apiKey.usage;
  const d = words.detail;
  return (
    <section>
      <h3 class="eyebrow mb-2">{d.use}</h3>
      <Facts>
        <Fact name={d.requests}>{count(use()?.requestCount ?? 0)}</Fact>
        <Fact name={d.tokens}>{compact(use()?.totalTokens ?? 0)}</Fact>
        <Fact name={d.cached}>{compact(use()?.cachedInputTokens ?? 0)}</Fact>
        <Fact name={d.cost}>{usd(use()?.totalCostUsd ?? 0)}</Fact>
        <Fact name={words.columns.last}>
          <Ago at={props.apiKey.lastUsedAt} />
        </Fact>
      </Facts>
      <Show when={cost().some((point) => point.v > 0)}>
        <p class="mt-4 mb-1 text-xs text-ink-2">{d.trend}</p>
        <LineChart
          label={d.trend}
          height={130}
          times={cost().map((point) => Date.parse(point.t))}
          series={[{ label: d.cost, values: cost().map((point) => point.v), color: "accent", bars: true }]}
          format={usd}
        />
      </Show>
    </section>
  );
}

function Balance(props: { apiKey: ApiKey }) {
  const d = words.detail;
  const query = () => keyLedgerQuery(props.apiKey.id);
  const ledger = useQuery(query);
  const [amount, setAmount] = createSignal("");
  const [note, setNote] = createSignal("");
  const micros = () => Math.round(Number(amount()) * MICROS_PER_USD);
  const enter = async () => {
    const body = {
      kind: micros() < 0 ? "correction" : "credit",
      amountMicros: micros(),
      note: note().trim(),
    };
    if (!(await attempt(() => api.post(`/api/api-keys/${props.apiKey.id}/ledger`, body)))) return;
    setAmount("");
    setNote("");
    toast.done(words.done.credited);
    void queryClient.invalidateQueries({ queryKey: query().queryKey });
    void queryClient.invalidateQueries({ queryKey: keysQuery.queryKey, exact: true });
  };
  return (
    <section>
      <h3 class="eyebrow mb-2 flex justify-between">
        {d.ledger}
        <span class="text-base font-semibold text-ink">
          {usd(dataOf(ledger)?.balanceUsd ?? props.apiKey.balance?.balanceUsd ?? 0)}
        </span>
      </h3>
      <table class="w-full text-sm">
        <tbody class="[&_td]:border-b [&_td]:border-line [&_td]:py-1.5">
          <For
            each={dataOf(ledger)?.entries ?? []}
            fallback={
              <tr>
                <td class="text-ink-3">{d.noEntries}</td>
              </tr>
            }
          >
            {(entry) => (
              <tr>
                <td class="w-24 text-xs text-ink-3">
                  <Ago at={entry.at} />
                </td>
                <td>
                  {d.kinds[entry.kind]}
                  <Show when={entry.note}>
                    <span class="text-ink-3"> · {entry.note}</span>
                  </Show>
                </td>
                <td class="text-right">{usd(entry.amountUsd)}</td>
              </tr>
            )}
          </For>
        </tbody>
      </table>
      <Writes>
        <form
          class="mt-3 grid grid-cols-[7rem_minmax(0,1fr)_auto] items-start gap-2"
          onSubmit={(event) => {
            event.preventDefault();
            void enter();
          }}
        >
          <TextField
            label={d.amount}
            hint={d.amountHint}
            inputmode="decimal"
            value={amount()}
            onInput={(event) => setAmount(event.currentTarget.value)}
          />
          <TextField
            label={d.note}
            hint={d.noteHint}
            maxLength={500}
            value={note()}
            onInput={(event) => setNote(event.currentTarget.value)}
          />
          <Button type="submit" class="mt-5" disabled={!micros() || note().trim() === ""}>
            {d.enter}
          </Button>
        </form>
      </Writes>
    </section>
  );
}

function Rules(props: { apiKey: ApiKey }) {
  const d = words.detail;
  const e = words.editor;
  const expires = () => ms(props.apiKey.expiresAt);
  const created = () => ms(props.apiKey.createdAt);
  return (
    <section>
      <h3 class="eyebrow mb-2">{d.rules}</h3>
      <Facts>
        <Fact name={d.models}>{props.apiKey.allowedModels?.join(", ") || d.all}</Fact>
        <Fact name={d.accounts}>
          <Show when={props.apiKey.assignedAccountIds?.length} fallback={d.all}>
            {(assigned) => <A href="/accounts">{d.count(assigned())}</A>}
          </Show>
        </Fact>
        <Show when={props.apiKey.enforcedModel}>
          {(model) => <Fact name={e.enforcedModel}>{model()}</Fact>}
        </Show>
        <Show when={props.apiKey.enforcedReasoningEffort}>
          {(effort) => <Fact name={e.enforcedEffort}>{effort()}</Fact>}
        </Show>
        <Show when={props.apiKey.enforcedServiceTier}>
          {(tier) => <Fact name={e.enforcedTier}>{tier()}</Fact>}
        </Show>
        <Show when={created()}>{(at) => <Fact name={d.created}>{date(at())}</Fact>}</Show>
        <Show when={expires()}>{(at) => <Fact name={d.expires}>{date(at())}</Fact>}</Show>
      </Facts>
    </section>
  );
}
