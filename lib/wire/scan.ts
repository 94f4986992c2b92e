/**
 * The check of a MessagePack message before anything is built from it. It allocates nothing and
 * follows every claim of a header, so what passes has only elements that are really there, at most
 * one for each byte: a header that claims four billion elements, or a chain of them, runs into the
 * end of the message.
 *
 * What else `@msgpack/msgpack` would let through is refused here: bytes that are not UTF-8,
 * binaries that alias the message, keys that are no strings, nesting without end.
 *
 * Above: the serializer. Below: the error tree.
 *
 * @module
 */

import { isUtf8 } from "node:buffer";
import { ProtocolError } from "../errors.ts";
import { maxObjects } from "./kinds.ts";

/** Below this many bytes a loop is faster than a native call. */
const nativeUtf8Bytes = 64;

/** Longer strings lose a byte order mark in the decoder of `@msgpack/msgpack`. */
const bomBytes = 200;

/** Which extension types count as objects, and which one is the mark of a container. */
export interface ScanTable {
  /** The extension types below this one are no objects in memory. */
  readonly firstObject: number;
  /** The extension type that marks a container. */
  readonly mark: number;
  /** Nesting allowed. */
  readonly maxDepth: number;
}

/** Checks the whole message; true if it has a mark. Throws ProtocolError. */
export function scan(bytes: Uint8Array, table: ScanTable): boolean {
  const scanner = new Scanner(bytes, table);
  scanner.value(0);
  if (scanner.position !== bytes.length) {
    throw new ProtocolError(
      `The message goes on for ${bytes.length - scanner.position} bytes after its value`,
    );
  }
  return scanner.marked;
}

class Scanner {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly table: ScanTable;
  position = 0;
  marked = false;
  objects = 0;

  constructor(bytes: Uint8Array, table: ScanTable) {
    this.bytes = bytes;
    this.length = bytes.length;
    this.table = table;
  }

  value(depth: number): void {
    const head = this.integer(1);
    if (head < 0x80 || head >= 0xe0) return;
    if (head < 0x90) return this.map(head - 0x80, depth);
    if (head < 0xa0) return this.array(head - 0x90, depth);
    if (head < 0xc0) return this.text(head - 0xa0);
    this.rare(head, depth);
  }

  rare(head: number, depth: number): void {
    switch (head) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xc7: // ext 8, 16, 32
      case 0xc8:
      case 0xc9:
        return this.extension(this.integer(1 << (head - 0xc7)));
      case 0xca: // float 32, 64
      case 0xcb:
        return this.skip(4 << (head - 0xca));
      case 0xcc: // uint 8, 16, 32, 64
      case 0xcd:
      case 0xce:
      case 0xcf:
        return this.skip(1 << (head - 0xcc));
      case 0xd0: // int 8, 16, 32, 64
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.skip(1 << (head - 0xd0));
      case 0xd4: // fixext 1, 2, 4, 8, 16
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.extension(1 << (head - 0xd4));
      case 0xd9: // str 8, 16, 32
      case 0xda:
      case 0xdb:
        return this.text(this.integer(1 << (head - 0xd9)));
      case 0xdc: // array 16, 32
      case 0xdd:
        return this.array(this.integer(2 << (head - 0xdc)), depth);
      case 0xde: // map 16, 32
      case 0xdf:
        return this.map(this.integer(2 << (head - 0xde)), depth);
      default:
        // 0xc1 means nothing; bin would be decoded as a view of the message.
        throw new ProtocolError(`The tag 0x${head.toString(16)} is not used in messages`);
    }
  }

  array(size: number, depth: number): void {
    this.enter(depth);
    this.claim(size);
    for (let i = 0; i < size; i++) this.value(depth + 1);
  }

  map(size: number, depth: number): void {
    this.enter(depth);
    this.claim(2 * size);
    for (let i = 0; i < size; i++) {
      this.key();
      this.value(depth + 1);
    }
  }

  key(): void {
    const head = this.integer(1);
    if (head >= 0xa0 && head < 0xc0) return this.text(head - 0xa0);
    if (head < 0xd9 || head > 0xdb) throw new ProtocolError("A key is not a string");
    this.text(this.integer(1 << (head - 0xd9)));
  }

  extension(size: number): void {
    const type = this.integer(1);
    if (type === this.table.mark) this.marked = true;
    else if (type >= this.table.firstObject) this.count();
    this.skip(size);
  }

  text(size: number): void {
    this.claim(size);
    const { bytes, position } = this;
    const end = position + size;
    this.position = end;
    if (size < nativeUtf8Bytes) {
      let i = position;
      while (i < end && bytes[i]! < 0x80) i++;
      if (i === end) return;
    }
    if (!isUtf8(bytes.subarray(position, end))) throw new ProtocolError("A string is not UTF-8");
    if (size > bomBytes && bytes[position] === 0xef && bytes[position + 1] === 0xbb) {
      if (bytes[position + 2] === 0xbf) throw new ProtocolError("A string has a byte order mark");
    }
  }

  enter(depth: number): void {
    this.count();
    if (depth < this.table.maxDepth) return;
    throw new ProtocolError(`Nested deeper than the limit "maxDepth" of ${this.table.maxDepth}`);
  }

  count(): void {
    if (++this.objects <= maxObjects) return;
    throw new ProtocolError(`More than ${maxObjects.toLocaleString("en")} objects in one message`);
  }

  /** Every element and every byte that a header claims must be there. */
  claim(size: number): void {
    if (size <= this.length - this.position) return;
    throw new ProtocolError(
      `The message ends after ${this.length} bytes, but ${size} more were announced`,
    );
  }

  skip(size: number): void {
    this.claim(size);
    this.position += size;
  }

  /** Reads an unsigned big-endian integer of 1, 2 or 4 bytes. */
  integer(size: number): number {
    const { bytes, position } = this;
    if (position + size > this.length) throw new ProtocolError("The message ends too early");
    this.position = position + size;
    if (size === 1) return bytes[position]!;
    if (size === 2) return (bytes[position]! << 8) | bytes[position + 1]!;
    return ((bytes[position]! << 24) | (bytes[position + 1]! << 16) |
      (bytes[position + 2]! << 8) | bytes[position + 3]!) >>> 0;
  }
}
