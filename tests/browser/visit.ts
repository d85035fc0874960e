/** A page under watch: whatever the browser complains about, and every request that leaves for another host, is written down. */
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export interface Visit {
  page: Page;
  /** What went wrong so far, in words; a status that the page itself answers for is not among it. */
  complaints: string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** Two busy cores take their time. */
const LIMIT_MS = 20_000;

/** Runs in the page before its own scripts: a refused style, image or script is told on the console. */
const TELL_VIOLATIONS = `addEventListener("securitypolicyviolation", (event) =>
  console.error("policy: " + event.violatedDirective + " " + event.blockedURI + " " + event.sourceFile))`;

/** `url`: the service, and the only host that the page may speak to. */
export async function visit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Visit> {
  const context = await browser.newContext({
    baseURL: url,
    viewport: { width: 1440, height: 900 },
    colorScheme: "light",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(LIMIT_MS);
  await context.addInitScript(TELL_VIOLATIONS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    const isWrong = message.type() === "error" || message.type() === "warning";
    if (isWrong && !message.text().startsWith("Failed to load resource")) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(`${error.name}: ${error.message}`));
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && origin !== url) complaints.push(`asked ${request.url()}`);
  });
  return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** Resolves when nothing of the page is on its way any more. */
export async function settled(page: Page): Promise<void> {
  await page.locator("h1, [role=dialog] h2").first().waitFor({ state: "attached" });
  await page.locator(".skeleton, [aria-busy=true]").first().waitFor({ state: "detached" });
}
