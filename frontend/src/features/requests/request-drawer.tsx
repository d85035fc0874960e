/** One request in full: where its time went, why this account, what was tried, what it cost. */
import { A } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { For, Show } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import { api } from "../../lib/api.ts";
import type { AccountSummary, RequestEntry, RequestPage } from "../../lib/api-types.ts";
import { count, duration, exact, percent, requestUsd } from "../../lib/format.ts";
import { dataOf, requestsPath } from "../../lib/queries.ts";
import { accountWords, requests as words } from "../../lib/strings.ts";
import { Copyable } from "../../ui/code.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Fact, Facts } from "../../ui/page.tsx";
import { Empty, Skeleton } from "../../ui/states.tsx";
import { Ago } from "../../ui/time.tsx";
import { RequestStatusSign } from "./request-status.tsx";
import { Timing } from "./timing.tsx";

type AccountOf = (id: string | null) => AccountSummary | undefined;

interface RequestDrawerProps {
  requestId: string | undefined;
  /** The row, when the list has it; otherwise the log is asked for it. */
  entry: RequestEntry | undefined;
  accountOf: AccountOf;
  onClose(): void;
}

export function RequestDrawer(props: RequestDrawerProps) {
  const found = useQuery(() => ({
    queryKey: ["requests", "one", props.requestId],
    enabled: props.requestId !== undefined && props.entry === undefined,
    queryFn: async ({ signal }: { signal: AbortSignal }) => {
      const page = await api.get<RequestPage>(requestsPath({ search: props.requestId, limit: 1 }), signal);
      return page.requests[0] ?? null;
    },
  }));
  const entry = () => props.entry ?? dataOf(found) ?? undefined;
  return (
    <Dialog
      open={props.requestId !== undefined}
      onClose={props.onClose}
      side
      title={
        <Show when={entry()} fallback={words.title}>
          {(known) => (
            <span class="flex flex-wrap items-center gap-x-3">
              {known().model ?? "–"}
              <RequestStatusSign status={known().status} />
            </span>
          )}
        </Show>
      }
      description={
        <Show when={entry()}>
          {(known) => (
            <span title={exact(Date.parse(known().requestedAt))}>
              {exact(Date.parse(known().requestedAt))} · <Ago at={known().requestedAt} />
            </span>
          )}
        </Show>
      }
    >
      <Show
        when={entry()}
        fallback={
          <Show when={found.isFetching} fallback={<Empty title={words.noMatch.title} />}>
            <Skeleton class="h-40 w-full" />
          </Show>
        }
      >
        {(known) => (
          <div class="flex flex-col gap-6">
            <Failure entry={known()} />
            <Timing entry={known()} />
            <Why entry={known()} accountOf={props.accountOf} />
            <Attempts entry={known()} accountOf={props.accountOf} />
            <Cost entry={known()} />
            <RequestFacts entry={known()} />
          </div>
        )}
      </Show>
    </Dialog>
  );
}

function Failure(props: { entry: RequestEntry }) {
  return (
    <Show when={props.entry.errorCode}>
      {(code) => (
        <div class="rounded-md border border-bad/35 bg-bad-soft px-3 py-2 text-sm">
          <p class="font-[550] text-bad">
            {code()}
            <Show when={props.entry.upstreamStatusCode}>
              {(status) => <span class="font-normal"> · {words.drawer.upstreamStatus(status())}</span>}
            </Show>
          </p>
          <Show when={props.entry.errorMessage}>{(message) => <p>{message()}</p>}</Show>
        </div>
      )}
    </Show>
  );
}

function Heading(props: { text: string }) {
  return <h3 class="eyebrow mb-2">{props.text}</h3>;
}

function AccountLabel(props: { id: string | null; accountOf: AccountOf }) {
  return (
    <Show when={props.id} fallback={<span>{words.drawer.apiKeyLane}</span>}>
      {(id) => {
        const account = () => props.accountOf(id());
        return (
          <A
            href={`/accounts/${id()}`}
            class={`truncate hover:underline ${account()?.alias ? "" : "private"}`}
          >
            {account() ? nameOf(account() as AccountSummary) : id()}
          </A>
        );
      }}
    </Show>
  );
}

function Why(props: { entry: RequestEntry; accountOf: AccountOf }) {
  const d = words.drawer;
  const scores = () =>
    (props.entry.selection?.candidates ?? []).flatMap(({ score, rejection }) =>
      score === null || rejection ? [] : score,
    );
  const worst = () => Math.max(1e-9, ...scores());
  // The chosen one comes first; a conversation outweighs the scores of the others.
  const isLowest = () => (scores()[0] ?? 0) <= Math.min(...scores());
  return (
    <section>
      <Heading text={d.why} />
      <Show when={props.entry.selection} fallback={<p class="text-sm text-ink-3">{d.noSelection}</p>}>
        {(selection) => (
          <>
            <p class="mb-2 text-sm text-pretty">{selection().reason}</p>
            <p class="mb-1 text-right text-xs text-ink-3">{isLowest() ? d.score : d.scoreStays}</p>
            <ol class="flex flex-col divide-y divide-line rounded-md border border-line text-xs">
              <For each={selection().candidates}>
                {(candidate, index) => (
                  <li
                    class={`grid grid-cols-[1.25rem_minmax(0,1fr)_minmax(7rem,auto)] items-center gap-x-2 px-2.5 py-1.5 ${candidate.rejection ? "text-ink-3" : ""}`}
                  >
                    <span class="text-ink-3">{candidate.rejection ? "–" : index() + 1}</span>
                    <span class="flex min-w-0 items-center gap-2">
                      <AccountLabel id={candidate.accountId} accountOf={props.accountOf} />
                      <Show when={candidate.accountId === props.entry.accountId && !candidate.rejection}>
                        <span class="shrink-0 rounded-sm bg-accent-soft px-1 font-[550] text-accent-strong">
                          {d.chosen}
                        </span>
                      </Show>
                    </span>
                    <Show
                      when={candidate.rejection}
                      fallback={
                        <span class="flex items-center justify-end gap-2" title={candidate.note ?? undefined}>
                          <span class="h-1 w-14 overflow-hidden rounded-full bg-track" aria-hidden="true">
                            <span
                              class="block h-full bg-ink-3"
                              style={{ width: `${((candidate.score ?? 0) / worst()) * 100}%` }}
                            />
                          </span>
                          <span class="w-10 text-right">{(candidate.score ?? 0).toFixed(2)}</span>
                        </span>
                      }
                    >
                      {(reason) => (
                        <span class="text-right">{accountWords.rejection[reason()] ?? reason()}</span>
                      )}
                    </Show>
                  </li>
                )}
              </For>
            </ol>
          </>
        )}
      </Show>
    </section>
  );
}

function Attempts(props: { entry: RequestEntry; accountOf: AccountOf }) {
  return (
    <Show when={props.entry.attempts.length > 0}>
      <section>
        <Heading text={words.drawer.attempts} />
        <ol class="flex flex-col gap-1.5 text-sm">
          <For each={props.entry.attempts}>
            {(attempt, index) => (
              <li class="grid grid-cols-[1.25rem_minmax(0,1fr)_auto_auto] items-baseline gap-x-3">
                <span class="text-xs text-ink-3">{index() + 1}</span>
                <AccountLabel id={attempt.accountId} accountOf={props.accountOf} />
                <span class={attempt.outcome === "relay" ? "text-good" : "text-warn"}>
                  {attempt.outcome === "relay" ? words.drawer.relayed : attempt.outcome.replaceAll("_", " ")}
                  <Show when={attempt.status}>
                    <span class="text-ink-3"> {attempt.status}</span>
                  </Show>
                </span>
                <span class="w-16 text-right text-ink-3">{duration(attempt.ms)}</span>
              </li>
            )}
          </For>
        </ol>
      </section>
    </Show>
  );
}

function Cost(props: { entry: RequestEntry }) {
  const d = words.drawer;
  const uncached = () => props.entry.inputTokens - props.entry.cachedInputTokens;
  const share = () =>
    props.entry.inputTokens === 0 ? 0 : (props.entry.cachedInputTokens / props.entry.inputTokens) * 100;
  return (
    <section>
      <Heading text={d.cost} />
      <Show when={props.entry.costBreakdown}>
        {(cost) => (
          <table class="w-full text-sm">
            <tbody class="[&_td]:py-0.5 [&_td:not(:first-child)]:text-right">
              <CostRow name={d.input} tokens={uncached()} usd={cost().inputUsd} />
              <CostRow
                name={d.cachedInput}
                note={percent(share())}
                tokens={props.entry.cachedInputTokens}
                usd={cost().cachedInputUsd}
              />
              <CostRow
                name={d.output}
                note={
                  props.entry.reasoningTokens > 0
                    ? d.reasoning(count(props.entry.reasoningTokens))
                    : undefined
                }
                tokens={props.entry.outputTokens}
                usd={cost().outputUsd}
              />
              <Show when={cost().toolCallsUsd > 0}>
                <CostRow name={d.tools} usd={cost().toolCallsUsd} />
              </Show>
              <tr class="border-t border-line font-semibold">
                <td>
                  {d.total}
                  <Show when={props.entry.costEstimated}>
                    <span class="font-normal text-ink-3"> · {d.estimated}</span>
                  </Show>
                </td>
                <td>{count(props.entry.tokens)}</td>
                <td>{requestUsd(cost().totalUsd)}</td>
              </tr>
            </tbody>
          </table>
        )}
      </Show>
    </section>
  );
}

function CostRow(props: { name: string; note?: string | undefined; tokens?: number; usd: number }) {
  return (
    <tr>
      <td>
        {props.name}
        <Show when={props.note}>
          <span class="text-ink-3"> · {props.note}</span>
        </Show>
      </td>
      <td>{props.tokens === undefined ? "" : count(props.tokens)}</td>
      <td>{requestUsd(props.usd)}</td>
    </tr>
  );
}

function RequestFacts(props: { entry: RequestEntry }) {
  const d = words.drawer;
  const entry = () => props.entry;
  return (
    <section>
      <Heading text={d.facts} />
      <Facts>
        <Fact name={d.id}>
          <Copyable text={entry().requestId} />
        </Fact>
        <Show when={entry().sessionId}>
          {(session) => (
            <Fact name={d.session}>
              <A
                href={`/requests?session=${encodeURIComponent(session())}`}
                class="link font-mono text-xs"
                title={d.sameSession}
              >
                {session()}
              </A>
            </Fact>
          )}
        </Show>
        <Fact name={words.columns.key}>{entry().apiKeyName ?? words.noKey}</Fact>
        <Fact name={d.kind}>{entry().requestKind}</Fact>
        <Show when={entry().route}>{(route) => <Fact name={d.route}>{route()}</Fact>}</Show>
        <Fact name={d.transport}>
          {entry().transport}
          <Show when={entry().upstreamTransport && entry().upstreamTransport !== entry().transport}>
            , {d.upstream(entry().upstreamTransport ?? "")}
          </Show>
        </Fact>
        <Show when={entry().reasoningEffort}>{(effort) => <Fact name={d.effort}>{effort()}</Fact>}</Show>
        <Show when={entry().serviceTier}>{(tier) => <Fact name={d.tier}>{tier()}</Fact>}</Show>
        <Fact name={d.lane}>{entry().lane.replaceAll("_", " ")}</Fact>
        <Show when={entry().useragent}>{(agent) => <Fact name={d.client}>{agent()}</Fact>}</Show>
        <Show when={entry().clientIp}>{(ip) => <Fact name={d.address}>{ip()}</Fact>}</Show>
      </Facts>
    </section>
  );
}
