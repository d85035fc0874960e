/** A working day in a browser: watching requests, asking why, pausing, changing settings, and taking it back. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import type { Simulator } from "../../src/simulator/simulator.ts";
import { askTurn, rowsOnceWritten, type Service, startPool } from "../harness.ts";
import { launchChromium } from "./chromium.ts";
import { type Visit, visit } from "./visit.ts";

let browser: Browser;
let pool: { simulator: Simulator; service: Service; dispose(): Promise<void> };
let service: Service;
let one: Visit;

beforeAll(async () => {
  browser = await launchChromium();
  pool = await startPool({
    simulator: { accounts: [{ email: "first@example.com" }, { email: "second@example.com" }] },
  });
  ({ service } = pool);
  for (const text of ["one", "two", "three"]) await askTurn(service, text);
  await askTurn(service, "of another model", { model: "no-such-model" });
  await rowsOnceWritten(service, 4);
});
afterAll(async () => {
  await pool.dispose();
  await browser.close();
});
beforeEach(async () => {
  one = await visit(browser, service.url);
});
afterEach(async () => {
  expect(one.complaints).toEqual([]);
  await one[Symbol.asyncDispose]();
});

async function settingsOf(): Promise<Record<string, unknown>> {
  return (await (await fetch(`${service.url}/api/settings`)).json()) as Record<string, unknown>;
}
async function statusOf(email: string): Promise<string> {
  const body = (await (await fetch(`${service.url}/api/accounts`)).json()) as {
    accounts: { email: string; status: string }[];
  };
  return body.accounts.find((account) => account.email === email)!.status;
}

test("the log is narrowed by the address, and a request answers why it went where it went", async () => {
  const { page } = one;
  await page.goto("/requests");
  const rows = page.locator('[role="row"][tabindex="0"]');
  await rows.nth(3).waitFor();
  await page.getByRole("search").getByLabel("Status").selectOption("OK");
  await page.waitForURL(/status=ok/);
  await rows.nth(3).waitFor({ state: "detached" });
  expect(await rows.count()).toBe(3);

  await rows.first().focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Enter");
  const drawer = page.getByRole("dialog");
  await drawer.getByText("Why this account?").waitFor();
  await drawer.getByText("chosen").waitFor();
  for (const name of ["first@example.com", "second@example.com", "Attempts", "Cost"])
    expect(await drawer.getByText(name).count()).toBeGreaterThan(0);
  const address = page.url();
  await page.keyboard.press("Escape");
  await drawer.waitFor({ state: "detached" });
  // The focus is back where it was.
  await page.locator('[role="row"]:focus').waitFor();

  await page.goto(address);
  await drawer.getByText("Why this account?").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Clear filters" }).click();
  await rows.nth(3).waitFor();
});

test("a request that runs is on the Overview while it does", async () => {
  const { page } = one;
  pool.simulator.addScript({
    when: { bodyIncludes: "a slow one" },
    turn: { kind: "filled", events: 20, bytesPerEvent: 20 },
    delivery: { gapMs: 100 },
  });
  await page.goto("/");
  await page.getByText("nothing running").waitFor();
  const turn = askTurn(service, "a slow one");
  await page.getByText("1 running").first().waitFor();
  await turn;
  await page.getByText("nothing running").waitFor();
});

test("a pause holds at once, can be taken back, and a paused account is resumed where it is shown", async () => {
  const { page } = one;
  await page.goto("/accounts");
  await page.getByRole("button", { name: "Actions: first@example.com" }).click();
  await page.getByRole("menuitem", { name: "Pause" }).click();
  await page.getByText("first@example.com is paused.").waitFor();
  expect(await statusOf("first@example.com")).toBe("paused");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone.").waitFor();
  expect(await statusOf("first@example.com")).toBe("active");

  await page.getByRole("link", { name: "second@example.com" }).click();
  await page.getByRole("button", { name: "Pause", exact: true }).click();
  await page.goto("/");
  await page.getByRole("button", { name: "Resume" }).click();
  await page
    .getByText("second@example.com serves again.")
    .or(page.getByText(/second@example.com is/))
    .waitFor();
  expect(await statusOf("second@example.com")).toBe("active");
});

test("a setting is saved at once, and taken back with one click", async () => {
  const { page } = one;
  await page.goto("/settings");
  await page.getByLabel("What resets first").check();
  await page.getByText("Saved.").waitFor();
  expect((await settingsOf()).routingStrategy).toBe("reset_first");
  await page.getByRole("button", { name: "Undo" }).click();
  await page.getByText("Undone.").waitFor();
  expect((await settingsOf()).routingStrategy).toBe("usage_weighted");
  expect(await page.getByLabel("Least used").isChecked()).toBe(true);
});

test("a change that the service refuses is shown as refused, with what to do", async () => {
  const { page } = one;
  await page.goto("/settings/firewall");
  await page.getByLabel("Who may use the proxy").fill("not an address");
  await page.getByRole("button", { name: "Save" }).first().click();
  await page.getByRole("alert").getByText("addresses or networks like 10.0.0.0/8").waitFor();
});

test("plans are counted at prices that say of themselves that they are assumed", async () => {
  const { page } = one;
  await page.goto("/reports");
  await page.getByText("An assumption from list prices of 2026 (2 Plus at $20), not your bill.").waitFor();
  const field = page.getByLabel("Plans a month, in dollars: assumed");
  expect(await field.inputValue()).toBe("40");
  await field.fill("35.50");
  await page.keyboard.press("Tab");
  await page.getByLabel("Your plans a month, in dollars").waitFor();
});
