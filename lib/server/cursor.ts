/**
 * A cursor: one iterator of a referent in the server, read in portions. What was read and could not
 * be sent stays in it.
 *
 * Above: invocation.ts, session.ts, local.ts. Below: nothing.
 *
 * @module
 */

/** A portion of items; `done` says that nothing comes after them. */
export interface Portion {
  values: unknown[];
  done: boolean;
}

type Step = IteratorResult<unknown>;

/** One iterator. It keeps its referent alive. */
export class Cursor {
  readonly #iterator: Iterator<unknown> | AsyncIterator<unknown>;
  /** How many items one portion holds. */
  readonly readAhead: number;
  #unsent: unknown[] = [];
  #done = false;
  #failure: { error: unknown } | undefined;

  constructor(iterator: Iterator<unknown> | AsyncIterator<unknown>, readAhead: number) {
    this.#iterator = iterator;
    this.readAhead = readAhead;
  }

  /** Up to `readAhead` next items. A failure after some items comes with the next portion. */
  next(): Portion | Promise<Portion> {
    const values = this.#unsent.splice(0, this.readAhead);
    if (this.#failure && values.length === 0) {
      const { error } = this.#failure;
      this.#failure = undefined;
      this.#done = true;
      throw error;
    }
    return this.#fill(values);
  }

  /** Takes back what was read and could not be sent. */
  unread(values: unknown[]): void {
    this.#unsent.unshift(...values);
  }

  /** Ends the iterator; what its `return` throws is thrown, what it gives is for nobody. */
  return(): void | Promise<void> {
    this.#unsent = [];
    if (this.#done) return;
    this.#done = true;
    const ended: unknown = this.#iterator.return?.();
    if (isPromise(ended)) return Promise.resolve(ended).then(() => {});
  }

  #fill(values: unknown[]): Portion | Promise<Portion> {
    try {
      while (!this.#done && !this.#failure && values.length < this.readAhead) {
        const step = this.#iterator.next();
        if (isPromise(step)) return this.#fillLater(values, step);
        this.#add(values, step);
      }
    } catch (error) {
      this.#fail(values, error);
    }
    return { values, done: this.#done && this.#unsent.length === 0 };
  }

  async #fillLater(values: unknown[], first: PromiseLike<Step>): Promise<Portion> {
    try {
      this.#add(values, await first);
    } catch (error) {
      this.#fail(values, error);
    }
    return this.#fill(values);
  }

  #add(values: unknown[], step: Step): void {
    if (step.done) this.#done = true;
    else values.push(step.value);
  }

  #fail(values: unknown[], error: unknown): void {
    if (values.length === 0) {
      this.#done = true;
      throw error;
    }
    this.#failure = { error };
  }
}

function isPromise(value: unknown): value is PromiseLike<Step> {
  return typeof (value as PromiseLike<Step> | null)?.then === "function";
}

/** Whether a method returned an iterator, to be read step by step instead of copied. */
export function isIterator(value: unknown): value is Iterator<unknown> | AsyncIterator<unknown> {
  if (typeof value !== "object" || value === null) return false;
  const candidate = value as { next?: unknown; [Symbol.iterator]?: unknown } & {
    [Symbol.asyncIterator]?: unknown;
  };
  return typeof candidate.next === "function" &&
    (typeof candidate[Symbol.iterator] === "function" ||
      typeof candidate[Symbol.asyncIterator] === "function");
}
