/**
 * `defineTypes` and `typeid`: what a user's module says of its own classes. Everything is checked
 * here, so that what reaches the server is well formed.
 *
 * Above: `manager.ts`, the client, the server; and `remote.ts`, which computes the types of proxies
 * from the types of this file. Below: the errors, `names.ts`, `exposure.ts`, `objects/definition.ts`.
 *
 * @module
 */

import { managerErrors } from "./errors.ts";
import { isClass, isNative } from "./types/exposure.ts";
import { checkName, isNeverExposed, type ReservedName } from "./types/names.ts";
import type { Definition } from "./objects/definition.ts";

export { exposedMethods, iterationOf } from "./types/exposure.ts";
export type { NeverExposed, ReservedName } from "./types/names.ts";

/** What makes referents: a class, or a factory, which may be async. */
export type Callable = (new (...args: never[]) => object) | ((...args: never[]) => object);

/** A class that extends `Error`: it names an exception and is no typeid. */
export type ErrorClass = new (...args: never[]) => Error;

/** What `defineTypes` takes: typeids and names of exceptions, by name. */
export type Definitions = Readonly<Record<string, Callable | Typeid>>;

/** What a callable makes: the instance of a class, the awaited result of a factory. */
export type Referent<C> = C extends new (...args: never[]) => infer T ? T
  : C extends (...args: never[]) => infer T ? Awaited<T>
  : never;

/**
 * The names that `exposed` and `methodToTypeid` may use; any, where the type says nothing of them.
 *
 * @internal
 */
type NameOf<T> = [keyof T] extends [never] ? string : keyof T & string;

/** The options of {@linkcode typeid}; `T` is the type of the referents. */
// deno-lint-ignore no-explicit-any
export interface TypeidOptions<T = any> {
  /**
   * The exposed methods, instead of all public ones. May name a `_name` and a function-valued field.
   * Python: `exposed`.
   */
  readonly exposed?: readonly NameOf<T>[];
  /**
   * Methods whose result becomes a shared object, by the typeid of that object. A typeid of yours
   * adopts the returned object; a built-in, such as `"list"`, is made from a copy of it. Python:
   * `method_to_typeid`.
   */
  readonly methodToTypeid?: { readonly [K in NameOf<T>]?: string };
  /** One call after the other, also across `await`. Default: false, async methods interleave. */
  readonly serial?: boolean;
  /**
   * Methods receive a `Caller` as their last argument: `true` if each of them declares it as its last
   * parameter (`name?: string`, not `name = ""`, before it), else the names of those that do.
   * Default: false.
   */
  readonly caller?: boolean | readonly NameOf<T>[];
  /** How many items of an iterator travel in one reply, a positive integer. Default: 1. */
  readonly readAhead?: number;
}

/** Names the exceptions of the language itself, which every side knows. */
const languageErrors: ReadonlySet<string> = new Set([
  "Error",
  "AggregateError",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SuppressedError",
  "SyntaxError",
  "TypeError",
  "URIError",
  "DOMException",
]);

/**
 * Makes a type whose text is the compiler's error where a typeid has a reserved name.
 *
 * @internal
 */
type CheckNames<D> = {
  [K in keyof D]: K extends ReservedName ? `the typeid "${K}" is taken: choose another name`
    : unknown;
};

/** @internal */
type CheckOptions<O> = { readonly [K in Exclude<keyof O, keyof TypeidOptions>]: never };

/** A callable with options, made by {@linkcode typeid}. */
export class Typeid<
  out C extends Callable = Callable,
  out O extends TypeidOptions = TypeidOptions,
> {
  readonly #brand = true;
  /** The class or factory. */
  readonly callable: C;
  /** The options, a copy. */
  readonly options: O;

  /** Made by {@linkcode typeid} only. */
  constructor(callable: C, options: O) {
    checkCallable("typeid()", callable);
    if (isErrorClass(callable)) {
      throw new TypeError(
        `typeid() cannot take "${callable.name}": a class that extends Error is no typeid but names an exception; give the class itself to defineTypes`,
      );
    }
    this.callable = callable;
    this.options = checkOptions(options);
    Object.freeze(this);
  }

  /** Whether `value` was made by {@linkcode typeid}. */
  static is(value: unknown): value is Typeid {
    return typeof value === "object" && value !== null && #brand in value;
  }
}

/** The types of one module, made by {@linkcode defineTypes}: give them to `Manager.start({ types })`. */
export class TypeSet<out D extends Definitions = Definitions> {
  readonly #brand = true;
  /** The module that the server imports to find these types. */
  readonly moduleUrl: string;
  /** The definitions by name, a copy. */
  readonly definitions: D;

  /** Made by {@linkcode defineTypes} only. */
  constructor(moduleUrl: string, definitions: D) {
    checkModuleUrl(moduleUrl);
    if (typeof definitions !== "object" || definitions === null || Array.isArray(definitions)) {
      throw new TypeError(
        `defineTypes() takes an object of classes and factories by name, not ${show(definitions)}`,
      );
    }
    this.moduleUrl = moduleUrl;
    this.definitions = Object.freeze({ ...definitions });
    for (const [name, value] of Object.entries(this.definitions)) checkEntry(name, value);
    Object.freeze(this);
  }

  /** Whether `value` was made by {@linkcode defineTypes}. */
  static is(value: unknown): value is TypeSet {
    return typeof value === "object" && value !== null && #brand in value;
  }
}

/**
 * Says which classes and factories of a module become typeids, for the `types` option of a manager.
 * The server imports the module at `moduleUrl` and finds the result among its exports, so keep it in
 * a module of its own, without other effects. Python: `BaseManager.register`.
 *
 * A value is a class, a factory (may be async, may return the same object each time), or one of them
 * in {@linkcode typeid}. A class that extends `Error` names an exception instead: it is thrown as
 * that class in every client that passes these types.
 *
 * @example
 * ```ts
 * // types.ts
 * import { defineTypes } from "@referent/manager";
 *
 * class Counter {
 *   #n = 0;
 *   add(by: number): number {
 *     return this.#n += by;
 *   }
 * }
 * export default defineTypes(import.meta.url, { Counter });
 * ```
 *
 * @param moduleUrl The module that calls this: `import.meta.url`.
 * @param definitions Classes and factories by name.
 * @throws {TypeError} A name is taken or is longer than 128 bytes, a value is no function, or
 *   `moduleUrl` is no URL.
 */
export function defineTypes<D extends Definitions>(
  moduleUrl: string,
  definitions: D & CheckNames<D>,
): TypeSet<D> {
  return new TypeSet<D>(moduleUrl, definitions);
}

/**
 * A class or factory with options, for {@linkcode defineTypes}.
 *
 * @example
 * ```ts
 * import { defineTypes, typeid } from "@referent/manager";
 *
 * class Account {
 *   balance(): number {
 *     return 0;
 *   }
 * }
 * class Bank {
 *   open(): Account {
 *     return new Account();
 *   }
 * }
 * export default defineTypes(import.meta.url, {
 *   Account,
 *   Bank: typeid(Bank, { methodToTypeid: { open: "Account" } }),
 * });
 * ```
 *
 * @throws {TypeError} `callable` is no function or extends `Error`, or an option is unknown or bad.
 */
export function typeid<
  C extends Callable,
  const O extends TypeidOptions<Referent<C>> = Record<never, never>,
>(callable: C, options?: O & CheckOptions<O>): Typeid<C, O> {
  return new Typeid<C, O>(callable, (options ?? {}) as O);
}

/** Whether `value` was made by {@linkcode defineTypes} of this copy of the library. */
export function isTypeSet(value: unknown): value is TypeSet {
  return TypeSet.is(value);
}

/** The type sets among the exports of a module, each once, whatever their names. */
export function findTypeSets(moduleNamespace: object): TypeSet[] {
  return [...new Set(Object.values(moduleNamespace).filter(isTypeSet))];
}

/** What the server and the client take from type sets. */
export interface Types {
  /** What the server has to import, and which typeids it must find there. */
  readonly modules: { url: string; typeids: string[] }[];
  /** The typeids. */
  readonly definitions: ReadonlyMap<string, Definition>;
  /** The exceptions. */
  readonly errors: ReadonlyMap<string, ErrorClass>;
}

/**
 * Merges the `types` option of an entry function.
 *
 * @throws {TypeError} One of them was not made by {@linkcode defineTypes}, or two define one name.
 */
export function typesOf(types: TypeSet | readonly TypeSet[] = []): Types {
  const modules = new Map<string, string[]>();
  const definitions = new Map<string, Definition>();
  const errors = new Map<string, ErrorClass>();
  const origins = new Map<string, string>();
  const sets: readonly unknown[] = Array.isArray(types) ? types : [types];
  for (const set of new Set(sets)) {
    checkTypeSet(set);
    const typeids = modules.get(set.moduleUrl) ?? [];
    modules.set(set.moduleUrl, typeids);
    for (const [name, value] of Object.entries(set.definitions)) {
      checkUnique(name, set.moduleUrl, origins);
      if (isErrorClass(value)) {
        errors.set(name, value);
      } else {
        definitions.set(name, definitionOf(value));
        typeids.push(name);
      }
    }
  }
  return {
    modules: Array.from(modules, ([url, typeids]) => ({ url, typeids })),
    definitions,
    errors,
  };
}

function definitionOf(value: Callable | Typeid): Definition {
  const callable = Typeid.is(value) ? value.callable : value;
  const options = Typeid.is(value) ? value.options as Omit<Definition, "create"> : {};
  if (!isClass(callable)) {
    return { ...options, create: (...args) => callable(...args as never[]) };
  }
  return { ...options, class: callable, create: (...args) => new callable(...args as never[]) };
}

function isErrorClass(value: unknown): value is ErrorClass {
  return typeof value === "function" && (value === Error || value.prototype instanceof Error);
}

// Checks: each says what is wrong and what to write instead.

function checkModuleUrl(moduleUrl: unknown): void {
  if (typeof moduleUrl === "string" && URL.canParse(moduleUrl)) return;
  throw new TypeError(
    `defineTypes() takes import.meta.url as its first argument, the URL of the module that the server imports, not ${
      show(moduleUrl)
    }`,
  );
}

function checkEntry(name: string, value: unknown): void {
  checkName(name);
  if (Typeid.is(value)) return;
  checkCallable(`The typeid "${name}"`, value);
  if (!isErrorClass(value)) return;
  if (languageErrors.has(name) || managerErrors.has(name) || isKnownError(value)) {
    throw new TypeError(
      `The exception "${name}" of defineTypes() is known already: name only classes of your own`,
    );
  }
}

function isKnownError(value: ErrorClass): boolean {
  return isNative(value) || [...managerErrors.values()].some((known) => known === value);
}

function checkCallable(what: string, value: unknown): void {
  if (typeof value === "function") return;
  throw new TypeError(
    `${what} takes a class or a function that makes the object, not ${show(value)}`,
  );
}

function checkUnique(name: string, url: string, origins: Map<string, string>): void {
  const origin = origins.get(name);
  if (origin !== undefined) {
    throw new TypeError(`"${name}" is defined twice, in "${origin}" and "${url}": rename one`);
  }
  origins.set(name, url);
}

function checkTypeSet(value: unknown): asserts value is TypeSet {
  if (isTypeSet(value)) return;
  throw new TypeError(
    `types takes what defineTypes(import.meta.url, { ... }) returned, or an array of it, not ${
      show(value)
    }; import the default export of your types module`,
  );
}

const optionChecks: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  exposed: (value) =>
    isListOfNames(value)
      ? value.filter(isNeverExposed).map((name) => `cannot name "${name}"`)[0]
      : "takes an array of method names",
  methodToTypeid: (value) =>
    isPlain(value) && Object.values(value).every((name) => typeof name === "string" && name !== "")
      ? undefined
      : 'takes an object of typeids by method name, such as { open: "Account" }',
  serial: mustBeBoolean,
  caller: (value) =>
    typeof value === "boolean" || isListOfNames(value)
      ? undefined
      : "takes true, or an array of the methods that declare a Caller",
  readAhead: (value) =>
    Number.isSafeInteger(value) && (value as number) > 0 ? undefined : "takes a positive integer",
};

function mustBeBoolean(value: unknown): string | undefined {
  return typeof value === "boolean" ? undefined : "takes true or false";
}

function isListOfNames(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((name) => typeof name === "string");
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const parent = Object.getPrototypeOf(value);
  return parent === null || parent === Object.prototype;
}

function checkOptions<O extends TypeidOptions>(options: O): O {
  if (!isPlain(options)) {
    throw new TypeError(`The options of typeid() are an object, not ${show(options)}`);
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!Object.hasOwn(optionChecks, name)) {
      const known = Object.keys(optionChecks).join(", ");
      throw new TypeError(`typeid() has no option "${name}": it takes ${known}`);
    }
    const problem = optionChecks[name]?.(value);
    if (problem !== undefined) {
      throw new TypeError(`The option "${name}" of typeid() ${problem}, not ${show(value)}`);
    }
  }
  const copies = given.map(([name, value]) => [name, frozenCopy(value)]);
  return Object.freeze(Object.fromEntries(copies));
}

function frozenCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze([...value]);
  return isPlain(value) ? Object.freeze({ ...value }) : value;
}

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "function") return `the function "${value.name}"`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
