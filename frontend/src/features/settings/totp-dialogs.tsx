/** Setting up the second factor, showing its recovery codes, switching it off. */
import { createSignal, For, onMount, Show } from "solid-js";
import { api, messageOf } from "../../lib/api.ts";
import type { TotpSetup } from "../../lib/api-types.ts";
import { queryClient, sessionQuery, settingsQuery } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton, Copyable } from "../../ui/code.tsx";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { Skeleton } from "../../ui/states.tsx";
import { toast } from "../../ui/toast.tsx";

async function refresh(): Promise<void> {
  await queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
  await queryClient.invalidateQueries({ queryKey: settingsQuery.queryKey });
}

export function TotpSetupDialog(props: { onClose(): void }) {
  const w = words.security;
  const [setup, setSetup] = createSignal<TotpSetup | null>(null);
  const [code, setCode] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const [recoveryCodes, setRecoveryCodes] = createSignal<string[] | null>(null);

  onMount(() => {
    api
      .post<TotpSetup>("/api/dashboard-auth/totp/setup/start")
      .then(setSetup, (failure: unknown) => setError(messageOf(failure)));
  });
  const confirm = async (secret: string) => {
    setError(null);
    try {
      const { recoveryCodes: codes } = await api.post<{ recoveryCodes: string[] }>(
        "/api/dashboard-auth/totp/setup/confirm",
        {
          secret,
          code: code().trim(),
        },
      );
      setRecoveryCodes(codes);
      await refresh();
    } catch (failure) {
      setError(messageOf(failure));
    }
  };
  return (
    <Show
      when={recoveryCodes()}
      fallback={
        <Dialog
          open
          onClose={props.onClose}
          title={w.totpTitle}
          footer={
            <Show when={setup()}>
              {(known) => (
                <Button
                  look="primary"
                  disabled={code().trim().length < 6}
                  onClick={() => void confirm(known().secret)}
                >
                  {w.totpConfirm}
                </Button>
              )}
            </Show>
          }
        >
          <div class="flex flex-col gap-4 text-sm">
            <p>{w.totpScan}</p>
            <Show when={setup()} fallback={<Skeleton class="mx-auto size-44" />}>
              {(known) => (
                <>
                  <img
                    src={known().qrSvgDataUri}
                    alt={w.totpQr}
                    class="mx-auto size-44 rounded-md border border-line bg-[white] p-2"
                  />
                  <p class="flex justify-center">
                    <Copyable text={known().secret} />
                  </p>
                </>
              )}
            </Show>
            <TextField
              label={w.totpCode}
              inputmode="numeric"
              autocomplete="one-time-code"
              maxLength={6}
              inputClass="text-base tracking-[0.2em]"
              value={code()}
              error={error()}
              onInput={(event) => setCode(event.currentTarget.value)}
            />
          </div>
        </Dialog>
      }
    >
      {(codes) => <RecoveryCodes codes={codes()} onClose={props.onClose} />}
    </Show>
  );
}

function RecoveryCodes(props: { codes: string[]; onClose(): void }) {
  const w = words.security;
  return (
    <Dialog
      open
      onClose={props.onClose}
      title={w.recoveryTitle}
      description={w.recoveryBody}
      footer={
        <>
          <CopyButton text={props.codes.join("\n")} look="plain" />
          <Button look="primary" onClick={props.onClose}>
            {w.recoveryDone}
          </Button>
        </>
      }
    >
      <ul class="grid grid-cols-2 gap-x-6 gap-y-1.5 rounded-md bg-sunken px-4 py-3 font-mono text-sm">
        <For each={props.codes}>{(code) => <li>{code}</li>}</For>
      </ul>
    </Dialog>
  );
}

export function TotpDisableDialog(props: { open: boolean; onClose(): void }) {
  const w = words.security;
  const [code, setCode] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const run = async () => {
    try {
      await api.post("/api/dashboard-auth/totp/disable", { code: code().trim() });
    } catch (failure) {
      setError(messageOf(failure));
      return false;
    }
    toast.done(w.totpDisabled);
    await refresh();
    return true;
  };
  return (
    <Confirm
      open={props.open}
      onClose={props.onClose}
      title={w.totpDisableTitle}
      action={w.totpDisableAction}
      danger
      disabled={code().trim() === ""}
      run={run}
    >
      <p>{w.totpDisableBody}</p>
      <TextField
        label={w.totpCode}
        autocomplete="one-time-code"
        value={code()}
        error={error()}
        onInput={(event) => setCode(event.currentTarget.value)}
      />
    </Confirm>
  );
}
