/**
 * The benchmark: what a call costs beside a bare socket, and beside others who do the same, in one
 * run. `deno task bench`, or `deno run -A`, `bun`, `node` of this file; `--json` prints numbers only,
 * `--rounds=<n>` sets how many there are.
 *
 * Above: nothing. Below: the library, peers.ts, measure.ts, pinned.ts.
 *
 * @module
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { type DictProxy, type LockProxy, Manager } from "../mod.ts";
import { currentRuntime } from "../tests/support/runtimes.ts";
import { argument, type Contender, measure, ratio, type Times, undisturbed } from "./measure.ts";
import { runPinned } from "./pinned.ts";
import { type Peer, startEcho, startPython, startRedis, startRival } from "./peers.ts";

const warmUps = 10;
const sequential = 500;
const together = 1_000;
const bulk = 8;
const bulkBytes = 1024 * 1024;
/** What `dict.set("key", 1)` puts into the socket and gets out of it, once call ids have three bytes. */
const callBytes = 18;
const replyBytes = 10;

/** A ratio of two measured times, and how large it may be. */
interface Goal {
  readonly name: string;
  readonly above: string;
  readonly below: string;
  readonly atMost: number;
}

const goals: readonly Goal[] = [
  { name: "sequential set / echo", above: "dict.set", below: "echo", atMost: 1.6 },
  // 250 000 calls a second where the echo makes 40 000 round trips.
  { name: "one of 1 000 sets / echo", above: "dict.set together", below: "echo", atMost: 40 / 250 },
  { name: "1 MiB put / bare", above: "put 1 MiB", below: "bare put", atMost: 1 / 0.8 },
  { name: "1 MiB get / bare", above: "get 1 MiB", below: "bare get", atMost: 1 / 0.8 },
  {
    name: "together / ioredis HSET",
    above: "dict.set together",
    below: "ioredis HSET together",
    atMost: 1 / 3,
  },
  { name: "lock handover / set", above: "lock handover", below: "dict.set", atMost: 1.5 },
  // Two round trips, and what the release costs the processor, for which nobody waits.
  { name: "withLock and set / set", above: "withLock and set", below: "dict.set", atMost: 2.5 },
  { name: "sequential / Python", above: "dict.set", below: "Python DictProxy set", atMost: 1 },
];

function repeat(name: string, count: number, call: () => Promise<unknown>): Contender {
  return {
    name,
    count,
    async run() {
      for (let i = 0; i < count; i++) await call();
    },
  };
}

function smallCalls(dict: DictProxy<string, unknown>, lock: LockProxy): Contender[] {
  const set = () => dict.set("key", 1);
  return [
    repeat("dict.set", sequential, set),
    repeat("withLock and set", sequential, () => lock.withLock(set)),
    {
      name: "dict.set together",
      count: together,
      run: async () => void await Promise.all(Array.from({ length: together }, set)),
    },
  ];
}

function bulkCalls(dict: DictProxy<string, unknown>): Contender[] {
  const blob = new Uint8Array(bulkBytes).fill(7);
  return [
    repeat("put 1 MiB", bulk, () => dict.set("blob", blob)),
    repeat("get 1 MiB", bulk, () => dict.get("blob")),
  ];
}

/** Bulk is measured by itself: its garbage would slow down whoever comes next. */
async function run(rounds: number): Promise<Times> {
  const directory = await mkdtemp(`${tmpdir()}/bench-`);
  const peers: Peer[] = [];
  const manager = await Manager.start();
  try {
    const dict = await manager.dict<string, unknown>();
    const lock = await manager.lock();
    const bare = await startEcho(directory, [
      { name: "echo", count: sequential, inBytes: callBytes, outBytes: replyBytes },
      { name: "bare put", count: bulk, inBytes: bulkBytes, outBytes: replyBytes },
      { name: "bare get", count: bulk, inBytes: callBytes, outBytes: bulkBytes },
    ]);
    peers.push(bare);
    const rival = await startRival(manager, sequential / 5);
    const optional = [await startRedis(directory, together), await startPython(sequential)];
    for (const peer of [rival, ...optional]) {
      if (peer) peers.push(peer);
    }
    const [echo, ...bareBulk] = bare.contenders;
    const others = peers.slice(1).flatMap((peer) => peer.contenders);
    return new Map([
      ...await measure([echo!, ...smallCalls(dict, lock), ...others], rounds, warmUps),
      ...await measure([...bareBulk, ...bulkCalls(dict)], Math.ceil(rounds / 3), warmUps),
    ]);
  } finally {
    for (const peer of peers) peer.close();
    await manager.shutdown();
    await rm(directory, { recursive: true });
  }
}

function print(times: Times): void {
  console.log(`${currentRuntime}\n`);
  for (const [name, each] of times) {
    const time = undisturbed(each);
    const rate = / (put|get)$|^(put|get) /.test(name)
      ? `${Math.round(bulkBytes / time)} MB/s`
      : `${Math.round(1e6 / time)} a second`;
    console.log(`${name.padEnd(24)}${time.toFixed(2).padStart(10)} µs${rate.padStart(20)}`);
  }
  console.log();
  for (const { name, above, below, atMost } of goals) {
    const found = ratio(times, above, below);
    if (found === undefined) {
      console.log(`${name.padEnd(28)}not measured: a peer is not installed`);
      continue;
    }
    const verdict = found <= atMost ? "reached" : "missed";
    console.log(
      `${name.padEnd(28)}${found.toFixed(3).padStart(7)}, aim ${atMost.toFixed(3)}: ${verdict}`,
    );
  }
}

async function main(): Promise<void> {
  const times = await run(Number(argument("rounds") ?? 40));
  if (!process.argv.includes("--json")) return print(times);
  const microseconds = Object.fromEntries(
    [...times].map(([name, each]) => [name, undisturbed(each)]),
  );
  const ratios = Object.fromEntries(
    goals.map(({ name, above, below }) => [name, ratio(times, above, below)]),
  );
  console.log(JSON.stringify({ runtime: currentRuntime, microseconds, ratios }));
}

const status = runPinned();
if (status === undefined) await main();
else process.exitCode = status;
