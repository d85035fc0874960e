/** Setting, changing and removing passwords. */
import { createSignal, type JSX, Show } from "solid-js";
import { api, messageOf } from "../../lib/api.ts";
import { queryClient, sessionQuery } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { TextField } from "../../ui/field.tsx";
import { toast } from "../../ui/toast.tsx";

const refreshSession = () => queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });

/** A password field that tells the browser's password store what it is. */
export function PasswordField(props: {
  label: string;
  hint?: JSX.Element;
  error?: string | null;
  isNew?: boolean;
  value: string;
  set(value: string): void;
}) {
  return (
    <TextField
      label={props.label}
      hint={props.hint}
      error={props.error}
      type="password"
      autocomplete={props.isNew ? "new-password" : "current-password"}
      value={props.value}
      onInput={(event) => props.set(event.currentTarget.value)}
    />
  );
}

export function PasswordDialog(props: { isChange: boolean; onClose(): void }) {
  const w = words.security;
  const [current, setCurrent] = createSignal("");
  const [next, setNext] = createSignal("");
  const [again, setAgain] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const run = async () => {
    if (next() !== again()) {
      setError(w.different);
      return false;
    }
    try {
      if (props.isChange)
        await api.post("/api/dashboard-auth/password/change", {
          currentPassword: current(),
          newPassword: next(),
        });
      else await api.post("/api/dashboard-auth/password/setup", { password: next() });
    } catch (failure) {
      setError(messageOf(failure));
      return false;
    }
    toast.done(props.isChange ? w.changed : w.wasSet);
    await refreshSession();
    return true;
  };
  return (
    <Confirm
      open
      onClose={props.onClose}
      title={props.isChange ? w.change : w.set}
      action={props.isChange ? w.change : w.set}
      disabled={next() === ""}
      run={run}
    >
      <Show when={props.isChange}>
        <PasswordField label={w.current} value={current()} set={setCurrent} />
      </Show>
      <PasswordField isNew label={w.new} hint={w.rules} value={next()} set={setNext} />
      <PasswordField isNew label={w.repeat} error={error()} value={again()} set={setAgain} />
    </Confirm>
  );
}

interface DialogProps {
  open: boolean;
  onClose(): void;
}

export function RemovePasswordDialog(props: DialogProps) {
  const w = words.security;
  const [password, setPassword] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const run = async () => {
    try {
      await api.delete("/api/dashboard-auth/password", { password: password() });
    } catch (failure) {
      setError(messageOf(failure));
      return false;
    }
    await refreshSession();
    return true;
  };
  return (
    <Confirm
      open={props.open}
      onClose={props.onClose}
      title={w.removeTitle}
      action={w.removeAction}
      danger
      run={run}
    >
      <p>{w.removeBody}</p>
      <PasswordField label={w.current} error={error()} value={password()} set={setPassword} />
    </Confirm>
  );
}

export function GuestPasswordDialog(props: DialogProps) {
  const w = words.security;
  const [password, setPassword] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const run = async () => {
    try {
      await api.put("/api/dashboard-auth/guest-password", { password: password() });
    } catch (failure) {
      setError(messageOf(failure));
      return false;
    }
    toast.done(w.guestSaved);
    return true;
  };
  return (
    <Confirm
      open={props.open}
      onClose={props.onClose}
      title={w.guestPassword}
      action={w.guestSet}
      disabled={password() === ""}
      run={run}
    >
      <p>{w.guestHint}</p>
      <PasswordField
        isNew
        label={w.guestPassword}
        hint={w.rules}
        error={error()}
        value={password()}
        set={setPassword}
      />
    </Confirm>
  );
}
