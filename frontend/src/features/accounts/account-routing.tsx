/** How an account takes part in routing: its name here, its policy, its reserve. Saved on leaving a field. */
import { createEffect, createSignal, on } from "solid-js";
import type { AccountSummary, RoutingPolicy } from "../../lib/api-types.ts";
import { accountWords, accounts as words } from "../../lib/strings.ts";
import { SelectField, TextField } from "../../ui/field.tsx";
import { setAlias, setPolicy, setReserve } from "./account-actions.ts";

const POLICIES: readonly RoutingPolicy[] = ["normal", "burn_first", "preserve"];
/** Reserves worth choosing from, in percent used. */
const RESERVES = [50, 60, 70, 75, 80, 85, 90, 95];

export function RoutingForm(props: { account: AccountSummary }) {
  const [alias, setAliasText] = createSignal(props.account.alias ?? "");
  createEffect(
    on(
      () => [props.account.accountId, props.account.alias],
      () => setAliasText(props.account.alias ?? ""),
      { defer: true },
    ),
  );
  const saveAlias = () => {
    const next = alias().trim() || null;
    if (next !== props.account.alias) void setAlias(props.account, next);
  };
  const reserve = () => props.account.reserveAtPercent ?? null;
  const reserves = () =>
    [...new Set([...RESERVES, ...(reserve() === null ? [] : [reserve() as number])])].toSorted(
      (a, b) => a - b,
    );
  return (
    <div class="flex flex-col gap-3">
      <TextField
        label={words.detail.alias}
        hint={words.detail.aliasHint}
        placeholder={props.account.email ?? ""}
        maxLength={80}
        value={alias()}
        onInput={(event) => setAliasText(event.currentTarget.value)}
        onBlur={saveAlias}
        onKeyDown={(event) => event.key === "Enter" && event.currentTarget.blur()}
      />
      <SelectField
        label={words.detail.policy}
        hint={accountWords.policyHint[props.account.routingPolicy]}
        value={props.account.routingPolicy}
        choices={POLICIES.map((value) => ({ value, label: accountWords.policy[value] }))}
        onChange={(policy) => void setPolicy(props.account, policy)}
      />
      <SelectField
        label={words.detail.reserve}
        hint={words.detail.reserveHint}
        value={String(reserve() ?? "")}
        choices={[
          { value: "", label: words.detail.reserveNone },
          ...reserves().map((percent) => ({
            value: String(percent),
            label: words.detail.reserveAt(percent),
          })),
        ]}
        onChange={(value) => void setReserve(props.account, value === "" ? null : Number(value))}
      />
    </div>
  );
}
