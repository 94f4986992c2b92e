/**
 * Checks of arguments that several referents share. `what` begins the sentence of an error text,
 * such as `list.at()`.
 *
 * Above: the referents. Below: `data.ts`, and `represent.ts` for error texts.
 *
 * @module
 */

import { isKey, isPlainObject, type Key } from "./data.ts";
import { quoted } from "./represent.ts";

/** A whole number, else TypeError. */
export function integer(value: unknown, what: string): number {
  if (Number.isInteger(value)) return value as number;
  throw new TypeError(`${what} needs a whole number, got ${quoted(value)}`);
}

/**
 * Where a range begins or ends, as `Array.prototype.slice` counts: negative from the end, beyond an
 * end is that end, absent is `fallback`. Anything but a whole number or an infinity is TypeError.
 */
export function bound(value: unknown, length: number, fallback: number, what: string): number {
  if (value === undefined) return fallback;
  const index = value === Infinity || value === -Infinity ? value : integer(value, what);
  return index < 0 ? Math.max(0, index + length) : Math.min(index, length);
}

/** The index that `index` means in something of that length, negative from the end; undefined out of range. */
export function position(index: unknown, length: number, what: string): number | undefined {
  const whole = integer(index, what);
  const found = whole < 0 ? whole + length : whole;
  return found >= 0 && found < length ? found : undefined;
}

/**
 * The options of a call, an object or absent; an unknown one is TypeError, as is anything else. `shown`
 * are those that the caller may name; of the others the library itself makes use.
 */
export function optionsOf(
  value: unknown,
  names: readonly string[],
  what: string,
  shown: readonly string[] = names,
): Record<string, unknown> {
  if (value === undefined) return {};
  if (!isPlainObject(value)) {
    throw new TypeError(`${what} needs an object of options, got ${quoted(value)}`);
  }
  for (const name of Object.keys(value)) {
    if (names.includes(name)) continue;
    const has = shown.length === 0 ? "it has none" : `its options are ${shown.join(", ")}`;
    throw new TypeError(`${what} has no option "${name}": ${has}`);
  }
  return value as Record<string, unknown>;
}

/** A whole number from `min` up, else TypeError or RangeError. */
export function count(value: unknown, min: number, what: string): number {
  const whole = integer(value, what);
  if (whole >= min) return whole;
  throw new RangeError(`${what} needs ${min} or more, got ${quoted(value)}`);
}

/** As {@linkcode count}, or Infinity. */
export function countOrAll(value: unknown, min: number, what: string): number {
  return value === Infinity ? value : count(value, min, what);
}

/** True or false, else TypeError. */
export function flag(value: unknown, what: string): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${what} needs true or false, got ${quoted(value)}`);
}

/** What an iterable holds, in an array of its own; what cannot be iterated over is TypeError. */
export function itemsOf<T>(value: Iterable<T>, what: string): T[] {
  if (isIterable(value)) return Array.from(value as Iterable<T>);
  throw new TypeError(`${what} needs an iterable, such as an array, got ${quoted(value)}`);
}

/** The entries of a plain object, a Map or any iterable of `[key, value]`; keys are checked. */
export function entriesOf<K extends Key, V>(
  value: Iterable<readonly [K, V]> | Readonly<Record<string, V>>,
  what: string,
): (readonly [K, V])[] {
  if (isIterable(value)) {
    return Array.from(value as Iterable<readonly [K, V]>, (entry) => checkedEntry(entry, what));
  }
  if (isPlainObject(value)) return Object.entries(value) as unknown as [K, V][];
  throw new TypeError(
    `${what} needs an object or an iterable of [key, value], got ${quoted(value)}`,
  );
}

/** A key of a dict: a primitive, else TypeError. */
export function keyOf<K extends Key>(value: K, what: string): K {
  if (isKey(value)) return value;
  throw new TypeError(
    `${what} needs a key that is a primitive, such as a string, got ${quoted(value)}`,
  );
}

function checkedEntry<K extends Key, V>(entry: readonly [K, V], what: string): readonly [K, V] {
  if (!Array.isArray(entry) || entry.length !== 2) {
    throw new TypeError(`${what} needs entries of [key, value], got ${quoted(entry)}`);
  }
  keyOf(entry[0], what);
  return entry;
}

function isIterable(value: unknown): value is Iterable<unknown> {
  if (typeof value === "string") return true;
  if (typeof value !== "object" || value === null) return false;
  return typeof (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] === "function";
}
