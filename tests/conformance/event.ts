/**
 * What the event promises one process.
 *
 * @module
 */

import assert from "node:assert/strict";
import { getValue, SerializeError, TimeoutError, withOptions } from "../../mod.ts";
import { claims, type Make } from "./backend.ts";

/** Tests the claims about events against what `make` gives. */
export function suite(name: string, make: Make): void {
  const claim = claims(name, make);

  claim("an event is not set at first; set and clear may come again", async (backend) => {
    const event = await backend.event();
    assert.equal(await event.isSet(), false);
    for (let i = 0; i < 2; i++) {
      assert.equal(await event.set(), undefined);
      assert.equal(await event.isSet(), true);
    }
    for (let i = 0; i < 2; i++) {
      assert.equal(await event.clear(), undefined);
      assert.equal(await event.isSet(), false);
    }
  });

  claim(
    "event.set() wakes all that wait, and event.wait() of a set one is over",
    async (backend) => {
      const event = await backend.event();
      const waiting = [1, 2, 3].map(() => event.wait());
      await event.set();
      assert.deepEqual(await Promise.all(waiting), [undefined, undefined, undefined]);
      await event.wait();
      await event.wait({ timeout: 0 });
    },
  );

  claim(
    "event.clear() right after event.set() keeps nobody waiting who waited",
    async (backend) => {
      const event = await backend.event();
      const before = event.wait();
      const set = event.set();
      const clear = event.clear();
      const after = event.wait({ timeout: 1 });
      await Promise.all([before, set, clear]);
      await assert.rejects(after, TimeoutError);
    },
  );

  claim("event.wait() rejects with TimeoutError or the reason of its abort", async (backend) => {
    const event = await backend.event();
    await assert.rejects(event.wait({ timeout: 0 }), { name: "TimeoutError", message: /at once/ });
    await assert.rejects(event.wait({ timeout: 1 }), { name: "TimeoutError", message: /1 ms/ });
    await assert.rejects(withOptions(event, { timeout: 1 }).wait(), TimeoutError);
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = [event.wait({ signal }), event.wait({ signal, timeout: 60_000 })];
    const patient = event.wait();
    await event.isSet();
    controller.abort("enough");
    for (const wait of aborted) await assert.rejects(wait, (error) => error === "enough");
    await event.set();
    await patient;
    await assert.rejects(event.wait({ signal }), (error) => error === "enough");
  });

  claim("event() and its methods refuse what is no option", async (backend) => {
    await assert.rejects((backend.event as (x: unknown) => Promise<unknown>)(1), TypeError);
    const event = await backend.event();
    for (const bad of [5, null, "1", { nonsense: 1 }] as never[]) {
      await assert.rejects(event.wait(bad), TypeError);
    }
    await assert.rejects(event.wait({ timeout: -1 }), RangeError);
    await assert.rejects(getValue(event), SerializeError);
  });
}
