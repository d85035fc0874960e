import { expect, test } from "bun:test";
import { createFakeClock } from "./fake-clock.ts";
import { createSeededRandom } from "./seeded-random.ts";

test("tasks run at their time, in order, and may schedule more within the same advance", () => {
  const clock = createFakeClock(1000);
  const ran: [string, number][] = [];
  const note = (name: string) => () => ran.push([name, clock.now()]);
  clock.schedule(20, note("later"));
  clock.schedule(10, () => {
    note("first")();
    clock.schedule(5, note("nested"));
  });
  clock.schedule(20, note("later still"));
  clock.schedule(15, note("cancelled")).cancel();
  clock.advance(20);
  expect(ran).toEqual([
    ["first", 1010],
    ["nested", 1015],
    ["later", 1020],
    ["later still", 1020],
  ]);
  expect([clock.now(), clock.monotonic(), clock.pendingTimers()]).toEqual([1020, 20, 0]);
});

test("the same seed gives the same chance, another seed another, all of it within bounds", () => {
  const draw = (seed: number) => Array.from({ length: 1000 }, createSeededRandom(seed).next);
  expect(draw(1)).toEqual(draw(1));
  expect(draw(1)).not.toEqual(draw(2));
  expect(draw(3).every((value) => value >= 0 && value < 1)).toBe(true);
  const mean = draw(4).reduce((sum, value) => sum + value, 0) / 1000;
  expect(mean).toBeWithin(0.45, 0.55);
  expect(createSeededRandom(5).bytes(3)).toEqual(createSeededRandom(5).bytes(3));
});
