/**
 * The main job, small, as a user of the npm package writes it: three processes take lines from a
 * shared list and count words into a shared dict. Compiled, and run by each runtime of the package.
 *
 * @module
 */
import { type DictProxy, type ListProxy, Manager, repr, str } from "@referent/manager";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import types from "./types.ts";

const text = ["a rose is a rose is a rose", "and a word is a word", "is it", "a rose"];

if (process.argv[2] === undefined) await main();
else await work(process.argv[2]);

async function main(): Promise<void> {
  const manager = await Manager.start({ types });
  try {
    await manager.publish("lines", await manager.list(text));
    const counts = await manager.dict<string, number>();
    await manager.publish("counts", counts);
    const ledger = await manager.Ledger();
    await manager.publish("ledger", ledger);
    await Promise.all(["first", "second", "third"].map((name) => runWorker(name, manager.env)));
    const found = new Map(await counts.entries());
    const wanted = new Map<string, number>();
    for (const word of words(text.join(" "))) wanted.set(word, (wanted.get(word) ?? 0) + 1);
    for (const [word, count] of wanted) {
      if (found.get(word) !== count) throw new Error(`${word}: ${found.get(word)}, not ${count}`);
    }
    if (await ledger.total() !== text.length) throw new Error("lines were lost or doubled");
    console.log(repr(counts), await str(counts));
  } finally {
    await manager.shutdown();
  }
}

async function runWorker(name: string, env: Record<string, string>): Promise<void> {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, name], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`the ${name} worker exited with code ${code}`);
}

async function work(name: string): Promise<void> {
  const manager = await Manager.connect({ types });
  const lines = await manager.lookup<ListProxy<string>>("lines");
  const counts = await manager.lookup<DictProxy<string, number>>("counts");
  const ledger = await manager.lookup<Awaited<ReturnType<typeof manager.Ledger>>>("ledger");
  if (!lines || !counts || !ledger) throw new Error("a name is missing");
  for (let line = await lines.shift(); line !== undefined; line = await lines.shift()) {
    await ledger.note(name);
    for (const word of words(line)) await counts.increment(word);
  }
  await manager.close();
}

function words(line: string): string[] {
  return line.split(" ");
}
