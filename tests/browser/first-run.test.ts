/** The first minutes with codex-lb in a browser: from nothing to the first request seen, and the ways to add an account. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { createSimulator, type Simulator } from "../../src/simulator/simulator.ts";
import { askTurn, type Service, startService, writeLogins } from "../harness.ts";
import { launchChromium } from "./chromium.ts";
import { type Visit, visit } from "./visit.ts";

let browser: Browser;
let simulator: Simulator;
let service: Service;
let one: Visit;

beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());
beforeEach(async () => {
  simulator = createSimulator({
    accounts: [{ email: "first@example.com" }, { email: "second@example.com" }],
  });
  await simulator.start();
  service = await startService({ simulator });
  one = await visit(browser, service.url);
});
afterEach(async () => {
  await one[Symbol.asyncDispose]();
  await service.dispose();
  await simulator.stop();
  expect(one.complaints).toEqual([]);
});

test("an empty pool leads from a login by code over a key and a block to paste to the first request seen", async () => {
  const { page } = one;
  await page.goto("/");
  const steps = page.getByRole("region", { name: "Three steps" }).getByRole("listitem");
  expect(await steps.nth(0).getAttribute("aria-current")).toBe("step");
  expect(await page.getByText("Quota left").count()).toBe(0);

  await steps.nth(0).getByRole("link", { name: "Log in with a code" }).click();
  const dialog = page.getByRole("dialog");
  const code = await dialog.getByText(/^[\w]{4}-[\w]{4,}$/).textContent();
  expect(simulator.approveDevice(code!)).toBe(true);
  await dialog.getByText("The account is in the pool.").waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("first@example.com").first().waitFor();

  await page.getByRole("link", { name: "Overview" }).first().click();
  await steps.nth(0).getByText("done", { exact: true }).waitFor({ state: "attached" });
  await steps.nth(1).getByRole("link", { name: "Make a key" }).click();
  await page.getByLabel("Name").fill("Laptop");
  await dialog.getByRole("button", { name: "Create key" }).click();
  await page.getByText("Here is the key").waitFor();
  const secret = await dialog.locator("code").textContent();
  expect(secret).toMatch(/^sk-clb-[\w-]{43}$/);

  await page.getByRole("button", { name: "Connect a client with it" }).click();
  await page.getByText("Waiting for the first request with Laptop").waitFor();
  const blocks = await page.locator("pre").allTextContents();
  expect(blocks.join("\n")).toContain(`CODEX_LB_API_KEY="${secret}"`);
  expect(blocks.join("\n")).toContain(`base_url = "${service.url}/backend-api/codex"`);

  const reply = await fetch(`${service.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-5.5", input: "Say hello." }),
  });
  expect(reply.status).toBe(200);
  await reply.text();
  await page.getByText("It works: gpt-5.5 has answered").waitFor();

  await page.getByRole("link", { name: "Overview" }).first().click();
  await page.getByText("Quota left").waitFor();
  await page.getByRole("link", { name: /gpt-5\.5.*Laptop/ }).waitFor();
});

test("the secret of a key is shown once, and nowhere after that", async () => {
  const { page } = one;
  await page.goto("/keys?new");
  await page.getByLabel("Name").fill("CI");
  await page.getByRole("button", { name: "Add a limit" }).click();
  await page.getByLabel("Amount").fill("20M");
  await page.getByText(/^CI may use at most 20M tokens/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Create key" }).click();
  const secret = await page.getByRole("dialog").locator("code").textContent();
  await page.getByRole("button", { name: "I have it" }).click();
  await page.getByRole("link", { name: "CI" }).click();
  await page.getByRole("dialog").getByText("20M").first().waitFor();
  for (const path of ["/keys", "/connect", "/audit"]) {
    await page.goto(path);
    await page.getByRole("heading", { level: 1 }).waitFor();
    expect(await page.content()).not.toContain(secret!);
  }
});

test("several auth.json files at once get a result each, good and bad", async () => {
  const { page } = one;
  const folder = writeLogins(simulator, 2);
  writeFileSync(join(folder, "notes.json"), `{"hello": "world"}`);
  await page.goto("/accounts?add=files");
  const files = ["auth-0.json", "notes.json", "auth-1.json"].map((name) => join(folder, name));
  await page.locator("input[type=file]").setInputFiles(files);
  const results = page.getByRole("dialog").getByRole("listitem");
  await results.nth(2).getByText("added").waitFor();
  expect(await results.nth(0).textContent()).toBe("first@example.com added, Plus plan");
  expect(await results.nth(1).textContent()).toStartWith("notes.json ");
  expect(await results.nth(1).textContent()).not.toContain("added");
  expect(await results.nth(2).textContent()).toBe("second@example.com added, Plus plan");
  await page.keyboard.press("Escape");
  await page.getByText("2 accounts").waitFor();
  rmSync(folder, { recursive: true });
});

test("deleting an account can end its login at OpenAI as well", async () => {
  const { page } = one;
  const folder = writeLogins(simulator, 2);
  await service.import(folder);
  rmSync(folder, { recursive: true });
  const remove = async (email: string, revoke: boolean) => {
    await page.getByRole("button", { name: `Actions: ${email}` }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    if (revoke) await page.getByLabel("Also log it out at OpenAI").check();
    await page.getByRole("button", { name: "Delete account" }).click();
    await page.getByText(`${email} is deleted.`).waitFor();
  };
  const revocations = () => simulator.requests.filter(({ target }) => target === "/oauth/revoke").length;
  await page.goto("/accounts");
  await remove("first@example.com", false);
  expect(revocations()).toBe(0);
  await remove("second@example.com", true);
  expect(revocations()).toBe(1);
});

test("a request of anybody shows up by itself on an open page", async () => {
  const { page } = one;
  const folder = writeLogins(simulator, 1);
  await service.import(folder);
  rmSync(folder, { recursive: true });
  await page.goto("/");
  await page.getByText("No request yet.").waitFor();
  await askTurn(service, "Say hello.");
  await page.getByRole("link", { name: /gpt-5\.5.*first@example\.com/ }).waitFor();
  await page.goto("/requests");
  const rows = page.locator('[role="row"][tabindex="0"]');
  await rows.first().waitFor();
  await askTurn(service, "And again.");
  await rows.nth(1).waitFor();
});
