/** What the doctor says about one thing. */

/** `note`: nothing is wrong, but worth knowing. Only a problem makes the command fail. */
export type Severity = "ok" | "note" | "warning" | "problem";

export interface Finding {
  /** What was looked at, for scripts: `codex_config`, `data_directory`. */
  check: string;
  severity: Severity;
  text: string;
  /** What to do about it. */
  mend?: string;
}

export const ok = (check: string, text: string): Finding => ({ check, severity: "ok", text });
export const note = (check: string, text: string, mend?: string): Finding => ({
  check,
  severity: "note",
  text,
  mend,
});
export const warning = (check: string, text: string, mend: string): Finding => ({
  check,
  severity: "warning",
  text,
  mend,
});
export const problem = (check: string, text: string, mend: string): Finding => ({
  check,
  severity: "problem",
  text,
  mend,
});
