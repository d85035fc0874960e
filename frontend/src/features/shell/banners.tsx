/** What is true of the whole page and must be known: lost connection, demo, guest, no password yet. */
import { useQuery } from "@tanstack/solid-query";
import CloudOff from "lucide-solid/icons/cloud-off";
import FlaskConical from "lucide-solid/icons/flask-conical";
import LockOpen from "lucide-solid/icons/lock-open";
import { type JSX, Show } from "solid-js";
import { Dynamic } from "solid-js/web";
import { liveState } from "../../lib/live.ts";
import { remembered } from "../../lib/preferences.ts";
import { dataOf, sessionQuery } from "../../lib/queries.ts";
import { shell } from "../../lib/strings.ts";
import { Button, ButtonLink, type Icon } from "../../ui/button.tsx";

export function Banners() {
  const session = useQuery(() => sessionQuery);
  const [passwordLater, setPasswordLater] = remembered("password-later", false);
  const data = () => dataOf(session);
  return (
    <div role="region" aria-label={shell.notices} class="sticky top-0 z-20 print:hidden">
      <Show when={liveState() === "lost"}>
        <Banner icon={CloudOff} tone="bad" text={shell.lostBanner} alert />
      </Show>
      <Show when={data()?.demo}>
        <Banner icon={FlaskConical} tone="warn" text={shell.demoBanner} />
      </Show>
      <Show when={data()?.role === "guest"}>
        <Banner icon={LockOpen} tone="plain" text={shell.guestBanner} />
      </Show>
      <Show
        when={
          data()?.passwordRequired === false && !data()?.demo && data()?.role !== "guest" && !passwordLater()
        }
      >
        <Banner icon={LockOpen} tone="plain" text={shell.unprotected}>
          <ButtonLink small href="/settings/security">
            {shell.setPassword}
          </ButtonLink>
          <Button small look="quiet" onClick={() => setPasswordLater(true)}>
            {shell.later}
          </Button>
        </Banner>
      </Show>
    </div>
  );
}

const TONES = {
  bad: "bg-bad-soft text-bad border-bad/25",
  warn: "bg-warn-soft text-ink border-warn/25",
  plain: "bg-accent-soft text-ink border-accent/20",
};

function Banner(props: {
  icon: Icon;
  tone: keyof typeof TONES;
  text: string;
  alert?: boolean;
  children?: JSX.Element;
}) {
  return (
    <div
      role={props.alert ? "alert" : "note"}
      class={`flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b px-3 py-2 text-sm sm:px-5 lg:px-7 ${TONES[props.tone]}`}
    >
      <Dynamic component={props.icon} size={15} class="shrink-0" />
      <span class="min-w-0 flex-1 basis-64 text-pretty">{props.text}</span>
      <span class="flex gap-2 empty:hidden max-sm:ml-6">{props.children}</span>
    </div>
  );
}
