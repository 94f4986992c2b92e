/**
 * What every queue promises of items that are leased, and of `consume`, to one process.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  type DeadItem,
  type Lease,
  LeaseLostError,
  QueueEmptyError,
  type QueueOptions,
  type QueueProxy,
  QueueShutDownError,
  releaseProxy,
  withOptions,
} from "../../mod.ts";
import { type Backend, claims, type Make } from "./backend.ts";
import { inOrder, makeQueue, queueKinds } from "./queue.ts";

/** Tests the claims about leases against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  for (const kind of queueKinds) {
    const filled = async <T>(backend: Backend, items: T[], options?: QueueOptions) => {
      const queue = await makeQueue<T>(backend, kind, options);
      await queue.putMany(items);
      return queue;
    };

    claim(
      `${kind}.get({ lease: true }) gives value and attempt; ack() ends it`,
      async (backend) => {
        const queue = await filled(backend, [{ a: 1 }]);
        const lease = await queue.get({ lease: true });
        assert.deepEqual([lease.value, lease.attempt], [{ a: 1 }, 1]);
        assert.deepEqual([await queue.size(), await queue.tryGet()], [0, null]);
        assert.equal(await lease.ack(), undefined);
        await queue.shutdown();
        await assert.rejects(queue.get(), QueueShutDownError);
      },
    );

    claim(`tryGet({ lease: true }) of a ${kind} gives a lease or null`, async (backend) => {
      const queue = await filled(backend, [null]);
      const lease = await queue.tryGet({ lease: true });
      assert.deepEqual([lease!.value, lease!.attempt], [null, 1]);
      assert.equal(await queue.tryGet({ lease: true }), null);
      await lease!.nack();
      assert.equal((await queue.tryGet({ lease: true }))!.attempt, 2);
    });

    claim(`getMany(max, { lease: true }) of a ${kind} gives one lease an item`, async (backend) => {
      const queue = await filled(backend, [1, 2, 3]);
      const leases = await queue.getMany(9, { lease: true });
      assert.deepEqual(leases.map(({ value }) => value), inOrder(kind, [1, 2, 3]));
      await leases[1]!.ack();
      await leases[2]!.nack();
      await leases[0]!.nack();
      const again = await queue.getMany(9, { lease: true });
      const expected = inOrder(kind, [1, 2, 3]).toSpliced(1, 1);
      assert.deepEqual(again.map(({ value }) => value), expected);
      assert.deepEqual(again.map(({ attempt }) => attempt), [2, 2]);
    });

    claim(
      `nack() of a lease of a ${kind} brings the item back to its old place`,
      async (backend) => {
        const queue = await filled(backend, [1, 2, 3, 4, 5]);
        const leases = await queue.getMany(4, { lease: true });
        for (const i of [2, 0, 3]) await leases[i]!.nack();
        await leases[1]!.ack();
        await queue.put(6);
        const ordered = inOrder(kind, [1, 2, 3, 4, 5]).toSpliced(1, 1);
        const expected = kind === "lifoQueue" ? [6, ...ordered] : [...ordered, 6];
        assert.deepEqual(await queue.getMany(9), expected);
      },
    );

    claim(
      `a lease of a ${kind} is ended once: again it does nothing, otherwise it is LeaseLostError`,
      async (b) => {
        const queue = await filled(b, [1, 2]);
        const [acked, nacked] = await queue.getMany(2, { lease: true }) as [
          Lease<number>,
          Lease<number>,
        ];
        await acked.ack();
        await Promise.all([acked.ack(), acked.ack(), acked[Symbol.asyncDispose]()]);
        await assert.rejects(acked.nack(), (error: Error) => {
          return error instanceof LeaseLostError && /nack.*ack\(\) was called/.test(error.message);
        });
        await nacked.nack();
        await Promise.all([
          nacked.nack(),
          nacked.nack({ delay: 60_000 }),
          nacked[Symbol.asyncDispose](),
        ]);
        await assert.rejects(nacked.ack(), LeaseLostError);
        assert.equal((await queue.get({ lease: true })).attempt, 2);
        assert.equal(await queue.size(), 0);
      },
    );

    claim(`the end of an await using block gives the item of a ${kind} back`, async (backend) => {
      const queue = await filled(backend, [1, 2]);
      const lease = await queue.get({ lease: true });
      await lease[Symbol.asyncDispose]();
      const again = await queue.get({ lease: true });
      assert.deepEqual([again.value, again.attempt], [lease.value, 2]);
      await again.ack();
      await again[Symbol.asyncDispose]();
      assert.equal(await queue.size(), 1);
    });

    claim(
      `nack({ delay }) of a lease of a ${kind} keeps the item back for a while`,
      async (backend) => {
        const queue = await filled(backend, [1]);
        await (await queue.get({ lease: true })).nack({ delay: 1 });
        const lease = await queue.get({ lease: true });
        assert.deepEqual([lease.value, lease.attempt], [1, 2]);
        await lease.nack({ delay: 2 ** 40 });
        assert.deepEqual([await queue.size(), await queue.tryGet()], [0, null]);
        await queue.put(2);
        assert.equal(await queue.get(), 2);
        await queue.shutdown({ immediate: true });
      },
    );

    claim(
      `nack() with a delay that is none is refused, and the item of a ${kind} is still leased`,
      async (b) => {
        const queue = await filled(b, [1, 2, 3]);
        const leases = await queue.getMany(3, { lease: true });
        const bad = [{ delay: -1 }, { delay: NaN }, { delay: "1" }] as never[];
        for (const [i, options] of bad.entries()) {
          await assert.rejects(leases[i]!.nack(options), { name: "RangeError", message: /delay/ });
        }
        await assert.rejects(leases[0]!.nack({ nonsense: 1 } as never), TypeError);
        await assert.rejects(leases[0]!.nack(5 as never), TypeError);
        assert.equal(await queue.size(), 0);
        await leases[0]!.ack();
        await leases[1]!.nack();
        await leases[2]![Symbol.asyncDispose]();
        assert.equal(await queue.size(), 2);
      },
    );

    claim(`a ${kind}'s item that was leased maxAttempts times goes to dead()`, async (backend) => {
      const queue = await filled(backend, ["a", "b"], { maxAttempts: 2 });
      const dead: DeadItem[] = inOrder(kind, ["a", "b"]).map((value) => ({ value, attempts: 2 }));
      for (const attempt of [1, 2]) {
        assert.deepEqual(await queue.dead(), []);
        const leases = await queue.getMany(2, { lease: true });
        assert.deepEqual(leases.map((lease) => lease.attempt), [attempt, attempt]);
        for (const lease of leases) await lease.nack({ delay: attempt === 1 ? 0 : 60_000 });
      }
      assert.equal(await queue.size(), 0);
      assert.deepEqual([await queue.dead(), await queue.dead()], [dead, dead]);
      assert.deepEqual(await queue.dead({ max: 1 }), dead.slice(0, 1));
      assert.deepEqual(await queue.dead({ remove: true, max: 1 }), dead.slice(0, 1));
      assert.deepEqual(await queue.dead({ remove: true, max: Infinity }), dead.slice(1));
      assert.deepEqual([await queue.dead(), await queue.dead({ remove: true })], [[], []]);
      for (const max of [0, -1]) await assert.rejects(queue.dead({ max }), RangeError);
      for (const max of [NaN, "1", null] as never[]) {
        await assert.rejects(queue.dead({ max, remove: true }), TypeError);
      }
      await queue.shutdown();
      await assert.rejects(queue.get(), QueueShutDownError);
    });

    claim(
      `a ${kind} has 10 attempts where nothing is said, and any number where it is`,
      async (backend) => {
        const queue = await filled(backend, [1]);
        for (let attempt = 1; attempt <= 10; attempt++) {
          const lease = await queue.get({ lease: true, timeout: 0 });
          assert.equal(lease.attempt, attempt);
          await lease.nack();
        }
        assert.deepEqual(await queue.dead(), [{ value: 1, attempts: 10 }]);
        const patient = await filled(backend, [1], { maxAttempts: Infinity });
        for (let i = 0; i < 30; i++) await (await patient.get({ lease: true })).nack();
        assert.equal(await patient.size(), 1);
      },
    );

    claim(`leases of a ${kind} act after its proxy was released`, async (backend) => {
      const dict = await backend.dict<QueueProxy<number>>();
      const made = await filled(backend, [1, 2, 3]);
      await dict.set("queue", made);
      const leases = await made.getMany(3, { lease: true });
      releaseProxy(made, { all: true });
      await leases[0]!.ack();
      await leases[1]!.nack();
      await leases[2]![Symbol.asyncDispose]();
      const queue = (await dict.get("queue"))!;
      assert.deepEqual(await queue.getMany(9), inOrder(kind, [1, 2, 3]).slice(1));
    });

    claim(`a ${kind} that returned items may hold more than maxSize`, async (backend) => {
      const queue = await filled(backend, [1, 2], { maxSize: 2 });
      const leases = await queue.getMany(2, { lease: true });
      await queue.putMany([3, 4]);
      const waiting = queue.put(5);
      for (const lease of leases) await lease.nack();
      assert.deepEqual([await queue.size(), await queue.full()], [4, true]);
      assert.equal(await queue.tryPut(6), false);
      // No room before it is below maxSize again.
      await queue.getMany(2);
      assert.equal(await queue.size(), 2);
      await queue.get();
      await waiting;
      assert.equal(await queue.size(), 2);
    });

    claim(`getters of a ${kind} wait after shutdown() while items are leased`, async (backend) => {
      const queue = await filled(backend, [1, 2]);
      const leases = await queue.getMany(2, { lease: true });
      await queue.shutdown();
      assert.equal(await queue.tryGet(), null);
      await assert.rejects(queue.get({ timeout: 0 }), QueueEmptyError);
      const next = queue.get({ lease: true });
      const last = assert.rejects(queue.get(), QueueShutDownError);
      await queue.size();
      await leases[0]!.nack();
      const again = await next;
      assert.deepEqual([again.value, again.attempt], [leases[0]!.value, 2]);
      await leases[1]!.ack();
      assert.equal(await queue.tryGet(), null);
      await again.ack();
      await last;
    });

    claim(
      `getters of a ${kind} wait after shutdown() for what comes back later`,
      async (backend) => {
        const queue = await filled(backend, [1]);
        const lease = await queue.get({ lease: true });
        await queue.shutdown();
        await lease.nack({ delay: 1 });
        assert.equal((await queue.get({ lease: true })).attempt, 2);
      },
    );

    claim(
      `what is out of a ${kind} may be ended after shutdown({ immediate }), and does not come back`,
      async (b) => {
        const queue = await filled(b, [1, 2, 3, 4]);
        const leases = await queue.getMany(3, { lease: true });
        await leases[0]!.nack({ delay: 60_000 });
        await queue.shutdown({ immediate: true });
        await assert.rejects(queue.get(), QueueShutDownError);
        await leases[1]!.ack();
        await leases[2]!.nack();
        assert.equal(await queue.size(), 0);
        await assert.rejects(queue.get(), QueueShutDownError);
        assert.deepEqual(await queue.dead(), []);
      },
    );

    // consume.

    claim(`${kind}.consume() acks what its handler resolves for`, async (backend) => {
      const queue = await filled(backend, [1, 2, 3]);
      await queue.shutdown();
      const seen: [number, number, number][] = [];
      const handled = await queue.consume((value, lease) => {
        seen.push([value, lease.value, lease.attempt]);
      });
      assert.equal(handled, undefined);
      assert.deepEqual(seen, inOrder(kind, [1, 2, 3]).map((i) => [i, i, 1]));
    });

    claim(
      `${kind}.consume() nacks what its handler throws for, and tells onError`,
      async (backend) => {
        const queue = await filled(backend, ["a", "b"], { maxAttempts: 2 });
        await queue.shutdown();
        const told: unknown[] = [];
        const failures = { a: new Error("a"), b: "b" };
        await queue.consume((value, { attempt }) => {
          if (value === "a" || attempt === 1) throw failures[value as "a" | "b"];
        }, { onError: (error, { value, attempt }) => told.push([error, value, attempt]) });
        assert.deepEqual(await queue.dead(), [{ value: "a", attempts: 2 }]);
        const expected = [[failures.a, "a", 1], [failures.a, "a", 2], ["b", "b", 1]];
        const sorted = (list: unknown[]) => list.map(String).toSorted();
        assert.deepEqual(sorted(told), sorted(expected));
        assert.ok(told.every((entry) => Object.values(failures).includes((entry as [never])[0])));
      },
    );

    claim(
      `${kind}.consume() goes on where nobody is told of what its handler threw`,
      async (backend) => {
        const queue = await filled(backend, [1, 2], { maxAttempts: 1 });
        await queue.shutdown();
        await queue.consume(() => Promise.reject(new Error("a handler")));
        assert.equal((await queue.dead()).length, 2);
      },
    );

    claim(`a handler of ${kind}.consume() may settle its lease itself`, async (backend) => {
      const queue = await filled(backend, ["acked", "nacked", "acked and thrown"], {
        maxAttempts: 1,
      });
      await queue.shutdown();
      const told: unknown[] = [];
      await queue.consume(async (value, lease) => {
        if (value === "nacked") return await lease.nack();
        await lease.ack();
        if (value !== "acked") throw new Error(value);
      }, { onError: (error) => told.push((error as Error).message) });
      assert.deepEqual(await queue.dead(), [{ value: "nacked", attempts: 1 }]);
      assert.deepEqual(told, ["acked and thrown"]);
    });

    claim(
      `${kind}.consume() runs so many handlers at a time, one where nothing is said`,
      async (backend) => {
        for (const concurrency of [undefined, 1, 3]) {
          const queue = await filled(backend, Array.from(Array(9).keys()));
          await queue.shutdown();
          let running = 0;
          let most = 0;
          await queue.consume(async () => {
            most = Math.max(most, ++running);
            for (let i = 0; i < 3; i++) await queue.size();
            running--;
          }, concurrency === undefined ? {} : { concurrency });
          assert.deepEqual([running, most], [0, concurrency ?? 1]);
        }
      },
    );

    claim(
      `${kind}.consume() ends by its signal once the running handlers have ended`,
      async (backend) => {
        const queue = await filled(backend, [1, 2, 3]);
        const controller = new AbortController();
        let finish = () => {};
        const finished = new Promise<void>((resolve) => finish = resolve);
        const started: number[] = [];
        let over = false;
        const consumed = queue.consume(async (value) => {
          started.push(value);
          if (started.length === 2) controller.abort();
          await finished;
        }, { concurrency: 2, signal: controller.signal }).then(() => over = true);
        while (started.length < 2) await queue.size();
        for (let i = 0; i < 3; i++) await queue.size();
        assert.equal(over, false);
        finish();
        await consumed;
        assert.deepEqual([started.length, await queue.size()], [2, 1]);
      },
    );

    claim(
      `${kind}.consume() whose signal is aborted while it waits takes nothing`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind);
        const controller = new AbortController();
        const handler = () => assert.fail();
        const consumed = queue.consume(handler, { concurrency: 3, signal: controller.signal });
        await queue.size();
        controller.abort(new Error("enough"));
        await consumed;
        await queue.put(1);
        await queue.consume(handler, { signal: controller.signal });
        const lease = await queue.get({ lease: true });
        assert.deepEqual([lease.value, lease.attempt], [1, 1]);
      },
    );

    claim(
      `${kind}.consume() of a view ends by the signal of the view, not by its timeout`,
      async (b) => {
        const queue = await makeQueue<number>(b, kind);
        const controller = new AbortController();
        const view = withOptions(queue, { signal: controller.signal, timeout: 1 });
        let over = false;
        const seen: number[] = [];
        const consumed = view.consume((item) => void seen.push(item)).then(() => over = true);
        // It is late only after this one, which waits as long.
        await assert.rejects(queue.get({ timeout: 1 }), QueueEmptyError);
        await queue.put(1);
        while (seen.length === 0) await queue.size();
        assert.equal(over, false);
        controller.abort(new Error("enough"));
        await consumed;
        await queue.put(2);
        assert.equal(await queue.size(), 1);
      },
    );

    claim(
      `${kind}.consume() rejects with what onError throws, at once or later`,
      async (backend) => {
        const error = new Error("onError");
        const fail = () => {
          throw error;
        };
        for (const onError of [fail, () => Promise.reject(error)]) {
          const queue = await filled(backend, [1, 2, 3]);
          const handler = () => Promise.reject(new Error("handler"));
          const consumed = queue.consume(handler, { concurrency: 2, onError });
          await assert.rejects(consumed, (thrown) => thrown === error);
          assert.equal(await queue.size(), 3);
        }
      },
    );

    claim(`onError of ${kind}.consume() may settle the lease itself`, async (backend) => {
      const queue = await filled(backend, [1, 2]);
      await queue.shutdown();
      await queue.consume(() => Promise.reject(new Error("handler")), {
        onError: (_, lease) => lease.ack(),
      });
      assert.deepEqual([await queue.size(), await queue.dead()], [0, []]);
    });

    claim(`${kind}.consume() refuses what is no handler and no option`, async (backend) => {
      const queue = await filled(backend, [1]);
      for (const bad of [undefined, null, 5, {}] as never[]) {
        await assert.rejects(queue.consume(bad), { name: "TypeError", message: /handler/ });
      }
      const handler = () => assert.fail();
      for (const concurrency of [0, -1, 0.5, NaN, "1", null] as never[]) {
        await assert.rejects(queue.consume(handler, { concurrency }), RangeError);
      }
      for (const bad of [{ signal: {} }, { onError: 5 }, 5, null] as never[]) {
        await assert.rejects(queue.consume(handler, bad), TypeError);
      }
      assert.equal(await queue.size(), 1);
    });
  }

  claim("queue.consume() refuses an option that it does not have", async (backend) => {
    const queue = await backend.queue<number>();
    await queue.shutdown();
    for (const bad of [{ concurency: 3 }, { timeout: 5 }] as never[]) {
      await assert.rejects(queue.consume(() => {}, bad), TypeError);
    }
  });
}
