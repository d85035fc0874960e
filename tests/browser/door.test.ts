/** The dashboard's door in a browser: password and second factor, signing out, sessions that end, and a service that goes away. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { generateSync } from "otplib";
import type { Browser, Page } from "playwright-core";
import { type Service, startService } from "../harness.ts";
import { launchChromium } from "./chromium.ts";
import { type Visit, visit } from "./visit.ts";

const PASSWORD = "correct horse battery staple";

let browser: Browser;
let service: Service;
let one: Visit;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());
beforeEach(async () => {
  service = await startService();
  one = await visit(browser, service.url);
});
afterEach(async () => {
  await one[Symbol.asyncDispose]();
  await service.dispose();
});

async function setPassword(page: Page): Promise<void> {
  await page.goto("/settings/security");
  await page.getByRole("main").getByRole("button", { name: "Set a password" }).click();
  await page.getByLabel("New password", { exact: true }).fill(PASSWORD);
  await page.getByLabel("New password again").fill(PASSWORD);
  await page.getByRole("dialog").getByRole("button", { name: "Set a password" }).click();
  await page.getByText("The password is set.").waitFor();
}

async function enterPassword(page: Page, password: string): Promise<void> {
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
}

/** `steps`: of thirty seconds each from now; a code counts once, so that the next one needs another step. */
const codeOf = (secret: string, steps = 0) =>
  generateSync({ secret, epoch: Math.floor(Date.now() / 1000) + steps * 30 });

test("with password and second factor nobody gets in by the password alone, nor with a wrong one", async () => {
  const { page } = one;
  await setPassword(page);
  await page.getByRole("button", { name: "Set up" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByAltText("QR code").waitFor();
  expect(await page.evaluate(`document.querySelector("img").naturalWidth`)).toBeGreaterThan(0);
  const secret = (await dialog.locator("code").textContent())!;
  await dialog.getByLabel("Then enter the code").fill(codeOf(secret));
  await dialog.getByRole("button", { name: "Confirm" }).click();
  await dialog.getByText("Recovery codes").waitFor();
  const recovery = await dialog.getByRole("listitem").allTextContents();
  expect(recovery.length).toBeGreaterThanOrEqual(8);
  await dialog.getByRole("button", { name: "I have stored them" }).click();

  await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
  await enterPassword(page, "a wrong password");
  await page.getByRole("alert").waitFor();
  await enterPassword(page, PASSWORD);
  await page.getByText("One more step").waitFor();
  expect((await page.request.get("/api/accounts")).status()).toBe(401);
  await page.getByLabel("Code").fill("000000");
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("alert").waitFor();
  await page.getByLabel("Code").fill(codeOf(secret, 1));
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();

  await page.getByRole("button", { name: "Sign out", exact: true }).first().click();
  await enterPassword(page, PASSWORD);
  await page.getByLabel("Code").fill(recovery[0]!);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Settings" }).waitFor();
  expect(one.complaints).toEqual([]);
});

test("signing out leaves nothing of the pool on the page, and going back brings nothing", async () => {
  const { page } = one;
  await setPassword(page);
  await page.goto("/accounts");
  await page.getByText("No account yet").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  expect(await page.getByText("No account yet").count()).toBe(0);
});

test("a session that is ended elsewhere shows the sign-in at the next step, and then the same page again", async () => {
  const { page } = one;
  await setPassword(page);
  await page.goto("/keys");
  await page.getByText("No key yet").waitFor();
  await page.context().clearCookies();
  await page.getByRole("link", { name: "Accounts" }).first().click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await enterPassword(page, PASSWORD);
  await page.getByText("No account yet").waitFor();
  expect(new URL(page.url()).pathname).toBe("/accounts");
});

test("when the service goes the open page says so and keeps what it shows, the others open, and all recovers", async () => {
  const { page } = one;
  const others = page.waitForResponse(/audit-page/);
  await page.goto("/keys");
  await others;
  await page.getByText("No key yet").waitFor();
  await page.getByText("Live", { exact: true }).first().waitFor();
  const { dataDir, port } = service;
  service.signal("SIGKILL");
  await service.exited();
  await page.getByRole("alert").getByText("codex-lb does not answer").waitFor();
  expect(await page.getByText("No key yet").isVisible()).toBe(true);
  await page.getByRole("link", { name: "Audit" }).first().click();
  await page.getByRole("main").getByRole("alert").getByText("Is it running?").waitFor();
  const again = await startService({ dataDir, env: { CODEX_LB_PORT: String(port) } });
  try {
    await page.getByText("Nothing has been changed yet.").waitFor();
    await page.getByRole("alert").first().waitFor({ state: "detached" });
    await page.getByText("Live", { exact: true }).first().waitFor();
  } finally {
    await again.dispose();
  }
});
