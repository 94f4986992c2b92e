/**
 * What the condition promises one process. What several processes have to do with each other is in
 * grants_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type ConditionProxy,
  getValue,
  type Guard,
  NotOwnerError,
  SerializeError,
  TimeoutError,
  withOptions,
} from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about conditions against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim(
    "a condition has the methods of its lock, an rlock where none is named",
    async (backend) => {
      const condition = await backend.condition();
      const guard = await condition.acquire();
      assert.equal(await condition.locked(), true);
      assert.equal(await condition.tryAcquire(), null);
      const again = await guard.acquire();
      await again.release();
      await condition.release();
      await assert.rejects(guard.release(), NotOwnerError);
      const result = await condition.withLock(async () => {
        await condition.withLock(() => {});
        return "done";
      });
      assert.equal(result, "done");
      assert.equal(await condition.locked(), false);
    },
  );

  claim("a condition with a lock or rlock is that lock's", async (backend) => {
    for (const kind of ["lock", "rlock"] as const) {
      const lock = await backend[kind]();
      const condition = await backend.condition(lock as never);
      const guard = await lock.acquire();
      assert.equal(await condition.locked(), true);
      await condition.notify(guard);
      await condition.release();
      assert.equal(await lock.locked(), false);
    }
  });

  claim("condition() refuses what is no lock or rlock", async (backend) => {
    const create = backend.condition as (...args: unknown[]) => Promise<unknown>;
    const others = [await backend.rwLock(), await backend.semaphore(1), await backend.list()];
    for (const bad of [...others, await backend.condition(), 5, null, {}]) {
      await assert.rejects(create(bad), { name: "TypeError", message: /lock or rlock/ });
    }
    await assert.rejects(create(undefined, 1), TypeError);
  });

  claim(
    "condition.wait() gives the lock back until notified, and has it again",
    async (backend) => {
      const condition = await backend.condition();
      const guard = await condition.acquire();
      const { fence } = guard;
      const waiting = guard.wait();
      const other = await condition.acquire();
      await other.notify();
      assert.equal(await condition.locked(), true);
      await other.release();
      assert.equal(await waiting, undefined);
      assert.ok(guard.fence > other.fence && other.fence > fence);
      assert.equal(await condition.tryAcquire(), null);
      await guard.release();
      assert.equal(await condition.locked(), false);
    },
  );

  claim(
    "condition.wait() gives every level of an rlock back, and has them all again",
    async (b) => {
      const condition = await b.condition();
      const first = await condition.acquire();
      const second = await first.acquire();
      const waiting = second.wait();
      await notifyOne(condition);
      await waiting;
      await second.release();
      assert.equal(await condition.tryAcquire(), null);
      await first.release();
      assert.equal(await condition.locked(), false);
    },
  );

  claim("after a wait all guards of the levels have the new fence", async (backend) => {
    const condition = await backend.condition();
    const first = await condition.acquire();
    const second = await first.acquire();
    const waiting = second.wait();
    await notifyOne(condition);
    await waiting;
    assert.equal(first.fence, second.fence);
    await first.notify();
    const third = await first.acquire();
    for (const guard of [third, second, first]) await guard.release();
    assert.equal(await condition.locked(), false);
  });

  claim("a wait in an inner withLock leaves the outer one its lock", async (backend) => {
    const condition = await backend.condition();
    const done = condition.withLock(async (outer) => {
      await condition.withLock((inner) => inner.wait());
      await outer.notify();
      // Not a task of its own that would wait for the first one.
      return await condition.withLock(() => "entered again", { timeout: 1000 });
    });
    await condition.locked();
    await notifyOne(condition);
    assert.equal(await done, "entered again");
  });

  claim("condition.wait() rejects with TimeoutError, with the lock", async (backend) => {
    const condition = await backend.condition();
    for (const timeout of [0, 1]) {
      await condition.withLock(async (guard) => {
        const { fence } = guard;
        await assert.rejects(guard.wait({ timeout }), (error) => {
          return error instanceof TimeoutError && error.message.includes(`${timeout} ms`);
        });
        assert.ok(guard.fence > fence);
        await guard.notify();
        await assert.rejects(withOptions(condition, { timeout }).wait(guard), TimeoutError);
        await guard.notify();
      });
    }
    assert.equal(await condition.locked(), false);
  });

  claim("condition.wait() rejects with the reason of its abort, with the lock", async (backend) => {
    const condition = await backend.condition();
    for (const reason of [new Error("enough"), "text", undefined]) {
      const controller = new AbortController();
      const { signal } = controller;
      await condition.withLock(async (guard) => {
        const waiting = guard.wait({ signal });
        await condition.withLock(() => {}, { holding: null });
        controller.abort(reason);
        await assert.rejects(waiting, (error) => error === signal.reason);
        await guard.notify();
        // An abort before gives nothing back.
        const { fence } = guard;
        await assert.rejects(guard.wait({ signal }), (error) => error === signal.reason);
        assert.equal(guard.fence, fence);
        await guard.notify();
      });
    }
    assert.equal(await condition.locked(), false);
  });

  claim("condition.notify(guard, n) wakes n in the order of their waits", async (backend) => {
    const condition = await backend.condition();
    const woken: number[] = [];
    const waits = [0, 1, 2, 3, 4, 5].map((i) =>
      condition.withLock(async (guard) => {
        await guard.wait();
        woken.push(i);
      })
    );
    // Whoever gets the lock now comes after all of them have begun to wait.
    for (const [n, expected] of [[undefined, [0]], [2, [0, 1, 2]], [0, [0, 1, 2]]] as const) {
      await condition.withLock((guard) => guard.notify(n));
      await condition.withLock(() => assert.deepEqual(woken, expected));
    }
    await condition.withLock((guard) => guard.notifyAll());
    await Promise.all(waits);
    assert.deepEqual(woken, [0, 1, 2, 3, 4, 5]);
  });

  claim("a notify of nobody is nothing, also for those that come later", async (backend) => {
    const condition = await backend.condition();
    await condition.withLock(async (guard) => {
      await guard.notify();
      await guard.notify(5);
      await guard.notifyAll();
      await assert.rejects(guard.wait({ timeout: 1 }), TimeoutError);
    });
  });

  claim("condition.notify() refuses what is no count", async (backend) => {
    const condition = await backend.condition();
    await condition.withLock(async (guard) => {
      await assert.rejects(guard.notify(-1), RangeError);
      for (const bad of [0.5, "1", null, {}] as never[]) {
        await assert.rejects(guard.notify(bad), TypeError);
      }
    });
  });

  claim(
    "wait, waitFor and notify take any current guard of the lock, no other",
    async (backend) => {
      const lock = await backend.lock();
      const condition = await backend.condition(lock);
      const current = await lock.acquire();
      const other = await (await backend.lock()).acquire();
      const stale = { fence: current.fence - 1 };
      const notOwner = { name: "NotOwnerError", message: /acquire it first/ };
      for (const use of uses(condition)) await assert.rejects(use(other), notOwner);
      for (const guard of [stale, { fence: 0 }]) {
        await assert.rejects(condition.notify(guard), notOwner);
        await assert.rejects(condition.notifyAll(guard), notOwner);
      }
      // Only the guard itself can have another fence afterwards.
      const copy = { fence: current.fence } as Guard;
      await assert.rejects(condition.wait(copy), { name: "TypeError", message: /the guard that/ });
      for (
        const guard of [undefined, null, 5, {}, { fence: "1" }, Promise.resolve(current)] as never[]
      ) {
        for (const use of uses(condition)) {
          await assert.rejects(use(guard), { name: "TypeError", message: /needs (a|the) guard/ });
        }
      }
      await condition.notify(current);
      await condition.notifyAll({ fence: current.fence });
      const { fence } = current;
      await assert.rejects(condition.wait(current, { timeout: 1 }), TimeoutError);
      assert.ok(current.fence > fence);
      await current.release();
      for (const use of uses(condition)) await assert.rejects(use(current), NotOwnerError);
      assert.equal(await lock.locked(), false);
    },
  );

  claim("two conditions on one lock wake their own", async (backend) => {
    const lock = await backend.lock();
    const [full, empty] = [await backend.condition(lock), await backend.condition(lock)];
    const woken: string[] = [];
    const wait = (condition: ConditionProxy, name: string) =>
      lock.withLock(async (guard) => {
        await condition.wait(guard);
        woken.push(name);
      });
    const waits = [wait(full, "full"), wait(empty, "empty")];
    await lock.withLock((guard) => empty.notifyAll(guard));
    await lock.withLock((guard) => {
      assert.deepEqual(woken, ["empty"]);
      return full.notify(guard);
    });
    await Promise.all(waits);
    assert.deepEqual(woken, ["empty", "full"]);
  });

  claim("condition.waitFor() resolves to what its predicate gives at last", async (backend) => {
    const condition = await backend.condition();
    const list = await backend.list<string>();
    const sync = condition.withLock((guard) => {
      let calls = 0;
      return guard.waitFor(() => ++calls === 3 && `call ${calls}`);
    });
    const async = condition.withLock((guard) => {
      return condition.waitFor(guard, async () => (await list.length()) > 0 && list.shift());
    });
    assert.equal(await condition.withLock((guard) => guard.waitFor(() => "at once")), "at once");
    await notifyAll(condition);
    await list.push("item");
    await notifyAll(condition);
    assert.deepEqual(await Promise.all([sync, async]), ["call 3", "item"]);
    assert.equal(await condition.locked(), false);
  });

  claim(
    "the timeout of condition.waitFor() is for all its waiting, and 0 tries once",
    async (b) => {
      const condition = await b.condition();
      await condition.withLock(async (guard) => {
        let calls = 0;
        const never = () => void calls++;
        const late = { name: "TimeoutError", message: /gave nothing true in 1 ms/ };
        await assert.rejects(guard.waitFor(never, { timeout: 1 }), late);
        await assert.rejects(withOptions(condition, { timeout: 1 }).waitFor(guard, never), late);
        assert.ok(calls >= 4, `${calls}`);
        await assert.rejects(guard.waitFor(never, { timeout: 0 }), TimeoutError);
        assert.equal(await guard.waitFor(() => 1, { timeout: 0 }), 1);
        await guard.notify();
      });
    },
  );

  claim(
    "condition.waitFor() rejects with the reason of its abort, whatever it is",
    async (backend) => {
      const condition = await backend.condition();
      for (const reason of [new Error("enough"), "text", new TimeoutError("mine")]) {
        const controller = new AbortController();
        await condition.withLock(async (guard) => {
          const waiting = guard.waitFor(() => false, { signal: controller.signal });
          await condition.withLock(() => {}, { holding: null });
          controller.abort(reason);
          await assert.rejects(waiting, (error) => error === reason);
          await guard.notify();
        });
      }
    },
  );

  claim("condition.waitFor() rejects with what its predicate throws, with the lock", async (b) => {
    const condition = await b.condition();
    const failure = new Error("predicate");
    await condition.withLock(async (guard) => {
      const fail = () => {
        throw failure;
      };
      await assert.rejects(guard.waitFor(fail), (error) => error === failure);
      await assert.rejects(guard.waitFor(() => Promise.reject(failure)), (e) => e === failure);
      await guard.notify();
      await assert.rejects(guard.waitFor(undefined as never), TypeError);
      await assert.rejects(guard.waitFor(() => false, { timeout: -1 }), RangeError);
    });
    assert.equal(await condition.locked(), false);
  });

  claim("a wait whose grant is released meanwhile is NotOwnerError", async (backend) => {
    const condition = await backend.condition();
    const guard = await condition.acquire();
    const waiting = guard.wait();
    await condition.locked();
    await guard.release();
    await assert.rejects(waiting, NotOwnerError);
    assert.equal(await condition.locked(), false);
  });

  claim("a write bound to a guard that waits is refused", async (backend) => {
    const condition = await backend.condition();
    const value = await backend.value("i", 0);
    const guard = await condition.acquire();
    const waiting = guard.wait();
    await assert.rejects(value.set(1, { guard }), NotOwnerError);
    await notifyOne(condition);
    await waiting;
    await value.set(2, { guard });
    assert.equal(await value.get(), 2);
  });

  claim(
    "condition.release() of a lock that is given back for a wait is NotOwnerError",
    async (b) => {
      const condition = await b.condition();
      const guard = await condition.acquire();
      const waiting = guard.wait();
      await assert.rejects(condition.release(), { name: "NotOwnerError", message: /not locked/ });
      await notifyOne(condition);
      await waiting;
    },
  );

  claim("a condition cannot be copied", async (backend) => {
    await assert.rejects(getValue(await backend.condition()), SerializeError);
  });
}

/** All that needs a guard, each as a call that ends at once where the guard is good. */
function uses(condition: ConditionProxy): ((guard: Guard) => Promise<unknown>)[] {
  return [
    (guard) => condition.wait(guard, { timeout: 0 }),
    (guard) => condition.waitFor(guard, () => false, { timeout: 0 }),
    (guard) => condition.notify(guard),
    (guard) => condition.notifyAll(guard),
  ];
}

async function notifyOne(condition: ConditionProxy): Promise<void> {
  await condition.withLock((guard) => guard.notify());
}

async function notifyAll(condition: ConditionProxy): Promise<void> {
  await condition.withLock((guard) => guard.notifyAll());
}
