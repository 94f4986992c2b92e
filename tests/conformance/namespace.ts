/**
 * What every namespace promises, local or shared.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ListProxy } from "../../lib/objects/list.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about namespaces against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("namespace attributes are read with await and written in order", async (backend) => {
    const ns = await backend.namespace<Record<string, unknown>>({ x: 10 });
    ns.y = "hello";
    ns.x = 1;
    ns.x = 2;
    assert.equal(await ns.y, "hello");
    assert.equal(await ns.x, 2);
    assert.equal(await ns.none, undefined);
  });

  claim("namespace keeps names that begin with _ in the proxy", async (backend) => {
    const ns = await backend.namespace<Record<string, unknown>>();
    ns.name = "Bob";
    ns.job = "Builder";
    ns._hidden = "hidden";
    assert.equal(await ns._hidden, "hidden");
    assert.deepEqual(await ns.keys(), ["name", "job"]);
    assert.equal(await ns.delete("job"), true);
    assert.equal(await backend.str(ns), "Namespace(name='Bob')");
  });

  claim("namespace.get(), set(), delete() and keys() reach every name", async (backend) => {
    const ns = await backend.namespace<Record<string, unknown>>({ a: 1 });
    const names = ["get", "keys", "__proto__", "constructor", "then", "toString", ""];
    for (const key of names) {
      assert.equal(await ns.get(key), undefined);
      assert.equal(await ns.set(key, key.length), undefined);
      assert.equal(await ns.get(key), key.length);
    }
    assert.deepEqual(await ns.keys(), ["a", ...names]);
    assert.equal(await ns.delete("__proto__"), true);
    assert.equal(await ns.delete("__proto__"), false);
    assert.equal(await ns.delete("none"), false);
    assert.equal(await ns.get("a"), 1);
  });

  claim("namespace is not thenable", async (backend) => {
    const ns = await backend.namespace<Record<string, unknown>>();
    await ns.set("then", 1);
    assert.equal((ns as { then?: unknown }).then, undefined);
    assert.equal(await Promise.resolve(ns), ns);
  });

  claim("namespace refuses names that are no strings, and no object", async (backend) => {
    const ns = await backend.namespace();
    for (const bad of [1, null, undefined, {}] as never[]) {
      await assert.rejects(ns.get(bad), TypeError);
      await assert.rejects(ns.set(bad, 1 as never), TypeError);
      await assert.rejects(ns.delete(bad), TypeError);
    }
    for (const bad of [5, null, "x", [1], new Map()] as never[]) {
      await assert.rejects(backend.namespace(bad), { name: "TypeError", message: /plain object/ });
    }
  });

  claim("namespace copies values and shares proxies", async (backend) => {
    const list = await backend.list<number>();
    const ns = await backend.namespace<Record<string, unknown>>({ list, data: [1] });
    ((await ns.data) as number[]).push(2);
    assert.deepEqual(await ns.data, [1]);
    await ((await ns.list) as ListProxy<number>).push(7);
    assert.deepEqual(await list.copy(), [7]);
  });

  claim("str(namespace) is Python's: sorted, without what begins with _", async (backend) => {
    assert.equal(await backend.str(await backend.namespace()), "Namespace()");
    const ns = await backend.namespace({ y: "hello", x: 10, _z: 12.3 });
    assert.equal(await backend.str(ns), "Namespace(x=10, y='hello')");
  });

  claim("namespace has a plain object as its value", async (backend) => {
    const ns = await backend.namespace<Record<string, unknown>>({ x: 1 });
    await ns.set("__proto__", 2);
    const value = await backend.getValue(ns) as object;
    assert.deepEqual(Object.entries(value), [["x", 1], ["__proto__", 2]]);
  });

  claim("delete of a local name that is not there is no failure", async (backend) => {
    const space = await backend.namespace<{ _mine?: number }>({});
    assert.equal(delete space._mine, true);
    space._mine = 1;
    assert.equal(delete space._mine, true);
    assert.equal(space._mine, undefined);
  });

  claim("str(namespace) has its names in Python's order", async (backend) => {
    const space = await backend.namespace({ x: 1, x1: 2, a: 3 });
    assert.equal(await backend.str(space), "Namespace(a=3, x1=2, x=1)");
  });
}
