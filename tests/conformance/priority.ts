/**
 * What only a priorityQueue promises.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type PriorityQueueProxy, QueueFullError } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

type Priority = number | bigint | string | readonly unknown[];

/** Tests the claims about priority queues against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim(
    "priorityQueue gives the lowest priority first, of equals the one put first",
    async (backend) => {
      const queue = await backend.priorityQueue<string>();
      const puts: [string, number | undefined][] = [
        ...[["c", 2], ["a", undefined], ["d", 2], ["first", -1]] as [string, number][],
        ...[["b", 0], ["e", 2], ["last", Infinity]] as [string, number][],
      ];
      for (const [value, priority] of puts) {
        await queue.put(value, priority === undefined ? {} : { priority });
      }
      assert.deepEqual(await queue.getMany(9), ["first", "a", "b", "c", "d", "e", "last"]);
    },
  );

  const ordered: [string, Priority[]][] = [
    ["numbers and bigints by value", [
      -Infinity,
      -(2n ** 70n),
      -1,
      0,
      0.5,
      1n,
      1.5,
      2n ** 64n,
      Infinity,
    ]],
    ["strings by code unit", ["", "B", "a", "aa", "b", "\u{1F600}", "\uffff"]],
    ["arrays item by item", [[], [0], [0, "a"], [0, "b"], [0, "b", [1]], [0, "b", [1, 2]], [1n]]],
  ];
  for (const [what, priorities] of ordered) {
    claim(`priorityQueue orders ${what}`, async (backend) => {
      const queue = await backend.priorityQueue<number>();
      for (const i of shuffled(priorities.length)) await queue.put(i, { priority: priorities[i]! });
      assert.deepEqual(await queue.getMany(99), [...priorities.keys()]);
    });
  }

  claim(
    "priorityQueue takes bigints and numbers that are equal as one priority",
    async (backend) => {
      const queue = await backend.priorityQueue<number>();
      for (const [i, priority] of [1n, 1, 0, -0, 0n, 1n].entries()) {
        await queue.put(i, {
          priority,
        });
      }
      assert.deepEqual(await queue.getMany(9), [2, 3, 4, 0, 1, 5]);
    },
  );

  claim(
    "priorityQueue.put() of what has no order is TypeError, and nothing is put",
    async (backend) => {
      const queue = await backend.priorityQueue<number>();
      const bad = [NaN, null, true, {}, new Date(0), [NaN], [1, [{}]], [undefined]] as never[];
      for (const priority of bad) await refuses(queue, { priority }, /order/);
      assert.equal(await queue.size(), 0);
      await queue.put(1, { priority: "any kind still" });
    },
  );

  const mixes: [Priority, Priority][] = [
    [1, "a"],
    ["a", 1n],
    [0, [0]],
    [["a"], "a"],
    [[1, "a"], [2, 1]],
    [[[1]], [["a"]]],
    [[1], [[1]]],
  ];
  claim(
    "priorityQueue.put() of another kind of priority is TypeError, and nothing is put",
    async (b) => {
      for (const [first, second] of mixes) {
        const queue = await b.priorityQueue<number>();
        await queue.put(1, { priority: first });
        await refuses(queue, { priority: second }, /another kind/);
        assert.equal(await queue.size(), 1);
        // Also while what it does not fit is leased.
        const lease = await queue.get({ lease: true });
        await refuses(queue, { priority: second }, /another kind/);
        await lease.nack();
        assert.equal(await queue.get(), 1);
        // And when nothing of it is left: those of one queue are of one kind.
        await refuses(queue, { priority: second }, /another kind/);
      }
    },
  );

  claim("priorityQueue.put() without a priority is with one of 0", async (backend) => {
    const queue = await backend.priorityQueue<number>();
    await queue.put(1, { priority: "a" });
    await refuses(queue, {}, /"0"/);
    await refuses(queue, { priority: undefined } as never, /"0"/);
  });

  claim("a put that did not put has no say in the kind of the priorities", async (backend) => {
    const queue = await backend.priorityQueue<number>({ maxSize: 1 });
    await queue.put(1, { priority: [] });
    assert.equal(await queue.tryPut(2, { priority: [1] }), false);
    await assert.rejects(queue.put(2, { priority: [1], timeout: 0 }), QueueFullError);
    await assert.rejects(queue.putMany([2, 3], { priority: [1] }), RangeError);
    assert.equal(await queue.get(), 1);
    await queue.put(3, { priority: ["a"] });
    await refuses(queue, { priority: [1] }, /another kind/);
  });

  claim(
    "a putter that waited is refused if it does not fit what came in before it",
    async (backend) => {
      const queue = await backend.priorityQueue<number>({ maxSize: 1 });
      await queue.put(1, { priority: [] });
      const putters = [
        queue.put(2, { priority: [1] }),
        assert.rejects(queue.put(3, { priority: ["a"] }), { name: "TypeError", message: /'a'/ }),
        queue.put(4, { priority: [2] }),
      ];
      assert.deepEqual([await queue.get(), await queue.get(), await queue.get()], [1, 2, 4]);
      await Promise.all(putters);
      assert.equal(await queue.size(), 0);
    },
  );

  claim("priorityQueue.putMany() puts all with one priority, in their order", async (backend) => {
    const queue = await backend.priorityQueue<string>();
    await queue.putMany(["c", "d"], { priority: 1 });
    await queue.putMany(["a", "b"]);
    await queue.putMany(["e"], { priority: 1n });
    assert.deepEqual(await queue.getMany(9), ["a", "b", "c", "d", "e"]);
  });

  claim(
    "a priorityQueue that is full takes from its putters in the order of their calls",
    async (b) => {
      const queue = await b.priorityQueue<string>({ maxSize: 1 });
      await queue.put("first", { priority: 5 });
      const putters = [queue.put("second", { priority: 9 }), queue.put("third", { priority: 0 })];
      assert.deepEqual([await queue.get(), await queue.get(), await queue.get()], [
        "first",
        "second",
        "third",
      ]);
      await Promise.all(putters);
    },
  );

  claim(
    "an item of a priorityQueue keeps its place among equals when it comes back",
    async (backend) => {
      const queue = await backend.priorityQueue<string>();
      for (const value of ["a", "b", "c"]) await queue.put(value, { priority: 1 });
      const leases = await queue.getMany(2, { lease: true });
      await queue.put("z", { priority: 1 });
      await queue.put("first", { priority: 0 });
      await leases[1]!.nack();
      await leases[0]!.nack();
      assert.deepEqual(await queue.getMany(9), ["first", "a", "b", "c", "z"]);
    },
  );

  claim("only a priorityQueue has priorities", async (backend) => {
    for (const kind of ["queue", "lifoQueue", "joinableQueue"] as const) {
      const queue = await backend[kind]<number>();
      const options = { priority: 1 } as never;
      const error = { name: "TypeError", message: /priority/ };
      await assert.rejects(queue.put(1, options), error);
      await assert.rejects(queue.putMany([1], options), error);
      await assert.rejects((queue as PriorityQueueProxy<number>).tryPut(1, options), error);
      assert.equal(await queue.size(), 0);
    }
  });
}

async function refuses(
  queue: PriorityQueueProxy<number>,
  options: { priority?: Priority },
  message: RegExp,
): Promise<void> {
  const refused = { name: "TypeError", message };
  await assert.rejects(queue.put(2, options), refused);
  await assert.rejects(queue.tryPut(2, options), refused);
  await assert.rejects(queue.putMany([2], options), refused);
}

/** The numbers below `length` in an order that is always the same and not theirs. */
function shuffled(length: number): number[] {
  const step = [7, 5, 3].find((candidate) => length % candidate !== 0)!;
  return Array.from({ length }, (_, i) => (i * step + 2) % length);
}
