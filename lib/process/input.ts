/**
 * The input of a job: an iterable, an async iterable or a proxy, read no further than needed.
 *
 * Above: job.ts. Below: nothing.
 *
 * @module
 */

import { show } from "../call_options.ts";

/** Items to take. */
export interface Input {
  /** How many there are in all, where that is known beforehand. */
  readonly length: number | undefined;
  /** All items were taken. */
  readonly ended: boolean;
  /** Why reading failed. */
  readonly failure: { readonly reason: unknown } | undefined;
  /** Up to `max` items that are there now. */
  take(max: number): unknown[];
  /** No more will be taken. */
  close(): void;
}

/** What can be an input. */
export type Items<T> = Iterable<T> | AsyncIterable<T>;

/** The input of what a caller gave; `more` is called when there is something new to take, or the end. */
export function inputOf(items: Items<unknown>, more: () => void): Input {
  const source = items as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (source && typeof source[Symbol.asyncIterator] === "function") {
    return new AsyncInput(source[Symbol.asyncIterator]!(), more);
  }
  if (source && typeof source[Symbol.iterator] === "function") {
    const length = Array.isArray(source) ? source.length : undefined;
    return new SyncInput(source[Symbol.iterator]!(), length);
  }
  throw new TypeError(`A pool takes its items from an iterable or a proxy, got ${show(items)}`);
}

class SyncInput implements Input {
  readonly length: number | undefined;
  ended = false;
  failure: Input["failure"];
  readonly #iterator: Iterator<unknown>;
  #taken = 0;

  constructor(iterator: Iterator<unknown>, length: number | undefined) {
    this.#iterator = iterator;
    this.length = length;
    if (length === 0) this.ended = true;
  }

  take(max: number): unknown[] {
    const items: unknown[] = [];
    try {
      while (!this.ended && items.length < max) {
        const { done, value } = this.#iterator.next();
        if (done) this.ended = true;
        else items.push(value);
        if (!done && ++this.#taken === this.length) this.ended = true;
      }
    } catch (reason) {
      this.ended = true;
      this.failure = { reason };
    }
    return items;
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.#iterator.return?.();
  }
}

class AsyncInput implements Input {
  readonly length = undefined;
  failure: Input["failure"];
  readonly #iterator: AsyncIterator<unknown>;
  readonly #more: () => void;
  #items: unknown[] = [];
  #wanted = 1;
  #reading = false;
  #exhausted = false;

  constructor(iterator: AsyncIterator<unknown>, more: () => void) {
    this.#iterator = iterator;
    this.#more = more;
  }

  get ended(): boolean {
    return this.#exhausted && this.#items.length === 0;
  }

  take(max: number): unknown[] {
    const items = this.#items.splice(0, max);
    this.#wanted = max;
    this.#read();
    return items;
  }

  close(): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    this.#items = [];
    // Nobody is left to be told that the end failed.
    Promise.resolve(this.#iterator.return?.()).catch(() => {});
  }

  /** Reads ahead what the next chunk takes. */
  async #read(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#exhausted && this.#items.length < this.#wanted) {
        const { done, value } = await this.#iterator.next();
        if (this.#exhausted) break;
        if (done) this.#exhausted = true;
        else this.#items.push(value);
        this.#more();
      }
    } catch (reason) {
      this.#exhausted = true;
      this.failure = { reason };
      this.#more();
    } finally {
      this.#reading = false;
    }
  }
}
