/**
 * Launching a child - a process of any runtime, or a thread - and getting connected with it: the
 * child comes to a private socket of this process, which is there only until then.
 *
 * Above: `process.ts`, `worker.ts`. Below: `runtime_command.ts`, `client/client.ts`, the system.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { PassThrough, pipeline, type Readable, type Writable } from "node:stream";
import { Worker as Thread } from "node:worker_threads";
import { Client } from "../client/client.ts";
import { debug } from "../debug.ts";
import { inTime } from "../in_time.ts";
import { resolveLimits } from "../limits.ts";
import {
  childEntry,
  childEnvironment,
  parentVariable,
  passToStderr,
  pid,
  runtimeName,
  signalChild,
  writeStderr,
} from "../runtime.ts";
import { randomAuthkey } from "../wire/auth.ts";
import { messagePack } from "../wire/serializer.ts";
import { listen, newSocketPath, type Transport } from "../wire/transport.ts";
import { atExit } from "./at_exit.ts";
import { hostTypeid, type RemoteHost } from "./host.ts";
import { type Invitation, threadData, writeInvitation } from "./invitation.ts";
import { type ProgramOptions, runtimeCommand } from "./runtime_command.ts";
import { Tail } from "./server_output.ts";
import {
  cannotListen,
  cannotStart,
  type End,
  endOf,
  type ProcessEnd,
  startError,
} from "./start_error.ts";

/** Where one stream of a child goes: to this process's, to a stream for its user, nowhere. */
export type StreamOption = "inherit" | "pipe" | "ignore";

/** stdin, stdout, stderr. */
export type StdioOptions = readonly [StreamOption, StreamOption, StreamOption];

/** What to launch. */
export interface LaunchOptions {
  /** What it is called in messages. */
  readonly what: "process" | "worker";
  /** A script; absent: the child has no program but this library's. */
  readonly script?: URL | undefined;
  /** URLs of the modules that it will import. */
  readonly modules: readonly string[];
  /** Where it will connect. */
  readonly addresses: readonly string[];
  readonly runtime?: ProgramOptions["runtime"];
  readonly permissions?: ProgramOptions["permissions"];
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly stdio: StdioOptions;
  /** A session of its own: no terminal, no signals of this process's group. */
  readonly detached: boolean;
  /** A thread of this process instead of a process. */
  readonly thread: boolean;
  /** Milliseconds until it must have come. */
  readonly startTimeout: number;
  /** Is given what sends it signals, before it has come. */
  readonly spawned?: (signal: Launched["signal"]) => void;
}

/** A child that has come. Neither it nor the idle connection keeps this process alive. */
export interface Launched {
  /** Of a thread: the process it is part of. */
  readonly pid: number;
  readonly client: Client;
  readonly host: RemoteHost;
  /** Resolves when it has ended; never rejects. */
  readonly exited: Promise<ProcessEnd>;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  /** The last 64 KiB that it wrote to stderr. */
  stderrTail(): string;
  /** Nothing happens if it has ended. A thread ends at once, whatever the signal. */
  signal(signal: "SIGTERM" | "SIGKILL"): void;
  /** Keeps this process alive until the child has ended and its user's streams are at their end. */
  ref(): void;
  unref(): void;
  /** From now on not even a call that is pending keeps this process alive; only `ref()` does. */
  background(): void;
}

/** A child that may not have come yet. */
interface Spawned extends Omit<Launched, "client" | "host" | "exited" | "background"> {
  readonly exited: Promise<End>;
  /** What was run, for messages. */
  readonly program: string;
}

/**
 * Launches a child and waits until it has come.
 *
 * @throws {ProcessError} If it cannot be run, ends before it comes, or does not come in time (it is
 * killed then).
 */
export async function launch(options: LaunchOptions): Promise<Launched> {
  const authkey = randomAuthkey();
  const path = newSocketPath();
  const address = `unix:${path}`;
  const arrivals = new Arrivals(address, authkey, options.startTimeout);
  const listener = await listen(address, {
    makeDirectory: true,
    accept: (transport) => arrivals.add(transport),
  }).catch((error) => {
    throw cannotListen(`start a ${options.what}`, error, " --allow-run --allow-env");
  });
  const forget = atExit(() => void listener.close().catch(() => {}));
  try {
    const spawned = options.thread
      ? spawnThread({ address, authkey })
      : spawnProcess(options, { address, authkey });
    options.spawned?.(spawned.signal);
    const arrived = await arrival(arrivals.first, spawned, options);
    spawned.unref();
    const exited = spawned.exited.then(({ code, signal }) => ({ code, signal }));
    return { ...spawned, ...arrived, exited };
  } finally {
    arrivals.end();
    forget();
    await listener.close();
  }
}

/** What there is of a child once it has come. */
type Arrived = Pick<Launched, "client" | "host" | "background">;

/** Who comes to the socket: the first that has the key is the child, all others are sent away. */
class Arrivals {
  readonly first: Promise<Arrived>;
  readonly #address: string;
  readonly #authkey: Uint8Array;
  readonly #timeout: number;
  readonly #others = new Set<Transport>();
  #resolve!: (arrived: Arrived) => void;

  /** Each has `timeout` milliseconds: the child came at once, but this process may be busy. */
  constructor(address: string, authkey: Uint8Array, timeout: number) {
    this.#address = address;
    this.#authkey = authkey;
    this.#timeout = timeout;
    this.first = new Promise((resolve) => this.#resolve = resolve);
  }

  add(transport: Transport): void {
    this.#others.add(transport);
    this.#meet(transport).then(
      (arrived) => {
        this.#others.delete(transport);
        this.#resolve(arrived);
      },
      (error) => debug("a stranger came", () => error.message),
    );
  }

  /** Nobody is waited for any more. */
  end(): void {
    for (const transport of this.#others) transport.destroy();
    this.#others.clear();
  }

  async #meet(transport: Transport): Promise<Arrived> {
    const client = await Client.connect(transport, {
      address: this.#address,
      authkey: this.#authkey,
      serializer: messagePack,
      limits: resolveLimits({ maxMessageBytes: Infinity }),
      timeout: this.#timeout,
      errors: new Map(),
      remote: false,
    });
    const host = await client.callServer("create", [hostTypeid, []]) as RemoteHost;
    return { client, host, background: () => inBackground(transport) };
  }
}

function inBackground(transport: Transport): void {
  transport.ref = () => {};
  transport.unref();
}

async function arrival(
  came: Promise<Arrived>,
  spawned: Spawned,
  { what, startTimeout }: LaunchOptions,
): Promise<Arrived> {
  const ended = spawned.exited.then(() => "ended" as const);
  const first = await inTime(Promise.race([came, ended]), startTimeout);
  if (first !== undefined && first !== "ended") return first;
  if (first === undefined) spawned.signal("SIGKILL");
  const reason = first === undefined
    ? `it was not ready after ${startTimeout} ms (startTimeout)`
    : "it ended before it was ready";
  const end = await spawned.exited;
  throw startError(what, reason, undefined, end, spawned.stderrTail(), spawned.program);
}

function spawnProcess(options: LaunchOptions, invitation: Invitation): Spawned {
  const { script, stdio, detached } = options;
  const { path, args, env } = runtimeCommand({
    what: `a ${options.what}`,
    runtime: options.runtime,
    entry: script ?? childEntry(),
    // Also of a function: in Deno its module is loaded ahead of the program, and may want to join.
    preload: options.what === "process" ? childEntry() : undefined,
    modules: options.modules,
    addresses: [invitation.address, ...options.addresses],
    variables: [parentVariable],
    permissions: options.permissions,
  });
  const [stdin, stdout, stderr] = stdio;
  // Its last lines explain how it ended; a detached child writes on when nobody forwards.
  const forwards = stderr === "inherit" && !detached;
  let child: ChildProcess;
  try {
    child = spawn(path, args, {
      detached,
      env: childEnvironment({
        ...env,
        ...options.env,
        [parentVariable]: writeInvitation(invitation),
      }),
      stdio: [stdin, stdout, forwards ? "pipe" : stderr],
    });
  } catch (error) {
    throw cannotStart(path, error);
  }
  debug("spawn", () => `${path} ${args.join(" ")} is process ${child.pid}`);
  // Its end is told by `exited`.
  child.stdin?.on("error", () => {});
  const tail = new Tail();
  child.stderr?.on("data", (chunk: Uint8Array) => tail.add(chunk));
  if (forwards && child.stderr) passToStderr(child.stderr);
  // Its user comes later than its first words, perhaps than its end; what he does not read stops the
  // child, as ever.
  const users = {
    stdin: child.stdin,
    stdout: toUser(child.stdout),
    stderr: forwards ? null : toUser(child.stderr),
  };
  return {
    ...users,
    pid: child.pid ?? 0,
    exited: endOf(child),
    program: path,
    stderrTail: () => tail.text(),
    signal: (signal) => signalChild(child, signal),
    ref: () => {
      child.ref();
      for (const pipe of [child.stdout, users.stderr && child.stderr]) setRef(pipe, "ref");
    },
    unref: () => {
      child.unref();
      for (const pipe of [child.stdin, child.stdout, child.stderr]) setRef(pipe, "unref");
    },
  };
}

/** What a user reads of a child; when he destroys it, as a `break` does, the child's pipe is closed. */
function toUser(pipe: Readable | null): Readable | null {
  return pipe && pipeline(pipe, new PassThrough(), () => {});
}

/** Sockets in Node and Deno; Bun's pipes do not keep the process alive in the first place. */
function setRef(pipe: object | null, method: "ref" | "unref"): void {
  (pipe as { ref?: () => void; unref?: () => void } | null)?.[method]?.();
}

function spawnThread(invitation: Invitation): Spawned {
  const thread = new Thread(childEntry(), { workerData: threadData(invitation) });
  let failure = "";
  const exited = new Promise<End>((resolve) => {
    thread.on("error", (error: Error) => {
      failure = String(error?.stack ?? error);
      if (runtimeName !== "deno") writeStderr(`${failure}\n`); // Deno has printed it
    });
    thread.on("exit", (code) => resolve({ code, signal: null }));
  });
  return {
    pid,
    exited,
    stdin: null,
    stdout: null,
    stderr: null,
    program: "a thread",
    stderrTail: () => failure,
    signal: () => void thread.terminate(),
    ref: () => thread.ref(),
    unref: () => thread.unref(),
  };
}
