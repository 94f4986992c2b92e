/**
 * Bad days: servers, clients and starters that are killed, modules that fail, addresses that are
 * taken. Nothing hangs, everybody is told why, nothing is left.
 *
 * @module
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import {
  AuthenticationError,
  ConnectionClosedError,
  defineTypes,
  Manager,
  messagePack,
  ProcessError,
  releaseProxy,
  repr,
  type TypeSet,
} from "../mod.ts";
import { authenticateClient, authkeyBytes } from "../lib/wire/auth.ts";
import { Connection, type Receiver } from "../lib/wire/connection.ts";
import {
  Kind,
  readReply,
  Status,
  Target,
  writeBytes,
  writeCall,
  writeJson,
  writeRelease,
} from "../lib/wire/protocol.ts";
import { connect as openSocket } from "../lib/wire/transport.ts";
import types from "./fixtures/faults/types.ts";
import { runScript, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { endOf, eventually, isRunning } from "./support/events.ts";
import { framesOf } from "./support/peer.ts";
import { fixture, type RuntimeName, runtimeNames, runtimePath } from "./support/runtimes.ts";

const authkey = "sixteen bytes or more";
const directoryOf = (address: string) => dirname(address.slice("unix:".length));

function startIn(name: RuntimeName) {
  return Manager.start({ types, runtime: { name, path: runtimePath(name) } });
}

/** Types whose module is another one than this. */
function typesAt(path: string): TypeSet {
  return defineTypes(fixture(path).href, { Thing: class {} });
}

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const runtime of runtimeNames) {
  void test(`a killed ${runtime} server: all pending calls reject, closed says how, nothing is left`, async () => {
    const manager = await startIn(runtime);
    const other = await Manager.connect({ env: manager.env });
    const patient = await manager.Patient();
    const list = await manager.list([1]);
    const { pid } = await manager.debugInfo();
    const pending = Array.from({ length: 100 }, () => patient.wait());
    const settled = Promise.allSettled(pending);
    const joined = manager.join();
    await eventually("all wait", async () => await patient.waiting() === 100);
    process.kill(pid, "SIGKILL");
    const errors = new Set<unknown>();
    for (const result of await settled) {
      assert.ok(result.status === "rejected");
      assert.ok(result.reason instanceof ConnectionClosedError);
      assert.match(result.reason.message, /"wait" on typeid "Patient"/);
      assert.ok(result.reason.cause instanceof Error);
      errors.add(result.reason);
    }
    assert.equal(errors.size, 100);
    const { by, error, exitCode, exitSignal } = await manager.closed;
    assert.deepEqual([by, exitCode, exitSignal], ["lost", null, "SIGKILL"]);
    assert.ok(error instanceof Error);
    const theirs = await endOf(other);
    assert.deepEqual([theirs.by, "exitSignal" in theirs], ["lost", false]);
    await joined;
    await assert.rejects(list.length(), ConnectionClosedError);
    releaseProxy(list);
    assert.match(repr(list), /ListProxy/);
    await manager.shutdown();
    assert.ok(!existsSync(directoryOf(manager.address)), "the directory of the socket is left");
  });

  void test(`a killed ${runtime} client: its references, calls and iterators are gone`, async () => {
    const manager = await Manager.start({ types });
    try {
      const patient = await manager.named("patient").Patient();
      const client = startScript(runtime, fixture("faults/client.ts"), { env: manager.env });
      assert.equal(await client.line(), "3");
      await eventually("its call waits", async () => await patient.waiting() === 1);
      assert.ok(await manager.numberOfObjects() >= 4);
      client.process.kill("SIGKILL");
      await eventually("its references are gone", async () => {
        return await manager.numberOfObjects() === 1;
      });
      assert.equal(await patient.aborted(), 1);
      assert.equal(Object.keys((await manager.debugInfo()).sessions).length, 1);
      await client.end;
    } finally {
      await manager.shutdown();
    }
  });

  void test(`a killed ${runtime} starter: server, socket and directory are gone`, async () => {
    const starter = startScript(runtime, fixture("faults/starter.ts"));
    const { pid, address } = JSON.parse(await starter.line());
    assert.ok(existsSync(directoryOf(address)));
    starter.process.kill("SIGKILL");
    await eventually("the server is gone", () => !isRunning(pid));
    assert.ok(!existsSync(directoryOf(address)));
    await starter.end;
  });

  void test(`a ${runtime} server ignores SIGINT`, async () => {
    const manager = await startIn(runtime);
    const { pid } = await manager.debugInfo();
    for (let i = 0; i < 3; i++) process.kill(pid, "SIGINT");
    const list = await manager.list([1]);
    assert.equal(await list.length(), 1);
    await manager.shutdown();
    assert.deepEqual(await manager.closed, { by: "shutdown", exitCode: 0, exitSignal: null });
  });

  for (const signal of ["SIGTERM", "SIGHUP"] as const) {
    void test(`a ${runtime} server drains on ${signal}: running calls finish, new ones reject`, async () => {
      const manager = await startIn(runtime);
      const patient = await manager.Patient();
      const { pid } = await manager.debugInfo();
      const running = patient.untilSignal(signal);
      await eventually("it runs", async () => await patient.waiting() === 1);
      process.kill(pid, signal);
      const joined = manager.join();
      assert.equal(await running, `finished after ${signal}`);
      await joined;
      const { by, error, exitCode, exitSignal } = await manager.closed;
      assert.deepEqual([by, exitCode, exitSignal], ["server", 0, null]);
      assert.match(error!.message, /signal/);
      await assert.rejects(patient.waiting(), (rejected) => {
        assert.ok(rejected instanceof ConnectionClosedError);
        assert.match(rejected.message, /signal/);
        return true;
      });
      await manager.shutdown();
      assert.ok(!existsSync(directoryOf(manager.address)));
    });
  }

  void test(`a ${runtime} server whose types throw on import: ProcessError says all of it`, async () => {
    const bad = typesAt("faults/throws.ts");
    const options = { types: bad, runtime: { name: runtime, path: runtimePath(runtime) } };
    await assert.rejects(Manager.start({ ...options, stdio: "ignore" }), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /This module cannot be imported/);
      assert.match(error.message, /about to fail/);
      assert.match(error.stderr, /about to fail/);
      assert.deepEqual([error.exitCode, error.exitSignal], [1, null]);
      // Deno loads the module ahead of the server's program, which cannot tell of it then.
      if (runtime === "deno") return true;
      assert.ok(error.cause instanceof Error);
      assert.match(error.cause.message, /This module cannot be imported/);
      return true;
    });
  });

  void test(`a ${runtime} server whose types start a manager says to move them`, async () => {
    const bad = typesAt("faults/starts.ts");
    const options = { types: bad, runtime: { name: runtime, path: runtimePath(runtime) } };
    await assert.rejects(Manager.start({ ...options, stdio: "ignore" }), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /move the types into a module of their own/);
      return true;
    });
  });
}

void test("a server in each runtime that never becomes ready is killed after startTimeout", async () => {
  const hanging = {
    types: typesAt("faults/hangs.ts"),
    stdio: "ignore",
    startTimeout: 500,
  } as const;
  await Promise.all(runtimeNames.map(async (name) => {
    const runtime = { name, path: runtimePath(name) };
    await assert.rejects(Manager.start({ ...hanging, runtime }), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /not ready after 500 ms \(startTimeout\)/);
      assert.equal(error.exitSignal, "SIGKILL");
      return true;
    });
  }));
});

// Starts that fail.

void test("a server that ends before it is ready: ProcessError has its exit code and stderr", async () => {
  await assert.rejects(
    Manager.start({ types: typesAt("faults/exits.ts"), stdio: "ignore" }),
    (error) => {
      assert.ok(error instanceof ProcessError);
      assert.equal(error.exitCode, 3);
      assert.match(error.stderr, /good bye/);
      return true;
    },
  );
});

void test("types whose module defines none, or is not there, fail the start with the cure", async () => {
  await assert.rejects(
    Manager.start({ types: typesAt("faults/no_types.ts"), stdio: "ignore" }),
    (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /no_types.*"Thing".*export default defineTypes/s);
      return true;
    },
  );
  await assert.rejects(
    Manager.start({ types: typesAt("faults/nothing_here.ts"), stdio: "ignore" }),
    (error) => error instanceof ProcessError && error.message.includes("nothing_here"),
  );
});

void test("a path that is too long is refused with the path and the limit", async () => {
  const address = `unix:/tmp/${"ä".repeat(60)}/socket`;
  const entries = [Manager.start, Manager.serve, Manager.connect];
  for (const entry of entries as ((options: object) => Promise<unknown>)[]) {
    await assert.rejects(entry({ address, authkey }), (error) => {
      assert.ok(error instanceof RangeError, String(error));
      assert.match(error.message, /at most 10[37] bytes/);
      assert.ok(error.message.includes(address.slice("unix:".length)));
      return true;
    });
  }
});

void test("an address in use is refused, and whoever uses it goes on", async () => {
  await inDirectory(async (directory) => {
    const options = { address: `unix:${directory}/s`, authkey };
    const manager = await Manager.start(options);
    await assert.rejects(Manager.serve(options), (error) => {
      return error instanceof Error && error.message.includes(options.address) &&
        /in use/.test(error.message);
    });
    await assert.rejects(Manager.start({ ...options, stdio: "ignore" }), (error) => {
      return error instanceof ProcessError && /in use/.test(error.message);
    });
    assert.equal(await (await manager.list([1])).length(), 1);
    assert.ok(existsSync(`${directory}/s`));
    await manager.shutdown();
  });
});

void test("the socket of a server that was killed is replaced, a file is not", async () => {
  await inDirectory(async (directory) => {
    const options = { address: `unix:${directory}/s`, authkey };
    const starter = startScript("node", fixture("manager/detacher.ts"), {
      args: [options.address],
    });
    const { pid } = JSON.parse((await starter.end).stdout);
    process.kill(pid, "SIGKILL");
    await eventually("it is gone", () => !isRunning(pid));
    assert.ok(existsSync(`${directory}/s`));
    const manager = await Manager.start(options);
    await manager.list();
    await manager.shutdown();
    assert.ok(!existsSync(`${directory}/s`));
    writeFileSync(`${directory}/s`, "precious");
    await assert.rejects(Manager.serve(options), /is not a socket/);
    assert.ok(existsSync(`${directory}/s`));
  });
});

void test("connect() to nobody rejects with ConnectionClosedError and the system's error", async () => {
  await assert.rejects(
    Manager.connect({ address: "unix:/tmp/referent.none", authkey }),
    (error) => {
      assert.ok(error instanceof ConnectionClosedError);
      assert.match(error.message, /"unix:\/tmp\/referent\.none"/);
      assert.ok(error.cause instanceof Error);
      return true;
    },
  );
});

void test("a wrong authkey is told so, by a server that goes on", async () => {
  const manager = await Manager.start();
  const wrong = { ...manager.env, REFERENT_AUTHKEY: "base64:AAAAAAAAAAAAAAAAAAAAAAAAAAA=" };
  for (let i = 0; i < 3; i++) {
    await assert.rejects(Manager.connect({ env: wrong }), (error) => {
      assert.ok(error instanceof AuthenticationError);
      assert.match(error.message, /env/);
      return true;
    });
  }
  await manager.list();
  await manager.shutdown();
});

// A server that is stuck in its user's code.

for (const runtime of runtimeNames) {
  void test(`a ${runtime} server that ends sends what it has answered, to the last byte`, async () => {
    const manager = await startIn(runtime);
    const other = await Manager.connect({ env: manager.env });
    const list = await manager.list([new Uint8Array(20_000_000)]);
    const values = [list.at(0), list.at(0)];
    await manager.numberOfObjects(); // so it has read both calls
    await other.shutdown();
    for (const value of await Promise.all(values)) assert.equal(value?.length, 20_000_000);
    assert.equal((await endOf(manager)).by, "server");
    await manager.shutdown();
  });

  void test(`a ${runtime} client that closes writes what it issued before its process ends`, async () => {
    const manager = await Manager.start();
    try {
      const list = await manager.list();
      await manager.publish("list", list);
      const script = fixture("faults/writes_and_closes.ts");
      await runScript(runtime, script, { env: manager.env });
      await eventually("its session is over", async () => {
        return Object.keys((await manager.debugInfo()).sessions).length === 1;
      });
      assert.equal(await list.length(), 4);
      assert.equal(await list.at(-1), "the last");
    } finally {
      await manager.shutdown();
    }
  });
}

for (const runtime of runtimeNames) {
  void test(`a ${runtime} client that awaits close() has sent what it issued, also if it exits at once`, async () => {
    const manager = await Manager.start();
    try {
      const list = await manager.list();
      await manager.publish("list", list);
      const script = fixture("faults/writes_and_closes.ts");
      await runScript(runtime, script, { env: manager.env, args: ["exit"] });
      await eventually("its session is over", async () => {
        return Object.keys((await manager.debugInfo()).sessions).length === 1;
      });
      assert.equal(await list.length(), 4);
    } finally {
      await manager.shutdown();
    }
  });
}

void test("a peer that was refused is not waited for, although it neither reads nor closes", async () => {
  const manager = await Manager.serve({ authkey });
  const path = manager.address.slice("unix:".length);
  const socket = createConnection({ path, allowHalfOpen: true });
  try {
    await once(socket, "data");
    socket.pause();
    socket.write(
      framesOf((frame) => writeJson(frame, Kind.Proof, { version: 1, serializer: "x" })),
    );
    // Writing fails only when the server's end is closed.
    const failed = once(socket, "error").catch((error) => error);
    await eventually("the server's end is closed", () => {
      socket.write("x");
      return Promise.race([failed.then(() => true), new Promise((r) => setTimeout(r, 5))]);
    });
  } finally {
    socket.destroy();
    await manager.close();
  }
});

void test("a server whose socket cannot be removed ends all the same, and warns", async () => {
  await inDirectory(async (directory) => {
    const own = join(directory, "own");
    mkdirSync(own);
    const server = await Manager.serve({ authkey, address: `unix:${join(own, "s")}` });
    renameSync(own, join(directory, "away"));
    writeFileSync(own, "");
    const warned = once(process, "warning");
    await server.close();
    assert.equal((await server.closed).by, "close");
    const [warning] = await warned;
    assert.match(String(warning), /could not remove its socket/);
  });
});

void test("a server that is stuck is killed by its starter's shutdown()", async () => {
  const manager = await Manager.start({ types });
  const { pid } = await manager.debugInfo();
  const patient = await manager.Patient();
  const blocked = assert.rejects(patient.block(), ConnectionClosedError);
  await manager.shutdown({ timeout: 50 });
  await blocked;
  assert.ok(!isRunning(pid));
  assert.equal((await manager.closed).exitSignal, "SIGKILL");
  assert.ok(!existsSync(directoryOf(manager.address)), "the directory of the socket is left");
});

// Clients that speak the protocol and mean no good.

void test("calls of what is unknown fail by themselves, the session goes on", async () => {
  await speaking(async (peer) => {
    const object = await peer.created("list");
    for (
      const [target, id, method] of [
        [Target.Object, object, 200],
        [Target.Object, object, 2 ** 40],
        [Target.Object, 999, 3],
        [Target.Handle, 5, 0],
        [Target.Handle, 5, 7],
        [Target.Server, 0, 99],
        [77, 0, 0],
      ] as const
    ) {
      assert.equal(await peer.call(target, id, method), Status.Error, `${target} ${id} ${method}`);
    }
    assert.equal(await peer.call(Target.Object, object, 0), Status.Value);
  });
});

void test("an impossible release or message ends that session, and no other", async () => {
  const attacks: ((connection: Connection) => void)[] = [
    ({ output }) => writeRelease(output, 999, 1),
    ({ output }) => writeRelease(output, 1, 5),
    ({ output }) => writeBytes(output, Kind.Welcome, new Uint8Array(3)),
    ({ output }) => writeBytes(output, 255, new Uint8Array(3)),
    ({ output }) => writeBytes(output, Kind.Call, new Uint8Array([0xff, 0xff])),
  ];
  for (const attack of attacks) {
    await speaking(async (peer, manager) => {
      await peer.created("list");
      attack(peer.connection);
      peer.connection.schedule();
      await peer.closed;
      await eventually("its session is over", async () => {
        return Object.keys((await manager.debugInfo()).sessions).length === 1;
      });
      assert.equal(await manager.numberOfObjects(), 0);
    });
  }
});

interface Peer {
  connection: Connection;
  closed: Promise<Error>;
  /** The status of the reply. */
  call(target: number, id: number, method: number): Promise<number>;
  /** The number of a new object. */
  created(typeid: string): Promise<number>;
}

/** A connection that has proved the authkey, without a client behind it. */
async function speaking(body: (peer: Peer, manager: Manager) => Promise<void>): Promise<void> {
  const server = await Manager.serve({ authkey });
  const { address } = server;
  const manager = await Manager.connect({ address, authkey });
  try {
    await body(await peerOf(address), manager);
  } finally {
    await server.close();
  }
}

async function peerOf(address: string): Promise<Peer> {
  const transport = await openSocket(address, { timeout: 5000 });
  const connection = await authenticateClient(
    (receiver) => new Connection(transport, receiver),
    { authkey: authkeyBytes(authkey), serializer: messagePack.name, timeout: 5000 },
    { maxMessageBytes: 1e6 },
    (opened) => opened,
  );
  const waiting = new Map<number, (reply: ReturnType<typeof readReply>) => void>();
  let tellClosed!: (reason: Error) => void;
  const closed = new Promise<Error>((resolve) => tellClosed = resolve);
  const receiver: Receiver = {
    message(kind, fields) {
      if (kind !== Kind.Reply) return;
      const reply = readReply(fields);
      waiting.get(reply.id)?.({ ...reply, payload: reply.payload.slice() });
    },
    closed: (reason) => tellClosed(reason),
  };
  connection.open(1e6, receiver);
  let calls = 0;
  const call = (target: number, id: number, method: number, payload = new Uint8Array(0)) =>
    new Promise<ReturnType<typeof readReply>>((resolve) => {
      waiting.set(++calls, resolve);
      writeCall(connection.output, calls, target, id, method, undefined, [], payload);
      connection.schedule();
    });
  return {
    connection,
    closed,
    call: async (...args) => (await call(...args)).status,
    created: async (typeid) => {
      const name = new TextEncoder().encode(typeid);
      // [typeid, []] in MessagePack
      const payload = new Uint8Array([0x92, 0xa0 | name.length, ...name, 0x90]);
      const { status, references } = await call(Target.Server, 0, 0, payload);
      assert.equal(status, Status.Value);
      return references[0]!;
    },
  };
}

void test("leaves nothing behind", assertClean);
