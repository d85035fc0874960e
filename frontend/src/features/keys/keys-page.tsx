/** The keys: who may use the pool, for how much, and how much of it is used. */
import { A, useNavigate, useParams, useSearchParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import KeyRound from "lucide-solid/icons/key-round";
import Pause from "lucide-solid/icons/pause";
import Pencil from "lucide-solid/icons/pencil";
import Play from "lucide-solid/icons/play";
import Plug from "lucide-solid/icons/plug";
import Plus from "lucide-solid/icons/plus";
import RefreshCw from "lucide-solid/icons/refresh-cw";
import RotateCcw from "lucide-solid/icons/rotate-ccw";
import Trash from "lucide-solid/icons/trash";
import { createMemo, createSignal, For, Show } from "solid-js";
import { api } from "../../lib/api.ts";
import type { ApiKey, ApiKeyWithSecret, Settings } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { compact, usd } from "../../lib/format.ts";
import { dataOf, keysQuery, settingsQuery } from "../../lib/queries.ts";
import { keys as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { ActionMenu } from "../../ui/menu.tsx";
import { PageHead } from "../../ui/page.tsx";
import { Empty, Loaded, SkeletonRows } from "../../ui/states.tsx";
import { Ago } from "../../ui/time.tsx";
import { setActive } from "./key-actions.ts";
import { KeyQuestions, type KeyQuestion, SecretDialog } from "./key-dialogs.tsx";
import { KeyDrawer } from "./key-drawer.tsx";
import { KeyEditor } from "./key-editor.tsx";
import { KeyStateSign, LimitLines } from "./key-parts.tsx";
import { Writes } from "../shell/writes.tsx";

export default function KeysPage() {
  const params = useParams();
  const [search, setSearch] = useSearchParams();
  const navigate = useNavigate();
  const keys = useQuery(() => keysQuery);
  const [editing, setEditing] = createSignal<ApiKey | null>(null);
  const [asked, setAsked] = createSignal<{ key: ApiKey; question: KeyQuestion } | null>(null);
  const [created, setCreated] = createSignal<ApiKeyWithSecret | null>(null);
  const open = () => dataOf(keys)?.find((key) => key.id === params["id"]);
  const isNew = () => search["new"] !== undefined;
  const subject = createMemo(() => {
    const key = editing();
    return key ? { key } : isNew() ? { key: undefined } : null;
  });
  const create = () => setSearch({ new: "1" });
  const closeEditor = () => {
    setEditing(null);
    if (isNew()) setSearch({ new: undefined }, { replace: true });
  };
  return (
    <>
      <PageHead title={words.title} summary={words.summary}>
        <Writes>
          <Button look="primary" icon={Plus} onClick={create}>
            {words.create}
          </Button>
        </Writes>
      </PageHead>
      <OpenAccess hasKeys={(dataOf(keys)?.length ?? 0) > 0} />
      <div class="panel overflow-hidden">
        <Loaded query={keys} skeleton={<SkeletonRows rows={6} />}>
          {(list) => (
            <Show
              when={list().length > 0}
              fallback={
                <Empty
                  icon={KeyRound}
                  title={words.empty.title}
                  actions={
                    <Button look="primary" icon={Plus} onClick={create}>
                      {words.create}
                    </Button>
                  }
                >
                  {words.empty.body}
                </Empty>
              }
            >
              <KeyTable
                keys={list()}
                onEdit={setEditing}
                onAsk={(key, question) => setAsked({ key, question })}
              />
            </Show>
          )}
        </Loaded>
      </div>
      <KeyDrawer
        open={params["id"] !== undefined && !editing()}
        apiKey={open()}
        onClose={() => navigate("/keys", { scroll: false })}
        onEdit={() => setEditing(open() ?? null)}
      />
      <Show when={subject()} keyed>
        {(one) => <KeyEditor apiKey={one.key} onClose={closeEditor} onCreated={setCreated} />}
      </Show>
      <KeyQuestions
        apiKey={asked()?.key}
        question={asked()?.question ?? null}
        onClose={() => setAsked(null)}
        onSecret={setCreated}
        onDeleted={() => navigate("/keys")}
      />
      <SecretDialog created={created()} onClose={() => setCreated(null)} />
    </>
  );
}

/** While no key is asked for, keys tell people apart and limit nobody who leaves his out. */
function OpenAccess(props: { hasKeys: boolean }) {
  const settings = useQuery(() => settingsQuery);
  const require = (version: number) =>
    change<Settings>({
      queryKey: settingsQuery.queryKey,
      update: (data) => ({ ...data, apiKeyAuthEnabled: true }),
      send: () => api.put("/api/settings", { apiKeyAuthEnabled: true, version }),
      done: words.done.required,
      undo: () => api.put("/api/settings", { apiKeyAuthEnabled: false }),
    });
  return (
    <Show when={props.hasKeys && dataOf(settings)?.apiKeyAuthEnabled === false && dataOf(settings)}>
      {(data) => (
        <div class="mb-4 flex flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-lg border border-warn/30 bg-warn-soft px-3.5 py-2.5 text-sm">
          <span class="min-w-0 flex-1 basis-64">{words.openAccess}</span>
          <Writes>
            <Button small onClick={() => void require(data().version)}>
              {words.openAccessAction}
            </Button>
          </Writes>
        </div>
      )}
    </Show>
  );
}

const COLUMNS =
  "lg:grid lg:grid-cols-[minmax(10rem,1.2fr)_6rem_minmax(16rem,2fr)_5rem_5.5rem_5.5rem_2rem] lg:items-center lg:gap-x-4";

interface KeyTableProps {
  keys: ApiKey[];
  onEdit(key: ApiKey): void;
  onAsk(key: ApiKey, question: KeyQuestion): void;
}

function KeyTable(props: KeyTableProps) {
  const c = words.columns;
  return (
    <div role="table" aria-label={words.title}>
      <div role="rowgroup" class="max-lg:hidden">
        <div role="row" class={`${COLUMNS} border-b border-line px-4 py-2 text-xs font-[550] text-ink-2`}>
          <span role="columnheader">{c.key}</span>
          <span role="columnheader">{c.state}</span>
          <span role="columnheader">{c.limits}</span>
          <span role="columnheader" class="text-right">
            {c.used}
          </span>
          <span role="columnheader" class="text-right">
            {c.cost}
          </span>
          <span role="columnheader" class="text-right">
            {c.last}
          </span>
          <span role="columnheader" class="sr-only">
            {c.actions}
          </span>
        </div>
      </div>
      <div role="rowgroup">
        <For each={props.keys}>{(key) => <KeyRow {...props} apiKey={key} />}</For>
      </div>
    </div>
  );
}

function KeyRow(props: KeyTableProps & { apiKey: ApiKey }) {
  const navigate = useNavigate();
  const key = () => props.apiKey;
  const a = words.actions;
  return (
    <div
      role="row"
      class={`${COLUMNS} relative border-b border-line px-4 py-2.5 last:border-0 hover:bg-hover max-lg:flex max-lg:flex-wrap max-lg:items-center max-lg:gap-x-3 max-lg:gap-y-2`}
    >
      <div role="cell" class="flex min-w-0 flex-col max-lg:flex-1 max-lg:basis-40">
        <A
          href={`/keys/${key().id}`}
          noScroll
          class="truncate text-sm font-[550] after:absolute after:inset-0 hover:underline"
        >
          {key().name}
        </A>
        <span class="truncate font-mono text-2xs text-ink-3">{key().keyPrefix}…</span>
      </div>
      <div role="cell" class="flex items-center">
        <KeyStateSign apiKey={key()} />
      </div>
      <div role="cell" class="min-w-0 max-lg:order-last max-lg:basis-full">
        <LimitLines apiKey={key()} />
      </div>
      <div role="cell" class="text-right text-sm max-lg:hidden">
        {compact(key().usage?.totalTokens ?? 0)}
      </div>
      <div role="cell" class="text-right text-sm max-lg:hidden">
        {usd(key().usage?.totalCostUsd ?? 0)}
      </div>
      <div role="cell" class="text-right text-xs text-ink-3 max-lg:hidden">
        <Ago at={key().lastUsedAt} />
      </div>
      <div role="cell" class="relative z-10 text-right">
        <Writes>
          <ActionMenu
            label={`${words.columns.actions}: ${key().name}`}
            actions={[
              { label: a.edit, icon: Pencil, run: () => props.onEdit(key()) },
              { label: a.connect, icon: Plug, run: () => navigate(`/connect?key=${key().id}`) },
              key().isActive
                ? { label: a.disable, icon: Pause, run: () => void setActive(key(), false) }
                : { label: a.enable, icon: Play, run: () => void setActive(key(), true) },
              {
                label: a.reset,
                icon: RotateCcw,
                disabled: key().limits.length === 0,
                run: () => props.onAsk(key(), "reset"),
              },
              { label: a.rotate, icon: RefreshCw, run: () => props.onAsk(key(), "rotate") },
              {
                label: a.delete,
                icon: Trash,
                danger: true,
                separated: true,
                run: () => props.onAsk(key(), "delete"),
              },
            ]}
          />
        </Writes>
      </div>
    </div>
  );
}
