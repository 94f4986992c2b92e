/**
 * `Process`: a script, or one exported function, in a process of its own; and `processArgs`, by which
 * a script gets its arguments.
 *
 * Above: users. Below: process_options.ts, launch.ts, parcel.ts; the child's side is host.ts.
 *
 * @module
 */

import type { Readable, Writable } from "node:stream";
import { checkedOptions } from "../call_options.ts";
import type { Client } from "../client/client.ts";
import { ProcessError, TimeoutError } from "../errors.ts";
import { rebuildException } from "../exceptions.ts";
import { inTime, within } from "../in_time.ts";
import { defaultStartTimeout } from "../manager/connect.ts";
import type { JoinOptions } from "../manager/facade.ts";
import { thread } from "./child.ts";
import { unpackOutcomes } from "./outcomes.ts";
import { launch, type Launched } from "./launch.ts";
import { forAMinute, type Packed, Parcels, passesOf, untilClaimed } from "./parcel.ts";
import {
  checkProcessOptions,
  clientOf,
  moduleUrl,
  type ProcessOptions,
  refuseMissing,
} from "./process_options.ts";
import { endedEarly, type ProcessEnd, startError } from "./start_error.ts";
import { refuseWhileImporting } from "./tasks.ts";

export { clientOf, type ProcessOptions } from "./process_options.ts";

/** Milliseconds that a child whose start failed has to end by itself. */
const grace = 1_000;

type Signal = Parameters<Launched["signal"]>[0];

/**
 * A process that runs a script, or one function that a module exports. Its arguments may hold proxies
 * and connections. It keeps this process alive until it ends and never outlives it, unless the options
 * say otherwise; one that is stuck in a loop ends when it next yields. `R` is what the function
 * returns. Python: `multiprocessing.Process`.
 *
 * @example
 * ```ts ignore
 * import { Manager } from "@referent/manager";
 * import { Process } from "@referent/manager/process";
 *
 * const manager = await Manager.start();
 * const queue = await manager.queue<string>();
 * const worker = new Process(new URL("./worker.ts", import.meta.url), { manager, args: [queue] });
 * await worker.start(); // worker.ts: const [queue] = await processArgs<[QueueProxy<string>]>();
 * await queue.put("hello");
 * await worker.join();
 * await manager.shutdown();
 * ```
 */
export class Process<R = unknown> {
  /** For messages. */
  readonly name: string;
  readonly #module: URL;
  readonly #options: ProcessOptions;
  readonly #startTimeout: number;
  readonly #client: Client | undefined;
  #starting: Promise<void> | undefined;
  /** Signals for a process that is not there yet. */
  readonly #early: Signal[] = [];
  #signal: ((signal: Signal) => void) | undefined;
  #launched: Launched | undefined;
  #end: ProcessEnd | undefined;
  #result: Promise<R> | undefined;
  /** Who keeps this process alive: the child itself, unless it is detached or a daemon; each `join`. */
  #keepers = 0;

  /**
   * Does not start anything yet. `module` is the URL of a script, or with the option `export` of a
   * module.
   *
   * @throws {TypeError} An option is unknown or bad, the module is no URL, or the manager is in memory.
   */
  constructor(module: URL | string, options: ProcessOptions = {}) {
    this.#module = moduleUrl(module);
    this.#options = checkProcessOptions(options);
    this.#startTimeout = options.startTimeout ?? defaultStartTimeout;
    this.#client = options.manager && clientOf(options.manager);
    this.name = options.name ?? this.#module.pathname.split("/").at(-1)!;
  }

  /**
   * Starts the process; resolves once it runs and, of a function, its module is imported.
   *
   * Rejects with ProcessError - exit code, signal, end of stderr, cause - if that fails or takes more
   * than `startTimeout`, and SerializeError if an argument cannot be sent; TypeError the second time.
   */
  start(): Promise<void> {
    if (this.#starting) {
      return Promise.reject(
        new TypeError(`The process "${this.name}" was started already: make another one`),
      );
    }
    return this.#starting = this.#start();
  }

  /**
   * Waits for its end. Resolves to what the function returned, of a script to undefined, whatever its
   * exit code. Rejects with what the function threw, or ProcessError if the process ended before;
   * with TimeoutError after `timeout` milliseconds. Python: `join`, and `exitcode` afterwards.
   */
  async join(options: JoinOptions = {}): Promise<R> {
    const { timeout, signal } = checkedOptions(options, "join()");
    signal?.throwIfAborted();
    if (!this.#launched) {
      throw new TypeError(`The process "${this.name}" is not running: await start() first`);
    }
    const { exited } = this.#launched;
    this.#keep(+1);
    try {
      const result = exited.then(() => this.#result!);
      return await within(result, timeout, signal, `The process "${this.name}" has not ended`);
    } finally {
      this.#keep(-1);
    }
  }

  /**
   * Sends SIGTERM, which the process may handle or ignore. Nothing happens if it has ended; while it
   * starts, `start()` rejects.
   */
  terminate(): void {
    this.#send("SIGTERM");
  }

  /** Sends SIGKILL, which ends it. Nothing happens if it has ended; while it starts, `start()` rejects. */
  kill(): void {
    this.#send("SIGKILL");
  }

  /** Whether it has started and not ended. */
  get alive(): boolean {
    return this.#launched !== undefined && this.#end === undefined;
  }

  /** Its process id; undefined before it has started. */
  get pid(): number | undefined {
    return this.#launched?.pid;
  }

  /** Its exit code; null if a signal ended it, undefined before its end. Python: `exitcode`. */
  get exitCode(): number | null | undefined {
    return this.#end?.code;
  }

  /** The signal that ended it; null if it ended by itself, undefined before its end. */
  get exitSignal(): string | null | undefined {
    return this.#end?.signal;
  }

  /** Its stdin, where `stdio` says `pipe`. */
  get stdin(): Writable | null {
    return this.#launched?.stdin ?? null;
  }

  /** Its stdout, where `stdio` says `pipe`. */
  get stdout(): Readable | null {
    return this.#launched?.stdout ?? null;
  }

  /** Its stderr, where `stdio` says `pipe`. */
  get stderr(): Readable | null {
    return this.#launched?.stderr ?? null;
  }

  async #start(): Promise<void> {
    refuseWhileImporting("process");
    const deadline = performance.now() + this.#startTimeout;
    const parcels = new Parcels(this.#client);
    if (this.#options.export === undefined) refuseMissing(this.#module, this.name);
    const packed = await this.#pack(parcels);
    try {
      const launched = await this.#launch(packed);
      await this.#prepare(launched, packed, deadline);
      await this.#run(launched, parcels, packed, deadline);
    } catch (error) {
      packed.drop();
      throw error;
    }
  }

  async #pack(parcels: Parcels): Promise<Packed> {
    const { args = [], detached = false } = this.#options;
    // This process may be gone when a detached child claims them.
    const validity = detached ? forAMinute : untilClaimed;
    try {
      return await parcels.pack([...args], "args", validity, this.#startTimeout);
    } catch (cause) {
      if (!(cause instanceof TimeoutError)) throw cause;
      const what = `The process "${this.name}" did not start`;
      throw new ProcessError(`${what}: ${cause.message} (startTimeout)`, { cause });
    }
  }

  #launch({ parcel }: Packed): Promise<Launched> {
    const { export: name, stdio = "inherit", detached = false } = this.#options;
    const envs = [this.#client?.env, ...passesOf(parcel).map(({ env }) => env)];
    const addresses = envs.flatMap((env) => env?.["REFERENT_ADDRESS"] ?? []);
    return launch({
      what: "process",
      script: name === undefined ? this.#module : undefined,
      modules: name === undefined ? [] : [this.#module.href],
      addresses: [...new Set(addresses)],
      runtime: this.#options.runtime,
      permissions: this.#options.permissions,
      env: this.#options.env,
      stdio: typeof stdio === "string" ? [stdio, stdio, stdio] : stdio,
      detached,
      thread: false,
      startTimeout: this.#startTimeout,
      spawned: (signal) => {
        this.#signal = signal;
        this.#early.forEach(signal);
      },
    });
  }

  /** Tells the child what it is; ends one that fails to become it, or is late. */
  async #prepare(launched: Launched, packed: Packed, deadline: number): Promise<void> {
    let reason: string | undefined;
    let cause: Error | undefined;
    try {
      const ready = this.#introduce(launched, packed).then(() => true);
      // It may have been this process that was busy.
      const rest = Math.max(this.#startTimeout / 2, deadline - performance.now());
      if (await inTime(ready, rest)) return;
      reason = `it was not ready after ${this.#startTimeout} ms (startTimeout)`;
      launched.signal("SIGKILL");
    } catch (error) {
      cause = error as Error;
      if (!launched.client.usable) reason = "it ended before it was ready";
      // One that ends at once does not say that it will.
      else launched.host.finish({ exitCode: 1, now: true }).catch(() => {});
    }
    if (!await inTime(launched.exited, grace)) launched.signal("SIGKILL");
    const end = await launched.exited;
    throw startError("process", reason, cause, end, launched.stderrTail(), this.name);
  }

  async #introduce({ host }: Launched, { parcel }: Packed): Promise<void> {
    const { export: name, detached = false } = this.#options;
    const script = name === undefined;
    const env = this.#client?.env ?? passesOf(parcel).find(({ connection }) => !connection)?.env;
    await host.begin({ script, detached, env, args: script ? parcel : undefined });
    if (!script) await host.load(this.#module.href, name);
  }

  async #run(
    launched: Launched,
    parcels: Parcels,
    packed: Packed,
    deadline: number,
  ): Promise<void> {
    const { export: name, detached = false, daemon = false } = this.#options;
    const { host, exited } = launched;
    exited.then((end) => {
      this.#end = end;
      packed.drop();
    });
    this.#launched = launched;
    if (name === undefined) this.#result = Promise.resolve(undefined as R);
    else {
      this.#result = this.#call(launched, parcels, name, packed);
      this.#result.catch(() => {}); // join() tells of it
    }
    // This process may end at once: by the answer a detached child has the call, too. One that does
    // not answer is busy with it.
    if (detached && name !== undefined) {
      const answer = host.load(this.#module.href).catch(() => {});
      await inTime(answer, Math.max(0, deadline - performance.now()));
    }
    if (detached || daemon) launched.background();
    else this.#keep(+1);
  }

  /** Calls the function; the child ends when nothing runs in it any more. */
  async #call(launched: Launched, parcels: Parcels, name: string, packed: Packed): Promise<R> {
    const { host } = launched;
    let exitCode = 1;
    try {
      const reply = await this.#answer(launched, name, packed);
      const { values, exceptions: [failure] } = await unpackOutcomes(parcels, reply);
      if (failure) throw rebuildException(failure[1], new Map(), this.#source(name));
      exitCode = 0;
      return values[0] as R;
    } finally {
      await host.finish({ exitCode, now: false }).catch(() => {}); // it has ended already
    }
  }

  async #answer(
    { client, host, exited, stderrTail }: Launched,
    name: string,
    { parcel }: Packed,
  ): ReturnType<Launched["host"]["call"]> {
    try {
      return await host.call({ module: this.#module.href, name }, parcel);
    } catch (error) {
      if (client.usable) throw error;
      const what = `The process "${this.name}" ended before "${name}" returned`;
      throw endedEarly(ProcessError, what, await exited, stderrTail());
    }
  }

  #send(signal: Signal): void {
    if (this.#signal) this.#signal(signal);
    else if (this.#starting) this.#early.push(signal);
  }

  #source(method: string): { typeid: string; method: string } {
    return { typeid: "process", method };
  }

  #keep(by: 1 | -1): void {
    this.#keepers += by;
    if (this.#keepers > 0) this.#launched!.ref();
    else this.#launched!.unref();
  }
}

/**
 * The arguments of the `Process` that runs this script: copies of its values, and proxies of the
 * client that a plain `Manager.connect()` gives here. The same array each time.
 *
 * @example
 * ```ts ignore
 * import type { QueueProxy } from "@referent/manager";
 * import { processArgs } from "@referent/manager/process";
 *
 * const [queue] = await processArgs<[QueueProxy<string>]>();
 * console.log(await queue.get());
 * ```
 *
 * @throws {TypeError} Nobody started this script with a `Process`.
 */
export async function processArgs<A extends readonly unknown[] = unknown[]>(): Promise<A> {
  if (!thread.processArgs) {
    throw new TypeError(
      "processArgs() needs a Process: this script was started by hand, or runs in a thread; use `new Process(url, { args })`",
    );
  }
  return await thread.processArgs() as A;
}
