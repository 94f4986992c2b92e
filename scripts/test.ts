/**
 * `deno task test [part] [file filter]`: every test on every runtime. The last line is
 * `N passed, N failed`, summed over all of them; the exit code is 0 only if nothing failed.
 *
 * Parts, in this order: `checks` (format, lint, types, import rules, docs), `types` (TypeScript 5.9
 * and 7), `deno`, `bun`, `node`, `package` (the npm package from the outside), `node20` (the tests,
 * compiled, against the package's draft). The filter is a piece of test files' names.
 *
 * The parts that run tests are cut into pieces, and two pieces run at a time, each with a temporary
 * folder of its own. What they print comes one after the other, in the order above.
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

/** The test files that were asked for, as paths from the repository's folder. */
const files = filesBelow("tests").filter((file) => file.includes(filter)).map((file) =>
  `./${file}`
);
if (files.length === 0) {
  console.error(`No test file's name contains "${filter}"`);
  Deno.exit(2);
}

/** Pieces of a part that runs test files: enough that neither processor is idle at the end. */
const piecesOfTests = 3;

/** What runs at a time. */
type Piece = (print: Print) => Promise<Counts>;

const tools = await setUp();
let built: Promise<Built> | undefined;
let laidOut: Promise<string> | undefined;
const parts: Record<PartName, Piece[]> = {
  checks: [(print) => check(houseChecks(tools), print)],
  types: [(print) => check(typeChecks(tools), print)],
  deno: testPieces((some, print) => runTests(denoRunner(tools), some, print)),
  bun: testPieces((some, print) => runTests(bunRunner(tools), some, print)),
  node: testPieces((some, print) => runTests(nodeRunner(tools.node, root, ".ts"), some, print)),
  package: [async (print) => check(await packageChecks(tools, await builtPackage()), print)],
  node20: testPieces(onNode20),
};

const chosen = partNames.filter((name) => wanted === undefined || name === wanted);
const results = await sideBySide(
  chosen.flatMap((name) => parts[name].map((_, index) => (print) => runPiece(name, index, print))),
  Math.min(2, navigator.hardwareConcurrency),
);
// Its failure was told.
await laidOut?.then((folder) => Deno.remove(folder, { recursive: true }), () => {});
summarize();

/** What a piece came to. */
interface Result {
  /** That of its part. */
  title: string;
  counts: Counts;
  /** Milliseconds. */
  time: number;
}

async function runPiece(name: PartName, index: number, print: Print): Promise<Result> {
  const title = await titleOf(name).catch(() => name);
  const pieces = parts[name];
  const started = performance.now();
  print(`\n=== ${title}${pieces.length > 1 ? `, ${index + 1} of ${pieces.length}` : ""} ===\n`);
  const counts = await pieces[index]!(print).catch((error: unknown): Counts => {
    print(`✗ ${name}: ${error instanceof Error ? error.message : error}\n`);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  return { title, counts, time: performance.now() - started };
}

/** The files are dealt out in turn, so that long ones, which have similar names, are spread. */
function testPieces(run: (files: string[], print: Print) => Promise<Counts>): Piece[] {
  const dealt = Array.from(
    { length: Math.min(piecesOfTests, files.length) },
    (_, piece) => files.filter((_, index) => index % piecesOfTests === piece),
  );
  return dealt.map((some) => (print) => run(some, print));
}

async function check(checks: Check[], print: Print): Promise<Counts> {
  return { ...await runChecks(checks, print), skipped: 0 };
}

function builtPackage(): Promise<Built> {
  return built ??= buildPackage(tools);
}

async function onNode20(files: string[], print: Print): Promise<Counts> {
  laidOut ??= builtPackage().then((built) => layOutForNode20(tools, built));
  const runner = nodeRunner(await node20(), await laidOut, ".js");
  return await runTests(runner, files.map((file) => file.replace(/\.ts$/, ".js")), print);
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
  console.log("");
  for (const [title, pieces] of Map.groupBy(results, ({ title }) => title)) {
    const { passed, failed, skipped } = total(pieces.map(({ counts }) => counts));
    const seconds = `${Math.round(pieces.reduce((sum, { time }) => sum + time, 0) / 1000)} s`;
    console.log(`${title}: ${passed} ok, ${failed} not, ${skipped} skipped (${seconds})`);
  }
  const { passed, failed, skipped } = total(results.map(({ counts }) => counts));
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed > 0 ? 1 : 0);
}

function total(all: readonly Counts[]): Counts {
  const sum: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { passed, failed, skipped } of all) {
    sum.passed += passed;
    sum.failed += failed;
    sum.skipped += skipped;
  }
  return sum;
}
