/**
 * The items of a queue that were leased too often.
 *
 * Above: queue.ts. Below: handover.ts.
 *
 * @module
 */

import { countOrAll, flag, optionsOf } from "./arguments.ts";
import { isPlainObject } from "./data.ts";
import type { Handover } from "./handover.ts";
import { type ItemSource, Taken } from "./lease.ts";
import type { DeadItem } from "./queue_proxy.ts";

/** The dead items of one queue, oldest first. */
export class DeadItems implements ItemSource<DeadItem> {
  #items: DeadItem[] = [];

  /** How many there are. */
  get size(): number {
    return this.#items.length;
  }

  /** One more. */
  add(item: DeadItem): void {
    this.#items.push(item);
  }

  /** Shows them, or takes them out; see {@linkcode QueueProxy.dead}. */
  read(options: unknown): DeadItem[] | Handover {
    const { remove = false, max = Infinity } = optionsOf(
      options,
      ["max", "remove"],
      "queue.dead()",
    );
    const wanted = countOrAll(max, 1, 'queue.dead() with its "max"');
    if (!flag(remove, 'queue.dead() with its "remove"')) return this.#items.slice(0, wanted);
    return new Taken(this, this.#items.splice(0, wanted), (items) => items);
  }

  sent(): void {}

  /** Takes back what did not arrive. */
  restore(items: readonly unknown[]): void {
    this.#items = [...items.filter(isDeadItem), ...this.#items];
  }
}

function isDeadItem(item: unknown): item is DeadItem {
  return isPlainObject(item) && "value" in item && typeof item["attempts"] === "number";
}
