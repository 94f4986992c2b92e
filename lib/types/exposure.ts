/**
 * Which methods of an object a proxy has, and whether it can be iterated: found without running any
 * code of the object's.
 *
 * Above: `types.ts`, the server. Below: `names.ts`.
 *
 * @module
 */

import { AsyncLocalStorage, AsyncResource } from "node:async_hooks";
import { EventEmitter } from "node:events";
import { Server, Socket } from "node:net";
import { Duplex, PassThrough, Readable, Stream, Transform, Writable } from "node:stream";
import { isNeverExposed } from "./names.ts";

/**
 * The exposed methods of an object, or of the instances of a class if `target` is its `prototype`:
 * the methods along the prototype chain up to the first built-in or `node:` class, of a plain object
 * its own functions. Never a `_name`, an accessor, a field of an instance. No getter is called.
 *
 * `exposed` names them instead. It may name a `_name`, a function-valued field and a method of a
 * built-in class. Of a `prototype` the fields are unknown: there a missing name passes.
 *
 * @throws {TypeError} `exposed` names something that is not there, is no method, or may never be.
 */
export function exposedMethods(target: object, exposed?: readonly string[]): string[] {
  if (exposed === undefined) return publicMethods(target);
  const names = [...new Set(exposed)];
  for (const name of names) checkExposed(target, name);
  return names;
}

/**
 * How an object is iterated, by a method `[Symbol.asyncIterator]` (which is preferred) or
 * `[Symbol.iterator]` where {@linkcode exposedMethods} would find its methods; else undefined.
 */
export function iterationOf(target: object): "async" | "sync" | undefined {
  const levels = levelsOf(target);
  if (levels.some((level) => isMethod(level, Symbol.asyncIterator))) return "async";
  if (levels.some((level) => isMethod(level, Symbol.iterator))) return "sync";
  return undefined;
}

function publicMethods(target: object): string[] {
  const names: string[] = [];
  const levels = levelsOf(target);
  const seen = new Set<string>();
  if (levels[0] !== target) {
    // A field that is no function hides the method of its name; a bound copy of the method does not.
    for (const name of Object.getOwnPropertyNames(target)) {
      if (!isMethod(target, name)) seen.add(name);
    }
  }
  for (const level of levels) {
    for (const name of Object.getOwnPropertyNames(level)) {
      if (seen.has(name)) continue;
      seen.add(name);
      if (!name.startsWith("_") && !isNeverExposed(name) && isMethod(level, name)) names.push(name);
    }
  }
  return names;
}

/** The objects whose own functions are methods of the user's: not those of built-in classes. */
function levelsOf(target: object): object[] {
  const parent: object | null = Object.getPrototypeOf(target);
  if (isPrototype(target)) return ownLevels(target);
  if (parent === null || parent === Object.prototype) return [target];
  return ownLevels(parent);
}

function ownLevels(from: object): object[] {
  const levels: object[] = [];
  for (
    let level: object | null = from;
    level !== null && !isBuiltIn(level);
    level = Object.getPrototypeOf(level)
  ) {
    levels.push(level);
  }
  return levels;
}

function isPrototype(target: object): boolean {
  const maker = constructorOf(target);
  return maker !== undefined && maker.prototype === target;
}

// deno-lint-ignore ban-types
function constructorOf(level: object): Function | undefined {
  const maker = Object.getOwnPropertyDescriptor(level, "constructor")?.value;
  return typeof maker === "function" ? maker : undefined;
}

/** An accessor has no `value`, so no getter runs; a class cannot be called. */
function isMethod(level: object, name: string | symbol): boolean {
  const value = Object.getOwnPropertyDescriptor(level, name)?.value;
  return typeof value === "function" && !isClass(value);
}

const nodeClasses: ReadonlySet<unknown> = new Set<unknown>([
  ...[AsyncLocalStorage, AsyncResource, EventEmitter, Server, Socket],
  ...[Duplex, PassThrough, Readable, Stream, Transform, Writable],
]);

/** Whether a prototype is the language's or the runtime's: by the source of its constructor, or as a global. */
function isBuiltIn(prototype: object): boolean {
  const maker = constructorOf(prototype);
  if (maker !== undefined) return isNative(maker) || nodeClasses.has(maker) || isGlobal(maker);
  // Prototypes of generators and iterators have no constructor.
  const values = Object.values(Object.getOwnPropertyDescriptors(prototype)).map((own) => own.value);
  const functions = values.filter((value) => typeof value === "function");
  return functions.length > 0 && functions.every(isNative);
}

/** Whether a function is the runtime's own, by its source. */
// deno-lint-ignore ban-types
export function isNative(value: Function): boolean {
  return /\{\s*\[native code\]\s*\}$/.test(Function.prototype.toString.call(value));
}

/** Runtimes write web classes in JavaScript. Their globals are not enumerable, a user's are. */
// deno-lint-ignore ban-types
function isGlobal(maker: Function): boolean {
  const name = Object.getOwnPropertyDescriptor(maker, "name")?.value;
  if (typeof name !== "string") return false;
  if (Object.getOwnPropertyDescriptor(globalThis, name)?.enumerable !== false) return false;
  return Reflect.get(globalThis, name) === maker;
}

function checkExposed(target: object, name: string): void {
  if (isNeverExposed(name)) throw cannotExpose(name, "no proxy can have a method of that name");
  for (let level: object | null = target; level !== null; level = Object.getPrototypeOf(level)) {
    if (level === Object.prototype || !Object.hasOwn(level, name)) continue;
    if (isMethod(level, name)) return;
    const own = Object.getOwnPropertyDescriptor(level, name);
    const what = own?.get || own?.set ? "an accessor" : "no function";
    throw cannotExpose(name, `it is ${what} of ${nameOf(target)}; add a method that returns it`);
  }
  if (!isPrototype(target)) {
    throw cannotExpose(name, `${nameOf(target)} has no method of that name`);
  }
}

function cannotExpose(name: string, why: string): TypeError {
  return new TypeError(`Cannot expose "${name}": ${why}`);
}

function nameOf(target: object): string {
  const level = isPrototype(target) ? target : Object.getPrototypeOf(target);
  const name = level && Object.getOwnPropertyDescriptor(constructorOf(level) ?? {}, "name")?.value;
  return typeof name === "string" && name !== "Object" ? `class "${name}"` : "the object";
}

/** The `prototype` of a class cannot be assigned to; that of a function can, and others have none. */
// deno-lint-ignore ban-types
export function isClass(value: Function): value is new (...args: never[]) => object {
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}
