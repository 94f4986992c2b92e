/**
 * `Remote<T, M>`: what becomes of a class on the other side. Checked, never run.
 *
 * @module
 */

import type { ListProxy } from "../../lib/objects/list.ts";
import type { Caller, Remote, RemoteIterator } from "../../lib/remote.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

class Account {
  balance(): number {
    return 0;
  }
}

export class Sample {
  #secret = 1;
  field = 3;
  fieldFunction = (): number => this.#secret;
  get accessor(): number {
    return 1;
  }
  private hidden(): void {}
  protected guarded(): void {
    this.hidden();
  }
  _internal(): void {
    this.guarded();
  }
  __dunder__(): void {}
  toString(): string {
    return "";
  }
  then(): void {}

  sync(n: number, text?: string): string {
    return `${n}${text}`;
  }
  async later(): Promise<boolean> {
    return await Promise.resolve(true);
  }
  rest(...items: number[]): void {
    items.sort();
  }
  either(): Promise<number> | string {
    return "";
  }
  nothing(): undefined {
    return undefined;
  }
  // deno-lint-ignore no-explicit-any
  anything(): any {
    return 1;
  }
  unknowable(): unknown {
    return 1;
  }
  optional?(): Date;

  *range(n: number): Generator<number, string, boolean> {
    return (yield n) ? "" : "";
  }
  async *lines(): AsyncGenerator<string> {
    yield await Promise.resolve("");
  }
  entries(): IterableIterator<[string, number]> {
    return new Map<string, number>().entries();
  }
  async lateIterator(): Promise<Iterator<number> & Iterable<number>> {
    return await Promise.resolve([1].values());
  }
  maybeIterator(): IterableIterator<number> | null {
    return null;
  }
  array(): number[] {
    return [];
  }

  called(n: number, caller: Caller): string {
    return caller.id + n;
  }
  onlyCaller(caller: Caller): void {
    caller.signal.throwIfAborted();
  }
  // deno-lint-ignore no-explicit-any
  lastIsAny(n: number, last: any): void {
    last(n);
  }
  lastIsUnknown(n: number, last: unknown): void {
    [n, last].sort();
  }
  takesProxy(account: Remote<Account>): Promise<number> {
    return account.balance();
  }
  open(name: string): Account {
    return name ? new Account() : new Account();
  }
  names(): string[] {
    return [];
  }

  overloaded(key: string): string;
  overloaded(key: number): number;
  overloaded(key: string | number): string | number {
    return key;
  }
  generic<X extends string>(value: X): X[] {
    return [value];
  }
}

type R = Remote<Sample>;
type Result<F> = F extends (...args: never[]) => Promise<infer T> ? T : never;

export type Claims = [
  // Methods are asynchronous and keep their parameters.
  Expect<Equal<R["sync"], (n: number, text?: string) => Promise<string>>>,
  Expect<Equal<R["later"], () => Promise<boolean>>>,
  Expect<Equal<R["rest"], (...items: number[]) => Promise<void>>>,
  Expect<Equal<R["either"], () => Promise<string | number>>>,
  Expect<Equal<R["nothing"], () => Promise<undefined>>>,
  // deno-lint-ignore no-explicit-any
  Expect<Equal<R["anything"], () => Promise<any>>>,
  Expect<Equal<R["unknowable"], () => Promise<unknown>>>,
  Expect<Equal<R["optional"], (() => Promise<Date>) | undefined>>,
  Expect<Equal<R["array"], () => Promise<number[]>>>,

  // Iterators become remote ones, also those that come late; arrays are copied.
  Expect<Equal<R["range"], (n: number) => Promise<RemoteIterator<number>>>>,
  Expect<Equal<R["lines"], () => Promise<RemoteIterator<string>>>>,
  Expect<Equal<R["entries"], () => Promise<RemoteIterator<[string, number]>>>>,
  Expect<Equal<R["lateIterator"], () => Promise<RemoteIterator<number>>>>,
  Expect<Equal<R["maybeIterator"], () => Promise<RemoteIterator<number> | null>>>,

  // The caller is not the caller's to pass.
  Expect<Equal<R["called"], (n: number) => Promise<string>>>,
  Expect<Equal<R["onlyCaller"], () => Promise<void>>>,
  // deno-lint-ignore no-explicit-any
  Expect<Equal<R["lastIsAny"], (n: number, last: any) => Promise<void>>>,
  Expect<Equal<R["lastIsUnknown"], (n: number, last: unknown) => Promise<void>>>,

  // A parameter that takes a proxy is declared as one, and stays as it is.
  Expect<Equal<R["takesProxy"], (account: Remote<Account>) => Promise<number>>>,

  // What is not public is not there.
  Expect<Equal<Extract<keyof R, "field" | "accessor" | "hidden" | "guarded">, never>>,
  Expect<Equal<Extract<keyof R, "_internal" | "__dunder__" | "toString" | "then">, never>>,
  Expect<Equal<Extract<keyof R, symbol>, typeof Symbol.dispose>>,

  // Limits: a field with a function looks like a method; the last overload is seen; type parameters
  // of a method become their constraint.
  Expect<Equal<R["fieldFunction"], () => Promise<number>>>,
  Expect<Equal<R["overloaded"], (key: number) => Promise<number>>>,
  Expect<Equal<R["generic"], (value: string) => Promise<string[]>>>,
];

// M names the methods whose result is shared.
type Shared = Remote<Sample, { open: Remote<Account>; names: ListProxy<string> }>;

export type SharedClaims = [
  Expect<Equal<Shared["open"], (name: string) => Promise<Remote<Account>>>>,
  Expect<Equal<Shared["names"], () => Promise<ListProxy<string>>>>,
  Expect<Equal<Shared["sync"], R["sync"]>>,
  Expect<Equal<Result<R["open"]>, Account>>,
];

// The third parameter names what is exposed.
type Narrow = Remote<Sample, Record<never, never>, "later" | "_internal">;
export type NarrowClaims = [
  Expect<Equal<Exclude<keyof Narrow, symbol>, "later" | "_internal">>,
];

// A class that can be iterated makes its proxy iterable.
export class Numbers {
  *[Symbol.iterator](): Generator<number> {
    yield 1;
  }
}
export class Lines {
  async *[Symbol.asyncIterator](): AsyncGenerator<string> {
    yield await Promise.resolve("");
  }
}

export async function iterate(
  sample: R,
  numbers: Remote<Numbers>,
  lines: Remote<Lines>,
): Promise<void> {
  for await (const n of numbers) a<(value: number) => void>()(n);
  for await (const line of lines) a<(value: string) => void>()(line);
  for await (const n of await sample.range(3)) a<(value: number) => void>()(n);
  const range = await sample.range(3);
  const step = await range.next();
  if (!step.done) a<(value: number) => void>()(step.value);
  await range.return();
  await range[Symbol.asyncDispose]();
  sample[Symbol.dispose]();
  // @ts-expect-error: a class without an iterator makes no iterable proxy
  for await (const nothing of sample) a<(value: unknown) => void>()(nothing);
  // @ts-expect-error: the proxy of a class with [Symbol.iterator] is only async iterable
  for (const n of numbers) a<(value: number) => void>()(n);
}

export async function misuse(sample: R, account: Remote<Account>): Promise<void> {
  // @ts-expect-error: a wrong argument
  await sample.sync("1");
  // @ts-expect-error: the caller is not passed
  await sample.onlyCaller(a<Caller>());
  // @ts-expect-error: a field
  sample.field;
  // @ts-expect-error: a private method
  sample.hidden();
  // @ts-expect-error: an instance is no proxy
  await sample.takesProxy(new Account());
  // @ts-expect-error: a proxy is no instance
  const instance: Account = account;
  await sample.takesProxy(account);
  a<(value: unknown) => void>()(instance);
}

// Classes that know each other make no endless types.
export class Parent {
  children(): Remote<Child>[] {
    return [];
  }
}
export class Child {
  parent(): Remote<Parent, { children: ListProxy<Remote<Child>> }> {
    return a();
  }
}
export async function circle(parent: Remote<Parent>): Promise<Remote<Child> | undefined> {
  const [child] = await parent.children();
  return await (await (await child?.parent())?.children())?.at(0);
}

// Proxies of generic classes, named by hand.
export class Box<T> {
  #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  get(): T {
    return this.#value;
  }
}
export type BoxClaims = [
  Expect<Equal<Remote<Box<number>>["get"], () => Promise<number>>>,
];
export async function inGenericCode<T extends Account>(account: Remote<T>): Promise<unknown> {
  return await a<Remote<Box<Remote<T>>>>().get() === account;
}

export function share(caller: Caller): Remote<Account> {
  const proxy = caller.share(new Account(), "Account");
  // @ts-expect-error: a primitive cannot be shared
  caller.share(3, "Account");
  return proxy;
}
