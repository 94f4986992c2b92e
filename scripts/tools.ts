/**
 * The development tools and where they are: Deno, Bun, Node 26, Node 20, two TypeScripts, the bundler
 * and the package checkers. `setUp()` installs what is missing, so that every task works in a fresh
 * clone on a machine that has only Node and npm. Run as a program it only sets up.
 *
 * Above: every other script. Below: npm and `tools/package.json`, which pins the versions.
 * Deno itself is the one that runs this; the tests find all three runtimes in
 * `tools/node_modules/.bin`, where `setUp()` puts a link to it.
 *
 * @module
 */

/** The repository's folder, without a slash at the end. */
export const root: string = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

const modules = `${root}/tools/node_modules`;

/** Paths of programs, ready to be spawned. Those that are JavaScript are run by `node`. */
export interface Tools {
  /** Deno, the one that runs this script. */
  deno: string;
  /** Bun. */
  bun: string;
  /** A current Node, which runs TypeScript. */
  node: string;
  /** The bundler. */
  esbuild: string;
  /** The compiler of TypeScript 5.9 (JavaScript). */
  tsc59: string;
  /** The compiler of TypeScript 7 (JavaScript that starts the native program). */
  tsc7: string;
  /** The checker of package.json (JavaScript). */
  publint: string;
  /** "Are the types wrong?" (JavaScript). */
  attw: string;
}

/** Installs what is missing and returns the paths. Says what it does, nothing if all is there. */
export async function setUp(): Promise<Tools> {
  await npmCi(`${root}/tools`, "Bun, Node 26, TypeScript and the package checkers");
  await link(Deno.execPath(), `${modules}/.bin/deno`);
  for (const name of ["@msgpack/msgpack", "cli-progress"]) {
    if (await exists(`${root}/node_modules/${name}/package.json`)) continue;
    await must(Deno.execPath(), ["install", "--quiet"], root);
  }
  return {
    deno: Deno.execPath(),
    bun: `${modules}/.bin/bun`,
    node: await currentNode(),
    esbuild: `${modules}/.bin/esbuild`,
    tsc59: `${modules}/typescript59/bin/tsc`,
    tsc7: `${modules}/typescript/bin/tsc`,
    publint: `${modules}/publint/src/cli.js`,
    attw: `${modules}/@arethetypeswrong/cli/dist/index.js`,
  };
}

/** The path of a Node 20: the machine's own if it is one, else the pinned one, installed on demand. */
export async function node20(): Promise<string> {
  if ((await versionOf("node"))?.startsWith("v20.")) return "node";
  await npmCi(`${root}/tools/node20`, "Node 20");
  const path = `${root}/tools/node20/node_modules/.bin/node`;
  if (await versionOf(path)) return path;
  throw new Error(`No Node 20 for this machine: put one on PATH as "node"`);
}

/** What `command --version` prints, or undefined if it cannot be run. */
export async function versionOf(command: string): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args: ["--version"] }).output();
    return success ? new TextDecoder().decode(stdout).split("\n")[0]?.trim() : undefined;
  } catch {
    return undefined;
  }
}

async function currentNode(): Promise<string> {
  const pinned = `${modules}/.bin/node`;
  if (await exists(pinned)) return pinned;
  const [, major = "0", minor = "0"] = /^v(\d+)\.(\d+)/.exec(await versionOf("node") ?? "") ?? [];
  if (Number(major) > 22 || (Number(major) === 22 && Number(minor) >= 18)) return "node";
  throw new Error(
    `npm has no Node for this machine: put Node 22.18 or newer on PATH as "node"`,
  );
}

/**
 * `npm ci`, unless the folder holds what the lock file says. npm keeps no such mark itself: one
 * that is interrupted leaves a half-filled folder, so the mark is written last.
 */
async function npmCi(folder: string, what: string): Promise<void> {
  const mark = `${folder}/node_modules/.installed`;
  const wanted = await Deno.readTextFile(`${folder}/package-lock.json`);
  if (await readIfThere(mark) === wanted) return;
  console.error(`Installing ${what} (npm ci --prefix ${folder.slice(root.length + 1)}) ...`);
  await must("npm", ["ci", "--prefix", folder, "--no-audit", "--no-fund"], root);
  await Deno.writeTextFile(mark, wanted);
}

async function must(command: string, args: string[], cwd: string): Promise<void> {
  const { success, code } = await new Deno.Command(command, {
    args,
    cwd,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`"${command} ${args.join(" ")}" failed with exit code ${code}`);
}

async function link(target: string, path: string): Promise<void> {
  const there = await Deno.readLink(path).catch(() => undefined);
  if (there === target) return;
  await Deno.remove(path).catch(() => {});
  await Deno.symlink(target, path);
}

async function readIfThere(path: string): Promise<string | undefined> {
  return await Deno.readTextFile(path).catch(() => undefined);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}

if (import.meta.main) await setUp();
