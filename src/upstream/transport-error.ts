/** How a connection to upstream can fail. */

export type TransportPhase = "connect" | "headers" | "body";

/** The connection failed. `code` is short and safe to log; it never holds upstream's words. */
export class TransportError extends Error {
  readonly phase: TransportPhase;
  readonly code: string;
  constructor(phase: TransportPhase, code: string) {
    super(`upstream ${phase}: ${code}`);
    this.name = "TransportError";
    this.phase = phase;
    this.code = code;
  }
}
