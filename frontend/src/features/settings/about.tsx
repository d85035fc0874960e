/** The running program, and a backup of its database. */
import { useQuery } from "@tanstack/solid-query";
import { createSignal, Show } from "solid-js";
import { api } from "../../lib/api.ts";
import { attempt } from "../../lib/changes.ts";
import { now } from "../../lib/clock.ts";
import { ms, span } from "../../lib/format.ts";
import { aboutQuery, dataOf } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { Fact, Facts } from "../../ui/page.tsx";
import { toast } from "../../ui/toast.tsx";
import { Row, Rows } from "./save.tsx";

const MEGABYTE = 1_000_000;

export function About() {
  const w = words.about;
  const about = useQuery(() => aboutQuery);
  const [busy, setBusy] = createSignal(false);
  const data = () => dataOf(about);
  const startedAt = () => ms(data()?.startedAt);
  const backup = async () => {
    setBusy(true);
    const written = await attempt(() => api.post<{ path: string }>("/api/backup"));
    setBusy(false);
    if (written) toast.done(w.backupDone(written.path));
  };
  return (
    <Rows>
      <Facts>
        <Fact name={w.version}>codex-lb {data()?.version}</Fact>
        <Show when={data()?.runtime}>
          <Fact name={w.runtime}>{[data()?.runtime, data()?.platform].filter(Boolean).join(", ")}</Fact>
        </Show>
        <Show when={startedAt()}>{(at) => <Fact name={w.up}>{span(now() - at())}</Fact>}</Show>
        <Show when={data()?.dataDirectory}>
          <Fact name={w.data}>
            <code class="font-mono text-xs">{data()?.dataDirectory}</code>
          </Fact>
        </Show>
        <Show when={data()?.databaseBytes}>
          {(bytes) => <Fact name={w.database}>{(bytes() / MEGABYTE).toFixed(1)} MB</Fact>}
        </Show>
        <Fact name={w.api}>
          <a class="link" href="/api-docs" target="_blank" rel="noreferrer">
            {w.apiDocs}
          </a>
        </Fact>
        <Fact name={w.licences}>
          <a class="link" href="/licences.md" target="_blank" rel="noreferrer">
            {w.licencesLink}
          </a>
        </Fact>
      </Facts>
      <Row label={w.backup} hint={w.backupHint}>
        <Button busy={busy()} onClick={() => void backup()}>
          {w.backup}
        </Button>
      </Row>
      <p class="text-xs text-pretty text-ink-3">{w.standing}</p>
    </Rows>
  );
}
