/** Buttons: one primary per view, the rest quiet; and links that look like them. */
import { A } from "@solidjs/router";
import { type Component, type JSX, Show, splitProps } from "solid-js";
import { Dynamic } from "solid-js/web";

export type Icon = Component<{ class?: string; size?: number | string }>;

type Look = "primary" | "plain" | "quiet" | "danger";

const LOOKS: Record<Look, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border border-line-strong bg-raised text-ink hover:border-ink-3 hover:bg-hover",
  quiet: "text-ink-2 hover:bg-hover hover:text-ink",
  danger: "border border-bad/40 bg-bad-soft text-bad hover:border-bad",
};

const shape = (look: Look, small: boolean, iconOnly: boolean) =>
  `inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md font-[550] whitespace-nowrap transition-colors duration-100
   disabled:pointer-events-none disabled:opacity-50 ${LOOKS[look]} ${
     small ? `h-7 text-xs ${iconOnly ? "w-7" : "px-2"}` : `h-8 text-sm ${iconOnly ? "w-8" : "px-3"}`
   }`;

interface Shared {
  look?: Look;
  small?: boolean;
  icon?: Icon;
  /** The accessible name of a button that shows its icon only. */
  label?: string;
}

export type ButtonProps = Shared & { busy?: boolean } & JSX.ButtonHTMLAttributes<HTMLButtonElement>;

export function Button(props: ButtonProps) {
  const [own, rest] = splitProps(props, [
    "look",
    "small",
    "icon",
    "label",
    "busy",
    "class",
    "children",
    "disabled",
  ]);
  return (
    <button
      type="button"
      {...rest}
      disabled={own.disabled || own.busy}
      aria-busy={own.busy || undefined}
      aria-label={own.label}
      title={own.label ?? rest.title}
      class={`${shape(own.look ?? "plain", own.small ?? false, own.label !== undefined)} ${own.class ?? ""}`}
    >
      <Show when={own.icon}>{(icon) => <Dynamic component={icon()} size={own.small ? 14 : 15} />}</Show>
      {own.children}
    </button>
  );
}

export function ButtonLink(props: Shared & { href: string; class?: string; children?: JSX.Element }) {
  return (
    <A
      href={props.href}
      aria-label={props.label}
      title={props.label}
      class={`${shape(props.look ?? "plain", props.small ?? false, props.label !== undefined)} ${props.class ?? ""}`}
    >
      <Show when={props.icon}>{(icon) => <Dynamic component={icon()} size={props.small ? 14 : 15} />}</Show>
      {props.children}
    </A>
  );
}
