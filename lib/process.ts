/**
 * Processes and pools of workers that share objects: Python's `multiprocessing.Process`, `Pool` and
 * `Pipe`.
 *
 * Above: users. Below: process/.
 *
 * @module
 */

export { Process, processArgs, type ProcessOptions } from "./process/process.ts";
export type { StdioOptions, StreamOption } from "./process/launch.ts";
export { Pipe, type PipeOptions } from "./process/pipe.ts";
export type { Connection } from "./process/connection.ts";
export { Pool } from "./process/pool.ts";
export type { MapOptions, PoolOptions, TaskOptions } from "./process/pool_options.ts";
export type { Items } from "./process/input.ts";
export type { Progress } from "./process/job.ts";
export {
  type ActorClass,
  defineTasks,
  type Task,
  type TaskDefinitions,
  type TaskFunction,
  type Tasks,
  taskSignal,
} from "./process/tasks.ts";
