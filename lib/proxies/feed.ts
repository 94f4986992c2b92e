/**
 * Items that a client gives to an iteration of a shared pool one by one: they go into a queue of the
 * server while somebody waits for a result, so that neither side keeps more of them than needed.
 *
 * Above: pool.ts. Below: call.ts, the proxy of the queue.
 *
 * @module
 */

import { QueueShutDownError } from "../errors.ts";
import type { QueueProxy } from "../objects/queue_proxy.ts";
import type { Items } from "../process/input.ts";
import { giveBack } from "./call.ts";

type Source = Iterator<unknown> | AsyncIterator<unknown>;

/** The items of one iteration. */
export class Feed {
  readonly queue: QueueProxy<unknown>;
  readonly #source: Source;
  /** The next item, which is not in the queue yet. */
  #item: Promise<IteratorResult<unknown>> | undefined;
  /** How many wait for a result. */
  #waiting = 0;
  #filling = false;
  #over = false;
  /** Takes back an item that waits for room. */
  #stop = new AbortController();
  #failure: { readonly reason: unknown } | undefined;

  constructor(items: Items<unknown>, queue: QueueProxy<unknown>) {
    this.queue = queue;
    this.#source = sourceOf(items);
  }

  /** Reads items until the result has come: an iteration that nobody reads keeps no process alive. */
  async during<T>(result: Promise<T>): Promise<T> {
    this.#waiting++;
    void this.#fill();
    try {
      return await result;
    } finally {
      if (--this.#waiting === 0) this.#stop.abort();
    }
  }

  /** Throws why reading the items failed, once. */
  throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.reason;
  }

  /** Nobody takes any more. */
  close(): void {
    if (this.#over) return;
    this.#finish();
    // Nobody is left to be told that the end failed.
    Promise.resolve().then(() => this.#source.return?.()).catch(() => {});
  }

  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    while (this.#waiting > 0 && !this.#over) await this.#putOne();
    this.#filling = false;
  }

  async #putOne(): Promise<void> {
    try {
      this.#item ??= Promise.resolve(this.#source.next());
      const { done, value } = await this.#item;
      if (this.#over) return;
      if (done) return await this.#end();
      if (this.#waiting === 0) return;
      this.#stop = new AbortController();
      await this.queue.put(value, { signal: this.#stop.signal });
      this.#item = undefined;
    } catch (reason) {
      if (this.#over || reason === this.#stop.signal.reason) return;
      if (reason instanceof QueueShutDownError) return this.close();
      this.#failure = { reason };
      await this.#end();
    }
  }

  /** The server takes what is there, and then knows that nothing comes. */
  async #end(): Promise<void> {
    const shut = this.queue.shutdown().catch(() => {}); // after the connection's end there is no queue
    this.#finish();
    await shut;
  }

  #finish(): void {
    this.#over = true;
    this.#stop.abort();
    giveBack(this.queue, true);
  }
}

function sourceOf(items: Items<unknown>): Source {
  return Symbol.asyncIterator in items
    ? items[Symbol.asyncIterator]()
    : (items as Iterable<unknown>)[Symbol.iterator]();
}
