/** Requests at a fixed rate whether or not earlier ones were answered: a stall shows as waiting, not as a pause of the load. */
import { bodyOfSession, type Payload, replyReader, requestHead, sorted } from "./load.ts";
import type { Target } from "./targets.ts";

const CONNECTIONS = 256;

export interface OpenLoopResult {
  /** From the moment a request was due to the end of its reply, sorted. */
  latenciesMs: number[];
  failures: number;
}

export async function openLoop(
  target: Target,
  { rate, seconds, payload }: { rate: number; seconds: number; payload: Payload },
): Promise<OpenLoopResult> {
  const url = new URL(target.origin);
  const latenciesMs: number[] = [];
  const waiting: number[] = [];
  const free: ((dueAt: number) => void)[] = [];
  const sockets: { terminate(): void }[] = [];
  let failures = 0;
  let closing = false;
  for (let index = 0; index < CONNECTIONS; index++) {
    const wire = Buffer.from(
      requestHead(target, payload, `session-${index}`) + bodyOfSession(payload.body, index),
    );
    let dueAt = 0;
    let read = replyReader();
    const send = (due: number) => {
      dueAt = due;
      read = replyReader();
      socket.write(wire);
    };
    const socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        data(_socket, bytes) {
          const end = read(bytes);
          if (end === null) return;
          if (!end.ok) failures++;
          latenciesMs.push(performance.now() - dueAt);
          const next = waiting.shift();
          if (next === undefined) free.push(send);
          else send(next);
        },
        close: () => void (closing || failures++),
      },
    });
    sockets.push(socket);
    free.push(send);
  }
  const total = rate * seconds;
  const started = performance.now();
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * rate));
    for (; sent < due; sent++) {
      const dueAt = started + (sent / rate) * 1000;
      const send = free.pop();
      if (send) send(dueAt);
      else waiting.push(dueAt);
    }
    await Bun.sleep(1);
  }
  const deadline = performance.now() + 5_000;
  while (latenciesMs.length < total && performance.now() < deadline) await Bun.sleep(5);
  failures += total - latenciesMs.length;
  closing = true;
  for (const socket of sockets) socket.terminate();
  return { latenciesMs: sorted(latenciesMs), failures };
}
