/**
 * What the rate limiter promises one process, as far as it needs no clock: exact times are in
 * grants_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { getValue, SerializeError, TimeoutError } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** As long as no test takes. */
const ages = 1e9;

/** Tests the claims about rate limiters against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("a rateLimiter starts full, and gives limit tokens at once", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 3, interval: ages });
    assert.equal(await limiter.acquire(), undefined);
    assert.equal(await limiter.tryAcquire(3), false);
    assert.equal(await limiter.tryAcquire(2), true);
    assert.equal(await limiter.tryAcquire(), false);
    await assert.rejects(limiter.acquire(1, { timeout: 0 }), TimeoutError);
    await assert.rejects(limiter.acquire(undefined, { timeout: 1 }), {
      name: "TimeoutError",
      message: /1 of the rateLimiter/,
    });
    const all = await backend.rateLimiter({ limit: 3, interval: ages });
    await all.acquire(3);
    assert.equal(await all.tryAcquire(), false);
  });

  claim("a rateLimiter refills by itself", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 2, interval: 2 });
    for (let i = 0; i < 5; i++) await limiter.acquire(2);
  });

  claim("a rateLimiter serves in the order of the calls, whatever they want", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 4, interval: 40 });
    await limiter.acquire(4);
    const served: number[] = [];
    const all = [4, 1, 2].map(async (n) => {
      await limiter.acquire(n);
      served.push(n);
    });
    await Promise.all(all);
    assert.deepEqual(served, [4, 1, 2]);
  });

  claim("nobody overtakes one that waits for more, unless that one gives up", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 4, interval: ages });
    await limiter.acquire(2);
    const controller = new AbortController();
    const greedy = limiter.acquire(3, { signal: controller.signal });
    assert.equal(await limiter.tryAcquire(1), false);
    const modest = limiter.acquire(1);
    controller.abort("enough");
    await assert.rejects(greedy, (error) => error === "enough");
    await modest;
    assert.equal(await limiter.tryAcquire(1), true);
    assert.equal(await limiter.tryAcquire(1), false);
  });

  claim("one that is late takes nothing", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 2, interval: ages });
    await limiter.acquire();
    await assert.rejects(limiter.acquire(2, { timeout: 1 }), TimeoutError);
    assert.equal(await limiter.tryAcquire(), true);
  });

  claim("more than limit is RangeError, what is no number TypeError", async (backend) => {
    const limiter = await backend.rateLimiter({ limit: 2, interval: ages });
    for (const bad of [3, 0, -1]) {
      await assert.rejects(limiter.acquire(bad), { name: "RangeError", message: /1 to 2/ });
      await assert.rejects(limiter.tryAcquire(bad), RangeError);
    }
    for (const bad of [0.5, NaN, "1", null, {}] as never[]) {
      await assert.rejects(limiter.acquire(bad), TypeError);
      await assert.rejects(limiter.tryAcquire(bad), TypeError);
    }
    await assert.rejects(limiter.acquire(1, { nonsense: 1 } as never), TypeError);
    await assert.rejects(limiter.acquire(1, 5 as never), TypeError);
    assert.equal(await limiter.tryAcquire(2), true);
  });

  claim("rateLimiter() refuses what is no rate", async (backend) => {
    const create = backend.rateLimiter as (...args: unknown[]) => Promise<unknown>;
    for (const interval of [0, -1, NaN, Infinity, "1", undefined]) {
      await assert.rejects(create({ limit: 1, interval }), RangeError);
    }
    for (const limit of [0, -1]) await assert.rejects(create({ limit, interval: 1 }), RangeError);
    for (const limit of [undefined, "1", 0.5]) {
      await assert.rejects(create({ limit, interval: 1 }), TypeError);
    }
    for (const bad of [undefined, 5, { limit: 1, interval: 1, nonsense: 1 }]) {
      await assert.rejects(create(bad), TypeError);
    }
    const limiter = await backend.rateLimiter({ limit: 1, interval: 1 });
    await assert.rejects(getValue(limiter), SerializeError);
  });
}
