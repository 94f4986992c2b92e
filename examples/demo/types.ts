/**
 * The demo's own class: the workers meet in it, and it tells the main program how far they are.
 * The server imports this module; nothing else in here may have an effect.
 *
 * @module
 */
// Your own code writes: import { defineTypes } from "@referent/manager";
import { defineTypes } from "../../mod.ts";

/** How far the team is. */
export interface Report {
  /** Chunks counted so far. */
  done: number;
  /** Chunks by worker. */
  chunks: Record<string, number>;
}

/** The team of workers. It lives in the server, so all of them see the same one. */
export class Team {
  #size: number;
  #total: number;
  #chunks: Map<string, number> = new Map();
  #everybody: PromiseWithResolvers<void> = withResolvers();
  #change: PromiseWithResolvers<void> = withResolvers();

  /** A team of `size` workers with `total` chunks to count. */
  constructor(size: number, total: number) {
    this.#size = size;
    this.#total = total;
  }

  /** A worker joins; resolves once all of them have, so that they begin together. */
  async join(worker: string): Promise<void> {
    this.#chunks.set(worker, 0);
    if (this.#chunks.size === this.#size) this.#everybody.resolve();
    await this.#everybody.promise;
  }

  /** A worker has counted one more chunk. Synchronous, so nobody comes in between. */
  finished(worker: string): void {
    this.#chunks.set(worker, this.#chunks.get(worker)! + 1);
    this.#change.resolve();
    this.#change = withResolvers();
  }

  /** A report whenever something has changed, until all is done: `for await` in the main program. */
  async *reports(): AsyncGenerator<Report> {
    for (;;) {
      const done = [...this.#chunks.values()].reduce((sum, chunks) => sum + chunks, 0);
      const change = this.#change.promise;
      yield { done, chunks: Object.fromEntries(this.#chunks) };
      if (done === this.#total) return;
      await change;
    }
  }
}

/** As `Promise.withResolvers()`, which Node 20 does not have. */
function withResolvers(): PromiseWithResolvers<void> {
  let resolve!: () => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<void>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}

export default defineTypes(import.meta.url, { Team });
