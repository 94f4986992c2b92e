/**
 * Evaluates one method on one referent: what is exposed, what its arguments and its result stand
 * for, one after the other where the typeid says so. It does not know who asks, nor over what.
 *
 * Above: session.ts and local.ts. Below: registry.ts.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { debug, slowCall } from "../debug.ts";
import { DeadlockError, NotExposedError, SerializeError } from "../errors.ts";
import { iterationOf } from "../types/exposure.ts";
import { kindOf } from "../objects/data.ts";
import { maxRepresentationBytes, represent } from "../objects/represent.ts";
import { optionsOf } from "../objects/arguments.ts";
import type { Definition } from "../objects/definition.ts";
import type { Ledger } from "../objects/ledger.ts";
import type { WaitingCaller } from "../objects/waiting.ts";
import type { Caller } from "../remote.ts";
import { firstMethod } from "../wire/protocol.ts";
import { Cursor, isIterator } from "./cursor.ts";
import type { Entry, Registry } from "./registry.ts";

/** Who calls; a method of a typeid with `caller: true` receives it, built-ins with all that waiting takes. */
export interface CallerContext extends Caller, WaitingCaller {
  readonly id: string;
  readonly signal: AbortSignal;
}

/** A call, of which few methods ask who made it. */
export interface CallSource {
  readonly caller: CallerContext;
}

/** The calls that the running code is part of, of serial typeids. */
interface SerialChain {
  readonly entry: Entry;
  readonly outer: SerialChain | undefined;
  active: boolean;
}

const universal = [str, getValue, iterate, takeBack] as const;

/** Evaluates methods on the referents of one registry. */
export class Invoker {
  readonly #registry: Registry;
  readonly #ledger: Ledger;
  /** Copies a value as the wire does. */
  readonly #copy: (value: unknown) => unknown;
  readonly #serialCalls = new AsyncLocalStorage<SerialChain>();

  constructor(registry: Registry, ledger: Ledger, copy: (value: unknown) => unknown) {
    this.#registry = registry;
    this.#ledger = ledger;
    this.#copy = copy;
  }

  /** Makes a referent and shares it. */
  create(typeid: string, args: unknown[]): Entry | Promise<Entry> {
    const definition = this.#registry.definition(typeid);
    const referent = definition.create(...this.#substitute(definition, "create", args));
    // An instance is what was asked for, also if its class has a method `then`.
    if (definition.class || !isPromise(referent)) return this.#registry.share(referent, typeid);
    return Promise.resolve(referent).then((settled) => this.#registry.share(settled, typeid));
  }

  /** Whether this method may wait for another caller, and so is limited and cancelled as a wait. */
  waits(entry: Entry, index: number): boolean {
    return entry.table.methods[index - firstMethod]?.waitOptions !== undefined;
  }

  /** Whether a call of this method is surely not over at once. */
  takesTime(entry: Entry, index: number): boolean {
    const name = entry.table.methods[index - firstMethod]?.name;
    if (name === undefined) return false;
    const method = (entry.referent as Record<string, unknown>)[name];
    return entry.definition.serial === true ||
      Object.prototype.toString.call(method) === "[object AsyncFunction]";
  }

  /**
   * Evaluates a method by its index. Gives the result or a promise of it: a value, one of the
   * server's own proxies, or a {@linkcode Cursor}.
   */
  invoke(entry: Entry, index: number, args: unknown[], call: CallSource): unknown {
    if (index < firstMethod) return universal[index]!(entry, args);
    const method = entry.table.methods[index - firstMethod];
    if (!method) {
      throw new NotExposedError(
        `Cannot call method ${index} on typeid "${entry.typeid}": method is not exposed`,
      );
    }
    const position = index - firstMethod;
    if (!entry.definition.serial) return this.#run(entry, method.name, position, args, call);
    return this.#inSeries(entry, () => this.#run(entry, method.name, position, args, call));
  }

  #run(
    entry: Entry,
    name: string,
    position: number,
    args: unknown[],
    call: CallSource,
  ): unknown {
    const { definition } = entry;
    const referent = entry.referent as Record<string, (...args: unknown[]) => unknown>;
    const method = referent[name]!;
    let given = this.#substitute(definition, name, this.#checkGuard(entry, name, args));
    if (takesCaller(definition, name)) {
      given = withCaller(given, method.length, call.caller);
    }
    const start = performance.now();
    const result = method.apply(referent, given);
    const time = performance.now() - start;
    this.#registry.count(entry.table, position, time);
    if (time > slowCall) debug("slow call", () => `${entry.typeid}.${name} blocked for ${time} ms`);
    if (isPromise(result)) {
      return Promise.resolve(result).then((settled) => this.#shape(entry, name, settled));
    }
    return this.#shape(entry, name, result);
  }

  /** What the caller receives for a method's result. */
  #shape(entry: Entry, name: string, result: unknown): unknown {
    const typeid = entry.definition.methodToTypeid?.[name];
    if (typeid !== undefined) return this.#shareResult(entry, name, typeid, result);
    if (isIterator(result)) return new Cursor(result, entry.definition.readAhead ?? 1);
    return result;
  }

  #shareResult(entry: Entry, name: string, typeid: string, result: unknown): unknown {
    if (result === null || result === undefined || this.#registry.entryOf(result)) return result;
    const definition = this.#registry.definition(typeid);
    try {
      if (definition.proxyName !== undefined) {
        return this.#registry.share(definition.create(this.#copy(result)), typeid).proxy;
      }
      if (definition.class && !(result instanceof definition.class)) {
        throw new TypeError(`it is no instance of "${definition.class.name}"`);
      }
      return this.#registry.share(result, typeid).proxy;
    } catch (cause) {
      throw new TypeError(
        `Cannot share what "${name}" on typeid "${entry.typeid}" returned as typeid "${typeid}": ${
          (cause as Error).message
        }`,
        { cause },
      );
    }
  }

  /** What is bound to a grant is refused unless that is current; the rest knows nothing of it. */
  #checkGuard({ definition, proxy }: Entry, name: string, args: unknown[]): unknown[] {
    const position = definition.guarded?.[name];
    if (position === undefined || args.length <= position) return args;
    const action = `call "${name}" of ${String(proxy)}`;
    const { guard } = optionsOf(args[position], ["guard"], `${definition.proxyName}.${name}()`);
    if (guard !== undefined) this.#ledger.assertCurrent(guard, action);
    return args.slice(0, position);
  }

  /**
   * A proxy where an iterable is asked for stands for what its referent holds at this moment, and in
   * some places for the referent itself.
   */
  #substitute(definition: Definition, name: string, args: unknown[]): unknown[] {
    const iterables = definition.iterables?.[name];
    const referents = definition.referents?.[name];
    if (iterables === undefined && referents === undefined) return args;
    return args.map((arg, position) => {
      const referent = this.#registry.entryOf(arg)?.referent;
      if (!referent) return arg;
      const iterated = iterables === "all" || iterables?.includes(position);
      if (iterated) return Symbol.iterator in referent ? referent : arg;
      return referents?.includes(position) ? referent : arg;
    });
  }

  /** One call after the other; a call that would wait for itself is refused at once. */
  #inSeries(entry: Entry, run: () => unknown): unknown {
    const outer = this.#serialCalls.getStore();
    for (let chain = outer; chain; chain = chain.outer) {
      if (chain.active && chain.entry === entry) {
        throw new DeadlockError(
          `Cannot call ${
            String(entry.proxy)
          } from one of its own methods: typeid "${entry.typeid}" is serial, the call would wait for itself; call \`this\` instead`,
        );
      }
    }
    const chain: SerialChain = { entry, outer, active: true };
    const runInChain = () => this.#serialCalls.run(chain, run);
    const finish = () => {
      chain.active = false;
    };
    let result: unknown;
    try {
      result = entry.tail ? entry.tail.then(runInChain) : runInChain();
    } catch (error) {
      finish();
      throw error;
    }
    if (!isPromise(result)) {
      finish();
      return result;
    }
    const tail: Promise<void> = result.then(finish, finish).then(() => {
      if (entry.tail === tail) entry.tail = undefined;
    });
    entry.tail = tail;
    return result;
  }
}

function takesCaller({ caller, waits }: Definition, name: string): boolean {
  return caller === true || (Array.isArray(caller) && caller.includes(name)) ||
    waits?.[name] !== undefined;
}

/** Whether a call's result is still to come. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as PromiseLike<unknown>).then === "function";
}

/**
 * The caller stands where the last parameter is: after arguments that were left out, and in place of
 * what was sent too much, which must not pass for it. Without parameters it comes after all.
 */
function withCaller(args: unknown[], parameters: number, caller: CallerContext): unknown[] {
  const position = parameters === 0 ? args.length : parameters - 1;
  const given = args.slice(0, position);
  while (given.length < position) given.push(undefined);
  given.push(caller);
  return given;
}

function str(entry: Entry): string {
  const { definition, referent } = entry;
  if (definition.text) return definition.text(referent as never, represent);
  if (kindOf(referent) !== "other" && !hasFunctions(referent)) return represent(referent);
  const own = (referent as { toString?: unknown }).toString;
  if (typeof own !== "function" || own === Object.prototype.toString) {
    return `<${referent.constructor?.name || "Object"} object>`;
  }
  const text = String(own.call(referent));
  return text.length > maxRepresentationBytes
    ? text.slice(0, maxRepresentationBytes - 3) + "..."
    : text;
}

function getValue(entry: Entry): unknown {
  const { definition, referent } = entry;
  if (definition.value) return definition.value(referent as never);
  if (kindOf(referent) !== "other" && !hasFunctions(referent)) return referent;
  const cure = definition.proxyName === undefined
    ? `add a method to typeid "${entry.typeid}" that returns its state`
    : "ask its methods";
  throw new SerializeError(
    `Cannot copy the referent of ${String(entry.proxy)}: it is not plain data; ${cure}`,
  );
}

function hasFunctions(referent: object): boolean {
  return kindOf(referent) === "object" &&
    Object.values(referent).some((value) => typeof value === "function");
}

function iterate(entry: Entry): Cursor {
  const { referent, definition } = entry;
  const iteration = iterationOf(referent);
  if (iteration === undefined) {
    throw new NotExposedError(`Cannot iterate over typeid "${entry.typeid}": it is not iterable`);
  }
  const iterable = referent as Iterable<unknown> & AsyncIterable<unknown>;
  const iterator = iteration === "sync"
    ? iterable[Symbol.iterator]()
    : iterable[Symbol.asyncIterator]();
  return new Cursor(iterator, definition.readAhead ?? 1);
}

/** Gets what a wait gave when nobody waited any more: the name of its method, and the result. */
function takeBack({ definition, referent }: Entry, [method, result]: unknown[]): void {
  definition.takeBack?.(referent as never, String(method), result);
}
