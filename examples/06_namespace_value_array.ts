/**
 * Namespaces, values and arrays: Python's `Namespace`, `Value` and `Array`.
 */
import { Manager, str } from "../mod.ts"; // yours: from "@referent/manager"

interface Global {
  x: number;
  y: string;
  _z?: number;
}

const manager = await Manager.start();
const global = await manager.namespace<Global>({ x: 0, y: "" });
global.x = 10;
global.y = "hello"; // writes arrive in order; one that fails rejects the next operation awaited
global._z = 12.3; // stays in this proxy, as in Python
console.log(await str(global), await global.x, global._z);

const value = await manager.value("int32", 7);
console.log(await value.add(-10), await value.get(), await str(value));
console.log(await value.compareExchange(-3, 100), await value.get()); // the old value, the new one
await value.set(2 ** 31).catch((error) => console.log(String(error)));

const array = await manager.array("float64", 5); // fixed size, zeros
await array.setSlice(1, [0.5, 1.5, 2.5]);
console.log(await array.add(-1, 4), await str(array));
console.log((await array.slice(1, 3)) instanceof Float64Array);
await array.set(5, 1).catch((error) => console.log(String(error)));

const anything = await manager.value("any", { retries: 3 });
const before = await anything.compareExchange({ retries: 3 }, { retries: 4 });
console.log(before.retries, await str(anything)); // compared by structure
await manager.shutdown();
// Prints:
// Namespace(x=10, y='hello') 10 12.3
// -3 -3 Value('int32', -3)
// -3 100
// RangeError: value.set(): "2147483648" is out of range for int32, -2147483648 to 2147483647
// 4 array('float64', [0.0, 0.5, 1.5, 2.5, 4.0])
// true
// RangeError: array.set(): there is no element "5", the array has 5 elements
// 3 Value('any', {'retries': 4})
