/** Signing in: the one screen that fits the state of the session. */
import { useQueryClient } from "@tanstack/solid-query";
import { createSignal, type JSX, Match, Show, Switch } from "solid-js";
import { ApiError, api, messageOf } from "../../lib/api.ts";
import type { DashboardSession } from "../../lib/api-types.ts";
import { sessionQuery } from "../../lib/queries.ts";
import { shell, signIn as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { TextField } from "../../ui/field.tsx";
import { Mark } from "../shell/mark.tsx";

/** As the service asks for it. */
export const MIN_PASSWORD_LENGTH = 12;

export default function SignInPage(props: { session: DashboardSession }) {
  // A service that answers `totp_required` to the password, instead of a session that waits for the code.
  const [codeAsked, setCodeAsked] = createSignal(false);
  const screen = () => {
    if (props.session.bootstrapRequired) return "setup";
    return props.session.totpPending || codeAsked() ? "code" : "password";
  };
  return (
    <main class="flex min-h-dvh flex-col items-center justify-center px-4 py-10">
      <div class="mb-5 flex items-center gap-2.5">
        <Mark />
        <span class="text-lg font-semibold">{shell.name}</span>
      </div>
      <Switch>
        <Match when={screen() === "setup"}>
          <SetUp />
        </Match>
        <Match when={screen() === "code"}>
          <Code back={() => setCodeAsked(false)} />
        </Match>
        <Match when={screen() === "password"}>
          <Password askCode={() => setCodeAsked(true)} />
        </Match>
      </Switch>
    </main>
  );
}

interface FormProps {
  title: string;
  body?: string;
  action: string;
  foot?: JSX.Element;
  disabled?: boolean;
  /** A failure of `send` for this field is shown there; of any other kind above the button. */
  send(): Promise<void>;
  children: (error: () => string | null) => JSX.Element;
}

function Form(props: FormProps) {
  const client = useQueryClient();
  const [error, setError] = createSignal<string | null>(null);
  const [busy, setBusy] = createSignal(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await props.send();
      await client.invalidateQueries({ queryKey: sessionQuery.queryKey });
    } catch (failure) {
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form class="panel w-full max-w-[23rem] px-6 py-6" onSubmit={(event) => void submit(event)}>
      <h1 class="text-lg font-semibold">{props.title}</h1>
      <Show when={props.body}>
        <p class="mt-1 text-sm text-pretty text-ink-2">{props.body}</p>
      </Show>
      <div class="mt-4 flex flex-col gap-3">
        {props.children(error)}
        <Button type="submit" look="primary" busy={busy()} disabled={props.disabled} class="mt-1 w-full">
          {props.action}
        </Button>
      </div>
      <Show when={props.foot}>
        <div class="mt-4 text-xs text-ink-3">{props.foot}</div>
      </Show>
    </form>
  );
}

function Password(props: { askCode(): void }) {
  const [password, setPassword] = createSignal("");
  const send = async () => {
    try {
      await api.post("/api/dashboard-auth/password/login", { password: password() });
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== "totp_required") throw error;
      props.askCode();
    }
  };
  return (
    <Form
      title={words.title}
      action={words.submit}
      send={send}
      foot={words.forgot}
      disabled={password() === ""}
    >
      {(error) => (
        <>
          <input
            type="text"
            name="username"
            autocomplete="username"
            value="codex-lb"
            class="hidden"
            aria-hidden="true"
            tabindex="-1"
            readonly
          />
          <TextField
            label={words.password}
            type="password"
            name="password"
            autocomplete="current-password"
            autofocus
            required
            value={password()}
            error={error()}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </>
      )}
    </Form>
  );
}

function Code(props: { back(): void }) {
  const client = useQueryClient();
  const [code, setCode] = createSignal("");
  const leave = async () => {
    await api.post("/api/dashboard-auth/logout").catch(() => undefined);
    props.back();
    await client.invalidateQueries({ queryKey: sessionQuery.queryKey });
  };
  return (
    <Form
      title={words.totp.title}
      body={words.totp.body}
      action={words.totp.submit}
      disabled={code().trim() === ""}
      send={() => api.post("/api/dashboard-auth/totp/verify", { code: code().trim() })}
      foot={
        <button type="button" class="link" onClick={() => void leave()}>
          {words.totp.back}
        </button>
      }
    >
      {(error) => (
        <TextField
          label={words.totp.code}
          name="code"
          inputmode="text"
          autocomplete="one-time-code"
          autofocus
          required
          maxLength={32}
          inputClass="text-base tracking-[0.2em]"
          value={code()}
          error={error()}
          onInput={(event) => setCode(event.currentTarget.value)}
        />
      )}
    </Form>
  );
}

function SetUp() {
  // The link in the service's log carries the token behind `#`, which browsers never send anywhere.
  const given =
    new URLSearchParams(location.hash.slice(1)).get("bootstrap") ??
    new URLSearchParams(location.search).get("bootstrap");
  const [token, setToken] = createSignal(given ?? "");
  const [password, setPassword] = createSignal("");
  const [again, setAgain] = createSignal("");
  const s = words.setup;
  const send = async () => {
    if (password().length < MIN_PASSWORD_LENGTH) throw new Error(s.tooShort);
    if (password() !== again()) throw new Error(s.different);
    await api.post("/api/dashboard-auth/password/setup", {
      password: password(),
      bootstrapToken: token().trim(),
    });
    history.replaceState(null, "", location.pathname);
  };
  return (
    <Form
      title={s.title}
      body={s.body}
      action={s.submit}
      send={send}
      disabled={password() === "" || token() === ""}
    >
      {(error) => (
        <>
          <Show when={given === null}>
            <TextField
              label={s.token}
              hint={s.tokenHint}
              required
              autofocus
              inputClass="font-mono"
              value={token()}
              onInput={(event) => setToken(event.currentTarget.value)}
            />
          </Show>
          <TextField
            label={s.password}
            hint={s.rules}
            type="password"
            autocomplete="new-password"
            required
            value={password()}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
          <TextField
            label={s.repeat}
            type="password"
            autocomplete="new-password"
            required
            value={again()}
            error={error()}
            onInput={(event) => setAgain(event.currentTarget.value)}
          />
        </>
      )}
    </Form>
  );
}
