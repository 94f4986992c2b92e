/**
 * Processes: what reaches a child and comes back, how a start fails, what a child sees of its start.
 * How children and parents end is told in process_life_test.ts.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
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
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import {
  functions,
  inRuntime,
  startFixture,
  startFunction,
  talkWith,
  withManager,
} from "./support/processes.ts";
import { compiled, currentRuntime, fixture, runtimeNames, source } from "./support/runtimes.ts";

const deno = currentRuntime === "deno";
/** Of Deno children that do more than use the library. */
const all: ProcessOptions = deno ? { permissions: "all" } : {};

/** Runs a function of the fixture to its end. */
async function run<R>(name: string, options?: ProcessOptions): Promise<R> {
  return await (await startFunction<R>(name, options)).join();
}

/** The error of a start. */
async function startErrorOf(module: URL | string, options: ProcessOptions): Promise<ProcessError> {
  const child = new Process(module, { stdio: "pipe", ...options });
  const error: unknown = await child.start().then(() => undefined, (error) => error);
  assert.ok(error instanceof ProcessError, `it is no ProcessError: ${error}`);
  assert.equal(child.alive, false);
  return error;
}

// What arrives.

for (const name of runtimeNames) {
  void test(`a script in ${name} has its arguments, its manager and its own argv`, () =>
    withManager(async (manager) => {
      const list = await manager.list<unknown>();
      await manager.publish("list", list);
      const runtime = inRuntime(name);
      const script = await startFixture("script.ts", { runtime, args: [list, { n: 1n }] });
      assert.equal(await script.join(), undefined);
      assert.deepEqual(await list.copy(), [{ n: 1n }, 2, true, undefined, true, true]);
      assert.deepEqual([script.exitCode, script.exitSignal, script.alive], [3, null, false]);
    }));

  void test(`a function in ${name} takes and gives proxies`, () =>
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
    }));
}

void test("arguments may hold proxies of two managers", () =>
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
  ));

void test("arguments that cannot be sent are refused with their path, and nothing is started", () =>
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
  }));

void test("arguments are pinned although the parent releases its proxies", () =>
  withManager(async (manager) => {
    const into = await manager.list<string>();
    const [before, after] = [await manager.list(["before"]), await manager.list(["after"])];
    const child = new Process(fixture("process/obeys.ts"), {
      args: [into, before, after],
      stdio: ["pipe", "pipe", "inherit"],
      startTimeout: 60_000,
    });
    const starting = child.start();
    await releaseProxy(before);
    await starting;
    await releaseProxy(after);
    const { ask } = await talkWith(child);
    await ask("claim");
    assert.deepEqual(await into.copy(), ["before", "after"]);
    child.stdin!.end();
    await child.join();
    await releaseProxy(into);
    await eventually("nothing is kept", async () => await manager.numberOfObjects() === 0);
  }));

for (const end of ["is killed", "ends"]) {
  void test(`arguments that a child never takes are free when it ${end}`, () =>
    withManager(async (manager) => {
      const list = await manager.list<string>();
      const child = await startFixture("obeys.ts", { args: [list], stdio: "pipe" });
      await releaseProxy(list);
      assert.equal(await manager.numberOfObjects(), 1);
      if (end === "ends") child.stdin!.end();
      else child.kill();
      await child.join();
      assert.equal(child.exitSignal, end === "ends" ? null : "SIGKILL");
      await eventually("nothing is kept", async () => await manager.numberOfObjects() === 0);
    }));
}

// How a function ends.

void test("a process whose stdout is left, as by break, cannot write there any more", async () => {
  const child = await startFunction("printWithoutEnd", { stdio: "pipe" });
  for await (const chunk of child.stdout!) {
    assert.ok(chunk.length > 0);
    break;
  }
  await assert.rejects(child.join(), ProcessError);
});

void test("what a process wrote can be read after it has ended", async () => {
  const child = await startFixture("obeys.ts", { stdio: "pipe" });
  child.stdin!.end("something\n");
  await child.join();
  const texts: string[] = [];
  for (const stream of [child.stdout!, child.stderr!]) texts.push(await text(stream));
  assert.deepEqual(texts, ["ready\nsomething\n", "at your service\n"]);
});

void test("a function's exception keeps its class, message and cause", async () => {
  const child = await startFunction("throwRange");
  await assert.rejects(child.join(), (error: Error) => {
    assert.ok(error instanceof RangeError && error.cause instanceof TypeError);
    assert.deepEqual([error.message, error.cause.message], ["no good", "for a reason"]);
    return true;
  });
  assert.equal(child.exitCode, 1);
});

void test("an exception of an unknown class, or that is none, is a RemoteError", async () => {
  await assert.rejects(run("throwOwn"), (error) => {
    assert.ok(error instanceof RemoteError);
    assert.deepEqual([error.message, error.remoteName], ["OwnError: my own", "OwnError"]);
    assert.deepEqual([(error as { code?: number }).code, error.method], [42, "throwOwn"]);
    return true;
  });
  await assert.rejects(run("throwText"), (error) => {
    assert.ok(error instanceof RemoteError);
    return error.cause === "only text";
  });
});

void test("a result that cannot be sent is a SerializeError with its path", async () => {
  const child = await startFunction("giveFunction");
  await assert.rejects(child.join(), (error: Error) => {
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /result\.x\[0\]/);
    return true;
  });
  await assert.rejects(run("giveUnreachable"), (error: Error) => {
    assert.ok(error instanceof SerializeError);
    assert.match(error.message, /in memory/);
    return true;
  });
});

void test("a function that exits is a ProcessError with code and stderr", async () => {
  const child = await startFunction("exit", { args: [3], ...all });
  await assert.rejects(child.join(), (error) => {
    assert.ok(error instanceof ProcessError);
    assert.match(
      error.message,
      /"functions\..s" ended before "exit" returned \(exit code 3\)\nIt wrote:/,
    );
    assert.deepEqual([error.exitCode, error.exitSignal], [3, null]);
    assert.equal(error.stderr, "my last words\n");
    return true;
  });
  assert.equal(child.exitCode, 3);
});

void test("a process ends when all that its function left has run", async () => {
  const child = await startFunction("leaveWork", { stdio: "pipe" });
  const written = textOf(child.stderr!);
  assert.equal(await child.join(), "returned");
  assert.equal(await written, "the work is done\n");
});

// How a start fails.

void test("a script or module that is not there is a ProcessError", async () => {
  const missing = new URL("nothing.js", functions);
  const script = await startErrorOf(missing, {});
  assert.match(script.message, /"nothing\.js" did not start: there is no file ".*nothing\.js"$/);
  assert.ok(script.cause instanceof Error);
  for (const name of runtimeNames) {
    const error = await startErrorOf(missing, { export: "run", runtime: inRuntime(name) });
    assert.match(error.message, /nothing\.js/);
    assert.equal(error.exitCode, 1, name);
  }
});

for (const name of runtimeNames) {
  void test(`a module that throws in ${name} is a ProcessError with its stderr`, async () => {
    const options = { export: "run", runtime: inRuntime(name) };
    const error = await startErrorOf(fixture("process/throws.ts"), options);
    assert.match(error.message, /^The process did not start: .*\(exit code 1\)\nIt wrote:\n/);
    assert.match(error.message, /no good/);
    assert.match(error.stderr, /^about to throw\n/);
    // Deno loads it before anybody could catch what it throws.
    if (name !== "deno") assert.ok(error.cause instanceof RangeError);
  });
}

void test("a module whose import never ends is killed after startTimeout", async () => {
  const module = fixture("process/hangs.ts");
  await Promise.all(runtimeNames.map(async (name) => {
    const options = { export: "run", runtime: inRuntime(name), startTimeout: 1500 };
    const error = await startErrorOf(module, options);
    assert.match(error.message, /not ready after 1500 ms \(startTimeout\) \(signal SIGKILL\)/);
    assert.equal(error.exitSignal, "SIGKILL", name);
  }));
});

void test("a module that starts itself as a process is refused, and does so no second time", async () => {
  const error = await startErrorOf(fixture("process/recursive.ts"), { export: "run", ...all });
  assert.match(error.message, /Cannot start a process while .* imports/);
  assert.match(error.message, /module of their own/);
});

void test("a start that fails frees the arguments and says what is exported", () =>
  withManager(async (manager) => {
    const list = await manager.list();
    const error = await startErrorOf(functions, { export: "nothing", args: [list] });
    assert.match(error.message, /exports no function "nothing", but "add", .*"throwText"/);
    assert.ok(error.cause instanceof TypeError);
    await releaseProxy(list);
    await eventually("nothing is kept", async () => await manager.numberOfObjects() === 0);
  }));

void test("a command that is not there is a ProcessError with the cure", async () => {
  const runtime = { name: "bun", path: "/nowhere/bun" } as const;
  const error = await startErrorOf(functions, { export: "add", runtime });
  assert.match(error.message, /^Cannot run "\/nowhere\/bun": .*no such command; give its path/);
});

void test("a Node that cannot load a .ts module says what to do", {
  skip: !compiled && "this Node can",
}, async () => {
  const module = new URL("tests/fixtures/process/functions.ts", source);
  const error = await startErrorOf(module, { export: "add" });
  assert.match(error.message, /Unknown file extension "\.ts"/);
  assert.match(
    error.message,
    /\nThis Node cannot load a \.ts file: use Node 22\.18 or newer, tsx, /,
  );
});

void test("a Deno child may not more than it needs; permissions gives it more", async () => {
  const options: ProcessOptions = { runtime: inRuntime("deno"), export: "size" };
  const module = fixture("process/reads.ts");
  const error = await startErrorOf(module, options);
  assert.match(error.message, /Requires read access to .*--allow-read/);
  const flags = ["--allow-read", "--allow-env"];
  const child = new Process<number>(module, { ...options, permissions: flags });
  await child.start();
  assert.ok(await child.join() > 1000);
  const late = run("read", { runtime: inRuntime("deno"), args: ["/etc/hosts"] });
  await assert.rejects(late, /Requires read access to "\/etc\/hosts".*--allow-read/);
});

// Options and misuse.

void test("misuse is a TypeError or RangeError that says the cure", async () => {
  const options = (value: unknown) => () => new Process(functions, value as ProcessOptions);
  assert.throws(() => new Process("./worker.ts"), {
    name: "TypeError",
    message: /takes the URL of its module, such as new URL\(.*got "\.\/worker\.ts"$/,
  });
  assert.throws(
    options({ argv: [] }),
    /^TypeError: Process has no option "argv": it takes manager,/,
  );
  assert.throws(options({ args: 5 }), /^TypeError: The option "args" takes an array.*got "5"$/);
  assert.throws(options({ export: 5 }), /^TypeError: The option "export" takes the name/);
  assert.throws(
    options({ stdio: "pipes" }),
    /^TypeError: The option "stdio" takes.*got "pipes"$/,
  );
  assert.throws(
    options({ stdio: ["pipe"] }),
    /^TypeError: The option "stdio" takes.*got "pipe"$/,
  );
  assert.throws(options({ manager: {} }), /^TypeError: The option "manager" takes a manager/);
  assert.throws(options({ detached: true, daemon: true }), /^TypeError: .*detached or a daemon/);
  assert.throws(options({ startTimeout: -1 }), /^RangeError: .*got "-1"$/);
  await assert.rejects(processArgs(), /^TypeError: processArgs\(\) needs a Process: .*by hand/);
  const child = new Process(functions, {
    export: "add",
    args: [1, 2],
    permissions: deno ? [] : undefined,
  });
  await assert.rejects(child.join(), /^TypeError: .*"functions\..s" is not running: await start/);
  child.terminate();
  child.kill();
  assert.deepEqual([child.alive, child.pid, child.exitCode, child.exitSignal], [
    false,
    ...Array(3),
  ]);
  const starting = child.start();
  await assert.rejects(child.start(), /^TypeError: .*was started already: make another one$/);
  await starting;
  assert.equal(await child.join(), 3);
  assert.equal(await child.join(), 3);
  const notDenos = startErrorless(functions, { runtime: inRuntime("bun"), permissions: "all" });
  await assert.rejects(
    notDenos,
    /^TypeError: The option permissions is Deno's, but a process in/,
  );
});

async function startErrorless(module: URL, options: ProcessOptions): Promise<void> {
  await new Process(module, { export: "add", ...options }).start();
}

// What a child sees of its start.

for (const name of runtimeNames) {
  void test(`a child in ${name} has variables, and its children nothing of its own start`, async () => {
    const permissions = name === "deno" ? "all" : undefined;
    const env = { GIVEN: "yes" };
    const options = {
      runtime: inRuntime(name),
      args: [inRuntime(name)],
      env,
      permissions,
    } as const;
    const seen = await run<Record<string, unknown>[]>("family", options);
    assert.equal(seen.length, 2);
    for (const { execArgv, parent, given } of seen) {
      assert.equal(parent, undefined);
      assert.equal(given, "yes");
      assert.deepEqual(
        (execArgv as string[]).filter((flag) => flag.includes("process/main")),
        [],
      );
    }
  });
}

void test("the preload is there once in a grandchild, and not in a child's server", async () => {
  const child = await startFixture("starts.ts", { stdio: "pipe", ...all });
  const [written] = await Promise.all([textOf(child.stdout!), child.join()]);
  const { grandchild, server } = JSON.parse(written) as Record<string, string[]>;
  const preloads = (flags: string[]) => flags.filter((flag) => /process\/main\.[jt]s$/.test(flag));
  assert.equal(preloads(server!).length, 0);
  assert.equal(preloads(grandchild!).length, 1);
});

for (const name of ["bun", "node"] as const) {
  void test(`the flags of a ${name} child are those of its children and of their servers`, async () => {
    const flag = name === "bun" ? "--smol" : "--no-deprecation";
    const runtime = { ...inRuntime(name), args: [flag] };
    const child = await startFixture("starts.ts", { runtime, stdio: "pipe" });
    const [written] = await Promise.all([textOf(child.stdout!), child.join()]);
    const { grandchild, server } = JSON.parse(written) as Record<string, string[]>;
    for (const line of [grandchild!, server!]) {
      assert.deepEqual(line.filter((argument) => argument === flag), [flag]);
    }
  });
}

void test("strangers at the private socket are sent away, and the child comes", async () => {
  const stranger = fileURLToPath(fixture("process/stranger.ts"));
  const runtime = { ...inRuntime("bun"), args: [`--preload=${stranger}`] };
  const child = await startFixture("obeys.ts", { runtime, stdio: ["pipe", "pipe", "inherit"] });
  const written = textOf(child.stdout!);
  child.stdin!.end();
  await child.join();
  const [loud, ...others] = (await written).trimEnd().split("\n");
  assert.equal(loud, "the loud one was sent away");
  assert.deepEqual(others.sort(), ["ready", "the silent one was sent away"]);
});

void test("a long TMPDIR is no obstacle", async () => {
  const folder = join(mkdtempSync(join(tmpdir(), "long-")), "x".repeat(100));
  mkdirSync(folder);
  try {
    const script = fixture("process/starts_one.ts");
    const env = { TMPDIR: folder };
    assert.equal(await runScript(currentRuntime, script, { env }), "3\n");
    assert.deepEqual(readdirSync(folder), []);
  } finally {
    rmSync(join(folder, ".."), { recursive: true });
  }
});

void test("a restricted Deno program is told its flags", async () => {
  const script = fileURLToPath(new URL("tests/fixtures/process/starts_one.ts", source));
  const config = fileURLToPath(new URL("deno.json", source));
  const deno = inRuntime("deno").path;
  const start = async (...flags: string[]) => {
    const args = ["run", "--no-prompt", "--quiet", "--config", config, ...flags, script];
    const { stdout, stderr } = await promisify(execFile)(deno, args)
      .catch((error) => error as { stdout: string; stderr: string });
    return stdout + stripVTControlCharacters(stderr);
  };
  const flags = ["--allow-env", "--allow-sys=uid", "--allow-read", "--allow-write"];
  const wanted =
    /ProcessError: Cannot start.*\nRun the program with --allow-net --allow-read=\S+ --allow-write=\S+ --allow-run --allow-env/;
  // Without any flag Deno gives a Deno child all, as Node has no permissions.
  assert.match(await start("--allow-sys=uid"), wanted);
  assert.match(await start(...flags), wanted);
  const connecting = [...flags, "--allow-net"];
  assert.match(await start(...connecting), /Run the program with --allow-run=.*deno --allow-env/);
  assert.equal(await start(...connecting, `--allow-run`), "3\n");
});

void test("leaves nothing behind", assertClean);

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) text += chunk;
  return text;
}
