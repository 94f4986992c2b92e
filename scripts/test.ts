/**
 * `deno task test [part] [file filter]`: every test on every runtime. The last line is
 * `N passed, N failed`, summed over all of them; the exit code is 0 only if nothing failed.
 *
 * Parts, in this order: `checks` (format, lint, types, import rules, docs), `types` (TypeScript 5.9
 * and 7), `deno`, `bun`, `node`, `package` (the npm package from the outside), `node20` (the tests,
 * compiled, against the npm package). The filter is a piece of test files' names.
 *
 * Two at a time, as tests mostly wait for processes to start; each has a temporary folder of its
 * own. What they print comes one part after the other, in the order above.
 *
 * Above: nothing. Below: checks.ts, runners.ts, side_by_side.ts, build_npm.ts, node20.ts.
 *
 * @module
 */
import { buildPackage, type Built, packageChecks } from "./build_npm.ts";
import { type Check, houseChecks, runChecks, typeChecks } from "./checks.ts";
import { layOutForNode20 } from "./node20.ts";
import type { Print } from "./run.ts";
import { type Counts, type Runner, runTests } from "./runners.ts";
import { sideBySide } from "./side_by_side.ts";
import { node20, root, setUp, type Tools, versionOf } from "./tools.ts";

const partNames = ["checks", "types", "deno", "bun", "node", "package", "node20"] as const;
type PartName = typeof partNames[number];

const [wanted, filter = ""] = Deno.args;
if (wanted !== undefined && !partNames.includes(wanted as PartName)) {
  console.error(`There is no part "${wanted}"; the parts are: ${partNames.join(", ")}`);
  Deno.exit(2);
}

const tools = await setUp();
let built: Promise<Built> | undefined;
const parts: Record<PartName, (print: Print) => Promise<Counts>> = {
  checks: (print) => check(houseChecks(tools), print),
  types: (print) => check(typeChecks(tools), print),
  deno: (print) => runTests(denoRunner(tools), testFiles(), print),
  bun: (print) => runTests(bunRunner(tools), testFiles(), print),
  node: (print) => runTests(nodeRunner(tools.node, root, ".ts"), testFiles(), print),
  package: async (print) => check(await packageChecks(tools, await builtPackage()), print),
  node20: onNode20,
};

const chosen = partNames.filter((name) => wanted === undefined || name === wanted);
const results = await sideBySide(
  chosen.map((name) => (print: Print) => runPart(name, print)),
  Math.min(2, navigator.hardwareConcurrency),
);
summarize();

/** What a part came to. */
interface Result {
  title: string;
  counts: Counts;
  /** Milliseconds. */
  time: number;
}

async function runPart(name: PartName, print: Print): Promise<Result> {
  const title = await titleOf(name).catch(() => name);
  const started = performance.now();
  print(`\n=== ${title} ===\n`);
  const counts = await parts[name](print).catch((error: unknown): Counts => {
    print(`✗ ${name}: ${error instanceof Error ? error.message : error}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  return { title, counts, time: performance.now() - started };
}

async function check(checks: Check[], print: Print): Promise<Counts> {
  return { ...await runChecks(checks, print), skipped: 0 };
}

function builtPackage(): Promise<Built> {
  return built ??= buildPackage(tools);
}

async function onNode20(print: Print): Promise<Counts> {
  const folder = await layOutForNode20(tools, await builtPackage());
  try {
    const files = testFiles().map((file) => file.replace(/\.ts$/, ".js"));
    return await runTests(nodeRunner(await node20(), folder, ".js"), files, print);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** The test files that were asked for, as paths from the repository's folder. */
function testFiles(): string[] {
  const found = filesBelow("tests").filter((file) => file.includes(filter));
  if (found.length === 0) throw new Error(`No test file's name contains "${filter}"`);
  return found.map((file) => `./${file}`);
}

/** Every `*_test.ts` of the folder. */
function filesBelow(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${folder}`)) {
    if (isDirectory) found.push(...filesBelow(`${folder}/${name}`));
    else if (name.endsWith("_test.ts")) found.push(`${folder}/${name}`);
  }
  return found.sort();
}

function denoRunner({ deno }: Tools): Runner {
  return {
    command: deno,
    args: ["test", "-A", "--no-check"], // not --quiet, which hides what tests print
    cwd: root,
    count: (output) => ({
      passed: number(output, /\| (\d+) passed/g),
      failed: number(output, /passed(?: \([^)]*\))? \| (\d+) failed/g),
      skipped: number(output, /\| (\d+) ignored/g),
    }),
  };
}

function bunRunner({ bun }: Tools): Runner {
  return {
    command: bun,
    args: ["test", "--timeout", "120000"],
    cwd: root,
    count: (output) => ({
      passed: number(output, /^ *(\d+) pass$/gm),
      failed: number(output, /^ *(\d+) fail$/gm),
      skipped: number(output, /^ *(\d+) skip$/gm),
    }),
  };
}

function nodeRunner(command: string, cwd: string, extension: ".ts" | ".js"): Runner {
  return {
    command,
    args: [
      ...["--test", "--test-reporter=spec", "--test-concurrency=1", "--test-timeout=120000"],
      ...(extension === ".js" ? ["--enable-source-maps"] : []),
    ],
    cwd,
    count: (output) => ({
      passed: number(output, /^ℹ pass (\d+)$/gm),
      failed: number(output, /^ℹ fail (\d+)$/gm) + number(output, /^ℹ cancelled (\d+)$/gm),
      skipped: number(output, /^ℹ skipped (\d+)$/gm),
    }),
  };
}

/** The number in the last match: a test may print something that looks like a summary. */
function number(text: string, pattern: RegExp): number {
  return Number([...text.matchAll(pattern)].at(-1)?.[1] ?? 0);
}

async function titleOf(name: PartName): Promise<string> {
  if (name === "deno") return `Deno ${Deno.version.deno}`;
  if (name === "bun") return `Bun ${await versionOf(tools.bun)}`;
  if (name === "node") return `Node ${await versionOf(tools.node)}`;
  if (name === "node20") return `Node ${await versionOf(await node20())}, the npm package`;
  return name;
}

function summarize(): void {
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  console.log("");
  for (const { title, counts, time } of results) {
    const { passed, failed, skipped } = counts;
    const seconds = `${Math.round(time / 1000)} s`;
    console.log(`${title}: ${passed} ok, ${failed} not, ${skipped} skipped (${seconds})`);
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
  console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
  Deno.exit(sum.failed > 0 ? 1 : 0);
}
