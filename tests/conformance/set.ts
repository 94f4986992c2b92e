/**
 * What every set promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import { claims, collect, type Make } from "./backend.ts";

/** Tests the claims about sets against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("set() holds each member of an iterable once", async (backend) => {
    assert.deepEqual(await (await backend.set()).values(), []);
    assert.deepEqual(await (await backend.set([1, 2, 1, "1", 1n, NaN, NaN])).values(), [
      1,
      2,
      "1",
      1n,
      NaN,
    ]);
    assert.deepEqual(await (await backend.set("hello")).values(), ["h", "e", "l", "o"]);
    assert.deepEqual(await (await backend.set(await backend.list([3, 3]))).values(), [3]);
    await assert.rejects(backend.set(5 as never), TypeError);
    const create = backend.set as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create([1], [2]), TypeError);
  });

  claim("set.add(), has(), delete(), size() and clear() are those of a Set", async (backend) => {
    const set = await backend.set(["a"]);
    assert.equal(await set.add("b"), undefined);
    await set.add("b");
    assert.equal(await set.size(), 2);
    assert.equal(await set.has("b"), true);
    assert.equal(await set.has("c"), false);
    assert.equal(await set.delete("b"), true);
    assert.equal(await set.delete("b"), false);
    assert.equal(await set.clear(), undefined);
    assert.equal(await set.size(), 0);
  });

  claim("set refuses members that are data of their own", async (backend) => {
    const set = await backend.set<unknown>([1]);
    for (const bad of [{}, [], new Date(0), new Map(), new Set(), new Uint8Array(1)]) {
      await assert.rejects(set.add(bad), { name: "TypeError", message: /primitives or proxies/ });
      await assert.rejects(set.has(bad), TypeError);
      await assert.rejects(set.update([2, bad]), TypeError);
      await assert.rejects(backend.set([bad]), TypeError);
    }
    assert.deepEqual(await set.values(), [1]);
  });

  claim("set takes proxies as members, by identity", async (backend) => {
    const list = await backend.list([1]);
    const set = await backend.set<unknown>([list, "x"]);
    await set.add(list);
    assert.equal(await set.size(), 2);
    assert.equal(await set.has(list), true);
    assert.equal(await set.has(await backend.list([1])), false);
    const [member] = await set.values();
    await (member as typeof list).push(2);
    assert.deepEqual(await list.copy(), [1, 2]);
    assert.equal(await set.delete(member), true);
  });

  claim("set.pop() takes every member out once, the oldest first", async (backend) => {
    const set = await backend.set([1, 2, 3]);
    assert.equal(await set.pop(), 1);
    await set.add(1);
    await set.delete(2);
    assert.equal(await set.pop(), 3);
    assert.equal(await set.pop(), 1);
    assert.equal(await set.pop(), undefined);
    await set.add(4);
    assert.equal(await set.pop(), 4);
    await set.update([5, 6]);
    await set.clear();
    await set.add(7);
    assert.equal(await set.pop(), 7);
    assert.equal(await set.size(), 0);
  });

  claim("set algebra gives local Sets and changes nothing", async (backend) => {
    const set = await backend.set([1, 2, 3]);
    const other = await backend.set([3, 4]);
    assert.deepEqual(await set.union(other, [5]), new Set([1, 2, 3, 4, 5]));
    assert.deepEqual(await set.union(), new Set([1, 2, 3]));
    assert.deepEqual(await set.intersection(other), new Set([3]));
    assert.deepEqual(await set.intersection([1, 2], new Set([2, 3])), new Set([2]));
    assert.deepEqual(await set.difference(other), new Set([1, 2]));
    assert.deepEqual(await set.difference([1], [2]), new Set([3]));
    assert.deepEqual(await set.symmetricDifference(other), new Set([1, 2, 4]));
    assert.deepEqual(await set.union(set), new Set([1, 2, 3]));
    assert.deepEqual(await set.values(), [1, 2, 3]);
    await assert.rejects(set.union(5 as never), TypeError);
    await assert.rejects(set.intersection(undefined as never), TypeError);
  });

  claim("set compares itself with iterables and proxies", async (backend) => {
    const set = await backend.set([1, 2]);
    assert.equal(await set.isSubsetOf([3, 2, 1]), true);
    assert.equal(await set.isSubsetOf(await backend.list([1])), false);
    assert.equal(await set.isSubsetOf(set), true);
    assert.equal(await set.isSupersetOf([]), true);
    assert.equal(await set.isSupersetOf([2]), true);
    assert.equal(await set.isSupersetOf(new Set([2, 3])), false);
    assert.equal(await set.isDisjointFrom([3]), true);
    assert.equal(await set.isDisjointFrom([2]), false);
    await assert.rejects(set.isSubsetOf(5 as never), TypeError);
  });

  claim("set.update() adds all members of all iterables", async (backend) => {
    const set = await backend.set<unknown>([1]);
    assert.equal(await set.update([2], "ab", await backend.set([3])), undefined);
    assert.deepEqual(await set.values(), [1, 2, "a", "b", 3]);
    await assert.rejects(set.update([4], 5 as never), TypeError);
    assert.equal(await set.has(4), false);
  });

  claim("set.copy() is a Set, as its value is", async (backend) => {
    const set = await backend.set([1]);
    (await set.copy()).add(2);
    assert.deepEqual(await set.copy(), new Set([1]));
    assert.deepEqual(await backend.getValue(set), new Set([1]));
  });

  claim("set iterates over live members", async (backend) => {
    const set = await backend.set(Array.from({ length: 600 }, (_, i) => i));
    const seen: number[] = [];
    for await (const member of set) {
      if (member === 0) {
        await set.delete(599);
        await set.add(600);
      }
      seen.push(member);
    }
    assert.deepEqual(seen, [...Array.from({ length: 599 }, (_, i) => i), 600]);
    assert.deepEqual(await collect(await backend.set()), []);
  });

  claim("str(set) is Python's", async (backend) => {
    assert.equal(await backend.str(await backend.set()), "set()");
    assert.equal(await backend.str(await backend.set(["a", 1])), "{'a', 1}");
  });
}
