/**
 * The types of proxies and of creation methods, computed from the classes that they stand for.
 * Nothing here runs. The mapped types are kept shallow: compilers give up on deep ones.
 *
 * What TypeScript cannot map: a method's own type parameters (they become their constraint), all but
 * the last overload, a generic class behind a creation method (use `create<Box<number>>("Box", 1)`),
 * whether a function is a method or a field (fields with a function show, but are not there), and
 * methods inherited from built-in and `node:` classes (likewise).
 *
 * Above: `manager.ts` and users. Below: `types.ts`, the proxy interfaces in `objects/`.
 *
 * @module
 */

import type { ArrayProxy } from "./objects/array.ts";
import type { BarrierOptions, BarrierProxy } from "./objects/barrier.ts";
import type { ConditionProxy } from "./objects/condition.ts";
import type { CountDownLatchProxy } from "./objects/count_down_latch.ts";
import type { Key } from "./objects/data.ts";
import type { DictProxy } from "./objects/dict.ts";
import type { EventProxy } from "./objects/event.ts";
import type { ListProxy } from "./objects/list.ts";
import type { LockProxy } from "./objects/lock.ts";
import type { NamespaceProxy } from "./objects/namespace.ts";
import type { Items, ProxyBase } from "./objects/proxy_base.ts";
import type {
  JoinableQueueProxy,
  LifoQueueProxy,
  PriorityQueueProxy,
  QueueOptions,
  QueueProxy,
} from "./objects/queue_proxy.ts";
import type { RateLimit, RateLimiterProxy } from "./objects/rate_limiter.ts";
import type { RLockProxy } from "./objects/rlock.ts";
import type { RWLockProxy } from "./objects/rw_lock.ts";
import type {
  BoundedSemaphoreProxy,
  SemaphoreOptions,
  SemaphoreProxy,
} from "./objects/semaphore.ts";
import type { SetProxy } from "./objects/set.ts";
import type { BigIntTypecode, NumberTypecode } from "./objects/typecodes.ts";
import type { ValueProxy } from "./objects/value.ts";
import type { PoolProxy, SharedPoolOptions } from "./process/pool_proxy.ts";
import type { NeverExposed, Referent, Typeid, TypeSet } from "./types.ts";

/** What a method with `caller: true` gets as its last argument. */
export interface Caller {
  /** The session that calls; the same for all calls of one client. */
  readonly id: string;
  /** Aborted when the caller cancels the call, or is gone. */
  readonly signal: AbortSignal;
  /**
   * Shares an object, and gives the proxy to put anywhere in a result. The same object under the
   * same typeid is the same proxy.
   *
   * @throws {TypeError} No such typeid, or the object has not the methods that it exposes.
   */
  share<T extends object>(object: T, typeid: string): Remote<T>;
}

/** What a method that returns an iterator gives its caller: `for await (const x of await p.range(3))`. */
export interface RemoteIterator<T> extends AsyncIterableIterator<T, unknown, undefined> {
  /** Frees the iterator in the server. */
  return(): Promise<IteratorResult<T, unknown>>;
  /** Frees the iterator in the server. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * The proxy of an object of class `T`: each public method, asynchronous.
 *
 * `M` names the methods whose result is shared instead of copied, with the type of that proxy, as in
 * `Remote<Bank, { open: Remote<Account>; ids: ListProxy<number> }>`; `defineTypes` computes it from
 * `methodToTypeid`. `N` are the exposed names.
 *
 * A method that returns an iterator gives a {@linkcode RemoteIterator}; a class with
 * `[Symbol.iterator]` or `[Symbol.asyncIterator]` can be iterated with `for await`; the last
 * parameter is left out where it is a {@linkcode Caller}. A parameter that takes a proxy is declared
 * `Remote<X>` in the class.
 *
 * @example
 * ```ts
 * import type { Remote } from "@referent/manager";
 *
 * class Account {
 *   #balance = 0;
 *   deposit(amount: number): number {
 *     return this.#balance += amount;
 *   }
 * }
 * async function pay(account: Remote<Account>): Promise<number> {
 *   return await account.deposit(5);
 * }
 * ```
 */
// deno-lint-ignore ban-types
export type Remote<T, M = {}, N = PublicName<keyof T>> =
  & RemoteMethods<T, M, N>
  & RemoteIterable<T>
  & ProxyBase;

/** The names that are exposed by default. */
export type PublicName<K> = K extends string ? K extends `_${string}` | NeverExposed ? never : K
  : never;

/** The methods of a {@linkcode Remote}. */
export type RemoteMethods<T, M, N> = {
  [K in keyof T as K extends N ? NameOfMethod<K, T[K]> : never]: RemoteMethod<
    T[K],
    K extends keyof M ? M[K] : Unshared
  >;
};

/** Stands for the result of a method that shares nothing. */
declare const unshared: unique symbol;
/** @internal */
type Unshared = typeof unshared;

// deno-lint-ignore no-explicit-any
type AnyFunction = (...args: any) => unknown;

/**
 * `any` is no method; an optional method is one.
 *
 * @internal
 */
type NameOfMethod<K, F> = 0 extends 1 & F ? never
  : [NonNullable<F>] extends [never] ? never
  : NonNullable<F> extends AnyFunction ? K
  : never;

/** @internal */
type RemoteMethod<F, S> = NonNullable<F> extends (...args: infer A) => infer R
  ? (...args: WithoutCaller<A>) => Promise<[S] extends [Unshared] ? Sent<Awaited<R>> : S>
  : never;

type WithoutCaller<A extends unknown[]> = A extends [...infer H, infer L]
  ? IsCaller<L> extends true ? H : A
  : A;

type IsCaller<L> = 0 extends 1 & L ? false
  : [L] extends [Caller] ? [Caller] extends [L] ? true : false
  : false;

/** What comes out of a method: iterators become remote ones. */
type Sent<V> = V extends AsyncIteratorLike<infer X> ? RemoteIterator<X>
  : V extends IteratorLike<infer X> ? RemoteIterator<X>
  : V;

interface AsyncIteratorLike<X> {
  next(...args: never[]): unknown;
  [Symbol.asyncIterator](): AsyncIterator<X, unknown, never>;
}

interface IteratorLike<X> {
  next(...args: never[]): unknown;
  [Symbol.iterator](): Iterator<X, unknown, never>;
}

/** What makes a proxy iterable with `for await`. */
export type RemoteIterable<T> = T extends { [Symbol.asyncIterator](): AsyncIterator<infer X> }
  ? AsyncIterable<X>
  : T extends { [Symbol.iterator](): Iterator<infer X> } ? AsyncIterable<X>
  : unknown;

/**
 * The definitions of a type set.
 *
 * @internal
 */
type DefinitionsOf<S> = S extends TypeSet<infer D> ? D : never;

/** @internal */
type Merged<U> = (U extends unknown ? (part: U) => void : never) extends (all: infer I) => void ? I
  : never;

/**
 * The types that a manager knows: of one type set, or of a tuple of them. A client that has no
 * implementation writes `Manager.connect<TypesOf<typeof import("./types.ts").default>>()`.
 */
export type TypesOf<S> = S extends TypeSet<infer D> ? D
  // deno-lint-ignore ban-types
  : S extends readonly [] | undefined ? {}
  : S extends readonly TypeSet[] ? Merged<DefinitionsOf<S[number]>>
  : never;

/** The creation methods of a manager for the definitions `D`: classes and factories by name. */
export type Creators<D> = {
  readonly [K in keyof D as CreatorName<K, D[K]>]: Creator<D, K>;
};

/**
 * Not every name makes objects: exceptions do not.
 *
 * @internal
 */
type CreatorName<K, V> = string extends K ? never
  : V extends abstract new (...args: never[]) => infer T ? IsError<T> extends true ? never : K
  : K;

/** A class that only looks like an Error has no `stack`. */
type IsError<T> = T extends Error ? "stack" extends keyof T ? true : false : false;

/** @internal */
type Creator<D, K extends keyof D> = (
  ...args: ArgumentsOf<CallableOf<D[K]>>
) => Promise<RemoteOf<D, K>>;

/** @internal */
type CallableOf<V> = V extends Typeid<infer C> ? C : V;
/** @internal */
type OptionsOf<V> = V extends Typeid<infer _, infer O> ? O : unknown;

type ArgumentsOf<C> = C extends abstract new (...args: infer A) => unknown ? A
  : C extends (...args: infer A) => unknown ? A
  : never;

/** The proxy of the typeid `K` of the definitions `D`. */
export type RemoteOf<D, K extends keyof D> = RemoteWith<
  Referent<CallableOf<D[K]>>,
  OptionsOf<D[K]>,
  D
>;

/**
 * A factory whose type is `any` makes a proxy whose type is `any`.
 *
 * @internal
 */
type RemoteWith<T, O, D> = 0 extends 1 & T ? T : Remote<T, SharedBy<T, O, D>, NamesOf<T, O>>;

type NamesOf<T, O> = O extends { readonly exposed: readonly (infer N)[] } ? Exclude<N, NeverExposed>
  : PublicName<keyof T>;

type SharedBy<T, O, D> = O extends { readonly methodToTypeid: infer M }
  ? { [K in keyof M & keyof T]: Shared<ResultOf<T[K]>, M[K], D> }
  // deno-lint-ignore ban-types
  : {};

type ResultOf<F> = NonNullable<F> extends (...args: never[]) => infer R ? Awaited<R> : never;

/** What becomes of a result that is shared as `N`: null, undefined and proxies stay as they are. */
type Shared<R, N, D> = 0 extends 1 & R ? SharedValue<R, N, D>
  : R extends null | undefined ? R
  : R extends ProxyBase ? N extends keyof D ? AdoptedOr<R, N, D> : R
  : SharedValue<R, N, D>;

/** An object with a disposer of its own looks like a proxy, so its class is looked at first. */
type AdoptedOr<R, N extends keyof D, D> = R extends Referent<CallableOf<D[N]>> ? RemoteOf<D, N> : R;

type SharedValue<R, N, D> = N extends keyof D ? RemoteOf<D, N>
  : N extends keyof BuiltinProxies<R> ? BuiltinProxies<R>[N]
  : object;

/** The proxies of the built-ins that can be made from a copy of a value of type `R`. */
interface BuiltinProxies<R> {
  list: ListProxy<ItemOf<R>>;
  dict: R extends Iterable<readonly [infer K extends Key, infer V]> ? DictProxy<K, V>
    : DictProxy<string, R[keyof R]>;
  set: SetProxy<ItemOf<R>>;
  namespace: NamespaceProxy<R extends object ? R : never>;
}

type ItemOf<R> = R extends Items<infer X> ? X : unknown;

/** The creation methods of the built-in typeids. */
export interface BuiltinCreators {
  /**
   * Makes a list of what is iterated over: `await manager.list([1, 2])`. Python: `list`.
   *
   * @throws {TypeError} It cannot be iterated over.
   */
  list<T = unknown>(iterable?: Items<T>): Promise<ListProxy<T>>;
  /**
   * Makes a dict of entries, such as a Map; or of a plain object. Python: `dict`.
   *
   * @throws {TypeError} A key is no primitive.
   */
  dict<K = string, V = unknown>(
    entries?: Items<readonly [K & Key, V]>,
  ): Promise<DictProxy<K & Key, V>>;
  /** Makes a dict of the own properties of a plain object: `await manager.dict({ a: 1 })`. */
  dict<K extends string = string, V = unknown>(
    object: { readonly [key: string]: V },
  ): Promise<DictProxy<K, V>>;
  /**
   * Makes a set of what is iterated over: primitives and proxies. Python: `set`.
   *
   * @throws {TypeError} A member is neither.
   */
  set<T = unknown>(iterable?: Items<T>): Promise<SetProxy<T>>;
  /**
   * Makes a namespace with the own properties of a plain object. Python: `Namespace`.
   *
   * @throws {TypeError} The argument is no plain object.
   */
  namespace<T extends object = Record<string, unknown>>(object?: T): Promise<NamespaceProxy<T>>;
  /**
   * Makes a number of one kind, 0 if `initial` is left out: `await manager.value("int32", 0)`.
   * Python: `Value`.
   *
   * @throws {TypeError} No such typecode, or a value of another kind.
   * @throws {RangeError} The value does not fit.
   */
  value(typecode: NumberTypecode, initial?: number): Promise<ValueProxy<number>>;
  /** Makes a bigint of 64 bits, 0n if `initial` is left out. */
  value(typecode: BigIntTypecode, initial?: bigint): Promise<ValueProxy<bigint>>;
  /** Makes a holder of anything that can be sent. */
  value<T>(typecode: "any", initial: T): Promise<ValueProxy<T>>;
  /**
   * Makes an array of fixed size, of zeros or of the given values. Python: `Array`.
   *
   * @throws {TypeError} No such typecode, or a value of another kind.
   * @throws {RangeError} A value does not fit, or the size is too large.
   */
  array(
    typecode: NumberTypecode,
    sizeOrValues: number | Items<number>,
  ): Promise<ArrayProxy<number>>;
  /** Makes an array of bigints of 64 bits. */
  array(
    typecode: BigIntTypecode,
    sizeOrValues: number | Items<bigint>,
  ): Promise<ArrayProxy<bigint>>;
  /**
   * Makes a queue, first in first out: `await manager.queue<Job>({ maxSize: 100 })`. Python: `Queue`,
   * whose argument is `maxsize`.
   *
   * @throws {TypeError} An option is none.
   * @throws {RangeError} `maxSize` is below 0, or `maxAttempts` below 1.
   */
  queue<T = unknown>(options?: QueueOptions): Promise<QueueProxy<T>>;
  /** Makes a queue, last in first out. Rejects as `queue` does. Python: `LifoQueue`. */
  lifoQueue<T = unknown>(options?: QueueOptions): Promise<LifoQueueProxy<T>>;
  /** Makes a queue that gives the lowest priority first. Rejects as `queue` does. Python: `PriorityQueue`. */
  priorityQueue<T = unknown>(options?: QueueOptions): Promise<PriorityQueueProxy<T>>;
  /** Makes a queue that knows which items are done with. Rejects as `queue` does. Python: `JoinableQueue`. */
  joinableQueue<T = unknown>(options?: QueueOptions): Promise<JoinableQueueProxy<T>>;
  /** Makes a lock. Python: `Lock`. */
  lock(): Promise<LockProxy>;
  /** Makes a lock that its holder may enter again. Python: `RLock`. */
  rlock(): Promise<RLockProxy>;
  /** Makes a lock that many may share, or one has alone. Python has none. */
  rwLock(): Promise<RWLockProxy>;
  /**
   * Makes a semaphore with `n` (default 1) permits. Python: `Semaphore`.
   *
   * @throws {TypeError} `n` is no whole number, or an option is none.
   * @throws {RangeError} `n` is below 0.
   */
  semaphore(n?: number, options?: SemaphoreOptions): Promise<SemaphoreProxy>;
  /** Makes a semaphore that never has more than its `n` (default 1) permits. Rejects as `semaphore` does. Python: `BoundedSemaphore`. */
  boundedSemaphore(n?: number): Promise<BoundedSemaphoreProxy>;
  /**
   * Makes a condition, with a lock or rlock of this server or an rlock of its own. Python: `Condition`.
   *
   * @throws {TypeError} The argument is neither.
   */
  condition(lock?: LockProxy | RLockProxy): Promise<ConditionProxy>;
  /** Makes an event, which is not set. Python: `Event`. */
  event(): Promise<EventProxy>;
  /**
   * Makes a barrier for so many parties; its `timeout` is for those that name none. Python: `Barrier`,
   * whose `action` the party with index 0 can do.
   *
   * @throws {TypeError} `parties` is no whole number.
   * @throws {RangeError} There is less than 1 party, or the timeout is below 0.
   */
  barrier(parties: number, options?: BarrierOptions): Promise<BarrierProxy>;
  /**
   * Makes a count that goes down to 0. Python has none.
   *
   * @throws {RangeError} `n` is below 0.
   */
  countDownLatch(n: number): Promise<CountDownLatchProxy>;
  /**
   * Makes a limit of so many in so many milliseconds: `{ limit: 10, interval: 1000 }`. Python has none.
   *
   * @throws {RangeError} The limit is below 1, or the interval not above 0.
   */
  rateLimiter(rate: RateLimit): Promise<RateLimiterProxy>;
  /**
   * Makes a pool of at most so many workers in the server, by default one for each of its processors.
   * Its tasks are those that the server's starter named: `Manager.start({ tasks: [tasks] })`. The
   * workers end when nobody has the pool any more, and with the server. Python: `Pool` of a manager.
   *
   * @throws {RangeError} `workers` is no integer of 1 or more.
   * @throws {TypeError} An option is none.
   * @throws {NotExposedError} The server's starter named no `tasks`.
   */
  pool(workers?: number, options?: SharedPoolOptions): Promise<PoolProxy>;
}
