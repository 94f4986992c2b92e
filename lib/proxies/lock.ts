/**
 * What of the locks and semaphores runs where the proxy is: guards, `withLock`, and which grants a
 * task has when it acquires another.
 *
 * Above: methods.ts, condition.ts. Below: call.ts, handle.ts, scopes.ts.
 *
 * @module
 */

import { checkObject } from "../call_options.ts";
import type { AcquireOptions, Guard, ReleaseOptions } from "../objects/lock.ts";
import type { ReentrantGuard } from "../objects/rlock.ts";
import { stateOf } from "../proxy_state.ts";
import { askByName, fenceOf, required } from "./call.ts";
import { type Handle, unlessClosed } from "./handle.ts";

/** Methods of a proxy that run where it is. */
export type LocalMethods = Readonly<
  // deno-lint-ignore no-explicit-any -- each checks its own arguments
  Record<string | symbol, (this: object, ...args: any[]) => unknown>
>;

/** See {@linkcode Guard}. */
export class LockGuard implements Guard {
  fence: number;
  abandoned: boolean;
  readonly #handle: Handle;
  #released: Promise<void> | undefined;

  constructor(handle: Handle) {
    ({ fence: this.fence, abandoned: this.abandoned } = handle.content as Guard);
    this.#handle = handle;
  }

  /** Whether it was. */
  get released(): boolean {
    return this.#released !== undefined;
  }

  release(): Promise<void> {
    return this.#released ??= this.#handle.call("release", []).then(() => {}, unlessClosed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** See {@linkcode ReentrantGuard}. */
export class RLockGuard extends LockGuard implements ReentrantGuard {
  /** Whose lock it is. */
  protected readonly proxy: object;

  constructor(proxy: object, handle: Handle) {
    super(handle);
    this.proxy = proxy;
  }

  async acquire(): Promise<this> {
    const handle = await askByName(this.proxy, "acquire", [{ reenter: this.fence }]);
    return this.again(handle as Handle);
  }

  /** A guard of the same class. */
  protected again(handle: Handle): this {
    return new RLockGuard(this.proxy, handle) as this;
  }
}

/**
 * The methods of whatever is acquired. `nested`: who acquires is known by the grants that it has
 * already, of those that are known so.
 */
export function acquiring(
  guardOf: (proxy: object, handle: Handle) => LockGuard,
  nested: boolean,
): LocalMethods {
  const acquire = async (proxy: object, name: string, options: unknown, scoped: boolean) => {
    const request = nested ? nestedRequest(proxy, options) : options;
    const args = scoped ? [{ ...request as object, scoped }] : [request];
    const handle = await askByName(proxy, name, args) as Handle | null;
    return handle && guardOf(proxy, handle);
  };
  return {
    acquire(options?: AcquireOptions) {
      return acquire(this, "acquire", options, false);
    },
    tryAcquire(options?: AcquireOptions) {
      return acquire(this, "tryAcquire", options, false);
    },
    release(options?: ReleaseOptions) {
      const sent = options instanceof LockGuard ? { fence: options.fence } : options;
      return askByName(this, "release", [sent]);
    },
    async withLock(fn: (guard: Guard) => unknown, options?: AcquireOptions) {
      if (typeof fn !== "function") {
        throw new TypeError(`withLock() needs a function, got ${typeof fn}: write () => ...`);
      }
      if (options !== undefined) checkObject(options, "{ timeout, signal }");
      const { scopes } = required(this, 'call "withLock"').owner;
      const guard = (await acquire(this, "acquire", options, true))!;
      try {
        return await (nested ? scopes.run(guard, () => fn(guard)) : fn(guard));
      } finally {
        // Written now. How it went is known by the guard; here nobody could do anything about it.
        guard.release().catch(() => {});
      }
    },
  };
}

/** What is asked for, with the grants that the asking task has. */
function nestedRequest(proxy: object, options: unknown): unknown {
  if (options !== undefined) checkObject(options, "{ timeout, signal, holding }");
  const { holding: named, ...rest } = (options ?? {}) as AcquireOptions;
  const { owner, options: view } = stateOf(proxy) ?? {};
  const holding = named === null ? [] : owner?.scopes.fences ?? [];
  if (named !== null && named !== undefined) {
    holding.push(fenceOf(named, 'The option "holding"'));
  }
  if (holding.length === 0) return options && rest;
  const { timeout = view?.timeout ?? Infinity, signal = view?.signal } = rest;
  return { ...rest, holding, endless: timeout === Infinity && signal === undefined };
}
