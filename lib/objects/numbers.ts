/**
 * Addition that never loses a count: what `dict.increment` and `value.add` do.
 *
 * Above: dict, value, typecodes. Below: `represent.ts`, for error texts.
 *
 * @module
 */

import { quoted } from "./represent.ts";

/**
 * The sum of two numbers or of two bigints; other kinds, or one of each, are TypeError. Where whole
 * numbers would add up to one that a number cannot hold exactly, it is RangeError, so that a counter
 * does not silently stand still.
 */
export function sum(a: unknown, b: unknown, what: string): number | bigint {
  if (typeof a === "bigint" && typeof b === "bigint") return a + b;
  if (typeof a !== "number" || typeof b !== "number") {
    throw new TypeError(
      `${what} adds a number to a number or a bigint to a bigint, got ${described(b)} for ` +
        described(a),
    );
  }
  const result = a + b;
  if (Number.isSafeInteger(a) && Number.isSafeInteger(b) && !Number.isSafeInteger(result)) {
    throw new RangeError(
      `${what} would go beyond the whole numbers that are exact, with "${result}": use bigints`,
    );
  }
  return result;
}

function described(value: unknown): string {
  return `${quoted(value)} (${value === null ? "null" : typeof value})`;
}
