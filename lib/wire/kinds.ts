/**
 * The kinds of value that a plain codec does not know, and how each is built again from data.
 * Nothing here looks a name up through a prototype or runs code that was sent: the tables are Maps.
 *
 * Above: lowering, lifting and the serializers. Below: the error tree.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { ProtocolError } from "../errors.ts";

/** The depth where the references of a message give none. */
export const defaultMaxDepth = 128;

/**
 * Arrays, objects, dates, bytes, ... in one message. An empty object is one byte on the wire and a
 * hundred in memory, so the bytes of a message alone do not bound what it costs.
 */
export const maxObjects = 4_194_304;

/** Containers that a plain codec does not know. They are sent as a flat list of their contents. */
export type ContainerKind = "map" | "set" | "error" | "object";

/** The container kinds; their order is their number in MessagePack. */
export const containerKinds: readonly ContainerKind[] = ["map", "set", "error", "object"];

type BytesClass = (new (buffer: ArrayBuffer) => object) & { BYTES_PER_ELEMENT?: number };

/** Kinds of bytes by name; their order is their number in MessagePack. Undefined: unknown to this runtime. */
export const bytesClasses: ReadonlyMap<string, BytesClass | undefined> = new Map<
  string,
  BytesClass | undefined
>([
  ["ArrayBuffer", undefined],
  ["DataView", DataView],
  ["Uint8Array", Uint8Array],
  ["Uint8ClampedArray", Uint8ClampedArray],
  ["Int8Array", Int8Array],
  ["Uint16Array", Uint16Array],
  ["Int16Array", Int16Array],
  ["Uint32Array", Uint32Array],
  ["Int32Array", Int32Array],
  ["Float32Array", Float32Array],
  ["Float64Array", Float64Array],
  ["BigInt64Array", BigInt64Array],
  ["BigUint64Array", BigUint64Array],
  ["Float16Array", (globalThis as { Float16Array?: BytesClass }).Float16Array],
]);

/** The error classes that are built again; any other error is its nearest of these, with its name. */
export const errorClasses: ReadonlyMap<string, ErrorConstructor> = new Map<
  string,
  ErrorConstructor
>([
  ["Error", Error],
  ["TypeError", TypeError as ErrorConstructor],
  ["RangeError", RangeError as ErrorConstructor],
  ["SyntaxError", SyntaxError as ErrorConstructor],
  ["ReferenceError", ReferenceError as ErrorConstructor],
  ["EvalError", EvalError as ErrorConstructor],
  ["URIError", URIError as ErrorConstructor],
  ["AggregateError", AggregateError as unknown as ErrorConstructor],
]);

/** What an error holds without showing it to `Object.keys`. */
export const hiddenErrorKeys: readonly string[] = ["name", "message", "stack", "cause", "errors"];

/** Copies the bytes into a value of the kind: it is aligned, and never aliases the message. */
export function buildBytes(kind: string, bytes: Uint8Array): object {
  const Class = bytesClasses.get(kind);
  if (!Class && kind !== "ArrayBuffer") {
    throw new ProtocolError(`Cannot decode a "${kind}": this runtime does not have it`);
  }
  const size = Class?.BYTES_PER_ELEMENT ?? 1;
  if (bytes.length % size !== 0) {
    throw new ProtocolError(
      `Cannot decode a "${kind}" of ${bytes.length} bytes: not whole elements`,
    );
  }
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  if (!Class) return copy.buffer;
  return Class === Uint8Array ? copy : new Class(copy.buffer);
}

/** Builds a container from its contents, which begin at `items[from]`. */
export function buildContainer(kind: ContainerKind, items: unknown[], from: number): object {
  if (kind === "set") return buildSet(items, from);
  if (kind === "map") return buildMap(items, from);
  if (kind === "error") return buildError(items, from);
  const object = {};
  defineAll(object, items, from, items.length, true);
  return object;
}

function buildSet(items: unknown[], from: number): Set<unknown> {
  const set = new Set<unknown>();
  for (let i = from; i < items.length; i++) set.add(items[i]);
  return set;
}

function buildMap(items: unknown[], from: number): Map<unknown, unknown> {
  if ((items.length - from) % 2 !== 0) {
    throw new ProtocolError("Cannot decode a map: a key without a value");
  }
  const map = new Map<unknown, unknown>();
  for (let i = from; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  return map;
}

/** An error is its class, how many hidden properties it has, these, and its other properties. */
function buildError(items: unknown[], from: number): Error {
  const Class = errorClasses.get(items[from] as string);
  const hidden = items[from + 1];
  const middle = from + 2 + 2 * (typeof hidden === "number" ? hidden : NaN);
  if (!Class || !(middle >= from + 2 && middle <= items.length && middle % 2 === from % 2)) {
    throw new ProtocolError("Cannot decode an error: its class is unknown or its head is damaged");
  }
  for (let i = from + 2; i < middle; i += 2) checkHidden(items[i], items[i + 1]);
  const error = Class.name === "AggregateError" ? new AggregateError([]) : new Class();
  defineAll(error, items, from + 2, middle, false);
  defineAll(error, items, middle, items.length, true);
  return error;
}

function checkHidden(key: unknown, value: unknown): void {
  if (!hiddenErrorKeys.includes(key as string)) {
    throw new ProtocolError("Cannot decode an error: a hidden property is unknown");
  }
  const isText = key === "name" || key === "message" || key === "stack";
  if (isText && typeof value !== "string") {
    throw new ProtocolError(`Cannot decode an error: its ${key} is not a string`);
  }
}

/** Defines the properties: an assignment would run the setter of `__proto__`. */
function defineAll(
  object: object,
  items: unknown[],
  from: number,
  to: number,
  enumerable: boolean,
): void {
  if (to > items.length || (to - from) % 2 !== 0) {
    throw new ProtocolError("Cannot decode an object: a key without a value");
  }
  for (let i = from; i < to; i += 2) {
    const key = items[i];
    if (typeof key !== "string") {
      throw new ProtocolError("Cannot decode an object: a key is not a string");
    }
    const value = items[i + 1];
    Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true });
  }
}

/** Writes a bigint in base 16: writing and reading take time linear in its size, in base 10 they do not. */
export function bigintToHex(value: bigint): string {
  return value.toString(16);
}

/** Reads what {@linkcode bigintToHex} wrote. */
export function hexToBigint(hex: string): bigint {
  const negative = hex.startsWith("-");
  const digits = negative ? hex.slice(1) : hex;
  if (!/^[0-9a-f]+$/.test(digits)) {
    throw new ProtocolError("Cannot decode a bigint: it is no base 16 number");
  }
  const magnitude = BigInt(`0x${digits}`);
  return negative ? -magnitude : magnitude;
}

/** Bytes as base 64. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/** Strict: what `Buffer` would skip is refused. */
export function fromBase64(text: string): Uint8Array {
  const bytes = /^[A-Za-z0-9+/]*={0,2}$/.test(text) ? Buffer.from(text, "base64") : undefined;
  if (!bytes || text.length !== Math.ceil(bytes.length / 3) * 4) {
    throw new ProtocolError("Cannot decode bytes: they are not base 64");
  }
  return bytes;
}
