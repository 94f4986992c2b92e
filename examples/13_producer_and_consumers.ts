/**
 * A producer and consumers, in Python's way: `joinableQueue`, `taskDone`, `join`, and `shutdown`
 * where Python's programs put a None for each consumer. `maxSize` holds back a producer that is
 * faster than its consumers.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (process.env.REFERENT_ADDRESS === undefined) await main();
else await consumer();

async function main(): Promise<void> {
  const manager = await Manager.start();
  const numbers = await manager.named("numbers").joinableQueue<number>({ maxSize: 4 });
  const squares = await manager.named("squares").dict<number, number>();
  const consumers = Promise.all([run(manager.env), run(manager.env)]);

  for (let n = 1; n <= 20; n++) await numbers.put(n); // waits while four are ready
  await numbers.join(); // every item was got, and taskDone() called for it
  console.log(await squares.size(), "squares");
  let sum = 0;
  for (const square of await squares.values()) sum += square;
  console.log("their sum is", sum);

  await numbers.shutdown(); // ends the loops of the consumers
  console.log("exit codes", ...await consumers);
  await numbers.put(21).catch((error) => console.log(String(error)));
  await manager.shutdown();
}

async function consumer(): Promise<void> {
  const manager = await Manager.connect();
  const numbers = await manager.named("numbers").joinableQueue<number>();
  const squares = await manager.named("squares").dict<number, number>();
  for await (const n of numbers) { // an item whose consumer dies here goes to another one
    await squares.set(n, n * n);
    await numbers.taskDone();
  }
  await manager.close();
}

/** Runs this very program again, as a consumer; resolves to its exit code. */
async function run(env: Record<string, string>): Promise<number> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : [];
  const child = spawn(process.execPath, [...flags, fileURLToPath(import.meta.url)], {
    env: { ...process.env, ...env },
    stdio: "inherit",
  });
  return (await once(child, "exit"))[0];
}
// Prints:
// 20 squares
// their sum is 2870
// exit codes 0 0
// QueueShutDownError: The queue was shut down: make a new one
