/**
 * Pools in the server by type: what tasks take and give through the proxy. Checked, never run.
 *
 * @module
 */

import {
  type ListProxy,
  Manager,
  type PoolProxy,
  type RemoteIterator,
  type SharedPoolOptions,
} from "../../mod.ts";
import { defineTasks } from "../../lib/process.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

const tasks = defineTasks(import.meta.url, {
  square: (x: number) => x * x,
  // deno-lint-ignore require-await -- an async task
  length: async (text: string, list: ListProxy<number>) => text.length + Number(list === null),
  Model: class {
    add(n: number): number {
      return n;
    }
  },
});

export async function callsAreTyped(queue: AsyncIterable<number>): Promise<unknown> {
  const options: SharedPoolOptions = { maxTasksPerChild: 10, runtime: ["bun", "node"] };
  const manager = await Manager.start({ tasks });
  const pool = await manager.pool(4, options);
  const named = await manager.named("pool").pool();
  const list = await manager.list<number>();

  const one = await pool.apply(tasks.length, ["text", list], { timeout: 5, retries: 1 });
  const squares = await pool.map(tasks.square, [1, 2], { chunkSize: 2 });
  const lengths = await pool.starmap(tasks.length, [["text", list]]);
  const results = await pool.imap(tasks.square, queue);
  for await (const square of await pool.imapUnordered(tasks.square, list)) square.toFixed();
  await pool.join({ timeout: 5, signal: new AbortController().signal });

  // @ts-expect-error: it takes numbers
  await pool.map(tasks.square, ["1"]);
  // @ts-expect-error: an argument is missing
  await pool.apply(tasks.length, ["text"]);
  // @ts-expect-error: an actor's class is no task
  await pool.apply(tasks.Model);
  // @ts-expect-error: a plain function is no task
  await pool.apply((x: number) => x);
  // @ts-expect-error: a callback cannot travel
  await pool.map(tasks.square, [1], { onProgress: () => {} });
  // @ts-expect-error: a client does not choose programs
  await manager.pool(1, { runtime: { name: "node", path: "/bin/sh" } });
  // @ts-expect-error: tasks are what defineTasks() gave
  await Manager.start({ tasks: [tasks.square] });

  await Manager.open("name", { tasks: [tasks] });
  await Manager.serve({ tasks });
  await Manager.local({ tasks });
  // @ts-expect-error: whoever joins names no tasks
  await Manager.connect({ tasks });

  return a<[
    Expect<Equal<typeof pool, PoolProxy>>,
    Expect<Equal<typeof named, PoolProxy>>,
    Expect<Equal<typeof one, number>>,
    Expect<Equal<typeof squares, number[]>>,
    Expect<Equal<typeof lengths, number[]>>,
    Expect<Equal<typeof results, RemoteIterator<number>>>,
  ]>();
}
