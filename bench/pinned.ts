/**
 * Running a benchmark on one processor.
 *
 * Above: main.ts, start.ts. Below: `taskset`.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import process from "node:process";
import { currentRuntime } from "../tests/support/runtimes.ts";

/**
 * Runs this program again on one processor, where the system knows the command. On two, whether they
 * sleep between two messages decides more than any code does; `--unpinned` leaves that to the system.
 * Gives its exit code; undefined where this program is to measure.
 */
export function runPinned(): number | undefined {
  if (process.argv.includes("--unpinned")) return undefined;
  const flags = currentRuntime === "deno" ? ["run", "-A"] : [];
  const [, script, ...args] = process.argv;
  const command = [process.execPath, ...flags, script!, ...args, "--unpinned"];
  const last = String(availableParallelism() - 1);
  const { error, status } = spawnSync("taskset", ["-c", last, ...command], { stdio: "inherit" });
  return error ? undefined : status ?? 1;
}
