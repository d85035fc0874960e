/** A client of the WebSocket path that keeps the frames it receives as text, for tests. */

export type AnyFrame = Record<string, unknown> & { type: string };

export interface SocketClient {
  /** As they came. */
  readonly texts: string[];
  readonly socket: WebSocket;
  /** null while open. */
  closeCode(): number | null;
  create(body: Record<string, unknown>): void;
  send(text: string): void;
  /** Everything up to the next frame of one of these types, that one included; taken away. */
  next(...types: string[]): Promise<AnyFrame[]>;
  /** The same as text. */
  nextTexts(...types: string[]): Promise<string[]>;
  closed(): Promise<number>;
  close(): void;
}

/** Longer than any wait of a passing test. */
const PATIENCE_MS = 8_000;
export const TERMINAL = ["response.completed", "response.failed", "response.incomplete", "error"];

export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Connects to `path` of a service; rejects when the handshake is refused. */
export async function openSocketClient(
  serviceUrl: string,
  headers: Record<string, string> = {},
  path = "/backend-api/codex/responses",
): Promise<SocketClient> {
  const url = `${serviceUrl.replace("http", "ws")}${path}`;
  const socket = new WebSocket(url, { headers } as unknown as string[]);
  const texts: string[] = [];
  const types: string[] = [];
  let closeCode: number | null = null;
  socket.addEventListener("message", (message) => {
    texts.push(String(message.data));
    types.push((JSON.parse(String(message.data)) as AnyFrame).type);
  });
  socket.addEventListener("close", (event) => void (closeCode = event.code));
  await until("the handshake ends", () => socket.readyState !== WebSocket.CONNECTING);
  if (socket.readyState !== WebSocket.OPEN) throw new Error("the handshake was refused");

  async function nextTexts(...wanted: string[]): Promise<string[]> {
    await until(`a frame ${wanted.join(" or ")} after ${types.join(", ")}`, () =>
      types.some((type) => wanted.includes(type)),
    );
    const count = types.findIndex((type) => wanted.includes(type)) + 1;
    types.splice(0, count);
    return texts.splice(0, count);
  }
  return {
    texts,
    socket,
    closeCode: () => closeCode,
    create: (body) => socket.send(JSON.stringify({ type: "response.create", ...body })),
    send: (text) => socket.send(text),
    nextTexts,
    next: async (...wanted) => (await nextTexts(...wanted)).map((text) => JSON.parse(text) as AnyFrame),
    async closed() {
      await until("the socket closes", () => closeCode !== null);
      return closeCode!;
    },
    close: () => socket.close(),
  };
}
