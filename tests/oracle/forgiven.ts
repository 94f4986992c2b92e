/**
 * Every difference that the comparison with Python forgives. `docs/from-python.md` says in a sentence
 * what each one is; no difference stands anywhere else. Each has a witness: a program that shows
 * it. Some differences stay: the next steps would differ for their sake; these are mended.
 *
 * Above: comparison.ts, oracle_test.ts. Below: values.ts.
 *
 * @module
 */
import type { ArrayProxy, DictProxy, ListProxy, SetProxy, ValueProxy } from "../../mod.ts";
import { nameOf } from "./translation.ts";
import {
  absent,
  decode,
  isArray,
  mapped,
  type Outcome,
  type Program,
  type Said,
  same,
  somewhere,
  type Typeid,
} from "./values.ts";

/** A step that was done in both. */
export interface Happened {
  readonly typeid: Typeid;
  readonly proxy: unknown;
  readonly name: string;
  readonly args: readonly Said[];
  readonly python: Outcome;
  readonly ours: Outcome;
  readonly proxies: readonly unknown[];
}

/** A difference that is intended. It is forgiven in one of three ways. */
export interface Forgiven {
  /** Its name in the document. */
  readonly name: string;
  /** A program that shows it. */
  readonly witness: Program;
  /** Values of either side are made the same. */
  readonly value?: (part: Said) => Said;
  /** Texts of either side are made the same. */
  readonly text?: (text: string, happened: Happened) => string;
  /** Whether these outcomes, which are not the same, may be. */
  readonly forgives?: (happened: Happened) => boolean | Promise<boolean>;
  /** Brings our object to Python's state. */
  readonly repair?: (happened: Happened) => Promise<unknown>;
}

/** The outcome after all rewriting, and the names of what changed it. */
export function rewritten(
  outcome: Outcome,
  happened: Happened,
): { outcome: Outcome; names: string[] } {
  const names: string[] = [];
  for (const { name, value, text } of forgiven) {
    const before = outcome;
    if ("value" in outcome && value) outcome = { value: mapped(outcome.value, value) };
    if ("text" in outcome && text) outcome = { text: text(outcome.text, happened) };
    if (!same(before, outcome)) names.push(name);
  }
  return { outcome, names };
}

/** All of them. */
export const forgiven: readonly Forgiven[] = [
  {
    name: "absence",
    witness: { objects: [["list", []]], steps: [[0, "getitem", 0]] },
    forgives: ({ python, ours, name, typeid }) => {
      const [theirs, here] = absences[`${typeid}.${name}`] ?? [[], absent];
      return theirs.some((each) => same(python, each)) && gives(ours, here);
    },
  },
  {
    name: "no result",
    witness: { objects: [["list", [1]]], steps: [[0, "clear"]] },
    forgives: ({ python, ours, name }) =>
      gives(python, null) && gives(ours, absent) && withoutResult.includes(name),
  },
  {
    name: "a result more",
    witness: { objects: [["list", []]], steps: [[0, "append", 7]] },
    forgives: ({ python, ours, name, typeid }) => {
      const test = resultsMore[`${typeid}.${name}`] ?? resultsMore[name];
      return gives(python, null) && "value" in ours && test?.(ours.value) === true;
    },
  },
  {
    name: "exceptions",
    witness: { objects: [["list", []]], steps: [[0, "setitem", 0, 1]] },
    forgives: ({ python, ours }) =>
      "error" in python && "error" in ours &&
      counterparts[python.error]?.includes(ours.error) === true,
  },
  {
    name: "one kind of number",
    witness: { objects: [["list", [{ float: "1.0" }]]], steps: [[0, "str"], [0, "copy"]] },
    value: (part) => {
      const float = isFloat(part) ? decode(part, []) as number : NaN;
      if (!Number.isInteger(float) || Object.is(float, -0) || Math.abs(float) >= 1e21) return part;
      return wholeNumber(BigInt(float));
    },
    text: (text) => outsideQuotes(text, (part) => part.replace(numbers, withoutFraction)),
  },
  {
    name: "bigints",
    witness: { objects: [["Value", "q", { int: "5" }]], steps: [[0, "get"]] },
    value: (part) => isInt(part) ? wholeNumber(BigInt(part.int)) : part,
  },
  {
    name: "tuples",
    witness: { objects: [["dict", { dict: [["a", 1]] }]], steps: [[0, "popitem"]] },
    value: (part) => isObject(part) && "tuple" in part ? part.tuple : part,
  },
  {
    name: "order of sets",
    witness: { objects: [["set", [2, 1]]], steps: [[0, "str"], [0, "copy"]] },
    value: (part) =>
      isObject(part) && "set" in part ? { set: sorted(part.set.map((each) => each)) } : part,
    text: (text, { typeid }) =>
      typeid === "set" ? `{${sorted(text.slice(1, -1).split(", ")).join(", ")}}` : text,
  },
  {
    name: "addresses",
    witness: {
      objects: [["list", []]],
      steps: [[0, "append", { proxy: 0 }], [0, "str"]],
    },
    text: (text) => text.replace(/(?<= object, typeid '\w+' at) 0x[0-9a-f]+(?=>)/g, ""),
  },
  {
    name: "names of typeids",
    witness: {
      objects: [["list", []], ["Queue"]],
      steps: [[0, "append", { proxy: 1 }], [0, "str"]],
    },
    text: (text) =>
      text.replace(
        /<(?:AutoProxy\[(\w+)\]|(\w+)) object, typeid '(\w+)'/g,
        (_, auto, own, typeid) =>
          `<${auto ? `${auto}Proxy` : own} object, typeid '${nameOf(typeid)}'`,
      ),
  },
  {
    name: "iteration over a dict",
    witness: { objects: [["dict", { dict: [["a", 1]] }]], steps: [[0, "iter"]] },
    forgives: ({ python, ours, typeid, name }) =>
      typeid === "dict" && name === "iter" && "value" in ours && isArray(ours.value) &&
      gives(python, ours.value.map((entry) => (entry as Said[])[0]!)),
  },
  {
    name: "order of strings",
    witness: { objects: [["list", ["\u{1F600}", "\uFF5E"]]], steps: [[0, "sort", false]] },
    forgives: ({ python, ours, name }) =>
      name === "sort" && "value" in python && "value" in ours &&
      somewhere(python.value, (part) =>
        typeof part === "string" && /\p{Cs}|[^\0-\uFFFF]/u.test(part)) &&
      same(sorted(python.value as Said[]), sorted(ours.value as Said[])),
    repair: (happened) => replaceItems(happened),
  },
  {
    name: "what has no order",
    witness: { objects: [["list", [null]]], steps: [[0, "sort", false]] },
    forgives: ({ python, ours, name }) =>
      name === "sort" && fails(ours, "TypeError") && "value" in python &&
      somewhere(python.value, hasNoOrder),
    repair: (happened) => replaceItems(happened),
  },
  {
    name: "sums",
    witness: {
      objects: [["dict", { dict: [["a", 9007199254740991]] }]],
      steps: [[0, "increment", "a", 1]],
    },
    forgives: async ({ python, ours, proxy, name, args }) => {
      const isSum = name === "increment" || name === "iadd" && args[0] === "any";
      if (!isSum || !("value" in python) || !("error" in ours)) return false;
      const [key, by] = decode(args, []) as unknown[];
      const before = await (proxy as DictProxy<never>).get(key as never) ?? 0;
      const numbers = typeof before === "number" && typeof by === "number";
      if (numbers) return ours.error === "RangeError" && isInt(python.value);
      return ours.error === "TypeError" && !(typeof before === "bigint" && typeof by === "bigint");
    },
    repair: ({ proxy, name, args, python, proxies }) => {
      const [key, sum] = decode([args[0]!, valueOf(python)], proxies) as [string, unknown];
      if (name === "iadd") return (proxy as ValueProxy).set(sum);
      return (proxy as DictProxy).set(key, sum);
    },
  },
  {
    name: "booleans",
    witness: { objects: [["Array", "i", [5]]], steps: [[0, "setitem", 0, true]] },
    forgives: ({ python, ours, name, typeid, args }) =>
      typeid === "Array" && name === "setitem" && gives(python, null) &&
      fails(ours, "TypeError") && typeof args[1] === "boolean",
    repair: async ({ proxy, args }) => {
      const array = proxy as ArrayProxy<number | bigint>;
      const [index, to] = args as [number, boolean];
      await array.set(index, typeof await array.at(index) === "bigint" ? BigInt(to) : Number(to));
    },
  },
  {
    name: "set.pop",
    witness: { objects: [["set", [2, 1]]], steps: [[0, "pop"]] },
    forgives: ({ python, ours, name, typeid }) =>
      typeid === "set" && name === "pop" && "value" in python && "value" in ours,
    repair: async ({ proxy, python, ours }) => {
      const set = proxy as SetProxy;
      const [theirs, own] = decode([valueOf(python), valueOf(ours)], []) as unknown[];
      await set.add(own);
      if (!await set.delete(theirs)) throw new Error(`Python took "${theirs}", which is not here`);
    },
  },
];

/** Python's exceptions and what stands for them here. */
const counterparts: Readonly<Record<string, readonly string[]>> = {
  IndexError: ["RangeError"],
  OverflowError: ["RangeError"],
  ValueError: ["RangeError", "TypeError"],
  Full: ["QueueFullError"],
  Empty: ["QueueEmptyError"],
};

const noValue: readonly Outcome[] = [{ value: null }];
const noIndex: readonly Outcome[] = [{ error: "IndexError" }];
const noKey: readonly Outcome[] = [{ error: "KeyError" }];
const noSuchValue: readonly Outcome[] = [{ error: "ValueError" }];
const noAttribute: readonly Outcome[] = [{ error: "AttributeError" }];
const noRoom: readonly Outcome[] = [{ error: "Full" }];
const noItem: readonly Outcome[] = [{ error: "Empty" }];

/** How steps say in Python that there is nothing, and how here. */
const absences: Readonly<Record<string, readonly [readonly Outcome[], Said]>> = {
  "list.getitem": [noIndex, absent],
  "list.delitem": [noIndex, absent],
  "list.inside": [noIndex, absent],
  "list.pop": [noIndex, absent],
  "list.index": [noSuchValue, -1],
  "list.rindex": [noSuchValue, -1],
  "list.remove": [noSuchValue, false],
  "dict.getitem": [noKey, absent],
  "dict.inside": [noKey, absent],
  "dict.get": [noValue, absent],
  "dict.delitem": [noKey, false],
  "dict.pop": [[...noKey, ...noValue], absent],
  "dict.popitem": [noKey, absent],
  "set.remove": [noKey, false],
  "set.pop": [noKey, absent],
  "Namespace.getattr": [noAttribute, absent],
  "Namespace.delattr": [noAttribute, false],
  "Array.getitem": [noIndex, absent],
  "Queue.get_nowait": [noItem, absent],
  "Queue.put_nowait": [noRoom, false],
  "JoinableQueue.get_nowait": [noItem, absent],
  "JoinableQueue.put_nowait": [noRoom, false],
  "JoinableQueue.work": [noItem, absent],
};

/** Steps that change something and give nothing in either. */
const withoutResult: readonly string[] = [
  ...["setitem", "insert", "extend", "iadd", "clear", "reverse", "fill", "update", "add"],
  ...["setattr", "set", "set_slice", "put_now", "put_all", "task_done"],
];

/** What steps tell that give None in Python. */
const resultsMore: Readonly<Record<string, (value: Said) => boolean>> = {
  append: (length) => typeof length === "number",
  unshift: (length) => typeof length === "number",
  "list.delitem": (item) => !same(item, absent),
  "dict.delitem": (existed) => existed === true,
  remove: (existed) => existed === true,
  delattr: (existed) => existed === true,
  discard: (existed) => typeof existed === "boolean",
  put_nowait: (done) => done === true,
};

function gives(outcome: Outcome, said: Said): boolean {
  return "value" in outcome && same(outcome.value, said);
}

function fails(outcome: Outcome, error: string): boolean {
  return "error" in outcome && outcome.error === error;
}

function valueOf(outcome: Outcome): Said {
  return (outcome as { value: Said }).value;
}

function replaceItems({ proxy, python, proxies }: Happened): Promise<unknown> {
  const items = decode(valueOf(python), proxies) as unknown[];
  return (proxy as ListProxy).splice(0, Infinity, ...items);
}

function hasNoOrder(part: Said): boolean {
  return part === null || typeof part === "boolean" ||
    isObject(part) && !("int" in part) && !(isFloat(part) && part.float !== "nan");
}

function isObject(
  part: Said,
): part is Exclude<Said, null | boolean | number | string | readonly Said[]> {
  return typeof part === "object" && part !== null && !isArray(part);
}

function isFloat(part: Said): part is { readonly float: string } {
  return isObject(part) && "float" in part;
}

function isInt(part: Said): part is { readonly int: string } {
  return isObject(part) && "int" in part;
}

function wholeNumber(value: bigint): Said {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : { int: String(value) };
}

function sorted<T extends Said>(items: readonly T[]): T[] {
  const keyed = items.map((item) => [JSON.stringify(item), item] as const);
  return keyed.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0).map(([, item]) => item);
}

const numbers = /(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/g;

function withoutFraction(text: string): string {
  const number = Number(text);
  const whole = /[.e]/.test(text) && Number.isInteger(number) && !Object.is(number, -0);
  return whole ? String(number).replace(/e([+-])(\d)$/, "e$10$2") : text;
}

function outsideQuotes(text: string, change: (part: string) => string): string {
  const parts = /'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^'"]+/gs;
  return text.replace(parts, (part) => /^['"]/.test(part) ? part : change(part));
}
