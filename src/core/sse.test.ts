import { describe, expect, test } from "bun:test";
import { createSseReader, createSseScanner, eventData, eventType } from "./sse.ts";

const STREAM = Buffer.from(
  'event: a\ndata: {"x":"é"}\n\n: comment\n\ndata: {"type":"b"}\r\n\r\nevent: c\ndata: 1\ndata: 2\n\n',
);
const EVENTS = [
  ["a", '{"x":"é"}'],
  ["", ""],
  ["b", '{"type":"b"}'],
  ["c", "1\n2"],
];

function scan(stream: Buffer, pieceBytes: number, wants: (type: string) => boolean) {
  const events: [string, string][] = [];
  const scanner = createSseScanner({
    wants,
    onEvent: (type, event) => events.push([type, eventData(event)]),
  });
  for (let at = 0; at < stream.length; at += pieceBytes) scanner.push(stream.subarray(at, at + pieceBytes));
  return { events, midEvent: scanner.midEvent() };
}

describe("events in a stream of bytes", () => {
  test("come out the same wherever the bytes are cut, inside UTF-8 and line ends too", () => {
    for (let pieceBytes = 1; pieceBytes <= STREAM.length; pieceBytes++) {
      expect(scan(STREAM, pieceBytes, () => true)).toEqual({
        events: EVENTS as [string, string][],
        midEvent: false,
      });
    }
  });

  test("one that nobody wants is passed over without being kept", () => {
    const stream = Buffer.from(`event: big\ndata: ${"x".repeat(2_000)}\n\nevent: a\ndata: 1\n\n`);
    for (let pieceBytes = 1; pieceBytes < stream.length; pieceBytes += 7) {
      expect(scan(stream, pieceBytes, (type) => type === "a").events).toEqual([["a", "1"]]);
    }
  });

  test("an unfinished one is known as such", () => {
    expect(scan(Buffer.from("event: a\ndata: 1\n"), 100, () => true).midEvent).toBe(true);
  });
});

test("a reader gives the data of every event wherever the bytes are cut", () => {
  const plain = Buffer.from(STREAM.toString().replaceAll("\r", ""));
  for (const stream of [STREAM, plain]) {
    for (let pieceBytes = 1; pieceBytes <= stream.length; pieceBytes++) {
      const data: string[] = [];
      const reader = createSseReader((one) => data.push(one));
      for (let at = 0; at < stream.length; at += pieceBytes)
        reader.push(stream.subarray(at, at + pieceBytes));
      expect(data).toEqual(['{"x":"é"}', '{"type":"b"}', "1\n2"]);
    }
  }
});

test("the type is the event line's, or the first one in the data", () => {
  const types = [
    'event: x.y\ndata: {"type":"z"}',
    'data: {"type":"x.y"}',
    'data: { "type" : "x.y" }',
    ": nothing",
  ];
  expect(types.map((event) => eventType(Buffer.from(event)))).toEqual(["x.y", "x.y", "x.y", ""]);
});
