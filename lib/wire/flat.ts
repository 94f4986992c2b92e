/**
 * A short way for short messages: a primitive, or an array of a few of them, which is what most
 * calls and replies carry. It writes and reads the same bytes as `messagepack.ts`, and leaves
 * everything else - also whatever is malformed or refused - to it.
 *
 * It exists for its number: 1 000 `dict.set` issued together take 20 to 40 % less time with it.
 *
 * Above: messagepack.ts. Below: nothing.
 *
 * @module
 */

const maxItems = 15;
const maxTextBytes = 31;
const maxItemBytes = maxTextBytes + 1;

/** What {@linkcode decodeFlat} gives for bytes that are not flat. */
export const notFlat: unique symbol = Symbol("not flat");

/** Writes flat values into one buffer, again and again. */
export class FlatEncoder {
  readonly #bytes = new Uint8Array(1 + maxItems * maxItemBytes);
  readonly #numbers = new DataView(this.#bytes.buffer);

  /** The bytes, valid until the next call; undefined if the value is not flat. */
  encode(value: unknown): Uint8Array | undefined {
    if (!Array.isArray(value)) return this.#view(this.#item(value, 0));
    const items = itemsOf(value);
    if (items === undefined) return undefined;
    this.#bytes[0] = 0x90 | items.length;
    let end = 1;
    for (const item of items) {
      end = this.#item(item, end);
      if (end === 0) return undefined;
    }
    return this.#view(end);
  }

  #view(end: number): Uint8Array | undefined {
    return end === 0 ? undefined : this.#bytes.subarray(0, end);
  }

  /** Writes a primitive at the position; gives the next one, or 0 if it is not flat. */
  #item(value: unknown, at: number): number {
    const bytes = this.#bytes;
    switch (typeof value) {
      case "string":
        return this.#text(value, at);
      case "number":
        return this.#number(value, at);
      case "boolean":
        bytes[at] = value ? 0xc3 : 0xc2;
        return at + 1;
      case "object":
        if (value !== null) return 0;
        bytes[at] = 0xc0;
        return at + 1;
    }
    return 0;
  }

  #text(value: string, at: number): number {
    const bytes = this.#bytes;
    const { length } = value;
    if (length > maxTextBytes) return 0;
    bytes[at++] = 0xa0 | length;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit >= 0x80) return 0;
      bytes[at++] = unit;
    }
    return at;
  }

  #number(value: number, at: number): number {
    const bytes = this.#bytes;
    if (value !== value >>> 0) {
      if (Number.isInteger(value)) return 0; // negative, -0 or large
      bytes[at] = 0xcb;
      this.#numbers.setFloat64(at + 1, value);
      return at + 9;
    }
    if (Object.is(value, -0)) return 0;
    if (value < 0x80) {
      bytes[at] = value;
      return at + 1;
    }
    if (value < 0x100) {
      bytes[at] = 0xcc;
      bytes[at + 1] = value;
      return at + 2;
    }
    if (value < 0x10000) {
      bytes[at] = 0xcd;
      this.#numbers.setUint16(at + 1, value);
      return at + 3;
    }
    bytes[at] = 0xce;
    this.#numbers.setUint32(at + 1, value);
    return at + 5;
  }
}

/** The items, before anything is written: an accessor or an ES proxy may encode something itself. */
function itemsOf(list: unknown[]): unknown[] | undefined {
  if (list.length > maxItems) return undefined;
  const items: unknown[] = [];
  try {
    for (let i = 0; i < list.length; i++) {
      const item = list[i];
      if (typeof item === "object" && item !== null) return undefined;
      items.push(item);
    }
  } catch {
    return undefined; // the long way meets it again, and tells where
  }
  return items;
}

/** Reads the whole of the bytes; {@linkcode notFlat} leaves them to the decoder. */
export function decodeFlat(bytes: Uint8Array): unknown {
  const reader = new FlatReader(bytes);
  const head = bytes[0] ?? 0;
  if (head < 0x90 || head > 0x9f) {
    const value = reader.item();
    return reader.position === bytes.length ? value : notFlat;
  }
  reader.position = 1;
  const items: unknown[] = [];
  for (let i = 0; i < (head & maxItems); i++) {
    const item = reader.item();
    if (item === notFlat) return notFlat;
    items.push(item);
  }
  return reader.position === bytes.length ? items : notFlat;
}

class FlatReader {
  readonly #bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  item(): unknown {
    const bytes = this.#bytes;
    const at = this.position++;
    if (at >= bytes.length) return notFlat;
    const head = bytes[at]!;
    if (head < 0x80) return head;
    if (head >= 0xa0 && head < 0xc0) return this.#text(head & maxTextBytes);
    switch (head) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
    }
    if (head < 0xcb || head > 0xce) return notFlat;
    const size = head === 0xcb ? 8 : 1 << (head - 0xcc);
    this.position += size;
    if (this.position > bytes.length) return notFlat;
    const view = new DataView(bytes.buffer, bytes.byteOffset + at + 1, size);
    if (size === 8) return view.getFloat64(0);
    return size === 1 ? view.getUint8(0) : size === 2 ? view.getUint16(0) : view.getUint32(0);
  }

  #text(length: number): unknown {
    const bytes = this.#bytes;
    const end = this.position + length;
    if (end > bytes.length) return notFlat;
    let text = "";
    for (let i = this.position; i < end; i++) {
      const byte = bytes[i]!;
      if (byte >= 0x80) return notFlat;
      text += String.fromCharCode(byte);
    }
    this.position = end;
    return text;
  }
}
