/** Waiting for a condition, bounded, so that no test sleeps for a guessed time. */

const POLL_MS = 10;
const DEFAULT_LIMIT_MS = 10_000;

/** Resolves to the first truthy value of `condition`; throws, naming `what`, when there was none within the limit. */
export async function waitFor<T>(
  what: string,
  condition: () => T | null | undefined | false,
  limitMs = DEFAULT_LIMIT_MS,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const value = condition();
    if (value !== null && value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await Bun.sleep(POLL_MS);
  }
}
