/**
 * What the locks promise one process: lock, rlock and rwLock. What several processes have to do with
 * each other is in grants_test.ts, who waits for whom in deadlock_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  DeadlockError,
  getValue,
  type Guard,
  isProxy,
  type LockProxy,
  NotOwnerError,
  SerializeError,
  TimeoutError,
  withOptions,
} from "../../mod.ts";
import { type Backend, claims, type Make } from "./backend.ts";

const kinds = ["lock", "rlock", "rwLock"] as const;

/** Tests the claims about locks against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  for (const kind of kinds) {
    const lockOf = async (backend: Backend) => await backend[kind]() as LockProxy;

    claim(`${kind}.acquire() takes the lock, guard.release() frees it`, async (backend) => {
      const lock = await lockOf(backend);
      assert.equal(await lock.locked(), false);
      const guard = await lock.acquire();
      assert.equal(await lock.locked(), true);
      assert.ok(Number.isSafeInteger(guard.fence), `${guard.fence}`);
      assert.equal(guard.abandoned, false);
      assert.equal(await guard.release(), undefined);
      assert.equal(await lock.locked(), false);
    });

    claim(`${kind}.acquire() serves in the order of the calls`, async (backend) => {
      const lock = await lockOf(backend);
      const first = await lock.acquire();
      const served: number[] = [];
      const all = [1, 2, 3, 4, 5].map(async (i) => {
        const guard = await lock.acquire();
        served.push(i);
        await guard.release();
      });
      await lock.locked();
      assert.deepEqual(served, []);
      await first.release();
      await Promise.all(all);
      assert.deepEqual(served, [1, 2, 3, 4, 5]);
    });

    claim(`${kind}.tryAcquire() gives a guard or null`, async (backend) => {
      const lock = await lockOf(backend);
      const guard = await lock.tryAcquire();
      assert.equal(await lock.tryAcquire(), null);
      await guard!.release();
      await (await lock.tryAcquire({ holding: null }))!.release();
      assert.equal(await lock.locked(), false);
    });

    claim(`${kind}.acquire() rejects with TimeoutError, and waits no more`, async (backend) => {
      const lock = await lockOf(backend);
      const guard = await lock.acquire({ timeout: 0 });
      const late = { name: "TimeoutError", message: /took more than 1 ms/ };
      await assert.rejects(lock.acquire({ timeout: 1 }), late);
      await assert.rejects(lock.withLock(() => assert.fail(), { timeout: 1 }), late);
      await assert.rejects(withOptions(lock, { timeout: 1 }).acquire(), late);
      await assert.rejects(lock.acquire({ timeout: 0 }), {
        name: "TimeoutError",
        message: /at once/,
      });
      await guard.release();
      assert.equal(await lock.locked(), false);
    });

    claim(
      `${kind}.acquire() rejects with the reason of its abort, and waits no more`,
      async (b) => {
        const lock = await lockOf(b);
        const guard = await lock.acquire();
        for (const reason of [new Error("enough"), "text", undefined, { a: 1 }]) {
          const controller = new AbortController();
          const { signal } = controller;
          const given = [
            lock.acquire({ signal }),
            lock.acquire({ signal, timeout: 60_000 }),
            lock.withLock(() => assert.fail(), { signal }),
            withOptions(lock, { signal }).acquire(),
          ];
          await lock.locked();
          controller.abort(reason);
          for (const call of given) await assert.rejects(call, (e) => e === signal.reason);
          await assert.rejects(lock.acquire({ signal }), (e) => e === signal.reason);
        }
        await guard.release();
        assert.equal(await lock.locked(), false);
      },
    );

    claim(`guard.release() of a ${kind} is idempotent and ends its own grant only`, async (b) => {
      const lock = await lockOf(b);
      const first = await lock.acquire();
      await first.release();
      const second = await lock.acquire();
      await Promise.all([first.release(), first.release(), first[Symbol.asyncDispose]()]);
      assert.equal(await lock.locked(), true);
      await second[Symbol.asyncDispose]();
      assert.equal(await lock.locked(), false);
    });

    claim(`${kind}.release() ends the grant, and its guard is told so`, async (backend) => {
      const lock = await lockOf(backend);
      const guard = await lock.acquire();
      assert.equal(await lock.release(), undefined);
      assert.equal(await lock.locked(), false);
      await lock.acquire();
      const taken = { name: "NotOwnerError", message: /bare release\(\)/ };
      await assert.rejects(guard.release(), taken);
      await assert.rejects(guard.release(), taken);
      await assert.rejects(guard[Symbol.asyncDispose](), taken);
      assert.equal(await lock.locked(), true);
    });

    claim(`${kind}.release() of what is not locked is NotOwnerError`, async (backend) => {
      const lock = await lockOf(backend);
      const error = { name: "NotOwnerError", message: /not locked/ };
      await assert.rejects(lock.release(), error);
      await (await lock.acquire()).release();
      await assert.rejects(lock.release(), error);
    });

    claim(`${kind}.release({ fence }) ends that grant or none`, async (backend) => {
      const lock = await lockOf(backend);
      const first = await lock.acquire();
      await first.release();
      const { fence } = await lock.acquire();
      for (const stale of [first.fence, 0, -1, fence + 1]) {
        await assert.rejects(lock.release({ fence: stale }), (error) => {
          return error instanceof NotOwnerError &&
            error.message.includes(`"${stale}" is not current`);
        });
      }
      assert.equal(await lock.locked(), true);
      await lock.release({ fence });
      assert.equal(await lock.locked(), false);
      await assert.rejects(lock.release({ fence }), NotOwnerError);
    });

    claim(`${kind}.release(guard) ends the grant of that guard or none`, async (backend) => {
      const lock = await lockOf(backend);
      const first = await lock.acquire();
      await first.release();
      const second = await lock.acquire();
      await assert.rejects(lock.release(first), NotOwnerError);
      assert.equal(await lock.locked(), true);
      assert.equal(await lock.release(second), undefined);
      assert.equal(await lock.locked(), false);
      await assert.rejects(second.release(), NotOwnerError);
    });

    claim(`${kind}.withLock() ends as its function does, and releases`, async (backend) => {
      const lock = await lockOf(backend);
      assert.equal(await lock.withLock(() => 1), 1);
      assert.equal(await lock.withLock(() => Promise.resolve("later")), "later");
      const object = { a: 1 };
      assert.equal(await lock.withLock(() => object), object);
      const failure = new Error("inside");
      const fail = () => {
        throw failure;
      };
      await assert.rejects(lock.withLock(fail), (error) => error === failure);
      await assert.rejects(lock.withLock(() => Promise.reject(undefined)), (e) => e === undefined);
      assert.equal(await lock.locked(), false);
    });

    claim(`${kind}.withLock() gives its function the guard, who may release early`, async (b) => {
      const lock = await lockOf(b);
      const guards: Guard[] = [];
      await lock.withLock(async (guard) => {
        guards.push(guard);
        assert.equal(await lock.locked(), true);
        await guard.release();
        assert.equal(await lock.locked(), false);
        guards.push((await lock.tryAcquire())!);
      });
      // The end of withLock has not released what is not its own.
      assert.equal(await lock.locked(), true);
      await guards[1]!.release();
      assert.ok(guards[1]!.fence > guards[0]!.fence);
    });

    claim(`${kind}.release() of a grant of withLock is NotOwnerError`, async (backend) => {
      const lock = await lockOf(backend);
      const error = { name: "NotOwnerError", message: /withLock\(\)/ };
      await lock.withLock(async ({ fence }) => {
        await assert.rejects(lock.release(), error);
        await assert.rejects(lock.release({ fence }), error);
        assert.equal(await lock.locked(), true);
      });
      assert.equal(await lock.locked(), false);
    });

    claim(`fences of a ${kind} rise, and bind writes to the grant`, async (backend) => {
      const lock = await lockOf(backend);
      const writes = await guardedWrites(backend);
      const first = await lock.acquire();
      for (const write of writes) await write({ guard: first });
      await first.release();
      const second = await lock.acquire();
      assert.ok(second.fence > first.fence);
      for (const write of writes) {
        await assert.rejects(write({ guard: first }), (error) => {
          return error instanceof NotOwnerError && error.message.includes(`${first.fence}`) &&
            /acquire again/.test(error.message);
        });
        await write({ guard: { fence: second.fence } });
        await write({ guard: undefined });
        await write({});
      }
      await lock.release();
      for (const write of writes) await assert.rejects(write({ guard: second }), NotOwnerError);
    });

    claim(`${kind} refuses what is no option, no function and no guard`, async (backend) => {
      const lock = await lockOf(backend);
      for (
        const bad of [5, null, "1", { nonsense: 1 }, { timeout: "1" }, { signal: {} }] as never[]
      ) {
        const refused = isTimeout(bad) ? RangeError : TypeError;
        await assert.rejects(lock.acquire(bad), refused);
        await assert.rejects(lock.tryAcquire(bad), refused);
        await assert.rejects(lock.withLock(() => assert.fail(), bad), refused);
      }
      for (const holding of [5, {}, "1", { fence: "1" }, Promise.resolve()] as never[]) {
        await assert.rejects(lock.acquire({ holding }), { name: "TypeError", message: /holding/ });
      }
      await assert.rejects(lock.acquire({ timeout: -1 }), RangeError);
      await assert.rejects(lock.acquire({ timeout: NaN }), RangeError);
      await assert.rejects(lock.withLock(undefined as never), {
        name: "TypeError",
        message: /needs a function/,
      });
      await assert.rejects(lock.release(5 as never), TypeError);
      await assert.rejects(lock.release({ nonsense: 1 } as never), TypeError);
      await assert.rejects((backend[kind] as (x: unknown) => Promise<unknown>)(1), TypeError);
      assert.equal(await lock.locked(), false);
    });

    claim(`a ${kind} cannot be copied`, async (backend) => {
      const lock = await lockOf(backend);
      assert.ok(isProxy(lock));
      await assert.rejects(getValue(lock), SerializeError);
    });
  }

  claim("only an rwLock has modes", async (backend) => {
    for (const kind of ["lock", "rlock"] as const) {
      const lock = await backend[kind]();
      const shared = { mode: "shared" } as never;
      await assert.rejects(lock.acquire(shared), { name: "TypeError", message: /no modes/ });
      await assert.rejects(lock.tryAcquire(shared), TypeError);
    }
    const lock = await backend.rwLock();
    for (const mode of ["read", "", null, 1] as never[]) {
      await assert.rejects(lock.acquire({ mode }), { name: "TypeError", message: /"shared"/ });
    }
  });

  claim("lock.withLock() inside its own callback is DeadlockError at once", async (backend) => {
    const lock = await backend.lock();
    await lock.withLock(async () => {
      await assert.rejects(lock.withLock(() => assert.fail()), DeadlockError);
      await assert.rejects(lock.acquire(), DeadlockError);
      assert.equal(await lock.tryAcquire(), null);
      await assert.rejects(lock.acquire({ timeout: 1 }), TimeoutError);
    });
    assert.equal(await lock.locked(), false);
  });

  // rlock.

  claim(
    "an rlock is entered again by guard.acquire(), and free after as many releases",
    async (b) => {
      const lock = await b.rlock();
      const first = await lock.acquire();
      const second = await first.acquire();
      const third = await second.acquire();
      assert.deepEqual([second.fence, third.fence], [first.fence, first.fence]);
      // In any order, each once.
      await second.release();
      await second.release();
      await first.release();
      assert.equal(await lock.locked(), true);
      assert.equal(await lock.tryAcquire(), null);
      const fourth = await third.acquire();
      await third.release();
      await fourth.release();
      assert.equal(await lock.locked(), false);
      await assert.rejects(first.acquire(), {
        name: "NotOwnerError",
        message: /guard was released/,
      });
    },
  );

  claim("an rlock is entered again inside a withLock callback", async (backend) => {
    const lock = await backend.rlock();
    await lock.withLock(async (outer) => {
      await lock.withLock(async (inner) => {
        assert.equal(inner.fence, outer.fence);
        const third = await lock.acquire();
        const fourth = await lock.tryAcquire();
        const fifth = await inner.acquire();
        for (const guard of [third, fourth!, fifth]) {
          assert.equal(guard.fence, outer.fence);
          await guard.release();
        }
      });
      assert.equal(await lock.locked(), true);
    });
    assert.equal(await lock.locked(), false);
  });

  claim("other tasks of the process that has an rlock wait", async (backend) => {
    const lock = await backend.rlock();
    const guard = await lock.acquire();
    assert.equal(await lock.tryAcquire(), null);
    const other = lock.withLock(() => "other");
    await guard.release();
    assert.equal(await other, "other");
  });

  claim("rlock.release() takes one level, and none of withLock", async (backend) => {
    const lock = await backend.rlock();
    await lock.acquire({ holding: null }).then((guard) => guard.acquire());
    await lock.release();
    assert.equal(await lock.locked(), true);
    await lock.release();
    await assert.rejects(lock.release(), { name: "NotOwnerError", message: /not locked/ });
    await lock.withLock(async () => {
      await lock.acquire();
      await lock.release();
      await assert.rejects(lock.release(), { name: "NotOwnerError", message: /withLock\(\)/ });
    });
    assert.equal(await lock.locked(), false);
  });

  claim(
    "rlock.release() takes the last level first; the guard of that one is told so",
    async (b) => {
      const lock = await b.rlock();
      const first = await lock.acquire();
      const second = await first.acquire();
      await lock.release();
      await assert.rejects(second.release(), NotOwnerError);
      await first.release();
      assert.equal(await lock.locked(), false);
    },
  );

  // rwLock.

  claim("an rwLock is shared by many or had by one", async (backend) => {
    const lock = await backend.rwLock();
    const readers = await Promise.all([1, 2, 3].map(() => lock.acquire({ mode: "shared" })));
    assert.equal(await lock.locked(), true);
    assert.equal(await lock.tryAcquire(), null);
    readers.push((await lock.tryAcquire({ mode: "shared" }))!);
    for (const reader of readers) {
      assert.equal(await lock.tryAcquire({ mode: "exclusive" }), null);
      await reader.release();
    }
    const writer = (await lock.tryAcquire({ mode: "exclusive" }))!;
    assert.equal(await lock.tryAcquire({ mode: "shared" }), null);
    await assert.rejects(lock.acquire({ mode: "shared", timeout: 1 }), TimeoutError);
    await writer.release();
    assert.equal(await lock.withLock(() => lock.locked(), { mode: "shared" }), true);
    assert.equal(await lock.locked(), false);
  });

  claim("a waiting writer stops later readers, and one that gives up lets them pass", async (b) => {
    const lock = await b.rwLock();
    const reader = await lock.acquire({ mode: "shared" });
    const controller = new AbortController();
    const writer = lock.acquire({ signal: controller.signal });
    const later = [1, 2].map(() => lock.acquire({ mode: "shared" }));
    assert.equal(await lock.tryAcquire({ mode: "shared" }), null);
    controller.abort("gave up");
    await assert.rejects(writer, (error) => error === "gave up");
    const guards = await Promise.all(later);
    await Promise.all([reader, ...guards].map((guard) => guard.release()));
    assert.equal(await lock.locked(), false);
  });

  claim(
    "an rwLock serves in the order of the calls, readers in a row together",
    async (backend) => {
      const lock = await backend.rwLock();
      const first = await lock.acquire();
      const served: string[] = [];
      const take = async (name: string, mode: "shared" | "exclusive") => {
        const guard = await lock.acquire({ mode });
        served.push(name);
        return guard;
      };
      const r1 = take("r1", "shared");
      const r2 = take("r2", "shared");
      const w = take("w", "exclusive");
      const r3 = take("r3", "shared");
      await first.release();
      const [one, two] = await Promise.all([r1, r2]);
      assert.deepEqual(served, ["r1", "r2"]);
      await one.release();
      await lock.locked();
      assert.deepEqual(served, ["r1", "r2"]);
      await two.release();
      await (await w).release();
      await (await r3).release();
      assert.deepEqual(served, ["r1", "r2", "w", "r3"]);
    },
  );

  claim("the upgrade of a reader to a writer is DeadlockError at once", async (backend) => {
    const lock = await backend.rwLock();
    await lock.withLock(async () => {
      await assert.rejects(lock.acquire(), DeadlockError);
      await assert.rejects(lock.withLock(() => assert.fail()), DeadlockError);
      assert.equal(await lock.tryAcquire(), null);
    }, { mode: "shared" });
    const reader = await lock.acquire({ mode: "shared" });
    await assert.rejects(lock.acquire({ holding: reader }), DeadlockError);
    await reader.release();
    assert.equal(await lock.locked(), false);
  });

  claim("rwLock.release() ends the oldest of the grants that share it", async (backend) => {
    const lock = await backend.rwLock();
    const readers = await Promise.all([1, 2, 3].map(() => lock.acquire({ mode: "shared" })));
    await lock.release();
    await assert.rejects(readers[0]!.release(), NotOwnerError);
    await lock.release({ fence: readers[2]!.fence });
    await assert.rejects(readers[2]!.release(), NotOwnerError);
    await readers[1]!.release();
    assert.equal(await lock.locked(), false);
  });
}

/** The writes that can be bound to a grant. */
async function guardedWrites(backend: Backend): Promise<((options: object) => Promise<void>)[]> {
  const dict = await backend.dict<string, number>([["a", 1]]);
  const list = await backend.list([1]);
  const value = await backend.value("i", 1);
  const namespace = await backend.namespace({ a: 1 });
  return [
    (options) => dict.set("a", 2, options),
    (options) => list.set(0, 2, options),
    (options) => value.set(2, options),
    (options) => namespace.set("a", 2, options),
  ];
}

function isTimeout(options: unknown): boolean {
  return typeof options === "object" && options !== null && "timeout" in options;
}
