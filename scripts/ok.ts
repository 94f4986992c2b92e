/**
 * `deno task ok`: what to run before a commit. Every check and the tests on Deno; one line each,
 * output only of what fails.
 *
 * Above: nothing. Below: checks.ts; the tests are `deno task test deno`.
 *
 * @module
 */
import { houseChecks, runChecks, typeChecks } from "./checks.ts";
import { setUp } from "./tools.ts";

const tools = await setUp();
const { failed } = await runChecks([
  ...houseChecks(tools),
  ...typeChecks(tools),
  {
    name: "tests on Deno",
    command: tools.deno,
    args: ["run", "-A", "scripts/test.ts", "deno", ...Deno.args],
  },
]);
if (failed > 0) {
  console.log(`${failed} failed`);
  Deno.exit(1);
}
