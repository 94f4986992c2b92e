/**
 * The items of a queue that are ready, in the order in which they are taken: first in first out,
 * last in first out, or by priority. An item that comes back goes to its old place. Putting and
 * taking cost the same however many there are; by priority, and for what came back, they cost the
 * logarithm of it.
 *
 * Above: queue.ts. Below: order.ts.
 *
 * @module
 */

import { compareAny } from "./order.ts";

/** One item of a queue. */
export interface Item {
  readonly value: unknown;
  /** Rises with each put; below 0: at the head, whatever the order. */
  readonly place: number;
  readonly priority: unknown;
  /** About how large it is when it is sent; 0 if that is not known. */
  readonly bytes: number;
  /** How often it was leased. */
  attempts: number;
}

/** In which order items are taken. */
export type StoreOrder = "first" | "last" | "priority";

type Before = (a: Item, b: Item) => boolean;

/** Items that are ready. */
export class Store {
  readonly #before: Before;
  /** What was put, where the order of puts is that of taking. */
  readonly #fresh: Fifo | Lifo | undefined;
  /** What came back, or all by priority. */
  readonly #heap: Heap;

  constructor(order: StoreOrder) {
    const before = orders[order];
    this.#before = (a, b) => a.place < 0 || b.place < 0 ? a.place < b.place : before(a, b);
    this.#fresh = order === "first" ? new Fifo() : order === "last" ? new Lifo() : undefined;
    this.#heap = new Heap(this.#before);
  }

  /** How many there are. */
  get size(): number {
    return this.#heap.size + (this.#fresh?.size ?? 0);
  }

  /** Adds an item that was put; its place is higher than those before it. */
  add(item: Item): void {
    (this.#fresh ?? this.#heap).add(item);
  }

  /** Adds an item that was taken before. */
  restore(item: Item): void {
    this.#heap.add(item);
  }

  /** Takes the next item. */
  take(): Item | undefined {
    const fresh = this.#fresh?.next;
    const back = this.#heap.next;
    if (!fresh) return this.#heap.take();
    return back && this.#before(back, fresh) ? this.#heap.take() : this.#fresh!.take();
  }

  /** Takes all. */
  clear(): void {
    this.#fresh?.clear();
    this.#heap.clear();
  }
}

const orders: Readonly<Record<StoreOrder, Before>> = {
  first: (a, b) => a.place < b.place,
  last: (a, b) => a.place > b.place,
  // Kinds do not meet but where an item comes back late: then it must have a place.
  priority: (a, b) => (compareAny(a.priority, b.priority) || a.place - b.place) < 0,
};

/** An array whose first items are gone is cut when they are the larger part, and so many. */
const minimumCut = 1024;

class Fifo {
  #items: (Item | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  get next(): Item | undefined {
    return this.#items[this.#head];
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > minimumCut && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}

class Lifo {
  #items: Item[] = [];

  get size(): number {
    return this.#items.length;
  }

  get next(): Item | undefined {
    return this.#items.at(-1);
  }

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    return this.#items.pop();
  }

  clear(): void {
    this.#items = [];
  }
}

/** A binary heap. */
class Heap {
  readonly #before: Before;
  #items: Item[] = [];

  constructor(before: Before) {
    this.#before = before;
  }

  get size(): number {
    return this.#items.length;
  }

  get next(): Item | undefined {
    return this.#items[0];
  }

  add(item: Item): void {
    const items = this.#items;
    let index = items.length;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#before(item, items[parent]!)) break;
      items[index] = items[parent]!;
      index = parent;
    }
    items[index] = item;
  }

  take(): Item | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (last && items.length > 0) this.#sink(last);
    return first;
  }

  clear(): void {
    this.#items = [];
  }

  /** Puts an item into the free place at the root, and down from there. */
  #sink(item: Item): void {
    const items = this.#items;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#before(items[child + 1]!, items[child]!)) child++;
      if (!this.#before(items[child]!, item)) break;
      items[index] = items[child]!;
      index = child;
    }
    items[index] = item;
  }
}
