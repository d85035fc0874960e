/** Fits tool names and call ids of other dialects into what the Responses API takes, and back. */

/** The Responses API refuses longer function names and call ids. */
const MAX_NAME_LENGTH = 64;
const ALLOWED_NAME = /^[a-zA-Z0-9_-]{1,64}$/;

/** The names of one request: each is sent in a form that the backend takes, and read back as the client wrote it. */
export interface ToolNames {
  /** The name to send. The same name always gives the same result, so that the prompt cache holds. */
  toUpstream(name: string): string;
  /** Sent name → the client's, only where they differ. */
  changed: ReadonlyMap<string, string>;
}

export function createToolNames(): ToolNames {
  const changed = new Map<string, string>();
  return {
    toUpstream(name) {
      if (ALLOWED_NAME.test(name)) return name;
      const sent = shorten(name.replace(/[^a-zA-Z0-9_-]/g, "_"), name);
      changed.set(sent, name);
      return sent;
    },
    changed,
  };
}

/** A call id within the length limit; calls and their outputs shorten alike, so they still match. */
export function callIdForUpstream(id: string): string {
  return id.length <= MAX_NAME_LENGTH ? id : shorten(id, id);
}

function shorten(text: string, hashed: string): string {
  const suffix = `_${fnv1a(hashed, 0x811c9dc5)}${fnv1a(hashed, 0x9747b28c)}`;
  return text.slice(0, MAX_NAME_LENGTH - suffix.length) + suffix;
}

/** FNV-1a over UTF-16 units, as eight hex digits. Not for secrets: it only keeps long names apart. */
function fnv1a(text: string, seed: number): string {
  let hash = seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
