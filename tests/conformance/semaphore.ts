/**
 * What the semaphores promise one process: semaphore and boundedSemaphore.
 *
 * @module
 */

import assert from "node:assert/strict";
import { getValue, NotOwnerError, SerializeError, TimeoutError, withOptions } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

const kinds = ["semaphore", "boundedSemaphore"] as const;

/** Tests the claims about semaphores against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  for (const kind of kinds) {
    claim(`${kind}(n) has n permits, 1 where nothing is said`, async (backend) => {
      const semaphore = await backend[kind](2);
      const first = await semaphore.acquire();
      assert.deepEqual([await semaphore.value(), await semaphore.locked()], [1, false]);
      const second = await semaphore.tryAcquire();
      assert.deepEqual([await semaphore.value(), await semaphore.locked()], [0, true]);
      assert.equal(await semaphore.tryAcquire(), null);
      assert.ok(second!.fence > first.fence);
      assert.equal(first.abandoned, false);
      await first.release();
      await second!.release();
      assert.deepEqual([await semaphore.value(), await semaphore.locked()], [2, false]);
      assert.equal(await (await backend[kind]()).value(), 1);
      const empty = await backend[kind](0);
      assert.deepEqual([await empty.value(), await empty.locked()], [0, true]);
    });

    claim(`${kind}() refuses what is no number of permits`, async (backend) => {
      const create = backend[kind] as (...args: unknown[]) => Promise<unknown>;
      await assert.rejects(create(-1), RangeError);
      for (const bad of [0.5, NaN, "1", null, {}]) await assert.rejects(create(bad), TypeError);
      await assert.rejects(create(1, { nonsense: 1 }), TypeError);
      await assert.rejects(create(1, {}, 3), TypeError);
    });

    claim(`${kind}.acquire() serves in the order of the calls`, async (backend) => {
      const semaphore = await backend[kind](2);
      const first = [await semaphore.acquire(), await semaphore.acquire()];
      const served: number[] = [];
      const all = [1, 2, 3, 4, 5].map(async (i) => {
        const guard = await semaphore.acquire();
        served.push(i);
        return guard;
      });
      await semaphore.value();
      assert.deepEqual(served, []);
      for (const guard of first) await guard.release();
      for (const waiting of all) await (await waiting).release();
      assert.deepEqual(served, [1, 2, 3, 4, 5]);
      assert.equal(await semaphore.value(), 2);
    });

    claim(`${kind}.acquire() that is late or aborted takes no permit`, async (backend) => {
      const semaphore = await backend[kind](1);
      const guard = await semaphore.acquire();
      await assert.rejects(semaphore.acquire({ timeout: 0 }), TimeoutError);
      await assert.rejects(semaphore.acquire({ timeout: 1 }), TimeoutError);
      await assert.rejects(withOptions(semaphore, { timeout: 1 }).acquire(), TimeoutError);
      const controller = new AbortController();
      const { signal } = controller;
      const calls = [semaphore.acquire({ signal }), semaphore.withLock(() => {}, { signal })];
      await semaphore.value();
      controller.abort("enough");
      for (const call of calls) await assert.rejects(call, (error) => error === "enough");
      await assert.rejects(semaphore.acquire({ signal }), (error) => error === "enough");
      await guard.release();
      assert.equal(await semaphore.value(), 1);
    });

    claim(`guard.release() of a ${kind} gives one permit back, once`, async (backend) => {
      const semaphore = await backend[kind](2);
      const [first, second] = [await semaphore.acquire(), await semaphore.acquire()];
      await Promise.all([first.release(), first.release(), first[Symbol.asyncDispose]()]);
      assert.equal(await semaphore.value(), 1);
      await second.release();
      assert.equal(await semaphore.value(), 2);
    });

    claim(`${kind}.withLock() ends as its function does, and gives its permit back`, async (b) => {
      const semaphore = await b[kind](1);
      assert.equal(await semaphore.withLock(() => semaphore.value()), 0);
      const failure = new Error("inside");
      await assert.rejects(semaphore.withLock(() => Promise.reject(failure)), (e) => e === failure);
      await semaphore.withLock(async (guard) => {
        await guard.release();
        assert.equal(await semaphore.value(), 1);
      });
      assert.equal(await semaphore.value(), 1);
      await assert.rejects(semaphore.withLock(5 as never), TypeError);
    });

    claim(`${kind}.release() ends the oldest grant, and its guard is told so`, async (backend) => {
      const semaphore = await backend[kind](3);
      const guards = [];
      for (let i = 0; i < 3; i++) guards.push(await semaphore.acquire());
      await semaphore.release();
      assert.equal(await semaphore.value(), 1);
      await assert.rejects(guards[0]!.release(), NotOwnerError);
      await semaphore.release({ fence: guards[2]!.fence });
      await assert.rejects(guards[2]!.release(), NotOwnerError);
      await guards[1]!.release();
      assert.equal(await semaphore.value(), 3);
    });

    claim(
      `${kind}.release({ fence }) of a grant that is over is NotOwnerError`,
      async (backend) => {
        const semaphore = await backend[kind](1);
        const { fence } = await semaphore.acquire();
        await assert.rejects(semaphore.release({ fence: fence + 1 }), NotOwnerError);
        await semaphore.release({ fence });
        await assert.rejects(semaphore.release({ fence }), NotOwnerError);
        assert.equal(await semaphore.value(), 1);
        await assert.rejects(semaphore.release({ nonsense: 1 } as never), TypeError);
      },
    );

    claim(`${kind}.release() leaves the grants of withLock alone`, async (backend) => {
      const semaphore = await backend[kind](2);
      await semaphore.withLock(async ({ fence }) => {
        await assert.rejects(semaphore.release({ fence }), {
          name: "NotOwnerError",
          message: /withLock\(\)/,
        });
        const plain = await semaphore.acquire();
        await semaphore.release();
        await assert.rejects(plain.release(), NotOwnerError);
        assert.equal(await semaphore.value(), 1);
      });
      assert.equal(await semaphore.value(), 2);
    });

    claim(`to wait for a ${kind} with all its permits is no deadlock`, async (backend) => {
      const semaphore = await backend[kind](1);
      const lock = await backend.lock();
      const waiting = await semaphore.withLock(() =>
        lock.withLock(async () => {
          await assert.rejects(semaphore.acquire({ timeout: 1 }), TimeoutError);
          const waiting = semaphore.acquire();
          assert.equal(await semaphore.tryAcquire(), null);
          return [waiting];
        })
      );
      await (await waiting[0]!).release();
      assert.equal(await semaphore.value(), 1);
    });

    claim(`${kind} refuses what is no option`, async (backend) => {
      const semaphore = await backend[kind](1);
      for (const bad of [5, "1", { nonsense: 1 }, { mode: "shared" }] as never[]) {
        await assert.rejects(semaphore.acquire(bad), TypeError);
        await assert.rejects(semaphore.withLock(() => {}, bad), TypeError);
      }
      assert.equal(await semaphore.value(), 1);
      await assert.rejects(getValue(semaphore), SerializeError);
    });

    claim(`fences of a ${kind} bind writes to the grant`, async (backend) => {
      const semaphore = await backend[kind](2);
      const dict = await backend.dict<string, number>([["a", 1]]);
      const [first, second] = [await semaphore.acquire(), await semaphore.acquire()];
      await dict.set("a", 2, { guard: first });
      await first.release();
      await assert.rejects(dict.set("a", 3, { guard: first }), NotOwnerError);
      await dict.set("a", 4, { guard: second });
      assert.equal(await dict.get("a"), 4);
    });
  }

  claim(
    "semaphore.release() of nothing adds a permit, also for one that waits",
    async (backend) => {
      const semaphore = await backend.semaphore(0);
      const waiting = semaphore.acquire();
      await semaphore.release();
      const guard = await waiting;
      await semaphore.release();
      await assert.rejects(guard.release(), NotOwnerError);
      assert.equal(await semaphore.value(), 1);
      await semaphore.release();
      assert.equal(await semaphore.value(), 2);
    },
  );

  claim("boundedSemaphore.release() of nothing is RangeError", async (backend) => {
    const semaphore = await backend.boundedSemaphore(1);
    await assert.rejects(semaphore.release(), { name: "RangeError", message: /no grant/ });
    const guard = await semaphore.acquire();
    await guard.release();
    await assert.rejects(semaphore.release(), RangeError);
    assert.equal(await semaphore.value(), 1);
  });
}
