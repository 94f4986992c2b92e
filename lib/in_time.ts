/**
 * Waiting for a promise no longer than a time or a signal allows. The time passes in two halves: while
 * this process does something else for longer, what it waits for may have come, and is read first.
 *
 * Above: the manager and the processes. Below: the error tree.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { TimeoutError } from "./errors.ts";
import { maxTimeout } from "./limits.ts";

/** What the promise gives, or undefined after the time. */
export async function inTime<T>(promise: Promise<T>, milliseconds: number): Promise<T | undefined> {
  let stop!: () => void;
  const late = new Promise<undefined>((resolve) => {
    stop = after(milliseconds, () => resolve(undefined));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    stop();
  }
}

/** Rejects with TimeoutError after the time, or with the reason of the signal. */
export function within<T>(
  promise: Promise<T>,
  timeout: number | undefined,
  signal: AbortSignal | undefined,
  what: string,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const end = (settle: () => void) => {
      stop?.();
      signal?.removeEventListener("abort", abort);
      settle();
    };
    const abort = () => end(() => reject(signal!.reason));
    const stop = timeout === undefined || timeout === Infinity ? undefined : after(
      timeout,
      () => end(() => reject(new TimeoutError(`${what} after ${timeout} ms`))),
    );
    signal?.addEventListener("abort", abort, { once: true });
    if (signal?.aborted) abort();
    promise.then((value) => end(() => resolve(value)), (error) => end(() => reject(error)));
  });
}

/** Calls back after the time, unless what it gives is called before. */
export function after(milliseconds: number, then: () => void): () => void {
  const half = Math.min(milliseconds, maxTimeout) / 2;
  let timer = setTimeout(() => timer = setTimeout(then, half), half);
  return () => clearTimeout(timer);
}
