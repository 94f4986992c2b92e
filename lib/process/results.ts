/**
 * The results of an iteration of a shared pool, on their way to a client: a portion has what is ready,
 * and nothing that is ready waits for what is not.
 *
 * Above: shared_pool.ts. Below: server/cursor.ts.
 *
 * @module
 */

import { endOfTurn } from "../runtime.ts";
import { Cursor, type Portion } from "../server/cursor.ts";

/** The most results of one portion. */
const maxResults = 256;

/** Its tasks begin at once, so that they are a call of the pool as any other; it is read when it is asked. */
export class ResultCursor extends Cursor {
  readonly #results: AsyncIterator<unknown>;
  readonly #ended: () => void;
  #unsent: unknown[] = [];
  /** A result that was asked for and has not come. */
  #next: Promise<IteratorResult<unknown>> | undefined;
  #over = false;

  /** `ended` is called once, when nothing more is read. */
  constructor(results: AsyncIterator<unknown>, ended: () => void) {
    super(results, 1);
    this.#results = results;
    this.#ended = ended;
    this.#ask();
  }

  override async next(): Promise<Portion> {
    const values = this.#unsent.splice(0, maxResults);
    try {
      while (!this.#over && values.length < maxResults) {
        const result = await (values.length === 0 ? this.#ask() : this.#ready());
        if (!result) break;
        this.#next = undefined;
        if (result.done) this.#end();
        else values.push(result.value);
      }
    } catch (error) {
      // What came before goes first: it stays asked for.
      if (values.length === 0) {
        this.#end();
        throw error;
      }
    }
    return { values, done: this.#over && this.#unsent.length === 0 };
  }

  override unread(values: unknown[]): void {
    this.#unsent.unshift(...values);
  }

  override async return(): Promise<void> {
    this.#unsent = [];
    if (this.#over) return;
    this.#end();
    await this.#results.return?.();
  }

  #ask(): Promise<IteratorResult<unknown>> {
    if (!this.#next) {
      this.#next = this.#results.next();
      this.#next.catch(() => {}); // told to who asks for the next portion
    }
    return this.#next;
  }

  /** The next result if it is there already. */
  #ready(): Promise<IteratorResult<unknown> | undefined> {
    const notYet = new Promise<undefined>((resolve) => endOfTurn(() => resolve(undefined)));
    return Promise.race([this.#ask(), notYet]);
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#ended();
  }
}
