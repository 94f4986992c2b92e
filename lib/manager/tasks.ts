/**
 * The option `tasks`: the modules whose tasks a server's pools may run, and what a Deno server needs
 * to start workers.
 *
 * Above: start.ts, serve.ts. Below: process/tasks.ts.
 *
 * @module
 */

import { TaskSet } from "../process/tasks.ts";
import { runtimeName } from "../runtime.ts";
import type { HostOptions, StartOptions } from "./options.ts";

/** The URLs of the modules. */
export function taskModules(tasks: HostOptions["tasks"]): string[] {
  return [...new Set([tasks ?? []].flat().map(TaskSet.moduleOf))];
}

/**
 * The permissions of a server that starts workers: Deno has no flag for sockets whose paths are not
 * known beforehand, and who may run a runtime may do everything.
 */
export function withWorkers({ runtime, permissions }: StartOptions): StartOptions["permissions"] {
  const name = typeof runtime === "string" ? runtime : runtime?.name ?? runtimeName;
  if (name !== "deno" || permissions === "all") return permissions;
  const whole = ["--allow-net", "--allow-read", "--allow-write", "--allow-env", "--allow-run"];
  const others = (permissions ?? []).filter((flag) => !whole.includes(flag.split("=")[0]!));
  return [...whole, ...others];
}
