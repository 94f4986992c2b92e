/**
 * What the count-down latch promises one process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { getValue, SerializeError, TimeoutError } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about count-down latches against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("latch.countDown() resolves to what is left, and all that wait go on at 0", async (b) => {
    const latch = await b.countDownLatch(3);
    const waiting = [1, 2].map(() => latch.wait());
    assert.equal(await latch.countDown(), 2);
    assert.equal(await latch.count(), 2);
    await assert.rejects(latch.wait({ timeout: 0 }), TimeoutError);
    assert.equal(await latch.countDown(2), 0);
    assert.deepEqual(await Promise.all(waiting), [undefined, undefined]);
    await latch.wait();
    await latch.wait({ timeout: 0 });
  });

  claim("a latch stays at 0, and countDown(n) takes at most all", async (backend) => {
    const latch = await backend.countDownLatch(2);
    assert.equal(await latch.countDown(0), 2);
    assert.equal(await latch.countDown(5), 0);
    assert.equal(await latch.countDown(), 0);
    assert.equal(await latch.count(), 0);
    const open = await backend.countDownLatch(0);
    await open.wait();
  });

  claim("latch.wait() rejects with TimeoutError or the reason of its abort", async (backend) => {
    const latch = await backend.countDownLatch(1);
    await assert.rejects(latch.wait({ timeout: 1 }), { name: "TimeoutError", message: /latch/ });
    const controller = new AbortController();
    const wait = latch.wait({ signal: controller.signal });
    const patient = latch.wait();
    await latch.count();
    controller.abort("enough");
    await assert.rejects(wait, (error) => error === "enough");
    await latch.countDown();
    await patient;
  });

  claim("countDownLatch() and its methods refuse what is no count", async (backend) => {
    const create = backend.countDownLatch as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create(-1), RangeError);
    for (const bad of [undefined, null, "1", 0.5, NaN]) {
      await assert.rejects(create(bad), TypeError);
    }
    await assert.rejects(create(1, 2), TypeError);
    const latch = await backend.countDownLatch(2);
    await assert.rejects(latch.countDown(-1), RangeError);
    for (const bad of [null, "1", 0.5, NaN] as never[]) {
      await assert.rejects(latch.countDown(bad), TypeError);
    }
    await assert.rejects(latch.wait({ nonsense: 1 } as never), TypeError);
    assert.equal(await latch.count(), 2);
    await assert.rejects(getValue(latch), SerializeError);
  });
}
