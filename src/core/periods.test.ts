import { describe, expect, test } from "bun:test";
import { bucketIndex, bucketsOf, dateIn, daysBetween, TIMEFRAMES, type TimeframeKey } from "./periods.ts";

const NOW = Date.parse("2026-11-20T10:37:21Z");
const iso = (ms: number) => new Date(ms).toISOString();

describe("chart buckets", () => {
  test.each<[TimeframeKey, number, string, string, string]>([
    ["1d", 24, "2026-11-19T11:00:00.000Z", "2026-11-20T11:00:00.000Z", "2026-11-18T11:00:00.000Z"],
    ["7d", 28, "2026-11-13T12:00:00.000Z", "2026-11-20T12:00:00.000Z", "2026-11-06T12:00:00.000Z"],
    ["30d", 30, "2026-10-22T00:00:00.000Z", "2026-11-21T00:00:00.000Z", "2026-09-22T00:00:00.000Z"],
  ])("%s has %p buckets from %s to %s", (key, count, first, end, previous) => {
    const buckets = bucketsOf(TIMEFRAMES[key], NOW);
    expect(buckets.startsMs).toHaveLength(count);
    expect([iso(buckets.startsMs[0]!), iso(buckets.endMs), iso(buckets.previousStartMs)]).toEqual([
      first,
      end,
      previous,
    ]);
    expect(TIMEFRAMES[key].bucketSeconds * count).toBe(TIMEFRAMES[key].windowMinutes * 60);
    expect(bucketIndex(buckets, NOW)).toBe(count - 1);
  });
  test("each start is the first moment of its bucket", () => {
    const buckets = bucketsOf(TIMEFRAMES["7d"], NOW);
    for (const [index, startMs] of buckets.startsMs.entries()) {
      expect(bucketIndex(buckets, startMs)).toBe(index);
      expect(bucketIndex(buckets, startMs - 1)).toBe(index - 1);
    }
    expect(bucketIndex(buckets, buckets.endMs)).toBe(-1);
  });
});

describe("days of a report", () => {
  test.each([
    ["UTC", "2026-11-20", "2026-11-20T00:00:00.000Z", 24],
    ["America/New_York", "2026-11-20", "2026-11-20T05:00:00.000Z", 24],
    ["Asia/Kolkata", "2026-11-20", "2026-11-19T18:30:00.000Z", 24],
    ["Pacific/Kiritimati", "2026-11-20", "2026-11-19T10:00:00.000Z", 24],
    ["Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z", 23],
    ["Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z", 25],
    ["America/Los_Angeles", "2026-03-08", "2026-03-08T08:00:00.000Z", 23],
    ["America/Los_Angeles", "2026-11-01", "2026-11-01T07:00:00.000Z", 25],
    // Clocks change at midnight itself: the day begins at one o'clock, or has its first hour twice.
    ["America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00.000Z", 23],
    ["America/Havana", "2026-11-01", "2026-11-01T04:00:00.000Z", 25],
    ["Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00.000Z", 23],
  ])("%s %s begins at %s and has %p hours", (timeZone, date, start, hours) => {
    const [day] = daysBetween({ startDate: date, endDate: date, timeZone });
    expect(iso(day!.startMs)).toBe(start);
    expect((day!.endMs - day!.startMs) / 3_600_000).toBe(hours);
    expect(dateIn(timeZone, day!.startMs)).toBe(date);
    expect(dateIn(timeZone, day!.startMs - 1) < date).toBe(true);
    expect(dateIn(timeZone, day!.endMs - 1)).toBe(date);
  });
  test("follow one another without a gap", () => {
    const days = daysBetween({ startDate: "2026-02-27", endDate: "2026-04-02", timeZone: "Europe/Berlin" });
    expect(days).toHaveLength(35);
    expect(days[2]!.date).toBe("2026-03-01");
    for (let i = 1; i < days.length; i += 1) expect(days[i]!.startMs).toBe(days[i - 1]!.endMs);
  });
  test.each([
    [{ startDate: "2026-02-30" }, "start_date"],
    [{ startDate: "20260220" }, "start_date"],
    [{ endDate: "2026-11-00" }, "end_date"],
    [{ endDate: "2026-10-31" }, "end_date"],
    [{ endDate: "2028-11-20" }, "end_date"],
    [{ timeZone: "Mars/Base" }, "timezone"],
    [{ timeZone: "" }, "timezone"],
  ])("%j is refused at %p", (given, param) => {
    expect(() =>
      daysBetween({ startDate: "2026-11-01", endDate: "2026-11-20", timeZone: "UTC", ...given }),
    ).toThrow(expect.objectContaining({ code: "validation_error", status: 422, param }));
  });
});
