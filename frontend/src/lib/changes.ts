/** Changes shown at once, undone when the service refuses them, and undoable by the person who made them. */
import type { QueryKey } from "@tanstack/solid-query";
import { toast } from "../ui/toast.tsx";
import { messageOf } from "./api.ts";
import { queryClient } from "./queries.ts";
import { common } from "./strings.ts";

interface Change<T> {
  queryKey: QueryKey;
  /** What the data will look like. */
  update(data: T): T;
  send(): Promise<unknown>;
  /** Said when done; with `undo` the toast offers to take it back. */
  done?: string;
  undo?(): Promise<unknown>;
}

/** True when the service accepted it. */
export async function change<T>(options: Change<T>): Promise<boolean> {
  const { queryKey, update, send, done, undo } = options;
  await queryClient.cancelQueries({ queryKey });
  const before = queryClient.getQueryData<T>(queryKey);
  if (before !== undefined) queryClient.setQueryData<T>(queryKey, update(before));
  try {
    await send();
  } catch (error) {
    if (before !== undefined) queryClient.setQueryData<T>(queryKey, before);
    toast.error(messageOf(error));
    return false;
  }
  void queryClient.invalidateQueries({ queryKey });
  if (done !== undefined)
    toast.done(done, undo && { label: common.undo, run: () => void undoChange(undo, queryKey) });
  return true;
}

async function undoChange(undo: () => Promise<unknown>, queryKey: QueryKey): Promise<void> {
  try {
    await undo();
    toast.done(common.undone);
  } catch (error) {
    toast.error(messageOf(error));
  }
  void queryClient.invalidateQueries({ queryKey });
}

/** Runs a call and says when it failed; undefined then. */
export async function attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    toast.error(messageOf(error));
    return undefined;
  }
}
