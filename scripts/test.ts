/**
 * `deno task test [part] [file filter]`: every test on every runtime. At the end it tells again
 * what failed. The last line is `N passed, N failed`, summed over all of them; the exit code is 0
 * only if nothing failed.
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
import { bunRunner, denoRunner, nodeRunner, type Report, runTests } from "./runners.ts";
import { sideBySide } from "./side_by_side.ts";
import { node20, root, setUp, versionOf } from "./tools.ts";

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
type Piece = (print: Print) => Promise<Report>;

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
  report: Report;
  /** Milliseconds. */
  time: number;
}

async function runPiece(name: PartName, index: number, print: Print): Promise<Result> {
  const title = await titleOf(name).catch(() => name);
  const pieces = parts[name];
  const started = performance.now();
  print(`\n=== ${title}${pieces.length > 1 ? `, ${index + 1} of ${pieces.length}` : ""} ===\n`);
  const report = await pieces[index]!(print).catch((error: unknown): Report => {
    const text = `✗ ${name}: ${error instanceof Error ? error.message : error}`;
    print(`${text}\n`);
    return { passed: 0, failed: 1, skipped: 0, failures: [text] };
  });
  return { title, report, time: performance.now() - started };
}

/** The files are dealt out in turn, so that long ones, which have similar names, are spread. */
function testPieces(run: (files: string[], print: Print) => Promise<Report>): Piece[] {
  const dealt = Array.from(
    { length: Math.min(piecesOfTests, files.length) },
    (_, piece) => files.filter((_, index) => index % piecesOfTests === piece),
  );
  return dealt.map((some) => (print) => run(some, print));
}

async function check(checks: Check[], print: Print): Promise<Report> {
  return { ...await runChecks(checks, print), skipped: 0 };
}

function builtPackage(): Promise<Built> {
  return built ??= buildPackage(tools);
}

async function onNode20(files: string[], print: Print): Promise<Report> {
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

async function titleOf(name: PartName): Promise<string> {
  if (name === "deno") return `Deno ${Deno.version.deno}`;
  if (name === "bun") return `Bun ${await versionOf(tools.bun)}`;
  if (name === "node") return `Node ${await versionOf(tools.node)}`;
  if (name === "node20") return `Node ${await versionOf(await node20())}, the npm package`;
  return name;
}

function summarize(): void {
  for (const { title, report } of results) {
    for (const text of report.failures) {
      console.log(`\n=== Failed: ${title} ===\n${lastLines(text.trim(), 100)}`);
    }
  }
  console.log("");
  for (const [title, pieces] of Map.groupBy(results, ({ title }) => title)) {
    const seconds = `${Math.round(pieces.reduce((sum, { time }) => sum + time, 0) / 1000)} s`;
    const [passed, failed, skipped] = total(pieces);
    console.log(`${title}: ${passed} ok, ${failed} not, ${skipped} skipped (${seconds})`);
  }
  const [passed, failed, skipped] = total(results);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(failed > 0 ? 1 : 0);
}

function total(some: readonly Result[]): [passed: number, failed: number, skipped: number] {
  const sum = (of: "passed" | "failed" | "skipped") =>
    some.reduce((all, { report }) => all + report[of], 0);
  return [sum("passed"), sum("failed"), sum("skipped")];
}

function lastLines(text: string, many: number): string {
  return text.split("\n").slice(-many).join("\n");
}
