/** Claims about every page of the dashboard, in the executable: readable by all, on every screen, and alone with its service. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { type Service, startService } from "../harness.ts";
import { launchChromium } from "./chromium.ts";
import { type RunningDemo, startDemo } from "./demo.ts";
import { EMPTY, FULL, type Place } from "./pages.ts";
import { settled, type Visit, visit } from "./visit.ts";

const AXE = await Bun.file(new URL(import.meta.resolve("axe-core/axe.min.js"))).text();
const HEIGHT = 900;
const WIDTHS = [390, 768, 1440] as const;

/** What axe-core finds, as "rule: element: why". `rules`: only these. */
async function violations(page: Page, rules?: string[]): Promise<string[]> {
  const runOnly = rules ? `, runOnly: ${JSON.stringify(rules)}` : "";
  const found = await page.evaluate(`(async () => {
    if (!window.axe) { ${AXE} }
    const { violations } = await axe.run(document, { resultTypes: ["violations"]${runOnly} });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map((node) => id + ": " + node.target.join(" ") + ": " + node.failureSummary.split("\\n")[1]));
  })()`);
  return found as string[];
}

/** How far the page can be pushed sideways, and what stands out of it on the right. */
async function overflow(page: Page): Promise<string[]> {
  const found = await page.evaluate(`(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    const outside = [...document.querySelectorAll("main *, [role=dialog] *")].filter((element) => {
      const { right, width } = element.getBoundingClientRect();
      return width > 0 && right > clientWidth + 1 && !element.closest("pre, .overflow-hidden, .truncate, .sr-only, svg");
    });
    return [...(scrollWidth > clientWidth ? ["the page, by " + (scrollWidth - clientWidth) + " px"] : []),
      ...outside.slice(0, 3).map((element) => element.tagName + " " + element.className)];
  })()`);
  return found as string[];
}

/** Colours and places are those of the new theme or size from the next picture on. */
const redrawn = (page: Page) =>
  page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))");

async function inspect({ page, complaints }: Visit, { path, act }: Place): Promise<void> {
  complaints.length = 0;
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1440, height: HEIGHT });
  await page.goto(path);
  await act?.(page);
  await settled(page);
  expect(await violations(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: "dark" });
  await redrawn(page);
  expect(await violations(page, ["color-contrast"])).toEqual([]);
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: HEIGHT });
    await redrawn(page);
    expect({ width, overflow: await overflow(page) }).toEqual({ width, overflow: [] });
    if (width === WIDTHS[0]) expect(await violations(page)).toEqual([]);
  }
  expect(complaints).toEqual([]);
}

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterAll(() => browser.close());

describe("in a full pool, light and dark, at 390, 768 and 1440 px, without a word from axe or the browser:", () => {
  let demo: RunningDemo;
  let one: Visit;
  beforeAll(async () => {
    demo = await startDemo();
    one = await visit(browser, demo.url);
  });
  afterAll(() => demo.dispose());
  for (const place of FULL) test(place.name, () => inspect(one, place));

  test("the description of the API", async () => {
    await one.page.emulateMedia({ colorScheme: "light" });
    await one.page.goto("/api-docs");
    expect(await violations(one.page)).toEqual([]);
    expect(one.complaints).toEqual([]);
    const color = `getComputedStyle(document.querySelector("main")).maxWidth`;
    expect(await one.page.evaluate(color)).not.toBe("none");
  });
});

describe("in an empty one:", () => {
  let service: Service;
  let one: Visit;
  beforeAll(async () => {
    service = await startService();
    one = await visit(browser, service.url);
  });
  afterAll(() => service.dispose());
  for (const place of EMPTY) test(place.name, () => inspect(one, place));

  test("signing in", async () => {
    const headers = { "content-type": "application/json", origin: service.url };
    const body = JSON.stringify({ password: "correct horse battery staple" });
    const path = `${service.url}/api/dashboard-auth/password/setup`;
    expect((await fetch(path, { method: "POST", headers, body })).ok).toBe(true);
    await inspect(one, { name: "sign-in", path: "/" });
    await one.page.getByLabel("Password").waitFor();
  });
});
