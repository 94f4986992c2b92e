/**
 * The three runtimes, for tests that start other programs. Works the same wherever the test runs:
 * from source under Deno, Bun and a current Node, and compiled beside the npm package under
 * Node 20, where children on Node run the compiled files and children on Deno and Bun the sources.
 *
 * Above: tests. Below: `tools/node_modules/.bin`, which `deno task test` fills.
 *
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";

/** A runtime by the name that `Manager.start({ runtime })` takes. */
export type RuntimeName = "deno" | "bun" | "node";

/** All of them. */
export const runtimeNames: readonly RuntimeName[] = ["deno", "bun", "node"];

/** The one that runs this test. */
export const currentRuntime: RuntimeName = process.versions.bun
  ? "bun"
  : "deno" in process.versions
  ? "deno"
  : "node";

/** Whether this test was compiled and runs against the built npm package. */
export const compiled: boolean = import.meta.url.endsWith(".js");

/** Whether a long campaign is run here: once in the suite, in Bun, which is the quickest at them. */
export const campaigning: boolean = currentRuntime === "bun";

/** The time of a test with a campaign of processes: on a busy machine they take much longer. */
export const campaignTime: { timeout: number } = { timeout: 900_000 };

/** Tells now and then how far a campaign is: a runner that hears nothing takes it for hanging. */
export function tellCampaign(done: number, total: number): void {
  if (campaigning && done % (total / 10) === 0) console.log(`# ${done} of ${total}`);
}

/** The folder that has `mod.ts` (or `mod.js`), `tests/`, `examples/`, `docs/`. */
const here = new URL("../../", import.meta.url);

/** The repository; the same as `here` unless compiled. */
export const source: URL = process.env.REFERENT_TEST_SOURCE
  ? new URL(`file://${process.env.REFERENT_TEST_SOURCE}/`)
  : here;

/** The path of the runtime's program. */
export function runtimePath(name: RuntimeName): string {
  if (name === currentRuntime) return process.execPath;
  return fileURLToPath(new URL(`tools/node_modules/.bin/${name}`, source));
}

/**
 * The URL of a script or types module of the tests, by its path from `tests/fixtures/`, as this
 * runtime can import it: `fixture("counter.ts")` ends in `.js` where the tests are compiled.
 */
export function fixture(path: string): URL {
  return moduleUrl(new URL(`tests/fixtures/${path}`, here));
}

/** The URL of a module of this repository as this runtime can import it. */
export function moduleUrl(module: URL | string): URL {
  const { href } = new URL(module);
  return new URL(compiled ? href.replace(/\.ts$/, ".js") : href);
}

/**
 * What to spawn to run the script under the runtime:
 * `const { command, args } = runtimeCommand("bun", new URL("./fixtures/child.ts", import.meta.url))`.
 */
export function runtimeCommand(
  name: RuntimeName,
  script: URL | string,
  args: readonly string[] = [],
): { command: string; args: string[] } {
  return {
    command: runtimePath(name),
    args: [...runtimeFlags(name), scriptPath(name, new URL(script)), ...args],
  };
}

function runtimeFlags(name: RuntimeName): string[] {
  if (name !== "deno") return [];
  return ["run", "-A", "--quiet", "--config", fileURLToPath(new URL("deno.json", source))];
}

function scriptPath(name: RuntimeName, script: URL): string {
  if (!compiled) return fileURLToPath(script);
  if (name === "node") return fileURLToPath(moduleUrl(script));
  const inside = script.href.slice(here.href.length).replace(/\.js$/, ".ts");
  return fileURLToPath(new URL(inside, source));
}
