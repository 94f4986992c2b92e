/**
 * Your own classes: `defineTypes` in a module of its own (here types.ts) says what is shared. Python:
 * `BaseManager.register`.
 */
import { Manager, repr, str } from "../mod.ts"; // yours: from "@referent/manager"
import types, { OverdrawnError } from "./types.ts";

const manager = await Manager.start({ types });
const maths = await manager.Maths();
console.log(await maths.add(4, 3), await maths.mul(7, 8));

const bank = await manager.Bank();
const account = await bank.open("Ada"); // a proxy: methodToTypeid says so
console.log(repr(account), await account.deposit(100));
console.log(await bank.open("Ada") === account); // the same object is the same proxy
try {
  await account.withdraw(150);
} catch (error) { // an exception keeps its class, its message and its own properties
  if (error instanceof OverdrawnError) console.log(`${error.message}, ${error.missing}`);
}
console.log(await str(account)); // its own toString

const owners = await bank.owners(); // a shared list
console.log(repr(owners), await str(owners));
await owners.push("nobody"); // it was made from a copy: the bank does not see this
console.log(await str(await bank.owners()));
await manager.shutdown();
// Prints:
// 7 56
// <AutoProxy[Account] object, typeid 'Account' at 0x3> 100
// true
// the account lacks 50, 50
// Account(100)
// <ListProxy object, typeid 'list' at 0x4> ['Ada']
// ['Ada']
