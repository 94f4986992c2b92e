/**
 * Choices that follow from given numbers, so that fast-check can make them smaller.
 *
 * Above: players.ts, world.ts. Below: nothing.
 *
 * @module
 */

/** Numbers that are used up one by one; after the last one there are only zeros. */
export class Dice {
  readonly #numbers: readonly number[];
  #used = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  /** A whole number from 0 to one less than `n`. */
  below(n: number): number {
    return (this.#numbers[this.#used++] ?? 0) % n;
  }

  /** One of the choices; the first one is what smaller programs have. */
  pick<T>(choices: readonly T[]): T {
    return choices[this.below(Math.max(1, choices.length))] as T;
  }
}
