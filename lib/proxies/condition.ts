/**
 * What of the condition runs where the proxy is: its guards, and the predicates that it waits for.
 *
 * Above: methods.ts. Below: lock.ts, call.ts.
 *
 * @module
 */

import { checkedOptions, show } from "../call_options.ts";
import { TimeoutError } from "../errors.ts";
import type { ConditionGuard, Woken } from "../objects/condition.ts";
import type { Guard, GuardLike } from "../objects/lock.ts";
import type { WaitOptions } from "../objects/waiting.ts";
import { stateOf } from "../proxy_state.ts";
import { askByName, fenceOf } from "./call.ts";
import type { Handle } from "./handle.ts";
import { acquiring, type LocalMethods, LockGuard, RLockGuard } from "./lock.ts";

/** See {@linkcode ConditionGuard}. */
class ConditionLockGuard extends RLockGuard implements ConditionGuard {
  async wait(options?: WaitOptions): Promise<void> {
    return await wait(this.proxy, this, options);
  }

  async waitFor<T>(predicate: () => T | Promise<T>, options?: WaitOptions): Promise<T> {
    return await waitFor(this.proxy, this, predicate, options);
  }

  async notify(n?: number): Promise<void> {
    return await notify(this.proxy, this, n);
  }

  async notifyAll(): Promise<void> {
    return await notifyAll(this.proxy, this);
  }

  protected override again(handle: Handle): this {
    return new ConditionLockGuard(this.proxy, handle, this) as this;
  }
}

/** The methods of a condition that run where its proxy is. */
export const conditionMethods: LocalMethods = {
  ...acquiring((...parts) => new ConditionLockGuard(...parts), true),
  wait(guard: Guard, options?: WaitOptions) {
    return wait(this, guard, options);
  },
  waitFor(guard: Guard, predicate: () => unknown, options?: WaitOptions) {
    return waitFor(this, guard, predicate, options);
  },
  notify(guard: GuardLike, n?: number) {
    return notify(this, guard, n);
  },
  notifyAll(guard: GuardLike) {
    return notifyAll(this, guard);
  },
};

async function wait(proxy: object, guard: Guard, options?: WaitOptions): Promise<void> {
  const notified = await sleep(proxy, guardOf(guard, "condition.wait()"), options);
  if (notified) return;
  const timeout = options?.timeout ?? stateOf(proxy)?.options?.timeout;
  throw new TimeoutError(`Nobody notified the condition in ${timeout} ms`);
}

/** Waits; whether it was notified in time. Whatever the outcome, the grant is renewed. */
async function sleep(
  proxy: object,
  guard: LockGuard,
  options?: WaitOptions,
): Promise<boolean> {
  let woken: Woken;
  try {
    woken = await askByName(proxy, "wait", [guard.fence, options]) as Woken;
  } catch (error) {
    // What has no outcome of its own may yet have taken the lock again.
    const { fence, abandoned = false } = (error ?? {}) as Partial<Woken>;
    if (fence !== undefined) guard.renew(fence, abandoned);
    throw error;
  }
  const { fence, abandoned, outcome } = woken;
  guard.renew(fence, abandoned);
  if (outcome === "aborted") throw (options?.signal ?? stateOf(proxy)?.options?.signal)?.reason;
  return outcome === "notified";
}

async function waitFor<T>(
  proxy: object,
  guard: Guard,
  predicate: () => T | Promise<T>,
  options: WaitOptions = {},
): Promise<T> {
  if (typeof predicate !== "function") {
    throw new TypeError(`condition.waitFor() needs a function, got ${show(predicate)}`);
  }
  const { timeout = stateOf(proxy)?.options?.timeout ?? Infinity, signal } = checkedOptions(
    options,
    "condition.waitFor()",
  );
  const end = performance.now() + timeout;
  const waiting = guardOf(guard, "condition.waitFor()");
  for (let inTime = true;;) {
    const value = await predicate();
    if (value) return value;
    if (!inTime) {
      throw new TimeoutError(
        `condition.waitFor(): the predicate gave nothing true in ${timeout} ms`,
      );
    }
    const left = Math.max(0, end - performance.now());
    inTime = await sleep(proxy, waiting, { timeout: left, signal });
  }
}

async function notify(proxy: object, guard: GuardLike, n?: number): Promise<void> {
  await askByName(proxy, "notify", [fenceOf(guard, "condition.notify()"), n]);
}

async function notifyAll(proxy: object, guard: GuardLike): Promise<void> {
  await askByName(proxy, "notifyAll", [fenceOf(guard, "condition.notifyAll()")]);
}

/** The guard itself: the fence in another object would not be renewed. */
function guardOf(guard: unknown, what: string): LockGuard {
  if (guard instanceof LockGuard) return guard;
  const cure = guard instanceof Promise ? "; it is a promise: await it first" : "";
  throw new TypeError(`${what} needs the guard that acquire() or withLock() gave${cure}`);
}
