/**
 * How a child process ends, and the error that says why it did not start or ended too early: what it
 * reported, its exit code, the end of its stderr, the cure where there is one.
 *
 * Above: `spawn.ts`, `launch.ts`, `process.ts`, `pipe.ts`. Below: the error tree.
 *
 * @module
 */

import type { ChildProcess } from "node:child_process";
import { dirname } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { ProcessError, RemoteError, type WorkerLostError } from "../errors.ts";
import { isPermissionError } from "../runtime.ts";
import { newSocketPath } from "../wire/transport.ts";

/** How a process ended. */
export interface ProcessEnd {
  /** Its exit code, or null if a signal ended it. */
  code: number | null;
  /** The signal that ended it, or null. */
  signal: string | null;
}

/** The same, or why it never ran. */
export interface End extends ProcessEnd {
  error?: Error;
}

/** Resolves after the process has ended and, normally, all its output was read. */
export function endOf(child: ChildProcess): Promise<End> {
  return new Promise((resolve) => {
    child.on("error", (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error });
    });
    let timer: ReturnType<typeof setTimeout> | undefined;
    let closed = false;
    child.on("close", (code, signal) => {
      closed = true;
      clearTimeout(timer); // which would keep this process alive
      resolve({ code, signal });
    });
    child.on("exit", (code, signal) => {
      // A grandchild may have inherited the pipes and hold them open.
      if (!closed) timer = setTimeout(() => resolve({ code, signal }), 200);
    });
  });
}

/** The error that the server's program reported. */
export function rebuilt(reported: unknown): Error {
  const { name, message, stack } = (reported ?? {}) as Record<string, unknown>;
  const error = new Error(typeof message === "string" ? message : "unknown");
  if (typeof name === "string") {
    Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  }
  if (typeof stack === "string") error.stack = stack;
  return error;
}

/** The error of a start that failed: `what` happened or `cause` was reported, then it ended. */
export function startError(
  kind: "server" | "process" | "worker",
  what: string | undefined,
  cause: Error | undefined,
  end: End,
  output: string,
  path: string,
): ProcessError {
  if (end.error !== undefined) return cannotStart(path, end.error);
  // Runtimes colour what they write of a failure, whoever reads it.
  const stderr = stripVTControlCharacters(output);
  const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
  const reason = what ?? textOf(cause);
  const lines = [`The ${kind} did not start: ${reason} (${how})`];
  const cure = typescriptCure(`${stderr}\n${cause?.message}\n${cause?.stack}`);
  if (cure !== undefined) lines.push(cure);
  if (stderr.trim() !== "") lines.push("It wrote:", stderr.trimEnd());
  const error = new ProcessError(lines.join("\n"), cause === undefined ? undefined : { cause });
  error.exitCode = end.code;
  error.exitSignal = end.signal;
  error.stderr = stderr;
  return error;
}

/** An error in one line. A RemoteError says in its text what it was. */
export function textOf(error: Error | undefined): string {
  return error instanceof RemoteError ? error.message : `${error?.name}: ${error?.message}`;
}

/** The error of a process that ended before it had answered. */
export function endedEarly<E extends ProcessError | WorkerLostError>(
  Class: new (message: string) => E,
  what: string,
  { code, signal }: ProcessEnd,
  output: string,
): E {
  const stderr = stripVTControlCharacters(output);
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
  const wrote = stderr.trim() === "" ? "" : `\nIt wrote:\n${stderr.trimEnd()}`;
  const error = new Class(`${what} (${how})${wrote}`);
  return Object.assign(error, { exitCode: code, exitSignal: signal, stderr });
}

/** What to do where Node does not load TypeScript. */
export function typescriptCure(text: string): string | undefined {
  const refused =
    /ERR_UNKNOWN_FILE_EXTENSION|Unknown file extension "\.[cm]?ts"|ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING/;
  if (!refused.test(text)) return undefined;
  return "This Node cannot load a .ts file: use Node 22.18 or newer, tsx, or the built .js";
}

/**
 * The error of a socket of this process that could not be made. A restricted program would be told of
 * a path that is another one the next time.
 */
export function cannotListen(action: string, cause: Error, flags = ""): Error {
  if (!isPermissionError(cause) && !isPermissionError(cause.cause)) return cause;
  const folder = dirname(dirname(newSocketPath()));
  const [refused] = cause.message.split("\n");
  return new ProcessError(
    `Cannot ${action}: ${refused}\nRun the program with --allow-net --allow-read=${folder} ` +
      `--allow-write=${folder}${flags}`,
    { cause },
  );
}

/** The error of a command that could not be run. */
export function cannotStart(path: string, cause: unknown): ProcessError {
  const text = cause instanceof Error ? cause.message : String(cause);
  const cure = isPermissionError(cause)
    ? `\nRun the program with --allow-run=${path} --allow-env`
    : (cause as { code?: unknown }).code === "ENOENT"
    ? ": no such command; give its path, as in { runtime: { name, path } }"
    : "";
  return new ProcessError(`Cannot run "${path}": ${text}${cure}`, { cause });
}
