/**
 * The oracle's process: programs in, outcomes out, in their order.
 *
 * Above: oracle_test.ts. Below: `tests/fixtures/oracle/oracle.py`, where there is a Python for it.
 *
 * @module
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fixture } from "../support/runtimes.ts";
import type { Outcome, Program } from "./values.ts";

const script = fileURLToPath(fixture("oracle/oracle.py"));

/** The version of Python, or the reason why it cannot be asked here: it has to start a manager. */
export function lookForPython(): { python?: string; reason?: string } {
  const { error, status, stdout, stderr } = spawnSync("python3", [script], {
    encoding: "utf8",
    input: "",
  });
  if (error) return { reason: `there is no python3: ${error.message}` };
  if (status === 0) return usable(JSON.parse(stdout).python);
  const why = stderr.trim().split("\n").at(-1) ?? "";
  // Anything else is a mistake in the script, and no reason to skip.
  if (!/^(OS|Permission|Import|ModuleNotFound|EOF|Connection\w*)Error/.test(why)) {
    throw new Error(stderr);
  }
  return { reason: `python3's multiprocessing does not work: ${why}` };
}

function usable(python: string): { python?: string; reason?: string } {
  const [major = 0, minor = 0] = python.split(".").map(Number);
  if (major > 3 || minor >= 9) return { python };
  return { reason: `Python ${python} cannot put a queue's proxy into a list, 3.9 can` };
}

/** One process of Python with one manager. */
export class Oracle {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;
  #previous: Promise<unknown>;
  #errors = "";

  /** Starts it. */
  constructor() {
    const child = spawn("python3", ["-u", script]);
    this.#child = child;
    this.#closed = once(child, "close");
    child.stderr.setEncoding("utf8").on("data", (text: string) => this.#errors += text);
    // Its end shows in its output.
    child.stdin.on("error", () => {});
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#previous = this.#line();
  }

  /** The outcomes of a program's steps. */
  run(program: Program): Promise<Outcome[]> {
    this.#child.stdin!.write(`${JSON.stringify(program)}\n`);
    const outcomes = this.#previous.then(() => this.#line());
    this.#previous = outcomes;
    return outcomes as Promise<Outcome[]>;
  }

  /** Ends it; resolves when it is gone. */
  async close(): Promise<void> {
    this.#child.stdin!.end();
    await this.#closed;
  }

  async #line(): Promise<unknown> {
    const { done, value } = await this.#lines.next();
    if (!done) return JSON.parse(value);
    throw new Error(`The oracle ended; its stderr is:\n${this.#errors}`);
  }
}
