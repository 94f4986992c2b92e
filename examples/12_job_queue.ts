/**
 * A job queue whose workers may be killed. A leased item comes back when its worker dies, so a job
 * may be done twice: make the handler one that may run again. `set` may, `increment` may not.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager, str } from "../mod.ts"; // yours: from "@referent/manager"

if (process.env.REFERENT_ADDRESS === undefined) await main();
else await worker();

async function main(): Promise<void> {
  const manager = await Manager.start();
  const jobs = await manager.named("jobs").queue<string>({ maxAttempts: 3 });
  const done = await manager.named("done").dict();
  await jobs.putMany(["sweep", "paint", "dance", "mop"]);
  console.log("first worker:", await run(manager.env)); // is killed while it paints
  console.log(await str(done));

  await jobs.shutdown(); // no more jobs: a worker ends when all are done
  console.log("second worker:", await run(manager.env));
  console.log(await str(done), await jobs.size());
  for (const { value, attempts } of await jobs.dead()) console.log("dead:", value, attempts);
  await manager.shutdown();
}

async function worker(): Promise<void> {
  const manager = await Manager.connect();
  const jobs = await manager.named("jobs").queue<string>();
  const done = await manager.named("done").dict();
  // What the handler resolves for is done with; what it throws for comes back.
  await jobs.consume(async (job, { attempt }) => {
    if (job === "paint" && attempt === 1) process.kill(process.pid, "SIGKILL");
    if (job === "dance") throw new Error("nobody here can dance");
    await done.set(job, `attempt ${attempt}`);
  });
  await manager.close();
}

/** Runs this very program again, as a worker; resolves to its exit code, or the signal that ended it. */
async function run(env: Record<string, string>): Promise<number | string> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url)], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  const [code, signal] = await once(child, "exit");
  return code ?? signal;
}
// Prints:
// first worker: SIGKILL
// {'sweep': 'attempt 1'}
// second worker: 0
// {'sweep': 'attempt 1', 'paint': 'attempt 2', 'mop': 'attempt 1'} 0
// dead: dance 3
