/**
 * A cache and a rate limit that all workers of a `node:cluster` server share: each report is made
 * once, whichever worker is asked for it, and requests above the limit get 429.
 */
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { createServer } from "node:http";
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

if (cluster.isPrimary) await primary();
else await worker();

async function primary(): Promise<void> {
  const manager = await Manager.start();
  const workers = Array.from({ length: 3 }, () => cluster.fork(manager.env));
  const ports = await Promise.all(workers.map(portOf));
  const statuses = await Promise.all(Array.from({ length: 12 }, async (_, n) => {
    const url = `http://127.0.0.1:${ports[n % 3]}/${["daily", "weekly"][n % 2]}`;
    return (await fetch(url)).status;
  }));
  for (const status of [200, 429]) console.log(status, statuses.filter((s) => s === status).length);
  const made = await manager.named("made").list<string>();
  console.log("made:", ...(await made.copy()).sort());
  await Promise.all(workers.map((worker) => (worker.kill(), once(worker, "exit"))));
  await manager.shutdown();
}

async function worker(): Promise<void> {
  const manager = await Manager.connect(); // address and authkey are in the environment
  const cache = await manager.named("cache").dict<string, string>();
  const made = await manager.named("made").list<string>();
  const limiter = await manager.named("limiter").rateLimiter({ limit: 9, interval: 3_600_000 });

  /** One worker makes it, and the others wait. If it dies meanwhile, the next one makes it. */
  async function make(name: string): Promise<string> {
    const lock = await manager.named(`lock of ${name}`).lock();
    return await lock.withLock(async () => {
      const found = await cache.get(name); // another worker may have made it meanwhile
      if (found === undefined) await made.push(name);
      return found ?? await cache.getOrInsert(name, `The ${name} report`);
    });
  }

  createServer(async ({ url }, response) => {
    const name = url!.slice(1);
    if (await limiter.tryAcquire()) response.end(await cache.get(name) ?? await make(name));
    else response.writeHead(429).end();
  }).listen(0, "127.0.0.1");
}

/** In Node and Deno all workers get the same port, in Bun each has its own for port 0. */
async function portOf(worker: Worker): Promise<number> {
  return (await once(worker, "listening"))[0].port;
}
// Prints:
// 200 9
// 429 3
// made: daily weekly
