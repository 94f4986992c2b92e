/**
 * A clock that stands still until somebody moves it, from one timer to the next.
 *
 * Above: world.ts. Below: nothing.
 *
 * @module
 */
import type { Clock } from "../../lib/objects/waiting.ts";

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** The time of one program. */
export class VirtualClock implements Clock {
  #now = 0;
  #timers: Timer[] = [];

  /** How many timers are set. */
  get size(): number {
    return this.#timers.length;
  }

  /** When the next timer is due; Infinity if there is none. */
  get next(): number {
    return Math.min(...this.#timers.map(({ at }) => at));
  }

  now(): number {
    return this.#now;
  }

  after(milliseconds: number, action: () => void): () => void {
    const timer = { at: this.#now + milliseconds, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Goes on to this time; no timer may be due before. */
  moveTo(time: number): void {
    this.#now = time;
  }

  /** Runs the timer that is due next, of several the one that was set first. */
  fire(): void {
    const { next } = this;
    const index = this.#timers.findIndex(({ at }) => at === next);
    const [timer] = this.#timers.splice(index, 1);
    timer!.action();
  }
}
