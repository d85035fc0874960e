/** `/api/settings`: what people change while the service runs. */
import { Elysia, t } from "elysia";
import type { DashboardSettings } from "../core/settings.ts";
import type { LiveSettings } from "../pool/live-settings.ts";
import type { Admin } from "./admin.ts";

export function settingsRoutes(ports: {
  admin: Admin;
  settings: LiveSettings;
  totpConfigured(): boolean;
  /** `CODEX_LB_OPENAI_API_KEY` is set. */
  apiKeyLaneConfigured: boolean;
}) {
  const { admin, settings, totpConfigured, apiKeyLaneConfigured } = ports;
  const view = () => ({
    ...settings.get(),
    // A second factor that is set up is always asked for.
    totpRequiredOnLogin: totpConfigured(),
    totpConfigured: totpConfigured(),
    apiKeyLaneConfigured,
    version: settings.version(),
  });
  return new Elysia({ prefix: "/api", detail: { tags: ["Settings"] } })
    .get("/settings", view, { detail: { summary: "All settings" } })
    .put(
      "/settings",
      ({ request, body }) => {
        const { before, after } = settings.change(body);
        const changed = changes(before, after);
        if (Object.keys(changed).length > 0) admin.audit(request, "settings.change", null, changed);
        return view();
      },
      {
        parse: "json",
        // Checked by core, which names the field at fault.
        body: t.Unknown({
          description:
            "The whole object or a part of it. Unknown fields are refused by name; a `version` other than the present one is a conflict.",
        }),
        detail: { summary: "Change settings; they apply at once" },
      },
    );
}

function changes(before: DashboardSettings, after: DashboardSettings) {
  const names = Object.keys(after) as (keyof DashboardSettings)[];
  return Object.fromEntries(
    names
      .filter((name) => !Bun.deepEquals(before[name], after[name]))
      .map((name) => [name, { from: before[name], to: after[name] }]),
  );
}
