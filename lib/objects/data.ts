/**
 * Tells the kinds of data apart that a referent may hold. What is none of them - a proxy, an
 * instance of a class - is only ever compared by identity.
 *
 * Above: equality, order, representation and the set. Below: nothing.
 *
 * @module
 */

/** A primitive that can be sent: what keys of a dict are, and members of a set may be. */
export type Key = string | number | bigint | boolean | null | undefined;

/** A kind of data; `other` is what only has an identity. */
export type Kind =
  | "array"
  | "object"
  | "map"
  | "set"
  | "date"
  | "error"
  | "buffer"
  | "view"
  | "other";

/** Whether the object was written as `{...}`: its prototype is `Object.prototype` or null. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The kind of the object. */
export function kindOf(value: object): Kind {
  if (Array.isArray(value)) return "array";
  if (isPlainObject(value)) return "object";
  if (value instanceof Map) return "map";
  if (value instanceof Set) return "set";
  if (value instanceof Date) return "date";
  if (value instanceof Error) return "error";
  if (value instanceof ArrayBuffer) return "buffer";
  if (ArrayBuffer.isView(value)) return "view";
  return "other";
}

/** Whether the value is a primitive that can be sent. */
export function isKey(value: unknown): value is Key {
  if (value === null) return true;
  return typeof value !== "object" && typeof value !== "function" && typeof value !== "symbol";
}

/** Whether the value is compared by what it contains; primitives, proxies and functions are not. */
export function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null && kindOf(value) !== "other";
}
