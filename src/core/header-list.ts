/** A reply's header lines as they came: order and repeats kept, names in lower case. */

export class HeaderList {
  readonly entries: [name: string, value: string][] = [];

  static parse(lines: readonly string[]): HeaderList {
    const list = new HeaderList();
    for (const line of lines) {
      const colon = line.indexOf(":");
      if (colon <= 0) continue;
      list.entries.push([line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]);
    }
    return list;
  }

  /** The first value of `name` (lower case), or null. */
  get(name: string): string | null {
    for (const entry of this.entries) if (entry[0] === name) return entry[1];
    return null;
  }
}
