/**
 * What every array promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ArrayTypecode } from "../../lib/objects/typecodes.ts";
import { claims, collect, type Make } from "./backend.ts";

const classes: [ArrayTypecode[], { new (values: never[]): unknown }][] = [
  [["int8", "b"], Int8Array],
  [["uint8", "B"], Uint8Array],
  [["int16", "h"], Int16Array],
  [["uint16", "H"], Uint16Array],
  [["int32", "i", "l"], Int32Array],
  [["uint32", "I", "L"], Uint32Array],
  [["float32", "f"], Float32Array],
  [["float64", "d"], Float64Array],
];

/** Tests the claims about arrays against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("array() is that many zeros or those values, read as a typed array", async (backend) => {
    for (const [typecodes, Class] of classes) {
      for (const typecode of typecodes) {
        assert.deepEqual(
          await (await backend.array(typecode, 3)).slice(),
          new Class([0, 0, 0] as never[]),
        );
        assert.deepEqual(
          await (await backend.array(typecode, [1, 2])).slice(),
          new Class([1, 2] as never[]),
        );
      }
    }
    const signed = await backend.array("q", [-1n, 2n]);
    assert.deepEqual(await signed.slice(), new BigInt64Array([-1n, 2n]));
    const unsigned = await backend.array("biguint64", 1);
    assert.deepEqual(await unsigned.slice(), new BigUint64Array(1));
    const copied = await backend.array("i", await backend.list([7, 8]));
    assert.deepEqual(await copied.slice(), new Int32Array([7, 8]));
    const again = await backend.array("d", new Float32Array([0.5]));
    assert.deepEqual(await again.slice(), new Float64Array([0.5]));
  });

  claim("array() refuses what it cannot be", async (backend) => {
    for (const bad of ["any", "x", 5, undefined]) {
      await assert.rejects(backend.array(bad as never, 1), {
        name: "TypeError",
        message: /typecode/,
      });
    }
    await assert.rejects(backend.array("i", -1), RangeError);
    await assert.rejects(backend.array("i", 2 ** 40), RangeError);
    for (const bad of [1.5, NaN, {}, null, undefined]) {
      await assert.rejects(backend.array("i", bad as never), TypeError);
    }
    await assert.rejects(backend.array("b", [1, 128]), RangeError);
    await assert.rejects(backend.array("b", [1, "2"] as never), TypeError);
    await assert.rejects(backend.array("q", [1] as never), TypeError);
    const create = backend.array as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create("i", 1, 2), TypeError);
  });

  claim("array.at() and set() count negative indexes from the end", async (backend) => {
    const array = await backend.array("h", [1, 2, 3]);
    assert.equal(await array.at(0), 1);
    assert.equal(await array.at(-1), 3);
    assert.equal(await array.at(3), undefined);
    assert.equal(await array.set(-1, 30), undefined);
    assert.deepEqual(await array.slice(), new Int16Array([1, 2, 30]));
    await assert.rejects(array.set(3, 0), { name: "RangeError", message: /"3".*3 elements/ });
    await assert.rejects(array.set(0, 40000), RangeError);
    await assert.rejects(array.set(0, "1" as never), TypeError);
    await assert.rejects(array.at("0" as never), TypeError);
    assert.equal(await array.length(), 3);
  });

  claim("array.slice() and setSlice() move typed arrays", async (backend) => {
    const array = await backend.array("i", 6);
    assert.equal(await array.setSlice(1, [1, 2]), undefined);
    await array.setSlice(-2, new Int32Array([8, 9]));
    await array.setSlice(6, []);
    assert.deepEqual(await array.slice(), new Int32Array([0, 1, 2, 0, 8, 9]));
    assert.deepEqual(await array.slice(1, -2), new Int32Array([1, 2, 0]));
    await array.setSlice(0, await backend.list([5]));
    (await array.slice()).fill(0);
    assert.equal(await array.at(0), 5);
  });

  claim("array.setSlice() that fails changes nothing", async (backend) => {
    const array = await backend.array("b", 3);
    await assert.rejects(array.setSlice(2, [1, 2]), {
      name: "RangeError",
      message: /size is fixed/,
    });
    await assert.rejects(array.setSlice(0, [1, 2, 3, 4]), RangeError);
    await assert.rejects(array.setSlice(0, [1, 128]), RangeError);
    await assert.rejects(array.setSlice(0, [1, null] as never), TypeError);
    await assert.rejects(array.setSlice(0, 1 as never), TypeError);
    assert.deepEqual(await array.slice(), new Int8Array(3));
  });

  claim("array.add() is atomic and resolves to the new element", async (backend) => {
    const array = await backend.array("B", 2);
    assert.equal(await array.add(-1, 250), 250);
    await assert.rejects(array.add(1, 6), RangeError);
    await assert.rejects(array.add(1, -251), RangeError);
    await assert.rejects(array.add(2, 1), RangeError);
    await assert.rejects(array.add(0, 0.5), TypeError);
    assert.equal(await array.add(1, -250), 0);
    await Promise.all(Array.from({ length: 100 }, () => array.add(0, 1)));
    assert.equal(await array.at(0), 100);
    const floats = await backend.array("d", [0.5]);
    assert.equal(await floats.add(0, 0.25), 0.75);
  });

  claim("array iterates over its elements", async (backend) => {
    assert.deepEqual(await collect(await backend.array("i", [3, 1])), [3, 1]);
    const list = await backend.list(await backend.array("i", [1, 2]));
    assert.deepEqual(await list.copy(), [1, 2]);
  });

  claim("str(array) is Python's", async (backend) => {
    const text = async (typecode: ArrayTypecode, values: number | Iterable<number | bigint>) =>
      await backend.str(await backend.array(typecode, values));
    assert.equal(await text("i", [1, -2]), "array('i', [1, -2])");
    assert.equal(await text("q", [1n]), "array('q', [1])");
    assert.equal(await text("d", [1, 0.5, NaN]), "array('d', [1.0, 0.5, nan])");
    assert.equal(await text("f", [0.1]), "array('f', [0.10000000149011612])");
    assert.equal(await text("i", 0), "array('i')");
    assert.deepEqual(
      await backend.getValue(await backend.array("i", [1])),
      new Int32Array([1]),
    );
  });
}
