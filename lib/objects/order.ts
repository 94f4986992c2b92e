/**
 * The one total order: of `list.sort` and of priorities.
 *
 * Above: the referents. Below: `represent.ts`, for error texts.
 *
 * @module
 */

import { quoted } from "./represent.ts";

/**
 * Negative if `a` comes first, positive if `b` does, 0 for a tie. Numbers and bigints are ordered by
 * value, strings by code unit, arrays item by item, a shorter one before its continuation.
 * Values of other kinds, of two kinds, and NaN are TypeError.
 */
export function compare(a: unknown, b: unknown): number {
  const kind = orderOf(a);
  if (kind !== orderOf(b)) {
    throw new TypeError(
      `Cannot order ${quoted(a)} and ${quoted(b)}: numbers, strings and arrays do not mix`,
    );
  }
  if (kind === "array") return compareArrays(a as unknown[], b as unknown[]);
  if ((a as string) < (b as string)) return -1;
  return (a as string) > (b as string) ? 1 : 0;
}

/**
 * Throws the TypeError of {@linkcode compare} for a value that has no place in the order, so that
 * it does not depend on which values an algorithm happens to compare.
 */
export function assertOrdered(value: unknown): void {
  if (orderOf(value) !== "array") return;
  // Not forEach, which skips holes: they are undefined, which has no order.
  for (const item of value as unknown[]) assertOrdered(item);
}

/** As {@linkcode compare} of values that are ordered each for itself; of two kinds numbers come first, arrays last. */
export function compareAny(a: unknown, b: unknown): number {
  const [kind, other] = [orderOf(a), orderOf(b)];
  if (kind !== other) return kinds.indexOf(kind) - kinds.indexOf(other);
  return kind === "array" ? compareArrays(a as [], b as [], compareAny) : compare(a, b);
}

const kinds = ["number", "string", "array"];

function compareArrays(a: unknown[], b: unknown[], compareItems = compare): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareItems(a[i], b[i]);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function orderOf(value: unknown): "number" | "string" | "array" {
  if (typeof value === "string") return "string";
  if (typeof value === "bigint") return "number";
  if (typeof value === "number" && !Number.isNaN(value)) return "number";
  if (Array.isArray(value)) return "array";
  throw new TypeError(
    `Cannot order ${
      quoted(value)
    }: only numbers but NaN, bigints, strings and arrays have an order`,
  );
}
