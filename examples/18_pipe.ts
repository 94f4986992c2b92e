/**
 * A pipe between two processes, in Python's way: one end stays here, the other goes into the
 * arguments of the process.
 */
import { Pipe, Process } from "../lib/process.ts"; // yours: from "@referent/manager/process"

const [here, there] = await Pipe<number, string>();
const worker = new Process<number>(new URL("./pipe_worker.ts", import.meta.url), {
  export: "square",
  args: [there],
});
await worker.start();

for (const n of [2, 3, 4]) await here.send(n); // waits while the pipe is full
for (let i = 0; i < 3; i++) console.log(await here.receive());
console.log("more?", await here.poll());

await here.close(); // the loop of the worker ends
console.log("it received", await worker.join());
await here.receive().catch((error) => console.log(error.name));

// Prints:
// 2 squared is 4
// 3 squared is 9
// 4 squared is 16
// more? false
// it received 3
// ConnectionClosedError
