/**
 * Serializers made of any codec of plain data: null, booleans, finite numbers, strings, arrays and
 * objects with string keys. Whatever else a value holds is lowered to an object whose only key is
 * `$`, such as `{"$": ["date", 0]}`, and lifted on the other side.
 *
 * Above: `serializer.ts`. Below: the walk that lowers, and the kinds.
 *
 * @module
 */

import { ProtocolError } from "../errors.ts";
import {
  buildBytes,
  buildContainer,
  bytesClasses,
  type ContainerKind,
  containerKinds,
  defaultMaxDepth,
  fromBase64,
  hexToBigint,
  maxObjects,
  toBase64,
} from "./kinds.ts";
import { Lowering } from "./lowering.ts";
import { malformed, notEncoded } from "./refusals.ts";
import type { References, Serializer } from "./serializer.ts";

/** The only key of an object that stands for something else. */
const tag = "$";

/** Plain data: what JSON can say. */
export type PlainData =
  | null
  | boolean
  | number
  | string
  | PlainData[]
  | { [key: string]: PlainData };

/** A codec of plain data, as {@linkcode plainSerializer} takes it. */
export interface PlainCodec {
  /** What both sides announce, 1 to 64 characters. */
  readonly name: string;
  /** Gives bytes of its own. Numbers are finite, and whole ones are safe integers; never `-0`. */
  encode(value: PlainData): Uint8Array;
  /** Gives what was encoded; throws anything if the bytes are malformed. */
  decode(bytes: Uint8Array): unknown;
}

/**
 * Makes a {@linkcode Serializer} of a codec of plain data. The default needs no such thing; it is
 * for tools that want to read along, or for formats that are in use already.
 *
 * A container may take two levels of plain data, so the codec must nest them 260 deep. Decoded data
 * is checked as it is lifted, but what the codec itself allocates is its own affair: take one that
 * is safe with bytes from other processes. Arrays and objects that it decodes are changed in place,
 * so they must be new ones.
 *
 * @example
 * ```ts ignore
 * import { decode, encode } from "@std/msgpack";
 * export const std = plainSerializer({ name: "std", encode, decode });
 * ```
 */
export function plainSerializer(codec: PlainCodec): Serializer {
  const { name } = codec;
  if (typeof name !== "string" || name === "" || name.length > 64) {
    throw new TypeError(
      `Cannot make a serializer named "${String(name)}": give it a name of 1 to 64 characters`,
    );
  }
  for (const method of ["encode", "decode"] as const) {
    if (typeof codec[method] === "function") continue;
    throw new TypeError(`Cannot make the serializer "${name}": "${method}" must be a function`);
  }
  return {
    name,
    encode(value, references) {
      const plain = new PlainLowering(references).lower(value) as PlainData;
      let bytes: unknown;
      try {
        bytes = codec.encode(plain);
      } catch (error) {
        throw notEncoded(name, error);
      }
      if (bytes instanceof Uint8Array) return bytes;
      throw new TypeError(`The serializer "${name}" must encode to a Uint8Array`);
    },
    decode(bytes, references) {
      try {
        return new Lifting(references).lift(codec.decode(bytes));
      } catch (error) {
        throw malformed(name, error);
      }
    },
  };
}

/** JSON, for tools that want to read along. Bytes travel as base 64. */
export const json: Serializer = jsonSerializer();

function jsonSerializer(): Serializer {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return plainSerializer({
    name: "json",
    encode: (value) => encoder.encode(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(decoder.decode(bytes)),
  });
}

class PlainLowering extends Lowering {
  protected override readonly everyNumber: boolean = false;

  protected override nothing(): unknown {
    return { [tag]: ["undefined"] };
  }
  protected override number(value: number): unknown {
    return { [tag]: ["number", value === 0 ? "-0" : String(value)] };
  }
  protected override bigint(hex: string): unknown {
    return { [tag]: ["bigint", hex] };
  }
  protected override date(time: number): unknown {
    return { [tag]: ["date", Number.isNaN(time) ? null : time + 0] };
  }
  protected override reference(index: number): unknown {
    return { [tag]: ["reference", index] };
  }
  protected override bytes(kind: string, bytes: Uint8Array): unknown {
    return { [tag]: [kind, toBase64(bytes)] };
  }
  protected override marked(text: string): unknown {
    return { [tag]: ["text", `.${text}`] };
  }
  protected override begin(kind: ContainerKind): unknown[] {
    return [kind];
  }
  protected override end(list: unknown[]): unknown {
    return { [tag]: list };
  }
  protected override awkward(key: string): boolean {
    return key === tag || key === "__proto__" || key.charCodeAt(0) === 0xfeff;
  }
}

type Lift = (payload: unknown, references: References) => unknown;

/** What a tag other than a container's means. A Map: nothing is found through a prototype. */
const lifts: ReadonlyMap<string, Lift> = new Map<string, Lift>([
  ["undefined", () => undefined],
  ["number", (payload) => liftNumber(text(payload))],
  ["text", (payload) => text(payload).slice(1)],
  ["bigint", (payload) => hexToBigint(text(payload))],
  ["date", (payload) => new Date(payload === null ? NaN : number(payload))],
  ["reference", (payload, references) => references.at(number(payload))],
  ...[...bytesClasses.keys()].map((kind): [string, Lift] => [
    kind,
    (payload) => buildBytes(kind, fromBase64(text(payload))),
  ]),
]);

class Lifting {
  readonly #references: References;
  readonly #maxDepth: number;
  #objects = 0;

  constructor(references: References) {
    this.#references = references;
    this.#maxDepth = references.maxDepth ?? defaultMaxDepth;
  }

  lift(value: unknown): unknown {
    return this.#value(value, 0);
  }

  #value(value: unknown, depth: number): unknown {
    switch (typeof value) {
      case "number":
      case "boolean":
        return value;
      case "string":
        return text(value);
      case "object":
        return value === null ? null : this.#object(value, depth);
      default:
        throw new ProtocolError(`The codec decoded a ${typeof value}, which is not plain data`);
    }
  }

  #object(value: object, depth: number): unknown {
    if (++this.#objects > maxObjects) {
      throw new ProtocolError(
        `More than ${maxObjects.toLocaleString("en")} objects in one message`,
      );
    }
    if (Array.isArray(value)) return this.#list(value, 0, depth);
    const prototype = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) {
      throw new ProtocolError("The codec decoded an object that is not plain data");
    }
    if (Object.hasOwn(value, tag)) return this.#tagged(value as Record<string, unknown>, depth);
    return this.#plain(value as Record<string, unknown>, depth, prototype);
  }

  #list(list: unknown[], from: number, depth: number): unknown[] {
    this.#enter(depth);
    for (let i = from; i < list.length; i++) list[i] = this.#value(list[i], depth + 1);
    return list;
  }

  #plain(
    source: Record<string, unknown>,
    depth: number,
    prototype: object | null,
  ): Record<string, unknown> {
    this.#enter(depth);
    const target: Record<string, unknown> = prototype === null ? {} : source;
    for (const key of Object.keys(source)) {
      const value = this.#value(source[key], depth + 1);
      text(key);
      // A codec that keeps `__proto__` as data is right to do so; an assignment could lose it.
      if (key === "__proto__") define(target, key, value);
      else if (target !== source || value !== source[key]) target[key] = value;
    }
    return target;
  }

  #tagged(value: Record<string, unknown>, depth: number): unknown {
    const list = value[tag];
    if (!Array.isArray(list) || Object.keys(value).length !== 1) {
      throw new ProtocolError(`The key "${tag}" stands beside others or holds no list`);
    }
    const kind: unknown = list[0];
    if (containerKinds.includes(kind as ContainerKind)) {
      return buildContainer(kind as ContainerKind, this.#list(list, 1, depth), 1);
    }
    const lift = lifts.get(kind as string);
    if (!lift || list.length !== (kind === "undefined" ? 1 : 2)) {
      throw new ProtocolError(`The tag "${String(kind)}" is unknown or has the wrong contents`);
    }
    return lift(list[1], this.#references);
  }

  #enter(depth: number): void {
    if (depth < this.#maxDepth) return;
    throw new ProtocolError(`Nested deeper than the limit "maxDepth" of ${this.#maxDepth}`);
  }
}

function define(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

function liftNumber(digits: string): number {
  const value = Number(digits);
  if (digits === "-0" || (String(value) === digits && !Number.isSafeInteger(value))) return value;
  throw new ProtocolError("A tagged number is none that needs a tag");
}

function text(payload: unknown): string {
  if (typeof payload === "string" && payload.isWellFormed()) return payload;
  throw new ProtocolError("A string is missing or has a lone surrogate");
}

function number(payload: unknown): number {
  if (typeof payload === "number") return payload;
  throw new ProtocolError("A number is missing");
}
