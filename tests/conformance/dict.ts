/**
 * What every dict promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Key } from "../../lib/objects/data.ts";
import type { DictProxy } from "../../lib/objects/dict.ts";
import type { ListProxy } from "../../lib/objects/list.ts";
import { claims, collect, type Make } from "./backend.ts";

/** Tests the claims about dicts against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("dict() takes an object, entries, a Map or a dict", async (backend) => {
    const entries = [["a", 1], ["b", 2]] as [string, number][];
    assert.deepEqual(await (await backend.dict()).entries(), []);
    assert.deepEqual(await (await backend.dict({ a: 1, b: 2 })).entries(), entries);
    assert.deepEqual(await (await backend.dict(entries)).entries(), entries);
    assert.deepEqual(await (await backend.dict(new Map(entries))).entries(), entries);
    assert.deepEqual(await (await backend.dict(await backend.dict(entries))).entries(), entries);
    assert.deepEqual(await (await backend.dict(await backend.list(entries))).entries(), entries);
  });

  claim("dict() of something else is TypeError with the cure", async (backend) => {
    for (const bad of [5, null, "ab", [1], [["a"]], [["a", 1, 2]], [[{}, 1]], new Date(0)]) {
      await assert.rejects(backend.dict(bad as never), TypeError);
    }
    await assert.rejects(backend.dict([1] as never), { message: /entries of \[key, value\].*"1"/ });
    const create = backend.dict as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(create([], 1), TypeError);
  });

  claim("dict.get(), set(), has(), delete(), size() and clear() are those of a Map", async (
    backend,
  ) => {
    const dict = await backend.dict<number>();
    assert.equal(await dict.set("a", 1), undefined);
    await dict.set("b", 2);
    await dict.set("a", 3);
    assert.equal(await dict.get("a"), 3);
    assert.equal(await dict.get("none"), undefined);
    assert.equal(await dict.has("a"), true);
    assert.equal(await dict.has("none"), false);
    assert.equal(await dict.size(), 2);
    assert.deepEqual(await dict.keys(), ["a", "b"]);
    assert.deepEqual(await dict.values(), [3, 2]);
    assert.equal(await dict.delete("a"), true);
    assert.equal(await dict.delete("a"), false);
    assert.equal(await dict.clear(), undefined);
    assert.equal(await dict.size(), 0);
  });

  claim("dict tells keys apart as a Map does", async (backend) => {
    const keys: Key[] = [1, 1n, "1", true, "true", null, NaN, 0, ""];
    const dict = await backend.dict(keys.map((key, i) => [key, i] as const));
    assert.deepEqual(await dict.keys(), keys);
    assert.deepEqual(await dict.getMany(keys), keys.map((_, i) => i));
    assert.equal(await dict.get(-0), 7);
    await dict.set(-0, "zero" as never);
    assert.equal(await dict.size(), keys.length);
  });

  claim("dict keeps names that objects reserve", async (backend) => {
    const names = ["__proto__", "constructor", "toString", "then", "length", "hasOwnProperty"];
    const dict = await backend.dict<number>();
    for (const [i, key] of names.entries()) {
      assert.equal(await dict.get(key), undefined);
      assert.equal(await dict.has(key), false);
      await dict.set(key, i);
    }
    assert.deepEqual(await dict.entries(), names.map((key, i) => [key, i]));
  });

  claim("dict refuses keys that are no primitives, everywhere", async (backend) => {
    const dict = await backend.dict<unknown>({ a: 1 });
    for (const bad of [{}, [], new Date(0), new Map()] as never[]) {
      await assert.rejects(dict.get(bad), { name: "TypeError", message: /key.*primitive/ });
      await assert.rejects(dict.set(bad, 1), TypeError);
      await assert.rejects(dict.has(bad), TypeError);
      await assert.rejects(dict.delete(bad), TypeError);
      await assert.rejects(dict.pop(bad), TypeError);
      await assert.rejects(dict.getOrInsert(bad, 1), TypeError);
      await assert.rejects(dict.increment(bad), TypeError);
      await assert.rejects(dict.compareAndSet(bad, undefined, 1), TypeError);
      await assert.rejects(dict.getMany(["a", bad]), TypeError);
      await assert.rejects(dict.deleteMany(["a", bad]), TypeError);
      await assert.rejects(dict.setMany([["b", 1], [bad, 2]]), TypeError);
      await assert.rejects(dict.update([["b", 1], [bad, 2]]), TypeError);
    }
    assert.deepEqual(await dict.entries(), [["a", 1]]);
  });

  claim("dict.getOrInsert() inserts once and resolves to what is there", async (backend) => {
    const dict = await backend.dict<unknown>();
    assert.deepEqual(await dict.getOrInsert("a", [1]), [1]);
    assert.deepEqual(await dict.getOrInsert("a", [2]), [1]);
    const lists = await Promise.all([1, 2, 3].map(() => backend.list()));
    const got = await Promise.all(lists.map((list) => dict.getOrInsert("list", list)));
    for (const list of got) await (list as ListProxy).push("x");
    assert.deepEqual(await lists[0]!.copy(), ["x", "x", "x"]);
  });

  claim("dict.pop() and popItem() take out, the last one inserted", async (backend) => {
    const dict = await backend.dict<number>({ a: 1, b: 2, c: 3, d: 4 });
    assert.equal(await dict.pop("a"), 1);
    assert.equal(await dict.pop("a"), undefined);
    assert.deepEqual(await dict.popItem(), ["d", 4]);
    await dict.set("b", 20);
    await dict.delete("b");
    await dict.set("e", 5);
    await dict.set("b", 21);
    await dict.set("c", 30);
    assert.deepEqual(await dict.popItem(), ["b", 21]);
    assert.deepEqual(await dict.popItem(), ["e", 5]);
    assert.deepEqual(await dict.popItem(), ["c", 30]);
    assert.equal(await dict.popItem(), undefined);
    await dict.set("f", 6);
    assert.deepEqual(await dict.popItem(), ["f", 6]);
  });

  claim("dict.popItem() finds the last one after many changes", async (backend) => {
    const dict = await backend.dict<number>({ first: 0, last: 1 });
    await dict.popItem();
    for (let i = 0; i < 200; i++) {
      await dict.compareAndSet("k", undefined, i).then(() => dict.pop("k"));
    }
    await dict.set("z", 1);
    assert.deepEqual(await dict.popItem(), ["z", 1]);
    assert.deepEqual(await dict.popItem(), ["first", 0]);
    await dict.set("x", 1);
    await dict.clear();
    assert.equal(await dict.popItem(), undefined);
  });

  claim("dict.update(), setMany(), getMany() and deleteMany() take many at once", async (
    backend,
  ) => {
    const dict = await backend.dict<number>({ a: 1 });
    assert.equal(await dict.update({ a: 2, b: 3 }), undefined);
    await dict.update(new Map([["c", 4]]));
    await dict.update(await backend.dict({ d: 5 }));
    assert.equal(await dict.setMany([["e", 6]]), undefined);
    await dict.setMany({ f: 7 });
    assert.deepEqual(await dict.getMany(["f", "none", "a"]), [7, undefined, 2]);
    assert.deepEqual(await dict.getMany(await backend.list(["b"])), [3]);
    assert.equal(await dict.deleteMany(["a", "none", "b", "a"]), 2);
    assert.equal(await dict.deleteMany(new Set(["c"])), 1);
    assert.deepEqual(await dict.keys(), ["d", "e", "f"]);
    await assert.rejects(dict.update(5 as never), TypeError);
    await assert.rejects(dict.getMany(5 as never), TypeError);
  });

  claim("dict.increment() counts, from 0 or 0n", async (backend) => {
    const dict = await backend.dict<number | bigint>();
    assert.equal(await dict.increment("n"), 1);
    assert.equal(await dict.increment("n", 4), 5);
    assert.equal(await dict.increment("n", -0.5), 4.5);
    assert.equal(await dict.increment("big", 2n ** 70n), 2n ** 70n);
    assert.equal(await dict.increment("big", 1n), 2n ** 70n + 1n);
    assert.deepEqual(await dict.values(), [4.5, 2n ** 70n + 1n]);
  });

  claim("dict.increment() of what is no such number is TypeError, and changes nothing", async (
    backend,
  ) => {
    const before = { s: "1", big: 1n, n: 1, list: [1], none: null };
    const dict = await backend.dict<unknown>(before) as DictProxy<string, number | bigint>;
    await assert.rejects(dict.increment("s"), { name: "TypeError", message: /"1" \(string\)/ });
    await assert.rejects(dict.increment("big"), TypeError);
    await assert.rejects(dict.increment("n", 1n), TypeError);
    await assert.rejects(dict.increment("n", "1" as never), TypeError);
    await assert.rejects(dict.increment("new", "1" as never), TypeError);
    await assert.rejects(dict.increment("list"), TypeError);
    await assert.rejects(dict.increment("none"), TypeError);
    assert.deepEqual(await dict.copy(), new Map<string, unknown>(Object.entries(before)));
  });

  claim("dict.increment() never stands still: beyond exact numbers it is RangeError", async (
    backend,
  ) => {
    const dict = await backend.dict({ n: Number.MAX_SAFE_INTEGER - 1, x: 2 ** 60 });
    assert.equal(await dict.increment("n"), Number.MAX_SAFE_INTEGER);
    await assert.rejects(dict.increment("n"), { name: "RangeError", message: /bigint/ });
    assert.equal(await dict.get("n"), Number.MAX_SAFE_INTEGER);
    assert.equal(await dict.increment("x", 2 ** 60), 2 ** 61);
  });

  claim("dict.increment() is atomic", async (backend) => {
    const dict = await backend.dict<number>();
    await Promise.all(Array.from({ length: 200 }, () => dict.increment("n")));
    assert.equal(await dict.get("n"), 200);
  });

  claim("dict.compareAndSet() compares structurally, undefined means absent", async (backend) => {
    const dict = await backend.dict<unknown>();
    assert.equal(await dict.compareAndSet("k", null, 1), false);
    assert.equal(await dict.compareAndSet("k", undefined, { v: [1] }), true);
    assert.equal(await dict.compareAndSet("k", undefined, 2), false);
    assert.equal(await dict.compareAndSet("k", { v: [2] }, 2), false);
    assert.deepEqual(await dict.get("k"), { v: [1] });
    assert.equal(await dict.compareAndSet("k", { v: [1] }, 2), true);
    assert.equal(await dict.get("k"), 2);
    assert.equal(await dict.compareAndSet("k", 2, undefined), true);
    assert.equal(await dict.has("k"), false);
    assert.equal(await dict.compareAndSet("k", undefined, undefined), true);
    assert.equal(await dict.has("k"), false);
  });

  claim("dict.compareAndSet() has exactly one winner", async (backend) => {
    const dict = await backend.dict<number>();
    const tries = Array.from({ length: 20 }, (_, i) => dict.compareAndSet("k", undefined, i));
    const won = (await Promise.all(tries)).filter(Boolean);
    assert.equal(won.length, 1);
  });

  claim("dict stores undefined, which reads like an absent value", async (backend) => {
    const dict = await backend.dict<unknown>();
    await dict.set("u", undefined);
    assert.equal(await dict.has("u"), true);
    assert.equal(await dict.get("u"), undefined);
    assert.deepEqual(await dict.keys(), ["u"]);
    assert.equal(await dict.compareAndSet("u", undefined, 1), true);
    assert.equal(await dict.get("u"), 1);
  });

  claim("dict.copy() is a Map, as its value is", async (backend) => {
    const dict = await backend.dict<number>({ a: 1 });
    const copy = await dict.copy();
    assert.deepEqual(copy, new Map([["a", 1]]));
    copy.set("b", 2);
    assert.equal(await dict.size(), 1);
    assert.deepEqual(await backend.getValue(dict), new Map([["a", 1]]));
  });

  claim("dict copies: a value read and changed changes nothing until it is stored", async (
    backend,
  ) => {
    const dict = await backend.dict({ a: { list: [1] } });
    const value = (await dict.get("a"))!;
    value.list.push(2);
    assert.deepEqual(await dict.get("a"), { list: [1] });
    await dict.set("a", value);
    assert.deepEqual(await dict.get("a"), { list: [1, 2] });
  });

  claim("dict iterates over live entries", async (backend) => {
    const dict = await backend.dict(Array.from({ length: 600 }, (_, i) => [i, -i] as const));
    const seen: number[] = [];
    for await (const [key] of dict) {
      if (key === 0) {
        await dict.delete(599);
        await dict.set(600, 0);
      }
      seen.push(key);
    }
    assert.deepEqual(seen, [...Array.from({ length: 599 }, (_, i) => i), 600]);
    assert.deepEqual(await collect(await backend.dict({ a: 1 })), [["a", 1]]);
    const cleared = await backend.dict(Array.from({ length: 600 }, (_, i) => [i, i] as const));
    let met = 0;
    for await (const _ of cleared) if (met++ === 0) await cleared.clear();
    assert.ok(met < 600);
  });

  claim("nested dict proxies share and stay alive in the other", async (backend) => {
    const pets = await backend.dict<unknown>({ ferrets: 2 });
    const d = await backend.dict<unknown>({ pets, plain: [1] });
    await ((await d.get("pets")) as DictProxy).set("hamsters", 4);
    assert.deepEqual(await pets.entries(), [["ferrets", 2], ["hamsters", 4]]);
    const list = await backend.list<unknown>([d]);
    const inner = (await list.at(0)) as DictProxy;
    assert.deepEqual(await inner.get("plain"), [1]);
    const kept = (await inner.get("pets")) as DictProxy;
    await d.clear();
    assert.equal(await kept.get("ferrets"), 2);
    assert.equal(await inner.size(), 0);
    await d.set("self", d);
    assert.match(
      await backend.str(d),
      /^\{'self': <DictProxy object, typeid 'dict' at 0x[^>]*>\}$/,
    );
  });

  claim("str(dict) is Python's", async (backend) => {
    assert.equal(await backend.str(await backend.dict()), "{}");
    assert.equal(await backend.str(await backend.dict({ a: 1, b: "x" })), "{'a': 1, 'b': 'x'}");
  });
}
