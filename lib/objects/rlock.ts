/**
 * The reentrant lock: one grant at a time, which its holder's task may enter again; a referent, and
 * the interfaces of its proxy and its guard.
 *
 * Above: the table of built-in typeids. Below: acquirable.ts.
 *
 * @module
 */

import { NotOwnerError } from "../errors.ts";
import { Acquirable, type Request } from "./acquirable.ts";
import type { Grant } from "./grant.ts";
import type {
  AcquireOptions,
  Guard,
  LockProxy,
  ReleaseOptions,
  TryAcquireOptions,
} from "./lock.ts";
import type { WaitingCaller } from "./waiting.ts";

/** The guard of an rlock: whoever has it can enter again. */
export interface ReentrantGuard extends Guard {
  /**
   * Enters again, at once; the lock is free when all its guards are released.
   *
   * @throws {NotOwnerError} This guard was released, or its grant was taken from it.
   */
  acquire(): Promise<ReentrantGuard>;
}

/**
 * A lock that a task which has it may enter again: with `guard.acquire()`, or with `acquire` and
 * `withLock` inside a `withLock` callback. Other tasks wait, those of the same process, too: a second
 * bare `acquire()` is another task's. Python: `RLock`, which a thread enters again.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const lock = await manager.rlock();
 * await lock.withLock(async () => {
 *   await lock.withLock(() => console.log("entered twice")); // entered twice
 * });
 * await manager.shutdown();
 * ```
 */
export interface RLockProxy extends Omit<LockProxy, "acquire" | "tryAcquire" | "withLock"> {
  /** As {@linkcode LockProxy.acquire}; inside a `withLock` callback of this lock, or with `holding: guard`, it enters again. */
  acquire(options?: AcquireOptions): Promise<ReentrantGuard>;
  /** As {@linkcode LockProxy.tryAcquire}; inside a `withLock` callback of this lock it enters again. */
  tryAcquire(options?: TryAcquireOptions): Promise<ReentrantGuard | null>;
  /** As {@linkcode LockProxy.withLock}; inside a callback of this lock it enters again. */
  withLock<T>(fn: (guard: ReentrantGuard) => T | Promise<T>, options?: AcquireOptions): Promise<T>;
  /**
   * Takes one level of this process's own grant. Python: `rlock.release()`.
   *
   * @throws {NotOwnerError} This process does not have it, or the level is one of `withLock`.
   */
  release(options?: ReleaseOptions): Promise<void>;
}

/** The referent of {@linkcode RLockProxy}. */
export class RLock extends Acquirable {
  protected readonly name: string = "the rlock";

  protected admits(): boolean {
    return this.holders.size === 0;
  }

  protected override reenter(request: Request, { id }: WaitingCaller): Grant | undefined {
    const holder = this.holders.first;
    if (holder?.owner !== id) return undefined;
    const { fence } = holder;
    return request.reenter === fence || request.holding.includes(fence) ? holder : undefined;
  }

  override release(options: unknown, caller: WaitingCaller): void {
    const holder = this.holders.first;
    if (holder && holder.owner !== caller.id) {
      throw new NotOwnerError(
        `Cannot release the rlock: session "${holder.owner}" has it, not this one`,
      );
    }
    super.release(options, caller);
  }

  protected releasable(): Grant | undefined {
    return this.holders.first;
  }
}
