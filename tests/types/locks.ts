/**
 * Locks and what else is waited for by type: guards, `withLock`, conditions, writes that are bound
 * to a guard. Checked, never run.
 *
 * @module
 */

import type {
  AcquireOptions,
  BarrierProxy,
  ConditionGuard,
  ConditionProxy,
  CountDownLatchProxy,
  DebugInfo,
  DictProxy,
  EventProxy,
  Guard,
  GuardLike,
  GuardOptions,
  ListProxy,
  LockProxy,
  Manager,
  NamespaceProxy,
  RateLimiterProxy,
  ReentrantGuard,
  RLockProxy,
  RWLockProxy,
  SemaphoreProxy,
  Suspect,
  ValueProxy,
  WaitOptions,
} from "../../mod.ts";
import type { Equal, Expect } from "./expect.ts";
import { a } from "./expect.ts";

export async function creationMethods(m: Manager): Promise<unknown> {
  const lock = await m.lock();
  const rlock = await m.rlock();
  const rwLock = await m.rwLock();
  const one = await m.semaphore();
  const two = await m.semaphore(2, { reclaim: false });
  const bounded = await m.boundedSemaphore(2);
  const condition = await m.condition();
  const ofLock = await m.condition(lock);
  const ofRLock = await m.condition(rlock);
  const event = await m.event();
  const barrier = await m.barrier(3, { timeout: 1_000 });
  const latch = await m.countDownLatch(3);
  const limiter = await m.rateLimiter({ limit: 10, interval: 1_000 });
  const named = await m.named("lock").lock();
  const namedLimiter = await m.named("requests").rateLimiter({ limit: 10, interval: 1_000 });

  // @ts-expect-error: a name is given with `named`
  await m.lock("name");
  // A limit: these have the methods of a lock, so only the server refuses them.
  await m.condition(rwLock);
  await m.condition(one);
  // @ts-expect-error: a condition has a lock or an rlock
  await m.condition(event);
  // @ts-expect-error: a promise of a lock is no lock
  await m.condition(m.lock());
  // @ts-expect-error: a bounded semaphore always gets its permits back
  await m.boundedSemaphore(2, { reclaim: false });
  // @ts-expect-error: how many parties is missing
  await m.barrier();
  // @ts-expect-error: Python's action is what the party with index 0 does
  await m.barrier(3, () => {});
  // @ts-expect-error: how many is missing
  await m.countDownLatch();
  // @ts-expect-error: in which time is missing
  await m.rateLimiter({ limit: 10 });
  // @ts-expect-error: a limit and an interval have names
  await m.rateLimiter(10, 1_000);

  return a<[
    Expect<Equal<typeof lock, LockProxy>>,
    Expect<Equal<typeof rlock, RLockProxy>>,
    Expect<Equal<typeof rwLock, RWLockProxy>>,
    Expect<Equal<typeof one, SemaphoreProxy>>,
    Expect<Equal<typeof two, SemaphoreProxy>>,
    Expect<Equal<typeof bounded, SemaphoreProxy>>,
    Expect<Equal<typeof condition, ConditionProxy>>,
    Expect<Equal<typeof ofLock, ConditionProxy>>,
    Expect<Equal<typeof ofRLock, ConditionProxy>>,
    Expect<Equal<typeof event, EventProxy>>,
    Expect<Equal<typeof barrier, BarrierProxy>>,
    Expect<Equal<typeof latch, CountDownLatchProxy>>,
    Expect<Equal<typeof limiter, RateLimiterProxy>>,
    Expect<Equal<typeof named, LockProxy>>,
    Expect<Equal<typeof namedLimiter, RateLimiterProxy>>,
  ]>();
}

export async function withLockGivesWhatItsCallbackGives(lock: LockProxy): Promise<unknown> {
  const later = await lock.withLock(async () => await Promise.resolve(1));
  const now = await lock.withLock(() => "a");
  const nothing = await lock.withLock(() => {});
  const either = await lock.withLock((guard) => guard.abandoned ? Promise.resolve(1) : null);
  const guard = await lock.withLock((guard) => guard, { timeout: 5, signal: AbortSignal.abort() });

  // @ts-expect-error: the options come last
  await lock.withLock({ timeout: 5 }, () => {});
  // @ts-expect-error: a promise is no callback
  await lock.withLock(Promise.resolve());
  // @ts-expect-error: the callback gets its guard, and nothing else
  await lock.withLock((guard: Guard, more: number) => [guard, more]);

  return a<[
    Expect<Equal<typeof later, number>>,
    Expect<Equal<typeof now, string>>,
    Expect<Equal<typeof nothing, void>>,
    Expect<Equal<typeof either, number | null>>,
    Expect<Equal<typeof guard, Guard>>,
  ]>();
}

export async function eachKindHasItsGuards(
  lock: LockProxy,
  rlock: RLockProxy,
  rwLock: RWLockProxy,
  semaphore: SemaphoreProxy,
  condition: ConditionProxy,
): Promise<unknown> {
  const guard = await lock.acquire();
  const tried = await lock.tryAcquire();
  const reentrant = await rlock.acquire({ timeout: 5 });
  const triedReentrant = await rlock.tryAcquire();
  const again = await reentrant.acquire();
  const shared = await rwLock.acquire({ mode: "shared", timeout: 5 });
  const exclusive = await rwLock.withLock((guard) => guard, { mode: "exclusive" });
  const permit = await semaphore.acquire({ timeout: 5 });
  const triedPermit = await semaphore.tryAcquire();
  const conditional = await condition.acquire({ timeout: 5 });
  const triedConditional = await condition.tryAcquire();
  const conditionalAgain = await condition.withLock((guard) => guard.acquire());

  await guard.release();
  await guard[Symbol.asyncDispose]();
  await lock.release();
  await lock.release({ fence: guard.fence });
  await semaphore.release({ fence: permit.fence });
  const locked = await lock.locked();
  const permits = await semaphore.value();

  // @ts-expect-error: what was tried may be null
  await tried.release();
  // @ts-expect-error: a lock cannot be entered again
  await guard.acquire();
  // @ts-expect-error: a fence is the server's
  guard.fence = 1;
  // @ts-expect-error: only an rwLock has modes
  await lock.acquire({ mode: "shared" });
  // @ts-expect-error: no such mode
  await rwLock.acquire({ mode: "read" });
  // @ts-expect-error: trying takes no time
  await lock.tryAcquire({ timeout: 5 });
  // @ts-expect-error: Python's arguments
  await lock.acquire(true, 5);
  // @ts-expect-error: a guard, not its fence
  await lock.release(guard.fence);
  // @ts-expect-error: who holds a permit waits for nobody's lock
  await semaphore.acquire({ holding: permit });
  // @ts-expect-error: a lock has no number of permits
  await lock.value();

  return a<[
    Expect<Equal<typeof guard, Guard>>,
    Expect<Equal<typeof tried, Guard | null>>,
    Expect<Equal<typeof reentrant, ReentrantGuard>>,
    Expect<Equal<typeof triedReentrant, ReentrantGuard | null>>,
    Expect<Equal<typeof again, ReentrantGuard>>,
    Expect<Equal<typeof shared, Guard>>,
    Expect<Equal<typeof exclusive, Guard>>,
    Expect<Equal<typeof permit, Guard>>,
    Expect<Equal<typeof triedPermit, Guard | null>>,
    Expect<Equal<typeof conditional, ConditionGuard>>,
    Expect<Equal<typeof triedConditional, ConditionGuard | null>>,
    Expect<Equal<typeof conditionalAgain, ConditionGuard>>,
    Expect<Equal<typeof guard.fence, number>>,
    Expect<Equal<typeof guard.abandoned, boolean>>,
    Expect<Equal<typeof locked, boolean>>,
    Expect<Equal<typeof permits, number>>,
  ]>();
}

export async function whatAnAcquireMayBeTold(lock: LockProxy, guard: Guard): Promise<void> {
  const options: AcquireOptions = { timeout: 5, signal: AbortSignal.abort(), holding: guard };
  await lock.acquire(options);
  await lock.acquire({ holding: null });
  await lock.tryAcquire({ holding: guard });
  await lock.withLock(() => {}, { holding: null });
  // @ts-expect-error: a guard, not its fence
  await lock.acquire({ holding: guard.fence });
  await lock.acquire({ holding: a<GuardLike>() });
  // @ts-expect-error: a controller is no signal
  await lock.acquire({ signal: new AbortController() });
  // @ts-expect-error: milliseconds
  await lock.acquire({ timeout: "5s" });
  // @ts-expect-error: what is not told to the user is not for the user to tell
  await lock.acquire({ scoped: true });
}

export async function conditionsTakeAnyGuardOfTheirLock(
  condition: ConditionProxy,
  lock: LockProxy,
): Promise<unknown> {
  const guard = await lock.acquire();
  const woken = await condition.wait(guard, { timeout: 5 });
  await condition.notify(guard);
  await condition.notify(guard, 3);
  await condition.notifyAll(guard);
  const truth = await condition.waitFor(guard, () => true as const, { timeout: 5 });
  const later = await condition.waitFor(guard, async () => await Promise.resolve("a"));
  const short = await condition.withLock(async (guard) => {
    await guard.wait({ timeout: 5 });
    await guard.notify();
    await guard.notify(3);
    await guard.notifyAll();
    return await guard.waitFor(() => 1, { signal: AbortSignal.abort() });
  });

  // @ts-expect-error: who waits has the lock
  await condition.wait();
  // @ts-expect-error: the guard comes first
  await condition.wait({ timeout: 5 });
  // @ts-expect-error: the guard is missing
  await condition.waitFor(() => true);
  // @ts-expect-error: a value is no predicate
  await condition.waitFor(guard, true);
  // @ts-expect-error: whom to notify is a number
  await condition.notify(guard, "all");
  // @ts-expect-error: the guard of a lock has no short forms
  await guard.notify();

  return a<[
    Expect<Equal<typeof woken, void>>,
    Expect<Equal<typeof truth, true>>,
    Expect<Equal<typeof later, string>>,
    Expect<Equal<typeof short, number>>,
  ]>();
}

export async function writesAreBoundToAGuard(
  guard: Guard,
  dict: DictProxy<string, number>,
  list: ListProxy<number>,
  value: ValueProxy<number>,
  namespace: NamespaceProxy<{ x: number }>,
): Promise<void> {
  const sent: GuardLike = { fence: guard.fence }; // what another process was sent of it
  const options: GuardOptions = { guard: sent };
  await dict.set("a", 1, { guard });
  await dict.set("a", 1, options);
  await list.set(0, 1, { guard });
  await value.set(1, { guard });
  await namespace.set("x", 1, { guard });
  // @ts-expect-error: a guard, not its fence
  await dict.set("a", 1, { guard: guard.fence });
  // @ts-expect-error: a promise of a guard is no guard
  await dict.set("a", 1, { guard: a<LockProxy>().acquire() });
  // @ts-expect-error: an option has a name
  await dict.set("a", 1, guard);
  // @ts-expect-error: only `set` can be bound to a guard
  await dict.increment("a", 1, { guard });
  // @ts-expect-error: a write does not wait
  await dict.set("a", 1, { timeout: 5 });
}

export async function whatElseIsWaitedFor(
  event: EventProxy,
  barrier: BarrierProxy,
  latch: CountDownLatchProxy,
  limiter: RateLimiterProxy,
): Promise<unknown> {
  const options: WaitOptions = { timeout: 5, signal: AbortSignal.abort() };
  const set = await event.wait(options);
  const before = await barrier.wait(options);
  const zero = await latch.wait(options);
  const left = await latch.countDown(2);
  const taken = await limiter.acquire(2, options);
  const tried = await limiter.tryAcquire(2);
  await limiter.acquire();

  // @ts-expect-error: a timeout is an option
  await event.wait(5);
  // @ts-expect-error: parties is a question to the server
  barrier.parties + 1;
  // @ts-expect-error: how many comes first
  await limiter.acquire({ timeout: 5 });

  return a<[
    Expect<Equal<typeof set, void>>,
    Expect<Equal<typeof before, number>>,
    Expect<Equal<typeof zero, void>>,
    Expect<Equal<typeof left, number>>,
    Expect<Equal<typeof taken, void>>,
    Expect<Equal<typeof tried, boolean>>,
  ]>();
}

export function whatDebugInfoTells({ objects, suspects }: DebugInfo): unknown {
  const [object] = objects;
  return a<[
    Expect<Equal<typeof suspects, readonly Suspect[]>>,
    Expect<Equal<NonNullable<typeof object>["waiters"][number]["method"], string>>,
    Expect<Equal<NonNullable<NonNullable<typeof object>["grants"]>[number]["fence"], number>>,
    Expect<Equal<NonNullable<NonNullable<typeof object>["queue"]>[string], number>>,
  ]>();
}
