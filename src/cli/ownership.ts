/** What root makes in another user's data directory belongs to that user afterwards: their service could not write to it otherwise. */
import { lchownSync, lstatSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

/** Does nothing for anybody but root, or in a directory of root's own. Called at the end of the process; never throws. */
export function giveToOwner(dataDir: string): void {
  if (process.getuid?.() !== 0) return;
  try {
    const { uid, gid } = statSync(dataDir);
    if (uid === 0) return;
    for (const name of readdirSync(dataDir)) {
      const path = join(dataDir, name);
      const entry = lstatSync(path);
      // A second name of a file elsewhere would give that one away.
      if (entry.uid === 0 && (entry.isDirectory() || entry.nlink === 1)) lchownSync(path, uid, gid);
    }
  } catch {
    // No such directory, or it went away meanwhile: nothing to give.
  }
}
