/** What the pool asks from time to time, over the whole service. */
import { expect, test } from "bun:test";
import { startService } from "../testing/running-service.ts";

test("a stop does not wait for an answer about usage that never comes", async () => {
  let hangs = false;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const service = await startService({
    // Each has its turn within the interval: with twenty the first comes a quarter of a second after the start.
    accounts: Array.from({ length: 20 }, () => ({})),
    env: { CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS: "10" },
    ports: {
      fetch(url, init) {
        if (!hangs || !url.endsWith("/wham/usage")) return fetch(url, init);
        resolve();
        return new Promise((_, reject) => {
          init!.signal!.addEventListener("abort", () => reject(new Error("aborted")));
        });
      },
    },
  });
  hangs = true;
  await service.restart();
  await asked;
  const started = performance.now();
  await service.stop();
  expect(performance.now() - started).toBeLessThan(2_000);
});
