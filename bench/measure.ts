/**
 * Measuring side by side: every contender runs once a round, in turn. Two processes that wake each
 * other cost three times as much when the system puts them on two sleeping cores; that is its doing,
 * not theirs, so their undisturbed times are compared: the best tenth of the rounds.
 *
 * Above: main.ts, start.ts, pool.ts. Below: nothing.
 *
 * @module
 */

import process from "node:process";

/** What follows `--<name>=` on the command line. */
export function argument(name: string): string | undefined {
  const start = `--${name}=`;
  return process.argv.find((word) => word.startsWith(start))?.slice(start.length);
}

/** Something that is measured. */
export interface Contender {
  /** What it is, as the table prints it. */
  readonly name: string;
  /** How many operations one round is. */
  readonly count: number;
  /** Does them. What it gives, if a number, is the time in milliseconds that it took by its own clock. */
  run(): Promise<number | void>;
}

/** Microseconds an operation, in each round, by name. */
export type Times = ReadonlyMap<string, readonly number[]>;

/** Runs all contenders `warmUps + rounds` times in turn, and counts the rounds. */
export async function measure(
  contenders: readonly Contender[],
  rounds: number,
  warmUps: number,
): Promise<Times> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = -warmUps; round < rounds; round++) {
    for (const { name, count, run } of contenders) {
      const start = performance.now();
      const own = await run();
      const time = own ?? performance.now() - start;
      if (round >= 0) times.get(name)!.push(time * 1000 / count);
    }
  }
  return times;
}

/** The time that nine tenths of the rounds exceed. */
export function undisturbed(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 10)]!;
}

/** The time that half of the rounds exceed. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** How many times the one takes of what the other takes; undefined if one of them was not measured. */
export function ratio(times: Times, numerator: string, denominator: string): number | undefined {
  const above = times.get(numerator);
  const below = times.get(denominator);
  return above && below && undisturbed(above) / undisturbed(below);
}
