/**
 * Pools: what tasks get and give, in which order, in which worker, and how much of an input is read.
 * How workers, calls and pools end is told in pool_life_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type ListProxy,
  ProcessError,
  releaseProxy,
  RemoteError,
  SerializeError,
  WorkerLostError,
} from "../mod.ts";
import {
  defineTasks,
  Pool,
  type PoolOptions,
  Process,
  type Progress,
  taskSignal,
} from "../lib/process.ts";
import { inputOf } from "../lib/process/input.ts";
import { Job, Pace } from "../lib/process/job.ts";
import { Refused, tasks } from "./fixtures/pool/tasks.ts";
import { hiddenTasks, tasks as others } from "./fixtures/pool/other.ts";
import { cubes, more, Refused as Refusal, twins } from "./fixtures/pool/twins.ts";
import { tasks as broken } from "./fixtures/pool/broken.ts";
import { tasks as starting } from "./fixtures/pool/starts.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { collectGarbage } from "./support/garbage.ts";
import { collect, kinds, range, untilLength, withManagedPool, withPool } from "./support/pools.ts";
import { inRuntime } from "./support/processes.ts";
import { currentRuntime, fixture, runtimeNames } from "./support/runtimes.ts";

const squares = range(30).map((x) => x * x);

/** What a call rejects with. */
async function failureOf(call: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  return await call.then(
    (value) => assert.fail(`it gave ${String(value)}`),
    (error) => error,
  );
}

/** Counts what is read of it, and whether it was closed. */
class Counted {
  read = 0;
  closed = false;
  *sync(end = Infinity): Generator<number> {
    try {
      while (this.read < end) yield this.read++;
    } finally {
      this.closed = true;
    }
  }
  async *async(end = Infinity): AsyncGenerator<number> {
    for (const item of this.sync(end)) {
      await Promise.resolve();
      yield item;
    }
  }
}

async function* failingInput(): AsyncGenerator<number> {
  yield 1;
  yield 2;
  await Promise.resolve();
  throw new RangeError("no more");
}

for (const [kind, options] of kinds) {
  void test(`workers: ${kind} run every kind of call`, () =>
    withManagedPool(2, options, async (pool, manager) => {
      // CPython: test_apply, test_map, test_map_chunksize, test_starmap, test_imap(_unordered)
      assert.equal(await pool.apply(tasks.square, [7]), 49);
      assert.equal(await pool.apply(tasks.add, [3, 4]), 7);
      assert.deepEqual(await pool.map(tasks.square, range(30)), squares);
      assert.deepEqual(await pool.map(tasks.slowSquare, range(30), { chunkSize: 4 }), squares);
      assert.deepEqual(await pool.starmap(tasks.add, [[1, 2], [3, 4]]), [3, 7]);
      assert.deepEqual(await collect(pool.imap(tasks.slowSquare, range(30))), squares);
      const unordered = await collect(pool.imapUnordered(tasks.slowSquare, range(30)));
      assert.deepEqual(unordered.sort((a, b) => a - b), squares);
      const expected = options.threads ? currentRuntime : kind;
      assert.equal(await pool.apply(tasks.runtime), expected);
      // errors
      const refused = await failureOf(pool.apply(tasks.fail, ["why"]));
      assert.ok(refused instanceof Refused);
      assert.deepEqual([refused.message, refused.code], ["why", 7]);
      assert.match(refused.stack!, /tasks\.[tj]s/, "the remote stack");
      const outOfRange = await failureOf(pool.apply(tasks.fail, ["range"]));
      assert.ok(outOfRange instanceof RangeError);
      assert.equal(outOfRange.cause, "the cause");
      const thrown = await failureOf(pool.apply(tasks.fail, ["string"]));
      assert.ok(thrown instanceof RemoteError);
      assert.equal(thrown.cause, "no error");
      // proxies
      const list = await manager.list<unknown>();
      const same = await pool.starmap(tasks.append, [[list, 1]]);
      assert.equal(same[0], list, "a proxy that comes back is the same");
      assert.equal(await pool.apply(tasks.append, [list, list]), list);
      assert.equal(await list.at(1), list);
      await list.clear();
      await manager.publish("list", list);
      assert.deepEqual(await pool.apply(tasks.connected, ["list"]), []);
      // an actor
      const model = await pool.actor(tasks.Model, 5);
      assert.deepEqual([await model.add(2), await model.add(3)], [7, 10]);
      await assert.rejects(pool.apply(tasks.echo, [model]), {
        name: "SerializeError",
        message: /Cannot send "args\[0\]": .* it is an actor/,
      });
      await assert.rejects(list.push(model), SerializeError);
      await assert.rejects(pool.actor(tasks.Model, -1), RangeError);
    }));
}

void test("workers of several runtimes take turns", () =>
  withManagedPool(3, { runtime: runtimeNames.map(inRuntime) }, async (pool, manager) => {
    const list = await manager.list<unknown>();
    const call = pool.starmap(tasks.meet, [[list, 3], [list, 3], [list, 3]], { chunkSize: 1 });
    assert.deepEqual(new Set((await call).map(([name]) => name)), new Set(runtimeNames));
  }));

void test("map() takes an empty input, of every kind, and each call of an empty one is over at once", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const inputs = () => [[], new Set<number>(), new Counted().sync(0), new Counted().async(0)];
    for (const input of inputs()) assert.deepEqual(await pool.map(tasks.square, input), []);
    for (const input of inputs()) {
      assert.deepEqual(await pool.map(tasks.square, input, { chunkSize: 20 }), []);
    }
    for (const input of inputs()) {
      assert.deepEqual(await collect(pool.imap(tasks.square, input)), []);
      assert.deepEqual(await collect(pool.imapUnordered(tasks.square, input)), []);
    }
    assert.deepEqual(await pool.starmap(tasks.add, []), []);
    assert.deepEqual(await pool.map(tasks.square, await manager.list<number>()), []);
  }));

void test("an input is an array, an iterable, an async iterable or a proxy", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const items = range(30);
    const inputs = [
      items,
      new Set(items),
      items.values(),
      new Counted().async(30),
      await manager.list(items),
    ];
    for (const input of inputs) assert.deepEqual(await pool.map(tasks.square, input), squares);
    const entries = new Map([[1, 2], [3, 4]]);
    assert.deepEqual(await pool.starmap(tasks.add, entries), [3, 7]);
    for (const bad of [5, null, undefined, {}]) {
      const wrong = bad as unknown as number[];
      const message = /A pool takes its items from an iterable or a proxy/;
      await assert.rejects(pool.map(tasks.square, wrong), { name: "TypeError", message });
      assert.throws(() => pool.imap(tasks.square, wrong), { name: "TypeError", message });
    }
  }));

void test("new Pool() refuses what counts nothing and options that it does not know", () => {
  for (const workers of [0, -1, 1.5, NaN, "2" as unknown as number]) {
    assert.throws(() => new Pool(workers), { name: "RangeError", message: /workers must be/ });
  }
  const bad: [object, RegExp][] = [
    [{ maxtasksperchild: 1 }, /no option "maxtasksperchild"/],
    [{ maxTasksPerChild: 0 }, /maxTasksPerChild must be an integer of 1 or more, got "0"/],
    [{ tasks: {} }, /"tasks" takes what defineTasks\(\) gave/],
    [{ threads: true, runtime: "bun" }, /no other runtime/],
  ];
  for (const [options, message] of bad) assert.throws(() => new Pool(1, options), { message });
  assert.ok(new Pool().size >= 1);
});

void test("calls refuse what is no task and options that they do not know", async () => {
  const pool = new Pool(1);
  const square = ((x: number) => x * x) as unknown as typeof tasks.square;
  await assert.rejects(pool.apply(square, [1]), /A pool runs what defineTasks\(\) gave/);
  await assert.rejects(pool.apply(tasks.Model as never), /"Model" is a class: .*pool\.actor\(\)/);
  await assert.rejects(pool.actor(tasks.square as never), /"square" is no class/);
  const bad: [object, RegExp][] = [
    [{ chunkSize: 0 }, /chunkSize must be an integer of 1 or more/],
    [{ retries: -1 }, /retries must be an integer of 0 or more/],
    [{ timeout: -1 }, /timeout must be 0 or more/],
    [{ signal: {} }, /signal must be an AbortSignal/],
    [{ onProgress: 1 }, /onProgress takes a function/],
  ];
  for (const [options, message] of bad) {
    await assert.rejects(pool.map(tasks.square, [1], options), { message });
    assert.throws(() => pool.imap(tasks.square, [1], options), { message });
  }
  await pool.terminate();
  await assert.rejects(pool.map(tasks.square, [1]), /the pool was terminated; make another one/);
  assert.throws(() => pool.imap(tasks.square, [1]), TypeError);
  await assert.rejects(pool.actor(tasks.Model), TypeError);
});

void test("a task is its module's own, whatever else of that name the module exports", async () => {
  await withPool(1, {}, async (pool) => {
    assert.deepEqual([await pool.apply(twins.cube, [2]), await pool.apply(cubes.cube, [2])], [
      -8,
      8,
    ]);
    await assert.rejects(pool.apply(more.one), {
      name: "TypeError",
      message:
        /exports several results of defineTasks\(\) with "one": give the tasks different names/,
    });
  });
});

for (const name of runtimeNames) {
  void test(`a worker in ${name} finds a task by whatever URL its module was imported`, async () => {
    const { twins: same } = await import(`${fixture("pool/twins.ts")}?v=1`) as {
      twins: typeof twins;
    };
    await withPool(1, { runtime: inRuntime(name) }, async (pool) => {
      assert.equal(await pool.apply(same.cube, [2]), -8);
    });
  });
}

void test("exceptions keep their class among others of the same name, of tasks and of actors", async () => {
  await withPool(1, { tasks: [tasks, twins] }, async (pool) => {
    const model = await pool.actor(tasks.Model);
    const twin = await pool.actor(twins.Twin);
    await (await pool.actor(tasks.Model)).add(1);
    await assert.rejects(twin.refuse(), (error) => error instanceof Refusal);
    await assert.rejects(model.refuse(), (error) => error instanceof Refused);
    await assert.rejects(pool.map(tasks.failAt, [1]), (error) => error instanceof Refused);
  });
});

void test("a map takes its array as it is at the call, whatever becomes of it", async () => {
  await withPool(1, {}, async (pool) => {
    const items = range(300);
    const squared = pool.map(tasks.square, items, { chunkSize: 10 });
    items.length = 20;
    items.fill(1000);
    assert.deepEqual(await squared, range(300).map((i) => i * i));
  });
});

void test("what are no arguments is refused, and says so", async () => {
  await withPool(1, {}, async (pool) => {
    for (const bad of [3, "abc", { timeout: 5 }]) {
      await assert.rejects(pool.apply(tasks.square, bad as never), {
        name: "TypeError",
        message: /^apply\(\) takes the arguments as an array, got /,
      });
      await assert.rejects(pool.starmap(tasks.square, [[1], bad] as never), {
        name: "TypeError",
        message: /^starmap\(\) takes the arguments as an array, got /,
      });
    }
  });
});

void test("an actor's exceptions keep the class that defineTasks() names", async () => {
  await withPool(1, {}, async (pool) => {
    const model = await pool.actor(tasks.Model);
    await assert.rejects(model.refuse(), (error) => {
      return error instanceof Refused && error.message === "a model does not" && error.code === 7;
    });
  });
});

void test("a pool refuses options of another type", () => {
  const wrong: [unknown, RegExp][] = [
    [{ threads: "no" }, /threads takes true or false/],
    [{ permissions: "write" }, /permissions takes "all"/],
    [{ runtime: "bun", permissions: "all" }, /no worker of this pool runs in Deno/],
    [{ initializer: "setup.ts" }, /initializer takes/],
    [{ initializer: { module: new URL(import.meta.url) } }, /module the text of a URL/],
    [{ initializer: { module: import.meta.url, exports: "x" } }, /initializer takes/],
    [{ initializer: { module: import.meta.url, export: 1 } }, /export a name/],
    [{ initializer: { module: import.meta.url, args: 5 } }, /args an array/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => new Pool(1, options as PoolOptions), { name: "TypeError", message });
  }
});

void test("permissions are those of the Deno workers of a mixed pool", async () => {
  const runtime = [inRuntime("bun"), inRuntime("deno")];
  await withPool(2, { runtime, permissions: "all" }, async (pool) => {
    assert.deepEqual(await pool.map(tasks.square, range(9)), range(9).map((i) => i * i));
  });
});

void test("defineTasks() refuses what workers could not find", () => {
  const url = import.meta.url;
  const bad: [unknown[], RegExp][] = [
    [["tasks", {}], /takes import\.meta\.url as its first argument/],
    [[url, null], /takes an object of functions and classes/],
    [[url, { x: 1 }], /The task "x" is refused: it takes a function or a class/],
    [[url, { then: () => {} }], /The task "then" is refused/],
    [[url, { TimeoutError: class extends Error {} }], /the exception is known already/],
  ];
  for (const [args, message] of bad) {
    assert.throws(() => defineTasks(args[0] as string, args[1] as never), {
      name: "TypeError",
      message,
    });
  }
  assert.equal(taskSignal().aborted, false, "outside of a task there is a signal, too");
});

// Failures of tasks.

void test("map() runs all tasks and rejects with the first error in the order of the items", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push(progress);
    const call = pool.map(tasks.failAt, range(10), { chunkSize: 1, onProgress });
    await assert.rejects(call, { name: "Refused", message: "at 1" });
    assert.deepEqual([seen.at(-1)!.done, seen.at(-1)!.failed], [10, 5]);
    // CPython: test_map_no_failfast
    const big = await failureOf(pool.map(tasks.bigFailure, [1_000_000, 1_000_000, 10]));
    assert.equal(big.message.length, 65536, "longer messages are cut");
    const list = await manager.list<unknown>();
    await assert.rejects(
      pool.starmap(tasks.append, [[list, 1], [list, 2]], { chunkSize: 2 }).then(() =>
        pool.map(tasks.failAt, [1])
      ),
      Refused,
    );
    assert.deepEqual(await list.copy(), [1, 2]);
  }));

void test("what cannot be sent rejects with its path and never hangs", () =>
  withPool(2, {}, async (pool) => {
    // CPython: test_map_unpicklable
    const bad = [1, 2, (() => 1) as unknown as number];
    for (const chunkSize of [undefined, 1, 2, 3]) {
      await assert.rejects(pool.map(tasks.square, bad, { chunkSize }), {
        name: "SerializeError",
        message: /Cannot send "items\[2\]": a function cannot be sent/,
      });
    }
    await assert.rejects(pool.apply(tasks.echo, [[() => 1]]), {
      name: "SerializeError",
      message: /Cannot send "args\[0\]\[0\]"/,
    });
    await assert.rejects(collect(pool.imap(tasks.square, bad)), SerializeError);
    assert.equal(await pool.apply(tasks.square, [3]), 9);
  }));

void test("a result that cannot be sent fails its own task only", () =>
  withPool(1, {}, async (pool) => {
    const results: unknown[] = [];
    const failure = await failureOf((async () => {
      for await (const result of pool.imap(tasks.unsendable, [0, 1, 2], { chunkSize: 3 })) {
        results.push(result);
      }
    })());
    assert.ok(failure instanceof SerializeError);
    assert.match(failure.message, /a function cannot be sent/);
    assert.deepEqual(results, [0]);
    const seen: Progress[] = [];
    const call = pool.map(tasks.unsendable, [0, 1, 2], {
      chunkSize: 3,
      onProgress: (progress) => seen.push(progress),
    });
    await assert.rejects(call, SerializeError);
    assert.deepEqual([seen.at(-1)!.done, seen.at(-1)!.failed], [3, 1]);
  }));

void test("a result may be larger than a message of a manager", () =>
  withPool(1, {}, async (pool) => {
    const bytes = 65 * 1024 * 1024;
    assert.equal((await pool.apply(tasks.blob, [bytes])).byteLength, bytes);
    const sent = await pool.apply(tasks.echo, [new Uint8Array(bytes)]);
    assert.equal((sent as Uint8Array).byteLength, bytes);
  }));

// Modules.

for (const [kind, options] of kinds) {
  void test(`workers: ${kind} say why a module or a task cannot be had`, async () => {
    await withPool(1, options, async (pool) => {
      const missing = defineTasks(fixture("pool/missing.ts").href, { f: () => 1 });
      await assert.rejects(pool.apply(missing.f), /missing\.[tj]s/);
      await assert.rejects(pool.apply(broken.square, [1]), /broken module/);
    });
    await withPool(1, { ...options, tasks: others }, async (pool) => {
      assert.equal(await pool.apply(others.cube, [2]), 8);
      const { secret } = hiddenTasks();
      await assert.rejects(pool.apply(secret), {
        name: "TypeError",
        message: /other\.[tj]s" exports no result of defineTasks\(\) with "secret": write `export/,
      });
      assert.equal(await pool.apply(others.cube, [3]), 27);
      await assert.rejects(pool.apply(starting.square, [1]), {
        message: /Cannot start a pool while a worker imports its tasks: .* module of their own/,
      });
      assert.equal(await pool.apply(others.cube, [4]), 64);
    });
  });
}

void test("Deno workers are replaced for a module that they do not know, if no actor keeps them", () =>
  withPool(1, { runtime: inRuntime("deno") }, async (pool) => {
    const first = await pool.apply(tasks.worker);
    assert.equal(await pool.apply(others.cube, [2]), 8);
    const second = await pool.apply(tasks.worker);
    assert.notEqual(second, first);
    assert.equal(await pool.apply(others.cube, [3]), 27);
    assert.equal(await pool.apply(tasks.worker), second, "this one knows both");
    const counter = await pool.actor(tasks.Model);
    const missing = defineTasks(fixture("pool/starts.ts").href, { f: () => 1 });
    const message = /was not known when these workers started, .* name its tasks in the option/;
    await assert.rejects(pool.apply(missing.f), { name: "TypeError", message });
    await assert.rejects(pool.actor(defineTasks(missing.f.module, { Model: class {} }).Model), {
      name: "TypeError",
      message,
    });
    assert.equal(await counter.add(1), 1);
  }));

void test("Deno workers have the least permissions, and those that they are given", async () => {
  const path = new URL(import.meta.url).pathname;
  const runtime = inRuntime("deno");
  await withPool(1, { runtime }, async (pool) => {
    await assert.rejects(pool.apply(tasks.read, [path]), /read/);
    assert.equal(await pool.apply(tasks.square, [2]), 4);
  });
  await withPool(1, { runtime, permissions: [`--allow-read=${path}`] }, async (pool) => {
    assert.ok(await pool.apply(tasks.read, [path]) > 0);
  });
});

void test("a task may have a pool of its own", () =>
  withPool(1, { permissions: currentRuntime === "deno" ? "all" : undefined }, async (pool) => {
    assert.deepEqual(await pool.apply(tasks.nested, [[1, 2, 3]]), [1, 4, 9]);
    const model = await pool.actor(tasks.Model);
    assert.deepEqual(await model.pooled([4]), [16]);
  }));

// Input and output.

for (const ordered of [true, false]) {
  const name = ordered ? "imap" : "imapUnordered";
  void test(`${name}() reads little of an endless input ahead of a slow reader, and closes it`, () =>
    withPool(2, {}, async (pool) => {
      for (const kind of ["sync", "async"] as const) {
        const input = new Counted();
        const results = pool[name](tasks.square, input[kind]());
        assert.equal(input.read, 0, "it begins with the first next()");
        for (let i = 0; i < 5; i++) await results.next();
        // All that may be read has been read when calls of the same pool are through.
        await pool.map(tasks.square, range(50), { chunkSize: 1 });
        assert.ok(input.read <= 2 * 2 * 64 + 64, `it read ${input.read} items ahead`);
        const { read } = input;
        await pool.map(tasks.square, range(50), { chunkSize: 1 });
        assert.equal(input.read, read, "nobody takes, nothing is read");
        for (let i = 0; i < 500; i++) assert.equal((await results.next()).done, false);
        assert.deepEqual(await results.return!(), { done: true, value: undefined });
        assert.deepEqual(await results.next(), { done: true, value: undefined });
        await eventually("the input is closed", () => input.closed);
        assert.ok(input.read < 5000);
      }
    }));

  void test(`${name}() serves several next() at a time, ends with an error, and is over then`, () =>
    withPool(2, {}, async (pool) => {
      const results = pool[name](tasks.square, range(5));
      const taken = await Promise.all(range(7).map(() => results.next()));
      const values = taken.filter(({ done }) => !done).map(({ value }) => value);
      assert.deepEqual(values.sort((a, b) => a - b), [0, 1, 4, 9, 16]);
      assert.deepEqual(taken.map(({ done }) => done === true).slice(5), [true, true]);

      const input = new Counted();
      const failing = pool[name](tasks.failAt, input.sync(), { chunkSize: 1 });
      await assert.rejects(collect(failing), { name: "Refused", message: /^at / });
      assert.equal(input.closed, true);
      assert.equal((await failing.next()).done, true);

      const broken = pool[name](tasks.square, failingInput());
      const got: number[] = [];
      const read = async () => {
        for await (const value of broken) got.push(value);
      };
      await assert.rejects(read(), { name: "RangeError", message: "no more" });
      assert.deepEqual(got.sort(), [1, 4], "what was there is done and given");

      const early = new Counted();
      for await (const value of pool[name](tasks.square, early.async())) {
        if (value >= 0) break;
      }
      await eventually("the input is closed", () => early.closed);
      assert.deepEqual(await pool.map(tasks.square, [3]), [9]);
    }));
}

void test("an input that throws fails the call after its earlier items were done", () =>
  withPool(1, {}, async (pool) => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push(progress);
    const call = pool.map(tasks.square, failingInput(), { onProgress });
    await assert.rejects(call, { name: "RangeError", message: "no more" });
    assert.equal(seen.at(-1)!.done, 2);
    function* throwing(): Generator<number> {
      yield 1;
      throw new RangeError("not even two");
    }
    await assert.rejects(pool.map(tasks.square, throwing()), /not even two/);
    const item = { [Symbol.iterator]: () => ({ next: () => ({ done: true, value: 1 }) }) };
    assert.deepEqual(await pool.map(tasks.square, item as Iterable<number>), []);
  }));

void test("map() reads an async input as it comes, and no faster than workers take it", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const list = await manager.list<unknown>();
    let give!: (value: number) => void;
    const second = new Promise<number>((resolve) => give = resolve);
    async function* slow(): AsyncGenerator<[ListProxy<unknown>, number]> {
      yield [list, 1];
      yield [list, await second];
    }
    const call = pool.starmap(tasks.append, slow());
    await untilLength(list, 1);
    give(2);
    await call;
    assert.deepEqual(await list.copy(), [1, 2]);

    const input = new Counted();
    const controller = new AbortController();
    const { signal } = controller;
    const began = await manager.list<unknown>();
    function* lists(): Generator<ListProxy<unknown>> {
      for (const _ of input.sync()) yield began;
    }
    const stopped = assert.rejects(pool.map(tasks.untilCancelled, lists(), { signal }), {
      name: "AbortError",
    });
    await untilLength(began, 2);
    assert.equal(input.read, 2, "two workers, two items");
    controller.abort();
    await stopped;
    assert.equal(input.closed, true);
  }));

// Which worker, how many tasks.

void test("a short call beside a long one is not starved", () =>
  withPool(1, {}, async (pool) => {
    let done = 0;
    const onProgress = (progress: Progress) => done = progress.done;
    const long = pool.map(tasks.slowSquare, range(1000), { onProgress });
    await eventually("the long call is under way", () => done > 0);
    assert.equal(await pool.apply(tasks.square, [3]), 9);
    assert.ok(done < 500, `the short call came after ${done} of the long one`);
    await long;
  }));

void test("calls at the same time start as many workers as they can use, and no more than there may be", () =>
  withManagedPool(3, {}, async (pool, manager) => {
    const list = await manager.list<unknown>();
    const calls = range(4).map(() => pool.apply(tasks.meet, [list, 3]));
    const workers = (await Promise.all(calls)).map(([, worker]) => worker);
    assert.equal(new Set(workers).size, 3);
  }));

void test("numbers come back as they are, however they travel", () =>
  withPool(1, { threads: true }, async (pool) => {
    const rare = [[], [-0], [0.5], [2 ** 31], [-(2 ** 31)], [2 ** 53], [
      NaN,
      Infinity,
      -Infinity,
    ]];
    for (const last of rare) {
      const numbers = [...range(20), ...last];
      assert.deepEqual(await pool.map(tasks.echo, numbers, { chunkSize: 100 }), numbers);
    }
  }));

void test("behind a task that is called alone nothing waits, however short it was before", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const [list, others] = [await manager.list<unknown>(), await manager.list<unknown>()];
    const many = () => pool.starmap(tasks.meet, range(60).map(() => [others, 1] as const));
    await many();
    const long = pool.apply(tasks.meet, [list, 2]);
    await untilLength(list, 1);
    const workers = new Set((await many()).map(([, worker]) => worker));
    await list.push("the end of the long one");
    const [, worker] = await long;
    assert.ok(!workers.has(worker!), "the others ran elsewhere meanwhile");
  }));

void test("a pace expects what the slowest of late took, and forgets it by and by", () => {
  const pace = new Pace();
  assert.equal(pace.timeOf(1), Infinity);
  assert.equal(pace.tasksIn(20), 0);
  pace.learn(10, 20);
  assert.equal(pace.timeOf(3), 6);
  assert.equal(pace.tasksIn(7), 3);
  pace.learn(1, 1000);
  assert.equal(pace.timeOf(1), 1000);
  for (const _ of range(5)) pace.learn(10, 20);
  assert.ok(pace.timeOf(1) > 100, `after five it is ${pace.timeOf(1)}`);
  for (const _ of range(50)) pace.learn(10, 20);
  assert.equal(pace.timeOf(1), 2);
});

void test("all workers get something of a few items, however short those before were", () => {
  const pace = new Pace();
  pace.learn(1000, 1);
  const sink = { hasRoom: true, begin() {}, accept() {}, finish() {}, fail() {} };
  const sizesOf = (items: number) => {
    const job = new Job({
      task: tasks.square,
      spread: false,
      pathOf: String,
      input: inputOf(range(items), () => {}),
      sink,
      chunkSize: undefined,
      pace,
      maxAutomaticSize: 4096,
      startsSmall: false,
      maxChunkSize: Infinity,
      workers: 4,
      retries: 0,
      onProgress: undefined,
      ended() {},
    });
    const sizes: number[] = [];
    for (let chunk = job.take(Infinity); chunk; chunk = job.take(Infinity)) {
      sizes.push(chunk.items.length);
    }
    return sizes;
  };
  assert.deepEqual(sizesOf(4), [1, 1, 1, 1]);
  assert.deepEqual(sizesOf(9), [2, 2, 2, 2, 1]);
  const many = sizesOf(20_000);
  assert.equal(many.reduce((sum, size) => sum + size), 20_000);
  assert.ok(Math.max(...many) <= 2500, "no worker has much more to do than another");
  assert.ok(many.length < 40, `what takes no time is not divided into ${many.length}`);
});

void test("maxTasksPerChild is exact, whatever the size of chunks", async () => {
  for (const chunkSize of [undefined, 2, 10]) {
    await withPool(1, { maxTasksPerChild: 3 }, async (pool) => {
      const workers = await pool.map(tasks.worker, range(8), { chunkSize });
      const counts = [...new Set(workers)].map((one) => workers.filter((it) => it === one).length);
      assert.deepEqual(counts, [3, 3, 2]);
    });
  }
});

void test("actors go where the fewest are", () =>
  withPool(2, { threads: true }, async (pool) => {
    const models = await Promise.all(range(4).map(() => pool.actor(tasks.Model)));
    const places = await Promise.all(models.map((model) => model.where()));
    assert.equal(new Set(places).size, 2);
    for (const place of places) {
      assert.equal(places.filter((other) => other === place).length, 2);
    }
  }));

// The worker.

for (const [kind, options] of kinds) {
  void test(`workers: ${kind} run an initializer once each, with proxies; its failure fails the calls`, async () => {
    const module = tasks.square.module;
    await withManagedPool(2, options, async (_, manager) => {
      const list = await manager.list<string>();
      const initializer = { module, export: "initialize", args: [list, 1, "two"] };
      await withPool(1, { ...options, manager, initializer }, async (pool) => {
        assert.deepEqual(await pool.map(tasks.initialized, [1, 2]), [
          [1, "two"],
          [1, "two"],
        ]);
        assert.deepEqual(await list.copy(), [await pool.apply(tasks.worker)]);
      });
      releaseProxy(list, { all: true });
    });
    const initializer = { module, export: "failingInitializer" };
    await withPool(1, { ...options, initializer }, async (pool) => {
      const calls = [pool.apply(tasks.square, [1]), pool.map(tasks.square, range(9))];
      const failures = await Promise.all(calls.map(failureOf));
      for (const failure of failures) {
        assert.ok(failure instanceof ProcessError);
        assert.match(
          failure.message,
          /^The worker did not start: its initializer "failingInitializer" failed: RangeError: no licence \(exit code 1\)/,
        );
        assert.ok(failure.cause instanceof RangeError);
        // The stderr of a thread is this process's own.
        if (kind !== "threads") assert.match(failure.message, /It wrote:\nlooked for a licence$/);
      }
    });
  });
}

void test("an initializer that hangs, exits, or is not there, fails the calls", async () => {
  const module = tasks.square.module;
  const hanging = { module, export: "hangingInitializer" };
  await withPool(1, { initializer: hanging, startTimeout: 1500 }, async (pool) => {
    await assert.rejects(pool.apply(tasks.square, [1]), {
      name: "ProcessError",
      message:
        /failed: TimeoutError: It still runs after 1500 ms \(exit code 1\)|was not ready after 1500 ms/,
    });
  });
  await withPool(1, { initializer: { module, export: "missing" } }, async (pool) => {
    await assert.rejects(pool.apply(tasks.square, [1]), {
      name: "ProcessError",
      message: /its initializer "missing" failed: .* exports no function "missing"/,
    });
  });
  await withPool(1, { initializer: { module, export: "exitingInitializer" } }, async (pool) => {
    await assert.rejects(pool.apply(tasks.square, [1]), {
      name: "ProcessError",
      message: /its initializer "exitingInitializer" failed: it ended .* \(exit code 3\)/,
    });
  });
});

for (const [kind, options] of kinds) {
  void test(`workers: ${kind} keep what a task enters from the chunks behind it`, () =>
    withPool(1, options, async (pool) => {
      assert.deepEqual(
        await pool.map(tasks.enter, [1, 2, 3], { chunkSize: 1 }),
        [undefined, undefined, undefined],
      );
      assert.equal(await pool.apply(tasks.enter, [4]), undefined);
      assert.equal(await pool.apply(tasks.aborted), false);
    }));
}

void test("a function of a Process may have a pool", async () => {
  const child = new Process<number[]>(fixture("pool/pooled.ts"), {
    export: "pooled",
    args: [[1, 2, 3]],
    runtime: inRuntime(currentRuntime),
    permissions: currentRuntime === "deno" ? "all" : undefined,
    startTimeout: 60_000,
  });
  await child.start();
  assert.deepEqual(await child.join(), [1, 4, 9]);
});

// Progress and memory.

void test("onProgress tells how far a call is; what it throws ends the call", () =>
  withPool(2, {}, async (pool) => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => void seen.push(progress);
    await pool.map(tasks.square, range(10), { chunkSize: 3, onProgress });
    assert.deepEqual(seen.map(({ done }) => done).sort((a, b) => a - b), [
      ...(seen.map(({ done }) => done)),
    ]);
    assert.equal(seen.length, 4);
    for (const { done, total, failed, rate, eta } of seen) {
      assert.deepEqual([total, failed], [10, 0]);
      assert.ok(rate > 0 && Number.isFinite(rate));
      assert.ok(Math.abs(eta! - (10 - done) / rate * 1000) < 1e-6);
    }
    seen.length = 0;
    await pool.map(tasks.square, new Counted().sync(3), { chunkSize: 2, onProgress });
    assert.equal(seen.at(-1)!.total, 3, "known when the input is at its end");

    const failure = new Error("enough");
    const input = new Counted();
    const call = pool.map(tasks.square, input.sync(), {
      onProgress: () => {
        throw failure;
      },
    });
    await assert.rejects(call, (error) => error === failure);
    assert.equal(input.closed, true);
    assert.equal(await pool.apply(tasks.square, [2]), 4);
  }));

void test(
  "no argument and no result of a call is kept here",
  { skip: !collectGarbage },
  () =>
    withPool(1, {}, async (pool) => {
      // CPython: test_release_task_refs
      const freed = new Set<string>();
      const registry = new FinalizationRegistry<string>((what) => freed.add(what));
      await (async () => {
        const item = { large: true };
        registry.register(item, "item");
        const [result] = await pool.map(tasks.echo, [item]);
        registry.register(result as object, "result");
      })();
      await eventually("they are collected", () => {
        collectGarbage!();
        return freed.size === 2;
      });
    }),
);

void test("an object lives as long as a worker has it, whatever became of the call", () =>
  withManagedPool(2, {}, async (pool, manager) => {
    const list = await manager.list<unknown>();
    await pool.starmap(tasks.append, range(20).map((i) => [list, i]));
    const inner = await manager.list<unknown>();
    const echoed = await pool.apply(tasks.echo, [{ inner }]);
    assert.equal((echoed as { inner: unknown }).inner, inner);
    const unsendable = [[list, () => {}]] as unknown as [ListProxy<unknown>, unknown][];
    await assert.rejects(pool.starmap(tasks.append, unsendable), SerializeError);
    await assert.rejects(pool.apply(tasks.exitWith, [list]), WorkerLostError);
    releaseProxy(list, { all: true });
    releaseProxy(inner, { all: true });
    await pool.terminate();
    await eventually("nothing is left", async () => await manager.numberOfObjects() === 0);
  }));

void test("leaves nothing behind", assertClean);
