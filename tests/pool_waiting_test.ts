/**
 * Chunks that wait in a worker behind others: which is lost with it, in which order they leave, and
 * who is not to wait behind whom.
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Packer } from "../lib/process/packer.ts";
import type { Chunk } from "../lib/process/job.ts";
import type { Parcels, Prepared } from "../lib/process/parcel.ts";
import type { Pool, PoolOptions, Progress } from "../lib/process.ts";
import { tasks } from "./fixtures/pool/tasks.ts";
import { assertClean } from "./support/clean.ts";
import { range, untilLength, withManagedPool, withPool } from "./support/pools.ts";
import { inRuntime, withManager } from "./support/processes.ts";
import { type RuntimeName, runtimeNames } from "./support/runtimes.ts";

const bun = { runtime: inRuntime("bun") };
const lost = { name: "WorkerLostError" };

/** Lets the body have a folder in which tasks note that they began. */
async function withNotes(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pool-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, maxRetries: 5 });
  }
}

/** Workers of that runtime, which may write files. */
function writing(runtime: RuntimeName): PoolOptions {
  return { runtime: inRuntime(runtime), ...runtime === "deno" ? { permissions: "all" } : {} };
}

/** How often each task began. */
function begun(folder: string): number[] {
  const names = readdirSync(folder).map(Number).sort((a, b) => a - b);
  return names.map((name) => readFileSync(`${folder}/${name}`).length);
}

/** Of twelve tasks the sixth kills its worker: no other fails, and each begins once. */
async function assertOneLost(
  pool: Pool,
  folder: string,
  resultOf: (i: number) => number | "kept",
): Promise<void> {
  let last: Progress | undefined;
  const onProgress = (progress: Progress) => last = progress;
  const items = range(12).map((i) => [folder, i, resultOf(i), i === 5] as const);
  await assert.rejects(pool.starmap(tasks.noteAndDie, items, { chunkSize: 1, onProgress }), lost);
  assert.equal(last?.failed, 1);
  assert.deepEqual(begun(folder).slice(0, 12), range(12).map(() => 1));
}

/** Runs it until the pool knows that it takes little time. */
async function warm(run: () => Promise<unknown>): Promise<void> {
  for (const _ of range(2)) await run();
}

for (const runtime of runtimeNames) {
  void test(`a worker in ${runtime} begins nothing more once it is cancelled, whatever it was thought to take`, () =>
    withNotes((folder) =>
      withPool(1, writing(runtime), async (pool) => {
        const items = (slow: number) =>
          range(400).map((i) => [folder, i, i < 300 ? 0 : slow] as const);
        await warm(() => pool.starmap(tasks.noteAndSpin, items(0), { chunkSize: 1 }));
        const controller = new AbortController();
        const { signal } = controller;
        const onProgress = ({ done }: Progress) => done > 300 && controller.abort();
        const options = { chunkSize: 1, signal, onProgress };
        const call = pool.starmap(tasks.noteAndSpin, items(100), options);
        await assert.rejects(call, { name: "AbortError" });
        await pool.apply(tasks.square, [2]); // behind all that was begun
        // Sixteen waited there; some may begin before a slow parent has said so.
        assert.ok(begun(folder).length <= 12, `${begun(folder).length} were begun`);
      })
    ));
}

for (const runtime of runtimeNames) {
  void test(`a worker in ${runtime} begins nothing before the system has taken the last answer`, () =>
    withNotes((folder) =>
      withPool(1, writing(runtime), async (pool) => {
        const bytes = 300_000;
        const some = range(100).map((i) => [folder, 100 + i, 10, false] as const);
        await warm(() => pool.starmap(tasks.noteAndDie, some));
        await assertOneLost(pool, folder, (i) => i < 5 ? bytes : 10);
      })
    ));
}

void test("a worker is lost with the task that it ran, not with one whose answer waits for a server", () =>
  withNotes((folder) =>
    withManager((manager) =>
      withPool(1, bun, async (pool) => {
        await pool.apply(tasks.keep, [{ ...manager.env }]);
        const some = range(200).map((i) => [folder, 100 + i, 10, false] as const);
        await warm(() => pool.starmap(tasks.noteAndDie, some));
        await assertOneLost(pool, folder, (i) => i === 4 ? "kept" : 10);
      })
    )
  ));

void test("a call whose items cannot be sent reads no more of them", () =>
  withPool(1, { threads: true }, async (pool) => {
    await pool.apply(tasks.echo, [1]);
    let read = 0;
    function* items(): Generator<unknown> {
      while (read < 10_000) yield read++ < 0 || (() => {});
    }
    await assert.rejects(pool.map(tasks.echo, items()), { name: "SerializeError" });
    assert.ok(read < 20, `${read} items were read`);
  }));

void test("while a lost worker is replaced nobody reads the items that others wait for", () =>
  withNotes((folder) =>
    withPool(1, bun, async (pool) => {
      const quick = [folder, 0, 10, false] as const;
      await warm(() => pool.starmap(tasks.noteAndDie, range(100).map(() => quick)));
      let [read, done, ahead] = [0, 0, 0];
      function* items() {
        for (let i = 0; i < 5000; i++) {
          ahead = Math.max(ahead, ++read - done);
          yield [folder, 1, 10, i === 40] as const;
        }
      }
      const onProgress = (progress: Progress) => done = progress.done;
      await assert.rejects(
        pool.starmap(tasks.noteAndDie, items(), { chunkSize: 1, onProgress }),
        lost,
      );
      assert.equal(read, 5000);
      assert.ok(ahead < 100, `${ahead} items were read ahead`);
    })
  ));

void test("nothing waits behind a task that takes long, whatever others of its name took", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const [list, others] = [await manager.list<unknown>(), await manager.list<unknown>()];
    await warm(() => pool.starmap(tasks.meet, range(60).map(() => [others, 1] as const)));
    const long = pool.starmap(tasks.meet, [[list, 2], [others, 1]], { chunkSize: 1 });
    await untilLength(list, 1);
    for (const _ of range(20)) await pool.apply(tasks.square, [3]);
    const quick = pool.map(tasks.square, range(40), { chunkSize: 1 });
    const calls = range(20).map((x) => pool.apply(tasks.square, [x]));
    assert.equal((await quick).length, 40);
    assert.equal((await Promise.all(calls)).length, 20);
    await list.push("the end of the long one");
    await long;
  }));

void test("maxTasksPerChild is exact although reading the items calls the pool", () =>
  withPool(1, { ...bun, maxTasksPerChild: 1 }, async (pool) => {
    await pool.apply(tasks.worker);
    const inner: Promise<string>[] = [];
    function* items(): Generator<number> {
      for (const i of range(3)) {
        inner.push(pool.apply(tasks.worker));
        yield i;
      }
    }
    const workers = [...await pool.map(tasks.worker, items()), ...await Promise.all(inner)];
    assert.equal(new Set(workers).size, 6);
  }));

void test("chunks leave in the order in which they were given, however long their packing takes", async () => {
  const ticks = async (count: number) => {
    for (let i = 0; i < count; i++) await undefined;
  };
  const never = new Promise<undefined>(() => {});
  for (const between of range(30)) {
    const sent: unknown[] = [];
    const parcels = {
      prepare: ([name]: string[]): Prepared | Promise<Prepared> => {
        const prepared = { parcel: name, drop() {}, give() {}, keep() {} } as unknown as Prepared;
        return name === "slow" ? ticks(10).then(() => prepared) : prepared;
      },
    } as unknown as Parcels;
    const packer = new Packer(parcels);
    const send = async (name: string) => {
      const packed = packer.pack({ items: [name], start: 0 } as unknown as Chunk, never);
      sent.push((packed instanceof Promise ? await packed : packed)?.parcel);
    };
    const first = send("slow");
    await ticks(between);
    await Promise.all([first, send("quick")]);
    assert.deepEqual(sent, ["slow", "quick"], `${between} ticks later`);
  }
});

void test("leaves nothing behind", assertClean);
