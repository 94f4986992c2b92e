/**
 * The main job: three processes - one each in Deno, Bun and Node - count the words of a text
 * together. They share a dict (the counts), a list of dicts (the chunks of the text) and an object
 * of a class (`Team`, in types.ts). Run it with
 *
 *     deno task demo                    # counts docs/guide.md
 *     deno task demo another-text.txt
 *
 * At the end the counts are compared with those of a single process, and nothing may be left behind:
 * no process, no socket, no directory. The exit code is 0 only if all of that is so.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { dirname, relative } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
// Your own code imports from "@referent/manager".
import { type DictProxy, Manager, repr } from "../../mod.ts";
import types, { type Report } from "./types.ts";
import { chunksOf, countWords } from "./words.ts";

const path = process.argv[2] ?? fileURLToPath(new URL("../../docs/guide.md", import.meta.url));
const text = readFileSync(path, "utf8");
const workers = ["deno", "bun", "node"] as const;
const linesEach = 4;
const children: ChildProcess[] = [];

const started = performance.now();
const manager = await Manager.start({ types, shutdownTimeout: 1_000 });
const { pid, runtime } = await manager.debugInfo();
console.log(`Three processes count the words of ${relative(".", path) || path} together.\n`);
console.log(`server   ${runtime}, process ${pid}, ${manager.address}`);

const problems: string[] = [];
try {
  problems.push(...await countTogether());
} catch (error) {
  problems.push(String(error));
  for (const child of children) child.kill(); // the others would only complain
}
await manager.shutdown();
problems.push(...leftBehind());
if (problems.length === 0) console.log("✓ nothing is left behind: no process, no socket, no file");
for (const problem of problems) console.log(`✗ ${problem}`);
console.log(`\n${problems.length === 0 ? "Done" : "Failed"} in ${since(started)}.`);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Shares the objects, runs the workers, and gives what is wrong with the result. */
async function countTogether(): Promise<string[]> {
  const texts = chunksOf(text, linesEach);
  const counts = await manager.dict<string, number>();
  const parts = await Promise.all(texts.map((text) => manager.dict<string, string>({ text })));
  const chunks = await manager.list(parts); // a list of dicts: proxies are values
  const team = await manager.Team(workers.length, parts.length);
  console.log(`shared   ${repr(counts)}, the counts`);
  console.log(`         ${repr(chunks)}, ${parts.length} dicts with a piece of the text each`);
  console.log(`         ${repr(team)}, a class of this demo`);
  for (const [name, proxy] of Object.entries({ counts, chunks, team })) {
    await manager.publish(name, proxy);
  }
  const reports = await team.reports();
  const ended = workers.map(runWorker);
  // If a worker fails there is no last report.
  const failed = Promise.all(ended).then(() => new Promise<never>(() => {}));
  await Promise.race([showProgress(reports, parts.length), failed]);
  await Promise.all(ended);
  return compare(new Map(await counts.entries()), await authors(parts), parts.length);
}

/** Runs one worker to its end; all that it is told is `manager.env`. */
async function runWorker(runtime: typeof workers[number]): Promise<void> {
  const script = fileURLToPath(new URL("./worker.ts", import.meta.url));
  const child = spawn(commandOf(runtime), [...flagsOf(runtime), script], {
    env: { ...process.env, ...manager.env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  children.push(child);
  const [code, signal] = await once(child, "exit");
  if (code !== 0) throw new Error(`The worker in ${runtime} ended with ${signal ?? code}`);
}

/** The development tools' own copy of the runtime, or else the one on PATH. */
function commandOf(runtime: string): string {
  const ours = fileURLToPath(new URL(`../../tools/node_modules/.bin/${runtime}`, import.meta.url));
  return existsSync(ours) ? ours : runtime;
}

/** Deno is told what it may do, which is very little; the other two have no such thing. */
function flagsOf(runtime: string): string[] {
  if (runtime !== "deno") return [];
  const socket = manager.address.slice("unix:".length);
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  return [
    ...["run", "--quiet", "--no-prompt", "--config", config],
    ...[`--allow-net=unix:${socket}`, `--allow-read=${socket}`, `--allow-write=${socket}`],
    `--allow-env=${Object.keys(manager.env).join(",")}`,
  ];
}

/** One line that changes on a terminal; elsewhere plain lines, at each quarter. */
async function showProgress(reports: AsyncIterable<Report>, total: number): Promise<void> {
  let quarter = 0;
  console.log("");
  for await (const { done, chunks } of reports) {
    const shares = Object.entries(chunks).map(([name, count]) => `${name} ${count}`).join(" · ");
    const line = `${bar(done / total)} ${done}/${total} chunks   ${shares}`;
    if (process.stdout.isTTY) {
      process.stdout.write(`\r\x1b[K${line}`);
    } else if (Math.floor(4 * done / total) > quarter) {
      quarter = Math.floor(4 * done / total);
      console.log(line);
    }
  }
  console.log("");
}

function bar(part: number): string {
  const width = 24;
  return "█".repeat(Math.round(part * width)).padEnd(width, "░");
}

/** How many chunks each worker has signed: the main program still holds a proxy of every chunk. */
async function authors(parts: DictProxy<string, string>[]): Promise<Map<string, number>> {
  const signed = new Map<string, number>();
  for (const name of await Promise.all(parts.map((part) => part.get("counted by")))) {
    if (name !== undefined) signed.set(name, (signed.get(name) ?? 0) + 1);
  }
  return signed;
}

/** Prints the result, and gives what is wrong with it. */
function compare(found: Map<string, number>, authors: Map<string, number>, chunks: number) {
  const expected = countWords(text);
  const total = sum(found.values());
  const frequent = [...found].sort((a, b) => b[1] - a[1]).slice(0, 8);
  console.log(`most frequent: ${frequent.map(([word, count]) => `${word} ${count}`).join(", ")}\n`);
  const problems: string[] = [];
  for (const word of new Set([...expected.keys(), ...found.keys()])) {
    if (found.get(word) === expected.get(word)) continue;
    problems.push(
      `"${word}" is ${expected.get(word) ?? 0} times there, ${found.get(word)} counted`,
    );
  }
  const signed = sum(authors.values());
  if (signed !== chunks) problems.push(`${signed} of ${chunks} chunks were counted`);
  if (problems.length === 0) {
    console.log(`✓ ${total} words, ${found.size} different: as many as one process counts alone`);
  }
  return problems;
}

/** The server's process and the directory of its socket, if they are still there. */
function leftBehind(): string[] {
  const directory = dirname(manager.address.slice("unix:".length));
  const left = existsSync(directory) ? [`${directory} is left behind`] : [];
  if (isAlive(pid)) left.push(`the server's process ${pid} is left behind`);
  return left;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function sum(numbers: Iterable<number>): number {
  return [...numbers].reduce((total, number) => total + number, 0);
}

function since(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`;
}
