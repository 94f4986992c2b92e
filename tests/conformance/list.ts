/**
 * What every list promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ListProxy } from "../../lib/objects/list.ts";
import { claims, collect, type Make } from "./backend.ts";

/** Tests the claims about lists against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("list() holds the items of any iterable, in order", async (backend) => {
    assert.deepEqual(await (await backend.list()).copy(), []);
    assert.deepEqual(await (await backend.list([1, 2])).copy(), [1, 2]);
    assert.deepEqual(await (await backend.list(new Set(["b", "a"]))).copy(), ["b", "a"]);
    assert.deepEqual(await (await backend.list("añ😀")).copy(), ["a", "ñ", "😀"]);
    assert.deepEqual(await (await backend.list(new Uint8Array([7, 8]))).copy(), [7, 8]);
    assert.deepEqual(await (await backend.list(await backend.list([1]))).copy(), [1]);
    assert.deepEqual(await (await backend.list(await backend.set([5]))).copy(), [5]);
  });

  claim("list() of something else is TypeError with the cure", async (backend) => {
    for (const bad of [5, null, { a: 1 }, true]) {
      await assert.rejects(backend.list(bad as never), TypeError);
    }
    const create = backend.list as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create(1), { name: "TypeError", message: /needs an iterable.*"1"/ });
    await assert.rejects(create(1, 2, 3), {
      name: "TypeError",
      message: /takes 1 argument, got 3.*as one array/,
    });
  });

  claim("list.at() and set() count negative indexes from the end", async (backend) => {
    const list = await backend.list(["a", "b", "c"]);
    assert.equal(await list.at(0), "a");
    assert.equal(await list.at(-1), "c");
    assert.equal(await list.at(3), undefined);
    assert.equal(await list.at(-4), undefined);
    assert.equal(await list.set(-1, "z"), undefined);
    assert.equal(await list.set(0, "y"), undefined);
    assert.deepEqual(await list.copy(), ["y", "b", "z"]);
  });

  claim("list.set() out of range is RangeError and changes nothing", async (backend) => {
    const list = await backend.list([1]);
    await assert.rejects(list.set(1, 9), {
      name: "RangeError",
      message: /item "1".*1 items.*push/,
    });
    await assert.rejects(list.set(-2, 9), RangeError);
    assert.deepEqual(await list.copy(), [1]);
  });

  claim("list refuses indexes that are no whole numbers", async (backend) => {
    const list = await backend.list([1]);
    for (const bad of [0.5, NaN, "0", null, 0n, true] as never[]) {
      await assert.rejects(list.at(bad), TypeError);
      await assert.rejects(list.set(bad, 1), TypeError);
      await assert.rejects(list.insert(bad, 1), TypeError);
      await assert.rejects(list.slice(bad), TypeError);
      await assert.rejects(list.pop(bad), TypeError);
      await assert.rejects(list.indexOf(1, bad), TypeError);
      await assert.rejects(list.lastIndexOf(1, bad), TypeError);
      await assert.rejects(list.fill(1, bad), TypeError);
      await assert.rejects(list.splice(bad), TypeError);
      await assert.rejects(list.splice(0, bad), TypeError);
    }
    assert.deepEqual(await list.copy(), [1]);
  });

  claim("list.push() and unshift() resolve to the length, pop() and shift() take out", async (
    backend,
  ) => {
    const list = await backend.list<number>();
    assert.equal(await list.push(3, 4), 2);
    assert.equal(await list.push(), 2);
    assert.equal(await list.unshift(1, 2), 4);
    assert.equal(await list.length(), 4);
    assert.equal(await list.pop(), 4);
    assert.equal(await list.shift(), 1);
    assert.equal(await list.pop(0), 2);
    assert.equal(await list.pop(7), undefined);
    assert.equal(await list.pop(), 3);
    assert.equal(await list.pop(), undefined);
    assert.equal(await list.shift(), undefined);
    assert.equal(await list.length(), 0);
  });

  claim("list.shift() keeps every other method right", async (backend) => {
    const shifted = async () => {
      const list = await backend.list([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
      assert.deepEqual([await list.shift(), await list.shift(), await list.shift()], [0, 1, 2]);
      return list;
    };
    const rest = [3, 4, 5, 6, 7, 8, 9];
    const list = await shifted();
    assert.equal(await list.length(), 7);
    assert.deepEqual([await list.at(0), await list.at(-7), await list.at(-8)], [3, 3, undefined]);
    assert.deepEqual(await list.slice(1, -1), rest.slice(1, -1));
    assert.deepEqual(await list.copy(), rest);
    assert.deepEqual(await list.concat([10]), [...rest, 10]);
    assert.deepEqual(await collect(list), rest);
    assert.equal(await backend.str(list), "[3, 4, 5, 6, 7, 8, 9]");
    await list.set(0, 33);
    assert.equal(await list.push(10), 8);
    assert.equal(await list.pop(), 10);
    assert.equal(await list.indexOf(33), 0);
    assert.equal(await (await shifted()).unshift(2), 8);
    assert.equal(await (await shifted()).join(""), "3456789");
    const changed = await shifted();
    await changed.insert(0, 2);
    assert.deepEqual(await changed.splice(0, 2), [2, 3]);
    const filled = await shifted();
    await filled.fill(0, 5);
    assert.deepEqual(await filled.copy(), [3, 4, 5, 6, 7, 0, 0]);
    const sorted = await shifted();
    await sorted.sort({ reverse: true });
    assert.deepEqual(await sorted.copy(), [...rest].reverse());
    const cleared = await shifted();
    await cleared.clear();
    assert.equal(await cleared.push(1), 1);
    assert.deepEqual(await cleared.copy(), [1]);
  });

  claim("list.insert() puts items where Python does", async (backend) => {
    const list = await backend.list(["a", "b"]);
    await list.insert(1, "x", "y");
    await list.insert(-1, "p");
    await list.insert(99, "end");
    await list.insert(-99, "start");
    assert.deepEqual(await list.copy(), ["start", "a", "x", "y", "p", "b", "end"]);
  });

  claim("list.splice() resolves to what it removed", async (backend) => {
    const list = await backend.list([0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await list.splice(1, 2, 10, 20, 30), [1, 2]);
    assert.deepEqual(await list.copy(), [0, 10, 20, 30, 3, 4, 5]);
    assert.deepEqual(await list.splice(-2), [4, 5]);
    assert.deepEqual(await list.splice(0, -3, 9), []);
    assert.deepEqual(await list.splice(4, Infinity), [30, 3]);
    assert.deepEqual(await list.splice(1, undefined, 7), []);
    assert.deepEqual(await list.copy(), [9, 7, 0, 10, 20]);
  });

  claim("list.slice() copies a range", async (backend) => {
    const list = await backend.list([0, 1, 2, 3, 4]);
    assert.deepEqual(await list.slice(), [0, 1, 2, 3, 4]);
    assert.deepEqual(await list.slice(2), [2, 3, 4]);
    assert.deepEqual(await list.slice(-2, Infinity), [3, 4]);
    assert.deepEqual(await list.slice(1, -1), [1, 2, 3]);
    assert.deepEqual(await list.slice(3, 1), []);
    assert.deepEqual(await list.slice(-Infinity, 1), [0]);
  });

  claim("list.indexOf(), includes(), count() and remove() compare structurally", async (
    backend,
  ) => {
    const list = await backend.list<unknown>([{ a: [1] }, NaN, "1", 1, { a: [1] }, new Date(5)]);
    assert.equal(await list.indexOf({ a: [1] }), 0);
    assert.equal(await list.indexOf({ a: [1] }, 1), 4);
    assert.equal(await list.indexOf({ a: [1] }, -2), 4);
    assert.equal(await list.lastIndexOf({ a: [1] }), 4);
    assert.equal(await list.lastIndexOf({ a: [1] }, 3), 0);
    assert.equal(await list.lastIndexOf({ a: [1] }, -3), 0);
    assert.equal(await list.lastIndexOf({ a: [1] }, -99), -1);
    assert.equal(await list.indexOf({ a: [2] }), -1);
    assert.equal(await list.indexOf(1), 3);
    assert.equal(await list.includes(NaN), true);
    assert.equal(await list.includes(new Date(5)), true);
    assert.equal(await list.includes(1n), false);
    assert.equal(await list.count({ a: [1] }), 2);
    assert.equal(await list.remove({ a: [1] }), true);
    assert.equal(await list.remove("none"), false);
    assert.deepEqual(await list.copy(), [NaN, "1", 1, { a: [1] }, new Date(5)]);
  });

  claim("list.extend() and concat() take iterables and proxies, itself too", async (backend) => {
    const list = await backend.list([1]);
    assert.equal(await list.extend([2, 3]), undefined);
    await list.extend(new Set([4]));
    await list.extend(list);
    await list.extend(await backend.list([5]));
    assert.deepEqual(await list.copy(), [1, 2, 3, 4, 1, 2, 3, 4, 5]);
    const other = await backend.list([7]);
    assert.deepEqual(await other.concat([8], other, new Set([9])), [7, 8, 7, 9]);
    assert.deepEqual(await other.concat(), [7]);
    await assert.rejects(list.extend(5 as never), TypeError);
    await assert.rejects(other.concat(8 as never), TypeError);
    await assert.rejects(other.concat("ab" as never), { name: "TypeError", message: /\[\.\.\.\]/ });
  });

  claim("list.extend() takes more items than a call takes arguments", async (backend) => {
    const list = await backend.list<number>();
    await list.extend(Array.from({ length: 200_000 }, (_, i) => i));
    assert.equal(await list.length(), 200_000);
    assert.equal(await list.at(-1), 199_999);
  });

  claim("list.reverse(), fill() and join() work in place and resolve to nothing", async (
    backend,
  ) => {
    const list = await backend.list([1, 2, 3]);
    assert.equal(await list.reverse(), undefined);
    assert.deepEqual(await list.copy(), [3, 2, 1]);
    assert.equal(await list.join(), "3,2,1");
    assert.equal(await list.join(" - "), "3 - 2 - 1");
    await assert.rejects(list.join(5 as never), TypeError);
    assert.equal(await list.fill(0, 1), undefined);
    assert.deepEqual(await list.copy(), [3, 0, 0]);
    await list.fill(9, -3, -2);
    assert.deepEqual(await list.copy(), [9, 0, 0]);
  });

  claim("list.sort() knows numbers with bigints, strings, and arrays", async (backend) => {
    const sorted = async (items: unknown[], reverse = false) => {
      const list = await backend.list(items);
      assert.equal(await list.sort(reverse ? { reverse } : undefined), undefined);
      return list.copy();
    };
    assert.deepEqual(await sorted([10, 9n, -Infinity, 1.5, 2n]), [-Infinity, 1.5, 2n, 9n, 10]);
    assert.deepEqual(await sorted(["b", "a", "B", "", "é"]), ["", "B", "a", "b", "é"]);
    assert.deepEqual(await sorted([[2], [1, "b"], [1], [1, "a"]]), [[1], [1, "a"], [1, "b"], [2]]);
    assert.deepEqual(await sorted([1, 3, 2], true), [3, 2, 1]);
    assert.deepEqual(await sorted([[1, 1], [0, 2], [1n, 1n], [1, 1]], true), [
      [1, 1],
      [1n, 1n],
      [1, 1],
      [0, 2],
    ]);
  });

  claim("list.sort() that fails leaves the list as it was", async (backend) => {
    const bad: unknown[][] = [
      [2, 1, "a"],
      [2, NaN, 1],
      [NaN],
      [undefined, 1],
      [2, null],
      [true, false],
      [[2], [1, {}]],
      [[1], 1],
      [new Date(2), new Date(1)],
    ];
    for (const items of bad) {
      const list = await backend.list(items);
      await assert.rejects(list.sort(), { name: "TypeError", message: /Cannot order/ });
      assert.deepEqual(await list.copy(), items);
    }
    const list = await backend.list([1]);
    await assert.rejects(list.sort("reverse" as never), TypeError);
    await assert.rejects(list.sort({ key: "name" } as never), {
      name: "TypeError",
      message: /no option "key", it takes \{ reverse \}/,
    });
  });

  claim("list copies: a value read and changed changes nothing until it is stored", async (
    backend,
  ) => {
    const list = await backend.list([{ n: [1] }]);
    const item = (await list.at(0))!;
    item.n.push(2);
    assert.deepEqual(await list.at(0), { n: [1] });
    await list.set(0, item);
    item.n.push(3);
    assert.deepEqual(await list.at(0), { n: [1, 2] });
    (await list.copy()).pop();
    assert.equal(await list.length(), 1);
  });

  claim("list iterates over live items", async (backend) => {
    const list = await backend.list(Array.from({ length: 600 }, (_, i) => i));
    const seen: number[] = [];
    for await (const item of list) {
      if (item === 0) await list.push(600);
      seen.push(item);
    }
    assert.deepEqual(seen, Array.from({ length: 601 }, (_, i) => i));
    for await (const item of list) {
      assert.equal(item, 0);
      break;
    }
    assert.deepEqual(await collect(await backend.list()), []);
  });

  claim("list keeps undefined, null and nested data", async (backend) => {
    const items = [undefined, null, { u: undefined }, new Map([[1, new Set(["x"])]]), -0, 1n];
    const list = await backend.list<unknown>(items);
    assert.deepEqual(await list.copy(), items);
    assert.deepEqual(await backend.getValue(list), items);
  });

  claim("nested list proxies share: append through one is visible in the other", async (
    backend,
  ) => {
    const a = await backend.list<unknown>();
    const b = await backend.list<unknown>();
    await a.push(b);
    assert.equal(
      (await backend.str(a)).replace(/0x[0-9a-f]+/, "..."),
      "[<ListProxy object, typeid 'list' at ...>]",
    );
    assert.equal(await backend.str(b), "[]");
    await b.push("hello");
    const inner = (await a.at(0)) as ListProxy;
    assert.deepEqual(await inner.copy(), ["hello"]);
    await inner.push("more");
    assert.equal(await b.length(), 2);
    assert.equal(await a.indexOf(b), 0);
    assert.equal(await a.includes(["hello", "more"]), false);
  });

  claim("list may contain itself", async (backend) => {
    const list = await backend.list<unknown>([1]);
    await list.push(list);
    const inner = (await list.at(1)) as ListProxy;
    await inner.push(2);
    assert.equal(await list.length(), 3);
    assert.match(await backend.str(list), /^\[1, <ListProxy object, .*>, 2\]$/);
    assert.equal(await list.remove(inner), true);
    assert.deepEqual(await list.copy(), [1, 2]);
  });

  claim("str(list) is Python's", async (backend) => {
    assert.equal(await backend.str(await backend.list()), "[]");
    assert.equal(
      await backend.str(await backend.list([1, 2, "hello", true, null])),
      "[1, 2, 'hello', True, None]",
    );
  });

  claim("list calls are atomic and keep their order", async (backend) => {
    const list = await backend.list<number>();
    const pushed = Array.from({ length: 100 }, (_, i) => list.push(i));
    assert.deepEqual(await Promise.all(pushed), Array.from({ length: 100 }, (_, i) => i + 1));
    const taken = Array.from({ length: 100 }, () => list.shift());
    assert.deepEqual(await Promise.all(taken), Array.from({ length: 100 }, (_, i) => i));
  });
}
