/**
 * Named objects: how processes that share nothing but the address find each other's objects. A name
 * keeps its object until somebody unpublishes it.
 */
import { type ListProxy, Manager, repr, str } from "../mod.ts"; // yours: from "@referent/manager"

const manager = await Manager.start();
const other = await Manager.connect({ env: manager.env }); // usually in another process

// Find or create, in one step: whoever comes first makes the object.
const jobs = await manager.named("jobs").list(["sweep"]);
const same = await other.named("jobs").list<string>(["this counts only on creation"]);
await same.push("mop");
console.log(await str(jobs));

// Publish what exists already, and look it up.
await manager.publish("done", await manager.list());
const done = await other.lookup<ListProxy<string>>("done");
await done?.push(await same.shift() ?? "nothing");
console.log(done && await str(done), await other.lookup("never published"));

try {
  await other.publish("done", jobs); // a proxy of another client ...
} catch (error) {
  console.log(String(error));
}
try {
  await other.publish("done", same); // ... and a name that is taken
} catch (error) {
  console.log(String(error));
}
await other.publish("done", same, { replace: true });
console.log(repr(await manager.lookup("done")), await manager.lookup("done") === jobs);
console.log(await other.unpublish("done"), await other.unpublish("done"));
await other.close();
await manager.shutdown();
// Prints:
// ['sweep', 'mop']
// ['sweep'] undefined
// SerializeError: Cannot send "args[1]": <ListProxy object, typeid 'list' at 0x1> belongs to another client, of the server at "unix:...": pass a ticket, `await exportProxy(proxy)`, instead
// NameTakenError: Cannot publish <ListProxy object, typeid 'list' at 0x1> as "done": the name belongs to <ListProxy object, typeid 'list' at 0x2>; pass { replace: true } to take it over
// <ListProxy object, typeid 'list' at 0x1> true
// true false
