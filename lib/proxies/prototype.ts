/**
 * Makes proxies: plain objects with the methods of their table, and those that run where they are.
 *
 * Above: proxy.ts. Below: call.ts, methods.ts, attributes.ts.
 *
 * @module
 */

import { attributesOf, Operations } from "../attributes.ts";
import { type Held, Mark, type ProxyOwner, type ProxyState } from "../proxy_state.ts";
import { isNeverExposed } from "../types/names.ts";
import { firstMethod, type MethodTable, universalMethods } from "../wire/protocol.ts";
import { ask, describe, giveBack, required } from "./call.ts";
import { localMethods } from "./methods.ts";

/** The representation of the proxy, such as `<ListProxy object, typeid 'list' at 0x1>`. Python: `repr(proxy)`. */
export function repr(proxy: unknown): string {
  return describe(required(proxy, "represent").held);
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
    define(prototype, name, method);
  });
  if (table.iterable) define(prototype, Symbol.asyncIterator, iterate);
  const local = localMethods.get(table.proxyName) ?? {};
  for (const name of Reflect.ownKeys(local)) define(prototype, name, local[name]);
  return Object.freeze(prototype);
}

function define(prototype: object, name: string | symbol, value: unknown): void {
  // As a method of a class: what is named is shown, what is a symbol is not.
  Object.defineProperty(prototype, name, {
    value,
    enumerable: typeof name === "string",
    configurable: true,
  });
}

/** Makes a proxy. `prototype` is that of `held.table`. */
export function makeProxy(prototype: object, owner: ProxyOwner, held: Held): object {
  return makeObject(prototype, { owner, held, options: undefined, proxy: undefined });
}

/** Makes a proxy, or a view of one. */
export function makeObject(prototype: object, state: ProxyState): object {
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
      giveBack(this, false);
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
