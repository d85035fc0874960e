import { describe, expect, test } from "bun:test";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createWaitingRoom, MAX_WAITING } from "./waiting.ts";

function room() {
  const clock = createFakeClock();
  const waiting = createWaitingRoom(clock);
  const served: string[] = [];
  /** One place: whoever may try first takes it. */
  let free = false;
  const enter = (name: string, keyId: string, waitMs = 10_000) =>
    waiting.wait({
      keyId,
      waitMs,
      onLeave: () => () => {},
      tryNow() {
        if (!free) return false;
        free = false;
        served.push(name);
        return true;
      },
    });
  function giveBack(): void {
    free = true;
    waiting.room();
  }
  return { clock, waiting, served, enter, giveBack };
}

describe("the queue in front of a full pool", () => {
  test("keys take turns, and within a key the first comes first", () => {
    const { served, enter, giveBack } = room();
    for (const name of ["a1", "a2", "a3"]) void enter(name, "a");
    for (const name of ["b1", "b2"]) void enter(name, "b");
    void enter("c1", "c");
    for (let place = 0; place < 6; place++) giveBack();
    expect(served).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
  });

  test("a wait ends with its time", async () => {
    const { clock, waiting, enter } = room();
    const waited = enter("late", "a", 500);
    clock.advance(499);
    expect(waiting.size()).toBe(1);
    clock.advance(1);
    expect(await waited).toBe(false);
    expect(waiting.size()).toBe(0);
  });

  test("a client that leaves gives up its place in the queue", async () => {
    const { waiting } = room();
    let leave = () => {};
    const waited = waiting.wait({
      keyId: "a",
      waitMs: 1_000,
      tryNow: () => false,
      onLeave(callback) {
        leave = callback;
        return () => {};
      },
    });
    leave();
    expect(await waited).toBe(false);
    expect(waiting.size()).toBe(0);
  });

  test("a full room refuses at once", async () => {
    const { waiting, enter } = room();
    for (let guest = 0; guest < MAX_WAITING; guest++) void enter(`${guest}`, `${guest}`);
    expect(await enter("one more", "one more")).toBe(false);
    expect(waiting.size()).toBe(MAX_WAITING);
  });

  test("whoever cannot use the free place lets the next key try", () => {
    const { waiting, served, enter, giveBack } = room();
    void waiting.wait({ keyId: "a", waitMs: 1_000, tryNow: () => false, onLeave: () => () => {} });
    void enter("b1", "b");
    giveBack();
    expect(served).toEqual(["b1"]);
  });
});
