/**
 * The semaphore: a number of permits; a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: acquirable.ts.
 *
 * @module
 */

import { Acquirable } from "./acquirable.ts";
import { count, flag, optionsOf } from "./arguments.ts";
import { type Grant, oldestOf } from "./grant.ts";
import type { Guard, ReleaseOptions } from "./lock.ts";
import type { ProxyBase } from "./proxy_base.ts";
import type { WaitingCaller, WaitOptions } from "./waiting.ts";

/** How a semaphore behaves. */
export interface SemaphoreOptions {
  /** Whether the permit of a process that dies comes back. Default true. */
  reclaim?: boolean;
}

/**
 * A number of permits in the server. Who waits is served in order; the permits of a process that
 * dies come back at once. Python: `Semaphore` and `BoundedSemaphore`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const permits = await manager.semaphore(2);
 * const guard = await permits.acquire();
 * console.log(await permits.value()); // 1
 * await guard.release();
 * await manager.shutdown();
 * ```
 */
export interface SemaphoreProxy extends ProxyBase {
  /**
   * Waits for a permit and takes it. Python: `semaphore.acquire()`.
   *
   * @throws {TimeoutError} The timeout is over.
   */
  acquire(options?: WaitOptions): Promise<Guard>;
  /** Takes a permit if there is one, else null. Python: `semaphore.acquire(block=False)`. */
  tryAcquire(): Promise<Guard | null>;
  /** Runs the function with a permit, and gives it back whatever happens. Python: `with semaphore:`. */
  withLock<T>(fn: (guard: Guard) => T | Promise<T>, options?: WaitOptions): Promise<T>;
  /**
   * Gives a permit back without its guard: of this process's oldest grant, else of the oldest of any;
   * where there is none it adds one. Grants of `withLock` are left alone. Python:
   * `semaphore.release()`.
   *
   * @throws {RangeError} A bounded semaphore has all its permits. Python: `ValueError`.
   * @throws {NotOwnerError} No grant with this fence is current, or it is one of `withLock`.
   */
  release(options?: ReleaseOptions): Promise<void>;
  /** Whether there is no permit now. Python: `semaphore.locked()`. */
  locked(): Promise<boolean>;
  /** How many permits there are now. Python: `semaphore.get_value()`. */
  value(): Promise<number>;
}

/** A semaphore that never has more than its permits. Python: `BoundedSemaphore`. */
export interface BoundedSemaphoreProxy extends SemaphoreProxy {}

/** The referent of {@linkcode SemaphoreProxy}. */
export class Semaphore extends Acquirable {
  protected readonly name: string = "the semaphore";
  /** Given or not. */
  #permits: number;
  readonly #reclaim: boolean;

  /** With so many permits. */
  constructor(permits: number = 1, options?: SemaphoreOptions) {
    super();
    const { reclaim = true } = optionsOf(options, ["reclaim"], "semaphore()");
    this.#permits = count(permits, 0, "semaphore()");
    this.#reclaim = flag(reclaim, 'semaphore() with its "reclaim"');
  }

  /** See {@linkcode SemaphoreProxy.value}. */
  value(): number {
    return this.#permits - this.holders.size;
  }

  /** One more permit than before, as in Python. */
  protected override releaseNone(): void {
    this.#permits++;
    this.pump();
  }

  protected admits(): boolean {
    return this.value() > 0;
  }

  protected releasable({ id }: WaitingCaller): Grant | undefined {
    return oldestOf(this.holders, id) ?? oldestOf(this.holders);
  }

  protected override reclaim(): boolean {
    if (!this.#reclaim) this.#permits--;
    return this.#reclaim;
  }
}

/** A semaphore that never has more permits than at its start. */
export class BoundedSemaphore extends Semaphore {
  protected override readonly name: string = "the boundedSemaphore";

  protected override releaseNone(): never {
    throw new RangeError(
      `Cannot release ${this.name}: it has no grant that a bare release() could end; release each grant once`,
    );
  }
}
