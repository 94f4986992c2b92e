/**
 * The array: a fixed number of elements of a declared type; a referent, and the interface of its
 * proxy.
 *
 * Above: the table of built-in typeids. Below: typecodes and the checks of arguments.
 *
 * @module
 */

import { bound, itemsOf, position } from "./arguments.ts";
import type { Items, ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";
import {
  addElements,
  type AnyTypedArray,
  type ArrayTypecode,
  type NumericType,
  numericType,
  toElement,
  type TypedArrayOf,
} from "./typecodes.ts";

/** The most memory that one array takes. */
export const maxArrayBytes: number = 2 ** 30;

/**
 * An array of fixed size in the server, whose elements are of the type that its typecode says:
 * numbers, or bigints of 64 bits. An element of the wrong kind is TypeError, one out of range is
 * RangeError, and both change nothing. Indexes count from 0, negative ones from the end. Each call
 * is atomic. Python: `ArrayProxy`.
 *
 * @example
 * ```ts
 * import { Manager, str } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const array = await manager.array("float64", 3); // three zeros
 * await array.set(0, 1.5);
 * console.log(await array.add(1, 2), await str(array)); // 2 array('float64', [1.5, 2.0, 0.0])
 * await manager.shutdown();
 * ```
 */
export interface ArrayProxy<T extends number | bigint = number> extends ProxyBase {
  /** The element at `index`, undefined if there is none. Python: `array[index]`. */
  at(index: number): Promise<T | undefined>;
  /** Replaces the element at `index`; RangeError if there is none. Python: `array[index] = value`. */
  set(index: number, value: T): Promise<void>;
  /** A copy from `start` up to but without `end`: a typed array. Python: `array[start:end]`. */
  slice(start?: number, end?: number): Promise<TypedArrayOf<T>>;
  /**
   * Replaces the elements from `start` on by those of an iterable; RangeError, and nothing is
   * changed, if there are more than fit or one is out of range. Python: `array[start:end] = values`.
   */
  setSlice(start: number, values: Items<T>): Promise<void>;
  /** The number of elements. Python: `len(array)`. */
  length(): Promise<number>;
  /**
   * Adds `by`, which may be negative, to the element at `index` and resolves to its new value. Sums
   * do not wrap: out of range, as an index out of range, is RangeError.
   */
  add(index: number, by: T): Promise<T>;
  /** Iterates over the live elements, read ahead in chunks. Python: `for element in array`. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

/** The referent of {@linkcode ArrayProxy}: the same methods, synchronous. */
export class SharedArray<T extends number | bigint = number> {
  /** The typecode as it was written: an alias stays one. */
  readonly typecode: ArrayTypecode;
  #type: NumericType;
  #elements: AnyTypedArray;

  /** Makes an array of that many zeros, or of the values of an iterable. */
  constructor(typecode: ArrayTypecode, sizeOrValues: number | Iterable<T>) {
    this.typecode = typecode;
    this.#type = numericType(typecode, "array()");
    if (typeof sizeOrValues === "number") {
      this.#elements = allocate(this.#type, sizeOrValues);
      return;
    }
    const values = itemsOf(sizeOrValues, "array()");
    this.#elements = allocate(this.#type, values.length);
    this.#elements.set(this.#checked(values, "array()"));
  }

  /** See {@linkcode ArrayProxy.at}. */
  at(index: number): T | undefined {
    const found = position(index, this.length(), "array.at()");
    return found === undefined ? undefined : this.#elements[found] as T;
  }

  /** See {@linkcode ArrayProxy.set}. */
  set(index: number, value: T): void {
    const found = this.#existing(index, "array.set()");
    this.#elements[found] = toElement(this.#type, value, "array.set()");
  }

  /** See {@linkcode ArrayProxy.slice}. */
  slice(start?: number, end?: number): TypedArrayOf<T> {
    const length = this.length();
    const from = bound(start, length, 0, "array.slice()");
    const to = bound(end, length, length, "array.slice()");
    return this.#elements.slice(from, to) as unknown as TypedArrayOf<T>;
  }

  /** See {@linkcode ArrayProxy.setSlice}. */
  setSlice(start: number, values: Iterable<T>): void {
    const from = bound(start, this.length(), 0, "array.setSlice()");
    const items = itemsOf(values, "array.setSlice()");
    if (items.length > this.length() - from) {
      throw new RangeError(
        `Cannot set ${items.length} elements from "${start}" on: ` +
          `the array has ${this.length()} elements and its size is fixed`,
      );
    }
    this.#elements.set(this.#checked(items, "array.setSlice()"), from);
  }

  /** See {@linkcode ArrayProxy.length}. */
  length(): number {
    return this.#elements.length;
  }

  /** See {@linkcode ArrayProxy.add}. */
  add(index: number, by: T): T {
    const found = this.#existing(index, "array.add()");
    const total = addElements(this.#type, this.#elements[found]!, by, "array.add()");
    this.#elements[found] = total;
    return total as T;
  }

  /** Iterates over the live elements. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#elements[Symbol.iterator]() as IterableIterator<T>;
  }

  #existing(index: number, what: string): number {
    const found = position(index, this.length(), what);
    if (found !== undefined) return found;
    throw new RangeError(
      `${what}: there is no element ${quoted(index)}, the array has ${this.length()} elements`,
    );
  }

  #checked(values: unknown[], what: string): (number | bigint)[] {
    return values.map((value) => toElement(this.#type, value, what));
  }
}

function allocate(type: NumericType, length: number): AnyTypedArray {
  const maxLength = maxArrayBytes / type.Array.BYTES_PER_ELEMENT;
  if (!Number.isInteger(length)) {
    throw new TypeError(`array() needs a size or an iterable of values, got ${quoted(length)}`);
  }
  if (length >= 0 && length <= maxLength) return new type.Array(length);
  throw new RangeError(`array(): size ${quoted(length)} is not between 0 and ${maxLength}`);
}
