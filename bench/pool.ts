/**
 * The benchmark of pools: `map` of 20 000 trivial tasks on two workers that are warm, beside other
 * pools in one run, with the same chunks for all. `deno run -A`, `bun`, `node` of this file;
 * `--rounds=<n>` sets how many there are.
 *
 * Above: nothing. Below: the library, measure.ts, pool/peers.ts.
 *
 * @module
 */

import process from "node:process";
import { Pool } from "../lib/process.ts";
import { currentRuntime } from "../tests/support/runtimes.ts";
import {
  argument,
  type Contender,
  measure,
  median,
  ratio,
  type Times,
  undisturbed,
} from "./measure.ts";
import { type PeerPool, startPeers } from "./pool/peers.ts";
import { tasks } from "./pool/tasks.ts";

const count = 20_000;
const workers = 2;
/** Until the code of all of them is compiled. */
const warmUps = 100;
const ours = "this library";

/** Pools side by side: all of a kind, with chunks of one size. */
interface Heat {
  readonly title: string;
  readonly kind: PeerPool["kind"];
  readonly chunkSize: number | undefined;
}

/** 2 500 is what Python takes by itself for so many items and workers. */
const heats: readonly Heat[] = [
  { title: "processes, chunks of 2 500", kind: "processes", chunkSize: 2_500 },
  { title: "processes, chunks of 500", kind: "processes", chunkSize: 500 },
  { title: "processes, chunks as each likes", kind: "processes", chunkSize: undefined },
  { title: "processes, one by one", kind: "processes", chunkSize: 1 },
  { title: "threads, chunks of 2 500", kind: "threads", chunkSize: 2_500 },
  { title: "threads, chunks of 500", kind: "threads", chunkSize: 500 },
  { title: "threads, one by one", kind: "threads", chunkSize: 1 },
];

async function main(): Promise<void> {
  const rounds = Number(argument("rounds") ?? 20);
  console.log(`${currentRuntime} ${process.version}: map of ${count} tasks on ${workers} workers`);
  const others = await startPeers(workers, count, (why) => console.log(`not measured: ${why}`));
  const pools = [ourPool("processes"), ourPool("threads"), ...others];
  try {
    for (const heat of heats) {
      const contenders = pools.filter((pool) => takesPart(pool, heat)).map((pool) =>
        contender(pool, heat)
      );
      // One by one takes a hundred times as long.
      const share = heat.chunkSize === 1 ? 1 / 10 : 1;
      print(heat, await measure(contenders, Math.ceil(rounds * share), warmUps * share));
    }
  } finally {
    for (const pool of pools) await pool.close();
  }
}

function takesPart({ kind, chunks }: PeerPool, heat: Heat): boolean {
  return kind === heat.kind && (chunks || heat.chunkSize !== undefined);
}

function contender({ name, map }: PeerPool, { chunkSize }: Heat): Contender {
  return { name, count: 1, run: () => map(chunkSize) };
}

function ourPool(kind: PeerPool["kind"]): PeerPool {
  const pool = new Pool(workers, { threads: kind === "threads" });
  const numbers = Array.from({ length: count }, (_, x) => x);
  return {
    name: ours,
    kind,
    chunks: true,
    async map(chunkSize) {
      const start = performance.now();
      const results = await pool.map(tasks.square, numbers, { chunkSize });
      if (results.length !== count) throw new Error("our pool lost results");
      return performance.now() - start;
    },
    close: () => pool.terminate(),
  };
}

function print({ title }: Heat, times: Times): void {
  console.log(`\n${title.padEnd(34)}     best    median   beside ${ours}`);
  for (const [name, each] of times) {
    const [best, middle] = [undisturbed, median].map((of) => (of(each) / 1000).toFixed(1));
    const beside = ratio(times, name, ours)!.toFixed(2);
    console.log(
      `${name.padEnd(32)}${best!.padStart(8)} ms${middle!.padStart(7)} ms${beside.padStart(10)}`,
    );
  }
}

await main();
