/**
 * `defineTypes`, `typeid`, `TypesOf` and `Creators`: what a manager can create. Checked, never run.
 *
 * @module
 */

import type { DictProxy } from "../../lib/objects/dict.ts";
import type { ListProxy } from "../../lib/objects/list.ts";
import type { NamespaceProxy } from "../../lib/objects/namespace.ts";
import type { SetProxy } from "../../lib/objects/set.ts";
import type { ArrayProxy } from "../../lib/objects/array.ts";
import type { ValueProxy } from "../../lib/objects/value.ts";
import type {
  BuiltinCreators,
  Caller,
  Creators,
  Remote,
  RemoteOf,
  TypesOf,
} from "../../lib/remote.ts";
import { defineTypes, typeid, type TypeSet } from "../../lib/types.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

class Counter {
  #n: number;
  constructor(start: number, label?: string) {
    this.#n = start + (label?.length ?? 0);
  }
  add(by: number): number {
    return this.#n += by;
  }
}

class Clock {
  now(): Date {
    return new Date();
  }
}

class Account {
  bank(): Bank {
    return new Bank();
  }
  _audit(): string[] {
    return [];
  }
}

class Bank {
  open(name: string): Account {
    return name ? new Account() : new Account();
  }
  async find(name: string): Promise<Account | undefined> {
    return await Promise.resolve(name ? new Account() : undefined);
  }
  existing(): Account | Remote<Account> | null {
    return null;
  }
  async ids(): Promise<number[]> {
    return await Promise.resolve([]);
  }
  byName(): Map<string, boolean> {
    return new Map();
  }
  ages(): { [name: string]: number } {
    return {};
  }
  tags(): Set<string> {
    return new Set();
  }
  config(): { retries: number } {
    return { retries: 1 };
  }
  async transfer(from: Remote<Account>, caller: Caller): Promise<void> {
    caller.share(await from.bank(), "Bank");
  }
}

class BankError extends Error {
  code = 1;
}

/** Looks like an Error but is none. */
class Notice {
  name = "";
  message = "";
  read(): string {
    return this.message;
  }
}

class Box<T> {
  #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  get(): T {
    return this.#value;
  }
}

/** Has a disposer of its own. */
class File {
  size(): number {
    return 0;
  }
  [Symbol.dispose](): void {}
}
class Files {
  open(): File {
    return new File();
  }
}

const types = defineTypes(import.meta.url, {
  Counter,
  Notice,
  Box,
  BankError,
  clock: () => new Clock(),
  late: async (zone: string) => await Promise.resolve(zone ? new Clock() : new Clock()),
  // deno-lint-ignore no-explicit-any
  untyped: (): any => new Clock(),
  jobs: typeid(
    () => ({ put: (n: number) => [n].sort(), get: () => 1, size: 3 }),
    { exposed: ["put"] },
  ),
  Account: typeid(Account, { methodToTypeid: { bank: "Bank" }, exposed: ["bank", "_audit"] }),
  Bank: typeid(Bank, {
    methodToTypeid: {
      open: "Account",
      find: "Account",
      existing: "Account",
      ids: "list",
      byName: "dict",
      ages: "dict",
      tags: "set",
      config: "namespace",
    },
    serial: true,
    caller: true,
    readAhead: 16,
  }),
  File,
  Files: typeid(Files, { methodToTypeid: { open: "File" } }),
});

type D = TypesOf<typeof types>;
type C = Creators<D>;
type Made<K extends keyof C> = C[K] extends (...args: never[]) => Promise<infer R> ? R : never;
type AccountProxy = RemoteOf<D, "Account">;
type BankProxy = RemoteOf<D, "Bank">;
type Call<P, R> = (...args: P extends unknown[] ? P : never) => Promise<R>;

export type Claims = [
  // Classes and factories keep their parameters; exceptions are not created.
  Expect<Equal<Parameters<C["Counter"]>, [start: number, label?: string]>>,
  Expect<Equal<Parameters<C["late"]>, [zone: string]>>,
  Expect<Equal<Parameters<C["clock"]>, []>>,
  Expect<Equal<Made<"Counter">, Remote<Counter>>>,
  Expect<Equal<Made<"clock">, Remote<Clock>>>,
  Expect<Equal<Made<"late">, Remote<Clock>>>,
  Expect<Equal<Made<"Notice">, Remote<Notice>>>,
  // deno-lint-ignore no-explicit-any
  Expect<Equal<Made<"untyped">, any>>,
  Expect<Equal<Extract<keyof C, "BankError">, never>>,

  // `exposed` narrows, and may name a _name.
  Expect<Equal<Exclude<keyof Made<"jobs">, symbol>, "put">>,
  Expect<Equal<Made<"jobs">["put"], (n: number) => Promise<number[]>>>,
  Expect<Equal<Exclude<keyof AccountProxy, symbol>, "bank" | "_audit">>,

  // `methodToTypeid`: typeids of ours, in circles as well; nothing stays nothing, a proxy a proxy.
  Expect<Equal<BankProxy["open"], Call<[name: string], AccountProxy>>>,
  Expect<Equal<BankProxy["find"], Call<[name: string], AccountProxy | undefined>>>,
  Expect<Equal<BankProxy["existing"], Call<[], AccountProxy | Remote<Account> | null>>>,
  Expect<Equal<AccountProxy["bank"], Call<[], BankProxy>>>,
  Expect<Equal<Made<"Files">["open"], Call<[], Remote<File>>>>,

  // `methodToTypeid`: built-ins, with the types of what they hold.
  Expect<Equal<BankProxy["ids"], Call<[], ListProxy<number>>>>,
  Expect<Equal<BankProxy["byName"], Call<[], DictProxy<string, boolean>>>>,
  Expect<Equal<BankProxy["ages"], Call<[], DictProxy<string, number>>>>,
  Expect<Equal<BankProxy["tags"], Call<[], SetProxy<string>>>>,
  Expect<Equal<BankProxy["config"], Call<[], NamespaceProxy<{ retries: number }>>>>,

  // The caller is left out.
  Expect<Equal<BankProxy["transfer"], Call<[from: Remote<Account>], void>>>,

  // A limit: the type parameters of a class are not seen behind a creation method.
  Expect<Equal<Made<"Box">, Remote<Box<unknown>>>>,
];

// What defineTypes computes may go where a proxy is written by hand.
export async function byHand(creators: C): Promise<Remote<Counter>[]> {
  const bank: Remote<Bank, { open: Remote<Account, { bank: BankProxy }, "bank"> }, "open"> =
    await creators.Bank();
  await (await (await bank.open("a")).bank()).transfer(a<Remote<Account>>());
  const counters = a<ListProxy<Remote<Counter>>>();
  await counters.push(await creators.Counter(0));
  // @ts-expect-error: a proxy of another class
  await counters.push(await creators.clock());
  // @ts-expect-error: a wrong argument
  await creators.Counter("0");
  // @ts-expect-error: an argument too many
  await creators.clock(1);
  // @ts-expect-error: an exception is not created
  creators.BankError;
  // @ts-expect-error: a name that nobody defined
  creators.Nobody;
  return await counters.copy();
}

// Several type sets, and none.
const others = defineTypes(import.meta.url, { Other: Clock, nothing: BankError });
export type SetClaims = [
  Expect<Equal<keyof Creators<TypesOf<readonly [typeof others, typeof types]>>, keyof C | "Other">>,
  Expect<Equal<keyof Creators<TypesOf<(typeof others)[]>>, "Other">>,
  Expect<Equal<keyof Creators<TypesOf<readonly []>>, never>>,
  Expect<Equal<keyof Creators<TypesOf<undefined>>, never>>,
  // Types that nobody knows add no names: `create` is for them.
  Expect<Equal<keyof Creators<TypesOf<TypeSet>>, never>>,
];

declare function start<const S extends TypeSet | readonly TypeSet[] = []>(
  options?: { types?: S },
): Promise<BuiltinCreators & Creators<TypesOf<S>>>;
declare function connect<T = TypesOf<[]>>(): Promise<BuiltinCreators & Creators<T>>;

export async function sketches(): Promise<void> {
  const one = await start({ types });
  await (await one.Counter(0)).add(1);
  const two = await start({ types: [types, others] });
  await (await two.Other()).now();
  await (await two.Bank()).open("a");
  const none = await start();
  await none.list([1]);
  // @ts-expect-error: no types, no names
  none.Counter;
  const joined = await connect<TypesOf<typeof types>>();
  await (await joined.Counter(0)).add(1);
  // @ts-expect-error: not made by defineTypes
  await start({ types: { Counter } });
  // @ts-expect-error: has the same shape, but was not made by defineTypes
  await start({ types: { moduleUrl: "", definitions: {} } });
}

export function refusals(): void {
  // @ts-expect-error: a built-in typeid
  defineTypes(import.meta.url, { list: Counter });
  // @ts-expect-error: a member of the manager
  defineTypes(import.meta.url, { Counter, shutdown: Counter });
  // @ts-expect-error: would make the manager look like a promise
  defineTypes(import.meta.url, { then: () => new Clock() });
  // @ts-expect-error: a name of the language
  defineTypes(import.meta.url, { __x__: Counter });
  // @ts-expect-error: no function
  defineTypes(import.meta.url, { Counter: 3 });
  // @ts-expect-error: a factory that makes no object
  defineTypes(import.meta.url, { three: () => 3 });
  // @ts-expect-error: the module is missing
  defineTypes({ Counter });
  // @ts-expect-error: no such option
  typeid(Counter, { serail: true, serial: true });
  // @ts-expect-error: no such method
  typeid(Counter, { exposed: ["ad"] });
  // @ts-expect-error: no such method
  typeid(Counter, { methodToTypeid: { ad: "list" } });
  // @ts-expect-error: a typeid is a name
  typeid(Counter, { methodToTypeid: { add: Counter } });
  // @ts-expect-error: no number
  typeid(Counter, { readAhead: "1" });
  // Where the type of the object says nothing, any name passes.
  typeid((): object => new Clock(), { exposed: ["now"], methodToTypeid: { now: "list" } });
}

export async function builtins(m: BuiltinCreators, account: Remote<Account>): Promise<unknown> {
  const numbers = await m.list([1, 2]);
  const nothing = await m.list();
  const proxies = await m.list([account]);
  const copied = await m.list(numbers);
  const lists = await m.list([numbers]);
  const entries = await m.dict([["a", 1]]);
  const object = await m.dict({ a: 1, b: 2 });
  const map = await m.dict(new Map([[1, true]]));
  const unknowns = await m.dict();
  const typed = await m.dict<"a" | "b", Date>();
  const empty = await m.dict<string, number>({});
  const nested = await m.dict(entries);
  const letters = await m.set("abc");
  const int = await m.value("int32", 0);
  const big = await m.value("q");
  const any = await m.value("any", "text");
  const doubles = await m.array("d", [1, 2]);
  const longs = await m.array("biguint64", 8);
  const ns = await m.namespace({ x: 1, y: "a" });
  const free = await m.namespace();
  free.x = ns.x = 2;
  a<(x: number) => void>()(await ns.x);

  // @ts-expect-error: an attribute of another type
  ns.x = "2";
  // @ts-expect-error: a key is a primitive
  await m.dict([[{}, 1]]);
  // @ts-expect-error: no iterable
  await m.list(3);
  // @ts-expect-error: a local generator cannot be sent
  await m.list(a<AsyncGenerator<number>>());
  // @ts-expect-error: no such typecode
  await m.value("int128", 0);
  // @ts-expect-error: a bigint for a number
  await m.value("int32", 0n);
  // @ts-expect-error: numbers for bigints
  await m.array("q", [1]);

  return a<[
    Expect<Equal<typeof numbers, ListProxy<number>>>,
    Expect<Equal<typeof nothing, ListProxy<unknown>>>,
    Expect<Equal<typeof proxies, ListProxy<Remote<Account>>>>,
    Expect<Equal<typeof copied, ListProxy<number>>>,
    Expect<Equal<typeof lists, ListProxy<ListProxy<number>>>>,
    Expect<Equal<typeof entries, DictProxy<string, number>>>,
    Expect<Equal<typeof object, DictProxy<string, number>>>,
    Expect<Equal<typeof map, DictProxy<number, boolean>>>,
    Expect<Equal<typeof unknowns, DictProxy<string, unknown>>>,
    Expect<Equal<typeof typed, DictProxy<"a" | "b", Date>>>,
    Expect<Equal<typeof empty, DictProxy<string, number>>>,
    Expect<Equal<typeof nested, DictProxy<string, number>>>,
    Expect<Equal<typeof letters, SetProxy<string>>>,
    Expect<Equal<typeof int, ValueProxy<number>>>,
    Expect<Equal<typeof big, ValueProxy<bigint>>>,
    Expect<Equal<typeof any, ValueProxy<string>>>,
    Expect<Equal<typeof doubles, ArrayProxy<number>>>,
    Expect<Equal<typeof longs, ArrayProxy<bigint>>>,
    Expect<Equal<typeof ns, NamespaceProxy<{ x: number; y: string }>>>,
  ]>();
}
