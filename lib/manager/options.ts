/**
 * The options of the entry functions: what each means, which function honours which, and what is
 * wrong with a bad one.
 *
 * Above: manager.ts and users. Below: limits.ts, types.ts.
 *
 * @module
 */

import { initializerShape, isInitializer } from "../call_options.ts";
import type { Limits } from "../limits.ts";
import type { Initializer } from "../server/config.ts";
import { checkRuntime } from "../process/runtime_command.ts";
import type { RuntimeOptions, ServerStdio } from "../process/spawn.ts";
import { TaskSet } from "../process/tasks.ts";
import type { TypeSet } from "../types.ts";
import type { Serializer } from "../wire/serializer.ts";
import type { TlsOptions } from "../wire/transport.ts";

/** What the option `types` takes. */
export type TypesOption = TypeSet | readonly TypeSet[];

/** Options of every entry function that hosts or joins a server. */
export interface CommonOptions<S extends TypesOption = TypesOption> {
  /** Your own classes: what `defineTypes` returned, or an array of it. */
  types?: S;
  /** How values become bytes; both sides need the same. Default: MessagePack. */
  serializer?: Serializer;
  /** Limits other than the defaults. */
  limits?: Partial<Limits>;
}

/** Options that say where a server listens and who may join. */
export interface AddressOptions {
  /** `unix:/path`, `tcp://host:port` or `tls://host:port`. Default: a new Unix socket. */
  address?: string;
  /** The shared secret, 16 bytes or more. Default: 32 random bytes. */
  authkey?: string | Uint8Array;
  /** Certificates and keys of a `tls:` address, as PEM text. */
  tls?: TlsOptions;
}

/** Milliseconds that running calls have at the end of a server, unless the options say otherwise. */
export const defaultGrace = 5_000;

/** Options of everything that hosts a server. */
export interface HostOptions {
  /** `false`: no built-in typeids. Default `true`. */
  builtins?: boolean;
  /** Milliseconds that running calls have to finish at the end. Default 5 000. */
  shutdownTimeout?: number;
  /** Milliseconds without a session after which the server ends. Default: never. */
  idleTimeout?: number;
  /** Runs once in the server before it listens. */
  initializer?: Initializer;
  /**
   * The tasks that `manager.pool()` may run: what `defineTasks` returned, or an array of it. Workers
   * import their modules, the server never does, and no client can name others. Default: none.
   */
  tasks?: TaskSet | readonly TaskSet[];
}

/** Options of everything that gives a client. */
export interface ClientSideOptions {
  /**
   * Milliseconds for every call that does not wait for another caller, from when the server has let
   * this client in. Default: no limit.
   */
  callTimeout?: number;
}

/** Options of `Manager.start`. */
export interface StartOptions<S extends TypesOption = TypesOption>
  extends CommonOptions<S>, AddressOptions, HostOptions, ClientSideOptions {
  /** The runtime of the server process. Default: the one of this process. */
  runtime?: RuntimeOptions["name"] | RuntimeOptions;
  /** Permissions of a Deno server beside the least: `"all"`, or flags. */
  permissions?: "all" | readonly string[];
  /** Where the server's output goes. Default `"pipe"`: to the stderr of this process. */
  stdio?: ServerStdio;
  /** The server outlives this process; it writes a log file beside its socket. */
  detached?: boolean;
  /** Milliseconds until the server must be ready. Default 10 000. */
  startTimeout?: number;
}

/**
 * Options of `Manager.open`. Those of the server count only for who starts it: `limits`, as of the
 * server, `builtins`, `shutdownTimeout`, `initializer`, `tasks`, `runtime`, `permissions` and `idleTimeout`,
 * which is 60 000 by default.
 */
export interface OpenOptions<S extends TypesOption = TypesOption>
  extends
    CommonOptions<S>,
    HostOptions,
    ClientSideOptions,
    Pick<StartOptions, "runtime" | "permissions"> {
  /** Milliseconds until the manager must be joined, started or not. Default 10 000. */
  startTimeout?: number;
}

/** Options of `Manager.connect`. */
export interface ConnectOptions<S extends TypesOption = TypesOption>
  extends CommonOptions<S>, AddressOptions, ClientSideOptions {
  /** Where `address`, `authkey` and the rest are looked up: a manager's `env`. Default: the environment. */
  env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds to connect and authenticate. Default 10 000. */
  startTimeout?: number;
}

/** Options of `Manager.serve`. */
export interface ServeOptions<S extends TypesOption = TypesOption>
  extends CommonOptions<S>, AddressOptions, HostOptions {}

/** Options of `Manager.local`. */
export interface LocalOptions<S extends TypesOption = TypesOption>
  extends
    CommonOptions<S>,
    ClientSideOptions,
    Pick<HostOptions, "builtins" | "initializer" | "shutdownTimeout" | "tasks"> {}

const common = ["types", "serializer", "limits"] as const;
const addressing = ["address", "authkey", "tls"] as const;
const hosting = ["builtins", "shutdownTimeout", "idleTimeout", "initializer", "tasks"] as const;

const honoured = {
  start: [
    ...common,
    ...addressing,
    ...hosting,
    "callTimeout",
    "startTimeout",
    "runtime",
    "permissions",
    "stdio",
    "detached",
  ],
  open: [...common, ...hosting, "callTimeout", "startTimeout", "runtime", "permissions"],
  connect: [...common, ...addressing, "callTimeout", "startTimeout", "env"],
  serve: [...common, ...addressing, ...hosting],
  local: [...common, "builtins", "shutdownTimeout", "initializer", "tasks", "callTimeout"],
} as const;

const milliseconds = ["callTimeout", "startTimeout", "shutdownTimeout", "idleTimeout"] as const;

/** What an option takes, where a wrong one would be ignored or fail elsewhere. */
const takes: Readonly<Record<string, readonly [what: string, fits: (value: unknown) => boolean]>> =
  {
    builtins: ["true or false", isBoolean],
    detached: ["true or false", isBoolean],
    stdio: ['"pipe", "inherit" or "ignore"', (value) => {
      return ["pipe", "inherit", "ignore"].includes(value as string);
    }],
    permissions: ['"all", or an array of flags such as "--allow-read=/data"', (value) => {
      return value === "all" || Array.isArray(value);
    }],
    serializer: ["a Serializer, such as `json` or what plainSerializer() gives", (value) => {
      return isObject(value) && typeof value["name"] === "string" &&
        typeof value["encode"] === "function" && typeof value["decode"] === "function";
    }],
    limits: ["an object of limits by name", isObject],
    tls: ["an object { cert, key, ca, servername }", isObject],
    tasks: ["what defineTasks() gave, or an array of it", (value) => {
      return [value].flat().every((set) => TaskSet.is(set));
    }],
    env: ["an object of variables, such as a manager's `env`", isObject],
    initializer: [initializerShape, isInitializer],
  };

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Refuses an option that the entry function cannot honour, and a value that the option cannot take. */
export function checkOptions(entry: keyof typeof honoured, options: object): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Manager.${entry}() takes an object of options, got "${String(options)}"`);
  }
  const known: readonly string[] = honoured[entry];
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    if (!known.includes(name)) {
      throw new TypeError(
        `Manager.${entry}() cannot honour the option "${name}": it takes ${known.join(", ")}`,
      );
    }
    const [what, fits] = takes[name] ?? [];
    if (fits && !fits(value)) {
      throw new TypeError(`The option "${name}" takes ${what}, got ${show(value)}`);
    }
    if (name === "runtime") checkRuntime(value as RuntimeOptions);
    if (!(milliseconds as readonly string[]).includes(name)) continue;
    if (typeof value !== "number" || !(value >= 0)) {
      throw new RangeError(`The option "${name}" takes 0 or more milliseconds, got "${value}"`);
    }
  }
}

function show(value: unknown): string {
  if (typeof value === "function") return `the function "${value.name}"`;
  if (!isObject(value)) return `"${String(value)}"`;
  return "module" in value ? `the module "${String(value["module"])}"` : "an object";
}
