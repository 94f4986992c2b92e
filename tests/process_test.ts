/**
 * Processes: what reaches a child and comes back, how a start fails, what a child sees of its start.
 * How children and parents end is told in process_life_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import {
  type ListProxy,
  Manager,
  ProcessError,
  ReleasedError,
  releaseProxy,
  RemoteError,
  SerializeError,
} from "../mod.ts";
import { Process, processArgs, type ProcessOptions } from "../lib/process.ts";
import { launch } from "../lib/process/launch.ts";
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { aFew, functions, inRuntime, startFixture, startFunction, withManager } from "./support/processes.ts";
import { compiled, currentRuntime, fixture, runtimeNames, source } from "./support/runtimes.ts";

const queued = aFew(4);
const deno = currentRuntime === "deno";
/** Of Deno children that do more than use the library. */
const all: ProcessOptions = deno ? { permissions: "all" } : {};

/** Runs a function of the fixture to its end. */
async function run<R>(name: string, options?: ProcessOptions): Promise<R> {
  return await (await startFunction<R>(name, options)).join();
}

/** The error of a start. */
async function startErrorOf(module: URL | string, options: ProcessOptions): Promise<ProcessError> {
  const child = new Process(module, options);
  const error: unknown = await child.start().then(() => undefined, (error) => error);
  assert.ok(error instanceof ProcessError, `it is no ProcessError: ${error}`);
  assert.equal(child.alive, false);
  return error;
}

// What arrives.

for (const name of runtimeNames) {
  void test(`a script in ${name} has its arguments, its manager and its own argv`, queued(() =>
    withManager(async (manager) => {
      const list = await manager.list<unknown>();
      await manager.publish("list", list);
      const runtime = inRuntime(name);
      const script = await startFixture("script.ts", { runtime, args: [list, { n: 1n }] });
      assert.equal(await script.join(), undefined);
      assert.deepEqual(await list.copy(), [{ n: 1n }, 2, true, undefined, true, true]);
      assert.deepEqual([script.exitCode, script.exitSignal, script.alive], [3, null, false]);
    })));

  void test(`a function in ${name} takes and gives proxies`, queued(() =>
    withManager(async (manager) => {
      const list = await manager.list<unknown>();
      await manager.publish("list", list);
      const runtime = inRuntime(name);
      const child = await startFunction<{ list: object; own: ListProxy<number>; same: boolean }>(
        "push",
        { runtime, args: [list, 7] },
      );
      assert.equal(typeof child.pid, "number");
      const { list: back, own, same } = await child.join();
      assert.equal(back, list, "the parent's proxy comes back as itself");
      assert.equal(same, true, "the child's manager is the client of its arguments");
      assert.deepEqual([await list.copy(), await own.copy()], [[7], [7]]);
      assert.deepEqual([child.exitCode, child.exitSignal, child.alive], [0, null, false]);
    })));
}

void test("arguments may hold proxies of two managers", queued(() =>
  withManager((first) =>
    withManager(async (second) => {
      const lists = [await first.list([1]), await second.list([2])];
      await second.publish("list", lists[1]!);
      const options = { manager: second, args: [lists[1], 3] };
      const { same } = await run<{ same: boolean }>("push", options);
      assert.equal(same, true);
      const { list, same: other } = await run<{ list: object; same: boolean }>("push", {
        manager: second,
        args: [lists[0], 4],
      });
      assert.equal(list, lists[0]);
      assert.equal(other, false, "the option names the manager, not the proxies");
      assert.deepEqual(await Promise.all(lists.map((list) => list.copy())), [[1, 4], [2, 3]]);
    })
  )));

void test("arguments that cannot be sent are refused with their path, and nothing is started", queued(() =>
  withManager(async (manager) => {
    const local = await Manager.local();
    const gone = await manager.list();
    await releaseProxy(gone);
    const start = (...args: unknown[]) => new Process(functions, { export: "add", args }).start();
    await assert.rejects(start({ x: () => {} }), (error: Error) => {
      assert.ok(error instanceof SerializeError);
      assert.match(error.message, /args\[0\]\.x/);
      return true;
    });
    await assert.rejects(start(gone), (error) => error instanceof ReleasedError);
    const mine = await local.list();
    await assert.rejects(start(mine), (error: Error) => {
      assert.ok(error instanceof SerializeError);
      assert.match(error.message, /in memory; use Manager\.start\(\), open\(\) or serve\(\)$/);
      return true;
    });
    assert.throws(
      () => new Process(functions, { manager: local }),
      { name: "TypeError", message: /in memory: use Manager\.start\(\), open\(\) or serve\(\)$/ },
    );
    await local.shutdown();
  })));

void test("arguments are pinned although the parent releases its proxies", queued(() =>
  withManager(async (manager) => {
    const [before, after] = [await manager.list<string>(), await manager.list<string>()];
    await manager.publish("before", before);
    const args = [before, after];
    const child = new Process(fixture("process/obeys.ts"), {
      args,
      stdio: ["pipe", "ignore", "inherit"],
      startTimeout: 60_000,
    });
    const starting = child.start();
    await releaseProxy(before);
    await starting;
    await releaseProxy(after);
    assert.equal(await manager.unpublish("before"), true);
    assert.equal(await manager.numberOfObjects(), 2);
    await manager.named("claimed").event();
    child.stdin!.write("claim\n");
    const { objects } = await eventually("the list was pushed to", async () => {
      const info = await manager.debugInfo();
      return JSON.stringify(info).includes('"tickets":0') || await manager.numberOfObjects() >= 1
        ? { objects: info }
        : undefined;
    });
    assert.ok(objects);
    child.stdin!.end();
    await child.join();
    await manager.unpublish("claimed");
    await eventually("nothing is kept", async () => await manager.numberOfObjects() === 0);
  })));
