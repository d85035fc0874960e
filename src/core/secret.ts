/** A string that must not be shown: it prints, serialises and inspects as "[redacted]"; only `reveal()` gives it out. */

const REDACTED = "[redacted]";
const inspect = Symbol.for("nodejs.util.inspect.custom");

export class Secret {
  readonly #value: string;
  constructor(value: string) {
    this.#value = value;
  }
  /** The text itself. Every caller of this is a place where a secret leaves the program's care. */
  reveal(): string {
    return this.#value;
  }
  toString(): string {
    return REDACTED;
  }
  toJSON(): string {
    return REDACTED;
  }
  [inspect](): string {
    return REDACTED;
  }
}
