/**
 * Who waits for whom: a circle of tasks that would wait for each other for ever is refused, and no
 * program that would go on ever is; what is not refused is shown by `debugInfo()`.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  type AcquireOptions,
  type ConditionProxy,
  DeadlockError,
  type Guard,
  type LockProxy,
  type Manager,
  repr,
  type RWLockProxy,
  TimeoutError,
  withOptions,
} from "../mod.ts";
import { inServer } from "./conformance/in_server.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { deferred, settled, share, waiting, withSessions } from "./support/sessions.ts";

const kinds = ["lock", "rlock", "rwLock", "condition"] as const;
type Kind = typeof kinds[number];

/** Two ways to have one lock and wait for another. */
const styles: Record<string, (first: LockProxy, second: LockProxy, step: Step) => Promise<string>> =
  {
    "withLock": (first, second, step) =>
      first.withLock(async () => {
        await step();
        return await second.withLock(() => "done");
      }),
    "{ holding: guard }": async (first, second, step) => {
      const guard = await first.acquire();
      try {
        await step();
        await (await second.acquire({ holding: guard })).release();
        return "done";
      } finally {
        await guard.release();
      }
    },
  };
/** Resolves when the task is to go on from its first lock to its second. */
type Step = () => Promise<void>;

/** Locks as proxies of each session: `locks[lock][session]`. */
async function shareLocks<K extends Kind[]>(
  managers: Manager[],
  ...kinds: K
): Promise<{ [I in keyof K]: LockProxy[] }> {
  const locks: LockProxy[][] = [];
  for (const kind of kinds) {
    locks.push(await share(managers, (create) => create[kind]() as Promise<LockProxy>));
  }
  return locks as { [I in keyof K]: LockProxy[] };
}

/** A task that has its first lock and goes on when it is told to. */
class Task {
  /** How it ends; has no unhandled rejection. */
  readonly end: Promise<string>;
  readonly #first = deferred();
  readonly #go = deferred();

  constructor(body: (step: Step) => Promise<string>) {
    this.end = body(async () => {
      this.#first.resolve();
      await this.#go.promise;
    });
    this.end.catch(() => this.#first.resolve());
  }

  /** It has what it takes first. */
  get ready(): Promise<void> {
    return this.#first.promise;
  }

  go(): void {
    this.#go.resolve();
  }
}

/** Starts the tasks; all have what they take first when this resolves. */
async function startAll(...bodies: ((step: Step) => Promise<string>)[]): Promise<Task[]> {
  const tasks = bodies.map((body) => new Task(body));
  for (const task of tasks) await task.ready;
  return tasks;
}

/** Lets the tasks go on one after the other; all but the last wait, or have given up. */
async function closeCircle(manager: Manager, tasks: Task[]): Promise<void> {
  for (const [i, task] of tasks.entries()) {
    task.go();
    if (i < tasks.length - 1) await Promise.race([waiting(manager, i + 1), task.end]);
  }
}

/** The last of the tasks closes a circle: it is refused, the others go on. */
async function assertCircle(manager: Manager, tasks: Task[], text?: RegExp): Promise<void> {
  await closeCircle(manager, tasks);
  const last = tasks.at(-1)!;
  await assert.rejects(last.end, (error) => {
    assert.ok(error instanceof DeadlockError, `${error}`);
    if (text) assert.match(error.message, text);
    return true;
  });
  for (const task of tasks.slice(0, -1)) assert.equal(await task.end, "done");
}

/** All go on in the end; nobody is refused. */
async function assertGoOn(tasks: Task[]): Promise<void> {
  for (const task of tasks) assert.equal(await task.end, "done");
}

// Circles.

for (const kind of kinds) {
  for (const [style, run] of Object.entries(styles)) {
    for (const size of [2, 3]) {
      for (const across of [false, true]) {
        const where = across ? "of as many sessions" : "of one process";
        void test(`${kind}, ${style}: who closes a circle of ${size} tasks ${where} is refused, the others go on`, () =>
          withSessions(across ? size : 1, async (...managers) => {
            const locks = await shareLocks(managers, ...Array(size).fill(kind));
            const lockOf = (lock: number, task: number) => locks[lock % size]![across ? task : 0]!;
            const tasks = await startAll(
              ...locks.map((_, i) => (step: Step) => run(lockOf(i, i), lockOf(i + 1, i), step)),
            );
            await assertCircle(managers[0]!, tasks);
            for (const [lock] of locks) assert.equal(await lock!.locked(), false);
          }));
      }
    }
  }
}

for (const kind of ["lock", "rwLock"] as const) {
  for (const [style, run] of Object.entries(styles)) {
    void test(`${kind}, ${style}: a task that waits for itself is refused at once`, () =>
      withSessions(1, async (manager) => {
        const lock = await manager[kind]() as LockProxy;
        const tasks = await startAll((step) => run(lock, lock, step));
        await assertCircle(manager, tasks, /session "s1" waits for .*, which session "s1" holds/);
        assert.equal(await lock.locked(), false);
      }));
  }
}

void test("a circle may go through several locks that a task has", () =>
  withSessions(2, async (...managers) => {
    const [a, b, c, d] = await shareLocks(managers, "lock", "rlock", "rwLock", "lock");
    const tasks = await startAll(
      (step) =>
        a![0]!.withLock(() =>
          b![0]!.withLock(() =>
            c![0]!.withLock(async () => {
              await step();
              return await d![0]!.withLock(() => "done");
            })
          )
        ),
      (step) =>
        d![1]!.withLock(async () => {
          await step();
          return await a![1]!.withLock(() => "done");
        }),
    );
    await assertCircle(managers[0]!, tasks);
  }));

void test("{ holding: guard } names what a task has, in place of the callbacks around it", () =>
  withSessions(2, async (...managers) => {
    for (const through of ["the guard", "the callback"]) {
      const [[a, theirA], [b, theirB], [c, theirC]] = await shareLocks(
        managers,
        "lock",
        "lock",
        "lock",
      );
      const holding = await a!.acquire();
      const tasks = await startAll(
        (step) =>
          b!.withLock(async () => {
            await step();
            return await c!.withLock(() => "done", { holding });
          }),
        (step) => styles["withLock"]!(theirC!, through === "the guard" ? theirA! : theirB!, step),
      );
      if (through === "the guard") {
        await assertCircle(managers[0]!, tasks);
        await holding.release();
        continue;
      }
      await closeCircle(managers[0]!, tasks);
      await waiting(managers[0]!, 2);
      assert.equal((await suspects(managers[0]!)).length, 2);
      await managers[1]!.close();
      await assertGoOn(tasks.slice(0, 1));
    }
  }));

void test("a callback counts also after await, in timers and in tasks that it starts", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.lock();
    await lock.withLock(async () => {
      await assert.rejects(lock.acquire(), DeadlockError);
      await setImmediate();
      await assert.rejects(lock.acquire(), DeadlockError);
      await setTimeout(1);
      await assert.rejects(lock.withLock(() => {}), DeadlockError);
      const inner = async () => {
        await lock.locked();
        await lock.acquire();
      };
      await assert.rejects(Promise.all([inner()]), DeadlockError);
    });
    await lock.withLock(() => {});
  }));

void test("two tasks of one callback that wait for each other are a circle, too", () =>
  withSessions(1, async (manager) => {
    const [outer, a, b] = [await manager.lock(), await manager.lock(), await manager.lock()];
    await outer.withLock(async () => {
      const tasks = await startAll(
        (step) => styles["withLock"]!(a, b, step),
        (step) => styles["withLock"]!(b, a, step),
      );
      await assertCircle(manager, tasks);
    });
  }));

void test("the circle of an rwLock goes through any of its readers", () =>
  withSessions(3, async (...managers) => {
    const [[lock, theirLock]] = await shareLocks(managers, "lock");
    const rw = await share(managers, (create) => create.rwLock());
    const bystander = await rw[2]!.acquire({ mode: "shared" });
    const tasks = await startAll(
      (step) =>
        theirLock!.withLock(async () => {
          await step();
          return await rw[1]!.withLock(() => "done");
        }),
      (step) =>
        rw[0]!.withLock(async () => {
          await step();
          return await lock!.withLock(() => "done");
        }, { mode: "shared" }),
    );
    const over = assertCircle(managers[0]!, tasks);
    await assert.rejects(tasks[1]!.end, DeadlockError);
    await bystander.release();
    await over;
  }));

void test("who has an rwLock alone and wants to share it as well is refused", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.rwLock();
    await lock.withLock(async (holding) => {
      await assert.rejects(lock.acquire({ mode: "shared" }), DeadlockError);
      await assert.rejects(lock.acquire({ mode: "shared", holding }), DeadlockError);
    });
  }));

void test("a reader that enters again behind a writer that waits in a callback is refused", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const lock = await managers[1]!.lock();
    const tasks = await startAll(
      (step) =>
        lock.withLock(async () => {
          await step();
          return await theirs!.withLock(() => "done");
        }),
      (step) =>
        ours!.withLock(async () => {
          await step();
          return await ours!.withLock(() => "done", { mode: "shared" });
        }, { mode: "shared" }),
    );
    await assertCircle(managers[0]!, tasks);
  }));

void test("a circle of readers that stand behind a writer is refused, whoever closes it", () =>
  withSessions(3, async (...managers) => {
    for (const order of [["writer", "behind", "reader"], ["reader", "writer", "behind"]]) {
      const rw = await share(managers, (create) => create.rwLock());
      const locks = await share(managers, (create) => create.lock());
      const own = await managers[1]!.lock();
      const mode = "shared";
      const bodies: Record<string, (step: Step) => Promise<string>> = {
        reader: (step) =>
          rw[0]!.withLock(async () => {
            await step();
            return await locks[0]!.withLock(() => "done");
          }, { mode }),
        writer: (step) =>
          own.withLock(async () => {
            await step();
            return await rw[1]!.withLock(() => "done");
          }),
        behind: (step) =>
          locks[2]!.withLock(async () => {
            await step();
            return await rw[2]!.withLock(() => "done", { mode });
          }),
      };
      const tasks = await startAll(...order.map((name) => bodies[name]!));
      await assertCircle(managers[0]!, tasks);
    }
  }));

void test("DeadlockError names who holds and who waits for what, link by link", () =>
  withSessions(3, async (...managers) => {
    const locks = await shareLocks(managers, "lock", "rlock", "rwLock");
    const names = locks.map(([lock]) => repr(lock));
    const tasks = await startAll(
      ...locks.map((_, i) => (step: Step) =>
        styles["withLock"]!(locks[i]![i]!, locks[(i + 1) % 3]![i]!, step)
      ),
    );
    await closeCircle(managers[0]!, tasks);
    await assert.rejects(tasks[2]!.end, {
      name: "DeadlockError",
      message: `Cannot acquire ${names[0]}, it would wait for ever: session "s3" waits for ${
        names[0]
      }, which session "s1" holds; session "s1" waits for ${
        names[1]
      }, which session "s2" holds; session "s2" waits for ${
        names[2]
      }, which session "s3" holds; acquire in one order everywhere, or with a timeout`,
    });
    await assertGoOn(tasks.slice(0, 2));
  }));

void test("DeadlockError names a condition as the condition", () =>
  withSessions(1, async (manager) => {
    const [condition, lock] = [await manager.condition(), await manager.lock()];
    const tasks = await startAll(
      (step) => styles["withLock"]!(lock, condition as unknown as LockProxy, step),
      (step) => styles["withLock"]!(condition as unknown as LockProxy, lock, step),
    );
    await closeCircle(manager, tasks);
    await assert.rejects(tasks[1]!.end, (error: Error) => {
      assert.ok(error.message.includes(repr(condition)), error.message);
      assert.ok(error.message.includes(repr(lock)), error.message);
      return true;
    });
  }));

void test("who was refused waits no more, and may try again", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b, theirB]] = await shareLocks(managers, "lock", "lock");
    const tasks = await startAll(
      (step) => styles["withLock"]!(a!, b!, step),
      async (step) => {
        const guard = await theirB!.acquire();
        await step();
        await assert.rejects(theirA!.acquire({ holding: guard }), DeadlockError);
        await assert.rejects(theirA!.acquire({ holding: guard, timeout: 1 }), TimeoutError);
        await assert.rejects(theirA!.withLock(() => {}, { holding: guard }), DeadlockError);
        await guard.release();
        return await theirA!.withLock(() => theirB!.withLock(() => "done"));
      },
    );
    await closeCircle(managers[0]!, tasks);
    await assertGoOn(tasks);
    assert.deepEqual([await a!.locked(), await b!.locked()], [false, false]);
  }));

void test("tasks that begin again after DeadlockError all come to their end", () =>
  withSessions(3, async (...managers) => {
    const locks = await shareLocks(managers, "lock", "rlock", "rwLock");
    const counts = await share(managers, (create) => create.value("i", 0));
    const random = numbers(5);
    let refused = 0;
    await Promise.all(managers.flatMap((_, session) =>
      Array.from({ length: 8 }, async () => {
        const [first, second] = shuffled([0, 1, 2], random).map((lock) => locks[lock]![session]!);
        const task = () =>
          first!.withLock(async () => {
            await setImmediate();
            await second!.withLock(() => counts[session]!.add(1));
          });
        while (!await task().then(() => true, isDeadlock)) {
          refused++;
          // Whoever is refused makes way for the others for a while.
          for (let i = random() % 50; i > 0; i--) await setImmediate();
        }
      })
    ));
    assert.equal(await counts[0]!.get(), 24);
    assert.ok(refused > 0);
    for (const [lock] of locks) assert.equal(await lock!.locked(), false);
    assert.deepEqual(await suspects(managers[0]!), []);
  }));

function isDeadlock(error: unknown): false {
  if (error instanceof DeadlockError) return false;
  throw error;
}

void test("a circle of tasks in the server is refused as well", async () => {
  const backend = await inServer();
  const [a, b] = [await backend.lock(), await backend.rlock() as unknown as LockProxy];
  const tasks = await startAll(
    (step) => styles["withLock"]!(a, b, step),
    (step) => styles["withLock"]!(b, a, step),
  );
  tasks[0]!.go();
  await b.locked();
  tasks[1]!.go();
  await assert.rejects(settled(tasks[1]!.end), {
    name: "DeadlockError",
    message: /session "server" waits for/,
  });
  assert.equal(await tasks[0]!.end, "done");
  await backend.close();
});

// No program that would go on is refused.

void test("tasks that take the same locks in the same order go on", () =>
  withSessions(3, async (...managers) => {
    const locks = await shareLocks(managers, "lock", "rlock", "rwLock", "condition");
    const counts = await share(managers, (create) => create.value("i", 0));
    await Promise.all(managers.flatMap((_, session) => {
      const [a, b, c, d] = locks.map((lock) => lock[session]!);
      return Array.from(
        { length: 15 },
        () =>
          a!.withLock(() =>
            b!.withLock(() => c!.withLock(() => d!.withLock(() => counts[session]!.add(1))))
          ),
      );
    }));
    assert.equal(await counts[0]!.get(), 45);
  }));

void test("tasks that hand over from lock to lock with { holding } go on", () =>
  withSessions(2, async (...managers) => {
    const locks = await shareLocks(managers, "lock", "rlock", "rwLock", "lock", "lock");
    await Promise.all(managers.flatMap((_, session) =>
      Array.from({ length: 10 }, async () => {
        let guard: Guard | null = null;
        for (const lock of locks) {
          const next: Guard = await lock[session]!.acquire({ holding: guard });
          await guard?.release();
          guard = next;
        }
        await guard!.release();
      })
    ));
    for (const [lock] of locks) assert.equal(await lock!.locked(), false);
  }));

/** Waits that may end by themselves: what is given to the wait, and to a view of its lock. */
const impatient: Record<string, (signal: AbortSignal) => [AcquireOptions, AcquireOptions?]> = {
  "a timeout": () => [{ timeout: 30 }],
  "a signal": (signal) => [{ signal }],
  "both": (signal) => [{ timeout: 60_000, signal }],
  "a view with a timeout": () => [{}, { timeout: 30 }],
  "a view with a signal": (signal) => [{}, { signal }],
  "a view and options without": (signal) => [{ timeout: undefined }, { signal }],
};

for (const [name, optionsOf] of Object.entries(impatient)) {
  for (const closes of [true, false]) {
    const who = closes ? "closes the circle" : "waits in the circle";
    void test(`a wait with ${name} that ${who} is no deadlock`, () =>
      withSessions(2, async (...managers) => {
        for (const style of ["withLock", "acquire"] as const) {
          const [[a, theirA], [b, theirB]] = await shareLocks(
            managers,
            "lock",
            "rlock",
          );
          const controller = new AbortController();
          const [options, view] = optionsOf(controller.signal);
          const viewed = view ? withOptions(theirA!, view as { timeout?: number }) : theirA!;
          const bodies = [
            (step: Step) => styles["withLock"]!(a!, b!, step),
            (step: Step) =>
              theirB!.withLock(async () => {
                await step();
                const wait = style === "withLock"
                  ? viewed.withLock(() => assert.fail(), options)
                  : viewed.acquire(options);
                await assert.rejects(wait, (error) => {
                  return error === "enough" || error instanceof TimeoutError;
                });
                return "done";
              }),
          ];
          if (!closes) bodies.reverse();
          const tasks = await startAll(...bodies);
          await closeCircle(managers[0]!, tasks);
          await theirB!.locked();
          await a!.locked();
          controller.abort("enough");
          await assertGoOn(tasks);
        }
      }));
  }
}

void test("timeout: Infinity and signal: undefined are none", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.lock();
    await lock.withLock(async () => {
      const options = { timeout: Infinity, signal: undefined };
      await assert.rejects(lock.acquire(options), DeadlockError);
      await assert.rejects(withOptions(lock, { timeout: Infinity }).acquire(), DeadlockError);
      // What the call says wins over the view.
      await assert.rejects(withOptions(lock, { timeout: 1 }).acquire(options), DeadlockError);
    });
  }));

void test("tryAcquire() in a circle gives null", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b, theirB]] = await shareLocks(managers, "lock", "lock");
    const tasks = await startAll(
      (step) => styles["withLock"]!(a!, b!, step),
      (step) =>
        theirB!.withLock(async (holding) => {
          await step();
          assert.equal(await theirA!.tryAcquire(), null);
          assert.equal(await theirA!.tryAcquire({ holding }), null);
          return "done";
        }),
    );
    await closeCircle(managers[0]!, tasks);
    await assertGoOn(tasks);
  }));

for (const kind of ["semaphore", "boundedSemaphore"] as const) {
  void test(`a ${kind} in a circle is no deadlock: another may give a permit`, () =>
    withSessions(3, async (...managers) => {
      const [[lock, theirLock]] = await shareLocks(managers, "lock");
      const semaphores = await share(managers, (create) => create[kind](1));
      for (const style of ["withLock", "holding"]) {
        const plain = await semaphores[1]!.acquire();
        const tasks = await startAll(
          (step) =>
            lock!.withLock(async () => {
              await step();
              return await semaphores[0]!.withLock(() => "done");
            }),
          async (step) => {
            await step();
            if (style === "holding") {
              return await theirLock!.withLock(() => "done", { holding: plain });
            }
            return await theirLock!.withLock(() => "done");
          },
        );
        await closeCircle(managers[0]!, tasks);
        await waiting(managers[0]!, 2);
        await semaphores[2]!.release();
        await assertGoOn(tasks);
      }
    }));
}

void test("a lock inside a semaphore's withLock() is no edge", () =>
  withSessions(2, async (...managers) => {
    const [[lock, theirLock]] = await shareLocks(managers, "lock");
    const semaphores = await share(managers, (create) => create.semaphore(1));
    const tasks = await startAll(
      (step) =>
        lock!.withLock(async () => {
          await step();
          return await semaphores[0]!.withLock(() => "done");
        }),
      (step) =>
        semaphores[1]!.withLock(async () => {
          await step();
          return await theirLock!.withLock(() => "done");
        }),
    );
    await closeCircle(managers[0]!, tasks);
    await waiting(managers[0]!, 2);
    await semaphores[1]!.release(); // one more
    await assertGoOn(tasks);
  }));

void test("a task that waits for a condition does not have its lock", () =>
  withSessions(2, async (...managers) => {
    for (const order of [[0, 1], [1, 0]]) {
      const conditions = await share(managers, (create) => create.condition());
      const [[lock, theirLock]] = await shareLocks(managers, "lock");
      const asleep = deferred();
      // Has the lock, and another of its tasks waits for it, while it sleeps.
      const sleeper = conditions[0]!.withLock(async (guard) => {
        const waits = lock!.withLock(() => "done", { holding: guard });
        const woken = guard.wait();
        await lock!.locked();
        asleep.resolve();
        await woken;
        return await waits;
      });
      const other = theirLock!.withLock(async () => {
        await asleep.promise;
        return await conditions[1]!.withLock(async (guard) => {
          await guard.notify();
          return "done";
        });
      });
      const both = [sleeper, other];
      for (const i of order) assert.equal(await both[i]!, "done");
    }
  }));

void test("producers and consumers that wait inside withLock() go on", () =>
  withSessions(3, async (...managers) => {
    const [outer] = await shareLocks(managers, "lock");
    const conditions: ConditionProxy[] = await share(managers, (create) => create.condition());
    const lists = await share(managers, (create) => create.list<number>());
    const taken = Promise.all(
      Array.from({ length: 12 }, (_, i) =>
        conditions[i % 3]!.withLock(async (guard) => {
          await guard.waitFor(async () => await lists[i % 3]!.length() > 0);
          return await lists[i % 3]!.shift();
        })),
    );
    await Promise.all(
      Array.from(
        { length: 12 },
        (_, i) =>
          outer[i % 3]!.withLock(() =>
            conditions[i % 3]!.withLock(async (guard) => {
              await lists[i % 3]!.push(i);
              await guard.notify();
            })
          ),
      ),
    );
    assert.equal(new Set(await taken).size, 12);
  }));

void test("a task started in a callback with { holding: null } is one of its own", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b, theirB]] = await shareLocks(managers, "lock", "lock");
    for (const style of ["acquire", "withLock"] as const) {
      const background: Promise<unknown>[] = [];
      const own = async (lock: LockProxy) => {
        if (style === "withLock") return await lock.withLock(() => "done", { holding: null });
        await (await lock.acquire({ holding: null })).release();
        return "done";
      };
      const tasks = await startAll(
        (step) => styles["withLock"]!(theirB!, theirA!, step),
        (step) =>
          a!.withLock(async () => {
            await step();
            background.push(own(a!), own(b!));
            await waiting(managers[0]!, 3);
            return "done";
          }),
      );
      await closeCircle(managers[0]!, tasks);
      await assertGoOn(tasks);
      assert.deepEqual(await Promise.all(background), ["done", "done"]);
    }
  }));

void test("in a callback of withLock(fn, { holding: null }) a task has only what it took itself", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b], [c, theirC]] = await shareLocks(
      managers,
      "lock",
      "lock",
      "lock",
    );
    const background: Promise<unknown>[] = [];
    const tasks = await startAll(
      (step) => styles["withLock"]!(theirC!, theirA!, step),
      (step) =>
        a!.withLock(async () => {
          await step();
          // Nobody in this callback waits for it.
          background.push(b!.withLock(() => c!.withLock(() => "done"), { holding: null }));
          await waiting(managers[0]!, 2);
          return "done";
        }),
    );
    const closed = closeCircle(managers[0]!, tasks);
    closed.catch(() => {});
    await eventually("the background task was started", () => background.length === 1);
    assert.equal(await background[0], "done");
    await closed;
    await assertGoOn(tasks);
  }));

void test("a task that was there before a callback is not in it, although the callback wakes it", () =>
  withSessions(1, async (manager) => {
    const [lock, list, event] = [await manager.lock(), await manager.list(), await manager.event()];
    const wakeUp = deferred();
    const workers = [
      wakeUp.promise.then(() => lock.withLock(() => list.push(1))),
      (async () => {
        await wakeUp.promise;
        await lock.withLock(() => list.push(2));
      })(),
      (async () => {
        await event.wait();
        await lock.withLock(() => list.push(3));
      })(),
    ];
    await lock.withLock(async () => {
      wakeUp.resolve();
      await event.set();
      await waiting(manager, workers.length);
      assert.equal(await list.length(), 0);
    });
    await Promise.all(workers);
    assert.deepEqual((await list.copy()).sort(), [1, 2, 3]);
  }));

void test("a guard that is released early in its callback is not had any more", () =>
  withSessions(2, async (...managers) => {
    for (const awaits of [true, false]) {
      for (const reverse of [true, false]) {
        const [[a, theirA], [b, theirB]] = await shareLocks(
          managers,
          "lock",
          "lock",
        );
        const bodies = [
          (step: Step) =>
            a!.withLock(async (guard) => {
              await step();
              const released = guard.release();
              if (awaits) await released;
              return await b!.withLock(() => "done");
            }),
          (step: Step) => styles["withLock"]!(theirB!, theirA!, step),
        ];
        const tasks = await startAll(...(reverse ? bodies.reverse() : bodies));
        for (const task of tasks) task.go();
        await assertGoOn(tasks);
      }
    }
  }));

void test("a guard that was released, or is another session's, is no edge", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b]] = await shareLocks(managers, "lock", "lock");
    const released = await b!.acquire();
    await released.release();
    const guard = await a!.acquire();
    const waits = [
      a!.acquire({ holding: released }),
      theirA!.acquire({ holding: { fence: guard.fence } as Guard }),
    ];
    await waiting(managers[0]!, 2);
    await guard.release();
    for (const wait of waits) await (await wait).release();
  }));

void test("bare acquires in a circle wait, and go on when another process releases for them", () =>
  withSessions(3, async (...managers) => {
    const [a, b] = await shareLocks(managers, "lock", "lock");
    await a[0]!.acquire();
    await b[1]!.acquire();
    const waits = [b[0]!.acquire()];
    await waiting(managers[0]!, 1);
    waits.push(a[1]!.acquire());
    await waiting(managers[0]!, 2);
    await a[2]!.release();
    await waits[1];
    await b[2]!.release();
    await waits[0];
  }));

void test("one bare acquire in a circle of callbacks makes it no deadlock", () =>
  withSessions(3, async (...managers) => {
    for (const closes of [true, false]) {
      const [[a, theirA], [b, theirB, third]] = await shareLocks(
        managers,
        "lock",
        "lock",
      );
      const bodies = [
        (step: Step) => styles["withLock"]!(a!, b!, step),
        async (step: Step) => {
          await theirB!.acquire();
          await step();
          await (await theirA!.acquire()).release();
          return "done";
        },
      ];
      const tasks = await startAll(...(closes ? bodies : bodies.reverse()));
      await closeCircle(managers[0]!, tasks);
      await waiting(managers[0]!, 2);
      await third!.release();
      await assertGoOn(tasks);
    }
  }));

void test("a task that has an rlock enters it again wherever it is", () =>
  withSessions(2, async (...managers) => {
    const [[r, theirR], [a]] = await shareLocks(managers, "rlock", "lock");
    const next: Promise<Guard>[] = [];
    await r!.withLock(() =>
      a!.withLock(async () => {
        next.push(theirR!.acquire());
        await waiting(managers[0]!, 1);
        await r!.withLock(() => r!.withLock(() => {}));
      })
    );
    await (await next[0]!).release();
  }));

void test("readers nested in readers go on while no writer waits", () =>
  withSessions(2, async (...managers) => {
    const [first, second] = [
      await share(managers, (create) => create.rwLock()),
      await share(managers, (create) => create.rwLock()),
    ];
    const mode = "shared";
    const nest = (outer: RWLockProxy, inner: RWLockProxy) => (step: Step) =>
      outer.withLock(async () => {
        await step();
        return await inner.withLock(() => outer.withLock(() => "done", { mode }), { mode });
      }, { mode });
    const tasks = await startAll(
      nest(first[0]!, second[0]!),
      nest(second[1]!, first[1]!),
      nest(first[0]!, first[0]!),
    );
    for (const task of tasks) task.go();
    await assertGoOn(tasks);
  }));

void test("a reader nested in a reader behind a writer with a timeout or signal waits for its end", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const mode = "shared";
    for (const how of ["timeout", "signal", "in a callback"]) {
      const own = await managers[1]!.lock();
      const controller = new AbortController();
      const { signal } = controller;
      const options = how === "timeout" ? { timeout: 50 } : { signal };
      const done = ours!.withLock(async () => {
        const write = () => theirs!.acquire(options);
        const writer = assert.rejects(how === "in a callback" ? own.withLock(write) : write());
        await Promise.race([waiting(managers[0]!, 1), writer]);
        const inner = ours!.withLock(() => "done", { mode });
        await ours!.locked();
        controller.abort();
        await writer;
        return await inner;
      }, { mode });
      assert.equal(await done, "done");
    }
  }));

void test("readers and writers of two rwLocks in one order go on", () =>
  withSessions(3, async (...managers) => {
    const [first, second] = [
      await share(managers, (create) => create.rwLock()),
      await share(managers, (create) => create.rwLock()),
    ];
    const modes = ["shared", "exclusive"] as const;
    const random = numbers(11);
    await Promise.all(managers.flatMap((_, session) =>
      Array.from({ length: 20 }, () => {
        const [mode, other] = [modes[random() & 1], modes[random() & 1]];
        return first[session]!.withLock(async () => {
          await setImmediate();
          await second[session]!.withLock(() => {}, { mode: other });
        }, { mode });
      })
    ));
    assert.deepEqual([await first[0]!.locked(), await second[0]!.locked()], [false, false]);
  }));

void test("locks that are used one after the other, in any order, are no circle", () =>
  withSessions(2, async (...managers) => {
    const locks = await shareLocks(managers, "lock", "rlock", "rwLock");
    await Promise.all(
      managers.flatMap((_, session) =>
        Array.from({ length: 6 }, async (_, task) => {
          for (let i = 0; i < 6; i++) {
            const lock = locks[(task * (i + 1) + session) % 3]![session]!;
            await lock.withLock(() => {});
            const guard = await lock.acquire();
            await guard.release();
          }
        })
      ),
    );
  }));

void test("tasks of one callback that take one lock after the other go on", () =>
  withSessions(2, async (...managers) => {
    const [outer, inner] = await shareLocks(managers, "lock", "lock");
    await Promise.all(
      managers.map((_, session) =>
        outer[session]!.withLock(() =>
          Promise.all(
            Array.from({ length: 5 }, () => inner[session]!.withLock(() => setImmediate())),
          )
        )
      ),
    );
  }));

void test("a wait that ended, however, is no edge any more", () =>
  withSessions(2, async (...managers) => {
    const [[a, theirA], [b, theirB]] = await shareLocks(managers, "lock", "lock");
    await a!.withLock(async () => {
      const guard = await theirB!.acquire();
      await assert.rejects(b!.acquire({ timeout: 1 }), TimeoutError);
      const waits = b!.acquire();
      await waiting(managers[0]!, 1);
      await guard.release();
      await (await waits).release();
    });
    const tasks = await startAll((step) => styles["withLock"]!(theirB!, theirA!, step));
    tasks[0]!.go();
    await assertGoOn(tasks);
  }));

// The case that the documents name apart.

void test("a task started in a callback, for which nobody waits, counts as the callback", () =>
  withSessions(1, async (manager) => {
    const [lock, rlock] = [await manager.lock(), await manager.rlock()];
    const background: Promise<unknown>[] = [];
    const leave = deferred();
    const inside = rlock.withLock(() =>
      lock.withLock(async () => {
        background.push(assert.rejects(lock.withLock(() => {}), DeadlockError));
        background.push(rlock.withLock(() => "entered"));
        await leave.promise;
      })
    );
    await eventually("they were started", () => background.length === 2);
    assert.deepEqual(await Promise.all(background), [undefined, "entered"]);
    leave.resolve();
    await inside;
  }));

void test("a task started in a callback is one of its own once the guard is not current any more", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.lock();
    const later: Promise<string>[] = [];
    const left = deferred();
    await lock.withLock(() => {
      later.push(left.promise.then(() => lock.withLock(() => lock.locked().then(String))));
    });
    const guard = await lock.acquire();
    left.resolve();
    await waiting(manager, 1);
    await guard.release();
    assert.equal(await later[0], "true");
  }));

// What is not refused is shown.

/** The suspects, as `a waits for b`. */
async function suspects(manager: Manager): Promise<string[]> {
  const { suspects } = await manager.debugInfo();
  return suspects.map(({ session, waitsFor, heldBy }) => `${session} ${waitsFor} ${heldBy}`).sort();
}

for (const size of [2, 3]) {
  void test(`suspects shows a circle of ${size} bare acquires, and only while it is one`, () =>
    withSessions(size + 1, async (...managers) => {
      const locks = await shareLocks(managers, ...Array(size).fill("lock"));
      const watcher = managers[size]!;
      for (let i = 0; i < size; i++) await locks[i]![i]!.acquire();
      const waits: Promise<Guard>[] = [];
      for (let i = 0; i < size; i++) {
        assert.deepEqual(await suspects(watcher), []);
        waits.push(locks[(i + 1) % size]![i]!.acquire());
        await waiting(watcher, i + 1);
      }
      const expected = waits.map((_, i) => {
        const next = (i + 1) % size;
        return `s${i + 1} ${repr(locks[next]![0])} s${next + 1}`;
      });
      assert.deepEqual(await suspects(watcher), expected);
      // Bystanders are not in it.
      const other = locks[0]![size]!.acquire();
      await waiting(watcher, size + 1);
      assert.deepEqual(await suspects(watcher), expected);
      for (let i = 0; i < size; i++) await locks[i]![size]!.release();
      await Promise.all(waits);
      assert.deepEqual(await suspects(watcher), []);
      await locks[0]![size]!.release();
      await other;
    }));
}

void test("suspects is empty where sessions wait in a row", () =>
  withSessions(3, async (...managers) => {
    const [a, b] = await shareLocks(managers, "lock", "rwLock");
    const first = await a[0]!.acquire();
    const tasks = [
      b[1]!.withLock(() => a[1]!.withLock(() => {})),
      b[2]!.withLock(() => a[2]!.withLock(() => {})),
    ];
    await waiting(managers[0]!, 2);
    assert.deepEqual(await suspects(managers[0]!), []);
    await first.release();
    await Promise.all(tasks);
    assert.deepEqual(await suspects(managers[0]!), []);
  }));

void test("suspects is empty where all wait for events, barriers and the like", () =>
  withSessions(2, async (...managers) => {
    const events = await share(managers, (create) => create.event());
    const barriers = await share(managers, (create) => create.barrier(3));
    const conditions = await share(managers, (create) => create.condition());
    const guards = [await conditions[0]!.acquire()];
    const woken = guards[0]!.wait();
    const calls = [...events, ...barriers].map((proxy) => proxy.wait());
    await waiting(managers[0]!, 5);
    assert.deepEqual(await suspects(managers[0]!), []);
    await events[0]!.set();
    await barriers[0]!.wait();
    await conditions[1]!.withLock((guard) => guard.notify());
    await Promise.all([...calls, woken]);
  }));

void test("suspects shows a circle with a semaphore, or a condition that wants its lock back", () =>
  withSessions(3, async (...managers) => {
    const [lock] = await shareLocks(managers, "lock");
    const semaphores = await share(managers, (create) => create.semaphore(1));
    await lock[0]!.acquire();
    await semaphores[1]!.acquire();
    const waits: Promise<unknown>[] = [semaphores[0]!.acquire(), lock[1]!.acquire()];
    await waiting(managers[2]!, 2);
    assert.equal((await suspects(managers[2]!)).length, 2);
    await lock[2]!.release();
    await semaphores[2]!.release();
    await Promise.all(waits);
    await lock[2]!.release();

    const conditions = await share(managers, (create) => create.condition());
    await lock[0]!.acquire();
    const sleeper = await conditions[0]!.acquire();
    const woken = sleeper.wait();
    await conditions[0]!.locked();
    const task = conditions[1]!.withLock(async (guard) => {
      await guard.notify();
      return await lock[1]!.withLock(() => "done");
    });
    await eventually("two wait", async () => (await suspects(managers[2]!)).length === 2);
    await lock[2]!.release();
    assert.equal(await task, "done");
    await woken;
  }));

void test("suspects shows a reader that waits behind a writer who waits for it", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const controller = new AbortController();
    const outer = await ours!.acquire({ mode: "shared" });
    const writer = theirs!.acquire({ signal: controller.signal });
    await waiting(managers[0]!, 1);
    const inner = ours!.acquire({ mode: "shared" });
    await waiting(managers[0]!, 2);
    const shown = await suspects(managers[0]!);
    controller.abort("enough");
    await assert.rejects(writer, (error) => error === "enough");
    await (await inner).release();
    await outer.release();
    assert.notDeepEqual(shown, []);
  }));

void test("leaves nothing behind", assertClean);

/** Numbers that look random, the same each time. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => state = (state * 48_271) % 0x7fff_ffff;
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items.map((item) => [random(), item] as const).sort(([a], [b]) => a - b).map(([, x]) => x);
}
