/**
 * What every value promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { BigIntTypecode, NumberTypecode } from "../../lib/objects/typecodes.ts";
import { claims, type Make } from "./backend.ts";

const integers: [NumberTypecode[], number, number][] = [
  [["int8", "b"], -128, 127],
  [["uint8", "B"], 0, 255],
  [["int16", "h"], -32768, 32767],
  [["uint16", "H"], 0, 65535],
  [["int32", "i", "l"], -2147483648, 2147483647],
  [["uint32", "I", "L"], 0, 4294967295],
];

const bigints: [BigIntTypecode[], bigint, bigint][] = [
  [["bigint64", "q"], -9223372036854775808n, 9223372036854775807n],
  [["biguint64", "Q"], 0n, 18446744073709551615n],
];

/** Tests the claims about values against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("value keeps whole numbers in the range of its typecode", async (backend) => {
    for (const [typecodes, min, max] of integers) {
      for (const typecode of typecodes) {
        const value = await backend.value(typecode, min);
        assert.equal(await value.get(), min);
        assert.equal(await value.set(max), undefined);
        assert.equal(await value.get(), max);
        for (const bad of [min - 1, max + 1, Infinity, -Infinity]) {
          await assert.rejects(value.set(bad), RangeError);
        }
        for (const bad of [0.5, NaN, "1", 1n, null, undefined, true] as never[]) {
          await assert.rejects(value.set(bad), TypeError);
        }
        await assert.rejects(value.add(1), RangeError);
        assert.equal(await value.get(), max);
        assert.equal(await value.add(min - max), min);
      }
    }
  });

  claim("value keeps bigints in the range of its typecode", async (backend) => {
    for (const [typecodes, min, max] of bigints) {
      for (const typecode of typecodes) {
        const value = await backend.value(typecode, max);
        await assert.rejects(value.add(1n), RangeError);
        await assert.rejects(value.set(min - 1n), RangeError);
        await assert.rejects(value.set(1 as never), { name: "TypeError", message: /bigint/ });
        await assert.rejects(value.add(1 as never), TypeError);
        assert.equal(await value.get(), max);
        assert.equal(await value.add(min - max), min);
      }
    }
  });

  claim("value keeps floats, rounded to what its typecode holds", async (backend) => {
    for (const typecode of ["float64", "d"] as const) {
      const value = await backend.value(typecode, 0.1);
      assert.equal(await value.get(), 0.1);
      assert.equal(await value.add(0.2), 0.1 + 0.2);
      for (const special of [NaN, Infinity, -Infinity, -0, Number.MAX_VALUE]) {
        await value.set(special);
        assert.equal(await value.get(), special);
      }
      await assert.rejects(value.add(Number.MAX_VALUE), RangeError);
      await assert.rejects(value.set(1n as never), TypeError);
    }
    for (const typecode of ["float32", "f"] as const) {
      const value = await backend.value(typecode, 0.1);
      assert.equal(await value.get(), Math.fround(0.1));
      assert.equal(await value.compareExchange(0.1, 3e38), Math.fround(0.1));
      assert.equal(await value.get(), Math.fround(3e38));
      await assert.rejects(value.set(1e39), RangeError);
      await assert.rejects(value.add(3e38), RangeError);
      await value.set(Infinity);
      assert.equal(await value.get(), Infinity);
    }
  });

  claim("value() starts at 0 where nothing is said", async (backend) => {
    assert.equal(await (await backend.value("i")).get(), 0);
    assert.equal(await (await backend.value("q")).get(), 0n);
    assert.equal(await (await backend.value("d")).get(), 0);
    assert.equal(await (await backend.value("any")).get(), undefined);
  });

  claim("value() refuses what it cannot be, with the list of typecodes", async (backend) => {
    for (const bad of ["int64", "x", "", "constructor", "__proto__", 5, null, undefined]) {
      await assert.rejects(backend.value(bad as never, 0), {
        name: "TypeError",
        message: /typecode.*int8.*biguint64.*any/,
      });
    }
    await assert.rejects(backend.value("b", 128), {
      name: "RangeError",
      message: /"128" is out of range for int8, -128 to 127/,
    });
    await assert.rejects(backend.value("i", "5" as never), TypeError);
    const create = backend.value as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create("i", 1, 2), TypeError);
  });

  claim("value.add() is atomic and resolves to the new value", async (backend) => {
    const value = await backend.value("i", 0);
    assert.equal(await value.add(2), 2);
    assert.equal(await value.add(-3), -1);
    await Promise.all(Array.from({ length: 100 }, () => value.add(1)));
    assert.equal(await value.get(), 99);
  });

  claim("value.compareExchange() resolves to the old value", async (backend) => {
    const value = await backend.value("i", 5);
    assert.equal(await value.compareExchange(4, 6), 5);
    assert.equal(await value.get(), 5);
    assert.equal(await value.compareExchange(5, 6), 5);
    assert.equal(await value.get(), 6);
    await assert.rejects(value.compareExchange(0, 2 ** 31), RangeError);
    await assert.rejects(value.compareExchange("6" as never, 1), TypeError);
    assert.equal(await value.get(), 6);
    const tries = [1, 2, 3].map((i) => value.compareExchange(6, i));
    assert.equal((await Promise.all(tries)).filter((old) => old === 6).length, 1);
  });

  claim("value of any holds any data, compared structurally", async (backend) => {
    const value = await backend.value<unknown>("any", { a: [1] });
    assert.deepEqual(await value.get(), { a: [1] });
    assert.deepEqual(await value.compareExchange({ a: [2] }, 1), { a: [1] });
    assert.deepEqual(await value.compareExchange({ a: [1] }, 1), { a: [1] });
    assert.equal(await value.add(1 as never), 2);
    await assert.rejects(value.add(1n as never), TypeError);
    await value.set("text");
    await assert.rejects(value.add("more" as never), TypeError);
    assert.equal(await value.get(), "text");
    const list = await backend.list([1]);
    await value.set(list);
    assert.deepEqual(await ((await value.get()) as typeof list).copy(), [1]);
  });

  claim("str(value) is Python's", async (backend) => {
    assert.equal(await backend.str(await backend.value("i", 5)), "Value('i', 5)");
    assert.equal(await backend.str(await backend.value("any", "x")), "Value('any', 'x')");
    assert.equal(await backend.getValue(await backend.value("int16", 5)), 5);
  });
}
