/** What this browser remembers: theme, blurred e-mails, columns. Never anything secret. */
import { createSignal, type Signal } from "solid-js";

const PREFIX = "codex-lb.";

/** A signal that survives a reload; falls back to memory where storage is forbidden. */
export function remembered<T>(name: string, initial: T): Signal<T> {
  const [value, setValue] = createSignal<T>(read(name, initial));
  const set = (next: unknown) => {
    const result = setValue(next as never);
    try {
      localStorage.setItem(PREFIX + name, typeof result === "string" ? result : JSON.stringify(result));
    } catch {
      // Kept for this visit only.
    }
    return result;
  };
  return [value, set as Signal<T>[1]];
}

function read<T>(name: string, initial: T): T {
  try {
    const stored = localStorage.getItem(PREFIX + name);
    if (stored === null) return initial;
    return typeof initial === "string" ? (stored as T) : (JSON.parse(stored) as T);
  } catch {
    return initial;
  }
}

export type Theme = "system" | "light" | "dark";

const [theme, storeTheme] = remembered<Theme>("theme", "system");
const [emailsBlurred, storeEmailsBlurred] = remembered("blur-emails", false);
export { emailsBlurred, theme };

/** `public/theme.js` does the same before the first paint. */
export function setTheme(next: Theme): void {
  storeTheme(next);
  if (next === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = next;
}

export function setEmailsBlurred(blurred: boolean): void {
  storeEmailsBlurred(blurred);
  document.documentElement.toggleAttribute("data-blur-emails", blurred);
}

/** Puts what is remembered on the page. */
export function applyPreferences(): void {
  setTheme(theme());
  setEmailsBlurred(emailsBlurred());
}
