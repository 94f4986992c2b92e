/**
 * How processes end: children by themselves, by signals, with their parents or after them; and what
 * a parent waits for.
 *
 * @module
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { ProcessError, TimeoutError } from "../mod.ts";
import { type Child, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually, isRunning } from "./support/events.ts";
import {
  inRuntime,
  startFixture,
  startFunction,
  talkWith,
  withManager,
} from "./support/processes.ts";
import { currentRuntime, fixture, runtimeCommand, runtimeNames } from "./support/runtimes.ts";

const skip = process.platform === "win32" && "Windows stops no process with a signal";

/** A program that has children, and does what `mode` says. */
function startParent(mode: string, env?: Record<string, string>): Child {
  return startScript(currentRuntime, fixture("process/parent.ts"), { args: [mode], env });
}

async function pidsOf(parent: Child): Promise<number[]> {
  return JSON.parse(await parent.line()) as number[];
}

async function allGone(pids: readonly number[]): Promise<void> {
  await eventually("the children are gone", () => !pids.some(isRunning));
}

// Children that are told to end.

for (const name of runtimeNames) {
  void test(`a child in ${name} may ignore terminate(), not kill()`, { skip }, async () => {
    const child = await startFixture("obeys.ts", { runtime: inRuntime(name), stdio: "pipe" });
    const { ask, heard } = await talkWith(child);
    assert.equal(await ask("ignore"), "ignore");
    child.terminate();
    assert.equal(await heard(), "ignored");
    assert.equal(child.alive, true);
    child.kill();
    assert.equal(await child.join(), undefined);
    assert.deepEqual([child.exitCode, child.exitSignal, child.alive], [null, "SIGKILL", false]);
  });

  void test(`a function in ${name} that is terminated is a ProcessError`, { skip }, async () => {
    const child = await startFunction("forever", { runtime: inRuntime(name) });
    child.terminate();
    await assert.rejects(child.join(), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /ended before "forever" returned \(signal SIGTERM\)$/);
      return error.exitSignal === "SIGTERM" && error.exitCode === null;
    });
    child.kill(); // nothing happens
  });
}

void test("join gives up after its timeout or by its signal, and can be called again", async () => {
  const child = await startFixture("obeys.ts", { stdio: ["pipe", "ignore", "ignore"] });
  await assert.rejects(child.join({ timeout: 1 }), (error: Error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /"obeys\..s" has not ended after 1 ms$/);
    return true;
  });
  const controller = new AbortController();
  const joined = child.join({ signal: controller.signal });
  controller.abort(new RangeError("enough"));
  await assert.rejects(joined, /^RangeError: enough$/);
  await assert.rejects(child.join({ signal: controller.signal }), /^RangeError: enough$/);
  await assert.rejects(child.join(5 as never), /^TypeError: Options must be an object/);
  assert.equal(child.alive, true);
  child.stdin!.end();
  assert.equal(await child.join(), undefined);
  assert.deepEqual([child.exitCode, child.exitSignal], [0, null]);
});

void test("a script that throws ends with its exit code, and join does not reject", async () => {
  const child = await startFixture("obeys.ts", { stdio: "pipe" });
  const { ask } = await talkWith(child);
  assert.equal(await ask("throw"), "throw");
  child.stdin!.end(); // Bun goes on until the top-level await of the script is over
  assert.equal(await child.join(), undefined);
  assert.equal(child.exitCode, 1);
});

// Streams.

void test("piped streams are the user's, from the first word on", async () => {
  const child = await startFixture("obeys.ts", { stdio: "pipe" });
  const { ask } = await talkWith(child);
  const [first] = await once(child.stderr!.setEncoding("utf8"), "data");
  assert.equal(first, "at your service\n");
  assert.equal(await ask("ignore"), "ignore");
  child.stdin!.end();
  await child.join();
  const other = await startFunction("add", { args: [1, 2] });
  assert.deepEqual([other.stdin, other.stdout, other.stderr], [null, null, null]);
  assert.equal(await other.join(), 3);
});

void test("what a child writes to stderr does not pile up in its parent", { skip }, async () => {
  const script = fixture("process/parent.ts");
  const { command, args } = runtimeCommand(currentRuntime, script, ["shouted", "512"]);
  const parent = spawn(command, args, { stdio: ["ignore", "pipe", "ignore"] });
  const [text] = await once(parent.stdout.setEncoding("utf8"), "data");
  const { grown, tail, kept } = JSON.parse(text as string);
  assert.equal(tail, "xxxxx\nmy last words\n");
  assert.ok(kept <= 64 * 1024, `${kept} characters are kept`);
  // What was read is garbage, which is not collected at once.
  assert.ok(grown < 384, `the parent grew by ${grown} MB`);
});

// Parents that end.

void test(
  "children of all kinds and runtimes end when their parent is killed",
  { skip },
  async () => {
    const parent = startParent("killed");
    const pids = await pidsOf(parent);
    assert.equal(pids.length, 9);
    parent.process.kill("SIGKILL");
    await parent.end;
    await allGone(pids);
  },
);

void test("children that start end when their parent is killed meanwhile", { skip }, async () => {
  // The sockets at which it waits for them go at the next start of a manager.
  const folder = mkdtempSync(join(tmpdir(), "killed-"));
  try {
    const parent = startParent("killedEarly", { TMPDIR: folder });
    assert.equal(await parent.line(), "starting");
    parent.process.kill("SIGKILL");
    await parent.end; // which waits for all who have its streams
  } finally {
    rmSync(folder, { recursive: true });
  }
});

void test("a script keeps its parent alive until it ends", async () => {
  const parent = startParent("keeps");
  assert.equal(await parent.line(), "ready");
  parent.process.stdin!.end();
  const { code, stdout } = await parent.end;
  assert.deepEqual([code, stdout], [0, "ready\nthe child ended with 0\n"]);
});

void test("daemons do not keep their parent alive, and end with it", { skip }, async () => {
  const parent = startParent("daemons");
  const pids = await pidsOf(parent);
  assert.equal((await parent.end).code, 0);
  await allGone(pids);
});

void test("join of a daemon keeps the parent alive", async () => {
  const parent = startParent("joinsDaemon");
  await pidsOf(parent);
  assert.equal(await parent.line(), "3");
  assert.equal((await parent.end).code, 0);
});

void test(
  "a detached child outlives its parent, has its arguments and can write",
  { skip },
  async () => {
    await withManager(async (manager) => {
      const list = await manager.named("list").list<string>();
      const parent = startParent("detached", manager.env);
      const pids = await pidsOf(parent);
      const { code, stdout } = await parent.end; // of all who have its stdout
      assert.deepEqual([code, stdout.split("\n").slice(1)], [0, ["still writing", ""]]);
      await eventually("the child has pushed", async () => await list.length() === 1);
      assert.deepEqual(await list.copy(), ["outlived"]);
      await allGone(pids);
    });
  },
);

void test("what a killed parent has given and nobody has taken is free", { skip }, async () => {
  await withManager(async (manager) => {
    const parent = startParent("gives", manager.env);
    await pidsOf(parent);
    assert.equal(await manager.numberOfObjects(), 1);
    parent.process.kill("SIGKILL");
    await parent.end;
    await eventually("nothing is kept", async () => await manager.numberOfObjects() === 0);
  });
});

for (const name of runtimeNames) {
  void test(`a child in ${name} whose function left a timer ends by kill() and gives its result`, {
    skip,
  }, async () => {
    const options = { runtime: inRuntime(name), stdio: "pipe" } as const;
    const child = await startFunction("leaveTimer", options);
    await once(child.stdout!, "data");
    assert.equal(child.alive, true);
    child.kill();
    assert.equal(await child.join(), "returned");
    assert.equal(child.exitSignal, "SIGKILL");
  });
}

void test("leaves nothing behind", assertClean);
