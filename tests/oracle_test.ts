/**
 * CPython as the oracle: random programs over the shared objects run on a real
 * `multiprocessing.Manager` and on this library, and every step and the final `str(proxy)` are
 * compared. What may differ is listed in `docs/from-python.md`, and nowhere else.
 *
 * `REFERENT_SEED=random REFERENT_RUNS=20 bun test ./tests/oracle_test.ts` tries others, and more.
 *
 * @module
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Manager } from "../mod.ts";
import type { Arbitrary } from "../tools/node_modules/fast-check/lib/fast-check.d.ts";
import { compare } from "./oracle/comparison.ts";
import { forgiven } from "./oracle/forgiven.ts";
import { notAsked } from "./oracle/not_asked.ts";
import { programsWith } from "./oracle/programs.ts";
import { lookForPython, Oracle } from "./oracle/python.ts";
import type { Program, Typeid } from "./oracle/values.ts";
import { assertClean } from "./support/clean.ts";
import { check, fc, named, sample } from "./support/fast_check.ts";

const groups: readonly (readonly Typeid[])[] = [
  ["list", "dict", "set"],
  ["Namespace", "Value", "Array"],
  ["Queue", "JoinableQueue"],
];
const programsEach = 200;
const programsOverSocket = 100;
const oracles = 2;

const { python, reason } = lookForPython();
const skip = reason === undefined ? false : `not compared with Python: ${reason}`;
if (skip) console.log(skip);
const ran = { programs: 0, steps: 0 };

for (const group of groups) {
  test(`random programs over ${group.join(", ")} do what they do in Python`, { skip }, async () => {
    const manager = await Manager.local();
    try {
      await compareAll(manager, group, programsEach * group.length);
    } finally {
      await manager.shutdown();
    }
  });
}

test("random programs do over a socket what they do in Python", { skip }, async () => {
  const manager = await Manager.start();
  try {
    await compareAll(manager, groups.flat(), programsOverSocket);
  } finally {
    await manager.shutdown();
  }
});

test("each difference that is forgiven is one", { skip }, async () => {
  await withOracle(async (manager, oracle) => {
    for (const { name, witness } of forgiven) {
      const { mismatch, forgiven } = await compare(manager, witness, await oracle.run(witness));
      assert.equal(mismatch, undefined);
      assert.ok(forgiven.has(name), `"${name}" is no difference: ${JSON.stringify(witness)}`);
    }
  });
});

test("each difference that is not asked for is one", { skip }, async () => {
  await withOracle(async (manager, oracle) => {
    for (const [name, witness] of Object.entries(notAsked)) {
      const { mismatch } = await compare(manager, witness, await oracle.run(witness));
      assert.ok(mismatch, `"${name}" is no difference: ${JSON.stringify(witness)}`);
    }
  });
});

test("docs/from-python.md lists the differences that the comparison allows, and no others", () => {
  const document = readFileSync(new URL("../docs/from-python.md", import.meta.url), "utf8");
  const listed = (heading: string) => {
    const [, section = ""] = document.split(`\n### ${heading}\n`);
    const [items = ""] = section.split(/\n##+ /);
    return Array.from(items.matchAll(/^- \*\*(.+?)\*\*: /gms), ([, name]) => name);
  };
  assert.deepEqual(listed("Forgiven"), forgiven.map(({ name }) => name));
  assert.deepEqual(listed("Not asked"), Object.keys(notAsked));
});

test("the programs were many", { skip }, () => {
  console.log(`compared with Python ${python}: ${ran.programs} programs, ${ran.steps} steps`);
  assert.ok(ran.programs > programsOverSocket);
});

test("leaves nothing behind", assertClean);

/** Compares so many random programs; a failure names the smallest one that fails. */
async function compareAll(
  manager: Manager,
  typeids: readonly Typeid[],
  runs: number,
): Promise<void> {
  const values = programsWith(...typeids);
  const programs = sample(values, runs);
  const lanes = await Promise.allSettled(Array.from({ length: oracles }, (_, lane) => {
    return mismatchesOf(manager, programs.filter((_, i) => i % oracles === lane));
  }));
  const mismatches = lanes.flatMap((lane) => {
    if (lane.status === "rejected") throw lane.reason;
    return lane.value;
  });
  ran.programs += programs.length;
  ran.steps += programs.reduce((sum, { steps }) => sum + steps.length, 0);
  if (mismatches.length === 0) return;
  await shrink(manager, values, runs);
  // Not one of them fails alone.
  await named(() => assert.fail(mismatches.join("\n\n")));
}

async function mismatchesOf(manager: Manager, programs: readonly Program[]): Promise<string[]> {
  const oracle = new Oracle();
  try {
    const outcomes = programs.map((program) => oracle.run(program));
    const mismatches: string[] = [];
    for (const [i, program] of programs.entries()) {
      const { mismatch } = await compare(manager, program, await outcomes[i]!);
      if (mismatch) mismatches.push(mismatch);
    }
    return mismatches;
  } finally {
    await oracle.close();
  }
}

/** Fails with the smallest program that fails. */
async function shrink(manager: Manager, values: Arbitrary<Program>, runs: number): Promise<void> {
  const oracle = new Oracle();
  const fails = fc.asyncProperty(values, async (program) => {
    const { mismatch } = await compare(manager, program, await oracle.run(program));
    if (mismatch) assert.fail(mismatch);
  });
  try {
    await check(runs, fails);
  } finally {
    await oracle.close();
  }
}

async function withOracle(
  body: (manager: Manager, oracle: Oracle) => Promise<void>,
): Promise<void> {
  const manager = await Manager.local();
  const oracle = new Oracle();
  try {
    await body(manager, oracle);
  } finally {
    await oracle.close();
    await manager.shutdown();
  }
}
