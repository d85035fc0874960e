/** Claims about guessing: who waits, for how long, and who never has to. */
import { expect, test } from "bun:test";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createThrottle, type Guesser } from "./throttle.ts";

const remote = (ip: string): Guesser => ({ ip, isLocal: false });
const owner: Guesser = { ip: "127.0.0.1", isLocal: true };

function throttle() {
  const clock = createFakeClock();
  const it = createThrottle(clock);
  const waitSeconds = (guesser: Guesser): number => {
    try {
      it.check(guesser);
      return 0;
    } catch (error) {
      return (error as { retryAfterSeconds: number }).retryAfterSeconds;
    }
  };
  const fail = (guesser: Guesser, times: number) => {
    for (let n = 0; n < times; n++) it.failed(guesser);
  };
  return { ...it, clock, waitSeconds, fail };
}

test("the fifth failure starts a wait that doubles up to a quarter of an hour", () => {
  const { fail, waitSeconds } = throttle();
  const waits = Array.from({ length: 18 }, () => {
    fail(remote("192.0.2.1"), 1);
    return waitSeconds(remote("192.0.2.1"));
  });
  expect(waits).toEqual([0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
});

test("the wait ends by itself, and an hour of quiet forgets the failures", () => {
  const { clock, fail, waitSeconds } = throttle();
  fail(remote("192.0.2.1"), 6);
  clock.advance(2000);
  expect(waitSeconds(remote("192.0.2.1"))).toBe(0);
  clock.advance(60 * 60_000);
  fail(remote("192.0.2.1"), 4);
  expect(waitSeconds(remote("192.0.2.1"))).toBe(0);
});

test("another address is not held up, another one of the same IPv6 network is", () => {
  const { fail, waitSeconds } = throttle();
  fail(remote("192.0.2.1"), 9);
  fail(remote("2001:db8::1"), 9);
  expect(waitSeconds(remote("192.0.2.2"))).toBe(0);
  expect(waitSeconds(remote("2001:db8::ffff:2"))).toBe(16);
});

test("the owner on this machine never waits more than five seconds", () => {
  const { fail, waitSeconds } = throttle();
  fail(owner, 100);
  expect(waitSeconds(owner)).toBe(5);
});

test("many addresses together hold up strangers, neither the owner nor who has signed in before", () => {
  const { clock, fail, succeeded, waitSeconds } = throttle();
  succeeded(remote("198.51.100.7"));
  for (let n = 0; n < 200; n++) fail(remote(`192.0.2.${n}`), 1);
  expect(waitSeconds(remote("203.0.113.1"))).toBe(900);
  expect(waitSeconds(remote("198.51.100.7"))).toBe(0);
  expect(waitSeconds(owner)).toBe(0);
  clock.advance(15 * 60_000);
  expect(waitSeconds(remote("203.0.113.1"))).toBe(0);
});

test("a success forgets the failures", () => {
  const { fail, succeeded, waitSeconds } = throttle();
  fail(remote("192.0.2.1"), 9);
  succeeded(remote("192.0.2.1"));
  fail(remote("192.0.2.1"), 4);
  expect(waitSeconds(remote("192.0.2.1"))).toBe(0);
});

test("what is taken back is one failure, not those before it", () => {
  const { clock, fail, forgiven, waitSeconds } = throttle();
  const guest = remote("192.0.2.1");
  const waits = Array.from({ length: 7 }, () => {
    fail(guest, 1);
    const wait = waitSeconds(guest);
    clock.advance(wait * 1000);
    fail(guest, 1);
    forgiven(guest);
    return wait;
  });
  expect(waits).toEqual([0, 0, 0, 0, 1, 2, 4]);
});
