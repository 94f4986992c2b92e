/**
 * Tests of the protocol: a real server against a scripted peer that may say anything, and a real
 * client against a scripted server where only the client's side matters.
 */
import assert from "node:assert/strict";
import test from "node:test";
import {
  AuthenticationError,
  callMethod,
  ConnectionClosedError,
  LimitExceededError,
  type Limits,
  messagePack,
  ProtocolError,
  SerializeError,
  type Serializer,
  TimeoutError,
} from "../mod.ts";
import { Client } from "../lib/client/client.ts";
import { envelopeBytes, resolveLimits } from "../lib/limits.ts";
import { builtins } from "../lib/objects/builtins.ts";
import type { Definition } from "../lib/objects/definition.ts";
import { ObjectServer } from "../lib/server/server.ts";
import { authenticateServer } from "../lib/wire/auth.ts";
import { Connection } from "../lib/wire/connection.ts";
import { Fields, FrameWriter, headerBytes } from "../lib/wire/frame.ts";
import {
  HandleKind,
  Kind,
  pieceBytes,
  protocolVersion,
  readCall,
  Status,
  Target,
  universalMethods,
  writeBytes,
  writeCancel,
  writeFinish,
  writeJson,
  writePiece,
  writeRelease,
  writeReply,
} from "../lib/wire/protocol.ts";
import { connect, memoryPair } from "../lib/wire/transport.ts";
import { assertClean } from "./support/clean.ts";
import { clientOptions } from "./support/clients.ts";
import { eventually } from "./support/events.ts";
import {
  type Answer,
  callBytes,
  frameOf,
  framesOf,
  jsonOf,
  payloadOf,
  Peer,
  proofOf,
  prove,
} from "./support/peer.ts";

const authkey = new Uint8Array(32).fill(7);

interface WaitCaller {
  readonly timeout?: number;
  readonly signal: AbortSignal;
}

/** A referent whose callers wait for each other, as a lock's do. */
class Gate {
  readonly waiting: { resolve(value: unknown): void }[] = [];
  readonly seen: { options: unknown; timeout: number | undefined }[] = [];
  aborts = 0;
  pass(options: unknown, { timeout, signal }: WaitCaller): Promise<unknown> {
    this.seen.push({ options, timeout });
    return new Promise((resolve, reject) => {
      const waiter = { resolve };
      const leave = () => {
        this.aborts++;
        this.waiting.splice(this.waiting.indexOf(waiter), 1);
        reject(signal.reason);
      };
      if (signal.aborted) return reject(signal.reason);
      this.waiting.push(waiter);
      signal.addEventListener("abort", leave, { once: true });
    });
  }
  /** Does not care about an abort. */
  insist(_options: unknown, { signal }: WaitCaller): Promise<unknown> {
    signal.addEventListener("abort", () => this.aborts++);
    return new Promise((resolve) => this.waiting.push({ resolve }));
  }
  open(value: unknown): boolean {
    const next = this.waiting.shift();
    next?.resolve(value);
    return next !== undefined;
  }
}

/** A user's class. */
class Work {
  started: unknown[] = [];
  #gates = new Map<unknown, () => void>();
  async slow(name: unknown): Promise<unknown> {
    this.started.push(name);
    await new Promise<void>((resolve) => this.#gates.set(name, resolve));
    return name;
  }
  promise(name: unknown): Promise<unknown> {
    return this.slow(name);
  }
  quick(name: unknown): unknown {
    this.started.push(name);
    return name;
  }
  finish(name: unknown): void {
    this.#gates.get(name)?.();
  }
  bytes(count: number): Uint8Array {
    this.started.push(count);
    return new Uint8Array(count);
  }
  nested(depth: number): unknown {
    return nest(depth);
  }
  *numbers(): Generator<number> {
    yield 1;
    yield 2;
  }
  freed = 0;
  /** Its first item cannot be sent. */
  *odd(): Generator<unknown> {
    try {
      yield Symbol("odd");
    } finally {
      this.freed++;
    }
  }
  /** An iterator that never gives an item. */
  endless(): AsyncIterableIterator<unknown> {
    return {
      next: () => new Promise(() => {}),
      return: () => {
        this.freed++;
        return Promise.resolve({ value: undefined, done: true });
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }
  async endlessLater(name: unknown): Promise<AsyncIterableIterator<unknown>> {
    await this.slow(name);
    return this.endless();
  }
}

/** Arrays in each other, `depth` of them. */
function nest(depth: number): unknown {
  let value: unknown = 1;
  for (let i = 0; i < depth; i++) value = [value];
  return value;
}

class Server extends ObjectServer {
  readonly gates: Gate[];
  readonly works: Work[];

  constructor(limits: Partial<Limits>, serializer: Serializer = messagePack) {
    const gates: Gate[] = [];
    const works: Work[] = [];
    const gate: Definition = {
      class: Gate,
      create: () => gates[gates.push(new Gate()) - 1],
      exposed: ["pass", "insist", "open"],
      proxyName: "GateProxy",
      waits: { pass: 0, insist: 0 },
    };
    const work: Definition = {
      class: Work,
      create: () => works[works.push(new Work()) - 1],
    };
    const definitions: [string, Definition][] = [...builtins, ["gate", gate], ["Work", work]];
    super({
      authkey,
      serializer,
      limits: resolveLimits(limits),
      types: new Map(definitions.map(([typeid, definition]) => [typeid, { definition }])),
      errors: new Map(),
      shutdownTimeout: 1,
    });
    this.owner.address = "unix:/tests/have/no/socket";
    this.gates = gates;
    this.works = works;
  }

  /** How many objects somebody holds. */
  get held(): number {
    return this.owner.registry.held.size;
  }
}

/** Neither a server in memory nor its timers keep the process alive: this does. */
function stayAwake(): () => void {
  const timer = setInterval(() => {}, 1000);
  return () => clearInterval(timer);
}

async function withServer(
  limits: Partial<Limits>,
  body: (server: Server) => Promise<void>,
): Promise<void> {
  const server = new Server(limits);
  const awake = stayAwake();
  try {
    await body(server);
  } finally {
    awake();
    await server.close(new ConnectionClosedError("the test is over"));
  }
}

/** A server, and a scripted session with it that is authenticated. */
function withPeer(
  limits: Partial<Limits>,
  body: (peer: Peer, server: Server) => Promise<void>,
): Promise<void> {
  return withServer(limits, async (server) => {
    const peer = await Peer.open(server, authkey);
    await body(peer, server);
    peer.destroy();
  });
}

async function withClient(
  limits: Partial<Limits>,
  body: (client: Client, server: Server) => Promise<void>,
): Promise<void> {
  await withServer(limits, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const client = await connectClient(ours, limits);
    await body(client, server);
    client.close();
  });
}

function connectClient(
  transport: ReturnType<typeof memoryPair>[0],
  limits: Partial<Limits> = {},
  remote = false,
  callTimeout?: number,
): Promise<Client> {
  const options = { authkey, limits: resolveLimits(limits), callTimeout, remote };
  return Client.connect(transport, clientOptions(options));
}

/** Waits for the end of a peer's connection and of its session. */
async function assertDropped(peer: Peer, server: Server, others: number): Promise<void> {
  await peer.closed;
  await eventually("the session is over", () => server.sessions.size === others);
}

function assertError({ status, value }: Answer, name: string, message?: RegExp): void {
  assert.equal(status, Status.Error);
  const { class: found, message: text } = value as { class: string; message: string };
  assert.equal(found, name, text);
  if (message) assert.match(text, message);
}

async function create(client: Client, typeid: string, ...args: unknown[]): Promise<object> {
  return await client.callServer("create", [typeid, args]) as object;
}

// Calls and answers.

test("calls start in the order sent and are answered in any order", () =>
  withPeer({}, async (peer, server) => {
    const work = await peer.create(1, "Work");
    for (const [id, name] of [[2, "slow"], [3, "slow"], [4, "quick"], [5, "slow"]] as const) {
      peer.sendCall({ id, ...peer.on(work, "Work", name, id) });
    }
    assert.equal((await peer.answer(4)).value, 4);
    assert.deepEqual(server.works[0]!.started, [2, 3, 4, 5]);
    for (const id of [5, 2, 3]) {
      await peer.call({ id: 100 + id, ...peer.on(work, "Work", "finish", id) });
      assert.equal((await peer.answer(id)).value, id);
    }
  }));

test("a call on an object that the session does not hold is refused although the object lives", () =>
  withPeer({}, async (peer, server) => {
    const other = await Peer.open(server, authkey);
    const list = await other.create(1, "list", [1]);
    const length = peer.on(list, "list", "length");
    assertError(await peer.call({ id: 2, ...length }), "UnknownObjectError", /holds no object 0x/);
    const push = { ...peer.on(await peer.create(3, "list"), "list", "push"), references: [list] };
    const args = [{ reference: 0 }];
    assertError(await peer.call({ id: 4, ...push, args }), "UnknownObjectError");
    assertError(await peer.server(5, "exportProxy", list, {}), "UnknownObjectError");
    assert.equal((await other.call({ id: 2, ...length })).value, 1);
    other.release(list);
    assertError(await other.call({ id: 3, ...length }), "UnknownObjectError");
  }));

test("method, target, handle and typeid that do not exist are errors of that one call", () =>
  withPeer({}, async (peer) => {
    const object = { target: Target.Object, targetId: await peer.create(1, "list") };
    for (const method of [1000, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      assertError(await peer.call({ id: 2, ...object, method }), "NotExposedError");
      assertError(await peer.call({ id: 3, target: Target.Server, method }), "NotExposedError");
    }
    for (const target of [3, 64, 127]) {
      assertError(await peer.call({ id: 4, target }), "NotExposedError");
    }
    const handle = { target: Target.Handle, targetId: 5 };
    assertError(await peer.call({ id: 5, ...handle, method: 0 }), "UnknownObjectError");
    assertError(await peer.call({ id: 6, ...handle, method: 9 }), "UnknownObjectError");
    assert.equal((await peer.call({ id: 7, ...handle, method: 1 })).value, undefined);
    assertError(await peer.server(8, "create", "nonsense", []), "UnknownObjectError");
    assertError(await peer.server(9, "create", "__proto__", []), "UnknownObjectError");
    assert.equal((await peer.server(10, "numberOfObjects")).value, 1);
  }));

test("arguments of the wrong shape are errors of that one call", () =>
  withPeer({}, async (peer) => {
    const bad: unknown[] = [[], [null], [{}], [5, []], ["list"], ["list", {}], ["list", null]];
    for (const args of bad) {
      assert.equal((await peer.call({ id: 1, method: 0, args })).status, Status.Error);
    }
    const payloads = [[0xc1], [0x05], [0x81], [0xdd, 255, 255, 255, 255], [0x92, 0xa1]];
    for (const payload of payloads.map((bytes) => Uint8Array.from(bytes))) {
      assertError(await peer.call({ id: 1, payload }), "ProtocolError");
    }
    for (const method of [1, 2, 3, 4, 5, 6]) {
      for (const args of [[null], [{ toString: 1 }], [[]], [-1], ["\ud7ff".repeat(100)]]) {
        assert.equal((await peer.call({ id: 1, method, args })).status, Status.Error);
      }
    }
    assert.equal((await peer.server(2, "numberOfObjects")).value, 0);
  }));

test("an id of a call that is still running ends the session", () =>
  withPeer({}, async (peer, server) => {
    const work = await peer.create(1, "Work");
    peer.sendCall({ id: 2, ...peer.on(work, "Work", "slow", "a") });
    peer.sendCall({ id: 2, ...peer.on(work, "Work", "slow", "b") });
    await assertDropped(peer, server, 0);
    assert.deepEqual(server.works[0]!.started, ["a"]);
  }));

test("a cancel of an unknown or finished call is nothing", () =>
  withPeer({}, async (peer) => {
    for (const id of [0, 1, 99]) peer.send((frame) => writeCancel(frame, id));
    assert.equal((await peer.server(1, "numberOfObjects")).value, 0);
    peer.send((frame) => writeCancel(frame, 1));
    assert.equal((await peer.server(2, "numberOfObjects")).value, 0);
  }));

test("an iterator is freed by return, and by the end of its session", () =>
  withPeer({}, async (peer, server) => {
    const work = await peer.create(1, "Work");
    const open = async (id: number) =>
      (await peer.call({ id, ...peer.on(work, "Work", "numbers") })).handleId;
    const [first, second] = [await open(2), await open(3)];
    const next = (id: number, targetId: number, method = 0) =>
      peer.call({ id, target: Target.Handle, targetId, method });
    assert.deepEqual((await next(4, first)).value, { values: [1], done: false });
    await next(5, first, 1);
    assertError(await next(6, first), "UnknownObjectError");
    assert.deepEqual((await next(7, second)).value, { values: [1], done: false });
    const [session] = server.sessions.values();
    assert.equal(session!.describe()["iterators"], 1);
    peer.destroy();
    await assertDropped(peer, server, 0);
    assert.equal(session!.describe()["iterators"], 0);
  }));

test("an iterator whose reader got a timeout is freed", async () => {
  await withServer({}, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const client = await connectClient(ours);
    const work = await create(client, "Work");
    const iterator = await callMethod<AsyncIterator<unknown>>(work, "endless", [], {
      timeout: 500,
    });
    const [session] = server.sessions.values();
    assert.equal(session!.describe()["iterators"], 1);
    await assert.rejects(iterator.next(), TimeoutError);
    await eventually("it is freed", () => server.works[0]!.freed === 1);
    assert.equal(session!.describe()["iterators"], 0);
    client.close();
  });
});

test("the server's own proxies free an iterator that fails, or that comes too late", () =>
  withServer({}, async (server) => {
    const work = new Work();
    const { proxy } = server.owner.registry.share(work, "Work");
    const iterator = await callMethod<AsyncIterator<unknown>>(proxy, "odd");
    await assert.rejects(iterator.next(), SerializeError);
    await eventually("it is freed", () => work.freed === 1);
    const late = callMethod(proxy, "endlessLater", ["x"], { timeout: 1 });
    await assert.rejects(late, TimeoutError);
    work.finish("x");
    await eventually("the late one is freed", () => work.freed === 2);
  }));

// Receipts.

test("a release of more receipts than the session has, or of none, ends the session only", () =>
  withServer({}, async (server) => {
    const bystander = await Peer.open(server, authkey);
    await bystander.create(1, "list");
    for (
      const [held, receipts] of [[1, 2], [2, 3], [1, 0], [0, 1], [1, Number.MAX_SAFE_INTEGER]]
    ) {
      const peer = await Peer.open(server, authkey);
      const list = await peer.create(1, "list");
      await peer.server(2, "publish", "name", undefined);
      for (let i = 1; i < held!; i++) {
        await peer.call({ id: 3, method: 2, args: ["name", { reference: 0 }], references: [list] });
        await peer.server(4, "lookup", "name");
        await peer.server(5, "unpublish", "name");
      }
      if (held === 0) peer.release(list);
      peer.release(list, receipts);
      await assertDropped(peer, server, 1);
      assert.equal(server.held, 1);
    }
    assert.equal((await bystander.server(2, "numberOfObjects")).value, 1);
  }));

test("a release of an id that the session never saw ends the session", () =>
  withPeer({}, async (peer, server) => {
    const other = await Peer.open(server, authkey);
    const list = await other.create(1, "list");
    peer.release(list);
    await assertDropped(peer, server, 1);
    assert.equal(server.held, 1);
  }));

test("a release behind a thousand parked calls is read, and later calls are answered", () =>
  withPeer({}, async (peer, server) => {
    const gate = await peer.create(1, "gate");
    const list = await peer.create(2, "list");
    for (let i = 0; i < 1000; i++) {
      peer.sendCall({ id: 1000 + i, ...peer.on(gate, "gate", "pass") });
    }
    peer.release(list);
    assert.equal((await peer.server(3, "numberOfObjects")).value, 1);
    assert.equal(server.gates[0]!.waiting.length, 1000);
    assert.equal((await peer.call({ id: 4, ...peer.on(gate, "gate", "open", "now") })).value, true);
    assert.equal((await peer.answer(1000)).value, "now");
    peer.destroy();
    await assertDropped(peer, server, 0);
    assert.equal(server.gates[0]!.waiting.length, 0);
  }));

// Bytes.

/** What one session says after its handshake, on a new server. */
function script(peer: Peer): Uint8Array {
  const calls = [
    callBytes({ id: 1, args: ["list", [[1, "two"]]] }),
    callBytes({ id: 2, ...peer.on(1, "list", "push", { three: 3 }) }),
    callBytes({ id: 3, args: ["gate", []] }),
    callBytes({ id: 4, timeout: 300, ...peer.on(2, "gate", "pass", {}) }),
    callBytes({
      id: 5,
      ...peer.on(1, "list", "push"),
      args: [{ reference: 0 }],
      references: [2],
    }),
    callBytes({
      id: 6,
      target: Target.Object,
      targetId: 1,
      method: universalMethods.indexOf("str"),
    }),
    framesOf((frame) => writeCancel(frame, 4)),
    framesOf((frame) => writeRelease(frame, 2, 1)),
    framesOf((frame) => writeBytes(frame, Kind.Ping, new Uint8Array(0))),
    callBytes({ id: 7, method: 7 }),
  ];
  return join(calls);
}

function join(parts: Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test("a session is the same however its bytes are cut into chunks", async () => {
  for (const size of [1, 2, 3, 7, 1_000_000]) {
    await withServer({}, async (server) => {
      const peer = new Peer(server);
      const proof = proofOf(authkey, await peer.hello());
      const sendCut = (bytes: Uint8Array) => {
        for (let i = 0; i < bytes.length; i += size) peer.sendBytes(bytes.slice(i, i + size));
      };
      sendCut(framesOf((frame) => writeJson(frame, Kind.Proof, proof)));
      await peer.take(Kind.Proven);
      const told = jsonOf(await peer.take(Kind.Welcome));
      const twin = await Peer.open(server, authkey);
      assert.deepEqual(Object.keys(told), Object.keys(twin.welcome));
      sendCut(script(twin));
      assert.equal((await peer.answer(7)).value, 1);
      assert.equal((await peer.answer(4)).status, Status.Cancelled);
      const text = (await peer.answer(6)).value as string;
      assert.match(
        text,
        /^\[1, 'two', \{'three': 3\}, <GateProxy object, typeid 'gate' at 0x2>\]$/,
      );
      await peer.take(Kind.Pong);
    });
  }
});

test("a session that is cut off after any of its bytes leaves nothing, and others do not notice", () =>
  withServer({}, async (server) => {
    const bystander = await Peer.open(server, authkey);
    const own = await bystander.create(1, "list", [1]);
    const bytes = script(bystander);
    for (let end = 0; end <= bytes.length; end++) {
      const peer = await Peer.open(server, authkey);
      peer.sendBytes(bytes.slice(0, end));
      // One round trip of somebody else later the bytes have arrived.
      const length = bystander.on(own, "list", "length");
      assert.equal((await bystander.call({ id: 2, ...length })).value, 1);
      peer.destroy();
    }
    await eventually("one session is left", () => server.sessions.size === 1);
    assert.equal(server.held, 1);
    assert.ok(server.gates.every((gate) => gate.waiting.length === 0));
    assert.equal((await bystander.server(3, "numberOfObjects")).value, 1);
  }));

test("a handshake that is cut off after any of its bytes opens no session", () =>
  withServer({}, async (server) => {
    for (let end = 0;; end++) {
      const peer = new Peer(server);
      const proof = proofOf(authkey, await peer.hello());
      const bytes = framesOf((frame) => writeJson(frame, Kind.Proof, proof));
      if (end === bytes.length) break;
      peer.sendBytes(bytes.slice(0, end));
      peer.destroy();
      await peer.closed;
    }
    assert.equal(server.sessions.size, 0);
    assert.equal((await (await Peer.open(server, authkey)).server(1, "numberOfObjects")).value, 0);
  }));

test("garbage after valid frames ends the session, and only it; what came before counts", () =>
  withServer({}, async (server) => {
    const bystander = await Peer.open(server, authkey);
    const garbage = [
      Uint8Array.from([0, 0, 0, 0]),
      new Uint8Array(64).fill(255),
      new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example\r\n\r\n"),
      frameOf(Kind.Call, []),
      frameOf(Kind.Call, [0x80]),
      frameOf(Kind.Call, new Array(9).fill(255)),
      frameOf(Kind.Call, [1, 0, 0, 0, 5]),
      frameOf(Kind.Release, [1]),
      frameOf(Kind.Cancel, []),
    ];
    for (const [i, bytes] of garbage.entries()) {
      const peer = await Peer.open(server, authkey);
      peer.sendBytes(join([callBytes({ id: 1, method: 0, args: ["list", []] }), bytes]));
      await assertDropped(peer, server, 1);
      assert.equal(server.held, 0, `garbage ${i}`);
    }
    assert.equal((await bystander.server(1, "numberOfObjects")).value, 0);
  }));

test("a frame of a kind that no client sends ends the session, and only it", () =>
  withServer({}, async (server) => {
    const bystander = await Peer.open(server, authkey);
    const known: number[] = [
      ...[Kind.Call, Kind.Cancel, Kind.Release, Kind.Finish, Kind.Ping, Kind.Pong],
    ];
    for (let kind = 0; kind < 256; kind++) {
      if (known.includes(kind)) continue;
      const peer = await Peer.open(server, authkey);
      peer.sendBytes(frameOf(kind, [1, 1, 1, 1, 1]));
      await peer.closed;
    }
    await eventually("one session is left", () => server.sessions.size === 1);
    assert.equal((await bystander.server(1, "numberOfObjects")).value, 0);
  }));

test("Finish releases a grant without an answer, and does nothing to anything else", () =>
  withPeer({}, async (peer) => {
    const finish = (id: number) => peer.send((frame) => writeFinish(frame, id));
    const lock = await peer.create(1, "lock");
    const queue = await peer.create(2, "queue");
    const work = await peer.create(3, "Work");
    const grant = await peer.call({ id: 4, ...peer.on(lock, "lock", "acquire") });
    await peer.call({ id: 5, ...peer.on(queue, "queue", "put", "item") });
    const lease = await peer.call({ id: 6, ...peer.on(queue, "queue", "get", { lease: true }) });
    const numbers = await peer.call({ id: 7, ...peer.on(work, "Work", "numbers") });
    for (const { handleId } of [grant, grant, lease, numbers]) finish(handleId);
    for (const id of [0, 99, Number.MAX_SAFE_INTEGER]) finish(id);
    assert.equal((await peer.call({ id: 8, ...peer.on(lock, "lock", "locked") })).value, false);
    assert.equal((await peer.call({ id: 9, ...peer.on(queue, "queue", "size") })).value, 0);
    const next = await peer.call({ id: 10, target: Target.Handle, targetId: numbers.handleId });
    assert.deepEqual(next.value, { values: [1], done: false });
    assert.deepEqual(peer.answered, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  }));

test("a frame may be as long as maxMessageBytes and 64 KiB, one byte more ends the session", () =>
  withServer({ maxMessageBytes: 1000 }, async (server) => {
    const peer = await Peer.open(server, authkey);
    const call = callBytes({ id: 1, method: 7 }).subarray(headerBytes + 1);
    const whole = new Uint8Array(1000 + envelopeBytes - 1);
    whole.set(call);
    peer.sendBytes(frameOf(Kind.Call, whole));
    assertError(await peer.answer(1), "ProtocolError");
    assert.equal((await peer.server(2, "numberOfObjects")).value, 0);
    const header = new Uint8Array(headerBytes);
    new DataView(header.buffer).setUint32(0, 1000 + envelopeBytes + 1, true);
    peer.sendBytes(header);
    await assertDropped(peer, server, 0);
  }));

// Authentication.

async function refused(peer: Peer, proof: Record<string, unknown>): Promise<string[]> {
  peer.send((frame) => writeJson(frame, Kind.Proof, proof));
  const { name, message } = jsonOf(await peer.take(Kind.Refused));
  await peer.closed;
  return [name as string, message as string];
}

test("a call before the proof opens nothing and closes the connection", () =>
  withServer({}, async (server) => {
    for (const kind of [Kind.Call, Kind.Release, Kind.Cancel, Kind.Welcome, Kind.Hello, 0, 255]) {
      const peer = new Peer(server);
      await peer.hello();
      peer.sendBytes(frameOf(kind, callBytes({ id: 1, method: 9 }).subarray(headerBytes + 1)));
      await peer.closed;
      assert.equal(peer.messages.length, 0);
    }
    assert.equal(server.sessions.size, 0);
    assert.equal(server.draining, undefined);
  }));

test("another key, another role, a reflected nonce or a wrong length is no proof", () =>
  withServer({}, async (server) => {
    const proofs: ((hello: Record<string, unknown>) => Record<string, unknown>)[] = [
      (hello) => proofOf(new Uint8Array(32).fill(8), hello),
      (hello) => proofOf(new Uint8Array(0), hello),
      (hello) => ({ ...proofOf(authkey, hello), nonce: "another" }),
      (hello) => ({
        ...proofOf(authkey, hello),
        proof: prove(authkey, "server", "n", hello),
        nonce: "n",
      }),
      (hello) => {
        const nonce = hello["nonce"] as string;
        return { ...proofOf(authkey, hello), nonce, proof: prove(authkey, "server", nonce, hello) };
      },
      (hello) => proofOf(authkey, hello, { proof: "" }),
      (hello) => proofOf(authkey, hello, { proof: btoa("x".repeat(31)) }),
      (hello) => proofOf(authkey, hello, { proof: btoa("x".repeat(33)) }),
      (hello) => proofOf(authkey, { ...hello, epoch: "another" }),
    ];
    for (const [i, proof] of proofs.entries()) {
      const peer = new Peer(server);
      const [name, message] = await refused(peer, proof(await peer.hello()));
      assert.equal(name, "AuthenticationError", `proof ${i}`);
      assert.match(message!, /refused the authkey/);
    }
    assert.equal(server.sessions.size, 0);
  }));

test("a proof of another handshake is no proof", () =>
  withServer({}, async (server) => {
    const first = new Peer(server);
    const proof = proofOf(authkey, await first.hello());
    first.send((frame) => writeJson(frame, Kind.Proof, proof));
    await first.take(Kind.Welcome);
    const second = new Peer(server);
    await second.hello();
    assert.equal((await refused(second, proof))[0], "AuthenticationError");
    assert.equal(server.sessions.size, 1);
  }));

test("a second proof ends the session", () =>
  withPeer({}, async (peer, server) => {
    peer.send((frame) => writeJson(frame, Kind.Proof, proofOf(authkey, {})));
    await assertDropped(peer, server, 0);
  }));

test("another version or serializer is refused and named", () =>
  withServer({}, async (server) => {
    for (const version of [protocolVersion + 1, 0, -1, "1", null]) {
      const peer = new Peer(server);
      const [name, message] = await refused(
        peer,
        proofOf(authkey, await peer.hello(), { version }),
      );
      assert.equal(name, "ProtocolError");
      assert.ok(message!.includes(`version "${version}"`), message);
    }
    const peer = new Peer(server);
    const proof = proofOf(authkey, await peer.hello(), { serializer: "cbor" });
    const [name, message] = await refused(peer, proof);
    assert.equal(name, "ProtocolError");
    assert.match(message!, /"cbor".*"messagepack"/);
  }));

test("a proof with missing or odd fields is refused", () =>
  withServer({}, async (server) => {
    const changes = [
      { nonce: undefined },
      { nonce: 5 },
      { proof: undefined },
      { proof: {} },
      { maxMessageBytes: undefined },
      { maxMessageBytes: -1 },
      { maxMessageBytes: "x" },
      { maxMessageBytes: null },
    ];
    for (const change of changes) {
      const peer = new Peer(server);
      const [name] = await refused(peer, proofOf(authkey, await peer.hello(), change));
      assert.ok(["ProtocolError", "AuthenticationError"].includes(name!));
    }
    for (const body of ["", "{", "null", "5", '"text"', "[]", "\ud83d"]) {
      const peer = new Peer(server);
      peer.sendBytes(frameOf(Kind.Proof, new TextEncoder().encode(body)));
      await peer.closed;
    }
    assert.equal(server.sessions.size, 0);
  }));

test("a client with another key rejects with AuthenticationError, also when the server lies", async () => {
  await withServer({}, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const options = {
      address: "unix:/x",
      authkey: new Uint8Array(32),
      serializer: messagePack,
      limits: resolveLimits(),
      timeout: 10_000,
      errors: new Map(),
      remote: false,
    };
    await assert.rejects(Client.connect(ours, options), AuthenticationError);
  });
  // A server without the key says that the client has proved it.
  const [ours, theirs] = memoryPair();
  const client = connectClient(ours);
  const server = new Peer(theirs);
  const hello = { version: protocolVersion, serializer: "messagepack", epoch: "e", nonce: "n" };
  server.send((frame) => writeJson(frame, Kind.Hello, hello));
  const { nonce } = jsonOf(await server.take(Kind.Proof));
  const lie = prove(new Uint8Array(32), "server", nonce as string, hello);
  const bytes = Uint8Array.from(atob(lie), (char) => char.charCodeAt(0));
  server.send((frame) => writeBytes(frame, Kind.Proven, bytes));
  await assert.rejects(client, AuthenticationError);
  await server.closed;
});

test("a client refuses a server of another version or serializer, and one that skips its proof", async () => {
  const hello = { version: protocolVersion, serializer: "messagepack", epoch: "e", nonce: "n" };
  for (
    const [change, expected] of [
      [{ version: 99 }, /version "99"/],
      [{ serializer: "cbor" }, /"cbor"/],
      [{ nonce: 5 }, /no "nonce"/],
    ] as const
  ) {
    const [ours, theirs] = memoryPair();
    const client = connectClient(ours);
    const server = new Peer(theirs);
    server.send((frame) => writeJson(frame, Kind.Hello, { ...hello, ...change }));
    await assert.rejects(client, expected);
    await server.closed;
  }
  const [ours, theirs] = memoryPair();
  const client = connectClient(ours);
  const server = new Peer(theirs);
  server.send((frame) => writeJson(frame, Kind.Hello, hello));
  await server.take(Kind.Proof);
  const welcome = { session: "s", maxMessageBytes: 5, types: {} };
  server.send((frame) => writeJson(frame, Kind.Welcome, welcome));
  await assert.rejects(client, ProtocolError);
});

test("a frame before authentication may have 1 KiB, one byte more closes the connection", () =>
  withServer({}, async (server) => {
    for (const [bytes, welcome] of [[1024, true], [1025, false]] as const) {
      const peer = new Peer(server);
      const proof = proofOf(authkey, await peer.hello(), { padding: "" });
      const missing = bytes - 1 - JSON.stringify(proof).length;
      proof["padding"] = "x".repeat(missing);
      peer.send((frame) => writeJson(frame, Kind.Proof, proof));
      if (welcome) await peer.take(Kind.Welcome);
      else await peer.closed;
    }
    assert.equal(server.sessions.size, 1);
  }));

test("past maxHalfOpenConnections the oldest connection that proved nothing is dropped", () =>
  withServer({ maxHalfOpenConnections: 3 }, async (server) => {
    const proved = await Peer.open(server, authkey);
    const peers = Array.from({ length: 5 }, () => new Peer(server));
    await Promise.all([peers[0]!.closed, peers[1]!.closed]);
    for (const peer of peers.slice(2)) await peer.authenticate(authkey);
    assert.equal(server.sessions.size, 4);
    assert.equal((await proved.server(1, "numberOfObjects")).value, 0);
    // Those that are authenticated do not count any more.
    const more = Array.from({ length: 3 }, () => new Peer(server));
    for (const peer of more) await peer.authenticate(authkey);
  }));

test("a connection that proves nothing within handshakeTimeout is closed", () =>
  withServer({ handshakeTimeout: 20 }, async (server) => {
    const silent = new Peer(server);
    await silent.closed;
    const pinging = new Peer(server);
    pinging.send((frame) => writeBytes(frame, Kind.Ping, new Uint8Array(0)));
    await pinging.closed;
    assert.equal(server.sessions.size, 0);
  }));

test("past maxConnections a client is refused, until another has left", () =>
  withServer({ maxConnections: 2 }, async (server) => {
    const peers = [await Peer.open(server, authkey), await Peer.open(server, authkey)];
    const late = new Peer(server);
    const [name, message] = await refused(late, proofOf(authkey, await late.hello()));
    assert.equal(name, "LimitExceededError");
    assert.match(message!, /limit maxConnections/);
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    await assert.rejects(connectClient(ours), LimitExceededError);
    peers[0]!.destroy();
    await assertDropped(peers[0]!, server, 1);
    await Peer.open(server, authkey);
    assert.equal(server.sessions.size, 2);
  }));

// Replies in pieces.

test("long replies travel in pieces that alternate, and a short one overtakes them", () =>
  withPeer({}, async (peer) => {
    const work = await peer.create(1, "Work");
    const length = 32 * 1024 * 1024;
    peer.sendBytes(join([
      callBytes({ id: 2, ...peer.on(work, "Work", "bytes", length) }),
      callBytes({ id: 3, ...peer.on(work, "Work", "bytes", 3 * pieceBytes) }),
      callBytes({ id: 4, ...peer.on(work, "Work", "bytes", 5) }),
    ]));
    const [long, middle, short] = [
      await peer.answer(2),
      await peer.answer(3),
      await peer.answer(4),
    ];
    assert.deepEqual(peer.answered, [1, 4, 3, 2]);
    assert.equal((long.value as Uint8Array).length, length);
    assert.equal((middle.value as Uint8Array).length, 3 * pieceBytes);
    assert.equal((short.value as Uint8Array).length, 5);
    const pieces = peer.messages.map(({ body }) => new Fields(body).varint());
    assert.deepEqual(pieces.slice(0, 8), [2, 3, 2, 3, 2, 3, 2, 3]);
  }));

test("a reply of up to 256 KiB is one frame, a longer one comes in pieces", () =>
  withPeer({}, async (peer) => {
    const work = await peer.create(1, "Work");
    const overhead = payloadOf(new Uint8Array(pieceBytes)).length - pieceBytes;
    for (const [size, pieces] of [[pieceBytes - overhead, 0], [pieceBytes - overhead + 1, 2]]) {
      peer.messages.length = 0;
      const { value } = await peer.call({ id: 2, ...peer.on(work, "Work", "bytes", size) });
      assert.equal((value as Uint8Array).length, size);
      assert.equal(peer.messages.length, pieces);
    }
  }));

// A client against a scripted server.

interface Script {
  readonly client: Client;
  readonly connection: Connection;
  /** The next message of the client of this kind. */
  next(kind: number): Promise<Fields>;
}

async function scriptServer(
  limits: Partial<Limits> = {},
  remote = false,
  types: Record<string, unknown> = {},
): Promise<Script> {
  const [ours, theirs] = memoryPair();
  const messages: { kind: number; body: Uint8Array }[] = [];
  let wake = () => {};
  let connection!: Connection;
  const authenticated = authenticateServer(
    (receiver) => connection = new Connection(theirs, receiver),
    { authkey, serializer: "messagepack", timeout: 10_000, epoch: "epoch" },
    () => {
      connection.open(1e9, {
        message(kind: number, fields: Fields) {
          messages.push({ kind, body: fields.rest().slice() });
          wake();
        },
        closed: () => wake(),
      });
      return { session: "s1", maxMessageBytes: 1e6, types: types as never };
    },
  );
  const client = await connectClient(ours, limits, remote);
  await authenticated;
  return {
    client,
    connection,
    async next(kind) {
      for (;;) {
        const found = messages.findIndex((message) => message.kind === kind);
        if (found >= 0) return new Fields(messages.splice(found, 1)[0]!.body);
        if (connection.closed) throw connection.closed;
        await new Promise<void>((resolve) => wake = resolve);
      }
    },
  };
}

const table = {
  id: 9,
  typeid: "thing",
  proxyName: "ThingProxy",
  methods: [{ name: "use" }],
  iterable: false,
  attributes: false,
};

/** The payload of two proxies, of the references 0 and 1. */
const twoProxies = payloadOf([{ reference: 0 }, { reference: 1 }]);

test("a server that ends right behind its welcome ends the client, which says why", async () => {
  const [ours, theirs] = memoryPair();
  let connection!: Connection;
  authenticateServer(
    (receiver) => connection = new Connection(theirs, receiver),
    { authkey, serializer: "messagepack", timeout: 10_000, epoch: "epoch" },
    (_, self) => {
      // Both frames in one chunk, as when the server ends in the same turn of its event loop.
      const flush = self.flush.bind(self);
      self.flush = () => {
        writeJson(self.output, Kind.Bye, { reason: "it had enough" });
        flush();
        self.end(new ConnectionClosedError("over"));
      };
      return { session: "s1", maxMessageBytes: 1e6, types: {} };
    },
  ).catch(() => {}); // it ended before its handshake had
  const client = await connectClient(ours);
  assert.ok(connection.closed);
  const { by, error } = await client.ended;
  assert.equal(by, "server");
  assert.match(error!.message, /it had enough/);
  await assert.rejects(client.callServer("numberOfObjects", []), /it had enough/);
});

test("a client that cannot read the welcome closes the connection and says so", async () => {
  for (const types of [{ list: null }, { list: { table: { id: "x" } } }, null]) {
    const [ours, theirs] = memoryPair();
    const closed = new Promise<void>((resolve) => {
      authenticateServer(
        (receiver) => new Connection(theirs, receiver),
        { authkey, serializer: "messagepack", timeout: 10_000, epoch: "epoch" },
        (_, connection) => {
          connection.open(1e9, { message() {}, closed: () => resolve() });
          return { session: "s1", maxMessageBytes: 1e6, types: types as never };
        },
      );
    });
    await assert.rejects(connectClient(ours), ProtocolError);
    await closed;
  }
});

test("a connection that breaks in the handshake is ConnectionClosedError with its cause", async () => {
  const [ours] = memoryPair();
  const broken = new Error("read ECONNRESET");
  const client = connectClient(ours);
  ours.destroy(broken);
  await assert.rejects(client, (error: Error) => {
    assert.ok(error instanceof ConnectionClosedError);
    assert.equal(error.cause, broken);
    return true;
  });
});

test("a client gives back the references of a reply that nobody takes", async () => {
  const { client, connection, next } = await scriptServer();
  const controller = new AbortController();
  const { signal } = controller;
  const call = client.callServer("lookup", ["x"], { signal });
  const { id } = readCall(await next(Kind.Call));
  controller.abort(new Error("not any more"));
  await assert.rejects(call, /not any more/);
  assert.equal((await next(Kind.Cancel)).varint(), id);
  writeJson(connection.output, Kind.Table, table);
  writeReply(connection.output, id, Status.Value, [7, 9, 8, 9], twoProxies);
  connection.flush();
  const given = [await next(Kind.Release), await next(Kind.Release)];
  assert.deepEqual(given.map((fields) => [fields.varint(), fields.varint()]), [[7, 1], [8, 1]]);
  client.close();
});

test("a client gives back the references of a dropped reply in pieces once, with the last piece", async () => {
  const { client, connection, next } = await scriptServer();
  const controller = new AbortController();
  const call = client.callServer("lookup", ["x"], { signal: controller.signal });
  const { id } = readCall(await next(Kind.Call));
  const whole = new FrameWriter();
  writeReply(whole, id, Status.Value, [7, 9, 7, 9], twoProxies);
  const body = whole.take()[0]!.subarray(headerBytes);
  writeJson(connection.output, Kind.Table, table);
  writePiece(connection.output, id, body.length, body.subarray(0, 5));
  connection.flush();
  const other = client.callServer("numberOfObjects", []);
  writeReply(connection.output, readCall(await next(Kind.Call)).id, Status.Value, [], payloadOf(3));
  connection.flush();
  assert.equal(await other, 3);
  controller.abort(new Error("not any more"));
  await assert.rejects(call, /not any more/);
  await next(Kind.Cancel);
  writePiece(connection.output, id, body.length, body.subarray(5));
  connection.flush();
  for (const _ of [1, 2]) assert.equal((await next(Kind.Release)).varint(), 7);
  client.close();
});

test("a client returns the handle of a reply that nobody takes", async () => {
  const { client, connection, next } = await scriptServer();
  const late = assert.rejects(client.callServer("lookup", ["x"], { timeout: 1 }), TimeoutError);
  const { id } = readCall(await next(Kind.Call));
  await late;
  const first = payloadOf({ values: [], done: false });
  writeReply(connection.output, id, Status.Handle, [], first, HandleKind.Iterator, 5);
  connection.flush();
  const { target, targetId, method } = readCall(await next(Kind.Call));
  assert.deepEqual([target, targetId, method], [Target.Handle, 5, 1]);
  client.close();
});

test("a client that cannot decode a reply rejects that call and gives its references back", async () => {
  const { client, connection, next } = await scriptServer();
  const call = client.callServer("lookup", ["x"]);
  const { id } = readCall(await next(Kind.Call));
  writeJson(connection.output, Kind.Table, table);
  writeReply(connection.output, id, Status.Value, [7, 9], Uint8Array.from([0xc1]));
  connection.flush();
  await assert.rejects(call, ProtocolError);
  assert.equal((await next(Kind.Release)).varint(), 7);
  assert.ok(client.usable);
  client.close();
});

test("whatever a server sends, a client ends with one reason and rejects what is pending", async () => {
  const bad: ((frame: FrameWriter, id: number) => void)[] = [
    (frame) => writeBytes(frame, 200, new Uint8Array(5)),
    (frame) => writeBytes(frame, Kind.Call, new Uint8Array(5)),
    (frame) => writeBytes(frame, Kind.Reply, new Uint8Array(0)),
    (frame) => writeBytes(frame, Kind.Table, Uint8Array.from([0x7b])),
    (frame) => writeJson(frame, Kind.Table, { id: 1 }),
    (frame) => writeJson(frame, Kind.Table, { ...table, methods: [null] }),
    (frame, id) => writeReply(frame, id, 77, [], new Uint8Array(0)),
    (frame, id) => writePiece(frame, id, 2 ** 40, new Uint8Array(5)),
    (frame, id) => writePiece(frame, id, 3, new Uint8Array(5)),
    (frame, id) => writePiece(frame, id, 3, Uint8Array.from([200, 1, 1])),
  ];
  for (const [i, write] of bad.entries()) {
    const { client, connection, next } = await scriptServer();
    const calls = [client.callServer("lookup", ["x"]), client.callServer("lookup", ["y"])];
    const { id } = readCall(await next(Kind.Call));
    write(connection.output, id);
    connection.flush();
    for (const call of calls) await assert.rejects(call, ConnectionClosedError, `${i}`);
    const { by, error } = await client.ended;
    assert.equal(by, "lost");
    assert.ok(error instanceof ProtocolError, `${i}: ${error}`);
  }
});

test("a reply with a reference to a table that was never told rejects its call", async () => {
  const { client, connection, next } = await scriptServer();
  const call = client.callServer("lookup", ["x"]);
  const { id } = readCall(await next(Kind.Call));
  writeReply(connection.output, id, Status.Value, [7, 1000], payloadOf({ reference: 0 }));
  connection.flush();
  await assert.rejects(call, ProtocolError);
  client.close();
});

test("a method table named like a prototype's members makes harmless proxies", async () => {
  const { client, connection, next } = await scriptServer();
  const call = client.callServer("lookup", ["x"]) as Promise<Record<string, unknown>>;
  const { id } = readCall(await next(Kind.Call));
  const methods = ["then", "__proto__", "constructor", "toJSON", "use"].map((name) => ({ name }));
  writeJson(connection.output, Kind.Table, { ...table, methods });
  writeReply(connection.output, id, Status.Value, [7, 9], payloadOf([{ reference: 0 }]));
  connection.flush();
  const settled = await Promise.race([call, client.ended]);
  if (Array.isArray(settled)) {
    const [proxy] = settled as unknown as [Record<string, unknown>];
    assert.equal(proxy["then"], undefined);
    assert.equal(typeof proxy["use"], "function");
  }
  assert.equal(({} as Record<string, unknown>)["use"], undefined);
  call.catch(() => {});
  client.close();
});

// Waits.

test("the timeout of a wait travels with the call, the rest of its options too", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    const calls = [
      callMethod(gate, "pass", [{ timeout: 1234.2, priority: 5 }]),
      callMethod(gate, "pass", [{}], { timeout: 77 }),
      callMethod(gate, "pass", []),
      callMethod(gate, "pass", [{ timeout: Infinity }], { timeout: 5 }),
      callMethod(gate, "pass", [{ timeout: 0 }]),
    ];
    await eventually("all wait", () => server.gates[0]!.waiting.length === calls.length);
    assert.deepEqual(server.gates[0]!.seen.map(({ timeout }) => timeout), [
      1235,
      77,
      undefined,
      undefined,
      0,
    ]);
    assert.deepEqual(server.gates[0]!.seen.map(({ options }) => options), [
      { priority: 5 },
      {},
      undefined,
      {},
      {},
    ]);
    for (const _ of calls) await callMethod(gate, "open", ["ok"]);
    assert.deepEqual(await Promise.all(calls), calls.map(() => "ok"));
  }));

test("bad options of a wait reject without a call", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    await assert.rejects(callMethod(gate, "pass", [{ timeout: -1 }]), RangeError);
    await assert.rejects(callMethod(gate, "pass", [{ timeout: "5" }]), RangeError);
    await assert.rejects(callMethod(gate, "pass", [{ signal: 5 }]), TypeError);
    const signal = AbortSignal.abort(new Error("before"));
    await assert.rejects(callMethod(gate, "pass", [{ signal }]), /before/);
    assert.equal(server.gates[0]!.seen.length, 0);
  }));

test("an abort of a wait asks the server, which takes the waiter out; the reason is the signal's", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    const controller = new AbortController();
    const call = callMethod(gate, "pass", [{ signal: controller.signal }]);
    await eventually("it waits", () => server.gates[0]!.waiting.length === 1);
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await assert.rejects(call, (error) => error === reason);
    assert.equal(server.gates[0]!.waiting.length, 0);
    assert.equal(await callMethod(gate, "open", [1]), false);
  }));

test("the server decides how an aborted wait ends: a later grant is still delivered", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    const controller = new AbortController();
    const call = callMethod(gate, "insist", [{ signal: controller.signal }]);
    await eventually("it waits", () => server.gates[0]!.waiting.length === 1);
    controller.abort(new Error("ignored"));
    await eventually("the abort arrived", () => server.gates[0]!.aborts === 1);
    await callMethod(gate, "open", ["granted"]);
    assert.equal(await call, "granted");
  }));

test("a grant that crosses the cancel is delivered", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    const controller = new AbortController();
    const call = callMethod(gate, "pass", [{ signal: controller.signal }]);
    await eventually("it waits", () => server.gates[0]!.waiting.length === 1);
    server.gates[0]!.open("granted");
    controller.abort(new Error("too late"));
    assert.equal(await call, "granted");
    assert.equal(server.gates[0]!.aborts, 0);
  }));

test("the end of a session frees its waiters", () =>
  withClient({}, async (client, server) => {
    const gate = await create(client, "gate");
    const call = callMethod(gate, "pass", []);
    await eventually("it waits", () => server.gates[0]!.waiting.length === 1);
    client.close();
    await assert.rejects(call, ConnectionClosedError);
    await eventually("it waits no more", () => server.gates[0]!.waiting.length === 0);
    assert.equal(server.held, 0);
  }));

test("a waiting call keeps its object although the session released it", () =>
  withPeer({}, async (peer, server) => {
    const gate = await peer.create(1, "gate");
    peer.sendCall({ id: 2, ...peer.on(gate, "gate", "pass") });
    peer.release(gate);
    assert.equal((await peer.server(3, "numberOfObjects")).value, 0);
    assert.equal(server.gates[0]!.open("granted"), true);
    assert.equal((await peer.answer(2)).value, "granted");
  }));

test("maxWaiters calls may wait, one more fails and the others wait on", () =>
  withPeer({ maxWaiters: 3 }, async (peer, server) => {
    const gate = await peer.create(1, "gate");
    for (const id of [2, 3, 4, 5]) peer.sendCall({ id, ...peer.on(gate, "gate", "pass") });
    assertError(await peer.answer(5), "LimitExceededError", /limit maxWaiters/);
    assert.equal(server.gates[0]!.waiting.length, 3);
    // Cancels and releases never count, and what has ended makes room.
    peer.send((frame) => writeCancel(frame, 3));
    assert.equal((await peer.answer(3)).status, Status.Cancelled);
    peer.sendCall({ id: 6, ...peer.on(gate, "gate", "pass") });
    for (const id of [2, 4, 6]) {
      await peer.call({ id: 10 + id, ...peer.on(gate, "gate", "open", id) });
      assert.equal((await peer.answer(id)).value, id);
    }
  }));

test("maxRunningCalls async methods of users may run, one more fails; built-ins and others go on", () =>
  withPeer({ maxRunningCalls: 2 }, async (peer, server) => {
    const work = await peer.create(1, "Work");
    const list = await peer.create(2, "list");
    for (const id of [3, 4, 5]) peer.sendCall({ id, ...peer.on(work, "Work", "slow", id) });
    assertError(await peer.answer(5), "LimitExceededError", /limit maxRunningCalls/);
    assert.equal((await peer.call({ id: 6, ...peer.on(list, "list", "length") })).value, 0);
    const other = await Peer.open(server, authkey);
    const theirs = await other.create(1, "Work");
    assert.equal((await other.call({ id: 2, ...other.on(theirs, "Work", "quick", 1) })).value, 1);
    server.works[0]!.finish(3);
    assert.equal((await peer.answer(3)).value, 3);
    assert.equal((await peer.call({ id: 7, ...peer.on(work, "Work", "quick", 7) })).value, 7);
    server.works[0]!.finish(4);
    assert.equal((await peer.answer(4)).value, 4);
  }));

test("a method that only turns out to take time is one call too many, too", () =>
  withPeer({ maxRunningCalls: 2 }, async (peer, server) => {
    const work = await peer.create(1, "Work");
    for (const id of [2, 3, 4]) peer.sendCall({ id, ...peer.on(work, "Work", "promise", id) });
    assertError(await peer.answer(4), "LimitExceededError", /limit maxRunningCalls/);
    for (const id of [4, 2, 3]) server.works[0]!.finish(id);
    assert.deepEqual([(await peer.answer(2)).value, (await peer.answer(3)).value], [2, 3]);
  }));

test("a synchronous method runs although maxRunningCalls async ones do: it may be what they wait for", () =>
  withPeer({ maxRunningCalls: 2 }, async (peer) => {
    const work = await peer.create(1, "Work");
    for (const id of [2, 3]) peer.sendCall({ id, ...peer.on(work, "Work", "slow", id) });
    const finished = await peer.call({ id: 4, ...peer.on(work, "Work", "finish", 2) });
    assert.equal(finished.status, Status.Value);
    assert.equal((await peer.answer(2)).value, 2);
  }));

test("at the end of the server a client is told, and what waits rejects at once", () =>
  withPeer({}, async (peer, server) => {
    const gate = await peer.create(1, "gate");
    peer.sendCall({ id: 2, ...peer.on(gate, "gate", "pass") });
    await peer.server(3, "numberOfObjects");
    const ended = server.close(new ConnectionClosedError("the reason"));
    assert.deepEqual(jsonOf(await peer.take(Kind.Bye)), { reason: "the reason" });
    assertError(await peer.answer(2), "ConnectionClosedError", /the reason/);
    await peer.closed;
    await ended;
  }));

// Output.

test("above maxOutputBytes the server stops reading that session until it has read, and serves the others", () =>
  withServer({ maxOutputBytes: 2 * 1024 * 1024 }, async (server) => {
    const [reader, lazy] = [await Peer.open(server, authkey), await Peer.open(server, authkey)];
    const list = await reader.create(1, "list");
    const work = await lazy.create(1, "Work");
    const { started } = server.works[0]!;
    const calls = 40;
    lazy.pause();
    for (let id = 2; id < 2 + calls; id++) {
      lazy.sendCall({ id, ...lazy.on(work, "Work", "bytes", 250_000) });
      await reader.call({ id, ...reader.on(list, "list", "push", id) });
    }
    assert.ok(started.length >= 8, `it stopped after ${started.length} calls`);
    assert.ok(started.length <= 20, `it did not stop before ${started.length} calls`);
    assert.ok(lazy.unreadBytes > 0);
    lazy.resume();
    for (let id = 2; id < 2 + calls; id++) await lazy.answer(id);
    assert.equal(started.length, calls);
  }));

test("a maxOutputBytes below what a transport buffers holds nobody up", () =>
  withPeer({ maxOutputBytes: 1024 }, async (peer) => {
    const work = await peer.create(1, "Work");
    for (let id = 2; id < 20; id++) {
      const { value } = await peer.call({ id, ...peer.on(work, "Work", "bytes", 100_000) });
      assert.equal((value as Uint8Array).length, 100_000);
    }
    for (let id = 20; id < 40; id++) {
      peer.sendCall({ id, ...peer.on(work, "Work", "bytes", 500_000) });
    }
    for (let id = 20; id < 40; id++) await peer.answer(id);
  }));

test("a session that accepts no byte for stalledTimeout is closed, one that reads is not", () =>
  withServer({ stalledTimeout: 500 }, async (server) => {
    const [reader, lazy] = [await Peer.open(server, authkey), await Peer.open(server, authkey)];
    const work = await lazy.create(1, "Work");
    lazy.pause();
    lazy.sendCall({ id: 2, ...lazy.on(work, "Work", "bytes", 2_000_000) });
    await assertDropped(lazy, server, 1);
    assert.equal(server.held, 0);
    assert.equal((await reader.server(1, "numberOfObjects")).value, 0);
  }));

test("past maxTotalOutputBytes the session with the most is closed, the others live", () =>
  withServer({ maxOutputBytes: 4_000_000, maxTotalOutputBytes: 5_000_000 }, async (server) => {
    const peers = [await Peer.open(server, authkey), await Peer.open(server, authkey)];
    const [small, large] = peers as [Peer, Peer];
    for (const peer of peers) {
      await peer.create(1, "Work");
      peer.pause();
    }
    const bytes = async (peer: Peer, object: number, id: number, count: number) => {
      peer.sendCall({ id, ...peer.on(object, "Work", "bytes", count) });
      await eventually("it ran", () => server.works.some(({ started }) => started.includes(count)));
    };
    await bytes(small, 1, 2, 2_000_001);
    await bytes(large, 2, 2, 2_900_000);
    assert.equal(server.sessions.size, 2);
    await bytes(large, 2, 3, 100_000);
    await assertDropped(large, server, 1);
    small.resume();
    assert.equal(((await small.answer(2)).value as Uint8Array).length, 2_000_001);
  }));

// Limits.

test("maxObjects objects can be shared, one more is LimitExceededError", () =>
  withPeer({ maxObjects: 3 }, async (peer) => {
    for (const id of [1, 2, 3]) await peer.create(id, "list");
    const answer = await peer.server(4, "create", "list", []);
    assertError(answer, "LimitExceededError", /limit maxObjects/);
    assert.equal((await peer.server(5, "numberOfObjects")).value, 3);
  }));

test("maxHolds receipts can be held, one more fails that call, until some are given back", () =>
  withPeer({ maxHolds: 3 }, async (peer, server) => {
    const list = await peer.create(1, "list");
    await peer.call({ id: 2, method: 2, args: ["name", { reference: 0 }], references: [list] });
    await peer.server(3, "lookup", "name");
    await peer.server(4, "lookup", "name");
    const answer = await peer.server(5, "lookup", "name");
    assertError(answer, "LimitExceededError", /limit maxHolds.*releaseProxy/);
    assertError(await peer.server(6, "create", "list", []), "LimitExceededError");
    peer.release(list, 2);
    assert.equal((await peer.server(7, "lookup", "name")).status, Status.Value);
    const [session] = server.sessions.values();
    assert.equal(session!.describe()["receipts"], 2);
    assert.equal(server.held, 1);
  }));

test("a name may have maxNameBytes bytes of UTF-8, one more is RangeError", () =>
  withPeer({ maxNameBytes: 128 }, async (peer) => {
    const list = await peer.create(1, "list");
    const publish = (id: number, name: string) =>
      peer.call({ id, method: 2, args: [name, { reference: 0 }], references: [list] });
    for (
      const [good, bad] of [["x".repeat(128), "x".repeat(129)], ["é".repeat(64), "é".repeat(65)]]
    ) {
      assert.equal((await publish(2, good!)).status, Status.Value);
      assertError(await publish(3, bad!), "RangeError", /limit maxNameBytes/);
      assertError(await peer.server(4, "lookup", bad), "RangeError");
      assertError(await peer.server(5, "named", bad, "list", []), "RangeError");
      assert.equal((await peer.server(6, "unpublish", good)).value, true);
    }
    assertError(await publish(7, ""), "TypeError");
  }));

test("a message may be nested maxDepth deep, one level more fails that call, on both sides", () =>
  withServer({ maxDepth: 10 }, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const client = await connectClient(ours, { maxDepth: 10 });
    const list = await create(client, "list");
    // The array of the arguments is one level.
    assert.equal(await callMethod(list, "push", [nest(9)]), 1);
    await assert.rejects(callMethod(list, "push", [nest(10)]), LimitExceededError);
    const work = await create(client, "Work");
    assert.deepEqual(await callMethod(work, "nested", [10]), nest(10));
    await assert.rejects(callMethod(work, "nested", [11]), LimitExceededError);
    assert.equal(await callMethod(list, "length"), 1);
    client.close();
    const peer = await Peer.open(server, authkey);
    const theirList = await peer.create(1, "list");
    // Arrays of one element in the array of the arguments.
    const push = (id: number, depth: number) => {
      const payload = new Uint8Array(depth + 2).fill(0x91);
      payload[depth + 1] = 1;
      return peer.call({ id, ...peer.on(theirList, "list", "push"), payload });
    };
    assert.equal((await push(2, 9)).status, Status.Value);
    assert.equal((await push(3, 10)).status, Status.Error);
    assert.equal((await push(4, 1_000_000)).status, Status.Error);
    assert.equal((await push(5, 9)).value, 2);
    peer.destroy();
  }));

test("a message to the server may have maxMessageBytes, one byte more fails that call at the client", () =>
  withServer({ maxMessageBytes: 10_000 }, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const client = await connectClient(ours);
    const work = await create(client, "Work");
    const overhead = payloadOf(["x".repeat(5000)]).length - 5000;
    const text = "x".repeat(10_000 - overhead);
    assert.equal(await callMethod(work, "quick", [text]), text);
    await assert.rejects(callMethod(work, "quick", [text + "x"]), (error: Error) => {
      assert.ok(error instanceof LimitExceededError);
      assert.match(error.message, /"quick" on typeid "Work".*10001 bytes.*10000.*maxMessageBytes/);
      return true;
    });
    assert.equal(await callMethod(work, "quick", [1]), 1);
    assert.equal(server.works[0]!.started.length, 2);
    client.close();
  }));

test("a reply may have the maxMessageBytes of its client, one byte more fails that call at the server", () =>
  withServer({}, async (server) => {
    const [ours, theirs] = memoryPair();
    server.accept(theirs);
    const client = await connectClient(ours, { maxMessageBytes: 400_000 });
    const work = await create(client, "Work");
    const overhead = payloadOf(new Uint8Array(399_000)).length - 399_000;
    const size = 400_000 - overhead;
    assert.equal((await callMethod<Uint8Array>(work, "bytes", [size])).length, size);
    await assert.rejects(callMethod(work, "bytes", [size + 1]), (error: Error) => {
      assert.ok(error instanceof LimitExceededError);
      assert.match(error.message, /400001 bytes.*400000.*maxMessageBytes/);
      return true;
    });
    assert.ok(client.usable);
    client.close();
  }));

test("the references of a message count: what is too much fails that call, on both sides", () =>
  withClient({ maxMessageBytes: 200_000 }, async (client) => {
    // A reference is six bytes of the payload and, from this number on, three or more of the header.
    const list = await create(client, "list") as {
      push(...items: unknown[]): Promise<number>;
      slice(from: number, to: number): Promise<unknown[]>;
    };
    const made = Array.from({ length: 16_384 }, () => create(client, "list"));
    const last = (await Promise.all(made)).at(-1)!;
    const many = (count: number) => Array.from({ length: count }, () => last);
    for (const count of [16_500, 16_500]) await list.push(...many(count));
    assert.equal((await list.slice(0, 16_500)).length, 16_500);
    await assert.rejects(list.slice(0, 33_000), (error: Error) => {
      assert.ok(error instanceof LimitExceededError);
      assert.match(error.message, /198003 bytes and \d+ of references: the client takes 200000/);
      return true;
    });
    await assert.rejects(list.push(...many(33_000)), (error: Error) => {
      assert.ok(error instanceof LimitExceededError);
      assert.match(error.message, /198003 bytes and 99000 of references, the server takes 200000/);
      return true;
    });
    assert.ok(client.usable);
  }));

test("a duration that no timer can wait, or Infinity, is as long as one can", async () => {
  const forever = {
    handshakeTimeout: Infinity,
    stalledTimeout: 1e12,
    pingInterval: Infinity,
    pingTimeout: Infinity,
  };
  for (const [name, value] of Object.entries(resolveLimits(forever))) {
    if (name in forever) assert.equal(value, 0x7fffffff, name);
  }
  await withClient(forever, async (client) => {
    assert.equal(await client.callServer("numberOfObjects", []), 0);
  });
});

test("limits that are unknown or not positive are refused", () => {
  assert.throws(() => resolveLimits({ maxMessages: 5 } as Partial<Limits>), TypeError);
  assert.throws(() => resolveLimits({ toString: 5 } as unknown as Partial<Limits>), TypeError);
  for (const value of [0, -1, NaN, "5", null]) {
    assert.throws(() => resolveLimits({ maxDepth: value as number }), RangeError);
  }
  assert.equal(resolveLimits({ maxDepth: undefined }).maxDepth, 128);
});

// Silence.

test("on TCP a session whose peer is silent for pingTimeout ends, one that answers pings lives", async () => {
  const server = new Server({ pingInterval: 10, pingTimeout: 100 });
  await server.listen({ address: "tcp://127.0.0.1:0" });
  try {
    const open = () => connect(server.address, { timeout: 10_000 });
    const client = await connectClient(await open(), { pingInterval: 10, pingTimeout: 1000 }, true);
    const silent = new Peer(await open());
    await silent.authenticate(authkey);
    await silent.take(Kind.Ping);
    await assertDropped(silent, server, 1);
    assert.equal(await client.callServer("numberOfObjects", []), 0);
    client.close();
  } finally {
    await server.close(new ConnectionClosedError("the test is over"));
  }
});

test("a thread that was busy for longer than pingTimeout does not take its peers for dead", async () => {
  const server = new Server({ pingInterval: 50, pingTimeout: 100 });
  await server.listen({ address: "tcp://127.0.0.1:0" });
  try {
    const transport = await connect(server.address, { timeout: 10_000 });
    const client = await connectClient(transport, { pingInterval: 50, pingTimeout: 100 }, true);
    for (let i = 0; i < 3; i++) {
      for (const end = performance.now() + 200; performance.now() < end;);
      assert.equal(await client.callServer("numberOfObjects", []), 0);
    }
    client.close();
  } finally {
    await server.close(new ConnectionClosedError("the test is over"));
  }
});

test("a session that the server does not read is not silent", () =>
  withServer({ pingInterval: 10, pingTimeout: 30, maxOutputBytes: 2_000_000 }, async (server) => {
    server.owner.address = "memory:watched";
    const slow = await Peer.open(server, authkey);
    await slow.create(1, "Work");
    slow.pause();
    slow.sendCall({ id: 2, ...slow.on(1, "Work", "bytes", 3_000_000) });
    await eventually("it ran", () => server.works[0]!.started.length === 1);
    const silent = await Peer.open(server, authkey);
    await assertDropped(silent, server, 1);
    assert.equal(slow.isClosed, false);
  }));

test("on TCP a client whose server is silent ends as lost, and says so", async () => {
  const awake = stayAwake();
  const [ours, theirs] = memoryPair();
  const connecting = connectClient(ours, { pingInterval: 5, pingTimeout: 30 }, true);
  const server = new Peer(theirs);
  const hello = { version: protocolVersion, serializer: "messagepack", epoch: "e", nonce: "n" };
  server.send((frame) => writeJson(frame, Kind.Hello, hello));
  const { nonce } = jsonOf(await server.take(Kind.Proof));
  const proof = atob(prove(authkey, "server", nonce as string, hello));
  server.send((frame) => {
    writeBytes(frame, Kind.Proven, Uint8Array.from(proof, (char) => char.charCodeAt(0)));
    writeJson(frame, Kind.Welcome, { session: "s", maxMessageBytes: 5, types: {} });
  });
  const lonely = await connecting;
  const call = lonely.callServer("numberOfObjects", []);
  await assert.rejects(call, /silent/);
  const { by, error } = await lonely.ended;
  assert.equal(by, "lost");
  assert.match(error!.message, /silent/);
  awake();
});

test("leaves nothing behind", assertClean);
