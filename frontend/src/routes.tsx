/** Which address shows which page; each page is a part of its own. */
import { Route, Router } from "@solidjs/router";
import { lazy, onCleanup } from "solid-js";
import { Missing } from "./features/shell/missing.tsx";
import { Frame } from "./features/shell/frame.tsx";

const Overview = lazy(() => import("./features/overview/overview-page.tsx"));
const Accounts = lazy(() => import("./features/accounts/accounts-page.tsx"));
const Requests = lazy(() => import("./features/requests/requests-page.tsx"));
const Keys = lazy(() => import("./features/keys/keys-page.tsx"));
const Connect = lazy(() => import("./features/connect/connect-page.tsx"));
const Reports = lazy(() => import("./features/reports/reports-page.tsx"));
const Settings = lazy(() => import("./features/settings/settings-page.tsx"));
const Audit = lazy(() => import("./features/audit/audit-page.tsx"));

/** Long enough for the first page to be there. */
const FETCH_OTHERS_AFTER_MS = 2_500;

/** Fetches the other pages too, small as they are: they open at once, and also when the service has gone meanwhile. */
async function fetchOthers(): Promise<void> {
  for (const page of [Accounts, Requests, Keys, Connect, Reports, Settings, Audit, Overview])
    await page.preload().catch(() => undefined);
}

export function Routes() {
  const timer = setTimeout(() => void fetchOthers(), FETCH_OTHERS_AFTER_MS);
  onCleanup(() => clearTimeout(timer));
  return (
    <Router root={Frame}>
      <Route path="/" component={Overview} />
      <Route path="/accounts/:id?" component={Accounts} />
      <Route path="/requests" component={Requests} />
      <Route path="/keys/:id?" component={Keys} />
      <Route path="/connect" component={Connect} />
      <Route path="/reports" component={Reports} />
      <Route path="/settings/:section?" component={Settings} />
      <Route path="/audit" component={Audit} />
      <Route path="*" component={Missing} />
    </Router>
  );
}
