/**
 * The walk over a value before it is encoded: it checks everything, and lowers what the codec does
 * not know to what it does.
 *
 * The codec is given fresh plain copies and only those. All code of the user that a value can hold
 * (getters, traps of an ES Proxy) runs here, once for each property; so nothing can change between
 * the check and the writing, and a getter may itself encode something.
 *
 * Above: the serializers. Below: the kinds and the refusals.
 *
 * @module
 */

import { types } from "node:util";
import {
  bigintToHex,
  type ContainerKind,
  defaultMaxDepth,
  errorClasses,
  hiddenErrorKeys,
  maxObjects,
} from "./kinds.ts";
import type { References } from "./serializer.ts";
import { beyondLimit, formatPath, located, notSerializable } from "./refusals.ts";

/** A sparse array can claim more elements than any message could carry. */
const maxElements = 2 ** 26;

const kindOfView = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)!.get!;

const classNames = new Map([...errorClasses].map(([name, Class]) => [Class.prototype, name]));

/**
 * Lowers one value. A subclass says what each kind looks like in its codec. It is made for one
 * value and thrown away, so that encoding inside of encoding disturbs nothing.
 */
export abstract class Lowering {
  /** Whether the codec writes every number exactly (but `-0`). */
  protected abstract readonly everyNumber: boolean;

  readonly #references: References;
  readonly #maxDepth: number;
  // The path: keys[i] is a position in containers[i], for i < depth.
  readonly #containers: object[] = [];
  readonly #keys: (string | number | undefined)[] = [];
  #depth = 0;
  #objects = 0;
  #elements = 0;

  /** Starts a walk. */
  constructor(references: References) {
    this.#references = references;
    this.#maxDepth = references.maxDepth ?? defaultMaxDepth;
  }

  /** What the codec is given for `undefined`. */
  protected abstract nothing(): unknown;
  /** What the codec is given for `-0`, or for any number that is not safe in every codec. */
  protected abstract number(value: number): unknown;
  /** For a bigint, in base 16. */
  protected abstract bigint(hex: string): unknown;
  /** For a Date: milliseconds, NaN if it is invalid. */
  protected abstract date(time: number): unknown;
  /** For a proxy. */
  protected abstract reference(index: number): unknown;
  /** For bytes of the kind; they are a view of the user's own. */
  protected abstract bytes(kind: string, bytes: Uint8Array): unknown;
  /** For a string that begins with U+FEFF, which decoders take for a byte order mark. */
  protected abstract marked(text: string): unknown;
  /** The list that the contents of a container are pushed to. */
  protected abstract begin(kind: ContainerKind): unknown[];
  /** What the codec is given for the container, once its list is complete. */
  protected abstract end(list: unknown[]): unknown;
  /** Whether an object with this key must be sent as a container of kind `object`. */
  protected abstract awkward(key: string): boolean;

  /** Lowers the value; what it throws knows the path. */
  lower(value: unknown): unknown {
    try {
      return this.#value(value);
    } catch (error) {
      throw located(error, this.#path());
    }
  }

  #value(value: unknown): unknown {
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return this.#number(value);
      case "boolean":
        return value;
      case "object":
        return value === null ? null : this.#object(value);
      case "undefined":
        return this.nothing();
      case "bigint":
        return this.#bigint(value);
      case "symbol":
        throw this.#refuse("a symbol cannot be sent", "send a string instead");
      default:
        throw this.#refuse("a function cannot be sent", "pass a queue or a proxy instead");
    }
  }

  #text(value: string): unknown {
    if (!value.isWellFormed()) {
      throw this.#refuse(
        "a string with a lone surrogate is not text",
        "send bytes, or repair it with toWellFormed()",
      );
    }
    return value.charCodeAt(0) === 0xfeff ? this.marked(value) : value;
  }

  #number(value: number): unknown {
    if (value === 0) return 1 / value > 0 ? value : this.number(value);
    // A codec may write a whole number as an integer, and then it must be a safe one.
    if (this.everyNumber || Number.isSafeInteger(value)) return value;
    return Number.isFinite(value) && !Number.isInteger(value) ? value : this.number(value);
  }

  #bigint(value: bigint): unknown {
    this.#count(0);
    return this.bigint(bigintToHex(value));
  }

  #object(value: object): unknown {
    if (Array.isArray(value)) return this.#array(value);
    const index = this.#references.indexOf(value);
    if (index !== undefined) {
      this.#count(0);
      return this.reference(index);
    }
    if (isPlain(value)) return this.#plain(value as Record<string, unknown>);
    return this.#special(value);
  }

  #array(source: unknown[]): unknown[] {
    const length = source.length;
    const depth = this.#enter(source, length);
    const keys = this.#keys;
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) {
      keys[depth] = i;
      list.push(this.#value(source[i]));
    }
    this.#depth = depth;
    return list;
  }

  #plain(source: Record<string, unknown>): unknown {
    // The fastest copy of an object that there is; it reads each getter once.
    const copy: Record<string, unknown> = { ...source };
    const names = Object.keys(copy);
    const depth = this.#enter(source, names.length);
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      this.#key(name, depth);
      if (this.awkward(name)) return this.#entries(copy, names, i, depth);
      const value = copy[name];
      const lowered = this.#value(value);
      if (lowered !== value) copy[name] = lowered;
    }
    this.#depth = depth;
    return copy;
  }

  /** The object as a list of keys and values; those before `from` are lowered already. */
  #entries(
    copy: Record<string, unknown>,
    names: string[],
    from: number,
    depth: number,
  ): unknown {
    const list = this.begin("object");
    for (let i = 0; i < names.length; i++) {
      const name = names[i]!;
      const value = copy[name];
      if (i < from) {
        list.push(name, value);
        continue;
      }
      this.#key(name, depth);
      list.push(this.#text(name), this.#value(value));
    }
    this.#depth = depth;
    return this.end(list);
  }

  #key(name: string, depth: number): void {
    this.#keys[depth] = name;
    if (!name.isWellFormed()) {
      throw this.#refuse("a key with a lone surrogate is not text", "rename it");
    }
  }

  #special(value: object): unknown {
    if (ArrayBuffer.isView(value)) {
      this.#count(0);
      const kind: string = kindOfView.call(value) ?? "DataView";
      return this.bytes(kind, new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    }
    if (types.isMap(value)) return this.#map(value);
    if (types.isSet(value)) return this.#set(value);
    if (types.isDate(value)) {
      this.#count(0);
      return this.date(Date.prototype.getTime.call(value));
    }
    if (types.isNativeError(value) || value instanceof Error) return this.#error(value);
    if (types.isArrayBuffer(value)) {
      this.#count(0);
      return this.bytes("ArrayBuffer", new Uint8Array(value));
    }
    throw this.#refuse(...whyNot(value));
  }

  #map(source: Map<unknown, unknown>): unknown {
    const depth = this.#enter(source, 2 * source.size);
    const list = this.begin("map");
    let position = 0;
    for (const [key, value] of Map.prototype.entries.call(source)) {
      this.#keys[depth] = position++;
      list.push(this.#value(key));
      this.#keys[depth] = position++;
      list.push(this.#value(value));
    }
    this.#depth = depth;
    return this.end(list);
  }

  #set(source: Set<unknown>): unknown {
    const depth = this.#enter(source, source.size);
    const list = this.begin("set");
    let position = 0;
    for (const member of Set.prototype.values.call(source)) {
      this.#keys[depth] = position++;
      list.push(this.#value(member));
    }
    this.#depth = depth;
    return this.end(list);
  }

  #error(source: Error): unknown {
    const shown = Object.keys(source);
    const depth = this.#enter(source, shown.length);
    const list = this.begin("error");
    const Class = classOf(source);
    const start = list.push(Class, 0);
    for (const name of hiddenErrorKeys) {
      if (shown.includes(name) || !isTold(source, name, Class)) continue;
      this.#keys[depth] = name;
      const value = (source as unknown as Record<string, unknown>)[name];
      const isText = name === "name" || name === "message" || name === "stack";
      // A broken stack or message must not keep an error from being told.
      list.push(name, isText ? this.#text(String(value).toWellFormed()) : this.#value(value));
    }
    list[start - 1] = (list.length - start) / 2;
    for (const name of shown) {
      this.#key(name, depth);
      list.push(
        this.#text(name),
        this.#value((source as unknown as Record<string, unknown>)[name]),
      );
    }
    this.#depth = depth;
    return this.end(list);
  }

  #enter(container: object, size: number): number {
    const depth = this.#depth;
    this.#count(size);
    if (depth >= this.#maxDepth) throw this.#tooDeep(container);
    this.#containers[depth] = container;
    // Until the first key is known the path ends at the container.
    this.#keys[depth] = undefined;
    this.#depth = depth + 1;
    return depth;
  }

  #count(elements: number): void {
    this.#elements += elements;
    if (++this.#objects <= maxObjects && this.#elements <= maxElements) return;
    throw beyondLimit(
      this.#path(),
      `one message carries at most ${maxObjects.toLocaleString("en")} objects and ` +
        `${maxElements.toLocaleString("en")} elements`,
      "send it in parts",
    );
  }

  /** A cycle is always too deep, so it is looked for only then. */
  #tooDeep(container: object): Error {
    const chain = [...this.#containers.slice(0, this.#depth), container];
    for (let i = 1; i < chain.length; i++) {
      if (chain.indexOf(chain[i]!) === i) continue;
      const path = formatPath(this.#containers, this.#keys, i);
      return notSerializable(path, "it contains itself (a cycle)", "share a nested proxy instead");
    }
    return beyondLimit(
      this.#path(),
      `nested deeper than the limit "maxDepth" of ${this.#maxDepth}`,
      "share inner values as nested proxies, or raise the limit on both sides",
    );
  }

  #path(): string {
    return formatPath(this.#containers, this.#keys, this.#depth);
  }

  #refuse(what: string, cure: string): Error {
    return notSerializable(this.#path(), what, cure);
  }
}

/** An object of data: its prototype is null or an Object.prototype, also that of another realm. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** The nearest class of the error that the other side can build. */
function classOf(error: Error): string {
  for (let p = Object.getPrototypeOf(error); p !== null; p = Object.getPrototypeOf(p)) {
    const name = classNames.get(p);
    if (name !== undefined) return name;
  }
  return errorClasses.has(error.name) ? error.name : "Error";
}

/** Whether the property, hidden from `Object.keys`, says something. */
function isTold(error: Error, name: string, className: string): boolean {
  if (name === "name") return error.name !== className;
  if (name === "message") return error.message !== "" || Object.hasOwn(error, name);
  if (name === "stack") return typeof error.stack === "string";
  return Object.hasOwn(error, name);
}

/** Why an object that is no data cannot be sent, and the cure. */
function whyNot(value: object): [what: string, cure: string] {
  const what = `an instance of class "${classNameOf(value)}" cannot be sent`;
  if (isIterator(value)) return [what, "send its items: [...iterator]"];
  if (types.isPromise(value)) return [what, "await it first"];
  if (types.isRegExp(value)) return [what, "send its source and flags"];
  if (types.isBoxedPrimitive(value)) return [what, "send the primitive value itself"];
  if (types.isSharedArrayBuffer(value)) return [what, "send a copy of its bytes"];
  if (value instanceof AbortSignal) return [what, "pass it in the options of the call: { signal }"];
  const { fence, ack } = value as { fence?: unknown; ack?: unknown };
  if (typeof fence === "number") {
    return [what, "send { fence: guard.fence }, or bind a write to it: set(..., { guard })"];
  }
  if (typeof ack === "function") return [what, "send the lease's value"];
  return [what, "register the class as a typeid and send a proxy, or convert it to plain data"];
}

function isIterator(value: object): boolean {
  const { next, [Symbol.iterator]: iterate } = value as Partial<IterableIterator<unknown>>;
  return typeof next === "function" && typeof iterate === "function";
}

function classNameOf(value: object): string {
  const name: unknown = value.constructor?.name;
  if (typeof name === "string" && name !== "") return name;
  return Object.prototype.toString.call(value).slice("[object ".length, -1);
}
