/**
 * Locks across processes: three processes add to one number in two steps, and nothing is lost. A
 * process that is killed while it has the lock frees it; the next one is told.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (process.env.REFERENT_ADDRESS === undefined) await main();
else await child(process.argv[2]);

async function main(): Promise<void> {
  const manager = await Manager.start();
  const lock = await manager.named("lock").lock();
  const account = await manager.named("account").dict({ total: 0 });
  await Promise.all(["adds", "adds", "adds"].map((work) => run(work, manager.env)));
  console.log(await account.get("total"));

  console.log(await run("dies", manager.env));
  const guard = await lock.acquire();
  console.log(guard.abandoned, await account.get("total")); // what it guards is half done: mend it
  await account.set("total", 30, { guard }); // is refused unless this grant is current
  await guard.release();
  await account.set("total", 31, { guard }).catch((error) => console.log(error.name));
  console.log(await account.get("total"), await lock.locked());
  await manager.shutdown();
}

async function child(work: string | undefined): Promise<void> {
  const manager = await Manager.connect();
  const lock = await manager.named("lock").lock();
  const account = await manager.named("account").dict<string, number>();
  for (let i = 0; i < 10; i++) {
    await lock.withLock(async () => {
      const total = await account.get("total") ?? 0; // nobody comes between this ...
      await account.set("total", total + 1); // ... and this
      if (work === "dies") process.kill(process.pid, "SIGKILL");
    });
  }
  await manager.close();
}

/** Runs this very program again, as a child; resolves to the signal that ended it. */
async function run(work: string, env: Record<string, string>): Promise<string | null> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url), work], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  return (await once(child, "exit"))[1];
}
// Prints:
// 30
// SIGKILL
// true 31
// NotOwnerError
// 30 false
