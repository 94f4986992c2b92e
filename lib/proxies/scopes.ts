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

  /** The grants that the running task has, outermost first. */
  get grants(): readonly ScopedGrant[] {
    return this.#storage.getStore()?.filter(({ released }) => !released) ?? [];
  }

  /** Runs the function as a task that has these grants and no others. */
  run<T>(grants: readonly ScopedGrant[], fn: () => T): T {
    return this.#storage.run(grants, fn);
  }
}
