/**
 * The task of the peers' workers: they have no chunks, so that a chunk is a task.
 *
 * Above: peers.ts, workerpool.ts; `piscina` and `tinypool` import it by its URL. Below: nothing.
 *
 * @module
 */

/** The squares of the numbers. A default export, because these pools look for that. */
export default function squares(numbers: readonly number[]): number[] {
  return numbers.map((x) => x * x);
}
