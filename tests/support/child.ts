/**
 * Child programs of tests: start one under any runtime, read its lines, wait for its end.
 *
 * Above: tests. Below: runtimes.ts.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { runtimeCommand, type RuntimeName } from "./runtimes.ts";

/** How a program ended. */
export interface End {
  /** The exit code, null if a signal ended it. */
  code: number | null;
  /** The signal that ended it. */
  signal: string | null;
  /** All that it wrote to stdout. */
  stdout: string;
  /** All that it wrote to stderr. */
  stderr: string;
}

/** A running program. */
export interface Child {
  /** The process. */
  process: ChildProcess;
  /** The next line of its stdout; rejects with its stderr when there is none any more. */
  line(): Promise<string>;
  /** Its end; never rejects. */
  end: Promise<End>;
}

/** What `startScript` may be told. */
export interface StartOptions {
  /** Arguments of the script. */
  args?: readonly string[];
  /** Variables on top of this process's own: `manager.env`. */
  env?: Record<string, string>;
}

/** Starts the script under the runtime; its stdin is a pipe. */
export function startScript(
  runtime: RuntimeName,
  script: URL | string,
  { args = [], env = {} }: StartOptions = {},
): Child {
  const { command, args: all } = runtimeCommand(runtime, script, args);
  const child = spawn(command, all, { env: { ...process.env, ...env } });
  const written = { stdout: "", stderr: "" };
  child.stderr.setEncoding("utf8").on("data", (text: string) => written.stderr += text);
  const lines = createInterface({ input: child.stdout });
  const waiting = lines[Symbol.asyncIterator]();
  lines.on("line", (line) => written.stdout += `${line}\n`);
  return {
    process: child,
    async line(): Promise<string> {
      const { done, value } = await waiting.next();
      if (!done) return value;
      throw new Error(`The script wrote no more lines; its stderr is:\n${written.stderr}`);
    },
    end: once(child, "close").then(([code, signal]) => ({ code, signal, ...written })),
  };
}

/** Runs the script to its end; rejects with its stderr if it fails. Resolves to its stdout. */
export async function runScript(
  runtime: RuntimeName,
  script: URL | string,
  options?: StartOptions,
): Promise<string> {
  const child = startScript(runtime, script, options);
  child.process.stdin?.end();
  const { code, signal, stdout, stderr } = await child.end;
  if (code === 0) return stdout;
  throw new Error(
    `${script} ended with ${signal ?? `exit code ${code}`}; its stderr is:\n${stderr}`,
  );
}
