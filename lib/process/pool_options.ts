/**
 * The options of a pool and of its calls, and the checks of them.
 *
 * Above: pool.ts, users. Below: call_options.ts.
 *
 * @module
 */

import {
  checkedOptions,
  checkNames,
  checkObject,
  initializerShape,
  isInitializer,
  show,
} from "../call_options.ts";
import type { ManagerMembers } from "../manager/facade.ts";
import type { RuntimeName } from "../runtime.ts";
import type { Initializer } from "../server/config.ts";
import type { Progress } from "./job.ts";
import { checkRuntime, runtimeNameOf, type RuntimeOptions } from "./runtime_command.ts";
import { TaskSet } from "./tasks.ts";

/** Options of a `Pool`. */
export interface PoolOptions {
  /** The manager that a plain `Manager.connect()` in a worker joins. */
  manager?: ManagerMembers<unknown>;
  /** Runs once in each worker before its first task. Its arguments may hold proxies. */
  initializer?: Initializer;
  /** After so many tasks a worker is replaced by a fresh one. Python: `maxtasksperchild`. */
  maxTasksPerChild?: number;
  /** The runtime of the workers, or several, which take turns. Default: the one of this process. */
  runtime?: RuntimeName | RuntimeOptions | readonly (RuntimeName | RuntimeOptions)[];
  /**
   * Permissions of Deno workers beside the least: `all`, or flags such as `--allow-env=HOME`. Workers in
   * other runtimes know none.
   */
  permissions?: "all" | readonly string[];
  /** Tasks that will be run, where Deno workers are to load them all at their start. */
  tasks?: TaskSet | readonly TaskSet[];
  /**
   * Workers are threads of this process: they start sooner and die with it. Deno 2.9 cannot end a thread
   * that is stuck in a loop: it goes on, and keeps its locks, until the program ends.
   */
  threads?: boolean;
  /** Milliseconds until a worker must be ready. Default 10 000. */
  startTimeout?: number;
}

/** Options of one call of a pool. */
export interface TaskOptions {
  /** Milliseconds for the whole call; then TimeoutError, and its running tasks are cancelled. */
  timeout?: number;
  /** Cancels the call: running tasks see it in `taskSignal()`, and have a second to end. */
  signal?: AbortSignal;
  /** How often a task is run again whose worker was lost. Default 0: it fails with WorkerLostError. */
  retries?: number;
}

/** Options of a call with many tasks. */
export interface MapOptions extends TaskOptions {
  /**
   * How many tasks travel together, and are lost together. Default: as many as take some 20 ms; one
   * with `retries`. Python: `chunksize`.
   */
  chunkSize?: number;
  /** Is told after each chunk how far the call is. What it throws ends the call. */
  onProgress?: (progress: Progress) => void;
  /**
   * Draws a progress bar on stderr where that is a terminal. Needs the package `cli-progress` then:
   * without it the call rejects with TypeError.
   */
  progress?: boolean;
}

const known: readonly string[] = [
  ...["manager", "initializer", "maxTasksPerChild", "runtime", "permissions", "tasks", "threads"],
  "startTimeout",
];

const callOptions: readonly string[] = [
  ...["timeout", "signal", "retries", "chunkSize", "onProgress", "progress"],
];

/** Refuses what counts nothing. */
export function checkCount(what: string, count: unknown): void {
  if (Number.isSafeInteger(count) && (count as number) >= 1) return;
  throw new RangeError(`${what} must be an integer of 1 or more, got "${count}"`);
}

/** Refuses options that a pool cannot honour. */
export function checkPoolOptions(options: PoolOptions): void {
  checkObject(options, "{ manager, runtime }");
  checkNames("Pool", options, known);
  const { maxTasksPerChild, tasks, runtime, threads, permissions, startTimeout } = options;
  const { initializer } = options;
  checkRuntimes(runtime);
  if (threads !== undefined && typeof threads !== "boolean") {
    throw new TypeError(`The option threads takes true or false, got ${show(threads)}`);
  }
  if (permissions !== undefined && permissions !== "all" && !Array.isArray(permissions)) {
    throw new TypeError(
      `The option permissions takes "all", or an array of flags such as "--allow-read=/data", got ${
        show(permissions)
      }`,
    );
  }
  if (
    permissions !== undefined && !threads && ![runtime].flat().map(runtimeNameOf).includes("deno")
  ) {
    throw new TypeError(
      "The option permissions is Deno's, but no worker of this pool runs in Deno",
    );
  }
  if (initializer !== undefined && !isInitializer(initializer)) {
    throw new TypeError(
      `The option initializer takes ${initializerShape}; got ${show(initializer)}`,
    );
  }
  checkedOptions({ timeout: startTimeout });
  if (maxTasksPerChild !== undefined) checkCount("The option maxTasksPerChild", maxTasksPerChild);
  for (const set of [tasks ?? []].flat()) {
    if (TaskSet.is(set)) continue;
    throw new TypeError(
      `The option "tasks" takes what defineTasks() gave, or an array of it, got ${show(set)}`,
    );
  }
  if (threads && (runtime !== undefined || permissions !== undefined)) {
    throw new TypeError(
      "Threads run in this process: with { threads: true } there is no other runtime and no permissions",
    );
  }
}

function checkRuntimes(runtime: PoolOptions["runtime"]): void {
  if (runtime === undefined) return;
  const all = [runtime].flat();
  if (all.length === 0) {
    throw new TypeError('The option "runtime" takes a runtime or several, got an empty array');
  }
  all.forEach(checkRuntime);
}

/** Refuses options that a call cannot honour. */
export function checkTaskOptions(options: MapOptions): void {
  checkedOptions(options);
  checkNames("A pool's call", options, callOptions);
  const { chunkSize, retries = 0, onProgress, progress } = options;
  if (chunkSize !== undefined) checkCount("The option chunkSize", chunkSize);
  if (!(Number.isSafeInteger(retries) && retries >= 0) && retries !== Infinity) {
    throw new RangeError(`The option retries must be an integer of 0 or more, got "${retries}"`);
  }
  if (onProgress !== undefined && typeof onProgress !== "function") {
    throw new TypeError(`The option onProgress takes a function, got ${show(onProgress)}`);
  }
  if (progress !== undefined && typeof progress !== "boolean") {
    throw new TypeError(`The option progress takes true or false, got ${show(progress)}`);
  }
}
