/** Forecasts of when a window runs out. */
import type { Depletion, Overview } from "../../lib/api-types.ts";

/** The forecast of a window length, wherever the service put it. */
export function depletionOf(overview: Overview, minutes: number): Depletion | null {
  const { primaryWindow, secondaryWindow } = overview.summary;
  return (
    overview.depletionByMinutes?.[minutes] ??
    (primaryWindow?.windowMinutes === minutes ? overview.depletion.primary : null) ??
    (secondaryWindow?.windowMinutes === minutes ? overview.depletion.secondary : null)
  );
}
