/**
 * What every queue promises one process: first in first out, last in first out, by priority, and the
 * one that knows what is done with. Leases are in queue_leases.ts, what only one kind has in
 * priority.ts and joinable.ts; what several processes have to do with each other is in queue_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  isProxy,
  QueueEmptyError,
  QueueFullError,
  type QueueOptions,
  type QueueProxy,
  QueueShutDownError,
  repr,
  SerializeError,
  TimeoutError,
  withOptions,
} from "../../mod.ts";
import { type Backend, claims, collect, type Make } from "./backend.ts";

/** The typeids. */
export const queueKinds = ["queue", "lifoQueue", "priorityQueue", "joinableQueue"] as const;

/** One of the typeids. */
export type QueueKind = typeof queueKinds[number];

/** Makes a queue of the kind; `queue` has what all of them have. */
export async function makeQueue<T = unknown>(
  backend: Pick<Backend, QueueKind>,
  kind: QueueKind,
  options?: QueueOptions,
): Promise<QueueProxy<T>> {
  return await backend[kind]<T>(options) as QueueProxy<T>;
}

/** In which order a queue of the kind gives what was put in this order. */
export function inOrder<T>(kind: QueueKind, items: readonly T[]): T[] {
  return kind === "lifoQueue" ? items.toReversed() : [...items];
}

/** Tests the claims about queues against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  for (const kind of queueKinds) {
    claim(`${kind}.get() takes what was put, in the order of its kind`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind);
      for (const item of [1, 2, 3, 4]) assert.equal(await queue.put(item), undefined);
      const taken: number[] = [];
      while (await queue.size() > 0) taken.push(await queue.get());
      assert.deepEqual(taken, inOrder(kind, [1, 2, 3, 4]));
    });

    claim(`${kind} takes whatever can be sent, and knows it from nothing`, async (backend) => {
      const queue = await makeQueue<unknown>(backend, kind);
      const values = [
        ...[null, undefined, false, 0, -0, NaN, 5n, "", [], {}],
        ...[new Map([[1, new Set(["a"])]]), new Date(5), Uint8Array.of(1, 2), { a: [undefined] }],
      ];
      for (const value of values) {
        await queue.put(value);
        assert.deepEqual(await queue.get(), value);
        await queue.put(value);
        assert.deepEqual(await queue.tryGet(), { value });
        await queue.put(value);
        assert.deepEqual(await queue.getMany(2), [value]);
      }
      await assert.rejects(queue.put(() => {}), SerializeError);
      await assert.rejects(queue.putMany([1, Symbol("a")]), SerializeError);
      assert.equal(await queue.size(), 0);
    });

    claim(`${kind} takes a value as it was when it was put`, async (backend) => {
      const queue = await makeQueue<number[]>(backend, kind);
      const value = [1];
      const puts = [queue.put(value), queue.putMany([value]), queue.tryPut(value)];
      value.push(2);
      await Promise.all(puts);
      const taken = await queue.getMany(9);
      assert.deepEqual(taken, [[1], [1], [1]]);
      taken[0]!.push(3);
      assert.deepEqual(taken[1], [1]);
    });

    claim(
      `${kind}.tryPut() says whether there was room, tryGet() gives { value } or null`,
      async (b) => {
        const queue = await makeQueue<number>(b, kind, { maxSize: 2 });
        assert.equal(await queue.tryGet(), null);
        assert.deepEqual([await queue.tryPut(1), await queue.tryPut(2)], [true, true]);
        assert.equal(await queue.tryPut(3), false);
        const taken = [await queue.tryGet(), await queue.tryGet({ lease: false })];
        assert.deepEqual(taken, inOrder(kind, [{ value: 1 }, { value: 2 }]));
        assert.equal(await queue.tryGet(), null);
      },
    );

    claim(`${kind}.size(), empty() and full() count what is ready`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 2 });
      const state = async () => [await queue.size(), await queue.empty(), await queue.full()];
      assert.deepEqual(await state(), [0, true, false]);
      await queue.put(1);
      assert.deepEqual(await state(), [1, false, false]);
      await queue.put(2);
      assert.deepEqual(await state(), [2, false, true]);
      const waiting = queue.put(3);
      assert.deepEqual(await state(), [2, false, true]);
      await queue.get();
      await waiting;
      assert.deepEqual(await state(), [2, false, true]);
      const endless = await makeQueue<number>(backend, kind, { maxSize: 0 });
      await endless.putMany(Array.from({ length: 1000 }, (_, i) => i));
      assert.deepEqual([await endless.size(), await endless.full()], [1000, false]);
    });

    claim(`${kind}.get() waits for an item; getters are served in their order`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind);
      const served: [string, number][] = [];
      const getters = ["a", "b", "c"].map(async (who) => {
        served.push([who, await queue.get()]);
      });
      await queue.size();
      assert.deepEqual(served, []);
      for (const item of [1, 2, 3]) await queue.put(item);
      await Promise.all(getters);
      assert.deepEqual(served, [["a", 1], ["b", 2], ["c", 3]]);
    });

    claim(`${kind}.put() waits for room; putters are served in their order`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 1 });
      await queue.put(1);
      const served: number[] = [];
      const putters = [2, 3, 4].map(async (item) => {
        await queue.put(item);
        served.push(item);
      });
      await queue.size();
      assert.deepEqual(served, []);
      const taken = [];
      for (const _ of [1, 2, 3, 4]) taken.push(await queue.get());
      await Promise.all(putters);
      assert.deepEqual([served, taken], [[2, 3, 4], [1, 2, 3, 4]]);
    });

    claim(`${kind}.putMany() puts all or nothing, and waits for room for all`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 3 });
      await queue.put(1);
      const many = queue.putMany([2, 3, 4]);
      assert.equal(await queue.size(), 1);
      // Who comes later waits behind it, although there is room for one.
      assert.equal(await queue.tryPut(5), false);
      const later = queue.put(6);
      assert.equal(await queue.get(), 1);
      await many;
      assert.equal(await queue.size(), 3);
      const taken = [...await queue.getMany(3), await queue.get()];
      await later;
      assert.deepEqual(taken, [...inOrder(kind, [2, 3, 4]), 6]);
      await queue.putMany([]);
      assert.equal(await queue.size(), 0);
    });

    claim(
      `${kind}.putMany() of more than maxSize is RangeError, and nothing is in`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind, { maxSize: 2 });
        const tooMany = { name: "RangeError", message: /put 3 values at once.*maxSize is 2/ };
        await assert.rejects(queue.putMany([1, 2, 3]), tooMany);
        await queue.put(0);
        await assert.rejects(queue.putMany([1, 2, 3], { timeout: 1 }), tooMany);
        assert.equal(await queue.size(), 1);
      },
    );

    claim(`${kind}.putMany() takes any iterable, and a proxy of one`, async (backend) => {
      const queue = await makeQueue<unknown>(backend, kind);
      await queue.putMany(new Set([1]));
      await queue.putMany("ab" as never);
      await queue.putMany(await backend.list([4, 5]));
      assert.deepEqual(await queue.getMany(9), inOrder(kind, [1, "a", "b", 4, 5]));
      for (const bad of [5, null, undefined, { a: 1 }, queue] as never[]) {
        await assert.rejects(queue.putMany(bad), { name: "TypeError", message: /iterable/ });
      }
    });

    claim(
      `${kind}.getMany() waits for one, then takes what is there, up to max`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind);
        const waiting = queue.getMany(5);
        await queue.put(1);
        assert.deepEqual(await waiting, [1]);
        const all = queue.getMany(5);
        await queue.putMany([2, 3, 4]);
        assert.deepEqual(await all, inOrder(kind, [2, 3, 4]));
        await queue.putMany([5, 6, 7]);
        const first = await queue.getMany(2);
        assert.deepEqual([...first, ...await queue.getMany(Infinity)], inOrder(kind, [5, 6, 7]));
        for (const bad of [0, -1]) await assert.rejects(queue.getMany(bad), RangeError);
        for (const bad of [0.5, NaN, "1", undefined, {}] as never[]) {
          await assert.rejects(queue.getMany(bad), TypeError);
        }
        await assert.rejects(queue.getMany(1, { timeout: 1 }), QueueEmptyError);
      },
    );

    claim(
      `${kind}: who is late to get is told QueueEmptyError, a TimeoutError`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind);
        const late = (error: Error) => {
          assert.ok(error instanceof QueueEmptyError && error instanceof TimeoutError);
          return /empty.* 1 ms/.test(error.message);
        };
        await assert.rejects(queue.get({ timeout: 1 }), late);
        await assert.rejects(queue.get({ timeout: 1, lease: true }), late);
        await assert.rejects(queue.getMany(3, { timeout: 1 }), late);
        await assert.rejects(withOptions(queue, { timeout: 1 }).get(), late);
        // The call's own option wins over that of the view.
        await assert.rejects(withOptions(queue, { timeout: 60_000 }).get({ timeout: 1 }), late);
        await queue.put(1);
        assert.equal(await queue.size(), 1, "none of them waits any more");
      },
    );

    claim(`${kind}: who is late to put is told QueueFullError, a TimeoutError`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 1 });
      await queue.put(1);
      const late = (error: Error) => {
        assert.ok(error instanceof QueueFullError && error instanceof TimeoutError);
        return /full.* 1 ms/.test(error.message);
      };
      await assert.rejects(queue.put(2, { timeout: 1 }), late);
      await assert.rejects(queue.putMany([2], { timeout: 1 }), late);
      await assert.rejects(withOptions(queue, { timeout: 1 }).put(2), late);
      assert.deepEqual(await queue.getMany(9), [1], "nothing of it is in");
    });

    claim(`${kind}: a timeout of 0 tries once`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 2 });
      const empty = { name: "QueueEmptyError", message: /empty.*at once/ };
      const full = { name: "QueueFullError", message: /full.*at once/ };
      await assert.rejects(queue.get({ timeout: 0 }), empty);
      await assert.rejects(queue.getMany(2, { timeout: 0 }), empty);
      await queue.put(1, { timeout: 0 });
      await assert.rejects(queue.putMany([2, 3], { timeout: 0 }), full);
      await queue.putMany([2], { timeout: 0 });
      await assert.rejects(queue.put(3, { timeout: 0 }), full);
      const taken = [await queue.get({ timeout: 0 }), ...await queue.getMany(2, { timeout: 0 })];
      assert.deepEqual(taken, inOrder(kind, [1, 2]));
    });

    claim(
      `${kind}: an abort rejects with its reason, and takes or puts nothing`,
      async (backend) => {
        const empty = await makeQueue<number>(backend, kind);
        const full = await makeQueue<number>(backend, kind, { maxSize: 2 });
        await full.putMany([1, 2]);
        for (const reason of [new Error("enough"), "text", undefined, { a: 1 }]) {
          const controller = new AbortController();
          const { signal } = controller;
          const isReason = (error: unknown) => error === signal.reason;
          const waiting = [
            empty.get({ signal }),
            empty.get({ signal, lease: true, timeout: 60_000 }),
            empty.getMany(3, { signal }),
            withOptions(empty, { signal }).get(),
            full.put(3, { signal }),
            full.putMany([3], { signal, timeout: 60_000 }),
            withOptions(full, { signal }).put(3),
          ].map((call) => assert.rejects(call as Promise<unknown>, isReason));
          await full.size();
          controller.abort(reason);
          await Promise.all(waiting);
          // Aborted before the call.
          await empty.put(0);
          await assert.rejects(empty.get({ signal }), isReason);
          await assert.rejects(empty.put(1, { signal }), isReason);
          await assert.rejects(empty.putMany([1], { signal }), isReason);
          assert.deepEqual(await empty.getMany(9), [0]);
        }
        assert.deepEqual(await full.getMany(9), inOrder(kind, [1, 2]));
        assert.equal(await full.size(), 0);
      },
    );

    claim(`${kind}: a putter that gives up lets those behind it in`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, { maxSize: 3 });
      await queue.putMany([1, 2]);
      const controller = new AbortController();
      const reason = new Error("enough");
      const many = assert.rejects(queue.putMany([3, 4], { signal: controller.signal }), (error) => {
        return error === reason;
      });
      const late = assert.rejects(queue.putMany([5, 6], { timeout: 1 }), QueueFullError);
      const last = queue.put(7);
      controller.abort(reason);
      await Promise.all([many, late, last]);
      assert.deepEqual(await queue.getMany(9), inOrder(kind, [1, 2, 7]));
    });

    claim(`${kind} refuses what is no option`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind, {});
      const bad = [5, null, "1", { nonsense: 1 }, { signal: {} }] as never[];
      for (const options of bad) {
        await assert.rejects(queue.put(1, options), TypeError);
        await assert.rejects(queue.putMany([1], options), TypeError);
        await assert.rejects(queue.get(options), TypeError);
        await assert.rejects(queue.getMany(1, options), TypeError);
        await assert.rejects(queue.tryGet(options), TypeError);
        await assert.rejects(queue.shutdown(options), TypeError);
        await assert.rejects(queue.dead(options), TypeError);
      }
      for (const timeout of [-1, NaN, "1", null] as never[]) {
        await assert.rejects(queue.put(1, { timeout }), RangeError);
        await assert.rejects(queue.get({ timeout }), RangeError);
      }
      const named = { name: "TypeError", message: /nonsense/ };
      await assert.rejects(queue.get({ nonsense: 1 } as never), named);
      const tryPut = queue.tryPut.bind(queue) as (...args: unknown[]) => Promise<boolean>;
      await assert.rejects(tryPut(1, { nonsense: 1 }), named);
      assert.equal(await queue.size(), 0);
      await queue.shutdown({});
    });

    claim(`${kind}() refuses what is no size and no number of attempts`, async (backend) => {
      const create = backend[kind] as (...args: unknown[]) => Promise<unknown>;
      for (const option of ["maxSize", "maxAttempts"]) {
        for (const bad of ["1", null, 0.5, NaN, {}]) {
          await assert.rejects(create({ [option]: bad }), (error: Error) => {
            return error.name === "TypeError" && error.message.includes(option);
          });
        }
        await assert.rejects(create({ [option]: -1 }), RangeError);
      }
      await assert.rejects(create({ maxAttempts: 0 }), RangeError);
      await create({ maxSize: undefined, maxAttempts: undefined });
      await create({ maxSize: Infinity, maxAttempts: Infinity });
      for (const bad of [3, null, [1, 2], "x"]) await assert.rejects(create(bad), TypeError);
      await assert.rejects(create({ maxsize: 3 }), { name: "TypeError", message: /maxsize/ });
      await assert.rejects(create({}, 3), { name: "TypeError", message: /1 argument/ });
    });

    claim(
      `${kind}.shutdown() refuses what is put, and lets getters have what is left`,
      async (b) => {
        const queue = await makeQueue<string>(b, kind, { maxSize: 2 });
        await queue.putMany(["L", "O"]);
        const over = { name: "QueueShutDownError", message: /shut down/ };
        const waiting = [queue.put("V"), queue.putMany(["E", "D"])].map((put) =>
          assert.rejects(put, QueueShutDownError)
        );
        assert.equal(await queue.shutdown(), undefined);
        await Promise.all(waiting);
        await assert.rejects(queue.put("E"), over);
        await assert.rejects(queue.put("E", { timeout: 0 }), over);
        await assert.rejects(queue.tryPut("W"), over);
        await assert.rejects(queue.putMany(["X"]), over);
        assert.deepEqual([await queue.get(), ...await queue.getMany(9)], inOrder(kind, ["L", "O"]));
        if (kind === "joinableQueue") {
          for (const _ of "LO") await (queue as unknown as Finisher).taskDone();
        }
        await assert.rejects(queue.get(), over);
        await assert.rejects(queue.get({ timeout: 0 }), over);
        await assert.rejects(queue.get({ lease: true }), over);
        await assert.rejects(queue.tryGet(), over);
        await assert.rejects(queue.getMany(2), over);
        assert.deepEqual([await queue.size(), await queue.empty()], [0, true]);
        await queue.shutdown();
      },
    );

    claim(`${kind}.shutdown() of an empty queue refuses who waits to get`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind);
      const waiting = [queue.get(), queue.get({ lease: true }), queue.getMany(2)].map((get) =>
        assert.rejects(get as Promise<unknown>, QueueShutDownError)
      );
      await queue.shutdown();
      await Promise.all(waiting);
    });

    claim(`${kind}.shutdown({ immediate }) drops what is left`, async (backend) => {
      const queue = await makeQueue<string>(backend, kind, { maxSize: 2 });
      await queue.putMany(["L", "O"]);
      const putter = assert.rejects(queue.put("V"), QueueShutDownError);
      await queue.shutdown({ immediate: true });
      await putter;
      await assert.rejects(queue.put("E"), QueueShutDownError);
      await assert.rejects(queue.get(), QueueShutDownError);
      await assert.rejects(queue.tryGet(), QueueShutDownError);
      assert.equal(await queue.size(), 0);
      // Not taken back by a later one without it.
      await queue.shutdown();
      await assert.rejects(queue.get(), QueueShutDownError);
    });

    claim(
      `${kind}.shutdown({ immediate }) drops what an earlier shutdown() left`,
      async (backend) => {
        const queue = await makeQueue<string>(backend, kind);
        await queue.putMany(["L", "O"]);
        await queue.shutdown();
        assert.equal(await queue.size(), 2);
        await queue.shutdown({ immediate: true });
        await assert.rejects(queue.get(), QueueShutDownError);
      },
    );

    claim(
      `for await (const item of ${kind}) ends when it was shut down and is empty`,
      async (b) => {
        const queue = await makeQueue<number>(b, kind);
        await queue.putMany([1, 2, 3]);
        if (kind === "joinableQueue") {
          const done = queue as unknown as Finisher;
          const taken = [];
          await queue.shutdown();
          for await (const item of queue) {
            taken.push(item);
            await done.taskDone();
          }
          assert.deepEqual(taken, [1, 2, 3]);
        } else {
          await queue.shutdown();
          assert.deepEqual(await collect(queue), inOrder(kind, [1, 2, 3]));
        }
        assert.deepEqual(await collect(queue), []);
      },
    );

    claim(
      `for await (const item of ${kind}) waits, and is woken by a shutdown()`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind);
        const iterator = queue[Symbol.asyncIterator]();
        const first = iterator.next();
        await queue.put(1);
        assert.deepEqual(await first, { value: 1, done: false });
        const next = iterator.next();
        if (kind === "joinableQueue") await (queue as unknown as Finisher).taskDone();
        await queue.shutdown();
        assert.deepEqual(await next, { value: undefined, done: true });
        assert.deepEqual(await iterator.next(), { value: undefined, done: true });
      },
    );

    claim(
      `for await (const item of ${kind}) takes one item at a time, no more`,
      async (backend) => {
        const queue = await makeQueue<number>(backend, kind);
        await queue.putMany([1, 2, 3]);
        for await (const item of queue) {
          assert.equal(item, inOrder(kind, [1, 2, 3])[0]);
          break;
        }
        assert.equal(await queue.size(), 2);
        await assert.rejects(collect(withOptions(queue, { timeout: 1 })), QueueEmptyError);
        assert.equal(await queue.size(), 0);
      },
    );

    claim(`a ${kind} that holds proxies gives them back`, async (backend) => {
      const queue = await makeQueue<unknown>(backend, kind);
      const list = await backend.list([1]);
      await queue.put({ list });
      await queue.put(queue);
      const [first, second] = inOrder(kind, [{ list }, queue]);
      assert.deepEqual([await queue.get(), await queue.get()], [first, second]);
      await queue.put(list);
      const taken = await queue.get() as typeof list;
      assert.ok(isProxy(taken));
      assert.equal(taken, list);
      await taken.push(2);
      assert.deepEqual(await list.copy(), [1, 2]);
    });

    claim(`a ${kind} works inside of a list and a dict`, async (backend) => {
      // CPython: test_nested_queue.
      const list = await backend.list<QueueProxy<number>>();
      const dict = await backend.dict<QueueProxy<number>>();
      await list.push(await makeQueue<number>(backend, kind));
      await (await list.at(0))!.put(123);
      assert.equal(await (await list.at(0))!.get(), 123);
      await dict.set("queue", await makeQueue<number>(backend, kind));
      await (await dict.get("queue"))!.put(456);
      assert.equal(await (await dict.get("queue"))!.get(), 456);
      await list.push({ dict } as never);
      const { dict: inside } = await list.at(1) as unknown as { dict: typeof dict };
      await (await inside.get("queue"))!.put(789);
      assert.equal(await (await dict.get("queue"))!.get(), 789);
    });

    claim(`a ${kind} is shown, and cannot be copied`, async (backend) => {
      const queue = await makeQueue(backend, kind);
      const Name = kind[0]!.toUpperCase() + kind.slice(1);
      assert.match(repr(queue), new RegExp(`^<${Name}Proxy object, typeid '${kind}' at 0x`));
      assert.equal(await backend.str(queue), `<${Name} object>`);
      await assert.rejects(backend.getValue(queue), SerializeError);
    });

    claim(`${kind}.putMany() serves many getters, one item each`, async (backend) => {
      const queue = await makeQueue<number>(backend, kind);
      const numbers = Array.from(Array(100).keys());
      const served = Promise.all(numbers.map(() => queue.get()));
      await queue.putMany(numbers);
      assert.deepEqual(await served, inOrder(kind, numbers));
    });
  }

  claim(
    "queue refuses an option that is yes or no and is given something else",
    async (backend) => {
      const queue = await backend.queue<number>();
      await queue.put(1);
      for (const bad of [1, "false", null, {}] as never[]) {
        await assert.rejects(queue.get({ lease: bad }), { name: "TypeError", message: /lease/ });
        await assert.rejects(queue.tryGet({ lease: bad }), TypeError);
        await assert.rejects(queue.getMany(1, { lease: bad }), TypeError);
        await assert.rejects(queue.dead({ remove: bad }), { name: "TypeError", message: /remove/ });
        await assert.rejects(queue.shutdown({ immediate: bad }), /immediate/);
      }
      assert.equal(await queue.get(), 1);
    },
  );
}

interface Finisher {
  taskDone(): Promise<void>;
}
