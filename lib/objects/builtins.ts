/**
 * The table of the built-in typeids, at the end of the tour through the objects: which class is
 * made of which arguments, and what of it is exposed.
 *
 * Above: the server, which serves them, and the client, which names their proxies. Below: the
 * referents.
 *
 * @module
 */

import type { Acquirable } from "./acquirable.ts";
import { SharedArray } from "./array.ts";
import { Barrier, type BarrierOptions } from "./barrier.ts";
import { Condition } from "./condition.ts";
import { CountDownLatch } from "./count_down_latch.ts";
import type { Definition } from "./definition.ts";
import { Dict } from "./dict.ts";
import { SharedEvent } from "./event.ts";
import { List } from "./list.ts";
import { Lock } from "./lock.ts";
import { Namespace } from "./namespace.ts";
import { Queue } from "./queue.ts";
import type { QueueOptions } from "./queue_proxy.ts";
import { JoinableQueue, LifoQueue, PriorityQueue } from "./queues.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { maxRepresentationBytes, quoted, Representation, representFloat } from "./represent.ts";
import { RLock } from "./rlock.ts";
import { RWLock } from "./rw_lock.ts";
import { BoundedSemaphore, Semaphore, type SemaphoreOptions } from "./semaphore.ts";
import { SharedSet } from "./set.ts";
import { Value } from "./value.ts";

/** How many items of an iterator over a built-in travel in one reply. */
const readAhead = 256;

const list: Definition = {
  create: (...args) => new List(...atMost(args, 1, "list(iterable)")),
  class: List,
  exposed: [
    ...["at", "set", "push", "pop", "shift", "unshift", "insert", "splice", "slice", "indexOf"],
    ...["lastIndexOf", "includes", "count", "remove", "extend", "concat", "reverse", "sort"],
    ...["fill", "join", "length", "clear", "copy"],
  ],
  proxyName: "ListProxy",
  guarded: { set: 2 },
  iterables: { create: [0], extend: [0], concat: "all" },
  readAhead,
  value: (referent: List) => referent.copy(),
  text: (referent: List) => new Representation().raw("[").values(referent).raw("]").toString(),
};

const dict: Definition = {
  create: (...args) => new Dict(...atMost(args, 1, "dict(object or entries)")),
  class: Dict,
  exposed: [
    ...["get", "set", "has", "delete", "clear", "size", "keys", "values", "entries"],
    ...["getOrInsert", "pop", "popItem", "update", "copy", "getMany", "setMany", "deleteMany"],
    ...["increment", "compareAndSet"],
  ],
  proxyName: "DictProxy",
  guarded: { set: 2 },
  iterables: { create: [0], update: [0], getMany: [0], setMany: [0], deleteMany: [0] },
  readAhead,
  value: (referent: Dict) => referent.copy(),
  text: (referent: Dict) => new Representation().raw("{").entries(referent).raw("}").toString(),
};

const set: Definition = {
  create: (...args) => new SharedSet(...atMost(args, 1, "set(iterable)")),
  class: SharedSet,
  exposed: [
    ...["add", "has", "delete", "clear", "size", "values", "pop", "union", "intersection"],
    ...["difference", "symmetricDifference", "isSubsetOf", "isSupersetOf", "isDisjointFrom"],
    ...["update", "copy"],
  ],
  proxyName: "SetProxy",
  iterables: {
    create: [0],
    union: "all",
    intersection: "all",
    difference: "all",
    symmetricDifference: [0],
    isSubsetOf: [0],
    isSupersetOf: [0],
    isDisjointFrom: [0],
    update: "all",
  },
  readAhead,
  value: (referent: SharedSet) => referent.copy(),
  text: (referent: SharedSet) => {
    if (referent.size() === 0) return "set()";
    return new Representation().raw("{").values(referent).raw("}").toString();
  },
};

const namespace: Definition = {
  create: (...args) => new Namespace(...atMost(args, 1, "namespace(object)")),
  class: Namespace,
  exposed: ["get", "set", "delete", "keys"],
  proxyName: "NamespaceProxy",
  guarded: { set: 2 },
  attributes: true,
  value: (referent: Namespace) => {
    return Object.fromEntries(referent.keys().map((name) => [name, referent.get(name)]));
  },
  text: (referent: Namespace) => {
    // As Python: without the names that begin with `_`, and sorted as they are written, with the `=`.
    const written = referent.keys().filter((name) => !name.startsWith("_")).map((name) =>
      `${name}=`
    );
    const names = written.sort().map((name) => name.slice(0, -1));
    const text = new Representation().raw("Namespace(");
    for (const [i, name] of names.entries()) {
      if (text.full) break;
      text.raw(i === 0 ? "" : ", ").raw(`${name}=`).value(referent.get(name));
    }
    return text.raw(")").toString();
  },
};

const value: Definition = {
  create: (...args) => new Value(...atMost<ValueArgs>(args, 2, "value(typecode, initial)")),
  class: Value,
  exposed: ["get", "set", "add", "compareExchange"],
  proxyName: "ValueProxy",
  guarded: { set: 1 },
  value: (referent: Value) => referent.get(),
  text: (referent: Value) => {
    const text = new Representation().raw("Value(").value(referent.typecode);
    return text.raw(", ").value(referent.get()).raw(")").toString();
  },
};

const array: Definition = {
  create: (...args) =>
    new SharedArray(...atMost<ArrayArgs>(args, 2, "array(typecode, sizeOrValues)")),
  class: SharedArray,
  exposed: ["at", "set", "slice", "setSlice", "length", "add"],
  proxyName: "ArrayProxy",
  iterables: { create: [1], setSlice: [1] },
  readAhead,
  value: (referent: SharedArray) => referent.slice(),
  text: arrayText,
};

const queueMethods = [
  ...["put", "get", "tryPut", "tryGet", "putMany", "getMany", "size", "empty", "full"],
  ...["shutdown", "dead"],
];

/** What the queues have in common. */
const anyQueue = {
  exposed: queueMethods,
  // What tries takes no time, but as with a wait an abort that comes too late loses no item.
  waits: { put: 1, putMany: 1, get: 0, getMany: 1, tryGet: 0, dead: 0 },
  caller: ["tryPut"],
  iterables: { putMany: [0] },
  describe: (referent: Queue) => ({ queue: referent.describe() }),
};

/** What the queues have in common whose items are the getter's at once. */
const plainQueue = {
  ...anyQueue,
  takeBack: (referent: Queue, method: string, result: unknown) =>
    referent.takeBackResult(method, result),
};

const queue: Definition = {
  ...plainQueue,
  create: (...args) => new Queue(...atMost<[QueueOptions?]>(args, 1, "queue(options)")),
  class: Queue,
  proxyName: "QueueProxy",
};

const lifoQueue: Definition = {
  ...plainQueue,
  create: (...args) => new LifoQueue(...atMost<[QueueOptions?]>(args, 1, "lifoQueue(options)")),
  class: LifoQueue,
  proxyName: "LifoQueueProxy",
};

const priorityQueue: Definition = {
  ...plainQueue,
  create: (...args) =>
    new PriorityQueue(...atMost<[QueueOptions?]>(args, 1, "priorityQueue(options)")),
  class: PriorityQueue,
  proxyName: "PriorityQueueProxy",
};

const joinableQueue: Definition = {
  ...anyQueue,
  create: (...args) =>
    new JoinableQueue(...atMost<[QueueOptions?]>(args, 1, "joinableQueue(options)")),
  class: JoinableQueue,
  proxyName: "JoinableQueueProxy",
  exposed: [...queueMethods, "taskDone", "join"],
  waits: { ...anyQueue.waits, join: 0 },
  caller: [...anyQueue.caller, "taskDone"],
};

/** What the locks and semaphores have in common. */
const acquirable = {
  exposed: ["acquire", "tryAcquire", "release", "locked"],
  waits: { acquire: 0, tryAcquire: 0 }, // an abort that comes too late loses no grant, either
  caller: ["release"],
  describe: (referent: Acquirable) => ({ grants: referent.describe() }),
};

const lock: Definition = {
  ...acquirable,
  create: (...args) => new Lock(...atMost<[]>(args, 0, "lock()")),
  class: Lock,
  proxyName: "LockProxy",
};

const rlock: Definition = {
  ...acquirable,
  create: (...args) => new RLock(...atMost<[]>(args, 0, "rlock()")),
  class: RLock,
  proxyName: "RLockProxy",
};

const rwLock: Definition = {
  ...acquirable,
  create: (...args) => new RWLock(...atMost<[]>(args, 0, "rwLock()")),
  class: RWLock,
  proxyName: "RWLockProxy",
};

const semaphore: Definition = {
  ...acquirable,
  create: (...args) =>
    new Semaphore(...atMost<[number?, SemaphoreOptions?]>(args, 2, "semaphore(n, options)")),
  class: Semaphore,
  proxyName: "SemaphoreProxy",
  exposed: [...acquirable.exposed, "value"],
};

const boundedSemaphore: Definition = {
  ...semaphore,
  create: (...args) => new BoundedSemaphore(...atMost<[number?]>(args, 1, "boundedSemaphore(n)")),
  class: BoundedSemaphore,
  proxyName: "BoundedSemaphoreProxy",
};

const condition: Definition = {
  create: (...args) => new Condition(...atMost<[unknown?]>(args, 1, "condition(lock)")),
  class: Condition,
  exposed: [...acquirable.exposed, "wait", "notify", "notifyAll"],
  proxyName: "ConditionProxy",
  referents: { create: [0] },
  waits: { ...acquirable.waits, wait: 1 },
  caller: ["release", "notify", "notifyAll"],
  describe: (referent: Condition) => referent.describe(),
};

const event: Definition = {
  create: (...args) => new SharedEvent(...atMost<[]>(args, 0, "event()")),
  class: SharedEvent,
  exposed: ["set", "clear", "isSet", "wait"],
  proxyName: "EventProxy",
  waits: { wait: 0 },
  text: () => "<Event object>",
};

const barrier: Definition = {
  create: (...args) =>
    new Barrier(...atMost<[number, BarrierOptions?]>(args, 2, "barrier(parties, options)")),
  class: Barrier,
  exposed: ["wait", "reset", "abort", "parties", "waiting", "broken"],
  proxyName: "BarrierProxy",
  waits: { wait: 0 },
};

const countDownLatch: Definition = {
  create: (...args) => new CountDownLatch(...atMost<[number]>(args, 1, "countDownLatch(n)")),
  class: CountDownLatch,
  exposed: ["countDown", "count", "wait"],
  proxyName: "CountDownLatchProxy",
  waits: { wait: 0 },
};

const rateLimiter: Definition = {
  create: (...args) =>
    new RateLimiter(...atMost<RateLimiterArgs>(args, 1, "rateLimiter({ limit, interval })")),
  class: RateLimiter,
  exposed: ["acquire", "tryAcquire"],
  proxyName: "RateLimiterProxy",
  waits: { acquire: 1 },
  caller: ["tryAcquire"],
};

/** The definitions of the built-in typeids by their names. */
export const builtins: ReadonlyMap<string, Definition> = new Map(
  Object.entries({
    ...{ list, dict, set, namespace, value, array },
    ...{ queue, lifoQueue, priorityQueue, joinableQueue },
    ...{ lock, rlock, rwLock, semaphore, boundedSemaphore, condition },
    ...{ event, barrier, countDownLatch, rateLimiter },
  }),
);

type RateLimiterArgs = ConstructorParameters<typeof RateLimiter>;
type ValueArgs = ConstructorParameters<typeof Value>;
type ArrayArgs = ConstructorParameters<typeof SharedArray>;

/** The arguments, typed for a constructor that checks each of them, if they are not too many. */
function atMost<A extends unknown[] = [never?]>(args: unknown[], max: number, call: string): A {
  if (args.length <= max) return args as A;
  const takes = `${call} takes ${max} argument${max === 1 ? "" : "s"}, got ${args.length}`;
  if (max === 0) throw new TypeError(`${call} takes no arguments, got ${quoted(args[0])}`);
  const cure = call.includes("iterable") ? "pass the values as one array" : "leave out the rest";
  throw new TypeError(`${takes}, the last one ${quoted(args.at(-1))}: ${cure}`);
}

/** As Python's `array.array`: floats have their `.0`, and an empty one shows its typecode only. */
function arrayText(referent: SharedArray): string {
  const text = new Representation().raw("array(").value(referent.typecode);
  if (referent.length() === 0) return text.raw(")").toString();
  // Each element takes three bytes at least.
  const elements = referent.slice(0, maxRepresentationBytes / 2);
  if (!(elements instanceof Float32Array || elements instanceof Float64Array)) {
    return text.raw(", [").values(elements).raw("])").toString();
  }
  text.raw(", [");
  for (let i = 0; i < elements.length && !text.full; i++) {
    text.raw(i === 0 ? "" : ", ").raw(representFloat(elements[i]!));
  }
  return text.raw("])").toString();
}
