/** The settings in force: read by the request path on every request, changed by the settings page, durable before they apply. */
import { type DashboardSettings, patchSettings, readStoredSettings } from "../core/settings.ts";
import { CodedError } from "../core/errors.ts";

export interface LiveSettings {
  get(): DashboardSettings;
  /** Counts the changes; 0 until something was saved. */
  version(): number;
  /**
   * Applies the whole object or a part of it, at once; answers what changed. A `version` in it must be the present one.
   * Throws CodedError `validation_error` (422) naming the field, or `settings_conflict` (409).
   */
  change(patch: unknown): { before: DashboardSettings; after: DashboardSettings };
  onChange(listener: (settings: DashboardSettings) => void): void;
}

export interface LiveSettingsPorts {
  stored: { version: number; values: Record<string, unknown> };
  /** Durable when it returns. Throws `settings_conflict` when somebody else saved meanwhile. */
  save(values: Record<string, unknown>, expectedVersion: number): { version: number };
}

export function createLiveSettings({ stored, save }: LiveSettingsPorts): LiveSettings {
  let { version } = stored;
  let settings = readStoredSettings(stored.values);
  const listeners: ((settings: DashboardSettings) => void)[] = [];

  return {
    get: () => settings,
    version: () => version,
    change(patch) {
      const before = settings;
      const after = patchSettings(before, patch);
      const expected = expectedVersion(patch) ?? version;
      // A script that puts back what it got must not make another's version an old one.
      if (expected === version && Bun.deepEquals(before, after)) return { before, after };
      const saved = save({ ...after }, expected);
      ({ version } = saved);
      settings = after;
      for (const listener of listeners) listener(after);
      return { before, after };
    },
    onChange: (listener) => void listeners.push(listener),
  };
}

function expectedVersion(patch: unknown): number | null {
  const { version } = patch as { version?: unknown };
  if (version === undefined || version === null) return null;
  if (Number.isSafeInteger(version)) return version as number;
  throw new CodedError("validation_error", `"version" must be the number that GET /api/settings gave.`, {
    status: 422,
    param: "version",
  });
}
