/**
 * Builds the npm package and checks it as its users will meet it. `deno task build` leaves
 *
 * ```text
 * npm/draft/     what `deno pack` makes: JavaScript and declarations, a file a module
 *     package/   what is in the package
 *     referent-manager-<version>.tgz
 * ```
 *
 * The package has the draft's declarations, and its JavaScript in a few files: a server that loads
 * a hundred modules takes twice as long to start (docs/decisions.md). This also adds what
 * `deno pack` does not write: the fields of package.json that come from nowhere else, and the line
 * that gives users of TypeScript `Symbol.asyncDispose` (JSR refuses it in the source).
 *
 * Above: test.ts. Below: esbuild, consumer.ts (the checks from outside), run.ts and tools.ts.
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

/** The programs and the public modules; the rest is in pieces that they share. */
const entries = [
  "mod.js",
  "lib/process.js",
  "lib/cli.js",
  "lib/server/main.js",
  "lib/process/main.js",
];

/** The built package. */
export interface Built {
  /** The folder with the same code, a file a module. */
  draft: string;
  /** The folder with what is in the package. */
  folder: string;
  /** The tarball. */
  tarball: string;
}

/** Makes `npm/` anew. */
export async function buildPackage(tools: Tools): Promise<Built> {
  const out = `${root}/npm`;
  await Deno.remove(out, { recursive: true }).catch(() => {});
  const draft = await pack(tools, out);
  const folder = `${out}/package`;
  await bundle(tools, draft, folder);
  await copyWithoutPrograms(draft, folder);
  await Deno.copyFile(
    `${root}/node_modules/@msgpack/msgpack/LICENSE`,
    `${folder}/LICENSE-msgpack`,
  );
  await addFields(`${folder}/package.json`);
  await makeExecutable(`${folder}/lib/cli.js`);
  await addDisposableTypes(`${folder}/mod.d.ts`);
  const printed = await must("npm", ["pack", "--json", "--pack-destination", out], folder);
  const name = /"filename": "([^"]+)"/.exec(printed)?.[1];
  if (name === undefined) throw new Error(`"npm pack" named no file: ${printed}`);
  return { draft, folder, tarball: `${out}/${name}` };
}

/** What `deno pack` makes, as a folder. */
async function pack(tools: Tools, out: string): Promise<string> {
  const [tarball, draft] = [`${out}/draft.tgz`, `${out}/draft`];
  await Deno.mkdir(draft, { recursive: true });
  const args = ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", tarball];
  await must(tools.deno, args, root);
  await must("tar", ["-xzf", tarball, "--strip-components=1", "-C", draft], out);
  await Deno.remove(tarball);
  await removeSources(draft);
  return draft;
}

/**
 * The entries, the pieces that they share, and the one dependency, whose own package is fifteen
 * files of CommonJS. All pieces are in `lib/`, where runtime.ts was: it finds the programs from
 * there.
 */
async function bundle(tools: Tools, draft: string, folder: string): Promise<void> {
  await must(
    tools.esbuild,
    [
      ...entries,
      ...["--bundle", "--splitting", "--format=esm", "--platform=node", "--target=node20"],
      ...[`--outdir=${folder}`, "--outbase=.", "--chunk-names=lib/[name]-[hash]"],
      ...["--main-fields=module,main", "--external:cli-progress", "--log-level=warning"],
    ],
    draft,
  );
}

/** Everything but JavaScript. */
async function copyWithoutPrograms(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) await copyWithoutPrograms(`${from}/${name}`, `${to}/${name}`);
    else if (!name.endsWith(".js")) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
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

/**
 * What is bundled is no dependency any more; progress bars are for whoever installs their package:
 * a peer, which npm does not fetch by itself.
 */
async function addFields(path: string): Promise<void> {
  const { dependencies, ...packed } = JSON.parse(await Deno.readTextFile(path));
  const { "cli-progress": progress } = dependencies;
  const fields = {
    ...packed,
    ...extraFields,
    bin: { referent: "./lib/cli.js" },
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
