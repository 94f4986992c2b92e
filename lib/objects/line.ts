/**
 * A line: first come, first served, and whoever gives up leaves from anywhere in it. All operations
 * but iteration take the same time however long it is.
 *
 * Above: the referents that have waiters, grants or leases. Below: nothing.
 *
 * @module
 */

/** One place in a line. */
export interface Place<T> {
  /** Who stands there. */
  readonly value: T;
}

interface Link<T> extends Place<T> {
  line: Line<T> | undefined;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

/** Values in the order in which they were added. */
export class Line<T> implements Iterable<T> {
  #first: Link<T> | undefined;
  #last: Link<T> | undefined;
  #size = 0;

  /** How many stand in line. */
  get size(): number {
    return this.#size;
  }

  /** Who came first. */
  get first(): T | undefined {
    return this.#first?.value;
  }

  /** Adds a value at the end; the place is what `remove` needs. */
  add(value: T): Place<T> {
    const link: Link<T> = { value, line: this, before: this.#last, after: undefined };
    if (this.#last) this.#last.after = link;
    else this.#first = link;
    this.#last = link;
    this.#size++;
    return link;
  }

  /** Takes a value out, if it has not left already. */
  remove(place: Place<T>): void {
    const link = place as Link<T>;
    if (link.line !== this) return;
    link.line = undefined;
    if (link.before) link.before.after = link.after;
    else this.#first = link.after;
    if (link.after) link.after.before = link.before;
    else this.#last = link.before;
    this.#size--;
  }

  /** Takes out who came first. */
  shift(): T | undefined {
    const link = this.#first;
    if (!link) return undefined;
    this.remove(link);
    return link.value;
  }

  /** Goes through all in order; the current one may leave meanwhile. */
  *[Symbol.iterator](): Generator<T> {
    for (let link = this.#first; link; link = link.after) yield link.value;
  }
}
