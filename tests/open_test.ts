/**
 * `Manager.open`: one manager per name, whoever is killed when. Each test has a home of its own, as
 * REFERENT_DIR says.
 *
 * @module
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { once } from "node:events";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import {
  ConnectionClosedError,
  json,
  Manager,
  ManagerError,
  NameTakenError,
  NotExposedError,
  type OpenOptions,
  ProcessError,
  ProtocolError,
  TimeoutError,
  type TypesOption,
  UnknownObjectError,
} from "../mod.ts";
import { contend, Deadline } from "../lib/manager/election.ts";
import { listNamed, namedDirectory, readNamed, register } from "../lib/manager/named.ts";
import { authkeyText, randomAuthkey } from "../lib/wire/auth.ts";
import { type KeyFile, readKeyFile, writeKeyFile } from "../lib/wire/key_file.ts";
import { protocolVersion } from "../lib/wire/protocol.ts";
import types, { custom } from "./fixtures/manager/types.ts";
import { withLedger, withSubtract } from "./fixtures/manager/newer_types.ts";
import { explore } from "./fixtures/open/interleavings.ts";
import { Opener, serversIn, signal } from "./fixtures/open/openers.ts";
import { race } from "./fixtures/open/race.ts";
import { assertClean } from "./support/clean.ts";
import { endOf, eventually, isRunning } from "./support/events.ts";
import {
  campaigning,
  campaignTime,
  currentRuntime,
  fixture,
  type RuntimeName,
  runtimeNames,
  runtimePath,
  source,
  tellCampaign,
} from "./support/runtimes.ts";
import { startServerProcess } from "./support/server_process.ts";

const setup = fixture("open/setup.ts").href;

/** Runs the test with a home for managers, of which nothing is left but perhaps the home itself. */
async function inHome(body: (home: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "referent-open-"));
  const home = join(directory, "d");
  try {
    await body(home);
    await eventually("the home is empty", () => filesIn(home).length === 0);
  } finally {
    const { pid } = existsSync(keyFileOf(home)) ? readKeyFile(keyFileOf(home))! : {};
    const left = new Set([...serversIn(home), ...pid ? [pid] : []]);
    left.delete(process.pid); // that hosts one itself
    for (const server of left) signal(server, "SIGKILL");
    rmSync(directory, { recursive: true });
  }
}

function filesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // it is gone
  }
}

/** Sets REFERENT_DIR while the action begins: other tests of this process have others. */
function at<T>(home: string | undefined, action: () => T): T {
  const before = process.env.REFERENT_DIR;
  const set = (value: string | undefined) => {
    if (value === undefined) delete process.env.REFERENT_DIR;
    else process.env.REFERENT_DIR = value;
  };
  set(home);
  try {
    return action();
  } finally {
    set(before);
  }
}

/** The runtime that starts fastest, for servers whose runtime does not matter. */
const fast = { name: "bun", path: runtimePath("bun") } as const;

/** Opens the manager "it", which ends with its last session. */
function open<const S extends TypesOption = []>(home: string, options: OpenOptions<S> = {}) {
  const patient = { idleTimeout: 0, startTimeout: 60_000, runtime: fast, ...options };
  return at(home, () => Manager.open("it", patient));
}

async function pidOf(manager: Manager): Promise<number> {
  return (await manager.debugInfo()).pid;
}

/** Lets the body use an opener in the runtime; kills it in the end. */
async function withOpener(
  home: string,
  body: (opener: Opener) => Promise<void>,
  runtime: RuntimeName = currentRuntime,
): Promise<void> {
  const opener = new Opener(runtime, home);
  try {
    await body(opener);
  } finally {
    await opener.kill();
  }
}

const keyFileOf = (home: string) => join(home, "it", "manager.json");

/** The directory of "it", with what a server could have left there. */
function makeDirectory(home: string, files: Record<string, string> = {}): string {
  const directory = join(home, "it");
  mkdirSync(home, { mode: 0o700 });
  mkdirSync(directory, { mode: 0o700 });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  }
  return directory;
}

const refusal = (promise: Promise<unknown>) =>
  promise.then(() => assert.fail("it was opened"), (error: Error) => error);

void test("Manager.open() starts the manager of a name, and joins it the next time", async () => {
  await inHome(async (home) => {
    const first = await open(home, { runtime: currentRuntime });
    const second = await open(home);
    assert.equal((await second.debugInfo()).runtime, currentRuntime);
    assert.equal(await pidOf(second), await pidOf(first));
    await (await first.named("hits").dict()).set("a", 1);
    assert.equal(await (await second.named("hits").dict<string, number>()).get("a"), 1);
    await first.close();
    assert.equal(await second.numberOfObjects(), 1);
    await second[Symbol.asyncDispose]();
  });
});

void test("many opens at once in one process start one server for each name", async () => {
  await inHome(async (home) => {
    const opens = Array.from({ length: 24 }, (_, i) => {
      const options = { idleTimeout: 0, startTimeout: 60_000 };
      return at(home, () => Manager.open(i % 2 ? "odd" : "even", options));
    });
    const managers = await Promise.all(opens);
    const pids = await Promise.all(managers.map(pidOf));
    assert.equal(new Set(pids.filter((_, i) => i % 2)).size, 1);
    assert.equal(new Set(pids).size, 2);
    await Promise.all(managers.map((manager) => manager.close()));
  });
});

for (const runtime of runtimeNames) {
  void test(`a manager that ${runtime} started outlives it, and every runtime joins it`, async () => {
    await inHome(async (home) => {
      const options = { startTimeout: 60_000 };
      let pid: number | undefined;
      await withOpener(home, async (starter) => {
        pid = (await starter.tell({ do: "open", name: "it", options }))?.pid;
      }, runtime);
      await Promise.all(runtimeNames.map((joiner) =>
        withOpener(home, async (opener) => {
          const reply = await opener.tell({ do: "open", name: "it", options });
          assert.equal(reply?.pid, pid);
        }, joiner)
      ));
      const manager = await open(home);
      assert.equal(await pidOf(manager), pid);
      await manager.shutdown();
    });
  });
}

void test("the directories have mode 700, the files with the key and the log 600", async () => {
  await inHome(async (home) => {
    const manager = await open(home);
    const modes = [home, join(home, "it"), keyFileOf(home), join(home, "it", "server.log")]
      .map((path) => (statSync(path).mode & 0o777).toString(8));
    assert.deepEqual(modes, ["700", "700", "600", "600"]);
    const { version, address, serializer, pid } = readKeyFile(keyFileOf(home)) ?? {};
    assert.deepEqual({ version, address, serializer, pid }, {
      version: protocolVersion,
      address: manager.address,
      serializer: "messagepack",
      pid: await pidOf(manager),
    });
    await manager.close();
  });
});

void test("without REFERENT_DIR managers live in /tmp/referent-<uid>, whatever TMPDIR says", () => {
  const uid = process.getuid?.();
  assert.equal(at(undefined, () => namedDirectory("a")), `/tmp/referent-${uid}/a`);
  assert.equal(at("", () => namedDirectory("a")), `/tmp/referent-${uid}/a`);
  assert.equal(at("/else/where", () => namedDirectory("a")), "/else/where/a");
});

void test("a name is 1 to 64 letters, digits, dots, underscores and hyphens", async () => {
  for (const name of ["a", ".a", "...", "A-b_c.9", "x".repeat(64)]) {
    assert.equal(at("/d", () => namedDirectory(name)), `/d/${name}`);
  }
  for (const name of ["", ".", "..", "a/b", "a b", "ä", "x".repeat(65), "a\0", "a\n"]) {
    await assert.rejects(Manager.open(name), (error) => {
      return error instanceof TypeError && error.message.includes(`"${name}"`);
    });
  }
});

void test("Manager.open() refuses options that it cannot honour, naming them", async () => {
  const refused = { address: "unix:/tmp/x", authkey: "x".repeat(16), tls: {}, detached: true };
  for (const [name, value] of Object.entries({ ...refused, stdio: "pipe", env: {} })) {
    const opened = Manager.open("it", { [name]: value } as OpenOptions);
    await assert.rejects(opened, (error) => {
      return error instanceof TypeError && error.message.includes(`the option "${name}"`);
    });
  }
});

void test("the home must be this user's own, with mode 700, and no link", async () => {
  await inHome(async (home) => {
    const refuses = async (what: RegExp) => {
      const error = await refusal(open(home));
      assert.ok(error instanceof ManagerError, String(error));
      assert.match(error.message, what);
      assert.match(error.message, /REFERENT_DIR/);
    };
    mkdirSync(home, { mode: 0o755 });
    await refuses(/has mode 755, not 700/);
    assert.ok(existsSync(home), "what is not ours is not removed");
    chmodSync(home, 0o700);
    if (process.getuid?.() === 0) {
      chownSync(home, 12_345, 12_345);
      await refuses(/belongs to user 12345, not to this one/);
      chownSync(home, 0, 0);
    }
    mkdirSync(join(home, "it"), { mode: 0o750 });
    await refuses(/d\/it" has mode 750/);
    rmSync(home, { recursive: true });
    const elsewhere = `${home}-elsewhere`;
    mkdirSync(elsewhere, { mode: 0o700 });
    symlinkSync(elsewhere, home);
    await refuses(/is not a directory/);
    assert.deepEqual(readdirSync(elsewhere), []);
    rmSync(home);
    writeFileSync(home, "");
    await refuses(/is not a directory/);
    rmSync(home);
  });
});

void test("REFERENT_DIR must be an absolute path, short enough, in a directory that is there", async () => {
  await assert.rejects(open("relative/d"), (error) => {
    return error instanceof TypeError && error.message.includes('"relative/d"');
  });
  await assert.rejects(open(`/tmp/${"x".repeat(100)}`), RangeError);
  await assert.rejects(open("/tmp/referent-is-not-there/d"), (error) => {
    return error instanceof ManagerError &&
      /"\/tmp\/referent-is-not-there" must be/.test(error.message);
  });
});

void test("a key file that others can read or write is not used", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home, { "manager.json": "{}" });
    chmodSync(keyFileOf(home), 0o644);
    await assert.rejects(open(home), (error) => {
      return error instanceof ManagerError && /manager.json" has mode 644/.test(error.message);
    });
    rmSync(keyFileOf(home));
    symlinkSync("/etc/passwd", keyFileOf(home));
    await assert.rejects(open(home), /is a symbolic link/);
    rmSync(directory, { recursive: true });
  });
});

/** A key file of this release, of a server that is none. */
function keyFile(address: string, changes: Partial<KeyFile> = {}): KeyFile {
  return {
    version: protocolVersion,
    address,
    authkey: authkeyText(randomAuthkey()),
    serializer: "messagepack",
    pid: 1,
    ...changes,
  };
}

/** What a server, or something else, could have left. */
const leftovers: Record<string, (directory: string) => string> = {
  "a dead server": (directory) => JSON.stringify(keyFile(`unix:${directory}/s-00000000`)),
  "a dead server of another release": (directory) => {
    return JSON.stringify(keyFile(`unix:${directory}/s-00000000`, { version: 99 }));
  },
  "a server whose socket is gone": () => JSON.stringify(keyFile("unix:/tmp/referent-none/s")),
  "half a file": () => '{ "version": 1, "addr',
  "no object": () => "5",
  "nothing": () => "",
};

for (const [what, text] of Object.entries(leftovers)) {
  void test(`a manager.json of ${what} is replaced, and what is dead is removed`, async () => {
    await inHome(async (home) => {
      const directory = makeDirectory(home, { "manager.json.0123456789abcdef": "draft" });
      writeFileSync(keyFileOf(home), text(directory), { mode: 0o600 });
      for (const name of ["s-00000000", "x-00000000", "lock.7"]) await leaveSocket(directory, name);
      const manager = await open(home);
      const socket = manager.address.slice(`unix:${directory}/`.length);
      assert.deepEqual(
        readdirSync(directory).sort(),
        ["manager.json", socket, "server.log"].sort(),
      );
      await manager.close();
    });
  });
}

/** Leaves the file of a socket on which nobody listens. */
async function leaveSocket(directory: string, name: string): Promise<void> {
  const path = join(directory, name);
  await listening(path, () => renameSync(path, `${path}.aside`)); // closing removes what is there
  renameSync(`${path}.aside`, path);
}

/** Somebody listens at the path while the body runs. */
async function listening(path: string, body: () => unknown): Promise<void> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  try {
    await body();
  } finally {
    server.close();
    await once(server, "close");
  }
}

void test("a living server of another release is named in a ProtocolError, and stays", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home);
    const socket = join(directory, "s-00000000");
    const content = JSON.stringify(keyFile(`unix:${socket}`, { version: 99, pid: 4711 }));
    writeFileSync(keyFileOf(home), content, { mode: 0o600 });
    await listening(socket, async () => {
      const error = await refusal(open(home));
      assert.ok(error instanceof ProtocolError, String(error));
      for (const part of ['"99"', `"${protocolVersion}"`, "process 4711", "SIGTERM"]) {
        assert.ok(error.message.includes(part), error.message);
      }
      assert.equal(readFileSync(keyFileOf(home), "utf8"), content);
      assert.ok(existsSync(socket));
    });
    rmSync(home, { recursive: true });
  });
});

void test("a manager.json that says nothing is not replaced while a server listens beside it", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home, { "manager.json": "half a" });
    await listening(join(directory, "s-00000000"), async () => {
      await assert.rejects(open(home), (error) => {
        return error instanceof ProtocolError && /Cannot read .*s-00000000/.test(error.message);
      });
      assert.ok(existsSync(join(directory, "s-00000000")));
    });
    rmSync(home, { recursive: true });
  });
});

void test("the types of a running server are compared: what is missing is named, with its module", async () => {
  await inHome(async (home) => {
    const manager = await open(home, { types });
    assert.equal(await (await manager.Counter(1)).add(2), 3);
    const again = await open(home, { types });
    assert.equal(await (await again.Counter(2)).add(2), 4);
    await again.close();
    await assert.rejects(open(home, { types: withLedger }), (error) => {
      return error instanceof UnknownObjectError && /"Ledger".*manager\/types/.test(error.message);
    });
    await assert.rejects(open(home, { types: withSubtract }), (error) => {
      return error instanceof NotExposedError && /"subtract".*"Counter"/.test(error.message);
    });
    assert.equal(Object.keys((await manager.debugInfo()).sessions).length, 1);
    await manager.close();
  });
});

void test("the serializer of a running server is found in its file; another one is refused", async () => {
  await inHome(async (home) => {
    const manager = await open(home, { serializer: json });
    const other = await open(home);
    assert.equal(await pidOf(other), await pidOf(manager));
    await other.close();
    await assert.rejects(open(home, { serializer: custom }), ProtocolError);
    await manager.close();
  });
  await inHome(async (home) => {
    await assert.rejects(open(home, { serializer: custom }), TypeError); // no types that export it
    const manager = await open(home, { serializer: custom, types });
    await assert.rejects(open(home), /"custom-json", which is not built in: pass it as/);
    await manager.close();
  });
});

void test("its env lets any process join", async () => {
  await inHome(async (home) => {
    const manager = await open(home);
    const other = await Manager.connect({ env: manager.env });
    assert.equal(await pidOf(other), await pidOf(manager));
    await manager.close();
    await other.close();
  });
});

void test("close() ends the session only; shutdown() ends the server, and the next open starts another", async () => {
  await inHome(async (home) => {
    const options = { idleTimeout: 60_000, runtime: currentRuntime };
    const first = await open(home, options);
    const pid = await pidOf(first);
    await first.close();
    const second = await open(home, options);
    assert.equal(await pidOf(second), pid);
    await second.shutdown();
    assert.deepEqual(filesIn(home), []);
    const third = await open(home, options);
    assert.notEqual(await pidOf(third), pid);
    await third.shutdown();
  });
});

void test("while a server that was shut down finishes its calls, the next one has the name", async () => {
  await inHome(async (home) => {
    const options = { types, shutdownTimeout: 60_000, idleTimeout: 60_000 };
    const old = await open(home, options);
    const pid = await pidOf(old);
    const other = await open(home, options);
    const gate = await other.named("gate").Gate();
    const passed = assert.rejects(gate.pass(), ConnectionClosedError);
    await eventually("the call runs", async () => await gate.waiting() === 1);
    const ended = old.shutdown({ timeout: 60_000 });
    await eventually("the name is free", () => !existsSync(keyFileOf(home)));
    const next = await open(home, options);
    assert.notEqual(next.address, old.address);
    const { address } = next;
    process.kill(pid, "SIGKILL"); // whose call never ends
    await passed;
    await ended;
    assert.equal(readKeyFile(keyFileOf(home))?.address, address);
    assert.equal(await next.numberOfObjects(), 0);
    await next.shutdown();
  });
});

void test("a killed server: its clients are told, and the next open starts another", async () => {
  await inHome(async (home) => {
    const first = await open(home);
    const list = await first.list([1]);
    const pid = await pidOf(first);
    const closed = endOf(first);
    process.kill(pid, "SIGKILL");
    assert.equal((await closed).by, "lost");
    await assert.rejects(list.length(), ConnectionClosedError);
    const second = await open(home);
    assert.notEqual(await pidOf(second), pid);
    await second.close();
  });
});

void test("SIGTERM ends a server in order: it leaves nothing", async () => {
  await inHome(async (home) => {
    const manager = await open(home, { idleTimeout: Infinity, runtime: currentRuntime });
    const closed = endOf(manager);
    process.kill(await pidOf(manager), "SIGTERM");
    assert.equal((await closed).by, "server");
  });
});

/** Options by which a server writes its process id to `started`, and then does as the initializer. */
function halfStarted(home: string, initializer: "waitFor" | "hang", runtime = currentRuntime) {
  const [started, go] = [`${home}-started`, `${home}-go`];
  const options: OpenOptions = {
    startTimeout: 60_000,
    idleTimeout: 0,
    runtime,
    initializer: { module: setup, export: initializer, args: [started, go] },
    ...runtime === "deno" && { permissions: "all" },
  };
  const pid = () =>
    eventually("the server has begun", () => {
      return existsSync(started) ? Number(readFileSync(started, "utf8")) : undefined;
    });
  return { options, pid, go: () => writeFileSync(go, "") };
}

for (const runtime of runtimeNames) {
  void test(`a starter in ${runtime} that is killed while its server starts: that ends, and who waits starts another`, async () => {
    await inHome(async (home) => {
      await withOpener(home, async (starter) => {
        const half = halfStarted(home, "waitFor", runtime);
        const opened = starter.tell({ do: "open", name: "it", options: half.options });
        const pid = await half.pid();
        const next = open(home);
        await starter.kill();
        assert.equal(await opened, undefined);
        const manager = await next;
        assert.notEqual(await pidOf(manager), pid);
        await eventually("the half-started server is gone", () => !isRunning(pid));
        await manager.close();
      }, runtime);
    });
  });

  void test(`a server of ${runtime} that hangs while it starts keeps nobody waiting when its starter is dead`, async () => {
    await inHome(async (home) => {
      await withOpener(home, async (starter) => {
        const half = halfStarted(home, "hang", runtime);
        const opened = starter.tell({ do: "open", name: "it", options: half.options });
        const pid = await half.pid();
        await starter.kill();
        assert.equal(await opened, undefined);
        const manager = await open(home);
        assert.ok(isRunning(pid));
        signal(pid, "SIGKILL");
        await manager.close();
      }, runtime);
    });
  });
}

void test("a server that does not start says why, and prints nothing of the library's own", () =>
  inHome(async (home) => {
    const initializer = { module: setup, export: "refuse" };
    await assert.rejects(open(home, { initializer }), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(error.message, /did not start: TypeError: .*"refuse"/);
      assert.ok(error.cause instanceof Error && !/^[0-9a-f]{32} /m.test(error.message));
      return true;
    });
  }));

void test("a half-started server that is killed is started again, once", async () => {
  await inHome(async (home) => {
    const half = halfStarted(home, "waitFor");
    const opened = open(home, half.options);
    const pid = await half.pid();
    rmSync(`${home}-started`);
    process.kill(pid, "SIGKILL");
    const next = await half.pid();
    half.go();
    const manager = await opened;
    assert.notEqual(next, pid);
    assert.equal(await pidOf(manager), next);
    await manager.close();
  });
});

void test("a server that does not start: ProcessError with what it wrote, and nothing is left", async () => {
  await inHome(async (home) => {
    const initializer = { module: setup, export: "fail" };
    const errors = await Promise.all([1, 2].map(() => refusal(open(home, { initializer }))));
    for (const error of errors) {
      assert.ok(error instanceof ProcessError, String(error));
      assert.match(error.message, /it does not like it/);
      assert.match(error.stderr, /RangeError/);
    }
    assert.deepEqual(filesIn(home), []);
    const manager = await open(home);
    await manager.close();
  });
});

void test("a server that is not ready after startTimeout is killed, and nothing is left", async () => {
  await inHome(async (home) => {
    const started = `${home}-started`;
    const initializer = { module: setup, export: "hang", args: [started] };
    await assert.rejects(open(home, { initializer, startTimeout: 1000 }), ProcessError);
    assert.deepEqual(filesIn(home), []);
    // A loaded machine may not have come as far as that.
    if (existsSync(started)) assert.ok(!isRunning(Number(readFileSync(started, "utf8"))));
  });
});

void test("who waits for another starter gets TimeoutError after startTimeout: it names the lock", async () => {
  await inHome(async (home) => {
    await withOpener(home, async (starter) => {
      const half = halfStarted(home, "waitFor");
      const opened = starter.tell({ do: "open", name: "it", options: half.options });
      await half.pid();
      starter.signal("SIGSTOP");
      const error = await refusal(open(home, { startTimeout: 300 }));
      assert.ok(error instanceof TimeoutError, String(error));
      assert.match(error.message, /"it" in 300 ms/);
      assert.ok(error.message.includes(`"${join(home, "it", "lock.1")}"`), error.message);
      const patient = open(home);
      starter.signal("SIGCONT");
      half.go();
      assert.equal((await opened)?.pid, await pidOf(await patient));
      await (await patient).close();
    });
  });
});

void test("a server that does not answer: TimeoutError names its process, and nobody takes its place", async () => {
  await inHome(async (home) => {
    const manager = await open(home);
    const pid = await pidOf(manager);
    process.kill(pid, "SIGSTOP");
    try {
      const errors = await Promise.all([300, 400].map((startTimeout) => {
        return refusal(open(home, { startTimeout }));
      }));
      for (const error of errors) {
        assert.ok(error instanceof TimeoutError, String(error));
        assert.ok(error.message.includes(`process ${pid}`), error.message);
      }
    } finally {
      process.kill(pid, "SIGCONT");
    }
    const other = await open(home);
    assert.equal(await pidOf(other), pid);
    await Promise.all([manager.close(), other.close()]);
  });
});

/** Starts a server for the directory as `Manager.open` does, without giving it the name. */
async function startUnnamed(directory: string) {
  const address = `unix:${join(directory, "s-0123abcd")}`;
  const authkey = randomAuthkey();
  const server = await startServerProcess(
    address,
    authkey,
    { namedDirectory: directory },
    { logFile: join(directory, "server.log") },
  );
  const file = keyFile(address, { authkey: authkeyText(authkey), pid: server.pid });
  return { server, file };
}

void test("a server whose starter dies before it has the name ends, and touches no other's files", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home);
    writeKeyFile(keyFileOf(home), keyFile(`unix:${directory}/s-ffffffff`));
    const { server } = await startUnnamed(directory);
    server.endStdin();
    assert.deepEqual(await server.exited, { code: 0, signal: null });
    assert.deepEqual(readdirSync(directory).sort(), ["manager.json", "server.log"]);
    rmSync(home, { recursive: true });
  });
});

void test("a server whose starter dies after it has the name stays, whatever the starter still had to do", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home);
    const { server, file } = await startUnnamed(directory);
    writeKeyFile(keyFileOf(home), file);
    server.endStdin();
    const manager = await open(home);
    assert.equal(await pidOf(manager), server.pid);
    await manager.shutdown();
    assert.deepEqual(await server.exited, { code: 0, signal: null });
  });
});

void test("a server that ends leaves the manager.json of another server that has the name", async () => {
  await inHome(async (home) => {
    const manager = await open(home, { idleTimeout: 60_000 });
    const other = keyFile("unix:/tmp/referent-none/s");
    writeKeyFile(keyFileOf(home), other);
    await manager.shutdown();
    assert.deepEqual(readKeyFile(keyFileOf(home)), other);
    rmSync(home, { recursive: true });
  });
});

void test("whatever the order of three contenders' steps, and whoever is killed after which, one leads", () => {
  for (const turns of [[2, 2], [2, 1, 1]]) {
    const { states, led } = explore(turns);
    assert.ok(led > 0);
    console.log(`# ${turns.length} contenders: ${states} states`);
  }
});

void test("many contenders lead one after the other, and nothing is left of them", async () => {
  await inHome(async (home) => {
    const directory = makeDirectory(home);
    await leaveSocket(directory, "lock.3");
    const deadline = new Deadline("Cannot lead", 60_000);
    let leaders = 0;
    const lead = async () => {
      for (;;) {
        const leadership = await contend(directory, deadline);
        if (!leadership) continue;
        assert.equal(++leaders, 1);
        await new Promise((resolve) => setImmediate(resolve));
        assert.equal(leaders--, 1);
        return leadership.resign();
      }
    };
    await Promise.all(Array.from({ length: 20 }, lead));
    assert.deepEqual(readdirSync(directory), ["lock.3"]);
    rmSync(home, { recursive: true });
  });
});

void test("a named manager is listed and read; one that was killed is listed as dead", async () => {
  await inHome(async (home) => {
    assert.deepEqual(await at(home, listNamed), []);
    await assert.rejects(at(home, () => readNamed("it")), ConnectionClosedError);
    const manager = await open(home);
    const pid = await pidOf(manager);
    const { address } = manager;
    assert.deepEqual(await at(home, listNamed), [{ name: "it", address, pid, alive: true }]);
    assert.equal((await at(home, () => readNamed("it"))).address, address);
    const closed = endOf(manager);
    process.kill(pid, "SIGKILL");
    await closed;
    await eventually("its sockets are closed", () => !isRunning(pid));
    assert.deepEqual(await at(home, listNamed), [{ name: "it", address, pid, alive: false }]);
    await (await open(home)).close();
  });
});

for (const address of [undefined, "tcp://127.0.0.1:0"]) {
  void test(`a server of this process at ${address ?? "unix:"} can have a name`, async () => {
    await inHome(async (home) => {
      const authkey = "sixteen bytes or more";
      const server = await Manager.serve({ address, authkey });
      const file = keyFile(server.address, { authkey, pid: process.pid });
      const unregister = await at(home, () => register("it", file));
      await assert.rejects(at(home, () => register("it", file)), NameTakenError);
      const manager = await open(home);
      assert.equal(manager.address, server.address);
      await manager.close();
      await unregister();
      assert.deepEqual(filesIn(home), []);
      const other = await open(home);
      assert.notEqual(other.address, server.address);
      await unregister(); // the name is another one's by now
      assert.ok(existsSync(keyFileOf(home)));
      await other.close();
      await server.close();
    });
  });
}

void test("a server with a certificate can have no name", async () => {
  await assert.rejects(at("/tmp/d", () => register("it", keyFile("tls://localhost:1"))), TypeError);
});

/** Runs the program once.ts in Deno with these flags. */
async function inRestrictedDeno(home: string, flags: readonly string[]): Promise<string> {
  const program = new URL("tests/fixtures/open/once.ts", source);
  const config = new URL("deno.json", source);
  const { stdout } = await promisify(execFile)(runtimePath("deno"), [
    ...["run", "--no-prompt", "--quiet", "--config", fileURLToPath(config)],
    ...flags,
    ...[fileURLToPath(program), "it"],
  ], { env: { ...process.env, REFERENT_DIR: home } });
  return stdout.trim();
}

void test("Deno opens managers with the permissions that the error names", async () => {
  await inHome(async (home) => {
    const least = ["--allow-env=REFERENT_DIR", "--allow-sys=uid"];
    const named = await inRestrictedDeno(home, least);
    assert.match(named, /^ManagerError: Cannot use/);
    const text =
      /Run the program with (.*); to start a manager, also with (.*), and (.*) without a/;
    const [, joining, run, env] = text.exec(named) ?? assert.fail(named);
    const manager = await open(home);
    const flags = joining!.split(" ");
    assert.equal(await inRestrictedDeno(home, flags), "opened");
    await manager.shutdown();
    const starting = [...flags.filter((flag) => !flag.startsWith(env!)), run!, env!];
    assert.equal(await inRestrictedDeno(home, starting), "opened");
    assert.match(await inRestrictedDeno(home, least.slice(0, 1)), /--allow-sys=uid/);
  });
});

void test(
  "a place where no directory can be made is told",
  { skip: process.platform !== "linux" },
  async () => {
    await assert.rejects(at("/proc/referent", () => Manager.open("it")), {
      name: "ManagerError",
      message: /^Cannot use "\/proc\/referent\/it": .*choose another with REFERENT_DIR/,
    });
  },
);

void test(
  "the race: whoever is killed or stopped, one server lives after each round",
  campaignTime,
  async () => {
    const [processes, rounds] = campaigning ? [50, 100] : [6, 5];
    const seed = Date.now() % 1e6;
    await inHome(async (home) => {
      const start = performance.now();
      const counts = await race({ home, processes, rounds, seed, told: tellCampaign });
      const time = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`# race of ${processes} processes, seed ${seed}, ${time} s:`, counts);
      assert.equal(counts.rounds, rounds);
      assert.ok(counts.servers >= rounds / 2);
    });
  },
);

void test("leaves nothing behind", assertClean);
