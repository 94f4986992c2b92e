/** `defineTypes`, `typeid`, and which methods of an object are exposed. */

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { Readable } from "node:stream";
import { test } from "node:test";
import { TimeoutError } from "../lib/errors.ts";
import {
  defineTypes as define,
  exposedMethods,
  findTypeSets,
  isTypeSet,
  iterationOf,
  typeid as withOptions,
  typesOf,
} from "../lib/types.ts";

// What the types refuse as well is tried here: the checks are for those who do not check types.
// deno-lint-ignore no-explicit-any
type Loose = any;
const defineTypes: Loose = define;
const typeid: Loose = withOptions;
const url = "file:///app/types.ts";

class Counter {
  #n: number;
  constructor(n = 0) {
    this.#n = n;
  }
  add(by: number): number {
    return this.#n += by;
  }
}

class AppError extends Error {}

function refuses(run: () => unknown, text: RegExp): void {
  assert.throws(run, (error) => {
    assert.ok(error instanceof TypeError, String(error));
    assert.match(error.message, text);
    return true;
  });
}

test("defineTypes() gives a frozen type set", () => {
  const types = define(url, { Counter });
  assert.equal(types.moduleUrl, url);
  assert.equal(types.definitions.Counter, Counter);
  assert.ok(Object.isFrozen(types) && Object.isFrozen(types.definitions));
});

test("defineTypes() copies the definitions", () => {
  const definitions: Record<string, typeof Counter> = { Counter };
  const types = define(url, definitions);
  definitions.Late = Counter;
  assert.deepEqual(Object.keys(types.definitions), ["Counter"]);
});

test("isTypeSet() is not deceived by data that looks the same", () => {
  const types = define(url, { Counter });
  assert.equal(isTypeSet(types), true);
  assert.equal(isTypeSet({ ...types }), false);
  assert.equal(isTypeSet(Object.create(types)), false);
  assert.equal(isTypeSet(null), false);
});

test("findTypeSets() finds type sets under any name, each once", () => {
  const a = define(url, { Counter });
  const b = define(url, { clock: () => new Counter() });
  assert.deepEqual(findTypeSets({ default: a, a, other: 1, b }), [a, b]);
});

test("defineTypes() refuses a module URL that is none", () => {
  refuses(() => defineTypes("./types.ts", { Counter }), /import\.meta\.url.*"\.\/types\.ts"/);
  refuses(() => defineTypes(undefined, { Counter }), /import\.meta\.url.*undefined/);
  refuses(() => defineTypes(new URL(url), { Counter }), /import\.meta\.url.*an object/);
  refuses(() => defineTypes({ Counter }), /import\.meta\.url/);
});

test("defineTypes() refuses definitions that are no object", () => {
  refuses(() => defineTypes(url), /by name, not undefined/);
  refuses(() => defineTypes(url, [Counter]), /by name, not an array/);
  refuses(() => defineTypes(url, Counter), /by name, not the function "Counter"/);
});

test("defineTypes() refuses the name of a manager member", () => {
  for (const name of ["create", "close", "shutdown", "env", "named", "debugInfo"]) {
    refuses(() => defineTypes(url, { [name]: Counter }), /is a member of the manager/);
  }
});

test("defineTypes() refuses the name of a built-in typeid", () => {
  for (const name of ["list", "lifoQueue", "countDownLatch", "pool"]) {
    refuses(() => defineTypes(url, { [name]: Counter }), /is a built-in typeid/);
  }
});

test("defineTypes() refuses names that JavaScript looks for", () => {
  for (const name of ["then", "constructor", "toJSON", "hasOwnProperty", "__x__", "__proto__"]) {
    refuses(() => defineTypes(url, { [name]: Counter }), /JavaScript gives that name/);
  }
});

test("defineTypes() refuses an empty name and one of more than 128 bytes", () => {
  refuses(() => defineTypes(url, { "": Counter }), /the name is empty/);
  refuses(() => defineTypes(url, { ["é".repeat(65)]: Counter }), /130 bytes, the limit is 128/);
  refuses(() => defineTypes(url, { ["\ud800"]: Counter }), /lone surrogate/);
  define(url, { ["é".repeat(64)]: Counter });
});

test("defineTypes() refuses a value that is no function, naming it", () => {
  refuses(() => defineTypes(url, { Counter: 3 }), /"Counter" takes a class or a function.*not 3/);
  refuses(() => defineTypes(url, { Counter: new Counter() }), /"Counter".*not an object/);
});

test("defineTypes() refuses an exception that is known already", () => {
  refuses(() => defineTypes(url, { TypeError: AppError }), /"TypeError".*known already/);
  refuses(() => defineTypes(url, { TimeoutError: AppError }), /"TimeoutError".*known already/);
  refuses(() => defineTypes(url, { Wrong: RangeError }), /"Wrong".*known already/);
  refuses(() => defineTypes(url, { Late: TimeoutError }), /"Late".*known already/);
});

test("typeid() refuses an unknown option, naming it and the known ones", () => {
  refuses(() => typeid(Counter, { serail: true }), /"serail".*exposed, methodToTypeid, serial/);
  refuses(() => typeid(Counter, { toString: true }), /"toString"/);
});

test("typeid() refuses an option of another type", () => {
  refuses(() => typeid(Counter, { exposed: "add" }), /"exposed".*array of method names.*"add"/);
  refuses(() => typeid(Counter, { exposed: [Symbol.iterator] }), /"exposed"/);
  refuses(() => typeid(Counter, { exposed: ["then"] }), /"exposed".*cannot name "then"/);
  refuses(() => typeid(Counter, { exposed: ["__x__"] }), /cannot name "__x__"/);
  refuses(() => typeid(Counter, { methodToTypeid: { add: Counter } }), /"methodToTypeid"/);
  refuses(() => typeid(Counter, { methodToTypeid: ["add"] }), /"methodToTypeid"/);
  refuses(() => typeid(Counter, { serial: 1 }), /"serial".*true or false.*not 1/);
  refuses(() => typeid(Counter, { caller: "yes" }), /"caller".*array of the methods/);
  refuses(() => typeid(Counter, { readAhead: 0 }), /"readAhead".*positive integer/);
  refuses(() => typeid(Counter, true), /options of typeid\(\) are an object/);
});

test("typeid() refuses what is no function, and exceptions", () => {
  refuses(() => typeid("Counter"), /takes a class or a function.*"Counter"/);
  refuses(() => typeid(typeid(Counter)), /takes a class or a function/);
  refuses(() => typeid(AppError), /"AppError".*names an exception/);
});

test("typeid() copies its options and leaves out undefined ones", () => {
  const exposed: "add"[] = ["add"];
  const value = withOptions(Counter, { exposed, serial: undefined });
  exposed.pop();
  assert.deepEqual(value.options, { exposed: ["add"] });
  assert.ok(Object.isFrozen(value) && Object.isFrozen(value.options.exposed));
});

test("typesOf() gives modules, definitions and exceptions", () => {
  const types = define(url, { Counter, AppError, clock: () => new Counter() });
  const other = define("file:///app/other.ts", { Other: Counter });
  const { modules, definitions, errors } = typesOf([types, other]);
  assert.deepEqual(modules, [
    { url, typeids: ["Counter", "clock"] },
    { url: "file:///app/other.ts", typeids: ["Other"] },
  ]);
  assert.deepEqual([...definitions.keys()], ["Counter", "clock", "Other"]);
  assert.deepEqual([...errors], [["AppError", AppError]]);
});

test("typesOf() of nothing is empty", () => {
  assert.equal(typesOf().definitions.size, 0);
  assert.deepEqual(typesOf([]).modules, []);
});

test("typesOf() lists a module once that defines two type sets", () => {
  const { modules } = typesOf([define(url, { A: Counter }), define(url, { B: Counter })]);
  assert.deepEqual(modules, [{ url, typeids: ["A", "B"] }]);
});

test("typesOf() takes the same type set twice", () => {
  const types = define(url, { Counter });
  assert.equal(typesOf([types, types]).definitions.size, 1);
});

test("typesOf() refuses a name that two type sets define", () => {
  const other = define("file:///app/other.ts", { Counter });
  refuses(
    () => typesOf([define(url, { Counter }), other]),
    /"Counter" is defined twice, in "file:\/\/\/app\/types\.ts" and "file:\/\/\/app\/other\.ts"/,
  );
});

test("typesOf() refuses what defineTypes() did not make", () => {
  refuses(() => typesOf({ Counter } as Loose), /defineTypes\(import\.meta\.url/);
  refuses(() => typesOf([{ moduleUrl: url, definitions: {} }] as Loose), /not an object/);
  refuses(() => typesOf("types" as Loose), /types takes what defineTypes/);
});

test("a class is constructed and its definition names it", () => {
  const definition = typesOf(define(url, { Counter })).definitions.get("Counter");
  assert.equal(definition?.class, Counter);
  assert.equal((definition?.create(4) as Counter).add(1), 5);
});

test("a factory is called, also an async one and an old constructor function", async () => {
  const made = new Counter();
  function Old() {
    return made;
  }
  const { definitions } = typesOf(
    define(url, { Old, clock: () => made, late: async () => await Promise.resolve(made) }),
  );
  assert.equal(definitions.get("clock")?.class, undefined);
  assert.equal(definitions.get("clock")?.create(), made);
  assert.equal(definitions.get("Old")?.create(), made);
  assert.equal(await definitions.get("late")?.create(), made);
});

test("a definition has the options of typeid()", () => {
  const options = { caller: true, methodToTypeid: { add: "list" }, readAhead: 8, serial: true };
  const types = define(url, { Counter: withOptions(Counter, options) });
  const { create: _create, class: Class, ...rest } = typesOf(types).definitions.get("Counter")!;
  assert.equal(Class, Counter);
  assert.deepEqual(rest, options);
});

class Base {
  inherited(): void {}
  shadowed(): void {}
}

class Thing extends Base {
  field = (): void => {};
  override shadowed = "text" as Loose;
  bound = this.method.bind(this);
  method(): void {}
  async later(): Promise<void> {}
  get accessor(): () => void {
    throw new Error("a getter ran");
  }
  set accessor(_value: () => void) {}
  _hidden(): void {}
  __dunder__(): void {}
  then(): void {}
  toJSON(): void {}
  override toString(): string {
    return "";
  }
  override valueOf(): object {
    return this;
  }
  [Symbol.for("symbol")](): void {}
  static make(): void {}
}

test("exposedMethods() of an instance are its classes' public methods", () => {
  assert.deepEqual(exposedMethods(new Thing()), ["method", "later", "inherited"]);
});

test("exposedMethods() of a prototype are those of the class", () => {
  assert.deepEqual(exposedMethods(Thing.prototype), ["method", "later", "inherited", "shadowed"]);
  assert.deepEqual(exposedMethods(Base.prototype), ["inherited", "shadowed"]);
});

test("exposedMethods() has a method that the constructor bound", () => {
  class Bound {
    constructor() {
      this.run = this.run.bind(this);
    }
    run(): void {}
  }
  assert.deepEqual(exposedMethods(new Bound()), ["run"]);
});

test("exposedMethods() leaves out a method that an accessor overrides", () => {
  class Covered extends Base {
    // @ts-expect-error: an accessor in the place of a method
    override get inherited(): () => void {
      throw new Error("a getter ran");
    }
  }
  assert.deepEqual(exposedMethods(new Covered()), ["shadowed"]);
});

test("exposedMethods() of a plain object are its own functions", () => {
  const get = (): void => {};
  const plain = {
    get,
    bound: get.bind(null),
    n: 1,
    _hidden: get,
    toString: () => "",
    Thing,
    get accessor(): () => void {
      throw new Error("a getter ran");
    },
  };
  assert.deepEqual(exposedMethods(plain), ["get", "bound"]);
  assert.deepEqual(exposedMethods(Object.assign(Object.create(null), { get })), ["get"]);
  assert.deepEqual(exposedMethods({}), []);
});

test("exposedMethods() follows a chain of plain objects", () => {
  const parent = { hello(): void {} };
  assert.deepEqual(exposedMethods(Object.create(parent)), ["hello"]);
});

test("exposedMethods() ends at built-in classes", () => {
  class Registry extends Map<string, number> {
    register(): void {}
  }
  class Bus extends EventTarget {
    fire(): void {}
  }
  class Picture extends Blob {
    more(): void {}
  }
  assert.deepEqual(exposedMethods(new Registry()), ["register"]);
  assert.deepEqual(exposedMethods(Registry.prototype), ["register"]);
  assert.deepEqual(exposedMethods(new Bus()), ["fire"]);
  assert.deepEqual(exposedMethods(new Picture()), ["more"]);
  for (const builtIn of [new Map(), [], new Date(), new URL(url), new Error(), new Uint8Array()]) {
    assert.deepEqual(exposedMethods(builtIn), []);
  }
  assert.deepEqual(exposedMethods(Map.prototype), []);
});

test("exposedMethods() ends at node: classes", () => {
  class Emitter extends EventEmitter {
    fire(): void {}
  }
  class Source extends Readable {
    more(): void {}
  }
  assert.deepEqual(exposedMethods(new Emitter()), ["fire"]);
  assert.deepEqual(exposedMethods(Source.prototype), ["more"]);
});

test("exposedMethods() of a generator or an iterator are none", () => {
  function* generate(): Generator<number> {
    yield 1;
  }
  assert.deepEqual(exposedMethods(generate()), []);
  assert.deepEqual(exposedMethods([1].values()), []);
  assert.deepEqual(exposedMethods(new Map().entries()), []);
});

test("exposedMethods() has a user's class that a global names", () => {
  class GlobalThing {
    run(): void {}
  }
  Reflect.set(globalThis, "GlobalThing", GlobalThing);
  try {
    assert.deepEqual(exposedMethods(new GlobalThing()), ["run"]);
  } finally {
    Reflect.deleteProperty(globalThis, "GlobalThing");
  }
});

test("exposed narrows, each name once", () => {
  assert.deepEqual(exposedMethods(new Thing(), ["later", "later"]), ["later"]);
  assert.deepEqual(exposedMethods(new Thing(), []), []);
});

test("exposed may name a _name, a field with a function, and a built-in's method", () => {
  assert.deepEqual(exposedMethods(new Thing(), ["_hidden", "field"]), ["_hidden", "field"]);
  assert.deepEqual(exposedMethods(new Map(), ["get", "set"]), ["get", "set"]);
});

test("exposed of a prototype may name a field, which no instance shows yet", () => {
  assert.deepEqual(exposedMethods(Thing.prototype, ["field"]), ["field"]);
});

test("exposed may never name a name that is never exposed", () => {
  for (const name of ["then", "constructor", "toJSON", "toString", "valueOf", "__dunder__"]) {
    refuses(() => exposedMethods(new Thing(), [name]), new RegExp(`Cannot expose "${name}"`));
  }
});

test("exposed refuses what is not there, naming it", () => {
  refuses(() => exposedMethods(new Thing(), ["nope"]), /"nope": class "Thing" has no method/);
  refuses(() => exposedMethods({}, ["nope"]), /"nope": the object has no method/);
  refuses(() => exposedMethods(new Thing(), ["hasOwnProperty"]), /"hasOwnProperty"/);
});

test("exposed refuses an accessor and a value, without running a getter", () => {
  refuses(() => exposedMethods(new Thing(), ["accessor"]), /"accessor": it is an accessor/);
  refuses(() => exposedMethods(new Thing(), ["shadowed"]), /"shadowed": it is no function/);
  refuses(() => exposedMethods(Thing.prototype, ["accessor"]), /"accessor": it is an accessor/);
});

test("iterationOf() tells how an object is iterated", () => {
  class Sync {
    *[Symbol.iterator](): Generator<number> {}
  }
  class Both extends Sync {
    async *[Symbol.asyncIterator](): AsyncGenerator<number> {}
  }
  assert.equal(iterationOf(new Sync()), "sync");
  assert.equal(iterationOf(Sync.prototype), "sync");
  assert.equal(iterationOf(new Both()), "async");
  assert.equal(iterationOf({ *[Symbol.iterator]() {} }), "sync");
  assert.equal(iterationOf(new Counter()), undefined);
});

test("iterationOf() leaves out built-in classes and accessors", () => {
  class Accessor {
    get [Symbol.iterator](): never {
      throw new Error("a getter ran");
    }
  }
  assert.equal(iterationOf(new Map()), undefined);
  assert.equal(iterationOf([]), undefined);
  assert.equal(iterationOf(new Accessor()), undefined);
});
