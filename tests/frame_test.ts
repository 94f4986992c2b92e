/**
 * Tests of frames: what is written is read, however it is cut; what is malformed is refused; and
 * random frames at a server harm only the session that sent them. Of these Deno tries 20 000, and the
 * others a quarter: what they meet is this library's code, the same on each.
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { type ManagerError, messagePack, ProtocolError } from "../mod.ts";
import { resolveLimits } from "../lib/limits.ts";
import { builtins } from "../lib/objects/builtins.ts";
import { ObjectServer } from "../lib/server/server.ts";
import { Fields, FrameReader, FrameWriter, headerBytes, jsonBytes } from "../lib/wire/frame.ts";
import {
  Kind,
  readCall,
  readReply,
  readTable,
  serverMethods,
  Status,
  Target,
  writeBytes,
  writeCall,
  writeJson,
  writeReply,
} from "../lib/wire/protocol.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { callBytes, frameOf, framesOf, payloadOf, Peer } from "./support/peer.ts";
import { campaigning } from "./support/runtimes.ts";

/** Random numbers that are the same in each run (mulberry32). */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  /** An integer of 0 to `end` - 1. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state);
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * end);
  }
  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** The bodies of the frames in the chunks. */
function read(chunks: Iterable<Uint8Array>, maxBytes = 2 ** 31): Uint8Array[] {
  const reader = new FrameReader(maxBytes);
  const bodies: Uint8Array[] = [];
  for (const chunk of chunks) reader.push(chunk, (fields) => bodies.push(fields.rest().slice()));
  return bodies;
}

function* cut(bytes: Uint8Array, size: () => number): Generator<Uint8Array> {
  for (let offset = 0; offset < bytes.length;) {
    const length = size();
    yield bytes.slice(offset, offset + length);
    offset += length;
  }
}

/** Frames of many lengths, each of its own bytes. */
const bodies = [1, 2, 3, 4, 5, 127, 128, 255, 256, 1000, 65_534, 65_535, 65_536, 65_537, 200_000]
  .map((length, i) => new Uint8Array(length).fill(i + 1));
const shortBodies = bodies.slice(0, 9);
const [stream, shortStream] = [bodies, shortBodies].map((all) =>
  framesOf((frame) => {
    for (const body of all) writeBytes(frame, body[0]!, body.subarray(1));
  })
) as [Uint8Array, Uint8Array];

/** To compare many long frames fast. */
function digest(all: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const body of all) hash.update(`${body.length}:`).update(body);
  return hash.digest("hex");
}

// Integers.

test("an integer of 0 to 2^53 - 1 is read as it was written", () => {
  const edges = [7, 14, 21, 28, 31, 32, 35, 42, 49, 52].flatMap((bits) => [
    2 ** bits - 1,
    2 ** bits,
    2 ** bits + 1,
  ]);
  const numbers = [0, 1, ...edges, Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER];
  const [body] = read([framesOf((frame) => {
    frame.begin(1, numbers.length * 9);
    for (const number of numbers) frame.varint(number);
    frame.finish();
  })]);
  const fields = new Fields(body!.subarray(1));
  for (const number of numbers) assert.equal(fields.varint(), number);
  fields.end();
});

test("an integer of more than 53 bits, or one that does not end, is refused", () => {
  const tooLarge = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10];
  for (const bytes of [tooLarge, new Array(8).fill(0xff), new Array(20).fill(0x80)]) {
    assert.throws(() => new Fields(Uint8Array.from(bytes)).varint(), /more than 53 bits/);
  }
  for (const bytes of [[], [0x80], [0xff, 0xff]]) {
    assert.throws(() => new Fields(Uint8Array.from(bytes)).varint(), /in the middle of a field/);
  }
});

// Fields.

test("Fields reads bytes, what is left and the end; what is not there is ProtocolError", () => {
  const fields = new Fields(Uint8Array.from([1, 2, 3, 4, 5]));
  assert.equal(fields.byte(), 1);
  assert.deepEqual(fields.bytes(2), Uint8Array.from([2, 3]));
  assert.equal(fields.remaining, 2);
  assert.throws(() => fields.bytes(3), ProtocolError);
  assert.throws(() => fields.bytes(2 ** 53), ProtocolError);
  assert.throws(() => fields.end(), /2 bytes too many/);
  assert.deepEqual(fields.rest(), Uint8Array.from([4, 5]));
  fields.end();
  assert.equal(fields.rest().length, 0);
  assert.throws(() => fields.byte(), ProtocolError);
});

test("Fields.json() reads an object and nothing else", () => {
  const value = { text: "é\u0000\ud83d\ude00", deep: { list: [1, null] } };
  assert.deepEqual(new Fields(jsonBytes(value)).json(), value);
  const proto = new TextEncoder().encode('{"__proto__":{"polluted":1},"a":1}');
  assert.equal((new Fields(proto).json() as { polluted?: number }).polluted, undefined);
  const bad = ["", "{", "null", "5", '"x"', "{}x", "{'a':1}"].map((text) =>
    new TextEncoder().encode(text)
  );
  bad.push(Uint8Array.from([0x22, 0xff, 0x22]), Uint8Array.from([0x7b, 0xc0, 0x80, 0x7d]));
  for (const bytes of bad) assert.throws(() => new Fields(bytes).json(), ProtocolError);
});

// Frames.

test("FrameReader gives the frames that FrameWriter wrote, in order", () => {
  assert.deepEqual(read([stream]), bodies);
});

test("FrameReader gives the same frames for every size of chunk", () => {
  for (const size of [1, 2, 3, 5, 7, 11, 1500, 65_535, 65_536, 65_540]) {
    assert.equal(digest(read(cut(stream, () => size))), digest(bodies), `chunks of ${size}`);
  }
});

test("FrameReader gives the same frames for random chunks, empty ones too", () => {
  const random = new Random(1);
  for (let round = 0; round < 300; round++) {
    const [bytes, expected, largest] = random.of(
      [
        [shortStream, shortBodies, 3],
        [shortStream, shortBodies, 10],
        [shortStream, shortBodies, 1000],
        [stream, bodies, 100_000],
      ] as const,
    );
    const found = read(cut(bytes, () => random.below(largest)));
    assert.equal(digest(found), digest(expected), `round ${round}`);
  }
});

test("a stream that is cut after any byte gives exactly the frames that were complete", () => {
  let complete = 0;
  let position = 0;
  for (let end = 0; end <= shortStream.length; end++) {
    const next = shortBodies[complete];
    if (next && position + headerBytes + next.length <= end) {
      position += headerBytes + next.length;
      complete++;
    }
    const [head, tail] = [shortStream.slice(0, end), shortStream.slice(end)];
    assert.equal(digest(read([head])), digest(shortBodies.slice(0, complete)), `cut at ${end}`);
    assert.equal(digest(read([head, tail])), digest(shortBodies));
  }
});

test("a frame may have maxBytes, one more is refused before its body arrives", () => {
  const frame = frameOf(1, new Uint8Array(99));
  assert.equal(read([frame], 100).length, 1);
  assert.throws(() => read([frame.subarray(0, headerBytes)], 99), /100 bytes: the limit is 99/);
  const lies = [0x7fffffff, 0x80000000, 0xffffffff];
  for (const lie of lies) {
    const header = new Uint8Array(headerBytes);
    new DataView(header.buffer).setUint32(0, lie, true);
    assert.throws(() => read([header], 1000), new RegExp(`a frame of ${lie} bytes`));
    assert.throws(() => read(cut(header, () => 1), 1000), ProtocolError);
  }
});

test("maxBytes can change between two frames of one chunk", () => {
  const reader = new FrameReader(10);
  const lengths: number[] = [];
  const chunk = framesOf((frame) => {
    writeBytes(frame, 1, new Uint8Array(5));
    writeBytes(frame, 2, new Uint8Array(500));
  });
  reader.push(chunk, (fields) => {
    lengths.push(fields.remaining);
    reader.maxBytes = 1000;
  });
  assert.deepEqual(lengths, [6, 501]);
});

test("a frame of no bytes has no kind and is refused", () => {
  assert.throws(() => read([new Uint8Array(headerBytes)]), /without a kind/);
});

test("FrameWriter counts what waits, and gives it once", () => {
  const writer = new FrameWriter();
  assert.equal(writer.pendingBytes, 0);
  assert.deepEqual(writer.take(), []);
  writeBytes(writer, 1, new Uint8Array(10));
  writeBytes(writer, 2, new Uint8Array(100_000));
  const expected = 2 * headerBytes + 2 + 100_010;
  assert.equal(writer.pendingBytes, expected);
  const first = writer.take();
  assert.equal(first.reduce((sum, { length }) => sum + length, 0), expected);
  assert.equal(writer.pendingBytes, 0);
  const copies = first.map((chunk) => chunk.slice());
  for (let i = 0; i < 100; i++) writeBytes(writer, 3, new Uint8Array(5000).fill(9));
  assert.deepEqual(first, copies, "later frames do not write into what was taken");
  assert.equal(read(writer.take()).length, 100);
});

// Messages.

const someCalls = [
  { id: 1, target: Target.Server, targetId: 0, method: 0, timeout: undefined, references: [] },
  { id: 2 ** 40, target: Target.Object, targetId: 300, method: 5, timeout: 0, references: [7] },
  { id: 127, target: Target.Handle, targetId: 2 ** 53 - 1, method: 1, timeout: 2 ** 31 - 1 },
].map((call) => ({ references: [], ...call, payload: Uint8Array.from([1, 2, 3]) }));

test("a call is read as it was written", () => {
  for (const call of someCalls) {
    const [body] = read([framesOf((frame) =>
      writeCall(
        frame,
        call.id,
        call.target,
        call.targetId,
        call.method,
        call.timeout,
        call.references,
        call.payload,
      )
    )]);
    assert.equal(body![0], Kind.Call);
    assert.deepEqual(readCall(new Fields(body!.subarray(1))), call);
  }
});

test("a reply is read as it was written, and an unknown status is refused", () => {
  const replies = [
    { id: 1, status: Status.Value, handleKind: 0, handleId: 0, references: [] },
    { id: 2, status: Status.Error, handleKind: 0, handleId: 0, references: [1, 2, 300, 4] },
    { id: 3, status: Status.Handle, handleKind: 1, handleId: 500, references: [] },
    { id: 4, status: Status.Cancelled, handleKind: 0, handleId: 0, references: [] },
    { id: 5, status: Status.Settling, handleKind: 0, handleId: 0, references: [] },
  ].map((reply) => ({ ...reply, payload: Uint8Array.from([9]) }));
  for (const reply of replies) {
    const { id, status, references, payload, handleKind, handleId } = reply;
    const [body] = read([
      framesOf((frame) => writeReply(frame, id, status, references, payload, handleKind, handleId)),
    ]);
    assert.deepEqual(readReply(new Fields(body!.subarray(1))), reply);
  }
  assert.throws(() => readReply(new Fields(Uint8Array.from([1, 5, 0]))), /Unknown status/);
});

test("a call or a reply that is cut in its fields is ProtocolError; claims never exceed its bytes", () => {
  const call = callBytes({ id: 300, target: 1, targetId: 300, method: 300, timeout: 300 });
  const whole = call.subarray(headerBytes + 1);
  for (let end = 0; end < whole.length; end++) {
    assert.throws(() => readCall(new Fields(whole.subarray(0, end))), ProtocolError, `at ${end}`);
  }
  for (const count of [[5], [0xff, 0xff, 0x7f], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07]]) {
    assert.throws(
      () => readCall(new Fields(Uint8Array.from([1, 0, 0, 0, ...count, 1, 2, 3, 4]))),
      ProtocolError,
    );
    assert.throws(
      () => readReply(new Fields(Uint8Array.from([1, 0, ...count, 1, 2, 3, 4]))),
      ProtocolError,
    );
  }
  // References of a reply come in pairs.
  assert.throws(() => readReply(new Fields(Uint8Array.from([1, 0, 1, 5]))), ProtocolError);
});

test("a method table with missing fields is ProtocolError", () => {
  const table = {
    id: 1,
    typeid: "t",
    proxyName: "P",
    methods: [{ name: "m" }],
    iterable: false,
    attributes: false,
  };
  assert.deepEqual(readTable(table), table);
  for (
    const bad of [
      null,
      5,
      [],
      {},
      { ...table, id: "1" },
      { ...table, id: 1.5 },
      { ...table, typeid: 5 },
      { ...table, proxyName: undefined },
      { ...table, methods: {} },
      { ...table, methods: [{}] },
      { ...table, methods: [{ name: 5 }] },
      { ...table, methods: [null] },
    ]
  ) assert.throws(() => readTable(bad), ProtocolError);
});

test("random bytes in a message are read, or refused as ProtocolError", () => {
  const random = new Random(2);
  for (let i = 0; i < 5000; i++) {
    const body = random.bytes(random.below(24));
    for (const readMessage of [readCall, readReply, (fields: Fields) => fields.json()]) {
      try {
        readMessage(new Fields(body));
      } catch (error) {
        assert.ok(error instanceof ProtocolError, String((error as ManagerError).stack));
      }
    }
  }
});

// A server.

const authkey = new Uint8Array(32).fill(7);

/** Counts what would end it. */
class Server extends ObjectServer {
  shutdowns = 0;
  constructor() {
    super({
      authkey,
      serializer: messagePack,
      limits: resolveLimits({ maxMessageBytes: 100_000, maxObjects: 100_000 }),
      types: new Map([...builtins].map(([typeid, definition]) => [typeid, { definition }])),
      errors: new Map(),
      shutdownTimeout: 1,
    });
    this.owner.address = "unix:/tests/have/no/socket";
  }
  override shutdownSoon(): void {
    this.shutdowns++;
  }
}

/** What every object of the process inherits, with the identity of each function. */
function inherited(): unknown[] {
  return [Object, Array, Function, Map, Promise, Error].flatMap(({ prototype }) =>
    Reflect.ownKeys(prototype).flatMap((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(prototype, key)!;
      return [key, value, get, set];
    })
  );
}

const names = [
  ...["__proto__", "constructor", "prototype", "toString", "valueOf", "hasOwnProperty"],
  ...["isPrototypeOf", "__defineGetter__", "__lookupGetter__", "then", "catch", "finally"],
  ...["toJSON", "inspect", "length", "name", "caller", "arguments", "", "list", "x"],
];

/** A value of any kind. */
function randomValue(random: Random, depth = 3): unknown {
  const scalar = [null, undefined, true, 0, -1, 1e9, NaN, -0, 5n, "", "text", new Date(0)];
  const choice = random.below(depth > 0 ? 8 : 3);
  if (choice === 0) return random.of(names);
  if (choice < 3) return random.of(scalar);
  const many = Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
  if (choice < 5) return many;
  if (choice === 5) return new Map(many.map((value) => [random.of(names), value]));
  if (choice === 6) return random.bytes(random.below(10));
  return Object.fromEntries(many.map((value) => [random.of(names), value]));
}

function randomCall(random: Random, objects: readonly number[]): Uint8Array {
  const target = random.of([0, 0, 1, 1, 1, 2, 3]);
  const creation = [random.of([...builtins.keys(), ...names]), [randomValue(random)]];
  const method = random.below(target === 0 ? serverMethods.length : 30);
  const args = target === 0 && method === 0
    ? creation
    : Array.from({ length: random.below(4) }, () => randomValue(random));
  return callBytes({
    id: 1 + random.below(1e6),
    target,
    targetId: random.of(objects),
    method,
    timeout: random.below(10) === 0 ? random.below(1000) : undefined,
    references: random.below(5) === 0 ? [random.of(objects)] : [],
    payload: payloadOf(args),
  });
}

/** A frame with the right length, and anything in it. */
function randomFrame(random: Random, objects: readonly number[]): Uint8Array {
  const call = randomCall(random, objects);
  switch (random.below(5)) {
    case 0:
      return call;
    case 1: {
      for (let flips = 1 + random.below(3); flips > 0; flips--) {
        const at = headerBytes + random.below(call.length - headerBytes);
        call[at]! ^= 1 << random.below(8);
      }
      return call;
    }
    case 2: {
      const end = headerBytes + 2 + random.below(call.length - headerBytes - 1);
      return frameOf(call[headerBytes]!, call.subarray(headerBytes + 1, end));
    }
    case 3:
      return frameOf(random.of(Object.values(Kind)), random.bytes(random.below(40)));
    default:
      return frameOf(random.of([Kind.Call, Kind.Cancel, Kind.Release]), random.bytes(12));
  }
}

const ping = frameOf(Kind.Ping, []);
const creations = ["list", "dict", "set", "namespace"].map((typeid) =>
  callBytes({ id: 1, args: [typeid, []] })
);

/** Sends random frames one by one, each to a session that lives; gives the number of sessions. */
async function fuzz(server: Server, random: Random, frames: number): Promise<number> {
  let sessions = 0;
  let peer: Peer | undefined;
  let ids: number[] = [];
  for (let i = 0; i < frames; i++) {
    if (!peer || peer.isClosed) {
      sessions++;
      peer = await Peer.open(server, authkey);
      for (const creation of creations) peer.sendBytes(creation);
    }
    if (i % 20 === 0) ids = [...server.owner.registry.held].slice(-20).map(({ id }) => id);
    peer.sendBytes(randomFrame(random, [0, ...ids, ...ids, 1e9]));
    peer.sendBytes(ping);
    await peer.take(Kind.Pong).catch(() => {});
  }
  peer!.destroy();
  return sessions;
}

for (const seed of campaigning ? [3, 4, 5, 6, 7, 8, 9, 10] : [3, 4]) {
  test(`2 500 random frames of seed ${seed} end only the sessions that sent them, and change no prototype`, async () => {
    const server = new Server();
    const awake = setInterval(() => {}, 1000);
    const before = inherited();
    const bystander = await Peer.open(server, authkey);
    const list = await bystander.create(1, "list", ["untouched"]);
    const sessions = await fuzz(server, new Random(seed), 2500);
    const { value } = await bystander.call({ id: 2, ...bystander.on(list, "list", "at", 0) });
    assert.equal(value, "untouched");
    assert.ok(sessions > 100, `${sessions} sessions were needed`);
    await eventually("the others are over", () => server.sessions.size === 1);
    assert.deepEqual(inherited(), before);
    assert.equal(server.draining, undefined);
    await server.close(new Error("the test is over"));
    clearInterval(awake);
  });
}

test("random bytes before and instead of a handshake open no session", async () => {
  const server = new Server();
  const awake = setInterval(() => {}, 1000);
  const random = new Random(4);
  const closed: Promise<unknown>[] = [];
  for (let i = 0; i < 2000; i++) {
    const peer = new Peer(server);
    const bytes = random.bytes(1 + random.below(200));
    if (i % 2 === 0) bytes.set([random.below(250), 0, 0, 0].slice(0, bytes.length));
    peer.sendBytes(bytes);
    await peer.hello();
    peer.destroy();
    closed.push(peer.closed);
  }
  await Promise.all(closed);
  assert.equal(server.sessions.size, 0);
  const peer = await Peer.open(server, authkey);
  assert.equal((await peer.server(1, "numberOfObjects")).value, 0);
  peer.send((frame) => writeJson(frame, Kind.Hello, {}));
  await peer.closed;
  await server.close(new Error("the test is over"));
  clearInterval(awake);
});

test("leaves nothing behind", assertClean);
