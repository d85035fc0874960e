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

  test("many places that become free at once are all given away, to the keys in turn", () => {
    const clock = createFakeClock();
    const waiting = createWaitingRoom(clock);
    const served: string[] = [];
    let free = 0;
    for (const name of ["a1", "a2", "a3", "a4", "b1", "b2"]) {
      void waiting.wait({
        keyId: name[0]!,
        waitMs: 10_000,
        onLeave: () => () => {},
        tryNow() {
          if (free === 0) return false;
          free--;
          served.push(name);
          return true;
        },
      });
    }
    free = 5;
    waiting.room();
    expect(served).toEqual(["a1", "b1", "a2", "b2", "a3"]);
    expect(waiting.size()).toBe(1);
  });

  test("whoever waits for an account that is still full holds nobody of the same key up", () => {
    const { waiting, served, enter, giveBack } = room();
    void waiting.wait({ keyId: "a", waitMs: 1_000, tryNow: () => false, onLeave: () => () => {} });
    void enter("a2", "a");
    giveBack();
    expect(served).toEqual(["a2"]);
  });

  test("a client that was gone before it waits leaves nothing behind", async () => {
    const { waiting, clock } = room();
    const listeners = new Set<() => void>();
    const waited = waiting.wait({
      keyId: "a",
      waitMs: 1_000,
      tryNow: () => false,
      onLeave(callback) {
        listeners.add(callback);
        callback();
        return () => void listeners.delete(callback);
      },
    });
    expect(await waited).toBe(false);
    expect([waiting.size(), clock.pendingTimers(), listeners.size]).toEqual([0, 0, 0]);
  });

  test("whoever cannot use the free place lets the next key try", () => {
    const { waiting, served, enter, giveBack } = room();
    void waiting.wait({ keyId: "a", waitMs: 1_000, tryNow: () => false, onLeave: () => () => {} });
    void enter("b1", "b");
    giveBack();
    expect(served).toEqual(["b1"]);
  });
});
