/**
 * Starting a server process: its command line, its configuration on stdin, its readiness line on
 * stdout, its output afterwards, its end.
 *
 * Above: the manager. Below: `runtime_command.ts`, `runtime.ts`, the system's processes.
 *
 * @module
 */

import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { closeSync, fstatSync, openSync, writeSync } from "node:fs";
import { debug } from "../debug.ts";
import { ProcessError } from "../errors.ts";
import { FileOutput, PipeOutput } from "./server_output.ts";
import type { Output } from "./server_output.ts";
import { childEnvironment, pid, serverEntry, signalChild } from "../runtime.ts";
import type { RuntimeName } from "../runtime.ts";
import { runtimeCommand } from "./runtime_command.ts";
import type { RuntimeOptions } from "./runtime_command.ts";
import { cannotStart, endOf, rebuilt, startError } from "./start_error.ts";
import type { End, ProcessEnd } from "./start_error.ts";

export type { RuntimeOptions } from "./runtime_command.ts";
export type { ProcessEnd } from "./start_error.ts";

/**
 * Where the output of a server goes. `pipe`: to this process, which forwards it to its stderr.
 * `inherit`: its stderr is that of this process, without a detour. `ignore`: nowhere.
 */
export type ServerStdio = "pipe" | "inherit" | "ignore";

/** Options of {@linkcode spawnServer}. */
export interface SpawnOptions {
  /** The runtime, or its name; by default the one of this process. */
  runtime?: RuntimeName | RuntimeOptions;
  /** Permissions of a Deno child beside the least: `all`, or flags such as `--allow-env=HOME`. */
  permissions?: "all" | readonly string[];
  /** Where its output goes; `pipe` by default. With `logFile`, there. */
  stdio?: ServerStdio;
  /** The server outlives this process: stdin is closed after the configuration. */
  detached?: boolean;
  /** A file that the output is appended to, made with mode 0600. Detached servers need one. */
  logFile?: string;
  /** Sent as one line of JSON on stdin, never on the command line. */
  config: Record<string, unknown>;
  /** The word that the readiness line begins with. */
  nonce: string;
  /** The address that the server will listen on; it decides a Deno child's permissions. */
  address: string;
  /** URLs of the modules that the server will import; the first decides a Deno child's config. */
  modules?: readonly string[];
  /** It runs modules of users, or its children do. */
  foreign?: boolean;
  /** Milliseconds until the server must be ready. */
  startTimeout: number;
  /** The program in place of the server's, for tests. */
  entry?: URL;
}

/** A server process that is ready. It does not keep this process alive. */
export interface ServerProcess {
  /** Its process id. */
  readonly pid: number;
  /** What its readiness line said. */
  readonly ready: Record<string, unknown>;
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<ProcessEnd>;
  /** The last 64 KiB that it wrote to stderr, and to stdout beside the readiness line. */
  stderrTail(): string;
  /** Closes its stdin, which tells it that its starter is gone. */
  endStdin(): void;
  /** Sends it a signal; nothing happens if it has ended. */
  kill(signal: "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGKILL"): void;
  /** Keeps this process alive until the server has ended. */
  ref(): void;
  /** Lets this process end before the server does. */
  unref(): void;
}

/**
 * Starts a server process and waits for its readiness line.
 *
 * @throws {ProcessError} If it cannot be started, says that it failed, ends before it is ready, or
 * is not ready in time (it is killed then).
 */
export async function spawnServer(options: SpawnOptions): Promise<ServerProcess> {
  const { entry = serverEntry(), address, modules = [], foreign = true } = options;
  const { path, args, env } = runtimeCommand({
    what: "a server",
    runtime: options.runtime,
    entry,
    modules,
    addresses: [address],
    folder: foreign ? undefined : libraryFolder(entry),
    permissions: options.permissions,
  });
  const { child, output } = run(path, args, env, options);
  const exited = endOf(child);
  try {
    debug("spawn", () => `${path} ${args.join(" ")} is process ${child.pid}`);
    const ready = await readiness(child, output, exited, options);
    child.unref();
    output.unref();
    return serverProcess(
      child,
      output,
      exited.then(({ code, signal }) => ({ code, signal })),
      ready,
    );
  } catch (error) {
    output.unref();
    throw error;
  }
}

/** The folder of this library; none where no permission of Deno can name it. */
function libraryFolder(entry: URL): URL | undefined {
  const folder = new URL("../", entry);
  return folder.pathname.includes(",") ? undefined : folder;
}

/** A server that cannot say anything, as on a full disk, would not be heard: its starter says so. */
function openLog(path: string): number {
  let log: number | undefined;
  try {
    log = openSync(path, "a", 0o600);
    writeSync(log, `${new Date().toISOString()} process ${pid} starts a server\n`);
    return log;
  } catch (cause) {
    if (log !== undefined) closeSync(log);
    const why = (cause as Error).message;
    throw new ProcessError(`The server did not start: cannot write its log "${path}": ${why}`, {
      cause,
    });
  }
}

function run(
  path: string,
  args: string[],
  env: Record<string, string>,
  options: SpawnOptions,
): { child: ChildProcess; output: Output } {
  const { stdio = "pipe", detached = false, logFile, nonce } = options;
  if (detached && logFile === undefined) {
    throw new TypeError("A detached server needs a logFile: nobody reads its output later");
  }
  const log = logFile === undefined ? undefined : openLog(logFile);
  try {
    const logStart = log === undefined ? 0 : fstatSync(log).size;
    const child = spawn(path, args, {
      detached: true, // a session of its own: no terminal, no signals of the starter's group
      env: childEnvironment(env),
      stdio: ["pipe", log ?? "pipe", log ?? (stdio === "inherit" ? "inherit" : "pipe")],
    });
    // A child that is dead already shows in its end.
    child.stdin?.on("error", () => {});
    child.stdin?.write(`${JSON.stringify(options.config)}\n`);
    if (detached) child.stdin?.end();
    const output = logFile === undefined
      ? new PipeOutput(child, nonce, stdio !== "ignore")
      : new FileOutput(logFile, logStart, nonce);
    return { child, output };
  } catch (error) {
    throw cannotStart(path, error);
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

async function readiness(
  child: ChildProcess,
  output: Output,
  exited: Promise<End>,
  options: SpawnOptions,
): Promise<Record<string, unknown>> {
  const { startTimeout } = options;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<"timeout">((resolve) => {
    timer = setTimeout(() => resolve("timeout"), Math.min(startTimeout, 0x7fffffff));
  });
  try {
    const first = await Promise.race([output.ready, exited.then(() => output.readyNow()), timeout]);
    if (first !== undefined && first !== "timeout" && !("error" in first)) return first;
    if (first === "timeout") signalChild(child, "SIGKILL");
    // One that said why it failed ends by itself, or else when the time is over.
    else if (await Promise.race([exited, timeout]) === "timeout") signalChild(child, "SIGKILL");
    const what = first === undefined
      ? "it ended before it was ready"
      : first === "timeout"
      ? `it was not ready after ${startTimeout} ms (startTimeout)`
      : undefined;
    const cause = first === undefined || first === "timeout" ? undefined : rebuilt(first.error);
    throw startError("server", what, cause, await exited, output.tail(), child.spawnfile);
  } finally {
    clearTimeout(timer);
  }
}

function serverProcess(
  child: ChildProcess,
  output: Output,
  exited: Promise<ProcessEnd>,
  ready: Record<string, unknown>,
): ServerProcess {
  return {
    pid: child.pid!,
    ready,
    exited,
    stderrTail: () => output.tail(),
    endStdin: () => void child.stdin?.end(),
    kill: (signal) => signalChild(child, signal),
    ref: () => child.ref(),
    unref: () => child.unref(),
  };
}
