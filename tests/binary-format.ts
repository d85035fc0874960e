/** Reads the headers of executables: which system and processor they are for, and whether a macOS signature holds. */

export type BinaryFormat =
  | { format: "elf"; cpu: string; interpreter: string | null }
  | { format: "mach-o"; cpu: string }
  | { format: "pe"; cpu: string };

const ELF_MACHINES: Record<number, string> = { 0x3e: "x64", 0xb7: "arm64" };
const MACH_CPUS: Record<number, string> = { 0x01000007: "x64", 0x0100000c: "arm64" };
const PE_MACHINES: Record<number, string> = { 0x8664: "x64", 0xaa64: "arm64" };

/** 64-bit files only; throws for anything else. */
export function readFormat(bytes: Buffer): BinaryFormat {
  if (bytes.toString("latin1", 0, 5) === "\x7fELF\x02") {
    return {
      format: "elf",
      cpu: cpuOf(ELF_MACHINES, bytes.readUInt16LE(18)),
      interpreter: interpreter(bytes),
    };
  }
  if (bytes.readUInt32LE(0) === 0xfeedfacf) {
    return { format: "mach-o", cpu: cpuOf(MACH_CPUS, bytes.readUInt32LE(4)) };
  }
  if (bytes.toString("latin1", 0, 2) === "MZ") {
    const header = bytes.readUInt32LE(0x3c);
    if (bytes.toString("latin1", header, header + 4) !== "PE\0\0") throw new Error("not a PE file");
    return { format: "pe", cpu: cpuOf(PE_MACHINES, bytes.readUInt16LE(header + 4)) };
  }
  throw new Error("neither ELF nor Mach-O nor PE");
}

function cpuOf(names: Record<number, string>, machine: number): string {
  return names[machine] ?? `unknown (0x${machine.toString(16)})`;
}

/** The dynamic loader that an ELF file asks for (its program header of type PT_INTERP). */
function interpreter(bytes: Buffer): string | null {
  const headers = Number(bytes.readBigUInt64LE(32));
  const [size, count] = [bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  for (let at = headers; at < headers + size * count; at += size) {
    if (bytes.readUInt32LE(at) !== 3) continue;
    const start = Number(bytes.readBigUInt64LE(at + 8));
    return bytes.toString("latin1", start, bytes.indexOf(0, start));
  }
  return null;
}

const LC_CODE_SIGNATURE = 0x1d;
const CODE_DIRECTORY = 0xfade0c02;

/**
 * How many pages of a Mach-O file are not what its code signature says; macOS kills a program at the first. null: it is
 * not signed, which Apple silicon does not run at all. Layout: cs_blobs.h of Apple's XNU.
 */
export function brokenPages(bytes: Buffer): number | null {
  const signature = signatureOffset(bytes);
  if (signature === null) return null;
  const blobs = bytes.readUInt32BE(signature + 8);
  for (let index = 0; index < blobs; index++) {
    const directory = signature + bytes.readUInt32BE(signature + 16 + 8 * index);
    if (bytes.readUInt32BE(directory) === CODE_DIRECTORY) return brokenPagesOf(bytes, directory);
  }
  return null;
}

function signatureOffset(bytes: Buffer): number | null {
  let command = 32;
  for (let left = bytes.readUInt32LE(16); left > 0; left--) {
    if (bytes.readUInt32LE(command) === LC_CODE_SIGNATURE) return bytes.readUInt32LE(command + 8);
    command += bytes.readUInt32LE(command + 4);
  }
  return null;
}

function brokenPagesOf(bytes: Buffer, directory: number): number {
  const hashes = directory + bytes.readUInt32BE(directory + 16);
  const [pages, end] = [bytes.readUInt32BE(directory + 28), bytes.readUInt32BE(directory + 32)];
  const hashSize = bytes[directory + 36]!;
  const pageSize = 2 ** bytes[directory + 39]!;
  let broken = pages * pageSize < end ? 1 : 0; // What lies behind the last page is not covered.
  for (let page = 0; page < pages; page++) {
    const content = bytes.subarray(page * pageSize, Math.min((page + 1) * pageSize, end));
    const said = bytes.subarray(hashes + page * hashSize, hashes + (page + 1) * hashSize);
    if (!new Bun.CryptoHasher("sha256").update(content).digest().equals(said)) broken += 1;
  }
  return broken;
}
