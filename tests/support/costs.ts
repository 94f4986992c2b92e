/**
 * Comparing what two things cost, on a machine that does other things as well.
 *
 * Above: tests. Below: nothing.
 *
 * @module
 */
import assert from "node:assert/strict";

/** Rounds after which it is no disturbance any more. */
const patience = 30;

/** The milliseconds that the action takes. */
export function timeOf(action: () => void): number {
  const start = performance.now();
  action();
  return performance.now() - start;
}

/**
 * Asserts that the second time is less than so many times the first. Each is measured again and
 * again and its least one counts, which nothing disturbed: until they are that close, or for thirty
 * rounds.
 */
export function assertCosts(times: number, small: () => number, large: () => number): void {
  let [least, most] = [Infinity, Infinity];
  for (let round = 0; round < patience; round++) {
    least = Math.min(least, small());
    most = Math.min(most, large());
    if (round > 0 && most < times * least) return;
  }
  assert.fail(`It takes ${most / least} times as long, and not less than ${times} times`);
}
