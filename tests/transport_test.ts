/** Tests of `lib/wire/transport.ts`: one suite over every kind of transport, then each kind's own. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import test from "node:test";
import { ConnectionClosedError } from "../lib/errors.ts";
import { connect, listen, memoryPair, newSocketPath } from "../lib/wire/transport.ts";
import { formatAddress, maxSocketPathBytes, parseAddress } from "../lib/wire/address.ts";
import type { ConnectOptions, Transport } from "../lib/wire/transport.ts";
import { beBusy } from "./support/events.ts";

const certificates = new URL("./fixtures/tls/", import.meta.url);
const pem = (name: string) => readFileSync(new URL(name, certificates), "utf8");
const serverTls = { cert: pem("server.crt"), key: pem("server.key") };
const clientTls = { ca: pem("ca.crt") };

const mebibyte = 1024 * 1024;

/** Counts what a transport delivers and checks that it is the sequence of {@linkcode pattern}. */
class Probe {
  readonly transport: Transport;
  readonly closed: Promise<Error | undefined>;
  received = 0;
  closes = 0;
  #waiters: { bytes: number; resolve: () => void }[] = [];
  #drains: (() => void)[] = [];

  constructor(transport: Transport) {
    this.transport = transport;
    this.closed = new Promise((resolve) => {
      transport.start({
        data: (chunk) => this.#data(chunk),
        drain: () => this.#drains.splice(0).forEach((resolve) => resolve()),
        close: (error) => {
          this.closes++;
          this.#drains.splice(0).forEach((resolve) => resolve());
          resolve(error);
        },
      });
    });
  }

  /** Resolves when this many bytes have arrived. */
  has(bytes: number): Promise<void> {
    if (this.received >= bytes) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ bytes, resolve }));
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#drains.push(resolve));
  }

  #data(chunk: Uint8Array): void {
    const expected = pattern(this.received, chunk.length);
    if (Buffer.compare(chunk, expected) !== 0) assert.fail(`wrong bytes after ${this.received}`);
    this.received += chunk.length;
    this.#waiters = this.#waiters.filter(({ bytes, resolve }) => {
      if (this.received < bytes) return true;
      resolve();
      return false;
    });
  }
}

const period = 251;
const sequence = new Uint8Array(16 * mebibyte + period);
for (let i = 0; i < sequence.length; i++) sequence[i] = i % period;

/** `length` bytes of the sequence 0 ... 250, 0 ... from `start` on; not to be written into. */
function pattern(start: number, length: number): Uint8Array {
  return sequence.subarray(start % period, start % period + length);
}

async function sendAll(probe: Probe, total: number, frameBytes: number): Promise<void> {
  for (let sent = 0; sent < total; sent += frameBytes) {
    const room = probe.transport.write(pattern(sent, Math.min(frameBytes, total - sent)));
    if (!room) await probe.drained();
  }
}

interface Pair {
  left: Transport;
  right: Transport;
  close(): Promise<void>;
}

type MakePair = () => Promise<Pair>;

/** Gives a test two connected transports and closes them at its end. */
async function withPair(
  make: MakePair,
  run: (left: Probe, right: Probe) => Promise<void>,
): Promise<void> {
  const pair = await make();
  const left = new Probe(pair.left);
  const right = new Probe(pair.right);
  try {
    await run(left, right);
  } finally {
    pair.left.destroy();
    pair.right.destroy();
    await Promise.all([left.closed, right.closed, pair.close()]);
  }
  assert.deepEqual([left.closes, right.closes], [1, 1]);
}

function suite(kind: string, make: MakePair): void {
  test(`${kind}: bytes arrive in order, whatever they are cut into`, async () => {
    await withPair(make, async (left, right) => {
      let sent = 0;
      for (const length of [1, 2, 0, 1000, 70_000, 300_000, 3, 1_500_000, 10]) {
        left.transport.write(pattern(sent, length));
        sent += length;
      }
      await right.has(sent);
      assert.equal(right.received, sent);
    });
  });

  test(`${kind}: write() never delivers before it has returned`, async () => {
    await withPair(make, async (left, right) => {
      left.transport.write(pattern(0, 10));
      assert.equal(right.received, 0);
      await right.has(10);
    });
  });

  test(`${kind}: nothing is lost before start()`, async () => {
    const pair = await make();
    const left = new Probe(pair.left);
    pair.left.write(pattern(0, 200_000));
    await new Promise((resolve) => setImmediate(resolve));
    const right = new Probe(pair.right);
    await right.has(200_000);
    pair.left.destroy();
    await Promise.all([left.closed, right.closed, pair.close()]);
  });

  test(`${kind}: 32 MiB each way at once, in frames of 1 MiB and of 3 KiB`, async () => {
    await withPair(make, async (left, right) => {
      const total = 32 * mebibyte;
      await Promise.all([
        sendAll(left, total, mebibyte),
        sendAll(right, total, 3_000),
        left.has(total),
        right.has(total),
      ]);
    });
  });

  test(`${kind}: write() gives false while a reader is paused, and drain comes afterwards`, async () => {
    await withPair(make, async (left, right) => {
      right.transport.pause();
      left.transport.write(pattern(0, 8 * mebibyte));
      assert.equal(left.transport.write(pattern(8 * mebibyte, 1)), false);
      const drained = left.drained();
      right.transport.resume();
      await drained;
      await right.has(8 * mebibyte + 1);
    });
  });

  test(`${kind}: a paused reader gets nothing`, async () => {
    await withPair(make, async (left, right) => {
      left.transport.write(pattern(0, 100));
      await right.has(100);
      right.transport.pause();
      left.transport.write(pattern(100, 2 * mebibyte));
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
      assert.equal(right.received, 100);
      right.transport.resume();
      await right.has(100 + 2 * mebibyte);
    });
  });

  test(`${kind}: bufferedBytes and acceptedBytes show how far a slow reader is`, async () => {
    await withPair(make, async (left, right) => {
      const total = 16 * mebibyte;
      right.transport.pause();
      left.transport.write(pattern(0, total));
      const { bufferedBytes, acceptedBytes } = left.transport;
      assert.equal(bufferedBytes + acceptedBytes, total);
      assert.ok(bufferedBytes > 8 * mebibyte);
      const seen = new Set<number>();
      right.transport.resume();
      for (let step = 1; step <= 16; step++) {
        await right.has(step * mebibyte);
        seen.add(left.transport.acceptedBytes);
      }
      assert.ok(seen.size > 2, `progress was seen ${seen.size} times`);
      while (left.transport.bufferedBytes > 0) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal(left.transport.acceptedBytes, total);
    });
  });

  test(`${kind}: end() sends what was written, then both sides close without an error`, async () => {
    await withPair(make, async (left, right) => {
      left.transport.write(pattern(0, 4 * mebibyte));
      left.transport.write(pattern(4 * mebibyte, 5));
      left.transport.end();
      left.transport.write(pattern(0, 5));
      assert.equal(await right.closed, undefined);
      assert.equal(await left.closed, undefined);
      assert.equal(right.received, 4 * mebibyte + 5);
    });
  });

  test(`${kind}: end() resolves when the peer has read all, or the pipe is closed`, async () => {
    await withPair(make, async (left, right) => {
      right.transport.pause();
      left.transport.write(pattern(0, 8 * mebibyte));
      let sent = false;
      const ended = left.transport.end().then(() => sent = true);
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(sent, false);
      right.transport.resume();
      await ended;
      assert.equal(left.transport.bufferedBytes, 0);
      assert.equal(right.received, 8 * mebibyte);
      await right.closed;
      await left.transport.end();
    });
    await withPair(make, async (left, right) => {
      right.transport.pause();
      left.transport.write(pattern(0, 8 * mebibyte));
      const ended = left.transport.end();
      left.transport.destroy();
      await ended;
      right.transport.resume();
      await right.closed;
    });
  });

  test(`${kind}: after end() nothing is delivered and a paused end still closes`, async () => {
    await withPair(make, async (left, right) => {
      left.transport.pause();
      right.transport.write(pattern(0, 2 * mebibyte));
      left.transport.end();
      await right.closed; // perhaps with an error: it was still writing
      assert.equal(await left.closed, undefined);
      assert.equal(left.received, 0);
    });
  });

  test(`${kind}: destroy() closes at once and reports its error on its own side only`, async () => {
    await withPair(make, async (left, right) => {
      const error = new Error("enough");
      left.transport.destroy(error);
      left.transport.destroy(new Error("again"));
      left.transport.end();
      assert.equal(await left.closed, error);
      const other = await right.closed;
      assert.notEqual(other, error);
    });
  });

  test(`${kind}: destroy() after end() closes although the peer never reads`, async () => {
    await withPair(make, async (left, right) => {
      right.transport.pause();
      left.transport.write(pattern(0, 8 * mebibyte));
      left.transport.end();
      left.transport.destroy();
      assert.equal(await left.closed, undefined);
      right.transport.resume();
      await right.closed;
    });
  });

  test(`${kind}: a close before start() is reported after it`, async () => {
    const pair = await make();
    const left = new Probe(pair.left);
    pair.right.destroy();
    await left.closed;
    const right = new Probe(pair.right);
    assert.equal(right.closes, 0);
    await right.closed;
    await pair.close();
  });

  test(`${kind}: ref() and unref() may come in any order and number`, async () => {
    await withPair(make, async (left, right) => {
      left.transport.unref();
      left.transport.unref();
      left.transport.ref();
      left.transport.ref();
      left.transport.write(pattern(0, 3));
      await right.has(3);
    });
  });
}

function socketPair(
  address: string | undefined,
  tls?: { server: typeof serverTls; client: ConnectOptions["tls"] },
): MakePair {
  return async () => {
    let accepted: (transport: Transport) => void = () => {};
    const right = new Promise<Transport>((resolve) => accepted = resolve);
    const listener = await listen(address, { ...tls && { tls: tls.server }, accept: accepted });
    const left = await connect(listener.address, {
      ...tls && { tls: tls.client },
      timeout: 10_000,
    });
    return { left, right: await right, close: () => listener.close() };
  };
}

suite("memory", () => {
  const [left, right] = memoryPair();
  return Promise.resolve({ left, right, close: () => Promise.resolve() });
});
suite("unix", socketPair(undefined));
suite("tcp", socketPair("tcp://127.0.0.1:0"));
suite("tls", socketPair("tls://127.0.0.1:0", { server: serverTls, client: clientTls }));

// Addresses

test("parseAddress() takes each form apart", () => {
  assert.deepEqual(parseAddress("unix:/tmp/s"), { kind: "unix", path: "/tmp/s" });
  assert.deepEqual(parseAddress("tcp://[::1]:80"), { kind: "tcp", host: "::1", port: 80 });
  assert.deepEqual(parseAddress("tls://a.b:0"), { kind: "tls", host: "a.b", port: 0 });
  assert.deepEqual(parseAddress("memory:7"), { kind: "memory", name: "7" });
  assert.equal(formatAddress("tcp", "::1", 80), "tcp://[::1]:80");
});

const badAddresses: [address: string, text: RegExp][] = [
  ["", /"" is not of the form "unix:\/path"/],
  ["/tmp/s", /"\/tmp\/s" is not of the form/],
  ["http://a:1", /is not of the form/],
  ["unix:", /must be absolute/],
  ["unix:s", /"unix:s" must be absolute/],
  ["unix:/tmp/", /must name a file/],
  ["unix:\0abstract", /"unix:\\u0000abstract" has a NUL: abstract sockets have no permissions/],
  ["unix:/a\0b", /has a NUL/],
  ["tcp://a", /"tcp:\/\/host:port"/],
  ["tcp://a:65536", /port 0 to 65535/],
  ["tls://::1:80", /"tls:\/\/\[::1\]:port"/],
  ["memory:", /needs a name/],
];

for (const [address, text] of badAddresses) {
  test(`parseAddress() refuses ${JSON.stringify(address)}`, () => {
    assert.throws(() => parseAddress(address), (error) => {
      assert.ok(error instanceof TypeError);
      assert.match(error.message, text);
      return true;
    });
  });
}

test("parseAddress() counts the bytes of a path, not its characters", () => {
  const fits = "/" + "é".repeat((maxSocketPathBytes - 1) / 2);
  assert.equal(parseAddress(`unix:${fits}`).kind, "unix");
  assert.throws(() => parseAddress(`unix:${fits}x`), (error) => {
    assert.ok(error instanceof RangeError);
    assert.ok(error.message.includes(`${fits}x`));
    assert.ok(error.message.includes(String(maxSocketPathBytes)));
    return true;
  });
});

// Unix sockets

/** Gives a test a path for a socket in a directory that is gone afterwards. */
async function withPath(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  try {
    await run(join(directory, "s"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const echo = {
  accept(transport: Transport): void {
    const data = (chunk: Uint8Array) => void transport.write(chunk);
    transport.start({ data, drain() {}, close() {} });
  },
};

async function assertEchoes(address: string, tls?: ConnectOptions["tls"]): Promise<void> {
  const probe = new Probe(await connect(address, { timeout: 10_000, ...tls && { tls } }));
  probe.transport.write(pattern(0, 100));
  await probe.has(100);
  probe.transport.destroy();
  await probe.closed;
}

test("listen() without an address makes a directory of mode 0700, and close() removes it", async () => {
  const listener = await listen(undefined, echo);
  const target = parseAddress(listener.address);
  assert.ok(target.kind === "unix");
  const directory = dirname(target.path);
  assert.equal(lstatSync(directory).mode & 0o777, 0o700);
  await assertEchoes(listener.address);
  await listener.close();
  await listener.close();
  assert.equal(existsSync(directory), false);
});

test("listen() makes the directory of a path that was chosen elsewhere", async () => {
  const path = newSocketPath();
  const listener = await listen(`unix:${path}`, { ...echo, makeDirectory: true });
  await assertEchoes(listener.address);
  await listener.close();
  assert.equal(existsSync(dirname(path)), false);
});

test("listen() refuses to use a directory that others may enter", async () => {
  await withPath(async (path) => {
    const { chmodSync } = await import("node:fs");
    chmodSync(dirname(path), 0o755);
    await assert.rejects(
      listen(`unix:${path}`, { ...echo, makeDirectory: true }),
      /has mode 755, not 700/,
    );
  });
});

test("listen() refuses a symbolic link in place of the directory", async () => {
  await withPath(async (path) => {
    const { symlinkSync } = await import("node:fs");
    const link = `${path}.link`;
    symlinkSync(dirname(path), link);
    await assert.rejects(
      listen(`unix:${link}/s`, { ...echo, makeDirectory: true }),
      /is not a directory/,
    );
  });
});

test("newSocketPath() fits wherever the temporary directory is", () => {
  const { TMPDIR } = process.env;
  try {
    for (const directory of [TMPDIR ?? "/tmp", `/tmp/${"x".repeat(200)}`, "/tmp/a,b"]) {
      process.env["TMPDIR"] = directory;
      const path = newSocketPath();
      assert.ok(new TextEncoder().encode(path).length <= maxSocketPathBytes);
      assert.ok(!path.includes(","), "which no permission of Deno can name");
    }
  } finally {
    if (TMPDIR === undefined) delete process.env["TMPDIR"];
    else process.env["TMPDIR"] = TMPDIR;
  }
});

test("listen() makes a directory of mode 0700 under any umask", async () => {
  const before = process.umask(0o177);
  const path = newSocketPath();
  try {
    const listener = await listen(`unix:${path}`, { ...echo, makeDirectory: true });
    assert.equal(lstatSync(dirname(path)).mode & 0o777, 0o700);
    await listener.close();
  } finally {
    process.umask(before);
  }
});

test("listen() at a path leaves the directory alone and removes the socket", async () => {
  await withPath(async (path) => {
    const listener = await listen(`unix:${path}`, echo);
    assert.equal(listener.address, `unix:${path}`);
    await assertEchoes(listener.address);
    await listener.close();
    assert.equal(existsSync(path), false);
    assert.equal(existsSync(dirname(path)), true);
  });
});

test("close() of a listener leaves its connections open", async () => {
  await withPath(async (path) => {
    const listener = await listen(`unix:${path}`, echo);
    const probe = new Probe(await connect(listener.address, { timeout: 10_000 }));
    probe.transport.write(pattern(0, 10));
    await probe.has(10);
    await listener.close();
    probe.transport.write(pattern(10, 10));
    await probe.has(20);
    probe.transport.destroy();
    await probe.closed;
  });
});

/** Leaves a socket file behind that nobody listens on, as a killed server does. */
async function leaveStaleSocket(path: string): Promise<void> {
  const { renameSync } = await import("node:fs");
  const server: Server = createServer();
  await new Promise<void>((resolve) => server.listen({ path }, resolve));
  // Closing unlinks the path; under another name the file survives.
  renameSync(path, `${path}.kept`);
  await new Promise((resolve) => server.close(resolve));
  renameSync(`${path}.kept`, path);
}

test("listen() replaces a socket file that nobody listens on", async () => {
  await withPath(async (path) => {
    await leaveStaleSocket(path);
    const listener = await listen(`unix:${path}`, echo);
    await assertEchoes(listener.address);
    await listener.close();
    assert.equal(existsSync(path), false);
  });
});

test("listen() refuses a socket on which somebody listens, and leaves it working", async () => {
  await withPath(async (path) => {
    const first = await listen(`unix:${path}`, echo);
    await assert.rejects(listen(`unix:${path}`, echo), /address in use, a server listens there/);
    await assertEchoes(first.address);
    await first.close();
  });
});

test("listen() refuses a file that is not a socket, and leaves it alone", async () => {
  await withPath(async (path) => {
    writeFileSync(path, "precious");
    await assert.rejects(listen(`unix:${path}`, echo), /exists and is not a socket/);
    assert.equal(readFileSync(path, "utf8"), "precious");
  });
});

test("close() leaves a file alone that has taken the place of the socket", async () => {
  await withPath(async (path) => {
    const listener = await listen(`unix:${path}`, echo);
    rmSync(path);
    writeFileSync(path, "precious");
    await listener.close();
    assert.equal(readFileSync(path, "utf8"), "precious");
  });
});

test("close() does not mind that the socket file is gone", async () => {
  await withPath(async (path) => {
    const listener = await listen(`unix:${path}`, echo);
    rmSync(path);
    await listener.close();
  });
});

// Connecting

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
  assert.fail("it did not reject");
}

test("connect() to an absent socket fails at once", async () => {
  await withPath(async (path) => {
    const error = await rejection(connect(`unix:${path}`, { timeout: 60_000 }));
    assert.ok(error instanceof ConnectionClosedError);
    assert.ok(error.message.startsWith(`Cannot connect to "unix:${path}": `));
    assert.equal((error.cause as { code?: string }).code, "ENOENT");
  });
});

test("connect() to a refusing socket gives up after its timeout, with the cause", async () => {
  await withPath(async (path) => {
    await leaveStaleSocket(path);
    const error = await rejection(connect(`unix:${path}`, { timeout: 50 }));
    assert.ok(error instanceof ConnectionClosedError);
    assert.equal((error.cause as { code?: string }).code, "ECONNREFUSED");
  });
});

test("connect() of a program that is busy tells what refused it, and nothing else", async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on("warning", warned);
  await withPath(async (path) => {
    await leaveStaleSocket(path);
    const failed = rejection(connect(`unix:${path}`, { timeout: 50 }));
    setTimeout(() => beBusy(100), 2); // while it waits for the next try
    assert.equal(((await failed).cause as { code?: string }).code, "ECONNREFUSED");
  });
  process.off("warning", warned);
  assert.deepEqual(warnings, []);
});

test("connect() waits for a server that is about to listen", async () => {
  await withPath(async (path) => {
    await leaveStaleSocket(path);
    const connected = connect(`unix:${path}`, { timeout: 10_000 });
    const listener = await listen(`unix:${path}`, echo);
    (await connected).destroy();
    await listener.close();
  });
});

test("connect() stops with the signal's reason", async () => {
  await withPath(async (path) => {
    await leaveStaleSocket(path);
    const reason = new Error("no more");
    const controller = new AbortController();
    const connected = connect(`unix:${path}`, { timeout: 60_000, signal: controller.signal });
    controller.abort(reason);
    assert.equal(await rejection(connected), reason);
  });
});

test("connect() gives up on a peer that never answers its handshake", async () => {
  const silent = await listen("tcp://127.0.0.1:0", {
    accept: (transport) => transport.start({ data() {}, drain() {}, close() {} }),
  });
  const address = silent.address.replace("tcp:", "tls:");
  const error = await rejection(connect(address, { timeout: 100, tls: clientTls }));
  assert.ok(error instanceof ConnectionClosedError);
  assert.match(error.message, /timed out/);
  await silent.close();
});

test("a hundred connections at once are all accepted", async () => {
  const listener = await listen(undefined, echo);
  await Promise.all(Array.from({ length: 100 }, () => assertEchoes(listener.address)));
  await listener.close();
});

// TCP and TLS

test("a listener on TCP port 0 tells its real port, and the port is free again after close()", async () => {
  const first = await listen("tcp://127.0.0.1:0", echo);
  assert.doesNotMatch(first.address, /:0$/);
  const probe = new Probe(await connect(first.address, { timeout: 10_000 }));
  await first.close();
  probe.transport.destroy();
  await probe.closed;
  const second = await listen(first.address, echo);
  assert.equal(second.address, first.address);
  await assertEchoes(second.address);
  await second.close();
});

test("listen() works on IPv6", async (context) => {
  const listener = await listen("tcp://[::1]:0", echo).catch(() => undefined);
  if (listener === undefined) return context.diagnostic("no IPv6 here");
  assert.match(listener.address, /^tcp:\/\/\[::1\]:\d+$/);
  await assertEchoes(listener.address);
  await listener.close();
});

test("TLS checks the certificate against servername", async () => {
  const listener = await listen("tls://127.0.0.1:0", { ...echo, tls: serverTls });
  await assertEchoes(listener.address, { ...clientTls, servername: "referent.test" });
  const wrong = { ...clientTls, servername: "other.test" };
  const error = await rejection(connect(listener.address, { timeout: 10_000, tls: wrong }));
  assert.ok(error instanceof ConnectionClosedError);
  await listener.close();
});

test("TLS refuses a certificate of an unknown authority", async () => {
  const listener = await listen("tls://127.0.0.1:0", { ...echo, tls: serverTls });
  const error = await rejection(connect(listener.address, { timeout: 10_000 }));
  assert.ok(error instanceof ConnectionClosedError);
  await listener.close();
});

test("TLS options need a tls: address", async () => {
  await assert.rejects(
    connect("tcp://127.0.0.1:1", { timeout: 1, tls: clientTls }),
    /The option tls needs an address "tls:\/\/host:port", not "tcp:\/\/127.0.0.1:1"/,
  );
});

test("listen() on tls: without a certificate says what is missing", async () => {
  await assert.rejects(listen("tls://127.0.0.1:0", echo), /needs the options tls.cert and tls.key/);
});

test("a memory: address has no socket", async () => {
  await assert.rejects(connect("memory:1", { timeout: 1 }), TypeError);
  await assert.rejects(listen("memory:1", echo), TypeError);
});
