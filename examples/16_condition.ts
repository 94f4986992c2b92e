/**
 * A condition: whoever waits gives the lock back, and has it again when somebody notified. Here two
 * conditions of one lock make a buffer for two items, as in Python's documentation of `Condition`.
 */
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"

async function open(manager: Manager) {
  const lock = await manager.named("lock").lock();
  const items = await manager.named("items").list<number>();
  const notFull = await manager.named("not full").condition(lock);
  const notEmpty = await manager.named("not empty").condition(lock);
  return { items, notFull, notEmpty };
}
type Buffer = Awaited<ReturnType<typeof open>>;

async function put({ items, notFull, notEmpty }: Buffer, item: number): Promise<void> {
  await notFull.withLock(async (guard) => {
    await guard.waitFor(async () => await items.length() < 2); // the predicate runs here
    await items.push(item);
    await notEmpty.notify(guard); // any guard of the lock will do
  });
}

async function take({ items, notFull, notEmpty }: Buffer): Promise<number> {
  return await notEmpty.withLock(async (guard) => {
    const item = await guard.waitFor(() => items.shift()); // resolves to what is true
    await notFull.notify(guard);
    return item!;
  });
}

const manager = await Manager.start();
const other = await Manager.connect({ env: manager.env }); // usually in another process
const [here, there] = [await open(manager), await open(other)];
const producer = (async () => {
  for (let item = 1; item <= 6; item++) await put(here, item);
})();
for (let i = 0; i < 6; i++) console.log(await take(there));
await producer;

// A wait that is late has the lock again before it rejects.
await there.notEmpty.withLock(async (guard) => {
  await guard.wait({ timeout: 10 }).catch((error) => console.log(String(error)));
  console.log(await there.notEmpty.locked());
});
await other.close();
await manager.shutdown();
// Prints:
// 1
// 2
// 3
// 4
// 5
// 6
// TimeoutError: Nobody notified the condition in 10 ms
// true
