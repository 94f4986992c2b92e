/**
 * Values: what arrives as what it was, another serializer, and a manager without a process for
 * tests. `Manager.local()` has the same API, and values cross the serializer all the same.
 */
import { json, Manager, plainSerializer, str } from "../mod.ts"; // yours: from "@referent/manager"

const values = [null, undefined, -0, NaN, 2n ** 80n, new Date(0), new Map([["a", new Set([1])]])];
for (const serializer of [undefined, json]) { // undefined: the default, MessagePack
  const manager = await Manager.local({ serializer });
  const list = await manager.list<unknown>(values);
  await list.push(Uint8Array.of(1, 2), { ["__proto__"]: "data" });
  console.log(await str(list));
  const copies = await list.copy();
  console.log(Object.is(copies[2], -0), copies[4] === 2n ** 80n, copies[6] instanceof Map);
  await manager.shutdown();
}

// Any codec of plain data becomes a serializer; both ends need the same one.
const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder() };
const shouting = plainSerializer({
  name: "readable-json",
  encode: (value) => utf8.encoder.encode(JSON.stringify(value, null, 2)),
  decode: (bytes) => JSON.parse(utf8.decoder.decode(bytes)),
});
const manager = await Manager.local({ serializer: shouting });
console.log(await str(await manager.set([1n, "one"])));
await manager.shutdown();
// Prints:
// [None, None, -0.0, nan, 1208925819614629174706176, Date('1970-01-01T00:00:00.000Z'), {'a': {1}}, Uint8Array([1, 2]), {'__proto__': 'data'}]
// true true true
// [None, None, -0.0, nan, 1208925819614629174706176, Date('1970-01-01T00:00:00.000Z'), {'a': {1}}, Uint8Array([1, 2]), {'__proto__': 'data'}]
// true true true
// {1, 'one'}
