/**
 * The server's time, which ends with it: no timer of a wait outlives the server.
 *
 * Above: local.ts, server.ts. Below: the runtime's timers.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { maxTimeout } from "../limits.ts";
import type { Clock } from "../objects/waiting.ts";

/** The time of one server. */
export class ServerClock implements Clock {
  readonly #timers = new Set<ReturnType<typeof setTimeout>>();
  #stopped = false;

  /** See {@linkcode Clock.now}. */
  now(): number {
    return performance.now();
  }

  /** See {@linkcode Clock.after}; after the end nothing happens any more. */
  after(milliseconds: number, action: () => void): () => void {
    if (this.#stopped) return () => {};
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, Math.min(milliseconds, maxTimeout));
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
      clearTimeout(timer);
    };
  }

  /** Forgets all that was to happen. */
  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
