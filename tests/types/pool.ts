/**
 * Pools by type: a task's parameters and result decide what its calls take and give. Checked, never
 * run.
 *
 * @module
 */

import type { ListProxy, Manager, Remote } from "../../mod.ts";
import {
  type ActorClass,
  defineTasks,
  Pool,
  type PoolOptions,
  type Progress,
  type Task,
  type TaskFunction,
} from "../../lib/process.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

class Model {
  readonly start: number;
  readonly name: string | undefined;
  constructor(start: number, name?: string) {
    this.start = start;
    this.name = name;
  }
  add(n: number): number {
    return this.start + n;
  }
  async later(): Promise<string> {
    return await Promise.resolve("");
  }
}

class Refused extends Error {}

const tasks = defineTasks(import.meta.url, {
  square: (x: number) => x * x,
  add: (a: number, b: number) => a + b,
  load: async (url: string): Promise<Uint8Array> =>
    await Promise.resolve(new Uint8Array(url.length)),
  push: async (list: ListProxy<number>, n?: number) => await list.push(n ?? 0),
  nothing: () => {},
  identity: <T>(value: T): T => value,
  Model,
  Refused,
});

export async function callsHaveTheTypesOfTheirTask(pool: Pool): Promise<unknown> {
  const applied = await pool.apply(tasks.square, [1]);
  const sum = await pool.apply(tasks.add, [1, 2]);
  const loaded = await pool.apply(tasks.load, ["x"], { timeout: 1, retries: 2 });
  const nothing = await pool.apply(tasks.nothing);
  const pushed = await pool.apply(tasks.push, [a<ListProxy<number>>()]);
  const mapped = await pool.map(tasks.square, [1, 2], { chunkSize: 3, progress: true });
  const mappedSet = await pool.map(tasks.load, new Set(["a"]));
  const mappedList = await pool.map(tasks.square, a<ListProxy<number>>());
  const starmapped = await pool.starmap(tasks.add, [[1, 2], [3, 4]]);
  const iterated = pool.imap(tasks.load, a<AsyncIterable<string>>());
  const unordered = pool.imapUnordered(tasks.square, [1]);

  // @ts-expect-error: no number
  await pool.apply(tasks.square, ["1"]);
  // @ts-expect-error: one argument is missing
  await pool.apply(tasks.add, [1]);
  // @ts-expect-error: the arguments are an array
  await pool.apply(tasks.square, 1);
  // @ts-expect-error: the items are numbers
  await pool.map(tasks.square, ["1"]);
  // @ts-expect-error: an item is all arguments
  await pool.starmap(tasks.add, [1, 2]);
  // @ts-expect-error: a function is no task
  await pool.map((x: number) => x, [1]);
  // @ts-expect-error: a class is for `actor`
  await pool.apply(tasks.Model, [1]);
  // @ts-expect-error: Python's spelling
  await pool.map(tasks.square, [1], { chunksize: 3 });

  return a<[
    Expect<Equal<typeof applied, number>>,
    Expect<Equal<typeof sum, number>>,
    Expect<Equal<typeof loaded, Uint8Array>>,
    Expect<Equal<typeof nothing, void>>,
    Expect<Equal<typeof pushed, number>>,
    Expect<Equal<typeof mapped, number[]>>,
    Expect<Equal<typeof mappedSet, Uint8Array[]>>,
    Expect<Equal<typeof mappedList, number[]>>,
    Expect<Equal<typeof starmapped, number[]>>,
    Expect<Equal<typeof iterated, AsyncIterableIterator<Uint8Array>>>,
    Expect<Equal<typeof unordered, AsyncIterableIterator<number>>>,
  ]>();
}

export async function actorsAreRemotes(pool: Pool): Promise<unknown> {
  const model = await pool.actor(tasks.Model, 1, "name");
  const sum = await model.add(1);
  const later = await model.later();

  // @ts-expect-error: the constructor takes a number
  await pool.actor(tasks.Model, "1");
  // @ts-expect-error: it takes one at least
  await pool.actor(tasks.Model);
  // @ts-expect-error: a function makes no actor
  await pool.actor(tasks.square, 1);
  // @ts-expect-error: an exception is no actor's class here, it is the class itself
  await pool.actor(tasks.Refused);

  return a<[
    Expect<Equal<typeof model, Remote<Model>>>,
    Expect<Equal<typeof sum, number>>,
    Expect<Equal<typeof later, string>>,
    Expect<Equal<typeof tasks.Refused, typeof Refused>>,
  ]>();
}

export async function poolsTakeTheirOptions(manager: Manager): Promise<unknown> {
  const options: PoolOptions = {
    manager,
    initializer: { module: import.meta.url, args: [1] },
    maxTasksPerChild: 10,
    runtime: ["deno", { name: "bun", path: "/bin/bun" }],
    permissions: ["--allow-read"],
    tasks: [tasks],
    startTimeout: 1000,
  };
  await using pool = new Pool(4, options);
  new Pool();
  new Pool(1, { threads: true, tasks });
  const onProgress = ({ done, total, failed, rate, eta }: Progress) =>
    a<[
      Expect<Equal<[typeof done, typeof failed, typeof rate], [number, number, number]>>,
      Expect<Equal<[typeof total, typeof eta], [number | undefined, number | undefined]>>,
    ]>();
  await pool.map(tasks.square, [1], { onProgress: (progress) => void onProgress(progress) });

  // @ts-expect-error: Python's spelling
  new Pool(1, { maxtasksperchild: 1 });
  // @ts-expect-error: no such runtime
  new Pool(1, { runtime: "python" });
  // @ts-expect-error: tasks are what defineTasks() gave
  new Pool(1, { tasks: [tasks.square] });

  // @ts-expect-error: it takes functions and classes
  defineTasks(import.meta.url, { x: 1 });
  // @ts-expect-error: and the URL of their module
  defineTasks({ f: () => 1 });

  return a<[
    Expect<Equal<typeof tasks.square, Task<(x: number) => number>>>,
    Expect<Equal<typeof tasks.Model extends Task<ActorClass> ? true : false, true>>,
    Expect<Equal<typeof tasks.Model extends Task<TaskFunction> ? true : false, false>>,
  ]>();
}
