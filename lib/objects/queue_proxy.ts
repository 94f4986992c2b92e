/**
 * The interfaces of the queues' proxies, and what they give and take.
 *
 * Above: queue.ts, queues.ts, users. Below: nothing.
 *
 * @module
 */

import type { Items, ProxyBase } from "./proxy_base.ts";
import type { WaitOptions } from "./waiting.ts";

/** How a queue behaves. */
export interface QueueOptions {
  /** The most items that are ready; 0 (the default): no limit. */
  maxSize?: number;
  /** After how many leases that did not end in an `ack` an item goes to `dead()`. Default 10. */
  maxAttempts?: number;
}

/** How to get. */
export interface GetOptions extends WaitOptions {
  /** Lease the item: it comes back if this process dies before it acknowledged it. */
  lease?: boolean;
}

/** When an item comes back. */
export interface NackOptions {
  /** Milliseconds until others can get it, 0 or more. Default 0. */
  delay?: number;
}

/** An item that is this process's until it says what became of it, or dies: then it comes back. */
export interface Lease<T> {
  /** The item, a copy. */
  readonly value: T;
  /** 1 when the item is leased for the first time. */
  readonly attempt: number;
  /**
   * The item is done with. Again it does nothing.
   *
   * @throws {LeaseLostError} The lease is over: it was given back, or somebody finished the item.
   */
  ack(): Promise<void>;
  /**
   * The item comes back to its old place, or goes to `dead()` after too many attempts. Again it does
   * nothing.
   *
   * @throws {LeaseLostError} The lease is over: it was acknowledged, or somebody finished the item.
   */
  nack(options?: NackOptions): Promise<void>;
  /** As `nack()` if it was neither, at the end of an `await using` block; never fails. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** An item that was leased too often. */
export interface DeadItem<T = unknown> {
  /** The item. */
  readonly value: T;
  /** How often it was leased. */
  readonly attempts: number;
}

/** How to consume. */
export interface ConsumeOptions<T> {
  /** How many handlers run at a time. Default 1. */
  concurrency?: number;
  /** Aborting it takes no more items; `consume` resolves when the running handlers have ended. */
  signal?: AbortSignal;
  /**
   * Is told what a handler threw; the item comes back by itself, or is dead. Default: only
   * `REFERENT_DEBUG=1` tells. It may be async; what it throws itself ends the consuming.
   */
  onError?: (error: unknown, lease: Lease<T>) => unknown;
}

/** What the queues have in common; see {@linkcode QueueProxy}. */
export interface QueueMethods<T> extends ProxyBase, AsyncIterable<T> {
  /**
   * Takes the next item; waits for one. At most once: if this process is killed after the item has
   * left, it is gone. Python: `queue.get()`.
   *
   * @throws {QueueEmptyError} Nothing came in time. Python: `queue.Empty`.
   * @throws {QueueShutDownError} The queue was shut down, and nothing is left.
   */
  get(options?: GetOptions & { lease?: false }): Promise<T>;
  /** Leases the next item; waits for one. At least once. Rejects as `get()` does. Python has none. */
  get(options: GetOptions & { lease: true }): Promise<Lease<T>>;
  /**
   * Takes the next item if there is one, else null. Python: `queue.get_nowait()`.
   *
   * @throws {QueueShutDownError} The queue was shut down, and nothing is left.
   */
  tryGet(options?: { lease?: false }): Promise<{ value: T } | null>;
  /** Leases the next item if there is one, else null. */
  tryGet(options: { lease: true }): Promise<Lease<T> | null>;
  /**
   * Waits for one item, then takes all that are there, up to `max` (1 or more) and 8 MiB. Rejects as
   * `get()` does. Python has none.
   */
  getMany(max: number, options?: GetOptions & { lease?: false }): Promise<T[]>;
  /** The same with a lease for each item. */
  getMany(max: number, options: GetOptions & { lease: true }): Promise<Lease<T>[]>;
  /** How many items are ready; what is leased or comes back later does not count. Python: `queue.qsize()`. */
  size(): Promise<number>;
  /** Whether no item is ready. Python: `queue.empty()`. */
  empty(): Promise<boolean>;
  /** Whether there is no room. Python: `queue.full()`. */
  full(): Promise<boolean>;
  /**
   * Nothing can be put any more; getters get what is left, and what comes back of what is leased,
   * then QueueShutDownError. With `immediate` what is left is dropped. It stays so. Python, from 3.13
   * on: `queue.shutdown()`.
   */
  shutdown(options?: { immediate?: boolean }): Promise<void>;
  /**
   * Runs the handler with each item: `ack` when it resolves, `nack` when it throws, unless it did so
   * itself. Resolves when the queue was shut down and is done, or the signal is aborted, and all
   * running handlers have ended. Rejects with what `onError` throws, and when the connection is lost.
   * Python has none.
   */
  consume(
    handler: (value: T, lease: Lease<T>) => unknown,
    options?: ConsumeOptions<T>,
  ): Promise<void>;
  /**
   * The items that were leased too often, oldest first, up to `max`; with `remove` they are taken out,
   * so many as one reply can hold.
   */
  dead(options?: { max?: number; remove?: boolean }): Promise<DeadItem<T>[]>;
}

/**
 * A queue in the server: `manager.queue()` first in first out, `manager.lifoQueue()` last in first
 * out. Who waits is served in order. `for await` takes items until the queue is shut down. Python:
 * `Queue`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const jobs = await manager.queue<string>();
 * await jobs.putMany(["paint", "sweep"]);
 * const lease = await jobs.get({ lease: true }); // comes back if this process is killed now
 * console.log(lease.value, lease.attempt); // paint 1
 * await lease.ack();
 * console.log(await jobs.get()); // sweep
 * await manager.shutdown();
 * ```
 */
export interface QueueProxy<T = unknown> extends QueueMethods<T> {
  /**
   * Puts an item in; waits for room. Python: `queue.put(value)`.
   *
   * @throws {QueueFullError} There was no room in time. Python: `queue.Full`.
   * @throws {QueueShutDownError} The queue was shut down.
   */
  put(value: T, options?: WaitOptions): Promise<void>;
  /**
   * Puts an item in if there is room; whether it did. Python: `queue.put_nowait(value)`.
   *
   * @throws {QueueShutDownError} The queue was shut down.
   */
  tryPut(value: T): Promise<boolean>;
  /**
   * Puts all items in, or none; waits for room for all of them. Rejects as `put()` does. Python has
   * none.
   *
   * @throws {RangeError} There are more than `maxSize`.
   */
  putMany(values: Items<T>, options?: WaitOptions): Promise<void>;
}

/** A queue, last in first out; everything else is as of a {@linkcode QueueProxy}. Python: `LifoQueue`. */
export interface LifoQueueProxy<T = unknown> extends QueueProxy<T> {}

/** Which items are taken first. */
export interface PriorityOptions {
  /**
   * The lowest is taken first, of equals the one that was put first: values are not compared. Numbers
   * and bigints, strings, or arrays of them; NaN, anything else, and another kind than those before is
   * a TypeError. Default 0.
   */
  priority?: number | bigint | string | readonly unknown[];
}

/**
 * A queue in the server whose items have a priority. Python: `PriorityQueue`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const jobs = await manager.priorityQueue<string>();
 * await jobs.put("later", { priority: 2 });
 * await jobs.put("now", { priority: 1 });
 * console.log(await jobs.get()); // now
 * await manager.shutdown();
 * ```
 */
export interface PriorityQueueProxy<T = unknown> extends QueueMethods<T> {
  /**
   * As {@linkcode QueueProxy.put}, with a priority: an option, not a part of the value as in Python,
   * where a tuple `(priority, value)` is put.
   *
   * @throws {TypeError} The priority has no place in the order of the others.
   */
  put(value: T, options?: WaitOptions & PriorityOptions): Promise<void>;
  /** As {@linkcode QueueProxy.tryPut}, with a priority. */
  tryPut(value: T, options?: PriorityOptions): Promise<boolean>;
  /** As {@linkcode QueueProxy.putMany}, with one priority for all. */
  putMany(values: Items<T>, options?: WaitOptions & PriorityOptions): Promise<void>;
}

/**
 * A queue in the server that knows which of its items are done with. A plain `get` gives the value and
 * leases it until `taskDone()`: an item whose getter dies comes back, so that `join()` does not
 * wait for ever. Python: `JoinableQueue`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const jobs = await manager.joinableQueue<string>();
 * await jobs.put("paint");
 * console.log(await jobs.get()); // paint
 * await jobs.taskDone();
 * await jobs.join();
 * await manager.shutdown();
 * ```
 */
export interface JoinableQueueProxy<T = unknown> extends QueueProxy<T> {
  /**
   * An item is done with: the one that this process got first and has not finished, else the oldest
   * that any process got. A lease's `ack` is its own. Python: `queue.task_done()`.
   *
   * @throws {RangeError} No item is unfinished. Python: `ValueError`.
   */
  taskDone(): Promise<void>;
  /**
   * Waits until every item that was put is done with, or dead. Python: `queue.join()`.
   *
   * @throws {TimeoutError} They were not in time.
   */
  join(options?: WaitOptions): Promise<void>;
}
