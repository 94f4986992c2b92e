/**
 * Runs one program for the other scripts: passes its output on and keeps it, and ends it with all
 * its children when it says nothing for too long, so that a hanging test cannot hang CI.
 *
 * Above: the scripts. Below: `node:child_process`, which (unlike `Deno.Command`) can make a process
 * group of its own.
 *
 * @module
 */
import { spawn } from "node:child_process";
import process from "node:process";

/** How a program ended. */
export interface Outcome {
  /** The exit code, null if a signal ended it. */
  code: number | null;
  /** Everything that it wrote to stdout and stderr, in order, without colours. */
  output: string;
  /** Why it counts as failed although its exit code may say otherwise. */
  problem?: string;
  /** Milliseconds. */
  time: number;
}

/** Takes a piece of output, which need not be a whole line. */
export type Print = (text: string) => void;

/** Writes it to stdout at once. */
export const toStdout: Print = (text) => void process.stdout.write(text);

/** What `run` may be told. */
export interface RunOptions {
  /** Where it runs. */
  cwd?: string;
  /** Variables on top of this process's own. */
  env?: Record<string, string>;
  /** Keeps the output to itself. */
  quiet?: boolean;
  /** Where the output goes if it is not quiet; by default to stdout. */
  print?: Print;
  /** Milliseconds without output after which it is killed; 3 minutes by default. */
  silence?: number;
}

/** Runs the program to its end; never rejects because of what the program does. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const started = performance.now();
  const { silence = 180_000, print = toStdout } = options;
  const decoder = new TextDecoder();
  let output = "";
  let problem: string | undefined;
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, NO_COLOR: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const killGroup = () => {
    try {
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
  };
  const tooQuiet = () => {
    problem = `it wrote nothing for ${silence / 1000} seconds and was killed`;
    killGroup();
  };
  let watchdog = setTimeout(tooQuiet, silence);
  const take = (chunk: Uint8Array) => {
    clearTimeout(watchdog);
    watchdog = setTimeout(tooQuiet, silence);
    const text = decoder.decode(chunk, { stream: true });
    output += text;
    if (!options.quiet) print(text);
  };
  // A process group of its own does not get the terminal's Ctrl-C. Others may run beside this one:
  // each ends its own as this process exits.
  const interrupted = () => process.exit(130);
  process.on("exit", killGroup);
  process.on("SIGINT", interrupted);
  process.on("SIGTERM", interrupted);
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  const finish = (code: number | null) => {
    clearTimeout(watchdog);
    process.off("exit", killGroup);
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    const time = performance.now() - started;
    // deno-lint-ignore no-control-regex
    const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
    resolve({ code, output: plain, time, ...(problem === undefined ? {} : { problem }) });
  };
  child.on("error", (error) => {
    problem = error.message;
    finish(null);
  });
  // A process that it left behind may hold the pipes open: that must not hang this one.
  child.on("exit", (code, signal) => {
    problem ??= signal === null ? undefined : `it was ended by ${signal}`;
    const late = setTimeout(() => {
      problem ??= "it left a process behind that holds its output open";
      killGroup();
      child.stdout.destroy();
      child.stderr.destroy();
      finish(code);
    }, 5000);
    child.on("close", () => {
      clearTimeout(late);
      finish(code);
    });
  });
  return promise;
}
