/**
 * The options of the entry functions: each is honoured or refused by name; where a server listens
 * and who may join; and how a client compares its types with the server's.
 *
 * @module
 */

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  AuthenticationError,
  ConnectionClosedError,
  json,
  LimitExceededError,
  type ListProxy,
  Manager,
  ManagerError,
  messagePack,
  NotExposedError,
  ProcessError,
  ProtocolError,
  type ServeOptions,
  type Server,
  TimeoutError,
  type TypesOf,
  UnknownObjectError,
} from "../mod.ts";
import { withLedger, withSubtract } from "./fixtures/manager/newer_types.ts";
import types, { custom } from "./fixtures/manager/types.ts";
import matrixTypes from "./fixtures/matrix_types.ts";
import { runScript, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { endOf, eventually, isRunning } from "./support/events.ts";
import { currentRuntime, fixture, runtimeNames, runtimePath } from "./support/runtimes.ts";

const script = fixture("manager/script.ts");
const setup = fixture("manager/setup.ts").href;
const authkey = "sixteen bytes or more";

type Entry = "start" | "connect" | "serve" | "local";
type AnyEntry = (options: Record<string, unknown>) => Promise<object>;

/** A server keeps this process alive: it is closed whatever happens. */
async function serving(options: ServeOptions, body: (server: Server) => Promise<void>) {
  const server = await Manager.serve(options);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

const refused: Record<Entry, string[]> = {
  start: ["env", "nonsense"],
  connect: [
    ...["builtins", "shutdownTimeout", "idleTimeout", "detached", "initializer", "runtime"],
    ...["permissions", "stdio", "tasks", "nonsense"],
  ],
  serve: ["runtime", "permissions", "stdio", "detached", "env", "callTimeout", "nonsense"],
  local: ["runtime", "permissions", "stdio", "detached", "env", "address", "authkey", "tls"],
};

for (const [entry, names] of Object.entries(refused)) {
  void test(`Manager.${entry}() refuses an option that it cannot honour by name`, async () => {
    const call = Manager[entry as Entry] as unknown as AnyEntry;
    for (const name of names) {
      await assert.rejects(call({ [name]: "x" }), (error) => {
        assert.ok(error instanceof TypeError, String(error));
        assert.match(error.message, new RegExp(`Manager\\.${entry}\\(\\).*"${name}"`));
        return true;
      });
    }
    for (const bad of [5, null, "text"]) {
      await assert.rejects(call(bad as never), TypeError);
    }
  });
}

void test("durations and limits that are none are refused by name", async () => {
  for (const bad of [-1, NaN, "5"] as never[]) {
    for (const name of ["callTimeout", "startTimeout", "shutdownTimeout", "idleTimeout"]) {
      await assert.rejects(Manager.start({ [name]: bad }), (error) => {
        return error instanceof RangeError && error.message.includes(`"${name}"`);
      });
    }
    await assert.rejects(Manager.local({ limits: { maxDepth: bad } }), {
      name: "RangeError",
      message: /"maxDepth"/,
    });
  }
  await assert.rejects(Manager.local({ limits: { nonsense: 1 } as never }), {
    name: "TypeError",
    message: /"nonsense"/,
  });
});

void test("serve() at an address that is taken, or not there, says which and the cure", async () => {
  await serving({ address: "tcp://127.0.0.1:0", authkey }, async ({ address }) => {
    for (const bad of [address, "unix:/nonexistent/directory/s"]) {
      await assert.rejects(Manager.serve({ address: bad }), (error) => {
        assert.ok(error instanceof ManagerError && error.cause instanceof Error, String(error));
        assert.ok(error.message.startsWith(`Cannot listen at "${bad}": `), error.message);
        assert.match(error.message, /choose an address/);
        return true;
      });
    }
  });
});

void test("an option's value that it cannot take is refused by name", async () => {
  const bad: [string, unknown, RegExp][] = [
    ["builtins", "no", /"builtins" takes true or false, got "no"/],
    ["detached", "yes", /"detached" takes true or false, got "yes"/],
    ["stdio", "null", /"stdio" takes "pipe", "inherit" or "ignore", got "null"/],
    ["permissions", "some", /"permissions" takes "all", or an array of flags .*got "some"/],
    ["serializer", "json", /"serializer" takes a Serializer, .*got "json"/],
    ["serializer", JSON, /"serializer" takes a Serializer/],
    ["limits", null, /"limits" takes an object of limits by name, got "null"/],
    ["tls", 5, /"tls" takes an object .*got "5"/],
    ["initializer", function init() {}, /"initializer" takes .* got the function "init"/],
    [
      "initializer",
      { module: "./setup.ts" },
      /"initializer" takes .* got the module "\.\/setup\.ts"/,
    ],
  ];
  for (const [name, value, message] of bad) {
    await assert.rejects(Manager.start({ [name]: value }), { name: "TypeError", message });
  }
  await assert.rejects(Manager.connect({ env: "x" as never }), {
    name: "TypeError",
    message: /"env"/,
  });
});

void test("a duration that no timer can wait is none", async () => {
  const manager = await Manager.start({
    types,
    startTimeout: Infinity,
    callTimeout: Infinity,
    shutdownTimeout: Infinity,
    idleTimeout: Infinity,
  });
  const joined = manager.join({ timeout: 2 ** 40 });
  const counter = await manager.Counter(1);
  assert.equal(await counter.add(), 2);
  await manager.shutdown({ timeout: Infinity });
  await joined;
  assert.equal((await manager.closed).exitSignal, null); // ended in order, not killed
});

void test("types: what defineTypes gave, or an array of it", async () => {
  const manager = await Manager.local({ types: [types, matrixTypes] });
  assert.equal(await (await manager.Counter(1)).add(), 2);
  assert.equal(await (await manager.Account("ann")).deposit(1), 1);
  await manager.shutdown();
  for (const bad of [{}, "types", [types, {}], { default: types }] as never[]) {
    for (const entry of [Manager.local, Manager.start, Manager.serve, Manager.connect]) {
      await assert.rejects((entry as AnyEntry)({ types: bad }), {
        name: "TypeError",
        message: /defineTypes/,
      });
    }
  }
});

void test("builtins: false leaves only the user's typeids", async () => {
  const manager = await Manager.local({ types, builtins: false });
  await assert.rejects(manager.list(), UnknownObjectError);
  await assert.rejects(manager.create("dict"), {
    message: /Unknown typeid "dict": this server has Counter/,
  });
  assert.equal(await (await manager.Counter(1)).add(), 2);
  await manager.shutdown();
});

void test("callTimeout limits each call, and its own timeout wins", async () => {
  const manager = await Manager.local({ types, callTimeout: 500 }); // creations have to finish in it
  const gate = await manager.Gate();
  await assert.rejects(gate.pass(), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /"pass".*"Gate".*500 ms/);
    return true;
  });
  assert.equal(await gate.waiting(), 1);
  await gate.open("x");
  await manager.shutdown();
});

void test("shutdownTimeout is what running calls have to finish", async () => {
  const manager = await Manager.local({ types, shutdownTimeout: 5 });
  const pass = assert.rejects((await manager.Gate()).pass(), ConnectionClosedError);
  await manager.shutdown();
  await pass;
  const patient = await Manager.start({ types, shutdownTimeout: 60_000 });
  const other = await Manager.connect<TypesOf<typeof types>>({ env: patient.env });
  const gate = await patient.Gate();
  const passing = gate.pass();
  await eventually("the call runs", async () => await gate.waiting() === 1);
  await patient.publish("gate", gate);
  const theirs = await other.lookup<typeof gate>("gate");
  const opened = theirs!.open("in time"); // is sent before the end is asked for
  const ended = other.shutdown();
  assert.equal(await passing, "in time");
  await Promise.all([opened, ended]);
  await patient.shutdown();
});

void test("idleTimeout counts in a started server once its starter has joined", async () => {
  const manager = await Manager.start({ idleTimeout: 0 });
  const list = await manager.list([1]);
  assert.equal(await list.length(), 1);
  await manager.close();
  await manager.join();
});

void test("idleTimeout ends a server that has no session", async () => {
  const server = await Manager.serve({ idleTimeout: 5 });
  const { by, error } = await server.closed;
  assert.equal(by, "shutdown");
  assert.match(error!.message, /no session for 5 ms/);
  const other = await Manager.serve({ idleTimeout: 500 }); // connecting has to finish in it
  const manager = await Manager.connect({ env: other.env });
  await manager.list();
  await manager.close();
  await other.closed;
});

void test("limits are each side's own, and the sender keeps to both", async () => {
  await serving({ limits: { maxMessageBytes: 1000, maxDepth: 4 } }, async (server) => {
    const manager = await Manager.connect({ env: server.env });
    const list = await manager.list<unknown>();
    await assert.rejects(list.push("x".repeat(1001)), (error) => {
      return error instanceof LimitExceededError && /maxMessageBytes/.test(error.message);
    });
    assert.equal(await list.push("x".repeat(900)), 1);
    const narrow = await Manager.connect({
      address: server.address,
      env: server.env,
      limits: { maxMessageBytes: 500 },
    });
    await manager.publish("list", list);
    const theirs = await narrow.lookup<ListProxy>("list");
    await assert.rejects(theirs!.at(0), LimitExceededError);
    assert.equal(await theirs!.length(), 1);
  });
});

// The server process.

void test("initializer runs once in the server, with its arguments, before it listens", async () => {
  const manager = await Manager.start({
    types,
    initializer: { module: setup, export: "begin", args: [40, { more: 2 }] },
  });
  const counter = await manager.Counter();
  assert.equal(await counter.add(0), 42);
  assert.equal(await counter.initialized(), 1);
  await manager.shutdown();
});

void test("initializer: default export without arguments; a bad one says what is wrong", async () => {
  const server = await Manager.serve({ types, initializer: { module: setup } });
  await server.close();
  for (const name of ["noFunction", "nonsense"]) {
    const initializer = { module: setup, export: name };
    await assert.rejects(Manager.local({ initializer }), {
      name: "TypeError",
      message: new RegExp(`"${name}".*setup`),
    });
  }
  await assert.rejects(Manager.start({ initializer: { module: setup, export: "fail" } }), (e) => {
    assert.ok(e instanceof ProcessError);
    assert.match(e.message, /The initializer does not like it/);
    assert.equal(e.exitCode, 1);
    return true;
  });
});

void test("runtime: its arguments and variables reach the server", async () => {
  const args = { deno: ["--v8-flags=--stack-size=900"], bun: ["--smol"], node: ["--no-warnings"] };
  const manager = await Manager.start({
    types,
    permissions: currentRuntime === "deno" ? ["--allow-env"] : undefined,
    runtime: {
      name: currentRuntime,
      path: runtimePath(currentRuntime),
      args: args[currentRuntime],
      env: { REFERENT_OPTION_TEST: "set" },
    },
  });
  const host = await manager.Host();
  assert.equal(await host.variable("REFERENT_OPTION_TEST"), "set");
  const flags = await host.flags(); // Deno does not tell
  if (currentRuntime !== "deno") assert.ok(flags.includes(args[currentRuntime][0]!));
  await manager.shutdown();
  await assert.rejects(Manager.start({ runtime: "cobol" as never }), {
    name: "TypeError",
    message: /"cobol" is not one of/,
  });
  const nowhere = { name: currentRuntime, path: "/nowhere/runtime" };
  await assert.rejects(Manager.start({ runtime: nowhere }), (error) => {
    return error instanceof ProcessError && error.message.includes("/nowhere/runtime");
  });
});

void test("permissions are a Deno server's; it has only the least without them", async () => {
  const runtime = { name: "deno", path: runtimePath("deno") } as const;
  const least = await Manager.start({ types, runtime });
  await assert.rejects((await least.Host()).variable("HOME"), (error) => {
    return error instanceof Error && /NotCapable|env access/.test(`${error} ${error.message}`);
  });
  await least.shutdown();
  const more = await Manager.start({ types, runtime, permissions: ["--allow-env"] });
  assert.equal(typeof await (await more.Host()).variable("HOME"), "string");
  await more.shutdown();
  const bun = { name: "bun", path: runtimePath("bun") } as const;
  await assert.rejects(Manager.start({ runtime: bun, permissions: "all" }), TypeError);
});

void test("stdio says whether the server's output comes to the starter's stderr", async () => {
  const said = async (stdio: string) => {
    const child = startScript(currentRuntime, fixture("manager/shouter.ts"), { args: [stdio] });
    const { code, stderr } = await child.end;
    assert.equal(code, 0, stderr);
    return stderr.includes("said by the server");
  };
  const all = await Promise.all(["pipe", "inherit", "ignore"].map(said));
  assert.deepEqual(all, [true, true, false]);
});

void test("a detached server outlives its starter and writes a log file beside its socket", async () => {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  try {
    const address = `unix:${directory}/s`;
    const starter = startScript(currentRuntime, fixture("manager/detacher.ts"), {
      args: [address],
    });
    const { code, stdout, stderr } = await starter.end;
    assert.equal(code, 0, stderr);
    const { env, pid } = JSON.parse(stdout);
    const manager = await Manager.connect({ env });
    assert.equal((await manager.debugInfo()).pid, pid);
    assert.equal(statSync(join(directory, "server.log")).mode & 0o777, 0o600);
    await manager.shutdown();
    await eventually("the server is gone", () => !isRunning(pid));
    assert.ok(!existsSync(`${directory}/s`));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

void test("a detached server without an address makes a directory, and removes it", async () => {
  const manager = await Manager.start({ detached: true });
  const directory = dirname(manager.address.slice("unix:".length));
  assert.ok(existsSync(join(directory, "server.log")));
  await manager.shutdown();
  assert.ok(!existsSync(directory));
});

// Where it listens, and who may join.

void test("address: a Unix socket of the user's, removed at the end; its directory stays", async () => {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  try {
    const address = `unix:${directory}/socket`;
    const manager = await Manager.start({ address, authkey });
    assert.equal(manager.address, address);
    const other = await Manager.connect({ address, authkey: new TextEncoder().encode(authkey) });
    await other.list();
    await other.close();
    await manager.shutdown();
    assert.ok(!existsSync(`${directory}/socket`));
  } finally {
    rmSync(directory, { recursive: true });
  }
});

void test("address: TCP with an authkey, on a port that the system chose", async () => {
  const manager = await Manager.start({ address: "tcp://127.0.0.1:0", authkey });
  assert.match(manager.address, /^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/);
  const other = await Manager.connect({ address: manager.address, authkey });
  const list = await other.list([1]);
  assert.deepEqual(await list.copy(), [1]);
  await other.close();
  await manager.shutdown();
});

void test("authkey: another one is refused by the server, a short one at once", async () => {
  await serving({ authkey }, async (server) => {
    const { address } = server;
    const other = `${authkey}!`;
    await assert.rejects(Manager.connect({ address, authkey: other }), AuthenticationError);
    const short = "15 bytes, no it";
    for (const entry of [Manager.start, Manager.serve]) {
      await assert.rejects((entry as AnyEntry)({ authkey: short }), RangeError);
    }
    await assert.rejects(Manager.connect({ address, authkey: short }), RangeError);
    await assert.rejects(Manager.connect({ address, authkey: 5 as never }), TypeError);
  });
});

void test("connect() says what it misses, and what the address should look like", async () => {
  await assert.rejects(Manager.connect({ env: {} }), {
    name: "TypeError",
    message: /REFERENT_ADDRESS/,
  });
  await assert.rejects(Manager.connect({ env: {}, address: "unix:/tmp/none" }), {
    name: "TypeError",
    message: /REFERENT_AUTHKEY/,
  });
  for (const bad of ["nonsense", "unix:relative", "tcp://", "http://x:1", "memory:none"]) {
    await assert.rejects(Manager.connect({ address: bad, authkey }), (error) => {
      assert.ok(error instanceof TypeError || error instanceof UnknownObjectError, String(error));
      assert.match(error.message, new RegExp(`"${bad}"`));
      return true;
    });
  }
});

for (const runtime of runtimeNames) {
  void test(`TLS: a ${runtime} client trusts what the manager's env says`, async () => {
    const { ca, ...own } = certificates();
    const manager = await Manager.start({ address: "tls://localhost:0", tls: { ca, ...own } });
    try {
      assert.match(manager.address, /^tls:\/\/localhost:\d+$/);
      assert.equal(manager.env.REFERENT_TLS_CA, ca);
      assert.ok(!JSON.stringify(manager.env).includes("PRIVATE KEY"));
      const options = { args: ["idle"], env: manager.env };
      assert.equal(await runScript(runtime, script, options), "idle\n");
    } finally {
      await manager.shutdown();
    }
  });
}

void test("TLS: without the authority's certificate, or for another name, nothing is said", async () => {
  const { ca, cert, key } = certificates();
  await serving({ address: "tls://127.0.0.1:0", authkey, tls: { cert, key } }, async (server) => {
    const { address } = server;
    await assert.rejects(Manager.connect({ address, authkey }), ConnectionClosedError);
    const wrongName = { ca, servername: "other.test" };
    const refusedName = Manager.connect({ address, authkey, tls: wrongName });
    await assert.rejects(refusedName, ConnectionClosedError);
    const manager = await Manager.connect({
      address,
      authkey,
      tls: { ca, servername: "referent.test" },
    });
    await manager.list();
  });
});

void test("an address that nobody can listen on is refused before anything is started", async () => {
  const { cert, key } = certificates();
  for (const entry of [Manager.start, Manager.serve] as AnyEntry[]) {
    for (const address of ["tls://127.0.0.1:0", "memory:1", "nonsense", "unix:relative", 5]) {
      await assert.rejects(entry({ address, authkey }), { name: "TypeError", message: /address/ });
    }
    await assert.rejects(entry({ tls: { cert, key } }), { name: "TypeError", message: /tls/ });
    const tcp = { address: "tcp://127.0.0.1:0", tls: { cert, key } };
    await assert.rejects(entry(tcp), { name: "TypeError", message: /tls/ });
  }
});

void test("memory:<n> is joined in the same thread, by whoever has no other authkey", async () => {
  const manager = await Manager.local();
  assert.match(manager.address, /^memory:\d+$/);
  const other = await Manager.connect({ address: manager.address });
  const list = await other.list([1]);
  await other.publish("list", list);
  assert.deepEqual(await (await manager.lookup<ListProxy>("list"))!.copy(), [1]);
  assert.equal(Object.keys((await manager.debugInfo()).sessions).length, 2);
  const { address } = manager;
  await assert.rejects(Manager.connect({ address, authkey }), AuthenticationError);
  await assert.rejects(Manager.connect({ address, serializer: json }), ProtocolError);
  await manager.shutdown();
  assert.equal((await endOf(other)).by, "server");
  await assert.rejects(Manager.connect({ address }), (error) => {
    return error instanceof UnknownObjectError && error.message.includes(`"${address}"`);
  });
});

// The client that everybody shares.

void test("connect() without an address gives one client, which the last close() ends", async () => {
  await serving({}, async (server) => {
    const { env } = server;
    const [first, second, third] = await Promise.all([1, 2, 3].map(() => Manager.connect({ env })));
    const own = await Manager.connect({ address: server.address, env });
    const sessions = async () => Object.keys((await own.debugInfo()).sessions).length;
    assert.equal(await sessions(), 2);
    const list = await first!.list([1]);
    await second!.publish("list", list);
    assert.equal(await third!.lookup("list"), list);
    await first!.close();
    await first!.close();
    assert.deepEqual(await first!.closed, { by: "close" });
    await assert.rejects(first!.list(), ConnectionClosedError);
    assert.equal(await list.length(), 1);
    await second!.close();
    assert.equal(await third!.lookup("list"), list);
    await third!.close();
    await assert.rejects(list.length(), ConnectionClosedError);
    await eventually("the session is over", async () => await sessions() === 1);
    const fourth = await Manager.connect({ env });
    assert.equal(await sessions(), 2);
    const fifth = await Manager.connect({ env });
    assert.equal(await sessions(), 2);
    await fourth.close();
    await fifth.list();
    await server.close();
    assert.equal((await endOf(fifth)).by, "server");
  });
});

void test("connect() refuses by name an option that the shared client was not made with", async () => {
  await serving({}, async (server) => {
    const { env } = server;
    const first = await Manager.connect({ env, callTimeout: 5000 });
    const others = {
      callTimeout: 1,
      limits: { maxMessageBytes: 10 },
      serializer: json,
      authkey: "a quite different authkey",
    };
    for (const [name, value] of Object.entries(others)) {
      await assert.rejects(Manager.connect({ env, [name]: value }), (error) => {
        assert.ok(error instanceof TypeError);
        assert.ok(error.message.includes(`"${name}"`) && error.message.includes("{ address }"));
        return true;
      });
    }
    const second = await Manager.connect({ env, callTimeout: 5000 });
    await first.close();
    await second.list();
    await second.close();
  });
});

void test("connect({ env }) with another authkey is refused, also where this thread is connected", async () => {
  await serving({}, async (server) => {
    const first = await Manager.connect({ env: server.env });
    const guessed = { ...server.env, REFERENT_AUTHKEY: "what somebody has guessed" };
    await assert.rejects(Manager.connect({ env: guessed }), { message: /"authkey"/ });
    await first.close();
  });
});

void test("a shared client that is lost is replaced, and late closes leave the new one alone", async () => {
  const directory = mkdtempSync(join(tmpdir(), "referent-test-"));
  const options = { address: `unix:${directory}/s`, authkey };
  const before = await Manager.serve(options);
  const { env } = before;
  const lost = await Manager.connect({ env });
  await before.close();
  await endOf(lost);
  const after = await Manager.serve(options);
  const first = await Manager.connect({ env });
  await lost.close();
  const second = await Manager.connect({ env });
  assert.equal(Object.keys((await second.debugInfo()).sessions).length, 1);
  await first.list();
  await after.close();
  rmSync(directory, { recursive: true });
});

// Types of a client and of its server.

void test("connect({ types }) names a typeid or a method that the server lacks, and its module", async () => {
  await serving({ types }, async (server) => {
    const { env } = server;
    const same = await Manager.connect({ env, types });
    assert.equal(await (await same.Counter(1)).add(), 2);
    const module = types.moduleUrl;
    await assert.rejects(Manager.connect({ env, types: withLedger }), (error) => {
      assert.ok(error instanceof UnknownObjectError);
      assert.ok(error.message.includes('"Ledger"') && error.message.includes(module));
      return true;
    });
    await assert.rejects(Manager.connect({ env, types: withSubtract }), (error) => {
      assert.ok(error instanceof NotExposedError);
      assert.match(error.message, /"subtract".*"Counter"/);
      assert.ok(error.message.includes(module));
      return true;
    });
    await same.list(); // the shared client is still there
    await same.close();
  });
});

// Serializers.

void test("another serializer is refused by name, on both sides", async () => {
  await serving({ authkey }, async (server) => {
    const { address } = server;
    await assert.rejects(Manager.connect({ address, authkey, serializer: json }), (error) => {
      assert.ok(error instanceof ProtocolError);
      assert.ok(
        error.message.includes(`"${messagePack.name}"`) && error.message.includes('"json"'),
      );
      return true;
    });
  });
});

void test("serializer: json and a user's own, which the server finds beside the types", async () => {
  for (const serializer of [json, custom]) {
    const manager = await Manager.start({ types, serializer });
    assert.equal(manager.env.REFERENT_SERIALIZER, serializer.name);
    const value = [new Map([["k", 1n]]), -0, undefined, new Date(0)];
    const list = await manager.list(value);
    assert.deepEqual(await list.copy(), value);
    const { env } = manager;
    const other = await Manager.connect({ env, serializer });
    assert.deepEqual(await (await other.list(value)).copy(), value);
    await other.close();
    if (serializer === custom) {
      await assert.rejects(Manager.connect({ env }), {
        name: "TypeError",
        message: /"custom-json".*\{ serializer \}/,
      });
    }
    await manager.shutdown();
  }
});

void test("a serializer that the server cannot find is refused before or at its start", async () => {
  await assert.rejects(Manager.start({ serializer: custom }), {
    name: "TypeError",
    message: /"custom-json".*types/,
  });
  await assert.rejects(Manager.start({ serializer: custom, types: matrixTypes }), (error) => {
    assert.ok(error instanceof ProcessError);
    assert.match(error.message, /serializer "custom-json"/);
    return true;
  });
});

void test("leaves nothing behind", assertClean);

function certificates() {
  const read = (name: string) => readFileSync(fixture(`tls/${name}`), "utf8");
  return { ca: read("ca.crt"), cert: read("server.crt"), key: read("server.key") };
}
