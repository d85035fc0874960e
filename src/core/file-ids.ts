/** The uploaded files that a request names: each exists on the account that took it alone. */

const FIELD = Buffer.from('"file_id"');
/** What follows the field's name: a colon and a short string. */
const VALUE = /^\s*:\s*"([\w-]{1,128})"/;
const VALUE_BYTES = 160;
/** A request is held by the first few files; the search need not find all. */
const MAX_FILES = 8;

/** The ids in `"file_id"` fields of a JSON body, without repeats. Text inside strings has its quotes escaped, and is not found. */
export function fileIdsIn(plain: Uint8Array): string[] {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const ids = new Set<string>();
  for (
    let at = bytes.indexOf(FIELD);
    at >= 0 && ids.size < MAX_FILES;
    at = bytes.indexOf(FIELD, at + FIELD.length)
  ) {
    const after = at + FIELD.length;
    const id = VALUE.exec(bytes.toString("latin1", after, after + VALUE_BYTES))?.[1];
    if (id !== undefined) ids.add(id);
  }
  return [...ids];
}
