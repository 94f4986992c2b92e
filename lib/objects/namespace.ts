/**
 * The namespace: a referent, and the interface of its proxy.
 *
 * Above: the table of built-in typeids. Below: `represent.ts`, for error texts.
 *
 * @module
 */

import { isPlainObject } from "./data.ts";
import type { GuardOptions } from "./lock.ts";
import type { ProxyBase } from "./proxy_base.ts";
import { quoted } from "./represent.ts";

/** The methods of a {@linkcode NamespaceProxy}, which reach every attribute, whatever its name. */
export interface NamespaceMethods<T extends object = Record<string, unknown>> extends ProxyBase {
  /** The attribute, undefined if there is none. Python: `getattr(ns, name, None)`. */
  get<N extends keyof T & string>(name: N): Promise<T[N] | undefined>;
  /** Sets an attribute; with a guard only while that is current. Python: `setattr(ns, name, value)`. */
  set<N extends keyof T & string>(name: N, value: T[N], options?: GuardOptions): Promise<void>;
  /** Removes an attribute; whether there was one. Python: `delattr`, which raises. */
  delete(name: keyof T & string): Promise<boolean>;
  /** The names of the attributes, in the order in which they came. Python: `dir(ns)`. */
  keys(): Promise<(keyof T & string)[]>;
}

/**
 * A namespace in the server: `await ns.x` reads an attribute and `ns.x = 1` writes one. Writes
 * arrive in order; one that fails rejects the next operation that is awaited. A name that begins
 * with `_` stays in this proxy and is not shared; one that is a method's is reached by `get` and
 * `set`. A value read is a copy. Python: `NamespaceProxy`.
 *
 * @example
 * ```ts
 * import { Manager, str } from "@referent/manager";
 *
 * const manager = await Manager.local();
 * const ns = await manager.namespace({ x: 1, y: "hello" });
 * ns.x = 10;
 * console.log(await ns.x, await str(ns)); // 10 Namespace(x=10, y='hello')
 * await manager.shutdown();
 * ```
 */
export type NamespaceProxy<T extends object = Record<string, unknown>> =
  & NamespaceMethods<T>
  & {
    [N in keyof T as N extends keyof NamespaceMethods ? never : N]: T[N] | Promise<T[N]>;
  };

/** The referent of {@linkcode NamespaceProxy}, which knows nothing of attribute access. */
export class Namespace<T extends object = Record<string, unknown>> {
  /** A Map and no object: `__proto__` and `constructor` are names like all others. */
  #attributes: Map<keyof T & string, T[keyof T & string]>;

  /** Makes a namespace of the own properties of a plain object. */
  constructor(attributes: T = {} as T) {
    if (!isPlainObject(attributes)) {
      throw new TypeError(`namespace() needs a plain object, got ${quoted(attributes)}`);
    }
    this.#attributes = new Map(Object.entries(attributes)) as never;
  }

  /** See {@linkcode NamespaceMethods.get}. */
  get<N extends keyof T & string>(name: N): T[N] | undefined {
    return this.#attributes.get(checked(name, "namespace.get()")) as T[N] | undefined;
  }

  /** See {@linkcode NamespaceMethods.set}. */
  set<N extends keyof T & string>(name: N, value: T[N]): void {
    this.#attributes.set(checked(name, "namespace.set()"), value);
  }

  /** See {@linkcode NamespaceMethods.delete}. */
  delete(name: keyof T & string): boolean {
    return this.#attributes.delete(checked(name, "namespace.delete()"));
  }

  /** See {@linkcode NamespaceMethods.keys}. */
  keys(): (keyof T & string)[] {
    return [...this.#attributes.keys()];
  }
}

function checked<N extends string>(name: N, what: string): N {
  if (typeof name === "string") return name;
  throw new TypeError(`${what} needs a name that is a string, got ${quoted(name)}`);
}
