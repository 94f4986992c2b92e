/**
 * The other process of a lock's handover: for each line of its stdin it takes a lock of its own, waits
 * for that of the benchmark, and releases its own as soon as it has it.
 *
 * Above: peers.ts. Below: the library.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { type LockProxy, Manager } from "../mod.ts";

const manager = await Manager.connect();
const [theirs, own] = await Promise.all(
  process.argv.slice(2).map((ticket) => manager.importProxy<LockProxy>(ticket)),
);
for await (const _ of createInterface({ input: process.stdin })) {
  const won = await own!.withLock(async () => {
    const acquiring = theirs!.acquire();
    await manager.numberOfObjects(); // the server knows that it waits
    process.stdout.write("waiting\n");
    return await acquiring;
  });
  await won.release();
  process.stdout.write("released\n");
}
await manager.close();
