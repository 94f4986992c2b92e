/**
 * The dict: a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: equality, addition and the checks of arguments.
 *
 * @module
 */

import { entriesOf, itemsOf, keyOf } from "./arguments.ts";
import type { Key } from "./data.ts";
import { equals } from "./equality.ts";
import { sum } from "./numbers.ts";
import type { GuardOptions } from "./lock.ts";
import type { Items, ProxyBase } from "./proxy_base.ts";

/**
 * A dict in the server: a Map whose keys are primitives, anything else is TypeError. Keys are told
 * apart as those of a Map: 1, 1n and "1" are three, NaN is one, -0 is 0. They keep the order in which
 * they came. Each call is atomic; a value read is a copy, and changing it changes nothing until it
 * is stored again. Undefined may be stored, but reads like an absent value everywhere except in
 * `has`, `size` and the lists of keys. Python: `DictProxy`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const hits = await manager.dict<string, number>({ home: 1 });
 * console.log(await hits.increment("home"), await hits.get("away")); // 2 undefined
 * await manager.shutdown();
 * ```
 */
export interface DictProxy<K extends Key = string, V = unknown> extends ProxyBase {
  /** The value of `key`, undefined if there is none. Python: `dict.get(key)`. */
  get(key: K): Promise<V | undefined>;
  /** Stores a value under a key; with a guard only while that is current. Python: `dict[key] = value`. */
  set(key: K, value: V, options?: GuardOptions): Promise<void>;
  /** Whether there is such a key. Python: `key in dict`. */
  has(key: K): Promise<boolean>;
  /** Removes a key; whether there was one. Python: `del dict[key]`, which raises. */
  delete(key: K): Promise<boolean>;
  /** Removes all keys. Python: `clear`. */
  clear(): Promise<void>;
  /** The number of keys. Python: `len(dict)`. */
  size(): Promise<number>;
  /** A copy of the keys, an array. Python: `keys`. */
  keys(): Promise<K[]>;
  /** A copy of the values, an array in the order of the keys. Python: `values`. */
  values(): Promise<V[]>;
  /** A copy of the entries, an array of `[key, value]`. Python: `items`. */
  entries(): Promise<[K, V][]>;
  /** The value of `key`; if there is no such key, first stores `value` there. Python: `setdefault`. */
  getOrInsert(key: K, value: V): Promise<V>;
  /** Removes a key and resolves to its value, undefined if there is none. Python: `pop(key, None)`. */
  pop(key: K): Promise<V | undefined>;
  /** Removes the entry that was inserted last; undefined if there is none. Python: `popitem`. */
  popItem(): Promise<[K, V] | undefined>;
  /**
   * Stores all entries of an object, a Map, an iterable of `[key, value]` or a dict of this server;
   * all or, if one of them is refused, none. Python: `update`.
   */
  update(other: Items<readonly [K, V]> | Readonly<Record<string, V>>): Promise<void>;
  /** A copy of the dict: a Map, no shared dict. Python: `copy`. */
  copy(): Promise<Map<K, V>>;
  /** The values of several keys in their order, undefined for each that is absent. */
  getMany(keys: Items<K>): Promise<(V | undefined)[]>;
  /** Stores all entries; another name for `update`, beside `getMany` and `deleteMany`. */
  setMany(entries: Items<readonly [K, V]> | Readonly<Record<string, V>>): Promise<void>;
  /** Removes several keys; resolves to how many there were. */
  deleteMany(keys: Items<K>): Promise<number>;
  /**
   * Adds `by`, 1 by default, to a number or bigint and resolves to the new value; an absent one
   * counts as 0, or 0n if `by` is a bigint. A value of another kind is TypeError. A whole number that
   * would grow beyond `Number.MAX_SAFE_INTEGER` is RangeError: count in bigints.
   * Python: `dict[key] += by`, which is not atomic there.
   */
  increment(key: K, by?: V & (number | bigint)): Promise<V>;
  /**
   * Stores `value` only if the current value is structurally equal to `expected`; whether it was.
   * Undefined means absent on both sides: as `expected` it inserts only, as `value` it removes.
   */
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): Promise<boolean>;
  /**
   * Iterates over the live entries: they are read ahead in chunks, what is removed is not met any
   * more, what is added is. For those of one moment iterate over `entries()`. Python iterates over keys.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<[K, V]>;
}

/** The referent of {@linkcode DictProxy}: the same methods, synchronous, which give no copies of values. */
export class Dict<K extends Key = string, V = unknown> {
  #map = new Map<K, V>();
  /**
   * Keys in the order of insertion, made by the first `popItem`: a Map does not know its last key.
   * Removed ones stay in it; the topmost place of a key that exists is the right one.
   */
  #stack: K[] | undefined;

  /** Makes a dict of an object, a Map or an iterable of entries. */
  constructor(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>> = []) {
    this.#putAll(entries, "dict()");
  }

  /** See {@linkcode DictProxy.get}. */
  get(key: K): V | undefined {
    return this.#map.get(keyOf(key, "dict.get()"));
  }

  /** See {@linkcode DictProxy.set}. */
  set(key: K, value: V): void {
    this.#put(keyOf(key, "dict.set()"), value);
  }

  /** See {@linkcode DictProxy.has}. */
  has(key: K): boolean {
    return this.#map.has(keyOf(key, "dict.has()"));
  }

  /** See {@linkcode DictProxy.delete}. */
  delete(key: K): boolean {
    return this.#map.delete(keyOf(key, "dict.delete()"));
  }

  /** See {@linkcode DictProxy.clear}. */
  clear(): void {
    this.#map.clear();
    this.#stack = undefined;
  }

  /** See {@linkcode DictProxy.size}. */
  size(): number {
    return this.#map.size;
  }

  /** See {@linkcode DictProxy.keys}. */
  keys(): K[] {
    return [...this.#map.keys()];
  }

  /** See {@linkcode DictProxy.values}. */
  values(): V[] {
    return [...this.#map.values()];
  }

  /** See {@linkcode DictProxy.entries}. */
  entries(): [K, V][] {
    return [...this.#map];
  }

  /** See {@linkcode DictProxy.getOrInsert}. */
  getOrInsert(key: K, value: V): V {
    if (!this.#map.has(keyOf(key, "dict.getOrInsert()"))) this.#put(key, value);
    return this.#map.get(key) as V;
  }

  /** See {@linkcode DictProxy.pop}. */
  pop(key: K): V | undefined {
    const value = this.#map.get(keyOf(key, "dict.pop()"));
    this.#map.delete(key);
    return value;
  }

  /** See {@linkcode DictProxy.popItem}. */
  popItem(): [K, V] | undefined {
    if (this.#map.size === 0) return undefined;
    this.#stack ??= this.keys();
    let key = this.#stack.pop() as K;
    while (!this.#map.has(key)) key = this.#stack.pop() as K;
    return [key, this.pop(key) as V];
  }

  /** See {@linkcode DictProxy.update}. */
  update(other: Iterable<readonly [K, V]> | Readonly<Record<string, V>>): void {
    this.#putAll(other, "dict.update()");
  }

  /** See {@linkcode DictProxy.copy}. */
  copy(): Map<K, V> {
    return new Map(this.#map);
  }

  /** See {@linkcode DictProxy.getMany}. */
  getMany(keys: Iterable<K>): (V | undefined)[] {
    return keysOf(keys, "dict.getMany()").map((key) => this.#map.get(key));
  }

  /** See {@linkcode DictProxy.setMany}. */
  setMany(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>): void {
    this.#putAll(entries, "dict.setMany()");
  }

  /** See {@linkcode DictProxy.deleteMany}. */
  deleteMany(keys: Iterable<K>): number {
    return keysOf(keys, "dict.deleteMany()").filter((key) => this.#map.delete(key)).length;
  }

  /** See {@linkcode DictProxy.increment}. */
  increment(key: K, by: number | bigint = 1): V {
    const current = this.#map.get(keyOf(key, "dict.increment()"));
    const start = current === undefined ? (typeof by === "bigint" ? 0n : 0) : current;
    const total = sum(start, by, "dict.increment()") as V;
    this.#put(key, total);
    return total;
  }

  /** See {@linkcode DictProxy.compareAndSet}. */
  compareAndSet(key: K, expected: V | undefined, value: V | undefined): boolean {
    const current = this.#map.get(keyOf(key, "dict.compareAndSet()"));
    if (!equals(current, expected)) return false;
    if (value === undefined) this.#map.delete(key);
    else this.#put(key, value);
    return true;
  }

  /** Iterates over the live entries, as a Map does. */
  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#map[Symbol.iterator]();
  }

  #putAll(entries: Iterable<readonly [K, V]> | Readonly<Record<string, V>>, what: string): void {
    // All are checked before the first is stored.
    for (const [key, value] of entriesOf<K, V>(entries, what)) this.#put(key, value);
  }

  #put(key: K, value: V): void {
    if (this.#stack && !this.#map.has(key)) this.#remember(this.#stack, key);
    this.#map.set(key, value);
  }

  #remember(stack: K[], key: K): void {
    stack.push(key);
    // Mostly removed keys by now: the next popItem makes a new one.
    if (stack.length > 2 * this.#map.size + 64) this.#stack = undefined;
  }
}

function keysOf<K extends Key>(keys: Iterable<K>, what: string): K[] {
  return itemsOf(keys, what).map((key) => keyOf(key, what));
}
