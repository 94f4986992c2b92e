/**
 * The rules that keep the house a tour, as one table, checked on the syntax tree of every file of
 * `lib/` and of `mod.ts`. A message says where, which rule, and the cure.
 *
 * Above: checks.ts. Below: TypeScript 5.9's parser.
 *
 * @module
 */
import { createRequire } from "node:module";
import type * as TypeScript from "../tools/node_modules/typescript59/lib/typescript.d.ts";
import { root, setUp } from "./tools.ts";

/** Files under `where` may import only `only`, or anything but `never` (paths from the root). */
interface ImportRule {
  where: RegExp;
  only?: RegExp;
  never?: RegExp;
  cure: string;
}

const importRules: ImportRule[] = [
  {
    where: /^lib\/objects\//,
    only: /^lib\/(objects\/|errors\.ts$)/,
    cure: "referents know no wire and no runtime: objects/ imports ../errors.ts and its own files",
  },
  {
    where: /^lib\/wire\//,
    never: /^lib\/(client|server|objects|process)\//,
    cure: "the wire knows no object: let the layer above pass in what it needs",
  },
  {
    where: /^lib\/client\//,
    never: /^lib\/(server|objects)\//,
    cure: "what both sides say belongs in lib/wire/protocol.ts",
  },
  {
    where: /^lib\/server\/main\.ts$/,
    only: /^lib\/(runtime|wire\/transport|server\/(config|program))\.ts$/,
    cure: "every start waits for what this file imports: program.ts is loaded later",
  },
  {
    where: /^lib\/server\/(?!(main|program)\.ts$)/,
    never: /^lib\/(manager\.ts|manager\/|process\/(?!child\.ts))/,
    cure: "manager.ts puts the parts together: let it pass in what the server needs",
  },
  {
    where: /^lib\/cli\//,
    never: /^lib\/(client|proxies)\//,
    cure: "a command is a user of managers: it goes through manager.ts and proxy.ts",
  },
  {
    where: /^(mod\.ts|lib\/(?!cli[./]))/,
    never: /^lib\/cli[./]/,
    cure: "the command stands above the library: move what both need below",
  },
  {
    where: /^lib\/(errors|limits)\.ts$/,
    only: /^$/,
    cure: "everything imports this file: it imports nothing",
  },
  {
    where: /^lib\//,
    never: /^mod\.ts$/,
    cure: "import the file of lib/ that has the name",
  },
  {
    where: /^lib\/process\/progress\.ts$/,
    only: /^(lib\/|node:|cli-progress$)/,
    cure: "progress bars have one optional dependency, cli-progress",
  },
  {
    where: /^(lib\/(?!process\/progress\.ts$)|mod\.ts)/,
    only: /^(lib\/|mod\.ts$|node:|@msgpack\/msgpack$)/,
    cure: "the library has one dependency, @msgpack/msgpack; everything else is in lib/ or node:",
  },
];

const runtimeWords = new Set(["Deno", "Bun", "process"]);
const runtimeFile = "lib/runtime.ts";
/** Programs: the only modules that may wait while they load. */
const programs = new Set(["lib/server/main.ts", "lib/process/main.ts", "lib/cli.ts"]);
const maxLines = 400;

interface Problem {
  line: number;
  rule: string;
}

await setUp();
const ts: typeof TypeScript = createRequire(`${root}/tools/package.json`)("typescript59");

let count = 0;
for (const file of ["mod.ts", ...modules("lib")]) {
  for (const { line, rule } of problemsOf(file, Deno.readTextFileSync(`${root}/${file}`))) {
    console.log(`${file}:${line}: ${rule}`);
    count++;
  }
}
if (count > 0) Deno.exit(1);

function modules(folder: string): string[] {
  return [...Deno.readDirSync(`${root}/${folder}`)].flatMap(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return modules(path);
    return path.endsWith(".ts") ? [path] : [];
  }).sort();
}

function problemsOf(file: string, text: string): Problem[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ESNext, true);
  const problems: Problem[] = [...shapeProblems(text)];
  const visit = (node: TypeScript.Node): void => {
    const rule = ruleBrokenBy(file, node);
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (rule !== undefined) problems.push({ line, rule });
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

function shapeProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  const lines = text.split("\n").length - 1;
  if (!/^\/\*\*.*?@module.*?\*\//s.test(text)) {
    problems.push({
      line: 1,
      rule: "a file begins with /** what it is, what is above and below it, @module */",
    });
  }
  if (lines > maxLines) {
    problems.push({
      line: lines,
      rule: `a file has at most ${maxLines} lines: give one of its jobs a file of its own`,
    });
  }
  return problems;
}

function ruleBrokenBy(file: string, node: TypeScript.Node): string | undefined {
  const imported = importedBy(node);
  if (imported !== undefined) return importProblem(file, imported);
  if (ts.isExportDeclaration(node) && !node.exportClause) {
    return `no "export *": list the names, so that mod.ts shows what is public`;
  }
  if (ts.isExportAssignment(node) || isDefaultExport(node)) {
    return "no default export: give it a name";
  }
  if (isTopLevelAwait(node) && !programs.has(file)) {
    return "no top-level await: importing the library must not wait; make it a function";
  }
  if (ts.isIdentifier(node) && file !== runtimeFile && isRuntimeWord(node)) {
    return `only ${runtimeFile} may say "${node.text}": add a function there that says what it is for`;
  }
  return undefined;
}

/** The specifier of an import, an export-from, a dynamic import or an import type. */
function importedBy(node: TypeScript.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
    if (ts.isExportDeclaration(node) && !node.exportClause) return undefined;
    const specifier = node.moduleSpecifier;
    return specifier && ts.isStringLiteral(specifier) ? specifier.text : undefined;
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return node.argument.literal.getText().slice(1, -1);
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const [specifier] = node.arguments;
    // A computed one is a module of the user's.
    return specifier && ts.isStringLiteral(specifier) ? specifier.text : undefined;
  }
  return undefined;
}

function importProblem(file: string, specifier: string): string | undefined {
  const path = specifier.startsWith(".")
    ? new URL(specifier, `file:///${file}`).pathname.slice(1)
    : specifier;
  if (specifier.startsWith(".") && !specifier.endsWith(".ts")) {
    return `"${specifier}": relative imports end in .ts`;
  }
  for (const { where, only, never, cure } of importRules) {
    if (!where.test(file)) continue;
    if ((only && !only.test(path)) || never?.test(path)) {
      return `may not import "${specifier}": ${cure}`;
    }
  }
  return undefined;
}

function isDefaultExport(node: TypeScript.Node): boolean {
  if (!ts.canHaveModifiers(node)) return false;
  const modifiers = ts.getModifiers(node) ?? [];
  return modifiers.some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword);
}

function isTopLevelAwait(node: TypeScript.Node): boolean {
  const waits = ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier);
  if (!waits) return false;
  for (let up = node.parent; up !== undefined; up = up.parent) {
    if (ts.isFunctionLike(up) || ts.isPropertyDeclaration(up)) return false;
  }
  return true;
}

/** Whether the word means the global (or the module), not a member that happens to be called so. */
function isRuntimeWord(node: TypeScript.Identifier): boolean {
  if (!runtimeWords.has(node.text)) return false;
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return parent.expression.getText() === "globalThis";
  }
  const isName = "name" in parent && parent.name === node;
  const isMember = ts.isPropertyAssignment(parent) || ts.isMethodDeclaration(parent) ||
    ts.isPropertyDeclaration(parent) || ts.isPropertySignature(parent) ||
    ts.isMethodSignature(parent) || ts.isGetAccessorDeclaration(parent);
  return !(isName && isMember);
}
