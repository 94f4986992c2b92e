/**
 * Measuring side by side: every contender runs once a round, so that what disturbs the machine
 * disturbs them all, and medians are compared.
 *
 * Above: main.ts, peers.ts. Below: nothing.
 *
 * @module
 */

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

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** The median of `numerator / denominator` over the rounds; undefined if one of them was not measured. */
export function ratio(times: Times, numerator: string, denominator: string): number | undefined {
  const above = times.get(numerator);
  const below = times.get(denominator);
  return above && below && median(above.map((time, round) => time / below[round]!));
}
