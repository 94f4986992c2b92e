/**
 * Tickets: a proxy as a string. Python pickles a proxy to pass it on; here `exportProxy` gives text
 * that goes through a file, an argument or a message, and `importProxy` a proxy at the other end.
 */
import { exportProxy, Manager, str } from "../mod.ts"; // yours: from "@referent/manager"

const manager = await Manager.start();
const list = await manager.list([1, 2, 3]);
const ticket = await exportProxy(list); // for one import, within a minute
console.log(ticket.slice(0, 9));

// Elsewhere: any process that has the authkey. The ticket itself is no key.
const other = await Manager.connect({ env: manager.env });
const imported = await other.importProxy<typeof list>(ticket);
await imported.push(4);
console.log(await str(list));

// The referent is shared, the proxies are not: each client has its own.
const box = await other.list();
await box.push(list as unknown).catch((error) => console.log(error.name));
await box.push(imported);
console.log(await str(box));

await other.importProxy(ticket).catch((error) => console.log(String(error))); // it is spent
const many = await exportProxy(list, { uses: 2, ttl: 5_000 });
console.log(await other.importProxy(many) === imported); // one proxy an object and client
await other.close();
await manager.shutdown();
// Prints:
// referent-
// [1, 2, 3, 4]
// SerializeError
// [<ListProxy object, typeid 'list' at 0x1>]
// UnknownObjectError: The ticket is spent: ask for a new one with `await exportProxy(proxy, { uses, ttl })`
// true
