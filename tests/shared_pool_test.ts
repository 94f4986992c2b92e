/**
 * `manager.pool()`: a pool in the server that clients share by proxy, the option `tasks`, and the life
 * of its workers.
 *
 * @module
 */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import {
  callMethod,
  getValue,
  Manager,
  type ManagerOf,
  NotExposedError,
  type PoolProxy,
  releaseProxy,
  RemoteError,
  repr,
  SerializeError,
  type ServeOptions,
  TimeoutError,
  type TypesOption,
  withOptions,
  WorkerLostError,
} from "../mod.ts";
import { withWorkers } from "../lib/manager/tasks.ts";
import { defineTasks } from "../lib/process.ts";
import { others } from "./fixtures/shared_pool/others.ts";
import { Refused, tasks } from "./fixtures/shared_pool/tasks.ts";
import { types } from "./fixtures/shared_pool/forward.ts";
import { assertClean } from "./support/clean.ts";
import { eventually, isRunning } from "./support/events.ts";
import { compiled, currentRuntime, runtimeNames, runtimePath } from "./support/runtimes.ts";

/** A server in this process whose pools run `tasks`, and a client of it. */
async function hosted<const S extends TypesOption = []>(
  run: (manager: ManagerOf<S>, join: () => Promise<ManagerOf<S>>) => Promise<void>,
  options: ServeOptions<S> = {},
): Promise<void> {
  const server = await Manager.serve({ tasks, ...options });
  const join = () =>
    Manager.connect({ address: server.address, env: server.env }) as unknown as Promise<
      ManagerOf<S>
    >;
  const manager = await join();
  try {
    await run(manager, join);
  } finally {
    await manager.close();
    await server.close();
  }
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const given: T[] = [];
  for await (const item of items) given.push(item);
  return given;
}

/** What the server tells of its one pool. */
async function stateOf(manager: ManagerOf<[]>): Promise<Readonly<Record<string, number>>> {
  const { objects } = await manager.debugInfo();
  return objects.find(({ typeid }) => typeid === "pool")!.pool!;
}

test("a shared pool runs tasks for each of its clients", () =>
  hosted(async (manager, join) => {
    const pool = await manager.pool(2);
    assert.match(repr(pool), /^<PoolProxy object, typeid 'pool' at 0x1>$/);
    assert.equal(await pool.size(), 2);
    assert.equal(await pool.apply(tasks.add, [1, 2]), 3);
    assert.deepEqual(await pool.map(tasks.square, [1, 2, 3]), [1, 4, 9]);
    assert.deepEqual(await pool.map(tasks.square, new Set([4, 5])), [16, 25]);
    assert.deepEqual(await pool.map(tasks.square, await manager.list([6])), [36]);
    assert.deepEqual(await pool.starmap(tasks.add, [[1, 2], [3, 4]], { chunkSize: 1 }), [3, 7]);
    assert.deepEqual(await all(await pool.imap(tasks.square, [3, 2, 1])), [9, 4, 1]);
    const unordered = await all(await pool.imapUnordered(tasks.square, [1, 2, 3]));
    assert.deepEqual(unordered.sort(), [1, 4, 9]);
    assert.deepEqual(await pool.map(tasks.square, []), []);
    assert.deepEqual(await pool.starmap(tasks.add, new Set()), []);
    assert.deepEqual(await all(await pool.imap(tasks.square, [])), []);
    assert.deepEqual(await all(await pool.imapUnordered(tasks.square, new Set())), []);

    await manager.publish("pool", pool);
    const other = await join();
    try {
      const shared = await other.lookup<PoolProxy>("pool");
      assert.deepEqual(await shared!.map(tasks.square, [7]), [49]);
    } finally {
      await other.close();
    }
  }));

test("what a task throws has its class at the client", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    await assert.rejects(pool.apply(tasks.fail, ["builtin"]), (error: RangeError) => {
      assert.equal(error.constructor, RangeError);
      assert.equal(error.message, "out");
      assert.ok(error.cause instanceof Refused);
      return true;
    });
    await assert.rejects(pool.map(tasks.fail, ["named", "builtin"]), (error: Refused) => {
      assert.ok(error instanceof Refused);
      assert.deepEqual([error.name, error.message, error.code], ["Refused", "no", 7]);
      return true;
    });
    await assert.rejects(pool.apply(tasks.fail, ["unknown"]), (error: RemoteError) => {
      assert.equal(error.constructor, RemoteError);
      assert.deepEqual([error.typeid, error.method], ["task", "fail"]);
      return true;
    });
    await assert.rejects(pool.apply(tasks.fail, ["value"]), { name: "RemoteError", cause: 5 });
    const results = await pool.imap(tasks.refuseThree, [1, 2, 3, 4]);
    assert.deepEqual([(await results.next()).value, (await results.next()).value], [1, 2]);
    await assert.rejects(results.next(), Refused);
    assert.equal((await results.next()).done, true);
  }));

test("a client makes neither the server nor its workers import anything", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const refused = {
      name: "NotExposedError",
      message: /others\.(ts|js)".*Manager\.start\(\{ tasks/,
    };
    await assert.rejects(pool.apply(others.square, [2]), refused);
    await assert.rejects(pool.map(others.square, [2]), refused);
    await assert.rejects(all(await pool.imap(others.square, [2]).catch(failing)), refused);
    const { evil } = defineTasks("data:text/javascript,globalThis.evil=1", { evil: () => 1 });
    await assert.rejects(pool.apply(evil), { name: "NotExposedError", message: /data:text/ });
    const initializer = { module: "data:text/javascript,globalThis.evil=1" };
    await assert.rejects(manager.pool(1, { initializer }), {
      name: "NotExposedError",
      message: /the initializer of the module "data:text/,
    });
    assert.equal((await stateOf(manager)).workers, 0);
  }));

/** An iteration that rejects. */
function failing(error: unknown): AsyncIterable<never> {
  return {
    [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }),
  };
}

test("a server without tasks makes no pool, and says how to name them", async () => {
  const manager = await Manager.local();
  try {
    await assert.rejects(manager.pool(1), {
      name: "NotExposedError",
      message: /Manager\.start\(\{ tasks: \[tasks\] \}\)/,
    });
    await assert.rejects(Manager.local({ tasks: [tasks.square as never] }), {
      name: "TypeError",
      message: /"tasks" takes what defineTasks\(\) gave/,
    });
  } finally {
    await manager.shutdown();
  }
});

test("what a shared pool cannot honour is refused by name", () =>
  hosted(async (manager) => {
    await assert.rejects(manager.pool(-1), RangeError);
    await assert.rejects(manager.pool(0), RangeError);
    await assert.rejects(manager.pool(1, { threads: true } as never), /"threads"/);
    const program = { name: "node", path: "/bin/sh" };
    await assert.rejects(manager.pool(1, { runtime: program } as never), {
      name: "TypeError",
      message: /"runtime" of manager\.pool\(\) takes names/,
    });
    const pool = await manager.pool(1);
    const onProgress = () => {};
    await assert.rejects(pool.map(tasks.square, [1], { onProgress } as never), /"onProgress"/);
    await assert.rejects(pool.map(tasks.square, 5 as never), /an iterable or a proxy, got "5"/);
    await assert.rejects(pool.imap(tasks.square, 5 as never), /an iterable or a proxy, got "5"/);
    await assert.rejects(pool.apply((() => 1) as never), /what defineTasks\(\) gave/);
    await assert.rejects(pool.map(tasks.square, [1], { chunkSize: 0 }), RangeError);
    await assert.rejects(callMethod(pool, "actor", [tasks.square]), /makes no actors/);
    await assert.rejects(pool.join(), { name: "TypeError", message: /that is open/ });
  }));

test("proxies in arguments and results are the client's own, and workers join the server", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.named("shared").list<unknown>();
    const result = await pool.apply(tasks.push, [list as never, 1]);
    assert.equal(result.list, list as unknown);
    assert.equal(await pool.apply(tasks.join), list);
    assert.deepEqual(await getValue(list), [1, "joined"]);
  }));

test("what cannot be sent rejects with its place among the items", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const bad = [1, { deep: () => 1 }] as number[];
    const path = { name: "SerializeError", message: /items\[1\]\.deep/ };
    await assert.rejects(pool.map(tasks.square, bad), path);
    await assert.rejects(pool.imap(tasks.square, bad), path);
    await assert.rejects(pool.apply(tasks.add, bad as [number, number]), /args\[1\]\.deep/);
    const results = await pool.imap(tasks.square, new Set(bad));
    assert.equal((await results.next()).value, 1);
    await assert.rejects(results.next(), SerializeError);
  }));

test("an initializer runs in each worker if it is one of the tasks, and nothing else of their module", () =>
  hosted(async (manager) => {
    const internal = { module: tasks.square.module, export: "internal", args: ["a secret"] };
    const refused = await manager.pool(1, { initializer: internal });
    await assert.rejects(refused.apply(tasks.prepared), {
      name: "ProcessError",
      message: /initializer "internal" failed: .* no result of defineTasks\(\) with "internal"/,
    });
    const initializer = { module: tasks.square.module, export: "prepare", args: ["a table"] };
    const pool = await manager.pool(1, { initializer, maxTasksPerChild: 1 });
    const first = await pool.apply(tasks.prepared);
    assert.deepEqual([first, await pool.apply(tasks.prepared)], ["a table", "a table"]);
  }));

test("an abort and a timeout reject at once and cancel the task", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.list<string>();
    const controller = new AbortController();
    const aborted = pool.apply(tasks.untilCancelled, [list], { signal: controller.signal });
    const rejects = assert.rejects(aborted, /changed my mind/);
    await eventually("the task runs", () => list.length());
    controller.abort(new Error("changed my mind"));
    await rejects;
    assert.equal(await pool.apply(tasks.square, [2]), 4); // the one worker is free
    // Until it was begun it need not run: the time is the whole call's.
    const late = pool.map(tasks.untilCancelled, [list], { timeout: 20 });
    await assert.rejects(late, TimeoutError);
    const view = withOptions(pool, { timeout: 20 });
    const results = await view.imap(tasks.untilCancelled, [list]);
    await assert.rejects(results.next(), TimeoutError);
    assert.equal(await pool.apply(tasks.square, [3]), 9);
  }));

test("an abort ends an iteration, also one that nobody reads", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.list<string>();
    const controller = new AbortController();
    const { signal } = controller;
    const unread = await pool.imap(tasks.square, [1, 2], { signal });
    assert.equal((await unread.next()).value, 1);
    const results = await pool.imap(tasks.untilCancelled, [list], { signal });
    const next = assert.rejects(results.next(), /enough/);
    await eventually("the task runs", () => list.length());
    controller.abort(new Error("enough"));
    await next;
    await assert.rejects(unread.next(), /enough/);
    assert.equal((await unread.next()).done, true);
    assert.equal(await pool.apply(tasks.square, [2]), 4);
    await eventually("no call is left", async () => (await stateOf(manager)).calls === 0);
    await assert.rejects(pool.imap(tasks.square, [1], { signal }), /enough/);
    await assert.rejects(pool.imap(tasks.square, new Set([1]), { signal }), /enough/);
    await assert.rejects(pool.map(tasks.square, [1], { signal }), /enough/);
  }));

test("the end of a session cancels its calls and iterations, not those of others", () =>
  hosted(async (manager, join) => {
    const pool = await manager.pool(2);
    await manager.publish("pool", pool);
    const list = await manager.list<string>();
    await manager.publish("list", list);
    const other = await join();
    const shared = (await other.lookup<PoolProxy>("pool"))!;
    const theirs = (await other.lookup<typeof list>("list"))!;
    const lost = { name: "ConnectionClosedError" };
    const call = assert.rejects(shared.apply(tasks.untilCancelled, [theirs]), lost);
    const results = await shared.imap(tasks.untilCancelled, [theirs]);
    const next = assert.rejects(results.next(), lost);
    await eventually("both run", async () => await list.length() === 2);
    const mine = pool.apply(tasks.square, [5]);
    await other.close();
    await Promise.all([call, next]);
    assert.equal(await mine, 25);
    await eventually("no call is left", async () => (await stateOf(manager)).calls === 0);
  }));

test("an endless input is read as the results are taken, and ends with them", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(2);
    let read = 0;
    let ended = false;
    function* numbers(): Generator<number> {
      try {
        for (;;) yield read++;
      } finally {
        ended = true;
      }
    }
    const taken: number[] = [];
    for await (const square of await pool.imap(tasks.square, numbers())) {
      if (taken.push(square) === 600) break;
    }
    assert.deepEqual(taken.slice(-2), [598 ** 2, 599 ** 2]);
    await eventually("the input is closed", () => ended);
    assert.equal((await stateOf(manager)).calls, 0);
    await assert.rejects(all(await pool.imap(tasks.square, refusing())), /no third/);
  }));

async function* refusing(): AsyncGenerator<number> {
  yield 1;
  yield 2;
  throw new Error("no third");
}

test("a slow reader keeps the input waiting", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    let read = 0;
    function* numbers(): Generator<number> {
      while (read < 20_000) yield read++;
    }
    const results = await pool.imap(tasks.square, numbers(), { chunkSize: 1 });
    assert.equal((await results.next()).value, 0);
    // Whoever could read on has done so when as many calls of the same session are answered.
    for (let i = 0; i < 1000; i++) await pool.size();
    assert.ok(read < 1000, `${read} items were read ahead of a reader that took 1`);
    await results.return();
  }));

test("a queue of the server can be the input", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const queue = await manager.queue<number>();
    const results = await pool.imap(tasks.square, queue as unknown as AsyncIterable<number>);
    const first = results.next();
    await queue.putMany([2, 3]);
    assert.equal((await first).value, 4);
    await queue.shutdown();
    assert.deepEqual(await all(results), [9]);
  }));

test("a lost worker fails its own tasks, and others take its place", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    await assert.rejects(pool.apply(tasks.die), WorkerLostError);
    assert.equal(await pool.apply(tasks.square, [4]), 16);
  }));

test("workers end when nobody has their pool any more, and come again", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.list([pool]);
    const pid = await pool.apply(tasks.pid);
    const results = await pool.imap(tasks.square, [1, 2, 3]);
    releaseProxy(pool, { all: true });
    assert.deepEqual(await all(results), [1, 4, 9]); // what was begun is finished
    await eventually("its worker is gone", () => !isRunning(pid));
    const [again] = await getValue<PoolProxy[]>(list);
    assert.notEqual(await again!.apply(tasks.pid), pid);
  }));

test("an object of the server can use a pool, which needs no workers afterwards", () =>
  hosted(async (manager) => {
    const squares = await manager.Squares();
    const pool = await manager.pool(1);
    await squares.keep(pool);
    releaseProxy(pool, { all: true });
    assert.deepEqual(await squares.of([2, 3]), [4, 9]);
    const pid = await squares.pid();
    await eventually("its worker is gone", () => !isRunning(pid));
  }, { types }));

test("close() is for everybody; terminate() fails what runs", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.list<string>();
    const pid = await pool.apply(tasks.pid);
    const running = pool.map(tasks.square, [1, 2]);
    await pool.close();
    assert.deepEqual(await running, [1, 4]);
    await pool.join({ timeout: 10_000 });
    assert.equal(isRunning(pid), false);
    await assert.rejects(pool.apply(tasks.pid), { name: "TypeError", message: /was closed/ });

    const second = await manager.pool(1);
    const call = assert.rejects(second.apply(tasks.untilCancelled, [list]), WorkerLostError);
    await eventually("the task runs", () => list.length());
    await assert.rejects(second.join({ timeout: 0 }), { name: "TypeError" });
    await second.terminate();
    await call;
    await second.join();
  }));

test("debugInfo() tells of workers, calls and tasks that wait", () =>
  hosted(async (manager) => {
    const pool = await manager.pool(1);
    const list = await manager.list<string>();
    const controller = new AbortController();
    const { signal } = controller;
    const call = pool.map(tasks.untilCancelled, [list, list, list], { signal, chunkSize: 1 });
    const rejects = assert.rejects(call, /over/);
    await eventually("the first runs", () => list.length());
    assert.deepEqual(await stateOf(manager), { size: 1, workers: 1, calls: 1, waiting: 2 });
    controller.abort(new Error("over"));
    await rejects;
  }));

test("a pool of a memory server takes plain values only", async () => {
  const manager = await Manager.local({ tasks });
  try {
    const pool = await manager.pool(1);
    assert.deepEqual(await pool.map(tasks.square, [1, 2]), [1, 4]);
    const list = await manager.list<number>();
    await assert.rejects(pool.apply(tasks.push, [list, 1]), (error: SerializeError) => {
      assert.ok(error instanceof SerializeError);
      assert.match(error.message, /is in memory; use Manager\.start\(\)/);
      return true;
    });
  } finally {
    await manager.shutdown();
  }
});

test("the workers of a server process end with it", async () => {
  const manager = await Manager.start({ tasks });
  const pool = await manager.pool(1);
  const list = await manager.list<number>();
  assert.equal((await pool.apply(tasks.push, [list, 1])).list, list);
  const pid = await pool.apply(tasks.pid);
  await manager.publish("pool", pool);
  await manager.shutdown();
  assert.equal(isRunning(pid), false);
});

test("the workers of a server that is killed end", async () => {
  const manager = await Manager.start({ tasks });
  const pool = await manager.pool(1);
  const pid = await pool.apply(tasks.pid);
  process.kill((await manager.debugInfo()).pid, "SIGKILL");
  await eventually("its worker is gone", () => !isRunning(pid));
  await manager.shutdown();
});

test("a Deno server that has tasks may start workers, whatever else it may", () => {
  const least = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-run"];
  const permissions = ["--allow-read=/data", "--allow-ffi"];
  assert.deepEqual(withWorkers({ runtime: "deno", permissions }), [...least, "--allow-ffi"]);
  assert.deepEqual(withWorkers({ runtime: { name: "deno" } }), least);
  assert.equal(withWorkers({ runtime: "deno", permissions: "all" }), "all");
  assert.equal(withWorkers({ runtime: "node" }), undefined);
});

test("a server of another runtime has workers of its own", { skip: compiled }, async () => {
  const name = runtimeNames.find((name) => name !== currentRuntime)!;
  const manager = await Manager.start({ tasks, runtime: { name, path: runtimePath(name) } });
  try {
    const pool = await manager.pool(1);
    assert.equal(await pool.apply(tasks.runtime), name);
    await assert.rejects(pool.apply(tasks.fail, ["named"]), Refused);
    await assert.rejects(pool.apply(others.square, [1]), NotExposedError);
  } finally {
    await manager.shutdown();
  }
});

void test("a pool may have maxWorkers workers, one more is LimitExceededError", () =>
  hosted(async (manager) => {
    assert.equal(await (await manager.pool(3)).size(), 3);
    await assert.rejects(manager.pool(4), { name: "LimitExceededError", message: /maxWorkers/ });
  }, { limits: { maxWorkers: 3 } }));

test("leaves nothing behind", assertClean);
