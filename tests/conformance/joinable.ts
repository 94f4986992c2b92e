/**
 * What only a joinableQueue promises, to one process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { LeaseLostError, QueueShutDownError, TimeoutError, withOptions } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about joinable queues against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("joinableQueue.join() waits until taskDone() was called for all", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    assert.equal(await queue.join(), undefined);
    await queue.putMany([1, 2]);
    let joined = 0;
    const joiners = [1, 2].map(() => queue.join().then(() => joined++));
    for (const _ of [1, 2]) {
      await queue.get();
      await queue.size();
      assert.equal(joined, 0);
      assert.equal(await queue.taskDone(), undefined);
    }
    await Promise.all(joiners);
    await queue.join({ timeout: 0 });
  });

  claim("joinableQueue.join() counts what is put while it waits", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    await queue.put(1);
    const joined = queue.join();
    await queue.get();
    await queue.put(2);
    await queue.taskDone();
    await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
    await queue.get();
    await queue.taskDone();
    await joined;
  });

  claim(
    "joinableQueue.join() rejects when it is late, and with the reason of its abort",
    async (b) => {
      const queue = await b.joinableQueue<number>();
      await queue.put(1);
      const late = (error: Error) =>
        error instanceof TimeoutError && /done.* 1 ms/.test(error.message);
      await assert.rejects(queue.join({ timeout: 1 }), late);
      await assert.rejects(withOptions(queue, { timeout: 1 }).join(), late);
      await assert.rejects(queue.join({ timeout: 0 }), {
        name: "TimeoutError",
        message: /at once/,
      });
      const controller = new AbortController();
      const reason = { a: "reason" };
      const aborted = assert.rejects(
        queue.join({ signal: controller.signal }),
        (e) => e === reason,
      );
      await queue.size();
      controller.abort(reason);
      await aborted;
      await assert.rejects(queue.join({ signal: controller.signal }), (e) => e === reason);
      for (const bad of [5, null, { nonsense: 1 }] as never[]) {
        await assert.rejects(queue.join(bad), TypeError);
      }
    },
  );

  claim("joinableQueue.taskDone() once too often is RangeError", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    const tooOften = { name: "RangeError", message: /too often/ };
    await assert.rejects(queue.taskDone(), tooOften);
    await queue.put(1);
    await assert.rejects(queue.taskDone(), tooOften, "nobody has got it");
    await queue.get();
    await queue.taskDone();
    await assert.rejects(queue.taskDone(), tooOften);
    await queue.join();
  });

  claim(
    "an item of a joinableQueue is leased until taskDone(), however it was got",
    async (backend) => {
      const queue = await backend.joinableQueue<number>();
      await queue.putMany([1, 2, 3, 4]);
      assert.equal(await queue.get(), 1);
      assert.deepEqual(await queue.tryGet(), { value: 2 });
      assert.deepEqual(await queue.getMany(2), [3, 4]);
      await queue.shutdown();
      // They might come back: nobody is told that nothing will.
      assert.equal(await queue.tryGet(), null);
      for (let i = 0; i < 4; i++) {
        await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
        await queue.taskDone();
      }
      await queue.join();
      await assert.rejects(queue.tryGet(), QueueShutDownError);
    },
  );

  claim("the ack() of a lease of a joinableQueue is its own taskDone()", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    await queue.putMany([1, 2, 3]);
    const [first, second] = await queue.getMany(2, { lease: true });
    await queue.get();
    await second!.ack();
    // Of those that are left it is the oldest: the first one's lease is over, not the plain get's.
    await queue.taskDone();
    await assert.rejects(first!.ack(), (error: Error) => {
      return error instanceof LeaseLostError && /taskDone\(\)|finished/.test(error.message);
    });
    await assert.rejects(first!.ack(), LeaseLostError);
    await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
    await queue.taskDone();
    await queue.join();
    await assert.rejects(queue.taskDone(), RangeError);
  });

  claim(
    "the end of an await using block never fails, also when taskDone() was called",
    async (backend) => {
      const queue = await backend.joinableQueue<number>();
      await queue.putMany([1, 2]);
      const single = await queue.get({ lease: true });
      await queue.taskDone();
      await single[Symbol.asyncDispose]();
      await queue.join({ timeout: 1 }).catch(() => {});
      assert.equal(await queue.size(), 1);
    },
  );

  claim("a nacked item of a joinableQueue is not done, a dead one is", async (backend) => {
    const queue = await backend.joinableQueue<string>({ maxAttempts: 2 });
    await queue.put("a");
    const joined = queue.join();
    await (await queue.get({ lease: true })).nack();
    await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
    await (await queue.get({ lease: true })).nack();
    await joined;
    assert.deepEqual(await queue.dead(), [{ value: "a", attempts: 2 }]);
    await assert.rejects(queue.taskDone(), RangeError);
  });

  claim("joinableQueue.shutdown({ immediate }) counts what it drops as done", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    await queue.putMany([1, 2, 3, 4]);
    await queue.get();
    const lease = await queue.get({ lease: true });
    await (await queue.get({ lease: true })).nack({ delay: 60_000 });
    const joined = queue.join();
    await queue.shutdown({ immediate: true });
    // What is out is not done yet.
    await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
    await queue.taskDone();
    await lease.nack();
    await joined;
    await assert.rejects(queue.taskDone(), RangeError);
  });

  claim("joinableQueue.shutdown() leaves join() waiting for what is left", async (backend) => {
    // CPython: test_shutdown_get_task_done_join.
    const queue = await backend.joinableQueue<string>();
    await queue.putMany(["L", "O"]);
    const joined = queue.join();
    await queue.shutdown();
    await assert.rejects(queue.join({ timeout: 0 }), TimeoutError);
    assert.deepEqual([await queue.get(), await queue.get()], ["L", "O"]);
    for (const _ of "LO") await queue.taskDone();
    await joined;
  });

  claim("joinableQueue.consume() finishes what its handler resolves for", async (backend) => {
    const queue = await backend.joinableQueue<number>({ maxAttempts: 1 });
    await queue.putMany([1, 2, 3]);
    const consumed = queue.consume((value) => {
      if (value === 2) throw new Error("not this one");
    }, { concurrency: 2 });
    await queue.join();
    await queue.shutdown();
    await consumed;
    assert.deepEqual(await queue.dead(), [{ value: 2, attempts: 1 }]);
  });

  claim("a handler of joinableQueue.consume() may call taskDone() instead", async (backend) => {
    const queue = await backend.joinableQueue<number>();
    await queue.putMany([1, 2, 3]);
    await queue.shutdown();
    const told: unknown[] = [];
    await queue.consume(async () => await queue.taskDone(), {
      onError: (error) => told.push(error),
    });
    await queue.join();
    assert.ok(told.every((error) => error instanceof LeaseLostError), `${told}`);
  });

  claim("a joinableQueue takes back none of what a put that gave up had", async (backend) => {
    const queue = await backend.joinableQueue<number>({ maxSize: 1 });
    await queue.put(1);
    await assert.rejects(queue.put(2, { timeout: 1 }), TimeoutError);
    assert.equal(await queue.tryPut(3), false);
    await assert.rejects(queue.putMany([4, 5]), RangeError);
    assert.equal(await queue.get(), 1);
    await queue.taskDone();
    await queue.join({ timeout: 0 });
  });
}
