/** How the page looks in this browser. */
import { emailsBlurred, setEmailsBlurred, setTheme, type Theme, theme } from "../../lib/preferences.ts";
import { settings as words } from "../../lib/strings.ts";
import { Segmented, SwitchRow } from "../../ui/field.tsx";
import { Row, Rows } from "./save.tsx";

const THEMES = Object.keys(words.appearance.themes) as Theme[];

export function Appearance() {
  const w = words.appearance;
  return (
    <>
      <Rows>
        <Row label={w.theme}>
          <Segmented
            label={w.theme}
            value={theme()}
            choices={THEMES.map((value) => ({ value, label: w.themes[value] }))}
            onChange={setTheme}
          />
        </Row>
        <SwitchRow label={w.blur} hint={w.blurHint} checked={emailsBlurred()} onChange={setEmailsBlurred} />
      </Rows>
      <p class="mt-2 px-1 text-xs text-ink-3">{w.browser}</p>
    </>
  );
}
