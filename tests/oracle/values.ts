/**
 * The common form of what Python and this library say: JSON, and for what JSON cannot say an object
 * of one property, as `tests/fixtures/oracle/oracle.py` describes it.
 *
 * Above: the other files of this folder. Below: nothing.
 *
 * @module
 */
import { isProxy } from "../../mod.ts";

/** A value in the common form. `absent` is undefined, which only this library gives. */
export type Said =
  | null
  | boolean
  | number
  | string
  | readonly Said[]
  | { readonly float: string }
  | { readonly int: string }
  | { readonly dict: readonly (readonly [Said, Said])[] }
  | { readonly set: readonly Said[] }
  | { readonly tuple: readonly Said[] }
  | { readonly proxy: number }
  | { readonly absent: true };

/** A kind of shared object, by Python's name. */
export type Typeid =
  | "list"
  | "dict"
  | "set"
  | "Namespace"
  | "Value"
  | "Array"
  | "Queue"
  | "JoinableQueue";

/** Whether `str` of such an object shows what is in it, in Python too. */
export function hasText(typeid: Typeid): boolean {
  return typeid !== "Queue" && typeid !== "JoinableQueue";
}

/** One call: the number of the object, Python's name for what is done, and the arguments. */
export type Step = readonly [target: number, name: string, ...args: Said[]];

/** Objects to make, and what to do with them. */
export interface Program {
  readonly objects: readonly (readonly [Typeid, ...Said[]])[];
  readonly steps: readonly Step[];
}

/** What a step gives. */
export type Outcome =
  | { readonly value: Said }
  | { readonly error: string }
  | { readonly text: string };

/** The absence of a value. */
export const absent: Said = { absent: true };

/** Whether two values, or outcomes, in the common form are the same. */
export function same(a: Said | Outcome, b: Said | Outcome): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** The value as JavaScript has it; proxies are told by their numbers. */
export function decode(said: Said, proxies: readonly unknown[]): unknown {
  if (typeof said !== "object" || said === null) return said;
  const all = (items: readonly Said[]) => items.map((item) => decode(item, proxies));
  if (isArray(said)) return all(said);
  if ("float" in said) return Number(said.float.replace("inf", "Infinity"));
  if ("int" in said) return BigInt(said.int);
  if ("proxy" in said) return proxies[said.proxy];
  if ("tuple" in said) return all(said.tuple);
  if ("set" in said) return new Set(all(said.set));
  if ("absent" in said) return undefined;
  return dictOf(said.dict.map(all) as [unknown, unknown][]);
}

/** The common form of a value. */
export function encode(value: unknown, proxies: readonly unknown[]): Said {
  if (value === undefined) return absent;
  if (typeof value === "number") return numberSaid(value);
  if (typeof value === "bigint") return { int: String(value) };
  if (typeof value !== "object" || value === null) return value as Said;
  const all = (items: Iterable<unknown>) => Array.from(items, (item) => encode(item, proxies));
  if (isProxy(value)) return { proxy: proxies.indexOf(value) };
  if (value instanceof Map) return { dict: Array.from(value, all) as unknown as [Said, Said][] };
  if (value instanceof Set) return { set: all(value) };
  if (Symbol.iterator in value) return all(value as Iterable<unknown>);
  return { dict: Object.entries(value).map(all) as unknown as [Said, Said][] };
}

/** The value with a change made to every part of it, the innermost first. */
export function mapped(said: Said, change: (part: Said) => Said): Said {
  const all = (items: readonly Said[]) => items.map((item) => mapped(item, change));
  if (typeof said !== "object" || said === null) return change(said);
  if (isArray(said)) return change(all(said));
  if ("tuple" in said) return change({ tuple: all(said.tuple) });
  if ("set" in said) return change({ set: all(said.set) });
  if ("dict" in said) {
    return change({ dict: said.dict.map(all) as unknown as [Said, Said][] });
  }
  return change(said);
}

/** Whether some part of the value passes the test. */
export function somewhere(said: Said, test: (part: Said) => boolean): boolean {
  let found = false;
  mapped(said, (part) => {
    found ||= test(part);
    return part;
  });
  return found;
}

/** Narrows better than `Array.isArray`, which does not know readonly arrays. */
export function isArray(said: Said): said is readonly Said[] {
  return Array.isArray(said);
}

/** A plain object where that keeps keys and their order, else a Map. */
function dictOf(entries: [unknown, unknown][]): unknown {
  const plain = entries.every(([key]) => typeof key === "string" && !/^\d+$/.test(key));
  return plain ? Object.fromEntries(entries) : new Map(entries);
}

function numberSaid(value: number): Said {
  if (Object.is(value, -0)) return { float: "-0.0" };
  if (Number.isSafeInteger(value)) return value;
  if (!Number.isInteger(value) && Number.isFinite(value)) return value;
  return { float: String(value).replace("Infinity", "inf").replace("NaN", "nan") };
}
