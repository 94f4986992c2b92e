/**
 * Bad days of processes, pipes, named managers and the command line: a server that hangs, a program
 * that exits too early, options that are wrong, files of another release.
 *
 * @module
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { table } from "../lib/cli/text.ts";
import { register } from "../lib/manager/named.ts";
import { defineTasks, type MapOptions, Pipe, Pool, Process } from "../lib/process.ts";
import { Parcels, untilClaimed } from "../lib/process/parcel.ts";
import { stateOf } from "../lib/proxy.ts";
import { protocolVersion } from "../lib/wire/protocol.ts";
import { type ListProxy, Manager, ProcessError, ProtocolError } from "../mod.ts";
import { tasks } from "./fixtures/pool/tasks.ts";
import { startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { beBusy } from "./support/events.ts";
import { withPool } from "./support/pools.ts";
import { currentRuntime, fixture, runtimePath } from "./support/runtimes.ts";

const functions = fixture("process/functions.ts");
const skip = process.platform === "win32" && "Windows stops no process with a signal";

/** The runtime that starts fastest, where it does not matter which. */
const fast = { name: "bun", path: runtimePath("bun") } as const;

/** Lets the body have a list of a server, and what makes that hang and go on. */
async function withServer(
  body: (list: ListProxy<number>, signal: (name: "SIGSTOP" | "SIGCONT") => void) => Promise<void>,
): Promise<void> {
  const manager = await Manager.start({ runtime: fast, startTimeout: 60_000 });
  const list = await manager.list([1]);
  const { pid } = await manager.debugInfo();
  const signal = (name: "SIGSTOP" | "SIGCONT") => void process.kill(pid, name);
  try {
    await body(list, signal);
  } finally {
    signal("SIGCONT");
    await manager.shutdown();
  }
}

/** Lets the body have a list of a server that hangs. */
function withHungServer(body: (list: ListProxy<number>) => Promise<void>): Promise<void> {
  return withServer(async (list, signal) => {
    signal("SIGSTOP");
    await body(list);
  });
}

// Processes.

void test("Process.start() ends after startTimeout although the server of a proxy in args hangs", {
  skip,
}, () =>
  withHungServer(async (list) => {
    const child = new Process(functions, { export: "add", args: [list], startTimeout: 100 });
    await assert.rejects(child.start(), (error) => {
      assert.ok(error instanceof ProcessError);
      assert.match(
        error.message,
        /"functions\.[jt]s" did not start: The server at "unix:.*" is busy or stopped: .* 100 ms/,
      );
      return true;
    });
    assert.equal(child.alive, false);
  }));

for (const how of ["kill", "terminate"] as const) {
  void test(`${how}() while a process starts ends it, and start() rejects`, { skip }, async () => {
    // One that never comes.
    const child = new Process(functions, {
      export: "forever",
      runtime: { name: "node", path: "/bin/cat", args: ["-"] },
      stdio: "pipe",
      startTimeout: 60_000,
    });
    const refused = assert.rejects(child.start(), (error) => {
      assert.ok(error instanceof ProcessError);
      return error.exitSignal === (how === "kill" ? "SIGKILL" : "SIGTERM");
    });
    child[how]();
    await refused;
    assert.equal(child.alive, false);
  });
}

void test("start() of a detached function does not wait for a function that never yields", async () => {
  const child = new Process(fixture("process_faults/functions.ts"), {
    export: "busy",
    args: [600_000],
    detached: true,
    runtime: fast,
    startTimeout: 3_000,
  });
  await child.start();
  child.kill();
  await assert.rejects(child.join(), { name: "ProcessError", message: /signal SIGKILL/ });
});

void test(
  "a program that exits while a process starts leaves no socket behind",
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "referent-faults-"));
    const command = join(folder, "command");
    // Ends with its stdin.
    writeFileSync(command, '#!/bin/sh\n: > "$TMPDIR/started"\nexec cat\n', { mode: 0o700 });
    const options = { args: [command], env: { TMPDIR: folder } };
    const program = startScript(currentRuntime, fixture("process_faults/exits.ts"), options);
    const { code, stderr } = await program.end;
    assert.equal(code, 0, stderr);
    assert.deepEqual(readdirSync(folder).sort(), ["command", "started"]);
    rmSync(folder, { recursive: true });
  },
);

void test("a child that has ended does not keep its parent alive", async () => {
  const program = startScript(currentRuntime, fixture("process_faults/ends.ts"));
  const { code, stdout, stderr } = await program.end;
  assert.deepEqual([code, stdout], [0, ""], stderr);
});

void test("a join() that was given up keeps no program alive", async () => {
  const program = startScript(currentRuntime, fixture("process_faults/gives_up.ts"));
  const { code, stdout, stderr } = await program.end;
  assert.deepEqual([code, stdout], [0, "TimeoutError\n"], stderr);
});

void test("a Process refuses options of the wrong kind", async () => {
  const wrong: [Record<string, unknown>, RegExp][] = [
    [{ name: 5 }, /"name" takes a text, got "5"$/],
    [{ env: "A=1" }, /"env" takes an object of variables, each a text, got "A=1"$/],
    [{ env: { A: 5 } }, /"env" takes an object of variables/],
    [{ permissions: "write" }, /"permissions" takes "all", or an array of flags.*, got "write"$/],
    [{ detached: "yes" }, /"detached" takes true or false, got "yes"$/],
    [{ daemon: 1 }, /"daemon" takes true or false, got "1"$/],
    [{ toString: 1 }, /no option "toString"/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(() => new Process(functions, options), { name: "TypeError", message });
  }
  assert.throws(() => new Process(functions, { runtime: "perl" as "node" }), noRuntime);
  await assert.rejects(new Process(functions).join({ timeuot: 1 } as never), {
    name: "TypeError",
    message: 'join() has no option "timeuot": it takes timeout, signal',
  });
});

const noRuntime = {
  name: "TypeError",
  message: 'The runtime "perl" is not one of "deno", "bun", "node"',
};

void test("a runtime that is none is refused before anything is started", async () => {
  const wrong: [unknown, RegExp][] = [
    [null, /^The runtime "null" is not one of/],
    ["/usr/bin/node", /^The runtime "\/usr.*" is not .*; its path is \{ name, path: "\/usr.*" \}$/],
    [{ name: "node", pth: "/bin/node" }, /has no "pth": it takes name, path, args, env$/],
    [{ name: "node", path: 5 }, /^The path of a runtime is a text, got "5"$/],
    [{ name: "node", args: "--x" }, /^The args of a runtime are an array of flags, got "--x"$/],
  ];
  for (const [value, message] of wrong) {
    const options = { runtime: value as "node" };
    assert.throws(() => new Process(functions, options), { name: "TypeError", message });
    assert.throws(() => new Pool(1, options), { name: "TypeError", message });
    await assert.rejects(Manager.start(options), { name: "TypeError", message });
    await assert.rejects(Manager.open("it", options), { name: "TypeError", message });
  }
  assert.throws(() => new Pool(2, { runtime: ["bun", "perl" as "node"] }), noRuntime);
  assert.throws(() => new Pool(2, { runtime: [] }), { name: "TypeError", message: /"runtime"/ });
});

// Pipes.

void test(
  "a send() that waits for a server that hangs ends with its signal, and holds up no other",
  {
    skip,
  },
  () =>
    withHungServer(async (list) => {
      const [a, b] = await Pipe<unknown>();
      const gone = new AbortController();
      const reason = new Error("no longer");
      const stuck = assert.rejects(a.send(list, { signal: gone.signal }), reason);
      const behind = assert.rejects(a.send("behind", { signal: gone.signal }), reason);
      const later = a.send("later");
      gone.abort(reason);
      await Promise.all([stuck, behind, later]);
      assert.equal(await b.receive(), "later");
      await a.close();
      await b.close();
    }),
);

void test(
  "receive() ends with its signal while the server of what came hangs, and nothing is lost",
  { skip },
  () =>
    withServer(async (list, signal) => {
      const [a, b] = await Pipe<unknown>();
      await a.send(list);
      await a.send("behind");
      signal("SIGSTOP");
      const gone = new AbortController();
      const reason = new Error("no longer");
      const stuck = assert.rejects(b.receive({ signal: gone.signal }), reason);
      assert.equal(await b.receive(), "behind"); // so the other message is here, too
      await assert.rejects(a.send(b), { name: "TypeError", message: /while receive\(\) waits/ });
      gone.abort(reason);
      await stuck;
      assert.equal(await b.poll(), true);
      await assert.rejects(a.send(b), { name: "TypeError", message: /a message that came/ });
      signal("SIGCONT");
      assert.equal(await (await b.receive() as ListProxy<number>).length(), 1);
      await a.close();
      await b.close();
    }),
);

void test(
  "a server that hangs has a time to give its tickets, whoever waits for them",
  { skip },
  () =>
    withHungServer(async (list) => {
      await assert.rejects(new Parcels().pack([list], "args", untilClaimed, 50), {
        name: "TimeoutError",
        message: /^The server at "unix:.*" is busy or stopped: it has not answered after 50 ms$/,
      });
    }),
);

void test("Pipe() in a restricted Deno names flags that work the next time", async () => {
  const start = async (permissions: string[]) => {
    const child = new Process<string>(fixture("process_faults/functions.ts"), {
      export: "pipe",
      runtime: { name: "deno", path: runtimePath("deno") },
      permissions,
      startTimeout: 60_000,
    });
    await child.start();
    return await child.join();
  };
  const text = await start([]);
  assert.match(
    text,
    /^ProcessError: Cannot make a pipe: .*\nRun the program with --allow-net --allow/,
  );
  assert.equal(await start(text.match(/--allow-(net|(read|write)=\S+)/g)!), "passed");
});

// Pools.

void test("a Pool refuses options that are misspelt or of the wrong kind", async () => {
  assert.throws(() => new Pool(1, { startTimeout: -1 }), /^RangeError: A timeout must be/);
  const pool = new Pool(1);
  const { square } = defineTasks(functions.href, { square: (x: number) => x * x });
  const misspelt = { chunksize: 1 } as MapOptions;
  await assert.rejects(pool.map(square, [1], misspelt), {
    name: "TypeError",
    message:
      /^A pool's call has no option "chunksize": it takes timeout, signal, retries, chunkSize/,
  });
  await pool.terminate();
});

void test(
  "a pool goes on while the server of an argument hangs",
  { skip },
  () =>
    withHungServer((list) =>
      withPool(1, { threads: true }, async (pool) => {
        const worker = await pool.apply(tasks.worker);
        const controller = new AbortController();
        const stuck = pool.apply(tasks.append, [list, 1], controller);
        controller.abort();
        await assert.rejects(stuck, { name: "AbortError" });
        assert.equal(await pool.apply(tasks.worker), worker, "it had nothing to be killed for");
        const made = assert.rejects(pool.actor(tasks.Model, list as never), {
          name: "WorkerLostError",
        });
        await pool.terminate();
        await made;
      })
    ),
);

void test(
  "a pool whose initializer is given something of a server that hangs fails after startTimeout",
  { skip },
  () =>
    withHungServer((list) => {
      const initializer = { module: tasks.square.module, export: "initialize", args: [list] };
      const options = { threads: true, initializer, startTimeout: 1500 };
      return withPool(1, options, async (pool) => {
        // A loaded machine may not come as far as that.
        await assert.rejects(pool.apply(tasks.square, [1]), {
          name: "ProcessError",
          message: /The server at "unix:.*" is busy or stopped|was not ready after 1500 ms/,
        });
      });
    }),
);

// Names.

/** Lets the body have a directory for managers; REFERENT_DIR is it while an action begins. */
async function inHome(
  body: (home: string, at: <T>(action: () => T) => T) => Promise<void>,
): Promise<void> {
  const home = mkdtempSync(join(tmpdir(), "referent-faults-"));
  try {
    await body(home, (action) => {
      const before = process.env.REFERENT_DIR;
      process.env.REFERENT_DIR = home;
      try {
        return action();
      } finally {
        if (before === undefined) delete process.env.REFERENT_DIR;
        else process.env.REFERENT_DIR = before;
      }
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

void test("a server takes its name again at the address where one of the name was killed", () =>
  inHome(async (home, at) => {
    const socket = mkdtempSync(join(tmpdir(), "referent-faults-"));
    const server = await Manager.serve({ address: `unix:${socket}/s` });
    const { address, env } = server;
    const file = { version: protocolVersion, address, serializer: "messagepack" };
    const own = { ...file, authkey: env["REFERENT_AUTHKEY"]!, pid: process.pid };
    const path = join(home, "it", "manager.json");
    const written = () => JSON.parse(readFileSync(path, "utf8"));
    mkdirSync(join(home, "it"), { mode: 0o700 });
    const killed = { ...file, authkey: "of the one that was killed", pid: 4711 };
    writeFileSync(path, JSON.stringify(killed), { mode: 0o600 });
    const withdraw = await at(() => register("it", own));
    assert.deepEqual(written(), own);
    // Whoever ended by itself may already have a successor there.
    const successor = { ...own, pid: 4712 };
    writeFileSync(path, JSON.stringify(successor), { mode: 0o600 });
    await withdraw();
    assert.deepEqual(written(), successor);
    await server.close();
    rmSync(socket, { recursive: true });
  }));

void test("an address that only another release understands is a ProtocolError, and stays", () =>
  inHome(async (home, at) => {
    const text = JSON.stringify({ version: 99, address: "quic://x", pid: 4711 });
    mkdirSync(join(home, "it"), { mode: 0o700 });
    writeFileSync(join(home, "it", "manager.json"), text, { mode: 0o600 });
    await assert.rejects(at(() => Manager.open("it")), (error) => {
      assert.ok(error instanceof ProtocolError, String(error));
      assert.match(error.message, /"quic:\/\/x" speaks version "99".*process 4711/);
      return true;
    });
    assert.equal(readFileSync(join(home, "it", "manager.json"), "utf8"), text);
  }));

void test("a name whose tcp: server accepts nobody is no wait without an end", {
  skip: process.platform !== "linux" && "elsewhere a full backlog refuses",
}, () =>
  inHome(async (home, at) => {
    const program = startScript("node", fixture("process_faults/listens.ts"));
    const port = Number(await program.line());
    // Not by the child's own kill(), after which Deno 2.9 does not see its end.
    const signal = (name: "SIGSTOP" | "SIGKILL") => void process.kill(program.process.pid!, name);
    signal("SIGSTOP");
    const sockets: Socket[] = [];
    try {
      for (const _ of [1, 2]) {
        const socket = connect(port, "127.0.0.1");
        sockets.push(socket);
        await once(socket, "connect");
      }
      const address = `tcp://127.0.0.1:${port}`;
      const key = { version: protocolVersion, address, authkey: "x".repeat(16), pid: 4711 };
      mkdirSync(join(home, "it"), { mode: 0o700 });
      const text = JSON.stringify({ ...key, serializer: "messagepack" });
      writeFileSync(join(home, "it", "manager.json"), text, { mode: 0o600 });
      await assert.rejects(at(() => Manager.open("it", { startTimeout: 100 })), {
        name: "TimeoutError",
        message:
          `Cannot open the manager "it" in 100 ms: the server at "${address}" does not answer; if it hangs, end process 4711`,
      });
    } finally {
      for (const socket of sockets) socket.destroy();
      signal("SIGKILL");
      await program.end;
    }
  }));

// The command line.

void test(
  "who joins a server that hangs is told which one, and what to do",
  { skip },
  () =>
    withHungServer(async (list) => {
      const { env, address } = stateOf(list)!.owner;
      // `referent call` and `top` print what Manager.connect() says.
      await assert.rejects(Manager.connect({ env, startTimeout: 100 }), {
        name: "ConnectionClosedError",
        message:
          `The server at "${address}" did not answer in 100 ms: it is busy or stopped; try again, or end its process`,
      });
    }),
);

test("a table's headings, which a server may choose, leave a terminal nothing to obey", () => {
  assert.deepEqual(table(["A\x1b[2J"], [["b"]]), ["A\\u{1b}[2J", "b"]);
});

test("a child has come in time if its parent was busy meanwhile, for longer than startTimeout", async () => {
  const options = { runtime: fast, startTimeout: 2000 };
  const child = new Process(functions, { export: "add", args: [1, 2], ...options });
  const pool = new Pool(1, options);
  const [started, result] = [child.start(), pool.apply(tasks.square, [3])];
  await setTimeout(20);
  beBusy(2300);
  await started;
  assert.equal(await child.join(), 3);
  assert.equal(await result, 9);
  await pool.terminate();
});

test("leaves nothing behind", assertClean);
