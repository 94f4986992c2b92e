/**
 * Proxy objects: the transcripts of Python's documentation of `multiprocessing`, with this library.
 * Run it with `deno run -A`, `bun` or `node`, as all examples.
 */
import { callMethod, Manager, repr, str } from "../mod.ts"; // yours: from "@referent/manager"
import types from "./types.ts";

const manager = await Manager.start({ types });
const l = await manager.list(Array.from({ length: 10 }, (_, i) => i * i));
console.log(await str(l)); // print(l)
console.log(repr(l)); // print(repr(l))
console.log(await l.at(4), await l.slice(2, 5)); // l[4], l[2:5]

const a = await manager.list();
const b = await manager.list();
await a.push(b); // the referent of a now contains the referent of b
console.log(await str(a), await str(b));
await b.push("hello");
console.log(await str(await a.at(0)), await str(b));

const outer = await manager.list([await manager.dict(), await manager.dict()]);
const first = await outer.at(0);
await first?.set("a", 1);
await first?.set("b", 2);
await (await outer.at(1))?.update({ c: 3, z: 26 });
console.log(await str(await outer.at(0)), await str(await outer.at(1)));

const list = await manager.list<Record<string, number>>([{}]);
const d = await list.at(0) ?? {}; // a copy: changing it changes nothing ...
d["a"] = 1;
console.log(await str(list));
await list.set(0, d); // ... until it is stored again
console.log(await str(list));

const array: unknown = [1, 2, 3];
console.log(await manager.list([1, 2, 3]) === array); // no comparison by value

console.log(await callMethod(l, "slice", [2, 7])); // returns a copy
const bank = await manager.Bank();
console.log(repr(await callMethod(bank, "open", ["Ada"]))); // returns a proxy
await callMethod(l, "set", [20, 0]).catch((error) => console.log(String(error))); // throws
await callMethod(l, "map").catch((error) => console.log(String(error))); // is not exposed
await manager.shutdown();
// Prints:
// [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]
// <ListProxy object, typeid 'list' at 0x1>
// 16 [ 4, 9, 16 ]
// [<ListProxy object, typeid 'list' at 0x3>] []
// ['hello'] ['hello']
// {'a': 1, 'b': 2} {'c': 3, 'z': 26}
// [{}]
// [{'a': 1}]
// false
// [ 4, 9, 16, 25, 36 ]
// <AutoProxy[Account] object, typeid 'Account' at 0xa>
// RangeError: Cannot set item "20": the list has 10 items, use push, insert or extend to add one
// NotExposedError: Cannot call "map" on typeid "list": method is not exposed
