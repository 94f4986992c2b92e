/**
 * Structural equality: what decides `includes`, `indexOf`, `count`, `remove`, `compareAndSet` and
 * `compareExchange`.
 *
 * Above: the referents. Below: `data.ts`.
 *
 * @module
 */

import { isContainer, kindOf } from "./data.ts";

/**
 * Whether two values are the same data. NaN equals NaN and 0 equals -0, but 1, 1n and "1" are three
 * values. The order of keys and members does not count, the order of items does; a property that
 * is undefined is not an absent one. Errors are equal if name, message, cause and own properties
 * are. Proxies and instances of classes are equal only to themselves.
 */
export function equals(a: unknown, b: unknown): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isContainer(a) || !isContainer(b)) return false;
  const kind = kindOf(a);
  return kind === kindOf(b) && comparisons[kind](a as never, b as never);
}

const comparisons = {
  array: (a: unknown[], b: unknown[]) => sameItems(a, b),
  object: (a: object, b: object) => sameProperties(a, b),
  map: (a: Map<unknown, unknown>, b: Map<unknown, unknown>) => sameEntries(a, b),
  set: (a: Set<unknown>, b: Set<unknown>) => sameEntries(membersOf(a), membersOf(b)),
  date: (a: Date, b: Date) => Object.is(a.getTime(), b.getTime()),
  error: (a: Error, b: Error) => sameErrors(a, b),
  buffer: (a: ArrayBuffer, b: ArrayBuffer) => sameBytes(a, b),
  view: (a: ArrayBufferView, b: ArrayBufferView) => sameViews(a, b),
  other: () => false,
};

function sameItems(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!equals(a[i], b[i])) return false;
  }
  return true;
}

function sameProperties(a: object, b: object): boolean {
  const entries = Object.entries(a);
  if (entries.length !== Object.keys(b).length) return false;
  return entries.every(([key, value]) =>
    Object.hasOwn(b, key) && equals(value, (b as Record<string, unknown>)[key])
  );
}

function sameEntries(a: Map<unknown, unknown>, b: Map<unknown, unknown>): boolean {
  if (a.size !== b.size) return false;
  // Keys that are containers cannot be looked up: each takes the first that matches. That is right
  // because equality is transitive.
  const candidates = [...b].filter(([key]) => isContainer(key));
  for (const [key, value] of a) {
    if (!isContainer(key)) {
      if (!b.has(key) || !equals(value, b.get(key))) return false;
      continue;
    }
    const found = candidates.findIndex((entry) => equals(key, entry[0]) && equals(value, entry[1]));
    if (found < 0) return false;
    candidates.splice(found, 1);
  }
  return true;
}

function membersOf(set: Set<unknown>): Map<unknown, undefined> {
  return new Map(Array.from(set, (member) => [member, undefined]));
}

function sameErrors(a: Error, b: Error): boolean {
  return equals(a.name, b.name) && equals(a.message, b.message) && equals(a.cause, b.cause) &&
    sameProperties(a, b);
}

function sameBytes(a: ArrayBuffer, b: ArrayBuffer): boolean {
  return sameItems(new Uint8Array(a), new Uint8Array(b));
}

function sameViews(a: ArrayBufferView, b: ArrayBufferView): boolean {
  if (tagOf(a) !== tagOf(b)) return false;
  if (!(a instanceof DataView)) {
    return sameItems(a as unknown as ArrayLike<number>, b as unknown as ArrayLike<number>);
  }
  return sameItems(bytesOf(a), bytesOf(b));
}

function tagOf(view: ArrayBufferView): string {
  return Object.prototype.toString.call(view);
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
