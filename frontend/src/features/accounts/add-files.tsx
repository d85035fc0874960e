/** Adding accounts from auth.json files: dropped or chosen, several at once, a result for each. */
import CircleAlert from "lucide-solid/icons/circle-alert";
import CircleCheck from "lucide-solid/icons/circle-check";
import FileUp from "lucide-solid/icons/file-up";
import { createSignal, For, Match, Switch } from "solid-js";
import { createStore } from "solid-js/store";
import { api, messageOf } from "../../lib/api.ts";
import type { ImportedAccount } from "../../lib/api-types.ts";
import { planName } from "../../lib/format.ts";
import { accounts as words } from "../../lib/strings.ts";
import { refreshAccounts } from "./account-actions.ts";

interface FileResult {
  name: string;
  state: "adding" | "added" | "failed";
  text: string;
}

export function AddFiles() {
  const f = words.addDialog.files;
  const [results, setResults] = createStore<FileResult[]>([]);
  const [over, setOver] = createSignal(false);

  async function addOne(file: File): Promise<void> {
    const index = results.length;
    setResults(index, { name: file.name, state: "adding", text: f.adding });
    const form = new FormData();
    form.append("auth_json", file, file.name);
    try {
      const account = await api.post<ImportedAccount>("/api/accounts/import", form);
      setResults(index, {
        name: account.email ?? file.name,
        state: "added",
        text: f.added(planName(account.planType)),
      });
    } catch (error) {
      setResults(index, { state: "failed", text: messageOf(error) });
    }
  }

  // One after the other: each result belongs to its file, and the order stays that of the files.
  async function addAll(files: readonly File[]): Promise<void> {
    const [first, ...rest] = files;
    if (!first) return refreshAccounts();
    await addOne(first);
    await addAll(rest);
  }

  return (
    <div class="flex flex-col gap-3">
      <p class="text-sm text-ink-2">{f.body}</p>
      <label
        class={`flex cursor-pointer flex-col items-center gap-1 rounded-lg border-2 border-dashed px-6 py-8 text-center focus-within:border-accent ${over() ? "border-accent bg-accent-soft" : "border-line-strong hover:bg-hover"}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          void addAll([...(event.dataTransfer?.files ?? [])]);
        }}
      >
        <FileUp size={20} class="text-ink-3" />
        <span class="text-sm font-[550]">{f.drop}</span>
        <span class="text-sm text-ink-2">
          {f.or} <span class="link">{f.choose}</span>
        </span>
        <input
          type="file"
          multiple
          accept=".json,application/json"
          class="sr-only"
          onChange={(event) => {
            void addAll([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </label>
      <ul class="flex flex-col gap-2" aria-live="polite">
        <For each={results}>
          {(result) => (
            <li class="flex items-start gap-2 text-sm">
              <Switch
                fallback={
                  <span
                    class="mt-1 size-3 shrink-0 animate-pulse rounded-full bg-accent"
                    aria-hidden="true"
                  />
                }
              >
                <Match when={result.state === "added"}>
                  <CircleCheck size={16} class="mt-0.5 shrink-0 text-good" />
                </Match>
                <Match when={result.state === "failed"}>
                  <CircleAlert size={16} class="mt-0.5 shrink-0 text-bad" />
                </Match>
              </Switch>
              <span class="min-w-0">
                <span class="font-[550] break-all">{result.name}</span>{" "}
                <span class={result.state === "failed" ? "text-bad" : "text-ink-2"}>{result.text}</span>
              </span>
            </li>
          )}
        </For>
      </ul>
    </div>
  );
}
