/**
 * Iteration: lists, dicts, sets, arrays, your own iterable classes, and methods that return an
 * iterator. What is iterated over stays in the server and comes in portions.
 */
import { Manager } from "../mod.ts"; // yours: from "@referent/manager"
import types from "./types.ts";

const manager = await Manager.start({ types });

const list = await manager.list(["a", "b", "c"]);
for await (const item of list) console.log(item);

const dict = await manager.dict({ one: 1, two: 2 });
for await (const [key, value] of dict) console.log(key, value); // entries; Python gives keys

// Where an iterable is asked for, a proxy will do: the server reads it in one step.
const set = await manager.set<string>(list);
await set.update(["c", "d"]);
console.log((await set.values()).join(" "), (await list.concat(set)).join(" "));

const bank = await manager.Bank();
await bank.open("Ada");
await bank.open("Grace");
for await (const owner of bank) console.log(owner); // the class has [Symbol.iterator]

for await (const note of await bank.notes(1000)) { // the method is a generator
  console.log(note);
  if (note === 50) break; // frees the generator in the server
}
const notes = await bank.notes(35);
console.log((await notes.next()).value, (await notes.next()).value);
await notes.return();
await manager.shutdown();
// Prints:
// a
// b
// c
// one 1
// two 2
// a b c d a b c a b c d
// Ada
// Grace
// 50
// 20 10
