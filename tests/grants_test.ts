/**
 * What sessions that share locks and their kin are promised: who gets what and when, what happens
 * when one of them ends, what fences are good for, how waits end, and how few messages it takes.
 * Circles of sessions that wait for each other are in deadlock_test.ts, what a session alone can see
 * in conformance/.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  type BarrierProxy,
  BrokenBarrierError,
  type BuiltinCreators,
  type Caller,
  callMethod,
  type ConditionGuard,
  type ConditionProxy,
  ConnectionClosedError,
  DeadlockError,
  defineTypes,
  type DictProxy,
  type Guard,
  LimitExceededError,
  type ListProxy,
  type LockProxy,
  Manager,
  NotOwnerError,
  ReleasedError,
  releaseProxy,
  type Remote,
  TimeoutError,
  typeid,
  type ValueProxy,
  withOptions,
} from "../mod.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import { RateLimiter } from "../lib/objects/rate_limiter.ts";
import type { WaitingCaller } from "../lib/objects/waiting.ts";
import { handleMethods, Status, Target, writeCancel } from "../lib/wire/protocol.ts";
import { inServer, newServer } from "./conformance/in_server.ts";
import { startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { VirtualClock } from "./support/clock.ts";
import { eventually } from "./support/events.ts";
import { collectGarbage } from "./support/garbage.ts";
import { type Answer, Peer } from "./support/peer.ts";
import { currentRuntime, fixture } from "./support/runtimes.ts";
import { deferred, settled, share, waiting, withSessions } from "./support/sessions.ts";
import { tappedClient } from "./support/tap.ts";

const authkey = new Uint8Array(32).fill(7);

/** Whatever gives grants, with one to give. */
const kinds = ["lock", "rlock", "rwLock", "semaphore", "boundedSemaphore", "condition"] as const;
type Kind = typeof kinds[number];

/** As long as no test takes, in milliseconds. */
const ages = 1e9;

/** What all kinds have, as a proxy of each session. */
function shareKind(managers: Manager[], kind: Kind): Promise<LockProxy[]> {
  return share(managers, (create) => create[kind]() as Promise<LockProxy>);
}

function shareLock(managers: Manager[]): Promise<LockProxy[]> {
  return shareKind(managers, "lock");
}

/** A test for each kind. */
function forEachKind(claim: string, body: (kind: Kind) => Promise<void>): void {
  for (const kind of kinds) void test(`${kind}: ${claim}`, () => body(kind));
}

// First come, first served.

forEachKind(
  "the sessions are served in the order in which they asked",
  (kind) =>
    withSessions(3, async (...managers) => {
      const locks = await shareKind(managers, kind);
      const first = await locks[0]!.acquire();
      const served: number[] = [];
      const all: Promise<void>[] = [];
      for (const session of [1, 2, 0, 2, 1]) {
        all.push(locks[session]!.withLock(() => void served.push(session)));
        await waiting(managers[0]!, all.length);
      }
      assert.deepEqual(served, []);
      await first.release();
      await Promise.all(all);
      assert.deepEqual(served, [1, 2, 0, 2, 1]);
    }),
);

void test("1 000 waiters of four sessions are served in order", () =>
  withSessions(4, async (...managers) => {
    const locks = await shareLock(managers);
    const first = await locks[0]!.acquire();
    const served: number[] = [];
    const all: Promise<void>[] = [];
    for (let round = 0; round < 10; round++) {
      for (const lock of locks) {
        for (let i = 0; i < 25; i++) {
          const n = all.length;
          all.push(lock.withLock(() => void served.push(n)));
        }
        await lock.locked(); // these have arrived
      }
    }
    await waiting(managers[0]!, 1000);
    await first.release();
    await Promise.all(all);
    assert.deepEqual(served, Array.from({ length: 1000 }, (_, n) => n));
  }));

void test("nobody overtakes those who wait, also not with tryAcquire()", () =>
  withSessions(2, async (...managers) => {
    const semaphores = await share(managers, (create) => create.rwLock());
    const reader = await semaphores[0]!.acquire({ mode: "shared" });
    const writer = semaphores[1]!.acquire();
    await waiting(managers[0]!, 1);
    assert.equal(await semaphores[0]!.tryAcquire({ mode: "shared" }), null);
    await reader.release();
    await (await writer).release();
  }));

// Guards.

forEachKind(
  "guard.release() never ends the grant of the next, however often",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      const guard = await ours!.acquire();
      const next = theirs!.acquire();
      await waiting(managers[0]!, 1);
      await guard.release();
      const their = await next;
      for (let i = 0; i < 3; i++) await guard.release();
      await guard[Symbol.asyncDispose]();
      assert.equal(await ours!.tryAcquire(), null);
      await their.release();
      assert.equal(await ours!.locked(), false);
    }),
);

forEachKind(
  "a guard whose grant a bare release() took is told so, and the next keeps its own",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      const guard = await ours!.acquire();
      const next = theirs!.acquire();
      await waiting(managers[0]!, 1);
      await ours!.release();
      const their = await next;
      for (let i = 0; i < 2; i++) {
        await assert.rejects(guard.release(), {
          name: "NotOwnerError",
          message: /ended it with a bare release\(\)/,
        });
      }
      assert.equal(await ours!.tryAcquire(), null);
      await their.release();
    }),
);

forEachKind(
  "a grant that was taken while its guard was on its way is told so as well",
  async (kind) => {
    // In one turn of the server: the release of the first, the grant of the second, and its end.
    const server = newServer();
    const [first, second] = [await party(server, kind), await party(server, kind)];
    const held = await first.ask("acquire");
    const id = second.send("acquire");
    await second.ask("locked");
    first.sendRelease(held);
    if (kind === "rlock" || kind === "condition") second.send("release");
    else first.send("release");
    const answer = await second.peer.answer(id);
    await first.ask("locked");
    const released = await second.release(answer);
    assert.equal((released.value as { class: string }).class, "NotOwnerError");
    assert.equal((await first.ask("locked")).value, false);
    await over(server, first, second);
  },
);

forEachKind(
  "a guard acts after its proxy was released",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      const guard = await ours!.acquire();
      releaseProxy(ours, { all: true });
      await assert.rejects(ours!.acquire(), ReleasedError);
      assert.equal(await theirs!.tryAcquire(), null);
      await guard.release();
      await (await theirs!.tryAcquire())!.release();
    }),
);

void test("what else a guard can do it can do after its proxy was released, too", () =>
  withSessions(1, async (manager) => {
    const rlock = await manager.rlock();
    const first = await rlock.acquire();
    const condition = await manager.condition();
    const guard = await condition.acquire();
    for (const proxy of [rlock, condition]) releaseProxy(proxy, { all: true });
    const second = await first.acquire();
    assert.equal(second.fence, first.fence);
    await guard.notify();
    await assert.rejects(guard.wait({ timeout: 1 }), TimeoutError);
  }));

forEachKind(
  "a proxy that is released in a callback of withLock does not keep the lock",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      const next = await ours!.withLock(async () => {
        const next = theirs!.acquire();
        await waiting(managers[0]!, 1);
        releaseProxy(ours, { all: true });
        return [next];
      });
      await (await next[0]!).release();
    }),
);

void test("a grant keeps its object, which nobody else holds", () =>
  withSessions(1, async (manager) => {
    const value = await manager.value("i", 0);
    const lock = await manager.lock();
    const guard = await lock.acquire();
    releaseProxy(lock, { all: true });
    collectGarbage?.();
    await value.set(1, { guard });
    await guard.release();
    await assert.rejects(value.set(2, { guard }), NotOwnerError);
  }));

void test("a guard that was released is told so, also where its proxy was released as well", () =>
  withSessions(1, async (manager) => {
    for (const kind of ["rlock", "condition"] as const) {
      const lock = await manager[kind]();
      const guard = await lock.acquire();
      await guard.release();
      await assert.rejects(guard.acquire(), NotOwnerError);
      releaseProxy(lock, { all: true });
      await assert.rejects(guard.acquire(), (error: Error) => {
        return error instanceof NotOwnerError || error instanceof ReleasedError;
      });
    }
  }));

forEachKind(
  "however a grant ends, nothing of it is left in the server",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      for (let i = 0; i < 5; i++) {
        await (await ours!.acquire()).release();
        await ours!.withLock((guard) => guard.release());
        await ours!.withLock(() => assert.rejects(theirs!.acquire({ timeout: 1 })));
        const taken = await ours!.acquire();
        await ours!.release({ fence: taken.fence });
        await assert.rejects(taken.release(), NotOwnerError);
        const guard = await ours!.acquire();
        await enterTwice(kind, guard);
        const controller = new AbortController();
        const crossing = theirs!.acquire({ signal: controller.signal });
        await waiting(managers[0]!, 1);
        controller.abort();
        await assert.rejects(crossing);
        while (await ours!.locked()) await ours!.release();
      }
      const { sessions, objects } = await managers[0]!.debugInfo();
      for (const { holdings, waiting } of Object.values(sessions)) {
        assert.deepEqual([holdings, waiting], [0, 0]);
      }
      assert.deepEqual(objects.flatMap(({ grants, waiters }) => [...grants!, ...waiters]), []);
    }),
);

void test(
  "collecting a guard ends nothing",
  { skip: !collectGarbage },
  () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareLock(managers);
      await (async () => void await ours!.acquire())();
      for (let i = 0; i < 5; i++) {
        collectGarbage!();
        assert.equal(await theirs!.tryAcquire(), null);
      }
    }),
);

forEachKind(
  "guard.release() succeeds after close()",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [, theirs] = await shareKind(managers, kind);
      const guard = await theirs!.acquire();
      await managers[1]!.close();
      assert.equal(await guard.release(), undefined);
      await guard.release();
      await guard[Symbol.asyncDispose]();
    }),
);

void test("guard.release() that is on its way at close() succeeds", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    const guard = await theirs!.acquire();
    const released = guard.release();
    await managers[1]!.close();
    await released;
    assert.equal((await ours!.acquire()).abandoned, false);
  }));

void test("guard.release() succeeds after the server's end", async () => {
  const manager = await Manager.local();
  const guard = await (await manager.lock()).acquire();
  await manager.shutdown();
  await guard.release();
});

void test("withLock() resolves with its function's result although the session ended meanwhile", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    const result = await theirs!.withLock(async () => {
      await managers[1]!.close();
      return 5;
    });
    assert.equal(result, 5);
    assert.equal((await ours!.acquire()).abandoned, true);
  }));

forEachKind(
  "withLock() releases for the others whether its function returns or throws",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      for (const fails of [false, true]) {
        const waits = deferred();
        const failure = new Error("inside");
        const result = ours!.withLock(async () => {
          await waits.promise;
          if (fails) throw failure;
          return "fine";
        });
        const checked = fails
          ? assert.rejects(result, (error) => error === failure)
          : result.then((value) => assert.equal(value, "fine"));
        const next = theirs!.acquire();
        await waiting(managers[0]!, 1);
        waits.resolve();
        await checked;
        await (await next).release();
      }
    }),
);

// The end of a session.

forEachKind(
  "the end of a session frees at once what it had, and the next grant is abandoned",
  (kind) =>
    withSessions(3, async (...managers) => {
      const locks = await shareKind(managers, kind);
      await enterTwice(kind, await locks[2]!.acquire());
      const next = locks[0]!.acquire();
      await waiting(managers[0]!, 1);
      await managers[2]!.close();
      const guard = await next;
      assert.equal(guard.abandoned, true);
      await guard.release();
      assert.equal((await locks[1]!.acquire()).abandoned, false);
    }),
);

forEachKind(
  "the next grant is abandoned whenever it comes",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      await theirs!.acquire();
      await managers[1]!.close();
      await eventually("it is free", async () => !(await ours!.locked()));
      await ours!.withLock((guard) => assert.equal(guard.abandoned, true));
      await ours!.withLock((guard) => assert.equal(guard.abandoned, false));
    }),
);

forEachKind(
  "tryAcquire() tells of a holder that is gone as acquire() does",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      await theirs!.acquire();
      await managers[1]!.close();
      const guard = await eventually("it is free", () => ours!.tryAcquire());
      assert.equal(guard.abandoned, true);
    }),
);

forEachKind(
  "a session that gave back what it had abandons nothing at its end",
  (kind) =>
    withSessions(3, async (...managers) => {
      const locks = await shareKind(managers, kind);
      const guard = await locks[2]!.acquire();
      await guard.release();
      await locks[2]!.withLock(() => {});
      await locks[2]!.acquire();
      await locks[2]!.release();
      await managers[2]!.close();
      assert.equal((await locks[0]!.acquire()).abandoned, false);
    }),
);

forEachKind(
  "a session that ends in a callback of withLock has abandoned the lock",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await shareKind(managers, kind);
      await theirs!.withLock(() => managers[1]!.close());
      assert.equal((await ours!.acquire()).abandoned, true);
    }),
);

forEachKind(
  "a session that ends while it waits takes nothing",
  (kind) =>
    withSessions(3, async (...managers) => {
      const locks = await shareKind(managers, kind);
      const guard = await locks[0]!.acquire();
      const gone = assert.rejects(locks[2]!.acquire(), ConnectionClosedError);
      await waiting(managers[0]!, 1);
      const next = locks[1]!.acquire();
      await waiting(managers[0]!, 2);
      await managers[2]!.close();
      await gone;
      await waiting(managers[0]!, 1);
      await guard.release();
      assert.equal((await next).abandoned, false);
    }),
);

forEachKind("a connection that breaks frees as close() does", async (kind) => {
  const server = newServer();
  const [holder, next] = [await party(server, kind), await party(server, kind)];
  assert.deepEqual((await holder.ask("acquire")).status, Status.Handle);
  const id = next.send("acquire");
  await next.ask("locked");
  holder.peer.destroy();
  const { value } = await settled(next.peer.answer(id));
  assert.equal((value as Guard).abandoned, true);
  await over(server, next);
});

forEachKind(
  "the next one is told of a holder that is gone if nobody took the grant after it",
  async (kind) => {
    const server = newServer();
    const all = [await party(server, kind), await party(server, kind), await party(server, kind)];
    const [holder, second, third] = all as [Party, Party, Party];
    await holder.ask("acquire");
    const ids = [second.send("acquire")];
    await second.ask("locked");
    ids.push(third.send("acquire"));
    await third.ask("locked");
    holder.peer.destroy();
    await second.giveBack(await second.peer.answer(ids[0]!));
    const last = await third.peer.answer(ids[1]!);
    assert.equal((last.value as Guard).abandoned, true);
    await third.release(last);
    assert.equal(((await second.ask("acquire")).value as Guard).abandoned, false);
    await over(server, second, third);
  },
);

void test("all grants of a session end with it, of whatever object", () =>
  withSessions(2, async (...managers) => {
    const all = await Promise.all(kinds.map((kind) => shareKind(managers, kind)));
    for (const [, theirs] of all) await theirs!.acquire();
    await managers[1]!.close();
    for (const [ours] of all) assert.equal((await ours!.acquire()).abandoned, true);
  }));

for (const kind of ["semaphore", "boundedSemaphore"] as const) {
  void test(`${kind}: each permit of a session comes back at its end`, () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await share(managers, (create) => create[kind](3));
      for (let i = 0; i < 3; i++) await theirs!.acquire();
      const next = ours!.acquire();
      await waiting(managers[0]!, 1);
      await managers[1]!.close();
      assert.equal((await next).abandoned, true);
      assert.equal(await ours!.value(), 2);
    }));
}

void test("semaphore with reclaim: false gets no permit back from the dead, but from a release", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(
      managers,
      (create) => create.semaphore(3, { reclaim: false }),
    );
    const returned = await theirs!.acquire();
    await theirs!.acquire();
    await theirs!.acquire();
    await returned.release();
    await managers[1]!.close();
    await eventually("the session is over", async () => {
      return Object.keys((await managers[0]!.debugInfo()).sessions).length === 1;
    });
    assert.equal(await ours!.value(), 1);
    await ours!.acquire();
    assert.equal(await ours!.tryAcquire(), null);
    // One that was lost is made up for.
    await ours!.release();
    await ours!.release();
    assert.equal(await ours!.value(), 2);
  }));

void test("a semaphore with reclaim: true is as one where nothing is said", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(
      managers,
      (create) => create.semaphore(1, { reclaim: true }),
    );
    await theirs!.acquire();
    await managers[1]!.close();
    assert.equal((await ours!.acquire()).abandoned, true);
  }));

void test("all levels of an rlock end with their session", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const guard = await theirs!.acquire();
    await (await guard.acquire()).acquire();
    await managers[1]!.close();
    assert.equal((await ours!.acquire()).abandoned, true);
  }));

void test("a reader of an rwLock that dies lets the writer in, who is told", () =>
  withSessions(3, async (...managers) => {
    const locks = await share(managers, (create) => create.rwLock());
    const reader = await locks[0]!.acquire({ mode: "shared" });
    await locks[2]!.acquire({ mode: "shared" });
    const writer = locks[1]!.acquire();
    await waiting(managers[0]!, 1);
    await reader.release();
    await managers[2]!.close();
    assert.equal((await writer).abandoned, true);
  }));

// Fences.

void test("fences rise from grant to grant, of all objects and sessions", () =>
  withSessions(2, async (...managers) => {
    const all = await Promise.all(kinds.map((kind) => shareKind(managers, kind)));
    let last = 0;
    for (let round = 0; round < 3; round++) {
      for (const lock of all.flat()) {
        const guard = await lock.acquire();
        assert.ok(Number.isSafeInteger(guard.fence) && guard.fence > last, `${guard.fence}`);
        last = guard.fence;
        await guard.release();
      }
    }
  }));

void test("fences begin at the server's start in microseconds", async () => {
  const before = Date.now() * 1000;
  await withSessions(1, async (manager) => {
    const { fence } = await (await manager.lock()).acquire();
    assert.ok(fence > before && fence <= Date.now() * 1000 + 1, `${fence}`);
  });
});

void test("the fences of a server that follows another are higher", async () => {
  let last = 0;
  for (let i = 0; i < 3; i++) {
    await withSessions(1, async (manager) => {
      const lock = await manager.lock();
      const fences: number[] = [];
      for (let n = 0; n < 3; n++) await lock.withLock(({ fence }) => void fences.push(fence));
      assert.ok(fences[0]! > last, `${fences[0]} after ${last}`);
      last = fences.at(-1)!;
    });
    const end = Date.now();
    await eventually("time goes on", () => Date.now() > end);
  }
});

/** Writes that can be bound to a grant, and reads what is there. */
async function guarded(manager: Manager): Promise<Record<string, [Write, () => Promise<unknown>]>> {
  const dict = await manager.dict({ a: 0 });
  const list = await manager.list([0]);
  const value = await manager.value("i", 0);
  const namespace = await manager.namespace({ a: 0 });
  return {
    "dict.set": [(x, options) => dict.set("a", x, options), () => dict.get("a")],
    "list.set": [(x, options) => list.set(0, x, options), () => list.at(0)],
    "value.set": [(x, options) => value.set(x, options), () => value.get()],
    "namespace.set": [(x, options) => namespace.set("a", x, options), () => namespace.get("a")],
    "callMethod": [(x, options) => callMethod(dict, "set", ["a", x, options]), () => dict.get("a")],
  };
}

type Write = (value: number, options?: { guard?: { fence: number } }) => Promise<unknown>;

void test("a write with a guard is done while that is current, and refused before and after", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    for (const [name, [write, read]] of Object.entries(await guarded(managers[0]!))) {
      const guard = await ours!.acquire();
      await write(1, { guard });
      await write(2, { guard: { fence: guard.fence } });
      assert.equal(await read(), 2, name);
      // In the order sent: what comes before the release is in time.
      const before = write(3, { guard });
      const released = guard.release();
      const after = assert.rejects(write(4, { guard }), (error) => {
        return error instanceof NotOwnerError && error.message.includes(`fence ${guard.fence} `);
      });
      await Promise.all([before, released, after]);
      assert.equal(await read(), 3, name);
      const next = await theirs!.acquire();
      await assert.rejects(write(5, { guard }), NotOwnerError);
      await assert.rejects(write(5, { guard: { fence: next.fence + 1 } }), NotOwnerError);
      // The fence may come from another process.
      await write(6, { guard: { fence: next.fence } });
      assert.equal(await read(), 6, name);
      await next.release();
      await write(7, { guard: undefined });
      await write(8, {});
      await write(9);
      assert.equal(await read(), 9, name);
    }
  }));

forEachKind(
  "a write is bound to a grant of it, until the session that has it ends",
  (kind) =>
    withSessions(2, async (...managers) => {
      const [, theirs] = await shareKind(managers, kind);
      const guard = await theirs!.acquire();
      const { "dict.set": [write] } = await guarded(managers[0]!) as {
        "dict.set": [Write, unknown];
      };
      await write(1, { guard });
      await managers[1]!.close();
      await eventually(
        "the grant is over",
        () => write(2, { guard }).then(() => false, () => true),
      );
      await assert.rejects(write(2, { guard }), NotOwnerError);
    }),
);

void test("a write bound to an rlock is done until its last level is released", () =>
  withSessions(1, async (manager) => {
    const value = await manager.value("i", 0);
    const first = await (await manager.rlock()).acquire();
    const second = await first.acquire();
    await first.release();
    await value.set(1, { guard: second });
    await value.set(2, { guard: first });
    await second.release();
    await assert.rejects(value.set(3, { guard: second }), NotOwnerError);
  }));

void test("a write whose guard is none is TypeError, and nothing is written", () =>
  withSessions(1, async (manager) => {
    const guard = (await manager.lock()).acquire();
    const nonsense = [
      null,
      5,
      "1",
      true,
      {},
      { fence: "1" },
      { fence: null },
      [],
      guard,
    ] as never[];
    for (const [name, [write, read]] of Object.entries(await guarded(manager))) {
      for (const bad of nonsense) {
        await assert.rejects(write(1, { guard: bad }), { name: "TypeError", message: /guard/ });
      }
      await assert.rejects(write(1, { guard } as never), /await it first/);
      for (const bad of [5, "1", true, null] as never[]) {
        await assert.rejects(write(1, bad), TypeError, `${name} ${bad}`);
      }
      await assert.rejects(write(1, { nonsense: 1 } as never), {
        name: "TypeError",
        message: /no option "nonsense"/,
      });
      assert.equal(await read(), 0, name);
    }
    await guard;
  }));

// Bare releases.

void test("lock.release() ends the current grant, whoever has it", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    const guard = await ours!.acquire();
    await theirs!.release();
    assert.equal(await ours!.locked(), false);
    await assert.rejects(theirs!.release(), { name: "NotOwnerError", message: /not locked/ });
    await assert.rejects(guard.release(), NotOwnerError);
  }));

void test("lock.release({ fence }) ends that grant, whoever has it, and no other", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    const first = await ours!.acquire();
    await first.release();
    const second = await ours!.acquire();
    await assert.rejects(theirs!.release({ fence: first.fence }), NotOwnerError);
    assert.equal(await ours!.locked(), true);
    await theirs!.release({ fence: second.fence });
    assert.equal(await ours!.locked(), false);
    const other = await (await managers[0]!.lock()).acquire();
    await ours!.acquire();
    await assert.rejects(theirs!.release({ fence: other.fence }), NotOwnerError);
    assert.equal(await ours!.locked(), true);
  }));

for (const kind of ["lock", "rlock", "rwLock", "condition"] as const) {
  void test(`${kind}.release() of a grant of withLock is NotOwnerError, for any session`, () =>
    withSessions(2, async (...managers) => {
      const locks = await shareKind(managers, kind);
      await locks[0]!.withLock(async ({ fence }) => {
        for (const lock of locks) {
          await assert.rejects(lock.release(), NotOwnerError);
          await assert.rejects(lock.release({ fence }), NotOwnerError);
        }
        assert.equal(await locks[1]!.tryAcquire(), null);
      });
      assert.equal(await locks[1]!.locked(), false);
    }));
}

for (const kind of ["rlock", "condition"] as const) {
  void test(`${kind}.release() takes a level of the caller's own grant only`, () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await share(managers, (create) => create[kind]());
      const guard = await ours!.acquire();
      await assert.rejects(theirs!.release(), {
        name: "NotOwnerError",
        message: /session "s1" has/,
      });
      assert.equal(await ours!.locked(), true);
      await guard.acquire();
      await ours!.release();
      assert.equal(await theirs!.tryAcquire(), null);
      await ours!.release();
      assert.equal(await theirs!.locked(), false);
    }));

  void test(`${kind}.release({ fence }) takes no level of another session's grant`, () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await share(managers, (create) => create[kind]());
      const { fence } = await ours!.acquire();
      await assert.rejects(theirs!.release({ fence }), NotOwnerError);
      assert.equal(await ours!.locked(), true);
      await ours!.release({ fence });
      assert.equal(await ours!.locked(), false);
    }));
}

void test("rwLock.release() ends the caller's own oldest shared grant, else the oldest of any", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const mode = "shared";
    const [first, second] = [await ours!.acquire({ mode }), await theirs!.acquire({ mode })];
    const [third, fourth] = [await ours!.acquire({ mode }), await theirs!.acquire({ mode })];
    await theirs!.release();
    await assert.rejects(second.release(), NotOwnerError);
    await theirs!.release();
    await assert.rejects(fourth.release(), NotOwnerError);
    await theirs!.release();
    await assert.rejects(first.release(), NotOwnerError);
    await third.release();
    await ours!.acquire();
    await theirs!.release();
    assert.equal(await ours!.locked(), false);
    await assert.rejects(theirs!.release(), NotOwnerError);
  }));

for (const kind of ["semaphore", "boundedSemaphore"] as const) {
  void test(`${kind}.release() retires the caller's oldest grant, else the oldest of any`, () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await share(managers, (create) => create[kind](4));
      const [first, second] = [await ours!.acquire(), await theirs!.acquire()];
      const [third, fourth] = [await ours!.acquire(), await theirs!.acquire()];
      for (const taken of [second, fourth, first, third]) {
        await theirs!.release();
        await assert.rejects(taken.release(), NotOwnerError);
      }
      assert.equal(await ours!.value(), 4);
    }));

  void test(`${kind}.release() leaves grants of withLock alone`, () =>
    withSessions(2, async (...managers) => {
      const [ours, theirs] = await share(managers, (create) => create[kind](2));
      await ours!.withLock(async ({ fence }) => {
        await assert.rejects(theirs!.release({ fence }), NotOwnerError);
        const plain = await ours!.acquire();
        await theirs!.release();
        await assert.rejects(plain.release(), NotOwnerError);
        assert.equal(await ours!.value(), 1);
      });
      assert.equal(await ours!.value(), 2);
    }));
}

void test("semaphore.release() with no grant to end adds a permit; a bounded one is RangeError", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.semaphore(1));
    await theirs!.release();
    assert.equal(await ours!.value(), 2);
    const [, bounded] = await share(managers, (create) => create.boundedSemaphore(1));
    await assert.rejects(bounded!.release(), RangeError);
    assert.equal(await bounded!.value(), 1);
  }));

void test("a bare release() lets the next one in", () =>
  withSessions(2, async (...managers) => {
    for (const kind of ["lock", "rwLock", "semaphore", "boundedSemaphore"] as const) {
      const [ours, theirs] = await shareKind(managers, kind);
      await ours!.acquire();
      const next = ours!.acquire();
      await waiting(managers[0]!, 1);
      await theirs!.release();
      await (await next).release();
    }
  }));

// rlock.

void test("who has an rlock enters again at once, also while others wait", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const next = await ours!.withLock(async (guard) => {
      const next = theirs!.acquire();
      await waiting(managers[0]!, 1);
      await (await guard.acquire()).release();
      await ours!.withLock(() => {});
      await (await ours!.acquire()).release();
      await (await ours!.tryAcquire())!.release();
      return [next];
    });
    await (await next[0]!).release();
  }));

void test("an rlock is free for others only when the last level is released", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const first = await ours!.acquire();
    const guards = [first, await first.acquire(), await first.acquire()];
    for (const guard of guards) {
      assert.equal(await theirs!.tryAcquire(), null);
      await guard.release();
    }
    await (await theirs!.tryAcquire())!.release();
  }));

void test("other tasks of the process that is in an rlock's callback wait", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.rlock();
    const order: string[] = [];
    const leave = deferred();
    const inside = lock.withLock(async () => {
      order.push("first in");
      await leave.promise;
      order.push("first out");
    });
    const other = lock.withLock(() => order.push("second in"));
    await waiting(manager, 1);
    leave.resolve();
    await Promise.all([inside, other]);
    assert.deepEqual(order, ["first in", "first out", "second in"]);
  }));

void test("a task that a callback of an rlock started is in it, unless it says { holding: null }", () =>
  withSessions(1, async (manager) => {
    const lock = await manager.rlock();
    const apart = await lock.withLock(async () => {
      assert.equal(await Promise.resolve().then(() => lock.withLock(() => "in")), "in");
      const apart = lock.acquire({ holding: null });
      assert.equal(await lock.tryAcquire({ holding: null }), null);
      return [apart];
    });
    await (await apart[0]!).release();
  }));

void test("guard.acquire() of an rlock's grant that is over is NotOwnerError", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const guard = await ours!.acquire();
    await guard.release();
    await assert.rejects(guard.acquire(), NotOwnerError);
    const their = await theirs!.acquire();
    await assert.rejects(guard.acquire(), NotOwnerError);
    await their.release();
    assert.equal(await ours!.locked(), false);
  }));

void test("no session enters an rlock with another's guard", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const guard = await ours!.acquire();
    const holding = { fence: guard.fence } as Guard;
    await assert.rejects(theirs!.acquire({ holding, timeout: 1 }), TimeoutError);
    assert.equal(await theirs!.tryAcquire({ holding }), null);
  }));

// rwLock.

void test("readers of several sessions share an rwLock, a writer has it alone", () =>
  withSessions(3, async (...managers) => {
    const locks = await share(managers, (create) => create.rwLock());
    const readers = await Promise.all(locks.map((lock) => lock.acquire({ mode: "shared" })));
    const writer = locks[0]!.acquire();
    await waiting(managers[0]!, 1);
    for (const reader of readers) {
      await waiting(managers[0]!, 1);
      await reader.release();
    }
    const guard = await writer;
    for (const lock of locks) assert.equal(await lock.tryAcquire({ mode: "shared" }), null);
    await guard.release();
  }));

void test("a waiting writer stops later readers of all sessions", () =>
  withSessions(3, async (...managers) => {
    const locks = await share(managers, (create) => create.rwLock());
    const order: string[] = [];
    const take = async (name: string, session: number, mode: "exclusive" | "shared") => {
      await locks[session]!.withLock(() => void order.push(name), { mode });
    };
    const reader = await locks[0]!.acquire({ mode: "shared" });
    const all: Promise<void>[] = [];
    for (const [name, session, mode] of requests) {
      all.push(take(name, session, mode));
      await waiting(managers[0]!, all.length);
    }
    await reader.release();
    await Promise.all(all);
    assert.deepEqual(order, requests.map(([name]) => name));
  }));

const requests = [
  ["writer", 1, "exclusive"],
  ["reader", 2, "shared"],
  ["second writer", 0, "exclusive"],
  ["reader of the first session", 0, "shared"],
] as const;

void test("a writer that gives up, is late or dies lets the readers behind it pass", () =>
  withSessions(3, async (...managers) => {
    const locks = await share(managers, (create) => create.rwLock());
    const controller = new AbortController();
    const ends: (() => Promise<unknown>)[] = [
      async () => {
        const writer = locks[1]!.acquire({ signal: controller.signal });
        const [reader] = await behind();
        controller.abort("enough");
        await assert.rejects(writer, (error) => error === "enough");
        return await reader;
      },
      async () => {
        const late = assert.rejects(locks[1]!.acquire({ timeout: 1 }), TimeoutError);
        const reader = locks[0]!.acquire({ mode: "shared" });
        await late;
        return await reader;
      },
      async () => {
        const gone = assert.rejects(locks[2]!.acquire(), ConnectionClosedError);
        const [reader] = await behind();
        await managers[2]!.close();
        await gone;
        return await reader;
      },
    ];
    async function behind(): Promise<[Promise<Guard>]> {
      await waiting(managers[0]!, 1);
      const reader = locks[0]!.acquire({ mode: "shared" });
      await waiting(managers[0]!, 2);
      return [reader];
    }
    const first = await locks[0]!.acquire({ mode: "shared" });
    for (const end of ends) await (await end() as Guard).release();
    await first.release();
    assert.equal(await locks[0]!.locked(), false);
  }));

void test("the upgrade of a reader to a writer is DeadlockError at once, whoever else reads", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rwLock());
    const other = await theirs!.acquire({ mode: "shared" });
    await ours!.withLock(async () => {
      await assert.rejects(ours!.acquire(), DeadlockError);
    }, { mode: "shared" });
    const reader = await ours!.acquire({ mode: "shared" });
    await assert.rejects(ours!.withLock(() => {}, { holding: reader }), DeadlockError);
    await reader.release();
    await other.release();
    assert.equal(await ours!.locked(), false);
  }));

// Conditions.

/** A session begins to wait; the server knows when this resolves. */
async function sleep(
  condition: ConditionProxy,
  levels = 1,
): Promise<{ guard: ConditionGuard; woken: Promise<void> }> {
  const guard = await condition.acquire();
  for (let level = 1; level < levels; level++) await guard.acquire();
  const woken = guard.wait();
  woken.catch(() => {});
  await condition.locked();
  return { guard, woken };
}

function shareCondition(managers: Manager[]): Promise<ConditionProxy[]> {
  return share(managers, (create) => create.condition());
}

/** How many wait to be notified, of all conditions together. */
async function sleeping(manager: Manager): Promise<number> {
  const { objects } = await manager.debugInfo();
  return objects.reduce((sum, { sleeping = 0 }) => sum + sleeping, 0);
}

void test("condition.wait() gives every level back, and has them again before it resolves", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const { guard, woken } = await sleep(ours!, 3);
    const { fence } = guard;
    const other = await theirs!.acquire();
    await other.notify();
    const released = other.release();
    await woken;
    await released;
    assert.ok(guard.fence > other.fence && other.fence > fence);
    const { objects } = await managers[0]!.debugInfo();
    const [grant] = objects.find(({ typeid }) => typeid === "condition")!.grants!;
    assert.deepEqual({ ...grant }, { fence: guard.fence, session: "s1", shared: false, levels: 3 });
    assert.equal(await theirs!.tryAcquire(), null);
    for (let level = 0; level < 3; level++) await ours!.release();
    assert.equal(await theirs!.locked(), false);
  }));

void test("a wait that is notified is over when it has the lock again, not before", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const { woken } = await sleep(ours!);
    const order: string[] = [];
    const over = woken.then(() => order.push("woken"));
    await theirs!.withLock(async (guard) => {
      await guard.notify();
      for (let i = 0; i < 3; i++) await ours!.locked();
      order.push("released");
    });
    await over;
    assert.deepEqual(order, ["released", "woken"]);
  }));

void test("a wait that is late or aborted is over when it has the lock again, not before", () =>
  withSessions(2, async (...managers) => {
    for (const how of ["late", "aborted"] as const) {
      const [ours, theirs] = await shareCondition(managers);
      const controller = new AbortController();
      const guard = await ours!.acquire();
      const order: string[] = [];
      const options = how === "late" ? { timeout: 1 } : { signal: controller.signal };
      const over = assert.rejects(guard.wait(options), (error) => {
        order.push("over");
        return how === "late" ? error instanceof TimeoutError : error === "enough";
      });
      await theirs!.withLock(async () => {
        controller.abort("enough");
        await eventually("nobody sleeps", async () => await sleeping(managers[0]!) === 0);
        for (let i = 0; i < 3; i++) await ours!.locked();
        order.push("released");
      });
      await over;
      assert.deepEqual(order, ["released", "over"]);
      await guard.notify();
      await guard.release();
    }
  }));

void test("condition.notify(guard, n) wakes the n longest waiting of all sessions, in order", () =>
  withSessions(3, async (...managers) => {
    const conditions = await shareCondition(managers);
    const woken: number[] = [];
    const all: Promise<unknown>[] = [];
    for (const [i, session] of [1, 2, 1, 0, 2, 0, 1].entries()) {
      const { guard, woken: over } = await sleep(conditions[session]!);
      all.push(over.then(async () => {
        woken.push(i);
        await guard.release();
      }));
    }
    const first = conditions[0]!;
    const expected = [0];
    for (const n of [undefined, 3, 0, 1]) {
      await first.withLock((guard) => guard.notify(n));
      if (n) { for (let i = 0; i < n; i++) expected.push(expected.length); }
      // Those that were notified stand in line before this one.
      await first.withLock(() => assert.deepEqual(woken, expected));
    }
    await first.withLock((guard) => guard.notifyAll());
    await Promise.all(all);
    assert.deepEqual(woken, [0, 1, 2, 3, 4, 5, 6]);
  }));

void test("a notify that finds fewer than n wakes these, and is not kept for later ones", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const { guard, woken } = await sleep(ours!);
    await theirs!.withLock((their) => their.notify(5));
    await woken;
    await assert.rejects(guard.wait({ timeout: 1 }), TimeoutError);
  }));

void test("a notified waiter that dies before it has the lock passes its notify on", () =>
  withSessions(4, async (...managers) => {
    const conditions = await shareCondition(managers);
    await sleep(conditions[1]!);
    await sleep(conditions[2]!);
    const { woken } = await sleep(conditions[0]!);
    await conditions[3]!.withLock(async (guard) => {
      await guard.notify();
      assert.equal(await sleeping(managers[0]!), 2);
      await managers[1]!.close();
      await eventually("the notify was passed on", async () => await sleeping(managers[0]!) === 1);
      await managers[2]!.close();
      await eventually("and again", async () => await sleeping(managers[0]!) === 0);
    });
    await woken;
  }));

void test("a notified waiter whose guard is released before it has the lock passes its notify on", () =>
  withSessions(3, async (...managers) => {
    const conditions = await shareCondition(managers);
    const first = await sleep(conditions[1]!);
    const { woken } = await sleep(conditions[0]!);
    await conditions[2]!.withLock(async (guard) => {
      await guard.notify();
      await first.guard.release();
      await assert.rejects(first.woken, NotOwnerError);
    });
    await woken;
  }));

void test("a waiter that dies before it is notified takes no notify, and leaves nothing abandoned", () =>
  withSessions(3, async (...managers) => {
    const conditions = await shareCondition(managers);
    await sleep(conditions[1]!);
    const { guard, woken } = await sleep(conditions[0]!);
    await managers[1]!.close();
    await eventually("one sleeps", async () => await sleeping(managers[0]!) === 1);
    await conditions[2]!.withLock(async (their) => {
      assert.equal(their.abandoned, false);
      await their.notify();
    });
    await woken;
    assert.equal(guard.abandoned, false);
  }));

void test("all waiters of a session that ends pass on what they were notified of", () =>
  withSessions(3, async (...managers) => {
    const conditions = await shareCondition(managers);
    for (let i = 0; i < 3; i++) await sleep(conditions[1]!);
    const two = [await sleep(conditions[0]!), await sleep(conditions[0]!)];
    await conditions[2]!.withLock(async (guard) => {
      await guard.notify(2);
      await managers[1]!.close();
      await eventually("two were notified", async () => await sleeping(managers[0]!) === 0);
    });
    await two[0]!.woken;
    await two[0]!.guard.release();
    await two[1]!.woken;
  }));

void test("a waiter that has the lock again after a dead holder is told by its guard", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const { guard, woken } = await sleep(ours!);
    assert.equal(guard.abandoned, false);
    const their = await theirs!.acquire();
    await their.notify();
    await managers[1]!.close();
    await woken;
    assert.equal(guard.abandoned, true);
  }));

void test("a notify that came first wins over the abort and the timeout", async () => {
  const server = newServer();
  const [sleeper, other] = [await party(server, "condition"), await party(server, "condition")];
  const fence = fenceOf(await sleeper.ask("acquire"));
  const id = sleeper.send("wait", [fence]);
  await sleeper.ask("locked");
  const held = await other.ask("acquire");
  await other.ask("notify", [fenceOf(held)]);
  sleeper.cancel(id);
  await sleeper.ask("locked");
  await other.release(held);
  const { outcome } = (await sleeper.lastAnswer(id)).value as { outcome: string };
  assert.equal(outcome, "notified");
  await over(server, sleeper, other);
});

void test("only a current guard of the condition's lock, of the session itself, is good for it", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const other = await (await managers[0]!.condition()).acquire();
    const guard = await ours!.acquire();
    for (const [condition, bad] of [[ours!, other], [theirs!, guard]] as const) {
      await assert.rejects(condition.wait(bad, { timeout: 0 }), NotOwnerError);
      await assert.rejects(condition.waitFor(bad, () => false, { timeout: 0 }), NotOwnerError);
      await assert.rejects(condition.notify(bad), NotOwnerError);
      await assert.rejects(condition.notifyAll(bad), NotOwnerError);
    }
    assert.equal(await theirs!.tryAcquire(), null);
    await guard.notify();
  }));

for (const kind of ["lock", "rlock"] as const) {
  void test(`two conditions on one ${kind}: a bounded buffer between sessions`, () =>
    withSessions(3, async (...managers) => {
      const locks = await share(managers, (create) => create[kind]() as Promise<LockProxy>);
      const make = (create: BuiltinCreators, i: number) => create.condition(locks[i]!);
      const notFull = await share(managers, make);
      const notEmpty = await share(managers, make);
      const buffers = await share(managers, (create) => create.list<number>());
      const put = (i: number, item: number) =>
        locks[i]!.withLock(async (guard) => {
          await notFull[i]!.waitFor(guard, async () => await buffers[i]!.length() < 2);
          await buffers[i]!.push(item);
          await notEmpty[i]!.notify(guard);
        });
      const take = (i: number) =>
        notEmpty[i]!.withLock(async (guard) => {
          await guard.waitFor(async () => await buffers[i]!.length() > 0);
          const item = await buffers[i]!.shift();
          await notFull[i]!.notify(guard);
          return item;
        });
      const items = Array.from({ length: 20 }, (_, n) => n);
      const taken = items.map((n) => take(n % 2));
      for (const item of items) await put(2, item);
      assert.deepEqual((await Promise.all(taken)).sort((a, b) => a! - b!), items);
    }));
}

void test("a wait renews all guards of its rlock, from wherever they are", () =>
  withSessions(2, async (...managers) => {
    const locks = await share(managers, (create) => create.rlock());
    const conditions = await share(managers, (create, i) => create.condition(locks[i]!));
    const done = locks[0]!.withLock(async (outer) => {
      const plain = await locks[0]!.acquire();
      await conditions[0]!.withLock(async (inner) => {
        const { fence } = inner;
        await inner.wait();
        assert.ok(inner.fence > fence);
        assert.deepEqual([outer.fence, plain.fence], [inner.fence, inner.fence]);
      });
      await plain.release();
      await conditions[0]!.notify(outer);
      return await locks[0]!.withLock(() => "entered again");
    });
    await eventually("it sleeps", async () => await sleeping(managers[0]!) === 1);
    await locks[1]!.withLock((guard) => conditions[1]!.notify(guard));
    assert.equal(await done, "entered again");
    assert.equal(await locks[1]!.locked(), false);
  }));

void test("condition.waitFor() waits for what other sessions change", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareCondition(managers);
    const counts = await share(managers, (create) => create.value("i", 0));
    const result = ours!.withLock((guard) =>
      guard.waitFor(async () => (await counts[0]!.get()) >= 3 && "three")
    );
    for (let i = 0; i < 3; i++) {
      await theirs!.withLock(async (guard) => {
        await counts[1]!.add(1);
        await guard.notifyAll();
      });
    }
    assert.equal(await result, "three");
  }));

void test("a wait that is one too many rejects with the lock, under the new fence", () =>
  withSessions(1, async (manager) => {
    const event = await manager.event();
    const parked = event.wait();
    const condition = await manager.condition();
    await condition.withLock(async (guard) => {
      const { fence } = guard;
      await assert.rejects(guard.wait(), LimitExceededError);
      assert.ok(guard.fence > fence);
      await guard.notify();
    });
    await event.set();
    await parked;
  }, { limits: { maxWaiters: 1 } }));

// In the server a caller's signal aborts with a ConnectionClosedError when the caller is gone.
void test("an abort of a wait in the server gives the lock back, whatever the reason", async () => {
  const backend = await inServer();
  const condition = await backend.condition();
  for (const reason of [new Error("enough"), new ConnectionClosedError("the caller is gone")]) {
    const controller = new AbortController();
    await condition.withLock(async (guard) => {
      const woken = guard.wait({ signal: controller.signal });
      await condition.withLock(() => controller.abort(reason), { holding: null });
      await assert.rejects(woken, (error) => error === reason);
      await guard.notify();
      assert.equal(await condition.tryAcquire({ holding: null }), null);
    });
  }
  await backend.close();
});

void test("the server says that a wait is over when its lock is still taken", async () => {
  const server = newServer();
  for (const how of ["late", "cancelled", "notified, then late", "notified, then cancelled"]) {
    const [sleeper, other] = [
      await party(server, "condition", how),
      await party(server, "condition", how),
    ];
    const fence = fenceOf(await sleeper.ask("acquire"));
    const taking = other.ask("acquire"); // before the wait: its time may be over at any moment
    await other.ask("locked");
    const id = sleeper.send("wait", [fence], how.endsWith("late") ? 20 : undefined);
    const held = await taking;
    if (how.startsWith("notified")) await other.ask("notify", [fenceOf(held)]);
    if (how.endsWith("late")) await other.timeGoesBy(40);
    else sleeper.cancel(id);
    await sleeper.ask("locked");
    assert.ok(
      sleeper.peer.hasAnswer(id),
      `${how}: the client hears nothing, and gives up after 5 s`,
    );
    assert.equal((await sleeper.peer.answer(id)).status, Status.Settling, how);
    assert.ok(!sleeper.peer.hasAnswer(id), how);
    await other.release(held);
    const { status, value } = await sleeper.lastAnswer(id);
    assert.equal(status, Status.Value);
    assert.ok((value as Guard).fence > fenceOf(held));
    sleeper.peer.destroy();
    other.peer.destroy();
  }
  await over(server);
});

void test("a wait that has to wait for its lock rejects at once when the server ends", async () => {
  for (const how of ["notified", "late"]) {
    const server = newServer({ shutdownTimeout: ages });
    const [sleeper, other] = [await party(server, "condition"), await party(server, "condition")];
    const fence = fenceOf(await sleeper.ask("acquire"));
    const taking = other.ask("acquire"); // before the wait: its time may be over at any moment
    await other.ask("locked");
    const id = sleeper.send("wait", [fence], how === "late" ? 1 : undefined);
    const held = await taking;
    if (how === "notified") await other.ask("notify", [fenceOf(held)]);
    else await other.timeGoesBy(20);
    const closed = server.close(new ConnectionClosedError("the test is over"));
    const answer = sleeper.lastAnswer(id);
    answer.catch(() => {});
    const patience = setTimeout(2_000).then(() =>
      Promise.reject(new Error(`${how}: it is silent`))
    );
    await Promise.race([answer, patience]).finally(() => {
      sleeper.peer.destroy();
      other.peer.destroy();
    });
    await closed;
  }
});

// Barrier, event, latch.

function shareBarrier(managers: Manager[], parties: number): Promise<BarrierProxy[]> {
  return share(managers, (create) => create.barrier(parties));
}

void test("the parties of a barrier go on together, each with its arrival index", () =>
  withSessions(3, async (...managers) => {
    const barriers = await shareBarrier(managers, 3);
    for (let round = 0; round < 3; round++) {
      const indexes: Promise<number>[] = [];
      for (const session of [round, (round + 1) % 3, (round + 2) % 3]) {
        assert.equal(await barriers[0]!.waiting(), indexes.length);
        indexes.push(barriers[session]!.wait());
        if (indexes.length < 3) await waiting(managers[0]!, indexes.length);
      }
      assert.deepEqual(await Promise.all(indexes), [0, 1, 2]);
    }
  }));

void test("the timeout, abort or death of a waiting party breaks the barrier for all, reset mends it", () =>
  withSessions(3, async (...managers) => {
    const [first, second, third] = await shareBarrier(managers, 3);
    const controller = new AbortController();
    const ends = [
      async () => {
        const { signal } = controller;
        const leaving = assert.rejects(second!.wait({ signal }), (error) => error === "gone");
        await waiting(managers[0]!, 2);
        controller.abort("gone");
        await leaving;
      },
      () => assert.rejects(second!.wait({ timeout: 1 }), TimeoutError),
      () => assert.rejects(second!.wait({ timeout: 0 }), TimeoutError),
      async () => {
        const leaving = assert.rejects(third!.wait(), ConnectionClosedError);
        await waiting(managers[0]!, 2);
        await managers[2]!.close();
        await leaving;
      },
    ];
    for (const end of ends) {
      const staying = assert.rejects(first!.wait(), BrokenBarrierError);
      await waiting(managers[0]!, 1);
      await end();
      await staying;
      assert.equal(await second!.broken(), true);
      await assert.rejects(second!.wait(), BrokenBarrierError);
      await first!.reset();
      assert.equal(await second!.broken(), false);
    }
  }));

void test("a party that dies when the round is over breaks nothing", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareBarrier(managers, 2);
    await Promise.all([ours!.wait(), theirs!.wait()]);
    await managers[1]!.close();
    assert.equal(await ours!.broken(), false);
  }));

void test("event.set() and the last countDown() wake the waiters of all sessions, the dead are left out", () =>
  withSessions(3, async (...managers) => {
    const events = await share(managers, (create) => create.event());
    const latches = await share(managers, (create) => create.countDownLatch(2));
    const calls = [...events, ...latches].map((proxy) => proxy.wait());
    await waiting(managers[0]!, 6);
    const gone = [calls[2]!, calls[5]!].map((call) => assert.rejects(call, ConnectionClosedError));
    await managers[2]!.close();
    await Promise.all(gone);
    await waiting(managers[0]!, 4);
    await events[1]!.set();
    await Promise.all([calls[0], calls[1]]);
    assert.equal(await latches[0]!.countDown(), 1);
    assert.equal(await latches[1]!.countDown(), 0);
    await Promise.all([calls[3], calls[4]]);
  }));

// Rate limiter.

/** The referent of a rate limiter under a clock of its own, and who was served when. */
function manualLimiter(limit: number, interval: number) {
  const clock = new VirtualClock(1000);
  const limiter = new RateLimiter({ limit, interval });
  const served: string[] = [];
  const caller = (signal = new AbortController().signal): WaitingCaller => ({
    id: "s1",
    signal,
    gone: () => false,
    bytes: 0,
    clock,
    ledger: new Ledger(0, String),
    settling() {},
  });
  const start = clock.now();
  return {
    clock,
    served,
    tryAcquire: (n?: number) => limiter.tryAcquire(n, caller()),
    /** Takes at once, or later: then it is written down with the time. */
    acquire(name: string, n: number, signal?: AbortSignal): void {
      const note = () => served.push(`${name} at ${clock.now() - start}`);
      const result = limiter.acquire(n, undefined, caller(signal));
      if (result === undefined) note();
      else result.then(note, () => served.push(`${name} gave up`));
    },
    /** Lets time go by, one millisecond after the other, and those go on who were served. */
    async advance(milliseconds: number): Promise<void> {
      await setImmediate();
      for (let i = 0; i < milliseconds; i++) {
        clock.pass(1);
        await setImmediate();
      }
    },
  };
}

void test("a rateLimiter starts full, and refills evenly up to its limit", async () => {
  const { clock, served, acquire, tryAcquire, advance } = manualLimiter(4, 100);
  for (const name of ["a", "b", "c", "d", "e", "f", "g"]) acquire(name, 1);
  await advance(100);
  const expected = ["a at 0", "b at 0", "c at 0", "d at 0", "e at 25", "f at 50", "g at 75"];
  assert.deepEqual(served, expected);
  assert.equal(clock.timers, 0);
  assert.equal(tryAcquire(1), true);
  assert.equal(tryAcquire(1), false);
  clock.pass(24);
  assert.equal(tryAcquire(1), false);
  clock.pass(1);
  assert.equal(tryAcquire(1), true);
  clock.pass(1e6);
  assert.equal(tryAcquire(4), true);
  assert.equal(tryAcquire(1), false);
});

void test("a rateLimiter that is used half as often as it may never keeps anybody waiting", () => {
  const { clock, tryAcquire } = manualLimiter(1, 3);
  for (let i = 0; i < 1000; i++) {
    assert.equal(tryAcquire(1), true);
    clock.pass(6);
  }
});

void test("a rateLimiter gives no more than its rate allows, in any time", async () => {
  const { clock, served, acquire, advance } = manualLimiter(3, 10);
  for (let i = 0; i < 30; i++) acquire(`${i}`, 1);
  await advance(200);
  const times = served.map((text) => Number(text.split(" at ")[1]));
  assert.equal(times.length, 30);
  for (const [i, time] of times.entries()) {
    const earliest = Math.max(0, (i - 2) * 10 / 3);
    assert.ok(time >= earliest - 1e-6 && time <= earliest + 2, `${i} at ${time}`);
  }
  assert.equal(clock.timers, 0);
});

void test("a rateLimiter serves in order, one that waits for many before those that want few", async () => {
  const { served, acquire, tryAcquire, advance } = manualLimiter(4, 40);
  acquire("all", 4);
  acquire("many", 4);
  acquire("few", 1);
  acquire("some", 3);
  await advance(20);
  assert.equal(tryAcquire(1), false);
  await advance(80);
  assert.deepEqual(served, ["all at 0", "many at 40", "few at 50", "some at 80"]);
});

void test("one that gives up before a rateLimiter lets those behind it pass at once", async () => {
  const { clock, served, acquire, advance } = manualLimiter(4, 40);
  const controller = new AbortController();
  acquire("all", 4);
  acquire("many", 4, controller.signal);
  acquire("few", 1);
  await advance(25);
  controller.abort();
  await advance(0);
  assert.deepEqual(served.sort(), ["all at 0", "few at 25", "many gave up"]);
  assert.equal(clock.timers, 0);
});

void test("what was taken of a rateLimiter does not come back from the dead", () =>
  withSessions(2, async (...managers) => {
    const rate = { limit: 3, interval: ages };
    const [ours, theirs] = await share(managers, (create) => create.rateLimiter(rate));
    await theirs!.acquire(2);
    await managers[1]!.close();
    assert.equal(await ours!.tryAcquire(2), false);
    assert.equal(await ours!.tryAcquire(1), true);
  }));

void test("a session that ends while it waits for a rateLimiter takes nothing, and blocks nobody", () =>
  withSessions(2, async (...managers) => {
    const rate = { limit: 3, interval: ages };
    const [ours, theirs] = await share(managers, (create) => create.rateLimiter(rate));
    await ours!.acquire(1);
    const gone = assert.rejects(theirs!.acquire(3), ConnectionClosedError);
    await waiting(managers[0]!, 1);
    const next = ours!.acquire(2);
    await waiting(managers[0]!, 2);
    await managers[1]!.close();
    await gone;
    await next;
  }));

// Every waiting call.

type Options = { timeout?: number; signal?: AbortSignal };
/** Something that waits until something else happens. */
type Waits = (create: BuiltinCreators) => Promise<(options?: Options) => Promise<unknown>>;

const waits: Record<string, Waits> = {
  ...Object.fromEntries(kinds.flatMap((kind) => [
    [`${kind}.acquire`, async (create: BuiltinCreators) => {
      const lock = await create[kind]() as LockProxy;
      await lock.acquire();
      return (options?: Options) => lock.acquire(options);
    }],
    [`${kind}.withLock`, async (create: BuiltinCreators) => {
      const lock = await create[kind]() as LockProxy;
      await lock.acquire();
      return (options?: Options) => lock.withLock(() => {}, options);
    }],
  ])),
  "rwLock.acquire, shared": async (create) => {
    const lock = await create.rwLock();
    await lock.acquire();
    return (options) => lock.acquire({ mode: "shared", ...options });
  },
  "condition.wait": async (create) => {
    const condition = await create.condition();
    const guard = await condition.acquire();
    return (options) => condition.wait(guard, options);
  },
  "condition.waitFor": async (create) => {
    const guard = await (await create.condition()).acquire();
    return (options) => guard.waitFor(() => false, options);
  },
  "event.wait": async (create) => {
    const event = await create.event();
    return (options) => event.wait(options);
  },
  "countDownLatch.wait": async (create) => {
    const latch = await create.countDownLatch(1);
    return (options) => latch.wait(options);
  },
  "barrier.wait": async (create) => {
    const barrier = await create.barrier(2);
    return async (options) => {
      await barrier.reset();
      return await barrier.wait(options);
    };
  },
  "rateLimiter.acquire": async (create) => {
    const limiter = await create.rateLimiter({ limit: 1, interval: ages });
    await limiter.acquire();
    return (options) => limiter.acquire(1, options);
  },
};

for (const [name, make] of Object.entries(waits)) {
  void test(`${name} takes { timeout, signal }: TimeoutError, and the signal's reason`, () =>
    withSessions(1, async (manager) => {
      const wait = await make(manager);
      for (const timeout of [0, 1]) await assert.rejects(wait({ timeout }), TimeoutError);
      for (const bad of [-1, NaN, "1"] as never[]) {
        await assert.rejects(wait({ timeout: bad }), RangeError);
      }
      await assert.rejects(wait({ signal: {} as AbortSignal }), TypeError);
      const controller = new AbortController();
      const { signal } = controller;
      const aborted = wait({ signal, timeout: 60_000 });
      aborted.catch(() => {});
      await waiting(manager, 1);
      const reason = { why: "enough" };
      controller.abort(reason);
      await assert.rejects(aborted, (error) => error === reason);
      await waiting(manager, 0);
      // An abort before the call is one, too.
      await assert.rejects(wait({ signal }), (error) => error === reason);
      const { sessions } = await manager.debugInfo();
      assert.equal(Object.values(sessions)[0]!["waiting"], 0);
    }));
}

void test("callTimeout never applies to waits, the options of a view do", async () => {
  const manager = await Manager.local({ callTimeout: 500 });
  const event = await manager.event();
  const patient = event.wait();
  await assert.rejects(withOptions(event, { timeout: 600 }).wait(), TimeoutError);
  await event.set();
  await patient;
  await manager.shutdown();
});

void test("a grant that crosses a cancel is delivered or goes to the next, never both or neither", () =>
  withSessions(3, async (...managers) => {
    const outcomes = { delivered: 0, aborted: 0 };
    for (const kind of kinds) {
      const locks = await shareKind(managers, kind);
      for (let lead = -3; lead <= 8; lead++) {
        const holder = await locks[0]!.acquire();
        const controller = new AbortController();
        const crossing = locks[1]!.acquire({ signal: controller.signal }).catch((error) => error);
        await waiting(managers[0]!, 1);
        const next = locks[2]!.acquire();
        await waiting(managers[0]!, 2);
        const steps = [() => holder.release(), () => controller.abort("crossing")];
        if (lead < 0) steps.reverse();
        const released = steps[0]!();
        for (let i = 0; i < Math.abs(lead); i++) await setImmediate();
        await Promise.all([released, steps[1]!()]);
        const guard = await crossing;
        if (guard === "crossing") outcomes.aborted++;
        else {
          outcomes.delivered++;
          assert.equal(await locks[0]!.tryAcquire(), null);
          await guard.release();
        }
        const last = await next;
        assert.equal(last.abandoned, false);
        await last.release();
        assert.equal(await locks[0]!.locked(), false);
      }
    }
    assert.ok(outcomes.delivered > 0 && outcomes.aborted > 0, JSON.stringify(outcomes));
  }));

void test("the server decides how a cancel ends: what was given is given, else nothing was", async () => {
  for (const kind of kinds) {
    const server = newServer();
    const [first, second] = [await party(server, kind), await party(server, kind)];
    const held = await first.ask("acquire");
    const cancelled = second.send("acquire");
    second.cancel(cancelled);
    assert.equal((await second.peer.answer(cancelled)).status, Status.Cancelled);
    const given = second.send("acquire");
    await second.ask("locked");
    await first.release(held);
    const answer = await second.peer.answer(given);
    second.cancel(given);
    assert.equal((await second.ask("locked")).value, true);
    assert.equal((await second.release(answer)).status, Status.Value);
    assert.equal((await second.ask("locked")).value, false);
    await over(server, first, second);
  }
});

void test("a wait is given up some time after its abort if the server is silent, and what still comes goes back", async () => {
  const server = newServer();
  const { client, tap } = await tappedClient(server, authkey, 50);
  const other = await party(server, "lock", "shared");
  const lock = await client.callServer("named", ["shared", "lock", []]) as LockProxy;
  const held = await other.ask("acquire");
  const controller = new AbortController();
  const call = lock.acquire({ signal: controller.signal });
  await lock.locked();
  tap.hold();
  await other.release(held);
  await eventually("it was given", () => tap.passed.at(-1) === "<Reply");
  controller.abort("enough");
  await assert.rejects(settled(call), (error) => error === "enough");
  assert.equal((await other.ask("locked")).value, true);
  tap.letGo();
  await eventually("it was given back", async () => (await other.ask("locked")).value === false);
  const again = await other.ask("acquire");
  assert.equal((again.value as Guard).abandoned, false);
  await client.close();
  await over(server, other);
});

void test("past maxWaiters one more wait fails, and releases and what is free go on", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    const free = await managers[0]!.semaphore(2);
    const guard = await ours!.acquire();
    const parked = [ours!.acquire(), ours!.acquire()];
    await waiting(managers[0]!, 2);
    await assert.rejects(ours!.acquire(), { name: "LimitExceededError", message: /maxWaiters/ });
    await assert.rejects(ours!.withLock(() => {}), LimitExceededError);
    const other = theirs!.acquire(); // another session has a limit of its own
    await waiting(managers[0]!, 3);
    await (await free.acquire()).release();
    await free.withLock(() => {});
    await guard.release();
    for (const next of [...parked, other]) await (await next).release();
    assert.equal(await ours!.locked(), false);
  }, { limits: { maxWaiters: 2 } }));

// Users' classes.

/** Notes how the callers of its methods are over. */
class Watch {
  readonly #over: string[] = [];
  async wait(name: string, { signal }: Caller): Promise<never> {
    return await new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => {
        this.#over.push(`${name}: ${signal.reason.constructor.name}`);
        reject(signal.reason);
      });
    });
  }
  /** Asks only later whether the caller is still there. */
  async ask(name: string, until: LockProxy, caller: Caller): Promise<void> {
    await until.withLock(() => {});
    this.#over.push(`${name}: ${caller.signal.aborted}`);
  }
  /** Waits for the lock as long as its caller does. */
  async enter(lock: LockProxy, { signal }: Caller): Promise<string> {
    return await lock.withLock(() => "entered", { signal });
  }
  over(): string[] {
    return this.#over;
  }
}

const types = defineTypes(import.meta.url, { Watch: typeid(Watch, { caller: true }) });

async function withWatch(
  body: (
    manager: Manager,
    other: Manager,
    watch: Remote<Watch>,
    theirs: Remote<Watch>,
  ) => Promise<void>,
): Promise<void> {
  await withSessions(2, async (manager, other) => {
    const watch = await manager.create<Remote<Watch>>("Watch");
    await manager.publish("watch", watch);
    await body(manager!, other!, watch, (await other!.lookup<Remote<Watch>>("watch"))!);
  }, { types });
}

void test("Caller.signal tells a user's method that its caller gave up or was late", () =>
  withWatch(async (_manager, _other, watch) => {
    const controller = new AbortController();
    const call = callMethod(watch, "wait", ["aborted"], { signal: controller.signal });
    const checked = assert.rejects(call, (error) => error === "enough");
    controller.abort("enough");
    await checked;
    await assert.rejects(withOptions(watch, { timeout: 1 }).wait("late"), TimeoutError);
    await eventually("it knows", async () => (await watch.over()).length === 2);
    assert.deepEqual(await watch.over(), ["aborted: ManagerError", "late: ManagerError"]);
  }));

void test("Caller.signal tells a user's method that its caller's session ended", () =>
  withWatch(async (_manager, other, watch, theirs) => {
    const gone = ["first", "second"].map((name) =>
      assert.rejects(theirs.wait(name), ConnectionClosedError)
    );
    const controller = new AbortController();
    const { signal } = controller;
    const stays = assert.rejects(callMethod(watch, "wait", ["stays"], { signal }));
    await theirs.over();
    await other.close();
    await Promise.all(gone);
    await eventually("it knows", async () => (await watch.over()).length === 2);
    const reason = "ConnectionClosedError";
    assert.deepEqual(await watch.over(), [`first: ${reason}`, `second: ${reason}`]);
    controller.abort();
    await stays;
  }));

void test("Caller.signal is aborted for a method that asks only when its caller is over", () =>
  withWatch(async (manager, other, watch, theirs) => {
    const lock = await manager.lock();
    const guard = await lock.acquire();
    await manager.publish("lock", lock);
    const gone = assert.rejects(
      theirs.ask("gone", (await other.lookup<LockProxy>("lock"))!),
      ConnectionClosedError,
    );
    await waitingInServer(lock);
    const stays = watch.ask("stays", lock);
    await other.close();
    await gone;
    await eventually("the session is over", async () => {
      return Object.keys((await manager.debugInfo()).sessions).length === 1;
    });
    await guard.release();
    await stays;
    assert.deepEqual(await watch.over(), ["gone: true", "stays: false"]);
  }));

void test("a wait in a user's method ends with its caller where that is asked for", () =>
  withWatch(async (manager, other, watch, theirs) => {
    const lock = await manager.lock();
    const guard = await lock.acquire();
    await manager.publish("lock", lock);
    const gone = assert.rejects(
      theirs.enter((await other.lookup<LockProxy>("lock"))!),
      ConnectionClosedError,
    );
    await waitingInServer(lock);
    const stays = watch.enter(lock);
    await other.close();
    await gone;
    await guard.release();
    assert.equal(await stays, "entered");
    await eventually("it is free", async () => !(await lock.locked()));
    assert.equal((await lock.acquire()).abandoned, false);
  }));

/** The calls of the session itself were carried out, and so have begun to wait in the server. */
async function waitingInServer(lock: LockProxy): Promise<void> {
  for (let i = 0; i < 3; i++) await lock.locked();
}

// How many messages it takes.

void test("withLock() around one update takes two round trips: its release is written, not awaited", async () => {
  const server = newServer();
  const { client, tap } = await tappedClient(server, authkey);
  const lock = await client.callServer("create", ["lock", []]) as LockProxy;
  const dict = await client.callServer("create", ["dict", [{ n: 1 }]]) as DictProxy<string, number>;
  tap.passed.length = 0;
  const result = await settled(lock.withLock(async () => {
    const n = await dict.increment("n");
    tap.hold(); // from now on the client hears nothing
    return n;
  }));
  assert.equal(result, 2);
  assert.deepEqual(tap.passed.slice(0, 4), [">Call", "<Reply", ">Call", "<Reply"]);
  // Nobody waits for the release: it has no answer.
  await eventually("the release is written", () => tap.passed.length === 5);
  assert.deepEqual(tap.passed.slice(4), [">Finish"]);
  tap.letGo();
  assert.equal(await lock.locked(), false);
  await client.close();
  await over(server);
});

void test("to make a lock, and to give it back, takes one message each way and no other connection", async () => {
  const server = newServer();
  const { client, tap } = await tappedClient(server, authkey);
  tap.passed.length = 0;
  const lock = await client.callServer("create", ["lock", []]) as LockProxy;
  assert.deepEqual(tap.passed, [">Call", "<Reply"]);
  await (await lock.acquire()).release();
  assert.deepEqual(tap.passed.slice(2), [">Call", "<Reply", ">Call", "<Reply"]);
  releaseProxy(lock);
  await eventually("it is written", () => tap.passed.length > 6);
  assert.deepEqual(tap.passed.slice(6), [">Release"]);
  assert.equal(server.sessions.size, 1);
  await client.close();
  await over(server);
});

void test("withLock() writes its release before what its caller sends next", async () => {
  const server = newServer();
  const { client } = await tappedClient(server, authkey);
  const lock = await client.callServer("create", ["lock", []]) as LockProxy;
  for (let i = 0; i < 20; i++) {
    await lock.withLock(() => {});
    assert.ok(await lock.tryAcquire());
    await lock.release();
  }
  await client.close();
  await over(server);
});

void test("a handover takes a message to the server and one from it: with the request one and a half round trips", async () => {
  const server = newServer();
  const [first, second] = [
    await tappedClient(server, authkey),
    await tappedClient(server, authkey),
  ];
  const locks: LockProxy[] = [];
  for (const { client } of [first, second]) {
    locks.push(await client.callServer("named", ["lock", "lock", []]) as LockProxy);
  }
  const leave = deferred();
  const left = locks[0]!.withLock(() => leave.promise);
  await locks[0]!.locked();
  second.tap.passed.length = 0;
  const entered = deferred();
  const done = locks[1]!.withLock(() => {
    entered.resolve();
    assert.deepEqual(second.tap.passed, [">Call", "<Reply"]);
    assert.deepEqual(first.tap.passed, [">Finish"]);
  });
  await eventually("it waits", () => second.tap.passed.length === 1);
  await locks[0]!.locked();
  first.tap.passed.length = 0;
  leave.resolve();
  await settled(entered.promise);
  await Promise.all([left, done]);
  assert.deepEqual(first.tap.passed, [">Finish"]);
  await first.client.close();
  await second.client.close();
  await over(server);
});

void test("a following acquire of another session gets what withLock() released", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await shareLock(managers);
    for (let i = 0; i < 50; i++) {
      await ours!.withLock(() => {});
      const guard = await theirs!.acquire();
      assert.equal(guard.abandoned, false);
      await guard.release();
    }
  }));

// debugInfo.

void test("debugInfo() tells who has what, who waits for it, and how many sleep", () =>
  withSessions(2, async (...managers) => {
    const [ours, theirs] = await share(managers, (create) => create.rlock());
    const guard = await ours!.acquire();
    await guard.acquire();
    const next = theirs!.acquire();
    await waiting(managers[0]!, 1);
    const [condition] = await shareCondition(managers);
    const { woken } = await sleep(condition!);
    const { objects } = await managers[0]!.debugInfo();
    const of = (typeid: string) => objects.find((object) => object.typeid === typeid)!;
    const { grants, waiters } = of("rlock");
    const held = { fence: guard.fence, session: "s1", shared: false, levels: 2 };
    assert.deepEqual(grants!.map((grant) => ({ ...grant })), [held]);
    assert.deepEqual(waiters.map(({ session, method }) => [session, method]), [["s2", "acquire"]]);
    assert.equal(of("condition").sleeping, 1);
    assert.deepEqual(of("condition").grants, []);
    await ours!.release();
    await ours!.release();
    await next;
    await condition!.withLock((their) => their.notify());
    await woken;
  }));

// What CPython's own tests promise for managers, where nothing above says it.

void test("what a parent made its child uses, and the parent releases what the child has", async () => {
  const manager = await Manager.start();
  const made = {
    event: await manager.event(),
    lock: await manager.lock(),
    rlock: await manager.rlock(),
    semaphore: await manager.semaphore(),
    boundedSemaphore: await manager.boundedSemaphore(),
    condition: await manager.condition(),
    barrier: await manager.barrier(5),
    released: await manager.event(),
  };
  for (const [name, proxy] of Object.entries(made)) await manager.publish(name, proxy);
  await made.event.set();
  const child = startScript(currentRuntime, fixture("grants/child.ts"), {
    args: ["types"],
    env: manager.env,
  });
  assert.equal(await child.line(), "used all");
  assert.equal(await made.event.isSet(), false);
  assert.equal(await made.lock.locked(), true);
  assert.equal(await made.lock.release(), undefined);
  await assert.rejects(made.lock.release(), NotOwnerError);
  assert.equal(await made.rlock.locked(), false);
  for (const semaphore of [made.semaphore, made.boundedSemaphore]) {
    await semaphore.release();
    assert.equal(await semaphore.value(), 1);
  }
  assert.equal(await made.condition.locked(), false);
  assert.equal(await made.barrier.broken(), false);
  await made.released.set();
  const { code, stderr } = await child.end;
  assert.equal(code, 0, stderr);
  assert.equal((await made.lock.acquire()).abandoned, false);
  await manager.shutdown();
});

void test("condition.waitFor() of a child sees what its parent counts", async () => {
  const manager = await Manager.start();
  const condition = await manager.condition();
  const state = await manager.value("int32", -1);
  await manager.publish("condition", condition);
  await manager.publish("state", state);
  const child = startScript(currentRuntime, fixture("grants/child.ts"), {
    args: ["waitFor"],
    env: manager.env,
  });
  await condition.withLock((guard) => guard.waitFor(async () => await state.get() === 0));
  for (let i = 0; i < 4; i++) {
    await condition.withLock(async (guard) => {
      await state.add(1);
      await guard.notify();
    });
  }
  assert.equal(await child.line(), "4");
  assert.equal((await child.end).code, 0);
  await manager.shutdown();
});

void test("waiters that were late are not woken by a later notifyAll(), six new ones are", () =>
  withSessions(3, async (...managers) => {
    const conditions = await shareCondition(managers);
    const all = Array.from({ length: 6 }, (_, i) => conditions[i % 3]!);
    await Promise.all(
      all.map((condition) =>
        condition.withLock((guard) => assert.rejects(guard.wait({ timeout: 1 }), TimeoutError))
      ),
    );
    let woken = 0;
    const waits = all.map((condition) =>
      condition.withLock(async (guard) => {
        await guard.wait();
        woken++;
      })
    );
    await eventually("six sleep", async () => await sleeping(managers[0]!) === 6);
    await conditions[0]!.withLock((guard) => guard.notifyAll());
    await Promise.all(waits);
    assert.equal(woken, 6);
  }));

void test("five parties pass a barrier ten times in step, and exactly one of a round is the first", () =>
  withSessions(5, async (...managers) => {
    const parties = managers.length;
    const barriers = await shareBarrier(managers, parties);
    const lists: ListProxy<boolean>[][] = [];
    for (const _ of [0, 1]) lists.push(await share(managers, (create) => create.list<boolean>()));
    const firsts = await share(managers, (create) => create.value("i", 0));
    await Promise.all(barriers.map(async (barrier, i) => {
      for (let round = 0; round < 10; round++) {
        for (const part of [0, 1]) {
          await lists[part]![i]!.push(true);
          assert.equal(await lists[1 - part]![i]!.length(), (round + part) * parties);
          if (await barrier.wait() === 0) await firsts[i]!.add(1);
        }
      }
    }));
    assert.equal(await firsts[0]!.get(), 20);
    assert.deepEqual([await barriers[0]!.waiting(), await barriers[0]!.broken()], [0, false]);
  }));

void test("parties of an aborted barrier meet at a second one, where one of them resets the first", () =>
  withSessions(5, async (...managers) => {
    const [barriers, seconds] = [await shareBarrier(managers, 5), await shareBarrier(managers, 5)];
    const results = await Promise.all(barriers.map(async (barrier, i) => {
      const index = await barrier.wait();
      const aborts = index === 2;
      const broken = await (aborts ? barrier.abort() : barrier.wait()).then(
        () => false,
        (error) => error instanceof BrokenBarrierError,
      );
      // Who comes late finds the barrier broken as well.
      if (await seconds[i]!.wait() === 0) await barrier.reset();
      await seconds[i]!.wait();
      await barrier.wait();
      return aborts || broken;
    }));
    assert.deepEqual(results, [true, true, true, true, true]);
    assert.equal(await barriers[0]!.broken(), false);
  }));

void test("the party with index 0 does what is to be done once a round", () =>
  withSessions(3, async (...managers) => {
    const barriers = await shareBarrier(managers, 3);
    const done = await share(managers, (create) => create.list<number>());
    await Promise.all(barriers.map(async (barrier, i) => {
      for (let round = 0; round < 3; round++) {
        if (await barrier.wait() === 0) await done[i]!.push(round);
        await barrier.wait();
        assert.equal(await done[i]!.length(), round + 1);
        await barrier.wait();
      }
    }));
    assert.deepEqual(await done[0]!.copy(), [0, 1, 2]);
  }));

void test("withLock() makes read, change and write of several sessions one step", () =>
  withSessions(3, async (...managers) => {
    for (const kind of kinds) {
      const locks = await shareKind(managers, kind);
      const values: ValueProxy<number>[] = await share(managers, (create) => create.value("i", 0));
      await Promise.all(
        locks.flatMap((lock, i) =>
          Array.from({ length: 20 }, () =>
            lock.withLock(async (guard) => {
              await values[i]!.set(await values[i]!.get() + 1, { guard });
            }))
        ),
      );
      assert.equal(await values[0]!.get(), 60, kind);
    }
  }));

void test("a call that was given up leaves the next call its own answer", () =>
  withSessions(1, async (manager) => {
    const event = await manager.event();
    const list = await manager.list([1, 2, 3]);
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const given = assert.rejects(event.wait({ signal: controller.signal }));
      controller.abort();
      assert.deepEqual(await list.slice(0, 2), [1, 2]);
      await given;
      assert.equal(await event.isSet(), false);
    }
  }));

void test("a semaphore of n lets n sessions in at a time, never more", () =>
  withSessions(4, async (...managers) => {
    const semaphores = await share(managers, (create) => create.semaphore(2));
    const inside = await share(managers, (create) => create.value("i", 0));
    const seen = new Set<number>();
    await Promise.all(
      semaphores.flatMap((semaphore, i) =>
        Array.from({ length: 5 }, () =>
          semaphore.withLock(async () => {
            seen.add(await inside[i]!.add(1));
            await inside[i]!.add(-1);
          }))
      ),
    );
    assert.deepEqual([...seen].sort(), [1, 2]);
    assert.equal(await semaphores[0]!.value(), 2);
  }));

void test("leaves nothing behind", assertClean);

// Scripted sessions.

/** One scripted session with one object. */
class Party {
  readonly peer: Peer;
  readonly #object: number;
  readonly #kind: string;
  #next = 10;

  constructor(peer: Peer, object: number, kind: string) {
    this.peer = peer;
    this.#object = object;
    this.#kind = kind;
  }

  /** Sends a call of the object; gives its id. */
  send(name: string, args: unknown[] = [], timeout?: number): number {
    const id = this.#next++;
    const { peer } = this;
    peer.sendCall({ id, timeout, ...peer.on(this.#object, this.#kind, name, ...args) });
    return id;
  }

  ask(name: string, args?: unknown[]): Promise<Answer> {
    return this.peer.answer(this.send(name, args));
  }

  /** The answer after those that say that the call is settling. */
  async lastAnswer(id: number): Promise<Answer> {
    for (;;) {
      const answer = await settled(this.peer.answer(id));
      if (answer.status !== Status.Settling) return answer;
    }
  }

  cancel(id: number): void {
    this.peer.send((frame) => writeCancel(frame, id));
  }

  /** Sends what is asked of a grant; gives the id of the call. */
  sendRelease({ handleId }: Answer, name: "release" | "return" = "release"): number {
    const id = this.#next++;
    const method = handleMethods.indexOf(name);
    this.peer.sendCall({ id, target: Target.Handle, targetId: handleId, method });
    return id;
  }

  /** The grant arrived, but nobody took it. */
  giveBack(grant: Answer): Promise<Answer> {
    return this.peer.answer(this.sendRelease(grant, "return"));
  }

  release(grant: Answer): Promise<Answer> {
    return this.peer.answer(this.sendRelease(grant));
  }

  /** Resolves when the server's clock has counted so many milliseconds. */
  async timeGoesBy(timeout: number): Promise<void> {
    const event = await this.peer.create(this.#next++, "event");
    const id = this.#next++;
    this.peer.sendCall({ id, timeout, ...this.peer.on(event, "event", "wait") });
    await this.peer.answer(id);
  }
}

/** A scripted session with the server and its one object of the kind. */
async function party(
  server: ReturnType<typeof newServer>,
  kind: string,
  name = kind,
): Promise<Party> {
  const peer = await Peer.open(server, authkey);
  const { value } = await peer.server(1, "named", name, kind, []);
  return new Party(peer, (value as { object: number }).object, kind);
}

function fenceOf({ value }: Answer): number {
  return (value as Guard).fence;
}

async function over(
  server: ReturnType<typeof newServer>,
  ...parties: Party[]
): Promise<void> {
  for (const { peer } of parties) peer.destroy();
  await server.close(new ConnectionClosedError("the test is over"));
}

async function enterTwice(kind: Kind, guard: Guard): Promise<void> {
  if (kind === "rlock" || kind === "condition") await (guard as ConditionGuard).acquire();
}
