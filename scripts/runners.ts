/**
 * The test runners of the runtimes. Runs test files under one, counts, keeps what failed, and looks
 * for what they left behind: processes, and files in the temporary folder that they had for
 * themselves.
 *
 * Above: test.ts. Below: run.ts and tools.ts.
 *
 * @module
 */
import { type Print, run } from "./run.ts";
import { root, type Tools } from "./tools.ts";

/** What a run came to: how many tests, and what there is to say of those that failed. */
export interface Report {
  /** Passed. */
  passed: number;
  /** Failed, or crashed, or leaked. */
  failed: number;
  /** Skipped. */
  skipped: number;
  /** What was printed of the failures. */
  failures: string[];
}

/** One runtime's test runner. */
export interface Runner {
  /** The program. */
  command: string;
  /** Its arguments, before the files. */
  args: string[];
  /** Where it runs. */
  cwd: string;
  /** Reads the numbers and the failures in what it printed. */
  read(output: string): Report;
}

/** `deno test`. */
export function denoRunner({ deno }: Tools): Runner {
  return {
    command: deno,
    args: ["test", "-A", "--no-check"], // not --quiet, which hides what tests print
    cwd: root,
    read: (output) => ({
      passed: number(output, /\| (\d+) passed/g),
      failed: number(output, /passed(?: \([^)]*\))? \| (\d+) failed/g),
      skipped: number(output, /\| (\d+) ignored/g),
      failures: output.match(/^ ERRORS \n[^]*(?=^ FAILURES $)/gm) ?? [],
    }),
  };
}

/** `bun test`, which prints an error before the test's name. */
export function bunRunner({ bun }: Tools): Runner {
  return {
    command: bun,
    args: ["test", "--timeout", "120000"],
    cwd: root,
    read: (output) => ({
      passed: number(output, /^ *(\d+) pass$/gm),
      failed: number(output, /^ *(\d+) fail$/gm),
      skipped: number(output, /^ *(\d+) skip$/gm),
      failures: output
        .replace(/^\d+ tests failed:$[^]*/m, "") // the names again, without the errors
        .match(/(^(?!\((pass|fail|skip|todo)\)).*\n)*^\(fail\) .*$/gm) ?? [],
    }),
  };
}

/** `node --test`. */
export function nodeRunner(command: string, cwd: string, extension: ".ts" | ".js"): Runner {
  return {
    command,
    args: [
      ...["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=120000"],
      ...(extension === ".js" ? ["--enable-source-maps"] : []),
    ],
    cwd,
    read: (output) => ({
      passed: number(output, /^ℹ pass (\d+)$/gm),
      failed: number(output, /^ℹ fail (\d+)$/gm) + number(output, /^ℹ cancelled (\d+)$/gm),
      skipped: number(output, /^ℹ skipped (\d+)$/gm),
      failures: output.match(/^✖ failing tests:\n[^]*/gm) ?? [],
    }),
  };
}

/** The number in the last match: a test may print something that looks like a summary. */
function number(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

/** Runs the test files; a run without a test counts as failed. */
export async function runTests(runner: Runner, files: string[], print: Print): Promise<Report> {
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
  const { passed, failed, skipped, failures } = runner.read(output);
  const problems = [
    ...problem === undefined ? [] : [`The test runner failed: ${problem}`],
    ...leftProcesses(marker).map((what) => `A process was left behind: ${what}`),
    ...[...Deno.readDirSync(folder)].map(({ name }) => `A file was left behind: $TMPDIR/${name}`),
  ];
  if (passed + failed === 0) problems.push("The test runner ran no test");
  else if (code !== 0 && failed === 0 && problem === undefined) {
    problems.push(`The test runner exited with code ${code} although no test failed`);
  }
  for (const text of problems) print(`✗ ${text}\n`);
  for (const path of [folder, cache]) await Deno.remove(path, { recursive: true });
  failures.push(...problems);
  return { passed, failed: failed + problems.length, skipped, failures };
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
