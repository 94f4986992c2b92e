/**
 * Waiting in tests without sleeping: for a condition that nothing announces.
 *
 * Above: tests. Below: nothing.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout } from "node:timers/promises";

/**
 * Resolves once `check` gives something true, to that; rejects after a minute, naming `what`.
 * For what has no event: the end of a process that is not a child, a file that goes away.
 */
export async function eventually<T>(
  what: string,
  check: () => T | Promise<T>,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`In a minute this never was: ${what}`);
    await setTimeout(5);
  }
}

/** Does something else, so that nothing that comes is read meanwhile. */
export function beBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}

/** Whether a process with the id is there (also when it is only waiting to be collected). */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Whether a process with the id runs: not one that has ended and waits to be collected. */
export function isRunning(pid: number): boolean {
  if (process.platform !== "linux") return isAlive(pid);
  try {
    return !/^\d+ \(.*\) [ZX] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

/** Waits for a manager's end, and keeps this process alive meanwhile; resolves to what `closed` says. */
export async function endOf<T>(manager: { join(): Promise<void>; closed: Promise<T> }): Promise<T> {
  await manager.join();
  return await manager.closed;
}
