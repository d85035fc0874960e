/** Adding an account, or logging one in again: with a code, in this browser, or from files. */
import { createSignal, Match, Show, Switch } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import type { AccountSummary } from "../../lib/api-types.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Segmented } from "../../ui/field.tsx";
import { Empty } from "../../ui/states.tsx";
import CircleCheck from "lucide-solid/icons/circle-check";
import { refreshAccounts } from "./account-actions.ts";
import { AddFiles } from "./add-files.tsx";
import { BrowserLogin, DeviceLogin } from "./add-login.tsx";

export type Way = keyof typeof words.addDialog.ways;
const WAYS = Object.keys(words.addDialog.ways) as Way[];

export const asWay = (text: unknown): Way | null => WAYS.find((way) => way === text) ?? null;

interface AddAccountProps {
  /** null: closed. */
  way: Way | null;
  /** The account that logs in again. */
  again: AccountSummary | undefined;
  onWay(way: Way): void;
  onClose(): void;
  onShow(accountId: string): void;
}

export function AddAccount(props: AddAccountProps) {
  const d = words.addDialog;
  const [added, setAdded] = createSignal<string | null>(null);
  const close = () => {
    setAdded(null);
    props.onClose();
  };
  const succeeded = (accountId: string | null) => {
    setAdded(accountId ?? "");
    refreshAccounts();
  };
  return (
    <Dialog
      open={props.way !== null}
      onClose={close}
      firstFocus="input:checked"
      title={props.again ? d.againTitle : d.title}
      description={props.again ? d.againBody(nameOf(props.again)) : undefined}
    >
      <Show
        when={added() === null}
        fallback={<Added id={added() ?? ""} again={() => setAdded(null)} close={close} show={props.onShow} />}
      >
        <Segmented
          label={d.waysLabel}
          value={props.way ?? "device"}
          choices={WAYS.filter((way) => way !== "files" || !props.again).map((value) => ({
            value,
            label: d.ways[value],
          }))}
          onChange={props.onWay}
          class="mb-4 max-w-full"
        />
        <Switch>
          <Match when={props.way === "device"}>
            <DeviceLogin accountId={props.again?.accountId} onSuccess={succeeded} />
          </Match>
          <Match when={props.way === "browser"}>
            <BrowserLogin accountId={props.again?.accountId} onSuccess={succeeded} />
          </Match>
          <Match when={props.way === "files"}>
            <AddFiles />
          </Match>
        </Switch>
      </Show>
    </Dialog>
  );
}

function Added(props: { id: string; again(): void; close(): void; show(id: string): void }) {
  const d = words.addDialog;
  const show = () => {
    props.close();
    props.show(props.id);
  };
  return (
    <Empty
      icon={CircleCheck}
      title={d.success}
      actions={
        <>
          <Button onClick={props.again}>{d.another}</Button>
          <Show when={props.id !== ""}>
            <Button look="primary" onClick={show}>
              {d.show}
            </Button>
          </Show>
        </>
      }
    >
      {d.successHint}
    </Empty>
  );
}
