/**
 * What becomes of a job's results: an array of them (`map`), or an async iterator (`imap`).
 *
 * Above: pool.ts. Below: job.ts.
 *
 * @module
 */

import type { Input } from "./input.ts";
import type { ChunkResult, Sink } from "./job.ts";

type Failure = Input["failure"];

/** All results in order; the first error, in the order of the input, once all tasks are finished. */
export class Collection implements Sink {
  readonly hasRoom = true;
  readonly all: Promise<unknown[]>;
  /** By the index of the chunk. */
  readonly #chunks: (readonly unknown[])[] = [];
  #error: { readonly position: number; readonly reason: unknown } | undefined;
  #resolve!: (values: unknown[]) => void;
  #reject!: (reason: unknown) => void;

  constructor() {
    this.all = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  begin(): void {}

  accept({ chunk, values, errors }: ChunkResult): void {
    this.#chunks[chunk.index] = values;
    for (const [i, reason] of errors) {
      const position = chunk.start + i;
      if (!this.#error || position < this.#error.position) this.#error = { position, reason };
    }
  }

  finish(failure: Failure): void {
    const error = this.#error ?? failure;
    if (error) this.#reject(error.reason);
    else this.#resolve(joined(this.#chunks));
  }

  fail(reason: unknown): void {
    this.#reject(reason);
  }
}

/** The elements of all; `flat()` takes five times as long. */
function joined(chunks: readonly (readonly unknown[])[]): unknown[] {
  const all = new Array<unknown>(chunks.reduce((sum, { length }) => sum + length, 0));
  let position = 0;
  for (const chunk of chunks) {
    for (let i = 0; i < chunk.length; i++) all[position++] = chunk[i];
  }
  return all;
}

/** What a {@linkcode Stream} asks of its job. */
export interface Producer {
  /** There is room for another chunk. */
  resume(): void;
  /** Nobody takes any more. */
  cancel(): void;
}

interface Waiter {
  resolve(result: IteratorResult<unknown>): void;
  reject(reason: unknown): void;
}

/**
 * The results one by one, as they are taken: in the order of the input, or as they come. A task that
 * failed ends it with its error. The job begins with the first `next()`.
 */
export class Stream implements Sink, AsyncIterableIterator<unknown> {
  readonly #ordered: boolean;
  readonly #maxChunks: number;
  readonly #produce: () => Producer;
  #producer: Producer | undefined;
  /** Results that wait for those of an earlier chunk, by its index. */
  readonly #early = new Map<number, ChunkResult>();
  readonly #ready: ChunkResult[] = [];
  readonly #waiters: Waiter[] = [];
  #nextIndex = 0;
  /** Of the first chunk that is ready. */
  #position = 0;
  /** Chunks that were begun, and not all of whose results were taken. */
  #begun = 0;
  /** What comes after the results that are ready. */
  #end: { failure: Failure } | undefined;

  /** `produce` begins the job. */
  constructor(ordered: boolean, maxChunks: number, produce: () => Producer) {
    this.#ordered = ordered;
    this.#maxChunks = maxChunks;
    this.#produce = produce;
  }

  get hasRoom(): boolean {
    return this.#begun < this.#maxChunks;
  }

  begin(): void {
    this.#begun++;
  }

  accept(result: ChunkResult): void {
    if (!this.#ordered) this.#ready.push(result);
    else this.#early.set(result.chunk.index, result);
    for (let next; (next = this.#early.get(this.#nextIndex)); this.#nextIndex++) {
      this.#early.delete(this.#nextIndex);
      this.#ready.push(next);
    }
    this.#serve();
  }

  finish(failure: Failure): void {
    this.#end ??= { failure };
    this.#serve();
  }

  fail(reason: unknown): void {
    this.#ready.length = 0;
    this.#early.clear();
    this.#end ??= { failure: { reason } };
    this.#serve();
  }

  next(): Promise<IteratorResult<unknown>> {
    const result = new Promise<IteratorResult<unknown>>((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
    if (this.#end || this.#producer) this.#serve();
    else this.#open();
    return result;
  }

  // deno-lint-ignore require-await -- the interface is async
  async return(value?: unknown): Promise<IteratorResult<unknown>> {
    this.#stop();
    return { done: true, value };
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<unknown> {
    return this;
  }

  #open(): void {
    try {
      this.#producer = this.#produce();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Nothing more is taken. */
  #stop(): void {
    this.#ready.length = 0;
    this.#end = { failure: undefined };
    this.#producer?.cancel();
    this.#serve();
  }

  #serve(): void {
    while (this.#waiters.length > 0) {
      if (this.#ready.length > 0) this.#give(this.#ready[0]!);
      else if (this.#end) this.#giveEnd(this.#end);
      else return;
    }
  }

  #give({ values, errors }: ChunkResult): void {
    const { resolve, reject } = this.#waiters.shift()!;
    const position = this.#position++;
    if (errors.has(position)) {
      reject(errors.get(position));
      return this.#stop();
    }
    if (this.#position === values.length) {
      this.#ready.shift();
      this.#position = 0;
      this.#begun--;
      this.#producer?.resume();
    }
    resolve({ done: false, value: values[position] });
  }

  /** A failure is told once. */
  #giveEnd(end: { failure: Failure }): void {
    const { resolve, reject } = this.#waiters.shift()!;
    const { failure } = end;
    end.failure = undefined;
    if (failure) reject(failure.reason);
    else resolve({ done: true, value: undefined });
  }
}
