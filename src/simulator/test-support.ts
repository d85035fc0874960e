/** Helpers of the simulator's own tests: a started simulator that stops with the test, and small clients. */
import { afterEach } from "bun:test";
import { connect, type Socket } from "node:net";
import { createSimulator } from "./simulator.ts";
import type { Simulator, SimulatorOptions } from "./types.ts";

/** Longer than any wait of a passing test. */
const PATIENCE_MS = 5000;
const running: Simulator[] = [];

afterEach(async () => {
  for (const simulator of running.splice(0)) await simulator.stop();
});

export async function startSimulator(options: Partial<SimulatorOptions> = {}): Promise<Simulator> {
  const simulator = createSimulator({ accounts: [{}], ...options });
  running.push(simulator);
  await simulator.start();
  return simulator;
}

/** Headers of a client that is logged in as that account. */
export function headersOf(simulator: Simulator, account = 0): Record<string, string> {
  const { tokens } = simulator.issueAuthJson(account);
  return {
    authorization: `Bearer ${tokens!.access_token}`,
    "chatgpt-account-id": tokens!.account_id,
    "content-type": "application/json",
  };
}

export function turnBody(text: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  const message = { type: "message", role: "user", content: [{ type: "input_text", text }] };
  return { model: "gpt-5.5", stream: true, store: false, input: [message], ...more };
}

export function postTurn(
  simulator: Simulator,
  body: Record<string, unknown>,
  headers = headersOf(simulator),
): Promise<Response> {
  const url = `${simulator.urls.backendBaseUrl}/codex/responses`;
  return fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
}

// Tests read deep into events of many shapes; a wrong path fails the test by itself.
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyEvent = Record<string, any> & { type: string };

export function eventsOf(sse: string): AnyEvent[] {
  return sse
    .split("\n\n")
    .filter((block) => block.includes("data: "))
    .map((block) => JSON.parse(block.slice(block.indexOf("data: ") + 6)) as AnyEvent);
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never true: ${condition.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A bare TCP client that has sent a turn; `received` grows, `ended` says how the connection ended. */
export function rawTurn(simulator: Simulator, body: Record<string, unknown>) {
  const text = JSON.stringify(body);
  const headers = {
    ...headersOf(simulator),
    host: "127.0.0.1",
    "content-length": String(Buffer.byteLength(text)),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket: Socket = connect(Number(new URL(simulator.urls.origin).port), "127.0.0.1");
  const state = { socket, received: "", ended: null as null | "fin" | "reset" };
  socket.on("data", (bytes) => (state.received += bytes.toString("latin1")));
  socket.on("end", () => (state.ended ??= "fin"));
  socket.on("error", () => (state.ended ??= "reset"));
  socket.write(`POST /backend-api/codex/responses HTTP/1.1\r\n${head.join("")}\r\n${text}`);
  return state;
}

/** A WebSocket client that keeps what it receives. */
export async function openSocket(simulator: Simulator, account = 0) {
  const url = `${simulator.urls.backendBaseUrl.replace("http", "ws")}/codex/responses`;
  const socket = new WebSocket(url, { headers: headersOf(simulator, account) } as unknown as string[]);
  const frames: AnyEvent[] = [];
  const state = { socket, frames, closeCode: null as number | null, create, next };
  socket.addEventListener("message", (message) => void frames.push(JSON.parse(String(message.data))));
  socket.addEventListener("close", (event) => (state.closeCode = event.code));
  function create(body: Record<string, unknown>): void {
    socket.send(JSON.stringify({ type: "response.create", ...body }));
  }
  /** Waits for the next frame of one of these types and takes everything up to it. */
  async function next(...types: string[]): Promise<AnyEvent[]> {
    await until(() => frames.some((frame) => types.includes(frame.type)));
    return frames.splice(0, frames.findIndex((frame) => types.includes(frame.type)) + 1);
  }
  await until(() => socket.readyState !== WebSocket.CONNECTING);
  return state;
}
