/**
 * The queues: first in first out, last in first out, by priority; referents. Items wait for getters
 * and getters for items, both in order; what is leased comes back when its session ends.
 *
 * Above: the table of built-in typeids, queues.ts. Below: store.ts, lease.ts, dead_items.ts,
 * waiting.ts; the interfaces of the proxies are in queue_proxy.ts.
 *
 * @module
 */

import { QueueEmptyError, QueueFullError, QueueShutDownError } from "../errors.ts";
import { countOrAll, flag, itemsOf, optionsOf } from "./arguments.ts";
import { isPlainObject } from "./data.ts";
import {
  type ItemSource,
  type Lease,
  LeaseBatch,
  type LeaseSource,
  shapes,
  Taken,
} from "./lease.ts";
import { DeadItems } from "./dead_items.ts";
import { type Handover, maxBatchBytes } from "./handover.ts";
import type { DeadItem, QueueOptions } from "./queue_proxy.ts";
import { type Item, Store, type StoreOrder } from "./store.ts";
import { checkWaitOptions, type WaitingCaller, WaitingLine, waitOptions } from "./waiting.ts";

/** What a getter asks for. */
interface Wanted {
  readonly caller: WaitingCaller;
  readonly max: number;
  readonly lease: boolean;
  readonly shape: keyof typeof shapes;
}

const defaultMaxAttempts = 10;

/** A queue, first in first out. */
export class Queue implements ItemSource, LeaseSource {
  readonly #ready: Store;
  readonly #maxSize: number;
  readonly #maxAttempts: number;
  readonly #getters = new WaitingLine<Handover, Wanted>();
  readonly #putters = new WaitingLine<void, Item[]>(() => this.#pump());
  /** Items that come back later, and how to forget that. */
  readonly #delayed = new Map<Item, () => void>();
  readonly #dead = new DeadItems();
  #out = 0;
  /** How many times items were taken that have not left. */
  #leaving = 0;
  #nextPlace = 0;
  #headPlace = -1;
  #shutDown: "no" | "draining" | "at once" = "no";

  /** `order` is that in which items are taken. */
  constructor(options?: QueueOptions, order: StoreOrder = "first") {
    const { maxSize = 0, maxAttempts = defaultMaxAttempts } = optionsOf(
      options,
      ["maxSize", "maxAttempts"],
      "queue()",
    );
    this.#maxSize = countOrAll(maxSize, 0, 'queue() with its "maxSize"') || Infinity;
    this.#maxAttempts = countOrAll(maxAttempts, 1, 'queue() with its "maxAttempts"');
    this.#ready = new Store(order);
  }

  /** See {@linkcode QueueProxy.put}. */
  put(value: unknown, options: unknown, caller: WaitingCaller): void | Promise<void> {
    return this.#put([this.#item(value, this.priorityOf(options, "put"), caller.bytes)], caller);
  }

  /** See {@linkcode QueueProxy.putMany}. */
  putMany(values: unknown, options: unknown, caller: WaitingCaller): void | Promise<void> {
    const priority = this.priorityOf(options, "putMany");
    const all = itemsOf(values as Iterable<unknown>, "queue.putMany()");
    if (all.length > this.#maxSize) {
      throw new RangeError(
        `queue.putMany() cannot put ${all.length} values at once: the queue's maxSize is ${this.#maxSize}`,
      );
    }
    const bytes = caller.bytes / Math.max(1, all.length);
    return this.#put(all.map((value) => this.#item(value, priority, bytes)), caller);
  }

  /** See {@linkcode QueueProxy.tryPut}. */
  tryPut(value: unknown, options: unknown, { bytes }: WaitingCaller): boolean {
    return this.#tryPut([this.#item(value, this.priorityOf(options, "tryPut"), bytes)]);
  }

  /** See {@linkcode QueueProxy.get}. */
  get(options: unknown, caller: WaitingCaller): Handover | Promise<Handover> {
    return this.#get(1, "value", options, caller);
  }

  /** See {@linkcode QueueProxy.getMany}. */
  getMany(max: unknown, options: unknown, caller: WaitingCaller): Handover | Promise<Handover> {
    return this.#get(countOrAll(max, 1, "queue.getMany()"), "values", options, caller);
  }

  /** See {@linkcode QueueProxy.tryGet}. */
  tryGet(options: unknown, caller: WaitingCaller): Handover | null {
    return this.#tryGet({ caller, max: 1, lease: leaseOf(options, "tryGet"), shape: "found" }) ??
      null;
  }

  /** See {@linkcode QueueProxy.size}. */
  size(): number {
    return this.#ready.size;
  }

  /** See {@linkcode QueueProxy.empty}. */
  empty(): boolean {
    return this.#ready.size === 0;
  }

  /** See {@linkcode QueueProxy.full}. */
  full(): boolean {
    return this.#ready.size >= this.#maxSize;
  }

  /** See {@linkcode QueueProxy.shutdown}. */
  shutdown(options?: unknown): void {
    const { immediate = false } = optionsOf(options, ["immediate"], "queue.shutdown()");
    flag(immediate, 'queue.shutdown() with its "immediate"');
    if (this.#shutDown !== "at once") this.#shutDown = immediate ? "at once" : "draining";
    this.#putters.refuseAll(shutDownError);
    if (immediate) this.#drop();
    this.#pump();
  }

  /** See {@linkcode QueueProxy.dead}. */
  dead(options: unknown, _caller: WaitingCaller): DeadItem[] | Handover {
    return this.#dead.read(options);
  }

  /** Takes back what a method gave when nobody waited any more: it goes to the head. */
  takeBackResult(method: string, result: unknown): void {
    const results = Array.isArray(result) ? result : [];
    if (method === "dead") return this.#dead.restore(results);
    const values = method === "getMany" ? results : [
      ...method === "get" ? [result] : [],
      ...method === "tryGet" && isPlainObject(result) && "value" in result ? [result["value"]] : [],
    ];
    const first = this.#headPlace - values.length + 1;
    this.#headPlace -= values.length;
    this.restore(
      values.map((value, i) => ({
        value,
        place: first + i,
        priority: undefined,
        bytes: 0,
        attempts: 0,
      })),
    );
  }

  sent(): void {
    this.#leaving--;
    this.#pump();
  }

  restore(items: readonly Item[]): void {
    for (const item of items) this.#comeBack(item);
    this.#pump();
  }

  finish(lease: Lease): void {
    if (!this.#settle(lease)) return;
    this.itemsDone(1);
    this.#pump();
  }

  takeBack(leases: readonly Lease[], counts: boolean, delay = 0): void {
    for (const lease of leases) {
      if (!this.#settle(lease)) continue;
      const { item } = lease;
      if (!counts) item.attempts--;
      if (counts && item.attempts >= this.#maxAttempts) this.#bury(item);
      else if (delay > 0 && this.#shutDown !== "at once") this.#comeBackLater(lease, delay);
      else this.#comeBack(item);
    }
    // Not before all that a session had is back: they are taken in order.
    queueMicrotask(() => this.#pump());
  }

  /** What `debugInfo()` tells of it. */
  describe(): Record<string, number> {
    return {
      ready: this.#ready.size,
      leased: this.#out,
      delayed: this.#delayed.size,
      dead: this.#dead.size,
      getters: this.#getters.size,
      putters: this.#putters.size,
    };
  }

  // What a kind of queues does otherwise.

  /** The priority that the options ask for; most queues have none. */
  protected priorityOf(options: unknown, method: string): unknown {
    checkWaitOptions(options, `queue.${method}()`);
    return undefined;
  }

  /** Whether a plain `get` leases, too. */
  protected get alwaysLeases(): boolean {
    return false;
  }

  /** Items are to be put; what it throws refuses them. */
  protected admit(_items: readonly Item[]): void {}

  /** So many items are done with. */
  protected itemsDone(_count: number): void {}

  /** A lease was given. */
  protected leased(_lease: Lease): void {}

  /** A lease is over. */
  protected settled(_lease: Lease): void {}

  // Putting.

  #item(value: unknown, priority: unknown, bytes: number): Item {
    return { value, place: this.#nextPlace++, priority, bytes, attempts: 0 };
  }

  #put(items: Item[], caller: WaitingCaller): void | Promise<void> {
    if (this.#tryPut(items)) return;
    return this.#putters.join(
      caller,
      items,
      "To put into the queue, which is full,",
      QueueFullError,
    );
  }

  #tryPut(items: readonly Item[]): boolean {
    if (this.#shutDown !== "no") throw shutDownError();
    if (this.#putters.size > 0 || !this.#hasRoom(items.length)) return false;
    this.#add(items);
    this.#pump();
    return true;
  }

  #hasRoom(count: number): boolean {
    return this.#ready.size + count <= this.#maxSize;
  }

  #add(items: readonly Item[]): void {
    this.admit(items);
    for (const item of items) this.#ready.add(item);
  }

  // Getting.

  #get(
    max: number,
    shape: keyof typeof shapes,
    options: unknown,
    caller: WaitingCaller,
  ): Handover | Promise<Handover> {
    const wanted: Wanted = { caller, max, lease: leaseOf(options, "get"), shape };
    return this.#tryGet(wanted) ?? this.#getters.join(
      caller,
      wanted,
      "To get from the queue, which is empty,",
      QueueEmptyError,
    );
  }

  #tryGet(wanted: Wanted): Handover | undefined {
    if (this.#isOver()) throw shutDownError();
    if (this.#getters.size > 0 || this.#ready.size === 0) return undefined;
    const handover = this.#take(wanted);
    this.#pump();
    return handover;
  }

  #take({ caller, max, lease, shape }: Wanted): Handover {
    const items = this.#takeItems(max);
    if (!lease && !this.alwaysLeases) {
      this.#leaving++;
      return new Taken(this, items, shapes[shape]);
    }
    for (const item of items) item.attempts++;
    const batch = new LeaseBatch({
      source: this,
      items,
      owner: caller.id,
      clock: caller.clock,
      kind: lease ? "Lease" : "Items",
      shape: shapes[lease ? "leases" : shape],
    });
    this.#out += batch.leases.length;
    for (const out of batch.leases) this.leased(out);
    return batch;
  }

  /** About as many as can be sent at once; the exact limit is that of what they are sent in. */
  #takeItems(max: number): Item[] {
    const items: Item[] = [];
    for (let bytes = 0; items.length < max && this.#ready.size > 0 && bytes < maxBatchBytes;) {
      const item = this.#ready.take()!;
      items.push(item);
      bytes += item.bytes;
    }
    return items;
  }

  // Coming back.

  /** The lease ends; false if it had. */
  #settle(lease: Lease): boolean {
    if (!lease.end()) return false;
    this.#out--;
    this.settled(lease);
    return true;
  }

  #comeBack(item: Item): void {
    if (this.#shutDown === "at once") this.itemsDone(1);
    else this.#ready.restore(item);
  }

  #comeBackLater({ item, clock }: Lease, delay: number): void {
    const stop = clock.after(delay, () => {
      this.#delayed.delete(item);
      this.restore([item]);
    });
    this.#delayed.set(item, stop);
  }

  #bury({ value, attempts }: Item): void {
    this.#dead.add({ value, attempts });
    this.itemsDone(1);
  }

  #drop(): void {
    for (const stop of this.#delayed.values()) stop();
    this.itemsDone(this.#ready.size + this.#delayed.size);
    this.#delayed.clear();
    this.#ready.clear();
  }

  /** Brings items to getters, and makes room for putters; refuses getters when nothing will come. */
  #pump(): void {
    for (;;) {
      const getter = this.#getters.first;
      const putter = this.#putters.first;
      if (getter && this.#ready.size > 0) {
        this.#getters.serve(this.#take(getter));
      } else if (putter && this.#hasRoom(putter.length)) {
        this.#serve(putter);
      } else {
        break;
      }
    }
    if (this.#isOver()) this.#getters.refuseAll(shutDownError);
  }

  /** A putter that fitted when it came may not fit what was put meanwhile. */
  #serve(items: readonly Item[]): void {
    try {
      this.#add(items);
      this.#putters.serve();
    } catch (error) {
      this.#putters.refuse(error);
    }
  }

  /** Whether nothing is there, and nothing will come. */
  #isOver(): boolean {
    if (this.#shutDown === "no") return false;
    return this.#shutDown === "at once" ||
      this.#ready.size + this.#out + this.#delayed.size + this.#leaving === 0;
  }
}

function shutDownError(): QueueShutDownError {
  return new QueueShutDownError("The queue was shut down: make a new one");
}

function leaseOf(options: unknown, method: string): boolean {
  const shown = ["lease", ...waitOptions];
  const { lease = false } = optionsOf(options, ["lease"], `queue.${method}()`, shown);
  return flag(lease, `queue.${method}() with its "lease"`);
}
