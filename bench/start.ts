/**
 * The benchmark of a start: `Manager.start()` until it resolves, which is when its server listens,
 * beside an empty script of the same runtime that listens on a socket and says so. Also the start
 * with a first call, which waits for the whole server, beside the least that a server with a key
 * does until somebody is connected. `deno run -A`, `bun`, `node` of this file; `--rounds=<n>` sets
 * how many there are, `--package=<folder>` measures a built package.
 *
 * Above: nothing. Below: the library, measure.ts, pinned.ts, empty_server.ts, least_server.ts.
 *
 * @module
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { currentRuntime, runtimeCommand } from "../tests/support/runtimes.ts";
import { argument, type Contender, measure, median, ratio, undisturbed } from "./measure.ts";
import type { ManagerOf } from "../mod.ts";
import { runPinned } from "./pinned.ts";

const aim = 1.5;
const warmUps = 3;
const [ours, bare] = ["Manager.start()", "empty script"] as const;
const [called, least] = ["with a first call", "least server, joined"] as const;

async function main(): Promise<void> {
  const folder = argument("package");
  const entry = folder === undefined
    ? new URL("../mod.ts", import.meta.url)
    : pathToFileURL(`${folder}/mod.js`);
  const library: typeof import("../mod.ts") = await import(entry.href);
  const directory = await mkdtemp(`${tmpdir()}/bench-`);
  try {
    const [empty, server] = ["empty_server", "least_server"] as const;
    const contenders = [
      startManager(ours, library, () => {}),
      startManager(called, library, (manager) => manager.list()),
      startScript(bare, directory, await script(directory, empty), untilListening),
      startScript(least, directory, await script(directory, server), untilConnected),
    ];
    const times = await measure(contenders, Number(argument("rounds") ?? 30), warmUps);
    console.log(`${currentRuntime} ${process.version}, ${folder ?? "from source"}\n`);
    for (const [name, each] of times) {
      const [best, middle] = [undisturbed, median].map((of) => (of(each) / 1000).toFixed(1));
      console.log(
        `${name.padEnd(20)} best ${best!.padStart(6)} ms, median ${middle!.padStart(6)} ms`,
      );
    }
    const found = ratio(times, ours, bare)!;
    const [all, lowest] = [called, least].map((name) => ratio(times, name, bare)!.toFixed(2));
    console.log(`\nratio ${found.toFixed(2)}, aim ${aim}: ${found <= aim ? "reached" : "missed"}`);
    console.log(`ratio ${called} ${all}, of the ${least} ${lowest}`);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function startManager(
  name: string,
  { Manager }: typeof import("../mod.ts"),
  use: (manager: ManagerOf<[]>) => unknown,
): Contender {
  return {
    name,
    count: 1,
    async run() {
      const start = performance.now();
      const manager = await Manager.start();
      await use(manager);
      const time = performance.now() - start;
      await manager.shutdown();
      return time;
    },
  };
}

/** Beside a package, which is JavaScript, the scripts are JavaScript, too. */
async function script(directory: string, name: string): Promise<URL> {
  const source = new URL(`./${name}.ts`, import.meta.url);
  if (argument("package") === undefined) return source;
  const copy = pathToFileURL(`${directory}/${name}.mjs`);
  await copyFile(source, copy); // it has no types
  return copy;
}

function startScript(
  name: string,
  directory: string,
  script: URL,
  until: (child: Child, path: string) => Promise<void>,
): Contender {
  let count = 0;
  return {
    name,
    count: 1,
    async run() {
      const path = `${directory}/${name.slice(0, 1)}${count++}`;
      const { command, args } = runtimeCommand(currentRuntime, script, [path]);
      const start = performance.now();
      const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"], detached: true });
      await until(child, path);
      const time = performance.now() - start;
      child.stdin.end();
      await once(child, "exit");
      return time;
    },
  };
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

async function untilListening(child: Child): Promise<void> {
  await once(child.stdout, "data");
}

async function untilConnected(child: Child, path: string): Promise<void> {
  const key = randomBytes(32).toString("hex");
  child.stdin.write(`${key}\n`);
  await untilListening(child);
  const socket = connect(`${path}/s`);
  const [nonce] = await once(socket, "data");
  socket.write(createHmac("sha256", key).update(nonce).digest());
  const [answer] = await once(socket, "data");
  if (String(answer) !== "welcome") throw new Error(`the server said "${answer}"`);
}

const status = runPinned();
if (status === undefined) await main();
else process.exitCode = status;
