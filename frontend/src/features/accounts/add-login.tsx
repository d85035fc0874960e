/** The two logins at OpenAI: a code that works from any device, and the browser at hand. */
import ExternalLink from "lucide-solid/icons/external-link";
import { createSignal, Match, onMount, Show, Switch } from "solid-js";
import { api, messageOf } from "../../lib/api.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton } from "../../ui/code.tsx";
import { TextField } from "../../ui/field.tsx";
import { Skeleton } from "../../ui/states.tsx";
import { Countdown } from "../../ui/time.tsx";
import { createLoginFlow, type LoginState } from "./login-flow.ts";

interface LoginProps {
  accountId: string | undefined;
  onSuccess(accountId: string | null): void;
}

const waiting = (state: LoginState) => (state.name === "waiting" ? state : null);

function Failed(props: { state: LoginState; again(): void }) {
  return (
    <Show when={props.state.name === "failed" && props.state}>
      {(failed) => (
        <div
          role="alert"
          class="flex flex-wrap items-center justify-between gap-3 rounded-md border border-bad/35 bg-bad-soft px-3 py-2 text-sm"
        >
          <span class="min-w-0 flex-1">{failed().message}</span>
          <Button small onClick={props.again}>
            {words.addDialog.startAgain}
          </Button>
        </div>
      )}
    </Show>
  );
}

function Waiting(props: { text: string; until: string }) {
  return (
    <p class="flex flex-wrap items-center gap-x-2 text-xs text-ink-2" role="status">
      <span aria-hidden="true" class="size-2 animate-pulse rounded-full bg-accent" />
      {props.text}
      <span class="ml-auto text-ink-3">
        {words.addDialog.device.expires} <Countdown at={props.until} />
      </span>
    </p>
  );
}

export function DeviceLogin(props: LoginProps) {
  const d = words.addDialog.device;
  const flow = createLoginFlow({
    method: "device",
    accountId: () => props.accountId,
    onSuccess: (id) => props.onSuccess(id),
  });
  onMount(() => void flow.start());
  return (
    <div class="flex flex-col gap-4">
      <p class="text-sm text-ink-2">{d.body}</p>
      <Failed state={flow.state()} again={() => void flow.start()} />
      <Show when={flow.state().name === "starting"}>
        <Skeleton class="h-32 w-full rounded-lg" />
      </Show>
      <Show when={waiting(flow.state())}>
        {(state) => (
          <>
            <div class="rounded-lg border border-line bg-sunken px-5 py-5 text-center">
              <p class="text-sm text-ink-2">{d.open}</p>
              <a
                href={state().flow.verificationUrl ?? ""}
                target="_blank"
                rel="noreferrer"
                class="link inline-flex items-center gap-1.5 text-base font-[550] break-all"
              >
                {(state().flow.verificationUrl ?? "").replace(/^https:\/\//, "")}
                <ExternalLink size={14} class="shrink-0" />
              </a>
              <p class="mt-3 text-sm text-ink-2">{d.enter}</p>
              <p class="mt-1 font-mono text-[1.75rem] leading-10 font-semibold tracking-[0.08em] select-all">
                {state().flow.userCode}
              </p>
              <CopyButton text={state().flow.userCode ?? ""} look="plain" />
            </div>
            <Waiting text={d.waiting} until={state().expiresAt} />
          </>
        )}
      </Show>
    </div>
  );
}

export function BrowserLogin(props: LoginProps) {
  const b = words.addDialog.browser;
  const flow = createLoginFlow({
    method: "browser",
    accountId: () => props.accountId,
    onSuccess: (id) => props.onSuccess(id),
  });
  const [pasted, setPasted] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const begin = async () => {
    // Opened by the click itself, or the browser would block it; the address follows when it is known.
    const page = window.open("about:blank", "_blank");
    const started = await flow.start();
    if (started?.authorizationUrl && page) page.location.href = started.authorizationUrl;
    else page?.close();
  };
  const finish = async (flowId: string) => {
    setError(null);
    try {
      await api.post("/api/oauth/manual-callback", { callbackUrl: pasted().trim(), flowId });
    } catch (failure) {
      setError(messageOf(failure));
    }
  };
  return (
    <div class="flex flex-col gap-4">
      <p class="text-sm text-ink-2">{b.body}</p>
      <Failed state={flow.state()} again={() => void begin()} />
      <Switch>
        <Match when={flow.state().name === "idle" || flow.state().name === "starting"}>
          <Button
            look="primary"
            icon={ExternalLink}
            busy={flow.state().name === "starting"}
            class="self-start"
            onClick={() => void begin()}
          >
            {b.start}
          </Button>
        </Match>
        <Match when={waiting(flow.state())}>
          {(state) => (
            <>
              <p class="text-sm">
                {b.opened}{" "}
                <a href={state().flow.authorizationUrl ?? ""} target="_blank" rel="noreferrer" class="link">
                  {b.openAgain}
                </a>
              </p>
              <div class="flex items-start gap-2 border-t border-line pt-4">
                <TextField
                  label={b.paste}
                  hint={b.pasteHint}
                  class="flex-1"
                  inputClass="font-mono text-xs"
                  value={pasted()}
                  error={error()}
                  onInput={(event) => setPasted(event.currentTarget.value)}
                />
                <Button
                  class="mt-5"
                  disabled={pasted().trim() === ""}
                  onClick={() => void finish(state().flow.flowId)}
                >
                  {b.submit}
                </Button>
              </div>
              <Waiting text={b.waiting} until={state().expiresAt} />
            </>
          )}
        </Match>
      </Switch>
    </div>
  );
}
