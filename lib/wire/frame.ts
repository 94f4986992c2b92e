/**
 * Frames: bytes with a length in front. {@linkcode FrameWriter} packs many small frames into few
 * chunks for one write; {@linkcode FrameReader} cuts what a transport delivers back into frames;
 * {@linkcode Fields} reads the fields of one frame.
 *
 * Above: protocol.ts, which gives the fields their meaning. Below: nothing.
 *
 * Layout: 4 bytes length of the body (little-endian), 1 byte kind, then the body's fields. Integers
 * are base-128 varints, least significant group first, up to 2^53 - 1.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";

/** Bytes before the body: the length. */
export const headerBytes = 4;

const slabBytes = 64 * 1024;
/** A larger room for frames in parts is not kept for the next one. */
const maxKeptBytes = 4 * 1024 * 1024;
const maxVarintBytes = 8;
const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Packs frames one behind the other; the bytes wait until they are taken. */
export class FrameWriter {
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;
  #slab: Uint8Array = new Uint8Array(0);
  #taken = 0;
  #frame = 0;
  #end = 0;

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.#chunkBytes + this.#end - this.#taken;
  }

  /** Begins a frame whose body, the kind included, needs at most `capacity` bytes. */
  begin(kind: number, capacity: number): void {
    const needed = headerBytes + capacity + 1;
    if (this.#slab.length - this.#end < needed) this.#nextSlab(needed);
    this.#frame = this.#end;
    this.#end += headerBytes;
    this.#slab[this.#end++] = kind;
  }

  /** Appends one byte. */
  byte(value: number): void {
    this.#slab[this.#end++] = value;
  }

  /** Appends an integer of 0 to 2^53 - 1. */
  varint(value: number): void {
    const slab = this.#slab;
    while (value >= 0x80) {
      slab[this.#end++] = (value % 0x80) | 0x80;
      value = value < 0x80000000 ? value >>> 7 : Math.floor(value / 0x80);
    }
    slab[this.#end++] = value;
  }

  /** Appends a copy of the bytes. */
  bytes(value: Uint8Array): void {
    this.#slab.set(value, this.#end);
    this.#end += value.length;
  }

  /** Ends the frame that was begun; `rest` is its last field, which is not copied: the writer takes it over. */
  finish(rest?: Uint8Array): void {
    const slab = this.#slab;
    const frame = this.#frame;
    const length = this.#end - frame - headerBytes + (rest ? rest.length : 0);
    slab[frame] = length;
    slab[frame + 1] = length >>> 8;
    slab[frame + 2] = length >>> 16;
    slab[frame + 3] = length >>> 24;
    if (!rest) return;
    this.#closeChunk();
    this.#chunks.push(rest);
    this.#chunkBytes += rest.length;
  }

  /** Hands over everything written so far, in order; the writer keeps no claim on the chunks. */
  take(): Uint8Array[] {
    this.#closeChunk();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }

  /** Appends whole frames, which the writer takes over. */
  append(chunks: readonly Uint8Array[]): void {
    this.#closeChunk();
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#chunkBytes += chunk.length;
    }
  }

  #closeChunk(): void {
    if (this.#end === this.#taken) return;
    this.#chunks.push(this.#slab.subarray(this.#taken, this.#end));
    this.#chunkBytes += this.#end - this.#taken;
    this.#taken = this.#end;
  }

  #nextSlab(needed: number): void {
    this.#closeChunk();
    this.#slab = new Uint8Array(Math.max(slabBytes, needed));
    this.#taken = this.#end = 0;
  }
}

/** The most bytes that the fields of a frame need beside payload: `count` varints and as many single bytes. */
export function fieldBytes(count: number): number {
  return count * (maxVarintBytes + 1);
}

/** How many bytes an integer is. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes++;
  return bytes;
}

/** Cuts a stream of bytes into frames. A frame longer than `maxBytes` is a ProtocolError. */
export class FrameReader {
  /** The longest body that is accepted, in bytes; may be changed between frames. */
  maxBytes: number;
  /** Where a frame that arrives in parts is put together; used again and again. */
  #assembly: Uint8Array = new Uint8Array(0);
  /** How much of that frame is there; 0: none has begun. */
  #filled = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Calls `receive` with the fields of each complete frame. They are valid only during the call. */
  push(chunk: Uint8Array, receive: (fields: Fields) => void): void {
    let offset = 0;
    if (this.#filled > 0) {
      offset = this.#assemble(chunk, receive);
      if (this.#filled > 0) return;
    }
    while (chunk.length - offset >= headerBytes) {
      const end = offset + headerBytes + this.#bodyLength(chunk, offset);
      if (end > chunk.length) break;
      receive(new Fields(chunk, offset + headerBytes, end));
      offset = end;
    }
    if (offset < chunk.length) this.#fill(chunk, offset, chunk.length);
  }

  /** Adds to the frame that has begun until it is whole or the chunk is used up; gives where it ends. */
  #assemble(chunk: Uint8Array, receive: (fields: Fields) => void): number {
    let offset = 0;
    if (this.#filled < headerBytes) {
      offset = Math.min(headerBytes - this.#filled, chunk.length);
      this.#fill(chunk, 0, offset);
      if (this.#filled < headerBytes) return offset;
    }
    const length = headerBytes + this.#bodyLength(this.#assembly, 0);
    const end = Math.min(offset + length - this.#filled, chunk.length);
    this.#fill(chunk, offset, end);
    if (this.#filled < length) return end;
    const whole = this.#assembly;
    this.#filled = 0;
    if (whole.length > maxKeptBytes) this.#assembly = new Uint8Array(0);
    receive(new Fields(whole, headerBytes, length));
    return end;
  }

  /** Room grows with what arrives, not with what a header claims. */
  #fill(chunk: Uint8Array, start: number, end: number): void {
    const filled = this.#filled + end - start;
    if (filled > this.#assembly.length) {
      const larger = new Uint8Array(Math.max(filled, 2 * this.#assembly.length));
      larger.set(this.#assembly.subarray(0, this.#filled));
      this.#assembly = larger;
    }
    this.#assembly.set(chunk.subarray(start, end), this.#filled);
    this.#filled = filled;
  }

  #bodyLength(chunk: Uint8Array, offset: number): number {
    const length = (chunk[offset]! | chunk[offset + 1]! << 8 | chunk[offset + 2]! << 16 |
      chunk[offset + 3]! << 24) >>> 0;
    if (length > this.maxBytes) {
      throw new ProtocolError(
        `Cannot read a frame of ${length} bytes: the limit is ${this.maxBytes} bytes`,
      );
    }
    if (length === 0) {
      throw new ProtocolError("Cannot read a frame without a kind: its length is 0");
    }
    return length;
  }
}

/** Reads the fields of one frame's body in order; anything that is not there is a ProtocolError. */
export class Fields {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;

  /** The body stands in `bytes` from `start` to `end`: a view for each of many small frames would cost more than all their fields. */
  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    this.#bytes = bytes;
    this.#end = end;
    this.#offset = start;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** Reads one byte. */
  byte(): number {
    if (this.#offset >= this.#end) throw cut();
    return this.#bytes[this.#offset++]!;
  }

  /** Reads an integer of 0 to 2^53 - 1. */
  varint(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let scale = 0x80;
    for (let count = 1; count < maxVarintBytes; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break;
        return value;
      }
      scale *= 0x80;
    }
    throw new ProtocolError("Cannot read an integer of more than 53 bits");
  }

  /** Reads `length` bytes, without copying them. */
  bytes(length: number): Uint8Array {
    if (length > this.remaining) throw cut();
    return this.#bytes.subarray(this.#offset, this.#offset += length);
  }

  /** Reads all that is left, without copying it. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  /** Reads all that is left as a JSON object. */
  json(): Record<string, unknown> {
    let value: unknown;
    try {
      value = JSON.parse(strictUtf8.decode(this.rest()));
    } catch (cause) {
      throw new ProtocolError("Cannot read a frame's JSON", { cause });
    }
    if (typeof value !== "object" || value === null) {
      throw new ProtocolError("Cannot read a frame's JSON: it is not an object");
    }
    return value as Record<string, unknown>;
  }

  /** Ends the frame: bytes that nobody read are a ProtocolError. */
  end(): void {
    if (this.remaining > 0) {
      throw new ProtocolError(`Cannot read a frame: ${this.remaining} bytes too many`);
    }
  }
}

/** The bytes of a JSON object, as {@linkcode Fields.json} reads them. */
export function jsonBytes(value: object): Uint8Array {
  return utf8.encode(JSON.stringify(value));
}

function cut(): ProtocolError {
  return new ProtocolError("Cannot read a frame: it ends in the middle of a field");
}
