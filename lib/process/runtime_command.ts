/**
 * What to spawn to run a program of this library in a runtime: the executable, the flags that it
 * inherits or needs, the permissions of a Deno child.
 *
 * Above: `spawn.ts` (servers), `launch.ts` (processes). Below: `command_line.ts`, `runtime.ts`.
 *
 * @module
 */

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { show } from "../call_options.ts";
import { ProcessError } from "../errors.ts";
import { childEntry, runtimeName, thisExecutable } from "../runtime.ts";
import type { RuntimeName } from "../runtime.ts";
import { denoArguments, inheritedArguments, programArgument } from "./command_line.ts";

/** A runtime to run a program in. */
export interface RuntimeOptions {
  /** Which one. */
  name: RuntimeName;
  /** Its executable; by default the one of this process, or else the command on PATH. */
  path?: string;
  /** Flags of its own, before the program. */
  args?: string[];
  /** Variables beside those of this process. */
  env?: Record<string, string>;
}

/** Which runtime an option asks for. */
export function runtimeNameOf(runtime: RuntimeName | RuntimeOptions = runtimeName): RuntimeName {
  return typeof runtime === "string" ? runtime : runtime?.name;
}

/** What the command line of a child depends on. */
export interface ProgramOptions {
  /** What is started, for messages: `a server`, `a process`. */
  readonly what: string;
  /** The runtime, or its name; by default the one of this process. */
  readonly runtime?: RuntimeName | RuntimeOptions | undefined;
  /** The program. */
  readonly entry: URL;
  /** A program of this library that runs ahead of it. */
  readonly preload?: URL | undefined;
  /** URLs of the modules that it will import; the first decides a Deno child's config. */
  readonly modules: readonly string[];
  /** Where it will listen or connect; they decide a Deno child's permissions. */
  readonly addresses: readonly string[];
  /** Variables that it will read. */
  readonly variables?: readonly string[];
  /**
   * A folder of this library that it imports from when it needs it. Only where nothing of users runs in
   * it or in its children: Deno would ask for permission to read what these import then, too.
   */
  readonly folder?: URL | undefined;
  /** Permissions of a Deno child beside the least: `all`, or flags such as `--allow-env=HOME`. */
  readonly permissions?: "all" | readonly string[] | undefined;
}

/** Without it Deno reads, before a program begins, all modules that this may ever import. */
const lazyImports = "DENO_UNSTABLE_LAZY_DYNAMIC_IMPORTS";

/** What to spawn. */
export interface Command {
  readonly path: string;
  readonly args: string[];
  /** Variables beside those of this process. */
  readonly env: Record<string, string>;
}

/**
 * The command that runs a program in a runtime.
 *
 * @throws {TypeError} For a runtime that is none, and for permissions of another than Deno.
 * @throws {ProcessError} If this executable must not be started again, or the program is no file.
 */
export function runtimeCommand(options: ProgramOptions): Command {
  const { runtime = runtimeName, entry, preload } = options;
  const chosen = checkRuntime(runtime);
  const { name, env = {}, args: given = [] } = chosen;
  const own = name === runtimeName && chosen.path === undefined ? thisExecutable() : undefined;
  const path = own?.path ?? chosen.path ?? name;
  if (name === "deno") {
    const variables = options.folder ? { [lazyImports]: "1", ...env } : env;
    return { path, args: denoCommandLine(options, given), env: variables };
  }
  if (options.permissions !== undefined) {
    throw new TypeError(
      `The option permissions is Deno's, but ${options.what} in "${name}" was asked for`,
    );
  }
  for (const program of preload ? [preload, entry] : [entry]) {
    if (program.protocol === "file:") continue;
    throw new ProcessError(
      `Cannot start ${options.what} in "${name}": the program "${program}" is not a file here. ` +
        "Install @referent/manager from npm",
    );
  }
  // Of a process that was preloaded itself: its children are, or are not, for themselves.
  const ours = preloadArgument(name, childEntry());
  const inherited = inheritedArguments(own?.args ?? []).filter((argument) => argument !== ours);
  const preloads = preload && preload.href !== entry.href ? [preloadArgument(name, preload)] : [];
  return { path, args: [...inherited, ...given, ...preloads, programArgument(entry)], env };
}

/**
 * The runtime that an option asks for: a misspelt flag or path would be ignored, and the child be
 * another one.
 *
 * @throws {TypeError} It is none.
 */
export function checkRuntime(runtime: RuntimeName | RuntimeOptions): RuntimeOptions {
  const chosen = typeof runtime === "object" && runtime !== null ? runtime : { name: runtime };
  const { name, path, args, env: _, ...unknown } = chosen;
  if (name !== "deno" && name !== "bun" && name !== "node") {
    const cure = /[/\\]/.test(name) ? `; its path is { name, path: "${name}" }` : "";
    throw new TypeError(`The runtime "${name}" is not one of "deno", "bun", "node"${cure}`);
  }
  const [other] = Object.keys(unknown);
  if (other !== undefined) {
    throw new TypeError(`The option "runtime" has no "${other}": it takes name, path, args, env`);
  }
  if (path !== undefined && typeof path !== "string") {
    throw new TypeError(`The path of a runtime is a text, got ${show(path)}`);
  }
  if (args === undefined || Array.isArray(args)) return chosen;
  throw new TypeError(`The args of a runtime are an array of flags, got ${show(args)}`);
}

function denoCommandLine(options: ProgramOptions, args: string[]): string[] {
  const { entry, preload, modules, addresses, variables, folder, permissions } = options;
  const config = nearestConfig(modules[0] ?? entry.href);
  const preloads = preload && [preload];
  return denoArguments(
    { entry, preloads, modules, config, addresses, variables, folder, permissions, args },
  );
}

function preloadArgument(runtime: "bun" | "node", program: URL): string {
  return runtime === "node" ? `--import=${program.href}` : `--preload=${programArgument(program)}`;
}

/** The path of the nearest deno.json or deno.jsonc above the module. */
export function nearestConfig(module: string): string | undefined {
  if (!module.startsWith("file:")) return undefined;
  let directory = new URL("./", module);
  try {
    for (;;) {
      for (const name of ["deno.json", "deno.jsonc"]) {
        const path = fileURLToPath(new URL(name, directory));
        if (existsSync(path)) return path;
      }
      const parent = new URL("../", directory);
      if (parent.href === directory.href) return undefined;
      directory = parent;
    }
  } catch {
    return undefined; // without the permission to look
  }
}
