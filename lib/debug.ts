/**
 * The log that `REFERENT_DEBUG=1` turns on: what the library does, one line an event, on stderr.
 *
 * Above: everything that starts, connects, closes or releases. Below: runtime.ts.
 *
 * @module
 */

import { environment, pid, writeStderr } from "./runtime.ts";

const enabled = environment("REFERENT_DEBUG") === "1";

/** A call that takes longer is logged, in milliseconds. */
export const slowCall = 1_000;

/** Writes one line, if the log is on. `details` is asked only then. */
export function debug(event: string, details: () => string): void {
  if (!enabled) return;
  writeStderr(`referent ${pid} ${performance.now().toFixed(1)} ms ${event}: ${details()}\n`);
}
