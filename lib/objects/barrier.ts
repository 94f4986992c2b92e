/**
 * The barrier: a number of parties wait for each other; a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: waiting.ts.
 *
 * @module
 */

import { BrokenBarrierError, LimitExceededError } from "../errors.ts";
import { count, optionsOf } from "./arguments.ts";
import type { ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";
import { checkWaitOptions, type WaitingCaller, WaitingLine, type WaitOptions } from "./waiting.ts";

/** How a barrier behaves. */
export interface BarrierOptions {
  /** Milliseconds that a party waits if it does not say so itself, 0 or more. Default: no limit. */
  timeout?: number;
}

/**
 * A place where a number of parties wait until all have come; then it is there for the next round.
 * A party that is late, gives up or dies breaks it for all. Python: `Barrier`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const barrier = await manager.barrier(2);
 * console.log(await Promise.all([barrier.wait(), barrier.wait()])); // [ 0, 1 ]
 * await manager.shutdown();
 * ```
 */
export interface BarrierProxy extends ProxyBase {
  /**
   * Waits for the other parties. Resolves to the number of those that came before, so that exactly
   * one of a round gets 0. Python: `barrier.wait()`.
   *
   * @throws {TimeoutError} The others did not come in time: the barrier is broken for all.
   * @throws {BrokenBarrierError} It is broken, or was reset meanwhile.
   */
  wait(options?: WaitOptions): Promise<number>;
  /** Mends the barrier; parties that wait get BrokenBarrierError. Python: `barrier.reset()`. */
  reset(): Promise<void>;
  /** Breaks the barrier for all. Python: `barrier.abort()`. */
  abort(): Promise<void>;
  /** How many parties make a round. Python: `barrier.parties`. */
  parties(): Promise<number>;
  /** How many wait. Python: `barrier.n_waiting`. */
  waiting(): Promise<number>;
  /** Whether it is broken. Python: `barrier.broken`. */
  broken(): Promise<boolean>;
}

/** The referent of {@linkcode BarrierProxy}. */
export class Barrier {
  readonly #parties: number;
  readonly #timeout: number | undefined;
  readonly #waiting = new WaitingLine<number, number>((reason) => {
    // One call too many of a session is no party that gave up.
    if (!(reason instanceof LimitExceededError)) this.abort();
  });
  #broken = false;

  /** For so many parties. */
  constructor(parties: number, options?: BarrierOptions) {
    this.#parties = count(parties, 1, "barrier()");
    const { timeout } = optionsOf(options, ["timeout"], "barrier()");
    if (timeout !== undefined && !(typeof timeout === "number" && timeout >= 0)) {
      throw new RangeError(
        `barrier() needs a timeout of 0 or more milliseconds, got ${quoted(timeout)}`,
      );
    }
    this.#timeout = timeout === Infinity ? undefined : timeout;
  }

  /** See {@linkcode BarrierProxy.wait}. */
  wait(options: unknown, caller: WaitingCaller): number | Promise<number> {
    checkWaitOptions(options, "barrier.wait()");
    if (this.#broken) throw broken("it was aborted, or a party gave up");
    const before = this.#waiting.size;
    if (before === this.#parties - 1) {
      for (let index = 0; index < before; index++) this.#waiting.serve(index);
      return before;
    }
    const patient = caller.timeout === undefined ? this.#withTimeout(caller) : caller;
    if (patient.timeout === 0) this.abort(); // it is late, too
    return this.#waiting.join(patient, before, "The wait for the other parties");
  }

  /** See {@linkcode BarrierProxy.reset}. */
  reset(): void {
    this.#broken = false;
    this.#waiting.refuseAll(() => broken("it was reset"));
  }

  /** See {@linkcode BarrierProxy.abort}. */
  abort(): void {
    this.#broken = true;
    this.#waiting.refuseAll(() => broken("it was aborted, or a party gave up"));
  }

  /** See {@linkcode BarrierProxy.parties}. */
  parties(): number {
    return this.#parties;
  }

  /** See {@linkcode BarrierProxy.waiting}. */
  waiting(): number {
    return this.#waiting.size;
  }

  /** See {@linkcode BarrierProxy.broken}. */
  broken(): boolean {
    return this.#broken;
  }

  /** The caller, with the barrier's timeout. */
  #withTimeout(caller: WaitingCaller): WaitingCaller {
    return Object.create(caller, { timeout: { value: this.#timeout } });
  }
}

function broken(why: string): BrokenBarrierError {
  return new BrokenBarrierError(`The barrier is broken: ${why}; barrier.reset() mends it`);
}
