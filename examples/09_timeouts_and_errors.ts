/**
 * Timeouts, aborted calls and errors. The client decides when it has waited long enough; a method
 * with `caller: true` is told, and may stop.
 */
import {
  callMethod,
  ConnectionClosedError,
  Manager,
  ManagerError,
  TimeoutError,
  withOptions,
} from "../mod.ts"; // yours: from "@referent/manager"
import types from "./types.ts";

const manager = await Manager.start({ types, shutdownTimeout: 100 }); // for calls that run then
const counter = await manager.Counter();

// For one call, or for all calls of a view of the proxy.
const report = (error: unknown) => console.log(String(error));
await callMethod(counter, "patience", [60], { timeout: 20 }).catch(report);
await withOptions(counter, { timeout: 20 }).patience(60).catch((error) => {
  console.log(error instanceof TimeoutError, error instanceof ManagerError);
});
const signal = AbortSignal.abort(new Error("changed my mind"));
await withOptions(counter, { signal }).patience(60).catch(report);
console.log(await counter.patience(0));

// What cannot be sent is named with its path.
const list = await manager.list<unknown>();
await list.push({ user: { greet: () => "hello" } }).catch(report);
await manager.create("lists").catch((error) => console.log(error.name));

// Nothing hangs: when the server goes, every pending call rejects.
const pending = counter.patience(60).catch((error) => console.log(error.name));
await manager.shutdown();
await pending;
await list.length().catch((error) => console.log(error instanceof ConnectionClosedError));
console.log((await manager.closed).by);
// Prints:
// TimeoutError: "patience" on typeid "Counter" did not finish in 20 ms
// true true
// Error: changed my mind
// at last
// SerializeError: Cannot send "args[0].user.greet": a function cannot be sent; pass a queue or a proxy instead
// UnknownObjectError
// ConnectionClosedError
// true
// shutdown
