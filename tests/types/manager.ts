/**
 * What the entry functions give, by type. Checked, never run.
 *
 * @module
 */

import {
  defineTypes,
  type DictProxy,
  type ListProxy,
  Manager,
  type ManagerOf,
  type Remote,
  type Server,
  typeid,
  type TypesOf,
} from "../../mod.ts";
import type { Equal, Expect } from "./expect.ts";

class Counter {
  #n: number;
  constructor(start: number) {
    this.#n = start;
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

const types = defineTypes("file:///types.ts", { Counter, clock: () => new Clock() });
const others = defineTypes("file:///others.ts", {
  jobs: typeid(() => new Clock(), { exposed: ["now"] }),
});

export async function startGivesCreationMethods(): Promise<void> {
  const manager = await Manager.start({ types });
  const counter = await manager.Counter(1);
  const clock = await manager.clock();
  const list = await manager.list([1, 2]);
  const claims: [
    Expect<Equal<Awaited<ReturnType<typeof counter.add>>, number>>,
    Expect<Equal<Awaited<ReturnType<typeof clock.now>>, Date>>,
    Expect<Equal<typeof list, ListProxy<number>>>,
  ] = [true, true, true];
  void claims;
  // @ts-expect-error The constructor takes a number.
  await manager.Counter("1");
  // @ts-expect-error No such typeid.
  await manager.Nothing();
  const named = await manager.named("hits").Counter(0);
  await named.add(1);
  const dict: DictProxy<string, number> = await manager.named("d").dict<string, number>();
  await dict.increment("a");
}

export async function severalSetsAreMerged(): Promise<void> {
  const manager = await Manager.local({ types: [types, others] });
  const counter: Remote<Counter> = await manager.Counter(1);
  const jobs = await manager.jobs();
  await counter.add(1);
  await jobs.now();
}

export async function withoutTypesThereAreOnlyBuiltins(): Promise<void> {
  const manager = await Manager.start();
  await manager.dict({ a: 1 });
  // @ts-expect-error No types were given.
  await manager.Counter(0);
}

export async function connectKnowsTypesByTypeAlone(): Promise<void> {
  const byType = await Manager.connect<TypesOf<typeof types>>();
  await (await byType.Counter(1)).add(2);
  const byValue = await Manager.connect({ types });
  await (await byValue.Counter(1)).add(2);
  const plain = await Manager.connect({ address: "unix:/s", authkey: "0123456789abcdef" });
  // @ts-expect-error No types were given.
  await plain.Counter(0);
}

export async function managersCanBeNamed(
  typed: ManagerOf<typeof types>,
  same: Manager<TypesOf<typeof types>>,
): Promise<void> {
  const other: ManagerOf<typeof types> = same;
  const counter: Remote<Counter> = await typed.Counter(1);
  const found = await other.lookup<Remote<Counter>>("counter");
  await found?.add(1);
  await counter.add(1);
}

export async function serveGivesAServer(): Promise<void> {
  const server: Server = await Manager.serve({ types, address: "tcp://127.0.0.1:0" });
  // @ts-expect-error A server in this process has no runtime of its own.
  await Manager.serve({ runtime: "node" });
  await server.close();
}
