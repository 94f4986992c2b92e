/**
 * Managers: what their members promise, how they end, and what the others are told of it.
 * The options are in options_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { inspect } from "node:util";
import {
  ConnectionClosedError,
  getValue,
  isProxy,
  type ListProxy,
  Manager,
  NameTakenError,
  releaseProxy,
  repr,
  SerializeError,
  str,
  TimeoutError,
  tokenOf,
  UnknownObjectError,
} from "../mod.ts";
import types from "./fixtures/manager/types.ts";
import { startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { endOf, eventually, isRunning } from "./support/events.ts";
import { currentRuntime, fixture, runtimeNames } from "./support/runtimes.ts";

const script = fixture("manager/script.ts");

/** The socket's path of a Unix address. */
function socketOf(address: string): string {
  assert.match(address, /^unix:\//);
  return address.slice("unix:".length);
}

/** A manager in memory and another session of its server. */
async function twoSessions() {
  const manager = await Manager.local({ types });
  const other = await Manager.connect({ address: manager.address, types });
  return { manager, other };
}

// Creation.

void test("manager.create() makes an object by the name of its typeid", async () => {
  const manager = await Manager.local({ types });
  const list = await manager.create<ListProxy<number>>("list", [1, 2]);
  assert.deepEqual(await list.copy(), [1, 2]);
  const counter = await manager.create<{ add(): Promise<number> }>("Counter", 5);
  assert.equal(await counter.add(), 6);
  for (const typeid of ["nonsense", "", "constructor", "__proto__", "create"]) {
    await assert.rejects(manager.create(typeid), (error) => {
      assert.ok(error instanceof UnknownObjectError);
      assert.match(error.message, /Unknown typeid ".*": this server has list, dict, .*Counter/);
      return true;
    });
  }
  for (const bad of [5, null, undefined, {}] as never[]) {
    await assert.rejects(manager.create(bad), TypeError);
  }
  await manager.shutdown();
});

void test("a manager has the creation methods of its server's typeids, bound", async () => {
  const manager = await Manager.local({ types });
  const { Counter, list } = manager;
  assert.equal(await (await Counter(1)).add(), 2);
  assert.ok(isProxy(await list()));
  assert.equal((manager as unknown as { then?: unknown }).then, undefined);
  assert.equal((manager as unknown as { nonsense?: unknown }).nonsense, undefined);
  await manager.shutdown();
});

void test("an instance that a method returns is a SerializeError with method and cure", async () => {
  const manager = await Manager.local({ types });
  const counter = await manager.Counter();
  await assert.rejects(counter.self(), (error) => {
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /"self"/);
    assert.match(error.message, /methodToTypeid/);
    return true;
  });
  await manager.shutdown();
});

// Names.

void test("publish() and lookup() share an object by name until somebody unpublishes it", async () => {
  const { manager, other } = await twoSessions();
  const list = await manager.list([1]);
  await manager.publish("jobs", list);
  const found = await other.lookup<ListProxy<number>>("jobs");
  await found!.push(2);
  assert.deepEqual(await list.copy(), [1, 2]);
  assert.equal(await manager.lookup("jobs"), list);
  assert.equal(await manager.lookup("other"), undefined);
  assert.equal(await other.unpublish("jobs"), true);
  assert.equal(await manager.unpublish("jobs"), false);
  assert.equal(await manager.lookup("jobs"), undefined);
  await manager.shutdown();
});

void test("a published object outlives every session that held it", async () => {
  const { manager, other } = await twoSessions();
  const before = await manager.numberOfObjects();
  await other.publish("kept", await other.dict({ a: 1 }));
  await other.close();
  assert.equal(await manager.numberOfObjects(), before + 1);
  const kept = await manager.lookup<object>("kept");
  assert.deepEqual(await getValue(kept), new Map([["a", 1]]));
  await manager.unpublish("kept");
  releaseProxy(kept, { all: true });
  assert.equal(await manager.numberOfObjects(), before);
  await manager.shutdown();
});

void test("publish() of the same object again is no change, of another one NameTakenError", async () => {
  const { manager, other } = await twoSessions();
  const first = await manager.list(["first"]);
  const second = await manager.list(["second"]);
  await manager.publish("name", first);
  await manager.publish("name", first);
  await manager.publish("alias", first);
  await assert.rejects(manager.publish("name", second), (error) => {
    assert.ok(error instanceof NameTakenError);
    assert.match(error.message, /"name".*ListProxy.*replace: true/);
    return true;
  });
  assert.equal(await manager.lookup("name"), first);
  await manager.publish("name", second, { replace: true });
  assert.equal(await manager.lookup("name"), second);
  assert.equal(await manager.lookup("alias"), first);
  assert.equal(await str(await other.lookup("name")), "['second']");
  await manager.shutdown();
});

void test("publish() refuses what is no proxy and what is no name", async () => {
  const manager = await Manager.local();
  const list = await manager.list();
  for (const bad of [[1], {}, "text", null, undefined] as never[]) {
    await assert.rejects(manager.publish("name", bad), TypeError);
  }
  for (const bad of ["", 5, null, undefined] as never[]) {
    await assert.rejects(manager.publish(bad, list), TypeError);
    await assert.rejects(manager.lookup(bad), TypeError);
    await assert.rejects(manager.unpublish(bad), TypeError);
    await assert.rejects(manager.named(bad).list(), TypeError);
  }
  const longest = "ä".repeat(64); // 128 bytes
  await manager.publish(longest, list);
  assert.equal(await manager.lookup(longest), list);
  await assert.rejects(manager.publish(`${longest}x`, list), RangeError);
  await manager.shutdown();
});

void test("named() finds or creates; arguments count only on creation", async () => {
  const { manager, other } = await twoSessions();
  const made = await manager.named("hits").dict({ a: 1 });
  const found = await other.named("hits").dict({ b: 2 });
  assert.equal(tokenOf(found).id, tokenOf(made).id);
  assert.deepEqual(await getValue(found), new Map([["a", 1]]));
  assert.equal(await manager.lookup("hits"), made);
  await assert.rejects(other.named("hits").list(), (error) => {
    assert.ok(error instanceof TypeError);
    assert.match(error.message, /"hits" has the typeid "dict", not "list"/);
    return true;
  });
  assert.equal(await (await manager.named("counter").Counter(3)).add(), 4);
  await manager.shutdown();
});

void test("named() runs concurrent factories once, for all sessions", async () => {
  const { manager, other } = await twoSessions();
  const calls = [manager, other, manager, other].map((m) => m.named("slow").slow());
  const refused = assert.rejects(other.named("slow").list(), TypeError);
  const taken = assert.rejects(
    manager.list().then((list) => manager.publish("slow", list, { replace: true })),
    NameTakenError,
  );
  const proxies = await Promise.all(calls);
  await refused;
  await taken.catch(() => {}); // it may have come after the factory's end
  assert.equal(new Set(proxies.map((proxy) => tokenOf(proxy).id)).size, 1);
  assert.equal(proxies[0], proxies[2]);
  const numbers = await Promise.all(proxies.map((proxy) => proxy.number()));
  assert.equal(new Set(numbers).size, 1);
  await manager.shutdown();
});

void test("named() keeps no name where the factory rejects", async () => {
  const { manager, other } = await twoSessions();
  const [first, second] = await Promise.allSettled([
    manager.named("flaky").flaky(false),
    other.named("flaky").flaky(false),
  ]);
  for (const result of [first, second]) {
    assert.ok(result!.status === "rejected" && result.reason instanceof RangeError);
  }
  assert.equal(await manager.lookup("flaky"), undefined);
  await assert.rejects(manager.named("flaky").flaky(false), RangeError);
  assert.equal(await (await manager.named("flaky").flaky(true)).works(), true);
  await manager.shutdown();
});

// Counting.

void test("numberOfObjects() counts what a session or a name holds, once", async () => {
  const { manager, other } = await twoSessions();
  assert.equal(await manager.numberOfObjects(), 0);
  const list = await manager.list([1]);
  await manager.publish("list", list);
  await other.lookup("list");
  await manager.list().then((empty) => releaseProxy(empty));
  assert.equal(await manager.numberOfObjects(), 1);
  await other.close();
  await manager.unpublish("list");
  assert.equal(await manager.numberOfObjects(), 1);
  releaseProxy(list, { all: true });
  assert.equal(await manager.numberOfObjects(), 0);
  await manager.shutdown();
});

void test("debugInfo() tells of objects, sessions and methods as data", async () => {
  const { manager, other } = await twoSessions();
  const list = await manager.list([1]);
  await manager.publish("list", list);
  const found = await other.lookup("list");
  await list.push(1);
  await list.push(2);
  const info = await manager.debugInfo();
  assert.equal(tokenOf(found).id, tokenOf(list).id); // and so it was not collected before
  assert.equal(info.address, manager.address);
  assert.equal(info.pid, process.pid);
  assert.equal(info.runtime, currentRuntime);
  assert.ok(tokenOf(list).id.startsWith(`${info.epoch}-`));
  assert.equal(Object.keys(info.sessions).length, 2);
  const [object] = info.objects;
  assert.equal(info.objects.length, 1);
  assert.deepEqual([object!.typeid, object!.names, object!.tickets], ["list", ["list"], 0]);
  assert.deepEqual(Object.values(object!.holds), [1, 1]);
  assert.equal(info.methods["list.push"]!.calls, 2);
  assert.deepEqual(structuredClone(info), info);
  await manager.shutdown();
});

// env.

void test("env holds what a child needs, and never goes into this process's environment", async () => {
  const before = { ...process.env };
  const manager = await Manager.start();
  const { address, env } = manager;
  assert.deepEqual(Object.keys(env).sort(), [
    "REFERENT_ADDRESS",
    "REFERENT_AUTHKEY",
    "REFERENT_SERIALIZER",
  ]);
  assert.equal(env.REFERENT_ADDRESS, address);
  assert.match(env.REFERENT_AUTHKEY!, /^base64:/);
  const other = await Manager.connect({ env });
  assert.deepEqual(other.env, env);
  await other.close();
  await manager.shutdown();
  assert.deepEqual({ ...process.env }, before);
  const local = await Manager.local();
  assert.deepEqual(local.env, {});
  await local.shutdown();
});

// The ends.

void test("printing a manager or a server never prints its authkey", async () => {
  const manager = await Manager.local();
  const server = await Manager.serve();
  const other = await Manager.connect({ env: server.env });
  try {
    const secret = server.env["REFERENT_AUTHKEY"]!;
    for (const thing of [server, other, manager]) {
      for (const text of [inspect(thing), JSON.stringify(thing)]) {
        assert.ok(!text.includes(secret) && !text.includes("AUTHKEY"), text);
      }
    }
    assert.equal(other.env["REFERENT_AUTHKEY"], secret);
  } finally {
    await server.close();
    await manager.shutdown();
  }
});

void test("close() writes what was issued, rejects what is pending, ends only this session", async () => {
  const { manager, other } = await twoSessions();
  const gate = await manager.Gate();
  await manager.publish("gate", gate);
  const list = await manager.named("list").list<number>();
  const theirs = await other.lookup<ListProxy<number>>("list");
  const waiting = assert.rejects(
    (await other.lookup<typeof gate>("gate"))!.pass(),
    ConnectionClosedError,
  );
  const issued = Array.from({ length: 10 }, (_, i) => theirs!.push(i).catch(() => {}));
  await other.close();
  await other.close();
  assert.deepEqual(await other.closed, { by: "close" });
  await Promise.all([waiting, ...issued]);
  await eventually("all was written", async () => await list.length() === 10);
  assert.equal(Object.keys((await manager.debugInfo()).sessions).length, 1);
  await manager.shutdown();
});

void test("shutdown() ends the server for everybody and leaves nothing on disk", async () => {
  const manager = await Manager.start({ types });
  const other = await Manager.connect({ env: manager.env });
  const { pid } = await manager.debugInfo();
  assert.ok(existsSync(socketOf(manager.address)));
  const both = [manager.shutdown(), manager.shutdown()];
  await Promise.all(both);
  await manager.shutdown();
  assert.deepEqual(await manager.closed, { by: "shutdown", exitCode: 0, exitSignal: null });
  const theirs = await endOf(other);
  assert.equal(theirs.by, "server");
  assert.ok(theirs.error instanceof ConnectionClosedError);
  assert.ok(!existsSync(socketOf(manager.address)));
  assert.ok(!isRunning(pid));
  await other.shutdown();
  await other.close();
});

void test("shutdown() by another client ends the server, too", async () => {
  const manager = await Manager.start();
  const other = await Manager.connect({ env: manager.env });
  await other.shutdown();
  assert.equal((await other.closed).by, "shutdown");
  const { by, exitCode, exitSignal, error } = await endOf(manager);
  assert.deepEqual([by, exitCode, exitSignal], ["server", 0, null]);
  assert.match(error!.message, /shut/);
  await manager.shutdown();
});

void test("shutdown() after close() ends the server that this manager started", async () => {
  const manager = await Manager.start();
  const { pid } = await manager.debugInfo();
  await manager.close();
  assert.deepEqual(await manager.closed, { by: "close" });
  await manager.shutdown();
  assert.ok(!isRunning(pid));

  const local = await Manager.local();
  await local.close();
  await local.shutdown();
  await assert.rejects(Manager.connect({ address: local.address }), UnknownObjectError);
});

void test("shutdown() of a server that does not end: its starter kills it, others get TimeoutError", async () => {
  const manager = await Manager.start({ types, shutdownTimeout: 60_000 });
  const other = await Manager.connect({ env: manager.env });
  const gate = await manager.Gate();
  const stuck = assert.rejects(gate.pass(), ConnectionClosedError);
  await manager.numberOfObjects(); // pass() has begun
  await assert.rejects(other.shutdown({ timeout: 20 }), TimeoutError);
  await manager.shutdown({ timeout: 20 });
  const { by, exitSignal, exitCode } = await manager.closed;
  assert.equal(by, "shutdown");
  assert.ok(exitSignal === "SIGTERM" || exitSignal === "SIGKILL" || exitCode !== undefined);
  await stuck;
  await endOf(other);
});

void test("[Symbol.asyncDispose] is shutdown() for the starter, close() for the others", async () => {
  const manager = await Manager.start();
  const other = await Manager.connect({ env: manager.env });
  await other[Symbol.asyncDispose]();
  assert.deepEqual(await other.closed, { by: "close" });
  await manager.list();
  await manager[Symbol.asyncDispose]();
  assert.equal((await manager.closed).by, "shutdown");

  const local = await Manager.local();
  await local[Symbol.asyncDispose]();
  assert.equal((await local.closed).by, "shutdown");

  const server = await Manager.serve();
  await server[Symbol.asyncDispose]();
  assert.equal((await server.closed).by, "close");
});

for (const end of ["close", "shutdown"] as const) {
  void test(`after ${end}() calls reject with a fresh ConnectionClosedError with a cause`, async () => {
    const manager = await Manager.local({ types });
    const list = await manager.list([1]);
    const text = repr(list);
    const token = tokenOf(list);
    const ticket = "referent-ticket:e30";
    await manager[end]();
    const calls: (() => Promise<unknown>)[] = [
      () => list.at(0),
      () => str(list),
      () => getValue(list),
      () => manager.list(),
      () => manager.create("list"),
      () => manager.Counter(),
      () => manager.publish("x", list),
      () => manager.lookup("x"),
      () => manager.unpublish("x"),
      () => manager.named("x").list(),
      () => manager.numberOfObjects(),
      () => manager.debugInfo(),
    ];
    const errors = new Set<unknown>();
    for (const call of [...calls, ...calls]) {
      const promise = call(); // does not throw
      await assert.rejects(promise, (error) => {
        assert.ok(error instanceof ConnectionClosedError, String(error));
        assert.ok(error.cause instanceof Error);
        errors.add(error);
        return true;
      });
    }
    assert.equal(errors.size, calls.length * 2);
    await assert.rejects(manager.importProxy(ticket), TypeError);
    assert.equal(repr(list), text);
    assert.deepEqual(tokenOf(list), token);
    releaseProxy(list);
    releaseProxy(list, { all: true });
    list[Symbol.dispose]();
    await manager.close();
    if (end === "close") await manager.shutdown();
  });
}

void test("a server that this process hosts tells how it ended", async () => {
  const server = await Manager.serve({ types });
  const manager = await Manager.connect({ env: server.env, types });
  assert.equal(manager.address, server.address);
  assert.equal(await (await manager.Counter(1)).add(), 2);
  assert.equal((await manager.debugInfo()).pid, process.pid);
  await server.close();
  await server.close();
  assert.deepEqual(await server.closed, { by: "close" });
  assert.equal((await endOf(manager)).by, "server");
  assert.ok(!existsSync(socketOf(server.address)));

  const second = await Manager.serve();
  const client = await Manager.connect({ env: second.env });
  await client.shutdown();
  assert.equal((await second.closed).by, "shutdown");
  await second.close();
});

void test("calls that run when the server ends get its shutdownTimeout; new ones reject", async () => {
  const { manager, other } = await twoSessions();
  const gate = await manager.Gate();
  const passing = gate.pass();
  await gate.waiting();
  const ended = other.shutdown();
  await eventually("new calls reject", () => gate.waiting().then(() => false, () => true));
  await assert.rejects(gate.waiting(), ConnectionClosedError);
  const rejected = assert.rejects(passing, ConnectionClosedError);
  await manager.close();
  await rejected;
  await ended;
});

// join.

void test("join() rejects after its timeout and with its signal's reason", async () => {
  const manager = await Manager.start();
  await assert.rejects(manager.join({ timeout: 1 }), TimeoutError);
  const controller = new AbortController();
  const joining = manager.join({ signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(joining, (error) => error === reason);
  await assert.rejects(manager.join({ signal: controller.signal }), (error) => error === reason);
  await assert.rejects(manager.join({ timeout: -1 }), RangeError);
  await assert.rejects(manager.join({ signal: 5 as never }), TypeError);
  await manager.list();
  await manager.shutdown();
  await manager.join();
});

void test("join() waits for the server process, elsewhere for the connection's end", async () => {
  const manager = await Manager.start();
  const { pid } = await manager.debugInfo();
  const other = await Manager.connect({ env: manager.env });
  const joins = [manager.join().then(() => assert.ok(!isRunning(pid))), other.join()];
  await manager.close();
  await manager.shutdown();
  await Promise.all(joins);
  await other.join();
});

for (const runtime of runtimeNames) {
  void test(`${runtime}: an idle connection keeps no process alive, a pending call and join() do`, async () => {
    const manager = await Manager.start({ types });
    try {
      const gate = await manager.Gate();
      await manager.publish("gate", gate);
      const start = (what: string) =>
        startScript(runtime, script, { args: [what], env: manager.env });
      const [idle, pending, join] = [start("idle"), start("pending"), start("join")];
      const { code, stderr } = await idle.end;
      assert.equal(code, 0, stderr);
      assert.equal(await pending.line(), "waits");
      assert.equal(await join.line(), "joins");
      await eventually("the call is pending", async () => await gate.waiting() === 1);
      await gate.open("passed");
      assert.equal(await pending.line(), "passed");
      assert.equal((await pending.end).code, 0);
      assert.equal(join.process.exitCode, null);
      await manager.shutdown();
      assert.equal(await join.line(), "server");
      assert.equal((await join.end).code, 0);
    } finally {
      await manager.shutdown();
    }
  });

  void test(`${runtime}: a starter ends without a word, and its server with it`, async () => {
    const starter = startScript(runtime, script, { args: ["starter"] });
    const { pid, address } = JSON.parse(await starter.line());
    const { code, stderr } = await starter.end;
    assert.equal(code, 0, stderr);
    await eventually("the server is gone", () => !isRunning(pid) && !existsSync(socketOf(address)));
  });

  void test(`${runtime}: join() keeps a starter alive until its server has ended`, async () => {
    const starter = startScript(runtime, script, { args: ["join its own"] });
    const { code, stdout, stderr } = await starter.end;
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "joins\ntrue\nserver 0\n");
  });
}

void test("leaves nothing behind", assertClean);
