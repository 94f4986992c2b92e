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
  /** How many there are in all, where that is known: beforehand, or when all were taken. */
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

/** Refuses what is no input. */
export function checkItems(items: unknown): void {
  const source = items as Partial<Iterable<unknown> & AsyncIterable<unknown>> | null | undefined;
  if (typeof source?.[Symbol.asyncIterator] === "function") return;
  if (typeof source?.[Symbol.iterator] === "function") return;
  throw new TypeError(`A pool takes its items from an iterable or a proxy, got ${show(items)}`);
}

/** Refuses what are no arguments of a task. */
export function checkArguments(method: string, args: unknown): void {
  if (Array.isArray(args)) return;
  throw new TypeError(`${method}() takes the arguments as an array, got ${show(args)}`);
}

/** The input of what a caller gave; `more` is called when there is something new to take, or the end. */
export function inputOf(items: Items<unknown>, more: () => void): Input {
  checkItems(items);
  if (Symbol.asyncIterator in Object(items)) {
    return new AsyncInput((items as AsyncIterable<unknown>)[Symbol.asyncIterator](), more);
  }
  if (Array.isArray(items)) return new ArrayInput(items);
  return new SyncInput((items as Iterable<unknown>)[Symbol.iterator](), lengthOf(items));
}

function lengthOf(source: unknown): number | undefined {
  return source instanceof Set || source instanceof Map ? source.size : undefined;
}

class ArrayInput implements Input {
  readonly length: number;
  readonly failure = undefined;
  readonly #items: readonly unknown[];
  #taken = 0;

  /** Copies the array: whoever gave it may change it while its items wait for a worker. */
  constructor(items: readonly unknown[]) {
    this.#items = items.slice();
    this.length = items.length;
  }

  get ended(): boolean {
    return this.#taken >= this.length;
  }

  take(max: number): unknown[] {
    const items = this.#items.slice(this.#taken, Math.min(this.#taken + max, this.length));
    this.#taken += items.length;
    return items;
  }

  close(): void {
    this.#taken = this.length;
  }
}

class SyncInput implements Input {
  length: number | undefined;
  ended = false;
  failure: Input["failure"];
  readonly #iterator: Iterator<unknown>;
  #taken = 0;
  #reading = false;

  constructor(iterator: Iterator<unknown>, length: number | undefined) {
    this.#iterator = iterator;
    this.length = length;
    if (length === 0) this.ended = true;
  }

  take(max: number): unknown[] {
    // It runs a user's code, which may call the pool.
    if (this.#reading) return [];
    this.#reading = true;
    const items: unknown[] = [];
    try {
      while (!this.ended && items.length < max) {
        const { done, value } = this.#iterator.next();
        if (this.ended) closeQuietly(this.#iterator);
        else if (done) this.#end();
        else items.push(value);
        if (!done && ++this.#taken === this.length) this.ended = true;
      }
    } catch (reason) {
      this.#end();
      this.failure = { reason };
    } finally {
      this.#reading = false;
    }
    return items;
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    // A generator that runs cannot be closed; whoever reads does that.
    if (!this.#reading) closeQuietly(this.#iterator);
  }

  #end(): void {
    this.ended = true;
    this.length = this.#taken;
  }
}

/** Nobody is left to be told that the end failed. */
function closeQuietly(iterator: Iterator<unknown> | AsyncIterator<unknown>): void {
  try {
    Promise.resolve(iterator.return?.()).catch(() => {});
  } catch {
    // the same
  }
}

class AsyncInput implements Input {
  length: number | undefined;
  failure: Input["failure"];
  readonly #iterator: AsyncIterator<unknown>;
  readonly #more: () => void;
  #items: unknown[] = [];
  #read = 0;
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
    void this.#readAhead();
    return items;
  }

  close(): void {
    if (this.#exhausted) return;
    this.#exhausted = true;
    this.#items = [];
    closeQuietly(this.#iterator);
  }

  /** Reads ahead what the next chunk takes. */
  async #readAhead(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    try {
      while (!this.#exhausted && this.#items.length < this.#wanted) {
        const { done, value } = await this.#iterator.next();
        if (this.#exhausted) break;
        if (done) this.#end();
        else this.#items.push(value);
        this.#read += done ? 0 : 1;
        this.#more();
      }
    } catch (reason) {
      this.#end();
      this.failure = { reason };
      this.#more();
    } finally {
      this.#reading = false;
    }
  }

  #end(): void {
    this.#exhausted = true;
    this.length = this.#read;
  }
}
