/**
 * An iterator of a referent, as the client sees it: asks for the next items one request at a time.
 *
 * Above: client.ts and the server's own proxies. Below: whoever sends the requests.
 *
 * @module
 */

/** Items as they travel: `done` says that nothing comes after them. */
export interface Items {
  readonly values: readonly unknown[];
  readonly done: boolean;
}

/** How an iterator asks its server. */
export interface IteratorSource {
  /** The next items, at least one unless it is done. */
  next(): Promise<Items>;
  /** Frees the iterator in the server. */
  return(): Promise<void>;
}

/** An async iterator over items that arrive in portions; `first` came with its creation. */
export class RemoteIterator implements AsyncIterableIterator<unknown> {
  readonly #source: IteratorSource;
  #items: readonly unknown[];
  #position = 0;
  #done: boolean;
  /** Requests are answered one after the other, also when `next()` is called without waiting. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(source: IteratorSource, first: Items) {
    this.#source = source;
    this.#items = first.values;
    this.#done = first.done;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return this.#inOrder(() => this.#take());
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    return this.#inOrder(async () => {
      this.#items = [];
      if (!this.#done) {
        this.#done = true;
        await this.#source.return();
      }
      return { value: undefined, done: true };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #take(): Promise<IteratorResult<unknown, undefined>> {
    while (this.#position >= this.#items.length) {
      if (this.#done) return { value: undefined, done: true };
      await this.#fetch();
    }
    return { value: this.#items[this.#position++], done: false };
  }

  async #fetch(): Promise<void> {
    try {
      const { values, done } = await this.#source.next();
      this.#items = values;
      this.#position = 0;
      this.#done = done;
    } catch (error) {
      this.#done = true; // An iterator that threw is over, as a generator is.
      throw error;
    }
  }

  #inOrder<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step);
    this.#tail = result.catch(() => {});
    return result;
  }
}
