import { expect, test } from "bun:test";
import { createSpareMemoryJob } from "./spare-memory.ts";

const MB = 1024 * 1024;

function fixture() {
  const state = { resident: 60 * MB, live: 60 * MB, cpu: 0, collections: 0 };
  const job = createSpareMemoryJob({
    resident: () => state.resident,
    cpuMs: () => state.cpu,
    collect() {
      state.collections++;
      state.resident = state.live;
    },
  });
  return { state, run: () => job.run() };
}

test("a quiet process collects once after it has grown, and not again before it grows again", async () => {
  const { state, run } = fixture();
  await run();
  expect(state.collections).toBe(1);
  state.resident = 100 * MB;
  state.live = 70 * MB;
  await run();
  await run();
  expect(state.collections).toBe(2);
  state.resident = 73 * MB;
  await run();
  expect(state.collections).toBe(2);
  state.resident = 75 * MB;
  await run();
  expect(state.collections).toBe(3);
});

test("a busy process is left alone", async () => {
  const { state, run } = fixture();
  state.resident = 500 * MB;
  for (let tick = 0; tick < 5; tick++) {
    state.cpu += 101;
    await run();
  }
  expect(state.collections).toBe(0);
  state.cpu += 99;
  await run();
  expect(state.collections).toBe(1);
});

test("pages that the system took back count as growth when they come again", async () => {
  const { state, run } = fixture();
  await run();
  state.resident = 40 * MB;
  await run();
  state.resident = 45 * MB;
  await run();
  expect(state.collections).toBe(2);
});
