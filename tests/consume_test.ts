/**
 * What becomes of items and leases where two things meet: an item that cannot be sent and what comes
 * meanwhile, a `taskDone()` while its item is on its way, a handler and what is told of its failure.
 * The same of grants is in handover_test.ts, what queues promise otherwise in queue_test.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  callMethod,
  type JoinableQueueProxy,
  type Lease,
  LimitExceededError,
  Manager,
  type PriorityQueueProxy,
  type QueueProxy,
  QueueShutDownError,
  withOptions,
} from "../mod.ts";
import type { Holding } from "../lib/objects/handover.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import { Queue } from "../lib/objects/queue.ts";
import { Handles } from "../lib/server/handles.ts";
import { handleMethods, Status } from "../lib/wire/protocol.ts";
import { newServer } from "./conformance/in_server.ts";
import { assertClean } from "./support/clean.ts";
import { assertCosts, timeOf } from "./support/costs.ts";
import { bareCaller, errorOf, Scripted } from "./support/scripted.ts";
import { settled, waiting, withSessions } from "./support/sessions.ts";

/** What `debugInfo()` tells of the only queue of a manager. */
async function counts(manager: Manager): Promise<Record<string, number>> {
  const { objects } = await manager.debugInfo();
  const [queue] = objects.flatMap((object) => object.queue ? [object.queue] : []);
  return { ...queue };
}

/** Fails unless so many items are in these states. */
async function assertCounts(manager: Manager, expected: Record<string, number>): Promise<void> {
  const found = await counts(manager);
  const names = Object.keys(expected);
  assert.deepEqual(Object.fromEntries(names.map((name) => [name, found[name]])), expected);
}

/** A queue of two sessions, the second one of which takes messages of 200 bytes. */
function withSmallReader<Q extends QueueProxy<string>>(
  make: (manager: Manager) => Promise<Q>,
  body: (queue: Q, reader: Q, manager: Manager) => Promise<void>,
): Promise<void> {
  return withSessions(1, async (manager) => {
    const { address } = manager;
    const small = await Manager.connect({ address, limits: { maxMessageBytes: 200 } });
    const queue = await make(manager);
    await manager.publish("queue", queue);
    await body(queue, (await small.lookup<Q>("queue"))!, manager);
    await small.close();
  });
}

const tooBig = "x".repeat(1000);

// What cannot be sent.

void test("an item that cannot be sent is back in a priorityQueue, and no other kind of priority with it", () =>
  withSmallReader<PriorityQueueProxy<string>>(
    (manager) => manager.priorityQueue<string>(),
    async (queue, reader, manager) => {
      const got = reader.get();
      got.catch(() => {});
      await waiting(manager, 1);
      // Both in one turn of the server: the first item is on its way when the second one comes.
      const puts = await Promise.allSettled([
        queue.put(tooBig, { priority: 1 }),
        queue.put("other", { priority: "other" }),
      ]);
      await assert.rejects(got, LimitExceededError);
      assert.deepEqual(puts.map(({ status }) => status), ["fulfilled", "rejected"]);
      await queue.put("first", { priority: 0 });
      assert.deepEqual(await queue.getMany(9), ["first", tooBig]);
    },
  ));

void test("items that are done with while they are on their way do not come back with those that do not fit", () =>
  withSmallReader<JoinableQueueProxy<string>>(
    (manager) => manager.joinableQueue<string>(),
    async (queue, reader, manager) => {
      const got = reader.getMany(4).catch((error) => error);
      await waiting(manager, 1);
      const items = [..."abcd"].map((letter) => letter.repeat(90));
      const done = () => queue.taskDone();
      // All in one turn of the server: two of the items fit, the third one is done with already.
      await Promise.all([queue.putMany(items), done(), done(), done()]);
      assert.deepEqual(await got, items.slice(0, 2));
      await assertCounts(manager, { ready: 1, leased: 0, unfinished: 1 });
      assert.deepEqual(await queue.getMany(9), items.slice(3));
      await done();
      await settled(queue.join());
      await queue.shutdown();
      await assert.rejects(settled(queue.get()), QueueShutDownError);
    },
  ));

void test("dead({ remove, max }) takes out as many as were asked for and fit, oldest first", () =>
  withSmallReader(
    (manager) => manager.queue<string>({ maxAttempts: 1 }),
    async (queue, reader, manager) => {
      const items = [..."abcde"].map((letter) => letter.repeat(60));
      await queue.putMany([...items, tooBig]);
      for (const lease of await queue.getMany(9, { lease: true })) await lease.nack();
      const values = async (dead: ReturnType<typeof queue.dead>) =>
        (await dead).map(({ value }) => value);
      assert.deepEqual(await values(queue.dead({ max: 2 })), items.slice(0, 2));
      await assertCounts(manager, { dead: 6 });
      assert.deepEqual(await values(queue.dead({ max: 1, remove: true })), items.slice(0, 1));
      const fitting = await values(reader.dead({ remove: true }));
      assert.ok(fitting.length > 0 && fitting.length < 4, `${fitting.length}`);
      const rest = await values(queue.dead());
      assert.deepEqual([...fitting, ...rest], [...items.slice(1), tooBig]);
      while (await counts(manager).then(({ dead }) => dead! > 1)) {
        await reader.dead({ remove: true });
      }
      await assert.rejects(reader.dead({ remove: true }), LimitExceededError);
      assert.deepEqual(await values(queue.dead({ remove: true })), [tooBig]);
      for (const max of [0, -1, NaN, "1"]) {
        await assert.rejects(queue.dead({ max: max as number }), /dead\(\)/);
      }
    },
  ));

// What no client of ours asks.

void test("an ack of no item of its leases is refused, and every count stays right", async () => {
  const server = newServer();
  const session = await Scripted.open(server, "queue");
  const { referent } = [...server.owner.registry.held][0]!;
  const leased = () => (referent as { describe(): Record<string, number> }).describe()["leased"];
  await session.ask("putMany", ["a", "b"]);
  const leases = await session.ask("getMany", 2, { lease: true });
  assert.equal(leases.status, Status.Handle);
  for (const index of ["flatMap", "length", -1, 0.5, {}, 2, null]) {
    for (const method of ["ack", "nack"] as const) {
      const answer = await session.askHandle(leases, method, index);
      assert.equal(errorOf(answer), "NotExposedError", `${method} of ${index}`);
    }
  }
  assert.equal(leased(), 2);
  assert.equal("over" in Array.prototype.flatMap, false);
  for (const index of [0, 1]) await session.askHandle(leases, "ack", index);
  assert.equal(leased(), 0);
  await session.ask("shutdown");
  assert.equal(errorOf(await session.ask("get")), "QueueShutDownError");
  session.peer.destroy();
  await server.close(new Error("the test is over"));
});

void test("nonsense that is said to have been given in vain changes nothing", async () => {
  const server = newServer();
  for (const typeid of ["queue", "lifoQueue", "priorityQueue"]) {
    const session = await Scripted.open(server, typeid);
    const nonsense = [5, "text", null, undefined, { length: NaN }, { length: 3 }];
    for (const method of ["getMany", "dead", "put", "constructor"]) {
      for (const result of nonsense) await session.takeBack(method, result);
    }
    for (const result of nonsense.slice(0, 4)) await session.takeBack("tryGet", result);
    await session.takeBack("dead", nonsense);
    assert.equal((await session.ask("size")).value, 0, typeid);
    assert.deepEqual((await session.ask("dead")).value, [], typeid);
    for (let i = 0; i < 3; i++) await session.takeBack("get", i);
    const taken = [];
    for (let i = 0; i < 3; i++) taken.push((await session.ask("get")).value);
    assert.deepEqual(taken, [2, 1, 0], `${typeid}: what came back last is the head`);
    session.peer.destroy();
  }
  await server.close(new Error("the test is over"));
});

// Leases.

void test("a lease is as good as before after nack() with a delay that is none", () =>
  withSessions(1, async (manager) => {
    const queue = await manager.queue<number>();
    await queue.put(1);
    const lease = await queue.get({ lease: true });
    for (const delay of [-1, NaN, Infinity, "1"] as number[]) {
      await assert.rejects(lease.nack({ delay }), { name: "RangeError", message: /delay/ });
    }
    await assertCounts(manager, { leased: 1 });
    await lease.nack({ delay: 0 });
    const again = await queue.get({ lease: true });
    assert.equal(again.attempt, 2);
    await assert.rejects(again.nack({ delay: -1 }), RangeError);
    await again[Symbol.asyncDispose]();
    await assertCounts(manager, { ready: 1, leased: 0 });
    const last = await queue.get({ lease: true });
    await assert.rejects(last.nack({ delay: -1 }), RangeError);
    await last.ack();
    await assertCounts(manager, { ready: 0, leased: 0 });
  }));

void test("a handler whose nack() has no good delay leaves its item to consume()", () =>
  withSessions(1, async (manager) => {
    const queue = await manager.queue<number>({ maxAttempts: 1 });
    await queue.put(1);
    await queue.shutdown();
    const told: unknown[] = [];
    const onError = (error: unknown) => void told.push((error as Error).name);
    const nack = (_: number, lease: Lease<number>) => lease.nack({ delay: NaN });
    await settled(queue.consume(nack, { onError }));
    assert.deepEqual(told, ["RangeError"]);
    await assertCounts(manager, { leased: 0, dead: 1 });
  }));

void test("each ack of a large batch of leases takes the time of one of a small batch", () => {
  const caller = bareCaller(new Ledger(0, () => "nothing"));
  const ack = handleMethods.indexOf("ack");
  const acksOf = (count: number) => {
    const queue = new Queue();
    queue.putMany(Array(count).fill(0), {}, caller);
    const handles = new Handles(() => 0);
    const leases = queue.getMany(count, { lease: true }, caller) as Holding;
    const { id } = handles.openHolding(leases, undefined);
    const time = timeOf(() => {
      for (let i = 0; i < count; i++) handles.call(id, ack, [i]);
    });
    assert.deepEqual([handles.count().holdings, queue.describe()["leased"]], [0, 0]);
    return time;
  };
  const inBatches = (batches: number, count: number) => () => {
    let time = 0;
    for (let batch = 0; batch < batches; batch++) time += acksOf(count);
    return time;
  };
  assertCosts(8, inBatches(16, 2_000), inBatches(1, 32_000));
});

// consume().

void test("consume() ends by the signal of its view or its call, never by their timeout", () =>
  withSessions(1, async (manager) => {
    const queue = await manager.queue<number>();
    for (const through of ["a view", "callMethod()"]) {
      const controller = new AbortController();
      const options = { signal: controller.signal, timeout: 1 };
      const seen: number[] = [];
      const handler = (item: number) => void seen.push(item);
      const consumed = through === "a view"
        ? withOptions(queue, options).consume(handler)
        : callMethod(queue, "consume", [handler], options);
      await waiting(manager, 1);
      // Longer than its timeout, by the same clock.
      await assert.rejects(queue.get({ timeout: 20 }), { name: "QueueEmptyError" });
      await queue.put(1);
      await waiting(manager, 1);
      assert.deepEqual(seen, [1], through);
      controller.abort();
      await settled(consumed as Promise<void>);
    }
  }));

void test("consume() ends with what an async onError rejects with, and its item is back", () =>
  withSessions(1, async (manager) => {
    const queue = await manager.queue<number>();
    await queue.put(1);
    const consumed = queue.consume(() => Promise.reject(new Error("the handler")), {
      onError: async (error) => {
        await queue.size();
        throw new Error("told", { cause: error });
      },
    });
    await assert.rejects(settled(consumed), (error: Error) => {
      assert.deepEqual([error.message, (error.cause as Error).message], ["told", "the handler"]);
      return true;
    });
    await assertCounts(manager, { ready: 1, leased: 0 });
  }));

void test("whether to lease is true or false, and a signal is no options", () =>
  withSessions(1, async (manager) => {
    const queue = await manager.queue<number>();
    await queue.put(1);
    for (const lease of [1, "yes", null] as never[]) {
      const refused = { name: "TypeError", message: /"lease"/ };
      await assert.rejects(queue.get({ lease }), refused);
      await assert.rejects(queue.getMany(1, { lease }), refused);
      await assert.rejects(queue.tryGet({ lease }), refused);
    }
    const { signal } = new AbortController();
    const refused = { name: "TypeError", message: /write \{ signal \}/ };
    await assert.rejects(queue.get(signal as never), refused);
    await assert.rejects(queue.put(2, signal as never), refused);
    await assert.rejects(queue.consume(() => {}, signal as never), refused);
    await assertCounts(manager, { ready: 1, leased: 0 });
  }));

void test("leaves nothing behind", assertClean);
