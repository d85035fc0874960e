/** The cookies of upstream's edge, kept per account: the real client returns these and drops every other (UPSTREAM J.6). */
import type { HeaderList } from "./header-list.ts";

const KEPT = new Set(["__cf_bm", "_cfuvid"]);
/** Cloudflare's are about 200 bytes. */
const MAX_VALUE_CHARS = 1_024;

/** The account's `cookie` header after a reply; null when it has none. */
export function keepCookies(known: string | null, reply: HeaderList): string | null {
  let jar: Map<string, string> | null = null;
  for (const [name, value] of reply.entries) {
    if (name !== "set-cookie") continue;
    const cookie = /^([^=;\s]+)=([^;]*)/.exec(value);
    if (!cookie || !KEPT.has(cookie[1]!) || cookie[2]!.length > MAX_VALUE_CHARS) continue;
    jar ??= new Map((known ?? "").split("; ").flatMap(splitPair));
    jar.set(cookie[1]!, cookie[2]!.trim());
  }
  if (jar === null) return known;
  return [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
}

function splitPair(pair: string): [string, string][] {
  const at = pair.indexOf("=");
  return at < 0 ? [] : [[pair.slice(0, at), pair.slice(at + 1)]];
}
