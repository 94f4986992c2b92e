/**
 * Every step of a program in this library's names: what `docs/from-python.md` says in tables.
 *
 * Above: comparison.ts. Below: the proxies.
 *
 * @module
 */
import {
  type ArrayProxy,
  type DictProxy,
  getValue,
  type JoinableQueueProxy,
  type ListProxy,
  type Manager,
  type NamespaceProxy,
  type QueueProxy,
  type SetProxy,
  str,
  type ValueProxy,
} from "../../mod.ts";
import type { ProxyBase } from "../../lib/objects/proxy_base.ts";
import type { Typeid } from "./values.ts";

type List = ListProxy<unknown>;
type Dict = DictProxy<never, unknown>;
type SetOf = SetProxy<unknown>;
type Namespace = NamespaceProxy & Record<string, unknown>;
type Value = ValueProxy<number>;
type Numbers = ArrayProxy<number>;

type Translation<P> = (proxy: P, ...args: never[]) => unknown;
type Translations<P> = Readonly<Record<string, Translation<P>>>;

/** Does one step; throws or rejects as the call does. */
export async function perform(
  typeid: Typeid,
  proxy: unknown,
  name: string,
  args: readonly unknown[],
): Promise<unknown> {
  if (name === "getvalue") return await getValue(proxy as ProxyBase);
  const translation = translations[typeid][name];
  if (!translation) throw new Error(`No translation of "${name}" of a ${typeid}`);
  return await translation(proxy as never, ...args as never[]);
}

/** The text of an object. */
export function textOf(proxy: unknown): Promise<string> {
  return str(proxy as ProxyBase);
}

/** Makes an object. */
export function create(
  manager: Manager,
  typeid: Typeid,
  args: readonly unknown[],
): Promise<unknown> {
  return manager.create(nameOf(typeid), ...creationArguments(typeid, args));
}

/** A typeid's name here. */
export function nameOf(typeid: Typeid): string {
  return typeid[0]!.toLowerCase() + typeid.slice(1);
}

function creationArguments(typeid: Typeid, args: readonly unknown[]): readonly unknown[] {
  const isQueue = typeid === "Queue" || typeid === "JoinableQueue";
  return isQueue ? args.map((maxSize) => ({ maxSize })) : args;
}

const list: Translations<List> = {
  getitem: (items, index: number) => items.at(index),
  setitem: (items, index: number, value: unknown) => items.set(index, value),
  delitem: (items, index: number) => items.pop(index),
  contains: (items, value: unknown) => items.includes(value),
  len: (items) => items.length(),
  add: (items, other: unknown[]) => items.concat(other),
  slice: (items, start: number | null, end: number | null) =>
    items.slice(start ?? undefined, end ?? undefined),
  copy: (items) => items.copy(),
  clear: (items) => items.clear(),
  iter: (items) => collect(items),
  unshift: (items, values: unknown[]) => items.unshift(...values),
  sort: async (items, reverse: boolean) => {
    await items.sort({ reverse });
    return await items.copy();
  },
  sort_halfway: (items) => items.sort(),
  splice: (items, start: number, end: number, values: unknown[]) =>
    items.splice(start, end - start, ...values),
  fill: (items, value: unknown, start: number, end: number) => items.fill(value, start, end),
  rindex: (items, value: unknown) => items.lastIndexOf(value),
  iadd: (items, other: unknown[]) => items.extend(other),
  extend: (items, other: unknown[]) => items.extend(other),
  append: (items, value: unknown) => items.push(value),
  insert: (items, index: number, value: unknown) => items.insert(index, value),
  pop: (items, index?: number) => index === 0 ? items.shift() : items.pop(index),
  remove: (items, value: unknown) => items.remove(value),
  index: (items, value: unknown, from?: number) => items.indexOf(value, from),
  count: (items, value: unknown) => items.count(value),
  reverse: (items) => items.reverse(),
};

const dict: Translations<Dict> = {
  getitem: (entries, key: never) => entries.get(key),
  get: (entries, key: never) => entries.get(key),
  setitem: (entries, key: never, value: unknown) => entries.set(key, value),
  delitem: (entries, key: never) => entries.delete(key),
  contains: (entries, key: never) => entries.has(key),
  len: (entries) => entries.size(),
  keys: (entries) => entries.keys(),
  values: (entries) => entries.values(),
  items: (entries) => entries.entries(),
  iter: (entries) => collect(entries),
  copy: (entries) => entries.copy(),
  clear: (entries) => entries.clear(),
  setdefault: (entries, key: never, value: unknown) => entries.getOrInsert(key, value),
  pop: (entries, key: never) => entries.pop(key),
  popitem: (entries) => entries.popItem(),
  update: (entries, other: Record<string, unknown>) => entries.update(other),
  increment: (entries, key: never, by: never) => entries.increment(key, by),
};

const set: Translations<SetOf> = {
  add: (members, member: unknown) => members.add(member),
  contains: (members, member: unknown) => members.has(member),
  discard: (members, member: unknown) => members.delete(member),
  remove: (members, member: unknown) => members.delete(member),
  clear: (members) => members.clear(),
  len: (members) => members.size(),
  iter: async (members) => new Set(await collect(members)),
  pop: (members) => members.pop(),
  union: (members, ...others: never[]) => members.union(...others),
  intersection: (members, ...others: never[]) => members.intersection(...others),
  difference: (members, ...others: never[]) => members.difference(...others),
  symmetric_difference: (members, other: never) => members.symmetricDifference(other),
  or: (members, other: never) => members.union(other),
  and: (members, other: never) => members.intersection(other),
  sub: (members, other: never) => members.difference(other),
  xor: (members, other: never) => members.symmetricDifference(other),
  issubset: (members, other: never) => members.isSubsetOf(other),
  issuperset: (members, other: never) => members.isSupersetOf(other),
  isdisjoint: (members, other: never) => members.isDisjointFrom(other),
  update: (members, ...others: never[]) => members.update(...others),
  copy: (members) => members.copy(),
};

/** Names that the proxy has a use of its own for. */
const methodNames = new Set(["get", "set", "delete", "keys", "then", "toJSON"]);

const namespace: Translations<Namespace> = {
  getattr: (ns, name: string) => methodNames.has(name) ? ns.get(name) : ns[name],
  setattr: (ns, name: string, value: unknown) => {
    if (methodNames.has(name)) return ns.set(name, value);
    Reflect.set(ns, name, value);
  },
  delattr: (ns, name: string) => {
    if (!name.startsWith("_")) return ns.delete(name);
    const existed = name in ns;
    Reflect.deleteProperty(ns, name);
    return existed;
  },
  names: (ns) => ns.keys(),
};

const value: Translations<Value> = {
  get: (cell) => cell.get(),
  value: (cell) => cell.get(),
  set: (cell, _typecode: string, to: number) => cell.set(to),
  set_anything: (cell, to: number) => cell.set(to),
  iadd: (cell, _typecode: string, by: number) => cell.add(by),
};

const array: Translations<Numbers> = {
  getitem: (numbers, index: number) => numbers.at(index),
  setitem: (numbers, index: number, to: number) => numbers.set(index, to),
  len: (numbers) => numbers.length(),
  slice: (numbers, start: number | null, end: number | null) =>
    numbers.slice(start ?? undefined, end ?? undefined),
  set_slice: (numbers, _typecode: string, start: number, values: number[]) =>
    numbers.setSlice(start, values),
  iadd: (numbers, index: number, by: number) => numbers.add(index, by),
  iter: (numbers) => collect(numbers),
};

const queue: Translations<QueueProxy> = {
  put_now: (items, item: unknown) => items.put(item, { timeout: 0 }),
  put_nowait: (items, item: unknown) => items.tryPut(item),
  put_all: (items, values: unknown[]) => items.putMany(values),
  get_now: (items) => items.get({ timeout: 0 }),
  get_nowait: async (items) => (await items.tryGet())?.value,
  qsize: (items) => items.size(),
  empty: (items) => items.empty(),
  full: (items) => items.full(),
  drain: (items) => drain(items),
};

const joinableQueue: Translations<JoinableQueueProxy> = {
  ...queue as Translations<JoinableQueueProxy>,
  task_done: (items) => items.taskDone(),
  work: async (items) => {
    const found = await items.tryGet();
    if (found) await items.taskDone();
    return found?.value;
  },
  finish: async (items) => {
    await drain(items);
    for (let unfinished = 0;; unfinished++) {
      const failure = await items.taskDone().then(() => undefined, (error: unknown) => error);
      if (failure === undefined) continue;
      if (!(failure instanceof RangeError)) throw failure;
      await items.join();
      return unfinished;
    }
  },
};

const translations: Readonly<Record<Typeid, Translations<never>>> = {
  list,
  dict,
  set,
  Namespace: namespace,
  Value: value,
  Array: array,
  Queue: queue,
  JoinableQueue: joinableQueue,
};

async function drain(items: QueueProxy): Promise<unknown[]> {
  const taken: unknown[] = [];
  for (let found; (found = await items.tryGet());) taken.push(found.value);
  return taken;
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const result: T[] = [];
  for await (const item of items) result.push(item);
  return result;
}
