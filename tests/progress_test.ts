/**
 * Progress bars: what stands on a terminal while calls of a pool run and after them, and that nothing
 * is written where there is none.
 *
 * @module
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { type MapOptions, Pool, type Progress } from "../lib/process.ts";
import { type ProgressBar, ProgressBars } from "../lib/process/progress.ts";
import { startScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { tasks } from "./fixtures/progress/tasks.ts";
import { currentRuntime, fixture, runtimeCommand } from "./support/runtimes.ts";
import { Screen } from "./support/screen.ts";

const program = fixture("progress/main.ts");

class FakeTerminal extends Screen {
  readonly isTTY = true;
  readonly columns: number;

  constructor(columns = 80) {
    super();
    this.columns = columns;
  }

  async shows(...lines: string[]): Promise<void> {
    try {
      await eventually("lines", () => this.lines.join("\n") === lines.join("\n"));
    } catch {
      assert.deepEqual(this.lines, lines);
    }
  }
}

function openBars(screen: FakeTerminal): (name: string, total?: number) => ProgressBar {
  const bars = new ProgressBars(screen);
  return (name, total) => bars.open(name, total, assert.fail);
}

function at(done: number, others: Partial<Progress> = {}): Progress {
  return { done, total: undefined, failed: 0, rate: 25, eta: undefined, ...others };
}

test("a bar shows name, part, count, failures, rate and the time that is left, and then its end", async () => {
  const screen = new FakeTerminal();
  const bar = openBars(screen)("square", 200);
  await screen.shows("square [------------------------]   0% 0/200");
  bar.update(at(50, { total: 200, failed: 2, eta: 3_727_000 }));
  await screen.shows("square [######------------------]  25% 50/200 2 failed 25/s 1:02:07 left");
  bar.update(at(150, { total: 200, rate: 2.54, eta: 127_000 }));
  await screen.shows("square [##################------]  75% 150/200 2.5/s 2:07 left");
  bar.update(at(200, { total: 200, eta: 0 }));
  bar.end();
  assert.deepEqual(screen.lines, ["square [########################] 100% 200/200 25/s", ""]);
});

test("a bar without a total counts, and has a bar once the total is known", async () => {
  const screen = new FakeTerminal();
  const bar = openBars(screen)("crawl");
  await screen.shows("crawl 0");
  bar.update(at(30));
  await screen.shows("crawl 30 25/s");
  bar.update(at(40, { total: 40 }));
  bar.end();
  assert.deepEqual(screen.lines, ["crawl [########################] 100% 40/40 25/s", ""]);
});

test("bars of several calls stand below each other, and a last line stays above those that go on", async () => {
  const screen = new FakeTerminal();
  const open = openBars(screen);
  const [first, second] = [open("first"), open("second")];
  await screen.shows("first 0", "second 0");
  second.update(at(1));
  await screen.shows("first 0", "second 1 25/s");
  second.end();
  assert.deepEqual(screen.lines.slice(0, 2), ["second 1 25/s", "first 0"]);
  const third = open("third");
  first.update(at(2));
  await screen.shows("second 1 25/s", "first 2 25/s", "third 0");
  first.end();
  third.end();
  const last = ["second 1 25/s", "first 2 25/s", "third 0", ""];
  assert.deepEqual(screen.lines, last);
  const later = open("later");
  await screen.shows(...last.slice(0, 3), "later 0");
  later.end();
  assert.deepEqual(screen.lines, [...last.slice(0, 3), "later 0", ""]);
});

test("a line is no longer than the terminal is wide", async () => {
  const screen = new FakeTerminal(30);
  const bar = openBars(screen)("a very long name of a task, which is cut", 7);
  await screen.shows("a very long name of a ta [---");
  bar.end();
  assert.deepEqual(screen.lines, ["a very long name of a ta [---", ""]);
});

test("an update draws nothing by itself, and after the end nothing is drawn", async () => {
  const screen = new FakeTerminal();
  const bar = openBars(screen)("square");
  await screen.shows("square 0");
  const { writes } = screen;
  for (let done = 0; done < 10_000; done++) bar.update(at(done));
  assert.equal(screen.writes, writes);
  bar.end();
  const { written } = screen;
  bar.update(at(10_000));
  bar.end();
  const next = openBars(screen)("next");
  await screen.shows("square 9999 25/s", "next 0");
  next.end();
  assert.ok(screen.written.startsWith(written));
});

test("a call that is over before the library is loaded draws nothing", async () => {
  const screen = new FakeTerminal();
  const open = openBars(screen);
  open("short").end();
  const other = open("other");
  await screen.shows("other 0");
  other.end();
  assert.deepEqual(screen.lines, ["other 0", ""]);
});

test("without the package the call is told how to install it", async () => {
  const screen = new FakeTerminal();
  const bars = new ProgressBars(screen, () => Promise.reject(new Error("Cannot find module")));
  const error = await new Promise<Error>((resolve) => bars.open("square", 3, resolve));
  assert.ok(error instanceof TypeError);
  assert.match(
    error.message,
    /"progress" needs the package "cli-progress": npm install cli-progress/,
  );
  assert.equal((error.cause as Error).message, "Cannot find module");
  assert.equal(screen.written, "");
});

test("{ progress } that is no boolean is refused", async () => {
  await using pool = new Pool(1);
  const options = { progress: "yes" } as unknown as MapOptions;
  await assert.rejects(pool.map(tasks.square, [1], options), {
    name: "TypeError",
    message: 'The option progress takes true or false, got "yes"',
  });
});

test("a program on a terminal shows each call, leaves the terminal as it was, and ends", {
  skip: process.platform !== "linux" && "`script` is another command there",
}, async () => {
  const { command, args } = runtimeCommand(currentRuntime, program);
  const line = [command, ...args].map((word) => `'${word}'`).join(" ");
  const terminal = spawn("script", ["-qec", line, "/dev/null"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TERM: "xterm" },
  });
  const screen = new Screen();
  terminal.stdout.setEncoding("utf8").on("data", (text: string) => screen.write(text));
  assert.deepEqual(await once(terminal, "close"), [0, null], screen.written);
  const lines = screen.lines.map((line) => line.replace(/ [\d.]+\/s.*/, ""));
  assert.deepEqual(lines.slice(0, 3), [
    "square [########################] 100% 4/4",
    "odd [########################] 100% 4/4 2 failed",
    "square [######------------------]  25% 1/4",
  ]);
  assert.match(screen.written, /done\r\n/);
  assert.doesNotMatch(screen.written, /\[\?/, "no mode of the terminal was changed");
});

test("a program without a terminal writes nothing", async () => {
  const child = startScript(currentRuntime, program);
  child.process.stdin?.end();
  assert.deepEqual(await child.end, { code: 0, signal: null, stdout: "done\n", stderr: "" });
});

test("leaves nothing behind", assertClean);
