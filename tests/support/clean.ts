/**
 * Nothing may be left of a test file: no process that it started (directly or not), no socket, no
 * directory. Import this file in the tests and make this the last test of the file:
 *
 * ```ts
 * test("leaves nothing behind", assertClean);
 * ```
 *
 * As a test and not as a top-level `after()`, which Deno 2.9 does not run.
 *
 * Above: tests. Below: `/proc` (on other systems than Linux only files are looked for).
 *
 * @module
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import process from "node:process";
import { setTimeout } from "node:timers/promises";

/**
 * Every process that this one starts inherits the mark, however far down and also when its parent
 * is gone. Deno and Bun run all test files in one process: they share the mark.
 */
const variable = "REFERENT_TEST_MARK";
if (!process.env[variable]?.startsWith(`${process.pid}-`)) {
  process.env[variable] = `${process.pid}-${crypto.randomUUID()}`;
}
const mark: string = process.env[variable] ?? "";
const filesBefore: ReadonlySet<string> = new Set(files());

/** How long processes may take to be gone after they were told to, on a busy machine. */
const patience = 30_000;

/** Rejects with the list of what is left, once it had time to go. */
export async function assertClean(): Promise<void> {
  const deadline = performance.now() + patience;
  let left = leftovers();
  while (left.length > 0 && performance.now() < deadline) {
    await setTimeout(20);
    left = leftovers();
  }
  assert.deepEqual(left, [], "the tests of this file left something behind");
}

function leftovers(): string[] {
  const newFiles = files().filter((path) => !filesBefore.has(path));
  return [...processes(), ...newFiles];
}

function files(): string[] {
  const folder = tmpdir();
  return readdirSync(folder).filter((name) => name.startsWith("referent-"))
    .map((name) => `${folder}/${name}`);
}

function processes(): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      if (Number(pid) === process.pid || !isOurs(pid)) return [];
      return [`process ${pid}: ${text(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim()}`];
    } catch {
      return []; // It ended meanwhile, or belongs to somebody else.
    }
  });
}

/** A child of this process, also a dead one that nobody waited for, or one with the mark. */
function isOurs(pid: string): boolean {
  const [, parent] = text(`/proc/${pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return Number(parent) === process.pid || text(`/proc/${pid}/environ`).includes(mark);
}

function text(path: string): string {
  return readFileSync(path, "utf8");
}
