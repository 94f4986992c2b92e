/**
 * A clock that stands still until somebody moves it, from one timer to the next.
 *
 * Above: tests of referents alone. Below: nothing.
 *
 * @module
 */
import type { Clock } from "../../lib/objects/waiting.ts";

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** A time that goes on when the test says so. */
export class VirtualClock implements Clock {
  #now: number;
  #timers: Timer[] = [];

  constructor(start = 0) {
    this.#now = start;
  }

  /** How many timers are set. */
  get timers(): number {
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

  /** Lets so many milliseconds pass; each timer runs at its own time. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    while (this.next <= end) {
      this.moveTo(this.next);
      this.fire();
    }
    this.moveTo(end);
  }

  /** Runs the timer that is due next, of several the one that was set first. */
  fire(): void {
    const { next } = this;
    const index = this.#timers.findIndex(({ at }) => at === next);
    const [timer] = this.#timers.splice(index, 1);
    timer!.action();
  }
}
