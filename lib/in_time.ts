/**
 * Waiting for a promise no longer than a time or a signal allows.
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
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), Math.min(milliseconds, maxTimeout));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
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
    const timer = timeout === undefined || timeout === Infinity ? undefined : setTimeout(
      () => reject(new TimeoutError(`${what} after ${timeout} ms`)),
      Math.min(timeout, maxTimeout),
    );
    const abort = () => reject(signal!.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    });
  });
}
