/**
 * What of the locks and semaphores runs where the proxy is: guards, `withLock`, and which grants a
 * task has when it acquires another.
 *
 * Above: methods.ts, condition.ts. Below: call.ts, handle.ts, scopes.ts.
 *
 * @module
 */

import { checkObject, show } from "../call_options.ts";
import { NotOwnerError } from "../errors.ts";
import type { AcquireOptions, Guard, ReleaseOptions } from "../objects/lock.ts";
import type { ReentrantGuard } from "../objects/rlock.ts";
import { stateOf, unreleased } from "../proxy_state.ts";
import { askByName, fenceOf, required } from "./call.ts";
import { type Handle, unlessClosed } from "./handle.ts";
import type { ScopedGrant } from "./scopes.ts";

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
  /** The guards of the same grant, an rlock's that was entered again. */
  readonly #siblings: Set<LockGuard>;
  #released: Promise<void> | undefined;

  /** `sibling` is a guard of the same grant. */
  constructor(handle: Handle, sibling?: LockGuard) {
    ({ fence: this.fence, abandoned: this.abandoned } = handle.content as Guard);
    this.#handle = handle;
    this.#siblings = sibling ? sibling.#siblings : new Set();
    this.#siblings.add(this);
  }

  /** Whether it was. */
  get released(): boolean {
    return this.#released !== undefined;
  }

  release(): Promise<void> {
    this.#siblings.delete(this);
    return this.#released ??= this.#handle.call("release", []).then(() => {}, unlessClosed);
  }

  /** As `release()`, for who does not want to know how it went. */
  finish(): void {
    this.#siblings.delete(this);
    if (this.#released) return;
    this.#released = Promise.resolve();
    this.#handle.finish();
  }

  /** A condition took the lock again: the grant has another fence, for all its guards. */
  renew(fence: number, abandoned: boolean): void {
    for (const guard of this.#siblings) [guard.fence, guard.abandoned] = [fence, abandoned];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** See {@linkcode ReentrantGuard}. */
export class RLockGuard extends LockGuard implements ReentrantGuard {
  /** Asks for the lock, also when its proxy was released. */
  readonly #proxy: object;

  constructor(proxy: object, handle: Handle, sibling?: LockGuard) {
    super(handle, sibling);
    this.#proxy = unreleased(proxy);
  }

  /** Whose lock it is. */
  protected get proxy(): object {
    if (!this.released) return this.#proxy;
    throw new NotOwnerError("This guard was released: acquire again");
  }

  async acquire(): Promise<this> {
    const handle = await askByName(this.proxy, "acquire", [{ reenter: this.fence }]);
    return this.again(handle as Handle);
  }

  /** A guard of the same class. */
  protected again(handle: Handle): this {
    return new RLockGuard(this.proxy, handle, this) as this;
  }
}

/** Makes a guard; `sibling` is one of the same grant, where the task had it already. */
export type MakeGuard = (proxy: object, handle: Handle, sibling?: LockGuard) => LockGuard;

/**
 * The methods of whatever is acquired. `nested`: who acquires is known by the grants that it has
 * already, of those that are known so.
 */
export function acquiring(makeGuard: MakeGuard, nested: boolean): LocalMethods {
  const acquire = async (proxy: object, name: string, options: unknown, scoped?: true) => {
    const [asked, grants] = nested ? split(proxy, options as AcquireOptions) : [options, []];
    const more = {
      ...(grants.length > 0 ? holding(proxy, asked as AcquireOptions, grants) : {}),
      ...(scoped ? { scoped } : {}),
    };
    const request = Object.keys(more).length > 0 ? { ...asked as object, ...more } : asked;
    const handle = await askByName(proxy, name, [request]) as Handle | null;
    return { guard: handle && guardOf(proxy, handle, grants), grants };
  };
  const guardOf = (proxy: object, handle: Handle, grants: Grants) => {
    const { fence } = handle.content as Guard;
    const sibling = grants.find((grant) => grant.fence === fence);
    return makeGuard(proxy, handle, sibling instanceof LockGuard ? sibling : undefined);
  };
  return {
    async acquire(options?: AcquireOptions) {
      return (await acquire(this, "acquire", options)).guard;
    },
    async tryAcquire(options?: AcquireOptions) {
      return (await acquire(this, "tryAcquire", options)).guard;
    },
    release(options?: ReleaseOptions) {
      const sent = options instanceof LockGuard ? { fence: options.fence } : options;
      return askByName(this, "release", [sent]);
    },
    async withLock(fn: (guard: Guard) => unknown, options?: AcquireOptions) {
      if (typeof fn !== "function") {
        throw new TypeError(`withLock() needs a function, got ${show(fn)}: write () => ...`);
      }
      if (options !== undefined) checkObject(options, "{ timeout, signal }");
      const { scopes } = required(this, 'call "withLock"').owner;
      const { guard, grants } = await acquire(this, "acquire", options, true);
      try {
        return await (nested ? scopes.run([...grants, guard!], () => fn(guard!)) : fn(guard!));
      } finally {
        guard!.finish(); // written now, and not waited for
      }
    },
  };
}

type Grants = readonly ScopedGrant[];

/** What is asked for, and the grants that the asking task has. */
function split(
  proxy: object,
  options: AcquireOptions | undefined,
): [request: object | undefined, grants: Grants] {
  const { scopes } = required(proxy, 'call "acquire"').owner;
  if (options === undefined) return [undefined, scopes.grants];
  checkObject(options, "{ timeout, signal, holding }");
  const { holding: named, ...request } = options;
  if (named === undefined) return [request, scopes.grants];
  if (named === null) return [request, []];
  if (named instanceof LockGuard) return [request, [named]];
  return [request, [{ fence: fenceOf(named, 'The option "holding"'), released: false }]];
}

/** What the server is told of the grants that the asking task has. */
function holding(proxy: object, request: AcquireOptions | undefined, grants: Grants): object {
  const view = stateOf(proxy)?.options;
  const { timeout = view?.timeout ?? Infinity, signal = view?.signal } = request ?? {};
  return {
    holding: grants.map(({ fence }) => fence),
    endless: timeout === Infinity && signal === undefined,
  };
}
