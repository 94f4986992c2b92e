/**
 * Runs test files under one runtime's test runner, counts, and looks for what they left behind:
 * processes, and files in the temporary folder that they had for themselves.
 *
 * Above: test.ts. Below: run.ts and tools.ts.
 *
 * @module
 */
import { type Print, run } from "./run.ts";
import { root } from "./tools.ts";

/** How many tests. */
export interface Counts {
  /** Passed. */
  passed: number;
  /** Failed, or crashed, or leaked. */
  failed: number;
  /** Skipped. */
  skipped: number;
}

/** One runtime's test runner. */
export interface Runner {
  /** The program. */
  command: string;
  /** Its arguments, before the files. */
  args: string[];
  /** Where it runs. */
  cwd: string;
  /** Reads the numbers in what it printed. */
  count(output: string): Counts;
}

/** Runs the test files; a run without a test counts as failed. */
export async function runTests(runner: Runner, files: string[], print: Print): Promise<Counts> {
  // A short path: sockets are made in it, and their paths have 107 bytes (103 on a Mac).
  const folder = await Deno.makeTempDir({ prefix: "t-" });
  // What Node compiled, for the next of the many that start: else each strips all types again.
  const cache = await Deno.makeTempDir({ prefix: "node-" });
  const marker = crypto.randomUUID();
  const env = {
    TMPDIR: folder,
    NODE_COMPILE_CACHE: cache,
    REFERENT_TEST_RUN: marker,
    REFERENT_TEST_SOURCE: root,
  };
  const { cwd, command, args } = runner;
  const { code, output, problem } = await run(command, [...args, ...files], { cwd, env, print });
  const counts = runner.count(output);
  const problems = [
    ...problem === undefined ? [] : [`The test runner failed: ${problem}`],
    ...leftProcesses(marker).map((what) => `A process was left behind: ${what}`),
    ...[...Deno.readDirSync(folder)].map(({ name }) => `A file was left behind: $TMPDIR/${name}`),
  ];
  if (counts.passed + counts.failed === 0) problems.push("The test runner ran no test");
  else if (code !== 0 && counts.failed === 0 && problem === undefined) {
    problems.push(`The test runner exited with code ${code} although no test failed`);
  }
  for (const text of problems) print(`✗ ${text}\n`);
  for (const path of [folder, cache]) await Deno.remove(path, { recursive: true });
  return { ...counts, failed: counts.failed + problems.length };
}

/** Ends and names the processes that have the marker in their environment (Linux only). */
function leftProcesses(marker: string): string[] {
  if (Deno.build.os !== "linux") return [];
  const found: string[] = [];
  for (const { name } of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (!Deno.readTextFileSync(`/proc/${name}/environ`).includes(marker)) continue;
      const line = Deno.readTextFileSync(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      Deno.kill(Number(name), "SIGKILL");
      found.push(`${name}: ${line}`);
    } catch {
      // It ended meanwhile, or belongs to somebody else.
    }
  }
  return found;
}
