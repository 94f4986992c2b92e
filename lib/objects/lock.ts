/**
 * The lock: one grant at a time; a referent, and the interfaces of its proxy and its guard.
 *
 * Above: the table of built-in typeids. Below: acquirable.ts.
 *
 * @module
 */

import { Acquirable } from "./acquirable.ts";
import type { Grant } from "./grant.ts";
import type { ProxyBase } from "./proxy_base.ts";
import type { WaitOptions } from "./waiting.ts";

/** A lock or permit that was granted: it ends with `release()`, or with this process. */
export interface Guard {
  /**
   * The grant's number. Every grant of a server, and of one that follows it at the same place, has a
   * higher one than those before it: give it to a store outside, which then can refuse a writer that
   * was overtaken.
   */
  readonly fence: number;
  /** Whether a holder before this one was gone without a release: what the lock guards may be half done. */
  readonly abandoned: boolean;
  /**
   * Ends this grant, and no other. Again, or after the manager was closed, it does nothing. Python:
   * `lock.release()`.
   *
   * @throws {NotOwnerError} Somebody else ended it with a bare `release()`.
   */
  release(): Promise<void>;
  /** As `release()`, at the end of an `await using` block. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A guard, or the fence of its grant in an object: what travels to other processes. */
export interface GuardLike {
  /** See {@linkcode Guard.fence}. */
  readonly fence: number;
}

/** Binds a write to a grant. */
export interface GuardOptions {
  /** The write is refused with {@linkcode NotOwnerError} unless this grant is current now. */
  guard?: GuardLike;
}

/** How to acquire. */
export interface AcquireOptions extends WaitOptions {
  /**
   * A grant that this task has and keeps meanwhile, so that a circle of tasks that wait for each
   * other is refused, and an rlock of which it is the grant is entered again. Default: those of the
   * `withLock` callbacks around it; `null`: none, for a task that a callback started and does not wait
   * for.
   */
  holding?: GuardLike | null;
}

/** How to try to acquire. */
export interface TryAcquireOptions {
  /** See {@linkcode AcquireOptions.holding}. */
  holding?: GuardLike | null;
}

/** Which grant a bare release ends. */
export interface ReleaseOptions {
  /** The fence of the grant; another one is left alone. A guard is such an object. */
  fence?: number;
}

/**
 * A lock in the server. Who waits is served in order; a holder that dies, or closes its manager,
 * frees it at once. Python: `Lock`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const lock = await manager.lock();
 * const count = await manager.dict({ n: 1 });
 * const doubled = await lock.withLock(async () => {
 *   const n = (await count.get("n"))! * 2; // nobody else is in a callback of this lock
 *   await count.set("n", n);
 *   return n;
 * });
 * console.log(doubled, await lock.locked()); // 2 false
 * await manager.shutdown();
 * ```
 */
export interface LockProxy extends ProxyBase {
  /**
   * Waits until the lock is free and takes it. The lock is not reentrant. Python: `lock.acquire()`.
   *
   * @throws {TimeoutError} The timeout is over.
   * @throws {DeadlockError} The caller would wait for itself, directly or in a circle: only where each
   * of the circle acquires in a `withLock` callback or with `holding`, without timeout and signal.
   */
  acquire(options?: AcquireOptions): Promise<Guard>;
  /** Takes the lock if it is free and nobody waits, else null. Python: `lock.acquire(block=False)`. */
  tryAcquire(options?: TryAcquireOptions): Promise<Guard | null>;
  /**
   * Runs the function while this process has the lock, and releases it whatever happens: the release
   * is written before this resolves, and not waited for. Resolves or rejects as the function does, or
   * rejects as `acquire` does. Python: `with lock:`.
   */
  withLock<T>(fn: (guard: Guard) => T | Promise<T>, options?: AcquireOptions): Promise<T>;
  /**
   * Ends the current grant, whoever has it; prefer `guard.release()`. Python: `lock.release()`.
   *
   * @throws {NotOwnerError} The lock is free, the fence is not the current one, or the grant is one of
   * `withLock`.
   */
  release(options?: ReleaseOptions): Promise<void>;
  /** Whether somebody has the lock. Python: `lock.locked()`. */
  locked(): Promise<boolean>;
}

/** The referent of {@linkcode LockProxy}. */
export class Lock extends Acquirable {
  protected readonly name: string = "the lock";

  protected admits(): boolean {
    return this.holders.size === 0;
  }

  protected releasable(): Grant | undefined {
    return this.holders.first;
  }
}
