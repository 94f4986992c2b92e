/**
 * How many at a time, and how many in which time: a semaphore and a rate limiter, for all processes
 * together. Every wait takes `{ timeout, signal }`.
 */
import { Manager, TimeoutError } from "../mod.ts"; // yours: from "@referent/manager"

const manager = await Manager.start();

// At most two of these run at a time, whichever processes they are in.
const permits = await manager.semaphore(2);
const running = await manager.dict({ now: 0, most: 0 });
await Promise.all(Array.from({ length: 6 }, () =>
  permits.withLock(async () => {
    const now = await running.increment("now");
    if (now > (await running.get("most"))!) await running.set("most", now);
    await running.increment("now", -1);
  })));
console.log("at most", await running.get("most"), "at a time");

const guard = await permits.acquire(); // a guard is a permit: it comes back when its holder dies
console.log(await permits.value(), await permits.locked());
await guard.release();

// A bucket of 3 tokens that fills in a minute: one every 20 seconds.
const requests = await manager.rateLimiter({ limit: 3, interval: 60_000 });
for (let i = 0; i < 4; i++) console.log(await requests.tryAcquire());
try {
  await requests.acquire(1, { timeout: 10 });
} catch (error) {
  console.log(error instanceof TimeoutError, String(error));
}
const controller = new AbortController();
const waiting = requests.acquire(1, { signal: controller.signal });
controller.abort(new Error("changed my mind"));
await waiting.catch((error) => console.log(String(error)));

// A faster one: the first two at once, then one every 25 milliseconds.
const quick = await manager.rateLimiter({ limit: 2, interval: 50 });
const start = performance.now();
for (let i = 0; i < 6; i++) await quick.acquire();
console.log("not before its time:", performance.now() - start > 75);
await manager.shutdown();
// Prints:
// at most 2 at a time
// 1 false
// true
// true
// true
// false
// true TimeoutError: To acquire 1 of the rateLimiter took more than 10 ms
// Error: changed my mind
// not before its time: true
