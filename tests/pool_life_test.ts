/**
 * How pools, their workers and their calls end: crashes and retries, cancelling, closing in every
 * state, programs that end without a word. What tasks get and give is told in pool_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { type ListProxy, ManagerError, TimeoutError, WorkerLostError } from "../mod.ts";
import { Pipe, Pool, type PoolOptions, type Progress } from "../lib/process.ts";
import { tasks } from "./fixtures/pool/tasks.ts";
import { type Child, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually, isRunning } from "./support/events.ts";
import { collect, kinds, range, untilLength, withManagedPool, withPool } from "./support/pools.ts";
import { inRuntime } from "./support/processes.ts";
import {
  campaigning,
  campaignTime,
  currentRuntime,
  fixture,
  runtimeNames,
  tellCampaign,
} from "./support/runtimes.ts";

const crashes = campaigning ? 1000 : 30;
const bun: PoolOptions = { runtime: inRuntime("bun") };
const lost = { name: "WorkerLostError" };
const aborted = { name: "AbortError" };

/** Each task, one at a time or with another that waits in the same worker, begins once. */
void test("a task that kills its worker takes no other with it, and none is begun twice", () =>
  withManagedPool(2, bun, async (pool, manager) => {
    const begun = await manager.list<number>();
    const outcomes = await Promise.all(
      range(60).map((i) => pool.apply(tasks.beginOrDie, [begun, i]).catch((error) => error.name)),
    );
    assert.deepEqual(outcomes, range(60).map((i) => i % 10 === 5 ? "WorkerLostError" : i));
    const map = pool.starmap(tasks.beginOrDie, range(60).map((i) => [begun, i] as const), {
      chunkSize: 1,
    });
    await assert.rejects(map, lost);
    const all = await begun.slice();
    assert.deepEqual(all.sort((a, b) => a - b), range(60).flatMap((i) => [i, i]));
  }));

function* endless(): Generator<number> {
  for (let i = 0;; i++) yield i;
}

// Workers that are lost.

void test(
  `with retries, a map of ${crashes} whose every task kills its worker once is complete`,
  campaignTime,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "pool-"));
    try {
      await withPool(3, { ...bun, permissions: undefined }, async (pool) => {
        const items = range(crashes).map((i) => [folder, i] as const);
        const onProgress = ({ done }: Progress) => tellCampaign(done, crashes);
        const results = await pool.starmap(tasks.dieOnce, items, { retries: 1, onProgress });
        assert.deepEqual(results, range(crashes).map((i) => i * i));
      });
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

void test("without retries, each task that kills its worker fails with WorkerLostError, and no other", () =>
  withPool(2, bun, async (pool) => {
    const failed: number[] = [];
    const onProgress = (progress: { failed: number }) => failed.push(progress.failed);
    await assert.rejects(pool.map(tasks.die, range(10), { onProgress }), lost);
    assert.deepEqual(failed, range(10).map((i) => i + 1));
    const squares = pool.map(tasks.square, range(50), { chunkSize: 1 });
    await assert.rejects(pool.apply(tasks.die), lost);
    assert.deepEqual(await squares, range(50).map((x) => x * x));
  }));

void test("a task is run once more for each of its retries, and no more", async () => {
  const folder = mkdtempSync(join(tmpdir(), "pool-"));
  try {
    await withPool(1, { ...bun }, async (pool) => {
      const options = { retries: 2 };
      const failure = pool.starmap(tasks.countAndDie, [[folder, 1], [folder, 2]], options);
      await assert.rejects(failure, lost);
      assert.equal(await pool.apply(tasks.runs, [folder, 1]), 3);
      assert.equal(await pool.apply(tasks.runs, [folder, 2]), 3);
      await assert.rejects(pool.apply(tasks.countAndDie, [folder, 3]), lost);
      assert.equal(await pool.apply(tasks.runs, [folder, 3]), 1);
      // What a task throws is an answer.
      await assert.rejects(pool.apply(tasks.fail, ["no"], { retries: 5 }), /no/);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

for (const name of runtimeNames) {
  void test(`a lost worker in ${name} tells its exit code, its signal and what it wrote`, () =>
    withManagedPool(1, { runtime: inRuntime(name) }, async (pool) => {
      const end = async (call: Promise<unknown>) => {
        const error = await call.then(() => assert.fail("it gave a result"), (error) => error);
        assert.ok(error instanceof WorkerLostError && error instanceof ManagerError);
        return error;
      };
      const exited = await end(pool.apply(tasks.exit, [3]));
      assert.deepEqual([exited.exitCode, exited.exitSignal], [3, null]);
      assert.match(exited.message, /The worker that ran "exit" was lost \(exit code 3\)/);
      const killed = await end(pool.apply(tasks.die));
      assert.deepEqual([killed.exitCode, killed.exitSignal], [null, "SIGKILL"]);
      assert.match(killed.message, /\(signal SIGKILL\)/);
      const rejected = await end(pool.apply(tasks.reject));
      assert.match(rejected.stderr, /nobody handles this/);
      assert.equal(rejected.exitCode, 1);
      const wordy = await end(pool.apply(tasks.complain, [200_000]));
      assert.match(wordy.stderr, /xxx\nthe end\n$/);
      assert.ok(wordy.stderr.length <= 64 * 1024);
      assert.equal(await pool.apply(tasks.square, [2]), 4);
    }));
}

void test("a task that is not run once more, since its connection went with its worker, is lost", async () => {
  await withPool(1, bun, async (pool) => {
    const [, theirs] = await Pipe();
    await assert.rejects(pool.map(tasks.die, [theirs] as never, { retries: 1 }), lost);
    assert.equal(await pool.apply(tasks.square, [2]), 4);
  });
});

void test("a lost thread tells its exit code or its error", () =>
  withPool(1, { threads: true }, async (pool) => {
    await assert.rejects(pool.apply(tasks.exit, [3]), { ...lost, exitCode: 3 });
    await assert.rejects(pool.apply(tasks.reject), { ...lost, message: /nobody handles this/ });
    assert.equal(await pool.apply(tasks.square, [2]), 4);
  }));

const printsItself = currentRuntime === "deno" && "Deno prints the error of a thread by itself";

void test("the error of an idle thread is printed", { skip: printsItself }, async () => {
  const { write } = process.stderr;
  let written = "";
  process.stderr.write = (text: string | Uint8Array) => (written += text) !== "";
  try {
    await withPool(1, { threads: true }, async (pool) => {
      await pool.apply(tasks.failLater);
      await eventually("it is printed", () => /no call is told of this/.test(written));
    });
  } finally {
    process.stderr.write = write;
  }
});

void test("an idle worker that is killed costs no call anything", () =>
  withPool(1, bun, async (pool) => {
    for (let i = 0; i < 3; i++) {
      const pid = Number((await pool.apply(tasks.worker)).split(".")[0]);
      process.kill(pid, "SIGKILL");
      await eventually("it has ended", () => !isRunning(pid));
      await eventually("the pool knows", async () => {
        // One that was on its way when the worker died is lost.
        const now = await pool.apply(tasks.worker).catch(() => undefined);
        return now !== undefined && !now.startsWith(`${pid}.`);
      });
    }
  }));

void test("the calls of an actor say what its worker was killed for", async () => {
  await withManagedPool(1, bun, async (pool, manager) => {
    const model = await pool.actor(tasks.Model);
    const begun = await manager.list<unknown>();
    const controller = new AbortController();
    const { signal } = controller;
    const given = assert.rejects(pool.apply(tasks.spin, [begun], { signal }), aborted);
    await untilLength(begun, 1);
    controller.abort();
    await Promise.all([
      given,
      assert.rejects(model.add(1), (error: Error) => {
        assert.equal(error.name, "ConnectionClosedError");
        assert.match(error.message, /Its worker was killed: "spin" was cancelled and went on/);
        return true;
      }),
    ]);
  });
});

void test("the calls of an actor fail when its worker is lost, and tasks go on", () =>
  withPool(1, bun, async (pool) => {
    const model = await pool.actor(tasks.Model);
    await assert.rejects(model.die(), { name: "ConnectionClosedError" });
    await assert.rejects(model.add(1), { name: "ConnectionClosedError" });
    assert.equal(await pool.apply(tasks.square, [2]), 4);
    assert.equal(await (await pool.actor(tasks.Model)).add(1), 1);
  }));

// Cancelling.

for (const [kind, options] of kinds) {
  void test(`workers: ${kind} see an abort in taskSignal() and go on; one that spins is replaced`, () =>
    withManagedPool(1, options, async (pool, manager) => {
      const list = await manager.list<unknown>();
      const controller = new AbortController();
      const where = await pool.apply(tasks.worker);
      const call = pool.apply(tasks.untilCancelled, [list], controller);
      const stopped = assert.rejects(call, aborted);
      await untilLength(list, 1);
      controller.abort();
      await stopped;
      await untilLength(list, 2);
      assert.deepEqual(await list.copy(), ["began", "cancelled: AbortError"]);
      assert.equal(await pool.apply(tasks.worker), where, "the same worker");

      await list.clear();
      const spinning = new AbortController();
      const spun = pool.apply(tasks.spin, [list], spinning);
      const ended = assert.rejects(spun, aborted);
      await untilLength(list, 1);
      spinning.abort();
      await ended;
      assert.notEqual(await pool.apply(tasks.worker), where, "another worker");
    }));
}

void test("a cancelled call stops at once, wherever it is; others are not affected", () =>
  withManagedPool(2, bun, async (pool, manager) => {
    const list = await manager.list<unknown>();
    const reason = new Error("not needed");
    const signal = AbortSignal.abort(reason);
    let read = 0;
    const input = function* () {
      for (;;) yield read++;
    };
    await assert.rejects(pool.map(tasks.square, input(), { signal, timeout: 60_000 }), reason);
    assert.equal(read, 0, "it was aborted before it began");
    await assert.rejects(collect(pool.imap(tasks.square, input(), { signal })), reason);

    // While its arguments are packed: the task does not run.
    const packing = new AbortController();
    const packed = assert.rejects(pool.apply(tasks.append, [list, 1], packing), aborted);
    packing.abort();
    await packed;
    // While it waits for a worker.
    const busy = range(2).map(() => pool.apply(tasks.meet, [list, 3]));
    await untilLength(list, 2);
    const waiting = new AbortController();
    const waited = assert.rejects(pool.apply(tasks.append, [list, 2], waiting), aborted);
    waiting.abort();
    await waited;
    await list.push("end");
    await Promise.all(busy);
    assert.deepEqual(await list.copy(), ["here", "here", "end"], "neither was run");

    const late = pool.map(tasks.untilCancelled, [list, list], { timeout: 50 });
    await assert.rejects(late, {
      name: "TimeoutError",
      message: `"untilCancelled" did not finish in 50 ms`,
    });
    await assert.rejects(late, TimeoutError);
    assert.deepEqual(await pool.map(tasks.square, [1, 2, 3], { timeout: 60_000 }), [1, 4, 9]);
  }));

// The end of a pool.

/** Brings a pool into a state; gives the calls that are not over. */
const states: Record<
  string,
  (pool: Pool, list: ListProxy<unknown>) => Promise<Promise<unknown>[]>
> = {
  // deno-lint-ignore require-await -- as the others
  "nothing was started": async () => [],
  // deno-lint-ignore require-await -- as the others
  "workers start": async (pool) => [pool.map(tasks.square, range(20))],
  "workers are idle": async (pool) => {
    await pool.map(tasks.square, range(20));
    return [];
  },
  "workers are busy": async (pool, list) => {
    const calls = range(3).map(() => pool.apply(tasks.meet, [list, 4]));
    await untilLength(list, 2);
    return calls;
  },
  "tasks are retried": async (pool, list) => {
    const call = pool.starmap(tasks.exitUnless, [[list, 4], [list, 4]], { retries: Infinity });
    call.catch(() => {});
    await untilLength(list, 2);
    return [call];
  },
  "results are iterated": async (pool) => {
    const results = pool.imap(tasks.square, range(500));
    await results.next();
    return [collect(results)];
  },
  "an actor is made": async (pool) => {
    const model = await pool.actor(tasks.Model);
    await model.add(1);
    return [];
  },
};

for (const [state, enter] of Object.entries(states)) {
  for (const options of [bun, { threads: true }]) {
    const workers = "threads" in options ? "threads" : "processes";
    if (workers === "threads" && state === "tasks are retried") continue;
    void test(`a pool of ${workers} is closed and terminated while ${state}`, () =>
      withManagedPool(2, options, async (pool, manager) => {
        const list = await manager.list<unknown>();
        const calls = await enter(pool, list);
        pool.close();
        await assert.rejects(pool.apply(tasks.square, [1]), /the pool was closed/);
        for (const _ of range(4)) await list.push("go on");
        await pool.join();
        await Promise.all(calls);

        const killed = new Pool(2, { ...options, manager, startTimeout: 60_000 });
        await list.clear();
        const pending = (await enter(killed, list)).map((call) => assert.rejects(call, lost));
        await killed.terminate();
        await Promise.all(pending);
        await killed.terminate();
        await killed.join();
      }));
  }
}

void test("terminate() ends a pool with 10 000 calls that wait, and workers that are deaf or still start", () =>
  withManagedPool(2, bun, async (pool, manager) => {
    // CPython: test_terminate
    const calls = range(10_000).map(() => pool.apply(tasks.sleep, [10_000]));
    const failures = Promise.allSettled(calls);
    await eventually(
      "some run",
      () => pool.apply(tasks.square, [1], { timeout: 10 }).catch(() => true),
    );
    await pool.terminate();
    assert.deepEqual(
      new Set((await failures).map(({ status }) => status)),
      new Set(["rejected"]),
    );

    const list = await manager.list<number>();
    const deaf = new Pool(1, { ...bun, manager, startTimeout: 60_000 });
    const spinning = assert.rejects(deaf.apply(tasks.spinDeaf, [list]), lost);
    await untilLength(list, 1);
    await deaf.terminate();
    await spinning;
    assert.equal(isRunning((await list.at(0))!), false);

    const module = tasks.square.module;
    const initializer = { module, export: "hangingInitializer" };
    const hanging = new Pool(1, { ...bun, initializer, startTimeout: 60_000 });
    const never = assert.rejects(hanging.apply(tasks.square, [1]), lost);
    await hanging.terminate();
    await never;
    await assert.rejects(new Pool(1).join(), /call close\(\) or terminate\(\) first/);
  }));

void test("10 000 calls at a time are served in a time that grows with their number only", () =>
  withPool(2, { threads: true }, async (pool) => {
    const calls = range(10_000).map((x) => pool.apply(tasks.square, [x]));
    assert.deepEqual((await Promise.all(calls)).slice(-2), [9998 ** 2, 9999 ** 2]);
  }));

// Programs that end.

/** Runs the program with a folder of its own for its sockets. */
async function runProgram(
  args: [state: string, workers: string, end: string],
  use: (program: Child) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "pool-"));
  try {
    const program = startScript(currentRuntime, fixture("pool/program.ts"), {
      args,
      env: { TMPDIR: folder },
    });
    await use(program);
    // Of a start that was cut short the socket's directory stays until the next start.
    if (["starting", "retrying"].includes(args[0]) || args[2] === "wait") return;
    await eventually("its files are gone", () => readdirSync(folder).length === 0);
  } finally {
    // A start that was cut short may still be making its directory.
    await eventually("the folder is gone", () => {
      rmSync(folder, { recursive: true, force: true });
      return !existsSync(folder);
    });
  }
}

for (const workers of ["process", "thread"]) {
  void test(`a program ends when it exits, whatever its pool does, and its workers with it: ${workers}`, async () => {
    for (const state of ["new", "starting", "idle", "busy", "hung", "retrying", "iterating"]) {
      await runProgram([state, workers, "exit"], async (program) => {
        assert.equal(await program.line(), state);
        // Its end is the end of all who have its streams.
        const { code, stderr } = await program.end;
        assert.deepEqual([state, code, stderr], [state, 0, ""]);
      });
    }
  });

  void test(`an idle pool keeps no program alive, a pending call does: ${workers}`, async () => {
    for (const state of ["new", "idle", "iterating", "pending"]) {
      await runProgram([state, workers, "return"], async (program) => {
        const { code, stdout } = await program.end;
        const expected = state === "pending" ? "pending\nresult 9\n" : `${state}\n`;
        assert.deepEqual([code, stdout], [0, expected]);
      });
    }
  });
}

void test("the workers of a program that is killed end", async () => {
  for (const state of ["starting", "idle", "busy"]) {
    await runProgram([state, "process", "wait"], async (program) => {
      assert.equal(await program.line(), state);
      program.process.kill("SIGKILL");
      assert.equal((await program.end).signal, "SIGKILL");
    });
  }
});

void test("an iteration of an endless input ends with its pool", () =>
  withPool(1, { threads: true }, async (pool) => {
    const results = pool.imap(tasks.square, endless());
    await results.next();
    const rest = assert.rejects(collect(results), lost);
    await pool.terminate();
    await rest;
  }));

void test("leaves nothing behind", assertClean);
