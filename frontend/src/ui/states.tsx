/** What stands where data is not: skeletons, empty places that lead on, and errors that say what to do. */
import CircleAlert from "lucide-solid/icons/circle-alert";
import { For, type JSX, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { messageOf } from "../lib/api.ts";
import { common } from "../lib/strings.ts";
import { Button, type Icon } from "./button.tsx";

export function Skeleton(props: { class?: string }) {
  return <div aria-hidden="true" class={`skeleton ${props.class ?? "h-4 w-full"}`} />;
}

/** Rows of a table that is on its way. */
export function SkeletonRows(props: { rows: number }) {
  return (
    <div class="flex flex-col" role="status" aria-label={common.loading}>
      <For each={Array.from({ length: props.rows })}>
        {(_, index) => (
          <div class="flex h-10 items-center gap-6 border-b border-line px-3 last:border-0">
            <Skeleton class={`h-3 ${index() % 3 === 0 ? "w-48" : index() % 3 === 1 ? "w-36" : "w-40"}`} />
            <Skeleton class="ml-auto h-3 w-16" />
            <Skeleton class="h-3 w-24 max-sm:hidden" />
          </div>
        )}
      </For>
    </div>
  );
}

export function Empty(props: {
  /** For a page that has no other heading. */
  isPage?: boolean;
  icon?: Icon;
  title: string;
  children?: JSX.Element;
  actions?: JSX.Element;
}) {
  return (
    <div class="flex flex-col items-center gap-2 px-6 py-12 text-center">
      <Show when={props.icon}>{(icon) => <Dynamic component={icon()} size={22} class="text-ink-3" />}</Show>
      <Dynamic component={props.isPage ? "h1" : "h2"} class="text-base font-semibold">
        {props.title}
      </Dynamic>
      <Show when={props.children}>
        <div class="max-w-[26rem] text-sm text-pretty text-ink-2">{props.children}</div>
      </Show>
      <Show when={props.actions}>
        <div class="mt-2 flex flex-wrap justify-center gap-2">{props.actions}</div>
      </Show>
    </div>
  );
}

export function ErrorNote(props: { error: unknown; retry?: () => void; class?: string }) {
  return (
    <div
      role="alert"
      class={`flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg border border-bad/35 bg-bad-soft px-3.5 py-2.5 text-sm ${props.class ?? ""}`}
    >
      <CircleAlert size={16} class="shrink-0 text-bad" />
      <span class="min-w-0 flex-1">{messageOf(props.error)}</span>
      <Show when={props.retry}>
        {(retry) => (
          <Button small onClick={() => retry()()}>
            {common.retry}
          </Button>
        )}
      </Show>
    </div>
  );
}

/** Data, or what stands for it. `skeleton` keeps the place's size so that nothing jumps. */
export function Loaded<T>(props: {
  query: { isPending: boolean; isError: boolean; error: unknown; data: T | undefined; refetch(): unknown };
  skeleton: JSX.Element;
  children: (data: () => T) => JSX.Element;
}) {
  const data = () => (props.query.isPending ? undefined : props.query.data);
  return (
    <Show
      when={data() !== undefined}
      fallback={
        <Show when={props.query.isError} fallback={props.skeleton}>
          <ErrorNote error={props.query.error} retry={() => props.query.refetch()} />
        </Show>
      }
    >
      {props.children(() => data() as T)}
    </Show>
  );
}
