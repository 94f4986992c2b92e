/**
 * The event: a flag that callers wait for; a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: waiting.ts.
 *
 * @module
 */

import type { ProxyBase } from "./proxy_base.ts";
import { checkWaitOptions, type WaitingCaller, WaitingLine, type WaitOptions } from "./waiting.ts";

/**
 * A flag in the server, at first not set. Python: `Event`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const ready = await manager.event();
 * const waiting = ready.wait();
 * await ready.set();
 * await waiting;
 * console.log(await ready.isSet()); // true
 * await manager.shutdown();
 * ```
 */
export interface EventProxy extends ProxyBase {
  /** Sets the flag; all that wait go on. Python: `event.set()`. */
  set(): Promise<void>;
  /** Takes the flag away. Python: `event.clear()`. */
  clear(): Promise<void>;
  /** Whether the flag is set. Python: `event.is_set()`. */
  isSet(): Promise<boolean>;
  /**
   * Waits until the flag is set. Python: `event.wait()`, which gives False where this rejects.
   *
   * @throws {TimeoutError} It was not set in time.
   */
  wait(options?: WaitOptions): Promise<void>;
}

/** The referent of {@linkcode EventProxy}. */
export class SharedEvent {
  #isSet = false;
  readonly #waiting = new WaitingLine<void>();

  /** See {@linkcode EventProxy.set}. */
  set(): void {
    this.#isSet = true;
    this.#waiting.serveAll();
  }

  /** See {@linkcode EventProxy.clear}. */
  clear(): void {
    this.#isSet = false;
  }

  /** See {@linkcode EventProxy.isSet}. */
  isSet(): boolean {
    return this.#isSet;
  }

  /** See {@linkcode EventProxy.wait}. */
  wait(options: unknown, caller: WaitingCaller): void | Promise<void> {
    checkWaitOptions(options, "event.wait()");
    if (this.#isSet) return;
    return this.#waiting.join(caller, undefined, "The wait for the event");
  }
}
