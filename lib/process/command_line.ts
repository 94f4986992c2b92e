/**
 * The command lines that start a program of this library in each runtime. Pure functions.
 *
 * Above: `runtime_command.ts`. Below: nothing.
 *
 * @module
 */

import { isIP } from "node:net";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { formatAddress, parseAddress } from "../wire/address.ts";

/** Flags of Node and Bun that are about this one run; those that have a value of their own. */
const flagsWithValue = new Set([
  "-e",
  "--eval",
  "-p",
  "--print",
  "-pe",
  "--input-type",
  "--inspect-port",
  "--debug-port",
  "--inspect-publish-uid",
  "--watch-path",
  "--watch-kill-signal",
  "--run",
  "--experimental-sea-config",
  "--build-sea",
  "--build-snapshot-config",
  "--cwd",
  "-F",
  "--filter",
]);

/** The same, without a value. */
const flagsWithoutValue = new Set([
  "-",
  "-i",
  "--interactive",
  "-c",
  "--check",
  "-b",
  "--bun",
  "--hot",
  "--silent",
  "--if-present",
  "--no-orphans",
  "--no-clear-screen",
  "--workspaces",
  "--parallel",
  "--sequential",
  "--build-snapshot",
  "--prof-process",
  "--entry-url",
  "--experimental-default-type",
]);

/** Whole families: `--inspect-brk`, `--test-name-pattern`, `--watch-preserve-output`, ... */
const families = ["--inspect", "--test", "--experimental-test", "--watch"];

/** The `--test-` flags whose value may be the next argument. */
const testFlagWithValue =
  /^--(experimental-)?test-(concurrency|name-pattern|skip-pattern|reporter|reporter-destination|shard|timeout|isolation|global-setup|rerun-failures|random-seed|coverage-(include|exclude|lines|branches|functions))$/;

/**
 * The flags of a Node or Bun process that a child of the same runtime gets too: all but those of
 * inspecting, evaluating, testing and watching, with their values.
 */
export function inheritedArguments(execArgv: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < execArgv.length; i++) {
    const argument = execArgv[i]!;
    const name = argument.split("=", 1)[0]!;
    if (!isOwn(name)) {
      kept.push(argument);
      continue;
    }
    const next = execArgv[i + 1];
    const takesNext = flagsWithValue.has(name) || testFlagWithValue.test(name);
    if (takesNext && name === argument && next !== undefined && !next.startsWith("-")) i++;
  }
  return kept;
}

function isOwn(name: string): boolean {
  if (flagsWithValue.has(name) || flagsWithoutValue.has(name)) return true;
  return families.some((family) => name === family || name.startsWith(`${family}-`));
}

/** What the command line of a Deno child depends on. */
export interface DenoCommand {
  /** The program: a `file:` or `https:` URL. */
  entry: URL;
  /** The modules that it will import, as URLs. */
  modules: readonly string[];
  /** The path of the configuration file. */
  config?: string | undefined;
  /** Where it will listen or connect. */
  addresses: readonly string[];
  /** Programs that run ahead of this one. */
  preloads?: readonly URL[] | undefined;
  /** Variables that it will read. */
  variables?: readonly string[] | undefined;
  /** A folder whose modules it imports when it needs them. */
  folder?: URL | undefined;
  /** Flags beside the least ones, such as `--allow-env=HOME`, or all. */
  permissions?: "all" | readonly string[] | undefined;
  /** Other flags of `deno run`. */
  args?: readonly string[];
}

/** The arguments that run a program in Deno with the least permissions that work. */
export function denoArguments(command: DenoCommand): string[] {
  const { entry, modules, config, addresses, folder, permissions = [], args = [] } = command;
  const flags = ["run", "--no-prompt"];
  if (config !== undefined) flags.push("--config", config);
  for (const program of command.preloads ?? []) flags.push("--preload", program.href);
  if (permissions === "all") {
    flags.push("--allow-all");
  } else {
    const given = permissions.map(checkFlag);
    // Deno would take a list beside the whole permission for a limit of it.
    const least = [...leastPermissions(addresses, command.variables), ...readPermission(folder)]
      .filter((flag) => !given.includes(flag.split("=")[0]!));
    flags.push(...least, ...given);
    // What is loaded ahead of the program needs no permission to read it, nor what it imports.
    for (const module of modules) flags.push("--preload", module);
  }
  return [...flags, ...args, programArgument(entry)];
}

/** The flags without which a program cannot listen on the addresses, or connect to them. */
export function leastPermissions(
  addresses: readonly string[],
  variables: readonly string[] = [],
): string[] {
  const reachable = addresses.flatMap(addressPermissions);
  const env = ["REFERENT_DEBUG", ...variables].join(",");
  return [...new Set([...reachable, `--allow-env=${env}`, "--allow-sys=uid"])];
}

function addressPermissions(address: string): string[] {
  const target = parseAddress(address);
  if (target.kind === "memory") return [];
  if (target.kind !== "unix") return [netPermission(target)];
  if (target.path.includes(",")) {
    throw new TypeError(
      `Deno cannot use the address "${address}": no permission names a path with a comma; choose another address, permissions "all", or another runtime`,
    );
  }
  const directory = dirname(target.path);
  return [
    `--allow-net=unix:${target.path}`,
    `--allow-read=${directory}`,
    `--allow-write=${directory}`,
  ];
}

/** What is not a file needs no permission to be imported from where the program is. */
function readPermission(folder: URL | undefined): string[] {
  return folder?.protocol === "file:" ? [`--allow-read=${fileURLToPath(folder)}`] : [];
}

/** Deno asks for the name without a port where it looks it up, and for the address that it finds. */
function netPermission({ host, port }: { host: string; port: number }): string {
  if (isIP(host) > 0) {
    return `--allow-net=${formatAddress("tcp", host, port).slice("tcp://".length)}`;
  }
  if (host === "localhost") return `--allow-net=localhost,127.0.0.1:${port},[::1]:${port}`;
  return "--allow-net";
}

/** A program as the last argument: a path, or the URL of what is not a file. */
export function programArgument(entry: URL): string {
  return entry.protocol === "file:" ? fileURLToPath(entry) : entry.href;
}

function checkFlag(flag: string): string {
  if (/^--(allow|deny|ignore)-[a-z-]+(=|$)/.test(flag)) return flag;
  throw new TypeError(
    `The permission "${flag}" is not of the form "--allow-read=/path"; permissions are "all" or ` +
      "an array of such flags",
  );
}
