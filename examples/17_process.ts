/**
 * A function in a process of its own, in any runtime: proxies go into its arguments, its result - or
 * what it throws - comes back from `join()`.
 */
import { type ListProxy, Manager } from "../mod.ts"; // yours: from "@referent/manager"
import { Process } from "../lib/process.ts"; // yours: from "@referent/manager/process"

const module = new URL("./process_worker.ts", import.meta.url);
const manager = await Manager.start();
const counts = await manager.dict<string, number>();

// runtime: "bun" would run it in Bun.
const child = new Process<ListProxy<string>>(module, {
  export: "count",
  args: ["the cat and the dog", counts],
});
await child.start(); // its module is imported
const seen = await child.join(); // a list that the child has made
console.log((await seen.copy()).join(" "), child.exitCode);
console.log("the:", await counts.get("the"));

const failing = new Process(module, { export: "count", args: ["", counts] });
await failing.start();
await failing.join().catch((error) => console.log(String(error), failing.exitCode));

const missing = new Process(module, { export: "cuont" });
await missing.start().catch((error) => console.log(error.name, error.cause.name));

// A process ends with its parent; this one is killed before.
const endless = new Process(module, { export: "waitForever", args: [counts] });
await endless.start();
await endless.join({ timeout: 10 }).catch((error) => console.log(error.name, endless.alive));
endless.kill();
await endless.join().catch((error) => console.log(error.name, endless.exitSignal));
await manager.shutdown();

// Prints:
// the cat and dog 0
// the: 2
// RangeError: There is nothing to count 1
// ProcessError TypeError
// TimeoutError true
// ProcessError SIGKILL
