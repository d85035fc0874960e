/** What can be done to an account, as a menu, with the dialogs that some of it needs. */
import { useNavigate } from "@solidjs/router";
import Download from "lucide-solid/icons/download";
import KeyRound from "lucide-solid/icons/key-round";
import Pause from "lucide-solid/icons/pause";
import Play from "lucide-solid/icons/play";
import Radar from "lucide-solid/icons/radar";
import Trash from "lucide-solid/icons/trash";
import { createSignal, type JSX } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import { api, messageOf, saveFile } from "../../lib/api.ts";
import type { AccountSummary, ProbeResult } from "../../lib/api-types.ts";
import { attempt } from "../../lib/changes.ts";
import { accountsQuery, queryClient } from "../../lib/queries.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Confirm } from "../../ui/dialog.tsx";
import { Check, TextField } from "../../ui/field.tsx";
import { ActionMenu } from "../../ui/menu.tsx";
import { toast } from "../../ui/toast.tsx";
import { deleteAccount, setPaused } from "./account-actions.ts";
import { Writes } from "../shell/writes.tsx";

export async function probe(account: AccountSummary): Promise<void> {
  const result = await attempt(() => api.post<ProbeResult>(`/api/accounts/${account.accountId}/probe`));
  if (result?.ok === false) toast.error(result.message ?? words.probeFailed);
  else if (result) toast.done(words.done.probed);
  await queryClient.invalidateQueries({ queryKey: accountsQuery.queryKey, exact: true });
}

export function AccountMenu(props: { account: AccountSummary; children?: JSX.Element }) {
  const navigate = useNavigate();
  const [dialog, setDialog] = createSignal<"export" | "delete" | null>(null);
  const paused = () => props.account.status === "paused";
  const again = () =>
    navigate(`/accounts/${props.account.accountId}?add=device&again=${props.account.accountId}`);
  return (
    <>
      <Writes>
        <ActionMenu
          label={`${words.list.columns.actions}: ${nameOf(props.account)}`}
          actions={[
            paused()
              ? { label: words.resume, icon: Play, run: () => void setPaused(props.account, false) }
              : { label: words.pause, icon: Pause, run: () => void setPaused(props.account, true) },
            { label: words.probe, icon: Radar, run: () => void probe(props.account) },
            { label: words.loginAgain, icon: KeyRound, run: again },
            { label: words.export, icon: Download, run: () => setDialog("export") },
            {
              label: words.delete,
              icon: Trash,
              danger: true,
              separated: true,
              run: () => setDialog("delete"),
            },
          ]}
        >
          {props.children}
        </ActionMenu>
      </Writes>
      <ExportDialog account={props.account} open={dialog() === "export"} onClose={() => setDialog(null)} />
      <DeleteDialog account={props.account} open={dialog() === "delete"} onClose={() => setDialog(null)} />
    </>
  );
}

interface DialogProps {
  account: AccountSummary;
  open: boolean;
  onClose(): void;
}

function ExportDialog(props: DialogProps) {
  const [password, setPassword] = createSignal("");
  const [error, setError] = createSignal<string | null>(null);
  const run = async () => {
    setError(null);
    try {
      const path = `/api/accounts/${props.account.accountId}/export/auth`;
      saveFile(await api.file("POST", path, { password: password() }), "auth.json");
    } catch (failure) {
      setError(messageOf(failure));
      return false;
    }
    setPassword("");
    toast.done(words.done.exported);
    return true;
  };
  return (
    <Confirm
      open={props.open}
      onClose={props.onClose}
      title={words.exportDialog.title}
      action={words.exportDialog.action}
      run={run}
    >
      <p>{words.exportDialog.body}</p>
      <TextField
        label={words.exportDialog.password}
        type="password"
        autocomplete="current-password"
        value={password()}
        error={error()}
        onInput={(event) => setPassword(event.currentTarget.value)}
      />
    </Confirm>
  );
}

function DeleteDialog(props: DialogProps) {
  const navigate = useNavigate();
  const [revoke, setRevoke] = createSignal(false);
  const run = async () => {
    const done = await deleteAccount(props.account, revoke());
    if (done) navigate("/accounts");
    return done;
  };
  return (
    <Confirm
      open={props.open}
      onClose={props.onClose}
      title={words.deleteDialog.title}
      action={words.deleteDialog.action}
      danger
      run={run}
    >
      <p class="private font-[550] text-ink">{nameOf(props.account)}</p>
      <p>{words.deleteDialog.body}</p>
      <Check
        class="!items-start"
        checked={revoke()}
        onChange={setRevoke}
        label={
          <span>
            <span class="font-[550] text-ink">{words.deleteDialog.revoke}</span>
            <span class="block text-xs">{words.deleteDialog.revokeHint}</span>
          </span>
        }
      />
    </Confirm>
  );
}
