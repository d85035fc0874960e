/** Every page and dialog of the dashboard, as a full pool and an empty one show them: for the tests and the pictures. */
import type { Page } from "playwright-core";

export interface Place {
  name: string;
  path: string;
  /** What leads there from `path`. */
  act?(page: Page): Promise<void>;
  /** Its picture shows the window only: what it shows lies above the page, or never ends. */
  window?: boolean;
}

const follow = (name: RegExp) => async (page: Page) => {
  await page.getByRole("link", { name }).first().click();
};

const openRequest = async (page: Page) => {
  await page.locator('[role="row"][tabindex="0"]').nth(4).click();
  await page.getByText("Why this account?").waitFor();
};

const choose = (menu: RegExp, item: string) => async (page: Page) => {
  await page.getByRole("button", { name: menu }).first().click();
  await page.getByRole("menuitem", { name: item }).click();
  await page.getByRole("dialog").waitFor();
};

/** In the demo. */
export const FULL: Place[] = [
  { name: "overview", path: "/" },
  { name: "accounts", path: "/accounts" },
  { name: "account", path: "/accounts", act: follow(/^Pro, main/) },
  { name: "account-lost", path: "/accounts", act: follow(/^signed-out@/) },
  { name: "account-delete", path: "/accounts", act: choose(/^Actions: Pro, main/, "Delete"), window: true },
  { name: "add-device", path: "/accounts?add=device", window: true },
  { name: "add-files", path: "/accounts?add=files", window: true },
  { name: "requests", path: "/requests", window: true },
  { name: "request", path: "/requests?status=ok", act: openRequest, window: true },
  { name: "requests-none", path: "/requests?q=nothing-fits-this", window: true },
  { name: "keys", path: "/keys" },
  { name: "key", path: "/keys", act: follow(/^Chat bot/), window: true },
  { name: "key-new", path: "/keys?new", window: true },
  { name: "connect", path: "/connect" },
  { name: "reports", path: "/reports" },
  { name: "settings-routing", path: "/settings/routing" },
  { name: "settings-requests", path: "/settings/requests" },
  { name: "settings-security", path: "/settings/security" },
  { name: "settings-firewall", path: "/settings/firewall" },
  { name: "settings-prices", path: "/settings/prices", window: true },
  { name: "settings-appearance", path: "/settings/appearance" },
  { name: "settings-about", path: "/settings/about" },
  { name: "audit", path: "/audit" },
  { name: "missing", path: "/nowhere" },
];

/** Before anything was added. */
export const EMPTY: Place[] = [
  { name: "overview", path: "/" },
  { name: "accounts", path: "/accounts" },
  { name: "requests", path: "/requests" },
  { name: "keys", path: "/keys" },
  { name: "connect", path: "/connect" },
  { name: "reports", path: "/reports" },
  { name: "audit", path: "/audit" },
];
