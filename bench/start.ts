/**
 * The benchmark of a start: `Manager.start()` until it resolves, beside an empty script of the same
 * runtime that listens on a socket and says so. `deno run -A`, `bun`, `node` of this file;
 * `--rounds=<n>` sets how many there are, `--package=<folder>` measures a built package.
 *
 * Above: nothing. Below: the library, measure.ts, pinned.ts, empty_server.ts.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { currentRuntime, runtimeCommand } from "../tests/support/runtimes.ts";
import { argument, type Contender, measure, median, ratio, undisturbed } from "./measure.ts";
import { runPinned } from "./pinned.ts";

const aim = 1.5;
const warmUps = 3;
const [ours, bare] = ["Manager.start()", "empty script"];

async function main(): Promise<void> {
  const folder = argument("package");
  const entry = folder === undefined
    ? new URL("../mod.ts", import.meta.url)
    : pathToFileURL(`${folder}/mod.js`);
  const library: typeof import("../mod.ts") = await import(entry.href);
  const directory = await mkdtemp(`${tmpdir()}/bench-`);
  try {
    const contenders = [startManager(library), startEmpty(directory, await emptyScript(directory))];
    const times = await measure(contenders, Number(argument("rounds") ?? 30), warmUps);
    console.log(`${currentRuntime} ${process.version}, ${folder ?? "from source"}\n`);
    for (const [name, each] of times) {
      const [best, middle] = [undisturbed, median].map((of) => (of(each) / 1000).toFixed(1));
      console.log(
        `${name.padEnd(16)} best ${best!.padStart(6)} ms, median ${middle!.padStart(6)} ms`,
      );
    }
    const found = ratio(times, ours!, bare!)!;
    console.log(`\nratio ${found.toFixed(2)}, aim ${aim}: ${found <= aim ? "reached" : "missed"}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function startManager({ Manager }: typeof import("../mod.ts")): Contender {
  return {
    name: ours!,
    count: 1,
    async run() {
      const start = performance.now();
      const manager = await Manager.start();
      const time = performance.now() - start;
      await manager.shutdown();
      return time;
    },
  };
}

/** Beside a package, which is JavaScript, the script is JavaScript, too. */
async function emptyScript(directory: string): Promise<URL> {
  const script = new URL("./empty_server.ts", import.meta.url);
  if (argument("package") === undefined) return script;
  const copy = pathToFileURL(`${directory}/empty_server.mjs`);
  await copyFile(script, copy); // it has no types
  return copy;
}

function startEmpty(directory: string, script: URL): Contender {
  let count = 0;
  return {
    name: bare!,
    count: 1,
    async run() {
      const path = `${directory}/${count++}`;
      const { command, args } = runtimeCommand(currentRuntime, script, [path]);
      const start = performance.now();
      const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
      await once(child.stdout, "data");
      const time = performance.now() - start;
      child.stdin.end();
      await once(child, "exit");
      return time;
    },
  };
}

const status = runPinned();
if (status === undefined) await main();
else process.exitCode = status;
