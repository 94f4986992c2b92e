/**
 * The checks that need no test runner: formatting, lint, types, import rules, documentation,
 * publishing. `ok.ts` and `test.ts` run the same list.
 *
 * Above: ok.ts and test.ts. Below: run.ts and tools.ts.
 *
 * @module
 */
import { type Print, run, toStdout } from "./run.ts";
import { root, type Tools } from "./tools.ts";

/** One check: a program that exits with 0 when all is well. */
export interface Check {
  /** What it makes sure of. */
  name: string;
  /** The program. */
  command: string;
  /** Its arguments. */
  args: string[];
}

/** Formatting, lint, types of everything, import rules, documentation, publishing. */
export function houseChecks(tools: Tools): Check[] {
  const deno = (name: string, ...args: string[]): Check => ({ name, command: tools.deno, args });
  return [
    deno("deno fmt", "fmt", "--check"),
    deno("deno lint", "lint", "--quiet"),
    deno("deno check of everything", "check", "--quiet", ...typedFolders()),
    deno("import rules", "run", "-A", "scripts/check_imports.ts"),
    deno("deno doc --lint", "doc", "--lint", "mod.ts", "lib/process.ts"),
    deno("deno publish --dry-run", "publish", "--dry-run", "--allow-dirty", "--quiet"),
  ];
}

/** `mod.ts` and the compile-time tests under the compilers that users have. */
export function typeChecks(tools: Tools): Check[] {
  const tsc = (version: string, path: string): Check[] =>
    ["mod", "types"].map((project) => ({
      name: `tsc ${version} of ${project === "mod" ? "mod.ts" : "tests/types"}`,
      command: tools.node,
      args: [path, "--project", `tests/types/tsconfig.${project}.json`],
    }));
  return [
    { name: "deno check of tests/types", command: tools.deno, args: ["check", "tests/types/"] },
    ...tsc("5.9", tools.tsc59),
    ...tsc("7", tools.tsc7),
  ];
}

/** Runs them one by one, printing one line for each and the output of those that fail. */
export async function runChecks(
  checks: Check[],
  print: Print = toStdout,
): Promise<{ passed: number; failed: number; failures: string[] }> {
  const failures: string[] = [];
  for (const { name, command, args } of checks) {
    const { code, output, problem, time } = await run(command, args, { cwd: root, quiet: true });
    const good = code === 0 && problem === undefined;
    print(`${good ? "✓" : "✗"} ${name} (${(time / 1000).toFixed(1)} s)\n`);
    if (good) continue;
    const text = `${output.trimEnd()}\n${problem ? `${name}: ${problem}\n` : ""}`;
    failures.push(`${name}\n${text}`);
    print(`${text}\n`);
  }
  const failed = failures.length;
  return { passed: checks.length - failed, failed, failures };
}

function typedFolders(): string[] {
  const names = [...Deno.readDirSync(root)].map((entry) => entry.name);
  const wanted = ["mod.ts", "lib", "tests", "scripts", "examples", "bench"];
  return wanted.filter((name) => names.includes(name) && hasTypeScript(`${root}/${name}`));
}

// `deno check` of a folder without a module is an error.
function hasTypeScript(path: string): boolean {
  if (path.endsWith(".ts")) return true;
  if (!Deno.statSync(path).isDirectory) return false;
  return [...Deno.readDirSync(path)].some((entry) => hasTypeScript(`${path}/${entry.name}`));
}
