/**
 * Node 20 cannot run TypeScript: there the tests are compiled and laid beside the draft of the
 * package, where `../mod.js` and `../lib/...` are its files. The examples import the package itself,
 * which has the same code in fewer files.
 *
 * ```text
 * <temporary folder>/package.json mod.js lib/   the draft, as built
 *                    node_modules/              the package; its dependency, and the optional one
 *                    tests/ examples/           compiled; other files of theirs are copied
 *                    docs/ *.md                 the documents that tests read
 * ```
 *
 * Above: test.ts. Below: build_npm.ts's result, TypeScript 5.9.
 *
 * @module
 */
import type { Built } from "./build_npm.ts";
import { run } from "./run.ts";
import { root, type Tools } from "./tools.ts";

/** Makes the folder; the caller removes it. */
export async function layOutForNode20(tools: Tools, built: Built): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "node20-" });
  await copy(built.draft, folder);
  await copy(built.folder, `${folder}/node_modules/@referent/manager`);
  await copy(
    await Deno.realPath(`${root}/node_modules/@msgpack/msgpack`),
    `${folder}/node_modules/@msgpack/msgpack`,
  );
  // A link, so that its own dependencies are found where it stands.
  const progress = await Deno.realPath(`${root}/node_modules/cli-progress`);
  await Deno.symlink(progress, `${folder}/node_modules/cli-progress`);
  await compile(tools, folder);
  const source = (path: string) => path.endsWith(".ts") || path === `${root}/tests/types`;
  for (const name of ["tests", "examples", "docs"]) {
    if (await exists(`${root}/${name}`)) await copy(`${root}/${name}`, `${folder}/${name}`, source);
  }
  for (const { name } of Deno.readDirSync(root)) {
    if (name.endsWith(".md")) await Deno.copyFile(`${root}/${name}`, `${folder}/${name}`);
  }
  return folder;
}

/**
 * Compiles the tests where they stand, without checking them (`deno check` does), and keeps of the
 * result what is not in the package.
 */
async function compile(tools: Tools, folder: string): Promise<void> {
  const compiled = `${folder}/compiled`;
  const config = {
    compilerOptions: {
      target: "ES2022",
      // Not NodeNext: a repository without package.json would be CommonJS to it.
      module: "ESNext",
      moduleResolution: "Bundler",
      rewriteRelativeImportExtensions: true,
      noCheck: true,
      inlineSourceMap: true,
      rootDir: root,
      outDir: compiled,
      types: [],
    },
    include: [`${root}/tests/**/*.ts`, `${root}/examples/**/*.ts`],
    exclude: [`${root}/tests/types`, `${root}/tests/package`],
  };
  await Deno.writeTextFile(`${folder}/tsconfig.json`, JSON.stringify(config));
  const args = [tools.tsc59, "--project", `${folder}/tsconfig.json`];
  const { code, output } = await run(tools.node, args, { quiet: true });
  if (code !== 0) throw new Error(`Cannot compile the tests for Node 20:\n${output}`);
  for (const name of ["tests", "examples"]) {
    if (await exists(`${compiled}/${name}`)) {
      await Deno.rename(`${compiled}/${name}`, `${folder}/${name}`);
    }
  }
  await Deno.remove(compiled, { recursive: true });
  await importPackage(`${folder}/examples`);
}

/** Does to the examples what whoever copies them does, and what tsc leaves as it is. */
async function importPackage(folder: string): Promise<void> {
  // A package of its own: in the library's, "@referent/manager" would be the draft.
  await Deno.writeTextFile(`${folder}/package.json`, `{ "private": true, "type": "module" }\n`);
  for (const { name } of Deno.readDirSync(folder)) {
    if (!name.endsWith(".js")) continue;
    const code = await Deno.readTextFile(`${folder}/${name}`);
    const changed = code
      .replaceAll('from "../mod.js"', 'from "@referent/manager"')
      .replaceAll('from "../lib/process.js"', 'from "@referent/manager/process"')
      .replaceAll(/(?<=new URL\("\.\/\w+)\.ts(?=", import\.meta\.url\))/g, ".js");
    if (changed !== code) await Deno.writeTextFile(`${folder}/${name}`, changed);
  }
}

async function copy(from: string, to: string, skip?: (path: string) => boolean): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    const path = `${from}/${name}`;
    if (skip?.(path)) continue;
    if (isDirectory) await copy(path, `${to}/${name}`, skip);
    else await Deno.copyFile(path, `${to}/${name}`);
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
