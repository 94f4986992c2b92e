/**
 * Proxies: plain objects whose methods ask the proxy's owner - a client, or the server for its own
 * objects - to evaluate them on the referent; and the functions that work on any proxy.
 *
 * Above: manager.ts and users. Below: the owners, which implement {@linkcode ProxyOwner}.
 *
 * @module
 */

import { NotExposedError, ReleasedError } from "./errors.ts";
import { attributesOf, Operations } from "./attributes.ts";
import {
  type CallOptions,
  checkedOptions,
  checkObject,
  type ExportOptions,
  mergeOptions,
  show,
} from "./call_options.ts";
import { type Held, Mark, type ProxyOwner, type ProxyState, stateOf } from "./proxy_state.ts";
import { isNeverExposed } from "./types/names.ts";
import { firstMethod, type MethodTable, universalMethods } from "./wire/protocol.ts";

export { stateOf } from "./proxy_state.ts";
export type { Held, ProxyOwner, ProxyState } from "./proxy_state.ts";
export { checkedOptions, waitArguments } from "./call_options.ts";
export type { CallOptions, ExportOptions } from "./call_options.ts";

/** What identifies a shared object. Python: `Token`. */
export interface Token {
  /** The typeid under which it is shared. */
  readonly typeid: string;
  /** The address of its server. */
  readonly address: string;
  /** `<epoch>-<n>`: the server's life, and the object's number in it, which is never used again. */
  readonly id: string;
}

/** Makes the prototype that all proxies of one method table share. */
export function makePrototype(table: MethodTable): object {
  const prototype = Object.create(root);
  table.methods.forEach(({ name }, index) => {
    // Whatever a server says, a proxy is never thenable.
    if (isNeverExposed(name)) return;
    const method = {
      [name](this: unknown, ...args: unknown[]): Promise<unknown> {
        return ask(this, firstMethod + index, args, name);
      },
    }[name];
    Object.defineProperty(prototype, name, { value: method, enumerable: true });
  });
  if (table.iterable) {
    Object.defineProperty(prototype, Symbol.asyncIterator, { value: iterate });
  }
  return Object.freeze(prototype);
}

/** Makes a proxy. `prototype` is that of `held.table`. */
export function makeProxy(prototype: object, owner: ProxyOwner, held: Held): object {
  return makeObject(prototype, { owner, held, options: undefined, proxy: undefined });
}

function makeObject(prototype: object, state: ProxyState): object {
  const plain = Object.defineProperty(Object.create(prototype), "toJSON", uncopyable);
  if (!state.held.table.attributes) {
    new Mark(plain, state);
    return plain;
  }
  const operations = state.operations ?? new Operations();
  const attributes = attributesOf(plain, operations);
  new Mark(attributes, { ...state, operations });
  // What waits for a value to write refers to this one, and with it to the proxy.
  new Mark(plain, { ...state, operations: undefined, proxy: state.proxy ?? attributes });
  return attributes;
}

/** What every proxy has; everything else of Object.prototype is left out on purpose. */
const root: object = Object.freeze(Object.create(null, {
  [Symbol.toPrimitive]: {
    value(this: unknown): string {
      return repr(this);
    },
  },
  [Symbol.dispose]: {
    value(this: unknown): void {
      releaseProxy(this);
    },
  },
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: unknown): string {
      return repr(this);
    },
  },
  [Symbol.for("Deno.customInspect")]: {
    value(this: unknown): string {
      return repr(this);
    },
  },
}));

/** `JSON.stringify` and `structuredClone` read this; a copy of a proxy would be an empty object. */
const uncopyable: PropertyDescriptor = {
  enumerable: true,
  get(): never {
    throw new TypeError(
      "Cannot copy a proxy or turn it into JSON: copy what it refers to with `await getValue(proxy)`, or pass the proxy on with `await exportProxy(proxy)`",
    );
  },
};

async function* iterate(this: unknown): AsyncGenerator<unknown> {
  yield* await ask(this, universalMethods.indexOf("iterate"), []) as AsyncIterable<unknown>;
}

/** The one way from a proxy to its owner. */
function ask(
  proxy: unknown,
  method: number,
  args: unknown[],
  name?: string,
  options?: CallOptions,
): Promise<unknown> {
  const state = stateOf(proxy);
  if (!state) {
    return Promise.reject(
      new TypeError(
        `Cannot call ${name ? `"${name}"` : "a method"} without its proxy: write proxy.${
          name ?? "method"
        }(...), or bind it`,
      ),
    );
  }
  const { owner, held } = state;
  if (held.released) {
    return Promise.reject(
      new ReleasedError(
        `Cannot use ${
          describe(held)
        }: it was released; receive the object again to get a new proxy`,
      ),
    );
  }
  const limits = mergeOptions(state.options, options);
  if (!state.operations) return owner.call(held, method, args, limits);
  return state.operations.read(() => owner.call(held, method, args, limits));
}

function required(value: unknown, action: string): ProxyState {
  const state = stateOf(value);
  if (state) return state;
  const cure = value instanceof Promise ? "; it is a promise: await it first" : "";
  throw new TypeError(`Cannot ${action}: ${show(value)} is not a proxy${cure}`);
}

function describe(held: Held): string {
  const { proxyName, typeid } = held.table;
  return `<${proxyName} object, typeid '${typeid}' at 0x${held.id.toString(16)}>`;
}

/**
 * Whether the value is a proxy, of any manager.
 *
 * @example
 * ```ts
 * import { isProxy, Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const list = await manager.list([1]);
 * console.log(isProxy(list), isProxy([1])); // true false
 * await manager.shutdown();
 * ```
 */
export function isProxy(value: unknown): boolean {
  return stateOf(value) !== undefined;
}

/**
 * What identifies the proxy's referent: typeid, address and id. Anything but a proxy is a TypeError.
 * Python: `proxy._token`.
 *
 * @example
 * ```ts
 * import { Manager, repr, tokenOf } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const list = await manager.list();
 * console.log(tokenOf(list).typeid, repr(list)); // list <ListProxy object, typeid 'list' at 0x1>
 * await manager.shutdown();
 * ```
 */
export function tokenOf(proxy: unknown): Token {
  const { owner, held } = required(proxy, "give a token");
  return {
    typeid: held.table.typeid,
    address: owner.address,
    id: `${owner.epoch}-${held.id}`,
  };
}

/** The representation of the proxy, such as `<ListProxy object, typeid 'list' at 0x1>`. Python: `repr(proxy)`. */
export function repr(proxy: unknown): string {
  return describe(required(proxy, "represent").held);
}

/**
 * The representation of the referent in Python's spelling, such as `[1, 2, 'hello', True, None]`; at
 * most 1 MiB. Rejects as a method call does. Python: `str(proxy)`.
 *
 * @example
 * ```ts
 * import { Manager, str } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * console.log(await str(await manager.list([1, "two", null]))); // [1, 'two', None]
 * await manager.shutdown();
 * ```
 */
export async function str(proxy: unknown): Promise<string> {
  required(proxy, "represent");
  return await ask(proxy, universalMethods.indexOf("str"), []) as string;
}

/**
 * A copy of the referent: an array of a list, a Map of a dict, a Set of a set, an object of a
 * namespace. Proxies inside stay proxies. Rejects with SerializeError for objects that cannot be
 * copied, such as an instance of a user's class. Python: `proxy._getvalue()`.
 *
 * @example
 * ```ts
 * import { getValue, Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const dict = await manager.dict({ a: 1 });
 * console.log(await getValue(dict) instanceof Map); // true
 * await manager.shutdown();
 * ```
 */
export async function getValue<T = unknown>(proxy: unknown): Promise<T> {
  required(proxy, "copy the referent");
  return await ask(proxy, universalMethods.indexOf("getValue"), []) as T;
}

/**
 * Evaluates `referent[name](...args)` in the server: resolves to a copy of the result, or to a proxy
 * where the method's typeid says so. An exception of the method is thrown again here; a name that is
 * not exposed rejects with NotExposedError. Python: `proxy._callmethod(name, args)`.
 *
 * @example
 * ```ts
 * import { callMethod, Manager } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const list = await manager.list([3, 4]);
 * console.log(await callMethod(list, "at", [0], { timeout: 1000 })); // 3
 * await manager.shutdown();
 * ```
 */
export async function callMethod<T = unknown>(
  proxy: unknown,
  name: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<T> {
  const { held: { table } } = required(proxy, `call "${name}"`);
  if (!Array.isArray(args)) {
    throw new TypeError(
      `callMethod() takes the arguments of "${name}" as an array, got ${show(args)}`,
    );
  }
  const index = table.methods.findIndex((method) => method.name === name);
  if (index < 0) {
    throw new NotExposedError(
      `Cannot call "${name}" on typeid "${table.typeid}": method is not exposed`,
    );
  }
  return await ask(
    proxy,
    firstMethod + index,
    [...args],
    name,
    options && checkedOptions(options),
  ) as T;
}

/**
 * A view of the proxy whose calls have these options unless they bring their own. It is a new object
 * without a hold of its own; everywhere else it counts as the proxy.
 *
 * @example
 * ```ts
 * import { Manager, withOptions } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const impatient = withOptions(await manager.list([1, 2]), { timeout: 5_000 }); // milliseconds
 * console.log(await impatient.length()); // 2
 * await manager.shutdown();
 * ```
 */
export function withOptions<P extends object>(proxy: P, options: CallOptions): P {
  const state = required(proxy, "set options");
  return makeObject(Object.getPrototypeOf(proxy), {
    ...state,
    options: mergeOptions(state.options, checkedOptions(options)),
    proxy: state.proxy ?? proxy,
  }) as P;
}

/**
 * Gives back one receipt of the reference, or all of them. Once nothing is left the proxy is dead:
 * its calls reject with ReleasedError, and receiving the object again makes a new proxy. With nothing
 * held it does nothing; it never fails, also after the connection's end. Python: `decref`.
 *
 * @example
 * ```ts
 * import { Manager, releaseProxy } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * releaseProxy(await manager.list());
 * console.log(await manager.numberOfObjects()); // 0
 * await manager.shutdown();
 * ```
 */
export function releaseProxy(proxy: unknown, options: { all?: boolean } = {}): void {
  const { owner, held } = required(proxy, "release");
  checkObject(options, "{ all: true }");
  if (!held.released) owner.release(held, options.all ?? false);
}

/**
 * A printable ticket for the proxy's referent: any process that has the authkey gets a proxy of its
 * own from `manager.importProxy(ticket)`. The referent is kept until the uses are spent or the time
 * is over, whatever happens to this process. Python: pickling a proxy.
 *
 * @example
 * ```ts
 * import { exportProxy, type ListProxy, Manager } from "@referent/manager";
 *
 * const manager = await Manager.start();
 * const ticket = await exportProxy(await manager.list([1, 2]));
 * const other = await Manager.connect({ env: manager.env }); // usually in another process
 * const list = await other.importProxy<ListProxy<number>>(ticket);
 * console.log(await list.length()); // 2
 * await other.close();
 * await manager.shutdown();
 * ```
 */
export async function exportProxy(proxy: unknown, options: ExportOptions = {}): Promise<string> {
  const { owner, held } = required(proxy, "export");
  checkObject(options, "{ uses, ttl }");
  const { uses = 1, ttl = 60_000 } = options;
  if (!Number.isSafeInteger(uses) || uses < 1) {
    throw new RangeError(`A ticket's uses must be an integer of 1 or more, got "${uses}"`);
  }
  if (!(ttl > 0) || ttl > 0x7fffffff) {
    throw new RangeError(`A ticket's ttl must be 1 to ${0x7fffffff} milliseconds, got "${ttl}"`);
  }
  if (held.released) throw new ReleasedError(`Cannot export ${describe(held)}: it was released`);
  return await owner.exportProxy(held, { uses, ttl });
}
