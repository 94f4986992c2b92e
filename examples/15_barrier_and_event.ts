/**
 * An event, a latch and a barrier: three processes wait for the start, and none begins its second
 * round before all have done the first.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (process.env.REFERENT_ADDRESS === undefined) await main();
else await party();

async function main(): Promise<void> {
  const manager = await Manager.start();
  const here = await manager.named("here").countDownLatch(3);
  const start = await manager.named("start").event();
  const parties = [run(manager.env), run(manager.env), run(manager.env)];
  await here.wait(); // all have come ...
  await start.set(); // ... and all go on
  await Promise.all(parties);
  const lines = await manager.named("lines").list<string>();
  for (const line of (await lines.copy()).sort()) console.log(line);

  // A party that is late breaks the barrier for all: nobody waits for those who never come.
  const barrier = await manager.named("barrier").barrier(3);
  await barrier.wait({ timeout: 10 }).catch((error) => console.log(String(error)));
  await barrier.wait().catch((error) => console.log(String(error)));
  await barrier.reset(); // it is there again
  await manager.shutdown();
}

async function party(): Promise<void> {
  const manager = await Manager.connect();
  const lines = await manager.named("lines").list<string>();
  const steps = await manager.named("steps").value("int32", 0);
  const barrier = await manager.named("barrier").barrier(3);
  await (await manager.named("here").countDownLatch(3)).countDown();
  await (await manager.named("start").event()).wait();
  await steps.add(1);
  const before = await barrier.wait(); // how many came before: one of the three gets 0
  await lines.push(`${await steps.get()} steps, ${before} came before`);
  await barrier.wait(); // it is there for the next round at once
  await steps.add(1);
  await manager.close();
}

async function run(env: Record<string, string>): Promise<void> {
  const args = ["Deno" in globalThis ? ["run", "-A"] : [], fileURLToPath(import.meta.url)].flat();
  const options = { env: { ...process.env, ...env }, stdio: "inherit" } as const;
  await once(spawn(process.execPath, args, options), "exit");
}
// Prints:
// 3 steps, 0 came before
// 3 steps, 1 came before
// 3 steps, 2 came before
// TimeoutError: The wait for the other parties took more than 10 ms
// BrokenBarrierError: The barrier is broken: it was aborted, or a party gave up; barrier.reset() mends it
