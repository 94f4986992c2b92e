/**
 * The count-down latch: callers wait until a count is 0; a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: waiting.ts.
 *
 * @module
 */

import { count } from "./arguments.ts";
import type { ProxyBase } from "./proxy_base.ts";
import { checkWaitOptions, type WaitingCaller, WaitingLine, type WaitOptions } from "./waiting.ts";

/**
 * A count in the server that goes down to 0, once. Python has none; Java: `CountDownLatch`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const started = await manager.countDownLatch(2);
 * const all = started.wait();
 * await started.countDown();
 * console.log(await started.countDown()); // 0
 * await all;
 * await manager.shutdown();
 * ```
 */
export interface CountDownLatchProxy extends ProxyBase {
  /**
   * Takes `n` (default 1) from the count, at most all, and resolves to what is left.
   *
   * @throws {RangeError} `n` is below 0.
   */
  countDown(n?: number): Promise<number>;
  /** The count. */
  count(): Promise<number>;
  /**
   * Waits until the count is 0.
   *
   * @throws {TimeoutError} It was not in time.
   */
  wait(options?: WaitOptions): Promise<void>;
}

/** The referent of {@linkcode CountDownLatchProxy}. */
export class CountDownLatch {
  #count: number;
  readonly #waiting = new WaitingLine<void>();

  /** With a count of 0 or more. */
  constructor(n: number) {
    this.#count = count(n, 0, "countDownLatch()");
  }

  /** See {@linkcode CountDownLatchProxy.countDown}. */
  countDown(n = 1): number {
    this.#count -= Math.min(this.#count, count(n, 0, "latch.countDown()"));
    if (this.#count === 0) this.#waiting.serveAll();
    return this.#count;
  }

  /** See {@linkcode CountDownLatchProxy.count}. */
  count(): number {
    return this.#count;
  }

  /** See {@linkcode CountDownLatchProxy.wait}. */
  wait(options: unknown, caller: WaitingCaller): void | Promise<void> {
    checkWaitOptions(options, "latch.wait()");
    if (this.#count === 0) return;
    return this.#waiting.join(caller, undefined, "The wait for the latch");
  }
}
