/**
 * The local referents, and what they are made of: equality, order and representation.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  BarrierProxy,
  ConditionProxy,
  CountDownLatchProxy,
  EventProxy,
  JoinableQueueProxy,
  LockProxy,
  PriorityQueueProxy,
  ProxyBase,
  QueueProxy,
  RateLimiterProxy,
  RLockProxy,
  RWLockProxy,
  SemaphoreProxy,
} from "../mod.ts";
import type { ArrayProxy, SharedArray } from "../lib/objects/array.ts";
import { builtins } from "../lib/objects/builtins.ts";
import { Dict, type DictProxy } from "../lib/objects/dict.ts";
import { equals } from "../lib/objects/equality.ts";
import { List, type ListProxy } from "../lib/objects/list.ts";
import { Namespace, type NamespaceMethods } from "../lib/objects/namespace.ts";
import { compare } from "../lib/objects/order.ts";
import { maxRepresentationBytes, represent, representFloat } from "../lib/objects/represent.ts";
import { type SetProxy, SharedSet } from "../lib/objects/set.ts";
import type { Value, ValueProxy } from "../lib/objects/value.ts";
import { localMethods } from "../lib/proxies/methods.ts";
import { suite as arraySuite } from "./conformance/array.ts";
import { localBackend } from "./conformance/backend.ts";
import { suite as dictSuite } from "./conformance/dict.ts";
import { suite as listSuite } from "./conformance/list.ts";
import { suite as namespaceSuite } from "./conformance/namespace.ts";
import { suite as setSuite } from "./conformance/set.ts";
import { suite as valueSuite } from "./conformance/value.ts";

for (const suite of [listSuite, dictSuite, setSuite, namespaceSuite, valueSuite, arraySuite]) {
  suite("local", localBackend);
}

/** The asynchronous face of a referent's methods. */
type Face<C> = {
  [M in keyof C as M extends string ? C[M] extends Method ? M : never : never]: C[M] extends (
    ...args: infer A
  ) => infer R ? (...args: A) => Promise<R>
    : never;
};
type Method = (...args: never[]) => unknown;
type Named<P> = Omit<P, symbol>;

// Compiles only if each interface of a proxy has the methods of its referent, and no others.
const faces: [
  (face: Face<List<number>>) => Named<ListProxy<number>>,
  (face: Face<Dict<string, number>>) => Named<DictProxy<string, number>>,
  (face: Face<SharedSet<number>>) => Named<SetProxy<number>>,
  (face: Face<Namespace>) => Named<NamespaceMethods>,
  (face: Face<Value<number>>) => Named<ValueProxy<number>>,
  (face: Face<SharedArray<number>>) => Named<ArrayProxy<number>>,
] = [same, same, same, same, same, same];
type Same<A, B> = [A, B] extends [B, A] ? true : never;
const names: [
  Same<keyof Face<List>, keyof Named<ListProxy>>,
  Same<keyof Face<Dict>, keyof Named<DictProxy>>,
  Same<keyof Face<SharedSet>, keyof Named<SetProxy>>,
  Same<keyof Face<Namespace>, keyof Named<NamespaceMethods>>,
  Same<keyof Face<Value>, keyof Named<ValueProxy>>,
  Same<keyof Face<SharedArray>, keyof Named<ArrayProxy>>,
] = [true, true, true, true, true, true];

function same<T>(face: T): T {
  return face;
}

class Opaque {}

class Spoken {
  toString() {
    return "Spoken!";
  }
}

const queueMethods = {
  ...{ put: 1, get: 1, tryPut: 1, tryGet: 1, putMany: 1, getMany: 1, size: 1, empty: 1, full: 1 },
  ...{ shutdown: 1, consume: 1, dead: 1 },
};

/** The methods of each proxy of what is waited for. Compiles only if none is missing or too much. */
const waitedFor = {
  queue: methodsOf<QueueProxy>(queueMethods),
  lifoQueue: methodsOf<QueueProxy>(queueMethods),
  priorityQueue: methodsOf<PriorityQueueProxy>(queueMethods),
  joinableQueue: methodsOf<JoinableQueueProxy>({ ...queueMethods, taskDone: 1, join: 1 }),
  lock: methodsOf<LockProxy>({ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1 }),
  rlock: methodsOf<RLockProxy>({ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1 }),
  rwLock: methodsOf<RWLockProxy>({ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1 }),
  semaphore: methodsOf<SemaphoreProxy>({
    ...{ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1, value: 1 },
  }),
  boundedSemaphore: methodsOf<SemaphoreProxy>({
    ...{ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1, value: 1 },
  }),
  condition: methodsOf<ConditionProxy>({
    ...{ acquire: 1, tryAcquire: 1, withLock: 1, release: 1, locked: 1 },
    ...{ wait: 1, waitFor: 1, notify: 1, notifyAll: 1 },
  }),
  event: methodsOf<EventProxy>({ set: 1, clear: 1, isSet: 1, wait: 1 }),
  barrier: methodsOf<BarrierProxy>({
    ...{ wait: 1, reset: 1, abort: 1, parties: 1, waiting: 1, broken: 1 },
  }),
  countDownLatch: methodsOf<CountDownLatchProxy>({ countDown: 1, count: 1, wait: 1 }),
  rateLimiter: methodsOf<RateLimiterProxy>({ acquire: 1, tryAcquire: 1 }),
};

function methodsOf<P extends ProxyBase>(methods: Record<keyof Named<P>, number>): string[] {
  return Object.keys(methods).sort();
}

const containers = ["list", "dict", "set", "namespace", "value", "array"];

void test("builtins expose methods that their classes have, and of containers no others", () => {
  assert.deepEqual([...builtins.keys()], [...containers, ...Object.keys(waitedFor)]);
  for (const [typeid, definition] of builtins) {
    const { prototype } = definition.class!;
    const exposed = [...definition.exposed!].sort();
    for (const method of exposed) assert.ok(method in prototype, `${typeid}.${method}`);
    const named = ["iterables", "referents", "waits", "guarded"] as const;
    for (const method of named.flatMap((name) => Object.keys(definition[name] ?? {}))) {
      assert.ok(method === "create" || exposed.includes(method), `${typeid}.${method}`);
    }
    if (!containers.includes(typeid)) continue;
    const methods = Object.getOwnPropertyNames(prototype).filter((name) => name !== "constructor");
    assert.deepEqual(exposed, methods.sort(), typeid);
  }
});

void test("proxy interfaces have the methods of their referents, and those that run where they are", () => {
  assert.equal(faces.length, containers.length);
  assert.equal(names.length, containers.length);
  for (const [typeid, methods] of Object.entries(waitedFor)) {
    const { exposed, proxyName } = builtins.get(typeid)!;
    const local = Object.keys(localMethods.get(proxyName!) ?? {});
    assert.deepEqual([...new Set([...exposed!, ...local])].sort(), methods, typeid);
  }
});

void test("error texts quote long values shortened", () => {
  for (const long of ["x".repeat(9000), Array(9000).fill("x")]) {
    assert.throws(() => new List().at(long as never), (error: Error) => {
      return error instanceof TypeError && error.message.length < 150 && /"/.test(error.message);
    });
  }
});

void test("List, Dict and SharedSet are iterable where they live", () => {
  assert.deepEqual([...new List([1, 2])], [1, 2]);
  assert.deepEqual([...new Dict({ a: 1 })], [["a", 1]]);
  assert.deepEqual([...new SharedSet([1])], [1]);
  assert.deepEqual(new Namespace({ x: 1 }).keys(), ["x"]);
});

void test("List.shift(), Dict.popItem() and SharedSet.pop() drain in linear time", () => {
  const count = 300_000;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const list = new List(numbers);
  const dict = new Dict(numbers.map((i) => [i, i] as const));
  const set = new SharedSet(numbers);
  for (let i = 0; i < count; i++) {
    assert.ok(list.shift() === i && set.pop() === i && dict.popItem()![0] === count - 1 - i);
  }
  assert.equal(list.length() + dict.size() + set.size(), 0);
});

void test("equals() is true of the same data", () => {
  const error = () => Object.assign(new TypeError("t", { cause: [1] }), { code: 5 });
  const same: [unknown, unknown][] = [
    [NaN, NaN],
    [0, -0],
    [10n, 10n],
    [undefined, undefined],
    [[1, [2, { a: 3 }]], [1, [2, { a: 3 }]]],
    [[, 1], [undefined, 1]],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [{ a: 1 }, Object.assign(Object.create(null), { a: 1 })],
    [new Date(5), new Date(5)],
    [new Date(NaN), new Date(NaN)],
    [new Map([[1, [2]], [3, [4]]]), new Map([[3, [4]], [1, [2]]])],
    [new Map([[{ k: 1 }, 1], [{ k: 2 }, 2]]), new Map([[{ k: 2 }, 2], [{ k: 1 }, 1]])],
    [new Set([1, "a"]), new Set(["a", 1])],
    [new Set([[1], [2]]), new Set([[2], [1]])],
    [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
    [new Float64Array([NaN]), new Float64Array([NaN])],
    [new Uint8Array([1, 2]).buffer, new Uint8Array([1, 2]).buffer],
    [new DataView(new ArrayBuffer(2)), new DataView(new ArrayBuffer(4), 1, 2)],
    [error(), error()],
    [JSON.parse('{"__proto__": 1}'), JSON.parse('{"__proto__": 1}')],
  ];
  for (const [a, b] of same) {
    assert.ok(equals(a, b) && equals(b, a), `${represent(a)} == ${represent(b)}`);
  }
  const opaque = new Opaque();
  assert.ok(equals([opaque], [opaque]));
});

void test("equals() is false of different data", () => {
  const different: [unknown, unknown][] = [
    [1, 1n],
    [1, "1"],
    [0, false],
    [null, undefined],
    [null, {}],
    [[1], [1, 2]],
    [[1], { 0: 1 }],
    [[[1]], [[2]]],
    [{ a: undefined }, {}],
    [{ a: undefined }, { b: undefined }],
    [{}, { toString: undefined }],
    [JSON.parse('{"__proto__": {}}'), { x: 1 }],
    [new Date(5), new Date(6)],
    [new Date(5), 5],
    [new Map([[1, 2]]), new Map([[1, 3]])],
    [new Map([[1, undefined]]), new Map([[2, undefined]])],
    [new Map([[{ k: 1 }, 1]]), new Map([[{ k: 1 }, 2]])],
    [new Map([["a", 1]]), { a: 1 }],
    [new Set([[1], [1]]), new Set([[1], [2]])],
    [new Set([1]), [1]],
    [new Uint8Array([1]), new Int8Array([1])],
    [new Uint8Array([1]), [1]],
    [new Uint8Array([1]), new Uint8Array([1]).buffer],
    [new TypeError("t"), new RangeError("t")],
    [new Error("t"), new Error("u")],
    [new Error("t"), new Error("t", { cause: 1 })],
    [new Error("t"), { message: "t" }],
    [new Opaque(), new Opaque()],
    [new Opaque(), {}],
    [Symbol("a"), Symbol("a")],
  ];
  for (const [a, b] of different) {
    assert.ok(!equals(a, b) && !equals(b, a), `${represent(a)} != ${represent(b)}`);
  }
});

void test("compare() is one total order", () => {
  const ordered: unknown[][] = [
    [-Infinity, -5n, -1.5, -0, 1, 1.5, 2n, 2n ** 64n, 1e300, Infinity],
    ["", "A", "Z", "a", "aa", "b", "é", "😀", "\uffff"],
    [[], [[]], [[], []], [[1]]],
    [[1], [1, "a"], [1, "b"], [2], [2, [0]], [2n, [0, 1]]],
  ];
  for (const values of ordered) {
    for (const [i, a] of values.entries()) {
      for (const [j, b] of values.entries()) {
        assert.equal(Math.sign(compare(a, b)), Math.sign(i - j), `${represent(a)} ${represent(b)}`);
      }
    }
  }
  assert.equal(compare(1, 1n), 0);
  assert.equal(compare(0, -0), 0);
  assert.equal(compare(2 ** 53, 2n ** 53n + 1n), -1);
});

void test("compare() refuses what has no order", () => {
  const bad: [unknown, unknown][] = [
    [NaN, 1],
    [1, NaN],
    [1, "1"],
    ["a", ["a"]],
    [true, false],
    [null, null],
    [undefined, undefined],
    [{}, {}],
    [[1], [{}]],
    [new Date(1), new Date(2)],
  ];
  for (const [a, b] of bad) {
    assert.throws(() => compare(a, b), { name: "TypeError", message: /Cannot order "/ });
  }
});

// Checked against `repr` of CPython 3.11.
const pythons: [unknown, string][] = [
  [[1, 2, "hello", true, null, false], "[1, 2, 'hello', True, None, False]"],
  [{ a: 1, b: [2.5] }, "{'a': 1, 'b': [2.5]}"],
  [new Map<unknown, unknown>([["a", 1], [2, "x"], [null, 0]]), "{'a': 1, 2: 'x', None: 0}"],
  [new Set([1]), "{1}"],
  [new Set(), "set()"],
  [{}, "{}"],
  [[], "[]"],
  [[NaN, Infinity, -Infinity, -0], "[nan, inf, -inf, -0.0]"],
  [0, "0"],
  [-5, "-5"],
  [0.1, "0.1"],
  [1e21, "1e+21"],
  [-1.5e300, "-1.5e+300"],
  [5e-324, "5e-324"],
  [1e-7, "1e-07"],
  [1.25e-10, "1.25e-10"],
  [0.0001, "0.0001"],
  [0.00001, "1e-05"],
  [0.000012345, "1.2345e-05"],
  [123456789.125, "123456789.125"],
  [10n ** 30n, "1000000000000000000000000000000"],
  [-(2n ** 70n), "-1180591620717411303424"],
  ["", "''"],
  ["it's", `"it's"`],
  ['say "hi"', `'say "hi"'`],
  [`it's "both"`, `'it\\'s "both"'`],
  ["a\nb\tc\rd\\e", "'a\\nb\\tc\\rd\\\\e'"],
  ["\x00\x1b\x7f\x80\xa0\xad", "'\\x00\\x1b\\x7f\\x80\\xa0\\xad'"],
  ["añ é 漢字 😀", "'añ é 漢字 😀'"],
  ["\u200b\u2028\u3000\ufeff", "'\\u200b\\u2028\\u3000\\ufeff'"],
  ["\ud83d", "'\\ud83d'"],
  ["\u{e0001}\u{10ffff}", "'\\U000e0001\\U0010ffff'"],
  ["\ue000", "'\\ue000'"],
  [new TypeError("text"), "TypeError('text')"],
  [new TypeError(), "TypeError()"],
];

// What Python has no value for.
const ours: [unknown, string][] = [
  [undefined, "None"],
  [[, 1], "[None, 1]"],
  [new Date(0), "Date('1970-01-01T00:00:00.000Z')"],
  [new Date(NaN), "Date('Invalid Date')"],
  [new Uint8Array([1, 2]), "Uint8Array([1, 2])"],
  [new BigInt64Array([-1n]), "BigInt64Array([-1])"],
  [new Uint8Array([1]).buffer, "ArrayBuffer([1])"],
  [new DataView(new ArrayBuffer(2)), "DataView([0, 0])"],
  [new Map(), "{}"],
  [Object.create(null), "{}"],
  [JSON.parse('{"__proto__": {"toString": 1}}'), "{'__proto__': {'toString': 1}}"],
  [Object.assign(new Error("x"), { name: { a: 1 }, message: [1] }), "Error([1])"],
  [new Opaque(), "<Opaque object>"],
  [[new Spoken()], "[Spoken!]"],
  [Object.create(Object.create(null)), "<unnamed object>"],
];

void test("represent() writes what Python's repr writes", () => {
  for (const [value, expected] of pythons) assert.equal(represent(value), expected);
});

void test("represent() finds a spelling for everything else", () => {
  for (const [value, expected] of ours) assert.equal(represent(value), expected);
  const proxy = Object.create(
    Object.assign(Object.create(null), { [Symbol.toPrimitive]: () => "<ListProxy>" }),
  );
  assert.equal(represent({ p: [proxy] }), "{'p': [<ListProxy>]}");
});

void test("represent() of a container inside itself ends", () => {
  const list: unknown[] = [1];
  list.push(list, { list });
  assert.equal(represent(list), "[1, [...], {'list': [...]}]");
  const map = new Map<string, unknown>();
  map.set("self", map);
  assert.equal(represent([map, map]), "[{'self': {...}}, {'self': {...}}]");
});

void test("represent() is cut at 1 MiB of UTF-8, and ends with dots", () => {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const exact = "x".repeat(maxRepresentationBytes - 2);
  assert.equal(represent(exact), `'${exact}'`);
  assert.equal(represent(`${exact}x`), `'${exact.slice(0, -2)}...`);
  for (const character of ["x", "é", "漢", "😀", "\x00", "\ud800", "'"]) {
    const text = represent(character.repeat(maxRepresentationBytes));
    assert.ok(text.endsWith("..."));
    assert.ok(bytes(text) <= maxRepresentationBytes && bytes(text) > maxRepresentationBytes - 12);
    assert.equal(text.isWellFormed?.() ?? true, true);
  }
  assert.ok(represent(new Uint8Array(2 ** 21)).endsWith("..."));
  assert.equal(represent([1, 2, 3], 6), "[1,...");
  assert.equal(represent([1, 2], 6), "[1, 2]");
});

void test("represent() does not read what it will not print", () => {
  let read = 0;
  const item = { [Symbol.toPrimitive]: () => (read++, "<item>") };
  const opaque = Object.create(Object.assign(Object.create(null), item));
  assert.equal(represent(new Array(100_000).fill(opaque), 60).length, 60);
  assert.ok(read < 20);
});

void test("representFloat() has a point where Python's floats have one", () => {
  const floats: [number, string][] = [
    [1, "1.0"],
    [-0, "-0.0"],
    [0, "0.0"],
    [0.5, "0.5"],
    [1e15, "1000000000000000.0"],
    [1e16, "1e+16"],
    [1.5e-5, "1.5e-05"],
    [NaN, "nan"],
    [-Infinity, "-inf"],
  ];
  for (const [value, expected] of floats) assert.equal(representFloat(value), expected);
});
