/** Who gets into the dashboard: password, second factor, guests, and who is signed in. */
import { useQuery } from "@tanstack/solid-query";
import { createSignal, For, Show } from "solid-js";
import { api } from "../../lib/api.ts";
import type { Settings, SignedInSession } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { dataOf, sessionQuery, signedInQuery } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField, Switch } from "../../ui/field.tsx";
import { Ago, Countdown } from "../../ui/time.tsx";
import { GuestPasswordDialog, PasswordDialog, RemovePasswordDialog } from "./password-dialogs.tsx";
import { Row, Rows, saveSettings } from "./save.tsx";
import { TotpDisableDialog, TotpSetupDialog } from "./totp-dialogs.tsx";

type Open = "password" | "remove" | "totp" | "totp-off" | "guest";

export function Security(props: { settings: Settings }) {
  const w = words.security;
  const session = useQuery(() => sessionQuery);
  const [open, setOpen] = createSignal<Open | null>(null);
  const hasPassword = () => dataOf(session)?.passwordRequired ?? false;
  const hasTotp = () => dataOf(session)?.totpConfigured ?? props.settings.totpConfigured;
  const close = () => setOpen(null);
  return (
    <div class="flex flex-col gap-5">
      <Rows>
        <Row label={w.password} hint={hasPassword() ? w.passwordSet : w.passwordNone}>
          <div class="flex gap-2">
            <Button look={hasPassword() ? "plain" : "primary"} onClick={() => setOpen("password")}>
              {hasPassword() ? w.change : w.set}
            </Button>
            <Show when={hasPassword()}>
              <Button look="quiet" onClick={() => setOpen("remove")}>
                {w.remove}
              </Button>
            </Show>
          </div>
        </Row>
        <Row label={w.totp} hint={hasTotp() ? w.totpOn : hasPassword() ? w.totpOff : w.totpNeedsPassword}>
          <Button disabled={!hasPassword()} onClick={() => setOpen(hasTotp() ? "totp-off" : "totp")}>
            {hasTotp() ? w.totpDisable : w.totpStart}
          </Button>
        </Row>
        <Row label={w.ttl}>
          <Lifetime settings={props.settings} />
        </Row>
        <Show when={props.settings.guestAccessEnabled !== undefined}>
          <Row label={w.guest} hint={hasPassword() ? w.guestHint : w.guestNeedsPassword}>
            <div class="flex items-center gap-3">
              <Show when={props.settings.guestAccessEnabled}>
                <Button small onClick={() => setOpen("guest")}>
                  {w.guestSet}
                </Button>
              </Show>
              <Switch
                label={w.guest}
                disabled={!hasPassword()}
                checked={props.settings.guestAccessEnabled ?? false}
                onChange={(guestAccessEnabled) => void saveSettings(props.settings, { guestAccessEnabled })}
              />
            </div>
          </Row>
        </Show>
      </Rows>
      <Show when={hasPassword()}>
        <SignedIn />
      </Show>
      <Show when={open() === "password"}>
        <PasswordDialog isChange={hasPassword()} onClose={close} />
      </Show>
      <RemovePasswordDialog open={open() === "remove"} onClose={close} />
      <Show when={open() === "totp"}>
        <TotpSetupDialog onClose={close} />
      </Show>
      <TotpDisableDialog open={open() === "totp-off"} onClose={close} />
      <GuestPasswordDialog open={open() === "guest"} onClose={close} />
    </div>
  );
}

function Lifetime(props: { settings: Settings }) {
  const current = () => String(props.settings.dashboardSessionTtlSeconds);
  const choices = () => {
    const known = Object.entries(words.security.ttlChoices).map(([value, label]) => ({ value, label }));
    return known.some(({ value }) => value === current())
      ? known
      : [...known, { value: current(), label: `${current()} s` }];
  };
  return (
    <SelectField
      label={words.security.ttl}
      hideLabel
      value={current()}
      choices={choices()}
      onChange={(value) => void saveSettings(props.settings, { dashboardSessionTtlSeconds: Number(value) })}
    />
  );
}

/** "Chrome on Linux" out of a user agent: enough to know one's own browsers. */
function browserOf(userAgent: string | null): string {
  if (!userAgent) return "–";
  const browser = ["Edg", "OPR", "Firefox", "Chrome", "Safari", "curl"].find((name) =>
    userAgent.includes(name),
  );
  const system = ["Windows", "Android", "iPhone", "iPad", "Mac", "Linux"].find((name) =>
    userAgent.includes(name),
  );
  return (
    [browser === "Edg" ? "Edge" : browser === "OPR" ? "Opera" : browser, system].filter(Boolean).join(", ") ||
    userAgent.slice(0, 40)
  );
}

function SignedIn() {
  const w = words.security;
  const sessions = useQuery(() => signedInQuery);
  const list = () => dataOf(sessions) ?? [];
  const end = (ended: (session: SignedInSession) => boolean, path: string) =>
    change<SignedInSession[]>({
      queryKey: signedInQuery.queryKey,
      update: (all) => all.filter((session) => !ended(session)),
      send: () => api.delete(path),
      done: w.signedOut,
    });
  return (
    <section>
      <div class="mb-2 flex flex-wrap items-baseline justify-between gap-3 px-1">
        <h2 class="text-sm font-semibold">
          {w.sessions} <span class="font-normal text-ink-3">{w.sessionsHint}</span>
        </h2>
        <Show when={list().length > 1}>
          <Button
            small
            onClick={() => void end((session) => !session.current, "/api/dashboard-auth/sessions")}
          >
            {w.signOutOthers}
          </Button>
        </Show>
      </div>
      <Rows>
        <For each={list()}>
          {(session) => (
            <div class="flex flex-wrap items-center justify-between gap-x-4 gap-y-1">
              <div class="min-w-0">
                <p class="text-sm font-[550]" title={session.userAgent ?? undefined}>
                  {browserOf(session.userAgent)}
                  <Show when={session.current}>
                    <span class="ml-2 rounded-sm bg-accent-soft px-1.5 py-0.5 text-xs text-accent-strong">
                      {w.thisOne}
                    </span>
                  </Show>
                  <Show when={session.role === "guest"}>
                    <span class="ml-2 text-xs font-normal text-ink-3">{w.guestRole}</span>
                  </Show>
                </p>
                <p class="text-xs text-ink-3">
                  {session.clientIp} · {w.seen} <Ago at={session.lastSeenAt} /> · {w.ends}{" "}
                  <Countdown at={session.expiresAt} />
                </p>
              </div>
              <Show when={!session.current}>
                <Button
                  small
                  look="quiet"
                  onClick={() =>
                    void end((one) => one.id === session.id, `/api/dashboard-auth/sessions/${session.id}`)
                  }
                >
                  {w.signOut}
                </Button>
              </Show>
            </div>
          )}
        </For>
      </Rows>
    </section>
  );
}
