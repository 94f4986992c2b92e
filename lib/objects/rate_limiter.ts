/**
 * The rate limiter: a bucket of tokens that fills by itself; a referent, and the interface of its
 * proxy.
 *
 * Above: the table of built-in typeids. Below: waiting.ts.
 *
 * @module
 */

import { count, integer, optionsOf } from "./arguments.ts";
import type { ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";
import {
  checkWaitOptions,
  type Clock,
  type WaitingCaller,
  WaitingLine,
  type WaitOptions,
} from "./waiting.ts";

/** How many in which time. */
export interface RateLimit {
  /** How many tokens the bucket holds; it is full at first. */
  limit: number;
  /** Milliseconds in which an empty bucket fills, evenly. */
  interval: number;
}

/**
 * So many of something in so much time, counted in the server: a bucket of `limit` tokens that fills
 * evenly. Who waits is served in order. What was taken does not come back, also when its taker
 * dies. Python has none.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const requests = await manager.rateLimiter({ limit: 2, interval: 60_000 });
 * await requests.acquire();
 * console.log(await requests.tryAcquire(), await requests.tryAcquire()); // true false
 * await manager.shutdown();
 * ```
 */
export interface RateLimiterProxy extends ProxyBase {
  /**
   * Waits for `n` (default 1) tokens and takes them.
   *
   * @throws {RangeError} `n` is more than the limit, or less than 1.
   * @throws {TimeoutError} There were not enough in time; none is taken.
   */
  acquire(n?: number, options?: WaitOptions): Promise<void>;
  /** Takes `n` (default 1) tokens if there are so many and nobody waits; whether it did. */
  tryAcquire(n?: number): Promise<boolean>;
}

/** The referent of {@linkcode RateLimiterProxy}. */
export class RateLimiter {
  readonly #limit: number;
  readonly #interval: number;
  readonly #waiting = new WaitingLine<void, number>(() => this.#serve());
  #tokens: number;
  /** When the tokens were counted; undefined: never. */
  #counted: number | undefined;
  #clock: Clock | undefined;
  #stopTimer: (() => void) | undefined;

  /** With a full bucket. */
  constructor(rate: RateLimit) {
    const { limit, interval } = optionsOf(rate, ["limit", "interval"], "rateLimiter()");
    this.#limit = count(limit, 1, 'rateLimiter() with its "limit"');
    if (!(typeof interval === "number" && interval > 0 && interval < Infinity)) {
      throw new RangeError(
        `rateLimiter() needs an "interval" of more than 0 milliseconds, got ${quoted(interval)}`,
      );
    }
    this.#interval = interval;
    this.#tokens = this.#limit;
  }

  /** See {@linkcode RateLimiterProxy.acquire}. */
  acquire(n: unknown, options: unknown, caller: WaitingCaller): void | Promise<void> {
    checkWaitOptions(options, "rateLimiter.acquire()");
    const wanted = this.#wanted(n);
    if (this.#take(wanted, caller)) return;
    const served = this.#waiting.join(
      caller,
      wanted,
      `To acquire ${wanted} of the rateLimiter`,
    );
    this.#serve();
    return served;
  }

  /** See {@linkcode RateLimiterProxy.tryAcquire}. */
  tryAcquire(n: unknown, caller: WaitingCaller): boolean {
    return this.#take(this.#wanted(n), caller);
  }

  #wanted(n: unknown): number {
    if (n === undefined) return 1;
    const wanted = integer(n, "rateLimiter.acquire()");
    if (wanted >= 1 && wanted <= this.#limit) return wanted;
    throw new RangeError(
      `rateLimiter.acquire() needs 1 to ${this.#limit} (its limit), got ${quoted(n)}`,
    );
  }

  #take(wanted: number, { clock }: WaitingCaller): boolean {
    this.#clock = clock;
    this.#fill(clock.now());
    if (this.#waiting.size > 0 || this.#tokens < wanted) return false;
    this.#tokens -= wanted;
    return true;
  }

  #fill(now: number): void {
    const time = now - (this.#counted ?? now);
    this.#counted = now;
    this.#tokens = Math.min(this.#limit, this.#tokens + time * this.#limit / this.#interval);
  }

  /** Serves those for whom there are tokens, and comes back when there are for the next. */
  #serve(): void {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#fill(this.#clock!.now());
    for (let wanted = this.#waiting.first; wanted !== undefined; wanted = this.#waiting.first) {
      if (this.#tokens < wanted) return this.#serveLater(wanted - this.#tokens);
      this.#tokens -= wanted;
      this.#waiting.serve();
    }
  }

  #serveLater(missing: number): void {
    // Rounded up, so that the tokens are there when the timer fires.
    const delay = Math.ceil(missing * this.#interval / this.#limit);
    this.#stopTimer = this.#clock!.after(delay, () => this.#serve());
  }
}
