/**
 * `Pipe` and `Connection`: order, room, ends of file, and whom an end belongs to, within one process
 * and between the three runtimes.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  ConnectionClosedError,
  LimitExceededError,
  type ListProxy,
  Manager,
  ProcessError,
  SerializeError,
  TimeoutError,
} from "../mod.ts";
import { type Connection, Pipe, Pool, Process, type ProcessOptions } from "../lib/process.ts";
import { tasks } from "./fixtures/pipe/tasks.ts";
import type { WaitingCaller } from "../lib/objects/waiting.ts";
import { Ledger } from "../lib/objects/ledger.ts";
import type { PipeConnection } from "../lib/process/connection.ts";
import { stateOf } from "../lib/proxy.ts";
import { Channel, type Message } from "../lib/process/pipe_end.ts";
import { randomName, removeAbandonedSockets } from "../lib/wire/socket_directory.ts";
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { VirtualClock } from "./support/clock.ts";
import { eventually } from "./support/events.ts";
import { currentRuntime, fixture, runtimeNames, runtimePath } from "./support/runtimes.ts";

type Runtime = typeof runtimeNames[number];

const endOfFile = { name: "ConnectionClosedError", message: /end of file/ };
const otherEndClosed = { name: "ConnectionClosedError", message: /the other end .* is closed/ };
/** The most bytes of one message. */
const maxBytes = 64 * 1024 * 1024 - 64 * 1024;

/** Starts a function of the fixture. */
async function start<R>(
  name: string,
  args: unknown[],
  runtime: Runtime = currentRuntime,
  options: ProcessOptions = {},
): Promise<Process<R>> {
  const child = new Process<R>(fixture("pipe/ends.ts"), {
    export: name,
    args,
    runtime: { name: runtime, path: runtimePath(runtime) },
    // The least permissions are for the pipes in its arguments, not for those that it receives later.
    ...(runtime === "deno" ? { permissions: "all" } : {}),
    ...options,
  });
  await child.start();
  return child;
}

async function closeAll(...connections: Connection<never, unknown>[]): Promise<void> {
  await Promise.all(connections.map((connection) => connection.close()));
}

/** All that can be received without waiting. */
async function drain<R>(connection: Connection<never, R>): Promise<R[]> {
  const received: R[] = [];
  while (await connection.poll()) received.push(await connection.receive());
  return received;
}

/** Sends numbers, and in place of every third a connection, whose other end goes into `others`. */
async function sendUntilRefused(
  connection: Connection<Connection<never> | number, unknown>,
  others: Connection<never>[],
): Promise<never> {
  for (let i = 0;; i++) {
    if (i % 3 > 0) {
      await connection.send(i);
      continue;
    }
    const [mine, theirs] = await Pipe<never>();
    others.push(mine);
    await connection.send(theirs).catch(async (error) => {
      await theirs.close(); // it was not accepted, so it is ours
      throw error;
    });
  }
}

test("Pipe() carries values in both directions, in the order of the calls, awaited or not", async () => {
  const [a, b] = await Pipe<unknown, string>();
  const values = [1, "two", undefined, null, new Map([[1, new Set([2n])]]), new Uint8Array([3])];
  const sent = values.map((value) => a.send(value));
  for (const value of values) assert.deepEqual(await b.receive(), value);
  await Promise.all(sent);
  await b.send("back");
  assert.equal(await a.receive(), "back");
  await closeAll(a, b);
});

test("send() takes the value as it is at the call", async () => {
  const [a, b] = await Pipe<number[]>();
  const value = [1];
  const sent = a.send(value);
  value.push(2);
  await sent;
  assert.deepEqual(await b.receive(), [1]);
  await closeAll(a, b);
});

test("receive() from two places gives each a message of its own, in order", async () => {
  const [a, b] = await Pipe<number>();
  const received = [b.receive(), b.receive(), b.receive()];
  await Promise.all([a.send(1), a.send(2), a.send(3)]);
  assert.deepEqual(await Promise.all(received), [1, 2, 3]);
  await closeAll(a, b);
});

test("a closed end is an end of file for the other, after all that was sent", async () => {
  const [a, b] = await Pipe<number>();
  void a.send(1);
  void a.send(2);
  await a.close();
  assert.equal(a.closed, true);
  assert.equal(await b.receive(), 1);
  assert.equal(await b.poll(), true);
  const rest: number[] = [];
  for await (const value of b) rest.push(value);
  assert.deepEqual(rest, [2]);
  assert.equal(await b.poll(), true, "as in Python, an end of file can be received");
  await assert.rejects(b.receive(), endOfFile);
  await assert.rejects(b.send(3), otherEndClosed);
  await b.close();
});

test("the end of file reaches who waits in receive() and in poll()", async () => {
  const [a, b] = await Pipe();
  const received = assert.rejects(b.receive(), endOfFile);
  const polled = b.poll({ timeout: Infinity });
  await a.close();
  await received;
  assert.equal(await polled, true);
  await b.close();
});

test("close() rejects what waits here, and everything afterwards; a second close() does nothing", async () => {
  const [a, b] = await Pipe<number>();
  const received = assert.rejects(b.receive(), ConnectionClosedError);
  const polled = assert.rejects(b.poll({ timeout: Infinity }), ConnectionClosedError);
  await b.close();
  await received;
  await polled;
  await b.close();
  const closedHere = { name: "ConnectionClosedError", message: /was closed here/ };
  await assert.rejects(b.send(1), closedHere);
  await assert.rejects(b.receive(), closedHere);
  await assert.rejects(b.poll(), closedHere);
  await assert.rejects(b[Symbol.asyncIterator]().next(), closedHere);
  await assert.rejects(a.send(b as never), closedHere);
  await a[Symbol.asyncDispose]();
});

test("the messages of an end that was closed are lost, and their sender is told", async () => {
  const [a, b] = await Pipe<number>({ maxSize: 1 });
  await a.send(1);
  const waiting = assert.rejects(a.send(2), otherEndClosed);
  await b.close();
  await waiting;
  await assert.rejects(a.send(3), otherEndClosed);
  await assert.rejects(a.receive(), endOfFile);
  await a.close();
});

test("poll() does not wait unless it is told to, and is no error when the time is over", async () => {
  const [a, b] = await Pipe<number>();
  assert.equal(await b.poll(), false);
  assert.equal(await b.poll({ timeout: 1 }), false);
  const polled = [b.poll({ timeout: Infinity }), b.poll({ timeout: 60_000 })];
  await a.send(1);
  assert.deepEqual(await Promise.all(polled), [true, true]);
  assert.equal(await b.receive(), 1);
  const controller = new AbortController();
  const aborted = assert.rejects(
    b.poll({ timeout: Infinity, signal: controller.signal }),
    /enough/,
  );
  controller.abort(new Error("enough"));
  await aborted;
  await closeAll(a, b);
});

test("receive() keeps to timeout and signal, and loses no message by them", async () => {
  const [a, b] = await Pipe<number>();
  await assert.rejects(b.receive({ timeout: 0 }), TimeoutError);
  await assert.rejects(b.receive({ timeout: 1 }), TimeoutError);
  const controller = new AbortController();
  const aborted = assert.rejects(b.receive({ signal: controller.signal }), /enough/);
  controller.abort(new Error("enough"));
  await aborted;
  await assert.rejects(b.receive({ signal: controller.signal }), /enough/);
  await a.send(1);
  assert.equal(await b.receive(), 1);
  await closeAll(a, b);
});

test("send() waits while maxSize messages are unread, and keeps to timeout and signal", async () => {
  const [a, b] = await Pipe<number>({ maxSize: 2 });
  await a.send(1);
  await a.send(2);
  await assert.rejects(a.send(-1, { timeout: 0 }), TimeoutError);
  const controller = new AbortController();
  const aborted = assert.rejects(a.send(-2, { signal: controller.signal }), /enough/);
  controller.abort(new Error("enough"));
  await aborted;
  const waiting = a.send(3);
  assert.equal(await b.receive(), 1);
  await waiting;
  assert.deepEqual(await drain(b), [2, 3]);
  await closeAll(a, b);
});

test("send() waits while 1 MiB is unread; one message of any size has room in an empty pipe", async () => {
  const [a, b] = await Pipe<Uint8Array>();
  const half = new Uint8Array(512 * 1024 - 10);
  await a.send(half);
  await a.send(half);
  await assert.rejects(a.send(half, { timeout: 0 }), TimeoutError);
  assert.equal((await drain(b)).length, 2);
  await a.send(new Uint8Array(3 * 1024 * 1024));
  assert.equal((await b.receive()).length, 3 * 1024 * 1024);
  await closeAll(a, b);
});

test("close() lets in what waits for room", async () => {
  const [a, b] = await Pipe<number>({ maxSize: 1 });
  const sent = [1, 2, 3].map((value) => a.send(value));
  await a.close();
  await Promise.all(sent);
  const received: number[] = [];
  for await (const value of b) received.push(value);
  assert.deepEqual(received, [1, 2, 3]);
  await b.close();
});

test("{ duplex: false } makes one end that receives and one that sends", async () => {
  const [receiver, sender] = await Pipe<number>({ duplex: false });
  await sender.send(1);
  assert.equal(await receiver.receive(), 1);
  const only = { name: "TypeError", message: /duplex: false/ };
  await assert.rejects(receiver.send(1 as never), only);
  await assert.rejects(sender.receive(), only);
  await assert.rejects(sender.poll(), only);
  await sender.close();
  await assert.rejects(receiver.receive(), endOfFile);
  await receiver.close();
});

test("Pipe() and its methods refuse bad options", async () => {
  await assert.rejects(Pipe({ maxsize: 1 } as never), /no option "maxsize"/);
  await assert.rejects(Pipe({ maxSize: 0 }), RangeError);
  await assert.rejects(Pipe({ maxSize: "1" } as never), TypeError);
  await assert.rejects(Pipe({ duplex: 1 } as never), TypeError);
  await assert.rejects(Pipe(true as never), TypeError);
  const [a, b] = await Pipe<number>();
  await assert.rejects(a.send(1, { block: true } as never), /no option "block"/);
  await assert.rejects(b.receive({ timeout: -1 }), RangeError);
  await assert.rejects(b.receive(5 as never), TypeError);
  await assert.rejects(b.poll({ timeout: NaN }), RangeError);
  assert.equal(await b.poll(), false);
  await closeAll(a, b);
});

test("what cannot be sent is a SerializeError with its path, and nothing is lost", async () => {
  const [a, b] = await Pipe<unknown>();
  const [c, d] = await Pipe<number>();
  const local = await Manager.local();
  const before = a.send("before");
  await assert.rejects(a.send({ c, deep: [() => 1] }), {
    name: "SerializeError",
    message: /value\.deep\[0\]/,
  });
  await assert.rejects(a.send({ c, list: await local.list() }), SerializeError);
  await a.send("after");
  await before;
  assert.deepEqual(await drain(b), ["before", "after"]);
  await c.send(1);
  assert.equal(await d.receive(), 1);
  await local.shutdown();
  await closeAll(a, b, c, d);
});

test("a message may have 64 MiB less 64 KiB; a longer one is LimitExceededError and harms no other", async () => {
  const [a, b] = await Pipe<Uint8Array | Connection<number>[] | string>();
  const header = 6; // of MessagePack's extension for bytes
  const sent = a.send(new Uint8Array(maxBytes - header));
  await assert.rejects(a.send(new Uint8Array(maxBytes - header + 1)), LimitExceededError);
  await sent;
  assert.equal((await b.receive() as Uint8Array).length, maxBytes - header);
  await a.send("after");
  assert.equal(await b.receive(), "after");
  await closeAll(a, b);
});

test("a connection that was given away is of no use here, and belongs to who received it", async () => {
  const [a, b] = await Pipe<Connection<string>>();
  const [c, d] = await Pipe<string>();
  await c.send("unread");
  await a.send(d);
  assert.equal(d.closed, true);
  const given = { name: "TypeError", message: /was given away/ };
  await assert.rejects(d.send("x"), given);
  await assert.rejects(d.receive(), given);
  await assert.rejects(d.poll(), given);
  await assert.rejects(a.send(d), given);
  await d.close();
  const received = await b.receive();
  assert.equal(await received.receive(), "unread");
  await received.send("mine");
  assert.equal(await c.receive(), "mine");
  await received.close();
  await assert.rejects(c.receive(), endOfFile);
  await closeAll(a, b, c);
});

test("an end goes once into a value, not while somebody receives, and not through its own pipe", async () => {
  const [a, b] = await Pipe<unknown>();
  const [c, d] = await Pipe<number>();
  await assert.rejects(a.send([c, c]), { name: "TypeError", message: /given away/ });
  const sent = a.send(c);
  await assert.rejects(a.send(c), TypeError);
  await sent;
  const back = await b.receive() as Connection<number>;
  const waiting = back.receive();
  await assert.rejects(a.send(back), /while receive\(\) waits/);
  await d.send(1);
  assert.equal(await waiting, 1);
  await assert.rejects(d.send(back as never), /through the same pipe/);
  await assert.rejects(a.send(b), /through the same pipe/);
  await a.send([back, d]);
  const [[e, f]] = await drain(b) as [Connection<number>[]];
  await e!.send(2);
  assert.equal(await f!.receive(), 2);
  await closeAll(a, b, e!, f!);
});

test("a connection in a message that was not accepted goes on here", async () => {
  const [a, b] = await Pipe<unknown>({ maxSize: 1 });
  const [c, d] = await Pipe<number>();
  await a.send("fills it");
  await assert.rejects(a.send(c, { timeout: 0 }), TimeoutError);
  await b.close();
  await assert.rejects(a.send([c]), otherEndClosed);
  await c.send(1);
  assert.equal(await d.receive(), 1);
  await closeAll(a, c, d);
});

test("a connection in a message that nobody will read is an end of file for its other end", async () => {
  const [a, b] = await Pipe<unknown>();
  const [c, d] = await Pipe<number>();
  await a.send({ c });
  await closeAll(b, a);
  await assert.rejects(d.receive(), endOfFile);
  await d.close();
});

test("a message that a receiver gives back comes first again, in its place", async () => {
  const channel = new Channel(10, () => {});
  const caller: WaitingCaller = {
    id: "s1",
    signal: new AbortController().signal,
    gone: () => false,
    bytes: 0,
    clock: new VirtualClock(),
    ledger: new Ledger(1, () => ""),
    settling: () => {},
  };
  const receive = () => channel.receive(caller) as { content: Message; giveBack(): void };
  for (const byte of [1, 2, 3]) channel.send({ bytes: Uint8Array.of(byte), passes: [] }, caller);
  const [first, second] = [receive(), receive()];
  second.giveBack();
  first.giveBack();
  const numbers = [receive(), receive(), receive()].map(({ content }) => content.number);
  assert.deepEqual(numbers, [1, 2, 3]);
  const late = channel.receive(caller) as Promise<{ content: Message }>;
  second.giveBack();
  assert.equal((await late).content.number, 2);
});

for (const runtime of runtimeNames) {
  test(`1 000 messages go to a process in ${runtime} and back, in order`, async () => {
    const [a, b] = await Pipe<number>();
    const child = await start("echo", [b], runtime);
    const sent = Array.from({ length: 1000 }, (_, i) => a.send(i));
    for (let i = 0; i < 1000; i++) assert.equal(await a.receive(), i);
    await Promise.all(sent);
    await a.close();
    await child.join();
  });

  test(`two processes talk over a pipe of a third: ${runtime} sends`, async () => {
    const receiving = runtimeNames[(runtimeNames.indexOf(runtime) + 1) % runtimeNames.length]!;
    const [a, b] = await Pipe({ maxSize: 10 });
    const [sender, receiver] = await Promise.all([
      start("count", [a, 1000], runtime),
      start<number[]>("collect", [b], receiving),
    ]);
    await sender.join();
    assert.deepEqual(await receiver.join(), Array.from({ length: 1000 }, (_, i) => i));
  });

  test(`kill -9 of a process in ${runtime} is an end of file after what it sent`, async () => {
    const [a, b] = await Pipe<unknown>({ maxSize: 3 });
    const child = await start("fill", [b], runtime);
    assert.equal(await a.poll({ timeout: Infinity }), true);
    child.kill();
    await assert.rejects(child.join(), ProcessError);
    const received: unknown[] = [];
    for await (const value of a) received.push(value);
    assert.deepEqual(received, received.map((_, i) => i));
    assert.ok(received.length >= 1 && received.length <= 3);
    await assert.rejects(a.send(1), otherEndClosed);
    await a.close();
  });
}

test("kill -9 of a process that waits for a message is an end of file for the other end", async () => {
  const [a, b] = await Pipe<unknown>();
  const child = await start("wait", [b]);
  assert.equal(await a.receive(), "here");
  child.kill();
  await assert.rejects(child.join(), ProcessError);
  await assert.rejects(a.receive(), endOfFile);
  await a.close();
});

test("kill -9 of the reader ends a send() that waits for room", async () => {
  const [a, b] = await Pipe<unknown>({ maxSize: 1 });
  const child = await start("hold", [b]);
  assert.equal(await a.receive(), "here");
  await a.send(1);
  const waiting = assert.rejects(a.send(2), otherEndClosed);
  child.kill();
  await assert.rejects(child.join(), ProcessError);
  await waiting;
  await a.close();
});

test("kill -9 of a process with an unread connection is an end of file for its other end", async () => {
  const [a, b] = await Pipe<unknown>();
  const child = await start("hold", [b]);
  assert.equal(await a.receive(), "here");
  const [c, d] = await Pipe<unknown>();
  await a.send(c);
  child.kill();
  await assert.rejects(child.join(), ProcessError);
  await assert.rejects(d.receive(), endOfFile);
  await closeAll(a, d);
});

test("kill -9 at any moment is an end of file, also of every connection that is under way", async () => {
  for (let round = 0; round < 6; round++) {
    const [a, b] = await Pipe<Connection<never> | number>({ maxSize: 1 + round % 3 });
    const child = await start("echo", [b]);
    const others: Connection<never>[] = [];
    const over = assert.rejects(sendUntilRefused(a, others), otherEndClosed);
    if (round === 0) child.kill();
    let received = 0;
    for await (const value of a) {
      if (typeof value === "number") assert.equal(value, received);
      else await value.close();
      if (++received === round * 4) child.kill();
    }
    await over;
    for (const other of others) await assert.rejects(other.receive(), endOfFile);
    await closeAll(a, ...others);
    await assert.rejects(child.join(), ProcessError);
  }
});

test("an end whose process ends without a word is an end of file", async () => {
  const [a, b] = await Pipe<unknown>();
  const child = await start("exit", [b]);
  await assert.rejects(a.receive(), endOfFile);
  await assert.rejects(child.join(), ProcessError);
  await a.close();
});

test("an end that was given to a process that does not start is an end of file", async () => {
  const [a, b] = await Pipe<unknown>();
  const [c, d] = await Pipe<unknown>();
  const nothing = new URL("no_such_module.ts", fixture("pipe/ends.ts"));
  const missing = new Process(nothing, { export: "x", args: [b, d], stdio: "ignore" });
  await assert.rejects(missing.start(), ProcessError);
  await assert.rejects(a.receive(), endOfFile);
  await assert.rejects(c.receive(), endOfFile);
  await closeAll(a, c);
});

test("an end goes on to a third process, with what was not read yet", async () => {
  const [a, b] = await Pipe<unknown>();
  const [c, d] = await Pipe<unknown>();
  const [e, f] = await Pipe<unknown>();
  await e.send("unread");
  const receiver = await start("echo", [f]);
  const relay = await start("passOn", [b, c]);
  await a.send(e);
  const back = await d.receive() as Connection;
  await relay.join();
  assert.equal(await back.receive(), "unread");
  await back.close();
  await receiver.join();
  await closeAll(a, d);
});

test("an end goes into the arguments of a task of a pool", async () => {
  const pool = new Pool(1, currentRuntime === "deno" ? { permissions: "all" } : {});
  const [a, b] = await Pipe<string>();
  const reply = pool.apply(tasks.greet, [b]);
  assert.equal(await a.receive(), "hello");
  await a.send("and you");
  assert.equal(await reply, "and you");
  await assert.rejects(a.receive(), endOfFile);
  await a.close();
  await pool.terminate();
});

test("an end whose task never ran is an end of file", async () => {
  const pool = new Pool(1, currentRuntime === "deno" ? { permissions: "all" } : {});
  const [a, b] = await Pipe<string>();
  const [c, d] = await Pipe<string>();
  const first = assert.rejects(pool.apply(tasks.greet, [b]));
  assert.equal(await a.receive(), "hello");
  const second = assert.rejects(pool.apply(tasks.greet, [d]));
  await pool.terminate();
  await first;
  await second;
  await assert.rejects(a.receive(), endOfFile);
  // What was never packed was never given away.
  if (d.closed) await assert.rejects(c.receive(), endOfFile);
  await closeAll(a, c, d);
});

test("a message keeps the shared objects in it when its sender is gone", async () => {
  const manager = await Manager.start();
  const [a, b] = await Pipe<never, ListProxy<number>>();
  const child = await start("sendList", [b], currentRuntime, { manager });
  await child.join();
  const list = await a.receive();
  assert.equal(await list.length(), 2);
  await assert.rejects(a.receive(), endOfFile);
  await a.close();
  await manager.shutdown();
});

test("kill -9 of the process that made a pipe ends it for everybody, with an error", async () => {
  const [a, b] = await Pipe<unknown>();
  const child = await start("makePipe", [b]);
  const made = await a.receive() as Connection;
  assert.equal(await made.receive(), "made");
  const waiting = assert.rejects(made.receive(), {
    name: "ConnectionClosedError",
    message: /gone with the process that made it/,
  });
  child.kill();
  await assert.rejects(child.join(), ProcessError);
  await waiting;
  await assert.rejects(made[Symbol.asyncIterator]().next(), ConnectionClosedError);
  await assert.rejects(made.send(1), ConnectionClosedError);
  await closeAll(made, a);
  // What a killed process leaves goes with the next start of a manager, ten seconds later.
  const { address } = stateOf((made as PipeConnection<unknown, unknown>).end)!.owner;
  rmSync(dirname(address.slice("unix:".length)), { recursive: true });
});

test("a program ends although its pipes are open, and leaves nothing", async () => {
  assert.equal(await runScript(currentRuntime, fixture("pipe/leaves_open.ts")), "true\n");
});

test("what a thread left that was ended, or a program before it listened, goes at a next start", async () => {
  const thread = new Worker(fixture("pipe/thread.ts"));
  const [address] = await once(thread, "message");
  await thread.terminate();
  const left = [dirname(address.slice("unix:".length)), join(tmpdir(), `referent-${randomName()}`)];
  mkdirSync(left[1]!);
  // Deno's thread may listen for a moment longer than its end is told.
  await eventually(`${left.join(" and ")} are removed`, async () => {
    // As if nobody could still be starting there.
    for (const folder of left.filter(existsSync)) utimesSync(folder, 0, 0);
    await removeAbandonedSockets();
    return !left.some(existsSync);
  });
});

test("receive() that is ended as its message arrives leaves that for the next one", async () => {
  let ended = 0;
  for (let ticks = 0; ticks < 60; ticks++) {
    const [a, b] = await Pipe<string>();
    const end = new AbortController();
    const first = b.receive({ signal: end.signal }).catch((error) => {
      assert.equal(error.name, "AbortError");
      ended++;
      return b.receive({ timeout: 5_000 });
    });
    await a.send("hello");
    for (let i = 0; i < ticks; i++) await undefined;
    end.abort();
    assert.equal(await first, "hello", `aborted ${ticks} ticks after it was sent`);
    await Promise.all([a.close(), b.close()]);
  }
  console.log(`# ${ended} of 60 were ended before they had it`);
});

test("leaves nothing behind", assertClean);
