/**
 * What the priorities of one queue have in common, so that a misfit is refused when it is put.
 *
 * Above: queues.ts. Below: order.ts.
 *
 * @module
 */

import { assertOrdered } from "./order.ts";
import { quoted } from "./represent.ts";

type Kind = "number" | "string" | Kind[];

/** The kind of one queue's priorities: later a misfit would be found in the middle of taking another item. */
export class PriorityKind {
  #kind: Kind | undefined;

  /** Refuses what cannot be ordered with what was admitted so far. */
  check(priority: unknown): void {
    this.#mergedWith(priority);
  }

  /** As `check`; whatever comes later has to fit this, too. */
  admit(priority: unknown): void {
    this.#kind = this.#mergedWith(priority);
  }

  #mergedWith(priority: unknown): Kind {
    assertOrdered(priority);
    const kind = merged(this.#kind, kindOf(priority));
    if (kind === undefined) {
      throw new TypeError(
        `Cannot put with priority ${
          quoted(priority)
        }: the queue has priorities of another kind; numbers, strings and arrays do not mix`,
      );
    }
    return kind;
  }
}

function kindOf(priority: unknown): Kind {
  if (Array.isArray(priority)) return priority.map(kindOf);
  return typeof priority === "string" ? "string" : "number";
}

/** What fits both, or undefined. */
function merged(a: Kind | undefined, b: Kind): Kind | undefined {
  if (a === undefined || a === b) return b;
  if (typeof a === "string" || typeof b === "string") return undefined;
  const [long, short] = a.length > b.length ? [a, b] : [b, a];
  const all = [...long];
  for (const [i, kind] of short.entries()) {
    const both = merged(long[i], kind);
    if (both === undefined) return undefined;
    all[i] = both;
  }
  return all;
}
