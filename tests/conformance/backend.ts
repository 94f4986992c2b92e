/**
 * What the conformance suites run against: anything that makes shared objects and gives their
 * asynchronous face. Here is the one without any manager, around the local referents; a manager is
 * another one.
 *
 * Above: the suites and the tests that run them. Below: the objects.
 *
 * @module
 */

import { test } from "node:test";
import type { ArrayProxy } from "../../lib/objects/array.ts";
import { builtins } from "../../lib/objects/builtins.ts";
import { isPlainObject, type Key } from "../../lib/objects/data.ts";
import type { Definition } from "../../lib/objects/definition.ts";
import type { DictProxy } from "../../lib/objects/dict.ts";
import type { ListProxy } from "../../lib/objects/list.ts";
import type { NamespaceProxy } from "../../lib/objects/namespace.ts";
import type { Items, ProxyBase } from "../../lib/objects/proxy_base.ts";
import { represent } from "../../lib/objects/represent.ts";
import type { SetProxy } from "../../lib/objects/set.ts";
import type { ArrayTypecode, ElementOf } from "../../lib/objects/typecodes.ts";
import type { ValueProxy } from "../../lib/objects/value.ts";
import type { BuiltinCreators } from "../../lib/remote.ts";

/** Makes shared objects; a manager with the functions `str` and `getValue` is one. */
export interface Backend {
  list<T>(items?: Items<T>): Promise<ListProxy<T>>;
  dict<K extends Key, V>(entries: Items<readonly [K, V]>): Promise<DictProxy<K, V>>;
  dict<V>(object?: Readonly<Record<string, V>>): Promise<DictProxy<string, V>>;
  set<T>(members?: Items<T>): Promise<SetProxy<T>>;
  namespace<T extends object>(attributes?: T): Promise<NamespaceProxy<T>>;
  value<C extends ArrayTypecode>(
    typecode: C,
    initial?: ElementOf<C>,
  ): Promise<ValueProxy<ElementOf<C>>>;
  value<T = unknown>(typecode: "any", initial?: T): Promise<ValueProxy<T>>;
  array<C extends ArrayTypecode>(
    typecode: C,
    sizeOrValues: number | Items<ElementOf<C>>,
  ): Promise<ArrayProxy<ElementOf<C>>>;
  queue: BuiltinCreators["queue"];
  lifoQueue: BuiltinCreators["lifoQueue"];
  priorityQueue: BuiltinCreators["priorityQueue"];
  joinableQueue: BuiltinCreators["joinableQueue"];
  lock: BuiltinCreators["lock"];
  rlock: BuiltinCreators["rlock"];
  rwLock: BuiltinCreators["rwLock"];
  semaphore: BuiltinCreators["semaphore"];
  boundedSemaphore: BuiltinCreators["boundedSemaphore"];
  condition: BuiltinCreators["condition"];
  event: BuiltinCreators["event"];
  barrier: BuiltinCreators["barrier"];
  countDownLatch: BuiltinCreators["countDownLatch"];
  rateLimiter: BuiltinCreators["rateLimiter"];
  /** `str(proxy)`. */
  str(proxy: ProxyBase): Promise<string>;
  /** `getValue(proxy)`. */
  getValue(proxy: ProxyBase): Promise<unknown>;
  /** Ends what one test made. */
  close(): Promise<void>;
}

/** Gives the backend of one test, which closes it. */
export type Make = () => Promise<Backend>;

/** One claim about a backend. */
export type Claim = (claim: string, body: (backend: Backend) => Promise<void>) => void;

/** A function that tests claims, each against a backend of its own. */
export function claims(name: string, make: Make): Claim {
  return (claim, body) => {
    void test(`${name}: ${claim}`, async () => {
      const backend = await make();
      try {
        await body(backend);
      } finally {
        await backend.close();
      }
    });
  };
}

/** Everything that an asynchronous iterable gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}

/** A backend without a manager: local referents whose arguments and results are copied. */
export function localBackend(): Promise<Backend> {
  const local = new Local();
  const create = (typeid: string) => (...args: unknown[]) => local.create(typeid, args);
  return Promise.resolve({
    list: create("list"),
    dict: create("dict"),
    set: create("set"),
    namespace: create("namespace"),
    value: create("value"),
    array: create("array"),
    str: (proxy: ProxyBase) => local.str(proxy),
    getValue: (proxy: ProxyBase) => local.getValue(proxy),
    close: () => Promise.resolve(),
  } as Backend);
}

type Methods = Record<string, (...args: unknown[]) => unknown>;
type Shared = { referent: Methods; definition: Definition };

class Local {
  #shared: WeakMap<object, Shared> = new WeakMap();
  #count = 0;

  // deno-lint-ignore require-await -- what it throws is a rejection, as of every creation method
  async create(typeid: string, args: unknown[]): Promise<ProxyBase> {
    const definition = builtins.get(typeid)!;
    const referent = definition.create(...this.#received(definition, "create", args)) as Methods;
    return this.#proxyOf({ referent, definition }, typeid);
  }

  // deno-lint-ignore require-await -- as above
  async str(proxy: ProxyBase): Promise<string> {
    const { referent, definition } = this.#shared.get(proxy)!;
    return definition.text!(referent as never, represent);
  }

  // deno-lint-ignore require-await -- as above
  async getValue(proxy: ProxyBase): Promise<unknown> {
    const { referent, definition } = this.#shared.get(proxy)!;
    return this.#copied(definition.value!(referent as never));
  }

  #proxyOf(shared: Shared, typeid: string): ProxyBase {
    const { referent, definition } = shared;
    const text = `<${definition.proxyName} object, typeid '${typeid}' at 0x${++this.#count}>`;
    const face = Object.create(null);
    face[Symbol.toPrimitive] = () => text;
    face[Symbol.dispose] = () => {};
    if (Symbol.iterator in referent) face[Symbol.asyncIterator] = () => this.#iterate(referent);
    for (const method of definition.exposed!) {
      // deno-lint-ignore require-await -- runs at once and rejects with what it throws
      face[method] = async (...args: unknown[]) =>
        this.#copied(referent[method]!(...this.#received(definition, method, args)));
    }
    const plain = Object.create(face);
    const proxy = definition.attributes ? withAttributes(plain) : plain;
    this.#shared.set(proxy, shared);
    return proxy;
  }

  async *#iterate(referent: Methods): AsyncGenerator<unknown> {
    for (const item of referent as unknown as Iterable<unknown>) yield this.#copied(item);
  }

  #received(definition: Definition, method: string, args: unknown[]): unknown[] {
    const positions = definition.iterables?.[method];
    return args.map((arg, i) => {
      const shared = this.#shared.get(arg as object);
      const replaced = shared && (positions === "all" || positions?.includes(i)) &&
        Symbol.iterator in shared.referent;
      return replaced ? shared.referent : this.#copied(arg);
    });
  }

  /** As the wire copies: all data, but proxies stay what they are. */
  #copied(value: unknown): unknown {
    if (typeof value !== "object" || value === null || this.#shared.has(value)) return value;
    const copied = (item: unknown) => this.#copied(item);
    const pair = ([key, item]: [unknown, unknown]) => [copied(key), copied(item)] as const;
    if (Array.isArray(value)) return Array.from(value, copied);
    if (value instanceof Map) return new Map(Array.from(value, pair));
    if (value instanceof Set) return new Set(Array.from(value, copied));
    if (!isPlainObject(value)) return structuredClone(value);
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, copied(item)]));
  }
}

/** The attribute access of a namespace proxy. */
function withAttributes(methods: Methods): object {
  const hidden = new Map<string, unknown>();
  return new Proxy(methods, {
    get(target, name) {
      if (typeof name === "symbol" || name in target || name === "then") {
        return Reflect.get(target, name);
      }
      return name.startsWith("_") ? hidden.get(name) : target.get!(name);
    },
    set(target, name, value) {
      if (String(name).startsWith("_")) hidden.set(String(name), value);
      else void target.set!(name, value);
      return true;
    },
    deleteProperty(target, name) {
      if (String(name).startsWith("_")) hidden.delete(String(name));
      else void target.delete!(name);
      return true;
    },
  });
}
