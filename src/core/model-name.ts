/** Which model a name means, whatever spelling a client or upstream chose for it. */

/** Dated snapshots (`gpt-5.5-2026-04-01`) and moving pointers (`gpt-5-chat-latest`) have the price and rights of their model. */
const SNAPSHOT_SUFFIX = /(-chat)?-(\d{4}-\d{2}-\d{2}|latest)$/;
/** SDKs and routers that know several vendors write `openai/gpt-5.5`. */
const VENDOR_PREFIX = /^openai\//;

/** The name in lower case without vendor. Keeps a snapshot apart from its model, so that it can have a price of its own. */
export function plainModelName(name: string): string {
  return name.trim().toLowerCase().replace(VENDOR_PREFIX, "");
}

/** The model that a name belongs to: `openai/GPT-5.5-2026-04-01` → `gpt-5.5`. Unknown names come back in plain form. */
export function baseModelName(name: string): string {
  return plainModelName(name).replace(SNAPSHOT_SUFFIX, "");
}

/** Whether two names mean one model. A snapshot is no way around a limit on its model. */
export function isSameModel(a: string, b: string): boolean {
  return baseModelName(a) === baseModelName(b);
}
