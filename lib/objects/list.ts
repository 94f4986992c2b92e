/**
 * The list: a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: equality, order and the checks of arguments.
 *
 * @module
 */

import { bound, integer, itemsOf, position } from "./arguments.ts";
import { equals } from "./equality.ts";
import { assertOrdered, compare } from "./order.ts";
import type { GuardOptions } from "./lock.ts";
import type { Items, ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";

/** How `list.sort` orders. */
export interface SortOptions {
  /** Whether the greatest comes first; ties keep their order all the same. */
  reverse?: boolean;
}

/**
 * A list in the server. Methods are named as those of `Array`, and as Python's where `Array` has
 * none. Each call is atomic; a value read is a copy, and changing it changes nothing until it is
 * stored again. Indexes count from 0, negative ones from the end; an index that is no whole number
 * is TypeError. Values are compared structurally, proxies by identity. Python: `ListProxy`.
 *
 * @example
 * ```ts
 * import { Manager, str } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const list = await manager.list([3, 1]);
 * await list.push(2);
 * await list.sort();
 * console.log(await list.at(-1), await str(list)); // 3 [1, 2, 3]
 * await manager.shutdown();
 * ```
 */
export interface ListProxy<T = unknown> extends ProxyBase {
  /** The item at `index`, undefined if there is none. Python: `list[index]`. */
  at(index: number): Promise<T | undefined>;
  /**
   * Replaces the item at `index`; RangeError if there is none. With a guard only while that is
   * current. Python: `list[index] = value`.
   */
  set(index: number, value: T, options?: GuardOptions): Promise<void>;
  /** Adds items at the end and resolves to the new length. Python: `append`. */
  push(...items: T[]): Promise<number>;
  /** Takes the last item out, or the one at `index`; undefined if there is none. Python: `pop`. */
  pop(index?: number): Promise<T | undefined>;
  /** Takes the first item out; undefined if there is none. Python: `pop(0)`. */
  shift(): Promise<T | undefined>;
  /** Adds items at the beginning and resolves to the new length. Python: `list[:0] = items`. */
  unshift(...items: T[]): Promise<number>;
  /** Puts items before `index`; an index beyond an end means that end. Python: `insert`. */
  insert(index: number, ...items: T[]): Promise<void>;
  /**
   * Takes out `deleteCount` items from `start` on, all if it is left out, and puts `items` there;
   * resolves to what was taken out. Python: `list[start:end] = items`.
   */
  splice(start: number, deleteCount?: number, ...items: T[]): Promise<T[]>;
  /** A copy of the items from `start` up to but without `end`. Python: `list[start:end]`. */
  slice(start?: number, end?: number): Promise<T[]>;
  /** The index of the first equal item from `from` on, -1 if there is none. Python: `index`. */
  indexOf(value: T, from?: number): Promise<number>;
  /** The index of the last equal item up to `from`, -1 if there is none. */
  lastIndexOf(value: T, from?: number): Promise<number>;
  /** Whether an item from `from` on is equal to `value`. Python: `value in list`. */
  includes(value: T, from?: number): Promise<boolean>;
  /** How many items are equal to `value`. Python: `count`. */
  count(value: T): Promise<number>;
  /** Takes out the first equal item; whether there was one. Python: `remove`, which raises. */
  remove(value: T): Promise<boolean>;
  /** Adds all items of an iterable, or of a proxy of this server, at the end. Python: `extend`. */
  extend(items: Items<T>): Promise<void>;
  /**
   * A copy of this list followed by the items of the others: an array, no shared list. Each must be
   * iterable and no string; `Array.prototype.concat` takes single values too. Python: `+`.
   */
  concat(...others: Items<T>[]): Promise<T[]>;
  /** Reverses the list in place. Python: `reverse`. */
  reverse(): Promise<void>;
  /**
   * Sorts in place, stable: numbers and bigints by value, strings by code unit, arrays item by item.
   * Items of other or of two kinds, or NaN, are TypeError and leave the list as it was. There is no
   * comparison function: it would have to be sent. Python: `sort`.
   */
  sort(options?: SortOptions): Promise<void>;
  /** Puts `value` at each index from `start` up to but without `end`. */
  fill(value: T, start?: number, end?: number): Promise<void>;
  /** The items as text with `separator`, a comma by default, between them. Python: `str.join`. */
  join(separator?: string): Promise<string>;
  /** The number of items. Python: `len(list)`. */
  length(): Promise<number>;
  /** Takes all items out. Python: `clear`. */
  clear(): Promise<void>;
  /** A copy of the list: an array, no shared list. Python: `copy`. */
  copy(): Promise<T[]>;
  /**
   * Iterates over the live list: items are read ahead in chunks, and changes further on are seen.
   * For one moment's items iterate over `copy()`. Python: `for item in list`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

/** The referent of {@linkcode ListProxy}: the same methods, synchronous, which give no copies. */
export class List<T = unknown> {
  #items: T[];
  /** Slots that `shift` has emptied: moving all items each time would make draining quadratic. */
  #head = 0;

  /** Makes a list of the items of an iterable. */
  constructor(items: Iterable<T> = []) {
    this.#items = itemsOf(items, "list()");
  }

  /** See {@linkcode ListProxy.at}. */
  at(index: number): T | undefined {
    const found = position(index, this.length(), "list.at()");
    return found === undefined ? undefined : this.#items[this.#head + found];
  }

  /** See {@linkcode ListProxy.set}. */
  set(index: number, value: T): void {
    const found = position(index, this.length(), "list.set()");
    if (found === undefined) {
      throw new RangeError(
        `Cannot set item ${quoted(index)}: the list has ${this.length()} items, ` +
          "use push, insert or extend to add one",
      );
    }
    this.#items[this.#head + found] = value;
  }

  /** See {@linkcode ListProxy.push}. */
  push(...items: T[]): number {
    this.#append(items);
    return this.length();
  }

  /** See {@linkcode ListProxy.pop}. */
  pop(index = -1): T | undefined {
    const found = position(index, this.length(), "list.pop()");
    if (found === undefined) return undefined;
    if (found === this.length() - 1) return this.#items.pop();
    return this.#settled().splice(found, 1)[0];
  }

  /** See {@linkcode ListProxy.shift}. */
  shift(): T | undefined {
    if (this.length() === 0) return undefined;
    const first = this.#items[this.#head];
    // The slot must not keep what was taken from being collected.
    this.#items[this.#head++] = undefined as T;
    if (this.#head * 2 > this.#items.length) this.#settled();
    return first;
  }

  /** See {@linkcode ListProxy.unshift}. */
  unshift(...items: T[]): number {
    return this.#settled().unshift(...items);
  }

  /** See {@linkcode ListProxy.insert}. */
  insert(index: number, ...items: T[]): void {
    this.#settled().splice(bound(index, this.length(), 0, "list.insert()"), 0, ...items);
  }

  /** See {@linkcode ListProxy.splice}. */
  splice(start: number, ...rest: [deleteCount?: number, ...items: T[]]): T[] {
    const from = bound(start, this.length(), 0, "list.splice()");
    if (rest.length === 0) return this.#settled().splice(from);
    const [deleteCount, ...items] = rest;
    return this.#settled().splice(from, countToDelete(deleteCount), ...items as T[]);
  }

  /** See {@linkcode ListProxy.slice}. */
  slice(start?: number, end?: number): T[] {
    const length = this.length();
    const from = this.#head + bound(start, length, 0, "list.slice()");
    return this.#items.slice(from, this.#head + bound(end, length, length, "list.slice()"));
  }

  /** See {@linkcode ListProxy.indexOf}. */
  indexOf(value: T, from?: number): number {
    const items = this.#settled();
    for (let i = bound(from, items.length, 0, "list.indexOf()"); i < items.length; i++) {
      if (equals(items[i], value)) return i;
    }
    return -1;
  }

  /** See {@linkcode ListProxy.lastIndexOf}. */
  lastIndexOf(value: T, from?: number): number {
    const items = this.#settled();
    for (let i = lastIndex(from, items.length); i >= 0; i--) {
      if (equals(items[i], value)) return i;
    }
    return -1;
  }

  /** See {@linkcode ListProxy.includes}. */
  includes(value: T, from?: number): boolean {
    return this.indexOf(value, from) >= 0;
  }

  /** See {@linkcode ListProxy.count}. */
  count(value: T): number {
    return this.#settled().filter((item) => equals(item, value)).length;
  }

  /** See {@linkcode ListProxy.remove}. */
  remove(value: T): boolean {
    const index = this.indexOf(value);
    if (index < 0) return false;
    this.#settled().splice(index, 1);
    return true;
  }

  /** See {@linkcode ListProxy.extend}. */
  extend(items: Iterable<T>): void {
    this.#append(itemsOf(items, "list.extend()"));
  }

  /** See {@linkcode ListProxy.concat}. */
  concat(...others: Iterable<T>[]): T[] {
    return this.copy().concat(...others.map(itemsToAppend));
  }

  /** See {@linkcode ListProxy.reverse}. */
  reverse(): void {
    this.#settled().reverse();
  }

  /** See {@linkcode ListProxy.sort}. */
  sort(options: SortOptions = {}): void {
    if (typeof options !== "object" || options === null) {
      throw new TypeError(`list.sort() takes { reverse }, got ${quoted(options)}`);
    }
    const unknown = Object.keys(options).find((name) => name !== "reverse");
    if (unknown !== undefined) {
      throw new TypeError(
        `list.sort() has no option "${unknown}", it takes { reverse }: sort a copy, and store it again`,
      );
    }
    const sorted = this.copy();
    // First: Array.prototype.sort never compares what is undefined or alone.
    assertOrdered(sorted);
    sorted.sort(options.reverse ? (a, b) => compare(b, a) : compare);
    this.#items = sorted;
    this.#head = 0;
  }

  /** See {@linkcode ListProxy.fill}. */
  fill(value: T, start?: number, end?: number): void {
    const length = this.length();
    const from = bound(start, length, 0, "list.fill()");
    this.#settled().fill(value, from, bound(end, length, length, "list.fill()"));
  }

  /** See {@linkcode ListProxy.join}. */
  join(separator = ","): string {
    if (typeof separator === "string") return this.#settled().join(separator);
    throw new TypeError(`list.join() needs a string as separator, got ${quoted(separator)}`);
  }

  /** See {@linkcode ListProxy.length}. */
  length(): number {
    return this.#items.length - this.#head;
  }

  /** See {@linkcode ListProxy.clear}. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** See {@linkcode ListProxy.copy}. */
  copy(): T[] {
    return this.#items.slice(this.#head);
  }

  /** Iterates over the live list, as Python does: an index that goes up until there is no item. */
  *[Symbol.iterator](): Generator<T, void, unknown> {
    for (let i = 0; i < this.length(); i++) yield this.#items[this.#head + i] as T;
  }

  #append(items: T[]): void {
    // Not push(...items): as many arguments as there may be items overflow the stack.
    for (const item of items) this.#items.push(item);
  }

  /** The items without the emptied slots in front. */
  #settled(): T[] {
    if (this.#head === 0) return this.#items;
    this.#items.copyWithin(0, this.#head);
    this.#items.length -= this.#head;
    this.#head = 0;
    return this.#items;
  }
}

/** Not `bound`: what is before the beginning is before every item, not at the first. */
function lastIndex(from: number | undefined, length: number): number {
  if (from === undefined || from === Infinity) return length - 1;
  const index = from === -Infinity ? from : integer(from, "list.lastIndexOf()");
  return index < 0 ? index + length : Math.min(index, length - 1);
}

/** As in JavaScript a count of undefined is none, and only one that is left out is all. */
function countToDelete(count: number | undefined): number {
  if (count === undefined || count === Infinity) return count ?? 0;
  return Math.max(0, integer(count, "list.splice()"));
}

function itemsToAppend<T>(other: Iterable<T>): T[] {
  if (typeof other !== "string") return itemsOf(other, "list.concat()");
  throw new TypeError(
    `list.concat() needs arrays or other iterables, got ${quoted(other)}: write concat([...])`,
  );
}
