/**
 * The command `referent`: its words, its texts, its key files, and the program itself as a child of
 * this runtime. Where the environment does not matter a command runs in this process.
 *
 * @module
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readCommandLine } from "../lib/cli/command.ts";
import { runCommand } from "../lib/cli/main.ts";
import { sampleOf } from "../lib/cli/sample.ts";
import { duration, jsonLine, printable, table } from "../lib/cli/text.ts";
import { readArgument, resultAsJson, showResult } from "../lib/cli/values.ts";
import { version } from "../lib/cli/version.ts";
import { redrawn, viewOf } from "../lib/cli/view.ts";
import type { Terminal } from "../lib/runtime.ts";
import { removeAbandonedSockets } from "../lib/wire/socket_directory.ts";
import { type DebugInfo, Manager } from "../mod.ts";
import { type Child, runScript, startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { currentRuntime, fixture, moduleUrl, runtimeCommand, source } from "./support/runtimes.ts";

const types = fileURLToPath(fixture("cli/types.ts"));

// A command in this process, or as a child.

/** A terminal that keeps what is written. */
class TestTerminal implements Terminal {
  readonly interactive: boolean;
  out = "";
  err = "";
  readonly #stop = new AbortController();
  readonly #unread = new AbortController();
  /** Called with each text that is printed. */
  printed: (text: string) => void = () => {};

  constructor(interactive = false) {
    this.interactive = interactive;
  }
  get unread(): AbortSignal {
    return this.#unread.signal;
  }
  size(): { columns: number; rows: number } {
    return { columns: 40, rows: 6 };
  }
  print(text: string): Promise<void> {
    this.out += text;
    this.printed(text);
    return Promise.resolve();
  }
  complain(text: string): Promise<void> {
    this.err += text;
    return Promise.resolve();
  }
  untilStopped(): AbortSignal {
    return this.#stop.signal;
  }
  stop(): void {
    this.#stop.abort();
  }
  stopReading(): void {
    this.#unread.abort();
  }
}

interface Run {
  code: number;
  out: string;
  err: string;
}

async function referent(...args: string[]): Promise<Run> {
  const terminal = new TestTerminal();
  const code = await runCommand(args, terminal);
  return { code, out: terminal.out, err: terminal.err };
}

/** The command as a child of this runtime. */
function start(args: string[], env: Record<string, string> = {}): Child {
  const program = moduleUrl(new URL("../lib/cli.ts", import.meta.url));
  return startScript(currentRuntime, program, { args, env });
}

async function run(args: string[], env: Record<string, string> = {}): Promise<Run> {
  const { code, stdout, stderr } = await start(args, env).end;
  return { code: code!, out: stdout, err: stderr };
}

/** A folder for sockets and key files. */
async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "cli-"));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Hosted {
  address: string;
  socket: string;
  keyFile: string;
  manager: Manager;
  stop(): void;
  /** How the command ended. */
  end: Promise<Run>;
}

/** `referent serve` in this process, at a socket in a folder of its own, and a client of it. */
async function hosting(args: string[], use: (hosted: Hosted) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const socket = join(folder, "s");
    const address = `unix:${socket}`;
    const terminal = new TestTerminal();
    const ready = new Promise<void>((resolve) => terminal.printed = () => resolve());
    const end = runCommand(["serve", ...args, "--address", address], terminal).then((code) => ({
      code,
      out: terminal.out,
      err: terminal.err,
    }));
    await Promise.race([ready, end.then(({ err }) => assert.equal(err, ""))]);
    const keyFile = `${socket}.json`;
    const { authkey } = JSON.parse(readFileSync(keyFile, "utf8"));
    const serializer = args.includes("json") ? (await import("../mod.ts")).json : undefined;
    const manager = await Manager.connect({ address, authkey, serializer });
    const stop = () => terminal.stop();
    try {
      await use({ address, socket, keyFile, manager, stop, end });
    } finally {
      await manager.close();
      stop();
      await end;
    }
  });
}

/** `referent serve` without an address, in this process; resolves to the one that it chose. */
async function serving(
  use: (address: string, stop: () => void) => void | Promise<void>,
  ...args: string[]
): Promise<string> {
  const terminal = new TestTerminal();
  const ready = new Promise<void>((resolve) => terminal.printed = () => resolve());
  const end = runCommand(["serve", ...args], terminal);
  await ready;
  const address = terminal.out.trim();
  try {
    await use(address, () => terminal.stop());
    if (args.length > 0) await end;
  } finally {
    terminal.stop();
    assert.equal(await end, 0);
  }
  return address;
}

// Words, help, errors.

test("referent --help names every command, referent COMMAND --help each option, with exit code 0", async () => {
  const general = await referent("--help");
  assert.equal(general.code, 0);
  for (const name of ["serve", "ls", "top", "call"]) {
    assert.match(general.out, new RegExp(`^  ${name} `, "m"));
    const help = await referent(name, "--help");
    assert.equal(help.code, 0);
    assert.ok(help.out.startsWith(`usage: referent ${name} `), help.out);
    assert.match(help.out, /^ {2}--json /m);
    for (const line of help.out.split("\n")) assert.ok(line.length <= 80, line);
    assert.deepEqual(await referent(name, "-h"), help);
  }
  assert.match((await referent("serve", "--help")).out, /--idle-timeout MS {2}/);
});

test("referent --version prints the version of deno.json, also as JSON", async () => {
  const config = JSON.parse(readFileSync(new URL("deno.json", source), "utf8"));
  assert.equal(version, config.version);
  assert.deepEqual(await referent("--version"), { code: 0, out: `${version}\n`, err: "" });
  assert.equal((await referent("--version", "--json")).out, `{"version":"${version}"}\n`);
});

test("misuse is exit code 2 and one line that says what is right", async () => {
  const cases: [args: string[], text: string][] = [
    [["fly"], 'Unknown command "fly": there are serve, ls, top, call; see "referent --help"'],
    [["top"], '"referent top" needs ADDRESS|NAME'],
    [["call", "x", "y"], '"referent call" needs METHOD [ARG...]'],
    [["ls", "x"], '"referent ls" takes no words, "x" is one too many'],
    [["top", "a", "b"], '"referent top" takes ADDRESS|NAME, "b" is one too many'],
    [["ls", "--fast"], 'Unknown option "--fast": "referent ls" takes --json, --help'],
    [["ls", "--toString"], 'Unknown option "--toString": "referent ls" takes --json, --help'],
    [["--fast"], 'Unknown option "--fast": "referent" takes --version, --json, --help'],
    [["ls", "--json=1"], 'The option "--json" takes no value, got "1"'],
    [["serve", "--name"], 'The option "--name" needs a value: "--name NAME"'],
    [["serve", "--name", "--json"], 'The option "--name" needs a value: "--name NAME"'],
    [
      ["top", "x", "--interval", "0"],
      'The option "--interval" takes 1 to 2147483647 milliseconds, got "0"',
    ],
    [
      ["top", "x", "--interval", "soon"],
      'The option "--interval" takes 1 to 2147483647 milliseconds, got "soon"',
    ],
    [
      ["serve", "--idle-timeout", "-1"],
      'The option "--idle-timeout" takes 0 to 2147483647 milliseconds, got "-1"',
    ],
    [
      ["serve", "--serializer", "xml"],
      'Unknown serializer "xml": there are messagepack, json, and those that MODULE exports',
    ],
    [
      ["serve", "--address", "tcp://127.0.0.1:0"],
      'To listen at "tcp://127.0.0.1:0" takes a key that others know: set REFERENT_AUTHKEY',
    ],
    [
      ["top", "tcp://127.0.0.1:1"],
      'The key of "tcp://127.0.0.1:1" is needed: set REFERENT_AUTHKEY',
    ],
    [["top", "memory:1"], 'The address "memory:1" is of a server in another process\'s memory'],
  ];
  for (const [args, text] of cases) {
    assert.deepEqual(await referent(...args), { code: 2, out: "", err: `referent: ${text}\n` });
  }
  const unread = await referent("serve", "--tls-cert", "/not/there");
  assert.equal(unread.code, 2);
  assert.match(unread.err, /The option "--tls-cert" takes the path of a PEM file: .*\/not\/there/);
  assert.match((await referent("serve", "--address", "here")).err, /is not of the form "unix:/);
  assert.match((await referent("call", "unix:/x", "o", "m", '{"$":1}')).err, /the only key/);
  const nothing = await referent();
  assert.equal(nothing.code, 2);
  assert.match(nothing.err, /^usage: referent COMMAND/);
});

test("words may be negative numbers, and anything behind --", () => {
  const syntax = { name: "x", words: ["[ARG...]"], options: { a: { value: "A", help: "" } } };
  const args = ["-5", "--a", "-1", "-12.5e3", "--json", "b", "--", "--json", "-h"];
  const { words, options } = readCommandLine(syntax, args);
  assert.deepEqual(words, ["-5", "-12.5e3", "b", "--json", "-h"]);
  assert.deepEqual([...options], [["a", "-1"], ["json", ""]]);
});

// Pure functions.

test("printable and jsonLine leave a terminal nothing to obey", () => {
  const name = "a\x1b[2J\r\n\x9b\u202e\u2028é漢";
  assert.equal(printable(name), "a\\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{202e}\\u{2028}é漢");
  const line = jsonLine({ name, astral: "\u{e0001}" });
  assert.doesNotMatch(line.slice(0, -1), /[\p{C}\p{Zl}\p{Zp}]/u);
  assert.deepEqual(JSON.parse(line), { name, astral: "\u{e0001}" });
});

test("a table aligns numbers right and text left", () => {
  assert.deepEqual(table(["NAME", "N"], [["a", 1], ["long name", 22]]), [
    "NAME        N",
    "a           1",
    "long name  22",
  ]);
  assert.deepEqual(table(["A", "B"], [["-", 1.234], [1, 12.34]]), [
    "A     B",
    "-  1.23",
    "1  12.3",
  ]);
});

test("duration is short at every size", () => {
  const cases: [number, string][] = [
    [0, "0ms"],
    [999, "999ms"],
    [999.6, "1.0s"],
    [59_940, "59.9s"],
    [59_960, "1m 00s"],
    [125_000, "2m 05s"],
    [3 * 3_600_000 + 7 * 60_000, "3h 07m"],
    [97 * 3_600_000, "4d 01h"],
  ];
  for (const [time, text] of cases) assert.equal(duration(time), text);
});

test("an argument is JSON where it is JSON, else text; what JSON cannot say has the $ form", () => {
  const cases: [string, unknown][] = [
    ["5", 5],
    ["-5", -5],
    ['"5"', "5"],
    ["05", "05"],
    ["", ""],
    ["a b", "a b"],
    ["null", null],
    ['{"a":[1,true]}', { a: [1, true] }],
    ['{"$":["bigint","ff"]}', 255n],
    ['{"$":["date",0]}', new Date(0)],
    ['{"$":["map","a",1]}', new Map([["a", 1]])],
    ['{"$":["undefined"]}', undefined],
  ];
  for (const [text, value] of cases) assert.deepEqual(readArgument(text), value);
});

test("a result as JSON reads back as the same argument, of every kind", () => {
  const value = [
    1n,
    new Map<unknown, unknown>([[{ a: 1 }, new Set(["x"])]]),
    new Date(5),
    undefined,
    NaN,
    -0,
    Infinity,
    new Uint8Array([1, 2]),
    { $: 1 },
    "\x1b[2J\u{e0001}",
  ];
  const text = resultAsJson(value);
  assert.deepEqual(readArgument(text), value);
  assert.doesNotMatch(text, /\p{C}/u);
  assert.equal(resultAsJson({ a: [1, "x"] }), '{"a":[1,"x"]}');
});

test("a result is shown in Python's spelling; proxies are named, also in JSON", async () => {
  const manager = await Manager.local();
  const list = await manager.list([1]);
  assert.equal(showResult([1, "two", null, true]), "[1, 'two', None, True]");
  assert.equal(showResult("\x1b[2J"), "'\\x1b[2J'");
  const error = Object.assign(new Error("x"), { name: "\x1b[2J" });
  assert.equal(showResult(error), "\\u{1b}[2J('x')");
  assert.equal(showResult(list), "<ListProxy object, typeid 'list' at 0x1>");
  assert.equal(showResult([list]), "[<ListProxy object, typeid 'list' at 0x1>]");
  assert.equal(
    resultAsJson({ list, $: [list] }),
    `{"$":["object","list",{"$":["proxy","<ListProxy object, typeid 'list' at 0x1>"]},"$",[{"$":["proxy","<ListProxy object, typeid 'list' at 0x1>"]}]]}`,
  );
  const guard = await (await manager.lock()).acquire();
  assert.match(resultAsJson(guard), /^\{"\$":\["object",".*"\]\}$/);
  await manager.shutdown();
});

const info: DebugInfo = {
  address: "unix:/s",
  epoch: "e",
  pid: 7,
  runtime: "deno",
  uptime: 2000,
  objects: [
    { id: 1, typeid: "list", holds: { s1: 1 }, names: [], tickets: 0, waiters: [] },
    {
      id: 2,
      typeid: "lock",
      holds: {},
      names: ["a\x1b[2J"],
      tickets: 0,
      waiters: [{ session: "s2", method: "acquire", time: 1500 }],
      grants: [{ fence: 1, session: "s1", shared: false, levels: 2 }],
    },
    {
      id: 3,
      typeid: "queue",
      holds: {},
      names: ["jobs"],
      tickets: 0,
      waiters: [],
      queue: { ready: 4, leased: 1 },
    },
    {
      id: 4,
      typeid: "event",
      holds: {},
      names: [],
      tickets: 0,
      waiters: [{ session: "s1", method: "wait", time: 10 }],
    },
    { id: 5, typeid: "list", holds: {}, names: [], tickets: 0, waiters: [] },
  ],
  sessions: { s1: { objects: 1, waiting: 1 } },
  methods: { "list.push": { calls: 30, time: 3 }, "list.sort": { calls: 2, time: 8 } },
  suspects: [{ session: "s1", waitsFor: "<LockProxy>", heldBy: "s1" }],
};

test("a sample has calls a second since the one before, of the first since the start", () => {
  const first = sampleOf(info, undefined, new Date(0));
  assert.deepEqual(first.calls.methods, [
    { method: "list.sort", calls: 2, perSecond: 1, time: 8, meanTime: 4 },
    { method: "list.push", calls: 30, perSecond: 15, time: 3, meanTime: 0.1 },
  ]);
  assert.equal(first.calls.total, 32);
  const later = {
    ...info,
    uptime: 2500,
    methods: { ...info.methods, "list.push": { calls: 40, time: 4 } },
  };
  assert.equal(sampleOf(later, info, new Date(0)).calls.perSecond, 20);
  assert.equal(sampleOf(info, info, new Date(0)).calls.perSecond, 0);
});

test("the view shows suspects, holders, waiters, depths, sessions, methods and typeids", () => {
  const view = viewOf(sampleOf(info, undefined, new Date(0)));
  assert.deepEqual(view, [
    "unix:/s  pid 7  deno  up 2.0s",
    "sessions 1, objects 5, calls 32 (16.0/s)",
    "",
    "SUSPECT OF DEADLOCK  WAITS FOR    HELD BY",
    "s1                   <LockProxy>  s1",
    "",
    "LOCK                   HELD BY  WAITERS",
    'lock 0x2 "a\\u{1b}[2J"  s1 x2    s2 acquire 1.5s',
    "",
    "QUEUE             READY  LEASED",
    'queue 0x3 "jobs"      4       1',
    "",
    "WAITED FOR  WAITERS",
    "event 0x4   s1 wait 10ms",
    "",
    "SESSION  OBJECTS  WAITING",
    "s1             1        1",
    "",
    "SLOWEST METHOD  MEAN MS  CALLS  CALLS/S  TOTAL MS",
    "list.sort             4      2        1         8",
    "list.push          0.10     30       15         3",
    "",
    "TYPEID  OBJECTS",
    "list          2",
    "lock          1",
    "queue         1",
    "event         1",
  ]);
});

test("a view that is drawn again is cut to the screen and leaves nothing of the one before", () => {
  assert.equal(
    redrawn(["one", "two", "three"], { columns: 2, rows: 3 }),
    "\x1b[Hon\x1b[K\ntw\x1b[K\n\x1b[J",
  );
});

// serve, and its key file.

test("referent serve prints the address once it listens; the key file is 0600 and ends with it", async () => {
  let kept = "";
  await hosting([], async ({ address, socket, keyFile, manager, stop, end }) => {
    kept = keyFile;
    assert.equal(statSync(keyFile).mode & 0o777, 0o600);
    const content = JSON.parse(readFileSync(keyFile, "utf8"));
    assert.equal(content.address, address);
    assert.equal(content.serializer, "messagepack");
    assert.equal(typeof content.version, "number");
    assert.equal(content.pid, (await manager.debugInfo()).pid);
    stop();
    assert.deepEqual(await end, { code: 0, out: `${address}\n`, err: "" });
    assert.deepEqual([existsSync(keyFile), existsSync(socket)], [false, false]);
    assert.equal((await manager.closed).by, "server");
  });
  assert.equal(existsSync(kept), false);
});

test("referent serve ends when a client shuts it down, and takes its key file along", async () => {
  await hosting(["--json"], async ({ address, keyFile, manager, end }) => {
    await manager.shutdown();
    const { code, out } = await end;
    assert.equal(code, 0);
    assert.equal(JSON.parse(out).address, address);
    assert.equal(JSON.parse(out).name, null);
    assert.equal(existsSync(keyFile), false);
  });
});

test("referent serve --idle-timeout ends when nobody comes", async () => {
  await serving(() => Promise.resolve(), "--idle-timeout", "1");
});

test("referent serve MODULE has its types, --serializer its serializer", async () => {
  await hosting([types, "--serializer", "json"], async ({ address, keyFile, manager }) => {
    assert.equal(JSON.parse(readFileSync(keyFile, "utf8")).serializer, "json");
    const answers = await manager.create<object>("Answers");
    await manager.publish("answers", answers);
    const echoed = await referent("call", address, "answers", "echo", "1", "x");
    assert.deepEqual(echoed, { code: 0, out: "[1, 'x']\n", err: "" });
  });
});

test("referent serve without an address leaves nothing, whoever ends it", async () => {
  const socketOf = (address: string) => address.slice("unix:".length);
  const stopped = await serving((_, stop) => stop());
  const shut = await serving(async (address) => {
    const { authkey } = JSON.parse(readFileSync(`${socketOf(address)}.json`, "utf8"));
    await (await Manager.connect({ address, authkey })).shutdown();
  });
  for (const address of [stopped, shut]) {
    assert.equal(existsSync(join(socketOf(address), "..")), false);
  }
});

test("what a referent serve left that was killed goes at a next start, the key file too", async () => {
  const killed = start(["serve"]);
  const address = await killed.line();
  process.kill(killed.process.pid!, "SIGKILL");
  await killed.end;
  const folderOf = (of: string) => join(of.slice("unix:".length), "..");
  assert.deepEqual(readdirSync(folderOf(address)).sort(), ["s", "s.json"]);
  await serving(async (living) => {
    // It waits until nobody can still be starting there.
    for (const folder of [address, living].map(folderOf)) utimesSync(folder, 0, 0);
    await removeAbandonedSockets();
    assert.equal(existsSync(folderOf(address)), false);
    assert.deepEqual(readdirSync(folderOf(living)).sort(), ["s", "s.json"]);
  });
});

test("referent serve says what is wrong with a module or an address", async () => {
  const failing = async (...args: string[]) => {
    const { code, out, err } = await referent("serve", ...args);
    assert.deepEqual([code, out, err.split("\n").length], [1, "", 2], err);
    return err;
  };
  const noTypes = fileURLToPath(fixture("cli/no_types.ts"));
  assert.match(await failing(noTypes), /exports no result of defineTypes\(\): write `export/);
  assert.match(await failing(fileURLToPath(fixture("cli/throws.ts"))), /Cannot import .*not today/);
  assert.match(await failing("./not_there.js"), /Cannot import "\.\/not_there\.js": /);
  await hosting([], async ({ address, manager }) => {
    assert.match(await failing("--address", address), /a server listens there/);
    assert.equal(await manager.numberOfObjects(), 0);
  });
});

test("a key file takes the place of an old one, and of no other file", async () => {
  await withFolder(async (folder) => {
    const socket = join(folder, "s");
    const serveOnce = async () => {
      const terminal = new TestTerminal();
      terminal.printed = () => terminal.stop();
      const code = await runCommand(["serve", "--address", `unix:${socket}`], terminal);
      return { code, err: terminal.err };
    };
    const old = { version: 1, address: `unix:${socket}`, authkey: "", serializer: "", pid: 1 };
    writeFileSync(`${socket}.json`, JSON.stringify(old), { mode: 0o600 });
    assert.deepEqual(await serveOnce(), { code: 0, err: "" });
    assert.equal(existsSync(`${socket}.json`), false);
    writeFileSync(`${socket}.json`, '{"mine":1}', { mode: 0o600 });
    const { code, err } = await serveOnce();
    assert.equal(code, 1);
    assert.match(err, /Cannot write the key file ".*s\.json": there is another file; choose/);
    assert.equal(readFileSync(`${socket}.json`, "utf8"), '{"mine":1}');
    assert.equal(existsSync(socket), false);
  });
});

test("a key file that others could have read or written is refused", async () => {
  await hosting([], async ({ address, keyFile, manager }) => {
    const refusal = async () => {
      const { code, out, err } = await referent("top", address, "--once");
      assert.deepEqual([code, out], [1, ""]);
      return err;
    };
    chmodSync(keyFile, 0o640);
    assert.match(
      await refusal(),
      /has mode 640, so others may know the key: it must have mode 600/,
    );
    chmodSync(keyFile, 0o600);
    if (process.getuid?.() === 0) {
      chownSync(keyFile, 12_345, 0);
      assert.match(await refusal(), /belongs to user 12345, not to this one/);
      chownSync(keyFile, 0, 0);
    }
    const moved = `${keyFile}.moved`;
    renameSync(keyFile, moved);
    assert.match(await refusal(), /No key file for "unix:.*": set REFERENT_AUTHKEY, or host it/);
    symlinkSync(moved, keyFile);
    assert.match(await refusal(), /Cannot read the key file ".*": it is a symbolic link/);
    rmSync(keyFile);
    const content = JSON.parse(readFileSync(moved, "utf8"));
    writeFileSync(keyFile, JSON.stringify({ ...content, version: 1 }), { mode: 0o600 });
    assert.match(
      await refusal(),
      /speaks version "1" of the protocol, this program version "\d+": use/,
    );
    writeFileSync(keyFile, "nonsense");
    assert.match(await refusal(), /No key file for /);
    renameSync(moved, keyFile);
    assert.equal((await referent("top", address, "--once")).code, 0);
    assert.equal(await manager.numberOfObjects(), 0);
  });
});

// top

test("referent top --once --json shows a holder and a waiter, depth, calls and references", async () => {
  await hosting([], async ({ address, manager }) => {
    const lock = await manager.named("door").lock();
    const guard = await lock.acquire();
    const queue = await manager.named("jobs").queue<number>();
    await queue.putMany([1, 2, 3]);
    const abort = new AbortController();
    const waiting = assert.rejects(lock.acquire({ holding: null, signal: abort.signal }));
    const sample = await eventually("a waiter", async () => {
      const { code, out } = await referent("top", address, "--once", "--json");
      assert.equal(code, 0);
      const taken = JSON.parse(out);
      return taken.locks[0].waiters.length > 0 && taken;
    });
    const [door] = sample.locks;
    assert.deepEqual(door.names, ["door"]);
    assert.equal(door.holders[0].fence, guard.fence);
    assert.equal(door.waiters[0].method, "acquire");
    assert.equal(door.waiters[0].session, door.holders[0].session);
    assert.equal(sample.queues[0].depth.ready, 3);
    assert.deepEqual(sample.queues[0].names, ["jobs"]);
    assert.deepEqual(sample.objects, { total: 2, byTypeid: { lock: 1, queue: 1 } });
    assert.equal(sample.sessions[door.holders[0].session].objects, 2);
    const method = sample.calls.methods.find((one: { method: string }) =>
      one.method === "queue.putMany"
    );
    assert.equal(method.calls, 1);
    assert.ok(sample.calls.perSecond > 0);
    assert.ok(!Number.isNaN(Date.parse(sample.time)));
    const { out } = await referent("top", address, "--once");
    assert.match(out, /^lock 0x\w+ "door" +s\d+ +s\d+ acquire \d/m);
    assert.match(out, /^queue 0x\w+ "jobs" +3 /m);
    abort.abort();
    await waiting;
    await guard.release();
    assert.equal(await queue.size(), 3); // and so it was not collected before
  });
});

test("referent top samples until it is told to stop", async () => {
  await hosting([], async ({ address }) => {
    for (const interactive of [false, true]) {
      const terminal = new TestTerminal(interactive);
      let samples = 0;
      terminal.printed = () => ++samples === 3 && terminal.stop();
      assert.equal(await runCommand(["top", address, "--interval", "1"], terminal), 0);
      assert.equal(terminal.err, "");
      assert.equal(samples, 3);
      assert.equal(terminal.out.split("\x1b[H").length, interactive ? 4 : 1);
      assert.equal(terminal.out.split("sessions 2, objects").length, 4);
    }
  });
});

test("referent top ends when nobody reads it any more", async () => {
  await hosting([], async ({ address }) => {
    const terminal = new TestTerminal();
    terminal.printed = () => terminal.stopReading();
    assert.equal(await runCommand(["top", address, "--interval", "1"], terminal), 0);
  });
});

test("referent top ends with the server and says so", async () => {
  await hosting([], async ({ address, stop }) => {
    const terminal = new TestTerminal();
    terminal.printed = stop;
    const code = await runCommand(["top", address, "--json"], terminal);
    assert.equal(code, 0);
    assert.match(terminal.err, /^referent: The server at "unix:.*" has ended: The server ended: /);
    assert.equal(terminal.out.split("\n").length, 2);
  });
});

test("top and call say that nobody listens, and do not try again and again", async () => {
  await withFolder(async (folder) => {
    const address = `unix:${join(folder, "s")}`;
    const content = { version: 0, address, authkey: "x".repeat(16), serializer: "json", pid: 1 };
    const { protocolVersion } = await import("../lib/wire/protocol.ts");
    writeFileSync(
      `${folder}/s.json`,
      JSON.stringify({ ...content, version: protocolVersion }),
      { mode: 0o600 },
    );
    for (const args of [["top", address], ["call", address, "a", "b"]]) {
      const { code, err } = await referent(...args);
      assert.equal(code, 1);
      assert.match(err, /^referent: No server listens at "unix:.*": it has ended; "referent ls"/);
    }
  });
});

// call

test("referent call prints results for people and as JSON, and the items of iterators", async () => {
  await hosting([types], async ({ address, manager }) => {
    await manager.publish("answers", await manager.create<object>("Answers"));
    await manager.publish("jobs", await manager.queue());
    const call = async (...args: string[]) => {
      const { code, out, err } = await referent("call", address, ...args);
      assert.deepEqual([code, err], [0, ""]);
      return out;
    };
    assert.equal(
      await call("answers", "everything"),
      "[{'a': 1}, {1}, Date('1970-01-01T00:00:00.000Z'), None, nan, Uint8Array([255])]\n",
    );
    assert.equal(
      await call("answers", "everything", "--json"),
      '[{"$":["map","a",{"$":["bigint","1"]}]},{"$":["set",1]},{"$":["date",0]},{"$":["undefined"]},{"$":["number","NaN"]},{"$":["Uint8Array","/w=="]}]\n',
    );
    assert.equal(
      await call("answers", "echo", "-5", '"5"', '{"a":null}'),
      "[-5, '5', {'a': None}]\n",
    );
    assert.equal(await call("answers", "count", "3"), "0\n1\n2\n");
    assert.equal(await call("answers", "count", "2", "--json"), "0\n1\n");
    assert.match(await call("answers", "list"), /^<ListProxy object, typeid 'list' at 0x\w+>\n$/);
    assert.equal(await call("jobs", "put", '{"n":1}'), "None\n");
    assert.equal(await call("jobs", "get", "--json"), '{"n":1}\n');
  });
});

test("referent call says which objects and methods there are, and what the method threw", async () => {
  await hosting([types], async ({ address, manager }) => {
    const failing = async (...args: string[]) => {
      const { code, out, err } = await referent("call", address, ...args);
      assert.deepEqual([code, out], [1, ""]);
      return err;
    };
    assert.equal(
      await failing("jobs", "put"),
      `referent: No object of the name "jobs" at "${address}": nothing is published there; give it a name with manager.publish() or manager.named()\n`,
    );
    await manager.publish("answers", await manager.create<object>("Answers"));
    assert.match(await failing("jobs", "put"), /: there are "answers"; give it a name/);
    assert.equal(
      await failing("answers", "guess"),
      'referent: Cannot call "guess" on typeid "Answers": method is not exposed; there are everything, echo, count, list, inside, fail\n',
    );
    assert.equal(await failing("answers", "fail"), "referent: one two three\n");
  });
});

// ls

test("referent ls shows servers without a name, and asks those whose key it knows", async () => {
  const started = await Manager.start();
  try {
    const unknown = { pid: null, sessions: null, objects: null };
    assert.deepEqual(await listed(started.address), [
      { name: null, address: started.address, alive: true, problem: null, ...unknown },
    ]);
    await serving(async (address) => {
      const known = { pid: process.pid, sessions: 0, objects: 0 };
      assert.deepEqual(await listed(address), [
        { name: null, address, alive: true, problem: null, ...known },
      ]);
    });
    const { out } = await referent("ls");
    assert.match(out, /^NAME +ALIVE +PID +SESSIONS +OBJECTS +ADDRESS\n/);
    assert.match(out, new RegExp(`^- +yes +- +- +- +${started.address}$`, "m"));
  } finally {
    await started.shutdown();
  }
  assert.deepEqual(await listed(started.address), []);
});

async function listed(address: string): Promise<unknown[]> {
  const { code, out } = await referent("ls", "--json");
  assert.equal(code, 0);
  return JSON.parse(out).filter((one: { address: string }) => one.address === address);
}

// The program.

test("REFERENT_DEBUG=1 shows the whole error; the exit code is the command's", async () => {
  const { code, out, err } = await run(["top", "Not A Name"], { REFERENT_DEBUG: "1" });
  assert.deepEqual([code, out], [2, ""]);
  assert.match(err, /UsageError: The name of a manager is made of .*\n +at /);
});

test("the program serves over tls with REFERENT_AUTHKEY until Ctrl-C", async () => {
  const file = (name: string) => fileURLToPath(new URL(`tests/fixtures/tls/${name}`, source));
  const env = {
    REFERENT_AUTHKEY: "sixteen bytes or more",
    REFERENT_TLS_CA: readFileSync(file("ca.crt"), "utf8"),
  };
  const keys = ["--tls-cert", file("server.crt"), "--tls-key", file("server.key")];
  const server = start(["serve", "--address", "tls://localhost:0", ...keys], env);
  const address = await server.line();
  assert.match(address, /^tls:\/\/localhost:\d+$/);
  const { code, out } = await run(["top", address, "--once", "--json"], env);
  assert.deepEqual([code, JSON.parse(out).address], [0, address]);
  process.kill(server.process.pid!, "SIGINT");
  const end = await server.end;
  assert.deepEqual([end.code, end.stdout, end.stderr], [0, `${address}\n`, ""]);
});

test("with REFERENT_AUTHKEY a socket has no key file, and the key is never printed", async () => {
  await withFolder(async (folder) => {
    const address = `unix:${folder}/s`;
    const env = { REFERENT_AUTHKEY: "sixteen bytes or more" };
    const server = start(["serve", types, "--address", address, "--json"], env);
    const line = await server.line();
    assert.deepEqual(readdirSync(folder), ["s"]);
    // The key of another server is not this one's.
    const other = { ...env, REFERENT_ADDRESS: "unix:/other" };
    const call = await run(["call", address, "a", "b"], other);
    assert.deepEqual([call.code, call.out], [1, ""]);
    assert.match(call.err, /^referent: No key file for .*\n$/);
    process.kill(server.process.pid!, "SIGTERM");
    const { code, stdout, stderr } = await server.end;
    assert.equal(code, 0);
    for (const text of [line, stdout, stderr, call.err]) assert.ok(!text.includes("sixteen"));
  });
});

test("top ends with exit code 0 on Ctrl-C, also if its server hangs, and with 1 if that is killed", async () => {
  await withFolder(async (folder) => {
    const address = `unix:${folder}/s`;
    const server = start(["serve", "--address", address]);
    await server.line();
    const args = ["top", address, "--json", "--interval", "20"];
    const [interrupted, orphaned] = [start(args), start(args)];
    await Promise.all([interrupted.line(), orphaned.line()]);
    process.kill(server.process.pid!, "SIGSTOP");
    process.kill(interrupted.process.pid!, "SIGINT");
    const end = await interrupted.end;
    process.kill(server.process.pid!, "SIGKILL");
    assert.deepEqual([end.code, end.signal, end.stderr], [0, null, ""]);
    const lost = await orphaned.end;
    assert.equal(lost.code, 1);
    assert.match(lost.stderr, /^referent: The server at "unix:.*" has ended: .+\n$/);
    await server.end;
  });
});

test("what cannot be written, as on a full disk, is exit code 1", {
  skip: !existsSync("/dev/full"),
}, async () => {
  const full = openSync("/dev/full", "w");
  const program = moduleUrl(new URL("../lib/cli.ts", import.meta.url));
  const { command, args } = runtimeCommand(currentRuntime, program, ["--version"]);
  const child = spawn(command, args, { stdio: ["ignore", full, "pipe"] });
  const [said, [code]] = await Promise.all([text(child.stderr!), once(child, "exit")]);
  closeSync(full);
  assert.equal(code, 1);
  assert.match(said, /^referent: .*(ENOSPC|no space left)/i);
});

test("the key file is found whatever way the socket's directory is written", async () => {
  await withFolder(async (folder) => {
    mkdirSync(join(folder, "real"));
    symlinkSync("real", join(folder, "link"));
    const server = start(["serve", "--address", `unix:${folder}/real/s`]);
    await server.line();
    for (const way of ["link/s", "link/../real/s", "./real//s"]) {
      assert.equal((await referent("top", `unix:${folder}/${way}`, "--once")).code, 0, way);
    }
    process.kill(server.process.pid!, "SIGKILL");
    await server.end;
    const again = start(["serve", "--address", `unix:${folder}/link/s`]);
    await again.line();
    assert.equal((await referent("top", `unix:${folder}/real/s`, "--once")).code, 0);
    process.kill(again.process.pid!, "SIGTERM");
    assert.equal((await again.end).code, 0);
  });
});

test("a top whose reader goes away ends with exit code 0 and no word", async () => {
  await hosting([], async ({ address }) => {
    const top = start(["top", address, "--interval", "20"]);
    await top.line();
    top.process.stdout!.destroy();
    const { code, stderr } = await top.end;
    assert.deepEqual([code, stderr], [0, ""]);
  });
});

test("referent serve --name is what top, ls and Manager.open() find, until it ends", async () => {
  await withFolder(async (base) => {
    const env = { REFERENT_DIR: join(base, "managers") };
    const server = start(["serve", "--name", "shop", "--json"], env);
    const { address, name, pid } = JSON.parse(await server.line());
    assert.deepEqual([name, pid], ["shop", server.process.pid]);
    const opened = await runScript(currentRuntime, fixture("cli/open.ts"), { args: ["shop"], env });
    assert.equal(opened, `${address}\n`);
    const [top, taken, ls] = await Promise.all([
      run(["top", "shop", "--once", "--json"], env),
      run(["serve", "--name", "shop"], env),
      run(["ls", "--json"], env),
    ]);
    assert.equal(top.code, 0);
    assert.equal(JSON.parse(top.out).queues[0].depth.ready, 1);
    assert.deepEqual([taken.code, taken.out], [1, ""]);
    assert.match(taken.err, /^referent: The name "shop" is taken by the manager at ".*" \(process/);
    const found = JSON.parse(ls.out).filter((one: { address: string }) => one.address === address);
    assert.equal(found.length, 1, "a server is not listed twice");
    const [{ sessions, ...rest }] = found;
    assert.ok(sessions <= 2);
    assert.deepEqual(rest, { name, address, pid, alive: true, objects: 1, problem: null });
    process.kill(server.process.pid!, "SIGTERM");
    assert.equal((await server.end).code, 0);
    assert.deepEqual(readdirSync(base), []);
  });
});

test("leaves nothing behind", assertClean);
