/** What is wrong with an account and the one thing that mends it. */
import KeyRound from "lucide-solid/icons/key-round";
import Play from "lucide-solid/icons/play";
import { Show } from "solid-js";
import type { AccountSummary } from "../../lib/api-types.ts";
import { accounts as words } from "../../lib/strings.ts";
import { Button, ButtonLink } from "../../ui/button.tsx";
import { setPaused } from "./account-actions.ts";
import { Writes } from "../shell/writes.tsx";

export function MendAction(props: { account: AccountSummary }) {
  const status = () => props.account.status;
  return (
    <Show when={status() !== "active"}>
      <div class="mt-auto flex items-center justify-between gap-3 border-t border-line pt-2.5">
        <p class="line-clamp-2 min-w-0 text-xs text-ink-2">
          {props.account.statusReason ?? words.why[status()]}
        </p>
        <Show when={status() === "reauth_required"}>
          <ButtonLink
            small
            look="primary"
            icon={KeyRound}
            href={`/accounts/${props.account.accountId}?add=device&again=${props.account.accountId}`}
          >
            {words.loginAgain}
          </ButtonLink>
        </Show>
        <Show when={status() === "paused"}>
          <Writes>
            <Button small icon={Play} onClick={() => void setPaused(props.account, false)}>
              {words.resume}
            </Button>
          </Writes>
        </Show>
      </div>
    </Show>
  );
}
