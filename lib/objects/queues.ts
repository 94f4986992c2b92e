/**
 * The other queues: last in first out, by priority, and one that knows which of its items are done
 * with; referents.
 *
 * Above: the table of built-in typeids. Below: queue.ts, priority_kind.ts; the interfaces of the proxies are in
 * queue_proxy.ts.
 *
 * @module
 */

import { optionsOf } from "./arguments.ts";
import type { Lease } from "./lease.ts";
import { Line, type Place } from "./line.ts";
import { Queue } from "./queue.ts";
import type { QueueOptions } from "./queue_proxy.ts";
import { PriorityKind } from "./priority_kind.ts";
import type { Item } from "./store.ts";
import { checkWaitOptions, type WaitingCaller, WaitingLine, waitOptions } from "./waiting.ts";

/** The referent of a queue, last in first out. */
export class LifoQueue extends Queue {
  /** With the options of a queue. */
  constructor(options?: QueueOptions) {
    super(options, "last");
  }
}

/** The referent of {@linkcode PriorityQueueProxy}. */
export class PriorityQueue extends Queue {
  readonly #kind = new PriorityKind();

  /** With the options of a queue. */
  constructor(options?: QueueOptions) {
    super(options, "priority");
  }

  protected override priorityOf(options: unknown, method: string): unknown {
    const names = ["priority"];
    const { priority = 0 } = optionsOf(options, names, `priorityQueue.${method}()`, [
      ...names,
      ...waitOptions,
    ]);
    this.#kind.check(priority);
    return priority;
  }

  protected override admit(items: readonly Item[]): void {
    for (const { priority } of items) this.#kind.admit(priority);
  }
}

/** Where a lease stands among those of its session, and among all. */
interface Places {
  readonly own: Place<Lease>;
  readonly all: Place<Lease>;
}

/** The referent of {@linkcode JoinableQueueProxy}. */
export class JoinableQueue extends Queue {
  #unfinished = 0;
  readonly #joiners = new WaitingLine<void>();
  readonly #leases = new Line<Lease>();
  readonly #bySession = new Map<string, Line<Lease>>();
  readonly #places = new Map<Lease, Places>();

  /** See {@linkcode JoinableQueueProxy.taskDone}. */
  taskDone({ id }: WaitingCaller): void {
    const lease = this.#bySession.get(id)?.first ?? this.#leases.first;
    if (!lease) {
      throw new RangeError(
        "taskDone() was called too often: no item that was got is unfinished; call it once for each get()",
      );
    }
    this.finish(lease);
  }

  /** See {@linkcode JoinableQueueProxy.join}. */
  join(options: unknown, caller: WaitingCaller): void | Promise<void> {
    checkWaitOptions(options, "joinableQueue.join()");
    if (this.#unfinished === 0) return;
    return this.#joiners.join(
      caller,
      undefined,
      "The wait for the items to be done",
    );
  }

  override describe(): Record<string, number> {
    return { ...super.describe(), unfinished: this.#unfinished };
  }

  protected override get alwaysLeases(): boolean {
    return true;
  }

  protected override admit(items: readonly Item[]): void {
    this.#unfinished += items.length;
  }

  protected override itemsDone(count: number): void {
    this.#unfinished -= count;
    if (this.#unfinished === 0) this.#joiners.serveAll();
  }

  protected override leased(lease: Lease): void {
    let own = this.#bySession.get(lease.owner);
    if (!own) this.#bySession.set(lease.owner, own = new Line());
    this.#places.set(lease, { own: own.add(lease), all: this.#leases.add(lease) });
  }

  protected override settled(lease: Lease): void {
    const { own, all } = this.#places.get(lease)!;
    this.#places.delete(lease);
    this.#leases.remove(all);
    const line = this.#bySession.get(lease.owner)!;
    line.remove(own);
    if (line.size === 0) this.#bySession.delete(lease.owner);
  }
}
