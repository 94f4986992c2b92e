/**
 * Tests of the serializers: one table of values and one campaign of bad input for all of them. The
 * campaign has its full size on Deno, and its beginning on the others: what it tries is this
 * library's code, the same on each.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import test from "node:test";
import { runInNewContext } from "node:vm";
import { decode as unpack, encode as pack } from "@msgpack/msgpack";
import { LimitExceededError, ProtocolError, ReleasedError, SerializeError } from "../lib/errors.ts";
import {
  json,
  messagePack,
  notSerializable,
  plainSerializer,
  type References,
  type Serializer,
  withRoot,
} from "../lib/wire/serializer.ts";
import { campaigning } from "./support/runtimes.ts";

/** A second codec of plain data, with traps of its own: no `__proto__`, no byte order marks. */
const toy = plainSerializer({
  name: "toy",
  encode: (value) => pack(value, { maxDepth: 300 }),
  decode: (bytes) => unpack(bytes, { maxArrayLength: bytes.length, maxMapLength: bytes.length }),
});
const serializers = [messagePack, json, toy];

/** Proxies that fail on every touch but identity. */
class Proxies implements References {
  static make(): object {
    const fail = () => {
      throw new Error("a serializer touched a proxy");
    };
    return new Proxy(Object.create(null), {
      get: fail,
      has: fail,
      ownKeys: fail,
      getPrototypeOf: fail,
      getOwnPropertyDescriptor: fail,
    });
  }
  readonly known: Set<object>;
  readonly sent: object[] = [];
  constructor(...known: object[]) {
    this.known = new Set(known);
  }
  indexOf(value: object): number | undefined {
    return this.known.has(value) ? this.sent.push(value) - 1 : undefined;
  }
  at(index: number): object {
    const proxy = this.sent[index];
    if (!proxy) throw new ProtocolError(`no reference ${index}`);
    return proxy;
  }
}

const none: References = new Proxies();
const mutations = campaigning ? 20_000 : 4_000;

function roundTrip(serializer: Serializer, value: unknown, references = none): unknown {
  const bytes = serializer.encode(value, references).slice();
  const decoded = serializer.decode(bytes, references);
  bytes.fill(0xff); // what was decoded must not look into the message
  return decoded;
}

/** Writes a value down completely: prototypes, order, -0, holes, hidden properties of errors. */
function write(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Object.is(value, -0)) return "-0";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return String(value);
  const type = Object.prototype.toString.call(value).slice(8, -1);
  const isPlain = Object.getPrototypeOf(value) === Object.prototype;
  const head = isPlain || Array.isArray(value) ? "" : `${value.constructor.name} ${type} `;
  return head + writeContents(value);
}

function writeContents(value: object): string {
  if (Array.isArray(value)) return `[${Array.from(value, write).join()}]`;
  if (value instanceof Date) return String(value.getTime());
  if (value instanceof Set) return `{${[...value].map(write).join()}}`;
  if (value instanceof Map) return `{${[...value].map((pair) => pair.map(write).join("=>"))}}`;
  if (value instanceof ArrayBuffer) return Buffer.from(value).toString("hex");
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  }
  const shown = Object.keys(value).map((key) => [key, (value as Record<string, unknown>)[key]]);
  const entries = value instanceof Error ? [...hidden(value), ...shown] : shown;
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${write(item)}`).join()}}`;
}

function hidden(error: Error): [string, unknown][] {
  const told: [string, unknown][] = [];
  for (const key of ["name", "message", "stack", "cause", "errors"] as const) {
    if (key in error) told.push([key, (error as AggregateError)[key]]);
  }
  return told;
}

function own(key: string, value: unknown): object {
  return define({}, key, value);
}

function define<T extends object>(object: T, key: string, value: unknown): T {
  return Object.defineProperty(object, key, {
    value,
    enumerable: true,
    writable: true,
    configurable: true,
  });
}

const hostileKeys = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "valueOf",
  "hasOwnProperty",
  "__defineGetter__",
  "then",
  "toJSON",
  "length",
  "",
  "$",
  "0",
  "\ufeffkey",
  "\ufeff" + "long".repeat(80),
  "ключ",
];

function errors(): Error[] {
  const withData = Object.assign(new TypeError("text", { cause: new RangeError("why") }), {
    code: "E",
    at: new Map([[1, [-0]]]),
  });
  const named = new Error("named");
  named.name = "Custom";
  const emptyCause = new Error("c", { cause: undefined });
  const odd = define(new Error("odd"), "__proto__", { polluted: 1 });
  return [
    ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError].map(
      (Class) => new Class(Class.name),
    ),
    new AggregateError([new Error("a"), 2, undefined], "many"),
    new Error(),
    withData,
    named,
    emptyCause,
    odd,
    Object.assign(new Error("own name"), { name: "Shown", $: 1, "\ufeffx": 2 }),
  ];
}

function typedArrays(): object[] {
  const buffer = Uint8Array.from({ length: 48 }, (_, i) => i * 5).buffer;
  const classes = [
    Uint8Array,
    Uint8ClampedArray,
    Int8Array,
    Uint16Array,
    Int16Array,
    Uint32Array,
    Int32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
  ];
  const views: object[] = classes.map((Class) => new Class(buffer, 8, 3));
  views.push(new DataView(buffer, 3, 7), buffer, new ArrayBuffer(0), new Uint8Array(0));
  const half = (globalThis as { Float16Array?: unknown }).Float16Array as
    | typeof Float32Array
    | undefined;
  if (half) views.push(new half(buffer, 2, 5));
  return views;
}

/** Everything that must survive, by a name for the report. */
const table: [string, unknown][] = [
  ["null and undefined", [null, undefined, { a: undefined, b: null }, [undefined]]],
  ["booleans", [true, false]],
  ["small integers", [0, 1, -1, 31, 32, 127, 128, -32, -33, -128, -129, 255, 256, 65535, 65536]],
  ["large integers", [2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32, 2 ** 32 - 1]],
  ["2^53 edges", [2 ** 53 - 1, 2 ** 53, 2 ** 53 + 2, -(2 ** 53) + 1, -(2 ** 53), 2 ** 64, 1e21]],
  ["floats", [0.1, -1.5, 5e-324, 1.7976931348623157e308, Math.PI, 1e300, -1e-7]],
  ["special numbers", [-0, NaN, Infinity, -Infinity, { z: -0 }, [[-0]]]],
  ["bigints", [0n, 1n, -1n, 255n, -256n, 2n ** 63n, -(2n ** 64n), 10n ** 1000n, -(7n ** 3000n)]],
  ["strings", ["", "a", "é", "€", "😀", "\0", "x".repeat(31), "é".repeat(100), "z".repeat(70000)]],
  ["UTF-8 of each size", ["x".repeat(199) + "é", "😀".repeat(63), "\u{10ffff}", "\ud7ff\ue000"]],
  ["byte order marks", [
    "\ufeff",
    "\ufeffa",
    "\ufeff" + "x".repeat(300),
    "a\ufeff",
    "\ufeff\ufeff",
  ]],
  ["dates", [new Date(0), new Date(-1), new Date(8.64e15), new Date(NaN)]],
  ["maps", new Map<unknown, unknown>([[1, "a"], ["k", new Map([[{ x: 1 }, [2]]])], [NaN, -0]])],
  ["map of undefined", new Map([[undefined, undefined]])],
  ["empty containers", [[], {}, new Map(), new Set(), [[]], { a: {} }]],
  ["sets", new Set<unknown>([1, "a", new Set([[1]]), undefined, null])],
  ["bytes", typedArrays()],
  ["errors", errors()],
  ["hostile keys", hostileKeys.map((key) => own(key, [key, { [key + "2"]: -0 }]))],
  ["all hostile keys in one", Object.assign({}, ...hostileKeys.slice(1).map((key) => own(key, 1)))],
  ["things that look like tags", [{ $: ["date", 0] }, { $: 1, a: 2 }, { a: { $: [] } }]],
  ["nested", { a: [{ b: new Map([["c", new Set([{ d: undefined }])]]) }], e: "f" }],
  ["long arrays", Array.from({ length: 70000 }, (_, i) => i)],
  ["wide objects", Object.fromEntries(Array.from({ length: 70000 }, (_, i) => [`k${i}`, i]))],
  ["sixteen", [
    Array(16).fill(1),
    Object.fromEntries(Array.from("abcdefghijklmnop", (c) => [c, 1])),
  ]],
];

const wraps: [string, (inner: unknown) => unknown][] = [
  ["arrays", (inner) => [inner]],
  ["objects", (inner) => ({ a: inner })],
  ["map values", (inner) => new Map([[1, inner]])],
  ["map keys", (inner) => new Map([[inner, 1]])],
  ["sets", (inner) => new Set([inner])],
  ["causes", (inner) => new Error("e", { cause: inner })],
  ["awkward objects", (inner) => own("__proto__", inner)],
];

const freeReferences: References = { indexOf: () => undefined, at: () => ({}) };

for (const serializer of serializers) {
  const { name } = serializer;

  for (const [what, value] of table) {
    test(`${name} keeps ${what}`, () => {
      assert.equal(write(roundTrip(serializer, value)), write(value));
      assert.equal(write(roundTrip(serializer, [value, { value }])), write([value, { value }]));
    });
  }

  test(`${name} keeps every primitive at the top`, () => {
    for (const value of [undefined, null, true, -0, NaN, 1, 1.5, 2n, "", "\ufeff"]) {
      assert.ok(Object.is(roundTrip(serializer, value), value), String(value));
    }
  });

  test(`${name} keeps proxies anywhere and counts each occurrence`, () => {
    const [a, b] = [Proxies.make(), Proxies.make()];
    const references = new Proxies(a, b);
    const value = [a, { a, b: [b] }, new Map([[a, b]]), new Set([b]), own("__proto__", a)];
    const decoded = roundTrip(serializer, value, references) as typeof value;
    assert.equal(references.sent.length, 7);
    assert.ok(decoded[0] === a);
    const object = decoded[1] as { a: object; b: object[] };
    assert.ok(object.a === a && object.b[0] === b);
    const [[key, item]] = [...(decoded[2] as Map<object, object>)] as [[object, object]];
    assert.ok(key === a && item === b);
    assert.ok([...(decoded[3] as Set<object>)][0] === b);
    assert.ok(Object.getOwnPropertyDescriptor(decoded[4], "__proto__")!.value === a);

    const top = new Proxies(a);
    assert.ok(roundTrip(serializer, a, top) === a);
    const list = new Proxies(a);
    assert.ok((roundTrip(serializer, [a, 1], list) as object[])[0] === a);
  });

  test(`${name} turns holes into undefined and copies what occurs twice`, () => {
    // deno-lint-ignore no-sparse-arrays
    const sparse = roundTrip(serializer, [1, , 3]) as unknown[];
    assert.deepEqual(Object.keys(sparse), ["0", "1", "2"]);
    assert.equal(sparse[1], undefined);
    const shared = { x: 1 };
    const [a, b] = roundTrip(serializer, [shared, shared]) as object[];
    assert.deepEqual(a, b);
    assert.notEqual(a, b);
  });

  test(`${name} sends what structuredClone would keep of a subclass, and null prototypes`, () => {
    class List extends Array {}
    class Dict extends Map<unknown, unknown> {}
    class Fault extends RangeError {}
    const bare = Object.assign(Object.create(null), { a: 1 });
    const value = [List.of(1), new Dict([[1, 2]]), Buffer.from("ab"), bare];
    const expected = [[1], new Map([[1, 2]]), Uint8Array.of(97, 98), { a: 1 }];
    assert.equal(write(roundTrip(serializer, value)), write(expected));
    const fault = roundTrip(serializer, new Fault("f")) as Error;
    assert.equal(fault.constructor, RangeError);
    const custom = new Fault("f");
    Object.defineProperty(Fault.prototype, "name", { value: "Fault" });
    assert.equal((roundTrip(serializer, custom) as Error).name, "Fault");
  });

  test(`${name} sends values of another realm`, () => {
    const value = runInNewContext(
      `[{ a: [1] }, new Map([[1, 2]]), new Date(5), new Uint8Array([7]), new TypeError("t")]`,
    );
    const decoded = roundTrip(serializer, value) as unknown[];
    const error = decoded.pop() as Error;
    assert.equal(
      write(decoded),
      write([{ a: [1] }, new Map([[1, 2]]), new Date(5), Uint8Array.of(7)]),
    );
    assert.ok(error instanceof TypeError && error.message === "t");
  });

  test(`${name} keeps hidden properties of errors hidden`, () => {
    const error = new AggregateError([1], "m", { cause: 0 });
    const decoded = roundTrip(serializer, Object.assign(error, { code: 1 })) as AggregateError;
    assert.deepEqual(Object.keys(decoded), ["code"]);
    assert.equal(decoded.stack, error.stack);
    assert.equal(Object.hasOwn(roundTrip(serializer, new Error("x")) as Error, "cause"), false);
    assert.ok(
      Object.hasOwn(roundTrip(serializer, new Error("x", { cause: undefined })) as Error, "cause"),
    );
  });

  test(`${name} leaves out symbol keys, properties of arrays and what is not enumerable`, () => {
    const value = Object.defineProperty({ a: 1, [Symbol("s")]: () => {} }, "hidden", { value: 1 });
    const list = Object.assign([1], { extra: () => {} });
    assert.equal(write(roundTrip(serializer, [value, list])), write([{ a: 1 }, [1]]));
  });

  test(`${name} reads a getter once, and survives one that encodes or changes the value`, () => {
    let reads = 0;
    const list: unknown[] = [1];
    const value = {
      list,
      get fresh() {
        reads++;
        list.push("late");
        const inner = serializer.encode({ long: "x".repeat(5000), map: new Map() }, none);
        assert.ok(inner.length > 5000);
        return reads;
      },
      end: "end",
    };
    assert.equal(write(roundTrip(serializer, value)), `{"list":[1,"late"],"fresh":1,"end":"end"}`);
    assert.equal(reads, 1);
    const nosy = new Proxy([1, 2], { get: (target, key) => Reflect.get(target, key) });
    assert.deepEqual(roundTrip(serializer, { nosy }), { nosy: [1, 2] });
  });

  test(`${name} decodes inside of references.at()`, () => {
    const proxy = Proxies.make();
    const inner = serializer.encode([new Set([1])], none).slice();
    const outer = serializer.encode([proxy, new Map([[1, proxy]])], new Proxies(proxy)).slice();
    const references: References = {
      indexOf: () => undefined,
      at: () => (serializer.decode(inner, none) as object[])[0]!,
    };
    const expected = [new Set([1]), new Map([[1, new Set([1])]])];
    assert.equal(write(serializer.decode(outer, references)), write(expected));
  });

  test(`${name} decodes views that stand anywhere in a larger buffer`, () => {
    const bytes = serializer.encode([new Float64Array([1.5]), "text"], none).slice();
    for (let shift = 0; shift < 9; shift++) {
      const large = Buffer.alloc(bytes.length + 20, 0xff);
      large.set(bytes, shift);
      const value = serializer.decode(large.subarray(shift, shift + bytes.length), none);
      assert.equal(write(value), write([new Float64Array([1.5]), "text"]));
      const view = (value as [Float64Array])[0];
      assert.notEqual(view.buffer, large.buffer);
      assert.equal(
        Object.getPrototypeOf(roundTrip(serializer, new Uint8Array(3))),
        Uint8Array.prototype,
      );
    }
  });

  test(`${name} keeps large values after small ones and small ones after large`, () => {
    for (const size of [1, 3_000_000, 2, 70_000, 0]) {
      const bytes = new Uint8Array(size).fill(size);
      assert.ok(Buffer.compare(roundTrip(serializer, bytes) as Uint8Array, bytes) === 0);
    }
  });

  refusals(serializer);
  limits(serializer);
  fuzz(serializer);
}

function refusals(serializer: Serializer): void {
  const { name } = serializer;
  class Avatar {}
  const needle: [unknown, string][] = [
    [() => {}, "a function cannot be sent; pass a queue or a proxy instead"],
    [Symbol("s"), "a symbol cannot be sent; send a string instead"],
    [/x/, `an instance of class "RegExp" cannot be sent; send its source and flags`],
    [Promise.resolve(), `an instance of class "Promise" cannot be sent; await it first`],
    [
      new Avatar(),
      `an instance of class "Avatar" cannot be sent; register the class as a typeid and send a ` +
      "proxy, or convert it to plain data",
    ],
    [Object("x"), `an instance of class "String" cannot be sent; send the primitive value itself`],
    [Object(1n), `an instance of class "BigInt" cannot be sent; send the primitive value itself`],
    [
      "\ud800",
      "a string with a lone surrogate is not text; send bytes, or repair it with toWellFormed()",
    ],
    [{ "\udc00": 1 }, "a key with a lone surrogate is not text; rename it"],
  ];
  for (const weak of [new WeakMap(), new WeakSet()]) {
    needle.push([weak, needle[4]![1].replace("Avatar", weak.constructor.name)]);
  }

  test(`${name} refuses what is no data, with path and cure`, () => {
    for (const [value, text] of needle) {
      assert.throws(
        () => serializer.encode([{ user: { avatar: value } }], none),
        (error: unknown) => {
          assert.ok(error instanceof SerializeError);
          const [what, key] = [text, text.startsWith("a key") ? `["\\udc00"]` : ""];
          assert.equal(error.message, `Cannot send "[0].user.avatar${key}": ${what}`);
          assert.ok(!Object.keys(error).includes("path"));
          return true;
        },
      );
    }
    assert.throws(() => serializer.encode(() => {}, none), {
      message: /^Cannot send the value: a f/,
    });
  });

  test(`${name} writes the path through every container`, () => {
    const f = () => {};
    const cause = new Error("x", { cause: [f] });
    const cases: [unknown, string][] = [
      [[1, [2, f]], "[1][1]"],
      [{ a: { "b c": f } }, `.a["b c"]`],
      [new Map<unknown, unknown>([[1, 2], [f, 3]]), ".keys()[1]"],
      [[new Map([[1, { x: f }]])], "[0].values()[0].x"],
      [new Set<unknown>([1, { f }]), ".values()[1].f"],
      [{ e: cause }, ".e.cause[0]"],
      [new AggregateError([1, f]), ".errors[1]"],
      [Object.assign(new Error("x"), { data: f }), ".data"],
      [own("__proto__", { f }), ".__proto__.f"],
      [[[1], { a: [] }, f], "[2]"],
      [{ a: own("__proto__", 1), b: f }, ".b"],
    ];
    for (const [value, path] of cases) {
      assert.throws(() => serializer.encode(value, none), { path });
    }
  });

  test(`${name} names where a cycle closes`, () => {
    const a: Record<string, unknown> = { name: "a" };
    a.self = { inner: a };
    const list: unknown[] = [];
    list.push(list);
    const map = new Map<string, unknown>();
    map.set("m", [map]);
    const error = new Error("x");
    error.cause = error;
    const cases: [unknown, string][] = [
      [[a], "[0].self.inner"],
      [list, "[0]"],
      [{ map }, ".map.values()[0][0]"],
      [error, ".cause"],
    ];
    for (const [value, path] of cases) {
      assert.throws(() => serializer.encode(value, none), {
        name: "SerializeError",
        message:
          `Cannot send "${path}": it contains itself (a cycle); share a nested proxy instead`,
      });
    }
  });

  test(`${name} says where reading failed`, () => {
    const value = {
      a: [{
        get b() {
          throw new TypeError("boom");
        },
      }],
    };
    assert.throws(() => serializer.encode(value, none), (error: Error) => {
      assert.ok(error instanceof SerializeError && error.cause instanceof TypeError);
      assert.match(error.message, /^Cannot send "\.a\[0\]": reading it failed: boom$/);
      return true;
    });
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    assert.throws(() => serializer.encode([gone], none), { name: "SerializeError", path: "[0]" });
    assert.throws(() => serializer.encode([Object.create(Map.prototype)], none), SerializeError);
  });

  test(`${name} adds the path to what the references refuse, and lets other failures pass`, () => {
    const foreign = {};
    const refuse = (error: Error): References => ({
      indexOf: (value) => {
        if (value === foreign) throw error;
        return undefined;
      },
      at: () => foreign,
    });
    const other = new SerializeError("a proxy of another client; pass a ticket");
    assert.throws(() => serializer.encode([{ p: foreign }], refuse(other)), {
      name: "SerializeError",
      message: `Cannot send "[0].p": a proxy of another client; pass a ticket`,
    });
    const released = new ReleasedError("released");
    assert.throws(() => serializer.encode([foreign], refuse(released)), released);
  });

  test(`${name} works again after a refusal`, () => {
    assert.throws(() => serializer.encode([1, { a: () => {} }], none));
    assert.throws(() => serializer.decode(Uint8Array.of(0xc1), none), ProtocolError);
    assert.deepEqual(roundTrip(serializer, [1, { a: [2] }]), [1, { a: [2] }]);
  });
}

function nested(depth: number, wrap: (inner: unknown, i: number) => unknown): unknown {
  let value: unknown = undefined;
  for (let i = 0; i < depth; i++) value = wrap(value, i);
  return value;
}

function limits(serializer: Serializer): void {
  const { name } = serializer;
  const mixed = (inner: unknown, i: number) => wraps[i % wraps.length]![1](inner);

  for (const [what, wrap] of [...wraps, ["a mixture", mixed] as const]) {
    test(`${name} nests ${what} 128 deep, not 129`, () => {
      for (const depth of [127, 128]) {
        const value = nested(depth, wrap);
        assert.equal(write(roundTrip(serializer, value)), write(value));
      }
      for (const depth of [129, 1e3, 2e4]) {
        assert.throws(
          () => serializer.encode(nested(depth, wrap), none),
          (error: unknown) =>
            error instanceof LimitExceededError && /"maxDepth" of 128;/.test(error.message),
        );
      }
      const deep = serializer.encode(nested(129, wrap), { ...freeReferences, maxDepth: 129 });
      assert.throws(() => serializer.decode(deep, none), {
        name: "ProtocolError",
        message: `Nested deeper than the limit "maxDepth" of 128`,
      });
      serializer.decode(deep, { ...freeReferences, maxDepth: 129 });
    });
  }

  test(`${name} sends bigints of any size`, () => {
    const large = -(1n << 4_000_000n) - 1n;
    assert.ok(roundTrip(serializer, large) === large);
  });

  test(`${name} refuses sparse giants and exploding structures before they cost memory`, () => {
    const sparse: unknown[] = [];
    sparse.length = 2 ** 32 - 1;
    assert.throws(() => serializer.encode([sparse], none), LimitExceededError);
    let laughs: unknown = [];
    for (let i = 0; i < 40; i++) laughs = [laughs, laughs];
    assert.throws(() => serializer.encode(laughs, none), {
      name: "LimitExceededError",
      message: /at most 4,194,304 objects and 67,108,864 elements; send it in parts/,
    });
  });
}

function fuzz(serializer: Serializer): void {
  const { name } = serializer;

  test(`${name} answers ${mutations} mutations with a value or a ProtocolError`, () => {
    const proxy = Proxies.make();
    const plain = Proxies.make();
    const corpus = [
      ...table.filter(([what]) => !/long|wide|^strings/.test(what)).map(([, value]) => value),
      ["key", 1],
      [{ id: 7, name: "Ann", tags: new Set(["a"]), when: new Date(0), big: 12n ** 30n }],
      [proxy, { plain }, new Map([[proxy, plain]])],
    ].map((value) => serializer.encode(value, new Proxies(proxy, plain)).slice());
    const references: References = {
      indexOf: () => undefined,
      at(index) {
        if (index > 2) throw new ProtocolError("no such reference");
        return { index };
      },
    };
    const before = Object.getOwnPropertyNames(Object.prototype).join();
    const random = generator(20260101);
    let decoded = 0;
    for (let i = 0; i < mutations; i++) {
      const bytes = mutate(corpus, random);
      try {
        const value = serializer.decode(bytes, references);
        decoded++;
        // What was accepted is data of the kinds that can be sent, complete and stable.
        const copy = roundTrip(serializer, value, references);
        assert.equal(write(copy), write(value));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, `${i}: ${(error as Error)?.stack}`);
      }
    }
    assert.ok(decoded > mutations / 200 && decoded < mutations * 0.95, String(decoded));
    assert.equal(Object.getOwnPropertyNames(Object.prototype).join(), before);
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  test(`${name} refuses every truncation and anything after the value`, () => {
    const bytes = serializer.encode([{ a: new Map([[1, "é"]]) }, new Date(0)], none).slice();
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => serializer.decode(bytes.subarray(0, end), none), ProtocolError);
    }
    for (const extra of [0xc0, 0x00, 0x31, 0x5d]) {
      const longer = Uint8Array.of(...bytes, extra);
      assert.throws(() => serializer.decode(longer, none), ProtocolError);
    }
  });

  test(`${name} survives 5,000 random messages`, () => {
    const random = generator(7);
    for (let i = 0; i < 5_000; i++) {
      const bytes = Uint8Array.from({ length: random(40) }, () => random(256));
      try {
        serializer.decode(bytes, none);
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String((error as Error)?.stack));
      }
    }
  });
}

/** Mulberry32: numbers below `limit`, the same ones for the same seed. */
function generator(seed: number): (limit: number) => number {
  return (limit) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

/** Flips, replaces, inserts or removes up to four bytes, cuts, or splices two messages. */
function mutate(corpus: Uint8Array[], random: (limit: number) => number): Uint8Array {
  const bytes = [...corpus[random(corpus.length)]!];
  for (let n = random(4) + 1; n > 0; n--) {
    const at = random(bytes.length);
    const kind = random(6);
    if (kind === 0) bytes.splice(at, random(4) + 1);
    else if (kind === 1) bytes.splice(at, 0, random(256));
    else if (kind === 2) {
      bytes.splice(at, bytes.length, ...corpus[random(corpus.length)]!.subarray(random(20)));
    } else if (kind === 3) bytes[at] = random(256);
    else bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
  }
  return Uint8Array.from(bytes);
}

function refused(
  serializer: Serializer,
  bytes: number[] | string | Uint8Array,
  text: RegExp,
): void {
  const input = typeof bytes === "string" ? Buffer.from(bytes) : Uint8Array.from(bytes);
  assert.throws(
    () => serializer.decode(input, freeReferences),
    (error: unknown) => {
      assert.ok(error instanceof ProtocolError, String((error as Error)?.stack));
      assert.match(error.message, text);
      return true;
    },
  );
}

function bigEndian(value: bigint, bytes: number): number[] {
  return Array.from(
    { length: bytes },
    (_, i) => Number((value >> BigInt(8 * (bytes - 1 - i))) & 255n),
  );
}

test("messagepack refuses every header that claims more than there is", () => {
  const claims = [2n, 15n, 255n, 2n ** 16n - 1n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n];
  const sized: [tag: number, bytes: number][] = [
    ...[0xd9, 0xdc, 0xde, 0xc7].map((tag) => [tag, tag === 0xdc || tag === 0xde ? 2 : 1]),
    ...[0xda, 0xc8].map((tag) => [tag, 2]),
    ...[0xdb, 0xdd, 0xdf, 0xc9].map((tag) => [tag, 4]),
  ] as [number, number][];
  let cases = 0;
  for (const [tag, bytes] of sized) {
    for (const claim of claims) {
      if (claim >= 2n ** BigInt(8 * bytes)) continue;
      for (const tail of [[], [0]]) {
        refused(messagePack, [tag, ...bigEndian(claim, bytes), ...tail], /ends|announced/);
        refused(
          messagePack,
          [0x92, 0x01, tag, ...bigEndian(claim, bytes), ...tail],
          /ends|announced/,
        );
        cases++;
      }
    }
  }
  for (const tag of [0x82, 0x8f, 0x92, 0x9f, 0xa2, 0xbf, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8]) {
    refused(messagePack, [tag, 0x01], /ends|announced|key/);
  }
  for (const tag of [0xca, 0xcb, 0xcd, 0xce, 0xcf, 0xd1, 0xd2, 0xd3]) {
    refused(messagePack, [tag, 0x01], /announced/);
  }
  assert.ok(cases > 80);
});

test("messagepack refuses chains of claims that are each within the bytes left", () => {
  const link = [0xdd, 0x00, 0x00, 0xff, 0xff];
  const chain = Uint8Array.from({ length: 72_000 }, (_, i) => link[i % 5]!);
  refused(messagePack, chain, /maxDepth/);
  const short = [...Array(100).fill(link).flat(), ...new Array(70_000).fill(0xc0)];
  refused(messagePack, short, /announced|early/);
});

test("messagepack refuses depth bombs of every container", () => {
  const bombs: [number[], number[]][] = [
    [[0x91], []],
    [[0xdc, 0, 1], []],
    [[0x81, 0xa1, 0x61], []],
    [[0xde, 0, 1, 0xa1, 0x61], []],
    [[0x92, 0xd4, 2, 1], []], // sets
    [[0x93, 0xd4, 2, 0, 1], []], // maps
    [[0x93, 0xd4, 2, 3, 0xa1, 0x61], []], // objects as lists
  ];
  for (const [open, close] of bombs) {
    const bomb = (depth: number) => [
      ...Array.from({ length: depth }, () => open).flat(),
      0xc0,
      ...Array.from({ length: depth }, () => close).flat(),
    ];
    messagePack.decode(Uint8Array.from(bomb(127)), none);
    messagePack.decode(Uint8Array.from(bomb(128)), none);
    refused(messagePack, bomb(129), /maxDepth/);
    refused(messagePack, bomb(1e5), /maxDepth/);
  }
});

test("messagepack bounds the objects of a message", () => {
  const limit = 4_194_304;
  const lists = (count: number) => {
    const bytes = new Uint8Array(5 + count).fill(0x90);
    bytes.set([0xdd, ...bigEndian(BigInt(count), 4)]);
    return bytes;
  };
  assert.equal((messagePack.decode(lists(limit - 1), none) as unknown[]).length, limit - 1);
  refused(messagePack, lists(limit), /More than 4,194,304 objects in one message/);
});

test("messagepack refuses what it never writes", () => {
  const long = "x".repeat(201).split("").map((c) => c.charCodeAt(0));
  const cases: [number[], RegExp][] = [
    [[], /too early/],
    [[0xc1], /0xc1/],
    [[0xc4, 1, 0], /0xc4/],
    [[0xc5, 0, 1, 0], /0xc5/],
    [[0xc6, 0, 0, 0, 1, 0], /0xc6/],
    [[0x81, 0x01, 0x01], /not a string/],
    [[0x81, 0xc0, 0x01], /not a string/],
    [[0x81, 0xa9, ...Buffer.from("__proto__"), 0x80], /__proto__/],
    [[0xa2, 0xc0, 0x80], /UTF-8/], // overlong
    [[0xa3, 0xed, 0xa0, 0x80], /UTF-8/], // a surrogate
    [[0xa1, 0xc3], /UTF-8/], // cut, with more bytes behind
    [[0x92, 0xa1, 0xe2, 0x01], /UTF-8/],
    [[0xa1, 0xff], /UTF-8/],
    [[0x81, 0xa1, 0xff, 0x01], /UTF-8/],
    [[0xd9, 201, ...long.slice(1), 0xff], /UTF-8/],
    [[0xd9, 204, 0xef, 0xbb, 0xbf, ...long], /byte order mark/],
    [[0xc7, 2, 3, 0xc0, 0x80], /decode/], // text
    [[0xd4, 0, 0], /1 bytes instead of 0/],
    [[0xd4, 1, 0], /1 bytes instead of 0/],
    [[0xd4, 2, 9], /kind 9/],
    [[0xd4, 2, 0], /stands alone/],
    [[0x92, 0x01, 0xd4, 2, 0], /stands alone/],
    [[0x81, 0xa1, 0x61, 0xd4, 2, 0], /stands alone/],
    [[0xd4, 4, 0], /bigint/],
    [[0xd5, 4, 2, 1], /bigint/],
    [[0xd4, 5, 0], /1 bytes instead of 8/],
    [[0xd4, 6, 0], /1 bytes instead of 4/],
    [[0xd4, 7, 0], /type 7 is unknown/],
    [[0xd4, 0xff, 0], /type -1 is unknown/],
    [[0xd6, 0xff, 0, 0, 0, 0], /type -1 is unknown/],
    [[0xd5, 24, 0, 0], /whole elements/],
    [[0x92, 0xd4, 2, 0, 1], /key without a value/],
    [[0x92, 0xd4, 2, 3, 1], /key without a value/],
    [[0x93, 0xd4, 2, 3, 1, 1], /not a string/],
    [[0x91, 0xd4, 2, 2], /error/],
    [[0x93, 0xd4, 2, 2, 0xa1, 0x61, 0], /class is unknown/],
    [[0x93, 0xd4, 2, 2, 0xab, ...Buffer.from("constructor"), 0], /class is unknown/],
    [[0x93, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 5], /head is damaged/],
    [[0x93, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 0xff], /head is damaged/],
    [
      [0x94, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 0xca, 0x3f, 0, 0, 0, 0xa1, 0x61],
      /head is damaged/,
    ],
    [[0x94, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 0, 0xa1, 0x61], /key without a value/],
    [[0x93, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 6], /head is damaged/],
    [[0x95, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 1, 0xa1, 0x61, 1], /property is unknown/],
    [
      [0x95, 0xd4, 2, 2, 0xa5, ...Buffer.from("Error"), 1, 0xa5, ...Buffer.from("stack"), 1],
      /stack is not a string/,
    ],
  ];
  for (const [bytes, text] of cases) refused(messagePack, bytes, text);
});

test("json refuses tags that it never writes and depth bombs", () => {
  const cases: [string, RegExp][] = [
    ["", /Cannot decode a value with the serializer "json"/],
    ["nul", /serializer "json"/],
    [`"\\ud800"`, /lone surrogate/],
    [`{"\\udc00":1}`, /lone surrogate/],
    [`{"$":1}`, /beside others or holds no list/],
    [`{"$":["date",0],"a":1}`, /beside others/],
    [`{"$":[]}`, /tag "undefined" is unknown/],
    [`{"$":["constructor",1]}`, /tag "constructor" is unknown/],
    [`{"$":["__proto__"]}`, /unknown/],
    [`{"$":[["date"],1]}`, /unknown/],
    [`{"$":["date"]}`, /wrong contents/],
    [`{"$":["undefined",1]}`, /wrong contents/],
    [`{"$":["date","x"]}`, /number is missing/],
    [`{"$":["number","1"]}`, /none that needs a tag/],
    [`{"$":["number","0x10"]}`, /none that needs a tag/],
    [`{"$":["bigint","xyz"]}`, /base 16/],
    [`{"$":["Uint8Array","A"]}`, /base 64/],
    [`{"$":["Uint8Array","AA=A"]}`, /base 64/],
    [`{"$":["Uint8Array","!!!!"]}`, /base 64/],
    [`{"$":["Float64Array","AAAA"]}`, /whole elements/],
    [`{"$":["map",1]}`, /key without a value/],
    [`{"$":["object",1,1]}`, /not a string/],
    [`{"$":["error","constructor",0]}`, /class is unknown/],
    [`{"$":["error","Error",1,"x",1]}`, /property is unknown/],
  ];
  for (const [text, message] of cases) refused(json, text, message);
  refused(json, Uint8Array.of(0x22, 0xc0, 0x80, 0x22), /serializer "json"/);
  for (const [open, close] of [["[", "]"], [`{"a":`, "}"], [`{"$":["set",`, "]}"]] as const) {
    const bomb = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`;
    json.decode(Buffer.from(bomb(128)), none);
    refused(json, bomb(129), /maxDepth/);
    refused(json, bomb(1e5), /maxDepth|json/);
  }
});

test("json takes a raw __proto__ key as data", () => {
  const value = json.decode(Buffer.from(`{"__proto__":{"polluted":1}}`), none) as object;
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
  assert.deepEqual(Object.keys(value), ["__proto__"]);
  assert.equal((value as Record<string, unknown>).polluted, undefined);
});

test("json and messagepack name the cause of what they could not read", () => {
  for (
    const [serializer, bytes] of [[json, "{"], [messagePack, "\x81\xa9__proto__\x80"]] as const
  ) {
    assert.throws(
      () => serializer.decode(Buffer.from(bytes, "latin1"), none),
      (error: Error) => error instanceof ProtocolError && error.cause instanceof Error,
    );
  }
});

test("references.at() decides about an index that does not exist", () => {
  for (const serializer of serializers) {
    const proxy = Proxies.make();
    const bytes = serializer.encode([proxy], new Proxies(proxy)).slice();
    assert.throws(() => serializer.decode(bytes, none), { message: "no reference 0" });
  }
});

test("plainSerializer() gives its codec only plain data", () => {
  const seen: unknown[] = [];
  const spy = plainSerializer({
    name: "spy",
    encode(value) {
      JSON.stringify(value, (_key, item) => {
        seen.push(item);
        return item;
      });
      return new Uint8Array();
    },
    decode: () => null,
  });
  for (const [, value] of table) spy.encode(value, none);
  for (const item of seen) {
    const isPlain = item === null || ["string", "boolean"].includes(typeof item) ||
      Array.isArray(item) || Number.isSafeInteger(item) && !Object.is(item, -0) ||
      typeof item === "number" && Number.isFinite(item) && !Number.isInteger(item) ||
      typeof item === "object" && Object.getPrototypeOf(item) === Object.prototype &&
        !Object.hasOwn(item, "__proto__");
    assert.ok(isPlain, write(item));
  }
});

test("plainSerializer() checks what its codec does", () => {
  const make = (decoded: unknown) =>
    plainSerializer({ name: "x", encode: () => new Uint8Array(), decode: () => decoded });
  for (const bad of [undefined, 1n, () => {}, new Map(), new Date(), new Uint8Array(1), "\ud800"]) {
    refused(make(bad), [], /./);
    refused(make([bad]), [], /./);
  }
  const bare = Object.assign(Object.create(null), { a: 1 });
  assert.equal(write(make(bare).decode(new Uint8Array(), none)), write({ a: 1 }));
  const polluting = Object.setPrototypeOf({}, { polluted: 1 });
  refused(make(polluting), [], /not plain data/);

  const failing = (error: unknown): Serializer =>
    plainSerializer({
      name: "bad",
      encode() {
        throw error;
      },
      decode() {
        throw error;
      },
    });
  assert.throws(() => failing(new RangeError("Invalid string length")).encode(1, none), {
    name: "LimitExceededError",
    message:
      "Cannot send the value: it does not fit into one message (Invalid string length); send it in parts",
  });
  assert.throws(() => failing(new TypeError("bug")).encode(1, none), {
    name: "SerializeError",
    message: `Cannot send the value: the serializer "bad" failed: bug`,
  });
  for (const thrown of [null, undefined, "text", new RangeError("r")]) {
    assert.throws(() => failing(thrown).decode(new Uint8Array(), none), ProtocolError);
  }
  const wrong = { name: "x", encode: () => "text" as unknown as Uint8Array, decode: () => 1 };
  assert.throws(() => plainSerializer(wrong).encode(1, none), {
    name: "TypeError",
    message: `The serializer "x" must encode to a Uint8Array`,
  });
});

test("plainSerializer() refuses a bad name or codec", () => {
  const codec = { encode: () => new Uint8Array(), decode: () => null };
  plainSerializer({ ...codec, name: "n".repeat(64) });
  for (const name of ["", "n".repeat(65), undefined as unknown as string]) {
    assert.throws(() => plainSerializer({ ...codec, name }), {
      name: "TypeError",
      message: /give it a name of 1 to 64 characters$/,
    });
  }
  const half = { ...codec, name: "half", decode: undefined as unknown as () => null };
  assert.throws(() => plainSerializer(half), { message: /"half": "decode" must be a function/ });
});

test("withRoot() puts a root before the path and leaves other errors alone", () => {
  const error = notSerializable("[0].user", "a function cannot be sent", "pass a queue");
  const rooted = withRoot(error, "args") as SerializeError & { path: string };
  assert.ok(rooted instanceof SerializeError);
  assert.equal(
    rooted.message,
    `Cannot send "args[0].user": a function cannot be sent; pass a queue`,
  );
  assert.equal(rooted.path, "args[0].user");
  const top = withRoot(notSerializable("", "a symbol cannot be sent"), "result") as Error;
  assert.equal(top.message, `Cannot send "result": a symbol cannot be sent`);

  const deep = nested(200, (inner) => [inner]);
  try {
    messagePack.encode(deep, none);
    assert.fail();
  } catch (thrown) {
    const limit = withRoot(thrown, "args") as Error;
    assert.ok(limit instanceof LimitExceededError);
    assert.ok(limit.message.startsWith('Cannot send "args[0][0]'));
    assert.match(limit.message, /": nested deeper/);
    assert.ok(limit.message.length < 500);
  }
  for (const other of [new TypeError("x"), undefined, new SerializeError("no path"), "text"]) {
    assert.equal(withRoot(other, "args"), other);
  }
});
