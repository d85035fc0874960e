/** The settings as one object with a version; what the fields mean is not known here. */
import { CodedError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import { settings } from "./schema.ts";

const ONLY_ROW = 1;

export interface StoredSettings {
  /** 0 until something was saved. */
  version: number;
  /** Only what was ever saved: the reader adds the defaults. */
  values: Record<string, unknown>;
}

export type SettingsStore = ReturnType<typeof createSettingsStore>;

export function createSettingsStore({ orm, durably }: Connection) {
  function get(): StoredSettings {
    const row = orm.select().from(settings).get();
    return row ? { version: row.version, values: row.values } : { version: 0, values: {} };
  }

  return {
    get,

    /** Replaces the object. Throws `settings_conflict` (409) when somebody saved since `expectedVersion` was read. */
    put(values: Record<string, unknown>, at: { expectedVersion: number; nowMs: number }): StoredSettings {
      return durably(() => {
        const { version } = get();
        if (version !== at.expectedVersion)
          throw new CodedError(
            "settings_conflict",
            `The settings were changed meanwhile (version ${version}, yours is ${at.expectedVersion}). Read them again and repeat the change.`,
            { status: 409, param: "version" },
          );
        const row = { id: ONLY_ROW, version: version + 1, values, updatedAtMs: at.nowMs };
        orm.insert(settings).values(row).onConflictDoUpdate({ target: settings.id, set: row }).run();
        return { version: row.version, values };
      });
    },
  };
}
