/**
 * The pools that ours is compared with: Python's `multiprocessing.Pool`, and in Node `piscina`,
 * `tinypool` and `workerpool`. Each maps the same numbers in chunks of a given size.
 *
 * Above: bench/pool.ts. Below: chunk.ts, workerpool.ts, ../peers.ts.
 *
 * @module
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { currentRuntime } from "../../tests/support/runtimes.ts";
import { started } from "../peers.ts";

/** A pool that is warm. */
export interface PeerPool {
  readonly name: string;
  readonly kind: "processes" | "threads";
  /** Squares all numbers, in chunks of this size; undefined: as it likes. Gives milliseconds. */
  map(chunkSize: number | undefined): Promise<number>;
  /** Whether it has chunks of its own, and so a size that it likes. */
  readonly chunks: boolean;
  close(): unknown;
}

const squares = new URL("./chunk.ts", import.meta.url).href;
const require = createRequire(import.meta.url);

/** All peers that are there; `missing` is told of the others. */
export async function startPeers(
  workers: number,
  count: number,
  missing: (why: string) => void,
): Promise<PeerPool[]> {
  const python = await startPython(workers, count);
  if (!python) missing("Python's Pool: there is no python3");
  const peers = python ? [python] : [];
  if (currentRuntime !== "node") {
    missing("piscina, tinypool, workerpool: they are measured in Node");
    return peers;
  }
  try {
    return [...peers, ...await startLibraries(workers, count)];
  } catch (error) {
    missing(`piscina, tinypool, workerpool: ${(error as Error).message}`);
    return peers;
  }
}

const pythonProgram = `
import multiprocessing, sys, time
def square(x): return x * x
if __name__ == "__main__":
    workers, count = map(int, sys.argv[1:])
    numbers = list(range(count))
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        print("ready", flush=True)
        for line in sys.stdin:
            start = time.perf_counter()
            assert len(pool.map(square, numbers, int(line) or None)) == count
            print((time.perf_counter() - start) * 1000, flush=True)
`;

async function startPython(workers: number, count: number): Promise<PeerPool | undefined> {
  const args = ["-c", pythonProgram, String(workers), String(count)];
  const child = await started("python3", args, /ready/);
  if (!child) return undefined;
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  return {
    name: "Python",
    kind: "processes",
    chunks: true,
    async map(chunkSize = 0) {
      child.stdin!.write(`${chunkSize}\n`);
      return Number((await lines.next()).value);
    },
    close: () => child.stdin!.end(),
  };
}

async function startLibraries(workers: number, count: number): Promise<PeerPool[]> {
  const tinypoolUrl = new URL("../../tools/node_modules/tinypool/dist/index.js", import.meta.url);
  const { default: Tinypool } = await import(tinypoolUrl.href);
  const { Piscina } = require("../../tools/node_modules/piscina");
  const workerpool = require("../../tools/node_modules/workerpool");
  const size = { filename: squares, minThreads: workers, maxThreads: workers };
  const numbers = Array.from({ length: count }, (_, x) => x);
  const peer = (
    name: string,
    kind: PeerPool["kind"],
    run: (chunk: number[]) => Promise<number[]>,
    close: () => unknown,
  ): PeerPool => ({
    ...{ name, kind, close },
    chunks: false,
    async map(chunkSize = 1) {
      const start = performance.now();
      const results = await Promise.all(cut(numbers, chunkSize).map(run));
      if (results.flat().length !== count) throw new Error(`"${name}" lost results`);
      return performance.now() - start;
    },
  });
  const tinypool = (runtime: "child_process" | "worker_threads", kind: PeerPool["kind"]) => {
    const pool = new Tinypool({ ...size, runtime });
    return peer("tinypool", kind, (chunk) => pool.run(chunk), () => pool.destroy());
  };
  const script = fileURLToPath(new URL("./workerpool.ts", import.meta.url));
  const workerPool = (workerType: "process" | "thread", kind: PeerPool["kind"]) => {
    const limits = { minWorkers: workers, maxWorkers: workers };
    const pool = workerpool.pool(script, { ...limits, workerType });
    const run = (chunk: number[]) => pool.exec("squares", [chunk]);
    return peer("workerpool", kind, run, () => pool.terminate());
  };
  const piscina = new Piscina(size);
  return [
    tinypool("child_process", "processes"),
    workerPool("process", "processes"),
    peer("piscina", "threads", (chunk) => piscina.run(chunk), () => piscina.destroy()),
    tinypool("worker_threads", "threads"),
    workerPool("thread", "threads"),
  ];
}

function cut<T>(items: readonly T[], size: number): T[][] {
  const chunks = [];
  for (let start = 0; start < items.length; start += size) {
    chunks.push(items.slice(start, start + size));
  }
  return chunks;
}
