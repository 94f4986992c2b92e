/**
 * The set: a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: the checks of arguments.
 *
 * @module
 */

import { itemsOf } from "./arguments.ts";
import { isContainer, isKey } from "./data.ts";
import type { Items, ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";

/**
 * A set in the server. Its members are primitives or proxies, anything else is TypeError: arrays and
 * objects arrive as copies, and no copy would ever be found again. Members keep the order in
 * which they came. Each call is atomic. The set algebra gives local copies, and its arguments are
 * iterables or proxies of this server. Python: `SetProxy` (3.14).
 *
 * @example
 * ```ts
 * import { Manager, str } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const seen = await manager.set(["a"]);
 * await seen.add("b");
 * console.log(await seen.has("b"), await str(seen)); // true {'a', 'b'}
 * await manager.shutdown();
 * ```
 */
export interface SetProxy<T = unknown> extends ProxyBase {
  /** Adds a member. Python: `add`. */
  add(member: T): Promise<void>;
  /** Whether it is a member. Python: `member in set`. */
  has(member: T): Promise<boolean>;
  /** Removes a member; whether it was one. Python: `discard`. */
  delete(member: T): Promise<boolean>;
  /** Removes all members. Python: `clear`. */
  clear(): Promise<void>;
  /** The number of members. Python: `len(set)`. */
  size(): Promise<number>;
  /** A copy of the members, an array. */
  values(): Promise<T[]>;
  /** Removes a member and resolves to it, undefined if there is none: the oldest one. Python: `pop`. */
  pop(): Promise<T | undefined>;
  /** What is in this set or in any of the others. Python: `|`. */
  union(...others: Items<T>[]): Promise<Set<T>>;
  /** What is in this set and in all of the others. Python: `&`. */
  intersection(...others: Items<T>[]): Promise<Set<T>>;
  /** What is in this set and in none of the others. Python: `-`. */
  difference(...others: Items<T>[]): Promise<Set<T>>;
  /** What is either in this set or in the other one. Python: `^`. */
  symmetricDifference(other: Items<T>): Promise<Set<T>>;
  /** Whether the other has all members of this set. Python: `issubset`. */
  isSubsetOf(other: Items<T>): Promise<boolean>;
  /** Whether this set has all members of the other. Python: `issuperset`. */
  isSupersetOf(other: Items<T>): Promise<boolean>;
  /** Whether no member is in both. Python: `isdisjoint`. */
  isDisjointFrom(other: Items<T>): Promise<boolean>;
  /** Adds all members of the others; all or, if one of them is refused, none. Python: `update`. */
  update(...others: Items<T>[]): Promise<void>;
  /** A copy of the set: a Set, no shared set. Python: `copy`. */
  copy(): Promise<Set<T>>;
  /**
   * Iterates over the live members: they are read ahead in chunks, what is removed is not met any
   * more, what is added is. For those of one moment iterate over `values()`.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
}

/** The referent of {@linkcode SetProxy}: the same methods, synchronous. */
export class SharedSet<T = unknown> {
  #members: Set<T> = new Set();
  /** Where `pop` takes from: a new iterator each time would walk over all that was taken before. */
  #oldest: IterableIterator<T> | undefined;

  /** Makes a set of the members of an iterable. */
  constructor(members: Iterable<T> = []) {
    for (const member of itemsOf(members, "set()")) this.#members.add(checked(member, "set()"));
  }

  /** See {@linkcode SetProxy.add}. */
  add(member: T): void {
    this.#members.add(checked(member, "set.add()"));
  }

  /** See {@linkcode SetProxy.has}. */
  has(member: T): boolean {
    return this.#members.has(checked(member, "set.has()"));
  }

  /** See {@linkcode SetProxy.delete}. */
  delete(member: T): boolean {
    return this.#members.delete(checked(member, "set.delete()"));
  }

  /** See {@linkcode SetProxy.clear}. */
  clear(): void {
    this.#members.clear();
  }

  /** See {@linkcode SetProxy.size}. */
  size(): number {
    return this.#members.size;
  }

  /** See {@linkcode SetProxy.values}. */
  values(): T[] {
    return [...this.#members];
  }

  /** See {@linkcode SetProxy.pop}. */
  pop(): T | undefined {
    if (this.#members.size === 0) return undefined;
    // Nothing is left before the iterator: what it met was removed, what is added comes behind it.
    this.#oldest ??= this.#members.values();
    const { value, done } = this.#oldest.next();
    if (done) {
      // It ended while the set was empty, and an iterator does not begin again.
      this.#oldest = undefined;
      return this.pop();
    }
    this.#members.delete(value);
    return value;
  }

  /** See {@linkcode SetProxy.union}. */
  union(...others: Iterable<T>[]): Set<T> {
    const result = this.copy();
    for (const other of others) addAll(result, itemsOf(other, "set.union()"));
    return result;
  }

  /** See {@linkcode SetProxy.intersection}. */
  intersection(...others: Iterable<T>[]): Set<T> {
    const sets = others.map((other) => setOf(other, "set.intersection()"));
    return this.#where((member) => sets.every((set) => set.has(member)));
  }

  /** See {@linkcode SetProxy.difference}. */
  difference(...others: Iterable<T>[]): Set<T> {
    const sets = others.map((other) => setOf(other, "set.difference()"));
    return this.#where((member) => !sets.some((set) => set.has(member)));
  }

  /** See {@linkcode SetProxy.symmetricDifference}. */
  symmetricDifference(other: Iterable<T>): Set<T> {
    const set = setOf(other, "set.symmetricDifference()");
    const result = this.#where((member) => !set.has(member));
    for (const member of set) {
      if (!this.#members.has(member)) result.add(member);
    }
    return result;
  }

  /** See {@linkcode SetProxy.isSubsetOf}. */
  isSubsetOf(other: Iterable<T>): boolean {
    const set = setOf(other, "set.isSubsetOf()");
    return this.values().every((member) => set.has(member));
  }

  /** See {@linkcode SetProxy.isSupersetOf}. */
  isSupersetOf(other: Iterable<T>): boolean {
    return itemsOf(other, "set.isSupersetOf()").every((member) => this.#members.has(member));
  }

  /** See {@linkcode SetProxy.isDisjointFrom}. */
  isDisjointFrom(other: Iterable<T>): boolean {
    return !itemsOf(other, "set.isDisjointFrom()").some((member) => this.#members.has(member));
  }

  /** See {@linkcode SetProxy.update}. */
  update(...others: Iterable<T>[]): void {
    const members = others.flatMap((other) => itemsOf(other, "set.update()"));
    // All are checked before the first is added.
    addAll(this.#members, members.map((member) => checked(member, "set.update()")));
  }

  /** See {@linkcode SetProxy.copy}. */
  copy(): Set<T> {
    return new Set(this.#members);
  }

  /** Iterates over the live members, as a Set does. */
  [Symbol.iterator](): IterableIterator<T> {
    return this.#members[Symbol.iterator]();
  }

  #where(test: (member: T) => boolean): Set<T> {
    return new Set(this.values().filter(test));
  }
}

function checked<T>(member: T, what: string): T {
  if (isKey(member) || (typeof member === "object" && !isContainer(member))) return member;
  throw new TypeError(
    `${what} needs members that are primitives or proxies, got ${quoted(member)}`,
  );
}

function setOf<T>(members: Iterable<T>, what: string): Set<T> {
  return new Set(itemsOf(members, what));
}

function addAll<T>(set: Set<T>, members: readonly T[]): void {
  for (const member of members) set.add(member);
}
