/** Claims about when garbage is collected: soon after a reader fell behind, and not for each of them. */
import { expect, test } from "bun:test";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createGarbageCollector } from "./garbage.ts";

test("many readers that fall behind cost one collection, and the next not before its time", () => {
  const clock = createFakeClock();
  let collections = 0;
  const garbage = createGarbageCollector(clock, () => void collections++);
  for (let reader = 0; reader < 100; reader++) garbage.soon();
  expect(collections).toBe(0);
  clock.advance(1_000);
  expect(collections).toBe(1);
  for (let second = 0; second < 5; second++) {
    garbage.soon();
    expect(collections).toBe(1);
    clock.advance(1_000);
  }
  expect(collections).toBe(2);
  clock.advance(60_000);
  expect(collections).toBe(2);
});

test("none comes after the stop", () => {
  const clock = createFakeClock();
  let collections = 0;
  const garbage = createGarbageCollector(clock, () => void collections++);
  garbage.soon();
  garbage.stop();
  clock.advance(60_000);
  expect(collections).toBe(0);
});
