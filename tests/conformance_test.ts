/**
 * What every typeid promises, through a manager: in memory, with the other built-in serializer, and
 * over a Unix socket to a server process; and through the server's own proxies. The suites of what
 * never waits run against the local referents as well, in objects_test.ts.
 *
 * @module
 */

import { test } from "node:test";
import { getValue, json, Manager, str } from "../mod.ts";
import { suite as arraySuite } from "./conformance/array.ts";
import type { Backend, Make } from "./conformance/backend.ts";
import { suite as barrierSuite } from "./conformance/barrier.ts";
import { suite as conditionSuite } from "./conformance/condition.ts";
import { suite as latchSuite } from "./conformance/count_down_latch.ts";
import { suite as dictSuite } from "./conformance/dict.ts";
import { suite as eventSuite } from "./conformance/event.ts";
import { inServer } from "./conformance/in_server.ts";
import { suite as joinableSuite } from "./conformance/joinable.ts";
import { suite as listSuite } from "./conformance/list.ts";
import { suite as lockSuite } from "./conformance/lock.ts";
import { suite as namespaceSuite } from "./conformance/namespace.ts";
import { suite as prioritySuite } from "./conformance/priority.ts";
import { suite as queueSuite } from "./conformance/queue.ts";
import { suite as leaseSuite } from "./conformance/queue_leases.ts";
import { suite as rateLimiterSuite } from "./conformance/rate_limiter.ts";
import { suite as semaphoreSuite } from "./conformance/semaphore.ts";
import { suite as setSuite } from "./conformance/set.ts";
import { suite as valueSuite } from "./conformance/value.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";

const suites = [
  ...[listSuite, dictSuite, setSuite, namespaceSuite, valueSuite, arraySuite],
  ...[queueSuite, leaseSuite, prioritySuite, joinableSuite],
  ...[lockSuite, semaphoreSuite, conditionSuite],
  ...[eventSuite, barrierSuite, latchSuite, rateLimiterSuite],
];

/** One server process for all claims; each has a session of its own. */
const shared: { manager: Promise<Manager> | undefined } = { manager: undefined };

const makers: Record<string, Make> = {
  "in memory": async () => {
    const manager = await Manager.local();
    return backendOf(manager, () => manager.shutdown());
  },
  "in memory, as JSON": async () => {
    const manager = await Manager.local({ serializer: json });
    return backendOf(manager, () => manager.shutdown());
  },
  "over a socket": async () => {
    shared.manager ??= Manager.start();
    const { address, env } = await shared.manager;
    const manager = await Manager.connect({ address, env, authkey: env.REFERENT_AUTHKEY });
    return backendOf(manager, () => manager.close());
  },
  "in the server": inServer,
};

for (const [name, make] of Object.entries(makers)) {
  for (const suite of suites) suite(name, make);
}

void test("over a socket: sessions that were closed hold no object", async () => {
  shared.manager ??= Manager.start();
  const manager = await shared.manager;
  try {
    await eventually("no object is held", async () => await manager.numberOfObjects() === 0);
  } finally {
    await manager.shutdown();
  }
});

void test("leaves nothing behind", assertClean);

function backendOf(manager: Manager, close: () => Promise<void>): Backend {
  return {
    list: manager.list,
    dict: manager.dict,
    set: manager.set,
    namespace: manager.namespace,
    value: manager.value,
    array: manager.array,
    queue: manager.queue,
    lifoQueue: manager.lifoQueue,
    priorityQueue: manager.priorityQueue,
    joinableQueue: manager.joinableQueue,
    lock: manager.lock,
    rlock: manager.rlock,
    rwLock: manager.rwLock,
    semaphore: manager.semaphore,
    boundedSemaphore: manager.boundedSemaphore,
    condition: manager.condition,
    event: manager.event,
    barrier: manager.barrier,
    countDownLatch: manager.countDownLatch,
    rateLimiter: manager.rateLimiter,
    str,
    getValue,
    close,
  } as Backend;
}
