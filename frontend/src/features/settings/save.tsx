/** Saving settings: at once, with an undo, and never over somebody else's change. */
import type { JSX } from "solid-js";
import { api } from "../../lib/api.ts";
import type { Settings } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { queryClient, settingsQuery } from "../../lib/queries.ts";
import { settings as words } from "../../lib/strings.ts";

export async function saveSettings(current: Settings, patch: Partial<Settings>): Promise<boolean> {
  const before = Object.fromEntries(
    Object.keys(patch).map((name) => [name, current[name as keyof Settings]]),
  );
  return change<Settings>({
    queryKey: settingsQuery.queryKey,
    update: (data) => ({ ...data, ...patch }),
    send: async () => {
      const saved = await api.put<Settings>("/api/settings", { ...patch, version: current.version });
      // The next change needs the new version before the list is asked for again.
      queryClient.setQueryData(settingsQuery.queryKey, saved);
    },
    done: words.saved,
    undo: () => api.put("/api/settings", before),
  });
}

/** A panel of rows, one setting each. */
export function Rows(props: { children: JSX.Element }) {
  return <div class="panel divide-y divide-line [&>*]:px-5 [&>*]:py-4">{props.children}</div>;
}

/** A setting with its words at the left and its control at the right. */
export function Row(props: { label: string; hint?: JSX.Element; children: JSX.Element }) {
  return (
    <div class="flex flex-wrap items-start justify-between gap-x-6 gap-y-2">
      <div class="min-w-0 flex-1 basis-56">
        <p class="text-sm font-[550]">{props.label}</p>
        <p class="max-w-prose text-xs text-ink-3">{props.hint}</p>
      </div>
      {props.children}
    </div>
  );
}
