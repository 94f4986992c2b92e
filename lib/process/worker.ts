/**
 * One worker of a pool, as the pool sees it: it runs chunks of tasks and makes actors, is told when
 * nobody waits for it any more, and ends.
 *
 * Above: pool.ts. Below: launch.ts, host.ts, parcel.ts.
 *
 * @module
 */

import { clearTimeout, setTimeout } from "node:timers";
import { stripVTControlCharacters } from "node:util";
import type { Client } from "../client/client.ts";
import { WorkerLostError } from "../errors.ts";
import { rebuildException } from "../exceptions.ts";
import { inTime, within } from "../in_time.ts";
import { runtimeName } from "../runtime.ts";
import type { Initializer } from "../server/config.ts";
import type { Outcomes } from "./host.ts";
import type { Chunk, ChunkResult } from "./job.ts";
import { launch, type Launched } from "./launch.ts";
import { type Packed, type Parcels, problemOf, untilClaimed } from "./parcel.ts";
import type { ProgramOptions } from "./runtime_command.ts";
import { type ProcessEnd, startError } from "./start_error.ts";
import { Task } from "./tasks.ts";

/** What to start. */
export interface WorkerOptions {
  /** The client of the manager that a plain `Manager.connect()` joins there. */
  readonly client: Client | undefined;
  readonly runtime: ProgramOptions["runtime"];
  readonly permissions: ProgramOptions["permissions"];
  readonly thread: boolean;
  /** URLs of the modules that it may import. */
  readonly modules: readonly string[];
  readonly initializer: Initializer | undefined;
  readonly startTimeout: number;
}

/** Milliseconds that a task has to end by itself when nobody waits for it, or a worker at its end. */
const grace = 1_000;

/** One worker. It does not keep this process alive; what it runs does. */
export class Worker {
  /** Resolves when it has ended. */
  readonly exited: Promise<ProcessEnd>;
  /** Tasks that it has run. */
  tasks = 0;
  /** Instances that live in it. */
  actors = 0;
  readonly #launched: Launched;
  readonly #parcels: Parcels;
  /** The only modules that it can import; undefined: all. */
  readonly #modules: ReadonlySet<string> | undefined;
  #nextId = 1;
  /** The chunk that runs. */
  #running: { readonly chunk: Chunk; readonly id: number } | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  /**
   * Starts a worker.
   *
   * @throws {ProcessError} It did not start, or its initializer failed.
   */
  static async start(options: WorkerOptions, parcels: Parcels): Promise<Worker> {
    const address = options.client?.env["REFERENT_ADDRESS"];
    const launched = await launch({
      what: "worker",
      modules: options.modules,
      addresses: address === undefined ? [] : [address],
      runtime: options.runtime,
      permissions: options.permissions,
      stdio: ["ignore", "inherit", "inherit"],
      detached: false,
      thread: options.thread,
      startTimeout: options.startTimeout,
    });
    const worker = new Worker(launched, parcels, importable(options));
    try {
      await launched.host.begin({
        script: false,
        detached: false,
        env: options.client?.env,
      });
      await worker.#initialize(options);
      return worker;
    } catch (error) {
      await worker.kill();
      const { code, signal } = await worker.exited;
      const end = { code, signal };
      throw startError("worker", undefined, error as Error, end, launched.stderrTail(), "worker");
    }
  }

  private constructor(
    launched: Launched,
    parcels: Parcels,
    modules: ReadonlySet<string> | undefined,
  ) {
    this.#launched = launched;
    this.#parcels = parcels;
    this.#modules = modules;
    this.exited = launched.exited;
    // One that cannot be talked to is of no use.
    launched.client.ended.then(() => this.#end());
  }

  /** Whether it is killed if the task that it runs does not end soon. */
  get cancelling(): boolean {
    return this.#deadline !== undefined;
  }

  /** Whether the module can be imported there. */
  canImport(module: string): boolean {
    return this.#modules?.has(module) ?? true;
  }

  /**
   * Runs a chunk.
   *
   * @throws {WorkerLostError} It died meanwhile.
   * @throws What makes all of the chunk impossible: an item that cannot be sent, a module that cannot
   * be imported.
   */
  async run(chunk: Chunk): Promise<ChunkResult> {
    const { task, spread } = chunk.job;
    const { module, name } = task;
    const id = this.#nextId++;
    this.#running = { chunk, id };
    let packed: Packed | undefined;
    try {
      packed = await this.#pack(chunk);
      const request = { id, task: { module, name }, spread };
      const reply = await this.#launched.host.run(request, packed.parcel);
      const { values, exceptions } = await this.#parcels.unpack(reply) as Outcomes;
      const errors = new Map(exceptions.map(([position, exception]) => {
        const source = { typeid: "task", method: name };
        return [position, rebuildException(exception, Task.errorsOf(task), source)];
      }));
      return { chunk, values, errors };
    } catch (error) {
      packed?.drop();
      throw this.#launched.client.usable ? error : await this.#lost(`ran "${name}"`);
    } finally {
      this.#running = undefined;
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
      this.tasks += chunk.items.length;
    }
  }

  /** Nobody waits for the chunk any more: its task is told, and killed if it does not end. */
  cancel(chunk: Chunk): void {
    if (this.#running?.chunk !== chunk) return;
    // A worker that is lost tells of it in `run`.
    this.#launched.host.cancel(this.#running.id).catch(() => {});
    this.#deadline = setTimeout(() => this.#launched.signal("SIGKILL"), grace);
  }

  /** Makes an instance of a class; gives its proxy. */
  async makeActor({ module, name }: Task, args: readonly unknown[]): Promise<object> {
    this.actors++;
    try {
      const packed = await this.#parcels.pack(args, "args", untilClaimed);
      try {
        return await this.#launched.host.makeActor({ module, name }, packed.parcel) as object;
      } catch (error) {
        packed.drop();
        throw this.#launched.client.usable ? error : await this.#lost(`made "${name}"`);
      }
    } catch (error) {
      this.actors--;
      throw error;
    }
  }

  /** Lets it end in order; kills it if it does not. Resolves when it has ended. */
  async finish(): Promise<void> {
    this.#launched.ref();
    // One that is lost has ended already.
    this.#launched.host.finish({ exitCode: 0, now: true }).catch(() => {});
    await this.#end();
  }

  /** Terminates it, then kills it. Resolves when it has ended. */
  async kill(): Promise<void> {
    this.#launched.ref();
    this.#launched.signal("SIGTERM");
    await this.#end();
  }

  async #pack(chunk: Chunk): Promise<Packed> {
    try {
      return await this.#parcels.pack(chunk.items, "items", untilClaimed);
    } catch (error) {
      throw problemOfItem(chunk) ?? error;
    }
  }

  async #initialize({ initializer, startTimeout }: WorkerOptions): Promise<void> {
    if (!initializer) return;
    const { module, export: name = "default", args = [] } = initializer;
    const { host } = this.#launched;
    const packed = await this.#parcels.pack(args, "initializer.args", untilClaimed);
    const call = host.call({ module, name }, packed.parcel);
    const reply = await within(
      call,
      startTimeout,
      undefined,
      `The initializer "${name}" still runs`,
    )
      .finally(() => packed.drop());
    const { exceptions: [failure] } = await this.#parcels.unpack(reply) as Outcomes;
    if (!failure) return;
    throw rebuildException(failure[1], new Map(), { typeid: "initializer", method: name });
  }

  /** Kills it if it does not end soon. */
  async #end(): Promise<void> {
    const { client, exited, signal } = this.#launched;
    if (!await inTime(exited, grace)) signal("SIGKILL");
    await exited;
    client.abandon();
  }

  async #lost(what: string): Promise<WorkerLostError> {
    const { code, signal } = await this.exited;
    const stderr = stripVTControlCharacters(this.#launched.stderrTail());
    const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
    const wrote = stderr.trim() === "" ? "" : `\nIt wrote:\n${stderr.trimEnd()}`;
    const error = new WorkerLostError(`The worker that ${what} was lost (${how})${wrote}`);
    return Object.assign(error, { exitCode: code, exitSignal: signal, stderr });
  }
}

/** A Deno worker can import only what was named when it started. */
function importable(options: WorkerOptions): ReadonlySet<string> | undefined {
  const { runtime = runtimeName, permissions, thread } = options;
  const name = typeof runtime === "string" ? runtime : runtime.name;
  const all = name !== "deno" || thread || permissions === "all" ||
    permissions?.includes("--allow-read");
  return all ? undefined : new Set(options.modules);
}

/** The error of the first item that cannot be sent, with its place among all items. */
function problemOfItem({ job, items, start }: Chunk): Error | undefined {
  for (const [i, item] of items.entries()) {
    const problem = problemOf(item, job.pathOf(start + i));
    if (problem) return problem;
  }
}
