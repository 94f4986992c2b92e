/**
 * A job queue whose consumers are killed in the middle of their jobs. A consumer leases its job: that
 * of a dead one goes to another, with the next attempt, and none is lost. `Process` runs a function
 * of this module and hands it proxies.
 */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
// yours: from "@referent/manager" and "@referent/manager/process"
import { type ListProxy, Manager, type QueueProxy } from "../mod.ts";
import { Process } from "../lib/process.ts";

type Shared = { jobs: QueueProxy<number>; stuck: QueueProxy<number>; done: ListProxy<string> };

// Python: if __name__ == "__main__"
if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

async function main(): Promise<void> {
  const manager = await Manager.start();
  const jobs = await manager.queue<number>({ maxAttempts: 3 }); // then a job goes to dead()
  const stuck = await manager.queue<number>();
  const done = await manager.list<string>();
  await jobs.putMany([1, 2, 3, 4, 5, 6]);
  await jobs.shutdown(); // no more jobs: consumers end when all are done

  const consumers: Process[] = [];
  const hire = () => {
    const args = [consumers.length, { jobs, stuck, done }];
    consumers.push(new Process(import.meta.url, { export: "consume", args }));
    return consumers.at(-1)!.start();
  };
  await Promise.all([hire(), hire()]);
  for (let killed = 0; killed < 2; killed++) {
    consumers[await stuck.get()]!.kill(); // SIGKILL
    await hire();
  }
  await Promise.allSettled(consumers.map((consumer) => consumer.join()));
  console.log(...consumers.map(({ exitSignal, exitCode }) => exitSignal ?? exitCode).sort());
  for (const line of (await done.copy()).sort()) console.log(line);
  await manager.shutdown();
}

export async function consume(id: number, { jobs, stuck, done }: Shared): Promise<void> {
  await jobs.consume(async (job, { attempt }) => {
    if (job % 3 === 0 && attempt === 1) {
      await stuck.put(id);
      await setTimeout(60_000); // it is killed here
    }
    await done.push(`job ${job}, attempt ${attempt}`);
  });
}
// Prints:
// 0 0 SIGKILL SIGKILL
// job 1, attempt 1
// job 2, attempt 1
// job 3, attempt 2
// job 4, attempt 1
// job 5, attempt 1
// job 6, attempt 2
