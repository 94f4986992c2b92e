/**
 * Builds the npm package and checks it as its users will meet it. `deno task build` leaves
 * `npm/package/` (what is in the package) and `npm/referent-manager-<version>.tgz`.
 *
 * `deno pack` makes the JavaScript and the declarations; this adds what it does not write: the
 * fields of package.json that come from nowhere else, and the line that gives users of TypeScript
 * `Symbol.asyncDispose` (JSR refuses it in the source).
 *
 * Above: test.ts. Below: consumer.ts (the checks from outside), run.ts and tools.ts.
 *
 * @module
 */
import { type Check, runChecks } from "./checks.ts";
import { consumerChecks } from "./consumer.ts";
import { run } from "./run.ts";
import { root, setUp, type Tools } from "./tools.ts";

/** What `deno pack` does not know of package.json. */
const extraFields = {
  description:
    "Python's multiprocessing managers for Deno, Bun and Node: lists, dicts, sets, values " +
    "and your own classes, shared by processes through proxies.",
  keywords: ["multiprocessing", "ipc", "rpc", "proxy", "shared", "manager", "deno", "bun", "node"],
  engines: { node: ">=20" },
};

/** The built package. */
export interface Built {
  /** The folder with what is in the package. */
  folder: string;
  /** The tarball. */
  tarball: string;
}

/** Makes `npm/package/` and the tarball anew. */
export async function buildPackage(tools: Tools): Promise<Built> {
  const out = `${root}/npm`;
  await Deno.remove(out, { recursive: true }).catch(() => {});
  await Deno.mkdir(out);
  const draft = `${out}/draft.tgz`;
  await must(
    tools.deno,
    ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", draft],
    root,
  );
  await must("tar", ["-xzf", draft], out);
  await Deno.remove(draft);
  const folder = `${out}/package`;
  await removeSources(folder);
  await addFields(`${folder}/package.json`);
  await makeExecutable(`${folder}/lib/cli.js`);
  await addDisposableTypes(`${folder}/mod.d.ts`);
  const printed = await must("npm", ["pack", "--json", "--pack-destination", out], folder);
  const name = /"filename": "([^"]+)"/.exec(printed)?.[1];
  if (name === undefined) throw new Error(`"npm pack" named no file: ${printed}`);
  return { folder, tarball: `${out}/${name}` };
}

/** Looks at the package from the outside: the checkers, then an empty folder that installs it. */
export async function packageChecks(tools: Tools, built: Built): Promise<Check[]> {
  const node = (name: string, ...args: string[]): Check => ({ name, command: tools.node, args });
  return [
    node("publint", tools.publint, built.tarball, "--strict"),
    node("attw --profile esm-only", tools.attw, built.tarball, "--profile", "esm-only"),
    ...await consumerChecks(tools, built.tarball),
  ];
}

/** A module of types only has nothing to run: `deno pack` copies its source, which is of no use. */
async function removeSources(folder: string): Promise<void> {
  for (const entry of Deno.readDirSync(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) await removeSources(path);
    else if (/(?<!\.d)\.ts$/.test(entry.name)) await Deno.remove(path);
  }
}

/** Progress bars are for whoever installs their package: a peer, which npm does not fetch by itself. */
async function addFields(path: string): Promise<void> {
  const packed = JSON.parse(await Deno.readTextFile(path));
  const { "cli-progress": progress, ...dependencies } = packed.dependencies;
  const fields = {
    ...packed,
    ...extraFields,
    bin: { referent: "./lib/cli.js" },
    dependencies,
    peerDependencies: { "cli-progress": progress },
    peerDependenciesMeta: { "cli-progress": { optional: true } },
  };
  await Deno.writeTextFile(path, JSON.stringify(fields, null, 2) + "\n");
}

/** The `bin`: what npm links to has to say which program runs it. */
async function makeExecutable(path: string): Promise<void> {
  const program = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, `#!/usr/bin/env node\n${program}`);
  await Deno.chmod(path, 0o755);
}

async function addDisposableTypes(path: string): Promise<void> {
  const types = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, `/// <reference lib="esnext.disposable" />\n${types}`);
}

async function must(command: string, args: string[], cwd: string): Promise<string> {
  const { code, output } = await run(command, args, { cwd, quiet: true });
  if (code === 0) return output;
  throw new Error(`"${command} ${args.join(" ")}" failed with exit code ${code}:\n${output}`);
}

if (import.meta.main) {
  const tools = await setUp();
  const built = await buildPackage(tools);
  const { failed } = await runChecks(await packageChecks(tools, built));
  console.log(built.tarball);
  if (failed > 0) Deno.exit(1);
}
