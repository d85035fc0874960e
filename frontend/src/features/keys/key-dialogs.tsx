/** The questions around a key, and the one time that its secret is shown. */
import { useNavigate } from "@solidjs/router";
import Plug from "lucide-solid/icons/plug";
import { Show } from "solid-js";
import { api } from "../../lib/api.ts";
import type { ApiKey, ApiKeyWithSecret } from "../../lib/api-types.ts";
import { attempt } from "../../lib/changes.ts";
import { keysQuery, queryClient } from "../../lib/queries.ts";
import { keys as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { CopyButton } from "../../ui/code.tsx";
import { Confirm, Dialog } from "../../ui/dialog.tsx";
import { setFreshSecret } from "./fresh-secret.ts";
import { deleteKey, patchKey } from "./key-actions.ts";

export type KeyQuestion = "rotate" | "delete" | "reset";

export function KeyQuestions(props: {
  apiKey: ApiKey | undefined;
  question: KeyQuestion | null;
  onClose(): void;
  onSecret(key: ApiKeyWithSecret): void;
  onDeleted(): void;
}) {
  return (
    <Show when={props.apiKey}>
      {(key) => {
        const rotate = async () => {
          const rotated = await attempt(() =>
            api.post<ApiKeyWithSecret>(`/api/api-keys/${key().id}/regenerate`),
          );
          if (!rotated) return false;
          void queryClient.invalidateQueries({ queryKey: keysQuery.queryKey });
          props.onSecret(rotated);
          return true;
        };
        const remove = async () => {
          const done = await deleteKey(key());
          if (done) props.onDeleted();
          return done;
        };
        return (
          <>
            <Confirm
              open={props.question === "rotate"}
              onClose={props.onClose}
              title={words.rotate.title}
              action={words.rotate.action}
              run={rotate}
            >
              <p class="font-[550] text-ink">{key().name}</p>
              <p>{words.rotate.body}</p>
            </Confirm>
            <Confirm
              open={props.question === "reset"}
              onClose={props.onClose}
              title={words.reset.title}
              action={words.reset.action}
              run={() => patchKey(key(), { resetUsage: true }, { done: words.done.reset })}
            >
              <p class="font-[550] text-ink">{key().name}</p>
              <p>{words.reset.body}</p>
            </Confirm>
            <Confirm
              open={props.question === "delete"}
              onClose={props.onClose}
              title={words.delete.title}
              action={words.delete.action}
              danger
              run={remove}
            >
              <p class="font-[550] text-ink">{key().name}</p>
              <p>{words.delete.body}</p>
            </Confirm>
          </>
        );
      }}
    </Show>
  );
}

export function SecretDialog(props: { created: ApiKeyWithSecret | null; onClose(): void }) {
  const navigate = useNavigate();
  const connect = (created: ApiKeyWithSecret) => {
    setFreshSecret({ keyId: created.id, secret: created.key });
    props.onClose();
    navigate(`/connect?key=${created.id}`);
  };
  return (
    <Show when={props.created}>
      {(created) => (
        <Dialog
          open
          onClose={props.onClose}
          title={words.secret.title}
          description={created().name}
          footer={
            <>
              <Button onClick={props.onClose}>{words.secret.done}</Button>
              <Button look="primary" icon={Plug} onClick={() => connect(created())}>
                {words.secret.connect}
              </Button>
            </>
          }
        >
          <div class="flex flex-col items-start gap-3">
            <code class="w-full rounded-md border border-line bg-sunken px-3 py-2.5 font-mono text-sm break-all select-all">
              {created().key}
            </code>
            <CopyButton text={created().key} look="plain" />
            <p class="text-sm text-pretty text-ink-2">{words.secret.once}</p>
          </div>
        </Dialog>
      )}
    </Show>
  );
}
