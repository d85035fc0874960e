/** The settings, in sections; each change is saved at once and can be taken back. */
import { A, useParams } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { For, type JSX, Match, Switch } from "solid-js";
import { dataOf, settingsQuery } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { PageHead } from "../../ui/page.tsx";
import { Loaded, Skeleton } from "../../ui/states.tsx";
import { About } from "./about.tsx";
import { Appearance } from "./appearance.tsx";
import { FirewallSection } from "./firewall-section.tsx";
import { Prices } from "./prices.tsx";
import { RequestsSection } from "./requests-section.tsx";
import { Routing } from "./routing.tsx";
import { Security } from "./security.tsx";
import { Writes } from "../shell/writes.tsx";

type Name = keyof typeof words.sections;
const NAMES = Object.keys(words.sections) as Name[];

export default function SettingsPage() {
  const params = useParams();
  const settings = useQuery(() => settingsQuery);
  const name = (): Name => NAMES.find((one) => one === params["section"]) ?? "routing";
  return (
    <>
      <PageHead title={words.title} />
      <div class="grid items-start gap-x-8 gap-y-4 lg:grid-cols-[11rem_minmax(0,46rem)]">
        <nav
          aria-label={words.title}
          class="flex gap-0.5 max-lg:-mx-1 max-lg:flex-wrap max-lg:border-b max-lg:border-line max-lg:pb-2 lg:sticky lg:top-6 lg:flex-col"
        >
          <For each={NAMES}>
            {(one) => (
              <A
                href={`/settings/${one}`}
                class={`rounded-md px-2.5 py-1.5 text-sm font-[520] hover:bg-hover ${name() === one ? "bg-accent-soft font-semibold text-accent-strong" : "text-ink-2"}`}
                aria-current={name() === one ? "page" : undefined}
              >
                {words.sections[one]}
              </A>
            )}
          </For>
        </nav>
        <div class="min-w-0">
          <Switch>
            <Match when={name() === "prices"}>
              <Writes>
                <Prices />
              </Writes>
            </Match>
            <Match when={name() === "appearance"}>
              <Appearance />
            </Match>
            <Match when={name() === "about"}>
              <Writes>
                <About />
              </Writes>
            </Match>
            <Match when={true}>
              <Loaded query={settings} skeleton={<SectionSkeleton />}>
                {() => (
                  <Writes>
                    <Switch>
                      <Match when={name() === "routing" && dataOf(settings)}>
                        {(data) => <Routing settings={data()} />}
                      </Match>
                      <Match when={name() === "requests" && dataOf(settings)}>
                        {(data) => <RequestsSection settings={data()} />}
                      </Match>
                      <Match when={name() === "security" && dataOf(settings)}>
                        {(data) => <Security settings={data()} />}
                      </Match>
                      <Match when={name() === "firewall" && dataOf(settings)}>
                        {(data) => <FirewallSection settings={data()} />}
                      </Match>
                    </Switch>
                  </Writes>
                )}
              </Loaded>
            </Match>
          </Switch>
        </div>
      </div>
    </>
  );
}

function SectionSkeleton(): JSX.Element {
  return (
    <div class="panel flex flex-col gap-6 p-5">
      <Skeleton class="h-4 w-40" />
      <Skeleton class="h-16 w-full" />
      <Skeleton class="h-16 w-full" />
      <Skeleton class="h-16 w-full" />
    </div>
  );
}
