/**
 * The referents against models: random programs of 2 to 8 sessions whose calls wait, are late, are
 * aborted, and whose sessions end at any moment. Time is made up and every step is compared, so that
 * a failure comes again and fast-check makes it small. What many sessions do at once with a real
 * manager is in history_test.ts.
 *
 * @module
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NotOwnerError } from "../lib/errors.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import { Lock } from "../lib/objects/lock.ts";
import { RLock } from "../lib/objects/rlock.ts";
import type { WaitingCaller } from "../lib/objects/waiting.ts";
import { VirtualClock } from "./support/clock.ts";
import { programsOver } from "./model/programs.ts";
import { play, type Tally } from "./model/world.ts";
import { assertClean } from "./support/clean.ts";
import { check, fc } from "./support/fast_check.ts";

/** Objects of one program, how many programs, and the errors that they have to lead to. */
interface Group {
  readonly kinds: readonly string[];
  readonly programs: number;
  readonly errors: readonly string[];
  /** The most objects; by default 3. */
  readonly maxObjects?: number;
}

const groups: readonly Group[] = [
  {
    kinds: ["lock", "rlock", "rwLock"],
    programs: 400,
    errors: ["NotOwnerError", "TimeoutError", "DeadlockError"],
  },
  {
    kinds: ["semaphore", "boundedSemaphore"],
    programs: 200,
    errors: ["NotOwnerError", "TimeoutError", "RangeError"],
  },
  {
    kinds: ["condition"],
    programs: 400,
    maxObjects: 2,
    errors: ["NotOwnerError", "TimeoutError", "DeadlockError"],
  },
  {
    kinds: ["queue", "lifoQueue", "priorityQueue", "joinableQueue"],
    programs: 600,
    errors: [
      ...["QueueEmptyError", "QueueFullError", "QueueShutDownError", "LeaseLostError"],
      ...["RangeError", "TimeoutError"],
    ],
  },
  {
    kinds: ["event", "barrier", "countDownLatch", "rateLimiter"],
    programs: 200,
    errors: ["TimeoutError", "BrokenBarrierError", "RangeError"],
  },
  {
    kinds: ["lock", "rwLock", "semaphore", "condition", "queue", "joinableQueue", "barrier"],
    programs: 200,
    errors: ["DeadlockError", "LeaseLostError", "BrokenBarrierError"],
  },
];

const total: Tally = newTally();
let unfinished = groups.length;

for (const { kinds, programs, errors, maxObjects } of groups) {
  test(`random programs over ${kinds.join(", ")} do what their models do`, async () => {
    const tally = newTally();
    const random = programsOver(kinds, maxObjects);
    await check(programs, fc.asyncProperty(random, (program) => play(program, tally)));
    for (const name of ["a value", "aborted", "gone", ...errors]) {
      assert.ok(tally.outcomes.has(name), `no call ended with ${name}: the programs are too tame`);
    }
    add(tally);
  });
}

test("rlock.release({ fence }) leaves the grant of another session alone", () => {
  const session = sessions();
  const lock = new RLock();
  const { fence } = lock.tryAcquire(undefined, session("owner"))!.content;
  assert.throws(() => lock.release(undefined, session("other")), NotOwnerError);
  assert.throws(() => lock.release({ fence }, session("other")), NotOwnerError);
  assert.equal(lock.locked(), true);
});

test("the next grant after an abandoned one is marked, also when one between never arrived", () => {
  const session = sessions();
  const lock = new Lock();
  lock.tryAcquire(undefined, session("dies"))!.abandon();
  const lost = lock.tryAcquire(undefined, session("never hears of it"))!;
  assert.equal(lost.content.abandoned, true);
  lost.giveBack();
  assert.equal(lock.tryAcquire(undefined, session("next"))!.content.abandoned, true);
});

test("leaves nothing behind", assertClean);

/** Callers of one server, by their sessions. */
function sessions(): (id: string) => WaitingCaller {
  const ledger = new Ledger(0, () => "it");
  const clock = new VirtualClock();
  const { signal } = new AbortController();
  return (id) => ({ id, signal, gone: () => false, bytes: 0, clock, ledger, settling() {} });
}

function newTally(): Tally {
  const outcomes = new Map();
  return { programs: 0, operations: 0, aborts: 0, timeouts: 0, disconnects: 0, outcomes };
}

/** The last one says what ran. */
function add(tally: Tally): void {
  for (const name of ["programs", "operations", "aborts", "timeouts", "disconnects"] as const) {
    total[name] += tally[name];
  }
  if (--unfinished > 0) return;
  const { programs, operations, aborts, timeouts, disconnects } = total;
  console.log(
    `Models: ${programs} programs, ${operations} operations, ${aborts} aborts, ${timeouts} timeouts, ${disconnects} disconnects`,
  );
}
