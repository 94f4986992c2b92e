/**
 * Tests of proxies: what they are, the functions that work on them, how they travel, and how the
 * server's objects behave behind them. Mostly in memory; tickets need a socket.
 */
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import test from "node:test";
import { inspect } from "node:util";
import {
  type Caller,
  callMethod,
  DeadlockError,
  defineTypes,
  exportProxy,
  getValue,
  isProxy,
  type ListProxy,
  Manager,
  ManagerError,
  type ManagerOf,
  type NamespaceProxy,
  NotExposedError,
  ReleasedError,
  releaseProxy,
  type Remote,
  RemoteError,
  repr,
  SerializeError,
  str,
  TimeoutError,
  tokenOf,
  typeid,
  UnknownObjectError,
  withOptions,
} from "../mod.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { collectGarbage as collect } from "./support/garbage.ts";

/** A promise that the test settles. */
function later<T = void>() {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((res, rej) => [resolve, reject] = [res, rej]);
  return { promise, resolve, reject };
}

// The referents.

class Counter {
  #n: number;
  constructor(n = 0) {
    this.#n = n;
  }
  add(by = 1): number {
    return this.#n += by;
  }
}

/** Keeps a value, and with it whatever proxies are in it. */
class Box {
  #content: unknown;
  constructor(content?: unknown) {
    this.#content = content;
  }
  put(content: unknown): void {
    this.#content = content;
  }
  take(): unknown {
    return this.#content;
  }
  isSameAs(other: unknown): boolean {
    return other === this.#content;
  }
}

/** Methods that stay unfinished until the test opens the gate. */
class Slow {
  #gate = later();
  #started = 0;
  async pass<T>(value: T): Promise<T> {
    this.#started++;
    await this.#gate.promise;
    return value;
  }
  started(): number {
    return this.#started;
  }
  open(): void {
    this.#gate.resolve();
  }
}

class Base {
  inherited(): string {
    return "inherited";
  }
  overridden(): string {
    return "base";
  }
}

class Rules extends Base {
  static accessed = 0;
  data = 1;
  field = (): string => "field";
  override overridden(): string {
    return `own, and ${super.overridden()}`;
  }
  get accessor(): () => number {
    Rules.accessed++;
    return () => 1;
  }
  _hidden(): string {
    return "hidden";
  }
  __dunder__(): string {
    return "dunder";
  }
  then(): never {
    throw new Error("then was called");
  }
  toJSON(): string {
    return "json";
  }
  override toString(): string {
    return "Rules of its own";
  }
  override valueOf(): number {
    return 1;
  }
}

class Emitter extends EventEmitter {
  ping(): string {
    return "pong";
  }
}

class Numbers {
  #steps = 0;
  #finished = 0;
  #gate = later();
  *range(end: number): Generator<number> {
    try {
      for (let i = 0; i < end; i++) {
        this.#steps++;
        yield i;
      }
    } finally {
      this.#finished++;
    }
  }
  async *eventually(end: number): AsyncGenerator<number> {
    try {
      for (let i = 0; i < end; i++) {
        await undefined;
        this.#steps++;
        yield i;
      }
    } finally {
      this.#finished++;
    }
  }
  // deno-lint-ignore require-yield -- its first step never ends
  async *never(): AsyncGenerator<number> {
    await new Promise<never>(() => {});
  }
  *failing(after: number): Generator<number> {
    yield* this.range(after);
    throw new RangeError("no more numbers");
  }
  async *failingLater(after: number): AsyncGenerator<number> {
    yield* this.eventually(after);
    throw new RangeError("no more numbers");
  }
  *unsendable(): Generator<unknown> {
    try {
      yield 1;
      yield () => 2;
    } finally {
      this.#finished++;
    }
  }
  async *unsendableLater(): AsyncGenerator<unknown> {
    yield* this.unsendable();
  }
  oddReturn(): Iterator<number> & Iterable<number> {
    return {
      next: () => ({ value: 1, done: false }),
      return: () => {
        this.#finished++;
        return { value: (() => 1) as unknown as number, done: true };
      },
      [Symbol.iterator]() {
        return this;
      },
    };
  }
  async slowRange(end: number): Promise<Generator<number>> {
    this.#steps++;
    await this.#gate.promise;
    const range = this.range(end);
    range.next();
    return range;
  }
  open(): void {
    this.#gate.resolve();
  }
  nested(): unknown {
    return { here: [this.range(3)] };
  }
  counts(): { steps: number; finished: number } {
    return { steps: this.#steps, finished: this.#finished };
  }
  *[Symbol.iterator](): Generator<number> {
    yield* this.range(3);
  }
}

class Countdown {
  async *[Symbol.asyncIterator](): AsyncGenerator<number> {
    yield 2;
    await undefined;
    yield 1;
  }
  noop(): void {}
}

class Account {
  #balance = 0;
  deposit(amount: number): number {
    return this.#balance += amount;
  }
}

class Bank {
  #accounts = new Map<string, Account>();
  open(name: string): Account {
    let account = this.#accounts.get(name);
    if (!account) this.#accounts.set(name, account = new Account());
    return account;
  }
  find(name: string): Account | undefined {
    return this.#accounts.get(name);
  }
  nobody(): null {
    return null;
  }
  async openLater(name: string): Promise<Account> {
    await undefined;
    return this.open(name);
  }
  names(): string[] {
    return [...this.#accounts.keys()];
  }
  through(proxy: unknown): unknown {
    return proxy;
  }
  misfit(): object {
    return new Map();
  }
  noList(): unknown {
    return 5;
  }
  leak(): Account {
    return new Account();
  }
}

/** One call at a time. */
class Ledger {
  #inside = 0;
  #most = 0;
  #self: Remote<Ledger> | undefined;
  #afterwards = 0;
  remember(self: Remote<Ledger>): void {
    this.#self = self;
  }
  async work(other?: { add(by: number): Promise<number> }): Promise<number> {
    this.#most = Math.max(this.#most, ++this.#inside);
    await other?.add(1);
    await new Promise((resolve) => setTimeout(resolve, 1));
    this.#inside--;
    return this.#most;
  }
  async failLater(): Promise<never> {
    await undefined;
    throw new Error("failed in series");
  }
  fail(): never {
    throw new Error("failed at once");
  }
  async callSelf(): Promise<unknown> {
    return await this.#self!.work();
  }
  async callThrough(other: Remote<Bridge>): Promise<unknown> {
    return await other.cross(this.#self!);
  }
  async callThis(): Promise<number> {
    return await this.work();
  }
  async readSelf(): Promise<string> {
    return await str(this.#self);
  }
  /** Calls itself once this call is over. */
  async callAfterwards(): Promise<void> {
    await undefined;
    const over = later();
    over.promise.then(() => this.#self!.work()).then(() => this.#afterwards++);
    setTimeout(over.resolve, 1);
  }
  afterwards(): number {
    return this.#afterwards;
  }
}

class Bridge {
  async cross(ledger: Remote<Ledger>): Promise<number> {
    return await ledger.work();
  }
}

/** Only one of its methods declares a caller. */
class Desk {
  who(caller: Caller): string {
    return caller.id;
  }
  next(number: number): number {
    return number + 1;
  }
}

/** Says who called. */
class Reception {
  #signals: AbortSignal[] = [];
  who(caller: Caller): string {
    return caller.id;
  }
  second(a: unknown, b: unknown, caller: Caller): unknown[] {
    return [a, b, caller.id];
  }
  any(...args: unknown[]): unknown[] {
    const { id } = args.pop() as Caller;
    return [...args, id];
  }
  async stay(caller: Caller): Promise<never> {
    this.#signals.push(caller.signal);
    return await new Promise<never>(() => {});
  }
  aborted(): boolean[] {
    return this.#signals.map((signal) => signal.aborted);
  }
  shared(caller: Caller): { first: unknown; again: unknown } {
    const account = new Account();
    return { first: caller.share(account, "Account"), again: caller.share(account, "Account") };
  }
  sharedAs(typeid: string, caller: Caller): unknown {
    return [caller.share(new Map([["a", 1]]), typeid)];
  }
}

/** Uses the proxies that it is given, in the server. */
class Helper {
  async sum(list: AsyncIterable<number>): Promise<number> {
    let sum = 0;
    for await (const item of list) sum += item;
    return sum;
  }
  async changes(list: ListProxy<{ n: number }>): Promise<unknown[]> {
    const first = (await list.at(0))!;
    first.n = 99;
    return [first.n, (await list.at(0))!.n];
  }
  async describe(proxy: unknown): Promise<unknown[]> {
    return [isProxy(proxy), repr(proxy), await str(proxy), await getValue(proxy)];
  }
  token(proxy: unknown): unknown {
    return tokenOf(proxy);
  }
  same(a: unknown, b: { nested: unknown[] }): boolean {
    return a === b.nested[0];
  }
  /** What is called runs after this method's synchronous part. */
  async order(list: ListProxy<string>): Promise<unknown> {
    const pushed = list.push("called");
    const copy = list.length();
    await pushed;
    return await copy;
  }
  async me(self: Remote<Helper>, depth: number): Promise<number> {
    return depth === 0 ? 0 : 1 + await self.me(self, depth - 1);
  }
  async sendFunction(list: ListProxy<unknown>): Promise<void> {
    await list.push({ deep: () => 1 });
  }
  async timeOut(slow: Remote<Slow>): Promise<unknown> {
    return await callMethod(slow, "pass", [1], { timeout: 1 });
  }
  async abort(slow: Remote<Slow>): Promise<unknown> {
    const controller = new AbortController();
    const call = callMethod(slow, "pass", [1], { signal: controller.signal });
    controller.abort(new RangeError("given up in the server"));
    return await call;
  }
  async notExposed(proxy: unknown): Promise<unknown> {
    return await callMethod(proxy, "nonsense");
  }
  async ticket(proxy: unknown): Promise<string> {
    return await exportProxy(proxy);
  }
}

let constructed = 0;
class PaymentError extends Error {
  static {
    this.prototype.name = "PaymentError";
  }
  readonly amount: number;
  constructor(amount: number) {
    super(`cannot pay ${amount}`);
    this.amount = amount;
    constructed++;
  }
  double(): number {
    return this.amount * 2;
  }
}

/** Known to the server's code only. */
class SecretError extends TypeError {
  code = "E_SECRET";
  details = { list: [1, 2] };
  helper = (): void => {};
}

const hostile = {
  toString(): string {
    throw new Error("toString was called");
  },
};

const throwables: Record<string, () => unknown> = {
  range: () => new RangeError("out of range"),
  aggregate: () => new AggregateError([new TypeError("one"), new SecretError("two")], "both"),
  causes: () =>
    new Error("outer", { cause: new SyntaxError("middle", { cause: { plain: "root" } }) }),
  undefinedCause: () => new Error("outer", { cause: undefined }),
  selfCause: () => {
    const error: Error & { cause?: unknown } = new Error("round");
    error.cause = error;
    return error;
  },
  own: () => Object.assign(new Error("own"), { code: "E_OWN", at: new Date(0), skip: () => {} }),
  accessor: () => Object.defineProperty(new Error("get"), "x", { get: () => 1, enumerable: true }),
  named: () => Object.assign(new Error("named"), { name: "SpecialError" }),
  payment: () => new PaymentError(5),
  secret: () => new SecretError("secret"),
  dom: () => new DOMException("aborted", "AbortError"),
  manager: () => new UnknownObjectError("nothing here"),
  undefined: () => undefined,
  null: () => null,
  text: () => "just text",
  object: () => ({ code: 5, deep: [1] }),
  function: () => () => 1,
  symbol: () => Symbol("mark"),
  hostile: () => hostile,
  bare: () => Object.create(null, { f: { value: () => 1, enumerable: true } }),
  hostileError: () =>
    Object.defineProperty(new Error("x"), "message", {
      get() {
        throw new Error("message was read");
      },
    }),
  constructorName: () => Object.assign(new Error("odd"), { name: "constructor" }),
  huge: () => new Error("x".repeat(1024 * 1024)),
};

class Thrower {
  now(kind: string): never {
    throw throwables[kind]!();
  }
  async soon(kind: string): Promise<never> {
    await undefined;
    throw throwables[kind]!();
  }
  withProxy(proxy: object): never {
    throw Object.assign(new RangeError("with a proxy"), { proxy });
  }
}

const types = defineTypes(import.meta.url, {
  Counter,
  Box,
  Slow,
  Rules,
  Narrow: typeid(Rules, { exposed: ["_hidden", "field", "overridden"] }),
  Emitter,
  plain: () => ({
    value: 1,
    greet: () => "hello",
    shout() {
      return "HELLO";
    },
    _hidden: () => "hidden",
  }),
  data: () => ({ a: 1, b: [null, true] }),
  Numbers,
  Ahead: typeid(Numbers, { readAhead: 4 }),
  Countdown,
  Account,
  Bank: typeid(Bank, {
    methodToTypeid: {
      open: "Account",
      find: "Account",
      nobody: "Account",
      openLater: "Account",
      names: "list",
      through: "Account",
      misfit: "Account",
      noList: "list",
    },
  }),
  Ledger: typeid(Ledger, { serial: true }),
  Bridge,
  Reception: typeid(Reception, { caller: true }),
  Desk: typeid(Desk, { caller: ["who"] }),
  Helper,
  Thrower,
  PaymentError,
});
type TestManager = ManagerOf<typeof types>;

// Managers for one test.

async function withManager(body: (manager: TestManager) => Promise<void>): Promise<void> {
  const manager = await Manager.local({ types, shutdownTimeout: 1 });
  try {
    await body(manager);
  } finally {
    await manager.shutdown();
  }
}

/** Two sessions with one server in memory. */
async function withSessions(
  body: (first: TestManager, second: TestManager) => Promise<void>,
): Promise<void> {
  await withManager(async (first) => {
    const second = await Manager.connect({ address: first.address, types });
    try {
      await body(first, second);
    } finally {
      await second.close();
    }
  });
}

/** A server behind a socket, and clients of it, each with a connection of its own. */
async function withServer(body: (join: () => Promise<TestManager>) => Promise<void>) {
  const server = await Manager.serve({ types, shutdownTimeout: 1 });
  const clients: TestManager[] = [];
  try {
    await body(async () => {
      const { address } = server;
      const authkey = server.env["REFERENT_AUTHKEY"]!;
      clients.push(await Manager.connect({ address, authkey, types }));
      return clients.at(-1)!;
    });
  } finally {
    for (const client of clients) await client.close();
    await server.close();
  }
}

/** The promise's rejection, which must come. */
async function rejection(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Error & Record<string, unknown>;
  }
  throw new assert.AssertionError({ message: `it resolved to ${inspect(value)}` });
}

function methodsOf(proxy: object): string[] {
  return Object.keys(Object.getPrototypeOf(proxy)).sort();
}

async function iterators(manager: TestManager): Promise<number> {
  const { sessions } = await manager.debugInfo();
  return Object.values(sessions).reduce((sum, session) => sum + session["iterators"]!, 0);
}

// What a proxy is.

test("repr() and String() of a proxy name its interface, typeid and object", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    const counter = await manager.Counter(3);
    const number = tokenOf(list).id.split("-").at(-1)!;
    const text = `<ListProxy object, typeid 'list' at 0x${Number(number).toString(16)}>`;
    assert.equal(repr(list), text);
    assert.equal(String(list), text);
    assert.equal(`${list}`, text);
    assert.match(repr(counter), /^<AutoProxy\[Counter\] object, typeid 'Counter' at 0x[0-9a-f]+>$/);
    assert.match(repr(await manager.namespace()), /^<NamespaceProxy object, typeid 'namespace'/);
  }));

test("the runtime's own inspector prints a proxy as repr() does, also inside values", () =>
  withManager(async (manager) => {
    const proxies = [await manager.dict(), await manager.Counter(), await manager.namespace()];
    const runtime = globalThis as {
      Deno?: { inspect(value: unknown): string };
      Bun?: { inspect(value: unknown): string };
    };
    const inspectors = [inspect, runtime.Deno?.inspect, runtime.Bun?.inspect];
    for (const proxy of proxies) {
      for (const print of inspectors) {
        if (!print) continue;
        assert.equal(print(proxy), repr(proxy));
        assert.ok(print({ nested: [proxy] }).includes(repr(proxy)));
        assert.equal(print(withOptions(proxy, { timeout: 5 })), repr(proxy));
      }
    }
  }));

test("console.log() prints a proxy as repr() does", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    const lines: string[] = [];
    const { log } = console;
    console.log = (...values: unknown[]) => lines.push(values.map((x) => inspect(x)).join(" "));
    try {
      console.log(list);
    } finally {
      console.log = log;
    }
    assert.deepEqual(lines, [repr(list)]);
  }));

test("str() gives the referent in Python's spelling, and a proxy inside as its repr()", () =>
  withManager(async (manager) => {
    const inner = await manager.list(["in"]);
    const outer = await manager.list([1, 2, "hello", true, null, undefined, inner]);
    assert.equal(await str(outer), `[1, 2, 'hello', True, None, None, ${repr(inner)}]`);
    assert.equal(await str(await manager.dict({ a: 1, b: 2 })), "{'a': 1, 'b': 2}");
    assert.equal(
      await str(await manager.namespace({ x: 10, y: "hello" })),
      "Namespace(x=10, y='hello')",
    );
  }));

test("str() of a class is its own toString(), else its name; of plain data the data", () =>
  withManager(async (manager) => {
    assert.equal(await str(await manager.Rules()), "Rules of its own");
    assert.equal(await str(await manager.Counter()), "<Counter object>");
    assert.equal(await str(await manager.data()), "{'a': 1, 'b': [None, True]}");
  }));

test("str(), repr(), tokenOf(), getValue() and callMethod() of anything but a proxy are TypeErrors", async () => {
  for (const value of [undefined, null, 5, "text", {}, [], () => {}, Object.create(null)]) {
    assert.equal(isProxy(value), false);
    assert.throws(() => tokenOf(value), TypeError);
    assert.throws(() => repr(value), TypeError);
    assert.throws(() => releaseProxy(value), TypeError);
    assert.throws(() => withOptions(value as object, {}), TypeError);
    await assert.rejects(str(value), TypeError);
    await assert.rejects(getValue(value), TypeError);
    await assert.rejects(callMethod(value, "at"), TypeError);
    await assert.rejects(exportProxy(value), TypeError);
  }
});

test("an object that pretends to be a proxy is none", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    const heir = Object.create(list);
    const twin = Object.create(Object.getPrototypeOf(list));
    for (const impostor of [heir, twin, new Proxy(list, {})]) {
      assert.equal(isProxy(impostor), false);
    }
    await assert.rejects(twin.length(), /without its proxy/);
    await assert.rejects(
      Promise.resolve().then(async () => {
        const { length } = list;
        await (length as () => Promise<number>)();
      }),
      /Cannot call "length" without its proxy/,
    );
  }));

test("tokenOf() gives typeid, address and an id that is never used again", () =>
  withManager(async (manager) => {
    const seen = new Set<string>();
    for (let i = 0; i < 5; i++) {
      const list = await manager.list();
      const { typeid, address, id } = tokenOf(list);
      assert.deepEqual([typeid, address], ["list", manager.address]);
      assert.match(id, /^[^-]+-\d+$/);
      seen.add(id);
      releaseProxy(list);
    }
    assert.equal(seen.size, 5);
  }));

test("a proxy has exactly the exposed methods: every other name is undefined", () =>
  withManager(async (manager) => {
    const counter = await manager.Counter() as unknown as Record<string, unknown>;
    assert.deepEqual(methodsOf(counter), ["add"]);
    for (
      const name of [
        ...["then", "catch", "finally", "constructor", "prototype", "__proto__", "toString"],
        ...["valueOf", "hasOwnProperty", "isPrototypeOf", "__defineGetter__", "__lookupGetter__"],
        ...["length", "name", "nonsense", "", "#n"],
      ]
    ) assert.equal(counter[name], undefined, name);
    assert.equal("then" in counter, false);
    assert.equal(counter instanceof Object, false);
  }));

test("a proxy is never thenable: await and Promise.resolve() give the proxy itself", () =>
  withManager(async (manager) => {
    for (const proxy of [await manager.Rules(), await manager.namespace({ then: 1 })]) {
      assert.equal((proxy as { then?: unknown }).then, undefined);
      assert.equal(await proxy, proxy);
      assert.equal(await Promise.resolve(proxy), proxy);
    }
  }));

test("JSON.stringify() and structuredClone() of a proxy throw and say what to do", () =>
  withManager(async (manager) => {
    const proxies = [await manager.list([1]), await manager.Counter(), await manager.namespace()];
    for (const proxy of proxies) {
      assert.throws(() => JSON.stringify(proxy), /getValue\(proxy\)/);
      assert.throws(() => JSON.stringify({ deep: [proxy] }), TypeError);
      assert.throws(() => structuredClone(proxy));
      assert.throws(() => structuredClone({ deep: [proxy] }));
    }
  }));

test("a proxy's methods cannot be replaced", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    const prototype = Object.getPrototypeOf(list);
    assert.ok(Object.isFrozen(prototype));
    assert.throws(() => {
      "use strict";
      prototype.length = () => 5;
    }, TypeError);
  }));

// callMethod and getValue.

test("callMethod() evaluates an exposed method and gives a copy or a proxy", () =>
  withManager(async (manager) => {
    const list = await manager.list([[1], [2]]);
    assert.deepEqual(await callMethod(list, "at", [1]), [2]);
    assert.equal(await callMethod(list, "length"), 2);
    const copy = await callMethod<number[]>(list, "at", [0]);
    copy.push(5);
    assert.deepEqual(await callMethod(list, "at", [0]), [1]);
    const bank = await manager.Bank();
    assert.ok(isProxy(await callMethod(bank, "open", ["Ann"])));
  }));

test("callMethod() of a name that is not exposed is refused with the name and the typeid", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    await assert.rejects(
      callMethod(list, "nonsense"),
      new NotExposedError('Cannot call "nonsense" on typeid "list": method is not exposed'),
    );
    const counter = await manager.Counter();
    for (const name of ["constructor", "__proto__", "toString", "then", "#n", "hasOwnProperty"]) {
      await assert.rejects(callMethod(counter, name), NotExposedError);
    }
  }));

test("callMethod() throws the exception of the referent again", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    await assert.rejects(callMethod(list, "set", [7, 1]), RangeError);
  }));

test("getValue() gives a copy in the type of the typeid, nested proxies stay proxies", () =>
  withManager(async (manager) => {
    const inner = await manager.list([1]);
    const list = await manager.list<unknown>([inner, { deep: inner }]);
    const copy = await getValue<[object, { deep: object }]>(list);
    assert.ok(copy[0] === inner && copy[1].deep === inner);
    assert.deepEqual(await getValue(await manager.dict({ a: 1 })), new Map([["a", 1]]));
    assert.deepEqual(await getValue(await manager.set([1, 2])), new Set([1, 2]));
    assert.deepEqual(await getValue(await manager.namespace({ x: 1 })), { x: 1 });
    assert.deepEqual(await getValue(await manager.data()), { a: 1, b: [null, true] });
  }));

test("getValue() of a class instance is a SerializeError that says to add a method", () =>
  withManager(async (manager) => {
    const error = await rejection(getValue(await manager.Counter()));
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /add a method to typeid "Counter"/);
  }));

// withOptions.

test("a view counts as its proxy: isProxy, tokenOf, repr and as an argument", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    const view = withOptions(list, { timeout: 60_000 });
    assert.notEqual(view, list);
    assert.ok(isProxy(view));
    assert.deepEqual(tokenOf(view), tokenOf(list));
    assert.equal(repr(view), repr(list));
    assert.equal(await view.at(0), 1);
    const box = await manager.Box(list);
    assert.equal(await box.isSameAs(view), true);
    await box.put(view);
    assert.equal(await box.take(), list);
  }));

test("a view has no hold of its own", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    const view = withOptions(list, {});
    const { objects } = await manager.debugInfo();
    assert.deepEqual(objects.map(({ holds }) => Object.values(holds)), [[1]]);
    releaseProxy(list);
    await assert.rejects(view.at(0), ReleasedError);
  }));

test("a view's timeout ends its calls with TimeoutError, and only its own", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    const patient = slow.pass("patient");
    const error = await rejection(withOptions(slow, { timeout: 1 }).pass("hasty"));
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /"pass" on typeid "Slow" did not finish in 1 ms/);
    await slow.open();
    assert.equal(await patient, "patient");
  }));

test("a view's signal ends its calls with the signal's reason", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    const controller = new AbortController();
    const call = withOptions(slow, { signal: controller.signal }).pass(1);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    assert.equal(await rejection(call), reason);
  }));

test("an abort reason that is no Error arrives as it is, also undefined and null", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    for (const reason of [null, 0, "", false]) {
      const controller = new AbortController();
      const call = callMethod(slow, "pass", [1], { signal: controller.signal });
      controller.abort(reason);
      let caught: { value: unknown } | undefined;
      await call.catch((value) => caught = { value });
      assert.deepEqual(caught, { value: reason });
    }
  }));

test("a signal that is aborted already means that the method never runs", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    const reason = new Error("too late");
    const view = withOptions(slow, { signal: AbortSignal.abort(reason) });
    assert.equal(await rejection(view.pass(1)), reason);
    assert.equal(await rejection(str(view)), reason);
    assert.equal(await slow.started(), 0);
  }));

test("the call's own options win over the view's, and views of views add up", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    const hasty = withOptions(slow, { timeout: 1 });
    const controller = new AbortController();
    const both = withOptions(hasty, { timeout: Infinity, signal: controller.signal });
    const calls = [callMethod(hasty, "pass", [1], { timeout: Infinity }), both.pass(2)];
    const aborted = callMethod(both, "pass", [3], { timeout: 60_000 });
    await assert.rejects(hasty.pass(0), TimeoutError);
    await slow.open();
    assert.deepEqual(await Promise.all(calls), [1, 2]);
    assert.equal(await aborted, 3);
    controller.abort(new Error("over"));
    await assert.rejects(both.pass(4), /over/);
  }));

test("what is no proxy is named in the refusal, a promise with the cure", () => {
  const promise = Promise.resolve();
  assert.throws(() => repr(promise), /"?\[object Promise\]"? is not a proxy; .*await it first/);
  for (const value of [[], {}, Object.create(null)]) {
    assert.throws(() => repr(value), {
      name: "TypeError",
      message: /\[object \w+\] is not a proxy/,
    });
  }
});

test("options and arguments of the wrong shape are TypeErrors, never ignored", () =>
  withManager(async (manager) => {
    const list = await manager.list([1]);
    const wrong = {
      name: "TypeError",
      message: /^Options must be an object such as \{.*got "(5|null)"$/,
    };
    for (const bad of [5, null] as never[]) {
      assert.throws(() => withOptions(list, bad), wrong);
      assert.throws(() => releaseProxy(list, bad), wrong);
      await assert.rejects(exportProxy(list, bad), wrong);
      await assert.rejects(manager.publish("name", list, bad), wrong);
      await assert.rejects(manager.join(bad), wrong);
      await assert.rejects(manager.shutdown(bad), wrong);
    }
    await assert.rejects(callMethod(list, "at", [0], 5 as never), wrong);
    const misspelt = { timeuot: 1 } as never;
    const unknown = { name: "TypeError", message: /\(\) has no option "timeuot": it takes \w+/ };
    assert.throws(() => withOptions(list, misspelt), unknown);
    assert.throws(() => releaseProxy(list, misspelt), unknown);
    await assert.rejects(exportProxy(list, misspelt), unknown);
    await assert.rejects(callMethod(list, "at", [0], misspelt), unknown);
    await assert.rejects(manager.publish("name", list, misspelt), unknown);
    await assert.rejects(manager.join(misspelt), unknown);
    await assert.rejects(manager.shutdown(misspelt), unknown);
    const condition = await manager.condition();
    await condition.withLock(async (guard) => {
      await assert.rejects(condition.waitFor(guard, () => true, misspelt), unknown);
    });
    for (const bad of [0, "0", null] as never[]) {
      await assert.rejects(callMethod(list, "at", bad), {
        name: "TypeError",
        message: /callMethod\(\) takes the arguments of "at" as an array/,
      });
    }
    assert.equal(await list.length(), 1);
  }));

test("bad options are refused at once", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    for (const timeout of [-1, NaN, "5", null]) {
      assert.throws(() => withOptions(list, { timeout: timeout as number }), RangeError);
      await assert.rejects(
        callMethod(list, "length", [], { timeout: timeout as number }),
        RangeError,
      );
    }
    assert.throws(() => withOptions(list, { signal: {} as AbortSignal }), TypeError);
  }));

test("callTimeout ends calls that do not wait for another caller", async () => {
  const manager = await Manager.local({ types, callTimeout: 500, shutdownTimeout: 1 });
  try {
    const slow = await manager.Slow();
    await assert.rejects(slow.pass(1), TimeoutError);
  } finally {
    await manager.shutdown();
  }
});

test("a late result of a call that nobody waits for is given back", () =>
  withManager(async (manager) => {
    const slow = await manager.Slow();
    const list = await manager.list([1]);
    await assert.rejects(callMethod(slow, "pass", [list], { timeout: 1 }), TimeoutError);
    await slow.open();
    await eventually("one receipt of each", async () => {
      const { objects, sessions } = await manager.debugInfo();
      const receipts = objects.flatMap(({ holds }) => Object.values(holds));
      return Object.values(sessions)[0]!["running"] === 0 && receipts.every((n) => n === 1);
    });
  }));

// Receipts.

test("each occurrence in a message is one receipt; the proxy dies with the last one", () =>
  withManager(async (manager) => {
    const item = await manager.list([1]); // 1
    const box = await manager.Box([item, { item }]);
    const [first] = await box.take() as [ListProxy<number>]; // 3
    assert.equal(first, item);
    const held = async () => {
      const { objects } = await manager.debugInfo();
      return objects.find(({ typeid }) => typeid === "list")?.holds;
    };
    assert.deepEqual(Object.values((await held())!), [3]);
    releaseProxy(item);
    releaseProxy(item);
    assert.equal(await item.at(0), 1);
    assert.deepEqual(Object.values((await held())!), [1]);
    item[Symbol.dispose]();
    assert.equal(await held(), undefined);
    const error = await rejection(item.at(0));
    assert.ok(error instanceof ReleasedError);
    assert.equal(
      error.message,
      `Cannot use ${repr(item)}: it was released; receive the object again to get a new proxy`,
    );
  }));

test("an object that is received again after its release has a new proxy", () =>
  withManager(async (manager) => {
    const item = await manager.list([1]);
    const box = await manager.Box(item);
    releaseProxy(item, { all: true });
    const again = await box.take() as ListProxy<number>;
    assert.notEqual(again, item);
    assert.equal(await again.at(0), 1);
    assert.equal(await box.isSameAs(again), true);
    assert.deepEqual(tokenOf(again), tokenOf(item));
    await assert.rejects(item.at(0), ReleasedError);
  }));

test("releaseProxy({ all: true }) gives back every receipt, and again it does nothing", () =>
  withManager(async (manager) => {
    const item = await manager.list([1]);
    const box = await manager.Box([item, item]);
    await box.take();
    releaseProxy(item, { all: true });
    releaseProxy(item);
    releaseProxy(item, { all: true });
    item[Symbol.dispose]();
    await assert.rejects(item.at(0), ReleasedError);
    const { objects } = await manager.debugInfo();
    assert.deepEqual(objects.map(({ typeid }) => typeid), ["Box"]);
    assert.ok(isProxy(box)); // and so it was not collected before
  }));

test("a released proxy cannot be sent, copied, represented by its server or exported", () =>
  withManager(async (manager) => {
    const item = await manager.list([1]);
    const box = await manager.Box();
    releaseProxy(item);
    await assert.rejects(box.put({ item }), ReleasedError);
    await assert.rejects(str(item), ReleasedError);
    await assert.rejects(getValue(item), ReleasedError);
    await assert.rejects(exportProxy(item), ReleasedError);
    await assert.rejects(callMethod(item, "at", [0]), ReleasedError);
    assert.ok(isProxy(item));
    assert.match(repr(item), /ListProxy/);
    assert.equal(tokenOf(item).typeid, "list");
  }));

test("a call that was issued before the release is still answered", () =>
  withManager(async (manager) => {
    const list = await manager.list([1, 2]);
    const length = list.length();
    releaseProxy(list);
    assert.equal(await length, 2);
  }));

test("a release never races a receipt that is on its way", () =>
  withManager(async (manager) => {
    const item = await manager.list([7]);
    const box = await manager.Box(item);
    for (let i = 0; i < 50; i++) {
      const coming = box.take() as Promise<ListProxy<number>>;
      releaseProxy((await box.take()) as object, { all: true });
      const proxy = await coming;
      const usable = await box.take() as ListProxy<number>;
      assert.equal(await usable.at(0), 7);
      releaseProxy(usable, { all: true });
      await assert.rejects(proxy.at(0), ReleasedError);
    }
  }));

test("releaseProxy(), repr() and tokenOf() still succeed after the end of the connection", async () => {
  const manager = await Manager.local();
  const list = await manager.list();
  const text = repr(list);
  await manager.shutdown();
  assert.equal(repr(list), text);
  assert.equal(tokenOf(list).typeid, "list");
  releaseProxy(list);
  list[Symbol.dispose]();
  assert.equal(isProxy(list), true);
});

test(
  "collection gives back what is still held",
  { skip: !collect },
  () =>
    withManager(async (manager) => {
      const kept = await manager.list([1]);
      await (async () => {
        const lost = await manager.list([2]);
        await manager.Box([lost, lost]).then((box) => box.take());
        const lostNamespace = await manager.namespace({ x: 1 });
        await lostNamespace.x;
      })();
      await eventually("only one object is held", async () => {
        collect!();
        return await manager.numberOfObjects() === 1;
      });
      assert.equal(await kept.at(0), 1);
    }),
);

test("a view keeps its proxy alive", { skip: !collect }, () =>
  withManager(async (manager) => {
    const view = await (async () => withOptions(await manager.list([1]), { timeout: 60_000 }))();
    await (async () => void await manager.list())();
    await eventually("the other list is gone", async () => {
      collect!();
      return await manager.numberOfObjects() === 1;
    });
    assert.equal(await view.at(0), 1);
  }));

test(
  "a namespace whose write waits for its value is not collected before",
  { skip: !collect },
  () =>
    withManager(async (manager) => {
      const value = later<number>();
      const box = await manager.Box();
      await (async () => {
        const namespace = await manager.namespace<{ x?: number }>();
        await box.put(namespace);
        namespace.x = value.promise;
      })();
      await (async () => void await manager.list())();
      await eventually("the list is gone", async () => {
        collect!();
        const { objects } = await manager.debugInfo();
        return objects.every(({ typeid }) => typeid !== "list");
      });
      value.resolve(5);
      await eventually("the value arrived", async () => {
        const namespace = await box.take() as NamespaceProxy<{ x?: number }>;
        return await namespace.get("x") === 5;
      });
    }),
);

// Tickets.

test("a ticket gives any client of the server a proxy of its own", () =>
  withServer(async (join) => {
    const [issuer, other] = [await join(), await join()];
    const list = await issuer.list([1]);
    const ticket = await exportProxy(list);
    assert.match(ticket, /^[\x21-\x7e]+$/);
    const imported = await other.importProxy<ListProxy<number>>(ticket);
    await imported.push(2);
    assert.deepEqual(await getValue(list), [1, 2]);
    assert.deepEqual(tokenOf(imported), tokenOf(list));
    assert.equal(await issuer.importProxy(await exportProxy(list)), list);
  }));

test("a ticket pins its referent although the issuer is gone, until its uses are spent", () =>
  withServer(async (join) => {
    const [issuer, other] = [await join(), await join()];
    const ticket = await exportProxy(await issuer.list([1]), { uses: 2 });
    await issuer.close();
    await eventually("the session is over", async () => {
      return Object.keys((await other.debugInfo()).sessions).length === 1;
    });
    assert.equal(await other.numberOfObjects(), 1);
    const proxy = await other.importProxy<ListProxy<number>>(ticket);
    assert.equal(await proxy.at(0), 1);
    assert.equal(await other.importProxy(ticket), proxy);
    const error = await rejection(other.importProxy(ticket));
    assert.ok(error instanceof UnknownObjectError);
    assert.match(error.message, /The ticket is spent/);
    releaseProxy(proxy, { all: true });
    assert.equal(await other.numberOfObjects(), 0);
  }));

test("a ticket expires after its ttl, and the object with it", () =>
  withServer(async (join) => {
    const manager = await join();
    const list = await manager.list();
    const ticket = await exportProxy(list, { ttl: 1, uses: 1_000_000 });
    releaseProxy(list);
    const error = await eventually("an expired ticket", async () => {
      try {
        releaseProxy(await manager.importProxy(ticket), { all: true });
        return undefined;
      } catch (error) {
        return error as Error;
      }
    });
    assert.ok(error instanceof UnknownObjectError);
    assert.match(error.message, /The ticket is expired/);
    assert.equal(await manager.numberOfObjects(), 0);
  }));

test("a ticket that the server never issued is unknown, and other text is a TypeError", () =>
  withServer(async (join) => {
    const manager = await join();
    const ticket = await exportProxy(await manager.list());
    const [prefix, body] = ticket.split(":") as [string, string];
    const told = JSON.parse(atob(body.replaceAll("-", "+").replaceAll("_", "/")));
    const forged = btoa(JSON.stringify({ ...told, secret: "guess" }));
    await assert.rejects(manager.importProxy(`${prefix}:${forged}`), /The ticket is unknown/);
    for (const text of ["", "nonsense", `${prefix}:`, `${prefix}:e30`, `${prefix}:bnVsbA`, 5]) {
      await assert.rejects(manager.importProxy(text as string), TypeError);
    }
  }));

test("a ticket of another server rejects and names that server's address", () =>
  withServer((join) =>
    withServer(async (joinOther) => {
      const [here, there] = [await join(), await joinOther()];
      const error = await rejection(here.importProxy(await exportProxy(await there.list())));
      assert.ok(error instanceof UnknownObjectError);
      assert.ok(error.message.includes(`"${there.address}"`));
    })
  ));

test("exportProxy() checks uses and ttl", () =>
  withServer(async (join) => {
    const list = await (await join()).list();
    for (const uses of [0, -1, 1.5, NaN, Infinity]) {
      await assert.rejects(exportProxy(list, { uses }), RangeError);
    }
    for (const ttl of [0, -1, NaN, Infinity]) {
      await assert.rejects(exportProxy(list, { ttl }), RangeError);
    }
  }));

test("exportProxy() refuses a server in memory and says why", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    await assert.rejects(exportProxy(list), /memory|another process/);
    const helper = await manager.Helper();
    await assert.rejects(helper.ticket(list), /memory|another process/);
  }));

test("everything works the same over a socket", () =>
  withServer(async (join) => {
    const [first, second] = [await join(), await join()];
    const inner = await first.list([1, 2]);
    const box = await first.named("box").Box({ deep: [inner] });
    assert.equal((await box.take() as { deep: unknown[] }).deep[0], inner);
    const theirs = await (await second.named("box").Box()).take() as {
      deep: [ListProxy<number>];
    };
    const found: number[] = [];
    for await (const item of theirs.deep[0]) found.push(item);
    assert.deepEqual(found, [1, 2]);
    assert.equal(await (await second.Helper()).sum(theirs.deep[0]), 3);
    await assert.rejects((await second.Thrower()).soon("payment"), PaymentError);
    const large = new Uint8Array(3_000_000).fill(5);
    assert.deepEqual(await (await second.Box(large)).take(), large);
    const numbers = await first.named("numbers").Numbers();
    const iterator = await (await second.named("numbers").Numbers()).range(5);
    await iterator.next();
    await second.close();
    await eventually("the iterator is freed", async () => (await numbers.counts()).finished === 1);
    assert.deepEqual(await getValue(inner), [1, 2]);
    assert.equal(await first.numberOfObjects(), 3);
    assert.ok([inner, box, numbers].every(isProxy)); // and so none was collected before
  }));

// Proxies in values.

test("what comes back is === what went in, at any depth and in every container", () =>
  withManager(async (manager) => {
    const item = await manager.list([1]);
    const value = {
      direct: item,
      array: [[item]],
      map: new Map<unknown, unknown>([[item, "key"], ["value", item]]),
      set: new Set([item]),
    };
    const box = await manager.Box(value);
    const back = await box.take() as typeof value;
    assert.equal(back.direct, item);
    assert.equal(back.array[0]![0], item);
    assert.equal(back.map.get("value"), item);
    assert.equal(back.map.get(item), "key");
    assert.ok(back.set.has(item));
  }));

test("proxies travel as arguments, results, list items, dict values, set members, attributes and iterated items", () =>
  withManager(async (manager) => {
    const item = await manager.Counter(1);
    const list = await manager.list<unknown>([item]);
    const dict = await manager.dict<string, unknown>({ item });
    const set = await manager.set([item]);
    const namespace = await manager.namespace({ item });
    const value = await manager.value("any", item);
    assert.equal(await list.at(0), item);
    assert.equal(await dict.get("item"), item);
    assert.equal(await set.has(item), true);
    assert.equal(await namespace.item, item);
    assert.equal(await value.get(), item);
    for await (const found of list) assert.equal(found, item);
    for await (const [key, found] of dict) assert.deepEqual([key, found === item], ["item", true]);
    assert.equal(await list.indexOf(item), 0);
    assert.equal((await list.splice(0, 1))[0], item);
  }));

test("two sessions have proxies of their own, of one object", () =>
  withSessions(async (first, second) => {
    const inner = await first.list([1]);
    await first.publish("outer", await first.list([inner]));
    const outer = (await second.lookup<ListProxy<ListProxy<number>>>("outer"))!;
    const theirs = (await outer.at(0))!;
    assert.notEqual(theirs, inner);
    await theirs.push(2);
    assert.deepEqual(await getValue(inner), [1, 2]);
    assert.deepEqual(tokenOf(theirs), tokenOf(inner));
    releaseProxy(inner);
    assert.equal(await theirs.at(1), 2);
  }));

test("a proxy stored in a referent keeps its object, though no session holds it", () =>
  withManager(async (manager) => {
    const inner = await manager.list([1]);
    const outer = await manager.list([inner]);
    releaseProxy(inner);
    assert.equal(await manager.numberOfObjects(), 1);
    collect?.();
    assert.equal(await (await outer.at(0))!.at(0), 1);
  }));

test("lists can contain each other and themselves", () =>
  withManager(async (manager) => {
    const [a, b] = [await manager.list<object>(), await manager.list<object>()];
    await a.push(b);
    await b.push(a);
    await a.push(a);
    const back = await a.at(0) as ListProxy<object>;
    assert.equal(back, b);
    assert.equal(await back.at(0), a);
    assert.equal(await str(a), `[${repr(b)}, ${repr(a)}]`);
    releaseProxy(a, { all: true });
    releaseProxy(b, { all: true });
    assert.equal(await manager.numberOfObjects(), 0);
  }));

test("equality of proxies is identity: a list never equals an array, nor another list", () =>
  withManager(async (manager) => {
    const item = await manager.list([1, 2, 3]);
    const list = await manager.list<unknown>([item]);
    assert.equal(await list.includes(item), true);
    assert.equal(await list.includes([1, 2, 3]), false);
    assert.equal(await list.includes(await manager.list([1, 2, 3])), false);
  }));

test("a proxy of another manager is a SerializeError at its path that says to pass a ticket", () =>
  withManager((here) =>
    withManager(async (there) => {
      const foreign = await there.list();
      const list = await here.list<unknown>();
      const error = await rejection(list.push(1, { deep: [foreign] }));
      assert.ok(error instanceof SerializeError);
      assert.match(error.message, /"args\[1\]\.deep\[0\]"/);
      assert.ok(error.message.includes(`"${there.address}"`));
      assert.match(error.message, /exportProxy\(proxy\)/);
    })
  ));

test("a proxy of another session of the same server is a SerializeError, too", () =>
  withSessions(async (first, second) => {
    const list = await first.list<unknown>();
    await assert.rejects(list.push(await second.list()), SerializeError);
  }));

test("an argument that cannot be sent is named by its path in what the user wrote", () =>
  withManager(async (manager) => {
    const list = await manager.list<unknown>();
    const bad = { user: { avatar: () => 1 } };
    for (
      const [call, path] of [
        [() => list.push(bad), "args[0].user.avatar"],
        [() => manager.Box(bad), "args[0].user.avatar"],
        [() => manager.list([0, bad]), "args[0][1].user.avatar"],
        [() => manager.named("n").list([0, bad]), "args[0][1].user.avatar"],
        [() => manager.create("Box", bad), "args[0].user.avatar"],
      ] as const
    ) {
      const error = await rejection(call());
      assert.ok(error instanceof SerializeError);
      assert.ok(error.message.includes(`"${path}"`), `${error.message} has no ${path}`);
    }
    assert.equal(await manager.numberOfObjects(), 1);
  }));

// Custom classes.

test("a class exposes its methods along the prototype chain, and nothing else", () =>
  withManager(async (manager) => {
    const rules = await manager.Rules();
    assert.deepEqual(methodsOf(rules), ["inherited", "overridden"]);
    assert.equal(await rules.inherited(), "inherited");
    assert.equal(await rules.overridden(), "own, and base");
    assert.equal(Rules.accessed, 0);
    assert.deepEqual(methodsOf(await manager.Emitter()), ["ping"]);
  }));

test("a plain object exposes its own functions", () =>
  withManager(async (manager) => {
    const plain = await manager.plain();
    assert.deepEqual(methodsOf(plain), ["greet", "shout"]);
    assert.equal(await plain.shout(), "HELLO");
  }));

test("exposed narrows, and may name a _name and a function-valued field", () =>
  withManager(async (manager) => {
    const narrow = await manager.Narrow();
    assert.deepEqual(methodsOf(narrow), ["_hidden", "field", "overridden"]);
    assert.equal(await narrow._hidden(), "hidden");
    assert.equal(await narrow.field(), "field");
    await assert.rejects(callMethod(narrow, "inherited"), NotExposedError);
  }));

test("the state of a class is shared by all sessions", () =>
  withSessions(async (first, second) => {
    const counter = await first.named("hits").Counter(10);
    const same = await second.named("hits").Counter(99);
    await counter.add(1);
    assert.equal(await same.add(1), 12);
  }));

test("serial: async methods run one after the other, in order", () =>
  withSessions(async (first, second) => {
    const ledger = await first.named("ledger").Ledger();
    const same = await second.named("ledger").Ledger();
    const all = [1, 2, 3].flatMap(() => [ledger.work(), same.work()]);
    assert.deepEqual(await Promise.all(all), [1, 1, 1, 1, 1, 1]);
  }));

test("serial: a failed call does not hold up the next", () =>
  withManager(async (manager) => {
    const ledger = await manager.Ledger();
    const failures = [ledger.failLater(), ledger.failLater()];
    const after = ledger.work();
    for (const failure of failures) await assert.rejects(failure, /failed in series/);
    assert.equal(await after, 1);
    await assert.rejects(ledger.fail(), /failed at once/);
    assert.equal(await ledger.work(), 1);
  }));

test("serial: a call to itself is DeadlockError at once, directly or through another object", () =>
  withManager(async (manager) => {
    const ledger = await manager.Ledger();
    await ledger.remember(ledger);
    const error = await rejection(ledger.callSelf());
    assert.ok(error instanceof DeadlockError);
    assert.match(error.message, /typeid "Ledger" is serial.*call `this` instead/);
    await assert.rejects(ledger.callThrough(await manager.Bridge()), DeadlockError);
    assert.equal(await ledger.work(), 1);
  }));

test("serial: what only looks like a call to itself is none", () =>
  withManager(async (manager) => {
    const ledger = await manager.Ledger();
    const other = await manager.Ledger();
    await ledger.remember(ledger);
    assert.equal(await ledger.callThis(), 1);
    assert.match(await ledger.readSelf(), /Ledger object/);
    assert.equal(await ledger.work(await manager.Counter()), 1);
    await ledger.remember(other);
    assert.equal(await ledger.callSelf(), 1);
    await ledger.remember(ledger);
    await ledger.callAfterwards();
    await eventually("the later call is done", async () => await ledger.afterwards() === 1);
    const plain = await manager.Bridge();
    assert.equal(await plain.cross(ledger), 1);
  }));

test("caller: the method's last argument says which session calls", () =>
  withSessions(async (first, second) => {
    const here = await first.named("reception").Reception();
    const there = await second.named("reception").Reception();
    const id = await here.who();
    assert.equal(await here.who(), id);
    assert.notEqual(await there.who(), id);
    assert.deepEqual(await here.second("a", "b"), ["a", "b", id]);
    assert.deepEqual(await callMethod(here, "second", ["a"]), ["a", undefined, id]);
    assert.deepEqual(await callMethod(here, "second"), [undefined, undefined, id]);
    assert.ok(Object.keys((await first.debugInfo()).sessions).includes(id));
  }));

test("withOptions() holds for each step of an iteration, too", () =>
  withManager(async (manager) => {
    const controller = new AbortController();
    const view = withOptions(await manager.Numbers(), { signal: controller.signal });
    const steps = await view.never();
    const step = assert.rejects(steps.next(), /enough/);
    controller.abort(new Error("enough"));
    await step;
  }));

test("caller: only the methods that it names receive the caller", () =>
  withManager(async (manager) => {
    const desk = await manager.Desk();
    const reception = await manager.Reception();
    assert.equal(await desk.who(), await reception.who());
    assert.equal(await desk.next(1), 2);
  }));

test("caller: nothing that a client sends can pass for the caller", () =>
  withManager(async (manager) => {
    const reception = await manager.Reception();
    const id = await reception.who();
    assert.equal(await callMethod(reception, "who", [{ id: "forged" }]), id);
    const many = ["a", "b", { id: "forged" }, { id: "forged" }];
    assert.deepEqual(await callMethod(reception, "second", many), ["a", "b", id]);
    assert.deepEqual(await callMethod(reception, "any", ["a", "b"]), ["a", "b", id]);
  }));

test("caller: its signal is aborted by a timeout, an abort and the end of the session", () =>
  withSessions(async (first, second) => {
    const here = await first.named("reception").Reception();
    const there = await second.named("reception").Reception();
    await assert.rejects(callMethod(here, "stay", [], { timeout: 1 }), TimeoutError);
    const controller = new AbortController();
    const stay = callMethod(here, "stay", [], { signal: controller.signal });
    controller.abort(new Error("enough"));
    await assert.rejects(stay, /enough/);
    const lost = there.stay();
    await eventually("three calls run", async () => (await here.aborted()).length === 3);
    assert.deepEqual(await here.aborted(), [true, true, false]);
    const rejected = assert.rejects(lost, /closed/);
    await second.close();
    await rejected;
    await eventually("the third is aborted", async () => (await here.aborted())[2]);
  }));

test("caller: share() gives a proxy to put anywhere, the same for the same object", () =>
  withManager(async (manager) => {
    const reception = await manager.Reception();
    const { first, again } = await reception.shared() as Record<string, Remote<Account>>;
    assert.ok(isProxy(first));
    assert.equal(first, again);
    assert.equal(await first!.deposit(3), 3);
    await assert.rejects(reception.sharedAs("nonsense"), /Unknown typeid "nonsense"/);
    await assert.rejects(reception.sharedAs("list"), TypeError);
  }));

test("methodToTypeid: a user's typeid adopts the object: the same object is the same proxy", () =>
  withManager(async (manager) => {
    const bank = await manager.Bank();
    const ann = await bank.open("Ann");
    assert.match(repr(ann), /AutoProxy\[Account\]/);
    await ann.deposit(5);
    assert.equal(await bank.open("Ann"), ann);
    assert.equal(await bank.openLater("Ann"), ann);
    assert.equal(await (await bank.find("Ann") as typeof ann).deposit(1), 6);
    assert.notEqual(await bank.open("Bob"), ann);
  }));

test("methodToTypeid: null, undefined and proxies pass as they are", () =>
  withManager(async (manager) => {
    const bank = await manager.Bank();
    assert.equal(await bank.find("nobody"), undefined);
    assert.equal(await bank.nobody(), null);
    const list = await manager.list();
    assert.equal(await callMethod(bank, "through", [list]), list);
  }));

test("methodToTypeid: a built-in is made from a copy", () =>
  withManager(async (manager) => {
    const bank = await manager.Bank();
    await bank.open("Ann");
    const names = await bank.names();
    await names.push("nobody");
    assert.deepEqual(await getValue(names), ["Ann", "nobody"]);
    assert.deepEqual(await getValue(await bank.names()), ["Ann"]);
  }));

test("methodToTypeid: a misfit is a TypeError that names method and typeid", () =>
  withManager(async (manager) => {
    const bank = await manager.Bank();
    for (const [method, typeid] of [["misfit", "Account"], ["noList", "list"]] as const) {
      const error = await rejection(callMethod(bank, method));
      assert.ok(error instanceof TypeError);
      assert.ok(error.message.includes(`"${method}" on typeid "Bank"`), error.message);
      assert.ok(error.message.includes(`as typeid "${typeid}"`), error.message);
    }
  }));

test("an own instance returned without methodToTypeid is a SerializeError that names the method and the cure", () =>
  withManager(async (manager) => {
    const error = await rejection((await manager.Bank()).leak());
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /"leak"/);
    assert.match(error.message, /methodToTypeid/);
  }));

// Iterators.

test("a method that returns an iterator gives an async iterator", () =>
  withManager(async (manager) => {
    const numbers = await manager.Numbers();
    for (const iterator of [await numbers.range(3), await numbers.eventually(3)]) {
      const found: number[] = [];
      for await (const number of iterator) found.push(number);
      assert.deepEqual(found, [0, 1, 2]);
      assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    }
    assert.equal(await iterators(manager), 0);
  }));

test("a user's iterator takes one step a request", () =>
  withManager(async (manager) => {
    const numbers = await manager.Numbers();
    for (const [method, before] of [["range", 0], ["eventually", 2]] as const) {
      const iterator = await numbers[method](100);
      assert.equal((await numbers.counts()).steps, before);
      assert.deepEqual(await iterator.next(), { value: 0, done: false });
      assert.deepEqual(await iterator.next(), { value: 1, done: false });
      assert.equal((await numbers.counts()).steps, before + 2);
      await iterator.return();
    }
  }));

test("readAhead: n items travel in one reply, and none is lost", () =>
  withManager(async (manager) => {
    const numbers = await manager.Ahead();
    const iterator = await numbers.range(10);
    await iterator.next();
    assert.equal((await numbers.counts()).steps, 4);
    await iterator.return();
    const found: number[] = [];
    for await (const number of await numbers.range(10)) found.push(number);
    assert.deepEqual(found, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }));

test("readAhead: no item of an async generator is lost", () =>
  withManager(async (manager) => {
    const numbers = await manager.Ahead();
    const found: number[] = [];
    for await (const number of await numbers.eventually(10)) found.push(number);
    assert.deepEqual(found, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }));

test("an iterator that throws gives the items before it, then the error, then its end", () =>
  withManager(async (manager) => {
    for (const numbers of [await manager.Numbers(), await manager.Ahead()]) {
      for (const method of ["failing", "failingLater"] as const) {
        for (const after of [0, 3, 4, 5]) {
          const found: number[] = [];
          const error = await rejection((async () => {
            for await (const number of await numbers[method](after)) found.push(number);
          })());
          assert.ok(error instanceof RangeError, `${method} ${after}: ${error}`);
          assert.equal(error.message, "no more numbers");
          assert.deepEqual(found, [0, 1, 2, 3, 4, 5].slice(0, after));
        }
      }
    }
    assert.equal(await iterators(manager), 0);
  }));

test("return() and leaving the loop free the iterator in the server", () =>
  withManager(async (manager) => {
    const numbers = await manager.Numbers();
    for await (const number of await numbers.range(5)) if (number === 1) break;
    for await (const number of await numbers.eventually(5)) if (number === 1) break;
    assert.deepEqual(await numbers.counts(), { steps: 4, finished: 2 });
    const iterator = await numbers.range(5);
    await iterator.next();
    assert.deepEqual(await iterator.return(), { value: undefined, done: true });
    assert.deepEqual(await iterator.return(), { value: undefined, done: true });
    assert.deepEqual(await iterator.next(), { value: undefined, done: true });
    assert.equal((await numbers.counts()).finished, 3);
    assert.equal(await iterators(manager), 0);
  }));

test("what an iterator's return() gives is not sent", () =>
  withManager(async (manager) => {
    const numbers = await manager.Numbers();
    for await (const number of await numbers.oddReturn()) {
      assert.equal(number, 1);
      break;
    }
    assert.equal((await numbers.counts()).finished, 1);
  }));

test("an item that cannot be sent ends its iterator with SerializeError, and frees it", () =>
  withManager(async (manager) => {
    for (const numbers of [await manager.Numbers(), await manager.Ahead()]) {
      for (const method of ["unsendable", "unsendableLater"] as const) {
        const error = await rejection((async () => {
          for await (const _ of await numbers[method]());
        })());
        assert.ok(error instanceof SerializeError, String(error));
      }
      await eventually(
        "both generators ended",
        async () => (await numbers.counts()).finished === 2,
      );
    }
    assert.equal(await iterators(manager), 0);
  }));

test("the end of a session frees its iterators", () =>
  withSessions(async (first, second) => {
    const numbers = await first.named("numbers").Numbers();
    const same = await second.named("numbers").Numbers();
    const iterator = await same.range(5);
    await iterator.next();
    await (await same.eventually(5)).next();
    await second.close();
    await eventually("both generators ended", async () => (await numbers.counts()).finished === 2);
    await assert.rejects(iterator.next(), /closed/);
    await iterator.return();
  }));

test("an iterator that comes too late for its caller is freed", () =>
  withManager(async (manager) => {
    const numbers = await manager.Numbers();
    await assert.rejects(callMethod(numbers, "slowRange", [3], { timeout: 1 }), TimeoutError);
    await eventually("it runs", async () => (await numbers.counts()).steps === 1);
    await numbers.open();
    await eventually("it is freed", async () => (await numbers.counts()).finished === 1);
    assert.equal(await iterators(manager), 0);
  }));

test("next() calls without waiting are answered in order", () =>
  withManager(async (manager) => {
    const iterator = await (await manager.Numbers()).range(3);
    const steps = await Promise.all([1, 2, 3, 4].map(() => iterator.next()));
    assert.deepEqual(steps.map(({ value }) => value), [0, 1, 2, undefined]);
  }));

test("an iterator inside a value is a SerializeError", () =>
  withManager(async (manager) => {
    const error = await rejection((await manager.Numbers()).nested());
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /"result\.here\[0\]"/);
  }));

test("a class with an iterator makes its proxy iterable, others are not", () =>
  withManager(async (manager) => {
    const found: number[] = [];
    for await (const number of await manager.Numbers()) found.push(number);
    for await (const number of await manager.Countdown()) found.push(number);
    assert.deepEqual(found, [0, 1, 2, 2, 1]);
    const counter = await manager.Counter() as unknown as AsyncIterable<unknown>;
    assert.equal(counter[Symbol.asyncIterator], undefined);
  }));

test("built-ins are read ahead in chunks from a live cursor", () =>
  withManager(async (manager) => {
    const list = await manager.list(Array.from({ length: 1000 }, (_, i) => i));
    const found: number[] = [];
    for await (const item of list) {
      if (item === 0) await list.push(1000);
      if (item === 500) await list.push(1001);
      found.push(item);
    }
    assert.deepEqual(found, Array.from({ length: 1002 }, (_, i) => i));
    const before = (await manager.debugInfo()).methods;
    assert.equal(before["list.push"]!.calls, 2);
  }));

test("iteration carries items of any size", () =>
  withManager(async (manager) => {
    const sizes = [1, 300_000, 5, 200_000, 100_000, 1_000_000, 0, 70_000];
    const list = await manager.list(sizes.map((size) => new Uint8Array(size).fill(7)));
    const found: number[] = [];
    for await (const item of list) {
      assert.ok(item.every((byte) => byte === 7));
      found.push(item.length);
    }
    assert.deepEqual(found, sizes);
    assert.equal(await iterators(manager), 0);
  }));

// Namespaces.

test("attributes of a namespace are read and written in the order of the program", () =>
  withManager(async (manager) => {
    const namespace = await manager.namespace<Record<string, number>>({ x: 0 });
    namespace.x = 1;
    const first = Promise.resolve(namespace.x);
    namespace.x = 2;
    assert.deepEqual(await Promise.all([first, namespace.x]), [1, 2]);
    assert.equal(await namespace.absent, undefined);
    delete namespace.x;
    assert.equal(await namespace.x, undefined);
    assert.deepEqual(await namespace.keys(), []);
  }));

test("a promise can be written: later operations wait for it", () =>
  withManager(async (manager) => {
    const namespace = await manager.namespace<Record<string, unknown>>();
    const slow = later<number>();
    namespace["x"] = slow.promise;
    namespace["x"] = 2;
    namespace["y"] = 3;
    const reads = [namespace["x"], namespace["y"], namespace.get("y"), namespace.keys()];
    slow.resolve(1);
    assert.deepEqual(await Promise.all(reads), [2, 3, 3, ["x", "y"]]);
  }));

test("a write that fails rejects the next awaited operation, once", () =>
  withManager(async (manager) => {
    const namespace = await manager.namespace<Record<string, unknown>>({ x: 1 });
    namespace["x"] = () => {};
    await assert.rejects(async () => await namespace["x"], SerializeError);
    assert.equal(await namespace["x"], 1);
    namespace["x"] = Promise.reject(new RangeError("no value"));
    await assert.rejects(namespace.keys(), /no value/);
    assert.equal(await namespace["x"], 1);
  }));

test("str(), getValue() and callMethod() of a namespace come after its writes, and tell of a failed one", () =>
  withManager(async (manager) => {
    const namespace = await manager.namespace<Record<string, unknown>>({ x: 1 });
    const operations = [
      () => str(namespace),
      () => getValue(namespace),
      () => callMethod(namespace, "keys"),
      () => withOptions(namespace, { timeout: 60_000 }).keys(),
    ];
    for (const operation of operations.slice(0, 3)) {
      namespace["x"] = () => {};
      await assert.rejects(operation(), SerializeError);
      await operation();
    }
    for (const [index, operation] of operations.slice(0, 3).entries()) {
      const slow = later<number>();
      namespace["x"] = slow.promise;
      const result = operation();
      slow.resolve(10 + index);
      assert.ok(inspect(await result).includes(index === 2 ? "x" : `${10 + index}`));
    }
  }));

test("names that begin with _ stay in the proxy", () =>
  withSessions(async (first, second) => {
    const namespace = await first.namespace<Record<string, unknown>>();
    await first.publish("namespace", namespace);
    const own = () => {};
    namespace["_own"] = own;
    assert.equal(namespace["_own"], own);
    assert.ok("_own" in namespace);
    const other = await second.lookup<typeof namespace>("namespace");
    assert.equal(other!["_own"], undefined);
    assert.deepEqual(await namespace.keys(), []);
    delete namespace["_own"];
    assert.equal(namespace["_own"], undefined);
  }));

test("an attribute with the name of a method is reached by get() and set()", () =>
  withManager(async (manager) => {
    const namespace = await manager.namespace<Record<string, unknown>>({ get: 1, then: 2 });
    assert.equal(typeof namespace["get"], "function");
    assert.throws(() => {
      (namespace as Record<string, unknown>)["keys"] = 5;
    }, TypeError);
    await namespace.set("keys", 5);
    assert.equal(await namespace.get("keys"), 5);
    assert.equal(await namespace.get("then"), 2);
  }));

test("assigning to the name of a namespace's method says what to write", () =>
  withManager(async (manager) => {
    const ns = await manager.namespace() as unknown as Record<string, unknown>;
    for (const name of ["get", "set", "delete", "keys", "then", "toJSON"]) {
      assert.throws(() => ns[name] = 1, {
        name: "TypeError",
        message: new RegExp(
          `Cannot assign to "${name}" .* write await ns\\.set\\("${name}", value\\)`,
        ),
      });
    }
  }));

test("reserved names are plain attributes of a namespace and plain keys of a dict", () =>
  withManager(async (manager) => {
    const names = ["constructor", "prototype", "toString", "valueOf", "hasOwnProperty", "length"];
    const namespace = await manager.namespace<Record<string, unknown>>();
    const dict = await manager.dict<string, number>();
    for (const name of names) {
      assert.equal(await namespace[name], undefined, name);
      namespace[name] = 1;
      assert.equal(await namespace[name], 1, name);
    }
    for (const name of [...names, "__proto__", "then", "toJSON", ""]) {
      assert.equal(await dict.get(name), undefined, name);
      await dict.set(name, 1);
      await namespace.set(name, 2);
      assert.deepEqual([await dict.get(name), await namespace.get(name)], [1, 2], name);
    }
    assert.equal(({} as Record<string, unknown>)["1"], undefined);
  }));

// Proxies in the server.

test("a referent uses the proxies that it receives, asynchronously and by copy", () =>
  withManager(async (manager) => {
    const helper = await manager.Helper();
    assert.equal(await helper.sum(await manager.list([1, 2, 3])), 6);
    assert.equal(await helper.sum(await manager.Numbers()), 3);
    const list = await manager.list([{ n: 1 }]);
    assert.deepEqual(await helper.changes(list), [99, 1]);
    const dict = await manager.dict({ a: 1 });
    const [known, text, string, value] = await helper.describe(dict);
    assert.deepEqual([known, text, string], [true, repr(dict), "{'a': 1}"]);
    assert.deepEqual(value, new Map([["a", 1]]));
    assert.deepEqual(await helper.token(dict), tokenOf(dict));
  }));

test("identity holds inside the server, too", () =>
  withManager(async (manager) => {
    const helper = await manager.Helper();
    const list = await manager.list();
    assert.equal(await helper.same(list, { nested: [withOptions(list, { timeout: 5000 })] }), true);
    assert.equal(await helper.same(list, { nested: [await manager.list()] }), false);
  }));

test("calls inside the server run in their order, after the caller's synchronous part", () =>
  withManager(async (manager) => {
    const helper = await manager.Helper();
    assert.equal(await helper.order(await manager.list<string>()), 1);
  }));

test("a method can call its own object through its proxy", () =>
  withManager(async (manager) => {
    const helper = await manager.Helper();
    assert.equal(await helper.me(helper, 5), 5);
  }));

test("a call in the server has the same refusals: what cannot be sent, not exposed, timeout, abort", () =>
  withManager(async (manager) => {
    const helper = await manager.Helper();
    const list = await manager.list();
    const error = await rejection(helper.sendFunction(list));
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /"args\[0\]\.deep"/);
    const slow = await manager.Slow();
    await assert.rejects(helper.timeOut(slow), TimeoutError);
    await assert.rejects(helper.abort(slow), /given up in the server/);
    await assert.rejects(helper.notExposed(slow), NotExposedError);
    assert.equal((await manager.debugInfo()).objects.length, 3);
    assert.ok([helper, list, slow].every(isProxy)); // and so none was collected before
  }));

// Errors.

test("an exception keeps its class, message and remote stack, at once or later", () =>
  withManager(async (manager) => {
    const thrower = await manager.Thrower();
    for (const method of ["now", "soon"] as const) {
      const error = await rejection(thrower[method]("range"));
      assert.equal(Object.getPrototypeOf(error), RangeError.prototype);
      assert.equal(error.message, "out of range");
      assert.match(error.stack!, /proxy_test/);
    }
    const manager2 = await rejection(thrower.now("manager"));
    assert.equal(Object.getPrototypeOf(manager2), UnknownObjectError.prototype);
    assert.equal(manager2.message, "nothing here");
    const dom = await rejection(thrower.now("dom"));
    assert.ok(dom instanceof DOMException);
    assert.deepEqual([dom.name, dom.message], ["AbortError", "aborted"]);
  }));

test("an exception keeps its cause, whatever it is", () =>
  withManager(async (manager) => {
    const thrower = await manager.Thrower();
    const { cause } = await rejection(thrower.now("causes")) as { cause: Error };
    assert.equal(Object.getPrototypeOf(cause), SyntaxError.prototype);
    assert.deepEqual(cause.cause, { plain: "root" });
    const none = await rejection(thrower.now("undefinedCause"));
    assert.ok(Object.hasOwn(none, "cause"));
    assert.equal(none.cause, undefined);
    assert.equal(
      (await rejection(thrower.now("range")) as Error & { cause?: unknown }).cause,
      undefined,
    );
    const round = await rejection(thrower.now("selfCause"));
    assert.equal((round.cause as Error).message, "round");
  }));

test("an AggregateError keeps its errors, each with its class", () =>
  withManager(async (manager) => {
    const error = await rejection((await manager.Thrower()).now("aggregate"));
    assert.ok(error instanceof AggregateError);
    const [one, two] = error.errors;
    assert.ok(one instanceof TypeError && one.message === "one");
    assert.ok(two instanceof RemoteError && two.remoteName === "TypeError");
  }));

test("an exception keeps own data properties that can be sent, and no others", () =>
  withManager(async (manager) => {
    const thrower = await manager.Thrower();
    const own = await rejection(thrower.now("own"));
    assert.equal(own["code"], "E_OWN");
    assert.deepEqual(own["at"], new Date(0));
    assert.equal("skip" in own, false);
    assert.equal("x" in await rejection(thrower.now("accessor")), false);
    assert.equal((await rejection(thrower.now("named"))).name, "SpecialError");
    const list = await manager.list();
    const error = await rejection(thrower.withProxy(list));
    assert.equal(error["proxy"], list);
    assert.ok(error instanceof RangeError);
  }));

test("an exception of a class that only the server knows is a RemoteError with all that is known", () =>
  withManager(async (manager) => {
    const error = await rejection((await manager.Thrower()).now("secret"));
    assert.ok(error instanceof RemoteError);
    assert.equal(Object.getPrototypeOf(error), RemoteError.prototype);
    assert.equal(error.name, "RemoteError");
    assert.equal(error.message, "TypeError: secret");
    assert.deepEqual([error.remoteName, error.typeid, error.method], [
      "TypeError",
      "Thrower",
      "now",
    ]);
    assert.match(error.remoteStack as string, /secret[^]*proxy_test/);
    assert.equal(error["code"], "E_SECRET");
    assert.deepEqual(error["details"], { list: [1, 2] });
    assert.equal("helper" in error, false);
  }));

test("an exception of the user's keeps its class where the client has the types, without running its constructor", () =>
  withManager(async (manager) => {
    const thrower = await manager.named("thrower").Thrower();
    const before = constructed;
    const error = await rejection(thrower.now("payment"));
    assert.equal(constructed, before + 1);
    assert.ok(error instanceof PaymentError);
    assert.deepEqual([error.name, error.message, error.amount, error.double()], [
      "PaymentError",
      "cannot pay 5",
      5,
      10,
    ]);
    const stranger = await Manager.connect({ address: manager.address });
    try {
      const theirs = await stranger.lookup<typeof thrower>("thrower");
      const remote = await rejection(theirs!.now("payment"));
      assert.ok(remote instanceof RemoteError);
      assert.equal(remote.remoteName, "PaymentError");
      assert.equal(remote.message, "PaymentError: cannot pay 5");
      assert.equal(remote["amount"], 5);
    } finally {
      await stranger.close();
    }
  }));

test("a thrown value that is no Error is the cause of a RemoteError, undefined too", () =>
  withManager(async (manager) => {
    const thrower = await manager.Thrower();
    for (const method of ["now", "soon"] as const) {
      for (
        const [kind, expected] of [
          ["undefined", undefined],
          ["null", null],
          ["text", "just text"],
          ["object", { code: 5, deep: [1] }],
          ["symbol", "Symbol(mark)"],
        ] as const
      ) {
        const error = await rejection(thrower[method](kind));
        assert.ok(error instanceof RemoteError, kind);
        assert.ok(Object.hasOwn(error, "cause"), kind);
        assert.deepEqual(error.cause, expected);
        assert.match(error.message, new RegExp(`"${method}" of typeid "Thrower" threw`));
      }
      const error = await rejection(thrower[method]("function"));
      assert.equal(typeof error.cause, "string");
    }
  }));

test("whatever a method throws is an answer to its caller and harms nobody else", () =>
  withManager(async (manager) => {
    const thrower = await manager.Thrower();
    for (const kind of ["hostile", "bare", "hostileError", "constructorName", "huge"]) {
      for (const method of ["now", "soon"] as const) {
        const error = await rejection(thrower[method](kind));
        assert.ok(error instanceof Error, kind);
        assert.equal((await rejection(thrower.now("range"))).message, "out of range");
      }
    }
  }));

test("an error of the library names what was called and the cure", () =>
  withManager(async (manager) => {
    await assert.rejects(manager.create("nonsense"), (error: Error) => {
      assert.ok(error instanceof UnknownObjectError);
      assert.match(error.message, /Unknown typeid "nonsense": this server has .*list, dict/);
      return true;
    });
    const list = await manager.list();
    releaseProxy(list);
    const error = await rejection(list.push(1));
    assert.ok(error instanceof ManagerError && error instanceof ReleasedError);
  }));

test("leaves nothing behind", assertClean);
