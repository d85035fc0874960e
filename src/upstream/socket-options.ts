/** Sets the kernel's receive buffer of a socket, which Bun does not offer, so that a reply nobody reads stays small. */
import { dlopen, FFIType, ptr } from "bun:ffi";

type SetReceiveBuffer = (fd: number) => void;

/** SOL_SOCKET and SO_RCVBUF per operating system (Linux: asm-generic/socket.h; macOS: sys/socket.h). */
const CONSTANTS: Partial<Record<NodeJS.Platform, { level: number; option: number; libraries: string[] }>> = {
  linux: {
    level: 1,
    option: 8,
    libraries: ["libc.so.6", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1", "libc.so"],
  },
  darwin: { level: 0xffff, option: 0x1002, libraries: ["libSystem.B.dylib"] },
};

/** Returns a function that bounds a socket's receive buffer to `bytes`; it does nothing where the system offers no way. */
export function receiveBufferSetter(bytes: number): SetReceiveBuffer {
  const constants = CONSTANTS[process.platform];
  if (!constants) return () => {};
  const value = new Int32Array([bytes]);
  for (const library of constants.libraries) {
    try {
      const { symbols } = dlopen(library, {
        setsockopt: {
          args: [FFIType.i32, FFIType.i32, FFIType.i32, FFIType.ptr, FFIType.u32],
          returns: FFIType.i32,
        },
      });
      return (fd) => {
        if (fd >= 0) symbols.setsockopt(fd, constants.level, constants.option, ptr(value), value.byteLength);
      };
    } catch {
      // Not this C library; try the next name.
    }
  }
  return () => {};
}
