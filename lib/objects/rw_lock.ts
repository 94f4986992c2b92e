/**
 * The read-write lock: one exclusive grant or many shared ones; a referent, and the interface of its
 * proxy.
 *
 * Above: the table of built-in typeids. Below: acquirable.ts.
 *
 * @module
 */

import { Acquirable } from "./acquirable.ts";
import { type Grant, oldestOf } from "./grant.ts";
import type { AcquireOptions, Guard, LockProxy, TryAcquireOptions } from "./lock.ts";
import { quoted } from "./represent.ts";
import type { WaitingCaller } from "./waiting.ts";

/** How a read-write lock is acquired. */
export interface RWLockOptions {
  /** `"shared"` together with others who share it, or alone. Default `"exclusive"`. */
  mode?: "exclusive" | "shared";
}

/**
 * A lock that many may share, or one has alone. First come, first served: who waits for it alone
 * stops those who come later to share it. Who shares it in a `withLock` callback
 * and asks there for it alone, without timeout and signal, gets a {@linkcode DeadlockError}, and so does
 * who has it alone and asks to share it. Nor may it share it a second time: behind somebody who waits
 * for it alone, that may wait for ever. Python has none.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const lock = await manager.rwLock();
 * const reader = await lock.acquire({ mode: "shared" });
 * const other = await lock.acquire({ mode: "shared" });
 * console.log(await lock.tryAcquire()); // null
 * await reader.release();
 * await other.release();
 * await manager.shutdown();
 * ```
 */
export interface RWLockProxy extends Omit<LockProxy, "acquire" | "tryAcquire" | "withLock"> {
  /** As {@linkcode LockProxy.acquire}, in the mode. */
  acquire(options?: AcquireOptions & RWLockOptions): Promise<Guard>;
  /** As {@linkcode LockProxy.tryAcquire}, in the mode. */
  tryAcquire(options?: TryAcquireOptions & RWLockOptions): Promise<Guard | null>;
  /** As {@linkcode LockProxy.withLock}, in the mode. */
  withLock<T>(
    fn: (guard: Guard) => T | Promise<T>,
    options?: AcquireOptions & RWLockOptions,
  ): Promise<T>;
}

/** The referent of {@linkcode RWLockProxy}. */
export class RWLock extends Acquirable {
  protected readonly name: string = "the rwLock";

  protected admits(shared: boolean): boolean {
    const holder = this.holders.first;
    return holder === undefined || (shared && holder.shared);
  }

  /** Of those who share it, the caller's own oldest grant, else the oldest of any. */
  protected releasable({ id }: WaitingCaller): Grant | undefined {
    return oldestOf(this.holders, id) ?? oldestOf(this.holders) ?? this.holders.first;
  }

  protected override modeOf(mode: unknown): boolean {
    if (mode === undefined || mode === "exclusive") return false;
    if (mode === "shared") return true;
    throw new TypeError(
      `The mode of an rwLock is "exclusive" or "shared", got ${quoted(mode)}`,
    );
  }
}
