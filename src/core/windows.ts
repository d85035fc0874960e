/** Quota windows: an account has a list of them, keyed by scope and minutes. Nothing assumes that "primary" is five hours. */

/** One quota window as last seen. */
export interface Window {
  /** Length of the window in minutes: 300 is five hours, 10080 a week, 43200 thirty days. */
  minutes: number;
  /** 0 to 100 (upstream may send fractions, and more than 100). */
  usedPercent: number;
  /** When it starts afresh, ms since the epoch. */
  resetAtMs: number;
  /** "all" for the plan's own windows, otherwise the metered feature that it limits (for example "codex_bengalfox"). */
  scope: string;
}

export const SCOPE_ALL = "all";

/** What the window counts for now: nothing once its reset has passed. */
export function usedPercentAt(window: Window, nowMs: number): number {
  return window.resetAtMs <= nowMs ? 0 : window.usedPercent;
}
