/** Which addresses may reach the proxy and the dashboard. */
import { createEffect, createSignal, on, Show } from "solid-js";
import type { Settings } from "../../lib/api-types.ts";
import { common, settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Field } from "../../ui/field.tsx";
import { Rows, saveSettings } from "./save.tsx";

type ListName = "proxyAllowlist" | "dashboardAllowlist" | "proxyAllowedOrigins";

export function FirewallSection(props: { settings: Settings }) {
  const w = words.firewall;
  return (
    <>
      <p class="mb-3 max-w-prose px-1 text-sm text-ink-2">{w.intro}</p>
      <Rows>
        <ListEditor settings={props.settings} name="proxyAllowlist" label={w.proxy} hint={w.proxyHint} />
        <ListEditor
          settings={props.settings}
          name="dashboardAllowlist"
          label={w.dashboard}
          hint={w.dashboardHint}
        />
        <ListEditor
          settings={props.settings}
          name="proxyAllowedOrigins"
          label={w.origins}
          hint={w.originsHint}
          closed
        />
      </Rows>
    </>
  );
}

const linesOf = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");

/** The service judges the lines; its refusal names the wrong one. */
function ListEditor(props: {
  settings: Settings;
  name: ListName;
  label: string;
  hint: string;
  closed?: boolean;
}) {
  const stored = () => props.settings[props.name] ?? [];
  const [text, setText] = createSignal(stored().join("\n"));
  createEffect(on(() => stored().join("\n"), setText, { defer: true }));
  const isChanged = () => linesOf(text()).join("\n") !== stored().join("\n");
  return (
    <div>
      <Field
        label={`${props.label}${stored().length > 0 ? `: ${words.firewall.entries(stored().length)}` : props.closed ? `: ${common.none}` : `: ${words.firewall.open}`}`}
        hint={props.hint}
      >
        {(ids) => (
          <textarea
            id={ids.id}
            aria-describedby={ids.describedBy}
            class="control w-full font-mono !text-xs leading-5"
            rows={Math.max(2, Math.min(8, linesOf(text()).length + 1))}
            spellcheck={false}
            value={text()}
            onInput={(event) => setText(event.currentTarget.value)}
          />
        )}
      </Field>
      <Show when={isChanged()}>
        <div class="mt-2 flex gap-2">
          <Button
            small
            look="primary"
            onClick={() => void saveSettings(props.settings, { [props.name]: linesOf(text()) })}
          >
            {common.save}
          </Button>
          <Button small look="quiet" onClick={() => setText(stored().join("\n"))}>
            {common.cancel}
          </Button>
        </div>
      </Show>
    </div>
  );
}
