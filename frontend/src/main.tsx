/** Starts the dashboard in the page. */
import { QueryClientProvider } from "@tanstack/solid-query";
import { render } from "solid-js/web";
import { applyPreferences } from "./lib/preferences.ts";
import { queryClient } from "./lib/queries.ts";
import { Routes } from "./routes.tsx";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

/** A page that stayed open across an upgrade asks for parts that are gone: the new page has them. Once a minute, or it could go on forever. */
const RELOAD_AGAIN_AFTER_MS = 60_000;
async function reloadForNewParts(): Promise<void> {
  // A service that is gone has nothing to reload: what is on the page is better than the browser's own error.
  if (!(await fetch("/health/live").catch(() => null))?.ok) return;
  const last = Number(sessionStorage.getItem("codex-lb.reloaded-at") ?? 0);
  if (Date.now() - last < RELOAD_AGAIN_AFTER_MS) return;
  sessionStorage.setItem("codex-lb.reloaded-at", String(Date.now()));
  location.reload();
}
addEventListener("vite:preloadError", () => void reloadForNewParts());

applyPreferences();
render(
  () => (
    <QueryClientProvider client={queryClient}>
      <Routes />
    </QueryClientProvider>
  ),
  root,
);
