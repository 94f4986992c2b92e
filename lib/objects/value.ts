/**
 * The value: one cell of a declared type; a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: typecodes, addition and equality.
 *
 * @module
 */

import { equals } from "./equality.ts";
import { sum } from "./numbers.ts";
import type { GuardOptions } from "./lock.ts";
import type { ProxyBase } from "./proxy_base.ts";
import {
  addElements,
  type NumericType,
  numericType,
  toElement,
  toOperand,
  type Typecode,
} from "./typecodes.ts";

/**
 * One value in the server, of the type that its typecode says: a number, a bigint of 64 bits, or
 * with `any` whatever can be sent. A value of the wrong kind is TypeError, one out of range is
 * RangeError, and both leave the old value. Each call is atomic. Python: `ValueProxy`, whose
 * `v.value += 1` is not.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const total = await manager.value("int32", 40);
 * console.log(await total.add(2), await total.get()); // 42 42
 * await manager.shutdown();
 * ```
 */
export interface ValueProxy<T = unknown> extends ProxyBase {
  /** The value; of `any` a copy. Python: `value.value`. */
  get(): Promise<T>;
  /** Replaces the value; with a guard only while that is current. Python: `value.value = value`. */
  set(value: T, options?: GuardOptions): Promise<void>;
  /**
   * Adds `by`, which may be negative, and resolves to the new value. Sums do not wrap: out of range is
   * RangeError. With `any` as `dict.increment` does: TypeError unless both are numbers or both bigints.
   */
  add(by: T & (number | bigint)): Promise<T>;
  /**
   * Stores `value` only if the current one equals `expected`, with `any` structurally. Resolves to
   * the value before, so it was stored if that is `expected`. `Atomics.compareExchange`.
   */
  compareExchange(expected: T, value: T): Promise<T>;
}

/** The referent of {@linkcode ValueProxy}: the same methods, synchronous. */
export class Value<T = unknown> {
  /** The typecode as it was written: an alias stays one. */
  readonly typecode: Typecode;
  /** Undefined for `any`. */
  #type: NumericType | undefined;
  #value: T;

  /** Makes a value; without `initial` it is 0, 0n, or with `any` undefined. */
  constructor(typecode: Typecode, initial?: T) {
    this.typecode = typecode;
    this.#type = typecode === "any" ? undefined : numericType(typecode, "value()", "any");
    const zero = this.#type?.kind === "bigint" ? 0n : 0;
    this.#value = this.#element(this.#type && initial === undefined ? zero : initial, "value()");
  }

  /** See {@linkcode ValueProxy.get}. */
  get(): T {
    return this.#value;
  }

  /** See {@linkcode ValueProxy.set}. */
  set(value: T): void {
    this.#value = this.#element(value, "value.set()");
  }

  /** See {@linkcode ValueProxy.add}. */
  add(by: number | bigint): T {
    const total = this.#type
      ? addElements(this.#type, this.#value as number | bigint, by, "value.add()")
      : sum(this.#value, by, "value.add()");
    this.#value = total as T;
    return this.#value;
  }

  /** See {@linkcode ValueProxy.compareExchange}. */
  compareExchange(expected: T, value: T): T {
    const before = this.#value;
    const wanted = this.#type
      ? toOperand(this.#type, expected, "value.compareExchange()")
      : expected;
    // Checked even where it is not stored: a misfit is the caller's mistake every time.
    const element = this.#element(value, "value.compareExchange()");
    if (equals(before, wanted)) this.#value = element;
    return before;
  }

  #element(value: unknown, what: string): T {
    return (this.#type ? toElement(this.#type, value, what) : value) as T;
  }
}
