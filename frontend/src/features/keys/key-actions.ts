/** What can be done to a key. */
import { api } from "../../lib/api.ts";
import type { ApiKey, ApiKeyInput } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { keysQuery } from "../../lib/queries.ts";
import { keys as words } from "../../lib/strings.ts";

const path = (key: ApiKey) => `/api/api-keys/${key.id}`;

export function patchKey(
  key: ApiKey,
  patch: ApiKeyInput,
  options: { done: string; undo?: ApiKeyInput },
): Promise<boolean> {
  const { undo } = options;
  return change<ApiKey[]>({
    queryKey: keysQuery.queryKey,
    // Limits come back with their counters; until then the old ones stay.
    update: (keys) => keys.map((one) => (one.id === key.id ? { ...one, ...patch, limits: one.limits } : one)),
    send: () => api.patch(path(key), patch),
    done: options.done,
    ...(undo ? { undo: () => api.patch(path(key), undo) } : {}),
  });
}

export function setActive(key: ApiKey, isActive: boolean): Promise<boolean> {
  return patchKey(
    key,
    { isActive },
    {
      done: isActive ? words.done.enabled(key.name) : words.done.disabled(key.name),
      undo: { isActive: !isActive },
    },
  );
}

export function deleteKey(key: ApiKey): Promise<boolean> {
  return change<ApiKey[]>({
    queryKey: keysQuery.queryKey,
    update: (keys) => keys.filter((one) => one.id !== key.id),
    send: () => api.delete(path(key)),
    done: words.done.deleted(key.name),
  });
}
