/**
 * The one way from a proxy to its owner.
 *
 * Above: proxy.ts, prototype.ts, the methods that run here. Below: proxy_state.ts.
 *
 * @module
 */

import { NotExposedError, ReleasedError } from "../errors.ts";
import { type CallOptions, checkObject, mergeOptions, show } from "../call_options.ts";
import type { GuardLike } from "../objects/lock.ts";
import { type Held, type ProxyState, stateOf } from "../proxy_state.ts";
import { firstMethod } from "../wire/protocol.ts";

/** Evaluates a method by its index, with the options of the proxy where the call has none. */
export function ask(
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
  const guardOptions = held.table.methods[method - firstMethod]?.guardOptions;
  if (guardOptions !== undefined && args.length > guardOptions) {
    try {
      args = withFence(args, guardOptions);
    } catch (error) {
      return Promise.reject(error);
    }
  }
  const limits = mergeOptions(state.options, options);
  if (!state.operations) return owner.call(held, method, args, limits);
  return state.operations.read(() => owner.call(held, method, args, limits));
}

/** The options at the position with the fence of their guard, which is all that the server knows of it. */
function withFence(args: unknown[], position: number): unknown[] {
  const options = args[position];
  if (options === undefined) return args.slice(0, position);
  checkObject(options, "{ guard }");
  const { guard } = options as { guard?: unknown };
  if (guard === undefined) return args;
  return args.with(position, { ...options, guard: fenceOf(guard, 'The option "guard"') });
}

/** The fence of a guard; anything that has none is a TypeError. */
export function fenceOf(guard: unknown, what: string): number {
  const fence = (guard as GuardLike | null | undefined)?.fence;
  if (typeof fence === "number") return fence;
  const cure = guard instanceof Promise ? "; it is a promise: await it first" : "";
  throw new TypeError(`${what} needs a guard, which acquire() and withLock() give${cure}`);
}

/** Gives back one receipt of the proxy, or all. */
export function giveBack(proxy: unknown, all: boolean): void {
  const { owner, held } = required(proxy, "release");
  if (!held.released) owner.release(held, all);
}

/** Evaluates a method by its name; what is left out at the end of the arguments is not sent. */
export async function askByName(proxy: unknown, name: string, args: unknown[]): Promise<unknown> {
  const { held: { table } } = required(proxy, `call "${name}"`);
  while (args.length > 0 && args.at(-1) === undefined) args.pop();
  return await ask(proxy, methodIndex(table, name), args, name);
}

/** The index of a method of the table; NotExposedError if it has none of that name. */
export function methodIndex(table: Held["table"], name: string): number {
  const index = table.methods.findIndex((method) => method.name === name);
  if (index >= 0) return firstMethod + index;
  throw new NotExposedError(
    `Cannot call "${name}" on typeid "${table.typeid}": method is not exposed`,
  );
}

/** What stands behind the proxy; anything else is a TypeError. */
export function required(value: unknown, action: string): ProxyState {
  const state = stateOf(value);
  if (state) return state;
  const cure = value instanceof Promise ? "; it is a promise: await it first" : "";
  throw new TypeError(`Cannot ${action}: ${show(value)} is not a proxy${cure}`);
}

/** The representation of a proxy. */
export function describe(held: Held): string {
  const { proxyName, typeid } = held.table;
  return `<${proxyName} object, typeid '${typeid}' at 0x${held.id.toString(16)}>`;
}
