/** Starts the dashboard in the page. */
import { QueryClientProvider } from "@tanstack/solid-query";
import { render } from "solid-js/web";
import { applyPreferences } from "./lib/preferences.ts";
import { queryClient } from "./lib/queries.ts";
import { Routes } from "./routes.tsx";

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");

applyPreferences();
render(
  () => (
    <QueryClientProvider client={queryClient}>
      <Routes />
    </QueryClientProvider>
  ),
  root,
);
