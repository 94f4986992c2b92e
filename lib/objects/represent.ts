/**
 * Writes a value down as Python's `repr` does: what `str(proxy)` prints and what error texts quote.
 *
 * Above: the referents and the server. Below: `data.ts`.
 *
 * @module
 */

import { kindOf } from "./data.ts";

/** The longest representation, in bytes of UTF-8; what is longer is cut and ends with `...`. */
export const maxRepresentationBytes: number = 2 ** 20;

/**
 * The value in Python's spelling where Python has it: `[1, 2, 'hello', True, None]`, `{'a': 1}`,
 * `set()`. Whole numbers have no `.0`, since JavaScript has one kind of number. A container inside
 * itself is `[...]`, a proxy its own representation, an instance of a class its `toString` or
 * `<Counter object>`. The work done is bounded by `maxBytes`, not by the value.
 */
export function represent(value: unknown, maxBytes: number = maxRepresentationBytes): string {
  return new Representation(maxBytes).value(value).toString();
}

/** The value between double quotes, short enough for an error text. */
export function quoted(value: unknown): string {
  if (value === undefined || value === null) return `"${value}"`;
  if (typeof value !== "string") return `"${represent(value, 80)}"`;
  return value.length > 80 ? `"${value.slice(0, 77)}..."` : `"${value}"`;
}

/** A float in Python's spelling: as {@linkcode represent}, but with `.0` where it is whole. */
export function representFloat(value: number): string {
  if (!Number.isInteger(value)) return number(value);
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  return Math.abs(value) < 1e16 ? `${value}.0` : exponential(value);
}

/** A representation in the making. It takes what fits and is `full` from then on. */
export class Representation {
  #maxBytes: number;
  #parts: string[] = [];
  /** In UTF-16 code units: never more than the bytes, so a bound for the work to be done. */
  #length = 0;
  /** The containers around what is being written. */
  #open: Set<object> = new Set();

  /** Starts an empty representation of at most `maxBytes`. */
  constructor(maxBytes: number = maxRepresentationBytes) {
    this.#maxBytes = maxBytes;
  }

  /** Whether nothing more fits: loops end here. */
  get full(): boolean {
    return this.#length > this.#maxBytes;
  }

  /** Adds text as it is. */
  raw(text: string): this {
    if (this.full) return this;
    // One unit more than fits is kept, it shows that something was cut.
    const part = text.slice(0, this.#maxBytes - this.#length + 1);
    this.#parts.push(part);
    this.#length += part.length;
    return this;
  }

  /** Adds the representation of a value. */
  value(value: unknown): this {
    if (typeof value === "string") return this.#string(value);
    if (typeof value === "object" && value !== null) return this.#object(value);
    return this.raw(primitive(value));
  }

  /** Adds the values with `, ` between them. */
  values(values: Iterable<unknown>): this {
    return this.#separated(values, (value) => this.value(value));
  }

  /** Adds `key: value` for each entry, with `, ` between them. */
  entries(entries: Iterable<readonly [unknown, unknown]>): this {
    return this.#separated(entries, ([key, value]) => this.value(key).raw(": ").value(value));
  }

  /** The text, cut to the size that was asked for. */
  toString(): string {
    const text = this.#parts.join("");
    if (text.length * 3 <= this.#maxBytes) return text;
    const { read } = new TextEncoder().encodeInto(text, new Uint8Array(this.#maxBytes));
    if (read === text.length) return text;
    const cut = new TextEncoder().encodeInto(text, new Uint8Array(this.#maxBytes - 3));
    return `${text.slice(0, cut.read)}...`;
  }

  #string(text: string): this {
    const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
    const escaped = text.slice(0, this.#maxBytes).replace(
      unprintable,
      (character) => escape(character, quote),
    );
    return this.raw(quote).raw(escaped).raw(quote);
  }

  #object(value: object): this {
    const kind = kindOf(value);
    if (kind === "other") return this.raw(opaque(value));
    if (kind === "date") return this.raw("Date(").#string(dateText(value as Date)).raw(")");
    if (kind === "error") return this.#error(value as Error);
    if (this.#open.has(value)) return this.raw(kind === "array" ? "[...]" : "{...}");
    this.#open.add(value);
    this.#container(value, kind);
    this.#open.delete(value);
    return this;
  }

  #container(value: object, kind: string): this {
    switch (kind) {
      case "array":
        return this.raw("[").values(value as unknown[]).raw("]");
      case "map":
        return this.raw("{").entries(value as Map<unknown, unknown>).raw("}");
      case "set":
        if ((value as Set<unknown>).size === 0) return this.raw("set()");
        return this.raw("{").values(value as Set<unknown>).raw("}");
      case "buffer":
        return this.raw("ArrayBuffer([").values(new Uint8Array(value as ArrayBuffer)).raw("])");
      case "view":
        return this.#view(value as ArrayBufferView);
      default:
        return this.raw("{").entries(properties(value as Record<string, unknown>)).raw("}");
    }
  }

  #view(view: ArrayBufferView): this {
    const name = Object.prototype.toString.call(view).slice("[object ".length, -1);
    const items = view instanceof DataView
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      : view as unknown as Iterable<number | bigint>;
    return this.raw(`${name}([`).values(items).raw("])");
  }

  #error(error: Error): this {
    // Both may be own properties of any kind: errors are rebuilt from data.
    const { name, message } = error as { name: unknown; message: unknown };
    this.raw(typeof name === "string" ? name : "Error").raw("(");
    return (message === "" ? this : this.value(message)).raw(")");
  }

  #separated<T>(items: Iterable<T>, write: (item: T) => void): this {
    let first = true;
    for (const item of items) {
      if (this.full) break;
      if (!first) this.raw(", ");
      first = false;
      write(item);
    }
    return this;
  }
}

/** What Python's `str.isprintable` refuses, but the space, and what has a meaning inside quotes. */
const unprintable = /(?! )[\p{C}\p{Z}\\'"]/gu;

function escape(character: string, quote: string): string {
  if (character === "\\" || character === quote) return `\\${character}`;
  if (character === "'" || character === '"') return character;
  if (character === "\n") return "\\n";
  if (character === "\r") return "\\r";
  if (character === "\t") return "\\t";
  const code = character.codePointAt(0)!;
  if (code < 0x100) return `\\x${hex(code, 2)}`;
  return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, "0");
}

/** Lazily: an object of a million keys is not copied to show its first ones. */
function* properties(value: Record<string, unknown>): Generator<[string, unknown]> {
  for (const key in value) {
    if (Object.hasOwn(value, key)) yield [key, value[key]];
  }
}

function primitive(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return number(value);
  if (typeof value === "bigint") return bigint(value);
  if (typeof value === "function") return `<function ${value.name}>`;
  return String(value);
}

function number(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e21 ? exponential(value) : String(value);
}

/** Python writes at least two digits of the exponent. */
function exponential(value: number): string {
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** Decimal digits take more than linear time: what is enormous is written in hexadecimal. */
function bigint(value: bigint): string {
  if (BigInt.asIntN(2 ** 20, value) === value) return value.toString();
  return value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`;
}

function dateText(date: Date): string {
  return Number.isNaN(date.getTime()) ? "Invalid Date" : date.toISOString();
}

function opaque(value: object): string {
  const object = value as { toString?: unknown; [Symbol.toPrimitive]?: unknown };
  const speaks = typeof object[Symbol.toPrimitive] === "function" ||
    typeof object.toString === "function" && object.toString !== Object.prototype.toString;
  if (speaks) return String(object);
  const name = (value.constructor as { name?: unknown } | undefined)?.name;
  return `<${typeof name === "string" && name !== "" ? name : "unnamed"} object>`;
}
