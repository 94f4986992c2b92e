/**
 * Waiting for another caller: what a call that waits may ask of who made it, and the one way in
 * which it ends - it is served, its time is over, or nobody waits for it any more. The referent
 * decides; what it has served is not taken back by an abort that comes later.
 *
 * Above: the referents that have waiters. Below: line.ts, arguments.ts.
 *
 * @module
 */

import { TimeoutError } from "../errors.ts";
import { optionsOf } from "./arguments.ts";
import { Line, type Place } from "./line.ts";
import type { Ledger } from "./ledger.ts";

/** How long to wait for another caller, and what ends it early. */
export interface WaitOptions {
  /**
   * Milliseconds, then {@linkcode TimeoutError}; 0 tries once. Default: no limit. The server counts
   * them.
   */
  timeout?: number;
  /**
   * Aborting it ends the waiting: the call rejects with the signal's reason, unless the server had
   * served it already.
   */
  signal?: AbortSignal;
}

/** The time, which tests may make themselves. */
export interface Clock {
  /** Milliseconds of a clock that never goes back. */
  now(): number;
  /** Runs the action after so many milliseconds, unless the returned function is called before. */
  after(milliseconds: number, action: () => void): () => void;
}

/** Who calls a method that may wait or that gives grants; the last argument of each. */
export interface WaitingCaller {
  /** The session that calls. */
  readonly id: string;
  /** Milliseconds that the call may wait; undefined: no limit. */
  readonly timeout?: number;
  /** Aborted when the caller cancels the call, or is gone. */
  readonly signal: AbortSignal;
  /** Whether the caller's session, or the server, is over: nobody is left to be told how the call ended. */
  gone(): boolean;
  /** How many bytes the arguments were; 0 if that is not known. */
  readonly bytes: number;
  /** The server's time. */
  readonly clock: Clock;
  /** The server's grants. */
  readonly ledger: Ledger;
  /** Tells the caller that its waiting is over, although how it ended is still to come. */
  settling(): void;
}

/** The options of what only waits: the server never sees them. */
export function checkWaitOptions(options: unknown, what: string): void {
  optionsOf(options, [], what, waitOptions);
}

/** What every call that waits takes. */
export const waitOptions: readonly string[] = ["timeout", "signal"];

/** One caller that waits. */
export class Wait<T> {
  /** How it ended. */
  readonly promise: Promise<T>;
  readonly #caller: WaitingCaller;
  readonly #abort: () => void;
  readonly #stopTimer: (() => void) | undefined;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;

  /**
   * `giveUp` is called at most once, and not after the end: with what `late` makes when the caller's
   * time is over, or with the reason of its abort. It has to end the wait.
   */
  constructor(caller: WaitingCaller, late: () => Error, giveUp: (reason: unknown) => void) {
    this.#caller = caller;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#abort = () => {
      this.#stop();
      giveUp(caller.signal.reason);
    };
    caller.signal.addEventListener("abort", this.#abort, { once: true });
    if (caller.timeout !== undefined) {
      this.#stopTimer = caller.clock.after(caller.timeout, () => {
        this.#stop();
        giveUp(late());
      });
    }
  }

  /** The caller is served. */
  resolve(value: T): void {
    this.#stop();
    this.#resolve(value);
  }

  /** The caller is refused. */
  reject(reason: unknown): void {
    this.#stop();
    this.#reject(reason);
  }

  #stop(): void {
    this.#caller.signal.removeEventListener("abort", this.#abort);
    this.#stopTimer?.();
  }
}

/** One caller in a line, with what it asks for. */
interface Waiter<T, A> {
  readonly wait: Wait<T>;
  readonly asks: A;
}

/** Callers that wait in line; each leaves it when it is served, is late or is gone. */
export class WaitingLine<T, A = undefined> {
  readonly #line = new Line<Waiter<T, A>>();
  readonly #left: (reason: unknown) => void;

  /** `left` is called when somebody gave up, who may have kept others from being served. */
  constructor(left: (reason: unknown) => void = () => {}) {
    this.#left = left;
  }

  /** How many wait. */
  get size(): number {
    return this.#line.size;
  }

  /** What the first one asks for. */
  get first(): A | undefined {
    return this.#line.first?.asks;
  }

  /** A caller joins the line; with `timeout: 0` it is late at once. `what` begins the text of that. */
  join(caller: WaitingCaller, asks: A, what: string, Late = TimeoutError): Promise<T> {
    const late = () => new Late(lateText(caller, what));
    if (caller.signal.aborted) return Promise.reject(caller.signal.reason);
    if (caller.timeout === 0) return Promise.reject(late());
    const wait = new Wait<T>(caller, late, (reason) => {
      this.#line.remove(place);
      wait.reject(reason);
      this.#left(reason);
    });
    const place: Place<Waiter<T, A>> = this.#line.add({ wait, asks });
    return wait.promise;
  }

  /** Serves the first one. */
  serve(value: T): void {
    this.#line.shift()?.wait.resolve(value);
  }

  /** Serves all. */
  serveAll(value: T): void {
    while (this.#line.size > 0) this.serve(value);
  }

  /** Refuses the first one. */
  refuse(reason: unknown): void {
    this.#line.shift()?.wait.reject(reason);
  }

  /** Refuses all. */
  refuseAll(reason: () => unknown): void {
    while (this.#line.size > 0) this.refuse(reason());
  }
}

/** The text of what a caller is told whose time is over. */
export function lateText({ timeout }: WaitingCaller, what: string): string {
  return timeout === 0 ? `${what} is not possible at once` : `${what} took more than ${timeout} ms`;
}
