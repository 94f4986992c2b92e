/**
 * Four processes count in one dict. They need nothing but `manager.env`; `increment` is one atomic
 * step in the server, where Python's `d["hits"] += 1` reads first and writes later.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (process.env.REFERENT_ADDRESS === undefined) await main();
else await child();

async function main(): Promise<void> {
  const manager = await Manager.start();
  const counts = await manager.named("counts").dict<string, number>();
  await Promise.all(["a", "b", "c", "d"].map((name) => run(name, manager.env)));
  console.log(await counts.get("hits"));
  console.log((await counts.keys()).sort().join(" "));
  await manager.shutdown();
}

async function child(): Promise<void> {
  const manager = await Manager.connect(); // address and authkey are in the environment
  const counts = await manager.named("counts").dict<string, number>();
  // Calls that are not awaited one by one travel together.
  await Promise.all(Array.from({ length: 1000 }, () => counts.increment("hits")));
  await counts.set(`child ${process.argv[2]}`, 1);
  await manager.close();
}

/** Runs this very program again, as a child. */
async function run(name: string, env: Record<string, string>): Promise<void> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), name], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`child "${name}" exited with code ${code}`);
}
// Prints:
// 4000
// child a child b child c child d hits
