/**
 * The code in the documents runs: every ```ts block of README.md and docs/, and every `@example` of
 * the library. Where each `console.log` of a block has a comment behind it, that is what it prints.
 *
 * A block that begins with a comment such as `// types.ts` is also saved under this name, for the
 * later blocks of the document. A block tagged `ts ignore` is not run.
 *
 * @module
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { compiled, currentRuntime, moduleUrl, runtimePath } from "./support/runtimes.ts";

interface Block {
  /** Document and line. */
  where: string;
  code: string;
  /** What it is saved as for the later blocks of its document. */
  name?: string;
}

const root = new URL("../", import.meta.url);
/** The entry points, as documents name them. */
const library = [
  ["@referent/manager", moduleUrl(new URL("mod.ts", root)).href],
  ["@referent/manager/process", moduleUrl(new URL("lib/process.ts", root)).href],
] as const;
const documents = documentPaths().map((path) => ({ path, blocks: blocksOf(path) }));

test("documents hold code to run", () => {
  assert.ok(documents.some(({ blocks }) => blocks.length > 0));
});

for (const { blocks } of documents) {
  for (const [index, block] of blocks.entries()) {
    test(`${block.where}: the code runs and prints what it says`, async () => {
      await withFolder(async (folder) => {
        const script = layOut(folder, blocks.slice(0, index + 1));
        const env = { REFERENT_DIR: `${folder}/named` };
        const output = await runScript(currentRuntime, script, { env });
        const expected = promisedLines(block.code);
        if (expected) assert.deepEqual(output.trimEnd().split("\n"), expected);
      });
    });
  }
}

if (currentRuntime === "deno") {
  test("code in the documents type-checks", async () => {
    await withFolder(async (folder) => {
      const files = documents.flatMap(({ blocks }) =>
        blocks.map((block, index) => {
          const own = `${folder}/${block.where.replace(/\W+/g, "_")}`;
          mkdirSync(own);
          return fileURLToPath(layOut(own, blocks.slice(0, index + 1)));
        })
      );
      const config = fileURLToPath(new URL("deno.json", root));
      const args = ["check", "--quiet", "--config", config, ...files];
      await promisify(execFile)(runtimePath("deno"), args);
    });
  });
}

if (!compiled) {
  test("links in the documents lead to a file or a heading", () => {
    const pages = documentPaths().filter((path) => path.endsWith(".md"));
    for (const path of [...pages, "CONTRIBUTING.md", "CHANGELOG.md"]) {
      const text = readFileSync(new URL(path, root), "utf8");
      for (const [, link = ""] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (!leadsSomewhere(link, path)) assert.fail(`${path}: "${link}" leads nowhere`);
      }
    }
  });

  test("docs/architecture.md names every file of lib/, and no other", () => {
    const text = readFileSync(new URL("docs/architecture.md", root), "utf8");
    const named = [...text.matchAll(/^\| `(lib\/\S+\.ts)`/gm)].map(([, path]) => path);
    assert.deepEqual(named.sort(), sources("lib"));
  });
}

test("leaves nothing behind", assertClean);

/** Compiled for Node 20 only the README's is there, which is plain JavaScript. */
function documentPaths(): string[] {
  if (compiled) return ["README.md"];
  const docs = readdirSync(new URL("docs/", root)).filter((name) => name.endsWith(".md"));
  return ["README.md", ...docs.map((name) => `docs/${name}`).sort(), "mod.ts", ...sources("lib")];
}

function leadsSomewhere(link: string, from: string): boolean {
  if (/^https?:/.test(link)) return true;
  const [path = "", heading] = link.split("#");
  const target = path === "" ? new URL(from, root) : new URL(path, new URL(from, root));
  if (!existsSync(target)) return false;
  return heading === undefined || headings(readFileSync(target, "utf8")).includes(heading);
}

/** The headings as links name them. */
function headings(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, text = ""]) =>
    text.toLowerCase().replace(/[^\p{L}\p{N} -]/gu, "").replaceAll(" ", "-")
  );
}

function sources(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, root), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    return path.endsWith(".ts") ? [path] : [];
  }).sort();
}

/** The blocks of a document; in a source they stand in comments, behind ` * `. */
function blocksOf(path: string): Block[] {
  const blocks: Block[] = [];
  let code: string[] | undefined;
  for (const [index, line] of readFileSync(new URL(path, root), "utf8").split("\n").entries()) {
    const text = path.endsWith(".ts") ? line.replace(/^ *\* ?/, "") : line;
    if (code === undefined) {
      if (text !== "```ts") continue;
      code = [];
      blocks.push({ where: `${path}:${index + 1}`, code: "" });
    } else if (text === "```") {
      const block = blocks.at(-1)!;
      block.code = code.join("\n");
      block.name = /^\/\/ (\w+\.ts)$/.exec(code[0] ?? "")?.[1];
      code = undefined;
    } else {
      code.push(text);
    }
  }
  return blocks;
}

/** Writes the last block, and those before it that have a name; gives the script to run. */
function layOut(folder: string, blocks: Block[]): URL {
  const extension = compiled ? "js" : "ts";
  writeFileSync(`${folder}/package.json`, '{ "type": "module" }');
  for (const { name, code } of blocks) {
    if (name) writeFileSync(`${folder}/${name}`, withLibrary(code));
  }
  const last = blocks.at(-1)!;
  const script = `${folder}/${last.name ?? `block.${extension}`}`;
  writeFileSync(script, withLibrary(last.code));
  return pathToFileURL(script);
}

function withLibrary(code: string): string {
  return library.reduce(
    (text, [name, url]) => text.replaceAll(`"${name}"`, JSON.stringify(url)),
    code,
  );
}

/** What is behind each `console.log`; undefined if one of them has nothing behind it. */
function promisedLines(code: string): string[] | undefined {
  const lines = code.split("\n").filter((line) => line.includes("console.log("));
  const promised = lines.map((line) => /; \/\/ (.*)$/.exec(line)?.[1]);
  if (lines.length === 0 || promised.includes(undefined)) return undefined;
  return promised as string[];
}

async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(`${tmpdir()}/docs-`);
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
