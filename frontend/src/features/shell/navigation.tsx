/** Where one can go: a side bar on wide pages, a rail of signs on tablets, a bar at the bottom on phones. */
import { A, useLocation } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import ChartColumn from "lucide-solid/icons/chart-column";
import Eye from "lucide-solid/icons/eye";
import EyeOff from "lucide-solid/icons/eye-off";
import Gauge from "lucide-solid/icons/gauge";
import KeyRound from "lucide-solid/icons/key-round";
import LogOut from "lucide-solid/icons/log-out";
import Monitor from "lucide-solid/icons/monitor";
import Moon from "lucide-solid/icons/moon";
import Plug from "lucide-solid/icons/plug";
import ScrollText from "lucide-solid/icons/scroll-text";
import Settings from "lucide-solid/icons/settings";
import Sun from "lucide-solid/icons/sun";
import Users from "lucide-solid/icons/users";
import Activity from "lucide-solid/icons/activity";
import Ellipsis from "lucide-solid/icons/ellipsis";
import { createEffect, createSignal, For, on, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { api } from "../../lib/api.ts";
import { attempt } from "../../lib/changes.ts";
import { liveState } from "../../lib/live.ts";
import { emailsBlurred, setEmailsBlurred, setTheme, type Theme, theme } from "../../lib/preferences.ts";
import { dataOf, queryClient, sessionQuery } from "../../lib/queries.ts";
import { shell } from "../../lib/strings.ts";
import type { Icon } from "../../ui/button.tsx";
import { Mark } from "./mark.tsx";

interface Entry {
  href: string;
  label: string;
  icon: Icon;
}

const WORK: readonly Entry[] = [
  { href: "/", label: shell.pages.overview, icon: Gauge },
  { href: "/accounts", label: shell.pages.accounts, icon: Users },
  { href: "/requests", label: shell.pages.requests, icon: Activity },
  { href: "/keys", label: shell.pages.keys, icon: KeyRound },
  { href: "/connect", label: shell.pages.connect, icon: Plug },
  { href: "/reports", label: shell.pages.reports, icon: ChartColumn },
];
const CARE: readonly Entry[] = [
  { href: "/audit", label: shell.pages.audit, icon: ScrollText },
  { href: "/settings", label: shell.pages.settings, icon: Settings },
];

function NavLink(props: Entry) {
  return (
    <A
      href={props.href}
      end={props.href === "/"}
      title={props.label}
      class="flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm font-[520] text-ink-2 hover:bg-hover hover:text-ink max-lg:justify-center max-lg:px-0"
      activeClass="bg-accent-soft !text-accent-strong font-semibold"
    >
      <Dynamic component={props.icon} size={16} class="shrink-0" />
      <span class="max-lg:sr-only">{props.label}</span>
    </A>
  );
}

export function Sidebar() {
  return (
    <aside class="sticky top-0 flex h-dvh w-52 shrink-0 flex-col border-r border-line px-2.5 py-4 max-lg:w-14 max-lg:px-2 max-md:hidden print:hidden">
      <A href="/" class="mb-5 flex items-center gap-2 px-1.5 max-lg:justify-center" aria-label={shell.name}>
        <Mark />
        <span class="text-base font-semibold tracking-[-0.01em] max-lg:hidden">{shell.name}</span>
      </A>
      <nav aria-label={shell.nav} class="flex flex-1 flex-col gap-0.5">
        <For each={WORK}>{(entry) => <NavLink {...entry} />}</For>
        <div class="my-2 border-t border-line" />
        <For each={CARE}>{(entry) => <NavLink {...entry} />}</For>
      </nav>
      <LiveSign />
      <Tools />
    </aside>
  );
}

function LiveSign() {
  const text = () =>
    liveState() === "live" ? shell.live : liveState() === "lost" ? shell.lost : shell.connecting;
  const session = useQuery(() => sessionQuery);
  return (
    <p
      class="flex items-center gap-2 px-2.5 py-2 text-xs text-ink-3 max-lg:justify-center max-lg:px-0"
      role="status"
      title={text()}
    >
      <span
        aria-hidden="true"
        class={`size-2 shrink-0 rounded-full ${liveState() === "live" ? "bg-good-fill" : liveState() === "lost" ? "border-2 border-bad" : "border-2 border-ink-3"}`}
      />
      <span class="max-lg:sr-only">{text()}</span>
      <span class="ml-auto max-lg:hidden">{dataOf(session)?.version}</span>
    </p>
  );
}

const NEXT_THEME: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_ICON: Record<Theme, Icon> = { system: Monitor, light: Sun, dark: Moon };

async function signOut(): Promise<void> {
  await attempt(() => api.post("/api/dashboard-auth/logout"));
  queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
  await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
}

function Tools() {
  const session = useQuery(() => sessionQuery);
  return (
    <div class="flex gap-0.5 border-t border-line pt-2 md:max-lg:flex-col md:max-lg:items-center">
      <Tool
        label={shell.theme[theme()]}
        icon={THEME_ICON[theme()]}
        run={() => setTheme(NEXT_THEME[theme()])}
      />
      <Tool
        label={emailsBlurred() ? shell.showEmails : shell.blurEmails}
        icon={emailsBlurred() ? EyeOff : Eye}
        pressed={emailsBlurred()}
        run={() => setEmailsBlurred(!emailsBlurred())}
      />
      <Show when={dataOf(session)?.passwordRequired}>
        <span class="ml-auto md:max-lg:ml-0">
          <Tool label={shell.signOut} icon={LogOut} run={() => void signOut()} />
        </span>
      </Show>
    </div>
  );
}

function Tool(props: { label: string; icon: Icon; pressed?: boolean; run(): void }) {
  return (
    <button
      type="button"
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      class="inline-flex size-8 items-center justify-center rounded-md text-ink-2 hover:bg-hover hover:text-ink"
      onClick={props.run}
    >
      <Dynamic component={props.icon} size={16} />
    </button>
  );
}

/** How many pages fit beside "More" at the bottom of a phone. */
const AT_HAND = 4;

export function BottomBar() {
  const [open, setOpen] = createSignal(false);
  const location = useLocation();
  createEffect(
    on(
      () => location.pathname,
      () => setOpen(false),
      { defer: true },
    ),
  );
  return (
    <div class="fixed inset-x-0 bottom-0 z-30 border-t border-line bg-panel md:hidden print:hidden">
      <Show when={open()}>
        <div class="enter grid grid-cols-2 gap-1 border-b border-line p-3">
          <For each={[...WORK.slice(AT_HAND), ...CARE]}>
            {(entry) => (
              <A
                href={entry.href}
                class="flex h-10 items-center gap-2.5 rounded-md px-3 text-sm font-[550] hover:bg-hover"
                activeClass="bg-accent-soft"
              >
                <Dynamic component={entry.icon} size={17} />
                {entry.label}
              </A>
            )}
          </For>
          <div class="col-span-2 pt-1">
            <Tools />
          </div>
        </div>
      </Show>
      <nav aria-label={shell.nav} class="grid grid-cols-5">
        <For each={WORK.slice(0, AT_HAND)}>
          {(entry) => (
            <A
              href={entry.href}
              end={entry.href === "/"}
              class="flex h-14 flex-col items-center justify-center gap-1 text-2xs font-[550] text-ink-2"
              activeClass="!text-accent-strong"
            >
              <Dynamic component={entry.icon} size={18} />
              {entry.label}
            </A>
          )}
        </For>
        <button
          type="button"
          aria-expanded={open()}
          class="flex h-14 flex-col items-center justify-center gap-1 text-2xs font-[550] text-ink-2"
          onClick={() => setOpen(!open())}
        >
          <Ellipsis size={18} />
          {shell.more}
        </button>
      </nav>
    </div>
  );
}
