/**
 * `deno task test [part] [file filter]`: every test on every runtime. The last line is
 * `N passed, N failed`, summed over all of them; the exit code is 0 only if nothing failed.
 *
 * Parts, in this order: `checks` (format, lint, types, import rules, docs), `types` (TypeScript 5.9
 * and 7), `deno`, `bun`, `node`, `package` (the npm package from the outside), `node20` (the tests,
 * compiled, against the npm package). The filter is a piece of test files' names.
 *
 * One after the other: the tests start processes and measure time, and would disturb each other.
 *
 * Above: nothing. Below: checks.ts, runners.ts, build_npm.ts, node20.ts.
 *
 * @module
 */
import { buildPackage, type Built, packageChecks } from "./build_npm.ts";
import { houseChecks, runChecks, typeChecks } from "./checks.ts";
import { layOutForNode20 } from "./node20.ts";
import { type Counts, type Runner, runTests } from "./runners.ts";
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
const parts: Record<PartName, () => Promise<Counts>> = {
  checks: async () => ({ ...await runChecks(houseChecks(tools)), skipped: 0 }),
  types: async () => ({ ...await runChecks(typeChecks(tools)), skipped: 0 }),
  deno: () => runTests(denoRunner(tools), testFiles(), filter),
  bun: () => runTests(bunRunner(tools), testFiles(), filter),
  node: () => runTests(nodeRunner(tools.node, root, ".ts"), testFiles(), filter),
  package: async () => {
    const checks = await packageChecks(tools, await builtPackage());
    return { ...await runChecks(checks), skipped: 0 };
  },
  node20: onNode20,
};

const results: { title: string; counts: Counts }[] = [];
for (const name of partNames) {
  if (wanted !== undefined && wanted !== name) continue;
  const title = await titleOf(name);
  console.log(`\n=== ${title} ===`);
  const counts = await parts[name]().catch((error: unknown): Counts => {
    console.log(`✗ ${name}: ${error instanceof Error ? error.message : error}`);
    return { passed: 0, failed: 1, skipped: 0 };
  });
  results.push({ title, counts });
}
summarize();

function builtPackage(): Promise<Built> {
  return built ??= buildPackage(tools);
}

async function onNode20(): Promise<Counts> {
  const folder = await layOutForNode20(tools, (await builtPackage()).folder);
  try {
    const files = testFiles().map((file) => file.replace(/\.ts$/, ".js"));
    return await runTests(nodeRunner(await node20(), folder, ".js"), files, filter);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Every `*_test.ts`, as paths from the repository's folder. */
function testFiles(folder = "tests"): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(`${root}/${folder}`)) {
    if (isDirectory) found.push(...testFiles(`${folder}/${name}`));
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
  for (const { title, counts } of results) {
    console.log(`${title}: ${counts.passed} ok, ${counts.failed} not, ${counts.skipped} skipped`);
    sum.passed += counts.passed;
    sum.failed += counts.failed;
    sum.skipped += counts.skipped;
  }
  const skipped = sum.skipped > 0 ? `, ${sum.skipped} skipped` : "";
  console.log(`${sum.passed} passed, ${sum.failed} failed${skipped}`);
  Deno.exit(sum.failed > 0 ? 1 : 0);
}
