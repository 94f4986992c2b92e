/**
 * A lock for test suites that run at the same time and share one database, here a file. Nobody hands
 * them an address: `Manager.open` joins this user's manager of that name, or starts it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (process.argv[2] === undefined) await main();
else await suite(process.argv[2]);

async function main(): Promise<void> {
  const database = `${tmpdir()}/shop-database-${process.pid}`;
  console.log("exit codes", ...await Promise.all([run(database), run(database), run(database)]));
  const manager = await Manager.open("shop-tests"); // is still there: it ends when it is idle
  const log = await manager.named("log").list<string>();
  console.log((await log.copy()).join(", "));
  await manager.shutdown(); // only here; usually `close()`, others may use it
}

/** One of the suites; usually each is a program of its own. */
async function suite(database: string): Promise<void> {
  await withDatabase(async (manager, turn) => {
    const log = await manager.named("log").list<string>();
    await writeFile(database, "", { flag: "wx" }); // fails if another one is there
    await log.push(`${turn} begins`);
    await log.push(`${turn} ends`);
    await rm(database);
  });
}

/** What the suites import: one at a time has the database. One that is killed frees it. */
async function withDatabase(test: (manager: Manager, turn: number) => Promise<void>) {
  const manager = await Manager.open("shop-tests");
  try {
    const lock = await manager.named("lock").lock();
    const turns = await manager.named("turns").value("int32", 0);
    await lock.withLock(async () => await test(manager, await turns.add(1)));
  } finally {
    await manager.close();
  }
}

/** Runs this very program again, as a suite; resolves to its exit code. */
async function run(database: string): Promise<number> {
  const args = ["Deno" in globalThis ? ["run", "-A"] : [], fileURLToPath(import.meta.url)].flat();
  const child = spawn(process.execPath, [...args, database], { stdio: "inherit" });
  return (await once(child, "exit"))[0];
}
// Prints:
// exit codes 0 0 0
// 1 begins, 1 ends, 2 begins, 2 ends, 3 begins, 3 ends
