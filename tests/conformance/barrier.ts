/**
 * What the barrier promises one process.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type BarrierProxy,
  BrokenBarrierError,
  getValue,
  SerializeError,
  TimeoutError,
} from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about barriers against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim(
    "barrier.wait() resolves to the arrival index, when all have come, again and again",
    async (b) => {
      const barrier = await b.barrier(3);
      assert.equal(await barrier.parties(), 3);
      for (let round = 0; round < 3; round++) {
        const first = barrier.wait();
        const second = barrier.wait();
        assert.equal(await barrier.waiting(), 2);
        assert.deepEqual(await Promise.all([first, second, barrier.wait()]), [0, 1, 2]);
        assert.equal(await barrier.waiting(), 0);
        assert.equal(await barrier.broken(), false);
      }
    },
  );

  claim("more parties than a round has begin the next one", async (backend) => {
    const barrier = await backend.barrier(2);
    const indexes = await Promise.all([1, 2, 3, 4, 5, 6].map(() => barrier.wait()));
    assert.deepEqual(indexes, [0, 1, 0, 1, 0, 1]);
  });

  claim("a barrier for one party keeps nobody waiting", async (backend) => {
    const barrier = await backend.barrier(1);
    assert.equal(await barrier.wait(), 0);
    assert.equal(await barrier.wait({ timeout: 0 }), 0);
  });

  claim("a party that is late breaks the barrier for all", async (backend) => {
    const barrier = await backend.barrier(3);
    const other = barrier.wait();
    const late = barrier.wait({ timeout: 1 });
    await assert.rejects(late, { name: "TimeoutError", message: /1 ms/ });
    await assertBroken(barrier, other);
  });

  claim(
    "a party that waits with timeout 0 and is not the last one breaks the barrier",
    async (b) => {
      const barrier = await b.barrier(3);
      const other = barrier.wait();
      await assert.rejects(barrier.wait({ timeout: 0 }), TimeoutError);
      await assertBroken(barrier, other);
    },
  );

  claim("a party that aborts breaks the barrier for all, and gets its reason", async (backend) => {
    const barrier = await backend.barrier(3);
    const other = barrier.wait();
    const controller = new AbortController();
    const leaving = barrier.wait({ signal: controller.signal });
    assert.equal(await barrier.waiting(), 2);
    controller.abort("gone");
    await assert.rejects(leaving, (error) => error === "gone");
    await assertBroken(barrier, other);
  });

  claim("an abort before the call breaks nothing", async (backend) => {
    const barrier = await backend.barrier(2);
    await assert.rejects(barrier.wait({ signal: AbortSignal.abort("no") }), (e) => e === "no");
    assert.equal(await barrier.broken(), false);
  });

  claim("barrier.abort() breaks it for those who wait and those who come", async (backend) => {
    const barrier = await backend.barrier(3);
    const waiting = [barrier.wait(), barrier.wait()];
    assert.equal(await barrier.abort(), undefined);
    for (const wait of waiting) await assert.rejects(wait, BrokenBarrierError);
    await assertBroken(barrier);
  });

  claim("barrier.reset() mends it; those who wait get BrokenBarrierError", async (backend) => {
    const barrier = await backend.barrier(2);
    const waiting = barrier.wait();
    assert.equal(await barrier.reset(), undefined);
    await assert.rejects(waiting, { name: "BrokenBarrierError", message: /reset/ });
    assert.equal(await barrier.broken(), false);
    await barrier.abort();
    await barrier.reset();
    await barrier.reset();
    assert.equal(await barrier.broken(), false);
    assert.deepEqual(await Promise.all([barrier.wait(), barrier.wait()]), [0, 1]);
  });

  claim("the timeout of barrier() is for those that name none", async (backend) => {
    const barrier = await backend.barrier(2, { timeout: 1 });
    await assert.rejects(barrier.wait(), { name: "TimeoutError", message: /1 ms/ });
    await assertBroken(barrier);
    await barrier.reset();
    const patient = barrier.wait({ timeout: 600_000 });
    assert.equal(await barrier.wait(), 1);
    assert.equal(await patient, 0);
    const impatient = await backend.barrier(2, { timeout: 600_000 });
    await assert.rejects(impatient.wait({ timeout: 1 }), TimeoutError);
    const endless = await backend.barrier(2, { timeout: Infinity });
    assert.deepEqual(await Promise.all([endless.wait(), endless.wait()]), [0, 1]);
    const never = await backend.barrier(2, { timeout: 0 });
    await assert.rejects(never.wait(), TimeoutError);
  });

  claim("barrier() and its methods refuse what is not theirs", async (backend) => {
    const create = backend.barrier as (...args: unknown[]) => Promise<unknown>;
    for (const bad of [0, -1]) await assert.rejects(create(bad), RangeError);
    for (const bad of [undefined, null, "2", 1.5]) await assert.rejects(create(bad), TypeError);
    for (const timeout of [-1, "1", NaN]) await assert.rejects(create(2, { timeout }), RangeError);
    await assert.rejects(create(2, { nonsense: 1 }), TypeError);
    await assert.rejects(create(2, {}, 3), TypeError);
    const barrier = await backend.barrier(2);
    for (const bad of [5, "1", { nonsense: 1 }] as never[]) {
      await assert.rejects(barrier.wait(bad), TypeError);
    }
    assert.deepEqual([await barrier.waiting(), await barrier.broken()], [0, false]);
    await assert.rejects(getValue(barrier), SerializeError);
  });
}

async function assertBroken(barrier: BarrierProxy, ...waiting: Promise<number>[]): Promise<void> {
  for (const wait of waiting) {
    await assert.rejects(wait, {
      name: "BrokenBarrierError",
      message: /barrier\.reset\(\) mends it/,
    });
  }
  assert.deepEqual([await barrier.broken(), await barrier.waiting()], [true, 0]);
  await assert.rejects(barrier.wait(), BrokenBarrierError);
}
