/**
 * What the queues promise several processes, and what they cost: each sentence of the contract is a
 * test. Sessions are real clients of a server in this thread, so that a test can stop between any two
 * steps, kill a session and see what the server knows. What one session sees is in
 * conformance/queue.ts and the files beside it.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import {
  ConnectionClosedError,
  exportProxy,
  isProxy,
  type JoinableQueueProxy,
  type Lease,
  LeaseLostError,
  LimitExceededError,
  type Limits,
  Manager,
  messagePack,
  type PriorityQueueProxy,
  QueueEmptyError,
  QueueFullError,
  type QueueOptions,
  type QueueProxy,
  QueueShutDownError,
  releaseProxy,
  TimeoutError,
  withOptions,
} from "../mod.ts";
import { Client } from "../lib/client/client.ts";
import { resolveLimits } from "../lib/limits.ts";
import { DeadItems } from "../lib/objects/dead_items.ts";
import type { Handover } from "../lib/objects/handover.ts";
import type { LeaseBatch } from "../lib/objects/lease.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import { Queue } from "../lib/objects/queue.ts";
import { JoinableQueue, LifoQueue, PriorityQueue } from "../lib/objects/queues.ts";
import type { WaitingCaller } from "../lib/objects/waiting.ts";
import type { ObjectServer } from "../lib/server/server.ts";
import { authenticateServer } from "../lib/wire/auth.ts";
import { Connection } from "../lib/wire/connection.ts";
import type { Fields } from "../lib/wire/frame.ts";
import {
  HandleKind,
  handleMethods,
  Kind,
  readCall,
  Status,
  Target,
  universalMethods,
  writeReply,
} from "../lib/wire/protocol.ts";
import { memoryPair, type Transport } from "../lib/wire/transport.ts";
import { newServer } from "./conformance/in_server.ts";
import { inOrder, type QueueKind, queueKinds } from "./conformance/queue.ts";
import { assertClean } from "./support/clean.ts";
import { clientOptions } from "./support/clients.ts";
import { VirtualClock } from "./support/clock.ts";
import { assertCosts, timeOf } from "./support/costs.ts";
import { eventually } from "./support/events.ts";
import { check, fc } from "./support/fast_check.ts";
import { collectGarbage } from "./support/garbage.ts";
import { payloadOf, Peer } from "./support/peer.ts";

const authkey = new Uint8Array(32).fill(7);
const MiB = 1024 * 1024;

// Sessions.

/** One session, and how it ends. */
interface Guest<T> {
  readonly client: Client;
  /** The queue, as this session has it. */
  queue: QueueProxy<T>;
  /** As `kill -9`: what is on its way in either direction is gone. */
  kill(): void;
  /** The same, and the server knows at once. */
  drop(): void;
}

/** One queue of a server, with the sessions that have it. */
class Shared<T> {
  readonly server: ObjectServer;
  readonly guests: Guest<T>[] = [];
  /** The referent, to look at. */
  referent!: Queue;
  /** The queue, as a referent in the server has it: it acts without a message. */
  inside!: QueueProxy<T>;

  constructor(server: ObjectServer) {
    this.server = server;
  }

  /** The sessions' queues. */
  get queues(): QueueProxy<T>[] {
    return this.guests.map(({ queue }) => queue);
  }

  /** Another session; it takes messages as `limits` say. */
  async join(
    limits: Partial<Limits> = {},
    transport = memoryPair(),
    verdictTimeout?: number,
  ): Promise<Guest<T>> {
    const [ours, theirs] = transport;
    this.server.accept(theirs);
    const client = await connectClient(ours, limits, verdictTimeout);
    const queue = await client.callServer("lookup", ["queue"]) as QueueProxy<T>;
    const session = this.server.sessions.get(client.session)!;
    const drop = () => session.abort(new ConnectionClosedError("dropped"));
    const guest = { client, queue, kill: () => ours.destroy(), drop };
    this.guests.push(guest);
    return guest;
  }

  /** Resolves once the server knows so many of each. */
  async until(expected: Record<string, number>): Promise<void> {
    const reached = () =>
      Object.entries(expected).every(([name, count]) => this.referent.describe()[name] === count);
    await soon(JSON.stringify(expected), reached).catch((error) => {
      throw new Error(`${error.message}; it was ${JSON.stringify(this.referent.describe())}`);
    });
  }

  /** Resolves once so many sessions are there. */
  async untilSessions(count: number): Promise<void> {
    await soon(`${count} sessions`, () => this.server.sessions.size === count);
  }
}

/** As `eventually`, for what is a few turns of the event loop away. */
async function soon(what: string, check: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !check(); turn++) await setImmediate();
  await eventually(what, check);
}

function connectClient(
  transport: Transport,
  limits: Partial<Limits> = {},
  verdictTimeout?: number,
): Promise<Client> {
  const options = { authkey, limits: resolveLimits(limits), verdictTimeout };
  return Client.connect(transport, clientOptions(options));
}

async function withServer(body: (server: ObjectServer) => Promise<void>): Promise<void> {
  const server = newServer();
  // Nothing in memory keeps the process alive.
  const awake = setInterval(() => {}, 1000);
  try {
    await body(server);
  } finally {
    await server.close(new ConnectionClosedError("the test is over"));
    clearInterval(awake);
  }
}

/** A queue, and one session for each of the limits. */
function withQueue<T = number>(
  kind: QueueKind,
  options: QueueOptions,
  sessions: number | Partial<Limits>[],
  body: (shared: Shared<T>) => Promise<void>,
): Promise<void> {
  return withServer(async (server) => {
    const shared = new Shared<T>(server);
    const client = await connectClient(connected(server));
    const made = await client.callServer("create", [kind, [options]]) as QueueProxy<T>;
    await client.callServer("publish", ["queue", made]);
    const [entry] = server.owner.registry.held;
    shared.referent = entry!.referent as Queue;
    shared.inside = entry!.proxy as QueueProxy<T>;
    await client.close();
    await shared.untilSessions(0);
    const all = typeof sessions === "number" ? Array.from(Array(sessions), () => ({})) : sessions;
    for (const limits of all) await shared.join(limits);
    await body(shared);
  });
}

/** The client's end of a connection to the server. */
function connected(server: ObjectServer): Transport {
  const [ours, theirs] = memoryPair();
  server.accept(theirs);
  return ours;
}

/** How a promise ended; made before it can reject. */
function outcome<T>(promise: Promise<T>): Promise<{ value: T } | { error: unknown }> {
  return promise.then((value) => ({ value }), (error: unknown) => ({ error }));
}

/** Lets so many steps of everything else happen. */
async function steps(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await (i % 4 === 3 ? setImmediate() : undefined);
}

/** All that is ready, in the order in which it is taken. */
async function drain<T>(queue: QueueProxy<T>): Promise<T[]> {
  const all: T[] = [];
  for (let got = await queue.tryGet(); got; got = await queue.tryGet()) all.push(got.value);
  return all;
}

const valueOf = <T>(lease: Lease<T>) => lease.value;

// 1.3: what the queues have, and their waits.

void test("the queues have these methods and no others", () =>
  withQueue("queue", {}, 1, async ({ guests: [guest] }) => {
    const common = [
      ...["put", "get", "tryPut", "tryGet", "putMany", "getMany", "size", "empty", "full"],
      ...["shutdown", "consume", "dead"],
    ];
    for (const kind of queueKinds) {
      const queue = await guest!.client.callServer("create", [kind, []]) as object;
      const names: string[] = [];
      for (const name in queue) if (name !== "toJSON") names.push(name);
      const own = kind === "joinableQueue" ? ["taskDone", "join"] : [];
      assert.deepEqual(names.toSorted(), [...common, ...own].toSorted());
      assert.equal(typeof (queue as AsyncIterable<unknown>)[Symbol.asyncIterator], "function");
    }
  }));

for (const kind of queueKinds) {
  void test(`getters of several sessions are served in the order of their calls: ${kind}`, () =>
    withQueue(kind, {}, 3, async (shared) => {
      const [a, b, c] = shared.queues;
      const served: string[] = [];
      const waiting = [];
      for (const [who, queue] of [["a", a], ["b", b], ["c", c], ["a again", a]] as const) {
        waiting.push(queue!.get().then((item) => served.push(`${who} ${item}`)));
        await shared.until({ getters: waiting.length });
      }
      for (const item of [1, 2, 3, 4]) await c!.put(item);
      await Promise.all(waiting);
      assert.deepEqual(served, ["a 1", "b 2", "c 3", "a again 4"]);
    }));

  void test(`putters of several sessions are served in the order of their calls: ${kind}`, () =>
    withQueue(kind, { maxSize: 1 }, 3, async (shared) => {
      const [a, b, c] = shared.queues;
      await a!.put(0);
      const waiting = [];
      for (const [i, queue] of [a, b, c, a].entries()) {
        waiting.push(queue!.put(i + 1));
        await shared.until({ putters: i + 1 });
      }
      const taken = [];
      for (let i = 0; i < 5; i++) taken.push(await b!.get());
      await Promise.all(waiting);
      assert.deepEqual(taken, [0, 1, 2, 3, 4]);
    }));
}

void test("two iterators share the items one by one, neither has more than it asked for", () =>
  withQueue("queue", {}, 2, async (shared) => {
    const [a, b] = shared.queues;
    const [left, right] = [a![Symbol.asyncIterator](), b![Symbol.asyncIterator]()];
    await a!.putMany([1, 2, 3, 4, 5, 6]);
    const taken = [];
    for (const iterator of [left, right, left, right]) taken.push((await iterator.next()).value);
    assert.deepEqual(taken, [1, 2, 3, 4]);
    assert.equal(await a!.size(), 2, "nobody has taken an item that nobody asked for");
    await left.return!();
    assert.equal((await right.next()).value, 5);
    await b!.shutdown();
    assert.deepEqual((await right.next()).value, 6);
    assert.equal((await right.next()).done, true);
    assert.equal((await left.next()).done, true);
  }));

void test("a consumer that breaks out of its loop loses nothing", () =>
  withQueue("queue", {}, 2, async ({ queues: [a, b] }) => {
    await a!.putMany([1, 2, 3]);
    const seen = [];
    for await (const item of a!) {
      seen.push(item);
      break;
    }
    for await (const item of b!) {
      seen.push(item);
      if (item === 2) break;
    }
    assert.deepEqual([seen, await drain(a!)], [[1, 2], [3]]);
  }));

void test("a session's iterator that waits takes nothing once the session is gone", () =>
  withQueue("queue", {}, 2, async (shared) => {
    const [gone, stays] = shared.guests;
    const next = outcome(gone!.queue[Symbol.asyncIterator]().next());
    await shared.until({ getters: 1 });
    gone!.kill();
    await shared.until({ getters: 0 });
    assert.ok((await next as { error: Error }).error instanceof ConnectionClosedError);
    await stays!.queue.put(1);
    assert.equal(await stays!.queue.get(), 1);
  }));

void test("queues hold queues, in a dict, in a list, for every session", () =>
  withQueue<QueueProxy<number>>("queue", {}, 2, async ({ guests: [a, b] }) => {
    const inner = await a!.client.callServer("create", ["queue", []]) as QueueProxy<number>;
    await a!.queue.put(inner);
    const received = await b!.queue.get();
    assert.ok(isProxy(received));
    // Nobody but b has it any more: what it has to be is in the queue.
    releaseProxy(inner, { all: true });
    await received.put(5);
    await b!.queue.put(received);
    assert.equal(await a!.queue.get().then((queue) => queue.get()), 5);
  }));

void test("the proxies in a queue keep their objects", () =>
  withQueue<unknown>("queue", {}, 2, async ({ guests: [a, b], server }) => {
    const list = await a!.client.callServer("create", ["list", [["kept"]]]) as object;
    await a!.queue.put([list]);
    await a!.client.close();
    await eventually("only the queue is held", () => server.owner.registry.held.size === 1);
    const [received] = await b!.queue.get() as [{ copy(): Promise<string[]> }];
    assert.deepEqual(await received.copy(), ["kept"]);
  }));

// 1.3: the waits.

void test("the server counts the timeout of a wait, and not before its time is over", async () => {
  for (const make of [(o: object) => new Queue(o), (o: object) => new PriorityQueue(o)]) {
    const time = new Time();
    const queue = make({ maxSize: 1 });
    const early = outcome(queue.get({}, time.caller("a", { timeout: 200 })) as Promise<Handover>);
    const late = outcome(queue.get({}, time.caller("a", { timeout: 201 })) as Promise<Handover>);
    time.pass(199.9);
    assert.equal(queue.describe()["getters"], 2);
    time.pass(0.1);
    assert.equal(queue.describe()["getters"], 1);
    const { error } = await early as { error: Error };
    assert.ok(error instanceof QueueEmptyError && error instanceof TimeoutError);
    queue.put(1, {}, time.caller("b"));
    assert.equal((await late as { value: Handover }).value.content, 1);
    time.pass(1000);
    queue.put(2, {}, time.caller("b"));
    const full = outcome(queue.put(3, {}, time.caller("b", { timeout: 50 })) as Promise<void>);
    time.pass(50);
    assert.ok((await full as { error: Error }).error instanceof QueueFullError);
    assert.deepEqual([queue.describe()["ready"], queue.describe()["putters"]], [1, 0]);
    assert.equal(time.timers, 0);
  }
});

/** What happens first, and how many steps before the other: negative where `late` comes first. */
const crossings = Array.from({ length: 31 }, (_, i) => i - 10);

/** Does both, in the order and with the distance of the crossing. */
async function cross(crossing: number, early: () => unknown, late: () => unknown): Promise<void> {
  const [first, second] = crossing < 0 ? [late, early] : [early, late];
  first();
  await steps(Math.abs(crossing));
  second();
}

void test("an item that crosses an abort is delivered or stays, never both", async () => {
  const gets = {
    get: (queue: QueueProxy<number>, signal: AbortSignal) => queue.get({ signal }),
    getMany: async (queue: QueueProxy<number>, signal: AbortSignal) =>
      (await queue.getMany(3, { signal }))[0],
    lease: async (queue: QueueProxy<number>, signal: AbortSignal) =>
      (await queue.get({ lease: true, signal })).value,
  };
  for (const kind of queueKinds) {
    for (const [name, get] of Object.entries(gets)) {
      await withQueue(kind, {}, 2, async (shared) => {
        const [a, b] = shared.queues;
        const ends = new Set<string>();
        for (const crossing of crossings) {
          const what = `${kind} ${name}: the abort comes ${crossing} steps later`;
          const controller = new AbortController();
          const reason = new Error("not any more");
          const got = outcome(get(a!, controller.signal));
          await shared.until({ getters: 1 });
          let put: Promise<void> | undefined;
          await cross(
            crossing,
            () => put = shared.inside.put(crossing),
            () => controller.abort(reason),
          );
          const end = await got;
          await put;
          const stayed = await drain(b!);
          if ("error" in end) assert.equal(end.error, reason, what);
          assert.deepEqual(["value" in end ? [end.value] : [], stayed].flat(), [crossing], what);
          ends.add("value" in end ? "delivered" : "stayed");
        }
        assert.deepEqual([...ends].toSorted(), ["delivered", "stayed"], "both were tried");
      });
    }
  }
});

void test("a put that crosses an abort is in or not, as its caller is told", () =>
  withQueue("queue", { maxSize: 1 }, 2, async (shared) => {
    const [a, b] = shared.queues;
    const ends = new Set<boolean>();
    for (const crossing of crossings) {
      await b!.put(-1);
      const controller = new AbortController();
      const put = outcome(a!.put(crossing, { signal: controller.signal }));
      await shared.until({ putters: 1 });
      let got: Promise<number> | undefined;
      await cross(crossing, () => got = shared.inside.get(), () => controller.abort());
      const isIn = "value" in await put;
      assert.equal(await got, -1);
      assert.deepEqual(await drain(b!), isIn ? [crossing] : [], `${crossing} steps later`);
      ends.add(isIn);
    }
    assert.equal(ends.size, 2, "both were tried");
  }));

void test("a wait that was aborted leaves the next call its own answer", () =>
  withQueue<string>("queue", {}, 2, async (shared) => {
    // CPython's connection is out of step afterwards: the next call gets the reply of this one.
    const [a, b] = shared.queues;
    for (let i = 0; i < 20; i++) {
      const controller = new AbortController();
      const got = outcome(a!.get({ signal: controller.signal }));
      const size = a!.size();
      controller.abort();
      const full = a!.full();
      assert.deepEqual([await size, await full, await a!.empty()], [0, false, true]);
      assert.ok("error" in await got);
      await b!.put("own");
      assert.equal(await a!.get(), "own");
    }
  }));

void test("a call whose signal was aborted before is not made", () =>
  withQueue("queue", {}, 1, async ({ queues: [queue], server }) => {
    const signal = AbortSignal.abort(new Error("before"));
    const options = { signal };
    for (const call of [() => queue!.get(options), () => queue!.put(1, options)]) {
      await assert.rejects(call() as Promise<unknown>, /before/);
    }
    await queue!.consume(() => assert.fail(), options);
    const { methods } = await new Promise<{ methods: object }>((resolve) => {
      resolve({ methods: server.owner.registry.statistics() });
    });
    assert.deepEqual(Object.keys(methods).filter((name) => name.startsWith("queue.")), []);
  }));

void test("a waiter and a lease pin their queue when no session holds it any more", () =>
  withQueue<string>("queue", {}, 2, async (shared) => {
    const [a, b] = shared.guests;
    await a!.queue.put("item");
    const lease = await a!.queue.get({ lease: true });
    const got = b!.queue.get();
    await shared.until({ getters: 1, leased: 1 });
    await a!.client.callServer("unpublish", ["queue"]);
    for (const guest of [a!, b!]) releaseProxy(guest.queue, { all: true });
    await eventually("nobody holds it", () => shared.server.owner.registry.held.size === 0);
    shared.inside = undefined as never;
    shared.referent = undefined as never;
    for (let i = 0; i < 5; i++) {
      collectGarbage?.();
      await setImmediate();
    }
    const info = await a!.client.callServer("debugInfo", []) as {
      objects: { typeid: string; waiters: { method: string }[]; queue: object }[];
    };
    const [pinned] = info.objects;
    assert.equal(pinned!.typeid, "queue");
    assert.deepEqual(pinned!.waiters.map(({ method }) => method), ["get"]);
    const counts = { ready: 0, leased: 1, delayed: 0, dead: 0, getters: 1, putters: 0 };
    assert.deepEqual(pinned!.queue, counts);
    await lease.nack();
    assert.equal(await got, "item");
  }));

// 3.3: at most once.

for (const kind of queueKinds) {
  void test(`a getter that is gone takes nothing, killed or closed: ${kind}`, () =>
    withQueue(kind, {}, 4, async (shared) => {
      const [killed, closed, a, b] = shared.guests;
      const gone = [
        killed!.queue.get(),
        killed!.queue.getMany(5),
        killed!.queue.get({ lease: true }),
        closed!.queue.get(),
        closed!.queue.get({ timeout: 60_000 }),
      ].map((call) => outcome(call as Promise<unknown>));
      await shared.until({ getters: 5 });
      const late = a!.queue.get();
      await shared.until({ getters: 6 });
      killed!.kill();
      await closed!.client.close();
      await shared.until({ getters: 1 });
      for (const end of await Promise.all(gone)) {
        assert.ok("error" in end && end.error instanceof ConnectionClosedError);
      }
      await b!.queue.putMany([1, 2]);
      const [first, second] = inOrder(kind, [1, 2]);
      assert.deepEqual([await late, await b!.queue.get()], [first, second]);
    }));

  void test(`a putter that is gone has put nothing: ${kind}`, () =>
    withQueue(kind, { maxSize: 2 }, 3, async (shared) => {
      const [killed, closed, a] = shared.guests;
      await a!.queue.putMany([1, 2]);
      for (const { queue } of [killed!, closed!]) {
        outcome(queue.put(3));
        outcome(queue.putMany([4, 5]));
      }
      await shared.until({ putters: 4 });
      const last = a!.queue.put(6);
      await shared.until({ putters: 5 });
      killed!.kill();
      await closed!.client.close();
      await shared.until({ putters: 1 });
      assert.deepEqual(await a!.queue.getMany(2), inOrder(kind, [1, 2]));
      await last;
      assert.deepEqual(await drain(a!.queue), [6]);
    }));

  void test(`an item whose getter is killed is never doubled, and lost only on its way: ${kind}`, () =>
    withQueue(kind, {}, 1, async (shared) => {
      const [{ queue: witness }] = shared.guests as [Guest<number>];
      for (const end of ["kill", "drop"] as const) {
        const stayed = new Set<boolean>();
        for (const crossing of crossings) {
          const what = `${end} ${crossing} steps later`;
          const guest = await shared.join();
          const got = outcome(guest.queue.get());
          await shared.until({ getters: 1 });
          let put: Promise<void> | undefined;
          await cross(crossing, () => put = shared.inside.put(crossing), guest[end]);
          await put;
          await shared.untilSessions(1);
          const delivered = "value" in await got;
          await shared.until({ getters: 0, leased: 0 });
          const left = await drain(witness);
          stayed.add(left.length > 0);
          if (kind === "joinableQueue") {
            // Not done yet, so it comes back even if it was delivered.
            assert.deepEqual(left, [crossing], what);
            await (witness as JoinableQueueProxy<number>).taskDone();
          } else {
            assert.ok(left.length + Number(delivered) <= 1, `doubled: ${what}`);
          }
        }
        assert.equal(stayed.size, kind === "joinableQueue" ? 1 : 2, "both were tried");
      }
    }));
}

// 3.3: at least once.

const mixed: Record<QueueKind, number[]> = {
  queue: [0, 0, 0, 0, 0, 0, 0, 0],
  lifoQueue: [0, 0, 0, 0, 0, 0, 0, 0],
  priorityQueue: [2, 1, 3, 1, 2, 3, 1, 2],
  joinableQueue: [0, 0, 0, 0, 0, 0, 0, 0],
};

/** Puts "0", "1", ... each with its priority; resolves to them in the order in which they are taken. */
async function putMixed(kind: QueueKind, queue: QueueProxy<string>): Promise<string[]> {
  const priorities = mixed[kind];
  for (const [i, priority] of priorities.entries()) {
    const options = kind === "priorityQueue" ? { priority } : {};
    await (queue as PriorityQueueProxy<string>).put(`${i}`, options);
  }
  const names = priorities.map((_, i) => `${i}`);
  if (kind !== "priorityQueue") return inOrder(kind, names);
  return names.toSorted((a, b) => priorities[+a]! - priorities[+b]! || +a - +b);
}

for (const kind of queueKinds) {
  for (const end of ["kill", "close"] as const) {
    void test(`what an ended session had leased is back in its place, with attempt + 1: ${kind}, ${end}`, () =>
      withQueue<string>(kind, {}, 3, async (shared) => {
        const [gone, stays, witness] = shared.guests as [
          Guest<string>,
          Guest<string>,
          Guest<string>,
        ];
        const all = await putMixed(kind, stays.queue);
        // Several items interleaved, leased one by one and several at once, some of them settled.
        const held: Lease<string>[] = [];
        const lost: string[] = [];
        lost.push((await gone.queue.get({ lease: true })).value);
        held.push(await stays.queue.get({ lease: true }));
        const [second, acked, third] = await gone.queue.getMany(3, { lease: true });
        lost.push(second!.value, third!.value);
        await acked!.ack();
        held.push(await stays.queue.get({ lease: true }));
        lost.push((await gone.queue.get({ lease: true })).value);
        const taken = [...lost, ...held.map(valueOf), acked!.value];
        assert.deepEqual(taken.toSorted(), all.slice(0, 7).toSorted());
        if (end === "kill") gone.kill();
        else await gone.client.close();
        await shared.until({ leased: held.length, ready: 5 });
        const left = await witness.queue.getMany(99, { lease: true });
        const expected = all.filter((item) => lost.includes(item) || item === all[7]);
        assert.deepEqual(left.map(valueOf), expected);
        assert.deepEqual(
          left.map((lease) => lease.attempt),
          expected.map((item) => item === all[7] ? 1 : 2),
        );
        for (const lease of [...held, ...left]) await lease.ack();
        await shared.until({ leased: 0, ready: 0 });
      }));
  }

  void test(`an item goes to dead() when maxAttempts sessions were killed with it: ${kind}`, () =>
    withQueue<string>(kind, { maxAttempts: 3 }, 1, async (shared) => {
      const witness = shared.guests[0]!.queue;
      await witness.put("poison");
      for (let attempt = 1; attempt <= 3; attempt++) {
        assert.deepEqual(await witness.dead(), []);
        const guest = await shared.join();
        assert.equal((await guest.queue.get({ lease: true })).attempt, attempt);
        guest.kill();
        await shared.until({ leased: 0 });
      }
      assert.equal(await witness.tryGet(), null);
      assert.deepEqual(await witness.dead(), [{ value: "poison", attempts: 3 }]);
    }));

  void test(`waiting getters take what comes back, in its order: ${kind}`, () =>
    withQueue<string>(kind, {}, 2, async (shared) => {
      const [gone, stays] = shared.guests as [Guest<string>, Guest<string>];
      const all = await putMixed(kind, stays.queue);
      const leases = [];
      for (const _ of all) leases.push(await gone.queue.get({ lease: true }));
      const waiting = all.map(() => stays.queue.get());
      await shared.until({ getters: all.length });
      // The last one comes back first: whoever waits longest has it.
      await leases.at(-1)!.nack();
      gone.kill();
      assert.deepEqual(await Promise.all(waiting), [all.at(-1)!, ...all.slice(0, -1)]);
    }));

  void test(`a lease that was on its way to a killed session comes back once: ${kind}`, () =>
    withQueue(kind, {}, 1, async (shared) => {
      const witness = shared.guests[0]!.queue;
      for (const end of ["kill", "drop"] as const) {
        const attempts = new Set<number>();
        for (const crossing of crossings) {
          const guest = await shared.join();
          outcome(guest.queue.get({ lease: true }));
          await shared.until({ getters: 1 });
          let put: Promise<void> | undefined;
          await cross(crossing, () => put = shared.inside.put(crossing), guest[end]);
          await put;
          await shared.untilSessions(1);
          await shared.until({ ready: 1, leased: 0 });
          const lease = await witness.get({ lease: true });
          assert.equal(lease.value, crossing);
          attempts.add(lease.attempt);
          await lease.ack();
        }
        assert.deepEqual([...attempts].toSorted(), [1, 2], "it counts once it was on its way");
      }
    }));
}

void test("workers that are killed all the time lose no item", () =>
  withQueue("queue", { maxAttempts: Infinity }, 1, async (shared) => {
    const witness = shared.guests[0]!.queue;
    await witness.putMany(Array.from(Array(120).keys()));
    await witness.shutdown();
    const acked = new Set<number>();
    let kills = 0;
    const work = async (): Promise<void> => {
      for (;;) {
        const guest = await shared.join();
        let left = 7;
        const end = await outcome(guest.queue.consume(async (item, lease) => {
          if (--left === 0) {
            kills++;
            return guest.kill();
          }
          await lease.ack();
          acked.add(item);
        }, { concurrency: 2 }));
        if ("value" in end) return await guest.client.close();
        assert.ok(end.error instanceof ConnectionClosedError, `${end.error}`);
      }
    };
    await Promise.all([work(), work(), work()]);
    assert.equal(acked.size, 120);
    assert.ok(kills > 5, `${kills}`);
    await shared.until({ ready: 0, leased: 0, dead: 0 });
  }));

void test("a lease of a session that ended cannot be settled, and its disposal does not fail", () =>
  withQueue("queue", {}, 1, async (shared) => {
    const [guest] = shared.guests;
    await guest!.queue.putMany([1, 2]);
    const [first, second] = await guest!.queue.getMany(2, { lease: true });
    await guest!.client.close();
    await assert.rejects(first!.ack(), ConnectionClosedError);
    await assert.rejects(second!.nack(), ConnectionClosedError);
    await second![Symbol.asyncDispose]();
    const other = await shared.join();
    assert.deepEqual(await drain(other.queue), [1, 2]);
  }));

void test("a stale ack is LeaseLostError, whatever a client may think", () =>
  withQueue("queue", {}, 1, async ({ server, queues: [queue] }) => {
    const peer = await Peer.open(server, authkey);
    const { object } = (await peer.server(1, "lookup", "queue")).value as { object: number };
    await queue!.putMany(["a", "b", "c"] as never);
    const leased = await peer.call({
      id: 2,
      ...peer.on(object, "queue", "getMany", 3, { lease: true }),
    });
    assert.deepEqual([leased.status, leased.handleKind], [Status.Handle, HandleKind.Lease]);
    const settle = async (id: number, method: string, ...args: unknown[]) => {
      const call = { target: Target.Handle, targetId: leased.handleId, args };
      const { status, value } = await peer.call({
        id,
        ...call,
        method: handleMethods.indexOf(method as never),
      });
      return status === Status.Error ? (value as { class: string }).class : value;
    };
    assert.equal(await settle(3, "ack", 0), undefined);
    assert.equal(await settle(4, "ack", 0), "LeaseLostError");
    assert.equal(await settle(5, "nack", 0), "LeaseLostError");
    assert.equal(await settle(6, "nack", 1, { delay: 0 }), undefined);
    assert.equal(await settle(7, "ack", 1), "LeaseLostError");
    for (const bad of [3, -1, 0.5, "x", {}, null]) {
      assert.equal(await settle(8, "ack", bad), "NotExposedError", `${bad}`);
    }
    assert.equal(await settle(9, "release", 2), "NotExposedError");
    assert.equal(await settle(10, "next"), "NotExposedError");
    assert.equal(await settle(11, "ack", 2), undefined);
    assert.equal(await settle(12, "ack", 2), "LeaseLostError", "the handle is gone");
    assert.deepEqual(await drain(queue!), ["b"]);
    peer.destroy();
  }));

void test("leases act by ids of their own, which are the session's alone", () =>
  withQueue<string>("queue", {}, 1, async ({ server, queues: [queue] }) => {
    const [owner, thief] = [await Peer.open(server, authkey), await Peer.open(server, authkey)];
    await queue!.put("a");
    const { object } = (await owner.server(1, "lookup", "queue")).value as { object: number };
    const { handleId } = await owner.call({
      id: 2,
      ...owner.on(object, "queue", "get", { lease: true }),
    });
    owner.release(object);
    const ack = {
      target: Target.Handle,
      targetId: handleId,
      method: handleMethods.indexOf("ack"),
      args: [0],
    };
    assert.equal((await thief.call({ id: 1, ...ack })).status, Status.Error);
    assert.equal((await owner.call({ id: 3, ...ack })).status, Status.Value);
    owner.destroy();
    thief.destroy();
    await queue!.shutdown();
    await assert.rejects(queue!.get(), QueueShutDownError);
  }));

void test("whoever says what was given in vain gets it back to the head of the queue", () =>
  withQueue<unknown>("queue", {}, 1, async ({ server, queues: [queue] }) => {
    const peer = await Peer.open(server, authkey);
    const { object } = (await peer.server(1, "lookup", "queue")).value as { object: number };
    const takeBack = (id: number, method: string, result: unknown) =>
      peer.call({
        id,
        target: Target.Object,
        targetId: object,
        method: universalMethods.indexOf("takeBack"),
        args: [method, result],
      });
    await queue!.put("last");
    await takeBack(2, "get", "fourth");
    await takeBack(3, "tryGet", { value: "third" });
    await takeBack(4, "tryGet", null);
    await takeBack(5, "put", undefined);
    await takeBack(6, "getMany", ["first", "second"]);
    assert.deepEqual(await drain(queue!), ["first", "second", "third", "fourth", "last"]);
    // Nonsense is that one call's error, and changes nothing.
    for (const nonsense of [5, {}, null, undefined, "text"]) await takeBack(7, "getMany", nonsense);
    for (const nonsense of [5, undefined, "text"]) await takeBack(8, "tryGet", nonsense);
    await drain(queue!);
    await queue!.put("last");
    await takeBack(9, "get", "second");
    await takeBack(10, "get", "first");
    assert.deepEqual(await drain(queue!), ["first", "second", "last"]);
    peer.destroy();
  }));

// 3.3: several at once.

void test("getMany() takes at most 8 MiB at once, the rest stays in its order", () =>
  withQueue<Uint8Array>("queue", {}, 1, async (shared) => {
    const [queue] = shared.queues;
    for (const lease of [false, true]) {
      for (let i = 0; i < 20; i++) await queue!.put(new Uint8Array(MiB).fill(i));
      const seen: number[] = [];
      while (seen.length < 20) {
        const items = lease
          ? await queue!.getMany(99, { lease: true })
          : (await queue!.getMany(99)).map((value) => ({ value, attempt: 1, ack: () => {} }));
        assert.ok(items.length > 0 && items.length <= 8, `${items.length}`);
        assert.equal(await queue!.size(), 20 - seen.length - items.length);
        for (const item of items) {
          seen.push(item.value[0]!);
          assert.equal(item.attempt, 1, "what stayed was not leased");
          await item.ack();
        }
      }
      assert.deepEqual(seen, Array.from(Array(20).keys()));
    }
  }));

void test("getMany() takes an item that is larger than 8 MiB alone", () =>
  withQueue<Uint8Array>("queue", {}, 1, async ({ queues: [queue] }) => {
    for (const size of [1, 9 * MiB, 2]) await queue!.put(new Uint8Array(size));
    const sizes = [];
    for (let i = 0; i < 3; i++) sizes.push((await queue!.getMany(9)).map(({ length }) => length));
    assert.deepEqual(sizes, [[1], [9 * MiB], [2]]);
  }));

const tooBig = "x".repeat(20_000);
const small: Partial<Limits> = { maxMessageBytes: 10_000 };

for (const kind of queueKinds) {
  void test(`an item that a getter cannot take goes back, and the getter is told: ${kind}`, () =>
    withQueue<string>(kind, {}, [small, {}], async (shared) => {
      const [a, b] = shared.queues;
      const refused = { name: "LimitExceededError", message: /maxMessageBytes/ };
      await b!.put(tooBig);
      for (const lease of [true, false]) {
        await assert.rejects(a!.get({ lease } as { lease: true }), refused);
        await assert.rejects(a!.tryGet({ lease } as { lease: true }), refused);
        await assert.rejects(a!.getMany(3, { lease } as { lease: true }), refused);
        assert.equal(await a!.size(), 1);
      }
      const again = await b!.get({ lease: true });
      assert.deepEqual([again.value, again.attempt], [tooBig, 1]);
      await again.ack();
      // The same of those that wait; the next one has it.
      const waiting = [
        assert.rejects(a!.get(), refused),
        assert.rejects(a!.getMany(2), refused),
        assert.rejects(a!.get({ lease: true }), refused),
      ];
      await shared.until({ getters: 3 });
      const taker = b!.get();
      await shared.until({ getters: 4 });
      await b!.put(tooBig);
      await Promise.all(waiting);
      assert.equal(await taker, tooBig);
    }));
}

void test("an item that a waiting getter cannot take goes back to a priorityQueue, whatever comes meanwhile", () =>
  withQueue<string>("priorityQueue", {}, [small, {}], async (shared) => {
    const [a, b] = shared.queues;
    const got = outcome(a!.get());
    await shared.until({ getters: 1 });
    const sorted = b as PriorityQueueProxy<string>;
    // Both arrive in one piece: the second one is there before the first one was refused.
    const puts = [
      outcome(sorted.put(tooBig, { priority: 1 })),
      outcome(sorted.put("other", { priority: "another kind" })),
      outcome(sorted.put("next", { priority: 2 })),
    ];
    assert.ok((await got as { error: Error }).error instanceof LimitExceededError);
    const [first, second, third] = await Promise.all(puts);
    assert.ok("value" in first! && "value" in third!);
    assert.ok("error" in second! && second.error instanceof TypeError);
    assert.deepEqual(await drain(b!), [tooBig, "next"]);
  }));

void test("getMany() gives what can be taken of what is there, up to the item that cannot", () =>
  withQueue<string>("queue", {}, [small, {}], async ({ queues: [a, b] }) => {
    await b!.putMany(["a", "b", tooBig, "c"]);
    const seen = [];
    for (;;) {
      const end = await outcome(a!.getMany(9));
      if ("error" in end) break;
      seen.push(...end.value);
    }
    assert.deepEqual([seen, await drain(b!)], [["a", "b"], [tooBig, "c"]]);
  }));

void test("getMany() takes no more proxies than the session may hold", async () => {
  const manager = await Manager.local({ limits: { maxHolds: 20 } });
  const other = await Manager.connect({ address: manager.address });
  try {
    const queue = await manager.queue<unknown>();
    const lists = await Promise.all(Array.from(Array(12), () => manager.list()));
    await queue.putMany(lists);
    await manager.publish("queue", queue);
    const theirs = await other.lookup<QueueProxy<unknown>>("queue");
    const held = await Promise.all(Array.from(Array(15), () => other.list()));
    const taken = [];
    for (;;) {
      const end = await outcome(theirs!.getMany(99));
      if ("error" in end) {
        assert.ok(end.error instanceof LimitExceededError);
        assert.match(end.error.message, /maxHolds/);
        break;
      }
      taken.push(...end.value);
    }
    assert.equal(taken.length, 4);
    assert.equal(await queue.size(), 8);
    for (const list of held) releaseProxy(list);
    assert.equal((await theirs!.getMany(99)).length, 8);
  } finally {
    await other.close();
    await manager.shutdown();
  }
});

void test("whatever can be put can be leased", () =>
  withQueue<unknown>("queue", {}, 1, async ({ queues: [queue] }) => {
    let value: unknown = 1;
    for (let depth = 1; depth < 128; depth++) value = [value];
    await queue!.put(value);
    assert.deepEqual((await queue!.get({ lease: true })).value, value);
  }));

void test("putMany() is all or nothing, also while it waits and when it gives up", () =>
  withQueue("queue", { maxSize: 4 }, 3, async (shared) => {
    const [a, b, c] = shared.queues;
    await a!.putMany([1, 2]);
    const controller = new AbortController();
    const aborted = outcome(b!.putMany([10, 11, 12], { signal: controller.signal }));
    await shared.until({ putters: 1 });
    const waiting = c!.putMany([20, 21, 22]);
    await shared.until({ putters: 2 });
    assert.equal(await a!.size(), 2);
    controller.abort("enough");
    assert.deepEqual(await aborted, { error: "enough" });
    await assert.rejects(b!.putMany([30, 31, 32], { timeout: 1 }), QueueFullError);
    await assert.rejects(b!.putMany([40, 41, 42, 43, 44]), RangeError);
    assert.equal(await a!.get(), 1);
    await waiting;
    assert.deepEqual(await drain(a!), [2, 20, 21, 22]);
  }));

void test("size() and maxSize count what is ready, not what is out; what comes back has its place", () =>
  withQueue("queue", { maxSize: 2 }, 2, async (shared) => {
    const [gone, stays] = shared.guests as [Guest<number>, Guest<number>];
    await stays.queue.putMany([1, 2]);
    await gone.queue.getMany(2, { lease: true });
    assert.deepEqual([await stays.queue.size(), await stays.queue.full()], [0, false]);
    await stays.queue.putMany([3, 4]);
    const waiting = stays.queue.put(5);
    await shared.until({ putters: 1 });
    gone.kill();
    await shared.until({ ready: 4, putters: 1 });
    assert.deepEqual(await stays.queue.getMany(3), [1, 2, 3]);
    await waiting;
    assert.deepEqual(await drain(stays.queue), [4, 5]);
  }));

void test("dead({ remove }) removes what its caller can take, and no more", () =>
  withQueue<string>("queue", { maxAttempts: 1 }, [small, {}], async ({ queues: [a, b] }) => {
    const items = [..."abcdefgh"].map((letter) => letter.repeat(3000));
    await b!.putMany([...items, tooBig]);
    for (const lease of await b!.getMany(9, { lease: true })) await lease.nack();
    const removed = [];
    for (;;) {
      const end = await outcome(a!.dead({ remove: true }));
      if ("error" in end) {
        assert.ok(end.error instanceof LimitExceededError, `${end.error}`);
        break;
      }
      assert.ok(end.value.length > 0);
      removed.push(...end.value.map(({ value }) => value));
    }
    assert.deepEqual(removed, items);
    assert.deepEqual(await b!.dead({ remove: true }), [{ value: tooBig, attempts: 1 }]);
    assert.deepEqual(await b!.dead(), []);
  }));

// 3.3: shutdown.

void test("shutdown() refuses who waits to put, of any session, and lets getters drain", () =>
  withQueue("queue", { maxSize: 2 }, 3, async (shared) => {
    const [a, b, c] = shared.queues;
    await a!.putMany([1, 2]);
    const waiting = [b!.put(3), c!.putMany([4, 5])].map(outcome);
    await shared.until({ putters: 2 });
    await a!.shutdown();
    for (const end of await Promise.all(waiting)) {
      assert.ok("error" in end && end.error instanceof QueueShutDownError);
    }
    assert.deepEqual([await b!.get(), await c!.get()], [1, 2]);
    await assert.rejects(b!.get(), QueueShutDownError);
  }));

for (const kind of queueKinds) {
  void test(`after shutdown() getters wait while leases are out, and have what comes back: ${kind}`, () =>
    withQueue(kind, {}, 3, async (shared) => {
      const [gone, a, b] = shared.guests as Guest<number>[];
      await a!.queue.putMany([1, 2]);
      await gone!.queue.getMany(2, { lease: true });
      await a!.queue.shutdown();
      const next = [b!.queue.get({ lease: true }), b!.queue.get({ lease: true })];
      const last = outcome(a!.queue.get());
      await shared.until({ getters: 3 });
      gone!.kill();
      const leases = await Promise.all(next);
      assert.deepEqual(
        leases.map(({ value, attempt }) => [value, attempt]),
        inOrder(kind, [[1, 2], [2, 2]]),
      );
      await shared.until({ getters: 1 });
      for (const lease of leases) await lease.ack();
      assert.ok((await last as { error: Error }).error instanceof QueueShutDownError);
    }));

  void test(`shutdown({ immediate }) ends all waits, and what is out may still be acked: ${kind}`, () =>
    withQueue(kind, { maxSize: 3 }, 3, async (shared) => {
      const [a, b, c] = shared.guests as Guest<number>[];
      await a!.queue.putMany([1, 2, 3]);
      const leases = await b!.queue.getMany(3, { lease: true });
      const getter = outcome(c!.queue.get());
      await shared.until({ getters: 1 });
      await a!.queue.shutdown({ immediate: true });
      assert.ok((await getter as { error: Error }).error instanceof QueueShutDownError);
      await leases[0]!.ack();
      await leases[1]!.nack();
      b!.kill();
      await shared.until({ leased: 0, ready: 0 });
      await assert.rejects(a!.queue.tryGet(), QueueShutDownError);
    }));
}

void test("consume() of several sessions ends after shutdown() when all is done", () =>
  withQueue("queue", {}, 3, async (shared) => {
    const seen: number[] = [];
    const consumers = shared.queues.map((queue) =>
      queue.consume(async (item) => {
        await setImmediate();
        seen.push(item);
      }, { concurrency: 2 })
    );
    await shared.until({ getters: 6 });
    await shared.queues[0]!.putMany(Array.from(Array(30).keys()));
    await shared.queues[0]!.shutdown();
    await Promise.all(consumers);
    assert.deepEqual(seen.toSorted((x, y) => x - y), Array.from(Array(30).keys()));
    await shared.until({ ready: 0, leased: 0 });
  }));

void test("consume() takes an item only when a handler is free for it", () =>
  withQueue("queue", {}, 2, async (shared) => {
    const [a, b] = shared.queues;
    await b!.putMany([1, 2, 3, 4]);
    let finish = () => {};
    const finished = new Promise<void>((resolve) => finish = resolve);
    const consumed = a!.consume(() => finished, { concurrency: 2 });
    await shared.until({ leased: 2, ready: 2, getters: 0 });
    assert.deepEqual(await b!.getMany(9), [3, 4]);
    await b!.shutdown();
    finish();
    await consumed;
  }));

void test("consume() rejects when the connection is lost, once its running handlers have ended", () =>
  withQueue("queue", {}, 2, async (shared) => {
    const [gone, stays] = shared.guests as [Guest<number>, Guest<number>];
    await stays.queue.putMany([1, 2]);
    let finish = () => {};
    const finished = new Promise<void>((resolve) => finish = resolve);
    let started = 0;
    let ended = 0;
    let over = false;
    const consumed = outcome(gone.queue.consume(async () => {
      started++;
      await finished;
      ended++;
    }, { concurrency: 3 }));
    consumed.then(() => over = true);
    await shared.until({ leased: 2, getters: 1 });
    await soon("both handlers run", () => started === 2);
    gone.kill();
    await shared.until({ leased: 0, ready: 2 });
    await steps(20);
    assert.deepEqual([ended, over], [0, false]);
    finish();
    const end = await consumed as { error: Error };
    assert.ok(end.error instanceof ConnectionClosedError, `${end.error}`);
    assert.equal(ended, 2);
    const again = await stays.queue.getMany(9, { lease: true });
    assert.deepEqual(again.map(({ attempt }) => attempt), [2, 2]);
  }));

void test("an item that crosses the end of consume() is back, as if it had not been given", () =>
  withQueue("queue", {}, 2, async (shared) => {
    const [a, b] = shared.queues;
    const ends = new Set<string>();
    for (const crossing of crossings) {
      const controller = new AbortController();
      const handled: number[] = [];
      const consumed = a!.consume((item) => void handled.push(item), { signal: controller.signal });
      await shared.until({ getters: 1 });
      let put: Promise<void> | undefined;
      await cross(crossing, () => put = shared.inside.put(crossing), () => controller.abort());
      await consumed;
      await put;
      await shared.until({ leased: 0, getters: 0 });
      const left = await b!.tryGet({ lease: true });
      if (left) assert.deepEqual([left.value, left.attempt, handled], [crossing, 1, []]);
      else assert.deepEqual(handled, [crossing]);
      await left?.ack();
      ends.add(left ? "back" : "handled");
    }
    assert.equal(ends.size, 2, "both were tried");
  }));

// 3.3: joinable queues.

const joinable = (guest: Guest<string> | undefined) => guest!.queue as JoinableQueueProxy<string>;

void test("taskDone() ends the caller's oldest unfinished item, else the oldest of any", () =>
  withQueue<string>("joinableQueue", {}, 3, async (shared) => {
    const [a, b, c] = shared.guests.map(joinable) as [
      JoinableQueueProxy<string>,
      JoinableQueueProxy<string>,
      JoinableQueueProxy<string>,
    ];
    await a.putMany(["1", "2", "3", "4", "5"]);
    // Got by a, b, a, b; the fifth by nobody.
    for (const queue of [a, b, a, b]) await queue.get();
    await b.taskDone(); // 2
    await c.taskDone(); // 1, the oldest of any
    await a.taskDone(); // 3
    await a.taskDone(); // 4, for a has no more
    await assert.rejects(a.taskDone(), RangeError);
    await assert.rejects(c.taskDone(), RangeError);
    await shared.until({ unfinished: 1, ready: 1, leased: 0 });
  }));

void test("what is left of a killed session's items says which of them taskDone() had ended", () =>
  withQueue<string>("joinableQueue", {}, 3, async (shared) => {
    const [gone, a, b] = shared.guests;
    await joinable(a).putMany(["1", "2", "3", "4", "5", "6"]);
    for (const guest of [gone, a, gone, a, gone]) await joinable(guest).get();
    await joinable(gone).taskDone(); // 1
    await joinable(b).taskDone(); // 2
    gone!.kill();
    await shared.until({ leased: 1, unfinished: 4 });
    const left = await joinable(b).getMany(9, { lease: true });
    assert.deepEqual(left.map(({ value, attempt }) => [value, attempt]), [["3", 2], ["5", 2], [
      "6",
      1,
    ]]);
  }));

void test("join() does not hang on a consumer that died", () =>
  withQueue<string>("joinableQueue", {}, 3, async (shared) => {
    const [gone, a, b] = shared.guests;
    await joinable(a).putMany(["1", "2", "3"]);
    await joinable(gone).get();
    await joinable(gone).getMany(2);
    const joined = joinable(a).join();
    gone!.kill();
    await shared.until({ ready: 3, leased: 0 });
    for (const expected of ["1", "2", "3"]) {
      assert.equal(await joinable(b).get(), expected);
      await joinable(b).taskDone();
    }
    await joined;
  }));

void test("join() does not hang on an item that kills its consumers: dead is done", () =>
  withQueue<string>("joinableQueue", { maxAttempts: 2 }, 1, async (shared) => {
    const queue = joinable(shared.guests[0]);
    await queue.put("poison");
    const joined = queue.join();
    for (let i = 0; i < 2; i++) {
      const guest = await shared.join();
      await joinable(guest).get();
      guest.kill();
      await shared.until({ leased: 0 });
    }
    await joined;
    assert.deepEqual(await queue.dead(), [{ value: "poison", attempts: 2 }]);
  }));

void test("the ack of a lease of a joinableQueue is its own taskDone(), whoever was first", () =>
  withQueue<string>("joinableQueue", {}, 2, async (shared) => {
    const [a, b] = shared.guests.map(joinable) as [
      JoinableQueueProxy<string>,
      JoinableQueueProxy<string>,
    ];
    await a.putMany(["1", "2", "3"]);
    const lease = await b.get({ lease: true });
    await b.get();
    await lease.ack();
    await b.taskDone(); // 2: the lease has no say in it any more
    const late = await b.get({ lease: true });
    await a.taskDone(); // 3, which is b's
    await assert.rejects(late.ack(), LeaseLostError);
    await assert.rejects(a.taskDone(), RangeError);
    await a.join({ timeout: 0 });
  }));

void test("a waiting join() of a killed session is forgotten", () =>
  withQueue<string>("joinableQueue", {}, 2, async (shared) => {
    const [gone, stays] = shared.guests;
    await joinable(stays).put("1");
    outcome(joinable(gone).join());
    const joined = joinable(stays).join();
    await eventually("both wait", () => {
      return [...shared.server.sessions.values()].every((session) =>
        session.describe()["waiting"] === 1
      );
    });
    gone!.kill();
    await shared.untilSessions(1);
    await joinable(stays).get();
    await joinable(stays).taskDone();
    await joined;
  }));

// A silent server.

/** Two transports with a valve between them: while it is shut, nothing passes in either direction. */
function valve(): { ends: [Transport, Transport]; shut(): void; open(): void } {
  const [left, a] = memoryPair();
  const [b, right] = memoryPair();
  let held: (() => void)[] | undefined;
  const pass = (from: Transport, to: Transport) => {
    const receiver = {
      data: (chunk: Uint8Array) => {
        const bytes = chunk.slice();
        if (held) held.push(() => to.write(bytes));
        else to.write(bytes);
      },
      drain: () => {},
      close: () => to.destroy(),
    };
    from.start(receiver);
  };
  pass(a, b);
  pass(b, a);
  return {
    ends: [left, right],
    shut: () => held ??= [],
    open: () => {
      const late = held ?? [];
      held = undefined;
      for (const deliver of late) deliver();
    },
  };
}

interface LateItem {
  /** How the wait ended. */
  end: { value: unknown } | { error: unknown };
  /** What the queue had afterwards, in the order of taking it. */
  left: unknown[];
  state: Record<string, number>;
}

/** How waits of a client end that hears nothing for five seconds, and what becomes of the items. */
async function endsInSilence(
  get: (queue: QueueProxy<unknown>, signal: AbortSignal) => Promise<unknown>,
  { kind = "queue", release = false, waits = true }: SilenceOptions = {},
): Promise<LateItem> {
  let result!: LateItem;
  await withQueue<unknown>(kind, {}, 1, async (shared) => {
    const { ends, shut, open } = valve();
    const { queue, client } = await shared.join({}, ends, patience);
    const { inside, referent } = shared;
    const controller = new AbortController();
    if (!waits) shut();
    const got = outcome(get(queue, controller.signal));
    if (waits) await shared.until({ getters: 1 });
    shut();
    await inside.putMany(["late", "second"]);
    await shared.until({ getters: 0 });
    controller.abort(reasonInSilence);
    const end = await got;
    if (release) releaseProxy(queue, { all: true });
    open();
    // What it sends when it hears of the item is answered before these are.
    for (let i = 0; i < 2; i++) await client.callServer("numberOfObjects", []);
    const state = referent.describe();
    result = { end, state, left: await drain(inside) };
  });
  return result;
}

/** How long a client waits for a silent server, in milliseconds; a user's waits 5 s. */
const patience = 100;

interface SilenceOptions {
  kind?: QueueKind;
  /** Whether the proxy is released before the item comes. */
  release?: boolean;
  /** Whether the server hears of the call before it is silent. */
  waits?: boolean;
}

const reasonInSilence = new Error("the server says nothing");
let silent: ReturnType<typeof allInSilence> | undefined;

/** They wait at the same time, when the first test asks. */
function inSilence() {
  return silent ??= allInSilence();
}

function allInSilence() {
  const get = (queue: QueueProxy<unknown>, signal: AbortSignal) => queue.get({ signal });
  return {
    get: endsInSilence(get),
    lifo: endsInSilence(get, { kind: "lifoQueue" }),
    getMany: endsInSilence((queue, signal) => queue.getMany(5, { signal })),
    lease: endsInSilence((queue, signal) => queue.get({ lease: true, signal })),
    joinable: endsInSilence(get, { kind: "joinableQueue" }),
    tryGet: endsInSilence((queue, signal) => withOptions(queue, { signal }).tryGet(), {
      waits: false,
    }),
    released: endsInSilence(get, { release: true }),
    script: saidInSilence(),
  };
}

const silences = {
  get: "an item",
  getMany: "several items",
  tryGet: "an item that was tried for",
  lease: "a lease",
  joinable: "an item of a joinableQueue",
  lifo: "an item of a lifoQueue, at the head",
} as const;
for (const [name, what] of Object.entries(silences)) {
  void test(`a wait that was given up some time after its abort gives back what comes late: ${what}`, async () => {
    const { end, left, state } = await inSilence()[name as keyof typeof silences];
    assert.deepEqual(end, { error: reasonInSilence });
    // "late" had been taken of the two, of a lifoQueue "second".
    const expected = name === "lifo" ? ["second", "late"] : ["late", "second"];
    assert.deepEqual([left, state["leased"], state["ready"]], [expected, 0, 2]);
  });
}

void test("a wait that was given up gives back what comes late, also when its proxy was released", async () => {
  const { end, left } = await inSilence().released;
  assert.deepEqual(end, { error: reasonInSilence });
  assert.deepEqual(left, ["late", "second"]);
});

void test("what a client says of an item that comes late: takeBack, or return of the handle", async () => {
  const { ends, said } = await inSilence().script;
  const [timeout, ...aborts] = ends;
  assert.ok("error" in timeout! && timeout.error instanceof TimeoutError);
  assert.deepEqual(aborts, Array(3).fill({ error: reasonInSilence }));
  const takeBack = { target: Target.Object, id: 5, method: universalMethods.indexOf("takeBack") };
  const returned = { target: Target.Handle, id: 77, method: handleMethods.indexOf("return") };
  assert.deepEqual(said, [
    { ...takeBack, args: ["get", { late: 0 }] },
    { ...takeBack, args: ["get", { late: 1 }] },
    { ...returned, args: [] },
  ]);
});

void test("what comes late and cannot be read hurts nobody else of its client", async () => {
  const { client, connection, next } = await scriptServer();
  const table = {
    ...{ id: 9, typeid: "queue", proxyName: "QueueProxy" },
    methods: [{ name: "get", waitOptions: 0 }],
  };
  const held = { id: 5, table, released: false } as never;
  const { signal } = new AbortController();
  const call = client.call(held, universalMethods.length, [{ timeout: 1, signal }]);
  const late = assert.rejects(call, TimeoutError);
  const { id } = readCall(await next(Kind.Call));
  await late;
  writeReply(connection.output, id, Status.Value, [], Uint8Array.of(0xc1)); // no MessagePack
  connection.flush();
  const count = client.callServer("numberOfObjects", []);
  const asked = readCall(await next(Kind.Call));
  writeReply(connection.output, asked.id, Status.Value, [], payloadOf(0));
  connection.flush();
  assert.equal(await count, 0);
  await client.close();
});

void test("any number of dead items goes back that could not be sent", () => {
  const dead = new DeadItems();
  const count = 300_000;
  for (let value = 0; value < count; value++) dead.add({ value, attempts: 1 });
  const given = dead.read({ remove: true }) as Handover;
  assert.equal(given.shrink(), true);
  assert.equal(dead.size, count / 2);
  given.giveBack();
  const all = dead.read({}) as { value: number }[];
  assert.ok(all.length === count && all.every(({ value }, i) => value === i));
});

/** What a client says of what a server says that had been silent. */
async function saidInSilence() {
  const { client, connection, next } = await scriptServer();
  const methods = [{ name: "get", waitOptions: 0 }];
  const table = { id: 9, typeid: "queue", proxyName: "QueueProxy", methods };
  const held = { id: 5, table, released: false } as never;
  const controller = new AbortController();
  const { signal } = controller;
  const calls = [{ timeout: 1 }, { signal }, { signal }, { signal }].map((options) =>
    outcome(client.call(held, universalMethods.length, [options]))
  );
  const ids: number[] = [];
  for (const _ of calls) ids.push(readCall(await next(Kind.Call)).id);
  controller.abort(reasonInSilence);
  const ends = await Promise.all(calls);
  const { output } = connection;
  const [first, second, third, fourth] = ids as [number, number, number, number];
  writeReply(output, first, Status.Value, [], payloadOf({ late: 0 }));
  writeReply(output, second, Status.Cancelled, [], new Uint8Array(0));
  writeReply(output, third, Status.Value, [], payloadOf({ late: 1 }));
  writeReply(output, fourth, Status.Handle, [], payloadOf([]), HandleKind.Lease, 77);
  connection.flush();
  const said = [];
  for (let i = 0; i < 3; i++) {
    const { target, targetId: id, method, payload } = readCall(await next(Kind.Call));
    const references = { indexOf: () => undefined, at: () => assert.fail() };
    const args = payload.length > 0 ? messagePack.decode(payload, references) : [];
    said.push({ target, id, method, args });
  }
  await client.close();
  return { ends, said };
}

/** A server that says what the test tells it to. */
async function scriptServer(): Promise<
  { client: Client; connection: Connection; next(kind: number): Promise<Fields> }
> {
  const [ours, theirs] = memoryPair();
  const messages: { kind: number; fields: Fields }[] = [];
  let wake = () => {};
  let connection!: Connection;
  const authenticated = authenticateServer(
    (receiver) => connection = new Connection(theirs, receiver),
    { authkey, serializer: "messagepack", timeout: 10_000, epoch: "epoch" },
    () => {
      const message = (kind: number, fields: Fields) => {
        messages.push({ kind, fields });
        wake();
      };
      connection.open(1e9, { message, closed: () => wake() });
      return { session: "s1", maxMessageBytes: 1e6, types: {} };
    },
  );
  const client = await connectClient(ours, {}, patience);
  await authenticated;
  const next = async (kind: number): Promise<Fields> => {
    for (;;) {
      const found = messages.findIndex((message) => message.kind === kind);
      if (found >= 0) return messages.splice(found, 1)[0]!.fields;
      if (connection.closed) throw connection.closed;
      await new Promise<void>((resolve) => wake = resolve);
    }
  };
  return { client, connection, next };
}

// What CPython's tests say of its managers' queues, between two sessions over a socket.

interface Pair {
  readonly parent: Manager;
  readonly child: Manager;
  /** The same object, as the child has it. */
  hand<Q extends object>(proxy: Q): Promise<Q>;
}

async function withChild(body: (pair: Pair) => Promise<void>): Promise<void> {
  const parent = await Manager.start();
  try {
    const { address, env } = parent;
    const child = await Manager.connect({ address, env, authkey: env.REFERENT_AUTHKEY });
    const hand = async <Q extends object>(proxy: Q) =>
      await child.importProxy(await exportProxy(proxy)) as Q;
    await body({ parent, child, hand });
    await child.close();
    await eventually("no object of the child is held", async () => {
      return Object.keys((await parent.debugInfo()).sessions).length === 1;
    });
  } finally {
    await parent.shutdown();
  }
}

void test("CPython's _TestQueue and TestSyncManagerTypes hold for the queues of a manager", () =>
  withChild(async ({ parent, hand }) => {
    await test_put(parent, hand);
    await test_get(parent, hand);
    await test_fork(parent, hand);
    await test_qsize(parent);
    await test_task_done(parent, hand);
    await test_queue(parent, hand);
    await test_joinable_queue(parent, hand);
  }));

type Hand = Pair["hand"];

/** Full when it is; the child drains. */
async function test_put(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.queue<number>({ maxSize: 6 });
  assert.deepEqual([await queue.empty(), await queue.full()], [true, false]);
  await queue.put(1);
  await queue.put(2, {});
  await queue.put(3, { timeout: Infinity });
  await queue.put(4, { timeout: 0 });
  assert.equal(await queue.tryPut(5), true);
  await queue.putMany([6]);
  assert.deepEqual([await queue.empty(), await queue.full()], [false, true]);
  await assert.rejects(queue.put(7, { timeout: 0 }), QueueFullError);
  assert.equal(await queue.tryPut(7), false);
  await assert.rejects(queue.put(7, { timeout: 10 }), QueueFullError);
  const theirs = await hand(queue);
  for (let i = 1; i <= 6; i++) assert.equal(await theirs.get(), i);
  assert.deepEqual([await queue.empty(), await queue.full()], [true, false]);
}

/** Empty when it is; the child puts. */
async function test_get(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.queue<number>();
  const first = queue.get();
  const theirs = await hand(queue);
  for (const item of [1, 2, 3, 4, 5]) await theirs.put(item);
  assert.equal(await first, 1);
  assert.equal(await queue.get({ timeout: Infinity }), 2);
  assert.equal(await queue.get({ timeout: 60_000 }), 3);
  assert.equal(await queue.get({ timeout: 0 }), 4);
  assert.deepEqual(await queue.tryGet(), { value: 5 });
  assert.equal(await queue.empty(), true);
  await assert.rejects(queue.get({ timeout: 0 }), QueueEmptyError);
  await assert.rejects(queue.get({ timeout: 10 }), QueueEmptyError);
  assert.equal(await queue.tryGet(), null);
}

/** Items that were put before and by a child arrive all, in order. */
async function test_fork(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.queue<number>();
  for (let i = 0; i < 10; i++) await queue.put(i);
  const theirs = await hand(queue);
  for (let i = 10; i < 20; i++) await theirs.put(i);
  for (let i = 0; i < 20; i++) assert.equal(await queue.get(), i);
  await assert.rejects(queue.get({ timeout: 0 }), QueueEmptyError);
}

async function test_qsize(manager: Manager): Promise<void> {
  const queue = await manager.queue<number>();
  assert.equal(await queue.size(), 0);
  await queue.put(1);
  assert.equal(await queue.size(), 1);
  await queue.put(5);
  assert.equal(await queue.size(), 2);
  await queue.get();
  assert.equal(await queue.size(), 1);
  await queue.get();
  assert.equal(await queue.size(), 0);
}

/** Four workers; join() returns after ten items; null for each worker is the end. */
async function test_task_done(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.joinableQueue<number | null>();
  const theirs = await hand(queue);
  const seen: number[] = [];
  const work = async () => {
    for (let item = await theirs.get(); item !== null; item = await theirs.get()) {
      seen.push(item);
      await theirs.taskDone();
    }
  };
  const workers = [work(), work(), work(), work()];
  for (let i = 0; i < 10; i++) await queue.put(i);
  await queue.join();
  assert.deepEqual(seen.toSorted(), Array.from(Array(10).keys()));
  for (const _ of workers) await queue.put(null);
  await Promise.all(workers);
}

/** Made in the parent, used in the child. */
async function test_queue(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.queue<number>({ maxSize: 2 });
  await queue.putMany([5, 6]);
  const theirs = await hand(queue);
  assert.deepEqual([await theirs.size(), await theirs.full(), await theirs.empty()], [
    2,
    true,
    false,
  ]);
  assert.equal(await theirs.get(), 5);
  assert.equal(await theirs.empty(), false);
  assert.equal(await theirs.get(), 6);
  assert.equal(await theirs.empty(), true);
  assert.deepEqual([await queue.empty(), await queue.full()], [true, false]);
}

/** The same, but the child has to say that it is done: what it leaves unfinished comes back. */
async function test_joinable_queue(manager: Manager, hand: Hand): Promise<void> {
  const queue = await manager.joinableQueue<number>({ maxSize: 2 });
  await queue.putMany([5, 6]);
  const theirs = await hand(queue);
  assert.deepEqual([await theirs.size(), await theirs.full(), await theirs.empty()], [
    2,
    true,
    false,
  ]);
  for (const item of [5, 6]) {
    assert.equal(await theirs.get(), item);
    await theirs.taskDone();
  }
  assert.deepEqual([await queue.empty(), await queue.full()], [true, false]);
  await queue.join();
}

// Referents alone.

/** A time that passes when the test says so, and who calls at it. */
class Time extends VirtualClock {
  /** Whoever calls a referent. */
  caller(id: string, { timeout, signal }: Partial<WaitingCaller> = {}): WaitingCaller {
    return {
      id,
      timeout,
      signal: signal ?? new AbortController().signal,
      gone: () => false,
      bytes: 0,
      clock: this,
      ledger: new Ledger(0, String),
      settling() {},
    };
  }
}

void test("an item keeps its place on its way to a getter, also of another priority than what came meanwhile", async () => {
  const time = new Time();
  const queue = new PriorityQueue();
  const given = queue.get({}, time.caller("a")) as Promise<Handover>;
  queue.put("first", { priority: 1 }, time.caller("b"));
  try {
    queue.put("second", { priority: "another kind" }, time.caller("b"));
  } catch (error) {
    assert.ok(error instanceof TypeError);
  }
  // It did not arrive: nobody may be hurt by that but its getter.
  (await given).giveBack();
  assert.deepEqual((queue.getMany(9, {}, time.caller("b")) as Handover).content, ["first"]);
});

void test("getters wait after shutdown() while an item is on its way to somebody", async () => {
  const time = new Time();
  for (const lease of [false, true]) {
    const queue = new Queue();
    const first = queue.get({ lease }, time.caller("a")) as Promise<Handover>;
    const second = outcome(queue.get({}, time.caller("b")) as Promise<Handover>);
    queue.put("item", {}, time.caller("c"));
    queue.shutdown();
    (await first).giveBack();
    const end = await second;
    assert.ok(
      "value" in end,
      `with lease: ${lease} the second getter was told ${(end as { error: Error }).error}`,
    );
    assert.equal(end.value.content, "item");
  }
});

void test("a delay is kept to the millisecond, and the item is then in its old place", async () => {
  const time = new Time();
  for (const make of [() => new Queue(), () => new LifoQueue(), () => new JoinableQueue()]) {
    const queue = make();
    queue.putMany(["a", "b", "c"], {}, time.caller("x"));
    const batch = queue.getMany(3, { lease: true }, time.caller("x")) as LeaseBatch;
    const values = batch.leases.map(({ item }) => item.value);
    batch.call("nack", [0, { delay: 100 }]);
    batch.call("nack", [1, { delay: 50 }]);
    batch.call("nack", [2]);
    await steps(1);
    const ready = () => queue.describe()["ready"];
    assert.deepEqual([ready(), queue.describe()["delayed"]], [1, 2]);
    time.pass(49);
    assert.equal(ready(), 1);
    time.pass(1);
    assert.equal(ready(), 2);
    time.pass(50);
    assert.deepEqual((queue.getMany(9, {}, time.caller("x")) as Handover).content, values);
    assert.equal(time.timers, 0);
  }
});

void test("shutdown({ immediate }) forgets what was to come back later", () => {
  const time = new Time();
  const queue = new Queue();
  queue.put("a", {}, time.caller("x"));
  (queue.get({ lease: true }, time.caller("x")) as LeaseBatch).call("nack", [0, { delay: 100 }]);
  assert.equal(time.timers, 1);
  queue.shutdown({ immediate: true });
  assert.deepEqual([time.timers, queue.describe()["delayed"]], [0, 0]);
});

type Step =
  | { do: "put"; priority: number }
  | { do: "take"; max: number; lease: boolean; who: number }
  | { do: "ack" | "nack"; which: number }
  | { do: "end"; who: number };

const step = fc.oneof(
  fc.record({ do: fc.constant("put" as const), priority: fc.integer({ min: 0, max: 3 }) }),
  fc.record({
    do: fc.constant("take" as const),
    max: fc.integer({ min: 1, max: 3 }),
    lease: fc.boolean(),
    who: fc.integer({ min: 0, max: 2 }),
  }),
  fc.record({ do: fc.constantFrom("ack" as const, "nack" as const), which: fc.nat(9) }),
  fc.record({ do: fc.constant("end" as const), who: fc.integer({ min: 0, max: 2 }) }),
);

/** What a queue is, without any thought of speed. */
interface Thing {
  value: number;
  priority: number;
  attempts: number;
}

const referents = {
  queue: {
    make: (o: QueueOptions) => new Queue(o),
    before: (a: Thing, b: Thing) => a.value - b.value,
  },
  lifoQueue: {
    make: (o: QueueOptions) => new LifoQueue(o),
    before: (a: Thing, b: Thing) => b.value - a.value,
  },
  priorityQueue: {
    make: (o: QueueOptions) => new PriorityQueue(o),
    before: (a: Thing, b: Thing) => a.priority - b.priority || a.value - b.value,
  },
};

for (const [kind, { make, before }] of Object.entries(referents)) {
  void test(`a ${kind} is what a sorted array would be, whatever is put, leased, given back and lost`, () =>
    check(
      200,
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (program) => {
        const time = new Time();
        const queue = make({ maxAttempts: 3 });
        let ready: Thing[] = [];
        let out: { thing: Thing; who: number; batch: LeaseBatch; index: number }[] = [];
        const dead: { value: number; attempts: number }[] = [];
        const back = (things: Thing[]) => {
          for (const thing of things) {
            if (thing.attempts < 3) ready.push(thing);
            else dead.push({ value: thing.value, attempts: 3 });
          }
          ready = ready.toSorted(before);
        };
        let puts = 0;
        for (const now of program as Step[]) {
          if (now.do === "put") {
            const thing = { value: puts++, priority: now.priority, attempts: 0 };
            const options = kind === "priorityQueue" ? { priority: now.priority } : {};
            queue.put(thing.value, options, time.caller("putter"));
            ready = [...ready, thing].toSorted(before);
          } else if (now.do === "take") {
            if (ready.length === 0) continue;
            const { lease, max, who } = now;
            const given = queue.getMany(max, { lease }, time.caller(`${who}`)) as LeaseBatch;
            const things = ready.splice(0, max);
            if (lease) { for (const thing of things) thing.attempts++; }
            assert.deepEqual(
              given.content,
              things.flatMap(({ value, attempts }) => lease ? [value, attempts] : [value]),
            );
            if (lease) {
              out.push(...things.map((thing, index) => ({ thing, who, batch: given, index })));
            }
          } else if (now.do === "end") {
            const lost = out.filter(({ who }) => who === now.who);
            for (const batch of new Set(lost.map((lease) => lease.batch))) batch.abandon();
            out = out.filter(({ who }) => who !== now.who);
            back(lost.map(({ thing }) => thing));
          } else if (out.length > 0) {
            const [lease] = out.splice(now.which % out.length, 1);
            lease!.batch.call(now.do, [lease!.index]);
            if (now.do === "nack") back([lease!.thing]);
          }
          await undefined; // what came back is brought to getters then
          const { ready: size, leased } = queue.describe();
          assert.deepEqual([size, leased], [ready.length, out.length]);
        }
        const values = (list: { value: number }[]) => list.map(({ value }) => value);
        assert.deepEqual(queue.dead({}, time.caller("last")), dead);
        if (ready.length === 0) return;
        const rest = queue.getMany(Infinity, {}, time.caller("last")) as Handover;
        assert.deepEqual(rest.content, values(ready));
      }),
    ));
}

// What it costs.

const shuffle = (i: number, length: number) => (i * 7919 + 13) % length;

/**
 * How many times as long an operation may take. By priority it is the logarithm of the size, in a
 * memory that is not in the processor's cache any more: 10 to 30. What is linear has 100 000.
 */
const generous = { queue: 8, lifoQueue: 8, priorityQueue: 200 };

for (const [kind, { make }] of Object.entries(referents)) {
  const same = kind === "priorityQueue" ? "little more than" : "the same as";
  void test(`a ${kind} of a million items costs ${same} one of ten per operation`, () => {
    const caller = new Time().caller("a");
    const optionsOf = (i: number) => kind === "priorityQueue" ? { priority: shuffle(i, 1009) } : {};
    const filled = (count: number) => {
      const queue = make({});
      for (let i = 0; i < count; i++) queue.put(i, optionsOf(i), caller);
      return queue;
    };
    const [few, many] = [filled(10), filled(1_000_000)];
    const use = (queue: Queue) => () =>
      timeOf(() => {
        for (let i = 0; i < 5_000; i++) {
          queue.put(i, optionsOf(i), caller);
          queue.get({}, caller);
        }
      });
    assertCosts(generous[kind as keyof typeof generous], use(few), use(many));
    assert.equal(many.size(), 1_000_000);
  });

  void test(`20 000 leased items of a ${kind} are given back out of order, each at the cost of one of few`, async () => {
    const caller = new Time().caller("a");
    const optionsOf = (i: number) => kind === "priorityQueue" ? { priority: shuffle(i, 1009) } : {};
    const giveBack = (count: number, rounds: number) => () => {
      let time = 0;
      for (let round = 0; round < rounds; round++) {
        const queue = make({});
        for (let i = 0; i < count; i++) queue.put(i, optionsOf(i), caller);
        const expected = (queue.getMany(count, {}, caller) as Handover).content as number[];
        for (let i = 0; i < count; i++) queue.put(i, optionsOf(i), caller);
        const leases: LeaseBatch[] = [];
        for (let i = 0; i < count; i++) {
          leases.push(queue.get({ lease: true }, caller) as LeaseBatch);
        }
        time += timeOf(() => {
          for (let i = 0; i < count; i++) leases[shuffle(i, count)]!.call("nack", [0]);
        });
        const all = queue.getMany(count, {}, caller) as Handover;
        assert.deepEqual(all.content, expected, "in their places");
      }
      return time / (count * rounds);
    };
    await steps(1);
    // What is linear has 200.
    assertCosts(40, giveBack(100, 100), giveBack(20_000, 1));
  });
}

void test("each of the leases of one large getMany() is settled at the cost of one of few", () => {
  const caller = new Time().caller("a");
  const settle = (count: number, rounds: number) => () => {
    let time = 0;
    for (let round = 0; round < rounds; round++) {
      const queue = new Queue();
      queue.putMany(Array.from(Array(count).keys()), {}, caller);
      const batch = queue.getMany(count, { lease: true }, caller) as LeaseBatch;
      time += timeOf(() => {
        for (let i = 0; i < count; i++) {
          batch.call("ack", [i]);
          // What the session asks after each of them.
          assert.equal(batch.over, i === count - 1);
        }
      });
    }
    return time / (count * rounds);
  };
  assertCosts(8, settle(500, 40), settle(20_000, 1));
});

void test("each taskDone() after one large getMany() costs as much as after a small one", () => {
  const caller = new Time().caller("a");
  const finish = (count: number, rounds: number) => () => {
    let time = 0;
    for (let round = 0; round < rounds; round++) {
      const queue = new JoinableQueue();
      queue.putMany(Array.from(Array(count).keys()), {}, caller);
      queue.getMany(count, {}, caller);
      time += timeOf(() => {
        for (let i = 0; i < count; i++) queue.taskDone(caller);
      });
    }
    return time / (count * rounds);
  };
  assertCosts(8, finish(500, 40), finish(20_000, 1));
});

void test("leaves nothing behind", assertClean);
