/**
 * Every example prints what it says at its end, and the demo does the main job.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runScript } from "./support/child.ts";
import { assertClean } from "./support/clean.ts";
import { eventually } from "./support/events.ts";
import { currentRuntime } from "./support/runtimes.ts";

const folder = new URL("../examples/", import.meta.url);
const examples = readdirSync(folder).filter((name) => /^\d\d_/.test(name)).sort();
test("examples are numbered from 01 on, without a gap", () => {
  const numbers = examples.map((name) => Number(name.slice(0, 2)));
  assert.deepEqual(numbers, examples.map((_, index) => index + 1));
  assert.ok(examples.length > 0);
});

for (const name of examples) {
  test(`examples/${name} prints what it says`, async () => {
    const script = new URL(name, folder);
    const expected = promisedOutput(name, readFileSync(script, "utf8"));
    assert.equal(withoutAddresses(await printedBy(script)), expected);
  });
}

// The demo is Deno's (`deno task demo`), and runs all three runtimes itself.
if (currentRuntime === "deno") {
  const demo = new URL("demo/main.ts", folder);

  test("demo counts the words of a text in three runtimes and leaves nothing behind", async () => {
    const printed = await runScript("deno", demo);
    assert.match(printed, /^✓ \d+ words, \d+ different: as many as one process counts alone$/m);
    assert.match(printed, /^✓ nothing is left behind/m);
    for (const name of ["Deno", "Bun", "Node"]) assert.match(printed, new RegExp(`${name} \\d`));
  });

  test("demo fails when there is no such text", async () => {
    const missing = { args: ["there/is/no/such/text"] };
    await assert.rejects(runScript("deno", demo, missing), /exit code 1/);
  });
}

test("leaves nothing behind", assertClean);

/**
 * Runs an example. Its named managers live in a folder of their own, where they meet no other's of the
 * same name, and leave nothing in there.
 */
async function printedBy(script: URL): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "referent-examples-"));
  const env = { REFERENT_DIR: folder };
  try {
    return await runScript(currentRuntime, script, { env });
  } finally {
    await eventually(`${folder} is empty`, () => removed(folder));
  }
}

/** Removes a folder that is empty; whether it is gone. */
function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as { code?: unknown }).code === "ENOENT"; // the managers removed it
  }
}

/** The comment at the end of an example, which begins with "Prints:". */
function promisedOutput(name: string, source: string): string {
  const [, comment] = /^\/\/ Prints:\n((?:\/\/ .*\n?)+)(?:\/\/# .*\n?)?$/m.exec(source) ?? [];
  assert.ok(comment, `${name} must end with a comment "Prints:" and the lines that it prints`);
  return comment.trimEnd().split("\n").map((line) => `${line.slice("// ".length)}\n`).join("");
}

/** A socket has a name of its own each time. */
function withoutAddresses(text: string): string {
  return text.replace(/unix:[^"\s]+/g, "unix:...");
}
