/**
 * `npm run screenshots -- --out <directory>`: pictures of every page there, light and dark, wide and narrow, full, busy, empty
 * and broken, for a person to look at; and the README's three into docs/images. `--only <text>` takes those whose name has it.
 */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Browser, Page } from "playwright-core";
import { launchChromium } from "../tests/browser/chromium.ts";
import { startDemo } from "../tests/browser/demo.ts";
import { startLargePool } from "../tests/browser/large-pool.ts";
import { EMPTY, FULL, type Place } from "../tests/browser/pages.ts";
import { startService } from "../tests/harness.ts";
import { ROOT } from "./compile.ts";

type Theme = "light" | "dark";

interface Look {
  width: number;
  height: number;
  theme: Theme;
}

const LOOKS: Look[] = [
  { width: 1440, height: 900, theme: "light" },
  { width: 1440, height: 900, theme: "dark" },
  { width: 390, height: 844, theme: "light" },
  { width: 390, height: 844, theme: "dark" },
];

/** After it, charts are drawn and the first events have come. */
const SETTLED_MS = 1_200;
/** Larger pictures make the README slow to open. */
const README_LIMIT_BYTES = 300_000;

const openLost = async (page: Page) => {
  await page
    .getByRole("link", { name: /^person-014/ })
    .first()
    .click();
};
const BUSY: Place[] = [
  { name: "overview", path: "/" },
  { name: "accounts", path: "/accounts" },
  { name: "account", path: "/accounts", act: openLost, window: true },
  { name: "requests", path: "/requests", window: true },
  { name: "reports", path: "/reports" },
];

const { values: options } = parseArgs({
  options: { out: { type: "string" }, only: { type: "string", default: "" } },
});

async function take(browser: Browser, url: string, { state, shots }: { state: string; shots: Place[] }) {
  const { out } = options;
  if (out === undefined) return;
  mkdirSync(out, { recursive: true });
  for (const look of LOOKS) {
    for (const shot of shots) {
      const name = `${state}-${shot.name}-${look.width}-${look.theme}`;
      if (!name.includes(options.only)) continue;
      await using page = await openPage(browser, look);
      await page.goto(url + shot.path);
      await shot.act?.(page);
      await page.waitForTimeout(SETTLED_MS);
      await page.screenshot({ path: join(out, `${name}.png`), fullPage: shot.window !== true });
    }
  }
}

function openPage(browser: Browser, { width, height, theme }: Look): Promise<Page> {
  return browser.newPage({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
}

/** What a page shows that was open when the service went away, and one that is opened then. */
async function takeBroken(browser: Browser): Promise<void> {
  const demo = await startDemo();
  const { out } = options;
  if (out === undefined) return demo.dispose();
  const open = await Promise.all(LOOKS.map((look) => openPage(browser, look)));
  await Promise.all(open.map((page) => page.goto(demo.url)));
  for (const page of open) await page.getByText("Cost at list price").waitFor();
  await demo.kill();
  for (const [index, page] of open.entries()) {
    const name = `${LOOKS[index]!.width}-${LOOKS[index]!.theme}`;
    await page.getByText("does not answer").first().waitFor();
    await page.waitForTimeout(SETTLED_MS);
    await page.screenshot({ path: join(out, `broken-overview-${name}.png`) });
    await page.getByRole("link", { name: "Keys" }).first().click();
    await page.waitForTimeout(4 * SETTLED_MS);
    await page.screenshot({ path: join(out, `broken-keys-${name}.png`) });
    await page.close();
  }
  await demo.dispose();
}

async function takeSignIn(browser: Browser, url: string): Promise<void> {
  const password = "correct horse battery staple";
  const headers = { "content-type": "application/json", origin: url };
  const body = JSON.stringify({ password });
  const reply = await fetch(`${url}/api/dashboard-auth/password/setup`, { method: "POST", headers, body });
  if (!reply.ok) throw new Error(`the password was refused: ${await reply.text()}`);
  await take(browser, url, { state: "locked", shots: [{ name: "sign-in", path: "/" }] });
}

/** Those of the README: what a visitor sees first. */
async function takeReadme(browser: Browser, url: string): Promise<void> {
  const folder = join(ROOT, "docs", "images");
  mkdirSync(folder, { recursive: true });
  const look = { width: 1440, height: 900, theme: "light" } as const;
  const pictures: Place[] = [
    { name: "overview", path: "/" },
    FULL.find(({ name }) => name === "request")!,
    { name: "connect", path: "/connect" },
  ];
  for (const { name, path, act } of pictures) {
    await using page = await openPage(browser, { ...look, theme: name === "request" ? "dark" : "light" });
    await page.goto(url + path);
    await act?.(page);
    await page.waitForTimeout(SETTLED_MS);
    const file = join(folder, `${name}.png`);
    await page.screenshot({ path: file });
    const { size } = statSync(file);
    console.log(`${file} ${Math.round(size / 1000)} kB`);
    if (size > README_LIMIT_BYTES) throw new Error(`${name}.png is larger than ${README_LIMIT_BYTES} bytes`);
  }
}

const build = Bun.spawnSync([process.execPath, join(ROOT, "scripts", "build.ts"), "--if-changed"], {
  stdio: ["ignore", "inherit", "inherit"],
});
if (build.exitCode !== 0) process.exit(1);

const wants = (state: string) =>
  options.out !== undefined &&
  (options.only.includes(state) || !/^(full|busy|empty|locked|broken)/.test(options.only));
const browser = await launchChromium();
if (options.only === "" || wants("full")) {
  const demo = await startDemo();
  // Some requests have ended and some run: what a visitor sees after a moment.
  await Bun.sleep(SETTLED_MS * 8);
  if (options.only === "") await takeReadme(browser, demo.url);
  await take(browser, demo.url, { state: "full", shots: FULL });
  await demo.dispose();
}
if (wants("empty") || wants("locked")) {
  const service = await startService();
  await take(browser, service.url, { state: "empty", shots: EMPTY });
  await takeSignIn(browser, service.url);
  await service.dispose();
}
if (wants("busy")) {
  const pool = await startLargePool({ accounts: 20, requests: 1_000 });
  await take(browser, pool.service.url, { state: "busy", shots: BUSY });
  await pool.dispose();
}
if (wants("broken")) await takeBroken(browser);
await browser.close();
process.exit(0);
