/** The conversations that an account holds, and letting them go. */
import { useQuery } from "@tanstack/solid-query";
import { For, Show } from "solid-js";
import { api } from "../../lib/api.ts";
import type { AccountSessions, AccountSummary } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { accountSessionsQuery, dataOf } from "../../lib/queries.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Block } from "../../ui/page.tsx";
import { Ago } from "../../ui/time.tsx";
import { Writes } from "../shell/writes.tsx";

/** More of them tell nobody anything. */
const SHOWN = 8;

export function HeldSessions(props: { account: AccountSummary }) {
  const query = () => accountSessionsQuery(props.account.accountId);
  const sessions = useQuery(query);
  const held = () => dataOf(sessions)?.sessions ?? [];
  const hidden = () => (dataOf(sessions)?.total ?? 0) - Math.min(SHOWN, held().length);
  const release = () =>
    change<AccountSessions>({
      queryKey: query().queryKey,
      update: () => ({ total: 0, sessions: [] }),
      send: () => api.delete(`/api/accounts/${props.account.accountId}/sessions`),
      done: words.done.released,
    });
  return (
    <Block
      title={words.detail.sessions}
      aside={
        <Show when={held().length > 0}>
          <Writes>
            <Button small look="quiet" class="-my-1" onClick={() => void release()}>
              {words.detail.release}
            </Button>
          </Writes>
        </Show>
      }
    >
      <Show when={held().length > 0} fallback={<p class="text-sm text-ink-3">{words.detail.noSessions}</p>}>
        <ul class="flex flex-col gap-1.5 text-sm">
          <For each={held().slice(0, SHOWN)}>
            {(session) => (
              <li class="flex items-baseline gap-3">
                <span class="w-28 shrink-0 text-xs text-ink-2">{session.kind.replaceAll("_", " ")}</span>
                <code class="min-w-0 flex-1 truncate font-mono text-xs">
                  {session.id.replace(`${session.kind}:`, "")}
                </code>
                <span class="shrink-0 text-xs text-ink-3">
                  <Ago at={session.lastUsedAt} />
                </span>
              </li>
            )}
          </For>
        </ul>
        <Show when={hidden() > 0}>
          <p class="mt-1.5 text-xs text-ink-3">+ {hidden()}</p>
        </Show>
      </Show>
    </Block>
  );
}
