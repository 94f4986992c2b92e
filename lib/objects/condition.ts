/**
 * The condition: callers that have a lock wait, without it, until another that has it notifies them;
 * a referent, and the interfaces of its proxy and its guard.
 *
 * Above: the table of built-in typeids. Below: acquirable.ts, the locks, line.ts, waiting.ts.
 *
 * @module
 */

import { LimitExceededError, NotOwnerError, TimeoutError } from "../errors.ts";
import type { Acquirable } from "./acquirable.ts";
import { countOrAll } from "./arguments.ts";
import type { Grant } from "./grant.ts";
import { Line, type Place } from "./line.ts";
import { type Guard, type GuardLike, Lock, type ReleaseOptions } from "./lock.ts";
import { type ReentrantGuard, RLock, type RLockProxy } from "./rlock.ts";
import { quoted } from "./represent.ts";
import { checkWaitOptions, Wait, type WaitingCaller, type WaitOptions } from "./waiting.ts";

/** A guard that a condition gave: what needs a guard is a method of it. */
export interface ConditionGuard extends Omit<ReentrantGuard, "acquire"> {
  /** Enters an rlock again, at once; a plain lock cannot be: NotOwnerError. */
  acquire(): Promise<ConditionGuard>;
  /** See {@linkcode ConditionProxy.wait}; this guard has another fence afterwards. */
  wait(options?: WaitOptions): Promise<void>;
  /** See {@linkcode ConditionProxy.waitFor}. */
  waitFor<T>(predicate: () => T | Promise<T>, options?: WaitOptions): Promise<T>;
  /** See {@linkcode ConditionProxy.notify}. */
  notify(n?: number): Promise<void>;
  /** See {@linkcode ConditionProxy.notifyAll}. */
  notifyAll(): Promise<void>;
}

/**
 * A condition in the server, with its lock: an rlock of its own unless it was made with one. Several
 * conditions may share a lock. Python: `Condition`.
 *
 * @example
 * ```ts
 * import { Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const condition = await manager.condition();
 * const jobs = await manager.list<string>();
 * const taken = condition.withLock(async (guard) => {
 *   await guard.waitFor(async () => await jobs.length() > 0);
 *   return await jobs.shift();
 * });
 * await condition.withLock(async (guard) => {
 *   await jobs.push("paint");
 *   await guard.notify();
 * });
 * console.log(await taken); // paint
 * await manager.shutdown();
 * ```
 */
export interface ConditionProxy
  extends Omit<RLockProxy, "acquire" | "tryAcquire" | "withLock" | "release"> {
  /**
   * Releases the lock without its guard, as the lock's own `release()` does. See
   * {@linkcode LockProxy.release} and {@linkcode RLockProxy.release}.
   */
  release(options?: ReleaseOptions): Promise<void>;
  /** Acquires the lock. See {@linkcode LockProxy.acquire}. */
  acquire(options?: Parameters<RLockProxy["acquire"]>[0]): Promise<ConditionGuard>;
  /** Tries to acquire the lock. See {@linkcode LockProxy.tryAcquire}. */
  tryAcquire(options?: Parameters<RLockProxy["tryAcquire"]>[0]): Promise<ConditionGuard | null>;
  /** Runs the function with the lock. See {@linkcode LockProxy.withLock}. */
  withLock<T>(
    fn: (guard: ConditionGuard) => T | Promise<T>,
    options?: Parameters<RLockProxy["withLock"]>[1],
  ): Promise<T>;
  /**
   * Gives the lock back, an rlock with all its levels, waits until somebody notifies, and has the
   * lock again before it resolves or rejects: the same guard, with a new fence. Python:
   * `condition.wait()`, which gives False where this rejects.
   *
   * @throws {TimeoutError} Nobody notified in time.
   * @throws {NotOwnerError} The guard is not a current one of this condition's lock, or it was
   * released meanwhile.
   */
  wait(guard: Guard, options?: WaitOptions): Promise<void>;
  /**
   * Waits until the predicate, which runs here and may be async, gives something true, and resolves
   * to that. The timeout is for all waiting together. Python: `condition.wait_for(predicate)`.
   *
   * @throws {TimeoutError} It did not in time.
   * @throws {NotOwnerError} As {@linkcode ConditionProxy.wait}.
   */
  waitFor<T>(
    guard: Guard,
    predicate: () => T | Promise<T>,
    options?: WaitOptions,
  ): Promise<T>;
  /**
   * Wakes up to `n` of those that wait, longest waiting first; each goes on when it has the lock. One
   * that dies before passes it on. Python: `condition.notify(n)`.
   *
   * @throws {NotOwnerError} The guard is not a current one of this condition's lock.
   */
  notify(guard: GuardLike, n?: number): Promise<void>;
  /**
   * Wakes all that wait. Python: `condition.notify_all()`.
   *
   * @throws {NotOwnerError} As {@linkcode ConditionProxy.notify}.
   */
  notifyAll(guard: GuardLike): Promise<void>;
}

/** How a wait ended, and what its guard is like from then on. */
export interface Woken {
  readonly outcome: "notified" | "late" | "aborted";
  readonly fence: number;
  readonly abandoned: boolean;
}

interface Sleeper {
  /** Somebody notified it. */
  wake(): void;
}

/** The referent of {@linkcode ConditionProxy}. */
export class Condition {
  readonly #lock: Acquirable;
  readonly #sleepers = new Line<Sleeper>();

  /** With the lock or rlock, else an rlock of its own. */
  constructor(lock?: unknown) {
    this.#lock = lock === undefined ? this.#ownLock() : lockOf(lock);
  }

  #ownLock(): RLock {
    const lock = new RLock();
    lock.shownAs = this;
    return lock;
  }

  /** See {@linkcode ConditionProxy.acquire}. */
  acquire(options: unknown, caller: WaitingCaller): unknown {
    return this.#lock.acquire(options, caller);
  }

  /** See {@linkcode ConditionProxy.tryAcquire}. */
  tryAcquire(options: unknown, caller: WaitingCaller): unknown {
    return this.#lock.tryAcquire(options, caller);
  }

  /** See {@linkcode ConditionProxy.release}. */
  release(options: unknown, caller: WaitingCaller): void {
    this.#lock.release(options, caller);
  }

  /** See {@linkcode ConditionProxy.locked}. */
  locked(): boolean {
    return this.#lock.locked();
  }

  /** See {@linkcode ConditionProxy.wait}. */
  wait(fence: unknown, options: unknown, caller: WaitingCaller): Promise<Woken> {
    checkWaitOptions(options, "condition.wait()");
    const grant = this.#grant(fence, caller, "wait");
    if (caller.signal.aborted) throw caller.signal.reason;
    return new Sleep(this.#lock, this.#sleepers, grant, caller).promise;
  }

  /** See {@linkcode ConditionProxy.notify}. */
  notify(fence: unknown, n: number | undefined, caller: WaitingCaller): void {
    this.#grant(fence, caller, "notify");
    const wanted = n === undefined ? 1 : countOrAll(n, 0, "condition.notify()");
    for (let i = 0; i < wanted && this.#sleepers.size > 0; i++) this.#sleepers.shift()!.wake();
  }

  /** See {@linkcode ConditionProxy.notifyAll}. */
  notifyAll(fence: unknown, caller: WaitingCaller): void {
    this.notify(fence, Infinity, caller);
  }

  /** What `debugInfo()` tells of it. */
  describe(): unknown {
    return { grants: this.#lock.describe(), sleeping: this.#sleepers.size };
  }

  #grant(fence: unknown, { id, ledger }: WaitingCaller, method: string): Grant {
    const grant = ledger.current.get(fence as number);
    if (grant && grant.source === this.#lock && grant.owner === id) return grant as Grant;
    throw new NotOwnerError(
      `Cannot ${method}: ${
        quoted(fence)
      } is not the fence of a current grant of this condition's lock, held by this session; acquire it first`,
    );
  }
}

function lockOf(lock: unknown): Lock | RLock {
  if (lock instanceof Lock || lock instanceof RLock) return lock;
  throw new TypeError(
    `condition() needs the proxy of a lock or rlock of this server, got ${quoted(lock)}`,
  );
}

/** One call of `wait`: first asleep, then in line for the lock. */
class Sleep implements Sleeper {
  readonly promise: Promise<Woken>;
  readonly #lock: Acquirable;
  readonly #sleepers: Line<Sleeper>;
  readonly #grant: Grant;
  readonly #caller: WaitingCaller;
  readonly #place: Place<Sleeper>;
  readonly #wait: Wait<void>;
  #resolve!: (woken: Woken) => void;
  #reject!: (reason: unknown) => void;
  #outcome: Woken["outcome"] | undefined;
  /** What it rejects with, for which there is no outcome. */
  #failure: unknown;

  constructor(lock: Acquirable, sleepers: Line<Sleeper>, grant: Grant, caller: WaitingCaller) {
    this.#lock = lock;
    this.#sleepers = sleepers;
    this.#grant = grant;
    this.#caller = caller;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const late = new TimeoutError();
    this.#wait = new Wait<void>(caller, () => late, (reason) => {
      this.#giveUp(reason, reason === late ? "late" : "aborted");
    });
    this.#place = sleepers.add(this);
    lock.suspend(grant, () => this.#ended());
  }

  wake(): void {
    this.#wait.resolve();
    this.#takeLock("notified");
  }

  #giveUp(reason: unknown, outcome: "late" | "aborted"): void {
    this.#sleepers.remove(this.#place);
    if (reason instanceof LimitExceededError || this.#caller.gone()) this.#failure = reason;
    if (this.#caller.gone()) return this.#lock.end(this.#grant, false);
    this.#takeLock(outcome);
  }

  #takeLock(outcome: Woken["outcome"]): void {
    this.#outcome = outcome;
    this.#caller.settling(); // somebody may have the lock for long
    this.#lock.resume(this.#grant, () => {
      const { fence, abandoned } = this.#grant;
      if (this.#failure) this.#reject(Object.assign(this.#failure, { fence, abandoned }));
      else this.#resolve({ outcome, fence, abandoned });
    });
  }

  /** The grant was released, or its session is gone. */
  #ended(): void {
    this.#sleepers.remove(this.#place);
    this.#wait.resolve();
    this.#reject(
      this.#failure ??
        new NotOwnerError("The guard was released while it waited for the condition"),
    );
    // Somebody who can go on is notified instead.
    if (this.#outcome === "notified") this.#sleepers.shift()?.wake();
  }
}
