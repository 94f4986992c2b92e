/**
 * Addresses of servers: `unix:/path`, `tcp://host:port`, `tls://host:port`, `memory:name`.
 *
 * Above: `transport.ts`, `socket_directory.ts`. Below: nothing.
 *
 * @module
 */

import { platform } from "node:os";

/** An address taken apart. */
export type ParsedAddress =
  | { kind: "unix"; path: string }
  | { kind: "tcp" | "tls"; host: string; port: number }
  | { kind: "memory"; name: string };

const forms = '"unix:/path", "tcp://host:port" or "tls://host:port"';

/**
 * Takes an address apart.
 *
 * @throws {TypeError} If the text is no address; the message says what one looks like.
 */
export function parseAddress(address: string): ParsedAddress {
  if (typeof address !== "string") {
    throw new TypeError(`The address must be a string: ${forms}`);
  }
  if (address.startsWith("unix:")) return { kind: "unix", path: unixPath(address) };
  if (address.startsWith("tcp://")) return { kind: "tcp", ...hostAndPort(address) };
  if (address.startsWith("tls://")) return { kind: "tls", ...hostAndPort(address) };
  if (address.startsWith("memory:")) return { kind: "memory", name: memoryName(address) };
  throw new TypeError(`The address "${printable(address)}" is not of the form ${forms}`);
}

/** The text of a TCP or TLS address; an IPv6 host gets its brackets. */
export function formatAddress(kind: "tcp" | "tls", host: string, port: number): string {
  return `${kind}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The most bytes that the path of a Unix socket may have here. */
export const maxSocketPathBytes: number = platform() === "linux" ? 107 : 103;

/** The bytes of a path, which is what the system limits. */
export function pathBytes(path: string): number {
  return new TextEncoder().encode(path).length;
}

/**
 * Refuses a path that the system would refuse or, worse, cut off: runtimes differ in that.
 *
 * @throws {RangeError} If the path is too long; the message has the path and the limit.
 */
export function checkSocketPath(path: string): void {
  const bytes = pathBytes(path);
  if (bytes <= maxSocketPathBytes) return;
  throw new RangeError(
    `The path of a Unix socket has at most ${maxSocketPathBytes} bytes here, "${path}" has ${bytes}: ` +
      "choose a shorter one, for example in /tmp",
  );
}

function unixPath(address: string): string {
  const path = address.slice("unix:".length);
  // A leading NUL names an abstract socket, which has no permissions; any other is a mistake.
  if (path.includes("\0")) {
    throw new TypeError(
      `The address "${printable(address)}" has a NUL: abstract sockets have no permissions, ` +
        "use the path of a file",
    );
  }
  if (!path.startsWith("/")) {
    throw new TypeError(`The path in the address "${address}" must be absolute: "unix:/path"`);
  }
  if (path.endsWith("/")) {
    throw new TypeError(`The path in the address "${address}" must name a file, not a directory`);
  }
  checkSocketPath(path);
  return path;
}

function hostAndPort(address: string): { host: string; port: number } {
  const match = /^(?:tcp|tls):\/\/(?:\[([^\][\s]+)\]|([^\][:/?#@\s]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    const scheme = address.slice(0, 3);
    throw new TypeError(
      `The address "${printable(address)}" is not of the form "${scheme}://host:port" ` +
        `(IPv6: "${scheme}://[::1]:port", port 0 to 65535)`,
    );
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

function memoryName(address: string): string {
  const name = address.slice("memory:".length);
  if (name === "") throw new TypeError(`The address "${address}" needs a name: "memory:1"`);
  return name;
}

/** Control characters as escapes, so that a message shows them. */
function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
