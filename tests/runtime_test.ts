/** Tests of `lib/runtime.ts`, `lib/spawn.ts` and `lib/command_line.ts`: starting server processes. */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { pathToFileURL } from "node:url";
import {
  denoArguments,
  inheritedArguments,
  leastPermissions,
} from "../lib/process/command_line.ts";
import { ProcessError } from "../lib/errors.ts";
import { isRuntimeFile, isServerProgram, runtimeName, serverEntry } from "../lib/runtime.ts";
import type { RuntimeName } from "../lib/runtime.ts";
import { nearestConfig } from "../lib/process/runtime_command.ts";
import { spawnServer } from "../lib/process/spawn.ts";
import type { ProcessEnd, ServerProcess, SpawnOptions } from "../lib/process/spawn.ts";
import { newSocketPath } from "../lib/wire/transport.ts";
import { startScript } from "./support/child.ts";
import { runtimeCommand, runtimeNames, runtimePath } from "./support/runtimes.ts";

const scripts = new URL("./fixtures/spawn/", import.meta.url);

/** The program under a runtime: its source, or compiled where these tests are. */
function program(runtime: RuntimeName, name: string): URL {
  return pathToFileURL(runtimeCommand(runtime, new URL(name, scripts)).args.at(-1)!);
}

const nonce = "nonce-1";

type Overrides = Omit<Partial<SpawnOptions>, "config"> & { config?: Record<string, unknown> };

/** Starts the fixture; in Deno with all permissions unless the test names them. */
function start(overrides: Overrides = {}): Promise<ServerProcess> {
  const { config, ...rest } = overrides;
  const deno = (rest.runtime ?? runtimeName) === "deno";
  return spawnServer({
    ...deno && { permissions: "all" },
    nonce,
    address: `unix:${newSocketPath()}`,
    startTimeout: 60_000,
    entry: program(runtimeName, "ready.ts"),
    stdio: "ignore",
    config: { nonce, say: { address: "unix:/tmp/x" }, ...config },
    ...rest,
  });
}

/** Its end; a server by itself does not keep a test alive. */
function endOf(server: ServerProcess): Promise<ProcessEnd> {
  server.ref();
  return server.exited;
}

async function failure(promise: Promise<ServerProcess>): Promise<ProcessError> {
  try {
    const server = await promise;
    server.kill("SIGKILL");
  } catch (error) {
    assert.ok(error instanceof ProcessError, String(error));
    return error;
  }
  assert.fail("it started");
}

async function withDirectory(run: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  try {
    await run(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Resolves when the condition holds; the test's own time limit ends it otherwise. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

function alive(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("spawnServer() resolves with what the readiness line says, and endStdin() ends the server", async () => {
  const server = await start();
  assert.equal(server.ready.address, "unix:/tmp/x");
  assert.equal(server.ready.pid, server.pid);
  server.endStdin();
  assert.deepEqual(await endOf(server), { code: 0, signal: null });
  server.kill("SIGKILL"); // too late, and no error
});

for (const runtime of runtimeNames) {
  test(`spawnServer() starts a server in ${runtime}`, async () => {
    const server = await start({
      runtime: { name: runtime, path: runtimePath(runtime), env: { REFERENT_TEST: "1" } },
      ...runtime === "deno" && { permissions: "all" },
      entry: program(runtime, "ready.ts"),
    });
    assert.equal(server.ready.address, "unix:/tmp/x");
    server.kill("SIGTERM");
    const { code } = await endOf(server);
    assert.equal(code, 7);
  });
}

test("a Deno server starts with the least permissions, and imports modules without reading", async () => {
  const path = newSocketPath();
  const types = program("deno", "types.ts").href;
  const server = await start({
    runtime: { name: "deno", path: runtimePath("deno") },
    permissions: [],
    address: `unix:${path}`,
    modules: [types],
    config: { imports: types, address: `unix:${path}` },
    entry: program("deno", "imports.ts"),
  });
  assert.equal(server.ready.imported, "a type");
  assert.equal(server.ready.address, `unix:${path}`);
  server.endStdin();
  assert.equal((await endOf(server)).code, 0);
  assert.equal(existsSync(dirname(path)), false);
});

test("what else is written to stdout does not hide the readiness line", async () => {
  const server = await start({
    config: { stdout: `first\n${nonce} not JSON\n${nonce}x {}\nloading ...`, after: "last\n" },
  });
  await until(() => server.stderrTail().includes("last"));
  assert.match(server.stderrTail(), /^first\n/);
  assert.match(server.stderrTail(), /\nloading \.\.\.last\n/);
  assert.doesNotMatch(server.stderrTail(), /unix:/);
  server.endStdin();
  await endOf(server);
});

test("a server that reports an error rejects with it as the cause", async () => {
  const error = { name: "RangeError", message: "too many", stack: "RangeError: too many\n at x" };
  const failed = await failure(start({ config: { say: { error }, exit: 3, stderr: 10 } }));
  assert.match(failed.message, /^The server did not start: RangeError: too many \(exit code 3\)/);
  assert.equal(failed.exitCode, 3);
  assert.equal(failed.exitSignal, null);
  const cause = failed.cause as Error;
  assert.deepEqual([cause.name, cause.message, cause.stack], Object.values(error));
});

test("a server that ends early rejects with its exit code and the end of its stderr", async () => {
  const failed = await failure(
    start({ config: { say: undefined, exit: 4, stderr: 1024 * 1024 } }),
  );
  assert.match(failed.message, /it ended before it was ready \(exit code 4\)/);
  assert.equal(failed.exitCode, 4);
  assert.ok(failed.stderr.endsWith("x".repeat(1000) + "the end\n"));
  assert.equal(failed.stderr.length, 64 * 1024);
});

test("a server that is never ready is killed after startTimeout", async () => {
  const failed = await failure(start({ config: { say: undefined }, startTimeout: 400 }));
  assert.match(failed.message, /it was not ready after 400 ms \(startTimeout\)/);
  assert.equal(failed.exitSignal, "SIGKILL");
});

test("a runtime that is not installed is named", async () => {
  const path = "/nowhere/node";
  const failed = await failure(start({ runtime: { name: "node", path } }));
  assert.match(failed.message, /Cannot run "\/nowhere\/node": .*no such command; give its path/);
});

test("an unknown runtime is refused", async () => {
  await assert.rejects(
    start({ runtime: "python" as "node" }),
    /The runtime "python" is not one of "deno", "bun", "node"/,
  );
});

test("stderr of any length does not block the server", async () => {
  const server = await start({ config: { stderr: 4 * 1024 * 1024 } });
  await until(() => server.stderrTail().endsWith("the end\n"));
  server.endStdin();
  await endOf(server);
});

test("a detached server writes into its log file and survives the end of stdin", async () => {
  await withDirectory(async (directory) => {
    const logFile = join(directory, "server.log");
    writeFileSync(logFile, "older\n", { mode: 0o600 });
    const server = await start({
      detached: true,
      logFile,
      config: { stay: true, trace: join(directory, "trace"), after: "later\n", stdout: "early\n" },
    });
    assert.equal(server.ready.address, "unix:/tmp/x");
    await until(() => existsSync(join(directory, "trace")));
    assert.ok(alive(server.pid));
    assert.match(
      readFileSync(logFile, "utf8"),
      /^older\n\S+ process \d+ starts a server\nearly\n[^]*later\n/,
    );
    assert.doesNotMatch(server.stderrTail(), /older/);
    server.kill("SIGTERM");
    assert.equal((await endOf(server)).code, 7);
  });
});

test("a log file is made for its owner only", async () => {
  await withDirectory(async (directory) => {
    const logFile = join(directory, "server.log");
    const server = await start({ logFile });
    assert.equal(statSync(logFile).mode & 0o777, 0o600);
    server.endStdin();
    await endOf(server);
  });
});

test("a server whose log cannot be written, as on a full disk, is not started", {
  skip: !existsSync("/dev/full"),
}, async () => {
  await assert.rejects(start({ logFile: "/dev/full" }), {
    name: "ProcessError",
    message:
      /^The server did not start: cannot write its log "\/dev\/full": .*(ENOSPC|no space left)/i,
  });
});

test("a detached server without a log file is refused", async () => {
  await assert.rejects(start({ detached: true }), /A detached server needs a logFile/);
});

test("the server ignores SIGINT", async () => {
  const server = await start();
  server.kill("SIGINT");
  server.kill("SIGTERM");
  assert.equal((await endOf(server)).code, 7);
});

for (const runtime of runtimeNames) {
  for (const how of ["ends", "killed"]) {
    test(`in ${runtime}, a starter that ${how === "ends" ? "ends" : "is killed"} takes its server with it`, async () => {
      await withDirectory(async (directory) => {
        const trace = join(directory, "trace");
        const starter = startScript(runtime, new URL("starter.ts", scripts), {
          args: [trace, how],
        });
        const pid = Number(await starter.line());
        const { code, signal } = await starter.end;
        if (how === "ends") assert.equal(code, 0);
        else assert.equal(signal, "SIGKILL");
        await until(() => existsSync(trace) && !alive(pid));
      });
    });
  }
}

// Command lines

const inherited: [execArgv: string[], kept: string[]][] = [
  [[], []],
  [["--max-old-space-size=64", "--import", "tsx"], ["--max-old-space-size=64", "--import", "tsx"]],
  [["--inspect"], []],
  [["--inspect-brk=127.0.0.1:9229", "--no-warnings"], ["--no-warnings"]],
  [["--inspect-port", "9229", "-r", "./a.js"], ["-r", "./a.js"]],
  [["--no-warnings", "--input-type=module", "-e", "1"], ["--no-warnings"]],
  [["--input-type", "module", "--eval", "1", "--trace-uncaught"], ["--trace-uncaught"]],
  [["-p", "1"], []],
  [["-pe", "1"], []],
  [["-p", "--no-warnings"], ["--no-warnings"]],
  [["--test", "--test-name-pattern", "a b", "--test-only"], []],
  [["--test-concurrency=0", "--stack-trace-limit=10"], ["--stack-trace-limit=10"]],
  [["--experimental-test-coverage", "--conditions", "x"], ["--conditions", "x"]],
  [["--watch", "--watch-path", "./src", "--watch-preserve-output"], []],
  [["--smol", "--hot", "--preload", "./a.ts"], ["--smol", "--preload", "./a.ts"]],
  [["--cwd", "sub", "-b", "--define", "A=1"], ["--define", "A=1"]],
  [["-i"], []],
];

for (const [execArgv, kept] of inherited) {
  test(`inheritedArguments() of ${JSON.stringify(execArgv)}`, () => {
    assert.deepEqual(inheritedArguments(execArgv), kept);
  });
}

const entry = new URL("file:///lib/server/main.ts");
const addresses = ["unix:/tmp/a/s"];
const least = [
  "--allow-net=unix:/tmp/a/s",
  "--allow-read=/tmp/a",
  "--allow-write=/tmp/a",
  "--allow-env=REFERENT_DEBUG",
  "--allow-sys=uid",
];

test("denoArguments() gives the least permissions and loads the modules ahead", () => {
  const modules = ["file:///app/types.ts"];
  assert.deepEqual(denoArguments({ entry, modules, config: "/app/deno.json", addresses }), [
    ...["run", "--no-prompt", "--config", "/app/deno.json"],
    ...least,
    ...["--preload", "file:///app/types.ts"],
    "/lib/server/main.ts",
  ]);
});

test("denoArguments() adds permissions, and flags of deno run", () => {
  const permissions = ["--allow-env=HOME", "--allow-ffi"];
  assert.deepEqual(
    denoArguments({ entry, modules: [], addresses, permissions, args: ["--quiet"] }),
    [
      ...["run", "--no-prompt", ...least],
      ...["--allow-env=HOME", "--allow-ffi", "--quiet", "/lib/server/main.ts"],
    ],
  );
});

test("denoArguments() lets a program read the folder that it imports from later", () => {
  const folder = new URL("file:///a b/lib/");
  const command = { entry, modules: [], addresses, folder };
  const [run, prompt, ...rest] = denoArguments(command);
  assert.deepEqual([run, prompt], ["run", "--no-prompt"]);
  assert.deepEqual(rest, [...least, "--allow-read=/a b/lib/", "/lib/server/main.ts"]);
  const remote = new URL("https://jsr.io/@referent/manager/1.0.0/lib/");
  assert.deepEqual(denoArguments({ ...command, folder: remote }).slice(2, -1), least);
});

test("denoArguments() with all permissions needs no others", () => {
  const remote = new URL("https://jsr.io/@referent/manager/1.0.0/lib/server/main.ts");
  assert.deepEqual(
    denoArguments({ entry: remote, modules: ["file:///a.ts"], addresses, permissions: "all" }),
    ["run", "--no-prompt", "--allow-all", remote.href],
  );
});

test("denoArguments() refuses a permission that is no flag", () => {
  assert.throws(
    () => denoArguments({ entry, modules: [], addresses, permissions: ["read"] }),
    /The permission "read" is not of the form "--allow-read=\/path"/,
  );
});

test("leastPermissions() of TCP is its host and port", () => {
  assert.equal(leastPermissions(["tcp://127.0.0.1:80"])[0], "--allow-net=127.0.0.1:80");
  assert.equal(leastPermissions(["tls://[::1]:80"])[0], "--allow-net=[::1]:80");
});

test("leastPermissions() refuses a path with a comma, which no permission names", () => {
  assert.throws(() => leastPermissions(["unix:/a,b/s"]), {
    name: "TypeError",
    message: /^Deno cannot use the address "unix:\/a,b\/s": .*choose another address/,
  });
});

test("nearestConfig() finds the configuration above a module", async () => {
  await withDirectory((directory) => {
    const module = new URL(`file://${directory}/sub/types.ts`).href;
    writeFileSync(join(directory, "deno.jsonc"), "{}");
    assert.equal(nearestConfig(module), join(directory, "deno.jsonc"));
    assert.equal(nearestConfig("https://jsr.io/a.ts"), undefined);
    assert.notEqual(nearestConfig(`file://${dirname(directory)}/types.ts`), directory);
    return Promise.resolve();
  });
});

test("isRuntimeFile() knows the names of runtimes", () => {
  const names = ["node", "nodejs", "node20", "node-20.1", "node.exe", "bun", "bun.exe", "deno"];
  for (const name of names) assert.ok(isRuntimeFile(`/usr/bin/${name}`), name);
  for (const name of ["app", "denort", "electron", "node-app", "bunny", "mynode"]) {
    assert.ok(!isRuntimeFile(`/usr/bin/${name}`), name);
  }
});

test("serverEntry() lies beside the library, and this test is not it", () => {
  assert.match(serverEntry().href, /\/lib\/server\/main\.[tj]s$/);
  assert.equal(isServerProgram(), false);
});
