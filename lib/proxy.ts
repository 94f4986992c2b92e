/**
 * Proxies: plain objects whose methods ask the proxy's owner - a client, or the server for its own
 * objects - to evaluate them on the referent; and the functions that work on any proxy.
 *
 * Above: manager.ts and users. Below: the owners, which implement {@linkcode ProxyOwner}.
 *
 * @module
 */

import { ReleasedError } from "./errors.ts";
import {
  type CallOptions,
  checkedOptions,
  checkNames,
  checkObject,
  type ExportOptions,
  mergeOptions,
  show,
} from "./call_options.ts";
import { ask, describe, giveBack, methodIndex, required } from "./proxies/call.ts";
import { localMethods } from "./proxies/methods.ts";
import { makeObject } from "./proxies/prototype.ts";
import { stateOf } from "./proxy_state.ts";
import { universalMethods } from "./wire/protocol.ts";

export { stateOf } from "./proxy_state.ts";
export type { Held, ProxyOwner, ProxyState } from "./proxy_state.ts";
export { makePrototype, makeProxy, repr } from "./proxies/prototype.ts";
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
  const local = localMethods.get(table.proxyName);
  if (local && Object.hasOwn(local, name)) {
    const view = options ? withOptions(proxy as object, options) : proxy as object;
    return await local[name]!.apply(view, [...args]) as T;
  }
  const limits = options && checkedOptions(options, "callMethod()");
  return await ask(proxy, methodIndex(table, name), [...args], name, limits) as T;
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
    options: mergeOptions(state.options, checkedOptions(options, "withOptions()")),
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
  required(proxy, "release");
  checkObject(options, "{ all: true }");
  checkNames("releaseProxy()", options, ["all"]);
  giveBack(proxy, options.all ?? false);
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
  checkNames("exportProxy()", options, ["uses", "ttl"]);
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
