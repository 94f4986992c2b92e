/**
 * The package as somebody else meets it: an empty folder outside the repository, `npm install` of
 * the tarball, a compiler, a run.
 *
 * The folder gets `tests/package/consumer/` (a compact main job), the first TypeScript example of
 * README.md as printed there, and the tsconfig that README.md gives.
 *
 * Above: build_npm.ts. Below: run.ts and tools.ts.
 *
 * @module
 */
import type { Check } from "./checks.ts";
import { run } from "./run.ts";
import { node20, root, type Tools } from "./tools.ts";

/** Installs the tarball into an empty folder; the checks run in it. */
export async function consumerChecks(tools: Tools, tarball: string): Promise<Check[]> {
  const folder = await Deno.makeTempDir({ prefix: "consumer-" });
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  await layOut(folder, tarball);
  const oldNode = await node20();
  const fromSource = ["run", "-A", "--config", `${root}/deno.json`, `${folder}/example.mjs`];
  const bin = "node_modules/.bin/referent";
  const runs = (name: string, file: string, ...args: string[]): Check[] => [
    { name: `${name} on Node 20`, command: oldNode, args: [`${folder}/${file}`, ...args] },
    { name: `${name} on Node 26`, command: tools.node, args: [`${folder}/${file}`, ...args] },
    { name: `${name} on Bun`, command: tools.bun, args: [`${folder}/${file}`, ...args] },
  ];
  const compile = (version: string, path: string): Check => ({
    name: `tsc ${version} of a consumer under README's tsconfig`,
    command: tools.node,
    args: [path, "--project", folder, "--rewriteRelativeImportExtensions"],
  });
  return [
    compile("7", tools.tsc7),
    compile("5.9", tools.tsc59),
    ...runs("README's first example from the package", "example.mjs"),
    { name: "README's first example on Deno", command: tools.deno, args: fromSource },
    ...runs("the main job from the package", "main_job.js"),
    { name: "the command `referent`", command: `${folder}/${bin}`, args: ["--version"] },
    ...runs("the command `referent`", bin, "--version"),
  ];
}

async function layOut(folder: string, tarball: string): Promise<void> {
  const readme = await Deno.readTextFile(`${root}/README.md`);
  const example = fence(readme, "ts", "Manager.start");
  await Deno.writeTextFile(`${folder}/package.json`, `{ "private": true, "type": "module" }\n`);
  await Deno.writeTextFile(`${folder}/tsconfig.json`, fence(readme, "json", "compilerOptions"));
  await Deno.writeTextFile(`${folder}/example.ts`, example);
  await Deno.writeTextFile(`${folder}/example.mjs`, example);
  for (const { name } of Deno.readDirSync(`${root}/tests/package/consumer`)) {
    await Deno.copyFile(`${root}/tests/package/consumer/${name}`, `${folder}/${name}`);
  }
  const pinned = JSON.parse(await Deno.readTextFile(`${root}/tools/package.json`)).dependencies;
  const nodeTypes = `@types/node@${pinned["@types/node"]}`;
  const args = ["install", "--no-audit", "--no-fund", tarball, nodeTypes];
  const { code, output } = await run("npm", args, { cwd: folder, quiet: true });
  if (code !== 0) throw new Error(`"npm ${args.join(" ")}" failed:\n${output}`);
}

/** The first fenced block of this language that has the text. */
function fence(markdown: string, language: string, text: string): string {
  for (
    const [, body] of markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))
  ) {
    if (body?.includes(text)) return body;
  }
  throw new Error(`README.md has no \`\`\`${language} block with "${text}"`);
}
