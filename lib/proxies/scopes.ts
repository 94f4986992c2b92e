/**
 * Which grants the running task has by `withLock`, also across `await`.
 *
 * Above: lock.ts; each owner of proxies has its own. Below: the runtime's async context.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";

/** A grant of which a scope knows whether it still stands. */
export interface ScopedGrant {
  readonly fence: number;
  /** Whether its guard was released. */
  readonly released: boolean;
}

/** The `withLock` callbacks that run, and what is called by them. */
export class Scopes {
  readonly #storage = new AsyncLocalStorage<readonly ScopedGrant[]>();

  /** Runs the function with one more grant. */
  run<T>(grant: ScopedGrant, fn: () => T): T {
    return this.#storage.run([...this.#storage.getStore() ?? [], grant], fn);
  }

  /** The fences of the grants that the running task has. */
  get fences(): number[] {
    const grants = this.#storage.getStore() ?? [];
    return grants.filter(({ released }) => !released).map(({ fence }) => fence);
  }
}
