/**
 * The table of the built-in typeids, at the end of the tour through the objects: which class is
 * made of which arguments, and what of it is exposed.
 *
 * Above: the server, which serves them, and the client, which names their proxies. Below: the
 * referents.
 *
 * @module
 */

import { SharedArray } from "./array.ts";
import type { Definition } from "./definition.ts";
import { Dict } from "./dict.ts";
import { List } from "./list.ts";
import { Namespace } from "./namespace.ts";
import { maxRepresentationBytes, quoted, Representation, representFloat } from "./represent.ts";
import { SharedSet } from "./set.ts";
import { Value } from "./value.ts";

/** How many items of an iterator over a built-in travel in one reply. */
const readAhead = 256;

const list: Definition = {
  create: (...args) => new List(...atMost(args, 1, "list(iterable)")),
  class: List,
  exposed: [
    ...["at", "set", "push", "pop", "shift", "unshift", "insert", "splice", "slice", "indexOf"],
    ...["lastIndexOf", "includes", "count", "remove", "extend", "concat", "reverse", "sort"],
    ...["fill", "join", "length", "clear", "copy"],
  ],
  proxyName: "ListProxy",
  iterables: { create: [0], extend: [0], concat: "all" },
  readAhead,
  value: (referent: List) => referent.copy(),
  text: (referent: List) => new Representation().raw("[").values(referent).raw("]").toString(),
};

const dict: Definition = {
  create: (...args) => new Dict(...atMost(args, 1, "dict(object or entries)")),
  class: Dict,
  exposed: [
    ...["get", "set", "has", "delete", "clear", "size", "keys", "values", "entries"],
    ...["getOrInsert", "pop", "popItem", "update", "copy", "getMany", "setMany", "deleteMany"],
    ...["increment", "compareAndSet"],
  ],
  proxyName: "DictProxy",
  iterables: { create: [0], update: [0], getMany: [0], setMany: [0], deleteMany: [0] },
  readAhead,
  value: (referent: Dict) => referent.copy(),
  text: (referent: Dict) => new Representation().raw("{").entries(referent).raw("}").toString(),
};

const set: Definition = {
  create: (...args) => new SharedSet(...atMost(args, 1, "set(iterable)")),
  class: SharedSet,
  exposed: [
    ...["add", "has", "delete", "clear", "size", "values", "pop", "union", "intersection"],
    ...["difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"],
    ...["update", "copy"],
  ],
  proxyName: "SetProxy",
  iterables: {
    create: [0],
    union: "all",
    intersection: "all",
    difference: "all",
    symmetricDifference: [0],
    isSubsetOf: [0],
    isSupersetOf: [0],
    isDisjointFrom: [0],
    update: "all",
  },
  readAhead,
  value: (referent: SharedSet) => referent.copy(),
  text: (referent: SharedSet) => {
    if (referent.size() === 0) return "set()";
    return new Representation().raw("{").values(referent).raw("}").toString();
  },
};

const namespace: Definition = {
  create: (...args) => new Namespace(...atMost(args, 1, "namespace(object)")),
  class: Namespace,
  exposed: ["get", "set", "delete", "keys"],
  proxyName: "NamespaceProxy",
  attributes: true,
  value: (referent: Namespace) => {
    return Object.fromEntries(referent.keys().map((name) => [name, referent.get(name)]));
  },
  text: (referent: Namespace) => {
    // As Python: sorted, and without the names that begin with `_`.
    const names = referent.keys().filter((name) => !name.startsWith("_")).sort();
    const text = new Representation().raw("Namespace(");
    for (const [i, name] of names.entries()) {
      if (text.full) break;
      text.raw(i === 0 ? "" : ", ").raw(`${name}=`).value(referent.get(name));
    }
    return text.raw(")").toString();
  },
};

const value: Definition = {
  create: (...args) => new Value(...atMost<ValueArgs>(args, 2, "value(typecode, initial)")),
  class: Value,
  exposed: ["get", "set", "add", "compareExchange"],
  proxyName: "ValueProxy",
  value: (referent: Value) => referent.get(),
  text: (referent: Value) => {
    const text = new Representation().raw("Value(").value(referent.typecode);
    return text.raw(", ").value(referent.get()).raw(")").toString();
  },
};

const array: Definition = {
  create: (...args) =>
    new SharedArray(...atMost<ArrayArgs>(args, 2, "array(typecode, sizeOrValues)")),
  class: SharedArray,
  exposed: ["at", "set", "slice", "setSlice", "length", "add"],
  proxyName: "ArrayProxy",
  iterables: { create: [1], setSlice: [1] },
  readAhead,
  value: (referent: SharedArray) => referent.slice(),
  text: arrayText,
};

/** The definitions of the built-in typeids by their names. */
export const builtins: ReadonlyMap<string, Definition> = new Map(
  Object.entries({ list, dict, set, namespace, value, array }),
);

type ValueArgs = ConstructorParameters<typeof Value>;
type ArrayArgs = ConstructorParameters<typeof SharedArray>;

/** The arguments, typed for a constructor that checks each of them, if they are not too many. */
function atMost<A extends unknown[] = [never?]>(args: unknown[], max: number, call: string): A {
  if (args.length <= max) return args as A;
  const takes = `${call} takes ${max} argument${max === 1 ? "" : "s"}, got ${args.length}`;
  const cure = call.includes("iterable") ? "pass the values as one array" : "leave out the rest";
  throw new TypeError(`${takes}, the last one ${quoted(args.at(-1))}: ${cure}`);
}

/** As Python's `array.array`: floats have their `.0`, and an empty one shows its typecode only. */
function arrayText(referent: SharedArray): string {
  const text = new Representation().raw("array(").value(referent.typecode);
  if (referent.length() === 0) return text.raw(")").toString();
  // Each element takes three bytes at least.
  const elements = referent.slice(0, maxRepresentationBytes / 2);
  if (!(elements instanceof Float32Array || elements instanceof Float64Array)) {
    return text.raw(", [").values(elements).raw("])").toString();
  }
  text.raw(", [");
  for (let i = 0; i < elements.length && !text.full; i++) {
    text.raw(i === 0 ? "" : ", ").raw(representFloat(elements[i]!));
  }
  return text.raw("])").toString();
}
