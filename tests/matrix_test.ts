/**
 * All nine pairs of a client's and a server's runtime: this runtime starts a server in each of them,
 * and for each server a client in each of them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type ListProxy, Manager } from "../mod.ts";
import types from "./fixtures/matrix_types.ts";
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { fixture, runtimeNames, runtimePath } from "./support/runtimes.ts";

for (const server of runtimeNames) {
  void test(`a server in ${server} has clients in deno, bun and node`, async () => {
    const runtime = { name: server, path: runtimePath(server) };
    const manager = await Manager.start({ types, runtime, startTimeout: 60_000 });
    try {
      assert.equal((await manager.debugInfo()).runtime, server);
      const greeting = await manager.list(["hello", "world"]);
      await manager.publish("greeting", greeting);
      for (const client of runtimeNames) {
        const script = fixture("matrix_client.ts");
        assert.equal(await runScript(client, script, { args: [client], env: manager.env }), "ok\n");
        const left = await manager.lookup<ListProxy<string>>(`from ${client}`);
        assert.deepEqual(await left!.copy(), [client]);
      }
      const guests = await manager.lookup<ListProxy<string>>("guests");
      assert.deepEqual(await guests!.copy(), ["first", ...runtimeNames]);
      // The names keep five objects; all that the clients held is free.
      await eventually("only what has a name is held", async () => {
        return await manager.numberOfObjects() === 5;
      });
    } finally {
      await manager.shutdown();
    }
  });
}

void test("leaves nothing behind", assertClean);
