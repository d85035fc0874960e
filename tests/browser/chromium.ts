/** The system's Chromium, without its sandbox where the tests run as root. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = [
  process.env["CODEX_LB_TEST_CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** `hosts`: names that resolve to 127.0.0.1 in this browser, as an attacker's name server would answer. */
export function launchChromium({ hosts = [] }: { hosts?: readonly string[] } = {}): Promise<Browser> {
  const executablePath = PLACES.find((path) => path !== undefined && existsSync(path));
  if (executablePath === undefined)
    throw new Error("Chromium is not installed; set CODEX_LB_TEST_CHROMIUM to its path.");
  const rules = hosts.map((host) => `MAP ${host} 127.0.0.1`).join(",");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", ...(rules === "" ? [] : [`--host-resolver-rules=${rules}`])],
  });
}
