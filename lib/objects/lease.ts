/**
 * What a queue gives to those who get: items that are theirs once they have arrived, or leases of
 * items that come back if their session ends.
 *
 * Above: queue.ts. Below: handover.ts, store.ts.
 *
 * @module
 */

import { LeaseLostError, NotExposedError } from "../errors.ts";
import { optionsOf } from "./arguments.ts";
import { Handover, Holding, type HoldingMethod } from "./handover.ts";
import { quoted } from "./represent.ts";
import type { Item } from "./store.ts";
import type { Clock } from "./waiting.ts";

/** How what is given is made of the items. */
export type Shape<T = Item> = (items: readonly T[]) => unknown;

/** The forms in which a getter receives its items. */
export const shapes = {
  value: ([item]: readonly Item[]): unknown => item!.value,
  found: ([item]: readonly Item[]): unknown => ({ value: item!.value }),
  values: (items: readonly Item[]): unknown => items.map(({ value }) => value),
  // Flat: a value that was just not too deep when it was put is not now, either.
  leases: (items: readonly Item[]): unknown =>
    items.flatMap(({ value, attempts }) => [value, attempts]),
};

/** What takes items back. */
export interface ItemSource<T = Item> {
  /** Items that were taken have left. */
  sent(): void;
  /** Items that never left come back. */
  restore(items: readonly T[]): void;
}

/** Items that are the caller's once they have arrived. */
export class Taken<T = Item> extends Handover {
  readonly #source: ItemSource<T>;
  readonly #shape: Shape<T>;
  readonly #items: T[];

  constructor(source: ItemSource<T>, items: T[], shape: Shape<T>) {
    super();
    this.#source = source;
    this.#items = items;
    this.#shape = shape;
  }

  get content(): unknown {
    return this.#shape(this.#items);
  }

  override sent(): void {
    this.#source.sent();
  }

  giveBack(): void {
    this.#source.restore(this.#items.splice(0));
    this.#source.sent();
  }

  override shrink(): boolean {
    if (this.#items.length < 2) return false;
    this.#source.restore(this.#items.splice(this.#items.length >> 1));
    return true;
  }
}

/** What a lease asks of its queue. */
export interface LeaseSource {
  /** The item is done with. */
  finish(lease: Lease): void;
  /** The item comes back, after the delay; `counts`: this was an attempt. */
  takeBack(leases: readonly Lease[], counts: boolean, delay?: number): void;
}

/** One item that is out. */
export class Lease {
  readonly item: Item;
  /** The session that has it. */
  readonly owner: string;
  readonly clock: Clock;
  /** The holding that it came with. */
  readonly batch: LeaseBatch;
  #over = false;

  constructor(item: Item, owner: string, clock: Clock, batch: LeaseBatch) {
    this.item = item;
    this.owner = owner;
    this.clock = clock;
    this.batch = batch;
  }

  /** Whether the item is done with, or came back. */
  get over(): boolean {
    return this.#over;
  }

  /** It is over now; false if it was. */
  end(): boolean {
    if (this.#over) return false;
    this.#over = true;
    if (--this.batch.open === 0) this.batch.onOver?.();
    return true;
  }
}

/** Who leases, and how it is told of its items. */
export interface LeaseParts {
  readonly source: LeaseSource;
  readonly items: readonly Item[];
  readonly owner: string;
  readonly clock: Clock;
  /** `Items`: the caller gets the values, and its session has the leases. */
  readonly kind: "Lease" | "Items";
  readonly shape: Shape;
}

/** The leases that one call gave. */
export class LeaseBatch extends Holding {
  readonly kind: "Lease" | "Items";
  readonly leases: Lease[];
  /** How many of them are not over. */
  open: number;
  readonly #source: LeaseSource;
  readonly #shape: Shape;

  constructor({ source, items, owner, clock, kind, shape }: LeaseParts) {
    super();
    this.kind = kind;
    this.#source = source;
    this.#shape = shape;
    this.leases = items.map((item) => new Lease(item, owner, clock, this));
    this.open = items.length;
  }

  get content(): unknown {
    return this.#shape(this.leases.map(({ item }) => item));
  }

  get over(): boolean {
    return this.open === 0;
  }

  call(method: HoldingMethod, [index = 0, options]: readonly unknown[]): void {
    const lease = Number.isSafeInteger(index) ? this.leases[index as number] : undefined;
    if (!lease || method === "release") {
      throw new NotExposedError(`A lease has no method "${method}" of item ${quoted(index)}`);
    }
    const delay = delayOf(options);
    if (lease.over) {
      throw new LeaseLostError(
        `Cannot ${method} the item: its lease is over, somebody else finished the item with taskDone(); do nothing more with it`,
      );
    }
    if (method === "ack") this.#source.finish(lease);
    else this.#source.takeBack([lease], true, delay);
  }

  giveBack(): void {
    this.#source.takeBack(this.#out(), false);
  }

  abandon(): void {
    this.#source.takeBack(this.#out(), true);
  }

  override shrink(): boolean {
    if (this.leases.length < 2) return false;
    this.#source.takeBack(this.leases.splice(this.leases.length >> 1), false);
    return true;
  }

  #out(): Lease[] {
    return this.leases.filter((lease) => !lease.over);
  }
}

function delayOf(options: unknown): number {
  const { delay = 0 } = optionsOf(options, ["delay"], "lease.nack()");
  if (typeof delay === "number" && delay >= 0 && delay < Infinity) return delay;
  throw new RangeError(
    `lease.nack() needs a delay of 0 or more milliseconds, got ${quoted(delay)}`,
  );
}
