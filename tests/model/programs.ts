/**
 * Random programs: which objects, how many sessions, which steps.
 *
 * Above: model_test.ts. Below: fast-check.
 *
 * @module
 */
import type { Arbitrary } from "../../tools/node_modules/fast-check/lib/fast-check.d.ts";
import { fc } from "../support/fast_check.ts";
import type { Program } from "./world.ts";

const maxSteps = 160;

/** Programs over 1 to 3 objects of these kinds, or fewer, and 2 to 8 sessions. */
export function programsOver(kinds: readonly string[], maxObjects = 3): Arbitrary<Program> {
  const numbers = fc.array(fc.nat(999), { minLength: 2, maxLength: 2 });
  return fc.record({
    objects: fc.array(fc.tuple(fc.constantFrom(...kinds), numbers), {
      minLength: 1,
      maxLength: maxObjects,
      size: "max",
    }),
    sessions: fc.integer({ min: 2, max: 8 }),
    steps: fc.array(step(), { minLength: 1, maxLength: maxSteps, size: "max" }),
  });
}

/** What kind of step, which session, which busy one, which object, move and fate, and more choices. */
function step(): Arbitrary<number[]> {
  const number = fc.nat(9_999);
  return fc.array(number, { minLength: 10, maxLength: 10 });
}
