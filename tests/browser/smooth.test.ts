/** With 200 accounts and 100,000 rows the pages stay smooth: what the main thread did, as Chromium's own trace tells it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { askTurn } from "../harness.ts";
import { launchChromium } from "./chromium.ts";
import { type LargePool, startLargePool } from "./large-pool.ts";
import { settled, visit } from "./visit.ts";

const ACCOUNTS = 200;
const ROWS = 100_000;
/** Beyond it a person feels that the page hangs. */
const LONG_TASK_MS = 100;
const DEEP_ROWS = 10_000;
const ROW_PX = 37;
const WHEEL_STEPS = 24;
const WHEEL_PX = 900;
/** Sums and lists are asked for again a few seconds after a request has ended. */
const AFTERMATH_MS = 4_500;

let browser: Browser;
let pool: LargePool;

beforeAll(async () => {
  [browser, pool] = await Promise.all([
    launchChromium(),
    startLargePool({ accounts: ACCOUNTS, requests: ROWS }),
  ]);
}, 120_000);
afterAll(async () => {
  await browser.close();
  await pool.dispose();
});

interface TraceEvent {
  name: string;
  pid: number;
  tid: number;
  dur?: number;
  /** Of the time above, what the thread itself had of a processor: on a busy machine the rest is waiting for one. */
  tdur?: number;
  args: { name?: string };
}

/** The longest tasks of the pages' main threads, in milliseconds of processor time, the longest first. */
function longestTasks(trace: Buffer): number[] {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: TraceEvent[] };
  const mains = new Set(
    traceEvents
      .filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain")
      .map(({ pid, tid }) => `${pid} ${tid}`),
  );
  const tasks = traceEvents.filter(({ name, pid, tid }) => name === "RunTask" && mains.has(`${pid} ${tid}`));
  expect(tasks.length).toBeGreaterThan(0);
  return tasks.map(({ tdur = 0 }) => tdur / 1000).toSorted((a, b) => b - a);
}

async function scroll(page: Page): Promise<void> {
  await page.mouse.move(720, 500);
  for (let step = 0; step < WHEEL_STEPS; step++) {
    await page.mouse.wheel(0, step < (WHEEL_STEPS * 2) / 3 ? WHEEL_PX : -WHEEL_PX);
    await page.waitForTimeout(60);
  }
}

/** A burst that changes accounts, rows and sums, seen while it runs and until its aftermath is over. */
async function liveUpdates(page: Page): Promise<void> {
  for (let round = 0; round < 3; round++) {
    await Promise.all(["a", "b", "c", "d"].map((text) => askTurn(pool.service, text)));
  }
  await page.waitForTimeout(AFTERMATH_MS);
}

async function measure(page: Page, act: () => Promise<unknown>): Promise<number[]> {
  await browser.startTracing(page, {
    categories: ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"],
  });
  await act();
  return longestTasks(await browser.stopTracing());
}

const told = (tasks: number[]) =>
  tasks
    .slice(0, 3)
    .map((ms) => ms.toFixed(0))
    .join(", ");

for (const path of ["/", "/accounts", "/requests"]) {
  test(`${path} has no long task while one scrolls and requests come in`, async () => {
    await using one = await visit(browser, pool.service.url);
    const { page } = one;
    await page.goto(path);
    await settled(page);
    const tasks = await measure(page, () => Promise.all([scroll(page), liveUpdates(page)]));
    console.log(`${path}: longest tasks ${told(tasks)} ms`);
    expect(tasks[0]).toBeLessThan(LONG_TASK_MS);
    expect(one.complaints).toEqual([]);
  });
}

test("the log stays smooth ten thousand rows down", async () => {
  await using one = await visit(browser, pool.service.url);
  const { page } = one;
  await page.goto("/requests");
  await settled(page);
  const rowsOnPage = () => page.locator('[role="row"][tabindex="0"]').count();
  const height = async () => Number(await page.evaluate("document.documentElement.scrollHeight"));
  while ((await height()) < DEEP_ROWS * ROW_PX) {
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
    await page.waitForTimeout(50);
  }
  const tasks = await measure(page, async () => {
    await scroll(page);
    await page.evaluate("scrollTo(0, document.documentElement.scrollHeight)");
    await page.waitForTimeout(1_500);
    await page.evaluate("scrollTo(0, 0)");
    await liveUpdates(page);
  });
  console.log(`/requests, 10,000 rows down: longest tasks ${told(tasks)} ms`);
  expect(tasks[0]).toBeLessThan(LONG_TASK_MS);
  expect(await rowsOnPage()).toBeLessThan(200);
});
