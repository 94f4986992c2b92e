/**
 * fast-check, a development dependency pinned in `tools/package.json`, for tests in every runtime:
 * from source and, on Node 20, compiled in a folder far from the repository.
 *
 * ```ts
 * import { check, fc } from "./support/fast_check.ts";
 *
 * await check(100, fc.asyncProperty(fc.integer(), async (n) => { ... }));
 * ```
 *
 * Runs are the same each time. Two variables change that: `REFERENT_SEED=random`, or the number that
 * a failure printed, and `REFERENT_RUNS=10` for ten times as many.
 *
 * Above: tests. Below: `tools/node_modules`, which `deno task test` fills.
 *
 * @module
 */
import { createRequire } from "node:module";
import process from "node:process";
import type * as FastCheck from "../../tools/node_modules/fast-check/lib/fast-check.d.ts";
import { currentRuntime, source } from "./runtimes.ts";

/** The library. */
export const fc: typeof FastCheck = createRequire(new URL("tools/package.json", source))(
  "fast-check",
);

/** The seed of all random tests of this process. */
export const seed: number = seedOf(process.env.REFERENT_SEED);

/** How many runs to make where `runs` are usual: in Node, whose engine Deno has, a third of them. */
export function runCount(runs: number): number {
  const share = currentRuntime === "node" ? 1 / 3 : 1;
  return Math.ceil(runs * share * factorOf(process.env.REFERENT_RUNS));
}

/** As many random values as usual runs would take, the same ones for the same seed. */
export function sample<T>(values: FastCheck.Arbitrary<T>, runs: number): T[] {
  return fc.sample(values, { seed, numRuns: runCount(runs) });
}

/** Tries the property with random values; a failure names the smallest ones and how to get them again. */
export async function check<T>(
  runs: number,
  property: FastCheck.IAsyncProperty<T> | FastCheck.IProperty<T>,
): Promise<void> {
  await named(() => fc.assert(property, { seed, numRuns: runCount(runs) }));
}

/** Runs `body`, and adds to what it throws how to get the same random values again. */
export async function named<R>(body: () => R | Promise<R>): Promise<R> {
  try {
    return await body();
  } catch (error) {
    console.error(`The random values of this failure come again with REFERENT_SEED=${seed}`);
    throw error;
  }
}

function seedOf(text: string | undefined): number {
  if (!text) return 20_260_101;
  if (text === "random") return Math.floor(Math.random() * 0x7fff_ffff);
  const given = Number(text);
  if (Number.isInteger(given)) return given;
  throw new TypeError(`REFERENT_SEED needs a whole number or "random", got "${text}"`);
}

function factorOf(text: string | undefined): number {
  const factor = Number(text || 1);
  if (factor > 0) return factor;
  throw new TypeError(`REFERENT_RUNS needs a factor such as "10", got "${text}"`);
}
