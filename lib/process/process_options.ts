/**
 * The options of a `Process`: what each means, and what is wrong with a bad one.
 *
 * Above: process.ts, pool.ts and users. Below: launch.ts for the types, manager/facade.ts.
 *
 * @module
 */

import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { checkedOptions, checkNames, checkObject, show } from "../call_options.ts";
import type { Client } from "../client/client.ts";
import { ProcessError } from "../errors.ts";
import { ManagerFacade, type ManagerMembers } from "../manager/facade.ts";
import type { RuntimeName } from "../runtime.ts";
import type { StdioOptions, StreamOption } from "./launch.ts";
import { checkRuntime, type RuntimeOptions } from "./runtime_command.ts";

/** Options of a {@linkcode Process}. */
export interface ProcessOptions {
  /** The manager that a plain `Manager.connect()` of the child joins. Default: that of its proxies. */
  manager?: ManagerMembers<unknown>;
  /** What `processArgs()` gives the script, or what the function is called with; proxies and connections are welcome. */
  args?: readonly unknown[];
  /** The name of the exported function to run; absent: the module is a script. */
  export?: string;
  /** A name for messages. Default: the file's name. */
  name?: string;
  /** The runtime. Default: the one of this process. */
  runtime?: RuntimeName | RuntimeOptions;
  /** Variables beside those of this process. */
  env?: Record<string, string>;
  /** Permissions of a Deno child beside the least: `all`, or flags such as `--allow-env=HOME`. */
  permissions?: "all" | readonly string[];
  /**
   * Where its streams go, all or each of stdin, stdout, stderr: `inherit` (default), `pipe` (then they
   * are properties of the process), `ignore`. An inherited stderr passes through this process, which
   * keeps its last 64 KiB for errors.
   */
  stdio?: StreamOption | StdioOptions;
  /**
   * It outlives this process, in a session of its own. `start()` resolves when it has its arguments;
   * proxies in them are kept for a minute until then.
   */
  detached?: boolean;
  /** It does not keep this process alive, and ends with it. Python: `daemon`. */
  daemon?: boolean;
  /**
   * Milliseconds until the process must have come. To import its module it has what is left of them, or
   * half of them if that is more: this process may have been busy. Default 10 000.
   */
  startTimeout?: number;
}

/** What an option takes; the others are checked where they are used. */
const takes: Readonly<
  Record<string, readonly [what: string, fits: (value: unknown) => boolean] | undefined>
> = {
  manager: undefined,
  args: ["an array of arguments", Array.isArray],
  export: ["the name of an exported function", isText],
  name: ["a text", isText],
  runtime: undefined,
  env: ["an object of variables, each a text", isVariables],
  permissions: ['"all", or an array of flags such as "--allow-read=/data"', (value) => {
    return value === "all" || Array.isArray(value);
  }],
  stdio: ['"inherit", "pipe" or "ignore", or an array of three of them', isStdio],
  detached: ["true or false", isBoolean],
  daemon: ["true or false", isBoolean],
  startTimeout: undefined,
};

/** A copy of the options, or a TypeError or RangeError that says which one is bad. */
export function checkProcessOptions(options: ProcessOptions): ProcessOptions {
  checkObject(options, "{ args, manager }");
  checkNames("Process", options, Object.keys(takes));
  for (const [name, value] of Object.entries(options)) {
    const [what, fits] = takes[name] ?? [];
    if (value === undefined || !fits || fits(value)) continue;
    const got = show(Array.isArray(value) ? String(value) : value);
    throw new TypeError(`The option "${name}" takes ${what}, got ${got}`);
  }
  if (options.detached && options.daemon) {
    throw new TypeError(
      "A process is either detached or a daemon: one outlives this process, the other ends with it",
    );
  }
  if (options.runtime !== undefined) checkRuntime(options.runtime);
  checkedOptions({ timeout: options.startTimeout });
  return { ...options };
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isVariables(value: unknown): boolean {
  return typeof value === "object" && value !== null &&
    Object.values(value).every((text) => text === undefined || isText(text));
}

function isStdio(value: unknown): boolean {
  const streams = Array.isArray(value) && value.length === 3 ? value : [value];
  return streams.every((stream) => ["inherit", "pipe", "ignore"].includes(stream));
}

/** The URL of a module as users give it. */
export function moduleUrl(module: URL | string): URL {
  if (module instanceof URL) return module;
  if (typeof module === "string" && URL.canParse(module)) return new URL(module);
  throw new TypeError(
    `A Process takes the URL of its module, such as new URL("./worker.ts", import.meta.url), got ${
      show(module)
    }`,
  );
}

/** The client of a manager whose server other processes can reach. */
export function clientOf(manager: unknown): Client {
  const client = ManagerFacade.clientOf(manager);
  if (!client) throw new TypeError(`The option "manager" takes a manager, got ${show(manager)}`);
  if (Object.keys(client.env).length > 0) return client;
  throw new TypeError(
    `No other process can reach the manager at "${client.address}", which is in memory: use Manager.start(), open() or serve()`,
  );
}

/** A script that is missing would be found out by its runtime only after the start. */
export function refuseMissing(module: URL, name: string): void {
  if (module.protocol !== "file:") return;
  try {
    statSync(module);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== "ENOENT") return; // without permission to look
    throw new ProcessError(
      `The process "${name}" did not start: there is no file "${fileURLToPath(module)}"`,
      { cause },
    );
  }
}
