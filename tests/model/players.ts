/**
 * The objects of a random program, each a referent beside its model, and the moves that a session
 * may make on them.
 *
 * Above: world.ts. Below: the referents, the models.
 *
 * @module
 */
import { Barrier } from "../../lib/objects/barrier.ts";
import { Condition } from "../../lib/objects/condition.ts";
import { CountDownLatch } from "../../lib/objects/count_down_latch.ts";
import { SharedEvent } from "../../lib/objects/event.ts";
import { Lock } from "../../lib/objects/lock.ts";
import { Queue } from "../../lib/objects/queue.ts";
import { JoinableQueue, LifoQueue, PriorityQueue } from "../../lib/objects/queues.ts";
import { RateLimiter } from "../../lib/objects/rate_limiter.ts";
import { RLock } from "../../lib/objects/rlock.ts";
import { RWLock } from "../../lib/objects/rw_lock.ts";
import { BoundedSemaphore, Semaphore } from "../../lib/objects/semaphore.ts";
import type { WaitingCaller } from "../../lib/objects/waiting.ts";
import type { Book, Model, ModelCall } from "./book.ts";
import type { Dice } from "./dice.ts";
import { ConditionModel, type LockKind, LockModel, type Wish } from "./locks.ts";
import { type DeadItem, type QueueKind, QueueModel, type Want } from "./queues.ts";
import { BarrierModel, EventModel, LatchModel, RateModel } from "./signals.ts";

/** One call: the same to the referent and to its model. */
export interface Play {
  /** For the story that a failure tells. */
  readonly text: string;
  readonly timeout?: number;
  readonly real: (caller: WaitingCaller) => unknown;
  readonly model: (call: ModelCall) => void;
  /** How what it gave goes back once it has arrived, where that is possible. */
  readonly late?: (content: unknown) => Play;
}

/** What a session has to make a move with. */
export interface Hand {
  readonly dice: Dice;
  /** The fences of the grants that the session has, and of those that it had lately. */
  readonly fences: readonly number[];
  /** A value that nobody had before. */
  newValue(): number;
}

/** What a session does with an object. */
export type Move = (hand: Hand) => Play;

/** An object of a program. */
export interface Player {
  readonly name: string;
  readonly model: Model;
  /** What there is to see of the referent; as the model's. */
  readonly state: () => unknown;
  /** What is done more often stands there more often. */
  readonly moves: readonly Move[];
}

/** What a program plays with. */
export interface Table {
  readonly book: Book;
  /** All locks of the program. */
  readonly locks: LockModel[];
}

/** Makes the players of one kind. */
export type Seating = (table: Table, dice: Dice) => Player[];

/** The kinds of objects. */
export const seatings: Readonly<Record<string, Seating>> = {
  lock: (table) => [lockPlayer(table, "lock", new Lock())],
  rlock: (table) => [lockPlayer(table, "rlock", new RLock())],
  rwLock: (table) => [lockPlayer(table, "rwLock", new RWLock())],
  semaphore: (table, dice) => {
    const permits = dice.below(4);
    const reclaim = dice.below(4) !== 3;
    const referent = new Semaphore(permits, { reclaim });
    return [lockPlayer(table, "semaphore", referent, permits, reclaim)];
  },
  boundedSemaphore: (table, dice) => {
    const permits = 1 + dice.below(3);
    return [lockPlayer(table, "boundedSemaphore", new BoundedSemaphore(permits), permits)];
  },
  condition: (table, dice) => conditionPlayers(table, dice.pick(["rlock", "lock"])),
  queue: (table, dice) => [queuePlayer(table, "queue", Queue, dice)],
  lifoQueue: (table, dice) => [queuePlayer(table, "lifoQueue", LifoQueue, dice)],
  priorityQueue: (table, dice) => [queuePlayer(table, "priorityQueue", PriorityQueue, dice)],
  joinableQueue: (table, dice) => [queuePlayer(table, "joinableQueue", JoinableQueue, dice)],
  event: ({ book }) => [eventPlayer(book)],
  barrier: ({ book }, dice) => [barrierPlayer(book, dice)],
  countDownLatch: ({ book }, dice) => [latchPlayer(book, dice)],
  rateLimiter: ({ book }, dice) => [ratePlayer(book, dice)],
};

/** Timeouts of calls; the clock goes on by as much at a time. */
const timeouts = [undefined, undefined, undefined, undefined, 2, 0, 1, 3] as const;

// Locks and semaphores.

type AnyLock = Lock | RLock | RWLock | Semaphore;

function lockPlayer(
  { book, locks }: Table,
  kind: LockKind,
  referent: AnyLock,
  permits?: number,
  reclaim?: boolean,
): Player {
  const model = new LockModel(book, kind, locks, permits, reclaim);
  locks.push(model);
  return {
    name: kind,
    model,
    state: () => ({
      grants: referent.describe(),
      locked: referent.locked(),
      permits: referent instanceof Semaphore ? referent.value() : undefined,
    }),
    moves: lockMoves(kind, referent, model),
  };
}

function lockMoves(kind: LockKind, referent: AnyLock | Condition, model: LockModel): Move[] {
  const acquire: Move = (hand) => {
    const timeout = hand.dice.pick(timeouts);
    const wish = wishOf(kind, hand, timeout);
    const options = optionsOf(wish);
    return {
      text: `acquire(${JSON.stringify(options)})`,
      timeout,
      real: (caller) => referent.acquire(options, caller),
      model: (call) => model.acquire(call, wish),
    };
  };
  const tryAcquire: Move = (hand) => {
    const wish = wishOf(kind, hand, 0);
    const options = optionsOf(wish);
    return {
      text: `tryAcquire(${JSON.stringify(options)})`,
      real: (caller) => referent.tryAcquire(options, caller),
      model: (call) => model.tryAcquire(call, wish),
    };
  };
  const enterAgain: Move = (hand) => {
    const wish = { ...plainWish, reenter: hand.dice.pick(hand.fences) ?? 0 };
    return {
      text: `guard.acquire() of ${wish.reenter}`,
      real: (caller) => referent.acquire({ reenter: wish.reenter }, caller),
      model: (call) => model.acquire(call, wish),
    };
  };
  const release: Move = ({ dice, fences }) => {
    const fence = dice.pick([undefined, ...model.fences, ...fences]);
    const options = fence === undefined ? undefined : { fence };
    return {
      text: `release(${fence ?? ""})`,
      real: (caller) => referent.release(options, caller),
      model: (call) => model.release(call, fence),
    };
  };
  const moves = [acquire, acquire, acquire, tryAcquire, release];
  return kind === "rlock" ? [...moves, enterAgain] : moves;
}

const plainWish: Wish = {
  shared: false,
  scoped: false,
  endless: false,
  holding: [],
  reenter: undefined,
};

function wishOf(kind: LockKind, { dice, fences }: Hand, timeout: number | undefined): Wish {
  const nested = !kind.endsWith("emaphore") && dice.below(3) > 0;
  return {
    ...plainWish,
    shared: kind === "rwLock" && dice.below(3) > 0,
    scoped: dice.below(6) === 5,
    holding: nested ? fences : [],
    endless: nested && timeout === undefined,
  };
}

function optionsOf({ shared, scoped, endless, holding }: Wish): Record<string, unknown> {
  return {
    ...shared ? { mode: "shared" } : {},
    ...scoped ? { scoped } : {},
    ...endless ? { endless } : {},
    ...holding.length > 0 ? { holding } : {},
  };
}

/** A lock with two conditions, through which it can be acquired, too. */
function conditionPlayers(table: Table, kind: "lock" | "rlock"): Player[] {
  const lock = kind === "lock" ? new Lock() : new RLock();
  const player = lockPlayer(table, kind, lock);
  const model = table.locks.at(-1)!;
  const conditions = [1, 2].map((n): Player => {
    const referent = new Condition(lock);
    const condition = new ConditionModel(model);
    const itsLock = lockMoves(kind, referent, model);
    return {
      name: `condition ${n} of the ${kind}`,
      model: condition,
      state: () => ({ sleeping: (referent.describe() as { sleeping: number }).sleeping }),
      moves: [...conditionMoves(referent, condition, model, itsLock[0]!), ...itsLock],
    };
  });
  return [player, ...conditions];
}

/** What takes a guard; whoever has none mostly acquires the lock. */
function conditionMoves(
  referent: Condition,
  model: ConditionModel,
  lock: LockModel,
  acquire: Move,
): Move[] {
  const withFence = (move: (dice: Dice, fence: number) => Play): Move => (hand) => {
    const { dice, fences } = hand;
    const own = fences.filter((fence) => lock.fences.includes(fence));
    const isRight = dice.below(12) < 11;
    if (isRight && own.length === 0) return acquire(hand);
    return move(dice, dice.pick(isRight ? own : fences) ?? 0);
  };
  const wait = withFence((dice, fence) => ({
    text: `wait(${fence})`,
    timeout: dice.pick(timeouts),
    real: (caller) => referent.wait(fence, undefined, caller),
    model: (call) => model.wait(call, fence),
  }));
  const notify = withFence((dice, fence) => {
    const n = dice.pick([1, undefined, 2, 0]);
    return {
      text: `notify(${fence}, ${n})`,
      real: (caller) => referent.notify(fence, n, caller),
      model: (call) => model.notify(call, fence, n ?? 1),
    };
  });
  const notifyAll = withFence((_, fence) => ({
    text: `notifyAll(${fence})`,
    real: (caller) => referent.notifyAll(fence, caller),
    model: (call) => model.notify(call, fence, 1000),
  }));
  return [...Array<Move>(8).fill(wait), ...Array<Move>(4).fill(notify), notifyAll];
}

// Queues.

type AnyQueue = Queue | JoinableQueue;
type QueueClass = new (options: { maxSize: number; maxAttempts: number }) => AnyQueue;

function queuePlayer({ book }: Table, kind: QueueKind, Class: QueueClass, dice: Dice): Player {
  const maxSize = dice.pick([0, 3, 2, 1]);
  const maxAttempts = dice.pick([3, 2, 10, 1]);
  const referent = new Class({ maxSize, maxAttempts });
  const model = new QueueModel(book, kind, maxSize, maxAttempts);
  return {
    name: `${kind} of ${maxSize}`,
    model,
    state: () => referent.describe(),
    moves: [
      ...putMoves(referent, model, maxSize),
      ...getMoves(referent, model),
      ...queueMoves(referent, model),
      ...referent instanceof JoinableQueue ? joinMoves(referent, model) : [],
    ],
  };
}

function putMoves(referent: AnyQueue, model: QueueModel, maxSize: number): Move[] {
  const priorityIn = (dice: Dice) => model.kind === "priorityQueue" ? dice.below(3) : undefined;
  const optionsOf = (priority: number | undefined) => {
    return priority === undefined ? undefined : { priority };
  };
  const put: Move = (hand) => {
    const timeout = hand.dice.pick(timeouts);
    const priority = priorityIn(hand.dice);
    const value = hand.newValue();
    return {
      text: `put(${value}, ${priority})`,
      timeout,
      real: (caller) => referent.put(value, optionsOf(priority), caller),
      model: (call) => model.put(call, [value], priority ?? 0),
    };
  };
  const putMany: Move = (hand) => {
    const timeout = hand.dice.pick(timeouts);
    const priority = priorityIn(hand.dice);
    // Seldom more than there will ever be room for.
    const most = maxSize > 0 && hand.dice.below(8) < 7 ? maxSize : 4;
    const values = Array.from({ length: 1 + hand.dice.below(most) }, () => hand.newValue());
    return {
      text: `putMany(${values}, ${priority})`,
      timeout,
      real: (caller) => referent.putMany(values, optionsOf(priority), caller),
      model: (call) => model.put(call, values, priority ?? 0),
    };
  };
  const tryPut: Move = (hand) => {
    const priority = priorityIn(hand.dice);
    const value = hand.newValue();
    return {
      text: `tryPut(${value}, ${priority})`,
      real: (caller) => referent.tryPut(value, optionsOf(priority), caller),
      model: (call) => model.tryPut(call, value, priority ?? 0),
    };
  };
  return [put, put, put, put, putMany, putMany, putMany, tryPut, tryPut];
}

function getMoves(referent: AnyQueue, model: QueueModel): Move[] {
  const late = (method: string, want: Want) => {
    if (want.lease || model.kind === "joinableQueue") return undefined;
    return (content: unknown): Play => ({
      text: `take back ${JSON.stringify(content)}`,
      real: () => referent.takeBackResult(method, content),
      model: (call) => model.takeBackResult(call, valuesIn(content)),
    });
  };
  const get: Move = ({ dice }) => {
    const timeout = dice.pick(timeouts);
    const want: Want = { max: 1, lease: dice.below(2) === 1, shape: "value" };
    return {
      text: `get(${want.lease})`,
      timeout,
      real: (caller) => referent.get({ lease: want.lease }, caller),
      model: (call) => model.get(call, want),
      late: late("get", want),
    };
  };
  const getMany: Move = ({ dice }) => {
    const timeout = dice.pick(timeouts);
    const want: Want = { max: 2 + dice.below(3), lease: dice.below(2) === 1, shape: "values" };
    return {
      text: `getMany(${want.max}, ${want.lease})`,
      timeout,
      real: (caller) => referent.getMany(want.max, { lease: want.lease }, caller),
      model: (call) => model.get(call, want),
      late: late("getMany", want),
    };
  };
  const tryGet: Move = ({ dice }) => {
    const want: Want = { max: 1, lease: dice.below(2) === 1, shape: "found" };
    return {
      text: `tryGet(${want.lease})`,
      real: (caller) => referent.tryGet({ lease: want.lease }, caller),
      model: (call) => model.tryGet(call, want),
      late: late("tryGet", want),
    };
  };
  return [get, get, get, get, getMany, getMany, getMany, tryGet];
}

function valuesIn(content: unknown): number[] {
  if (content === null) return [];
  if (typeof content === "number") return [content];
  return Array.isArray(content) ? content : [(content as { value: number }).value];
}

function queueMoves(referent: AnyQueue, model: QueueModel): Move[] {
  const dead: Move = ({ dice }) => {
    const remove = dice.below(2) === 1;
    const max = dice.pick([Infinity, 1, 2]);
    return {
      text: `dead(${remove}, ${max})`,
      real: (caller) => referent.dead({ remove, max }, caller),
      model: (call) => model.dead(call, remove, max),
      late: !remove ? undefined : (content) => ({
        text: `take back ${JSON.stringify(content)}`,
        real: () => referent.takeBackResult("dead", content),
        model: (call) => model.takeBackDead(call, content as DeadItem[]),
      }),
    };
  };
  // Not often: little happens afterwards.
  const shutdown: Move = (hand) => {
    if (hand.dice.below(8) < 7) return dead(hand);
    const immediate = hand.dice.below(3) === 2;
    return {
      text: `shutdown(${immediate})`,
      real: () => referent.shutdown({ immediate }),
      model: (call) => model.shutdown(call, immediate),
    };
  };
  return [shutdown];
}

function joinMoves(referent: JoinableQueue, model: QueueModel): Move[] {
  const taskDone: Move = () => ({
    text: "taskDone()",
    real: (caller) => referent.taskDone(caller),
    model: (call) => model.taskDone(call),
  });
  const join: Move = ({ dice }) => ({
    text: "join()",
    timeout: dice.pick(timeouts),
    real: (caller) => referent.join(undefined, caller),
    model: (call) => model.join(call),
  });
  return [taskDone, taskDone, taskDone, join];
}

// What callers wait for together.

function eventPlayer(book: Book): Player {
  const referent = new SharedEvent();
  const model = new EventModel(book);
  const wait: Move = ({ dice }) => ({
    text: "wait()",
    timeout: dice.pick(timeouts),
    real: (caller) => referent.wait(undefined, caller),
    model: (call) => model.wait(call),
  });
  const set: Move = () => ({
    text: "set()",
    real: () => referent.set(),
    model: (call) => model.set(call),
  });
  const clear: Move = () => ({
    text: "clear()",
    real: () => referent.clear(),
    model: (call) => model.clear(call),
  });
  return {
    name: "event",
    model,
    state: () => ({ isSet: referent.isSet() }),
    moves: [wait, wait, wait, set, clear, clear],
  };
}

function barrierPlayer(book: Book, dice: Dice): Player {
  const parties = 1 + dice.below(4);
  const timeout = dice.pick([undefined, 2, Infinity, 0]);
  const referent = new Barrier(parties, { timeout });
  const model = new BarrierModel(book, parties, timeout === Infinity ? undefined : timeout);
  const wait: Move = ({ dice }) => ({
    text: "wait()",
    timeout: dice.pick(timeouts),
    real: (caller) => referent.wait(undefined, caller),
    model: (call) => model.wait(call),
  });
  const reset: Move = () => ({
    text: "reset()",
    real: () => referent.reset(),
    model: (call) => model.reset(call),
  });
  const abort: Move = () => ({
    text: "abort()",
    real: () => referent.abort(),
    model: (call) => model.abort(call),
  });
  return {
    name: `barrier of ${parties}, ${timeout} ms`,
    model,
    state: () => ({ waiting: referent.waiting(), broken: referent.broken() }),
    moves: [wait, wait, wait, wait, wait, wait, reset, reset, abort],
  };
}

function latchPlayer(book: Book, dice: Dice): Player {
  const n = dice.below(6);
  const referent = new CountDownLatch(n);
  const model = new LatchModel(book, n);
  const wait: Move = ({ dice }) => ({
    text: "wait()",
    timeout: dice.pick(timeouts),
    real: (caller) => referent.wait(undefined, caller),
    model: (call) => model.wait(call),
  });
  const countDown: Move = ({ dice }) => {
    const n = dice.pick([1, 0, 2]);
    return {
      text: `countDown(${n})`,
      real: () => referent.countDown(n),
      model: (call) => model.countDown(call, n),
    };
  };
  return {
    name: `countDownLatch of ${n}`,
    model,
    state: () => ({ count: referent.count() }),
    moves: [wait, wait, wait, wait, countDown],
  };
}

function ratePlayer(book: Book, dice: Dice): Player {
  const limit = 1 + dice.below(4);
  // A token each millisecond, so that all numbers are whole.
  const referent = new RateLimiter({ limit, interval: limit });
  const model = new RateModel(book, limit);
  const acquire: Move = ({ dice }) => {
    const timeout = dice.pick(timeouts);
    const n = 1 + dice.below(limit + 1);
    return {
      text: `acquire(${n})`,
      timeout,
      real: (caller) => referent.acquire(n, undefined, caller),
      model: (call) => model.acquire(call, n),
    };
  };
  const tryAcquire: Move = ({ dice }) => {
    const n = 1 + dice.below(limit + 1);
    return {
      text: `tryAcquire(${n})`,
      real: (caller) => referent.tryAcquire(n, caller),
      model: (call) => model.tryAcquire(call, n),
    };
  };
  return {
    name: `rateLimiter of ${limit}`,
    model,
    state: () => ({}),
    moves: [acquire, acquire, acquire, tryAcquire],
  };
}
