/**
 * Tests of a start: `Manager.start()` resolves once its server listens, and the server is loaded when
 * somebody comes. Who comes or calls before that waits, and whatever ends it meanwhile ends it in
 * order.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import test from "node:test";
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  AuthenticationError,
  ConnectionClosedError,
  exportProxy,
  Manager,
  messagePack,
  tokenOf,
} from "../mod.ts";
import { Client } from "../lib/client/client.ts";
import type { ClientOptions } from "../lib/client/options.ts";
import type { ServerConfig } from "../lib/server/config.ts";
import { authenticateServer, randomAuthkey } from "../lib/wire/auth.ts";
import { Connection } from "../lib/wire/connection.ts";
import { Kind, readCall, serverMethods, writeJson, writeReply } from "../lib/wire/protocol.ts";
import { makeSocketDirectory } from "../lib/wire/socket_directory.ts";
import { connect, memoryPair, newSocketPath, type Transport } from "../lib/wire/transport.ts";
import quiet from "./fixtures/start/quiet_types.ts";
import { startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { clientOptions } from "./support/clients.ts";
import { beBusy } from "./support/events.ts";
import { framesOf, jsonOf, Peer } from "./support/peer.ts";
import { currentRuntime, fixture } from "./support/runtimes.ts";
import { startServerProcess } from "./support/server_process.ts";

const authkey = new Uint8Array(32).fill(7);

/** A client that has not joined yet, and the other end of its transport. */
function newClient(changes: Partial<ClientOptions> = {}): { client: Client; theirs: Transport } {
  const [ours, theirs] = memoryPair();
  return { client: new Client(ours, clientOptions({ authkey, ...changes })), theirs };
}

/** Lets a client in, and answers each of its calls with the name of the method. */
async function letIn(
  theirs: Transport,
  key: Uint8Array = authkey,
): Promise<{ called: string[] }> {
  const called: string[] = [];
  let connection!: Connection;
  await authenticateServer(
    (receiver) => connection = new Connection(theirs, receiver),
    { authkey: key, serializer: "messagepack", timeout: 10_000, epoch: "epoch" },
    () => {
      connection.open(1e6, {
        message(kind, fields) {
          assert.equal(kind, Kind.Call);
          const { id, method } = readCall(fields);
          const name = serverMethods[method]!;
          called.push(name);
          const payload = messagePack.encode(name, {
            maxDepth: 9,
            indexOf: () => undefined,
            at: () => assert.fail(),
          });
          writeReply(connection.output, id, 0, [], payload);
          connection.schedule();
        },
        closed: () => {},
      });
      return { session: "s1", maxMessageBytes: 1e6, types: {} };
    },
  );
  return { called };
}

void test("what a client calls before it is let in is sent once it is, in order", async () => {
  const { client, theirs } = newClient();
  const leave = client.stayAlive();
  const early = Promise.all([
    client.callServer("numberOfObjects", []),
    client.callServer("lookup", ["a"]),
  ]);
  const server = await letIn(theirs);
  await client.joined;
  assert.equal(client.epoch, "epoch");
  const late = client.callServer("debugInfo", []);
  assert.deepEqual(await early, ["numberOfObjects", "lookup"]);
  assert.equal(await late, "debugInfo");
  assert.deepEqual(server.called, ["numberOfObjects", "lookup", "debugInfo"]);
  leave();
  await client.close();
});

void test("close() of a client that is not let in yet still sends what was called", async () => {
  const { client, theirs } = newClient();
  const leave = client.stayAlive();
  const call = assert.rejects(client.callServer("lookup", ["a"]), /This client was closed/);
  const closed = client.close();
  const { called } = await letIn(theirs);
  await closed;
  await call;
  assert.deepEqual(called, ["lookup"]);
  assert.deepEqual(await client.ended, { by: "close" });
  leave();
});

void test("a client that is refused rejects what was called, and says why", async () => {
  const { client, theirs } = newClient();
  const leave = client.stayAlive();
  const call = client.callServer("lookup", ["a"]);
  const joined = assert.rejects(client.joined, AuthenticationError);
  await Promise.all([
    assert.rejects(letIn(theirs, randomAuthkey())),
    assert.rejects(call, (error: Error) => {
      assert.ok(error instanceof ConnectionClosedError);
      assert.match(error.message, /Cannot finish "lookup".*refused the authkey/);
      assert.ok(error.cause instanceof AuthenticationError);
      return true;
    }),
    joined,
  ]);
  const { by, error } = await client.ended;
  assert.equal(by, "lost");
  assert.ok(error instanceof AuthenticationError);
  assert.equal(client.usable, false);
  await assert.rejects(client.callServer("lookup", ["a"]), ConnectionClosedError);
  await client.close();
  leave();
});

void test("a client whose server never answers gives up after its time", async () => {
  const { client } = newClient({ timeout: 20 });
  const leave = client.stayAlive();
  await assert.rejects(client.callServer("lookup", ["a"]), /did not answer in 20 ms/);
  await assert.rejects(client.joined, ConnectionClosedError);
  leave();
});

void test("a call's time begins when the server can have it", async () => {
  const { client, theirs } = newClient({ callTimeout: 500 });
  const leave = client.stayAlive();
  const call = client.callServer("lookup", ["a"]);
  await setTimeout(600);
  await letIn(theirs);
  assert.equal(await call, "lookup");
  leave();
  await client.close();
});

void test("a client that was busy reads what the server said meanwhile before it gives up", async () => {
  const [ours, theirs] = memoryPair();
  let read = false;
  const receiver = { message: () => void (read = true), closed: () => {} };
  const connection = new Connection(ours, receiver);
  connection.openWithin(1000, "late");
  beBusy(1050);
  await setImmediate();
  assert.equal(connection.closed, undefined);
  theirs.start({ data: () => {}, drain: () => {}, close: () => {} });
  theirs.write(framesOf((frame) => writeJson(frame, Kind.Hello, {})));
  while (!read && !connection.closed) await setImmediate();
  assert.ok(read);
  connection.close(new Error("the test is over"));
});

void test("an end that comes before the welcome says why", async () => {
  const { client, theirs } = newClient();
  const leave = client.stayAlive();
  const server = new Connection(theirs, { message: () => {}, closed: () => {} });
  writeJson(server.output, Kind.Bye, { reason: "it had enough" });
  server.flush();
  await assert.rejects(client.callServer("lookup", ["a"]), /the server ended: it had enough/);
  await assert.rejects(client.joined, /The server ended: it had enough/);
  const { by, error } = await client.ended;
  assert.equal(by, "server");
  assert.match(error!.message, /The server ended: it had enough/);
  leave();
});

void test("a client that nobody waits for keeps no process alive while it is not let in", async () => {
  const path = newSocketPath();
  makeSocketDirectory(dirname(path));
  const silent = createServer(() => {}).listen(path);
  await once(silent, "listening");
  const program = fixture("start/unjoined.ts");
  const child = startScript(currentRuntime, program, { args: [`unix:${path}`] });
  assert.equal(await child.line(), "made");
  assert.equal((await child.end).code, 0);
  silent.close();
  rmSync(dirname(path), { recursive: true });
});

void test("all that a manager can do may be called at once after start()", async () => {
  const other = await Manager.start();
  const manager = await Manager.start();
  const imported = manager.importProxy(await exportProxy(await other.list()));
  const [list, count, missing] = await Promise.all([
    manager.list([1]),
    manager.numberOfObjects(),
    manager.lookup("nothing"),
    assert.rejects(imported, /The ticket is of the server at/),
  ]);
  assert.equal(count, 1);
  assert.equal(missing, undefined);
  assert.match(tokenOf(list).id, /^[^-]+-1$/);
  const ticket = await exportProxy(await other.list());
  await manager.shutdown();
  await assert.rejects(manager.importProxy(ticket), ConnectionClosedError);
  await other.shutdown();
});

void test("who comes first and says nothing keeps no server beyond its idleTimeout", async () => {
  const { server, address, authkey } = await startServer({ idleTimeout: 20 });
  const mute = await connect(address, { timeout: 5000 });
  const client = await Client.connect(
    await connect(address, { timeout: 5000 }),
    clientOptions({ address, authkey }),
  );
  await client.close();
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  mute.destroy();
});

void test("shutdown() and close() right after start() end the server in order", async () => {
  const [first, second] = await Promise.all([Manager.start(), Manager.start()]);
  await first.shutdown();
  assert.deepEqual(await first.closed, { by: "shutdown", exitCode: 0, exitSignal: null });
  const list = second.list([1]).catch((error: Error) => error.message);
  await second.close();
  assert.match(await list as string, /This client was closed/);
  await second.shutdown();
});

void test("what was called before shutdown() is carried out first", async () => {
  for (let round = 0; round < 4; round++) {
    const manager = await Manager.start(round % 2 === 0 ? {} : { types: quiet });
    const count = manager.numberOfObjects();
    await manager.shutdown();
    assert.equal(await count, 0);
  }
});

void test("a starter that does something else for longer than others may is let in", async () => {
  const manager = await Manager.start({ limits: { handshakeTimeout: 20 } });
  beBusy(400);
  assert.equal(await (await manager.list([1])).length(), 1);
  await manager.shutdown();
});

void test("others who come at once do not take the place of the starter", async () => {
  const limits = { maxHalfOpenConnections: 2 };
  const manager = await Manager.start({ limits });
  const mute = await Promise.all(
    Array.from({ length: 9 }, () => connect(manager.address, { timeout: 5000 })),
  );
  assert.equal(await (await manager.list([1])).length(), 1);
  for (const transport of mute) transport.destroy();
  await manager.shutdown();
});

void test("a module of types that takes console.log for itself does not hide the start", async () => {
  const manager = await Manager.start({ types: quiet, stdio: "ignore" });
  assert.equal(await (await manager.Echo()).say("hello"), "hello");
  await manager.shutdown();
});

void test("everybody who comes while the server loads is let in", async () => {
  const manager = await Manager.start();
  const others = await Promise.all(
    Array.from(
      { length: 40 },
      () => Manager.connect({ env: manager.env, address: manager.address }),
    ),
  );
  const lists = await Promise.all(others.map((other) => other.named("all").list([1])));
  assert.equal(new Set(lists.map((list) => tokenOf(list).id)).size, 1);
  await Promise.all(others.map((other) => other.close()));
  await manager.shutdown();
});

/** A server of this runtime that listens, and that nobody has come to. */
async function startServer(changes: Partial<ServerConfig> = {}) {
  const path = newSocketPath();
  const address = `unix:${path}`;
  const authkey = randomAuthkey();
  const config = { makeDirectory: true, ...changes };
  const server = await startServerProcess(address, authkey, config, { foreign: false });
  return { server, address, authkey, directory: dirname(path) };
}

void test("a server whose starter is gone before anybody came ends, and leaves nothing", async () => {
  const { server, directory } = await startServer();
  assert.ok(existsSync(directory));
  server.endStdin();
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  assert.ok(!existsSync(directory));
});

void test("a server that gets SIGTERM before anybody came ends, and leaves nothing", async () => {
  const { server, directory } = await startServer();
  server.kill("SIGINT"); // is not for it
  server.kill("SIGTERM");
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  assert.ok(!existsSync(directory));
});

void test("a starter whose server gets SIGTERM before it is let in is told why", async () => {
  const { server, address } = await startServer();
  const peer = new Peer(await connect(address, { timeout: 5000 }));
  await peer.hello(); // and no answer
  server.kill("SIGTERM");
  const { reason } = jsonOf(await peer.take(Kind.Bye));
  assert.equal(reason, "it received a signal to end");
  await peer.closed;
  assert.deepEqual(await server.exited, { code: 0, signal: null });
});

void test("who comes to a server and leaves before it is loaded leaves nothing", async () => {
  const { server, address, directory } = await startServer();
  const transports = await Promise.all(
    Array.from({ length: 5 }, () => connect(address, { timeout: 5000 })),
  );
  for (const transport of transports) transport.destroy();
  server.endStdin();
  assert.deepEqual(await server.exited, { code: 0, signal: null });
  assert.ok(!existsSync(directory));
});

void test("leaves nothing behind", assertClean);
