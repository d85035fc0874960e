/** The frame of every page: its heading, its controls, its sections. */
import { createEffect, type JSX, Show } from "solid-js";
import { common } from "../lib/strings.ts";

export function PageHead(props: { title: string; summary?: JSX.Element; children?: JSX.Element }) {
  createEffect(() => {
    document.title = common.titleOf(props.title);
  });
  return (
    <header class="mb-4 flex flex-wrap items-end justify-between gap-x-6 gap-y-3">
      <div class="min-w-0">
        <h1 class="text-xl font-semibold tracking-[-0.012em]">{props.title}</h1>
        <Show when={props.summary}>
          <p class="mt-0.5 text-sm text-pretty text-ink-2 print:hidden">{props.summary}</p>
        </Show>
      </div>
      <Show when={props.children}>
        <div class="flex flex-wrap items-center gap-2 print:hidden">{props.children}</div>
      </Show>
    </header>
  );
}

export function Section(props: {
  title: string;
  note?: JSX.Element;
  aside?: JSX.Element;
  class?: string;
  children: JSX.Element;
}) {
  return (
    <section class={props.class}>
      <div class="mb-2 flex flex-wrap items-baseline justify-between gap-x-4 gap-y-1">
        <h2 class="text-base font-semibold">
          {props.title}
          <Show when={props.note}>
            <span class="ml-2 text-sm font-normal text-ink-3">{props.note}</span>
          </Show>
        </h2>
        {props.aside}
      </div>
      {props.children}
    </section>
  );
}

/** A name and its value, as rows of a definition list. */
export function Facts(props: { children: JSX.Element; class?: string }) {
  return (
    <dl
      class={`grid grid-cols-[minmax(7rem,auto)_minmax(0,1fr)] items-baseline gap-x-4 gap-y-1.5 text-sm ${props.class ?? ""}`}
    >
      {props.children}
    </dl>
  );
}

export function Fact(props: { name: string; children: JSX.Element }) {
  return (
    <>
      <dt class="text-ink-3">{props.name}</dt>
      <dd class="min-w-0 break-words">{props.children}</dd>
    </>
  );
}

/** A titled part of a panel. */
export function Block(props: { title: string; aside?: JSX.Element; class?: string; children: JSX.Element }) {
  return (
    <section class={`px-5 py-4 ${props.class ?? ""}`}>
      <div class="mb-2.5 flex items-baseline justify-between gap-3">
        <h3 class="eyebrow">{props.title}</h3>
        {props.aside}
      </div>
      {props.children}
    </section>
  );
}
