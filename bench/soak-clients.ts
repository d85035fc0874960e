/** The clients of the soak: those that read, leave, stall, and talk over WebSockets. Each acts until told to stop. */
import { bodyOfSession, replyReader, requestBody, requestHead } from "./load.ts";
import { RESPONSES_PATH, type Target } from "./targets.ts";

/** What the scripts of the simulated upstream tell apart. */
export const SLOW = "a slow reply:";
export const HUGE = "a huge reply:";

const SESSIONS = 2_000;
/** A reply that takes longer has failed. */
const LIMIT_MS = 60_000;

/** How often each kind of client did what it does; a failure is an answer that the client should have got and did not. */
export interface Tally {
  turns: number;
  left: number;
  stalled: number;
  socketTurns: number;
  failures: number;
}

export type Actor = (target: Target, tally: Tally, isOver: () => boolean) => Promise<void>;

const between = (low: number, high: number) => low + Math.random() * (high - low);
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;
const bodyOf = (word: string, bytes: number) => requestBody(bytes).replace("the quick", `${word} the quick`);
const BODIES = {
  plain: [2_000, 14_000, 60_000].map((bytes) => bodyOf("a", bytes)),
  slow: bodyOf(SLOW, 6_000),
  huge: bodyOf(HUGE, 6_000),
};

interface Reply {
  begun: Promise<void>;
  /** Whether it came whole; false too when the connection ended first. */
  ended: Promise<boolean>;
  pause(): void;
  resume(): void;
  /** Closes with a reset, as a killed client does. */
  leave(): void;
}

async function ask(target: Target, body: string): Promise<Reply> {
  const url = new URL(target.origin);
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<boolean>();
  const read = replyReader();
  const session = Math.floor(Math.random() * SESSIONS);
  const request = { path: RESPONSES_PATH, body: bodyOfSession(body, session) };
  let unsent = Buffer.from(requestHead(target, request, `session-${session}`) + request.body);
  const send = (socket: { write(bytes: Buffer): number }) =>
    void (unsent = unsent.subarray(Math.max(0, socket.write(unsent))));
  function close(): void {
    begun.resolve();
    ended.resolve(false);
  }
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      open: send,
      drain: send,
      data(self, bytes) {
        begun.resolve();
        const reply = read(bytes);
        if (reply === null) return;
        ended.resolve(reply.ok);
        self.end();
      },
      close,
      error: close,
    },
  });
  return {
    begun: begun.promise,
    ended: Promise.race([ended.promise, Bun.sleep(LIMIT_MS).then(() => false)]),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    leave: () => socket.terminate(),
  };
}

/** Asks and reads to the end, each time on a new connection, as Codex does. */
export const reader: Actor = async (target, tally, isOver) => {
  while (!isOver()) {
    const reply = await ask(target, Math.random() < 0.1 ? BODIES.slow : pick(BODIES.plain));
    if (!(await reply.ended)) tally.failures++;
    tally.turns++;
    await Bun.sleep(between(20, 120));
  }
};

/** Leaves before the answer, or in the middle of it. */
export const leaver: Actor = async (target, tally, isOver) => {
  while (!isOver()) {
    const reply = await ask(target, BODIES.slow);
    if (Math.random() < 0.7) await reply.begun;
    await Bun.sleep(between(0, 500));
    reply.leave();
    tally.left++;
  }
};

/** Stops reading 16 MB for some seconds; then every other one reads on to the end, the rest leave. */
export const staller: Actor = async (target, tally, isOver) => {
  while (!isOver()) {
    const reply = await ask(target, BODIES.huge);
    await reply.begun;
    reply.pause();
    await Bun.sleep(between(2_000, 8_000));
    tally.stalled++;
    if (Math.random() < 0.5) {
      reply.resume();
      if (!(await reply.ended)) tally.failures++;
    } else reply.leave();
  }
};

/** A socket for some turns, then closed in one of three ways: properly, between turns without a word, in the middle of a turn. */
export const socketUser: Actor = async (target, tally, isOver) => {
  while (!isOver()) {
    const session = Math.floor(Math.random() * SESSIONS);
    const socket = await connect(target, session);
    if (socket === null) {
      tally.failures++;
      continue;
    }
    for (let left = 1 + Math.floor(Math.random() * 8); left > 0 && !isOver(); left--) {
      if (!(await turn(socket, session))) tally.failures++;
      tally.socketTurns++;
      await Bun.sleep(between(20, 200));
    }
    const way = Math.random();
    if (way < 0.33) socket.close();
    else {
      if (way > 0.66) socket.send(frame(BODIES.slow, session));
      await Bun.sleep(20);
      socket.terminate();
    }
  }
};

const frame = (body: string, session: number) =>
  JSON.stringify({ type: "response.create", ...(JSON.parse(bodyOfSession(body, session)) as object) });

function connect(target: Target, session: number): Promise<WebSocket | null> {
  const headers = {
    ...target.headers,
    "openai-beta": "responses_websockets=2026-02-06",
    "session-id": `session-${session}`,
  };
  const url = `${target.origin.replace("http", "ws")}${RESPONSES_PATH}`;
  const socket = new WebSocket(url, { headers } as unknown as string);
  const { promise, resolve } = Promise.withResolvers<WebSocket | null>();
  socket.addEventListener("open", () => resolve(socket));
  socket.addEventListener("error", () => resolve(null));
  return promise;
}

/** Whether the turn was completed. */
function turn(socket: WebSocket, session: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const end = new AbortController();
  const { signal } = end;
  socket.addEventListener(
    "message",
    ({ data }) => {
      const head = String(data).slice(0, 60);
      if (head.includes('"response.completed"')) resolve(true);
      else if (head.includes('"error"') || head.includes('"response.failed"')) resolve(false);
    },
    { signal },
  );
  socket.addEventListener("close", () => resolve(false), { signal });
  socket.send(frame(pick(BODIES.plain), session));
  return Promise.race([promise, Bun.sleep(LIMIT_MS).then(() => false)]).finally(() => end.abort());
}
