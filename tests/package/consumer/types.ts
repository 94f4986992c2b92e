/**
 * The consumer's own class, shared through the package.
 *
 * @module
 */
import { defineTypes } from "@referent/manager";

/** Which worker did how many lines. */
export class Ledger {
  #lines = new Map<string, number>();

  /** Notes one more line. */
  note(worker: string): void {
    this.#lines.set(worker, (this.#lines.get(worker) ?? 0) + 1);
  }

  /** How many lines there were in all. */
  total(): number {
    return [...this.#lines.values()].reduce((sum, lines) => sum + lines, 0);
  }
}

/** What the server imports. */
const types = defineTypes(import.meta.url, { Ledger });
export default types;
