/**
 * Pools of tests: in any runtime or in threads, with a manager in this process that their workers can
 * reach, and without one; ended whatever the test does.
 *
 * Above: the tests of pools. Below: processes.ts, the library.
 *
 * @module
 */
import type { Manager } from "../../mod.ts";
import { Pool, type PoolOptions } from "../../lib/process.ts";
import { eventually } from "./events.ts";
import { inRuntime, withManager } from "./processes.ts";
import { runtimeNames } from "./runtimes.ts";

/** Workers of each kind: processes of the three runtimes, threads of this one. */
export const kinds: readonly (readonly [string, PoolOptions])[] = [
  ...runtimeNames.map((name) => [name, { runtime: inRuntime(name) }] as const),
  ["threads", { threads: true }],
];

/** Gives a pool, and terminates it. */
export async function withPool<T>(
  workers: number,
  options: PoolOptions,
  use: (pool: Pool) => Promise<T>,
): Promise<T> {
  // All tests share a machine, on which a start may take long.
  const pool = new Pool(workers, { startTimeout: 60_000, ...options });
  try {
    return await use(pool);
  } finally {
    await pool.terminate();
  }
}

/** The same with a manager. */
export async function withManagedPool<T>(
  workers: number,
  options: PoolOptions,
  use: (pool: Pool, manager: Manager) => Promise<T>,
): Promise<T> {
  return await withManager((manager) =>
    withPool(workers, { manager, ...options }, (pool) => use(pool, manager))
  );
}

/** All that an iteration gives. */
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** `0 .. count - 1`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Waits until the list has so many items. */
export async function untilLength(
  list: { length(): Promise<number> },
  length: number,
): Promise<void> {
  await eventually(`a list of ${length} items`, async () => await list.length() >= length);
}
