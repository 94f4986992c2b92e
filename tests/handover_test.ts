/**
 * What becomes of grants, and of waits for them, where two things meet: a wait that is over while
 * its lock is taken, a session that ends while a grant is on its way, a server that ends while all
 * wait. The same of queues and leases is in consume_test.ts, what they promise otherwise in
 * grants_test.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import {
  type Caller,
  callMethod,
  type ConditionProxy,
  ConnectionClosedError,
  DeadlockError,
  defineTypes,
  type Guard,
  type LockProxy,
  Manager,
  NotExposedError,
  NotOwnerError,
  type QueueProxy,
  releaseProxy,
  type Remote,
  typeid,
} from "../mod.ts";
import { type Callee, PendingCalls } from "../lib/client/pending.ts";
import type { Claim } from "../lib/objects/grant.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import { Lock } from "../lib/objects/lock.ts";
import type { ObjectServer } from "../lib/server/server.ts";
import { Status, Target } from "../lib/wire/protocol.ts";
import { inServer, newServer } from "./conformance/in_server.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { bareCaller, errorOf, Scripted } from "./support/scripted.ts";
import { deferred, settled, share, waiting, withSessions } from "./support/sessions.ts";

/** As long as no test takes, in milliseconds. */
const ages = 1e9;

/** How a wait ended, in one word. */
function endOf(wait: Promise<unknown>): Promise<string> {
  return wait.then(() => "resolved", (error) => error?.name ?? `${error}`);
}

/** Resolves once so many waits of the manager's conditions have not been notified, nor given up. */
async function asleep(manager: Manager, count: number): Promise<void> {
  await eventually(`${count} are asleep`, async () => {
    const { objects } = await manager.debugInfo();
    return objects.reduce((sum, { sleeping = 0 }) => sum + sleeping, 0) === count;
  });
}

async function endServer(server: ObjectServer, ...sessions: Scripted[]): Promise<void> {
  for (const { peer } of sessions) peer.destroy();
  await server.close(new ConnectionClosedError("the test is over"));
}

// A wait that is over while its lock is taken.

void test("a notified wait that has to wait for its lock tells its client so at once", async () => {
  const server = newServer();
  const [sleeper, waker] = [
    await Scripted.open(server, "condition"),
    await Scripted.open(server, "condition"),
  ];
  const { value: slept } = await sleeper.ask("acquire");
  const wait = sleeper.send("wait", (slept as Guard).fence);
  await sleeper.ask("locked");
  const held = await waker.ask("acquire");
  await waker.ask("notify", (held.value as Guard).fence);
  await sleeper.ask("locked");
  assert.ok(sleeper.peer.hasAnswer(wait), "to its client the server is silent");
  assert.equal((await sleeper.peer.answer(wait)).status, Status.Settling);
  await waker.askHandle(held, "release");
  assert.equal((await sleeper.peer.answer(wait)).status, Status.Value);
  await endServer(server, sleeper, waker);
});

void test("the abort of a wait that settles starts no clock: the server is not silent", async () => {
  const callee = { target: Target.Object, waitOptions: 0 } as Callee;
  const nothing = () => () => {};
  for (const settles of [true, false]) {
    const controller = new AbortController();
    const calls = new PendingCalls(nothing, nothing, nothing);
    const wait = calls.add(1, callee, { timeout: undefined, signal: controller.signal });
    if (settles) calls.settling(1);
    controller.abort("enough");
    const call = calls.take(1)!;
    assert.equal(call.timer === undefined, settles);
    call.resolve("the server's answer");
    assert.equal(await wait, "the server's answer");
  }
});

void test("all guards of an rlock's grant have the fence under which a condition took it again", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.condition());
    const woken = ours!.withLock(async (outer) => {
      const again = await outer.acquire();
      const slept = await ours!.withLock(async (inner) => {
        const { fence } = inner;
        await inner.wait();
        assert.deepEqual([outer.fence, again.fence], [inner.fence, inner.fence]);
        return fence;
      });
      assert.ok(outer.fence > slept);
      await outer.notify();
      await (await outer.acquire()).release();
      assert.equal(await ours!.withLock(({ fence }) => fence), outer.fence);
      await again.release();
    });
    await asleep(managers[0]!, 1);
    await theirs!.withLock((guard) => guard.notify());
    await settled(woken);
    assert.equal(await ours!.locked(), false);
  }));

/** Waits in the server. */
class Inside {
  readonly #told: string[] = [];
  /** Waits as long as its caller is there. */
  async sleep(condition: ConditionProxy, { signal }: Caller): Promise<void> {
    await condition.withLock(async (guard) => {
      this.#told.push(await endOf(guard.wait({ signal })));
      this.#told.push(await endOf(guard.notify()));
    });
  }
  /** Waits, and once more when that failed. */
  async get(queue: QueueProxy<number>, times: number, _caller: Caller): Promise<string[]> {
    const ends: string[] = [];
    for (let i = 0; i < times; i++) ends.push(await endOf(queue.get()));
    return ends;
  }
  told(): string[] {
    return this.#told;
  }
}

const types = defineTypes(import.meta.url, { Inside: typeid(Inside, { caller: true }) });

void test("a method whose condition.wait() ends with its caller has the lock again", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.condition());
    const inside = await managers[0]!.create<Remote<Inside>>("Inside");
    await managers[0]!.publish("inside", inside);
    const same = await managers[1]!.lookup<Remote<Inside>>("inside");
    const sleeping = endOf(same!.sleep(theirs!));
    await asleep(managers[0]!, 1);
    await managers[1]!.close();
    assert.equal(await sleeping, "ConnectionClosedError");
    await eventually("the wait is over", async () => (await inside.told()).length === 2);
    assert.deepEqual(await inside.told(), ["ConnectionClosedError", "resolved"]);
    await (await ours!.acquire()).release();
  }, { types }));

// A grant that somebody else ends.

void test("no session ends another's rlock, also not by its fence", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const guard = await ours!.acquire();
    await assert.rejects(theirs!.release({ fence: guard.fence }), NotOwnerError);
    assert.equal(await theirs!.locked(), true);
    await ours!.release({ fence: guard.fence });
    assert.equal(await theirs!.locked(), false);
  }));

void test("of a grant that ended on its way to its session nothing is left there", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.lock());
    const holdings = async () =>
      Object.values((await managers[0]!.debugInfo()).sessions).map((session) => session.holdings);
    const guard = await ours!.acquire();
    const next = theirs!.acquire();
    await waiting(managers[0]!, 1);
    // Both in one turn of the server: it gives the next one the lock, and takes it away.
    await Promise.all([guard.release(), ours!.release()]);
    const taken = await next;
    assert.deepEqual(await holdings(), [0, 0]);
    await assert.rejects(taken.release(), NotOwnerError);
    assert.deepEqual(await holdings(), [0, 0]);
    assert.equal(await ours!.locked(), false);
  }));

void test("the next one that gets the lock is told of a holder that died, not one that died before it arrived", async () => {
  const server = newServer();
  const [holder, unlucky, next] = [
    await Scripted.open(server, "lock"),
    await Scripted.open(server, "lock"),
    await Scripted.open(server, "lock"),
  ];
  await holder.ask("acquire");
  unlucky.send("acquire");
  await unlucky.ask("locked");
  const acquired = next.send("acquire");
  await next.ask("locked");
  for (const { session } of [holder, unlucky]) {
    server.sessions.get(session)!.abort(new ConnectionClosedError("killed"));
  }
  const first = await next.peer.answer(acquired);
  assert.equal((first.value as Guard).abandoned, true);
  await next.askHandle(first, "release");
  assert.equal(((await next.ask("acquire")).value as Guard).abandoned, false);
  await endServer(server, next);
});

void test("an object whose proxy was released is for those that have a grant of it, and nobody else", async () => {
  const server = newServer();
  const [holder, other] = [
    await Scripted.open(server, "condition"),
    await Scripted.open(server, "condition"),
  ];
  const held = await holder.ask("acquire");
  const { fence } = held.value as Guard;
  for (const { peer, object } of [holder, other]) peer.release(object);
  assert.equal(errorOf(await other.ask("locked")), "UnknownObjectError");
  assert.equal((await holder.ask("locked")).value, true);
  assert.equal((await holder.ask("notify", fence)).status, Status.Value);
  const again = await holder.ask("acquire", { reenter: fence });
  assert.equal((again.value as Guard).fence, fence);
  for (const grant of [again, held]) await holder.askHandle(grant, "release");
  assert.equal(errorOf(await holder.ask("locked")), "UnknownObjectError");
  await endServer(server, holder, other);
});

void test("a guard enters, waits and notifies after its proxy was released", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.condition());
    const guard = await ours!.acquire();
    releaseProxy(ours, { all: true });
    const inner = await guard.acquire();
    const woken = inner.wait();
    await asleep(managers[0]!, 1);
    await theirs!.withLock((their) => their.notify());
    await woken;
    assert.equal(guard.fence, inner.fence);
    await guard.notifyAll();
    for (const one of [inner, guard]) await one.release();
    assert.equal(await theirs!.locked(), false);
  }));

// Who has what.

const waysToHaveOnlyThat: Record<string, (has: LockProxy, wants: LockProxy) => Promise<unknown>> = {
  "names its own grant": (has, wants) =>
    has.withLock(
      async (guard) => await (await wants.acquire({ holding: guard })).release(),
      { holding: null },
    ),
  "said that it is one of its own": (has, wants) =>
    has.withLock(() => wants.withLock(() => {}), { holding: null }),
};

for (const [way, detach] of Object.entries(waysToHaveOnlyThat)) {
  void test(`a task that ${way} has no grant of the callback that started it`, () =>
    withSessions(1, async (manager) => {
      const [a, b, c] = [await manager.lock(), await manager.lock(), await manager.lock()];
      const [cIsTaken, aIsTaken] = [deferred(), deferred()];
      const other = c.withLock(async () => {
        cIsTaken.resolve();
        await aIsTaken.promise;
        await a.withLock(() => {});
      });
      await cIsTaken.promise;
      const [detached] = await a.withLock(async () => {
        aIsTaken.resolve();
        await waiting(manager, 1);
        const detached = detach(b, c);
        // It waits for who waits for this callback, which does not wait for it.
        await Promise.race([waiting(manager, 2), detached]);
        return [detached];
      });
      await Promise.all([other, detached]);
    }));
}

void test("a chain of 20 000 waits is searched to its end, and a circle of as many is refused", () => {
  const length = 20_000;
  const ledger = new Ledger(0, () => "a lock");
  const locks = Array.from({ length }, () => new Lock());
  const fences = locks.map((lock) => {
    const claim = lock.acquire({}, bareCaller(ledger)) as Claim;
    return claim.content.fence;
  });
  const wait = (i: number) => {
    const options = { holding: [fences[i]!], endless: true };
    return locks[(i + 1) % length]!.acquire(options, bareCaller(ledger)) as Promise<unknown>;
  };
  // Each of these waits for one that does not wait yet; the last ones find a chain.
  for (let i = 1; i < length - 1; i++) wait(i);
  wait(0);
  const closing = () => wait(length - 1);
  return assert.rejects(async () => await closing(), DeadlockError);
});

void test("a callback that starts itself again and again carries no more with it each time", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.lock();
    const carried: number[] = [];
    await new Promise<void>((resolve) => {
      const begin = () => {
        if (carried.length === 50) return resolve();
        carried.push(grantsReadBy(() => lock.withLock(() => void setTimeout(begin, 0))));
      };
      begin();
    });
    assert.ok(Math.max(...carried) <= 1, `${carried}`);
  }));

/** How many grants the running task carries, according to what the action reads at once. */
function grantsReadBy(action: () => unknown): number {
  const prototype = AsyncLocalStorage.prototype;
  const { getStore } = prototype;
  let count = 0;
  prototype.getStore = function (this: AsyncLocalStorage<unknown>) {
    const store = getStore.call(this);
    if (Array.isArray(store)) count = Math.max(count, store.length);
    return store;
  };
  try {
    action();
    return count;
  } finally {
    prototype.getStore = getStore;
  }
}

void test("suspects shows a reader that stands, inside its own callback, behind a bare writer", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const mode = "shared";
    await ours!.withLock(async () => {
      const writer = endOf(theirs!.acquire());
      await waiting(managers[0]!, 1);
      const inner = ours!.withLock(() => "inside", { mode });
      await waiting(managers[0]!, 2);
      const { suspects } = await managers[0]!.debugInfo();
      await managers[1]!.close();
      assert.equal(await writer, "ConnectionClosedError");
      assert.equal(await inner, "inside");
      assert.deepEqual(suspects.map(({ session, heldBy }) => [session, heldBy]), [["s1", "s1"]]);
    }, { mode });
  }));

// The server's end.

void test("a server that ends rejects all that waits at once, and none gets what another leaves", async () => {
  const manager = await Manager.local({ shutdownTimeout: ages });
  const other = await Manager.connect({ address: manager.address });
  const managers = [manager, other];
  const ends: Record<string, Promise<string>> = {};
  for (const state of ["asleep", "notified", "late", "aborted"]) {
    const [ours, theirs] = await share(managers, (create) => create.condition());
    const controller = new AbortController();
    const { signal } = controller;
    const timeout = state === "late" ? 1 : undefined;
    ends[`a wait that is ${state}`] = endOf((await ours!.acquire()).wait({ signal, timeout }));
    const guard = await theirs!.acquire();
    if (state === "notified") await guard.notify();
    if (state === "aborted") controller.abort();
    await asleep(manager, 1); // only the first one
  }
  const barrier = await manager.barrier(3);
  const [ours, theirs] = await share(managers, (create) => create.rwLock());
  await theirs!.acquire({ mode: "shared" });
  const full = await manager.queue<number>({ maxSize: 2 });
  await full.put(1);
  const [jobs, theirJobs] = await share(managers, (create) => create.joinableQueue<number>());
  await jobs!.put(1);
  await theirJobs!.get();
  Object.assign(ends, {
    "a party": endOf(barrier.wait()),
    "a second party": endOf(barrier.wait()),
    "a writer": endOf(ours!.acquire()),
    "a reader behind it": endOf(ours!.acquire({ mode: "shared" })),
    "a putter of many": endOf(full.putMany([2, 3])),
    "a putter of one behind it": endOf(full.put(4)),
    "a getter of what is leased": endOf(jobs!.get()),
    "a join": endOf(jobs!.join()),
  });
  await waiting(manager, Object.keys(ends).length);
  await settled(manager.shutdown());
  for (const [what, end] of Object.entries(ends)) {
    assert.equal(await end, "ConnectionClosedError", what);
  }
  await other.closed;
});

void test("a method that waits in the server rejects at its end, and again when it waits once more", async () => {
  const manager = await Manager.local({ types, shutdownTimeout: ages });
  const inside = await manager.create<Remote<Inside>>("Inside");
  const queue = await manager.queue<number>();
  const ends = inside.get(queue, 3);
  await eventually("it waits", async () => {
    return (await manager.debugInfo()).objects.some((object) => object.queue?.getters === 1);
  });
  await settled(manager.shutdown());
  assert.deepEqual(await ends, Array(3).fill("ConnectionClosedError"));
  releaseProxy(queue); // debugInfo() tells of nothing that only the server holds
});

void test("nothing waits in a server that has ended", async () => {
  const backend = await inServer();
  const [queue, lock] = [await backend.queue<number>(), await backend.lock()];
  await lock.acquire();
  await backend.close();
  const options = { timeout: 1 };
  const waits = [queue.get(options), lock.acquire(options)];
  await Promise.all(waits.map((wait) => assert.rejects(wait, ConnectionClosedError)));
});

// What is refused.

void test("callMethod() calls no method that an object has only of its prototype", () =>
  withSessions(1, async (manager) => {
    const names = ["constructor", "toString", "valueOf", "hasOwnProperty", "__defineGetter__"];
    for (const proxy of [await manager.lock(), await manager.queue()]) {
      for (const name of names) {
        await assert.rejects(callMethod(proxy, name, ["x"]), NotExposedError, name);
      }
    }
  }));

void test("acquire() and wait() refuse a signal in place of options", () =>
  withSessions(1, async (manager) => {
    const { signal } = new AbortController();
    const refused = { name: "TypeError", message: /write \{ signal \}/ };
    const [lock, semaphore] = [await manager.lock(), await manager.semaphore(0)];
    const condition = await manager.condition();
    for (const one of [lock, semaphore, condition]) {
      await assert.rejects(one.acquire(signal as never), refused);
      await assert.rejects(one.withLock(() => {}, signal as never), refused);
    }
    await assert.rejects((await manager.event()).wait(signal as never), refused);
    await assert.rejects((await condition.acquire()).wait(signal as never), refused);
  }));

void test("a semaphore is told what to reclaim by true or false only", () =>
  withSessions(1, async (manager) => {
    for (const reclaim of ["no", 0, null] as never[]) {
      await assert.rejects(manager.semaphore(1, { reclaim }), {
        name: "TypeError",
        message: /"reclaim"/,
      });
    }
  }));

void test("no countDownLatch and no barrier is endless", () =>
  withSessions(1, async (manager) => {
    for (const count of [Infinity, NaN, 1.5]) {
      await assert.rejects(manager.countDownLatch(count), /countDownLatch/);
      await assert.rejects(manager.barrier(count), /barrier/);
    }
    const latch = await manager.countDownLatch(1);
    await assert.rejects(latch.countDown(Infinity), /countDown/);
    await latch.countDown();
    await latch.wait();
  }));

void test("leaves nothing behind", assertClean);
