/**
 * What the library is compared with: a bare socket and a rival for a lock always; redis and Python's
 * manager where they are installed. Each runs in a process of its own, over a Unix socket.
 *
 * Above: main.ts, pool/peers.ts. Below: measure.ts, echo_server.ts, rival.ts.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createRequire } from "node:module";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { exportProxy, type Manager } from "../mod.ts";
import { currentRuntime, runtimeCommand } from "../tests/support/runtimes.ts";
import type { Contender } from "./measure.ts";

/** Contenders, and how to end what they need. */
export interface Peer {
  readonly contenders: readonly Contender[];
  close(): void;
}

/** One way of using the bare socket: `count` times, `inBytes` go out and `outBytes` come back. */
export interface EchoUse {
  readonly name: string;
  readonly count: number;
  readonly inBytes: number;
  readonly outBytes: number;
}

/** A bare `node:net` server in this runtime, and one connection for each use. */
export async function startEcho(directory: string, uses: readonly EchoUse[]): Promise<Peer> {
  const path = `${directory}/echo`;
  const { command, args } = runtimeCommand(
    currentRuntime,
    new URL("./echo_server.ts", import.meta.url),
    [path, ...uses.map(({ inBytes, outBytes }) => `${inBytes}:${outBytes}`)],
  );
  // A session of its own, as a manager's server has: systems schedule by session.
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
  await once(child.stdout, "data");
  const sockets = await Promise.all(uses.map((_, index) => open(`${path}.${index}`)));
  const contenders = uses.map((use, index) => echo(use, sockets[index]!));
  return {
    contenders,
    close() {
      for (const socket of sockets) socket.destroy();
      child.stdin.end();
    },
  };
}

async function open(path: string): Promise<Socket> {
  const socket = connect(path);
  await once(socket, "connect");
  return socket;
}

/** One round trip after the other, without promises: as fast as it gets. */
function echo({ name, count, inBytes, outBytes }: EchoUse, socket: Socket): Contender {
  const request = new Uint8Array(inBytes);
  const run = () =>
    new Promise<void>((resolve) => {
      let arrived = 0;
      let done = 0;
      const receive = (chunk: Uint8Array) => {
        arrived += chunk.length;
        if (arrived < outBytes) return;
        arrived = 0;
        if (++done < count) return void socket.write(request);
        socket.off("data", receive);
        resolve();
      };
      socket.on("data", receive);
      socket.write(request);
    });
  return { name, count, run };
}

/** `ioredis` against `redis-server`, pipelined; undefined if one of them is not installed. */
export async function startRedis(directory: string, count: number): Promise<Peer | undefined> {
  const path = `${directory}/redis`;
  const options = ["--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no"];
  const server = await started(
    "redis-server",
    [...options, "--dir", directory],
    /ready to accept/i,
  );
  if (!server) return undefined;
  // deno-lint-ignore no-explicit-any -- without its types: it may not be installed
  let redis: any;
  try {
    const { Redis } = createRequire(import.meta.url)("../tools/node_modules/ioredis");
    redis = new Redis({ path });
  } catch {
    server.kill();
    return undefined;
  }
  const together = (name: string, command: () => Promise<unknown>): Contender => ({
    name,
    count,
    run: async () => void await Promise.all(Array.from({ length: count }, command)),
  });
  return {
    contenders: [
      together("ioredis INCR together", () => redis.incr("n")),
      together("ioredis HSET together", () => redis.hset("hash", "key", 1)),
    ],
    close() {
      redis.disconnect();
      server.kill();
    },
  };
}

const pythonProgram = `
import multiprocessing, sys, time
if __name__ == "__main__":
    shared = multiprocessing.Manager().dict()
    print("ready", flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)): shared["key"] = 1
        print((time.perf_counter() - start) * 1000, flush=True)
`;

/** Python's `multiprocessing.Manager().dict()`; undefined without `python3`. */
export async function startPython(count: number): Promise<Peer | undefined> {
  const child = await started("python3", ["-c", pythonProgram], /ready/);
  if (!child) return undefined;
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  const run = async () => {
    child.stdin!.write(`${count}\n`);
    return Number((await lines.next()).value);
  };
  return {
    contenders: [{ name: "Python DictProxy set", count, run }],
    close: () => child.stdin!.end(),
  };
}

/**
 * Another process of this library, to hand locks over: each waits for a lock that the other has. A
 * round trip is two handovers: this process releases its lock, the rival has it and releases its own.
 */
export async function startRival(manager: Manager, count: number): Promise<Peer> {
  const [ours, theirs] = [await manager.lock(), await manager.lock()];
  const tickets = [await exportProxy(ours), await exportProxy(theirs)];
  const script = new URL("./rival.ts", import.meta.url);
  const { command, args } = runtimeCommand(currentRuntime, script, tickets);
  const env = { ...process.env, ...manager.env };
  const child = spawn(command, args, { env, stdio: ["pipe", "pipe", "inherit"], detached: true });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const swap = async () => {
    let release!: () => void;
    const released = new Promise<void>((resolve) => release = resolve);
    const held = new Promise<void>((resolve) => {
      ours.withLock(() => {
        resolve();
        return released;
      });
    });
    await held;
    child.stdin.write("go\n");
    await lines.next(); // it has its lock, and waits for ours
    const acquiring = theirs.acquire();
    await manager.numberOfObjects(); // the server knows that we wait
    const start = performance.now();
    release();
    const won = await acquiring;
    const time = performance.now() - start;
    await won.release();
    await lines.next(); // it has released ours
    return time / 2;
  };
  const run = async () => {
    let time = 0;
    for (let i = 0; i < count; i++) time += await swap();
    return time;
  };
  return { contenders: [{ name: "lock handover", count, run }], close: () => child.stdin.end() };
}

/** Starts a program and waits until its stdout says that it is ready; undefined if it cannot or does not. */
export function started(
  command: string,
  args: string[],
  ready: RegExp,
): Promise<ChildProcess | undefined> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"], detached: true });
  return new Promise((resolve) => {
    child.on("error", () => resolve(undefined));
    child.on("exit", () => resolve(undefined));
    const look = (chunk: Uint8Array) => {
      if (!ready.test(String(chunk))) return;
      child.stdout.off("data", look);
      resolve(child);
    };
    child.stdout.on("data", look);
  });
}
