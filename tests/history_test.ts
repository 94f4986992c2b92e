/**
 * Many clients of one server at the same time: random programs in which calls are late, are aborted,
 * and clients die at any moment; their histories are judged when all have ended. The same seed gives
 * the same programs, but not the same interleaving: a failure may not come again. What can be
 * foreseen step by step is in model_test.ts.
 *
 * @module
 */
import { test } from "node:test";
import { Manager } from "../mod.ts";
import { type HistoryProgram, run } from "./model/history.ts";
import type { Access, Tally } from "./model/members.ts";
import { assertClean } from "./support/clean.ts";
import { fc, sample, seed } from "./support/fast_check.ts";

const programs = fc.record({
  seed: fc.nat(),
  clients: fc.integer({ min: 2, max: 8 }),
  isMortal: fc.constantFrom(true, true, true, false),
});

test("what clients of a server in memory did and were told fits together", async () => {
  const manager = await Manager.local();
  try {
    await runAll({ address: manager.address }, 24, 600);
  } finally {
    await manager.shutdown();
  }
});

test("what clients over sockets did and were told fits together", async () => {
  const manager = await Manager.start();
  try {
    const { address, env } = manager;
    await runAll({ address, authkey: env["REFERENT_AUTHKEY"] }, 8, 400);
  } finally {
    await manager.shutdown();
  }
});

test("leaves nothing behind", assertClean);

async function runAll(access: Access, runs: number, operations: number): Promise<void> {
  const tally: Tally = { programs: 0, operations: 0, aborts: 0, timeouts: 0, disconnects: 0 };
  for (const random of sample(programs, runs)) {
    const program: HistoryProgram = { ...random, operations };
    try {
      await run(program, access, tally);
    } catch (error) {
      const text = JSON.stringify(program);
      console.error(`Failed: ${text}, of REFERENT_SEED=${seed}; it need not fail again`);
      throw error;
    }
  }
  const { programs: ran, operations: done, aborts, timeouts, disconnects } = tally;
  console.log(
    `Histories: ${ran} programs, ${done} operations, ${aborts} aborts, ${timeouts} timeouts, ${disconnects} disconnects`,
  );
}
